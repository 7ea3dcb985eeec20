"""The poller that everybody writes first."""

from __future__ import annotations

import time

import requests


def wait(url: str, auth: tuple[str, str], uid: str | None, verify: str | bool = True) -> str:
    status = ""
    while status != "completed":
        reply = requests.get(f"{url}/v1/actions/{uid}", auth=auth, verify=verify, timeout=10)
        status = reply.json()["status"]
        time.sleep(5)
    return status
