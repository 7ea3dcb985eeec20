"""Observations and exchanges as lines for people: equal ones folded, the offending one marked, a screen at most."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from ..errors import safe
from ..errors import shown as quoted
from .journal import Exchange
from .trace_rules import Observation

if TYPE_CHECKING:
    from ..facts.lifecycle import Lifecycle

__all__ = ["bar", "exchange_lines", "observation_lines"]

SHOWN = 14
WIDTH = 80


@dataclass
class _Fold:
    first: Observation
    count: int
    note: str


def observation_lines(
    observations: Sequence[Observation], notes: Mapping[int, str], life: Lifecycle, *, around: int
) -> list[str]:
    """Return a folded trace: a line for each run of equal observations, those around one poll at most.

    Args:
        observations: the whole trace.
        notes: number of a poll -> what is wrong there; such a poll is marked and stands alone.
        life: tells which states a step has skipped, which is fine.
        around: the number of the poll that must be among the lines.
    """
    # A trace of a million polls is cut before it is folded: what is far from the offence is only counted.
    start = max(0, around - 400)
    near = observations[start : around + 50]
    folds = _folded(near, notes)
    last_fold = folds[-1]
    for later in observations[start + len(near) :]:
        if last_fold.note or later.number in notes or not _same(last_fold.first, later):
            break
        last_fold.count += 1  # the run goes on beyond the cut, and is counted whole
    middle = max((index for index, fold in enumerate(folds) if fold.first.number <= around), default=0)
    low = max(0, middle - SHOWN + 3)
    lines = [f"… {folds[low].first.number - 1} earlier polls"] if folds[low].first.number > 1 else []
    shown = folds[low : low + SHOWN]
    before: _Fold | None = None
    for fold in shown:
        lines.append(_told(fold, before, life, marked=fold.first.number in notes))
        before = fold
    last = shown[-1].first.number + shown[-1].count - 1
    if last < len(observations):
        lines.append(f"… {len(observations) - last} later polls")
    return lines


def _folded(observations: Iterable[Observation], notes: Mapping[int, str]) -> list[_Fold]:
    folds: list[_Fold] = []
    for each in observations:
        note = notes.get(each.number, "")
        last = folds[-1] if folds else None
        if last is not None and not note and not last.note and _same(last.first, each):
            last.count += 1
        else:
            folds.append(_Fold(each, 1, note))
    return folds


def _same(one: Observation, other: Observation) -> bool:
    return all(_brief(one.body.get(name), 60) == _brief(other.body.get(name), 60) for name in ("status", "progress"))


def _brief(value: object, limit: int) -> str:
    """Return a status or a progress as it is printed: a text without quotes, nothing for None."""
    if value is None:
        return ""
    return safe(value[:limit])[:limit] if isinstance(value, str) else quoted(value, limit)


def _told(fold: _Fold, before: _Fold | None, life: Lifecycle, *, marked: bool) -> str:
    each = fold.first
    when = f"{each.seconds:.1f}s" if each.seconds is not None else ""
    progress = _brief(each.body.get("progress"), 8)
    note = fold.note or _skipped(before.first if before else None, each, life)
    times = f"x{fold.count}" if fold.count > 1 else ""
    mark, status = ">" if marked else " ", _brief(each.status, 12)
    return f"{mark} #{each.number:<5}{when:>9}  {status:<12}{progress:>8} {times:<6} {note}".rstrip()


def _skipped(before: Observation | None, each: Observation, life: Lifecycle) -> str:
    words = [status for status in (before.status if before else None, each.status) if isinstance(status, str)]
    if len(words) < 2 or not {*words} <= set(life.transitions):
        return ""
    path = life.path(*words)
    if path is None or len(path) <= 2:
        return ""
    return f"({', '.join(path[1:-1])} not seen: fine, polls may miss states)"


def exchange_lines(exchanges: Sequence[Exchange], uid: str) -> list[str]:
    """Return the poll timeline of one operation: time, route, code, status, progress, gap; equal polls folded."""
    runs: list[tuple[Exchange, int, float]] = []
    for each in exchanges:
        key = _key(each, uid)
        if runs and _key(runs[-1][0], uid) == key:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1, each.seconds)
        else:
            runs.append((each, 1, each.seconds))
    lines = []
    gaps = {each.number: each.seconds - before.seconds for before, each in pairwise(exchanges)}
    shown = runs if len(runs) <= SHOWN else [*runs[:4], *runs[-(SHOWN - 5) :]]
    for index, (first, count, last) in enumerate(shown):
        if len(runs) > SHOWN and index == 4:
            lines.append(f"    … {len(runs) - len(shown)} more lines")
        body = first.shown.get(uid, {})
        status, progress = _brief(body.get("status"), 11), _brief(body.get("progress"), 7)
        times = f"x{count} until {last:.1f}s" if count > 1 else ""
        gap = f"+{gaps[first.number]:.1f}" if first.number in gaps else ""
        text = f"{first.seconds:8.1f}s {gap:>7}  #{first.number:<5}{first.method:<4} {first.code}"
        if first.fault and not body:
            text += f"  {'fault: ' + first.fault[:24]:<19}  {times}"
        else:
            text += f"  {status or first.error_code[:18]:<11} {progress:>7}  {times}"
            text += f" fault: {first.fault}" if first.fault else ""
        if first.by_handler:
            text += " by a handler of the test"
        if first.left_over:
            text += f" left over from {first.left_over}"
        lines.append(safe(text.rstrip())[:WIDTH])
    return lines


def _key(exchange: Exchange, uid: str) -> tuple[object, ...]:
    body = exchange.shown.get(uid, {})
    status, progress = body.get("status"), body.get("progress")
    return exchange.method, exchange.code, str(status), str(progress), exchange.fault


def bar(seen: Sequence[tuple[float, str]], until: float, width: int = 60) -> str:
    """Return the statuses of one operation over time as one line of letters: "qqssrrrrrrrC".

    Args:
        seen: seconds and status of each poll that saw it, in order; a terminal status is a capital letter.
        until: the end of the line, in seconds.
        width: characters.
    """
    if not seen:
        return ""
    if seen[-1][0] == seen[0][0] == until:
        # Time stood still: the polls themselves are the only order that there is.
        return "".join(_letter(seen[len(seen) * cell // width][1]) for cell in range(width))
    cells = []
    span = max(until, seen[-1][0])
    index = -1
    for cell in range(width):
        instant = span * cell / max(1, width - 1)
        while index + 1 < len(seen) and seen[index + 1][0] <= instant + 1e-9:
            index += 1
        cells.append(_letter(seen[index][1]) if index >= 0 else " ")
    return "".join(cells).rstrip()


def _letter(status: str) -> str:
    letters = {
        "queued": "q", "pending": "p", "starting": "s", "running": "r", "active": "a", "cancelling": "k",
        "completed": "C", "failed": "F", "cancelled": "K", "aborted": "A", "gone": "-",
    }  # fmt: skip
    return letters.get(status, "?")
