"""The text of a failure: the verdict first, equal departures once, never more than a screen."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .violation import Violation

__all__ = ["text_of"]

GROUPS = 5
_WIDTH = 160


def text_of(
    violations: Sequence[Violation], *, kind: str, release: str, profile: str, titles: Mapping[str, tuple[str, str]]
) -> str:
    """Return the text of a ContractError."""
    groups = _grouped(violations)
    first = groups[0][0]
    count = len(violations)
    lines = [_headline(f"{first.code} {kind}", first, count, f"[{release}, {profile}]")]
    for group in groups[:GROUPS]:
        lines += _told(group, titles)
    if len(groups) > GROUPS:
        rest = sum(map(len, groups[GROUPS:]))
        lines.append(f"  … and {rest} more in {len(groups) - GROUPS} other forms")
    codes = list(dict.fromkeys(group[0].code for group in groups[:GROUPS]))
    lines.append(f"  explain  redis-actions explain {' '.join(codes)}")
    return "\n".join(lines)


def _headline(head: str, first: Violation, count: int, contract: str) -> str:
    """Return the one line that a summary shows: what, where, and of which contract."""
    said = first.hint or f"expected {first.expected}"
    if first.code == "RA101":
        said = f"no {first.expected}"
    elif not first.hint and len(said) > 40:
        said = f"got {first.got}"
    where = f" at {first.pointer}: " if first.pointer else ": "
    more = f", and {count - 1} more" if count > 1 else ""
    room = 80 - len(head) - len(contract) - len(more) - 1
    return f"{head}{_cut(where + said, max(12, room))}{more} {contract}"


def _grouped(violations: Sequence[Violation]) -> list[list[Violation]]:
    """Group what differs in its row only; the order is that of the first of each."""
    groups: dict[tuple[str, ...], list[Violation]] = {}
    for each in violations:
        pointer = each.pointer if each.row is None else re.sub(rf"/{each.row}(?=/|$)", "/*", each.pointer, count=1)
        groups.setdefault((each.code, pointer, each.keyword, each.expected, each.hint), []).append(each)
    return list(groups.values())


def _told(group: Sequence[Violation], titles: Mapping[str, tuple[str, str]]) -> list[str]:
    first = group[0]
    where = first.pointer or "the document itself"
    if first.row is not None:
        where += f"   row {first.row}"
    lines = [f"  {first.code:<8} {titles[first.code][0]}", f"  at       {where}"]
    if first.action_uid is not None:
        lines.append(f"  action   {first.action_uid}")
    if len(group) > 1:
        lines.append(f"  count    {len(group)} times; the first is shown")
    expected = f"the field {first.expected}" if first.code == "RA101" else first.expected
    lines += [f"  expected {expected}", f"  got      {first.got}"]
    if first.hint:
        lines.append(f"  hint     {first.hint}")
    if first.source:
        lines.append(f"  source   {first.source}")
    return ["", *(_cut(line, _WIDTH) for line in lines)]


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else line[: width - 1] + "…"
