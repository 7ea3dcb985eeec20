"""Assertions about what was seen over time: one step, a whole trace, and waiting with a memory."""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..clock import Clock, WallClock
from ..errors import RedisActionsError, UsageError, exact, safe, shown
from ..errors.arguments import caller, check_number, with_example
from ..errors.citing import cited
from ..facts.lifecycle import GONE, STATE_MACHINE, TASK, V2, Lifecycle, check_kind, lifecycle
from ..facts.releases import NEWEST, check_profile, check_release
from .timeline import observation_lines
from .trace_rules import RULES, Finding, Observation, check, check_allow, check_step, facts_of, observations_of

__all__ = ["LifecycleError", "assert_trace", "assert_transition", "wait_for"]

__tracebackhide__ = True

_ALSO = 5


class LifecycleError(RedisActionsError, AssertionError):
    """What was seen is not possible on a real cluster, or what was waited for did not come.

    Attributes:
        findings: everything that is wrong, worst first.
        observations: the trace.
    """

    def __init__(
        self,
        headline: str,
        findings: Sequence[Finding],
        observations: Sequence[Observation],
        life: Lifecycle,
        call: str,
    ) -> None:
        super().__init__(headline)
        self.headline = headline
        self.findings = tuple(findings)
        self.observations = tuple(observations)
        self._life = life
        self._call = call

    def __str__(self) -> str:
        headline = safe(self.headline)
        lines = [headline[:79] + "…" if len(headline) > 80 else headline]
        uid = _uid(self.observations)
        if uid is not None:
            lines.append(f"  action   {uid[:100]}")
        worst = self.findings[0] if self.findings else None
        if worst is not None:
            lines.append(f"  rule     {RULES[worst.code][2]}")
            if worst.legal:
                lines.append(f"  legal    {worst.legal[:150]}")
        lines += self._trace(worst)
        lines += [f"  also     {each.code} #{each.poll} {each.message[:100]}" for each in self.findings[1 : 1 + _ALSO]]
        if len(self.findings) > 1 + _ALSO:
            lines.append(f"  also     … and {len(self.findings) - 1 - _ALSO} more, in .findings")
        if worst is not None:
            lines.append(f"  source   {self._life.noun}, release {self._life.release}; {cited(worst.source)}")
            lines.append(f"  relax    {self._call}(…, allow=[{worst.allow[0]!r}])")
            lines.append(f"  explain  redis-actions explain {worst.code}")
        return "\n".join(map(safe, lines))

    def _trace(self, worst: Finding | None) -> list[str]:
        if not self.observations:
            return []
        notes: dict[int, str] = {}
        for each in self.findings[1:50]:
            notes.setdefault(each.poll, _note(each))
        if worst is not None:
            notes[worst.poll] = _note(worst)
        around = worst.poll if worst is not None else len(self.observations)
        told = observation_lines(self.observations, notes, self._life, around=around)
        return [f"  {'trace' if index == 0 else '':<7}{line}" for index, line in enumerate(told)]


def _note(finding: Finding) -> str:
    """Return what stands beside a row: the finding without its hint, which the headline has."""
    return f"{finding.message.partition('; did you mean')[0][:60]} ({finding.code})"


def _uid(observations: Sequence[Observation]) -> str | None:
    for each in observations:
        uid = each.body.get("action_uid")
        if isinstance(uid, str):
            return uid
    return None


def _raise(findings: Sequence[Finding], observations: Sequence[Observation], life: Lifecycle, call: str) -> None:
    uid = _uid(observations)
    of = f" {uid[:8]}" if uid else ""
    what = "state machine" if life.kind == STATE_MACHINE else "action"
    worst = findings[0]
    raise LifecycleError(f"{worst.code} {what}{of}: {worst.message}", findings, observations, life, call)


@with_example('assert_transition("queued", "starting")')
def assert_transition(
    before: object,
    after: object,
    *,
    kind: str = TASK,
    release: str | None = None,
    profile: str = "wire",
    allow: Sequence[str] = (),
) -> None:
    """Fail unless a status may follow another directly; one may always stay as it is.

    Args:
        before, after: status words, or bodies that have one.
        kind: "task", "state-machine" or "v2".
        release: None for the newest.
        profile: "documented" for the lifecycle that the reference of that release draws.
        allow: what to relax, "completed->running" or the name of a rule.

    Raises:
        LifecycleError: it may not. A step that skips states is refused here; a trace may miss states.
        UsageError: an unknown kind or release, a name in `allow` that is none.
    """
    life = _life(kind, release, profile)
    relaxed = check_allow(allow)
    steps = tuple(observations_of([before, after], kind=kind))
    for each in steps:
        if not isinstance(each.status, str):
            finding = Finding(
                "RA213", each.number, f"status is {shown(each.status, 30)}", ("no-status",), "", "E-TASK-4"
            )
            _raise([finding], steps, life, "assert_transition")
    found = check_step(str(steps[0].status), str(steps[1].status), life)
    if found is not None and not relaxed & {*found.allow}:
        _raise([found], steps, life, "assert_transition")


@with_example("assert_trace(action.trace)")
def assert_trace(
    observations: object,
    *,
    kind: str = TASK,
    release: str | None = None,
    profile: str = "wire",
    allow: Sequence[str] = (),
) -> None:
    """Fail if a trace shows what no operation does. It may begin and end anywhere, and polls may miss states.

    Args:
        observations: status words, bodies, or pairs (seconds, body), of one operation in order; None, "gone" or an
            action_not_found body is a record that has vanished. Or replies of a list route polled several times: each
            operation in them is checked by itself. Or the path of a file with any of these, JSON or JSON Lines.
        kind: "task", "state-machine" or "v2"; of `GET /v1/actions` lists the kind is told by the list.
        release: None for the newest.
        profile: "documented" for the lifecycle that the reference of that release draws; it also wants error fields
            on a failed operation.
        allow: what to relax, such as "progress-fell" or "completed->running".

    Raises:
        LifecycleError: `.findings` has everything that is wrong, worst first.
        UsageError: an empty trace, something that is not an observation, an unknown kind, release or name in `allow`.
    """
    life = _life(kind, release, profile)
    relaxed = check_allow(allow)
    for own, trace in _traces(_given(observations), life):
        found = check(trace, own, profile=profile, allow=relaxed)
        if found:
            _raise(found, trace, own, "assert_trace")


def _life(kind: str, release: str | None, profile: str) -> Lifecycle:
    return lifecycle(check_kind(kind), NEWEST if release is None else check_release(release), check_profile(profile))


def _given(observations: object) -> list[object]:
    if isinstance(observations, Path):
        observations = _recorded(observations)
    observations = exact(observations)
    if isinstance(observations, (str, bytes, Mapping)) or not isinstance(observations, Iterable):
        raise UsageError(
            f"a trace is a sequence of observations, not {shown(observations, 35)}",
            fix="give a list of status words, bodies or pairs (seconds, body); in Python also a pathlib.Path",
            value=observations,
        )
    found = list(observations)
    if not found:
        raise UsageError("an empty trace shows nothing", fix="give at least one observation", value=observations)
    return found


def _recorded(path: Path) -> object:
    name = safe(path.name)[:40]
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"{name} cannot be read", fix=str(error), value=path) from None
    try:
        try:
            document = json.loads(text)
        except ValueError:
            document = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{name} is not a trace: {str(error)[:60]}",
            fix="record JSON, or JSON Lines, one observation a line; `redis-actions check-trace` names the line",
            value=path,
        ) from None
    if not isinstance(document, list):
        raise UsageError(
            f"{name} has one document where a trace is expected", fix="record a list of observations, or JSON Lines"
        )
    return document


def _traces(given: list[object], life: Lifecycle) -> Iterator[tuple[Lifecycle, list[Observation]]]:
    """Yield the trace of each operation: the one that was given, or those in lists polled several times."""
    replies = [_reply(each, life) for each in given]
    if not any(reply is not None for reply in replies):
        yield life, list(observations_of(given, kind=life.kind))
        return
    seen: dict[tuple[str, object], list[object]] = {}
    for number, reply in enumerate(replies, 1):
        if reply is None:
            raise UsageError(
                f"observation #{number} must be a list, as others are", fix="give lists only, or one operation only"
            )
        seconds, rows = reply
        for key in {**seen, **rows}:
            seen.setdefault(key, [])
            if key in rows or seen[key]:
                seen[key].append((seconds, rows.get(key)) if seconds is not None else rows.get(key))
    for (kind, _), trace in seen.items():
        own = lifecycle(kind, life.release, life.profile)
        yield own, list(observations_of(trace, kind=kind))


def _reply(each: object, life: Lifecycle) -> tuple[float | None, dict[tuple[str, object], object]] | None:
    """Return the rows of a reply of a list route by kind and uid; None if it is something else."""
    seconds, what = None, exact(each)
    if type(what) in (tuple, list) and len(what) == 2 and _is_time(what[0]):  # type: ignore[arg-type,index]  # a list
        seconds, what = what[0], exact(what[1])  # type: ignore[index]  # the same
    if isinstance(what, dict) and ("actions" in what or "state-machines" in what):
        found = _rows(what.get("actions"), TASK)
        found.update(_rows(what.get("state-machines"), STATE_MACHINE))
        return seconds, found
    if isinstance(what, list) and all(isinstance(row, Mapping) for row in what):
        return seconds, _rows(what, life.kind if life.kind != TASK else V2)
    return None


def _is_time(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _rows(rows: object, kind: str) -> dict[tuple[str, object], object]:
    rows = exact(rows)
    if not isinstance(rows, list):
        return {}
    return {(kind, _uid_of(row)): row for row in map(exact, rows) if isinstance(row, dict)}


def _uid_of(row: Mapping[str, object]) -> str | None:
    uid = exact(row.get("action_uid"))
    return uid if uid is None or isinstance(uid, str) else shown(uid)


@with_example('wait_for(poll, "completed", timeout=600, every=5)')
def wait_for(
    poll: Callable[[], Any],
    status: str | Collection[str],
    *,
    timeout: float,
    every: float,
    clock: Clock | None = None,
    kind: str = TASK,
    release: str | None = None,
) -> Any:
    """Poll until a status is reached, and return what the last poll returned.

    Args:
        poll: returns a status word, a body, or None for a record that is gone; a coroutine function makes this return
            a coroutine. A test that does not await it fails.
        status: the word that is waited for, or several.
        timeout: seconds after which to give up.
        every: seconds between two polls.
        clock: the stub's; real time if left out.
        kind: "task", "state-machine" or "v2".
        release: None for the newest.

    Raises:
        LifecycleError: the status can no longer be reached, or was not reached in time; with the history.
        UsageError: a negative time, `every=0`, a status that the kind lacks, a poll that cannot be called.
    """
    if not callable(poll):
        raise UsageError(
            f"poll must be a function, not {shown(poll, 40)}",
            fix="write wait_for(lambda: client.get(uid), …)",
            value=poll,
        )
    waiting = _Waiting(status, timeout, every, WallClock() if clock is None else clock, _life(kind, release, "wire"))
    if inspect.iscoroutinefunction(poll):
        return waiting.asynchronously(poll, caller())
    return waiting.synchronously(poll)


_unawaited: dict[object, str] = {}


def never_awaited() -> tuple[str, ...]:
    """Return where `wait_for` was called and its coroutine never began, since this was last asked."""
    found = tuple(_unawaited.values())
    _unawaited.clear()
    return found


class _Waiting:
    def __init__(
        self, status: str | Collection[str], timeout: float, every: float, clock: Clock, life: Lifecycle
    ) -> None:
        given = exact(status)
        several = isinstance(given, (list, tuple, set, frozenset))
        wanted: tuple[object, ...] = tuple(map(exact, given)) if several else (given,)  # type: ignore[call-overload]  # it is
        check_number("timeout", timeout, unit="seconds")
        check_number("every", every, unit="seconds", above=True)
        if not all(hasattr(clock, name) for name in ("seconds", "sleep", "asleep")):
            raise UsageError(
                f"clock must be a stub's clock, not {shown(clock, 30)}",
                fix="write clock=redis_actions.clock",
                value=clock,
            )
        if not wanted:
            raise UsageError("wait_for() names no status", fix='write wait_for(poll, "completed", …)', value=status)
        for word in wanted:
            if type(word) is not str or (word not in life.transitions and word != GONE):
                legal = ", ".join(life.statuses)
                raise UsageError(f"{shown(word, 30)} is not a status of {life.noun}", fix=f"it has {legal}", value=word)
        self.wanted = tuple(map(str, wanted))
        self.timeout = timeout
        self.every = every
        self.clock = clock
        self.life = life
        self.began = clock.seconds
        self.seen: list[Observation] = []

    def synchronously(self, poll: Callable[[], Any]) -> Any:
        while True:
            answer = poll()
            if inspect.isawaitable(answer):
                if inspect.iscoroutine(answer):
                    answer.close()
                raise UsageError(
                    "poll returned an awaitable",
                    fix="give a coroutine function, async def poll(): …, and await wait_for",
                )
            if self._is_reached(answer):
                return answer
            self.clock.sleep(self.every)

    def asynchronously(self, poll: Callable[[], Awaitable[Any]], where: str) -> Coroutine[Any, Any, Any]:
        token = object()
        _unawaited[token] = where
        return self._asynchronously(poll, token)

    async def _asynchronously(self, poll: Callable[[], Awaitable[Any]], token: object) -> Any:
        _unawaited.pop(token, None)
        while True:
            answer = await poll()
            if self._is_reached(answer):
                return answer
            await self.clock.asleep(self.every)

    def _is_reached(self, answer: object) -> bool:
        passed = self.clock.seconds - self.began
        (seen,) = observations_of([answer], kind=self.life.kind)
        self.seen.append(Observation(len(self.seen) + 1, passed, seen.status, seen.body))
        if seen.status in self.wanted:
            return True
        wanted = " or ".join(self.wanted)
        if not self._is_possible(seen.status):
            raise LifecycleError(
                f"{wanted} cannot follow {seen.status}", self._impossible(seen.status), self.seen, self.life, "wait_for"
            )
        if passed + self.every > self.timeout:
            text = f"{wanted} did not come in {self.timeout:g} s: {shown(seen.status, 20)} after {len(self.seen)} polls"
            raise LifecycleError(text, (), self.seen, self.life, "wait_for")
        return False

    def _is_possible(self, status: object) -> bool:
        if status == GONE:
            return False
        if not isinstance(status, str) or status not in self.life.transitions:
            return True  # an unknown word says nothing about what may follow
        return any(word == GONE or self.life.reaches(status, word) for word in self.wanted)

    def _impossible(self, status: object) -> Sequence[Finding]:
        number = len(self.seen)
        if status == GONE:
            return [Finding("RA205", number, "the record is gone", ("came-back",), "gone, for ever", "E-LIFE-8")]
        legal = ", ".join(self.life.transitions[str(status)]) or "nothing"
        code = "RA201" if self.life.is_terminal(str(status)) else "RA202"
        message, facts = f"{status}: waiting is over", facts_of(self.life)
        return [Finding(code, number, message, (RULES[code][0],), f"after {status!r}: {legal}", facts)]
