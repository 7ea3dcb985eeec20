"""What the requests of a play tell while it runs: whether the client polls past the end, how often, and how densely."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..clock import VirtualClock, WallClock
from .verdicts import SHORTEST, TERMINAL

if TYPE_CHECKING:
    from ..journal import Exchange

__all__ = ["RATE", "PAST_END", "PAST_END_REAL", "DrivenClock", "FastClock", "Watch"]

RATE = 60.0  # seconds on a wall clock for one real second
PAST_END, PAST_END_REAL = 50, 10  # polls after a terminal status, in a row; the second for a client that really waits
FREE = 600  # requests at one instant at which a client is stopped


class Watch:
    """Follows the journal of one play.

    Attributes:
        past_end: whether one operation was polled too often after its end.
        interval: the longest time between two polls of one operation, in real seconds.
        moved: the real seconds at which the last request came.
        real: number of a request -> the real seconds at which it came.
    """

    def __init__(self, past_end: int = PAST_END) -> None:
        self._past_end = past_end
        self.past_end = False
        self.interval = 0.0
        self.moved = 0.0
        self.real: dict[int, float] = {}
        self._clock = WallClock()
        self._journal: Sequence[Exchange] = ()
        self._ended: Counter[str] = Counter()
        self._last: dict[str, float] = {}

    @property
    def now(self) -> float:
        """Real seconds since the watch began."""
        return self._clock.seconds

    def follow(self, journal: Sequence[Exchange]) -> None:
        """Begin to follow a journal."""
        self._journal = journal

    def look(self) -> None:
        """Take note of what the journal has got since the last look. Called after each request."""
        self.moved = self.now
        for each in self._journal[len(self.real) :]:
            if each.number not in self.real:
                self.real[each.number] = self.moved
                self._note(each)

    def _note(self, exchange: Exchange) -> None:
        for uid in exchange.aimed if exchange.method == "GET" else ():
            self.interval = max(self.interval, self.moved - self._last.get(uid, self.moved))
            self._last[uid] = self.moved
        alone = len(exchange.shown) == 1
        for uid, body in exchange.shown.items() if alone else ():
            self._ended[uid] = self._ended[uid] + 1 if body.get("status") in TERMINAL else 0
            self.past_end = self.past_end or self._ended[uid] > self._past_end


class DrivenClock(VirtualClock):
    """The clock of a driven client: it allows so many requests as a client makes that sleeps between them."""

    def __init__(self, watch: Watch, max_virtual_seconds: float) -> None:
        super().__init__()
        self._watch = watch
        self.max_virtual_seconds = max_virtual_seconds

    def requested(self) -> None:
        """Take note of a request, and stop the client if it is one too many."""
        self._watch.look()
        if not self._watch.past_end:
            self.max_polls = FREE + int(self.seconds / SHORTEST)
        else:
            self.max_polls = min(self.max_polls, len(self._watch.real) - 1)
        super().requested()


class FastClock(WallClock):
    """The clock of a client that waits in real time."""

    def __init__(self, watch: Watch) -> None:
        super().__init__(rate=RATE)
        self._watch = watch

    def requested(self) -> None:
        """Take note of a request."""
        self._watch.look()
