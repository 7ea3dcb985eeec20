"""Texts that a terminal would obey, and values whose methods all fail: what bodies and traces may hold at worst."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

HOSTILE = "x\x1b[31m\x07\x00\x7f\x9b31m\u202e\u2066\u2069\u200e\u200f\n\r\u2028y"
BROKEN = HOSTILE + "\ud800"


def fail(*_: Any, **__: Any) -> Any:
    """Stand for a method that must not be relied on."""
    raise RuntimeError("a method of the value was called")


_METHODS = (
    "__repr__", "__str__", "__eq__", "__ne__", "__lt__", "__gt__", "__len__", "__bool__", "__iter__", "__contains__",
    "__getitem__", "__format__", "__int__", "__float__", "__index__", "get", "items", "keys", "values", "lower",
    "encode", "__reduce__", "__reduce_ex__",
)  # fmt: skip


def evil(base: type) -> type:
    """Return a subclass of a builtin type whose methods all fail."""
    return type(f"Evil{base.__name__.title()}", (base,), dict.fromkeys(_METHODS, fail) | {"__hash__": fail})


class EvilMapping(Mapping[str, Any]):
    """A look-alike of a dict whose methods all fail."""

    __getitem__ = __len__ = get = items = keys = values = __contains__ = __repr__ = fail

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError


EvilStr, EvilInt, EvilFloat, EvilList, EvilDict = map(evil, (str, int, float, list, dict))
EVIL: tuple[Any, ...] = (
    EvilStr("running"), EvilInt(5), EvilFloat(5.0), EvilList([1]), EvilDict(status="running"), EvilMapping(),
    evil(object)(),
)  # fmt: skip


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value in a document."""
    yield path
    children = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in children:
        yield from places(value, (*path, key))


def planted(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return a copy of a document with another value at a path."""
    if not path:
        return value
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[path[0]] = planted(document[path[0]], path[1:], value)
    return copy


def renamed(document: Any, path: tuple[Any, ...], key: str) -> Any:
    """Return a copy of a document with another key for the last one of a path."""
    if len(path) > 1:
        return planted(document, path[:1], renamed(document[path[0]], path[1:], key))
    return {(key if name == path[0] else name): value for name, value in document.items()}
