"""What a client has done in one play: what it returned or raised, and what its journal shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..journal import Exchange

__all__ = ["Outcome"]


@dataclass(frozen=True)
class Outcome:
    """How one call of `wait` has ended, and the requests that it made.

    Attributes:
        uid: the operation that it waited for; None where it had to start it.
        returned: what it returned, if it did.
        error: what it raised, if it did.
        stopped: why it had to be stopped; "" if it ended by itself.
        exchanges: its requests, in order.
        strangers: requests that it sent to another host.
        seconds: on the clock, when it ended.
        timeout: its deadline in seconds on the clock.
        pace: seconds on the clock for one of the client's own.
        threads: names of threads that it left behind.
        renewals: how often it asked for fresh credentials.
    """

    uid: str | None
    returned: object = None
    error: BaseException | None = None
    stopped: str = ""
    exchanges: tuple[Exchange, ...] = ()
    strangers: tuple[Exchange, ...] = ()
    seconds: float = 0.0
    timeout: float = 0.0
    pace: float = 1.0
    threads: tuple[str, ...] = ()
    renewals: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def word(self) -> str | None:
        """The final status that it returned, in lower case; None if it returned none."""
        value = self.returned.get("status") if isinstance(self.returned, Mapping) else self.returned
        return value.strip().lower() if isinstance(value, str) else None

    @property
    def polls(self) -> tuple[Exchange, ...]:
        """Its GETs."""
        return tuple(each for each in self.exchanges if each.method == "GET")

    @property
    def starts(self) -> tuple[Exchange, ...]:
        """Its requests that are none."""
        return tuple(each for each in self.exchanges if each.method not in ("GET", "HEAD", "OPTIONS"))

    @property
    def text(self) -> str:
        """What the error says, over the whole chain, in lower case."""
        return " | ".join(_texts(self.error)).lower()

    def __str__(self) -> str:
        polls = f"{len(self.polls)} poll{'' if len(self.polls) == 1 else 's'}, {self.seconds:g} s"
        if self.stopped:
            return f"{self.stopped}; {polls}"
        if self.error is not None:
            first = (str(self.error) or "without a text").splitlines()[0]
            return f"raised {type(self.error).__name__}: {first[:80]}; {polls}"
        return f"returned {str(self.returned)[:60]!r}; {polls}"


def _texts(error: BaseException | None) -> Iterator[str]:
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        each = waiting.pop(0)
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield f"{type(each).__name__}: {each}"
        waiting += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]
