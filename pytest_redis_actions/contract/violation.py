"""Departures from the contract, as values, and the codes that they carry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import RedisActionsError
from .report import text_of

__all__ = ["CODES", "ContractError", "Violation"]

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
    "RA190": ("the text is no JSON", "It does not parse; the place is given."),
    "RA191": ("a key stands twice in one object", "JSON parsers keep one of the two, and not all the same one."),
    "RA192": ("NaN or Infinity", "JSON has no words for them."),
    "RA193": ("a byte order mark", "JSON text begins with the document itself (RFC 8259, 8.1)."),
    "RA194": ("the bytes are not UTF-8", "JSON text is UTF-8 (RFC 8259, 8.1)."),
    "RA195": (
        "the nesting is too deep",
        "More than 100 levels: no object of this API has more than six, and parsers give up.",
    ),
    "RA196": ("half a character", "A lone surrogate, such as \\ud800 without its other half, is no text."),
}
"""code -> what it says in a few words, and what that means."""


@dataclass(frozen=True)
class Violation:
    """One departure from the contract.

    Attributes:
        code: "RA101" and so on; what they mean is in CODES.
        pointer: JSON Pointer of the value; of the object where a field is missing.
        row: the index in its list, from 0, or None.
        action_uid: of the object that it belongs to, if it has one.
        keyword: the JSON Schema keyword that says so; "" for what is no JSON.
        expected: what the contract has there; of a missing field its name.
        got: what was found.
        hint: what it most likely is, or "".
        source: the facts (schemas/evidence.md) and the documentation page of that release.
    """

    code: str
    pointer: str
    row: int | None
    action_uid: str | None
    keyword: str
    expected: str
    got: str
    hint: str
    source: str

    def __str__(self) -> str:
        where = self.pointer or "the document"
        line = f"{self.code} {where}: expected {self.expected}, got {self.got}"
        return f"{line} ({self.hint})" if self.hint else line


class ContractError(RedisActionsError, AssertionError):
    """A document departs from the contract.

    Attributes:
        violations: every departure.
        kind, release, profile: the contract.
    """

    def __init__(self, violations: Sequence[Violation], *, kind: str, release: str, profile: str) -> None:
        super().__init__(kind, release, profile)
        self.violations = tuple(violations)
        self.kind = kind
        self.release = release
        self.profile = profile

    def __str__(self) -> str:
        return text_of(self.violations, kind=self.kind, release=self.release, profile=self.profile, titles=CODES)
