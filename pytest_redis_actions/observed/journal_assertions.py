"""Assertions on how a client polled, from the journal alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from ..errors import RedisActionsError, UsageError, shown
from ..errors.arguments import check_number
from ..facts.lifecycle import Lifecycle, lifecycle
from ..facts.routes import check_request, difference, is_known, matches, split
from .journal import Exchange
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
    """A client polled in a way that it should not.

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
    """Fail unless the number of polls of an operation, and the time between them, keep these bounds.

    Without `at_least`, one poll is expected; two with `no_faster_than`, none with `at_most=0`.

    Args:
        polls: its polls, as the journal has them.
        uid: its uid.
        at_least, at_most: polls.
        no_faster_than: the least seconds between two polls, on the stub's clock.

    Raises:
        UsageError: no bound, or a bound that holds for every client.
        PollingError: with the poll timeline.
    """
    least = _least_of(at_least, at_most, no_faster_than)
    told = [f"action   {uid}", *exchange_lines(polls, uid)]
    if len(polls) < least:
        raise PollingError(f"polled {_times(len(polls))}, at least {least} expected", polls, told)
    if at_most is not None and len(polls) > at_most:
        raise PollingError(f"polled {_times(len(polls))}, at most {at_most} expected", polls, told)
    if no_faster_than is not None:
        for before, after in pairwise(polls):
            gap = after.seconds - before.seconds
            if gap < no_faster_than - 1e-9:
                headline = (
                    f"polled again after {gap:g} s (#{before.number}, #{after.number}); {no_faster_than:g} s expected"
                )
                raise PollingError(headline, [before, after], told)


def _least_of(at_least: int | None, at_most: int | None, no_faster_than: float | None) -> int:
    """Return how many polls are expected at least; refuse bounds that say nothing."""
    if at_least is None and at_most is None and no_faster_than is None:
        raise UsageError("assert_polled() has no bound", fix="write assert_polled(at_least=1), at_most=… or both")
    for name, bound in (("at_least", at_least), ("at_most", at_most)):
        if bound is not None:
            check_number(name, bound, whole=True)
    if no_faster_than is not None:
        check_number("no_faster_than", no_faster_than, above=True, unit="seconds")
    if at_least == 0 and at_most is None and no_faster_than is None:
        raise UsageError("at_least=0 holds for every client", fix="write at_least=1, or at_most=0 for never")
    least = at_least if at_least is not None else 0 if at_most == 0 else 2 if no_faster_than is not None else 1
    if at_most is not None and at_most < least:
        fix = "give at_most from 2, or at_least" if at_least is None else "swap the two"
        raise UsageError(f"at_most={at_most} is below the {least} polls that are expected", fix=fix, value=at_most)
    return least


def assert_not_polled_after_terminal(polls: Sequence[Exchange], uid: str, *, kind: str, release: str) -> None:
    """Fail if an operation was polled again after a poll had shown its end; also if no poll showed it."""
    ended = _end(polls, uid, lifecycle(kind, release))
    told = [f"action   {uid}", *exchange_lines(polls, uid)]
    if ended is None:
        raise PollingError("no poll saw how the operation ended", polls, told)
    late = [poll for poll in polls if poll.number > ended.number]
    if late:
        status = ended.shown.get(uid, {}).get("status", "gone")
        raise PollingError(
            f"polled {_times(len(late), more=True)} after {status} was seen at #{ended.number}", late, told
        )


def _end(polls: Sequence[Exchange], uid: str, life: Lifecycle) -> Exchange | None:
    """Return the first poll that saw a terminal status, or that a record which was there is gone."""
    for poll in polls:
        status = poll.shown.get(uid, {}).get("status")
        if isinstance(status, str) and status in life.transitions and life.is_terminal(status):
            return poll
    last = max((poll.number for poll in polls if uid in poll.shown), default=0)
    return next((poll for poll in polls if poll.number > last and _tells_that_it_is_gone(poll)), None)


def _tells_that_it_is_gone(poll: Exchange) -> bool:
    return poll.error_code == "action_not_found" and not poll.fault and not poll.by_handler


def assert_retry_after_honoured(journal: Iterable[Exchange]) -> None:
    """Fail if a client requested the same path sooner than a Retry-After allowed; also if no request followed one."""
    told: dict[tuple[str, str], Exchange] = {}
    waited, compared = [], False
    for exchange in journal:
        before = told.pop((exchange.method, exchange.target), None)
        if before is not None and before.retry_after is not None:
            compared = True
            gap = exchange.seconds - before.seconds
            if gap < before.retry_after - 1e-9:
                headline = f"Retry-After of {before.retry_after:g} s not honoured: back after {gap:g} s"
                raise PollingError(headline, [before, exchange], _listed([before, exchange]))
        if exchange.retry_after is not None:
            waited.append(exchange)
            told[exchange.method, exchange.target] = exchange
    if not waited:
        raise PollingError("no reply had a Retry-After with a time to wait", (), [_RETRY_AFTER])
    if not compared:
        raise PollingError("no client came back after a Retry-After", waited, _listed(waited))


_RETRY_AFTER = "fix  redis_actions.fault(faults.status(503, retry_after=7)) sends one"


def assert_no_overlapping_polls(journal: Sequence[Exchange]) -> None:
    """Fail if a request about an operation came while the reply to another about the same one was under way."""
    _check_any([exchange for exchange in journal if exchange.uids], "about an operation")
    offending = [exchange for exchange in journal if exchange.overlaps is not None]
    if offending:
        first = offending[0]
        raise PollingError(
            f"#{first.number} came while #{first.overlaps} was not answered yet", offending, _listed(offending)
        )


def assert_header(journal: Sequence[Exchange], name: str, value: str | None = None) -> None:
    """Fail unless every request had this header, with this value if one is given; also if there was no request."""
    for what, text in (("name", name), ("value", value)):
        if not isinstance(text, str) and not (what == "value" and text is None):
            raise UsageError(f"the header's {what} must be a text, not {shown(text, 30)}", fix='write "X-Team"')
    _check_any(journal)
    missing = [each for each in journal if not each.has_header(name, value)]
    if missing:
        # The value may be a secret.
        what = f"the header {shown(name, 40)[1:-1]}" + (" with the expected value" if value is not None else "")
        raise PollingError(f"{len(missing)} requests without {what}", missing, _listed(missing))


def assert_one_connection(journal: Sequence[Exchange]) -> None:
    """Fail unless all requests came on one TCP connection."""
    _check_any(journal)
    firsts = {each.connection: each for each in reversed(list(journal))}
    if len(firsts) > 1:
        opening = sorted(firsts.values(), key=lambda each: each.number)
        raise PollingError(f"{len(firsts)} connections were opened, one expected", opening, _listed(opening))


def assert_never_requested(
    journal: Iterable[Exchange], method: str, path: str, *, is_served: Callable[[str], bool] = lambda path: False
) -> None:
    """Fail if a request of this method and path was sent; the path may be a template, "/v1/actions/{uid}".

    Args:
        journal: the exchanges.
        method: "DELETE".
        path: a path of the API, or one that a handler of the test serves.
        is_served: whether such a handler serves a path.

    Raises:
        UsageError: a path that neither the API nor a handler has, so that the assertion could not fail.
        PollingError: with the requests.
    """
    check_request(method, path)
    template = split(path)
    asked = [each for each in journal if matches(template, split(each.target.partition("?")[0]))]
    sent = [each for each in asked if each.method == method]
    if sent:
        raise PollingError(f"{method} {path} was requested {_times(len(sent))}", sent, _listed(sent))
    if not (is_known(path) or is_served(path) or any(each.by_handler for each in asked)):
        raise UsageError(f"the API has no path {shown(path, 50)}", fix=difference(path), value=path)


def _check_any(journal: Sequence[Exchange], what: str = "") -> None:
    if not journal:
        raise PollingError(f"no request {what} was made".replace("  ", " "), (), [_NOTHING])


_NOTHING = "fix  let the client send its requests to redis_actions.url before this line"


def _times(count: int, *, more: bool = False) -> str:
    return f"{count}{' more' if more else ''} time{'' if count == 1 else 's'}"
