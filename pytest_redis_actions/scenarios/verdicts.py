"""What a play demands of a client: of its outcome, and of what its journal shows. A verdict is None or a `Wrong`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from itertools import pairwise

from ..errors import shown
from ..observed.journal import Exchange
from .outcome import CommandFailed, Outcome, Stopped, Why

__all__ = [
    "SHORTEST",
    "TERMINAL",
    "Demand",
    "Kind",
    "Wrong",
    "all_of",
    "at_most",
    "completes",
    "crashed",
    "ends",
    "ends_in",
    "exactly",
    "fails_at_once",
    "gives_up",
    "honours_retry_after",
    "is_deleted",
    "keeps_credentials_at_home",
    "leaves_no_thread",
    "never_starts",
    "no_success",
    "raises",
    "reads_v2",
    "sends_headers",
    "soon_after_a_past_date",
    "stands_firm",
    "verdict",
]

TERMINAL = ("completed", "failed", "cancelled", "aborted")
SUCCESS = ("completed", "complete", "success", "succeeded", "ok", "done")
CRASHES = (KeyError, TypeError, AttributeError, IndexError, NameError, RecursionError, AssertionError)
SPIN = 10  # requests in a row
SHORTEST = 0.05  # seconds between two requests of a client that sleeps
_LATE = 61.0  # seconds after a deadline: one step of a slow poller


class Kind(Enum):
    """What is wrong, by kind; the value says what to change in the client."""

    NO_ROUTE = "poll /v1/actions/{uid} or /v2/actions/{uid}: what else a client reads is not played here"
    POLLS_ON = "leave the loop at every terminal status: completed, failed, cancelled, aborted"
    NEVER_SLEEPS = "sleep between two polls, also when a status is not expected or a poll has failed"
    NO_DEADLINE = "give the loop a deadline, and say in the error what was seen last"
    LATE = "sleep no longer than what is left until the deadline"
    STANDS_STILL = "name every module that waits in drive, and give each blocking call a time-out"
    HARNESS = "set real_seconds on the class, if the client takes so long on purpose"
    NO_STATUS = "return the final status, or a mapping that has a status"
    GAVE_UP = "poll again, until the deadline, after what may pass: 5xx, 429, a broken connection, an unreadable body"
    CRASHED = "check the code, the body and the fields of a reply before using them, and raise an error that names it"
    TELLS_TOO_LITTLE = "put what the last reply said into the error: its code, status and error texts"
    WRONG_STATUS = "report the status that the last poll has shown"
    FALSE_SUCCESS = "report success only when the status of this very operation is completed"
    REPORTS = "let wait do what reports_failure says, or change reports_failure"
    WRONG_COUNT = "decide by the field status alone, and end with the first poll whose status is terminal"
    SLEEPS_AT_THE_END = "return before the sleep, when the status is terminal"
    TOO_PATIENT = "give up at once when the reply says that polling again cannot help: 400, 401, 403, 404"
    RETRY_AFTER = "wait as long as Retry-After says before the next poll"
    REDIRECTS = "follow redirections, a few in a row at most"
    PAST_DATE = "take a date in the past as: poll again now"
    STARTS_AGAIN = "repeat the poll, never the request that started the operation"
    OTHER_OPERATION = "keep the uid in the call, not in what several calls share"
    CREDENTIALS = "drop the Authorization header when a redirection leads to another host"
    HEADERS = "send the given headers with every request"
    THREADS = "join every thread before wait ends"
    OTHER_API = "poll /v2/actions, or set reads_v2 = False"


@dataclass(frozen=True)
class Wrong:
    """What is wrong with an outcome.

    Attributes:
        kind: the kind of mistake.
        text: what the client did, as a sentence without its subject.
        raised: the type and the line of the error that this is about, "KeyError at naive.py:14"; "" for none.
        change: what to change; that of its kind unless given.
    """

    kind: Kind
    text: str
    raised: str = ""
    change: str = ""

    @property
    def cause(self) -> str:
        """What misses of one cause have in common: the error and its line, or the kind of mistake."""
        return self.raised or self.kind.name

    @property
    def advice(self) -> str:
        """What to change in the client."""
        return self.change or self.kind.value


Demand = Callable[[Outcome, Mapping[str, object]], "Wrong | None"]
"""Takes an outcome and the capabilities, returns what is wrong, or None."""


def all_of(*demands: Demand) -> Demand:
    """Demand several things; the first that is wrong is told."""

    def demand(outcome: Outcome, can: Mapping[str, object]) -> Wrong | None:
        return next((wrong for each in demands if (wrong := each(outcome, can))), None)

    return demand


def verdict(outcome: Outcome, can: Mapping[str, object], demand: Demand, *, polls_on: bool = False) -> Wrong | None:
    """Return what is wrong with an outcome: with the play's demand, and with what every play demands.

    Args:
        outcome: how the client ended.
        can: its capabilities.
        demand: of the play.
        polls_on: whether the operation may be polled again after its end.
    """
    wrong = (
        _asks_for_another(outcome)
        or _stopped_past_the_end(outcome)
        or _does_not_spin(outcome)
        or _stopped(outcome)
        or _broke_before_it_asked(outcome)
        or demand(outcome, can)
        or _polls_its_own(outcome)
        or (None if polls_on else _stops_at_the_end(outcome))
        or _in_time(outcome)
        or _has_seen_it(outcome)
    )
    return _with_lost_requests(outcome, wrong) if wrong else None


def _with_lost_requests(outcome: Outcome, wrong: Wrong) -> Wrong:
    if _ignores_redirections(outcome):
        return Wrong(Kind.REDIRECTS, f"did not follow a redirection, and {wrong.text}")
    if not outcome.unrouted:
        return wrong
    first = outcome.unrouted[0]
    return Wrong(
        Kind.NO_ROUTE, f"asked for {first.method} {first.target[:60]}, which the stub does not play, and {wrong.text}"
    )


def _ignores_redirections(outcome: Outcome) -> bool:
    """Whether a redirection was answered by nothing, or by another poll after a pause."""
    if outcome.strangers:
        return False
    pauses = [after.seconds - each.seconds for each, after in pairwise(outcome.exchanges)]
    return any(
        300 <= each.code < 400 and pause >= SHORTEST
        for each, pause in zip(outcome.exchanges, [*pauses, SHORTEST], strict=False)
    )


def _asks_for_another(outcome: Outcome) -> Wrong | None:
    if not outcome.wanted or outcome.exchanges:
        return None
    return Wrong(Kind.OTHER_OPERATION, "never asked for its own operation, one of several that are waited for at once")


# How it ended


def _stopped_past_the_end(outcome: Outcome) -> Wrong | None:
    if outcome.stopped is None or (seen := _first_end(outcome)) is None:
        return None
    number, status = seen
    late = outcome.polls[number:]
    how = "" if late[-1].seconds - late[0].seconds >= SHORTEST * (len(late) - 1) else " without sleeping"
    text = f"saw {status!r} at poll {number} and polled on {len(late)} times{how}"
    return _stop(outcome.stopped, Kind.POLLS_ON, text)


def _first_end(outcome: Outcome) -> tuple[int, str] | None:
    """Return the number of the poll that showed the end, from 1, and the status; None if none did or none followed."""
    over: tuple[int, str] | None = None
    for number, each in enumerate(outcome.polls, 1):
        if over is not None and each.aimed[:1] == (outcome.uid,):
            return over
        status = each.shown.get(outcome.uid or "", {}).get("status")
        if status in TERMINAL and over is None:
            over = number, str(status)
    return None


def _stop(stopped: Stopped, kind: Kind, text: str, change: str = "") -> Wrong:
    more = "; it catches even what stops it" if stopped.is_abandoned else ""
    return Wrong(kind, text + more, change=change)


def _stopped(outcome: Outcome) -> Wrong | None:
    stopped = outcome.stopped
    if stopped is None:
        return None
    if stopped.why is Why.LOOKS:
        return _stop(stopped, Kind.NEVER_SLEEPS, "looked at the time again and again without sleeping")
    if stopped.why is Why.REQUESTS:
        return _stop(stopped, Kind.NEVER_SLEEPS, f"sent {len(outcome.exchanges)} requests with hardly any sleep")
    if stopped.why is Why.STANDS_STILL:
        return _stands_still(outcome, stopped)
    if stopped.why is Why.PAST_END:
        return _stop(stopped, Kind.HARNESS, "was stopped because another call polled on after its end")
    deadline = f"its deadline was {outcome.timeout:g} {outcome.unit}"
    if stopped.why is Why.VIRTUAL_TIME or stopped.after > outcome.timeout:
        return _stop(stopped, Kind.NO_DEADLINE, f"never gave up: still waited at {stopped.after:.6g} s, {deadline}")
    return _takes_too_long(outcome, stopped)


def _stands_still(outcome: Outcome, stopped: Stopped) -> Wrong:
    if outcome.is_driven:
        text = stopped.detail or f"neither ended nor slept nor polled for {stopped.limit:g} real s"
        return _stop(stopped, Kind.STANDS_STILL, text)
    text = f"sent no request for {stopped.limit:g} real s, so the contract stopped it"
    wanted = _rounded(3 * max(stopped.limit, stopped.interval))
    return _stop(stopped, Kind.HARNESS, text, f"set real_seconds = {wanted}, if it waits so long between two polls")


def _takes_too_long(outcome: Outcome, stopped: Stopped) -> Wrong:
    text = f"had not ended after {stopped.limit:.0f} real s, so the contract stopped it"
    if stopped.interval:
        text += f": {len(outcome.polls)} polls, at most {stopped.interval:.2g} s apart"
    change = f"set real_seconds = {_rounded(2 * stopped.limit)}, if it needs so long on purpose"
    return _stop(stopped, Kind.HARNESS, text, change)


def _rounded(seconds: float) -> int:
    return next((each for each in (10, 30, 60, 120, 300, 600, 1200) if each >= seconds), 3600)


def _returned_nothing(outcome: Outcome) -> Wrong | None:
    if outcome.error is None and outcome.word is None:
        return Wrong(Kind.NO_STATUS, f"returned {shown(outcome.returned, 40)}: neither a status nor a mapping with one")
    return None


def _about_the_error(outcome: Outcome, kind: Kind, text: str) -> Wrong:
    where = f": {outcome.place}" if isinstance(outcome.error, CommandFailed) else f" at {outcome.place}"
    return Wrong(kind, text, raised=outcome.failure + (where if outcome.place else ""))


def _broke_before_it_asked(outcome: Outcome) -> Wrong | None:
    if not isinstance(outcome.error, CRASHES) or outcome.exchanges:
        return None
    wrong = _about_the_error(outcome, Kind.CRASHED, f"crashed with {outcome.failure} before its first request")
    return replace(wrong, change="mend `wait` itself: no reply of the stub has led to this error")


# Demands of the outcome


def completes(outcome: Outcome, can: Mapping[str, object]) -> Wrong | None:
    """It returns "completed"."""
    if wrong := _returned_nothing(outcome):
        return wrong
    if outcome.error is not None:
        text = f"gave up with {outcome.failure}, although the operation completes"
        return _about_the_error(outcome, Kind.GAVE_UP, text)
    if outcome.word in SUCCESS:
        return None
    return Wrong(Kind.WRONG_STATUS, f"returned {outcome.word!r}, although the operation completed")


def is_deleted(outcome: Outcome, can: Mapping[str, object]) -> Wrong | None:
    """It returns a success, or "gone"."""
    wrong = None if outcome.word == "gone" else completes(outcome, can)
    return wrong and replace(wrong, change="take the 404 of a record that was there before for the end of its delete")


def ends_in(status: str, *texts: str) -> Demand:
    """It returns this status, or raises, with these texts somewhere in the chain of its error."""

    def demand(outcome: Outcome, can: Mapping[str, object]) -> Wrong | None:
        if wrong := _returned_nothing(outcome):
            return wrong
        wanted = can["reports_failure"]
        if outcome.error is None:
            if outcome.word != status:
                kind = Kind.FALSE_SUCCESS if outcome.word in SUCCESS else Kind.WRONG_STATUS
                return Wrong(kind, f"returned {outcome.word!r}, although the operation is {status}")
            if wanted == "raise":
                return Wrong(Kind.REPORTS, f"returned {status!r}, although reports_failure is 'raise'")
            return None
        if wanted == "return":
            return Wrong(Kind.REPORTS, f"raised an error for {status!r}, although reports_failure is 'return'")
        return crashed(outcome, can) or lacks(*texts)(outcome, can)

    return demand


def lacks(*texts: str) -> Demand:
    """Its error holds these texts."""

    def demand(outcome: Outcome, can: Mapping[str, object]) -> Wrong | None:
        missing = [text for text in texts if text.lower() not in outcome.text]
        return _silent(outcome, repr(missing[0])) if missing else None

    return demand


def _silent(outcome: Outcome, what: str) -> Wrong:
    return _about_the_error(outcome, Kind.TELLS_TOO_LITTLE, f"ended with {outcome.failure}, which does not say {what}")


def crashed(outcome: Outcome, can: Mapping[str, object]) -> Wrong | None:
    """It raises no error that shows a slip of its own, such as a KeyError."""
    if not isinstance(outcome.error, CRASHES):
        return None
    return _about_the_error(outcome, Kind.CRASHED, f"crashed with {outcome.failure}")


def raises(*any_of: str) -> Demand:
    """It raises, with at least one of these texts in the chain of its error."""

    def demand(outcome: Outcome, can: Mapping[str, object]) -> Wrong | None:
        if wrong := no_success(outcome, can) or _returned_nothing(outcome):
            return wrong
        if outcome.error is None:
            return Wrong(Kind.WRONG_STATUS, f"returned {outcome.word!r}, although it cannot know")
        if any_of and not any(text.lower() in outcome.text for text in any_of):
            return _silent(outcome, " or ".join(any_of))
        return None

    return demand


def no_success(outcome: Outcome, can: Mapping[str, object]) -> Wrong | None:
    """It does not report a success that there is not."""
    if outcome.error is not None or outcome.word not in SUCCESS:
        return None
    return Wrong(Kind.FALSE_SUCCESS, f"reported a success that did not happen: returned {outcome.word!r}")


def ends(outcome: Outcome, can: Mapping[str, object]) -> Wrong | None:
    """It completes, or raises an error that is not a crash."""
    return completes(outcome, can) if outcome.error is None else crashed(outcome, can)


def gives_up(outcome: Outcome, can: Mapping[str, object]) -> Wrong | None:
    """It raises by its deadline, or shortly after."""
    return raises()(outcome, can) or _in_time(outcome)


def _in_time(outcome: Outcome) -> Wrong | None:
    late = outcome.seconds - outcome.timeout
    if late <= _LATE:
        return None
    return Wrong(Kind.LATE, f"ended {late:.0f} {outcome.unit} after its deadline of {outcome.timeout:g} s")


def stands_firm(word: str) -> Demand:
    """On a word that it may not know it ends before its deadline, or its error names the word."""

    def demand(outcome: Outcome, can: Mapping[str, object]) -> Wrong | None:
        if outcome.error is None:
            return _returned_nothing(outcome)
        if outcome.seconds < outcome.timeout * 0.75:
            return crashed(outcome, can)
        return lacks(word)(outcome, can)

    return demand


# What a journal says without knowing the client


def _polls_its_own(outcome: Outcome) -> Wrong | None:
    for each in outcome.polls:
        last = each.target.partition("?")[0].rstrip("/").rpartition("/")[2]
        if each.route in ("/v1/actions/{uid}", "/v2/actions/{uid}") and last != outcome.uid:
            return Wrong(Kind.OTHER_OPERATION, f"asked for {each.target[:60]}, which is not its operation")
    return None


def _stops_at_the_end(outcome: Outcome) -> Wrong | None:
    if (seen := _first_end(outcome)) is None:
        return None
    number, status = seen
    late = len(outcome.polls) - number
    more = "once" if late == 1 else f"{late} times"
    return Wrong(Kind.POLLS_ON, f"polled {more} more after it had seen {status!r} at poll {number}")


def _has_seen_it(outcome: Outcome) -> Wrong | None:
    if outcome.error is not None or outcome.word not in SUCCESS or outcome.strangers:
        return None
    for each in outcome.exchanges:
        words = [str(status).lower() for status in each.statuses(outcome.uid)]
        if "completed" in words or each.by_handler or each.error_code == "action_not_found":
            return None
    return Wrong(Kind.FALSE_SUCCESS, f"returned {outcome.word!r}, which no poll has shown")


def _does_not_spin(outcome: Outcome) -> Wrong | None:
    requests = [each for each in outcome.exchanges if not 300 <= each.code < 400]
    spin = SPIN if not outcome.wanted else SPIN + 50  # others may ask for the same operation at the same instant
    run = 0
    for index, (before, each) in enumerate(pairwise(requests), 1):
        run = run + 1 if each.seconds - before.seconds < SHORTEST else 0
        if run >= spin:
            return _spins(outcome, requests[index - SPIN], each)
    return None


def _spins(outcome: Outcome, first: Exchange, last: Exchange) -> Wrong:
    real = (outcome.real.get(last.number, 0.0) - outcome.real.get(first.number, 0.0)) / SPIN
    if outcome.is_driven and real >= SHORTEST:
        text = f"slept about {real:.2g} real s between polls, where drive does not see it"
        return Wrong(Kind.STANDS_STILL, text)
    status = last.shown.get(outcome.uid or "", {}).get("status")
    seen = f"the status is {status!r}" if status else f"the reply is {last.code}"
    return Wrong(Kind.NEVER_SLEEPS, f"does not sleep between polls while {seen}")


def at_most(polls: int) -> Demand:
    """It polls no more often than this."""

    def demand(outcome: Outcome, can: Mapping[str, object]) -> Wrong | None:
        if len(outcome.polls) <= polls:
            return None
        limit = "although the first reply said that it cannot help" if polls else "where it must not poll at all"
        return Wrong(Kind.TOO_PATIENT, f"polled {len(outcome.polls)} times, {limit}")

    return demand


def fails_at_once(outcome: Outcome, can: Mapping[str, object]) -> Wrong | None:
    """It raises after a poll or two; within a minute, if it says that it tolerates a 404 at first."""
    if not can["tolerates_early_404"]:
        return at_most(3)(outcome, can)
    if outcome.seconds <= 60:
        return None
    text = f"polled for {outcome.seconds:.3g} {outcome.unit} what does not exist"
    return Wrong(Kind.TOO_PATIENT, text)


def exactly(polls: int, seconds: float | None = None) -> Demand:
    """It polls so often, and ends at this instant, if its time is virtual: real time passes by itself."""

    def demand(outcome: Outcome, can: Mapping[str, object]) -> Wrong | None:
        count = len(outcome.polls)
        if count > polls:
            return _stops_at_the_end(outcome) or Wrong(
                Kind.WRONG_COUNT, f"polled {count} times, where {polls} show the end"
            )
        if count < polls:
            return Wrong(Kind.WRONG_COUNT, f"ended after {count} polls, where the end shows at poll {polls}")
        if seconds is not None and outcome.is_driven and outcome.seconds > seconds + 0.5:
            late = outcome.seconds - seconds
            return Wrong(Kind.SLEEPS_AT_THE_END, f"slept {late:.3g} {outcome.unit} after it had seen the end")
        return None

    return demand


def honours_retry_after(outcome: Outcome, can: Mapping[str, object]) -> Wrong | None:
    """It comes back no sooner than a Retry-After says."""
    for before, each in pairwise(outcome.polls):
        gap = each.seconds - before.seconds
        if before.retry_after is not None and gap < before.retry_after - 1e-6 and before.retry_after <= 1000:
            text = f"was told to wait {before.retry_after:g} s and came back after {gap:.3g} {outcome.unit}"
            return Wrong(Kind.RETRY_AFTER, text)
    return None


def soon_after_a_past_date(outcome: Outcome, can: Mapping[str, object]) -> Wrong | None:
    """A Retry-After that is over does not make it wait."""
    gaps = [each.seconds - before.seconds for before, each in pairwise(outcome.polls) if before.code == 503]
    if not gaps or max(gaps) <= 60:
        return None
    return Wrong(Kind.PAST_DATE, f"waited {max(gaps):.3g} {outcome.unit} for a date that had passed")


def never_starts(outcome: Outcome, can: Mapping[str, object]) -> Wrong | None:
    """It repeats the poll, not the operation."""
    if not outcome.starts:
        return None
    return Wrong(Kind.STARTS_AGAIN, f"sent {outcome.starts[0].method} {outcome.starts[0].target[:40]} again")


def leaves_no_thread(outcome: Outcome, can: Mapping[str, object]) -> Wrong | None:
    """No thread of its own is left."""
    if not outcome.threads:
        return None
    return Wrong(Kind.THREADS, f"left a thread behind: {', '.join(outcome.threads[:3])}")


def keeps_credentials_at_home(outcome: Outcome, can: Mapping[str, object]) -> Wrong | None:
    """It sends no credentials to another host."""
    if not any("authorization" in each.headers for each in outcome.strangers):
        return None
    return Wrong(Kind.CREDENTIALS, "sent its credentials to another host")


def sends_headers(outcome: Outcome, can: Mapping[str, object]) -> Wrong | None:
    """Every request has the headers that were asked for."""
    for number, each in enumerate(outcome.exchanges, 1):
        for name, value in outcome.headers.items():
            if not each.has_header(name, value):
                return Wrong(Kind.HEADERS, f"request {number} lacks the header {name}: {value}")
    return None


def reads_v2(outcome: Outcome, can: Mapping[str, object]) -> Wrong | None:
    """It polls the v2 form."""
    routes = {each.route for each in outcome.polls}
    if routes and routes <= {"/v2/actions/{uid}", "/v2/actions"}:
        return None
    return Wrong(Kind.OTHER_API, f"polled {next(iter(routes)) if routes else 'nothing'}, although reads_v2 is True")
