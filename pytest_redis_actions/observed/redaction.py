"""What may be kept of a request: the names of headers and parameters, and the values of those that are on a list.

Of any other value a digest is kept, keyed anew in each process, so that a test can still ask whether it was the same.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Iterable, Mapping
from urllib.parse import unquote

__all__ = ["HIDDEN", "Headers", "blank", "is_plain", "printable", "safe_path", "safe_target", "secrets_of"]

HIDDEN = "***"

_HEADERS = frozenset(
    (
        "accept", "accept-charset", "accept-encoding", "accept-language", "cache-control", "connection",
        "content-encoding", "content-length", "content-type", "date", "expect", "host", "keep-alive", "pragma", "te",
        "trailer", "transfer-encoding", "upgrade", "user-agent",
    )
)  # fmt: skip
_SCHEMES = ("basic", "bearer", "digest", "jwt", "negotiate")
_PARAMETERS = frozenset(("dry_run", "fields", "force", "limit", "offset", "order_by", "status", "verbose"))
_MARKS = "=;@&#?"  # in a path: what follows them may be anything
_LONGEST_TARGET = 200
_LONGEST_SEGMENT = 64  # characters; tokens are longer, uids are not
_SHORTEST_SECRET = 4  # characters; shorter ones stand in too many words
_KEY = secrets.token_bytes(32)


class Headers(dict[str, str]):
    """The headers of a request, with lower-case names: values that are not on the list are shown as "***".

    Of Authorization the scheme is shown.
    """

    def __init__(self, given: Mapping[str, str]) -> None:
        super().__init__()
        self._digests: dict[str, bytes] = {}
        for name, value in given.items():
            self[name] = shown = _shown(name, value)
            if shown != value:
                self._digests[name] = _digest(value)

    def has(self, name: str, value: str | None = None) -> bool:
        """Tell whether there is a header of this name, and with this value if one is given."""
        key = name.lower()
        if key not in self or value is None:
            return key in self
        digest = self._digests.get(key)
        return self[key] == value if digest is None else secrets.compare_digest(digest, _digest(value))


def _digest(value: str) -> bytes:
    return hashlib.blake2b(value.encode("utf-8", "surrogatepass"), key=_KEY, digest_size=16).digest()


def _shown(name: str, value: str) -> str:
    if name in ("authorization", "proxy-authorization"):
        scheme = value.partition(" ")[0]
        return f"{scheme} {HIDDEN}" if scheme.lower() in _SCHEMES else HIDDEN
    if name not in _HEADERS or (name == "host" and "@" in value):
        return HIDDEN
    return value if value.isprintable() and len(value) <= _LONGEST_TARGET else printable(value)


def secrets_of(headers: Mapping[str, str]) -> set[str]:
    """Return what must not be shown anywhere else: the values of the headers that are hidden, a password decoded."""
    found = {value for name, value in headers.items() if name not in _HEADERS}
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            decoded = base64.b64decode(credentials, validate=True).decode("utf-8", "replace")
        except (binascii.Error, ValueError):
            decoded = ""
        credentials, found = decoded.partition(":")[2], found | {credentials}
    return {each for each in found | {credentials} if len(each) >= _SHORTEST_SECRET}


def printable(text: str) -> str:
    """Return a text without control characters, cut to 200 characters."""
    text = text[: _LONGEST_TARGET + 1]
    text = "".join(character if character.isprintable() else f"\\x{ord(character):02x}" for character in text)
    return text if len(text) <= _LONGEST_TARGET else text[: _LONGEST_TARGET - 1] + "…"


def safe_target(path: str, query: str = "", known: Iterable[str] = ()) -> str:
    """Return path and query as they can be printed: without secrets and control characters, and of bounded length.

    Args:
        known: secrets that may stand anywhere in it.
    """
    text = safe_path(path) + (f"?{_safe_query(query)}" if query else "")
    for secret in known:
        if secret in text or secret in unquote(text):
            text = "/".join(HIDDEN if secret in unquote(segment) else segment for segment in text.split("/"))
    return printable(text)


def is_plain(path: str) -> bool:
    """Tell whether a path can be shown as it is."""
    return safe_path(path) == path


def safe_path(path: str) -> str:
    """Return a path without what may be secret in it: what follows a mark, what is too long, a user and a password."""
    first, *others = path[: 4 * _LONGEST_TARGET].split("/")
    return "/".join([HIDDEN if ":" in first else _segment(first), *map(_segment, others)])


def _segment(segment: str) -> str:
    plain = unquote(segment) if "%" in segment else segment
    if "@" in plain:
        return HIDDEN
    marks = [plain.index(mark) for mark in _MARKS if mark in plain]
    if marks:
        return plain[: min(marks) + 1] + HIDDEN
    return segment if len(segment) <= _LONGEST_SEGMENT else segment[:8] + "…"


def _safe_query(query: str) -> str:
    query, mark, _ = query[: 4 * _LONGEST_TARGET].partition("#")
    pairs = query.replace(";", "&").split("&")
    return "&".join(map(_safe_pair, pairs)) + (f"#{HIDDEN}" if mark else "")


def _safe_pair(pair: str) -> str:
    name, equals, value = pair.partition("=")
    name = unquote(name)
    if not equals:
        return name if name in _PARAMETERS or not name else HIDDEN
    shown = value if name in _PARAMETERS and _is_word(value) else HIDDEN
    return f"{name if _is_word(name) else HIDDEN}={shown}"


def _is_word(text: str) -> bool:
    return len(text) <= 40 and all(character.isalnum() or character in "_-.," for character in text)


def blank(value: object) -> object:
    """Return a value of the same JSON type that tells nothing."""
    if isinstance(value, bool) or value is None:
        return value
    return HIDDEN if isinstance(value, str) else type(value)()
