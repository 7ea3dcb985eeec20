"""Hostile streams of requests: what the stub sees and says of them is what the RFCs allow, and nothing else."""

from __future__ import annotations

import base64
import contextlib
import gc
import http.client
import logging
import os
import ssl
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from http_fuzz import SECRET, Fuzzer, Generator, Seen, foresee

from pytest_redis_actions import RedisActions, running
from pytest_redis_actions.server.framing import RequestReader

AUTHORIZATION = b"Basic dTpw"
HEAD = b"GET /v1/a HTTP/1.1\r\nHost: x\r\n"


class Stubbed:
    """A stub as the fuzzer sees it, with an innocent client beside it."""

    def __init__(self, stub: RedisActions) -> None:
        self.stub, self.port = stub, stub.port
        self.authorization = b"Basic " + base64.b64encode(":".join(stub.auth).encode())
        self.context: ssl.SSLContext | None = None
        if stub.ca_file:
            self.context = ssl.create_default_context(cafile=str(stub.ca_file))
        shown = stub.add_action("migrate_shards", script=[running()])
        self.operation = f"/v1/actions/{shown.uid}".encode()
        self.innocent = f"/v1/actions/{stub.add_action('remove', node_uid='4711', script=[running()]).uid}"
        self.marks: tuple[bytes, ...] = (b"migrate_shards", b"4711")
        self.read = 0
        self.seconds: list[float] = []  # that each poll of the innocent client took
        self.codes: set[int] = set()
        self.has_polled = threading.Event()

    def take(self) -> list[Seen]:
        log = self.stub.httpserver.log
        new, self.read = log[self.read :], len(log)
        seen = [
            Seen(request.method.encode("latin-1"), request.environ["REQUEST_URI"].encode("latin-1"), request.data)
            for request, _ in new
        ]
        return [each for each in seen if each.target not in (self.innocent.encode(), b"/v1/settled")]

    def poll(self, stop: threading.Event) -> None:
        """Be the innocent client, on one connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        if self.context:
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=self.context)
        while not stop.is_set():
            began = time.perf_counter()
            connection.request("GET", self.innocent, headers={"Authorization": self.authorization.decode()})
            reply = connection.getresponse()
            self.codes.add(reply.status if b"4711" in reply.read() else 0)
            self.seconds.append(time.perf_counter() - began)
            self.has_polled.set()
            stop.wait(0.02)
        connection.close()

    def assert_kept_straight(self) -> None:
        """Check what the stub remembers of all that."""
        journal = tuple(self.stub.journal)
        log = Counter((request.method, response.status_code) for request, response in self.stub.httpserver.log)
        assert Counter((exchange.method, exchange.code) for exchange in journal) == log
        secret = SECRET.decode()
        kept = [text for each in journal for text in (str(each), repr(each.headers), each.target, repr(each.body))]
        assert [text for text in (*kept, self.stub.report(), str(self.stub.journal)) if secret in text] == []
        assert [each for each in journal if each.shown and not each.has_header("Authorization")] == []
        assert self.codes == {200}
        assert max(self.seconds) < 10


def descriptors() -> int:
    return len(os.listdir("/dev/fd")) if os.path.isdir("/dev/fd") else 0


def leftovers() -> tuple[set[threading.Thread], int, int]:
    """Return the threads, the descriptors, and the blocks of memory of this process."""
    gc.collect()
    return set(threading.enumerate()), descriptors(), sys.getallocatedblocks()


@contextlib.contextmanager
def nothing_left(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Check that a block leaves no thread, descriptor or memory behind, and says nothing."""
    caplog.set_level(logging.DEBUG)
    threads, files, blocks = leftovers()
    others = {thread.ident for thread in threads - {threading.current_thread()}}  # such as clients that a test gave up
    yield
    for thread in set(threading.enumerate()) - threads:
        thread.join(10)
    still, files_now, blocks_now = leftovers()
    assert still - threads == set()
    assert files_now <= files
    assert blocks_now - blocks < 20_000
    assert capfd.readouterr().err == ""
    assert [record for record in caplog.records if record.thread not in others] == []


def fuzz(requests: int, *, seed: int, tls: bool = False) -> Fuzzer:
    """Play so many hostile requests to a stub, and return what came of them."""
    with RedisActions(strict=False, past_end=None, max_polls=10_000_000, tls=tls) as stub:
        server = Stubbed(stub)
        fuzzer = Fuzzer(server, Generator(server.authorization, server.operation))
        stop = threading.Event()
        innocent = threading.Thread(target=server.poll, args=[stop])
        innocent.start()
        assert server.has_polled.wait(30)
        try:
            fuzzer.run(seed, requests)
        finally:
            stop.set()
            innocent.join()
        server.assert_kept_straight()
    del server.stub  # with its journal: what is left without it is a leak
    fuzzer.threads.clear()  # they hold what they ran
    return fuzzer


def judged(fuzzer: Fuzzer, began: float) -> str:
    """Return what was played, in lines; fail with the seed and the bytes of what has gone wrong."""
    assert not fuzzer.findings, "\n".join(map(str, fuzzer.findings))
    assert fuzzer.codes[500] == 0
    lines = [f"{fuzzer.requests} requests, {fuzzer.connections} connections, {time.perf_counter() - began:.0f} s"]
    for counter in (fuzzer.kinds, fuzzer.fates, fuzzer.codes):
        lines.append(", ".join(f"{name} {number}" for name, number in counter.most_common()))
    return "\n".join(lines)


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_a_sample_of_hostile_requests(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, tls: bool
) -> None:
    fuzz(20, seed=0, tls=tls)  # what is loaded and remembered once for all
    began = time.perf_counter()
    with nothing_left(capfd, caplog):
        fuzzer = fuzz(100 if tls else 600, seed=1, tls=tls)

    judged(fuzzer, began)
    assert {200, 400, 401, 404} <= set(fuzzer.codes)  # requests of every sort are among them


@pytest.mark.long
@pytest.mark.parametrize(("tls", "requests"), [(False, 30_000), (True, 3_500)], ids=["http", "https"])
def test_hostile_requests_by_the_thousand(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, tls: bool, requests: int
) -> None:
    fuzz(20, seed=0, tls=tls)  # what is loaded and remembered once for all
    began = time.perf_counter()
    with nothing_left(capfd, caplog):
        fuzzer = fuzz(requests, seed=2026, tls=tls)

    print(judged(fuzzer, began))


# That the fuzzer can fail


class Toy:
    """http.server of the standard library, which frames requests as it likes."""

    context: ssl.SSLContext | None = None
    marks: tuple[bytes, ...] = ()
    authorization = AUTHORIZATION

    def __init__(self) -> None:
        seen: list[Seen] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 1

            def __getattr__(self, name: str) -> object:
                if name.startswith("do_"):
                    return self.answer
                raise AttributeError(name)

            def answer(self) -> None:
                length = self.headers.get("Content-Length", "0")
                body = self.rfile.read(int(length)) if length.isdecimal() else b""
                seen.append(Seen(self.command.encode("latin-1"), self.path.encode("latin-1"), body))
                self.send_response(404)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"" if self.command == "HEAD" else b"{}")

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                pass  # clients hang up

        self.seen = seen
        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port

    def take(self) -> list[Seen]:
        taken = [each for each in self.seen if each.target != b"/v1/settled"]
        self.seen.clear()
        return taken


def test_it_finds_wrong_framing_in_the_server_of_the_standard_library() -> None:
    toy = Toy()
    thread = threading.Thread(target=toy.server.serve_forever)
    thread.start()
    fuzzer = Fuzzer(toy, Generator(AUTHORIZATION, b"/v1/actions/x"), patience=2)
    try:
        fuzzer.run(1, requests=500, stop_at=80)
    finally:
        toy.server.shutdown()
        toy.server.server_close()
        thread.join()

    told = "\n".join(str(finding) for finding in fuzzer.findings)
    assert {"wrong request", "ran on"} <= {finding.rule for finding in fuzzer.findings}
    for reason in ("malformed field line", "differing Content-Length", "malformed Host", "behind a chunk"):
        assert any(reason in each.detail for each in fuzzer.findings), reason
    assert "seed 1:" in told


@pytest.mark.parametrize(
    ("check", "reason"),
    [("_check_host", "Host"), ("_check_codings", "coding"), ("_check_target", "authority|asterisk")],
)
def test_it_finds_a_check_that_is_missing(monkeypatch: pytest.MonkeyPatch, check: str, reason: str) -> None:
    monkeypatch.setattr(RequestReader, check, lambda reader: None)
    with RedisActions(strict=False, past_end=None) as stub:
        server = Stubbed(stub)
        fuzzer = Fuzzer(server, Generator(server.authorization, server.operation), patience=1)
        fuzzer.run(1, requests=1_500, stop_at=1)

    (finding,) = fuzzer.findings
    assert any(word in finding.detail for word in reason.split("|")), str(finding)


# The oracle by itself


@pytest.mark.parametrize(
    ("stream", "verdicts"),
    [
        (HEAD + b"\r\n" + HEAD + b"\r\n", ["valid", "valid"]),
        (HEAD + b"Connection: close\r\n\r\n" + HEAD + b"\r\n", ["valid"]),
        (HEAD + b"Content-Length: 2\r\n\r\nab\r\n" + HEAD + b"\r\n", ["valid", "valid"]),
        (HEAD + b"Content-Length: 2, 2\r\n\r\nab", ["repeated Content-Length"]),
        (HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc", ["malformed or differing Content-Length"]),
        (HEAD + b"Content-Length : 2\r\n\r\n" + HEAD + b"\r\n", ["malformed field line"]),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2;a=b\r\nab\r\n0\r\nT: u\r\n\r\n" + HEAD + b"\r\n", ["valid"] * 2),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n+2\r\nab\r\n0\r\n\r\n", ["malformed chunk size"]),
        (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", ["unknown coding"]),
        (HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n", ["chunked is not the final coding, once"]),
        (HEAD + b"A: b\r\n c\r\n\r\n", ["folded line"]),
        (HEAD + b"Host: x\r\n\r\n", ["two Hosts"]),
        (b"GET /v1/a HTTP/1.1\r\n\r\n", ["no Host"]),
        (b"GET /v1/a HTTP/1.0\r\n\r\n" + HEAD, ["valid"]),
        (b"\r\nGET /v1/a HTTP/2.0\r\n\r\n", ["other major version; no Host"]),
        (HEAD, ["cut off"]),
        (b"", []),
    ],
)
def test_the_oracle_reads_as_rfc_9112_says(stream: bytes, verdicts: list[str]) -> None:
    assert [step.why for step in foresee(stream, AUTHORIZATION)] == verdicts


def test_the_same_seed_gives_the_same_stream() -> None:
    generators = [Generator(AUTHORIZATION, b"/v1/actions/x") for _ in range(2)]

    assert [generators[0].stream(f"1:{n}") for n in range(50)] == [generators[1].stream(f"1:{n}") for n in range(50)]
