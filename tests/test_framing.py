"""How the bytes of a connection are framed: as RFC 9112 says, or the request is refused and the connection closed."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import pytest
import requests
from http_bytes import Answer, Wire

from pytest_redis_actions import RedisActions
from pytest_redis_actions.server.framing import LARGEST_BODY, LONGEST_LINE, RequestReader

HEAD = b"POST /v1/bdbs HTTP/1.1\r\nHost: x\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n"
GET = b"GET /v1/actions HTTP/1.1\r\nHost: x\r\n"
DATABASE = b'{"name":"x","memory_size":10}'
SMUGGLED = b"GET /v1/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


def answers(stub: RedisActions, sent: bytes) -> list[Answer]:
    """Return every reply to what is sent; the last one closes the connection."""
    with Wire(stub) as wire:
        wire.send(sent)
        wire.socket.shutdown(socket.SHUT_WR)
        found = []
        while wire.file.peek(1):
            found.append(wire.read())
    return found


MALFORMED = {
    # the header
    "a line without a colon": HEAD + b"nonsense\r\nContent-Length: 40\r\n\r\n" + SMUGGLED,
    "a space before the colon": HEAD + b"Content-Length : 40\r\n\r\n" + SMUGGLED,
    "a bare CR in a value": GET + b"A: b\rContent-Length: 40\r\n\r\n" + SMUGGLED,
    "a bare CR before a name": GET + b"\rA: b\r\n\r\n",
    "a bare LF": GET + b"A: b\n\r\n",
    "a bare LF at the end": GET + b"\n",
    "NUL in a value": GET + b"A: b\0c\r\n\r\n",
    "NUL in a name": GET + b"A\0: b\r\n\r\n",
    "a control character in a value": GET + b"A: b\x01c\r\n\r\n",
    "a folded line": GET + b"A: b\r\n c\r\n\r\n",
    "a folded line with a tab": GET + b"A: b\r\n\tc\r\n\r\n",
    "a space before the first field": b"GET /v1/actions HTTP/1.1\r\n Host: x\r\n\r\n",
    "a no-break space in a name": GET + b"A\xa0: b\r\n\r\n",
    "a bracket in a name": GET + b"A(b): c\r\n\r\n",
    "an empty name": GET + b": b\r\n\r\n",
    # the length
    "two Content-Length": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nab",
    "a list in Content-Length": HEAD + b"Content-Length: 2, 2\r\n\r\nab",
    "a vertical tab before the length": HEAD + b"Content-Length: \x0b2\r\n\r\nab",
    "a no-break space before the length": HEAD + b"Content-Length: \xa02\r\n\r\nab",
    "a plus before the length": HEAD + b"Content-Length: +2\r\n\r\nab",
    "a minus before the length": HEAD + b"Content-Length: -2\r\n\r\nab",
    "an underscore in the length": HEAD + b"Content-Length: 0_2\r\n\r\nab",
    "a hexadecimal length": HEAD + b"Content-Length: 0x2\r\n\r\nab",
    "an empty length": HEAD + b"Content-Length: \r\n\r\n",
    "a length in other digits": HEAD + "Content-Length: \u0662\r\n\r\nab".encode(),
    "a length of 40 digits": HEAD + b"Content-Length: " + b"9" * 40 + b"\r\n\r\nab",
    # transfer codings
    "a length and chunks": HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunks and a length": CHUNKED + b"Content-Length: 4\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a coding after chunked": CHUNKED + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunked twice": CHUNKED + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a no-break space before chunked": HEAD + b"Transfer-Encoding: \xa0chunked\r\n\r\n0\r\n\r\n",
    "a vertical tab before chunked": HEAD + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "no coding": HEAD + b"Transfer-Encoding:\r\n\r\n",
    "chunks in HTTP/1.0": b"POST /v1/bdbs HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    # chunks
    "a hexadecimal prefix of a chunk": CHUNKED + b"\r\n0x2\r\nab\r\n0\r\n\r\n",
    "a plus before a chunk": CHUNKED + b"\r\n+2\r\nab\r\n0\r\n\r\n",
    "a minus before a chunk": CHUNKED + b"\r\n-2\r\nab\r\n0\r\n\r\n",
    "an underscore in a chunk's size": CHUNKED + b"\r\n0_2\r\nab\r\n0\r\n\r\n",
    "a space before a chunk's size": CHUNKED + b"\r\n 2\r\nab\r\n0\r\n\r\n",
    "a chunk without a size": CHUNKED + b"\r\n\r\nab\r\n0\r\n\r\n",
    "a chunk's size of 20 digits": CHUNKED + b"\r\n" + b"f" * 20 + b"\r\nab\r\n0\r\n\r\n",
    "a chunk that is too long": CHUNKED + b"\r\n2\r\nabc\r\n0\r\n\r\n",
    "chunks that end with LF": CHUNKED + b"\r\n2\nab\n0\n\n",
    "a body cut inside a chunk": CHUNKED + b"\r\n5\r\nab",
    "a body cut inside a chunk's size": CHUNKED + b"\r\n5",
    "a body cut before the last chunk": CHUNKED + b"\r\n2\r\nab\r\n",
    "a body cut in its trailer": CHUNKED + b"\r\n2\r\nab\r\n0\r\nA: b\r\n",
    "a body cut before its length": HEAD + b"Content-Length: 10\r\n\r\nab",
    "a header cut short": GET + b"A: b",
    "a request line cut short": b"GET /v1/act",
    # Host
    "no Host": b"GET /v1/actions HTTP/1.1\r\n\r\n",
    "two Hosts": GET + b"Host: y\r\n\r\n",
    "the same Host twice": GET + b"Host: x\r\n\r\n",
    "an empty Host": b"GET /v1/actions HTTP/1.1\r\nHost:\r\n\r\n",
    "a Host with a space": b"GET /v1/actions HTTP/1.1\r\nHost: a b\r\n\r\n",
    "a Host with a user": b"GET /v1/actions HTTP/1.1\r\nHost: a@b\r\n\r\n",
    "a Host with a path": b"GET /v1/actions HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "a Host whose port is a word": b"GET /v1/actions HTTP/1.1\r\nHost: a:b\r\n\r\n",
    "a Host with a broken address": b"GET /v1/actions HTTP/1.1\r\nHost: [::1\r\n\r\n",
    "a Host with a broken percent-encoding": b"GET /v1/actions HTTP/1.1\r\nHost: %zz\r\n\r\n",
    "two Hosts in HTTP/1.0": b"GET /v1/actions HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n",
    # the request line
    "a no-break space between the words": b"GET\xa0/v1/actions HTTP/1.1\r\nHost: x\r\n\r\n",
    "a no-break space before the version": b"GET /v1/actions\xa0HTTP/1.1\r\nHost: x\r\n\r\n",
    "a vertical tab between the words": b"GET\x0b/v1/actions HTTP/1.1\r\nHost: x\r\n\r\n",
    "a tab between the words": b"GET\t/v1/actions HTTP/1.1\r\nHost: x\r\n\r\n",
    "two spaces between the words": b"GET  /v1/actions HTTP/1.1\r\nHost: x\r\n\r\n",
    "two spaces before the version": b"GET /v1/actions  HTTP/1.1\r\nHost: x\r\n\r\n",
    "a space after the version": b"GET /v1/actions HTTP/1.1 \r\nHost: x\r\n\r\n",
    "a space before the method": b" GET /v1/actions HTTP/1.1\r\nHost: x\r\n\r\n",
    "a control character in the target": b"GET /v1/\x01actions HTTP/1.1\r\nHost: x\r\n\r\n",
    "bytes above ASCII in the target": b"GET /v1/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    "a fragment": b"GET /v1/actions#x HTTP/1.1\r\nHost: x\r\n\r\n",
    "a target without a slash": b"GET v1/actions HTTP/1.1\r\nHost: x\r\n\r\n",
    "an absolute target without an authority": b"GET http:///v1/actions HTTP/1.1\r\nHost: x\r\n\r\n",
    "an absolute target whose port is a word": b"GET http://x:port/v1/actions HTTP/1.1\r\nHost: x\r\n\r\n",
    "an absolute target with a broken address": b"GET http://[::1/v1/actions HTTP/1.1\r\nHost: x\r\n\r\n",
    "an asterisk without OPTIONS": b"DELETE * HTTP/1.1\r\nHost: x\r\n\r\n",
    "no target": b"GET HTTP/1.1\r\nHost: x\r\n\r\n",
    "no version": b"GET /v1/actions\r\nHost: x\r\n\r\n",
    "HTTP/0.9": b"GET /v1/actions HTTP/0.9\r\nHost: x\r\n\r\n",
    "another protocol": b"GET /v1/actions RTSP/1.0\r\nHost: x\r\n\r\n",
    "a version in small letters": b"GET /v1/actions http/1.1\r\nHost: x\r\n\r\n",
    "a version with a letter": b"GET /v1/actions HTTP/1.x\r\nHost: x\r\n\r\n",
    "a method in brackets": b"(GET) /v1/actions HTTP/1.1\r\nHost: x\r\n\r\n",
    "noise": bytes(range(128, 256)) + b"\r\n\r\n",
}
# The code that says why, where it is not 400.
OTHER = {
    "HTTP/1.2": (505, b"GET /v1/actions HTTP/1.2\r\nHost: x\r\n\r\n"),
    "HTTP/2.0": (505, b"GET /v1/actions HTTP/2.0\r\nHost: x\r\n\r\n"),
    "the preface of HTTP/2": (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "an unknown method": (501, b"BREW /v1/actions HTTP/1.1\r\nHost: x\r\n\r\n"),
    "a method of another protocol": (501, b"DESCRIBE /v1/actions HTTP/1.1\r\nHost: x\r\n\r\n"),
    "a method that begins like another one": (501, b"GETT /v1/actions HTTP/1.1\r\nHost: x\r\n\r\n"),
    "a method in small letters": (501, b"get /v1/actions HTTP/1.1\r\nHost: x\r\n\r\n"),
    "an unknown coding": (501, HEAD + b"Transfer-Encoding: gzip\r\n\r\nab"),
    "an unknown coding under the chunks": (501, HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    "an unknown coding in a field of its own": (
        501,
        HEAD + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    "a long target": (414, b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
    "a target that never ends": (414, b"GET /" + b"x" * 200_000),
    "a long field": (431, GET + b"A: " + b"b" * 70_000 + b"\r\n\r\n"),
    "a field that never ends": (431, GET + b"A: " + b"b" * 200_000),
    "a name that never ends": (431, GET + b"a" * 200_000),
    "many fields": (431, GET + b"a: b\r\n" * 200 + b"\r\n"),
    "many fields in the trailer": (431, CHUNKED + b"\r\n0\r\n" + b"a: b\r\n" * 200 + b"\r\n"),
    "a long body": (413, HEAD + b"Content-Length: 99999999999\r\n\r\n"),
    "a long body in chunks": (413, CHUNKED + b"\r\n" + (b"100000\r\n" + b"x" * (1 << 20) + b"\r\n") * 65),
    "a chunk's size that never ends": (400, CHUNKED + b"\r\n2;" + b"x" * 200_000),
    "blank lines that never end": (431, b"\r\n" * 100_000),
}  # fmt: skip


@pytest.mark.parametrize("sent", MALFORMED.values(), ids=MALFORMED)
def test_what_the_rfc_forbids_is_refused_and_the_connection_closed(redis_actions: RedisActions, sent: bytes) -> None:
    found = answers(redis_actions, sent)

    assert [(answer.code, answer.error_code, answer.headers["connection"]) for answer in found] == [
        (400, "bad_request", "close")
    ]
    assert len(redis_actions.journal) == 0


@pytest.mark.parametrize("rest", [b"A b: c\r\n\r\n", b"Content-Length: 99999999999\r\n\r\n", b"A: b"])
def test_a_refused_head_request_gets_no_body(redis_actions: RedisActions, rest: bytes) -> None:
    with Wire(redis_actions) as wire:
        wire.send(GET.replace(b"GET", b"HEAD") + rest)
        wire.socket.shutdown(socket.SHUT_WR)

        assert wire.read(head_only=True).code in (400, 413)
        assert wire.is_closed()


@pytest.mark.parametrize(("code", "sent"), OTHER.values(), ids=OTHER)
def test_what_is_not_done_here_is_refused_with_the_reason(redis_actions: RedisActions, code: int, sent: bytes) -> None:
    found = answers(redis_actions, sent)

    assert [(answer.code, answer.headers["connection"]) for answer in found] == [(code, "close")]
    assert sorted(json.loads(found[0].body)) == ["description", "error_code"]
    assert len(redis_actions.journal) == 0


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_an_unknown_method_is_told_in_pieces_too(size: int) -> None:
    reader = RequestReader(1)
    sent = b"BREW http://x/v1/actions HTTP/1.1\r\n"

    for start in range(0, len(sent), size):
        reader.feed(sent[start : start + size])

    assert reader.refusal is not None
    assert reader.refusal.code == 501


def test_a_refused_request_is_told_in_the_report(redis_actions: RedisActions) -> None:
    for sent in (MALFORMED["a folded line"], MALFORMED["a folded line"], MALFORMED["no Host"]):
        answers(redis_actions, sent)

    report = redis_actions.report()
    assert "  2 requests refused: 400 malformed HTTP (Unexpected whitespace after header value)" in report
    assert "  1 request refused: 400 a request must have one Host field, not none" in report


class TestWhatIsLegal:
    def read(self, stub: RedisActions, *sent: bytes) -> list[int]:
        """Return the codes of the replies to requests on one connection, and to one more request after them."""
        with Wire(stub) as wire:
            for part in sent:
                wire.send(part)
            wire.send(wire.request("GET /v1/actions HTTP/1.1"))
            codes: list[int] = []
            while not codes or codes[-1] != 200:
                codes.append(wire.read().code)
        return codes

    @pytest.mark.parametrize(
        "rest",
        [
            b"2;name=value\r\n{}\r\n0\r\n\r\n",
            b'2;name="a quoted ; value"\r\n{}\r\n0;last\r\n\r\n',
            b"2\r\n{}\r\n0\r\nX-Checksum: 1\r\nExpires: never\r\n\r\n",
            b"002\r\n{}\r\n000\r\n\r\n",
            b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
        ],
        ids=["extension", "quoted extension", "trailer", "leading zeros", "two chunks"],
    )
    def test_chunks(self, redis_actions: RedisActions, rest: bytes) -> None:
        assert self.read(redis_actions, CHUNKED + b"\r\n" + rest) == [401, 200]

    def test_chunks_in_capital_letters(self, redis_actions: RedisActions) -> None:
        sent = HEAD + b"transfer-encoding: Chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n"
        assert self.read(redis_actions, sent) == [401, 200]

    def test_one_byte_at_a_time(self, redis_actions: RedisActions) -> None:
        sent = CHUNKED + b"\r\n2;x=y\r\n{}\r\n0\r\nA: b\r\n\r\n"

        assert self.read(redis_actions, *(sent[i : i + 1] for i in range(len(sent)))) == [401, 200]

    @pytest.mark.parametrize("lines", [b"\r\n", b"\r\n\r\n", b"\r\n" * 50])
    def test_empty_lines_before_a_request(self, redis_actions: RedisActions, lines: bytes) -> None:
        assert self.read(redis_actions, lines) == [200]

    @pytest.mark.parametrize(
        "field",
        [b"A:", b"A: ", b"A:\t b \t", b"A: \xff\xfe", b"a!#$%&'*+-.^_`|~9: b", b"A: " + b"b" * 60_000],
        ids=lambda field: repr(field[:20]),
    )
    def test_fields(self, redis_actions: RedisActions, field: bytes) -> None:
        assert self.read(redis_actions, GET + field + b"\r\n\r\n") == [401, 200]

    @pytest.mark.parametrize(
        "host", ["x", "x\t", "x:", "x:80", "127.0.0.1:8443", "[::1]", "[::1]:80", "a.b-c_d.example"]
    )
    def test_hosts(self, redis_actions: RedisActions, host: str) -> None:
        sent = f"GET /v1/actions HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()

        assert self.read(redis_actions, sent) == [401, 200]

    def test_close_in_a_trailer_closes_at_most(self, redis_actions: RedisActions) -> None:
        found = answers(redis_actions, CHUNKED + b"\r\n0\r\nConnection: close\r\n\r\n" + GET + b"\r\n")

        assert [(answer.code, answer.headers["connection"]) for answer in found] == [(401, "close")]

    def test_an_absolute_target(self, redis_actions: RedisActions) -> None:
        with Wire(redis_actions) as wire:
            assert wire.ask(f"GET {redis_actions.url}/v1/actions?x=1 HTTP/1.1").code == 200

    def test_a_target_of_64_kilobytes(self, redis_actions: RedisActions) -> None:
        with Wire(redis_actions) as wire:
            assert wire.ask("GET /v1/actions/" + "x" * 65_000 + " HTTP/1.1").code == 404

    def test_options_of_the_server_as_a_whole(self, redis_actions: RedisActions) -> None:
        with Wire(redis_actions) as wire:
            answer = wire.ask("OPTIONS * HTTP/1.1")

        assert (answer.code, answer.headers["allow"]) == (200, "DELETE, GET, HEAD, OPTIONS, POST, PUT")

    @pytest.mark.parametrize(
        "field", ["Connection: close, TE", "Connection: TE\r\nConnection: close", "Connection: Close"]
    )
    def test_close_among_other_options(self, redis_actions: RedisActions, field: str) -> None:
        with Wire(redis_actions) as wire:
            answer = wire.ask("GET /v1/actions HTTP/1.1", "TE: trailers", *field.split("\r\n"))

            assert answer.headers["connection"] == "close"
            assert wire.is_closed()

    def test_nothing_is_read_after_a_request_that_closes(self, redis_actions: RedisActions) -> None:
        found = answers(redis_actions, GET + b"Connection: close\r\n\r\n" + SMUGGLED)

        assert [answer.code for answer in found] == [401]
        assert [exchange.target for exchange in redis_actions.journal] == ["/v1/actions"]

    def test_an_upgrade_is_ignored(self, redis_actions: RedisActions) -> None:
        # As curl --http2 and the HTTP client of Java ask for HTTP/2.
        upgrade = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk")
        body = DATABASE
        with Wire(redis_actions) as wire:
            sent = wire.request("POST /v1/bdbs HTTP/1.1", *upgrade, f"Content-Length: {len(body)}", body=body)
            wire.send(sent * 3 + wire.request("GET /v1/actions HTTP/1.1", *upgrade))
            found = [wire.read() for _ in range(4)]

        assert [answer.code for answer in found] == [200] * 4
        assert all(b'"name":"x"' in answer.body for answer in found[:3])

    def test_a_thousand_upgrades_at_once(self, redis_actions: RedisActions) -> None:
        with Wire(redis_actions) as wire:
            wire.send(wire.request("GET /v1/actions HTTP/1.1", "Connection: Upgrade", "Upgrade: h2c") * 1000)

            assert {wire.read().code for _ in range(1000)} == {200}

    def test_a_tunnel_is_not_opened(self, redis_actions: RedisActions) -> None:
        reply, *more = answers(redis_actions, b"CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n" + SMUGGLED)

        assert (reply.code, reply.headers["connection"], more) == (501, "close", [])

    def test_http_1_0_needs_no_host(self, redis_actions: RedisActions) -> None:
        assert [answer.code for answer in answers(redis_actions, b"GET /v1/actions HTTP/1.0\r\n\r\n")] == [401]

    def test_requests_before_a_malformed_one_are_answered(self, redis_actions: RedisActions) -> None:
        found = answers(redis_actions, (GET + b"\r\n") * 3 + MALFORMED["a folded line"])

        assert [answer.code for answer in found] == [401, 401, 401, 400]


class TestContinue:
    def test_a_body_that_is_too_large_is_not_asked_for(self, redis_actions: RedisActions) -> None:
        with Wire(redis_actions) as wire:
            wire.send(HEAD + b"Expect: 100-continue\r\nContent-Length: 999999999\r\n\r\n")

            assert wire.read().code == 413

    def test_it_is_said_once(self, redis_actions: RedisActions) -> None:
        with Wire(redis_actions) as wire:
            wire.send(wire.request("POST /v1/bdbs HTTP/1.1", "Expect: 100-continue", "Transfer-Encoding: chunked"))
            assert wire.file.readline() == b"HTTP/1.1 100 Continue\r\n"
            assert wire.file.readline() == b"\r\n"
            for part in (b"%x" % len(DATABASE), b"\r\n" + DATABASE[:1], DATABASE[1:] + b"\r\n", b"0\r\n\r\n"):
                wire.send(part)

            assert wire.read().code == 200

    def test_it_is_not_said_to_a_client_that_has_sent_the_body(self, redis_actions: RedisActions) -> None:
        with Wire(redis_actions) as wire:
            length = f"Content-Length: {len(DATABASE)}"
            answer = wire.ask("POST /v1/bdbs HTTP/1.1", "Expect: 100-continue", length, body=DATABASE)

            assert answer.code == 200

    def test_it_is_not_said_to_the_request_after_the_one_that_asked(self, redis_actions: RedisActions) -> None:
        with Wire(redis_actions) as wire:
            asks = wire.request("GET /v1/actions HTTP/1.1", "Expect: 100-continue")
            wire.send(asks + wire.request("POST /v1/bdbs HTTP/1.1", "Content-Length: 2"))
            assert wire.read().code == 200
            wire.send(b"{}")

            assert wire.read().code == 406

    def test_it_is_not_said_in_http_1_0(self, redis_actions: RedisActions) -> None:
        with Wire(redis_actions) as wire:
            length = f"Content-Length: {len(DATABASE)}"
            wire.send(wire.request("POST /v1/bdbs HTTP/1.0", "Expect: 100-continue", length))
            wire.send(DATABASE)

            assert wire.read().code == 200


def test_a_doubled_slash_is_a_path_of_its_own_and_strict_tells_it(make_redis_actions: Any) -> None:
    stub = make_redis_actions(strict=False)
    action = stub.add_action("migrate_shards")
    stub.httpserver.expect_request("/v1/mine").respond_with_data("mine")

    with Wire(stub) as wire:
        codes = [wire.ask(f"GET //v1/{path} HTTP/1.1").code for path in (f"actions/{action.uid}", "mine")]

    assert codes == [404, 404]
    assert action.polls == ()
    assert "a slash is doubled" in stub._endpoint.unrouted[0]


def test_a_request_that_drips_is_given_up_after_the_time_for_a_whole_one(
    redis_actions: RedisActions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_actions.httpserver, "read_seconds", 0.3)

    with Wire(redis_actions) as wire:
        began = time.monotonic()
        wire.socket.settimeout(0.05)
        sent = 0
        for sent in range(1000):
            try:
                wire.send(GET if not sent else b"a: b\r\n")
                if wire.socket.recv(1, socket.MSG_PEEK):
                    break
            except TimeoutError:
                pass
        wire.socket.settimeout(15)
        answer = wire.read()

        assert (answer.code, answer.error_code) == (408, "request_timeout")
        assert wire.is_closed()
    # Each of the pieces came well within the time: a limit for each would never have ended it.
    assert 3 <= sent < 1000
    assert time.monotonic() - began >= 0.3


def test_time_between_requests_is_not_limited(redis_actions: RedisActions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_actions.httpserver, "read_seconds", 0.05)

    with Wire(redis_actions) as wire:
        for lines in (b"", b"\r\n", b""):
            wire.send(lines)
            wire.socket.settimeout(0.2)
            with pytest.raises(TimeoutError):
                wire.socket.recv(1, socket.MSG_PEEK)
            wire.socket.settimeout(15)
            assert wire.ask("GET /v1/actions HTTP/1.1").code == 200


def test_what_the_endpoint_raises_is_a_500_and_fails_the_test(
    make_redis_actions: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub = make_redis_actions()

    def broken(_: Any) -> Any:
        raise ValueError("a defect of the stub")

    monkeypatch.setattr(stub._endpoint, "handle", broken)

    with Wire(stub) as wire:
        codes = [wire.ask("GET /v1/actions HTTP/1.1").code for _ in range(2)]

    assert codes == [500, 500]
    with pytest.raises(ValueError, match="a defect of the stub"):
        stub.check()
    stub.httpserver.clear()


class TestTheReader:
    """Without a socket: sizes, and what they cost."""

    def whole(self, pieces: list[bytes]) -> RequestReader:
        reader = RequestReader(1)
        for piece in pieces:
            reader.feed(piece)
        return reader

    def test_a_request_is_refused_while_another_exception_is_handled(self) -> None:
        try:
            raise ValueError
        except ValueError:
            reader = self.whole([HEAD + b"Content-Length: %d\r\n\r\n" % (LARGEST_BODY + 1)])

        assert reader.refusal is not None

    def test_a_megabyte_in_chunks_of_one_byte_costs_ten_times_a_tenth_of_it(self) -> None:
        def cost(size: int) -> float:
            sent = CHUNKED + b"\r\n" + b"1\r\nx\r\n" * size + b"0\r\n\r\n"
            pieces = [sent[i : i + LONGEST_LINE] for i in range(0, len(sent), LONGEST_LINE)]
            began = time.process_time()
            received = self.whole(pieces).next()
            assert received is not None
            assert received.request.body == b"x" * size
            return time.process_time() - began

        tenth, whole = min(cost(100_000) for _ in range(3)), min(cost(1_000_000) for _ in range(2))

        assert whole < 30 * tenth
        assert whole < 3

    @pytest.mark.parametrize("size", [1, 7, 100])
    def test_a_long_head_in_small_pieces_is_read(self, size: int) -> None:
        sent = GET + b"A: " + b"b" * 60_000 + b"\r\n\r\n"

        received = self.whole([sent[i : i + size] for i in range(0, len(sent), size)]).next()

        assert received is not None
        assert received.request.headers["a"] == "b" * 60_000

    def test_the_largest_body_is_read_and_one_byte_more_is_not(self) -> None:
        piece = b"x" * (1 << 20)
        for more, refused in ((0, False), (1, True)):
            size = LARGEST_BODY + more
            reader = self.whole([HEAD + b"Content-Length: %d\r\n\r\n" % size])
            for _ in range(0 if refused else LARGEST_BODY >> 20):
                reader.feed(piece)

            assert (reader.refusal is not None) == refused
            assert (reader.next() is None) == refused


def test_a_reply_reaches_a_client_that_sends_more_than_is_read(redis_actions: RedisActions) -> None:
    # Closing with bytes unread would reset the connection, and the reply with it.
    reply = requests.post(f"{redis_actions.url}/v1/bdbs", data=b"x" * 70_000_000, auth=redis_actions.auth)

    assert reply.status_code == 413
