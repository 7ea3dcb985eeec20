"""What a request says and what a reply is made of: targets, queries, bodies, and refusals. No socket, no state."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from . import wire
from .access import DEFAULT_TTL, LONGEST_TTL, SHORTEST_TTL
from .faults import Fault

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


@dataclass(frozen=True)
class Request:
    """One HTTP request.

    Attributes:
        method: "GET".
        target: as in the request line, path and query, percent-encoding untouched.
        headers: lower-case names; of repeated ones the last.
        body: as received.
        connection: the number of the TCP connection, from 1; 0 without a socket.
    """

    method: str
    target: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    connection: int = 0


@dataclass(frozen=True)
class Call:
    """One request that met a route, at one instant.

    Attributes:
        values: what stands in the path for the route's placeholders.
        now: seconds on the clock.
        moves: whether it moves the scripts of what it reads.
    """

    request: Request
    values: Mapping[str, str]
    query: Mapping[str, list[str]] = field(repr=False)
    now: float
    moves: bool


@dataclass(frozen=True)
class Reply:
    """One HTTP reply.

    Attributes:
        code: the status code.
        headers: pairs; Content-Length and Connection are left to the server.
        body: the bytes; what HEAD must not send is left to the server too.
        fault: what goes wrong on the way; None for nothing.
    """

    code: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)
    fault: Fault | None = None


@dataclass(frozen=True)
class Answer:
    """What a request is answered with, before it is written down.

    Attributes:
        kept: the body as the journal keeps it, where the real one holds secrets.
    """

    code: int
    document: object = field(default=None, repr=False)
    aimed: tuple[str, ...] = ()
    shown: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    headers: tuple[tuple[str, str], ...] = ()
    left_over: str | None = None
    raw: bytes | None = field(default=None, repr=False)
    kept: bytes | None = None


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
