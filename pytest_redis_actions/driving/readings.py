"""What driven clocks read at an instant, in seconds as a float, and when a sleep in float seconds ends.

The clock counts whole nanoseconds, so that ten times 0.1 are one second, and a client adds floats. After a sleep its
readings must have grown by what it asked for, as those of a real clock have: they are then a few units of the last
place ahead of the nanoseconds. A sleep until a deadline that the client computed from them ends at that deadline.
"""

from __future__ import annotations

import math

__all__ = ["NANOSECONDS", "Hand", "Readings", "nanoseconds"]

NANOSECONDS = 1_000_000_000


def nanoseconds(seconds: float) -> int:
    """Return a span in seconds as whole nanoseconds: the nearest number, but never none for a positive span."""
    return round(seconds * NANOSECONDS) or int(seconds > 0)


class Hand:
    """One of the two clocks that a client reads.

    Args:
        begins: seconds that it reads when the nanoseconds stand at 0.

    Attributes:
        read_at: the nanoseconds at which it was last read; None before that.
    """

    def __init__(self, begins: int) -> None:
        self._begins = begins
        self._least = -math.inf
        self.read_at: int | None = None

    def read(self, now: int) -> float:
        """Return what it reads at so many nanoseconds: the nearest float, or what a sleep was to reach."""
        self.read_at = now
        return self._at(now)

    def _at(self, now: int) -> float:
        return max((self._begins * NANOSECONDS + now) / NANOSECONDS, self._least)

    def after(self, now: int, seconds: float) -> float:
        """Return the least reading that is later by a span, as a client computes it; -inf if nobody has read it."""
        if self.read_at is None:
            return -math.inf
        reading = self._at(now)
        ends = reading + seconds
        return ends if ends - reading >= seconds else math.nextafter(ends, math.inf)

    def is_left(self, now: int, seconds: float) -> bool:
        """Whether a span may be what is left until an instant: what lies between two of its readings."""
        return self.after(now, seconds) - self._at(now) == seconds

    def instant(self, reading: float) -> int:
        """Return the nanoseconds at which it reads this."""
        return round((reading - self._begins) * NANOSECONDS)

    def reach(self, reading: float) -> None:
        """Read at least this from now on."""
        self._least = max(self._least, reading)


class Readings:
    """The float readings of one block's clock.

    Args:
        monotonic_from: seconds that `time.monotonic` reads when the clock stands at 0.
        epoch: Unix seconds at that instant.

    Attributes:
        monotonic: what `time.monotonic` reads.
        wall: what `time.time` reads.
    """

    def __init__(self, monotonic_from: int, epoch: int) -> None:
        self.monotonic = Hand(monotonic_from)
        self.wall = Hand(epoch)

    def end_of(self, now: int, seconds: float) -> tuple[int, tuple[float, float]]:
        """Return when a sleep that begins now ends, in nanoseconds, and what wall and monotonic have to read then.

        A number that somebody wrote down ends after so many nanoseconds. What is left until a reading ends at that
        reading. Any other was computed, and ends when the clocks that were just read have grown by as much.
        """
        ends = now + nanoseconds(seconds)
        expected = self.wall.after(now, seconds), self.monotonic.after(now, seconds)
        if not math.isclose((ends - now) / NANOSECONDS, seconds, rel_tol=1e-15):
            # The last place of time.time is the coarser one: what is left there would pass for either.
            read = [hand for hand in (self.wall, self.monotonic) if hand.read_at == now]
            instants = [hand.instant(hand.after(now, seconds)) for hand in read]
            left = [instant for hand, instant in zip(read, instants, strict=True) if hand.is_left(now, seconds)]
            ends = max(left[0], now + 1) if left else max([ends, *instants])
        return ends, expected

    def reach(self, expected: tuple[float, float]) -> None:
        """Let both clocks read at least this from now on."""
        self.wall.reach(expected[0])
        self.monotonic.reach(expected[1])
