# mypy: ignore-errors
# ruff: noqa
"""A client that takes all names of time, written as strangers write them: neither typed nor tidied up."""

from time import *


def wait(ask):
    end = monotonic() + 600
    while (s := ask()) != "completed":
        if monotonic() > end:
            raise TimeoutError
        sleep(5)
    return s
