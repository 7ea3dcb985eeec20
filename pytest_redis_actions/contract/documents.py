"""Is it JSON at all? For text before it is parsed, and for Python objects before a schema looks at them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from ..errors import UsageError, shown
from .violation import Violation

__all__ = ["DEEPEST", "departures", "is_sound", "parse", "pointer_to"]

__tracebackhide__ = True

DEEPEST = 100
_SCALARS = frozenset((str, int, float, bool, type(None)))


def pointer_to(path: Iterable[object]) -> str:
    """Return the JSON Pointer of a path of keys and indices (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def _not_json(code: str, pointer: str, expected: str, got: str, hint: str = "") -> Violation:
    return Violation(code, pointer, None, None, "", expected, got, hint, "RFC 8259")


class _Departure(Exception):
    def __init__(self, violation: Violation) -> None:
        super().__init__(violation)
        self.violation = violation


def parse(data: bytes) -> tuple[Any, list[Violation]]:
    """Return the document that bytes hold, and what keeps them from being JSON (then the document is None)."""
    if data.startswith(b"\xef\xbb\xbf"):
        return None, [_not_json("RA193", "", "JSON text", "a byte order mark", "save it as UTF-8 without BOM")]
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        got = f"byte 0x{data[error.start]:02x} at offset {error.start}"
        return None, [_not_json("RA194", "", "UTF-8", got, _encoding_hint(data))]
    try:
        return json.loads(text, object_pairs_hook=_no_twins, parse_int=_bounded), []
    except _Departure as departure:
        return None, [departure.violation]
    except json.JSONDecodeError as error:
        got = f"{error.msg.lower()}, line {error.lineno} column {error.colno}"
        return None, [_not_json("RA190", "", "a JSON document", got, _text_hint(text))]
    except RecursionError:
        return None, [_too_deep()]


def _bounded(digits: str) -> int | float:
    # Python refuses to read a number of thousands of digits; as a float it is merely out of range.
    return int(digits) if len(digits) < 400 else math.copysign(1e308, -1 if digits.startswith("-") else 1)


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twin = next(key for key in keys if keys.count(key) > 1)
        raise _Departure(_not_json("RA191", "", "each key once", f"{shown(twin, 40)} {keys.count(twin)} times"))
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
    return "Python's repr is no JSON: write it with json.dump" if start in "{[" and "'" in text[:200] else ""


def _too_deep() -> Violation:
    return _not_json("RA195", "", f"at most {DEEPEST} levels", "more")


def is_sound(document: object) -> bool:
    """Tell whether a document is JSON, looking at a whole level at a time: a list of 1,000 rows costs microseconds.

    False says only that `departures` has to look closely.
    """
    level: list[Any] = [document]
    for _ in range(DEEPEST):
        types = set(map(type, level))
        if not types <= _SCALARS | {dict, list}:
            return False
        if not _are_sound_scalars(level, types):
            return False
        if not types & {dict, list}:
            return True
        dicts = [each for each in level if type(each) is dict]
        keys = list(chain.from_iterable(dicts))
        if set(map(type, keys)) - {str} or not _is_text(keys):
            return False
        lists = [each for each in level if type(each) is list]
        level = list(chain(chain.from_iterable(map(dict.values, dicts)), chain.from_iterable(lists)))
    return False


def _are_sound_scalars(level: list[Any], types: set[type]) -> bool:
    if float in types and not all(math.isfinite(each) for each in level if type(each) is float):
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


def departures(document: object, path: tuple[object, ...] = ()) -> list[Violation]:
    """Return what keeps a Python object from being JSON, of what a JSON parser may have made.

    Args:
        document: the object.
        path: where it stands in the whole document.

    Raises:
        UsageError: something that no JSON parser makes: a tuple, a set, bytes, a key that is no text.
    """
    if is_sound(document):
        return []
    return list(_walk(document, path))


def _walk(document: object, path: tuple[object, ...]) -> Iterator[Violation]:
    waiting: list[tuple[tuple[object, ...], Any]] = [(path, document)]
    while waiting:
        path, value = waiting.pop()
        if len(path) >= DEEPEST:
            yield _too_deep()
            return
        if isinstance(value, dict):
            for key in value:
                if not isinstance(key, str):
                    raise _foreign(path, key, "key")
                if not _is_text([key]):
                    yield _not_json("RA196", pointer_to(path), "whole characters in keys", ascii(key)[:60])
            waiting += [((*path, key), each) for key, each in reversed(value.items())]
        elif isinstance(value, list):
            waiting += [((*path, index), value[index]) for index in range(len(value) - 1, -1, -1)]
        elif isinstance(value, float) and not math.isfinite(value):
            yield _not_json("RA192", pointer_to(path), "a number", str(value), "JSON has no word for it")
        elif isinstance(value, str) and not _is_text([value]):
            yield _not_json("RA196", pointer_to(path), "whole characters", ascii(value)[:60])
        elif type(value) not in _SCALARS and not isinstance(value, (str, int, float)):
            raise _foreign(path, value, "value")


def _foreign(path: tuple[object, ...], value: object, what: str) -> UsageError:
    where = f" at {pointer_to(path)[:30]}" if path else ""
    fixes: dict[type, str] = {
        bytes: "parse it first: json.loads(…)",
        tuple: "JSON has lists, not tuples",
        set: "JSON has lists, not sets",
    }
    return UsageError(
        f"the {what} {shown(value, 30)}{where} is no JSON but {type(value).__name__}",
        fix=fixes.get(
            type(value), "give what json.loads returns: dict with text keys, list, str, int, float, bool or None"
        ),
        value=value,
    )
