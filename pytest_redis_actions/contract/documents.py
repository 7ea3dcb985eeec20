"""Is it JSON at all? For text before it is parsed, and for Python objects before a schema looks at them."""

from __future__ import annotations

import json
import math
from collections import Counter
from itertools import chain
from typing import Any

from ..errors import UsageError, exact, safe, shown
from ..errors.plain import SCALARS
from .violation import Violation, pointer_to

__all__ = ["DEEPEST", "checked", "parse"]

__tracebackhide__ = True

DEEPEST = 100
_HUGE = 10**400
_CONTAINERS = frozenset((dict, list))

Path = tuple[str | int, ...]


def _not_json(code: str, path: Path, expected: str, got: str, hint: str = "") -> Violation:
    return Violation(code, path, None, None, "", expected, got, hint, "RFC 8259")


class _Departure(Exception):
    """Holds the violation that ends the look."""


def parse(data: bytes) -> tuple[Any, list[Violation]]:
    """Return the document that bytes hold, and what keeps them from being JSON (then the document is None)."""
    if data.startswith(b"\xef\xbb\xbf"):
        return None, [_not_json("RA193", (), "JSON text", "a byte order mark", "save it as UTF-8 without BOM")]
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        got = f"byte 0x{data[error.start]:02x} at offset {error.start}"
        return None, [_not_json("RA194", (), "UTF-8", got, _encoding_hint(data))]
    try:
        return json.loads(text, object_pairs_hook=_no_twins, parse_int=_bounded), []
    except _Departure as departure:
        return None, [*departure.args]
    except json.JSONDecodeError as error:
        got = f"{error.msg.lower()}, line {error.lineno} column {error.colno}"
        return None, [_not_json("RA190", (), "a JSON document", got, _text_hint(text))]
    except RecursionError:
        return None, [_too_deep()]


def _bounded(digits: str) -> int | float:
    # Python refuses to read a number of thousands of digits; as a float it is merely out of range.
    return int(digits) if len(digits) < 400 else -1e308 if digits.startswith("-") else 1e308


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        twin, count = next(each for each in counts.items() if each[1] > 1)
        raise _Departure(_not_json("RA191", (), "each key once", f"{shown(twin, 40)} {count} times"))
    return found


def _encoding_hint(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "this is UTF-16"
    return "this is gzip: decompress it first" if data.startswith(b"\x1f\x8b") else ""


def _text_hint(text: str) -> str:
    start = text.lstrip()[:1]
    if not start:
        return "it is empty"
    if start == "<":
        return "this looks like HTML or XML"
    return "this is Python's repr: write JSON with json.dump" if start in "{[" and "'" in text[:200] else ""


def _too_deep() -> Violation:
    return _not_json("RA195", (), f"at most {DEEPEST} levels", "more")


def is_sound(document: object) -> bool:
    """Tell whether a document is JSON of exact types, a whole level at a time: 1,000 rows cost microseconds.

    False says only that `checked` has to look closely.
    """
    level: list[Any] = [document]
    for _ in range(DEEPEST):
        types = set(map(type, level))
        if not types <= SCALARS | _CONTAINERS:
            return False
        if not _are_sound_scalars(level, types):
            return False
        if not types & _CONTAINERS:
            return True
        # Each object once: a list that contains itself twice has 2 ** 100 values on the last level.
        dicts = {id(each): each for each in level if type(each) is dict}.values()
        keys = list(chain.from_iterable(dicts))
        if set(map(type, keys)) - {str} or not _is_text(keys):
            return False
        lists = {id(each): each for each in level if type(each) is list}.values()
        level = list(chain(chain.from_iterable(map(dict.values, dicts)), chain.from_iterable(lists)))
    return False


def _are_sound_scalars(level: list[Any], types: set[type]) -> bool:
    if float in types and not all(math.isfinite(each) for each in level if type(each) is float):
        return False
    if int in types and not all(-_HUGE < each < _HUGE for each in level if type(each) is int):
        return False
    return str not in types or _is_text(level if types == {str} else [each for each in level if type(each) is str])


def _is_text(texts: list[str]) -> bool:
    joined = "".join(texts)
    if joined.isascii():
        return True
    try:
        joined.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def checked(document: object, path: Path = ()) -> tuple[Any, list[Violation]]:
    """Return a document in exact types, whatever its classes override, and what keeps it from being JSON.

    Args:
        document: what json.loads returns; subclasses of its types are taken for those.
        path: where it stands in the whole document.

    Raises:
        UsageError: something that no JSON parser makes: a tuple, a set, bytes, a key that is not text.
    """
    if is_sound(document):
        return document, []
    found: list[Violation] = []
    try:
        return _copied(document, path, found), found
    except _Departure as departure:
        return None, [*departure.args]


def _copied(value: object, path: Path, found: list[Violation]) -> object:
    if len(path) >= DEEPEST:
        raise _Departure(_too_deep())
    plain = exact(value)
    if isinstance(plain, dict):
        return {_key(key, path, found): _copied(each, (*path, str(exact(key))), found) for key, each in plain.items()}
    if isinstance(plain, list):
        return [_copied(each, (*path, index), found) for index, each in enumerate(plain)]
    if isinstance(plain, float) and not math.isfinite(plain):
        found.append(_not_json("RA192", path, "a number", str(plain), "JSON has no word for it"))
    elif isinstance(plain, str) and not _is_text([plain]):
        found.append(_not_json("RA196", path, "whole characters", ascii(plain)[:60]))
    elif type(plain) not in SCALARS:
        raise _foreign(path, plain, "value")
    elif type(plain) is int and not -_HUGE < plain < _HUGE:
        return max(-1e308, min(plain, 1e308))  # Python does not print so many digits; it is merely out of range
    return plain


def _key(key: object, path: Path, found: list[Violation]) -> str:
    plain = exact(key)
    if not isinstance(plain, str):
        raise _foreign(path, plain, "key")
    if not _is_text([plain]):
        found.append(_not_json("RA196", path, "whole characters in keys", ascii(plain)[:60]))
    return plain


def _foreign(path: Path, value: object, what: str) -> UsageError:
    where = f" at {safe(pointer_to(path))[:30]}" if path else ""
    fixes: dict[type, str] = {
        bytes: "parse it first: json.loads(…)",
        tuple: "JSON has lists, not tuples",
        set: "JSON has lists, not sets",
    }
    return UsageError(
        f"the {what} {shown(value, 25)}{where} is not JSON: {safe(type(value).__name__)[:20]}",
        fix=fixes.get(
            type(value), "give what json.loads returns: dict with text keys, list, str, int, float, bool or None"
        ),
        value=value,
    )
