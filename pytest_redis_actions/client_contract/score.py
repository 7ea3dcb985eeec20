"""The score of a session: how many scenarios each client bears, by group, with each miss in one line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .scenarios import SCENARIOS

__all__ = ["lines", "percent", "score", "write"]

_WORST = ("skipped", "passed", "failed")
_GROUPS = tuple(dict.fromkeys(scenario.group for scenario in SCENARIOS))
_BY_ID = {scenario.id: scenario for scenario in SCENARIOS}


def score(rows: Iterable[Mapping[str, str]]) -> dict[str, Any]:
    """Return the score of these rows; of several releases of a scenario the worst outcome counts.

    Shape: {"clients": {"path::Class": {"total": int, "passed": int, "failed": int, "skipped": int,
    "scenarios": {"S01": {"outcome": "passed" | "failed" | "skipped", "reason": str}}}}}.
    """
    clients: dict[str, dict[str, dict[str, str]]] = {}
    rows = list(rows)
    releases = {(row["client"], row["scenario"]): set[str]() for row in rows}
    for row in rows:
        releases[row["client"], row["scenario"]].add(row["release"])
    for row in sorted(rows, key=lambda row: (row["client"], row["scenario"], row["release"])):
        several = len(releases[row["client"], row["scenario"]]) > 1
        reason = f"{row['release']}: {row['reason']}" if several and row["reason"] else row["reason"]
        scenarios = clients.setdefault(row["client"], {})
        known = scenarios.get(row["scenario"])
        if known is None or _WORST.index(row["outcome"]) > _WORST.index(known["outcome"]):
            scenarios[row["scenario"]] = {"outcome": row["outcome"], "reason": reason}
    clocks = {row["client"]: row.get("clock", "driven") for row in rows}
    return {
        "clients": {client: {**_counted(scenarios), "clock": clocks[client]} for client, scenarios in clients.items()}
    }


def _counted(scenarios: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    outcomes = [each["outcome"] for each in scenarios.values()]
    return {
        "total": len(outcomes),
        **{outcome: outcomes.count(outcome) for outcome in ("passed", "failed", "skipped")},
        "scenarios": dict(scenarios),
    }


def percent(found: Mapping[str, Any]) -> float:
    """Return how many of the scenarios that were played the worst client bears."""
    shares = [100 * each["passed"] / max(1, each["passed"] + each["failed"]) for each in found["clients"].values()]
    return min(shares, default=100.0)


def write(found: Mapping[str, Any], path: Path) -> None:
    """Write a score as JSON, or as Markdown for a pull request if the name ends in .md."""
    text = "\n".join(markdown(found)) if path.suffix == ".md" else json.dumps(found, indent=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", encoding="utf-8")


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the table for a terminal."""
    for client, counts in found["clients"].items():
        played = counts["passed"] + counts["failed"]
        yield f"{client}: {counts['passed']} of {played}" + (
            f", {counts['skipped']} skipped" if counts["skipped"] else ""
        )
        if counts["clock"] != "driven":
            yield f"  played on {counts['clock']}"
        for group, passed, of, misses in _by_group(counts["scenarios"]):
            yield f"  {group:<22}{passed:>3} of {of:<3}{'' if misses else 'all'}".rstrip()
            for name, reason in misses:
                yield f"    {name}  {_BY_ID[name].title}"[:100]
                yield f"         {reason}"[:100]


def markdown(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the table as Markdown."""
    for client, counts in found["clients"].items():
        played = counts["passed"] + counts["failed"]
        yield f"### `{client}`: {counts['passed']} of {played} scenarios"
        yield ""
        yield "| | bears | |"
        yield "|---|---|---|"
        for group, passed, of, misses in _by_group(counts["scenarios"]):
            yield f"| **{group}** | {passed} of {of} | |"
            for name, reason in misses:
                yield f"| {name} | {_cell(_BY_ID[name].title)} | {_cell(reason)} |"
        yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _by_group(scenarios: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, int, int, list[tuple[str, str]]]]:
    for group in _GROUPS:
        mine = {name: each for name, each in scenarios.items() if _BY_ID[name].group == group}
        played = [each for each in mine.values() if each["outcome"] != "skipped"]
        misses = [(name, each["reason"]) for name, each in sorted(mine.items()) if each["outcome"] == "failed"]
        if played:
            yield group, len(played) - len(misses), len(played), misses
