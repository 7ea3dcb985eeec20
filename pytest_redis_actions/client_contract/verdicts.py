"""What a play demands of a client: of its outcome, and of what its journal shows. A verdict is "" or what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from .outcome import Outcome

__all__ = [
    "SPIN",
    "Demand",
    "all_of",
    "asks_no_more_than",
    "at_most",
    "completes",
    "crashed",
    "ends",
    "ends_in",
    "exactly",
    "fails_at_once",
    "gives_up",
    "honours_retry_after",
    "keeps_credentials_at_home",
    "leaves_no_thread",
    "never_starts",
    "no_success",
    "raises",
    "reads_v2",
    "sends_headers",
    "soon_after_a_past_date",
    "stands_firm",
    "stopped",
    "usual",
]

Demand = Callable[[Outcome, Mapping[str, object]], str]
"""Takes an outcome and the capabilities, returns what is wrong, or ""."""

TERMINAL = ("completed", "failed", "cancelled", "aborted")
SUCCESS = ("completed", "complete", "success", "succeeded", "ok", "done")
CRASHES = (KeyError, TypeError, AttributeError, IndexError, NameError, RecursionError, AssertionError)
SPIN = 10  # polls at one instant
_LATE = 61.0  # seconds after a deadline: one step of a slow poller


def all_of(*demands: Demand) -> Demand:
    """Demand several things; the first that is wrong is told."""

    def demand(outcome: Outcome, can: Mapping[str, object]) -> str:
        for each in demands:
            if found := each(outcome, can):
                return found
        return ""

    return demand


def stopped(outcome: Outcome) -> str:
    """Return why a client had to be stopped, "" for one that ended by itself."""
    if outcome.stopped and _stops_at_the_end(outcome):
        ends = (each.statuses(outcome.uid) for each in outcome.polls if outcome.uid in each.shown)
        status = next(str(word) for words in ends for word in words if word in TERMINAL)
        swallows = outcome.stopped.partition(", and ")[2]
        return f"polled on for ever after it had seen {status!r}" + (f", and {swallows}" if swallows else "")
    return outcome.stopped


def _ended(outcome: Outcome) -> str:
    if outcome.stopped:
        return stopped(outcome)
    if outcome.error is None and outcome.word is None:
        return f"returned {str(outcome.returned)[:40]!r}: neither a status nor a mapping with one"
    return ""


def completes(outcome: Outcome, can: Mapping[str, object]) -> str:
    """It returns "completed"."""
    if found := _ended(outcome):
        return found
    if outcome.error is not None:
        return f"gave up with {type(outcome.error).__name__}, although the operation completes"
    return "" if outcome.word in SUCCESS else f"returned {outcome.word!r}, although the operation completed"


def ends_in(status: str, *texts: str) -> Demand:
    """It returns this status, or raises, with these texts somewhere in the chain of its error."""

    def demand(outcome: Outcome, can: Mapping[str, object]) -> str:
        if found := _ended(outcome):
            return found
        wanted = can["reports_failure"]
        if outcome.error is None:
            if outcome.word != status:
                return f"returned {outcome.word!r}, although the operation is {status}"
            return f"returned {status!r}, although it says that it raises" if wanted == "raise" else ""
        if wanted == "return":
            return f"raised, although it says that it returns {status!r}"
        return crashed(outcome, can) or lacks(*texts)(outcome, can)

    return demand


def lacks(*texts: str) -> Demand:
    """Its error holds these texts."""

    def demand(outcome: Outcome, can: Mapping[str, object]) -> str:
        missing = [text for text in texts if text.lower() not in outcome.text]
        return f"its error does not say {missing[0]!r}" if missing else ""

    return demand


def crashed(outcome: Outcome, can: Mapping[str, object]) -> str:
    """It raises no error of its own code, such as a KeyError."""
    crash = type(outcome.error) if isinstance(outcome.error, CRASHES) else None
    return f"crashed with {crash.__name__}" if crash else ""


def raises(*any_of: str) -> Demand:
    """It raises, with at least one of these texts in the chain of its error."""

    def demand(outcome: Outcome, can: Mapping[str, object]) -> str:
        if found := no_success(outcome, can) or _ended(outcome):
            return found
        if outcome.error is None:
            return f"returned {outcome.word!r}, although it cannot know"
        if any_of and not any(text.lower() in outcome.text for text in any_of):
            return f"its error does not say {' or '.join(any_of)}"
        return ""

    return demand


def no_success(outcome: Outcome, can: Mapping[str, object]) -> str:
    """It does not report a success that there is not."""
    reported = outcome.error is None and not outcome.stopped and outcome.word in SUCCESS
    return f"reported success: returned {outcome.word!r}" if reported else ""


def ends(outcome: Outcome, can: Mapping[str, object]) -> str:
    """It completes, or raises an error that is not a crash."""
    if found := _ended(outcome):
        return found
    return completes(outcome, can) if outcome.error is None else crashed(outcome, can)


def gives_up(outcome: Outcome, can: Mapping[str, object]) -> str:
    """It raises by its deadline, or shortly after."""
    return raises()(outcome, can) or _in_time(outcome)


def _in_time(outcome: Outcome) -> str:
    late = outcome.seconds - outcome.timeout
    return f"ended {late:.0f} s after its deadline of {outcome.timeout:g} s" if late > _LATE * outcome.pace else ""


def stands_firm(word: str) -> Demand:
    """On a word that it may not know it ends before its deadline, or its error names the word."""

    def demand(outcome: Outcome, can: Mapping[str, object]) -> str:
        if outcome.stopped:
            return outcome.stopped
        if outcome.error is None:
            return _ended(outcome)
        if outcome.seconds < outcome.timeout * 0.75:
            return crashed(outcome, can)
        return lacks(word)(outcome, can)

    return demand


# What a journal says without knowing the client


def usual(outcome: Outcome, can: Mapping[str, object], *, again: bool = False) -> str:
    """What every play demands of the requests; of one whose client waits `again` no end to the polling."""
    return (
        _polls_its_own(outcome)
        or ("" if again else _stops_at_the_end(outcome))
        or _does_not_spin(outcome)
        or _in_time(outcome)
        or _has_seen_it(outcome)
    )


def _polls_its_own(outcome: Outcome) -> str:
    for each in outcome.polls:
        last = each.target.partition("?")[0].rstrip("/").rpartition("/")[2]
        if each.route in ("/v1/actions/{uid}", "/v2/actions/{uid}") and last != outcome.uid:
            return f"asked for {each.target[:60]}, which is not its operation"
    return ""


def _stops_at_the_end(outcome: Outcome) -> str:
    over: int | None = None
    for each in outcome.polls:
        if over is not None and each.aimed[:1] == (outcome.uid,):
            return f"polled again after it had seen the end (#{over}, #{each.number})"
        status = each.shown.get(outcome.uid or "", {}).get("status")
        if status in TERMINAL:
            over = each.number
    return ""


def _has_seen_it(outcome: Outcome) -> str:
    if outcome.error is not None or outcome.word not in SUCCESS or outcome.strangers:
        return ""
    for each in outcome.polls:
        words = [str(status).lower() for status in each.statuses(outcome.uid)]
        if "completed" in words or each.by_handler or each.error_code == "action_not_found":
            return ""
    return f"returned {outcome.word!r}, which it has not seen"


def _does_not_spin(outcome: Outcome) -> str:
    run = 0
    for before, each in pairwise(poll for poll in outcome.polls if not 300 <= poll.code < 400):
        run = run + 1 if each.seconds - before.seconds < 0.05 * outcome.pace else 0
        if run >= SPIN:
            return f"polls without sleeping: {run + 1} times at {each.seconds:g} s"
    return ""


def at_most(polls: int) -> Demand:
    """It polls no more often than this."""
    return lambda outcome, can: (
        f"polled {len(outcome.polls)} times, although the first reply said it all" if len(outcome.polls) > polls else ""
    )


def fails_at_once(outcome: Outcome, can: Mapping[str, object]) -> str:
    """It raises after a poll or two; within a minute, if it says that it bears a 404 at first."""
    if can["tolerates_early_404"]:
        return f"polled for {outcome.seconds:g} s what does not exist" if outcome.seconds > 60 * outcome.pace else ""
    return at_most(3)(outcome, can)


def exactly(polls: int, seconds: float | None = None) -> Demand:
    """It polls so often, and ends at this instant."""

    def demand(outcome: Outcome, can: Mapping[str, object]) -> str:
        if len(outcome.polls) != polls:
            return f"polled {len(outcome.polls)} times; {polls} were needed"
        if seconds is not None and outcome.seconds > seconds + 0.5 * outcome.pace:
            return "slept although it knew the end already"
        return ""

    return demand


def honours_retry_after(outcome: Outcome, can: Mapping[str, object]) -> str:
    """It comes back no sooner than a Retry-After says."""
    for before, each in pairwise(outcome.polls):
        gap = (each.seconds - before.seconds) / outcome.pace
        if before.retry_after is not None and gap < before.retry_after - 1e-6 and before.retry_after <= 1000:
            return f"was told to wait {before.retry_after:g} s and came back after {gap:g} s"
    return ""


def soon_after_a_past_date(outcome: Outcome, can: Mapping[str, object]) -> str:
    """A Retry-After that is over does not make it wait."""
    gaps = [each.seconds - before.seconds for before, each in pairwise(outcome.polls) if before.code == 503]
    return f"waited {max(gaps):g} s for a date that was over" if gaps and max(gaps) > 60 * outcome.pace else ""


def never_starts(outcome: Outcome, can: Mapping[str, object]) -> str:
    """It repeats the poll, not the operation."""
    return f"sent {outcome.starts[0].method} {outcome.starts[0].target[:40]} again" if outcome.starts else ""


def asks_no_more_than(starts: int) -> Demand:
    """It tries to start no more often than this."""
    return lambda outcome, can: f"tried to start {len(outcome.starts)} times" if len(outcome.starts) > starts else ""


def leaves_no_thread(outcome: Outcome, can: Mapping[str, object]) -> str:
    """No thread of its own is left."""
    return f"left a thread behind: {', '.join(outcome.threads[:3])}" if outcome.threads else ""


def keeps_credentials_at_home(outcome: Outcome, can: Mapping[str, object]) -> str:
    """It sends no credentials to another host."""
    told = [each for each in outcome.strangers if "authorization" in each.headers]
    return "sent its credentials to another host" if told else ""


def sends_headers(outcome: Outcome, can: Mapping[str, object]) -> str:
    """Every request has the headers that were asked for."""
    for each in outcome.exchanges:
        for name, value in outcome.headers.items():
            if not each.has_header(name, value):
                return f"#{each.number} lacks the header {name}: {value}"
    return ""


def reads_v2(outcome: Outcome, can: Mapping[str, object]) -> str:
    """It polls the v2 form."""
    routes: Sequence[str | None] = [each.route for each in outcome.polls]
    return (
        ""
        if routes and set(routes) <= {"/v2/actions/{uid}", "/v2/actions"}
        else f"polled {routes[0] if routes else 'nothing'}"
    )
