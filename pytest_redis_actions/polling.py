"""Assertions about how a client has polled, from the journal alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from .errors import RedisActionsError, UsageError, shown
from .journal import Exchange, Journal
from .lifecycle import lifecycle
from .routes import matches, split
from .timeline import exchange_lines

__all__ = [
    "PollingError",
    "assert_header",
    "assert_never_requested",
    "assert_no_overlapping_polls",
    "assert_not_polled_after_terminal",
    "assert_one_connection",
    "assert_polled",
    "assert_retry_after_honoured",
]

__tracebackhide__ = True


class PollingError(RedisActionsError, AssertionError):
    """A client has polled in another way than it should.

    Attributes:
        exchanges: the offending ones.
    """

    def __init__(self, headline: str, exchanges: Sequence[Exchange], lines: Sequence[str]) -> None:
        super().__init__(headline)
        self.headline = headline
        self.exchanges = tuple(exchanges)
        self._lines = tuple(lines)

    def __str__(self) -> str:
        return "\n".join([self.headline[:80], *(f"  {line}" for line in self._lines)])


def _listed(exchanges: Sequence[Exchange]) -> list[str]:
    lines = [str(each)[:110] for each in exchanges[:8]]
    return lines if len(exchanges) <= 8 else [*lines, f"… and {len(exchanges) - 8} more"]


def assert_polled(
    polls: Sequence[Exchange],
    uid: str,
    *,
    at_least: int | None = None,
    at_most: int | None = None,
    no_faster_than: float | None = None,
) -> None:
    """Fail unless an operation was polled so often, and no two polls were closer together.

    Args:
        polls: its polls, as the journal has them.
        uid: its uid.
        at_least, at_most: polls.
        no_faster_than: seconds between two polls, on the stub's clock.
    """
    for name, value in (("at_least", at_least), ("at_most", at_most), ("no_faster_than", no_faster_than)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0):
            raise UsageError(f"{name}={shown(value, 30)} is no number from 0", fix=f"write {name}=2", value=value)
    told = [f"action   {uid}", *exchange_lines(polls, uid)]
    if at_least is not None and len(polls) < at_least:
        raise PollingError(f"polled {len(polls)} times, at least {at_least} expected", polls, told)
    if at_most is not None and len(polls) > at_most:
        raise PollingError(f"polled {len(polls)} times, at most {at_most} expected", polls, told)
    if no_faster_than is not None:
        for before, after in pairwise(polls):
            gap = after.seconds - before.seconds
            if gap < no_faster_than - 1e-9:
                headline = (
                    f"polled again after {gap:g} s (#{before.number}, #{after.number}); {no_faster_than:g} s expected"
                )
                raise PollingError(headline, [before, after], told)


def assert_not_polled_after_terminal(polls: Sequence[Exchange], uid: str, *, kind: str, release: str) -> None:
    """Fail if an operation was polled again after a poll had seen how it ended."""
    life = lifecycle(kind, release)
    ended = None
    for each in polls:
        if ended is not None:
            late = [poll for poll in polls if poll.number > ended.number]
            status = ended.shown.get(uid, {}).get("status", "gone")
            headline = f"polled {len(late)} more times after {status} was seen at #{ended.number}"
            raise PollingError(headline, late, [f"action   {uid}", *exchange_lines(polls, uid)])
        status = each.shown.get(uid, {}).get("status")
        if isinstance(status, str) and status in life.transitions and life.is_terminal(status):
            ended = each


def assert_retry_after_honoured(journal: Iterable[Exchange]) -> None:
    """Fail if a client came back to the same path sooner than a Retry-After had told it."""
    told: dict[tuple[str, str], Exchange] = {}
    for each in journal:
        before = told.pop((each.method, each.target), None)
        if before is not None and before.retry_after is not None:
            gap = each.seconds - before.seconds
            if gap < before.retry_after - 1e-9:
                headline = f"Retry-After of {before.retry_after:g} s not honoured: back after {gap:g} s"
                raise PollingError(headline, [before, each], _listed([before, each]))
        if each.retry_after is not None:
            told[each.method, each.target] = each


def assert_no_overlapping_polls(journal: Iterable[Exchange]) -> None:
    """Fail if a request about an operation came while the reply to another about the same one was under way."""
    offending = [each for each in journal if each.overlaps is not None]
    if offending:
        first = offending[0]
        raise PollingError(
            f"#{first.number} came while #{first.overlaps} was not answered yet", offending, _listed(offending)
        )


def assert_header(journal: Iterable[Exchange], name: str, value: str | None = None) -> None:
    """Fail unless every request had a header, and with this value if one is given."""
    key = name.lower()
    missing = [each for each in journal if key not in each.headers or value not in (None, each.headers[key])]
    if missing:
        what = f"the header {name}" + (f": {value}" if value is not None else "")
        raise PollingError(f"{len(missing)} requests without {what}", missing, _listed(missing))


def assert_one_connection(journal: Iterable[Exchange]) -> None:
    """Fail if the requests came on more than one TCP connection."""
    firsts = {each.connection: each for each in reversed(list(journal))}
    if len(firsts) > 1:
        opening = sorted(firsts.values(), key=lambda each: each.number)
        raise PollingError(f"{len(firsts)} connections were opened, one expected", opening, _listed(opening))


def assert_never_requested(journal: Journal, method: str, path: str) -> None:
    """Fail if a request of this method and path was sent; the path may be a template, "/v1/actions/{uid}"."""
    template = split(path)
    sent = [
        each for each in journal if each.method == method and matches(template, split(each.target.partition("?")[0]))
    ]
    if sent:
        raise PollingError(f"{method} {path} was requested {len(sent)} times", sent, _listed(sent))
