"""Finding the departures: jsonschema-rs says whether and where, if it is installed; jsonschema says what.

A response with lists of objects is judged in parts: the envelope with its lists emptied, then each row by the schema of
its own kind. So the same code explains the same row whether or not something faster has found it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ..releases import NEWEST
from . import catalogue, documents
from .explain import explained
from .violation import Violation

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

__all__ = ["LIMIT", "find"]

__tracebackhide__ = True

LIMIT = 1000
"""So many bad rows of a list are explained; whoever has more has seen enough."""


@cache
def _slow(file: str) -> Draft202012Validator:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(catalogue.bundled(file))


@cache
def _fast(file: str) -> Any:
    """Return a validator of jsonschema-rs for the strict form of a schema, or None where that is not installed."""
    if find_spec("jsonschema_rs") is None:
        return None
    import jsonschema_rs

    return jsonschema_rs.Draft202012Validator(_strict(catalogue.bundled(file), top=True))


_PLAIN = {"type": ["string", "integer", "boolean", "null"], "pattern": "^"}


def _strict(schema: Any, *, top: bool = False) -> Any:
    """Return a schema that accepts only what is certainly JSON and certainly keeps the contract.

    jsonschema-rs takes tuples for lists and leaves fields that no rule is about unread, so that NaN or a set may stand
    in them. In the strict form a field that the contract does not name holds a plain value, lists stand at the top
    only, and each text has a pattern, which makes it read. What this refuses is looked at again with patience.
    """
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "array" and not top:
        return False
    strict = dict(schema)
    for key in ("then", "else", "anyOf", "additionalProperties"):
        if key in strict:
            strict[key] = _strict(strict[key], top=top and key in ("then", "else"))
    if "items" in strict:
        strict["items"] = _strict(strict["items"])
    if "properties" in strict:
        strict["properties"] = {name: _strict(each, top=top) for name, each in strict["properties"].items()}
    if strict.get("type") == "object" and "then" not in strict:
        strict.setdefault("additionalProperties", _PLAIN)
    if strict.get("type") == "string":
        strict.setdefault("pattern", "^")
    return strict


def find(document: object, kind: str, release: str | None, profile: str, *, fast: bool = True) -> list[Violation]:
    """Return the departures of a document: what is no JSON first, then in the order of the document.

    Args:
        document: what json.loads returns.
        kind: "action", …, or a response such as "GET /v1/actions".
        release: None for the newest.
        profile: "wire" or "documented".
        fast: False to leave jsonschema-rs alone.
    """
    file = catalogue.schema_file(kind, release, profile)
    judge = _Judge(document, kind, release or NEWEST, profile, file)
    engine = _fast(file) if fast else None
    suspects: dict[tuple[object, ...], set[int]] | None = None
    if engine is not None and not judge.holds_tuples():
        try:
            # Not `is_valid` first: all errors cost what the verdict costs, and a bad document would pay for both.
            suspects = judge.located(engine)
            if suspects is None:
                return []
        except ValueError:
            suspects = None  # it cannot read the document, which is for `departures` to explain
    unsound = judge.unsound(suspects)
    if any(each.code == "RA195" for each in unsound):
        return unsound[-1:]
    return unsound + list(dict.fromkeys(judge.all(suspects)))


class _Judge:
    """One document, and the contract that it is judged by."""

    def __init__(self, document: object, kind: str, release: str, profile: str, file: str) -> None:
        self.document = document
        self.kind = kind
        self.release = release
        self.profile = profile
        self.file = file
        self.lists = tuple(_lists(document, catalogue.rows(kind)))
        self.envelope = _emptied(document, [path for path, _, _ in self.lists])

    def holds_tuples(self) -> bool:
        """Tell whether a tuple stands where the strict form allows a list."""
        values = self.document.values() if isinstance(self.document, dict) else ()
        return isinstance(self.document, tuple) or tuple in map(type, values)

    def located(self, engine: Any) -> dict[tuple[object, ...], set[int]] | None:
        """Return the rows that something faster finds suspicious, by the path of their list; None if nothing is."""
        fine = True
        bad: dict[tuple[object, ...], set[int]] = {path: set() for path, _, _ in self.lists}
        for error in engine.iter_errors(self.document):
            fine = False
            where = tuple(error.instance_path)
            for path, rows in bad.items():
                if where[: len(path)] == path and len(where) > len(path):
                    rows.add(where[len(path)])
        return None if fine else bad

    def unsound(self, suspects: dict[tuple[object, ...], set[int]] | None) -> list[Violation]:
        """Return what is no JSON: of the envelope, then of the rows."""
        if suspects is None and documents.is_sound(self.document):
            return []
        found = documents.departures(self.envelope)
        for path, _, number, row in self._rows(suspects):
            found += documents.departures(row, (*path, number))
        return found

    def _rows(
        self, suspects: dict[tuple[object, ...], set[int]] | None
    ) -> Iterator[tuple[tuple[object, ...], str, int, object]]:
        for path, kind, rows in self.lists:
            numbers: Iterable[int] = range(len(rows)) if suspects is None else sorted(suspects[path])
            for number in numbers:
                yield path, kind, number, rows[number]

    def all(self, suspects: dict[tuple[object, ...], set[int]] | None) -> Iterator[Violation]:
        """Yield what the schemas say: of the envelope, then of the rows, up to LIMIT bad ones of each list."""
        envelope = list(self._of_the_envelope())
        yield from envelope
        if any((each.pointer, each.keyword) == ("", "type") for each in envelope):
            return  # no envelope at all, so that what it holds are no rows
        bad: dict[tuple[object, ...], int] = {}
        for path, kind, number, row in self._rows(suspects):
            if bad.get(path, 0) < LIMIT:
                found = list(self._of_a_row(path, kind, number, row))
                bad[path] = bad.get(path, 0) + bool(found)
                yield from found

    def _of_the_envelope(self) -> Iterator[Violation]:
        for error in _slow(self.file).iter_errors(self.envelope):
            yield from explained(error, path=(), kind=self.kind, release=self.release, owner=self.document, row=None)

    def _of_a_row(self, path: tuple[object, ...], kind: str, number: int, row: object) -> Iterator[Violation]:
        file = catalogue.schema_file(kind, self.release, self.profile)
        for error in _slow(file).iter_errors(row):
            yield from explained(error, path=(*path, number), kind=kind, release=self.release, owner=row, row=number)


def _lists(document: object, rows: Any) -> Iterator[tuple[tuple[object, ...], str, Sequence[object]]]:
    for pointer, kind in rows.items():
        path = tuple(pointer.split("/")[1:])
        found = document
        for part in path:
            found = found.get(part) if isinstance(found, dict) else None
        if isinstance(found, list):
            yield path, kind, found


def _emptied(document: object, paths: Sequence[tuple[object, ...]]) -> object:
    """Return the document with these lists emptied; they are the document itself, or fields of it."""
    if () in paths:
        return []
    if not paths or not isinstance(document, dict):
        return document
    return {**document, **{path[0]: [] for path in paths}}
