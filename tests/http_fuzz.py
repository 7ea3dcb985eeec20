"""A fuzzer of HTTP servers: hostile streams of requests, and an oracle that knows what a server may see of each.

The generator knows no verdicts, and the oracle no generator: it reads the bytes as RFC 9112 and RFC 9110 tell a
recipient to. Where they leave a choice it allows both, and where they say SHOULD it means it. Sizes are the one thing
they leave open: a request line or a header section of up to 8,000 bytes must be read, one of a MiB must be refused.
"""

from __future__ import annotations

import ipaddress
import json
import random
import re
import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import h11

SMALL, HUGE = 8_000, 1 << 20  # bytes: what must be read, and what must be refused
SECRET = b"s3cr3t-"
SETTLED = b"GET /v1/settled HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
LAST = b"GET /v1/last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

# --- the oracle: RFC 9112 on paper ---------------------------------------------------------------------------------

TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
BLANKS = re.compile(rb"[ \t\v\f\r]+")  # RFC 9112, 3: where a lenient recipient may part a request line
CONTROLS = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
URI = rb"[A-Za-z0-9._~!$&'()*+,;=:@/?%-]"
ORIGIN = re.compile(rb"/" + URI + rb"*")
ABSOLUTE = re.compile(rb"https?://(?P<authority>[^/?#]*)(?P<path>(?:[/?]" + URI + rb"*)?)", re.IGNORECASE)
REG_NAME = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*")
QUOTED = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"'
EXTENSIONS = re.compile(rb"(?:;" + TOKEN.pattern + rb"(?:=(?:" + TOKEN.pattern + rb"|" + QUOTED + rb"))?)*")
FORBIDDEN_TRAILERS = {b"content-length", b"transfer-encoding", b"host", b"authorization"}  # RFC 9110, 6.5.1
METHODS = (b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH")


class Incomplete(Exception):
    """The stream ends within a request."""


class Refused(Exception):
    """Nothing more can be read."""


@dataclass
class Step:
    """What may become of one request of a stream.

    Attributes:
        must: status codes of a refusal, for each reason that forbids the request to be seen.
        may: the same, for each reason for which the recipient may refuse it or not.
        has_plain_line: whether the request line is beyond doubt.
        continues: whether 100 (Continue) may come before the reply.
        partial: whether the stream ends within it: it must not be seen, and may be refused or dropped.
        after: "keep", "close" or "either": what becomes of the connection once it is answered.
    """

    method: bytes = b""
    target: bytes = b""
    body: bytes = b""
    must: list[tuple[str, set[int]]] = field(default_factory=list)
    may: list[tuple[str, set[int]]] = field(default_factory=list)
    partial: bool = False
    after: str = "keep"
    end: int = 0
    authorised: bool = False
    has_plain_line: bool = False
    continues: bool = False

    @property
    def codes(self) -> set[int]:
        """What it may be refused with: 400 is right for every breach of the grammar, but for a lone other reason."""
        reasons = [codes for _, codes in self.must + self.may]
        if self.partial:
            return {400, 408, 413, 414, 417, 431, 501, 505}
        return set().union(*reasons, {400} if len(reasons) > 1 else set())

    @property
    def why(self) -> str:
        return "; ".join(reason for reason, _ in self.must + self.may) or ("cut off" if self.partial else "valid")

    def is_seen_as(self, seen: Seen) -> bool:
        absolute = ABSOLUTE.fullmatch(self.target)
        path = absolute["path"] if absolute else self.target
        targets = {self.target, path, b"/" + path if path[:1] in (b"", b"?") else path}
        return seen.method == self.method and seen.target in targets and seen.body == self.body


class Seen(NamedTuple):
    """One request as the server's application saw it."""

    method: bytes
    target: bytes
    body: bytes


class Oracle:
    """Reads one request off a stream."""

    def __init__(self, stream: bytes, start: int, authorization: bytes) -> None:
        self.stream, self.start, self.at, self.authorization = stream, start, start, authorization
        self.step = Step()
        self.fields: list[tuple[bytes, bytes]] = []

    def read(self) -> Step | None:
        """Return the verdict, or None at the end of the stream."""
        try:
            if not self.skip_empty_lines():
                return None
            start = self.at
            version = self.read_line()
            self.step.has_plain_line = not self.step.must and not self.step.may
            self.measure("request line", self.at - start, {414, 431})
            start = self.at
            self.fields = self.read_fields()
            self.measure("header section", self.at - start, {431})
            self.judge_host(version)
            self.judge_persistence(version)
            # RFC 9110, 11.4: the scheme in any case, then any number of spaces
            credentials = [value.partition(b" ") for value in self.values(b"authorization")]
            given = [scheme.title() + b" " + rest.lstrip(b" ") for scheme, _, rest in credentials]
            self.step.authorised = self.authorization in given
            self.read_body(version)
        except Incomplete:
            self.step.partial = True
        except Refused:
            pass
        self.step.end = self.at
        return self.step

    def refuse(self, why: str, *codes: int) -> None:
        self.step.must.append((why, set(codes or (400,))))

    def choose(self, why: str, *codes: int) -> None:
        self.step.may.append((why, set(codes or (400,))))

    def measure(self, what: str, size: int, codes: set[int], small: int = SMALL) -> None:
        if size > HUGE:
            self.refuse(f"{what} of {size} bytes", *codes, 400)
        elif size > small:
            self.choose(f"{what} of {size} bytes", *codes, 400)

    def values(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.fields if key == name]

    def line(self) -> bytes:
        """Return the next line without its end. RFC 9112, 2.2: a recipient may take a bare LF for one."""
        end = self.stream.find(b"\n", self.at)
        if end < 0:
            raise Incomplete
        line, self.at = self.stream[self.at : end], end + 1
        if line.endswith(b"\r"):
            return line[:-1]
        self.choose("bare LF")
        return line

    def skip_empty_lines(self) -> bool:
        number = 0
        while self.stream.startswith((b"\r\n", b"\n"), self.at):
            self.line()
            number += 1
        if number > 1:
            self.choose("empty lines before a request line")
        return self.at < len(self.stream)

    def refused(self, why: str, *codes: int) -> Refused:
        self.refuse(why, *codes)
        return Refused()

    def read_line(self) -> bytes:
        line = self.line()
        words = line.split(b" ")
        if len(words) != 3 or not all(words) or BLANKS.search(line.replace(b" ", b"")):
            words = [word for word in BLANKS.split(line) if word]
            if len(words) != 3:
                self.refuse("request line of not three words", 400, 501, 505)
                words = [b"", b"", b""]
            else:
                self.choose("whitespace in a request line", 400, 505, 501)
        self.step.method, self.step.target, version = words
        if any(self.step.must):
            return version
        if not TOKEN.fullmatch(self.step.method):
            self.refuse("method is not a token", 400, 501)
        elif self.step.method not in METHODS:
            # Where it comes behind another request, 400 is as good: it may be the rest of a body that was cut short.
            self.choose("unknown method", 501, 405, *([400] if self.start else []))
        self.judge_version(version)
        self.judge_target()
        return version

    def judge_version(self, version: bytes) -> None:
        if not re.fullmatch(rb"HTTP/[0-9]\.[0-9]", version):
            self.refuse("malformed version", 400, 505)
        elif version[5:6] != b"1":
            self.refuse("other major version", 505, 400)
        elif version[7:] not in (b"0", b"1"):
            self.choose("other minor version", 505, 400)
            self.step.after = "either"

    def judge_target(self) -> None:
        method, target = self.step.method, self.step.target
        absolute = ABSOLUTE.fullmatch(target)
        if method == b"CONNECT":
            self.choose("CONNECT", 400, 405, 501)
            self.step.after = "either"
        elif target == b"*":
            if method != b"OPTIONS":
                self.refuse("asterisk form", 400)
        elif absolute:
            authority = absolute["authority"]
            if b"@" in authority:
                self.choose("user information in a target")
            elif not authority or host_fault(authority):
                self.refuse("malformed authority in a target")
        elif CONTROLS.search(target):
            self.refuse("control in a target")
        elif not target.startswith(b"/"):
            if re.match(rb"[A-Za-z][A-Za-z0-9+.-]*:", target):
                self.choose("other scheme", 400, 421)
            else:
                self.refuse("target in no form")
        elif not ORIGIN.fullmatch(target) or re.search(rb"%(?![0-9A-Fa-f]{2})", target):
            self.choose("character in a target that must be encoded")

    def read_fields(self) -> list[tuple[bytes, bytes]]:
        fields: list[tuple[bytes, bytes]] = []
        ignored = True  # whitespace-preceded lines before the first field
        while line := self.line():
            if line[:1] in b" \t" or line == b"\r":
                self.choose("folded line")
                if not ignored:
                    name, value = fields[-1]
                    fields[-1] = (name, value + b" " + self.clean(line))
                continue
            ignored = False
            name, colon, value = line.partition(b":")
            if not colon or not TOKEN.fullmatch(name):
                self.refuse("malformed field line")
            fields.append((name.lower(), self.clean(value)))
        if len(fields) > 64:
            self.choose(f"{len(fields)} fields", 431)
        return fields

    def clean(self, value: bytes) -> bytes:
        if CONTROLS.search(value) or b"\r" in value:
            self.choose("control in a field")
        return re.sub(rb"[\r\x00]", b" ", value).strip(b" \t")

    def judge_host(self, version: bytes) -> None:
        hosts = self.values(b"host")
        if not hosts:
            if version == b"HTTP/1.0":
                return
            self.choose("no Host", 400) if version != b"HTTP/1.1" else self.refuse("no Host")
        elif len(hosts) > 1:
            self.refuse("two Hosts")
        elif not hosts[0]:
            self.choose("empty Host")
        elif fault := host_fault(hosts[0]):
            (self.choose if fault == "doubtful" else self.refuse)(f"{fault} Host")

    def judge_persistence(self, version: bytes) -> None:
        options = [each.strip(b" \t").lower() for each in b",".join(self.values(b"connection")).split(b",")]
        if b"close" in options:
            self.step.after = "close"
        elif version == b"HTTP/1.0":
            self.step.after = "either" if b"keep-alive" in options else "close"
        elif any(each and not TOKEN.fullmatch(each) for each in options):
            self.step.after = "either"
        expectation = b",".join(self.values(b"expect")).lower()
        if expectation and self.step.after == "keep":
            self.step.after = "either"
        if expectation and expectation != b"100-continue":
            self.choose("unknown expectation", 417)
        self.step.continues = b"100-continue" in expectation and version != b"HTTP/1.0"
        if self.values(b"upgrade") and self.step.after == "keep":
            self.step.after = "either"

    def read_body(self, version: bytes) -> None:
        codings, lengths = self.values(b"transfer-encoding"), self.values(b"content-length")
        if self.step.method in (b"TRACE", b"CONNECT") and (codings or lengths):
            self.choose("content of TRACE or CONNECT")
            self.step.after = "either" if self.step.after == "keep" else self.step.after
        if codings:
            if lengths or version == b"HTTP/1.0":
                self.choose("Transfer-Encoding beside Content-Length, or in HTTP/1.0")
                self.step.after = "close"
            self.judge_codings(b",".join(codings))
            self.stop_if_refused()
            self.step.body = self.read_chunks()
        elif lengths:
            length = self.judge_lengths(b",".join(lengths))
            self.stop_if_refused()
            if length > 1 << 16:
                self.choose("large body", 413, 400)
            self.step.body = self.take(length)
        self.stop_if_refused()

    def stop_if_refused(self) -> None:
        if self.step.must:
            raise Refused

    def take(self, size: int) -> bytes:
        if len(self.stream) - self.at < size:
            raise Incomplete
        self.at += size
        return self.stream[self.at - size : self.at]

    def judge_lengths(self, value: bytes) -> int:
        elements = [each.strip(b" \t") for each in value.split(b",")]
        numbers = {int(each) for each in elements if each and re.fullmatch(rb"[0-9]{1,4000}", each)}
        malformed = any(each and not re.fullmatch(rb"[0-9]{1,4000}", each) for each in elements)
        if malformed or len(numbers) != 1:
            self.refuse("malformed or differing Content-Length", 400, 413)
            return 0
        if len(elements) > 1:
            self.choose("repeated Content-Length")
        if len(max(elements, key=len)) > 15:
            self.choose("long Content-Length", 413, 400)
        return numbers.pop()

    def judge_codings(self, value: bytes) -> None:
        elements = [each.strip(b" \t").lower() for each in value.split(b",")]
        if not all(elements):
            self.choose("empty element in Transfer-Encoding", 400, 501)
        names = [each for each in elements if each]
        if names[-1:] != [b"chunked"] or b"chunked" in names[:-1]:
            self.refuse("chunked is not the final coding, once", 400, 501)
        elif len(names) > 1:
            self.refuse("unknown coding", 501, *([] if all(map(TOKEN.fullmatch, names)) else [400]))

    def read_chunks(self) -> bytes:
        body = b""
        while size := self.read_size():
            body += self.take(size)
            if self.take(2) != b"\r\n":
                raise self.refused("no CRLF behind a chunk")
        start = self.at
        names = {name for name, _ in self.read_fields()}
        if FORBIDDEN_TRAILERS & names:
            self.choose("field that must not be in a trailer section")
        if b"connection" in names and self.step.after == "keep":
            self.step.after = "either"
        self.measure("trailer section", self.at - start, {431, 413})
        if len(body) > 1 << 16:
            self.choose("large body", 413, 400)
        return body

    def read_size(self) -> int:
        start, end = self.at, self.stream.find(b"\n", self.at)
        if end < 0:
            if len(self.stream) - start > HUGE:
                raise self.refused("endless chunk line", 400, 413, 431)
            raise Incomplete
        line, self.at = self.stream[start : end + 1], end + 1
        if not line.endswith(b"\r\n"):
            raise self.refused("bare LF behind a chunk size")
        line = line[:-2]
        self.measure("chunk line", len(line), {400, 413, 431}, small=1_000)
        if b"\r" in line:
            self.choose("bare CR in a chunk line")
            line = line.replace(b"\r", b" ")
        match = re.match(rb"[0-9A-Fa-f]+", line)
        if not match or CONTROLS.search(line):
            raise self.refused("malformed chunk size")
        extensions = line[match.end() :]
        if extensions and not extensions.lstrip(b" \t").startswith(b";") and extensions.strip(b" \t"):
            raise self.refused("malformed chunk size")
        if not EXTENSIONS.fullmatch(extensions):
            self.choose("whitespace or a malformed extension behind a chunk size")
        size = int(match[0], 16)
        if size > 1 << 40:
            self.choose("huge chunk", 413, 400)
        elif len(match[0]) > 16:
            self.choose("long chunk size", 413, 400)
        return size


def host_fault(value: bytes) -> str:
    """Return what is wrong with a Host (RFC 9110, 7.2): "", "malformed", or "doubtful" where a recipient may choose."""
    match = re.fullmatch(rb"(\[[^\]]*\]|[^:\[\]]*)(?::([0-9]*))?", value)
    if not match:
        return "malformed"
    name, port = match[1], match[2] or b"0"
    if int(port[:9] or 0) > 65_535 or not name:
        return "doubtful"
    if not name.startswith(b"["):
        return "" if REG_NAME.fullmatch(name) else "malformed"
    try:
        ipaddress.IPv6Address(name[1:-1].decode("latin-1"))
    except ValueError:
        return "doubtful" if re.fullmatch(rb"\[[0-9A-Za-z:.%~_-]+\]", name) else "malformed"
    return "doubtful" if b"%" in name else ""


def foresee(stream: bytes, authorization: bytes) -> list[Step]:
    """Return what may become of each request of a stream, up to the one behind which nothing is read."""
    steps: list[Step] = []
    at = 0
    while step := Oracle(stream, at, authorization).read():
        steps.append(step)
        at = step.end
        if step.must or step.partial or step.after == "close":
            break
    return steps


# --- the generator -------------------------------------------------------------------------------------------------


@dataclass
class Draft:
    """A request that is still to be spoilt."""

    tag: bytes
    line: bytes
    fields: list[bytes]
    body: bytes = b""
    eol: bytes = b"\r\n"

    def __bytes__(self) -> bytes:
        return self.eol.join([self.line, *self.fields, b"", b""]) + self.body


CONTROL = [bytes([code]) for code in (*range(32), 127)]
ODD = [
    *CONTROL, b"\x80", b"\x85", b"\xa0", b"\xff", b"\xc3\xa9", b"\xe2\x80\xa8", b"\xef\xbc\x91", b'"', b"%00", b"%zz",
    b"\\",
]  # fmt: skip

LINES = [
    b"%(m)s  %(t)s HTTP/1.1", b"%(m)s %(t)s  HTTP/1.1", b" %(m)s %(t)s HTTP/1.1", b"%(m)s %(t)s HTTP/1.1 ",
    b"%(m)s\t%(t)s\tHTTP/1.1", b"%(m)s\v%(t)s HTTP/1.1", b"%(m)s\f%(t)s HTTP/1.1", b"%(m)s\xa0%(t)s HTTP/1.1",
    b"%(m)s\r%(t)s HTTP/1.1", b"%(m)s %(t)s\rHTTP/1.1", b"%(m)s %(t)s", b"%(m)s", b"", b"%(m)s %(t)s x HTTP/1.1",
    b"%(m)s\x00 %(t)s HTTP/1.1", b"%(m)s %(t)s\x00 HTTP/1.1", b"%(m)s %(t)s HTTP/1.1\x00",
    b"\x00%(m)s %(t)s HTTP/1.1", b"%(m)s %(t)s HTTP/1.1\r", b"\r\n%(m)s %(t)s HTTP/1.1",
    b"\r\n\r\n\r\n%(m)s %(t)s HTTP/1.1", b"\n%(m)s %(t)s HTTP/1.1", b"\r%(m)s %(t)s HTTP/1.1",
    b"PRI * HTTP/2.0\r\n\r\nSM", b"%(m)s/%(t)s HTTP/1.1", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"HTTP/1.1 200 OK", b"%(m)s %(t)s\n HTTP/1.1",
]  # fmt: skip
VERSIONS = [
    b"HTTP/1.0", b"HTTP/1.2", b"HTTP/1.9", b"HTTP/2.0", b"HTTP/0.9", b"HTTP/3.0", b"HTTP/9.9", b"http/1.1",
    b"Http/1.1", b"HTTP/1.10", b"HTTP/01.1", b"HTTP/1", b"HTTP/1.", b"HTTP/.1", b"HTTP/1,1", b"HTTP/+1.1",
    b"HTTP/1.1x", b"HTTPS/1.1", b"HTTP/\xef\xbc\x91.1", b"HTTP 1.1", b"HTTP/ 1.1", b"XHTTP/1.1", b"HTTP/-1.1",
    b"RTSP/1.0", b"ICE/1.0", b"HTTP/1.1\t",
]  # fmt: skip
WORDS = [
    b"get", b"Get", b"FOO", b"GETT", b"G", b"PROPFIND", b"M-SEARCH", b"SOURCE", b"QUERY", b"PURGE", b"DESCRIBE",
    b"TRACE", b"CONNECT", b"OPTIONS", b"HEAD", b"G\xcb\x99T", b"GE\xffT", b"GET,", b"G(T", b'"GET"', b"GET:",
    b"[GET]", b"X" * 300, b"!#$%&'*+.^_`|~", b"LINK", b"LOCK", b"MERGE", b"SEARCH", b"PATCH",
]  # fmt: skip
TARGETS = [
    b"http://x%(t)s", b"https://x:8080%(t)s", b"HTTP://X%(t)s", b"http://user:%(s)s@x%(t)s", b"http://%(t)s",
    b"http:%(t)s", b"http://[::1]:9443%(t)s", b"http://[::1%(t)s", b"http://x:port%(t)s", b"http://x y%(t)s",
    b"ftp://x%(t)s", b"*", b"x:80", b"x:80%(t)s", b"%(u)s", b"/%(t)s", b"//x%(t)s", b"///%(t)s", b"/.%(t)s",
    b"/..%(t)s", b"/a/../%(t)s", b"/%%2e%%2e%(t)s", b"%(t)s%%", b"%(t)s%%0", b"%(t)s%%00", b"%(t)s%%zz",
    b"%(t)s%%0d%%0aX:%%20y", b"%(t)s#x", b"%(t)s?%(t)s", b"%(t)s&a=%(s)s", b"%(t)s&password=%(s)s",
    b"%(t)s;p%%61ss=%(s)s", b"%(t)s\\x", b'%(t)s"x', b"%(t)s<x>", b"%(t)s{x}", b"%(t)s|x", b"%(t)s^", b"%(t)s`",
    b"%(t)s[]", b"%(t)s\xc3\xa9", b"%(t)s\xff", b"%(t)s\x7f", b"%(t)s\x01", b"?%(u)s", b".%(t)s", b"/", b"/%%2f%(t)s",
    b"%(t)s//", b"%(t)s/./..//", b"http://x", b"http://x?%(u)s", b"/http://y%(t)s",
]  # fmt: skip
FIELDS = [
    b"X-A : b", b"X-A\t: b", b"X-A", b"", b": b", b":", b" X-A: b", b"\tX-A: b", b"X A: b", b"X-A: b\rX-B: c",
    b"X-A: \x00", b"X-A: b\r", b"X-\x00A: b", b"X-\xffA: b", b"X-\xc3\xa9: b", b"X-A: \xff\xfe", b"X-A: \xc3\xa9",
    b"X-A: \x01", b"X-A: \x7f", b"X-A: \x0b", b"X-A: b\r\n c", b"X-A: b\r\n\tc", b"X-A: b\r\n ", b"X-A: b\nX-B: c",
    b"(X): b", b"X-A;: b", b"X-A:b", b"X-A:   b   ", b"X-A:\t\tb", b"X-A:", b"X\x0bA: b", b"X-A: b\r\r", b"\x00: b",
    b"X-A\xa0: b", b"X-A: \xa0", b"\rX-A: b", b"Content-Length : 30", b"Transfer-Encoding : chunked",
    b"X-A: b\rContent-Length: 30", b"Content-Length\x00: 30", b"X-A: b\r\n Content-Length: 30",
    b" Content-Length: 30", b"X: \r\nY: z", b"Cookie: sid=%(s)s", b"X-Api-Key: %(s)s", b"X-Auth-Token: %(s)s",
    b"Referer: http://u:%(s)s@x/?%(s)s", b"Proxy-Authorization: Basic %(s)s", b"Content-Type: \xff",
    b"Accept: " + b"a," * 500, b"X_Forwarded_For: x", b"Forwarded: for=x", b"__proto__: x", b"HTTP_HOST: y",
    b"Host_: y", b"X-A:: b", b'X-A: "b', b"Content-Type: text/plain; charset=nothing", b"Content-Encoding: gzip",
    b"Range: bytes=0-0", b"If-None-Match: *", b"Keep-Alive: timeout=x", b"Cookie: " + b";" * 200,
    b"Accept-Encoding: \x80", b"Trailer: Host",
]  # fmt: skip
HOSTS = [
    [], [b"Host: x", b"Host: x"], [b"Host: x", b"Host: y"], [b"Host:"], [b"Host: "], [b"Host: [::1]"],
    [b"Host: [::1]:80"], [b"Host: [::1"], [b"Host: ::1"], [b"Host: [::1]x"], [b"Host: [zz]"],
    [b"Host: [fe80::1%25eth0]"], [b"Host: x y"], [b"Host: x/y"], [b"Host: u@x"], [b"Host: u:%(s)s@x"],
    [b"Host: x:80:81"], [b"Host: x:port"], [b"Host: x:99999"], [b"Host: x:"], [b"Host: x,y"], [b"Host: x, y"],
    [b"Host: \xff"], [b"Host: x\x00"], [b"Host: http://x"], [b"Host: x?y"], [b"Host: x#y"], [b"Host: x\ty"],
    [b"Host: x_y.z"], [b"Host: " + b"x" * 300], [b"host: x"], [b"HOST: x"], [b"Host : x"], [b"Host: x", b"HOST: x"],
    [b" Host: x"], [b"Host\r\n : x"], [b"Host:\r\n x"], [b"Host: <x>"], [b"Host: x\\y"], [b"Host: %41"],
    [b"Host: %zz"], [b"Host: [v1.x]"], [b"Host: []"], [b"Host: :80"], [b"Host: x:+80"], [b"Host: x\rHost: y"],
]  # fmt: skip
LENGTHS = [
    b"+%(n)d", b"-%(n)d", b"-0", b"-1", b"%(n)d %(n)d", b"%(n)d,", b",%(n)d", b"%(n)d, %(n)d", b"%(n)d,%(n)d,%(n)d",
    b"%(n)d, 1", b"0, %(n)d", b"0x%(n)x", b"%(n)d.0", b"%(n)de0", b"0%(n)d", b"000000%(n)d", b"", b" ", b"x",
    b"\x0b%(n)d", b"%(n)d\x0b", b"\x0c%(n)d", b"\xa0%(n)d", b"%(n)d\xa0", b"\x00%(n)d", b"%(n)d\x00", b"\xef\xbc\x95",
    b"\xb2", b"\xd9\xa3", b"9" * 20, b"9" * 40, b"18446744073709551616", b"18446744073709551626", b"4294967296",
    b"1_0", b"%(n)d;x", b'"%(n)d"', b"\t%(n)d\t", b"%(n)d\r\nContent-Length: %(n)d", b"%(n)d\r\nContent-Length: 0",
    b"0\r\ncontent-length: %(n)d", b"%(n)d\r\n 1", b"\r\n %(n)d", b"%(n)d\rX: y", b"1\r\n%(n)d",
    b"%(n)d\r\nContent-Length: +%(n)d", b"0" * 3000 + b"%(n)d", b"%(n)d\r\nContent-Length:",
    b"%(n)d\r\nContent-Length : 0", b"%(n)d\r\nTransfer-Encoding: chunked", b"nan", b"inf", b"~5",
]  # fmt: skip
CODINGS = [
    b"chunked", b"Chunked", b"CHUNKED", b"\tchunked ", b"chunked, chunked", b"chunked\r\nTransfer-Encoding: chunked",
    b"gzip, chunked", b"chunked, gzip", b"gzip", b"identity", b"identity, chunked", b"chunked, identity",
    b"x-chunked", b"chunked\r\nTransfer-Encoding: identity", b"identity\r\nTransfer-Encoding: chunked",
    b"\xa0chunked", b"chunked\xa0", b"\x0bchunked", b"chunked\x0b", b"\x00chunked", b"chunked\x00", b"\x0cchunked",
    b"chunked;q=1", b"chunked;", b'"chunked"', b"chunked,", b",chunked", b", ,chunked", b"", b"chunk", b"chunkedd",
    b"xchunked", b"chunked x", b"chunked\r\n x", b"\r\n chunked", b"chunked\rX: y", b"chunked\r\nContent-Length: 5",
    b"chunked\r\nContent-Length: +5", b"cHuNkEd", b"chunked\r\nContent-Length: 0", b"trailers",
    b"deflate, gzip, chunked", b"chunKed\xc5\xbf", b"\xe2\x84\xaachunked", b"chun\xe2\x84\xaaed", b"chunked\nX: y",
    b"x\r\nTransfer-Encoding: chunked", b"chunked\r\nTransfer-Encoding : x",
]  # fmt: skip
SIZES = [
    b"+%(n)x", b"-%(n)x", b"0x%(n)x", b"0X%(n)x", b"0_%(n)x", b"%(n)x_", b" %(n)x", b"\t%(n)x", b"%(n)x ", b"%(n)x\t",
    b"", b"%(n)xg", b"g", b"%(n)x;", b"%(n)x;a", b"%(n)x;a=b", b'%(n)x;a="b c"', b'%(n)x;a="\\"b"', b'%(n)x;a="b',
    b"%(n)x;;", b"%(n)x;=", b"%(n)x ;a", b"%(n)x; a", b"%(n)x;a = b", b"%(n)x a", b"%(n)x,a", b"%(n)x;a\x00",
    b"%(n)x\x00", b"%(n)x;\xff=\xff", b"%(n)x;a\r;b", b"%(n)x\r", b"%(n)x\n", b"%(n)x;a\nX", b"0000%(n)x",
    b"0" * 15 + b"%(n)x", b"0" * 40 + b"%(n)x", b"f" * 15, b"f" * 16, b"f" * 17, b"1" + b"0" * 16,
    b"8000000000000000", b"ffffffff", b"100000000%(n)x", b"\xef\xbc\x95", b"\xb2", b"%(n)x.0", b"%(n)X",
    b"%(n)x;" + b"a" * 500, b"%(n)x;" + b"a=b;" * 5_000 + b"c", b"%(n)x\x0b", b"%(n)x\xa0", b"%(n)x;a=\x0b", b"#",
]  # fmt: skip
DELIMITERS = [
    b"", b"\n", b"\r", b"\n\r", b"xx", b"\r\n\r\n", b"x\r\n", b"\r\r\n", b" \r\n", b"\r\nx", b"0\r\n", b"\x00\r\n",
]  # fmt: skip
TRAILERS = [
    b"X-T: y", b"X-T: y\r\nX-U: z", b"Host: evil", b"Content-Length: 50", b"Transfer-Encoding: chunked",
    b"Authorization: Basic x", b"X-T", b"X-T : y", b" X-T: y", b": y", b"X-T: \x00", b"X-T: y\rX: z", b"X-T: y\r\n z",
    b"X-T: \xff", b"GET / HTTP/1.1", b"Connection: upgrade\r\nUpgrade: h2c", b"Expect: 100-continue",
    b"X-T: y\nX-U: z", b"X-T: " + b"y" * 9_000, b"\r\r", b"X\xff: y", b"Connection: close",
]  # fmt: skip
CONNECTIONS = [
    b"close", b"Close", b"CLOSE", b"keep-alive", b"close, TE", b"TE, close", b"TE,close", b"keep-alive, close", b"x",
    b"", b"close\r\nConnection: keep-alive", b"keep-alive\r\nConnection: close", b"TE\r\nConnection: x", b", close",
    b"close,", b"closed", b"upgrade", b"Upgrade, close", b"host", b"content-length",
    b"authorization, transfer-encoding", b"close;x", b'"close"', b"clo se", b"\x0bclose", b"close\x00", b"\xffclose",
    b"\tclose\t", b"not-close", b",,,", b"x" * 200, b"keep-alive, keep-alive",
]  # fmt: skip
EXPECTATIONS = [
    b"100-continue", b"100-Continue", b"200-ok", b"", b"100-continue, x", b"x",
    b"100-continue\r\nExpect: 100-continue",
]  # fmt: skip
UPGRADES = [
    b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__", b"Upgrade: h2c",
    b"Upgrade: websocket", b"Connection: upgrade\r\nUpgrade: TLS/1.0, HTTP/2.0", b"Connection: Upgrade\r\nUpgrade:",
    b"Connection: upgrade\r\nUpgrade: \x00", b"Connection: upgrade, close\r\nUpgrade: x", b"Connection: upgrade",
]  # fmt: skip
DOCUMENTS = [
    b"[" * 50_000, b'{"a":' * 20_000, b"[" * 30_000 + b"]" * 30_000, b"1" * 5_000, b'{"memory_size": 1e400}', b"NaN",
    b"-Infinity", b'{"memory_size": 1e400, "name": "x"}', b'{"name": NaN}', b'{"name": "\xff"}',
    b'{"name": "\\ud800"}', b"\xef\xbb\xbf{}", b"\xff\xfe{\x00}\x00", b'{"a":1,"a":2}', b"{", b"", b"null", b"[]",
    b'"x"', b"1", b"true", b"{}{}", b"{'a':1}", b"{} x", b"\x00", b'{"name": "' + b"\x00" + b'"}',
    b'{"name": "\\u0000\\u001b[31m"}', b"-", b'{"name": ' + b"9" * 4_400 + b"}", b"{}",
    b'{"' + b"k" * 10_000 + b'": 1}', b'{"name": {"name": {"name": []}}}', b'{"name": "%(s)s", "password": "%(s)s"}',
    b'{"name":1e-400}', b'{"uid": -0.0, "memory_size": 1E+2, "name": true}', b'[{"a":1}]', b'{"dry_run": "x"}',
    b"{" + b'"a":1,' * 5_000 + b'"b":2}',
]  # fmt: skip


def numbered(template: bytes, number: int) -> bytes:
    for conversion in (b"%d", b"%x", b"%X"):
        template = template.replace(b"%(n)" + conversion[1:], conversion % number)
    return template


class Generator:
    """Makes streams of requests, the same for the same seed.

    Attributes:
        authorization: the value of the header with valid credentials.
        operation: a path that shows an operation to those who have credentials.
    """

    def __init__(self, authorization: bytes, operation: bytes) -> None:
        self.authorization, self.operation = authorization, operation
        self.kinds: dict[str, Callable[[random.Random, Draft], None]] = {
            name.removeprefix("spoil_"): getattr(self, name) for name in dir(self) if name.startswith("spoil_")
        }

    def stream(self, seed: str) -> tuple[bytes, list[str]]:
        """Return a pipeline of 1 to 8 requests, and the kind of each."""
        r = random.Random(seed)
        kinds = [r.choice([*self.kinds, "plain"]) for _ in range(r.choice((1, 1, 2, 2, 3, 3, 4, 5, 6, 8)))]
        if len(kinds) > 2:  # most pipelines have one hostile request among others
            hostile = r.randrange(len(kinds))
            kinds = [kind if number == hostile or r.random() < 0.3 else "plain" for number, kind in enumerate(kinds)]
        requests = [
            self.request(r, kind, b"%s-%d" % (seed.replace(":", "-").encode(), number))
            for number, kind in enumerate(kinds)
        ]
        return b"".join(requests), kinds

    def request(self, r: random.Random, kind: str, tag: bytes) -> bytes:
        draft = self.draft(r, tag)
        if kind == "bytes":
            return self.scramble(r, bytes(draft))
        if kind != "plain":
            self.kinds[kind](r, draft)
        return bytes(draft)

    def canary(self, tag: bytes) -> bytes:
        """Return a request that would be answered, to be hidden where nothing must be run."""
        return b"GET /v1/canary-%s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\n\r\n" % (tag, self.authorization)

    def target(self, r: random.Random, tag: bytes) -> bytes:
        paths = (
            self.operation,
            b"/v1/actions",
            b"/v2/actions",
            b"/v1/actions/x",
            b"/v1/bdbs/1/y",
            b"/v1/cluster/actions",
            b"/z",
        )
        return b"%s?t=%s" % (r.choice(paths), tag)

    def draft(self, r: random.Random, tag: bytes) -> Draft:
        method = r.choice((b"GET", b"GET", b"GET", b"POST", b"PUT", b"HEAD", b"DELETE", b"OPTIONS", b"PATCH"))
        line = b"%s %s HTTP/1.1" % (method, self.target(r, tag))
        draft = Draft(tag, line, [b"Host: x", b"X-Tag: " + tag])
        credentials = r.choice((self.authorization,) * 4 + (b"", b"Basic " + SECRET + tag, b"Bearer " + SECRET + tag))
        if credentials:
            draft.fields.append(b"Authorization: " + credentials)
        if method in (b"POST", b"PUT", b"PATCH") or r.random() < 0.1:
            (self.chunked if r.random() < 0.4 else self.sized)(r, draft)
        return draft

    def content(self, r: random.Random, draft: Draft) -> bytes:
        return r.choice(
            (b"", b"{}", b"x", b"0\r\n\r\n", self.canary(draft.tag), self.canary(draft.tag), b'{"a": "%s"}' % SECRET)
        )

    def sized(self, r: random.Random, draft: Draft) -> None:
        draft.body = self.content(r, draft)
        draft.fields.append(b"Content-Length: %d" % len(draft.body))

    def chunked(self, r: random.Random, draft: Draft, coding: bytes = b"chunked") -> None:
        draft.fields.append(b"Transfer-Encoding: " + coding)
        draft.body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in self.parts(r, draft)) + b"0\r\n\r\n"

    def parts(self, r: random.Random, draft: Draft) -> list[bytes]:
        parts = [self.content(r, draft) for _ in range(r.randint(1, 4))]
        return [part for part in parts if part] or [b"y"]

    def fill(self, template: bytes, draft: Draft) -> bytes:
        return template.replace(b"%(s)s", SECRET + draft.tag)

    def unframed(self, draft: Draft) -> None:
        draft.fields = [each for each in draft.fields if not each.startswith((b"Content-Length", b"Transfer-Encoding"))]
        draft.body = b""

    def insert(self, r: random.Random, draft: Draft, *fields: bytes) -> None:
        at = r.randint(0, len(draft.fields))
        draft.fields[at:at] = fields

    # Each of these spoils one part of a request.

    def spoil_line(self, r: random.Random, draft: Draft) -> None:
        method, target, _ = draft.line.split(b" ")
        draft.line = r.choice(LINES) % {b"m": method, b"t": target}

    def spoil_version(self, r: random.Random, draft: Draft) -> None:
        draft.line = draft.line.replace(b"HTTP/1.1", r.choice((*VERSIONS, b"HTTP/1.0")))
        if r.random() < 0.4:
            draft.fields.append(b"Connection: " + r.choice((b"keep-alive", b"close")))
        if r.random() < 0.2:
            draft.fields.remove(b"Host: x")

    def spoil_method(self, r: random.Random, draft: Draft) -> None:
        if r.random() < 0.4:
            self.unframed(draft)
            self.sized(r, draft)
        draft.line = r.choice(WORDS) + b" " + draft.line.partition(b" ")[2]

    def spoil_target(self, r: random.Random, draft: Draft) -> None:
        method, target, version = draft.line.split(b" ")
        method = r.choice((method, method, method, b"OPTIONS", b"CONNECT"))
        names = {b"t": target, b"u": draft.tag, b"s": SECRET + draft.tag}
        draft.line = b" ".join((method, r.choice(TARGETS) % names, version))

    def spoil_field(self, r: random.Random, draft: Draft) -> None:
        self.insert(r, draft, self.fill(r.choice(FIELDS), draft))

    def spoil_character(self, r: random.Random, draft: Draft) -> None:
        place = r.randrange(len(draft.fields) + 1)
        text = ([draft.line, *draft.fields])[place]
        at = r.randint(0, len(text))
        text = text[:at] + r.choice(ODD) + text[at:]
        if place:
            draft.fields[place - 1] = text
        else:
            draft.line = text

    def spoil_host(self, r: random.Random, draft: Draft) -> None:
        draft.fields.remove(b"Host: x")
        self.insert(r, draft, *(self.fill(each, draft) for each in r.choice(HOSTS)))

    def spoil_length(self, r: random.Random, draft: Draft) -> None:
        self.unframed(draft)
        draft.body = self.content(r, draft)
        self.insert(r, draft, b"Content-Length: " + numbered(r.choice(LENGTHS), len(draft.body)))

    def spoil_coding(self, r: random.Random, draft: Draft) -> None:
        self.unframed(draft)
        self.chunked(r, draft, r.choice(CODINGS))
        if r.random() < 0.2:
            draft.line = draft.line.replace(b"HTTP/1.1", b"HTTP/1.0")

    def spoil_size(self, r: random.Random, draft: Draft) -> None:
        self.unframed(draft)
        draft.fields.append(b"Transfer-Encoding: chunked")
        parts = self.parts(r, draft)
        spoilt = r.randint(0, len(parts))  # the last one is the end of the body
        for number, part in enumerate([*parts, b""]):
            size = numbered(r.choice(SIZES) if number == spoilt else b"%(n)x", len(part))
            draft.body += size + b"\r\n" + (part + b"\r\n" if part else b"\r\n")

    def spoil_chunk(self, r: random.Random, draft: Draft) -> None:
        self.unframed(draft)
        draft.fields.append(b"Transfer-Encoding: chunked")
        for part in self.parts(r, draft):
            size = len(part) + r.choice((0, 0, 0, 1, -1, 2, 5))
            draft.body += b"%x\r\n%s%s" % (max(size, 1), part, r.choice((b"\r\n", b"\r\n", *DELIMITERS)))
        draft.body += r.choice(
            (b"0\r\n\r\n", b"0\r\n\r\n", b"00\r\n\r\n", b"0\r\n", b"0\n\n", b"0\r\n\n", b"0\r\r\n\r\n", b"", b"0")
        )

    def spoil_trailer(self, r: random.Random, draft: Draft) -> None:
        self.unframed(draft)
        self.chunked(r, draft)
        draft.body = draft.body[:-2] + r.choice(TRAILERS) + b"\r\n\r\n"

    def spoil_connection(self, r: random.Random, draft: Draft) -> None:
        self.insert(r, draft, b"Connection: " + r.choice(CONNECTIONS))

    def spoil_expect(self, r: random.Random, draft: Draft) -> None:
        self.insert(r, draft, b"Expect: " + r.choice(EXPECTATIONS))
        if r.random() < 0.2:
            draft.line = draft.line.replace(b"HTTP/1.1", b"HTTP/1.0")

    def spoil_upgrade(self, r: random.Random, draft: Draft) -> None:
        draft.fields.append(r.choice(UPGRADES))

    def spoil_document(self, r: random.Random, draft: Draft) -> None:
        self.unframed(draft)
        draft.line = b"%s %s?t=%s HTTP/1.1" % (
            r.choice((b"POST", b"PUT")),
            r.choice(
                (b"/v1/bdbs", b"/v1/bdbs/1", b"/v1/shards/actions/migrate", b"/v1/nodes/1/actions/remove", b"/v1/roles")
            ),
            draft.tag,
        )
        draft.body = self.fill(r.choice(DOCUMENTS), draft)
        draft.fields += [b"Content-Type: application/json", b"Content-Length: %d" % len(draft.body)]

    def spoil_endings(self, r: random.Random, draft: Draft) -> None:
        draft.eol = r.choice((b"\n", b"\n", b"\r", b"\n\r", b"\r\r\n", b"\x85", b" \r\n"))

    def spoil_measure(self, r: random.Random, draft: Draft) -> None:
        size = r.choice((4_000, 7_000, 9_000, 20_000, 40_000, 70_000))
        if r.random() < 0.02:
            size = HUGE + 5_000
        way = r.randrange(4)
        if way == 0:
            draft.line = draft.line.replace(b"?", b"/" + b"p" * size + b"?")
        elif way == 1:
            draft.fields.append(b"X-Long: " + b"v" * size)
        elif way == 2:
            draft.fields += [b"X-%d: v" % number for number in range(size // 40)]
        else:
            draft.fields.append(b"N" * size + b": v")

    def spoil_cut(self, r: random.Random, draft: Draft) -> None:
        whole = bytes(draft)
        draft.line, draft.fields, draft.body, draft.eol = b"", [], b"", b""
        draft.body = whole[: r.randint(1, len(whole))]

    def spoil_bytes(self, r: random.Random, draft: Draft) -> None:
        raise NotImplementedError("see scramble")

    def scramble(self, r: random.Random, text: bytes) -> bytes:
        """Return a text with some bytes changed, dropped, doubled or put elsewhere."""
        for _ in range(r.choice((1, 1, 2, 3, 6))):
            at, to = sorted((r.randint(0, len(text)), r.randint(0, len(text))))
            to = min(to, at + r.choice((1, 1, 2, 8)))
            way = r.randrange(5)
            part = text[at:to]
            new = (
                r.choice(ODD),
                b"",
                part + part,
                bytes([r.randrange(256)]),
                r.choice((b"\r\n", b"\n", b":", b" ", b"\r\n\r\n")),
            )[way]
            text = text[: at if way != 4 else to] + new + text[to:]
        return text


# --- the wire ------------------------------------------------------------------------------------------------------


class Server(Protocol):
    """What is fuzzed."""

    port: int
    authorization: bytes
    context: ssl.SSLContext | None
    marks: tuple[bytes, ...]  # what only those with credentials may see

    def take(self) -> list[Seen]:
        """Return the requests that were seen since the last call, in order."""


@dataclass(frozen=True)
class Finding:
    rule: str
    detail: str
    seed: str
    stream: bytes

    def __str__(self) -> str:
        stream = (
            repr(self.stream) if len(self.stream) < 6_000 else f"{self.stream[:3_000]!r} … {self.stream[-1_500:]!r}"
        )
        return f"{self.rule}: {self.detail}\n  seed {self.seed}\n  {stream}"


@dataclass
class Fuzzer:
    """Sends streams to a server, and compares what comes of them with what may."""

    server: Server
    generator: Generator
    findings: list[Finding] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    fates: Counter[str] = field(default_factory=Counter)
    codes: Counter[int] = field(default_factory=Counter)
    patience: float = 20.0  # real seconds that a connection may take to answer or to end
    threads: set[threading.Thread] = field(default_factory=set)  # those before the connection

    @property
    def requests(self) -> int:
        return sum(self.kinds.values())

    @property
    def connections(self) -> int:
        return self.fates["connections"]

    def run(self, seed: int, requests: int, stop_at: int = 20) -> None:
        number = 0
        while self.requests < requests and len(self.findings) < stop_at:
            self.play(f"{seed}:{number}")
            number += 1

    def play(self, seed: str) -> None:
        """Play one connection, and check it."""
        stream, kinds = self.generator.stream(seed)
        r = random.Random(f"{seed}:wire")
        ending = r.choice(("half", "half", "half", "open", "open", "open", "reset", "leave"))
        steps = foresee(stream, self.server.authorization)
        last = steps[-1] if steps else Step()
        if ending == "open" and not (last.must or last.partial or last.after == "close"):
            stream += LAST
            steps = foresee(stream, self.server.authorization)
            last = steps[-1]
        if ending == "open" and last.partial:
            ending = "half"  # nothing but the client can end it
        self.threads = set(threading.enumerate())
        self.kinds.update(kinds)
        self.fates["connections"] += 1
        self.fates[f"ending: {ending}"] += 1
        connection = socket.create_connection(("127.0.0.1", self.server.port), timeout=self.patience)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            connection = self.secured(connection)
            lost = self.send(connection, self.split(r, stream))
            if ending in ("reset", "leave"):
                if ending == "reset":
                    let_close_reset(connection)
                connection.close()
                self.settle()
                self.check(seed, stream, steps, self.server.take(), None, False)
                return
            if ending == "half":
                half_close(connection)
            received, broken = self.receive(connection)
        except TimeoutError:
            connection.close()
            self.settle()
            self.report(
                "no end",
                f"not closed within {self.patience:g} s; seen: {shortened(self.server.take())}",
                seed,
                stream,
            )
            return
        finally:
            connection.close()
        self.check(seed, stream, steps, self.server.take(), received, lost or broken)

    def settle(self) -> None:
        """Wait until the server is through with a connection that the client has left."""
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=self.patience) as plain:
            connection = self.secured(plain)
            connection.sendall(SETTLED)
            self.receive(connection)  # connections are accepted in order
            connection.close()
        for thread in set(threading.enumerate()) - self.threads:
            if thread.name.startswith("Thread-"):  # one of a connection: all that serve longer have names
                thread.join(self.patience)

    def secured(self, connection: socket.socket) -> socket.socket:
        context = self.server.context
        return context.wrap_socket(connection, server_hostname="localhost") if context else connection

    def split(self, r: random.Random, stream: bytes) -> Iterator[bytes]:
        """Yield the stream at once, in a few pieces, or byte by byte at first."""
        way = r.random()
        at = 0
        if way < 0.15:
            at = min(len(stream), r.choice((40, 150, 400)))
            yield from (stream[number : number + 1] for number in range(at))
        elif way < 0.5 and stream:
            for to in sorted(r.randrange(len(stream)) for _ in range(r.randint(1, 5))):
                yield stream[at:to]
                at = to
        yield stream[at:]

    def send(self, connection: socket.socket, pieces: Iterator[bytes]) -> bool:
        """Send all pieces, and return whether the server has hung up meanwhile."""
        try:
            for piece in pieces:
                connection.sendall(piece)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            return True
        return False

    def receive(self, connection: socket.socket) -> tuple[bytes, bool]:
        """Return all that comes, and whether the connection broke in the end."""
        parts = []
        try:
            while part := connection.recv(1 << 16):
                parts.append(part)
        except (ConnectionResetError, BrokenPipeError, ssl.SSLError):
            return b"".join(parts), True
        return b"".join(parts), False

    # --- the comparison

    def report(self, rule: str, detail: str, seed: str, stream: bytes) -> None:
        self.findings.append(Finding(rule, detail, seed, stream))

    def check(
        self, seed: str, stream: bytes, steps: list[Step], seen: list[Seen], received: bytes | None, broken: bool
    ) -> None:
        """Compare what was seen and received with what may be; `received` is None for a client that did not read."""
        try:
            self.compare(steps, list(seen), received, broken)
        except Departure as departure:
            self.report(departure.rule, departure.detail, seed, stream)

    def compare(self, steps: list[Step], seen: list[Seen], received: bytes | None, broken: bool) -> None:
        for step in steps:
            may_be_seen = not step.must and not step.partial
            if seen and may_be_seen and step.is_seen_as(seen[0]):
                seen.pop(0)
                self.fates["seen"] += 1
                self.fates["seen by choice"] += bool(step.may)
                if received is not None:
                    received, closes = self.answered(step, received)
                    if step.after == "close" or (closes and step.after == "either"):
                        break
                    if closes:
                        raise Departure("closed too early", f"behind {step.method!r} {step.target[:80]!r} ({step.why})")
                elif step.after == "close":
                    break
                continue
            if seen:
                raise Departure("wrong request", f"{shortened(seen)} was run, where the stream has: {step.why}")
            if received is None:
                return
            if may_be_seen and not step.may:
                code = received[:12]
                raise Departure(
                    "refused what is valid", f"{code!r} for {step.method!r} {step.target[:80]!r}; broken: {broken}"
                )
            received = self.refusal(step, received, broken)
            break
        if seen:
            raise Departure("ran on", f"{shortened(seen)} was run behind the end")
        if received:
            raise Departure("said more", f"{received[:200]!r} behind the last reply")

    def answered(self, step: Step, received: bytes) -> tuple[bytes, bool]:
        """Check the reply to a request that was seen; return what is left, and whether the server closes."""
        code, headers, body, rest = self.reply(step.method, received, step.continues)
        if not step.authorised:
            if 200 <= code < 300 and step.method != b"OPTIONS":
                raise Departure("let in", f"{code} without credentials")
            if any(mark in body for mark in self.server.marks):
                raise Departure("showed", f"an operation without credentials: {body[:200]!r}")
        if step.method == b"CONNECT" and code < 300:
            raise Departure("tunnel", f"{code} for CONNECT")
        return rest, b"close" in headers.get(b"connection", b"").lower()

    def refusal(self, step: Step, received: bytes, broken: bool) -> bytes:
        """Check that a request was refused, and return what is left."""
        if not received:
            if step.partial:
                self.fates["dropped"] += 1
                return b""
            raise Departure("no reply", f"to a request that must be refused: {step.why}; broken: {broken}")
        code, headers, rest = self.reply_to_refused(step, received)
        if code not in step.codes:
            raise Departure("wrong code", f"{code} instead of {sorted(step.codes)}: {step.why}")
        if b"close" not in headers.get(b"connection", b"").lower():
            raise Departure("not closed", f"{code} without Connection: close: {step.why}")
        self.fates["refused"] += 1
        self.fates["refused by choice"] += not step.must and not step.partial
        self.fates["refused: " + (step.must or step.may or [("cut off", set())])[0][0].split(" of ")[0]] += 1
        return rest

    def reply_to_refused(self, step: Step, received: bytes) -> tuple[int, dict[bytes, bytes], bytes]:
        """Read a reply whose method the server may not have been able to tell."""
        if step.has_plain_line:
            code, headers, _, rest = self.reply(step.method, received, step.continues)
            return code, headers, rest
        try:
            code, headers, _, rest = self.reply(b"GET", received, step.continues)
        except Departure:
            code, headers, _, rest = self.reply(b"HEAD", received, step.continues)
        return code, headers, rest

    def reply(self, method: bytes, received: bytes, continues: bool) -> tuple[int, dict[bytes, bytes], bytes, bytes]:
        """Read one reply as h11 does, which knows nothing of the server: code, headers, body, and what is left."""
        reader = h11.Connection(h11.CLIENT)
        method = method if method in (b"HEAD", b"CONNECT") else b"GET"
        reader.send(
            h11.Request(method=method, target=b"x:1" if method == b"CONNECT" else b"/", headers=[(b"Host", b"x")])
        )
        reader.send(h11.EndOfMessage())
        reader.receive_data(received)
        body, head = b"", None
        try:
            while not isinstance(event := reader.next_event(), h11.EndOfMessage):
                if isinstance(event, h11.InformationalResponse):
                    if event.status_code != 100 or not continues:
                        raise Departure("stray reply", f"{event.status_code} was not asked for")
                elif isinstance(event, h11.Response):
                    head = event
                elif isinstance(event, h11.Data):
                    body += event.data
                else:
                    raise Departure("torn reply", f"{received[:300]!r}")
        except h11.RemoteProtocolError as error:
            raise Departure("invalid reply", f"{error}: {received[:300]!r}") from None
        assert head is not None
        headers = {bytes(name): bytes(value) for name, value in head.headers}
        has_length = head.status_code in (204, 304) or headers.keys() & {b"content-length", b"transfer-encoding"}
        if head.http_version != b"1.1" or not has_length:
            raise Departure("invalid reply", f"without length or in another version: {received[:300]!r}")
        if body and headers.get(b"content-type", b"").startswith(b"application/json"):
            strict_json(bytes(body))
        self.codes[head.status_code] += 1
        return head.status_code, headers, bytes(body), reader.trailing_data[0]


class Departure(Exception):
    """The server has done what it must not."""

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(rule, detail)
        self.rule, self.detail = rule, detail


def strict_json(text: bytes) -> None:
    """Check that a text is JSON as RFC 8259 says, each name of an object but once."""

    def forbid(word: str) -> Any:
        raise Departure("invalid JSON", f"{word} in {text[:200]!r}")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        document = dict(pairs)
        return document if len(document) == len(pairs) else forbid("a doubled name")

    try:
        json.loads(text.decode("utf-8"), parse_constant=forbid, object_pairs_hook=once)
    except ValueError as error:
        raise Departure("invalid JSON", f"{error} in {text[:200]!r}") from None


def shortened(seen: list[Seen]) -> str:
    return ", then ".join(f"{each.method!r} {each.target[:120]!r} ({len(each.body)} bytes)" for each in seen[:4])


def let_close_reset(connection: socket.socket) -> None:
    """Let the next close be a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def half_close(connection: socket.socket) -> None:
    try:
        socket.socket.shutdown(connection, socket.SHUT_WR)  # of TCP, below TLS
    except OSError:
        pass  # the server has closed it already
