# mypy: ignore-errors
# ruff: noqa
"""A decorator that retries, written as strangers write them: neither typed nor tidied up."""

import functools


def retry(sleep, every):
    def wrap(f):
        @functools.wraps(f)
        def wait(*a):
            while (s := f(*a)) != "completed":
                sleep(every)
            return s

        return wait

    return wrap
