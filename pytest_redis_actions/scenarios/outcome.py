"""What a client has done in one play: what it returned or raised, and what its journal shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from ..errors import shown
from ..observed.journal import Exchange

__all__ = ["CommandFailed", "Outcome", "Stopped", "Why"]


class CommandFailed(Exception):
    """A command has ended with another exit status than 0; what it wrote to its standard error is the text.

    Attributes:
        status: the exit status.
        wrote: the text.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"exit status {status}: {text}")
        self.status = status
        self.wrote = text


class Why(Enum):
    """What a client did when it had to be stopped."""

    PAST_END = "polled on after the end"
    REQUESTS = "polled without sleeping, or nearly so"
    LOOKS = "looked at the time without sleeping"
    VIRTUAL_TIME = "waited beyond the virtual time of the play"
    STANDS_STILL = "neither ended nor did anything that could be seen"
    REAL_TIME = "took longer than its own interval explains"


@dataclass(frozen=True)
class Stopped:
    """Why the contract stopped a client.

    Attributes:
        why: what the client did.
        after: seconds of the client's own after which it was stopped.
        limit: the seconds that were exceeded, virtual or real.
        interval: the longest time between two of its polls, in its own seconds; 0 where there were not two.
        detail: what the watch on virtual time said, for people.
        is_abandoned: whether it caught even what stops it, and goes on by itself.
    """

    why: Why
    after: float = 0.0
    limit: float = 0.0
    interval: float = 0.0
    detail: str = ""
    is_abandoned: bool = False


@dataclass(frozen=True)
class Outcome:
    """How one call of `wait` has ended, and the requests that it made. All times are the client's own seconds.

    Attributes:
        uid: the operation that it waited for; None where it had to start it.
        wanted: the status that the operation ends in, in plays of several; "" elsewhere.
        returned: what it returned, if it did.
        error: what it raised, if it did.
        place: the line of the client that raised it, "naive.py:14", or what a command said last; "" if unknown.
        source: the text of that line.
        stopped: why it had to be stopped; None if it ended by itself.
        exchanges: its requests, in order.
        strangers: requests that it sent to another host.
        seconds: when it ended.
        timeout: its deadline.
        is_driven: whether its seconds are virtual.
        real: number of a request -> the real seconds at which it came.
        threads: names of threads that it left behind.
        renewals: how often it asked for fresh credentials.
        headers: the headers that every request should have.
    """

    uid: str | None
    wanted: str = ""
    returned: object = None
    error: BaseException | None = None
    place: str = ""
    source: str = ""
    stopped: Stopped | None = None
    exchanges: tuple[Exchange, ...] = ()
    strangers: tuple[Exchange, ...] = ()
    seconds: float = 0.0
    timeout: float = 0.0
    is_driven: bool = True
    real: Mapping[int, float] = field(default_factory=dict)
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
        """Its polls, of whatever operation: see `Exchange.is_poll`."""
        return tuple(each for each in self.exchanges if each.is_poll)

    @property
    def unrouted(self) -> tuple[Exchange, ...]:
        """Its requests that the stub does not play."""
        return tuple(each for each in self.exchanges if _met_no_route(each))

    @property
    def starts(self) -> tuple[Exchange, ...]:
        """Its requests that change something."""
        return tuple(each for each in self.exchanges if each.method not in ("GET", "HEAD", "OPTIONS"))

    @property
    def text(self) -> str:
        """What the error says, over the whole chain, in lower case."""
        return " | ".join(_texts(self.error)).lower()

    @property
    def failure(self) -> str:
        """What it ended with: "KeyError", or "exit status 1"."""
        return (
            f"exit status {self.error.status}" if isinstance(self.error, CommandFailed) else type(self.error).__name__
        )

    @property
    def unit(self) -> str:
        """The unit of its seconds."""
        return "virtual s" if self.is_driven else "real s"

    def __str__(self) -> str:
        count = f"{len(self.polls)} poll{'' if len(self.polls) == 1 else 's'}, {self.seconds:.6g} {self.unit}"
        if self.stopped is not None:
            return f"was stopped: it {self.stopped.why.value}; {count}"
        if self.error is not None:
            first = (str(self.error) or "without a text").splitlines()[0]
            return f"raised {type(self.error).__name__}: {first[:80]}; {count}"
        return f"returned {shown(self.returned)}; {count}"


def _met_no_route(exchange: Exchange) -> bool:
    return not exchange.by_handler and (exchange.route is None or exchange.error_code == "not_found")


def _texts(error: BaseException | None) -> Iterator[str]:
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        each = waiting.pop(0)
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each.wrote if isinstance(each, CommandFailed) else f"{type(each).__name__}: {each}"
        waiting += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]
