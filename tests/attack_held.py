# mypy: ignore-errors
# ruff: noqa
"""Clients that hold their sleep in other things, written as strangers write them: neither typed nor tidied up."""

import functools, itertools, time

pause = functools.partial(time.sleep, 5)


def by_partial(ask):
    while (s := ask()) != "completed":
        pause()
    return s


DO = {"pause": time.sleep, "now": time.monotonic}


def by_dict(ask):
    end = DO["now"]() + 600
    while (s := ask()) != "completed":
        if DO["now"]() > end:
            raise TimeoutError
        DO["pause"](5)
    return s


from typing import Callable, NamedTuple


class Policy(NamedTuple):
    sleep: Callable[[float], None]
    now: Callable[[], float]


POLICY = Policy(time.sleep, time.monotonic)


def by_namedtuple(ask):
    end = POLICY.now() + 600
    while (s := ask()) != "completed":
        if POLICY.now() > end:
            raise TimeoutError
        POLICY.sleep(0.5)
    return s


SLEEPS = itertools.repeat(time.sleep)


def by_iterator(ask):
    while (s := ask()) != "completed":
        next(SLEEPS)(0.5)
    return s


from attack_retry import retry


@retry(time.sleep, 5)
def decorated(ask):
    return ask()


class Decorated:
    @retry(sleep=time.sleep, every=5)
    def wait(self, ask):
        return ask()
