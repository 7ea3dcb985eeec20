"""The score of a session: how many scenarios each client passes, and its misses grouped by what causes them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

from .catalogue import SCENARIOS

__all__ = ["lines", "percent", "score", "write"]

Row = Mapping[str, Any]
_WORST = ("skipped", "passed", "failed")
_BY_ID = {scenario.id: scenario for scenario in SCENARIOS}
_WIDTH = 100


def score(rows: Iterable[Row]) -> dict[str, Any]:
    """Return the score of these rows; of several releases of a scenario the worst outcome counts.

    Shape: {"clients": {"path::Class": {"total": int, "passed": int, "failed": int, "skipped": int, "clock": str,
    "evidence": {"passed": int, "played": int}, "assumed": {"passed": int, "played": int},
    "causes": [{"what": str, "at": str, "change": [str], "evidence": {"S42": ["reset"]}, "assumed": {}}],
    "scenarios": {"S01": {"outcome": "passed" | "failed" | "skipped", "reason": str, "assumed": str}}}}}.
    A failed scenario counts as assumed if all plays that failed are; "assumed" then says why, and is "" otherwise.
    """
    rows = sorted(rows, key=lambda row: (row["client"], row["scenario"], row["release"]))
    clients = dict.fromkeys(row["client"] for row in rows)
    return {"clients": {client: _scored([row for row in rows if row["client"] == client]) for client in clients}}


def _scored(rows: Sequence[Row]) -> dict[str, Any]:
    scenarios = _worst(rows)
    outcomes = [each["outcome"] for each in scenarios.values()]
    return {
        "total": len(outcomes),
        **{outcome: outcomes.count(outcome) for outcome in ("passed", "failed", "skipped")},
        "clock": rows[0]["clock"],
        "evidence": _counted(each for each in scenarios.values() if not each["assumed"]),
        "assumed": _counted(each for each in scenarios.values() if each["assumed"]),
        "causes": _causes(rows),
        "scenarios": scenarios,
    }


def _counted(scenarios: Iterable[Mapping[str, str]]) -> dict[str, int]:
    outcomes = [each["outcome"] for each in scenarios if each["outcome"] != "skipped"]
    return {"passed": outcomes.count("passed"), "played": len(outcomes)}


def _worst(rows: Sequence[Row]) -> dict[str, dict[str, str]]:
    scenarios: dict[str, dict[str, str]] = {}
    for row in rows:
        several = len({other["release"] for other in rows if other["scenario"] == row["scenario"]}) > 1
        reason = f"{row['release']}: {row['reason']}" if several and row["reason"] else row["reason"]
        known = scenarios.get(row["scenario"])
        if known is None or _WORST.index(row["outcome"]) > _WORST.index(known["outcome"]):
            scenarios[row["scenario"]] = {"outcome": row["outcome"], "reason": reason, "assumed": _why_assumed(row)}
    return scenarios


def _why_assumed(row: Row) -> str:
    why = [str(miss["assumed"]) for miss in row["misses"]]
    return why[0] if why and all(why) else "" if why else _BY_ID[row["scenario"]].assumed


def _causes(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Group misses: the same error from the same line of the client, or the same mistake, is one cause."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        for miss in row["misses"]:
            cause = found.setdefault(
                miss["cause"], {"what": miss["text"], "at": "", "change": [], "evidence": {}, "assumed": {}}
            )
            if miss["raised"]:
                cause["at"] = f"{miss['raised']}  {miss['source']}".strip()
            if miss["change"] not in cause["change"]:
                cause["change"].append(miss["change"])
            plays = cause["assumed" if miss["assumed"] else "evidence"].setdefault(row["scenario"], [])
            if miss["play"] not in plays:
                plays.append(miss["play"])
    return sorted(found.values(), key=lambda cause: (-len(cause["evidence"]), -len(cause["assumed"])))


def percent(found: Mapping[str, Any]) -> float:
    """Return how many of the scenarios that were played the worst client passes."""
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
        skipped = f", {counts['skipped']} skipped" if counts["skipped"] else ""
        yield f"{client}: {_share(counts)} scenarios passed{skipped}"
        yield f"  {_share(counts['evidence'])} that rest on evidence, {_share(counts['assumed'])} that are assumed"
        if counts["clock"] != "driven":
            yield f"  played on {counts['clock']}"
        for number, cause in enumerate(counts["causes"], 1):
            yield from _cause_lines(number, cause)


def _share(counts: Mapping[str, int]) -> str:
    played = counts["played"] if "played" in counts else counts["passed"] + counts["failed"]
    return f"{counts['passed']} of {played}"


def _cause_lines(number: int, cause: Mapping[str, Any]) -> Iterator[str]:
    yield from wrap(cause["what"], _WIDTH, initial_indent=f"{number:>3} ", subsequent_indent="    ")
    if cause["at"]:
        yield f"    at       {cause['at']}"[:_WIDTH]
    for change in cause["change"]:
        yield from _wrapped("change", change)
    if cause["evidence"]:
        yield from _wrapped("fails", _titles(cause["evidence"]))
    if cause["assumed"]:
        yield from _wrapped("assumed", _titles(cause["assumed"]))


def _titles(misses: Mapping[str, Sequence[str]]) -> str:
    return " | ".join(f"{name} {_title(name, plays)}" for name, plays in misses.items())


def _title(name: str, plays: Sequence[str]) -> str:
    """Return the title of a scenario, or the names of some of its plays."""
    scenario = _BY_ID[name]
    return scenario.title if len(plays) == len(scenario.plays) else ", ".join(plays)


def _wrapped(label: str, text: str) -> Iterator[str]:
    yield from wrap(text, _WIDTH, initial_indent=f"    {label:<9}", subsequent_indent=" " * 13)


def markdown(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the table as Markdown: a list of causes, each with its scenarios."""
    for client, counts in found["clients"].items():
        yield f"### `{client}`: {_share(counts)} scenarios"
        yield ""
        yield f"{_share(counts['evidence'])} that rest on evidence, {_share(counts['assumed'])} that are assumed"
        yield ""
        for number, cause in enumerate(counts["causes"], 1):
            at = f" (`{_cell(cause['at'])}`)" if cause["at"] else ""
            yield f"{number}. **{_cell(cause['what'])}**{at}"
            yield from (f"   - change: {_cell(change)}" for change in cause["change"])
            for basis, note in (("evidence", ""), ("assumed", " (assumed)")):
                for name, plays in cause[basis].items():
                    yield f"   - {name} {_cell(_title(name, plays))}{note}"
        yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("`", "'").replace("*", "\\*").replace("\n", " ")
