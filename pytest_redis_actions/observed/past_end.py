"""Clients that poll on although they were shown how their operation ended.

Of a `PastEnd` the endpoint's methods alone know, and they hold its lock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..faults import Fault
from .journal import Exchange, Journal

__all__ = ["PAST_END", "PastEnd", "PolledOn"]

PAST_END = 50
"""Polls in a row, past the end of an operation, after which a client is stopped."""

_ENDS = ("completed", "failed", "cancelled", "aborted")
_PATIENCE = 3  # polls that are answered after that: a client that can be interrupted sends no more
_HANG_UP = Fault("hung up: polled on", delivery="reset")


@dataclass(frozen=True)
class PolledOn:
    """A client that was stopped because it polled on.

    Attributes:
        uid: the operation.
        status: how it ended, as the client was shown.
        poll: the number of the poll that showed it, from 1, among the polls of this operation.
        exchange: that poll.
        since: how many polls have followed in a row.
        every: seconds on the clock between two of them, on average.
    """

    uid: str
    status: str
    poll: int
    exchange: Exchange
    since: int
    every: float

    @property
    def headline(self) -> str:
        """The verdict in one line."""
        return f"saw {self.status!r} at poll {self.poll} and polled on"

    def __str__(self) -> str:
        return "\n".join(
            [
                self.headline,
                f"  action  {self.uid}",
                f"  shown   {self.status!r} at poll {self.poll} (#{self.exchange.number}, {self.exchange.seconds:g} s)",
                f"  since   {self.since} polls in a row, {self.every:g} s apart",
                f"  fix     end the loop at each of {', '.join(_ENDS)}, not at one of them",
                "          past_end=… on the marker allows more such polls, past_end=None any number",
            ]
        )


class PastEnd:
    """Counts the polls in a row of operations whose end was shown.

    Any other poll, of an operation whose end was not shown yet or of another one, ends the row.

    Args:
        limit: polls in a row after which a client is stopped; None for never.
        journal: where the polls are.
    """

    def __init__(self, limit: int | None, journal: Journal) -> None:
        self._limit = limit
        self._journal = journal
        self._shown: dict[str, Exchange] = {}
        self._rows: dict[str, int] = {}
        self._stopped: set[str] = set()
        self.polled_on: PolledOn | None = None

    def note(self, exchange: Exchange) -> bool:
        """Count an exchange; return whether its client has to be stopped now, which it is once."""
        if self._limit is None or not exchange.is_poll:
            return False
        for uid, body in exchange.shown.items():
            if body.get("status") in _ENDS:
                self._shown.setdefault(uid, exchange)
            else:
                self._shown.pop(uid, None)
        if not self._shown:
            self._rows = {}
            return False
        known = exchange.uids if self._shown.keys() >= {*exchange.uids} else ()
        self._rows = {uid: self._rows.get(uid, 0) + (self._shown[uid] is not exchange) for uid in known}
        over = [uid for uid, count in self._rows.items() if count >= self._limit]
        if not over:
            return False
        is_new = self._stopped.isdisjoint(self._rows)
        self._stopped.add(over[0])
        self.polled_on = self._told(over[0], self._rows[over[0]], exchange)
        return is_new

    def _told(self, uid: str, since: int, last: Exchange) -> PolledOn:
        shown = self._shown[uid]
        poll = self._journal.polls_of(uid).index(shown) + 1
        return PolledOn(
            uid, str(shown.shown[uid]["status"]), poll, shown, since, (last.seconds - shown.seconds) / since
        )

    def fault_for(self, uids: Iterable[str]) -> Fault | None:
        """Return how a poll of a client is answered that cannot be stopped in another way."""
        over = any(self._rows.get(uid, 0) >= (self._limit or 0) + _PATIENCE for uid in uids)
        return _HANG_UP if self.polled_on and over else None

    @property
    def was_ignored(self) -> bool:
        """Whether a client went on although it was stopped."""
        return self.polled_on is not None and self.polled_on.since > (self._limit or 0)
