"""What a trace of observations may show: the rules, and what each found. Pure; the assertions make texts of it.

Source: E-LIFE-1 to E-LIFE-3, E-LIFE-5, E-LIFE-8, E-LIFE-12, E-TASK-5, E-TASK-10, E-SM-6, E-SM-9, E-ASSUMED-15.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from ..errors import UsageError, advice, exact, nearest, shown
from ..errors.plain import SCALARS
from ..facts.lifecycle import GONE, STATE_MACHINE, TASK, V2, Lifecycle, lifecycle, owners

__all__ = [
    "RULES",
    "SOURCES",
    "Finding",
    "Observation",
    "check",
    "check_allow",
    "check_step",
    "facts_of",
    "observations_of",
]

__tracebackhide__ = True

RULES: Mapping[str, tuple[str, str, str]] = {
    "RA201": ("left-terminal", "a terminal status was left", "A terminal status is final: the operation has ended."),
    "RA202": (
        "impossible",
        "no way leads from one status to the next",
        "Not even a poller that missed states can see this.",
    ),
    "RA203": (
        "not-direct",
        "the step is not a direct one",
        "It skips states; a trace may, because polls miss states, a single step may not.",
    ),
    "RA204": (
        "unknown-status",
        "the status is not one of this kind",
        "A word of another kind, of a later release, or misspelt.",
    ),
    "RA205": (
        "came-back",
        "the record came back after it was gone",
        "A record that has vanished, a 404, never appears again.",
    ),
    "RA206": (
        "identity-changed",
        "it is another operation",
        "action_uid, name, object_name, node_uid and creation_time never change.",
    ),
    "RA207": ("heartbeat-back", "the heartbeat went back", "It is the time of the last change, in Unix seconds."),
    "RA208": (
        "unexpected-error",
        "error fields on an operation that did not fail",
        "Only a failed operation has an error.",
    ),
    "RA209": (
        "no-error",
        "a failed operation has no error",
        "The reference has error_code and error_message, of a state machine error; profile documented only.",
    ),
    "RA210": ("progress-range", "the progress is out of range", "Percent, from 0 to 100, as a number or as text."),
    "RA211": ("progress-fell", "the progress fell", "Assumed: no source says that it never falls."),
    "RA212": (
        "progress-not-100",
        "a completed operation is not at 100",
        "Where a completed operation has a progress it is 100.",
    ),
    "RA213": ("no-status", "an observation has no status", "A body without status, or with one that is not text."),
    "RA214": ("time-back", "the observations are not in order of time", "Their seconds never fall."),
}
"""code -> the name that `allow` takes, what it says in a few words, and what that means; worst first."""

SOURCES: Mapping[str, str] = {
    "RA201": "E-LIFE-1, E-LIFE-2, E-LIFE-3, E-LIFE-5",
    "RA202": "E-LIFE-1, E-LIFE-2, E-LIFE-3, E-LIFE-5",
    "RA203": "E-LIFE-1, E-LIFE-2, E-LIFE-3, E-LIFE-5",
    "RA204": "E-STATUS-1, E-STATUS-2",
    "RA205": "E-LIFE-8",
    "RA206": "E-ROUTE-5, E-TASK-1",
    "RA207": "E-LIFE-12",
    "RA208": "E-TASK-10, E-SM-9",
    "RA209": "E-TASK-10, E-SM-9",
    "RA210": "E-TASK-5, E-SM-6, E-V2-5",
    "RA211": "E-ASSUMED-15",
    "RA212": "E-TASK-5, E-SM-6",
    "RA213": "E-TASK-4",
    "RA214": "assumed",
}
"""code -> the facts that say so (schemas/evidence.md)."""

_IDENTITY = ("action_uid", "name", "object_name", "node_uid", "creation_time")
_ERRORS = ("error", "error_code", "error_message")
_CODES = {name: code for code, (name, _, _) in RULES.items()}
_ORDER = list(RULES)


@dataclass(frozen=True)
class Observation:
    """What one poll saw.

    Attributes:
        number: the number of the poll, from 1.
        seconds: when, or None.
        status: the word, or "gone", or whatever stood there.
        body: the body; of a mere status word, that alone.
    """

    number: int
    seconds: float | None
    status: object
    body: Mapping[str, object]

    @property
    def progress(self) -> float | None:
        """The progress in percent, or None where there is none, or none that can be read."""
        value = self.body.get("progress")
        if not isinstance(value, (int, float, str)) or isinstance(value, bool):
            return None
        try:
            number = float(value)
        except (ValueError, OverflowError):
            return None
        return number if math.isfinite(number) else None


@dataclass(frozen=True)
class Finding:
    """One thing that a trace shows and that no operation does.

    Attributes:
        code: "RA201" and so on; what they mean is in RULES.
        poll: the number of the offending poll, from 1.
        message: what happened, with the values.
        allow: the names by which `allow` relaxes it, the narrowest first.
        legal: what would have been legal, in words, or "".
        source: the facts that say so (schemas/evidence.md).
    """

    code: str
    poll: int
    message: str
    allow: tuple[str, ...]
    legal: str
    source: str


def observations_of(given: Iterable[object], *, kind: str) -> Iterator[Observation]:
    """Yield observations from status words, bodies, or (seconds, body) pairs; None is a record that is gone.

    Raises:
        UsageError: something that is none of these, naming its place.
    """
    for number, each in enumerate(given, 1):
        seconds, what = _timed(number, exact(each))
        if isinstance(what, Mapping):
            what = _body(number, what)
        if what is None or (isinstance(what, str) and what == GONE) or _is_404(what):
            yield Observation(number, seconds, GONE, {})
        elif isinstance(what, str):
            yield Observation(number, seconds, what, {"status": what})
        elif isinstance(what, dict):
            _check_one(number, what)
            yield Observation(number, seconds, what.get("status"), what)
        else:
            raise _no_observation(number, each)


def _timed(number: int, each: object) -> tuple[float | None, object]:
    """Return the seconds, None for none, and the rest of an observation."""
    if type(each) not in (tuple, list) or len(each) != 2:  # type: ignore[arg-type]  # a tuple or a list
        return None, each
    seconds, what = map(exact, each)  # type: ignore[call-overload]  # the same
    if seconds is None:
        return None, what
    try:
        if type(seconds) in (int, float):
            return float(seconds), what
    except OverflowError:
        pass
    raise _no_observation(number, each)


def _body(number: int, what: Mapping[Any, Any]) -> dict[str, object]:
    """Return a body as a dict with exact texts as keys and exact values, whatever its classes override."""
    try:
        return {str(exact(key)): _value(value) for key, value in dict(what).items()}
    except Exception as error:
        raise UsageError(
            f"observation #{number} cannot be read: {type(error).__name__}",
            fix="give what json.loads returns: a dict with text keys",
            value=what,
        ) from error


def _value(value: object) -> object:
    """Return an exact value, or the text of what is not of a JSON type, whose methods may do anything."""
    plain = exact(value)
    return plain if type(plain) in (*SCALARS, dict, list, tuple) else shown(plain)


def _is_404(what: object) -> bool:
    return isinstance(what, dict) and what.get("error_code") == "action_not_found" and "status" not in what


def _check_one(number: int, body: Mapping[str, object]) -> None:
    if "actions" in body or "state-machines" in body:
        raise UsageError(
            f"observation #{number} is a whole list, not one operation",
            fix="give lists polled several times as one sequence of lists: assert_trace([first, second, …])",
            value=body,
        )


def _no_observation(number: int, each: object) -> UsageError:
    return UsageError(
        f"observation #{number} is {shown(each, 40)}",
        fix="an observation is a status word, a body, or a pair (seconds, body)",
        value=each,
    )


def check_step(before: str, after: str, life: Lifecycle) -> Finding | None:
    """Return what is wrong with one step, from a status to the one that follows it directly, or None."""
    if before == GONE:
        if after == GONE:
            return None
        return _finding("RA205", 2, f"{after} after the record was gone", legal="gone, for ever")
    for number, status in enumerate((before, after), 1):
        finding = _unknown(number, status, life)
        if finding is not None:
            return finding
    if life.allows(before, after):
        return None
    return _illegal(2, before, after, life)


def check(
    observations: Iterable[Observation], life: Lifecycle, *, profile: str, allow: frozenset[str]
) -> list[Finding]:
    """Return everything that a trace shows and no operation does, worst first. Looks at each observation once."""
    found: list[Finding] = []
    before: Observation | None = None
    first: dict[str, object] = {}
    for each in observations:
        found.extend(_of_one(each, life, profile, first))
        if before is not None:
            found.extend(_of_two(before, each, life))
        before = each
    kept = [each for each in found if not allow & {*each.allow}]
    return sorted(kept, key=lambda each: (_ORDER.index(each.code), each.poll))


def _finding(code: str, poll: int, message: str, source: str = "", *, legal: str = "", narrow: str = "") -> Finding:
    name = RULES[code][0]
    return Finding(code, poll, message, (narrow, name) if narrow else (name,), legal, source or SOURCES[code])


def _of_one(each: Observation, life: Lifecycle, profile: str, first: dict[str, object]) -> Iterator[Finding]:
    status = each.status
    if status == GONE:
        return
    if not isinstance(status, str):
        yield _finding("RA213", each.number, f"status is {shown(status, 30)}")
        return
    unknown = _unknown(each.number, status, life)
    if unknown is not None:
        yield unknown
    yield from _identity(each, first)
    yield from _progress_of_one(each, status)
    if unknown is None:
        yield from _errors(each, status, life, profile)


def _unknown(poll: int, status: str, life: Lifecycle) -> Finding | None:
    if status in life.transitions or status == GONE:
        return None
    legal = f"{life.noun} has {', '.join(life.statuses)}"
    return _finding("RA204", poll, f"{shown(status, 30)} {_whose(status, life)}", legal=legal)


def _whose(status: str, life: Lifecycle) -> str:
    if life.kind == V2 and any(True for _ in owners(status)):
        return "is a status of v1, not of v2"
    for owner in owners(status):
        if owner.kind == life.kind:
            return f"is in the reference since release {life.since(status)}; this is {life.release}"
        return f"is a status of {owner.noun}, not of {life.noun}"
    guess = nearest(status, life.statuses)
    return f"is not a status of {life.noun}" + (f"; did you mean {guess!r}?" if guess else "")


def _identity(each: Observation, first: dict[str, object]) -> Iterator[Finding]:
    for name in _IDENTITY:
        if name in each.body:
            value = each.body[name]
            if not _equal(first.setdefault(name, value), value):
                message = f"{name} was {shown(first[name], 40)}, now {shown(value, 40)}"
                yield _finding("RA206", each.number, message)
                first[name] = value


def _equal(one: object, other: object) -> bool:
    try:
        return bool(one == other)
    except Exception:  # too many levels, or a nested value with an evil __eq__
        return shown(one) == shown(other)


def _progress_of_one(each: Observation, status: str) -> Iterator[Finding]:
    value = each.body.get("progress")
    if value is None:
        return
    number = each.progress
    if number is None or not 0 <= number <= 100:
        yield _finding("RA210", each.number, f"progress {shown(value, 30)}", legal="0 to 100")
    elif status == "completed" and number != 100:
        yield _finding("RA212", each.number, f"completed at {shown(value, 30)} %", legal="100")


def _errors(each: Observation, status: str, life: Lifecycle, profile: str) -> Iterator[Finding]:
    told = [name for name in _ERRORS if each.body.get(name)]
    if told and status != "failed":
        text = f"{status} with {told[0]} {shown(each.body[told[0]], 30)}"
        yield _finding("RA208", each.number, text)
    if profile == "documented" and status == "failed" and not told and len(each.body) > 1 and life.kind != V2:
        wanted = "error" if life.kind == STATE_MACHINE else "error_code and error_message"
        yield _finding("RA209", each.number, f"failed without {wanted}")


def _of_two(before: Observation, each: Observation, life: Lifecycle) -> Iterator[Finding]:
    if before.seconds is not None and each.seconds is not None and each.seconds < before.seconds:
        message = f"{each.seconds:g} s comes after {before.seconds:g} s"
        yield _finding("RA214", each.number, message)
    if before.status == GONE:
        if each.status != GONE:
            yield _finding("RA205", each.number, f"gone, then {shown(each.status, 30)}", legal="gone, for ever")
        return
    yield from _status_of_two(before, each, life)
    yield from _numbers_of_two(before, each)


def _status_of_two(before: Observation, each: Observation, life: Lifecycle) -> Iterator[Finding]:
    one, other = before.status, each.status
    if not (isinstance(one, str) and isinstance(other, str)):
        return
    if one in life.transitions and other in life.transitions and other not in _reachable(life, one):
        yield _illegal(each.number, one, other, life)


def _reachable(life: Lifecycle, status: str) -> frozenset[str]:
    return _reachable_in(life.kind, life.release, life.profile, status)


@cache
def _reachable_in(kind: str, release: str, profile: str, status: str) -> frozenset[str]:
    life = lifecycle(kind, release, profile)
    return frozenset(other for other in life.statuses if life.reaches(status, other))


def facts_of(life: Lifecycle) -> str:
    """Return the facts that say what may follow what."""
    return {TASK: "E-LIFE-1, E-LIFE-2", STATE_MACHINE: "E-LIFE-3"}.get(life.kind, "E-LIFE-5")


def _illegal(poll: int, before: str, after: str, life: Lifecycle) -> Finding:
    following = life.transitions[before]
    comes_from = [one for one, others in life.transitions.items() if after in others]
    legal = f"after {before!r}: {', '.join(following) if following else 'nothing'}"
    if comes_from:
        legal += f"; {after!r} is reached from {', '.join(comes_from)} only"
    code, message = "RA202" if following else "RA201", f"{before} -> {after} is not allowed"
    path = life.path(before, after)
    if path is not None:
        code, message = "RA203", f"{before} -> {after} skips {', '.join(path[1:-1])}"
    return _finding(code, poll, message, facts_of(life), legal=legal, narrow=f"{before}->{after}")


def _numbers_of_two(before: Observation, each: Observation) -> Iterator[Finding]:
    one, other = before.progress, each.progress
    if one is not None and other is not None and other < one:
        yield _finding("RA211", each.number, f"progress fell {one:g} -> {other:g}")
    beats = before.body.get("heartbeat"), each.body.get("heartbeat")
    if all(isinstance(beat, (int, float)) for beat in beats) and beats[1] < beats[0]:  # type: ignore[operator]  # numbers
        message = f"heartbeat {shown(beats[0], 20)} -> {shown(beats[1], 20)}"
        yield _finding("RA207", each.number, message)


def check_allow(allow: Sequence[str]) -> frozenset[str]:
    """Return the names that `allow` gives: of a rule, "progress-fell", or of a step, "completed->running".

    Raises:
        UsageError: a name that is neither, with the nearest.
    """
    given = exact(allow)
    if not isinstance(given, (list, tuple, set, frozenset)):
        raise UsageError(
            f"allow must be a list, not {shown(allow, 40)}", fix=f"write allow=[{shown(allow)}]", value=allow
        )
    names = []
    for each in map(exact, given):
        name = (each if isinstance(each, str) else shown(each)).replace(" ", "").replace("→", "->")
        if name not in _CODES and name.upper() not in RULES and "->" not in name:
            raise UsageError(
                f"allow={shown(each, 40)} is not the name of a rule",
                fix=advice(name, _CODES) + f"known are {', '.join(_CODES)}, and steps, 'completed->running'",
                value=each,
            )
        names.append(RULES[name.upper()][0] if name.upper() in RULES else name)
    return frozenset(names)
