"""What the requests of a play tell while it runs: whether the client polls past the end, how often, and how densely."""

from __future__ import annotations

import threading

from ..clock import VirtualClock, WallClock
from ..observed.journal import Exchange, Journal
from ..observed.past_end import PastEnd
from ..scenarios.verdicts import SHORTEST

__all__ = ["RATE", "DrivenClock", "FastClock", "Watch"]

RATE = 60.0  # seconds on a wall clock for one real second
FREE = 600  # requests at one instant at which a client is stopped


class Watch:
    """Follows the journal of one play.

    Args:
        past_end: polls after the end of an operation, in a row, after which a client is to be stopped.

    Attributes:
        past_end: whether there were so many.
        interval: the longest time between two polls of one operation, in real seconds.
        moved: the real seconds at which the last request came.
        real: number of a request -> the real seconds at which it came.
    """

    def __init__(self, past_end: int) -> None:
        self._limit = past_end
        self.past_end = False
        self.interval = 0.0
        self.moved = 0.0
        self.real: dict[int, float] = {}
        self._clock = WallClock()
        self._lock = threading.Lock()
        self._last: dict[str, float] = {}
        self.follow(Journal())

    @property
    def now(self) -> float:
        """Real seconds since the watch began."""
        return self._clock.seconds

    def follow(self, journal: Journal) -> None:
        """Begin to follow a journal."""
        self._journal = journal
        self._ends: dict[tuple[str, ...], PastEnd] = {}  # of each operation: each has a client of its own

    def look(self) -> None:
        """Take note of what the journal has got since the last look. Called after each request."""
        with self._lock:
            self.moved = self.now
            for each in self._journal[len(self.real) :]:
                self.real[each.number] = self.moved
                self._note(each)

    def _note(self, exchange: Exchange) -> None:
        for uid in exchange.aimed if exchange.method == "GET" else ():
            self.interval = max(self.interval, self.moved - self._last.get(uid, self.moved))
            self._last[uid] = self.moved
        if len(exchange.uids) == 1:
            ends = self._ends.setdefault(exchange.uids, PastEnd(self._limit, self._journal))
            self.past_end = ends.note(exchange) or self.past_end


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
        if self.block is not None:  # an abandoned client goes on when its play is over, and concerns nobody then
            super().requested()


class FastClock(WallClock):
    """The clock of a client that waits in real time."""

    def __init__(self, watch: Watch) -> None:
        super().__init__(rate=RATE)
        self._watch = watch

    def requested(self) -> None:
        """Take note of a request."""
        self._watch.look()
