"""Finding the departures: jsonschema-rs says where to look, if it is installed; jsonschema says what is wrong.

A response with lists of objects is judged in parts: the envelope with its lists emptied, then each row by the schema of
its own kind. So the same code explains the same row whether or not something faster has found it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ..errors.plain import SCALARS
from ..facts.releases import NEWEST
from . import catalogue, documents
from .documents import Path
from .explain import explained
from .violation import Violation

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

__all__ = ["LIMIT", "find"]

__tracebackhide__ = True

LIMIT = 1000
"""At most so many bad rows of a list are explained."""

_Suspects = dict[Path, list[int]]


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
    only, and each text has a pattern, which makes it read. What this refuses is looked at again, slowly.
    """
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if schema.get("type") == "array" and not top:
        return False
    strict = dict(schema)
    for key in ("then", "else", "anyOf", "additionalProperties"):
        if key in strict:
            strict[key] = _strict(strict[key], top=top)
    if "items" in strict:
        strict["items"] = _strict(strict["items"])
    if "properties" in strict:
        strict["properties"] = {name: _strict(each, top=top) for name, each in strict["properties"].items()}
    if strict.get("type") == "object" and ("then" not in strict or "properties" in strict):
        strict.setdefault("additionalProperties", _PLAIN)
    if strict.get("type") == "string":
        strict.setdefault("pattern", "^")
    return strict


def find(document: object, kind: str, release: str | None, profile: str, *, fast: bool = True) -> list[Violation]:
    """Return the departures of a document: what is not JSON first, then in the order of the document.

    Args:
        document: what json.loads returns.
        kind: "action", …, or a response such as "GET /v1/actions".
        release: None for the newest.
        profile: "wire" or "documented".
        fast: False to leave jsonschema-rs alone.
    """
    file = catalogue.schema_file(kind, release, profile)
    unsound: list[Violation] = []
    engine = _fast(file) if fast and _is_exact_on_top(document) else None
    if engine is None:
        document, unsound = documents.checked(document)
    judge = _Judge(document, kind, release or NEWEST, profile, file)
    suspects = None
    if engine is not None:
        try:
            suspects = judge.located()
            if suspects is None:
                return []
        except Exception:
            # It cannot read the document, which is for `documents.checked` to explain.
            return find(document, kind, release, profile, fast=False)
    return judge.all(suspects, unsound)


def _is_exact_on_top(document: object) -> bool:
    """Tell whether a document and the lists in it are of the types that json.loads makes, so that rows can be taken."""
    if type(document) is not dict:
        return type(document) is list
    types = set(map(type, document.values())) | set(map(type, document))
    return not types - SCALARS - {dict, list}


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

    def located(self) -> _Suspects | None:
        """Return the rows that something faster finds suspicious, by the path of their list; None if nothing is.

        It is asked whether a row is valid, never for errors: those copy what they are about, and a list that contains
        itself then ends the interpreter.
        """
        bad: _Suspects = {}
        for path, kind, rows in self.lists:
            is_valid = _fast(catalogue.schema_file(kind, self.release, self.profile)).is_valid
            bad[path] = [number for number, fine in enumerate(map(is_valid, rows)) if not fine]
        return bad if any(bad.values()) or not _fast(self.file).is_valid(self.envelope) else None

    def all(self, suspects: _Suspects | None, unsound: list[Violation]) -> list[Violation]:
        """Return all departures: of the envelope, then of the rows, up to LIMIT bad ones of each list.

        Args:
            suspects: the rows to look at; None for all, which have been made exact before.
            unsound: what is known not to be JSON.
        """
        envelope, more = (self.envelope, []) if suspects is None else documents.checked(self.envelope)
        unsound = unsound + more
        found = list(self._explained(self.file, envelope, (), self.kind, self.document, None))
        if not any((each.path, each.keyword) == ((), "type") for each in found):
            # With the envelope of another type, what it holds are not rows.
            for path, kind, rows in self.lists:
                found += self._of_rows(path, kind, rows, suspects, unsound)
        for each in unsound:
            if each.code == "RA195":
                return [each]
        return unsound + list(dict.fromkeys(found))

    def _of_rows(
        self, path: Path, kind: str, rows: Sequence[object], suspects: _Suspects | None, unsound: list[Violation]
    ) -> Iterator[Violation]:
        file = catalogue.schema_file(kind, self.release, self.profile)
        bad = 0
        for number in range(len(rows)) if suspects is None else suspects[path]:
            row, more = (rows[number], []) if suspects is None else documents.checked(rows[number], (*path, number))
            unsound += more
            if bad < LIMIT:
                found = list(self._explained(file, row, (*path, number), kind, row, number))
                bad += bool(found)
                yield from found

    def _explained(
        self, file: str, instance: object, path: Path, kind: str, owner: object, row: int | None
    ) -> Iterator[Violation]:
        for error in _slow(file).iter_errors(instance):
            yield from explained(error, path=path, kind=kind, release=self.release, owner=owner, row=row)


def _lists(document: object, rows: Any) -> Iterator[tuple[Path, str, Sequence[object]]]:
    for pointer, kind in rows.items():
        path = tuple(pointer.split("/")[1:])
        found = document
        for part in path:
            found = found.get(part) if isinstance(found, dict) else None
        if isinstance(found, list):
            yield path, kind, found


def _emptied(document: object, paths: Sequence[Path]) -> object:
    """Return the document with these lists emptied; they are the document itself, or fields of it."""
    if () in paths:
        return []
    if not paths or not isinstance(document, dict):
        return document
    return {**document, **{path[0]: [] for path in paths}}
