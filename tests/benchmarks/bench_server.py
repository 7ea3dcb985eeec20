"""What a poll, a stop, a large stub and an unused plugin cost, each as a ratio to something measured in the same run.

python tests/benchmarks/bench_server.py [SCALE]      SCALE 1 by default; 0.1 for a quick look
"""

from __future__ import annotations

import base64
import http.client
import http.server
import logging
import os
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytest_httpserver import HTTPServer

from pytest_redis_actions import RedisActions, running
from pytest_redis_actions.server import StubServer
from pytest_redis_actions.server.certificates import Authority
from pytest_redis_actions.stub.options import Options

BODY = b'{"status":"running"}'


Sent = tuple[list[tuple[str, str]], bytes]  # the fields and the body of a reply


class _Idle(http.server.BaseHTTPRequestHandler):
    """The least that a keep-alive handler of the standard library can do to send such a reply: the floor.

    It has a thread for each connection and writes the head and the body at once, as the stub does, and it looks at
    nothing of the request. Its parser is the standard library's, which costs some 20 microseconds more than the stub's.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    sent: Sent = [("Content-Length", str(len(BODY)))], BODY

    def do_GET(self) -> None:
        fields, body = self.sent
        self.send_response_only(200)
        for name, value in fields:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def floor(context: ssl.SSLContext | None, sent: Sent) -> Iterator[int]:
    handler = type("Idle", (_Idle,), {"sent": sent})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def plain(context: ssl.SSLContext | None) -> Iterator[int]:
    server = HTTPServer(host="127.0.0.1", ssl_context=context)
    server.start()
    server.expect_request("/v1/actions/x").respond_with_data(BODY)
    yield server.port
    server.stop()


@contextmanager
def stub(authority: Authority | None, operations: int = 1) -> Iterator[tuple[RedisActions, str]]:
    server = StubServer(authority=authority)
    server.start()
    made = RedisActions.on(server, Options())
    uid = [made.add_action("migrate_shards", script=[running()]).uid for _ in range(operations)][-1]
    yield made, uid
    server.stop()


def connect(port: int, context: ssl.SSLContext | None) -> http.client.HTTPConnection:
    if context is None:
        return http.client.HTTPConnection("127.0.0.1", port)
    return http.client.HTTPSConnection("127.0.0.1", port, context=context)


def headers_for(auth: tuple[str, str]) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(":".join(auth).encode()).decode()}


def one_reply(port: int, path: str, context: ssl.SSLContext | None, auth: tuple[str, str]) -> Sent:
    connection = connect(port, context)
    connection.request("GET", path, headers=headers_for(auth))
    response = connection.getresponse()
    fields, body = response.getheaders(), response.read()
    connection.close()
    return fields, body


def per_poll(
    port: int, path: str, polls: int, context: ssl.SSLContext | None, auth: tuple[str, str] = ("a", "b")
) -> float:
    """Return the median cost of a poll in milliseconds, of one client on one connection where the server keeps it."""
    headers = headers_for(auth)
    connection = connect(port, context)
    costs = []
    for _ in range(polls):
        began = time.perf_counter()
        connection.request("GET", path, headers=headers)
        connection.getresponse().read()
        costs.append(time.perf_counter() - began)
    connection.close()
    return statistics.median(costs) * 1000


def interleaved(rounds: int, *measures: Callable[[], float]) -> list[float]:
    """Return the median of each measure, taken in turns so that noise meets all of them alike."""
    taken = [[measure() for measure in measures] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*taken, strict=True)]


def line(what: str, ratio: float, target: str, figures: str) -> None:
    print(f"{what:<46} {ratio:8.2f} x   (wanted: {target:<14}) {figures}", flush=True)


def one_transport(
    scale: float, authority: Authority | None, server_side: ssl.SSLContext | None, client_side: ssl.SSLContext | None
) -> list[float]:
    many, few = max(20, int(400 * scale)), max(5, int(40 * scale))
    with stub(authority) as (made, uid), plain(server_side) as plain_port:
        path = f"/v1/actions/{uid}"
        with floor(server_side, one_reply(made.port, path, client_side, made.auth)) as floor_port:
            return interleaved(
                9,
                lambda: per_poll(made.port, path, many, client_side, made.auth),
                lambda: per_poll(plain_port, "/v1/actions/x", few, client_side),
                lambda: per_poll(floor_port, path, many, client_side, made.auth),
            )


def polls(scale: float) -> None:
    authority = Authority()
    for scheme in ("http", "https"):
        server_side = authority.context() if scheme == "https" else None
        client_side = ssl.create_default_context(cafile=str(authority.ca_file)) if scheme == "https" else None
        figures = one_transport(scale, authority if client_side else None, server_side, client_side)
        told = "stub {:.3f} ms, pytest-httpserver {:.3f} ms, floor {:.3f} ms".format(*figures)
        ours, theirs, least = figures
        wanted = "at least 20" if client_side else "at least 1.5"
        line(f"one poll over {scheme}: pytest-httpserver / stub", theirs / ours, wanted, told)
        line(f"one poll over {scheme}: stub / floor", ours / least, "at most 1.3", told)
    authority.close()


def stops(scale: float) -> None:
    def stop(make: Callable[[], HTTPServer]) -> float:
        server = make()
        server.start()
        time.sleep(0.01)
        began = time.perf_counter()
        server.stop()
        return (time.perf_counter() - began) * 1000

    ours, theirs = interleaved(
        max(3, int(10 * scale)), lambda: stop(StubServer), lambda: stop(lambda: HTTPServer(host="127.0.0.1"))
    )
    line("stop: pytest-httpserver / stub", theirs / ours, "at least 50", f"stub {ours:.2f} ms, {theirs:.0f} ms")


def sizes(scale: float) -> None:
    with stub(None, 10) as (small, small_uid), stub(None, max(1000, int(100_000 * scale))) as (large, large_uid):
        ten, hundred_thousand = interleaved(
            7,
            lambda: per_poll(small.port, f"/v1/actions/{small_uid}", 200, None, small.auth),
            lambda: per_poll(large.port, f"/v1/actions/{large_uid}", 200, None, large.auth),
        )
    figures = f"{hundred_thousand:.3f} ms against {ten:.3f} ms"
    line("one poll of 100,000 operations / of 10", hundred_thousand / ten, "1", figures)


def slow_replies() -> None:
    from werkzeug import Request, Response

    def slow(_: Request) -> Response:
        time.sleep(0.1)
        return Response("ok")

    def ask(port: int, times: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for _ in range(times):
            connection.request("GET", "/slow")
            connection.getresponse().read()
        connection.close()

    def at_once(port: int) -> float:
        threads = [threading.Thread(target=ask, args=(port, 1)) for _ in range(10)]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter() - began

    def two(port: int) -> float:
        began = time.perf_counter()
        ask(port, 2)
        return time.perf_counter() - began

    with stub(None) as (made, _):
        made.httpserver.expect_request("/slow").respond_with_handler(slow)
        ten_at_once, two_in_turn = interleaved(5, lambda: at_once(made.port), lambda: two(made.port))
    figures = f"{ten_at_once * 1000:.0f} ms against {two_in_turn * 1000:.0f} ms"
    line("ten replies of 100 ms at once / two in turn", ten_at_once / two_in_turn, "below 1", figures)


def unused_plugin(scale: float) -> None:
    """Time whole sessions of one empty test, with and without the plugin, in interleaved pairs."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "test_it.py").write_text("def test_it():\n    pass\n")
        base = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:xdist", folder]
        for option in ([], ["-B"]):

            def session(*more: str, option: list[str] = option) -> float:
                # In processor time: on a shared machine the wall clock differs by more than what is looked for.
                before = os.times()
                subprocess.run([sys.executable, *option, *base, *more], check=True, capture_output=True, cwd=folder)
                after = os.times()
                user, system = (
                    after.children_user - before.children_user,
                    after.children_system - before.children_system,
                )
                return (user + system) * 1000

            session()
            pairs = [(session(), session("-p", "no:redis_actions")) for _ in range(max(3, int(30 * scale)))]
            extra = statistics.median(used - unused for used, unused in pairs)
            without = statistics.median(unused for _, unused in pairs)
            name = "unused plugin" + (", no bytecode written" if option else "")
            line(f"{name}: with / without", (without + extra) / without, "at most +5 ms", f"{extra:+.1f} ms")


def main(scale: float = 1.0) -> None:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    polls(scale)
    stops(scale)
    sizes(scale)
    slow_replies()
    unused_plugin(scale)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
