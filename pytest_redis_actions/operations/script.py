"""Steps and scripts as data, and the pure function from polls and time to a step.

    [queued(), running(polls=3), completed()]                      counted in polls
    [running(seconds=90, progress=(0, 40)), failed(error_code="insufficient_resources")]    counted in seconds

A script is checked when it is written, against the lifecycle of its kind and release. It then returns its state at any
poll or instant, in any order, and always the same one.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import NamedTuple

from ..errors import ScriptError, nearest, shown
from ..errors.arguments import check_number, check_options, warn, with_example
from ..facts.lifecycle import GONE, OTHER, STATE_MACHINE, STATUSES, TASK, Lifecycle, lifecycle, owners

__all__ = [
    "FIELDS",
    "Moment",
    "Script",
    "Step",
    "aborted",
    "active",
    "cancelled",
    "cancelling",
    "completed",
    "default_script",
    "failed",
    "gone",
    "is_json",
    "jump",
    "kind_of",
    "pending",
    "queued",
    "running",
    "starting",
]

__tracebackhide__ = True

Number = int | float
Progress = Number | tuple[Number, Number] | None

_NANOSECONDS = 1_000_000_000
_JUMP = "jump"
_SPANS = {
    **dict.fromkeys(("ms", "millis", "milliseconds"), 0.001),
    **dict.fromkeys(("sec", "secs", "duration", "delay", "interval", "timeout"), 1),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("hour", "hours", "hrs"), 3600),
    **dict.fromkeys(("day", "days"), 86_400),
}
FIELDS = (
    "action_uid", "creation_time", "error", "error_code", "error_message", "heartbeat", "name", "node_uid",
    "object_name", "pending_ops", "progress", "state", "status", "task_id",
)  # fmt: skip
"""The fields of the records of v1."""
_MEANT = {
    **dict.fromkeys(("count", "times", "requests"), "polls"),
    **dict.fromkeys(("message", "reason"), "error_message"),
    "code": "error_code",
}
_MOVING = ("running", "active")
_ERROR_FIELDS = {TASK: ("error_code", "error_message"), STATE_MACHINE: ("error",), OTHER: ("error",)}


@dataclass(frozen=True)
class Step:
    """One status with a length. Made by the functions named after the statuses, `running(polls=3)`.

    Attributes:
        status: the API's word, or "gone".
        polls: the length in polls, at least 1, or None.
        seconds: the length in seconds, above 0, or None.
        progress: the two percents that it runs through, or None for the default.
        fields: further fields of the body while the step lasts, as pairs; they replace what would be sent.
    """

    status: str
    polls: int | None = None
    seconds: Number | None = None
    progress: tuple[Number, Number] | None = None
    fields: tuple[tuple[str, object], ...] = ()

    def __repr__(self) -> str:
        first, last = self.progress or (None, None)
        progress = first if first == last else self.progress
        given = [("polls", self.polls), ("seconds", self.seconds), ("progress", progress), *self.fields]
        return f"{self.status}({', '.join(f'{name}={value!r}' for name, value in given if value is not None)})"


def _step(
    status: str, polls: int | None, seconds: Number | None, progress: Progress, fields: dict[str, object]
) -> Step:
    if polls is not None and seconds is not None:
        raise ScriptError(
            f"{status}(polls={polls!r}, seconds={seconds!r}) has two lengths",
            fix="give polls or seconds, and the same one in every step of a script",
            value=(polls, seconds),
        )
    if polls is not None:
        check_number("polls", polls, least=1, whole=True, of=status, error=ScriptError)
    if seconds is not None:
        check_number("seconds", seconds, above=True, most=1e9, of=status, error=ScriptError)
    for name, value in fields.items():
        _check_field(status, name, value)
    return Step(status, polls, seconds, _checked_progress(status, progress), tuple(fields.items()))


def _check_field(status: str, name: str, value: object) -> None:
    if name in _SPANS:
        seconds = value * _SPANS[name] if _is_number(value) else 1800  # type: ignore[operator]  # a number
        raise ScriptError(
            f"{status}({name}={shown(value, 24)}): the length is given in seconds or polls",
            fix=f"use seconds={seconds:g}",
            value=name,
        )
    if name == "status":
        raise ScriptError(
            f"{status}(status={shown(value, 24)}): the step is the status",
            fix="write the step of that name; faults.record(status=…) sends another word",
            value=value,
        )
    check_options(status, {name: value}, ("polls", "seconds", "progress", *FIELDS), meant=_MEANT, error=ScriptError)
    if not is_json(value):
        raise ScriptError(
            f"{status}({name}={shown(value, 30)}) is not JSON",
            fix="a field is what json.dumps can write: a text, a number, a list, a dict with text keys",
            value=value,
        )


def is_json(value: object) -> bool:
    """Return whether a value can be part of a body."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _checked_progress(status: str, progress: Progress) -> tuple[Number, Number] | None:
    if progress is None:
        return None
    ends = tuple(progress) if isinstance(progress, (tuple, list)) else (progress, progress)
    if len(ends) != 2 or not all(_is_number(end) and 0 <= end <= 100 for end in ends):
        raise ScriptError(
            f"progress of {status}() must be from 0 to 100, not {shown(progress, 24)}",
            fix="progress is percent from 0 to 100, or a pair such as (0, 40)",
            value=progress,
        )
    if isinstance(progress, float) and 0 < progress < 1:
        told = f"{status}(progress={progress:g}) is less than 1 percent"
        warn(f"{told}; {progress * 100:g} percent is progress={progress * 100:g}")
    if ends[0] > ends[1]:
        raise ScriptError(
            f"{status}(progress={shown(progress, 30)}) falls",
            fix="the progress of a script never falls (E-ASSUMED-15); write the lower end first",
            value=progress,
        )
    return ends[0], ends[1]


@with_example("queued(polls=3) or queued(seconds=90)")
def queued(
    *, polls: int | None = None, seconds: Number | None = None, progress: Progress = None, **fields: object
) -> Step:
    """A task, import, export or backup waits to be run. Source: E-STATUS-1, E-STATUS-4."""
    return _step("queued", polls, seconds, progress, fields)


@with_example("starting(polls=3) or starting(seconds=90)")
def starting(
    *, polls: int | None = None, seconds: Number | None = None, progress: Progress = None, **fields: object
) -> Step:
    """A task is about to run. Source: E-STATUS-1."""
    return _step("starting", polls, seconds, progress, fields)


@with_example("running(polls=3) or running(seconds=90)")
def running(
    *, polls: int | None = None, seconds: Number | None = None, progress: Progress = None, **fields: object
) -> Step:
    """A task, import, export or backup runs. Source: E-STATUS-1, E-STATUS-4."""
    return _step("running", polls, seconds, progress, fields)


@with_example("cancelling(polls=3) or cancelling(seconds=90)")
def cancelling(
    *, polls: int | None = None, seconds: Number | None = None, progress: Progress = None, **fields: object
) -> Step:
    """A task is being cancelled and has not stopped yet. Source: E-STATUS-1, E-LIFE-11."""
    return _step("cancelling", polls, seconds, progress, fields)


@with_example("cancelled(polls=3) or cancelled(seconds=90)")
def cancelled(
    *, polls: int | None = None, seconds: Number | None = None, progress: Progress = None, **fields: object
) -> Step:
    """A task was stopped on request; terminal. Source: E-STATUS-1."""
    return _step("cancelled", polls, seconds, progress, fields)


@with_example("aborted(polls=3) or aborted(seconds=90)")
def aborted(
    *, polls: int | None = None, seconds: Number | None = None, progress: Progress = None, **fields: object
) -> Step:
    """A task was stopped by the cluster; terminal, since release 8.0. Source: E-STATUS-1, E-LIFE-2."""
    return _step("aborted", polls, seconds, progress, fields)


@with_example("completed(polls=3) or completed(seconds=90)")
def completed(
    *, polls: int | None = None, seconds: Number | None = None, progress: Progress = None, **fields: object
) -> Step:
    """The operation succeeded; terminal. Source: E-STATUS-1, E-STATUS-2, E-STATUS-4."""
    return _step("completed", polls, seconds, progress, fields)


@with_example("failed(polls=3) or failed(seconds=90)")
def failed(
    *, polls: int | None = None, seconds: Number | None = None, progress: Progress = None, **fields: object
) -> Step:
    """The operation failed; terminal.

    A task gives the reason in `error_code` and `error_message` (E-TASK-10), a state machine, import, export or backup
    in `error` (E-SM-9, E-V2-8); all are optional on the wire.
    """
    return _step("failed", polls, seconds, progress, fields)


@with_example("pending(polls=3) or pending(seconds=90)")
def pending(
    *, polls: int | None = None, seconds: Number | None = None, progress: Progress = None, **fields: object
) -> Step:
    """A state machine waits to be run. Source: E-STATUS-2."""
    return _step("pending", polls, seconds, progress, fields)


@with_example("active(polls=3) or active(seconds=90)")
def active(
    *, polls: int | None = None, seconds: Number | None = None, progress: Progress = None, **fields: object
) -> Step:
    """A state machine runs; `state="config_security"` names the state it is in. Source: E-STATUS-2, E-SM-7."""
    return _step("active", polls, seconds, progress, fields)


@with_example("gone()")
def gone() -> Step:
    """The record has vanished for ever: reading it is 404 action_not_found. May follow any step. Source: E-LIFE-8."""
    return Step(GONE)


def jump() -> Step:
    """Allow the next step although the lifecycle forbids it, `[completed(), jump(), running()]`."""
    return Step(_JUMP)


class Moment(NamedTuple):
    """The state of a script at one poll or instant.

    Attributes:
        step: which step.
        progress: percent; int where the script says so in whole numbers, otherwise float.
        since: where the step began, in the script's unit.
        moving: whether the progress changes within the step.
        awaits: what moves the script on, "polls" or "seconds"; "" in its last step, which lasts for ever.
    """

    step: Step
    progress: Number
    since: Number
    moving: bool
    awaits: str


@dataclass(frozen=True)
class Script:
    """The checked steps of an operation of one kind on one release; made by `Script.of`.

    Attributes:
        kind: "task", "state-machine" or "other".
        steps: the steps; the last one lasts for ever.
        unit: "polls" or "seconds".
    """

    kind: str
    steps: tuple[Step, ...]
    unit: str
    _starts: tuple[int, ...] = field(repr=False)
    _progress: tuple[tuple[Number, Number], ...] = field(repr=False)

    @classmethod
    def of(
        cls, kind: str, steps: Iterable[Step], *, release: str, profile: str = "wire", progress: Number = 0
    ) -> Script:
        """Return the script of these steps, if the lifecycle allows them.

        Args:
            kind: "task", "state-machine" or "other".
            steps: at least one step.
            release, profile: the lifecycle that the steps are checked against.
            progress: percent that was reached before the script begins.

        Raises:
            ScriptError: a status of another kind or release, a step that the lifecycle forbids, two units in one
                script, a progress that falls, no steps at all.
            TypeError: something that is not a step.
        """
        checked, jumps = _without_jumps(_checked_steps(steps))
        life = lifecycle(kind, release, profile)
        for step in checked:
            _check_status(step, life)
            _check_error_fields(step, kind)
        _check_order(checked, life, jumps)
        unit = _unit(checked)
        lengths = [_length(step, unit) for step in checked[:-1]]
        return cls(kind, checked, unit, (0, *accumulate(lengths)), _progress_of(checked, progress, jumps))

    def at(self, *, poll: int, elapsed: float) -> Moment:
        """Return the state of the script.

        Args:
            poll: the number of the poll, from 0; counts in a script of polls.
            elapsed: seconds since the script began; counts in a script of seconds; rounded to nanoseconds, so that
                ten times 0.1 are one second.
        """
        position = poll if self.unit == "polls" else round(elapsed * _NANOSECONDS)
        index = bisect_right(self._starts, position) - 1
        step, start = self.steps[index], self._starts[index]
        first, last = self._progress[index]
        progress = _between(first, last, _share(step, position - start))
        since = start if self.unit == "polls" else start / _NANOSECONDS
        awaits = self.unit if index < len(self.steps) - 1 else ""
        return Moment(step, progress, since, first != last, awaits)


def default_script(kind: str, release: str, *, vanishes: bool = False) -> Script:
    """Return the happy path of a kind, one poll a step; a delete's record vanishes instead of completing (E-LIFE-8)."""
    if kind == TASK:
        steps = [queued(), starting(), running(), completed()]
    elif kind == STATE_MACHINE:
        steps = [pending(), active(), gone() if vanishes else completed()]
    else:
        steps = [queued(), running(), completed()]
    return Script.of(kind, steps, release=release)


def kind_of(steps: Iterable[Step]) -> str:
    """Return the kind that steps belong to: a state machine if one of its own words is among them, else a task."""
    return STATE_MACHINE if any(step.status in ("pending", "active") for step in _checked_steps(steps)) else TASK


def _checked_steps(steps: Iterable[Step]) -> tuple[Step, ...]:
    if isinstance(steps, (Step, str)) or not isinstance(steps, Iterable):
        raise ScriptError(
            f"a script is a list of steps, not {shown(steps, 40)}",
            fix="write script=[running(), completed()]",
            value=steps,
        )
    found = tuple(steps)
    if not found:
        raise ScriptError(
            "a script needs at least one step", fix="write script=[completed()], or leave it out", value=found
        )
    for position, step in enumerate(found):
        if not isinstance(step, Step):
            raise ScriptError(
                f"step {position} of the script is {shown(step, 40)}, not a step", fix=_how_to_write(step), value=step
            )
    return found


def _how_to_write(step: object) -> str:
    name = step if isinstance(step, str) else getattr(step, "__name__", None)
    guess = nearest(name, (*STATUSES, GONE, "jump")) if name else None
    return f"write {guess or 'running'}(), imported from pytest_redis_actions"


def _check_status(step: Step, life: Lifecycle) -> None:
    status = step.status
    if status == GONE or status in life.transitions:
        return
    for owner in owners(status):
        if owner.kind == life.kind:
            raise ScriptError(
                f"the reference has {status!r} since {life.since(status)}; this script is for {life.release}",
                fix="use profile='wire': clusters had it before (E-SINCE-10); "
                f"or release={life.since(status)!r} or newer",
                value=status,
            )
        raise ScriptError(
            f"{status!r} is a status of {owner.noun}, not of {life.noun}",
            fix=f"{life.noun} has {', '.join(life.statuses)}",
            value=status,
        )
    raise ScriptError(
        f"{shown(status, 40)} is not a status of {life.noun}",
        fix=f"{life.noun} has {', '.join(life.statuses)}",
        value=status,
    )


def _check_error_fields(step: Step, kind: str) -> None:
    own = _ERROR_FIELDS[kind]
    for name, value in step.fields:
        if name in ("error", "error_code", "error_message") and name not in own:
            raise ScriptError(
                f"{name}={shown(value, 30)} is not a field of {lifecycle(kind).noun}",
                fix=f"it reports its failure in {' and '.join(own)}",
                value=name,
            )


def _without_jumps(steps: tuple[Step, ...]) -> tuple[tuple[Step, ...], frozenset[int]]:
    """Return the steps, and the positions of those that a jump leads to."""
    found: list[Step] = []
    jumps = set()
    for step in steps:
        if step.status == _JUMP:
            jumps.add(len(found))
        else:
            found.append(step)
    if not found or not jumps <= set(range(1, len(found))):
        raise ScriptError("jump() must be between two steps", fix="write [completed(), jump(), running()]", value=steps)
    return tuple(found), frozenset(jumps)


def _check_order(steps: Sequence[Step], life: Lifecycle, jumps: frozenset[int]) -> None:
    for position, (before, after) in enumerate(pairwise(steps)):
        if position + 1 in jumps:
            continue
        if before.status == GONE:
            raise ScriptError(
                f"step {position + 1}, {after.status}(), follows gone()",
                fix="gone() ends a script: a record that has vanished never comes back",
                value=after.status,
            )
        if after.status != GONE and not life.allows(before.status, after.status):
            raise ScriptError(
                f"{before.status} -> {after.status} is not a step of {life.noun}",
                fix=_way_out(before.status, after.status, life),
                value=(before.status, after.status),
            )


def _way_out(before: str, after: str, life: Lifecycle) -> str:
    path = life.path(before, after)
    if path is not None:
        between = "(), ".join(path[1:-1]) + "()"
        return f"add {between} between them: {' -> '.join(path)}"
    following = life.transitions[before]
    if not following:
        return f"{before} is terminal: only gone() may follow it"
    return f"after {before} may come {', '.join(following)}, or gone()"


def _unit(steps: Sequence[Step]) -> str:
    in_polls = [step for step in steps if step.polls is not None]
    in_seconds = [step for step in steps if step.seconds is not None]
    if not in_seconds:
        return "polls"
    other = in_polls or [step for step in steps[:-1] if step.seconds is None and step.status != GONE]
    if other:
        raise ScriptError(
            "polls and seconds are mixed in one script",
            fix=f"{in_seconds[0]!r} counts in seconds, {other[0]!r} in polls: give every step but the last one unit",
            value=(in_seconds[0], other[0]),
        )
    return "seconds"


def _length(step: Step, unit: str) -> int:
    """Return a step's length in polls or nanoseconds."""
    if unit == "polls":
        return step.polls or 1
    return max(1, round((step.seconds or 0) * _NANOSECONDS))


def _progress_of(steps: Sequence[Step], reached: Number, jumps: frozenset[int]) -> tuple[tuple[Number, Number], ...]:
    """Return what the progress runs through in each step: as written, or the defaults of the design."""
    found: list[tuple[Number, Number]] = []
    for position, step in enumerate(steps):
        reached = 0 if position in jumps else reached
        first, last = _ends(step, reached)
        if first < reached:
            raise ScriptError(
                f"progress falls from {reached} to {first} at {step!r}",
                fix="the progress of a script never falls (E-ASSUMED-15); begin at the progress that was reached",
                value=first,
            )
        found.append((first, last))
        reached = last
    return tuple(found)


def _ends(step: Step, reached: Number) -> tuple[Number, Number]:
    if step.progress is not None:
        return step.progress
    if step.status in _MOVING:
        if step.seconds is not None or (step.polls or 1) > 1:
            return reached, max(99, reached)
        return reached, max(50, reached)
    return (100, 100) if step.status == "completed" else (reached, reached)


def _share(step: Step, into: int) -> float:
    """Return how much of a step is over, 1 or more at its last poll: of (0, 40) in 3 polls 0, 20, 40."""
    if step.seconds is not None:
        return into / _length(step, "seconds")
    steps = (step.polls or 1) - 1
    return into / steps if steps else math.inf


def _between(first: Number, last: Number, share: float) -> Number:
    if first == last or share >= 1:
        return last
    # Rounded, so that the sum never shows 28.999999 where a person reads 29.
    return round(first + (last - first) * share, 9)
