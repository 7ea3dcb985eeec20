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
    """Return the validator of jsonschema-rs, or None where that is not installed."""
    if find_spec("jsonschema_rs") is None:
        return None
    import jsonschema_rs

    return jsonschema_rs.Draft202012Validator(catalogue.bundled(file))


def find(document: object, kind: str, release: str | None, profile: str, *, fast: bool = True) -> list[Violation]:
    """Return the departures of a document, in the order of the document.

    Args:
        document: what json.loads returns.
        kind: "action", …, or a response such as "GET /v1/actions".
        release: None for the newest.
        profile: "wire" or "documented".
        fast: False to leave jsonschema-rs alone.
    """
    file = catalogue.schema_file(kind, release, profile)
    release = release or NEWEST
    unsound = documents.departures(document)
    if any(each.code == "RA195" for each in unsound):
        return unsound
    engine = _fast(file) if fast and not unsound else None
    if engine is not None and engine.is_valid(document):
        return []
    judge = _Judge(document, kind, release, profile, file)
    found = judge.all(judge.located(engine) if engine is not None else None)
    return unsound + list(dict.fromkeys(found))


class _Judge:
    def __init__(self, document: object, kind: str, release: str, profile: str, file: str) -> None:
        self.document = document
        self.kind = kind
        self.release = release
        self.profile = profile
        self.file = file
        self.lists = tuple(_lists(document, catalogue.rows(kind)))

    def located(self, engine: Any) -> dict[tuple[object, ...], set[int]]:
        """Return the rows that something faster has found bad, by the path of their list."""
        bad: dict[tuple[object, ...], set[int]] = {path: set() for path, _, _ in self.lists}
        for error in engine.iter_errors(self.document):
            where = tuple(error.instance_path)
            for path, rows in bad.items():
                if where[: len(path)] == path and len(where) > len(path):
                    rows.add(where[len(path)])
        return bad

    def all(self, bad: dict[tuple[object, ...], set[int]] | None) -> Iterator[Violation]:
        yield from self._of_the_envelope()
        explained_rows = 0
        for path, kind, rows in self.lists:
            numbers: Iterable[int] = range(len(rows)) if bad is None else sorted(bad[path])
            for number in numbers:
                found = list(self._of_a_row(path, kind, number, rows[number]))
                yield from found
                explained_rows += bool(found)
                if explained_rows >= LIMIT:
                    return

    def _of_the_envelope(self) -> Iterator[Violation]:
        emptied = _emptied(self.document, [path for path, _, _ in self.lists])
        for error in _slow(self.file).iter_errors(emptied):
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
