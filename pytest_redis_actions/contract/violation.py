"""Violations of the contract: their codes, the values, and the text of a failure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..errors import RedisActionsError, safe

__all__ = ["CODES", "ContractError", "Violation", "pointer_to"]

_GROUPS = 5
_WIDTH = 160
_OTHERS = ("row", "action_uid", "keyword", "expected", "got", "hint", "source")

CODES: Mapping[str, tuple[str, str]] = {
    "RA101": (
        "a field is missing",
        "The object lacks a field that the contract requires. `pointer` is the object, `expected` the field.",
    ),
    "RA102": (
        "a value has the wrong type",
        "For example a number as text where the contract has a number, or an object where it has a list.",
    ),
    "RA103": (
        "a word is not one of the known ones",
        "Most often a status: of another kind of object, of a later release, or misspelt.",
    ),
    "RA104": ("a number is out of range", "Percents run from 0 to 100, Unix seconds from 0 to the year 9999."),
    "RA105": (
        "a text has the wrong form",
        "It is empty, or holds something other than the digits that the contract has there.",
    ),
    "RA106": (
        "a field does not belong here",
        "It belongs to another kind of object or API version, or the reference has no such field.",
    ),
    "RA107": (
        "none of the allowed forms fits",
        "The contract allows several forms, such as a number or the same as text; the value has none of them.",
    ),
    "RA108": ("an object is empty", "The contract has the object only with at least one key."),
    "RA190": ("the text is not JSON", "It does not parse; the place is given."),
    "RA191": ("a key occurs twice in one object", "JSON parsers keep one of the two, and not all the same one."),
    "RA192": ("NaN or Infinity", "JSON has no words for them."),
    "RA193": ("a byte order mark", "JSON text begins with the document itself (RFC 8259, 8.1)."),
    "RA194": ("the bytes are not UTF-8", "JSON text is UTF-8 (RFC 8259, 8.1)."),
    "RA195": (
        "the nesting is too deep",
        "More than 100 levels: no object of this API has more than six, and parsers give up.",
    ),
    "RA196": ("half a character", "A lone surrogate, such as \\ud800 without its other half, is not text."),
}
"""code -> what it says in a few words, and what that means."""


def pointer_to(path: Iterable[object]) -> str:
    """Return the JSON Pointer of a path of keys and indices (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


@dataclass(frozen=True)
class Violation:
    """One violation of the contract.

    Attributes:
        code: "RA101" and so on; what they mean is in CODES.
        path: the keys and indices that lead to the value; to the object where a field is missing.
        row: the index in its list, from 0, or None.
        action_uid: of the object that it belongs to, if it has one.
        keyword: the JSON Schema keyword that says so; "" for what is not JSON.
        expected: what the contract has there; of a missing field its name.
        got: what was found.
        hint: what it most likely is, or "".
        source: the facts (schemas/evidence.md) and the documentation page of that release.
    """

    code: str
    path: tuple[str | int, ...]
    row: int | None
    action_uid: str | None
    keyword: str
    expected: str
    got: str
    hint: str
    source: str

    @property
    def pointer(self) -> str:
        """The path as a JSON Pointer."""
        return pointer_to(self.path)

    def as_dict(self) -> dict[str, object]:
        """Return what a program reads: every attribute, with the pointer for the path."""
        return {"code": self.code, "pointer": self.pointer, **{name: vars(self)[name] for name in _OTHERS}}

    def __str__(self) -> str:
        line = f"{self.code} {self.pointer or '(document root)'}: expected {self.expected}, got {self.got}"
        return safe(f"{line} ({self.hint})" if self.hint else line)

    @property
    def form(self) -> tuple[object, ...]:
        """What it has in common with a departure that differs in its row only."""
        path = self.path
        if self.row is not None:
            at = path.index(self.row)
            path = (*path[:at], "*", *path[at + 1 :])
        return self.code, path, self.keyword, self.expected, self.hint


class ContractError(RedisActionsError, AssertionError):
    """A document violates the contract. Its text fits one screen, and shows equal violations once.

    Attributes:
        violations: every violation.
        kind, release, profile: the contract.
    """

    def __init__(self, violations: Sequence[Violation], *, kind: str, release: str, profile: str) -> None:
        super().__init__(kind, release, profile)
        self.violations = tuple(violations)
        self.kind = kind
        self.release = release
        self.profile = profile

    def __str__(self) -> str:
        groups: dict[tuple[object, ...], list[Violation]] = {}
        for violation in self.violations:
            groups.setdefault(violation.form, []).append(violation)
        shown = list(groups.values())[:_GROUPS]
        lines = [self._headline()]
        for group in shown:
            lines += _lines(group)
        if len(groups) > _GROUPS:
            rest = len(self.violations) - sum(map(len, shown))
            lines.append(f"  … and {rest} more in {len(groups) - _GROUPS} other forms")
        codes = dict.fromkeys(group[0].code for group in shown)
        lines.append(f"  explain  redis-actions explain {' '.join(codes)}")
        return "\n".join(lines)

    def _headline(self) -> str:
        """Return the one line that a summary shows: what, where, and of which contract."""
        first, count = self.violations[0], len(self.violations)
        head, contract = f"{first.code} {self.kind}", f"[{self.release}, {self.profile}]"
        verdict = first.hint or f"expected {first.expected}"
        if first.code == "RA101":
            verdict = f"no {first.expected}"
        elif not first.hint and len(verdict) > 40:
            verdict = f"got {first.got}"
        where = f" at {first.pointer}: " if first.path else ": "
        more = f", and {count - 1} more" if count > 1 else ""
        room = 80 - len(head) - len(contract) - len(more) - 1
        return f"{head}{_cut(safe(where + verdict), max(12, room))}{more} {contract}"


def _lines(group: Sequence[Violation]) -> list[str]:
    first = group[0]
    where = first.pointer or "(document root)"
    if first.row is not None:
        where += f"   row {first.row}"
    lines = [f"  {first.code:<8} {CODES[first.code][0]}", f"  at       {where}"]
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
    return ["", *(_cut(safe(line), _WIDTH) for line in lines)]


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else line[: width - 1] + "…"
