"""What driven clocks read at an instant, in seconds as a float, and when a sleep in float seconds ends.

The clock counts whole nanoseconds, so that ten times 0.1 are one second, and a client adds floats. After a sleep its
readings must have grown by what it asked for, as those of a real clock have: they are then a few units of the last
place ahead of the nanoseconds. A sleep until a deadline that the client computed from them ends at that deadline.
"""

from __future__ import annotations

import math

__all__ = ["NANOSECONDS", "Readings", "nanoseconds"]

NANOSECONDS = 1_000_000_000
_WALL_STEPS = 2**22  # per second: what is left between two readings of `time.time` is a multiple of this step


def nanoseconds(seconds: float) -> int:
    """Return a span in seconds as whole nanoseconds: the nearest number, but never none for a positive span."""
    return round(seconds * NANOSECONDS) or int(seconds > 0)


class Readings:
    """The float readings of one block's clock.

    Args:
        monotonic_from: seconds that `time.monotonic` reads when the clock stands at 0.
        epoch: Unix seconds at that instant.
    """

    def __init__(self, monotonic_from: int, epoch: int) -> None:
        self._monotonic_from = monotonic_from
        self._epoch = epoch
        self._least = (-math.inf, -math.inf)
        self._is_wall_read = False

    def monotonic(self, now: int) -> float:
        """Return what `time.monotonic` reads when the clock stands at so many nanoseconds."""
        return max((self._monotonic_from * NANOSECONDS + now) / NANOSECONDS, self._least[0])

    def time(self, now: int) -> float:
        """Return what `time.time` reads then."""
        self._is_wall_read = True
        return self._wall(now)

    def _wall(self, now: int) -> float:
        return max((self._epoch * NANOSECONDS + now) / NANOSECONDS, self._least[1])

    def end_of(self, now: int, seconds: float) -> tuple[int, tuple[float, float]]:
        """Return when a sleep that begins now ends, in nanoseconds, and what both clocks have to read then at least."""
        expected = _sum(self.monotonic(now), seconds), _sum(self._wall(now), seconds)
        ends = now + nanoseconds(seconds)
        if not math.isclose((ends - now) / NANOSECONDS, seconds, rel_tol=1e-15):
            # No number that somebody wrote down: what is left until a deadline.
            ends = max(ends, round((expected[0] - self._monotonic_from) * NANOSECONDS))
            # Readings of the wall clock run further ahead: they count once a client has read them.
            if self._is_wall_read and (seconds * _WALL_STEPS).is_integer():
                ends = max(ends, round((expected[1] - self._epoch) * NANOSECONDS))
        return ends, expected

    def reach(self, expected: tuple[float, float]) -> None:
        """Let both clocks read at least this from now on."""
        self._least = max(self._least[0], expected[0]), max(self._least[1], expected[1])


def _sum(reading: float, seconds: float) -> float:
    """Return the least reading that is later than another one by this, as a client computes it."""
    ends = reading + seconds
    return ends if ends - reading >= seconds else math.nextafter(ends, math.inf)
