"""Values and texts from outside, made harmless: exact types for subclasses, escapes for control characters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["SCALARS", "exact", "safe"]

SCALARS = frozenset((str, int, float, bool, type(None)))
# A subclass may override everything, so that its content is read with the methods of the builtin type alone.
_EXACT: Mapping[type, Callable[[Any], object]] = {
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
    list: lambda value: list(list.__iter__(value)),
    tuple: lambda value: tuple(tuple.__iter__(value)),
    dict: lambda value: {exact(key): each for key, each in dict.items(value)},
}


def exact(value: object) -> object:
    """Return a value of a subclass of a builtin type as one of that type itself, one level deep; any other as it is."""
    kind = type(value)
    if kind in SCALARS or kind in _EXACT:
        return value
    for base, make in _EXACT.items():
        if issubclass(kind, base):
            return make(value)
    return value


def safe(text: str) -> str:
    r"""Return a text as one line that any terminal shows and none obeys.

    Control characters (ESC, BEL, NUL, DEL, C1, line ends), bidi controls, other invisible characters and lone
    surrogates are written as escapes, as Python's repr writes them: "\x1b", "\u202e".
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
