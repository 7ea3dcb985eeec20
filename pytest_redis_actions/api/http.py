"""What a request says and what a reply is made of: targets, queries, bodies, and refusals. No socket, no state."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Any, NamedTuple, cast
from urllib.parse import parse_qs, urlsplit

from ..facts.access import DEFAULT_TTL, LONGEST_TTL, SHORTEST_TTL
from ..facts.routes import Match, find, split
from ..faults import Fault
from ..operations import bodies as wire
from ..operations.operation import State

__all__ = [
    "Answer",
    "Call",
    "Refused",
    "Reply",
    "Request",
    "authority_of",
    "document_of",
    "parsed_query",
    "refusal",
    "retry_after_of",
    "split_target",
    "ttl_of",
]

LARGEST_JSON = 1 << 20  # bytes: E-ASSUMED-17


_NONE: Mapping[str, Any] = MappingProxyType({})


class Request(NamedTuple):
    """One HTTP request.

    Attributes:
        method: "GET".
        target: as in the request line, path and query, percent-encoding untouched.
        headers: lower-case names; of repeated ones the last.
        body: as received.
        connection: the number of the TCP connection, from 1; 0 without a socket.
    """

    method: str
    target: str
    headers: Mapping[str, str] = _NONE
    body: bytes = b""
    connection: int = 0

    def __repr__(self) -> str:
        return f"<{self.method[:20]} request>"


class Call(NamedTuple):
    """One request at one instant, its target taken apart.

    Attributes:
        match: the route that the path meets, on whatever release; None for none.
        now: seconds on the clock.
        moves: whether it moves the scripts of what it reads.
        parameters: the query, parsed.
    """

    request: Request
    path: str
    query: str
    match: Match | None
    now: float
    moves: bool = True
    parameters: Mapping[str, list[str]] = _NONE

    @property
    def values(self) -> Mapping[str, str]:
        """What stands in the path for the route's placeholders."""
        return self.match.values if self.match else _NONE

    @property
    def segments(self) -> tuple[str, ...]:
        """The path's, as sent."""
        return self.match.segments if self.match else split(self.path)

    @classmethod
    def at(cls, now: float, request: Request) -> Call:
        """Return a request that came at this instant."""
        path, query = split_target(request.target)
        return cls(request, path, query, find(path), now, moves=request.method != "HEAD")  # E-ASSUMED-18


class Reply(NamedTuple):
    """One HTTP reply.

    Attributes:
        code: the status code.
        headers: pairs; Content-Length and Connection are left to the server.
        body: the bytes; what HEAD must not send is left to the server too.
        fault: what goes wrong on the way; None for nothing.
    """

    code: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    fault: Fault | None = None

    def __repr__(self) -> str:
        return f"<reply {self.code}>"


class Answer(NamedTuple):
    """What a request is answered with, before it is written down.

    Attributes:
        states: of the operations that it shows.
        raw: the body, where it is not the document.
        kept: the body as the journal keeps it, where the real one holds secrets.
    """

    code: int
    document: object = None
    aimed: tuple[str, ...] = ()
    shown: Mapping[str, Mapping[str, object]] = _NONE
    headers: tuple[tuple[str, str], ...] = ()
    left_over: str | None = None
    raw: bytes | None = None
    kept: bytes | None = None
    states: Sequence[State] = ()

    def __repr__(self) -> str:
        return f"<answer {self.code}>"

    @property
    def body(self) -> bytes:
        """What is sent."""
        if self.raw is not None:
            return self.raw
        return b"" if self.document is None else wire.encode(self.document)


class Refused(Exception):
    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.answer = answer


def refusal(code: int, error_code: str, description: str, *headers: tuple[str, str]) -> Answer:
    return Answer(code, wire.error(error_code, description), headers=headers)


def authority_of(request: Request) -> tuple[str, int | None] | None:
    """Return the host, in lower case, and the port that a request is meant for; None if it names none.

    An absolute target stands above the Host field (RFC 9112, 3.2.2).
    """
    target = request.target
    is_absolute = not target.startswith("/") and "://" in target
    text = target.split("://", 1)[1].partition("/")[0] if is_absolute else request.headers.get("host")
    if text is None:
        return None
    try:
        split = urlsplit(f"//{text}")
        return split.hostname or "", split.port
    except ValueError:
        return "", None


def split_target(target: str) -> tuple[str, str]:
    """Return path and query of a request target; of an absolute one only what follows the host."""
    if not target.startswith("/") and "://" in target:
        target = "/" + target.split("://", 1)[1].partition("/")[2]
    path, _, query = target.partition("?")
    return path, query


def parsed_query(query: str) -> Mapping[str, list[str]]:
    try:
        return parse_qs(query, keep_blank_values=True, max_num_fields=100) if query else {}
    except ValueError:
        raise Refused(refusal(400, "invalid_query", "the query has too many fields")) from None


def ttl_of(document: Mapping[str, object]) -> int:
    ttl: Any = document.get("ttl", DEFAULT_TTL)
    # 300.0 is a whole number in JSON.
    if type(ttl) in (int, float) and SHORTEST_TTL <= ttl <= LONGEST_TTL and ttl == int(ttl):
        return int(ttl)
    text = f"ttl must be a whole number of seconds, {SHORTEST_TTL} to {LONGEST_TTL}"
    raise Refused(refusal(400, "invalid_ttl", text))


def document_of(request: Request) -> Mapping[str, object]:
    """Return the JSON object that a request carries; an empty one for none. Source: E-ASSUMED-17."""
    if not request.body.strip():
        return {}
    if len(request.body) > LARGEST_JSON:
        text = f"the body has {len(request.body)} bytes; at most {LARGEST_JSON} are read as JSON"
        raise Refused(refusal(413, "body_too_large", text))
    try:
        document = json.loads(request.body.decode("utf-8"), parse_constant=_no_constant, parse_float=_finite)
        json.dumps(document, ensure_ascii=False).encode()  # halves of a pair of surrogates cannot be sent back
    except (ValueError, RecursionError):
        raise Refused(refusal(400, "invalid_json", "the body is not JSON")) from None
    if not isinstance(document, dict):
        raise Refused(refusal(400, "invalid_json", f"the body must be a JSON object, not {type(document).__name__}"))
    return document


def _no_constant(word: str) -> object:
    raise ValueError(word)


def _finite(word: str) -> float:
    number = float(word)
    return number if math.isfinite(number) else cast(float, _no_constant(word))


def retry_after_of(headers: Iterable[tuple[str, str]], now: float) -> float | None:
    """Return the seconds that a reply tells the client to wait: a number, or the whole seconds until a date.

    Args:
        headers: the reply's.
        now: Unix seconds on the stub's clock, fractions included: HTTP dates have none.
    """
    for name, value in headers:
        if name.lower() == "retry-after":
            text = value.strip()
            if text.isascii() and text.isdigit() and len(text) < 16:
                return float(text)
            try:
                return max(0.0, (parsedate_to_datetime(text).timestamp() - now) // 1)
            except (TypeError, ValueError, OverflowError):
                return None
    return None
