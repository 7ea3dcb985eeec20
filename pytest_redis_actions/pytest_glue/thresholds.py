"""The score and the coverage of a session: their options, their tables, and what they must reach."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

from ..errors import nearest, shown
from .session import coverage_of

__all__ = ["check_thresholds", "misses", "notes", "score_lines", "write_score"]

Rows = Iterable[Mapping[str, str]]


def check_thresholds(config: pytest.Config) -> None:
    """Refuse a threshold that is not a percentage, and a score file that cannot be written, before the first test.

    Raises:
        pytest.UsageError: naming the value and the fix.
    """
    for name in ("score_min", "coverage_min"):
        _least(config, name)
    path = _score_path(config)
    if path is None or (path.parent.is_dir() and not path.is_dir()):
        return
    given = Path(config.getoption("redis_actions_score"))
    what = "is a folder" if path.is_dir() else f"there is no folder {shown(str(given.parent))}"
    folders = () if path.is_dir() else path.parent.parent.glob("*")
    near = nearest(path.parent.name, [each.name for each in folders if each.is_dir()])
    fix = f"write {given.parent.with_name(near) / given.name}" if near else "name a file in a folder that exists"
    raise pytest.UsageError(f"--redis-actions-score={given}: {what}\n  fix  {fix}")


def _score_path(config: pytest.Config) -> Path | None:
    given = config.getoption("redis_actions_score")
    return None if given is None else Path(config.invocation_params.dir, given)


def _least(config: pytest.Config, name: str) -> float | None:
    """Return the percentage that an option asks for."""
    given = config.getoption(f"redis_actions_{name}")
    try:
        least = math.nan if given is None else float(given)
    except ValueError:
        least = math.nan
    if given is None or 0 <= least <= 100:
        return None if given is None else least
    option = f"--redis-actions-{name.replace('_', '-')}"
    raise pytest.UsageError(f"{option}={shown(given, 30)} is not a percentage\n  fix  write a number from 0 to 100")


def write_score(config: pytest.Config, rows: Rows) -> None:
    """Write the score where it was asked for."""
    path = _score_path(config)
    if path is not None:
        from ..scenarios.score import score, write

        write(score(rows), path)


def score_lines(rows: Rows) -> Iterator[str]:
    """Yield the table of the session's clients."""
    from ..scenarios.score import lines, score

    yield from lines(score(rows))


def misses(config: pytest.Config, rows: Rows) -> list[str]:
    """Return what is wrong with the session's score and coverage: too little, or nothing that could be judged."""
    found = [] if _narrowing(config) else [f"{what}; {fix}" for what, fix in _unjudged(config, rows)]
    least = _least(config, "score_min")
    if least is not None and _is_scored(rows):
        from ..scenarios.score import percent, score

        reached = percent(score(rows))
        if reached < least:
            found.append(f"{reached:.0f} % of the scenarios passed, {least:g} % expected")
    least = _least(config, "coverage_min")
    coverage = coverage_of(config)
    if least is not None and coverage.data() and coverage.percent < least:
        found.append(f"{coverage.percent:.0f} % of the lifecycle seen, {least:g} % expected")
    return found


def notes(config: pytest.Config, rows: Rows) -> list[str]:
    """Return what was not judged because the session was narrowed."""
    by = _narrowing(config)
    return [f"{what}: the session was narrowed by {by}" for what, _ in _unjudged(config, rows)] if by else []


def _unjudged(config: pytest.Config, rows: Rows) -> Iterator[tuple[str, str]]:
    if _least(config, "score_min") is not None and not _is_scored(rows):
        yield "no scenario was played, so there is no score", "subclass ActionsClientContract, or leave the option out"
    if _least(config, "coverage_min") is not None and not coverage_of(config).data():
        yield "no operation was polled, so there is no coverage", "use redis_actions, or leave the option out"


def _is_scored(rows: Rows) -> bool:
    return any(row["outcome"] != "skipped" for row in rows)


def _narrowing(config: pytest.Config) -> str:
    """Return what has narrowed the session to some of its tests, "-k 'wait'", or "".

    Options that select tests, node ids and single files do; folders and --failed-first do not.
    """
    options = (("-k", "keyword"), ("-m", "markexpr"), ("--deselect", "deselect"), ("--lf", "lf"), ("--sw", "stepwise"))
    given = [(flag, getattr(config.option, name, None)) for flag, name in options]
    told = [flag if value is True else f"{flag} {shown(value, 30)}" for flag, value in given if value]
    told += [shown(str(each), 40) for each in config.args if "::" in str(each) or str(each).endswith(".py")]
    return ", ".join(told[:3])
