"""What `redis-actions explain` says of a code of the contract or of the lifecycle, and of a fact of the evidence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import zip_longest
from textwrap import wrap

from ..contract import CODES
from ..facts.bundled import folder
from ..facts.lifecycle import STATE_MACHINE, TASK, V2, lifecycle
from ..observed.trace_rules import RULES, SOURCES

__all__ = ["explanation", "known_codes"]

_TAGS = "D documented, O observed, S synthetic, I inferred"
_FACT = re.compile(r"E-[A-Z0-9]+(?:-[A-Z0-9]+)*")
_STEPS = ("RA201", "RA202", "RA203")
_WORDS = ("RA204", "RA103")


def known_codes() -> tuple[str, ...]:
    """Return every code, and every id of a fact."""
    return (*CODES, *RULES, *_facts())


def explanation(code: str) -> str | None:
    """Return what a code or an id means, in lines; None for an unknown one."""
    if code in RULES:
        return "\n".join(_rule(code))
    if code in CODES:
        return "\n".join(_violation(code))
    fact = _facts().get(code)
    return None if fact is None else "\n".join((f"{code}  {fact[0]}", *fact[1], f"  tags: {_TAGS}"))


def _rule(code: str) -> Iterator[str]:
    name, title, meaning = RULES[code]
    yield f"{code}  {title}"
    yield f"  rule     {meaning}"
    yield from _legal(code)
    yield from _sources(SOURCES[code])
    yield (
        f'  relax    allow=["{name}"], or of one step: allow=["completed->running"]'
        if code in _STEPS
        else (f'  relax    allow=["{name}"]')
    )


def _violation(code: str) -> Iterator[str]:
    title, meaning = CODES[code]
    yield f"{code}  {title}"
    yield f"  rule     {meaning}"
    yield from _legal(code)
    if code < "RA190":
        yield "  source   the failure names the facts of its field; explain them with `redis-actions explain E-…`"
        yield "  relax    another release=, or profile='wire', which also accepts what clusters were seen to send"
    else:
        yield "  source   RFC 8259"


def _legal(code: str) -> Iterator[str]:
    for life in map(lifecycle, (TASK, STATE_MACHINE, V2) if code in (*_STEPS, *_WORDS) else ()):
        known = "; ".join(f"{before} -> {', '.join(after)}" for before, after in life.transitions.items() if after)
        words = ", ".join(life.statuses)
        text = f"{known}; final: {', '.join(life.terminal)}" if code in _STEPS else words
        yield from wrap(
            f"{life.noun}, release {life.release}: {text}",
            110,
            initial_indent="  legal    ",
            subsequent_indent=" " * 11,
        )


def _sources(facts: str) -> Iterator[str]:
    for fact in _FACT.findall(facts):
        where, lines = _facts()[fact]
        yield f"  source   {fact}  {where}"
        yield from (f"  {line}" for line in lines)


@cache
def _facts() -> Mapping[str, tuple[str, tuple[str, ...]]]:
    """Return id -> heading and lines, of each row and each paragraph of the evidence."""
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    heading = ""
    columns: list[str] = []
    for line in (folder("schemas") / "evidence.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            heading, columns = line.lstrip("# "), []
        elif line.startswith("|"):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            if _FACT.fullmatch(cells[0]):
                found[cells[0]] = (heading, tuple(_row(columns[1:], cells[1:])))
            elif cells[0] == "id":
                columns = cells
        else:
            paragraph = re.match(r"(?:\* )?\*\*(E-[A-Z0-9-]+)\*\*:?\s*(.*)", line)
            if paragraph:
                found[paragraph[1]] = (heading, (f"  {paragraph[2]}",))
    return found


def _row(columns: list[str], cells: list[str]) -> Iterator[str]:
    for column, cell in zip_longest(columns, cells, fillvalue=""):
        if cell:
            yield f"  {column or 'note'}: {cell}"
