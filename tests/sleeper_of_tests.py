"""A module that sleeps for the clients of tests, so that its time can be driven."""

from __future__ import annotations

import time


def nap(seconds: float) -> None:
    time.sleep(seconds)
