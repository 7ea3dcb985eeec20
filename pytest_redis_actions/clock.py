"""The stub's clocks: a virtual one that moves only when told, and a wall clock that runs at a rate.

A clock is the only source of time of a stub. It counts whole nanoseconds, so that ten times 0.1 are one second.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time

from .errors import UsageError, shown

__all__ = ["DEFAULT_EPOCH", "VirtualClock", "WallClock"]

__tracebackhide__ = True

DEFAULT_EPOCH = 1_760_400_000
"""Unix seconds at which clocks start unless told otherwise: fixed, so that runs repeat. 2025-10-14 00:00 UTC."""

_NANOSECONDS = 1_000_000_000
_LONGEST = 1e9
_LATEST = 253_402_300_799  # Unix seconds: the end of the year 9999


def _checked(seconds: object, what: str) -> int:
    """Return a span of time in nanoseconds, refusing what is none."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not math.isfinite(seconds):
        raise UsageError(f"{what}({shown(seconds, 30)}) is no time", fix="give seconds as a number", value=seconds)
    if seconds < 0:
        raise UsageError(
            f"{what}({shown(seconds, 30)}): time can't go backwards", fix="give seconds from 0", value=seconds
        )
    if seconds > _LONGEST:
        raise UsageError(f"{what}({shown(seconds, 30)}) is too long", fix="give at most 1e9 seconds", value=seconds)
    return round(seconds * _NANOSECONDS)


def _checked_epoch(epoch: object) -> int:
    if type(epoch) is not int or not 0 <= epoch <= _LATEST:
        raise UsageError(
            f"epoch={shown(epoch, 30)} is no instant", fix="give Unix seconds as a whole number from 0", value=epoch
        )
    return epoch


class VirtualClock:
    """A clock that starts at 0 seconds and moves only when told.

    Attributes:
        epoch: Unix seconds of its start.
    """

    def __init__(self, epoch: int = DEFAULT_EPOCH) -> None:
        self.epoch = _checked_epoch(epoch)
        self._nanoseconds = 0
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<virtual clock at {self.seconds:g} s>"

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return self._nanoseconds / _NANOSECONDS

    def advance(self, seconds: float) -> None:
        """Move the clock on by this many seconds.

        Raises:
            UsageError: negative, not finite or no number.
        """
        self._move(_checked(seconds, "advance"))

    def sleep(self, seconds: float) -> None:
        """Stand in for `time.sleep` in a client that takes its sleep as an argument: the clock moves on at once."""
        self._move(_checked(seconds, "sleep"))

    def _move(self, nanoseconds: int) -> None:
        with self._lock:
            moved = self._nanoseconds + nanoseconds
            if self.epoch + moved // _NANOSECONDS > _LATEST:
                raise UsageError(
                    "the clock would go beyond the year 9999", fix="advance by less, or set an earlier epoch"
                )
            self._nanoseconds = moved

    async def asleep(self, seconds: float) -> None:
        """Stand in for `asyncio.sleep`: the clock moves on at once, and other tasks get their turn."""
        self.sleep(seconds)
        await asyncio.sleep(0)

    def time(self) -> float:
        """Stand in for `time.time`: Unix seconds."""
        return self.epoch + self.seconds

    def monotonic(self) -> float:
        """Stand in for `time.monotonic`: seconds since the start."""
        return self.seconds


class WallClock:
    """A clock that runs by itself, `rate` times as fast as real time.

    Attributes:
        epoch: Unix seconds of its start.
        rate: seconds on this clock per real second.
    """

    def __init__(self, epoch: int = DEFAULT_EPOCH, *, rate: float = 1.0) -> None:
        if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 < rate <= 1e6:
            raise UsageError(f"rate={shown(rate, 30)} is no rate", fix="give a number above 0, at most 1e6", value=rate)
        self.epoch = _checked_epoch(epoch)
        self.rate = rate
        self._start = time.monotonic_ns()
        self._ahead = 0
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<wall clock at {self.seconds:g} s, rate {self.rate:g}>"

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return (round((time.monotonic_ns() - self._start) * self.rate) + self._ahead) / _NANOSECONDS

    def advance(self, seconds: float) -> None:
        """Move the clock on by this many seconds, besides the time that passes."""
        step = _checked(seconds, "advance")
        with self._lock:
            self._ahead += step

    def sleep(self, seconds: float) -> None:
        """Wait until this many seconds have passed on the clock."""
        time.sleep(_checked(seconds, "sleep") / _NANOSECONDS / self.rate)

    async def asleep(self, seconds: float) -> None:
        """Wait until this many seconds have passed on the clock, giving other tasks their turn."""
        await asyncio.sleep(_checked(seconds, "asleep") / _NANOSECONDS / self.rate)

    def time(self) -> float:
        """Stand in for `time.time`: Unix seconds."""
        return self.epoch + self.seconds

    def monotonic(self) -> float:
        """Stand in for `time.monotonic`: seconds since the start."""
        return self.seconds


Clock = VirtualClock | WallClock
