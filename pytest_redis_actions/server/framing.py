"""From the bytes of a connection to requests, as RFC 9112 frames them.

llhttp reads them, by way of httptools. What it leaves to its user is checked here: the version, the request line, the
Host field, transfer codings other than chunked, and limits. Codes: E-ASSUMED-31, E-ASSUMED-33.
"""

from __future__ import annotations

import re
from collections import deque
from functools import lru_cache
from typing import NamedTuple, NoReturn

import httptools

from ..api.http import Request

__all__ = ["LARGEST_BODY", "Received", "Refusal", "RequestReader"]

LARGEST_BODY = 64 << 20  # bytes
LONGEST_LINE = 1 << 16  # bytes: of the request line, of one field, of the size of a chunk
MOST_FIELDS = 100

_METHOD = re.compile(rb"[\r\n]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?: +[!-~]| *\Z)")
_OF_THE_METHOD = (
    "Invalid method encountered",
    "Invalid method for HTTP/x.x request",  # one of RTSP
    "Expected space after method",  # one that begins like a known one
)
_CODINGS = re.compile(r"[ \t,a-z0-9-]+")
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|(?:[\w.~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)(?::[0-9]*)?", re.ASCII)
_AUTHORITY = re.compile(rb"https?://(?:[^/?#]*@)?([^/?#]*)", re.IGNORECASE)


class Received(NamedTuple):
    """One request, whole.

    Attributes:
        fields: every header field in its order, names as sent.
        version: "1.0" or "1.1".
        keeps: whether the connection stays open after the reply.
    """

    request: Request
    fields: list[tuple[str, str]]
    version: str
    keeps: bool


class Refusal(Exception):
    """What is not a request of HTTP/1.1, or is too large; the connection ends with the reply."""

    def __init__(self, code: int, error_code: str, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.error_code = error_code
        self.description = description


class RequestReader:
    """Reads the requests of one connection.

    Args:
        connection: the number of the connection.

    Attributes:
        refusal: why nothing more can be read; the whole requests before it are still to be answered.
        is_under_way: whether a request has begun and is not whole.
    """

    def __init__(self, connection: int) -> None:
        self.refusal: Refusal | None = None
        self.is_under_way = False
        self._refused: Refusal | None = None  # by what the parser calls
        self._connection = connection
        self._parser = httptools.HttpRequestParser(self)
        self._whole: deque[Received] = deque()
        self._fed = b""
        self._head: list[bytes] = []  # what was fed since the request began; may begin with the end of another one
        self._is_first = True  # whether no other request ended in what was fed with the head
        self._in_head = True
        self._silent = 0  # bytes fed since the parser called last
        self._target = b""
        self._read: list[tuple[str, str]] = []  # fields, those of the trailer included
        self._fields: list[tuple[str, str]] = []
        self._headers: dict[str, str] = {}
        self._version = "1.1"
        self._expects = False
        self._body = bytearray()

    @property
    def method(self) -> str:
        """The method of the request that is under way, as soon as it is known, or ""."""
        return str(self._parser.get_method().decode("ascii")) if self.is_under_way and self._target else ""

    def next(self) -> Received | None:
        """Return the next whole request, if there is one."""
        return self._whole.popleft() if self._whole else None

    def awaits_continue(self) -> bool:
        """Tell, once for each request, whether the client sends the body when it is told to (RFC 9110, 10.1.1)."""
        expects = self._expects and self.is_under_way and not self._body
        self._expects = False
        return expects

    def feed(self, data: bytes) -> None:
        """Read what has arrived."""
        while data and self.refusal is None:
            data = self._feed(data)

    def end(self) -> None:
        """Take note that nothing more will arrive."""
        if self.is_under_way and self.refusal is None:
            self.refusal = _malformed("the connection ended within the request")

    def _feed(self, data: bytes) -> bytes:
        """Read, and return what is to be read next."""
        self._fed = data
        if not self.is_under_way:
            self._head = [data]
            self._is_first = True
        elif self._in_head:
            self._head.append(data)
        self._silent += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            return self._without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self.refusal = self._reason(error)
        else:
            self._check_silence()
        return b""

    def _without_upgrade(self, rest: bytes) -> bytes:
        """Return what to read instead of a request for another protocol.

        A server may ignore it (RFC 9110, 7.8), but the parser takes what follows the head for that protocol.
        """
        received = self._whole.pop()
        request = received.request
        if request.method == "CONNECT":
            self.refusal = Refusal(501, "not_implemented", "CONNECT is not implemented: this is not a proxy")
            return b""
        self._parser = httptools.HttpRequestParser(self)
        lines = [f"{request.method} {request.target} HTTP/{received.version}"]
        lines += [f"{name}: {value}" for name, value in received.fields if name.lower() != "upgrade"]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + rest

    def _check_silence(self) -> None:
        if self._silent > LONGEST_LINE:
            if self._in_head:
                self.refusal = _field_too_long()
            else:
                self.refusal = _malformed(f"the line with the size of a chunk is longer than {LONGEST_LINE} bytes")

    def _reason(self, error: httptools.HttpParserError) -> Refusal:
        if isinstance(error, httptools.HttpParserCallbackError):
            if self._refused is None:
                raise error
            return self._refused
        method = _METHOD.match(b"".join(self._head)) if self._is_first else None
        if str(error) in _OF_THE_METHOD and method:
            return Refusal(501, "not_implemented", f"{method[1][:20].decode()} is not a method that HTTP knows")
        version = self._parser.get_http_version()
        if self._in_head and version not in ("0.0", "0.9", "1.0", "1.1"):
            return _wrong_version(version)
        return _malformed(f"malformed HTTP ({error})")

    def _refuse(self, refusal: Refusal) -> NoReturn:
        """Stop the parser, whose own error may have another exception for its context."""
        self._refused = refusal
        raise refusal

    # What the parser calls

    def on_message_begin(self) -> None:
        """Begin a request."""
        self.is_under_way = self._in_head = True
        self._expects = False
        self._target = b""
        self._read = []
        self._body = bytearray()

    def on_url(self, part: bytes) -> None:
        """Take a part of the target."""
        self._silent = 0
        self._target += part
        if len(self._target) > LONGEST_LINE:
            self._refuse(Refusal(414, "uri_too_long", f"the request line is longer than {LONGEST_LINE} bytes"))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of the header, or of the trailer, which is read and not used."""
        self._silent = 0
        self._read.append((name.decode("latin-1"), value.rstrip(b" \t").decode("latin-1")))  # the parser leaves a tab
        if len(self._read) > MOST_FIELDS:
            self._refuse(Refusal(431, "bad_request", f"the request has more than {MOST_FIELDS} header fields"))
        if len(name) + len(value) > LONGEST_LINE:
            self._refuse(_field_too_long())

    def on_headers_complete(self) -> None:
        """Check the head."""
        self._silent = 0
        self._in_head = False
        self._version = self._parser.get_http_version()
        line = b"%b %b HTTP/%b\r\n" % (self._parser.get_method(), self._target, self._version.encode())
        if line not in b"".join(self._head) or b"#" in self._target or self._version == "0.9":
            self._refuse(_malformed("the request line must be METHOD SP target SP HTTP/1.1"))
        if self._version not in ("1.0", "1.1"):
            self._refuse(_wrong_version(self._version))
        if self._read != self._fields:  # most clients repeat theirs: what keeps the requests then keeps them once
            self._fields = [*self._read]
            self._headers = {name.lower(): value for name, value in self._fields}
        self._check_target()
        self._check_host()
        self._check_codings()
        self._expects = self._version == "1.1" and self._headers.get("expect", "").lower() == "100-continue"
        length = self._headers.get("content-length", "0")
        if len(length) > 15 or int(length) > LARGEST_BODY:
            self._refuse(_too_large())

    def on_chunk_header(self) -> None:
        """Take note that the size of a chunk is read."""
        self._silent = 0

    def on_body(self, part: bytes) -> None:
        """Take a part of the body."""
        self._silent = 0
        self._body += part
        if len(self._body) > LARGEST_BODY:
            self._refuse(_too_large())

    def on_message_complete(self) -> None:
        """Let the request be answered."""
        self._silent = 0
        self.is_under_way = self._is_first = False
        self._in_head = True
        self._head = [self._fed]
        method, target = self._parser.get_method().decode("ascii"), self._target.decode("latin-1")
        request = Request(method, target, self._headers, bytes(self._body), self._connection)
        # Only now: "Connection: close" in a trailer ends the connection as well, and the parser reads nothing after it.
        keeps = self._parser.should_keep_alive()
        self._whole.append(Received(request, self._fields, self._version, keeps))

    def _values(self, name: str) -> list[str]:
        if name not in self._headers:
            return []
        if len(self._headers) == len(self._fields):
            return [self._headers[name]]
        return [value for other, value in self._fields if other.lower() == name]

    def _check_target(self) -> None:
        if self._target == b"*" and self._parser.get_method() != b"OPTIONS":
            self._refuse(_malformed("the target * is for OPTIONS only"))
        absolute = None if self._target[:1] == b"/" else _AUTHORITY.match(self._target)
        if absolute and not _is_host(absolute[1].decode("latin-1")):
            self._refuse(_malformed("an absolute target must have a name or an address, with or without a port"))

    def _check_host(self) -> None:
        hosts = self._values("host")
        if len(hosts) > 1 or (not hosts and self._version == "1.1"):
            self._refuse(_malformed(f"a request must have one Host field, not {len(hosts) or 'none'}"))
        if hosts and not _is_host(hosts[0]):
            self._refuse(_malformed("Host must be a name or an address, with or without a port"))

    def _check_codings(self) -> None:
        codings = self._values("transfer-encoding")
        if not codings:
            return
        if self._version == "1.0":
            self._refuse(_malformed("HTTP/1.0 has no Transfer-Encoding"))
        coding = ",".join(codings).strip(" \t").lower()
        if not _CODINGS.fullmatch(coding):
            self._refuse(_malformed("Transfer-Encoding must be chunked"))
        if coding != "chunked":
            self._refuse(Refusal(501, "not_implemented", "chunked is the only transfer coding that is implemented"))


@lru_cache(maxsize=16)  # a client sends the same one with each request
def _is_host(text: str) -> bool:
    return _HOST.fullmatch(text) is not None


def _malformed(description: str) -> Refusal:
    return Refusal(400, "bad_request", description)


def _wrong_version(version: str) -> Refusal:
    return Refusal(505, "bad_request", f"HTTP/{version} is not supported; use HTTP/1.1")


def _field_too_long() -> Refusal:
    return Refusal(431, "bad_request", f"a header field is longer than {LONGEST_LINE} bytes")


def _too_large() -> Refusal:
    return Refusal(413, "body_too_large", f"the body has more than {LARGEST_BODY} bytes")
