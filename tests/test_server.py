from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from http_bytes import Wire
from werkzeug import Request, Response

from pytest_redis_actions import RedisActions, active, faults, gone
from pytest_redis_actions.errors import PortInUse, UsageError
from pytest_redis_actions.server import StubServer, check_host
from pytest_redis_actions.server.connection import Connection
from pytest_redis_actions.stub.options import Options


def threads_of_stubs() -> set[threading.Thread]:
    return {
        thread
        for thread in threading.enumerate()
        if thread.name == "redis-actions" or getattr(getattr(thread, "_target", None), "__name__", "") == "_serve"
    }


class TestConnections:
    def test_one_session_opens_one_connection(self, redis_actions: RedisActions) -> None:
        action = redis_actions.add_action("migrate_shards")

        with requests.Session() as session:
            for _ in range(20):
                session.get(f"{redis_actions.url}/v1/actions/{action.uid}", auth=redis_actions.auth)

        assert {exchange.connection for exchange in action.polls} == {action.polls[0].connection}
        assert len(action.polls) == 20

    def test_pipelined_requests_are_answered_in_order(self, redis_actions: RedisActions) -> None:
        action = redis_actions.add_action("migrate_shards")

        with Wire(redis_actions) as wire:
            wire.send(wire.request(f"GET /v1/actions/{action.uid} HTTP/1.1") * 3)
            bodies = [wire.read().body for _ in range(3)]

        assert [b"queued" in bodies[0], b"starting" in bodies[1], b"running" in bodies[2]] == [True] * 3

    def test_an_http_1_0_client_is_answered_and_hung_up_on(self, redis_actions: RedisActions) -> None:
        with Wire(redis_actions) as wire:
            answer = wire.ask("GET /v1/actions HTTP/1.0")

            assert (answer.code, answer.headers["connection"]) == (200, "close")
            assert wire.is_closed()

    def test_an_http_1_0_client_may_keep_its_connection(self, redis_actions: RedisActions) -> None:
        with Wire(redis_actions) as wire:
            assert wire.ask("GET /v1/actions HTTP/1.0", "Connection: keep-alive").headers["connection"] == "keep-alive"
            assert wire.ask("GET /v1/actions HTTP/1.1").code == 200

    def test_a_client_that_wants_to_close_is_hung_up_on(self, redis_actions: RedisActions) -> None:
        with Wire(redis_actions) as wire:
            assert wire.ask("GET /v1/actions HTTP/1.1", "Connection: close").headers["connection"] == "close"
            assert wire.is_closed()

    def test_head_has_the_length_of_the_body_and_no_body(self, redis_actions: RedisActions) -> None:
        with Wire(redis_actions) as wire:
            head = wire.ask("HEAD /v1/actions HTTP/1.1")
            whole = wire.ask("GET /v1/actions HTTP/1.1")

        assert head.headers["content-length"] == str(len(whole.body))

    def test_a_client_that_expects_to_be_asked_is_asked(self, redis_actions: RedisActions) -> None:
        with Wire(redis_actions) as wire:
            wire.send(wire.request("PUT /v1/bdbs/1 HTTP/1.1", "Expect: 100-continue", "Content-Length: 2"))
            assert wire.file.readline() == b"HTTP/1.1 100 Continue\r\n"
            assert wire.file.readline() == b"\r\n"
            wire.send(b"{}")

            assert wire.read().code == 200

    def test_ten_slow_replies_at_once_cost_less_than_two_after_one_another(self, redis_actions: RedisActions) -> None:
        meeting = threading.Barrier(10, timeout=30)

        def wait_for_the_others(_: Request) -> Response:
            meeting.wait()
            return Response("ok")

        redis_actions.httpserver.expect_request("/slow").respond_with_handler(wait_for_the_others)

        with ThreadPoolExecutor(10) as pool:
            codes = list(pool.map(lambda _: requests.get(f"{redis_actions.url}/slow").status_code, range(10)))

        assert codes == [200] * 10


class TestHostileBytes:
    @pytest.mark.parametrize(
        ("uid", "code"),
        [("a%2fb", 404), ("..", 404), ("%2e%2e", 404), ("x" * 10_000, 404), ("%ff%fe", 404)],
    )
    def test_any_uid_is_an_unknown_one(self, redis_actions: RedisActions, uid: str, code: int) -> None:
        with Wire(redis_actions) as wire:
            answer = wire.ask(f"GET /v1/actions/{uid} HTTP/1.1")

            assert (answer.code, answer.error_code) == (code, "action_not_found")
            assert wire.ask("GET /v1/actions HTTP/1.1").code == 200

    @pytest.mark.parametrize(
        ("sent", "code", "error_code"),
        [
            (b"nonsense\r\n\r\n", 400, "bad_request"),
            (b"GET /v1/actions\r\n\r\n", 400, "bad_request"),
            (b"GET /v1/actions HTTP/9.9\r\n\r\n", 505, "bad_request"),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "bad_request"),
            (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", 414, "uri_too_long"),
            (b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 200 + b"\r\n", 431, "bad_request"),
            (b"GET / HTTP/1.1\r\nx: " + b"y" * 70_000 + b"\r\n\r\n", 431, "bad_request"),
            (b"POST /v1/bdbs HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400, "bad_request"),
            (b"POST /v1/bdbs HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400, "bad_request"),
            (b"POST /v1/bdbs HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "bad_request"),
            (b"POST /v1/bdbs HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n", 413, "body_too_large"),
            (b"POST /v1/bdbs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501, "not_implemented"),
            (
                b"POST /v1/bdbs HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n",
                400,
                "bad_request",
            ),
            (b"POST /v1/bdbs HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "bad_request"),
        ],
        ids=lambda value: value[:40].decode("latin-1") if isinstance(value, bytes) else None,
    )
    def test_what_is_no_request_gets_an_error_in_json_and_is_hung_up_on(
        self, redis_actions: RedisActions, sent: bytes, code: int, error_code: str
    ) -> None:
        with Wire(redis_actions) as wire:
            wire.send(sent)

            answer = wire.read()
            assert (answer.code, answer.error_code) == (code, error_code)
            assert wire.is_closed()
        with Wire(redis_actions) as wire:
            assert wire.ask("GET /v1/actions HTTP/1.1").code == 200

    def test_a_body_of_ten_megabytes(self, redis_actions: RedisActions) -> None:
        with Wire(redis_actions) as wire:
            body = b"x" * 10_000_000
            answer = wire.ask("POST /v1/bdbs HTTP/1.1", f"Content-Length: {len(body)}", body=body)

            assert (answer.code, answer.error_code) == (413, "body_too_large")
            assert wire.ask("GET /v1/actions HTTP/1.1").code == 200

    def test_a_chunked_body_is_read(self, redis_actions: RedisActions) -> None:
        with Wire(redis_actions) as wire:
            body = b'8\r\n{"name":\r\n15\r\n"x","memory_size":10}\r\n0\r\n\r\n'
            answer = wire.ask("POST /v1/bdbs HTTP/1.1", "Transfer-Encoding: chunked", body=body)

            assert b'"name":"x"' in answer.body
            assert wire.ask("GET /v1/actions HTTP/1.1").code == 200

    def test_a_length_that_is_too_small_makes_the_rest_a_bad_request(self, redis_actions: RedisActions) -> None:
        with Wire(redis_actions) as wire:
            answer = wire.ask("PUT /v1/bdbs/1 HTTP/1.1", "Content-Length: 2", body=b"{}rest\r\n\r\n")

            assert answer.code == 200
            assert wire.read().code == 400
            assert wire.is_closed()

    def test_a_length_that_is_too_large_ends_when_the_client_stops(self, redis_actions: RedisActions) -> None:
        with Wire(redis_actions) as wire:
            wire.send(wire.request("POST /v1/bdbs HTTP/1.1", "Content-Length: 100", body=b"{}"))
            wire.socket.shutdown(socket.SHUT_WR)

            answer = wire.read()
            assert (answer.code, answer.error_code) == (400, "bad_request")

    def test_a_request_that_never_arrives_whole_is_given_up(
        self, redis_actions: RedisActions, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(redis_actions.httpserver, "read_seconds", 0.2)

        with Wire(redis_actions) as wire:
            wire.send(wire.request("POST /v1/bdbs HTTP/1.1", "Content-Length: 100", body=b"{}"))

            answer = wire.read()
            assert (answer.code, answer.error_code) == (408, "request_timeout")

    def test_a_client_that_hangs_up_harms_nobody(self, redis_actions: RedisActions) -> None:
        for sent in (b"", b"GET /v1/act", b"POST /v1/bdbs HTTP/1.1\r\nContent-Length: 100\r\n\r\n{"):
            with Wire(redis_actions) as wire:
                wire.send(sent)

        with Wire(redis_actions) as wire:
            assert wire.ask("GET /v1/actions HTTP/1.1").code == 200

    def test_none_of_it_is_printed(
        self, redis_actions: RedisActions, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        with Wire(redis_actions) as wire:
            wire.send(b"nonsense\r\n\r\n")
            wire.read()
        with Wire(redis_actions) as wire:
            wire.ask("GET /v1/actions HTTP/1.1")

        assert capfd.readouterr() == ("", "")
        assert caplog.records == []


class TestTls:
    def test_whoever_trusts_the_ca_file_is_served(self, make_redis_actions: Any) -> None:
        stub = make_redis_actions(tls=True)
        assert stub.url.startswith("https://127.0.0.1:")

        for name in ("localhost", "127.0.0.1"):
            reply = requests.get(f"https://{name}:{stub.port}/v1/actions", auth=stub.auth, verify=str(stub.ca_file))
            assert reply.json() == {"actions": [], "state-machines": []}

    def test_whoever_does_not_trust_it_fails(self, make_redis_actions: Any) -> None:
        stub = make_redis_actions(tls=True)

        with pytest.raises(requests.exceptions.SSLError):
            requests.get(f"{stub.url}/v1/actions", auth=stub.auth)

        assert len(stub.journal) == 0

    def test_a_client_that_never_shakes_hands_keeps_nobody_waiting(self, make_redis_actions: Any) -> None:
        stub = make_redis_actions(tls=True)

        with (
            socket.create_connection(("127.0.0.1", stub.port)),
            socket.create_connection(("127.0.0.1", stub.port)) as plain,
        ):
            plain.sendall(b"GET /v1/actions HTTP/1.1\r\n\r\n")
            reply = requests.get(f"{stub.url}/v1/actions", auth=stub.auth, verify=str(stub.ca_file), timeout=10)

        assert reply.status_code == 200

    def test_without_tls_there_is_no_ca_file(self, redis_actions: RedisActions) -> None:
        assert redis_actions.ca_file is None


class TestHandlersOfTheTest:
    def test_what_is_registered_is_served_by_the_same_port_and_wins(self, redis_actions: RedisActions) -> None:
        redis_actions.httpserver.expect_request("/v1/bdbs/1").respond_with_json({"status": "active"})
        redis_actions.httpserver.expect_oneshot_request("/v1/actions").respond_with_data("mine", status=503)

        with requests.Session() as session:
            session.auth = redis_actions.auth
            answers = [session.get(redis_actions.url + path) for path in ("/v1/bdbs/1", "/v1/actions", "/v1/actions")]

        assert [answer.status_code for answer in answers] == [200, 503, 200]
        assert answers[0].json() == {"status": "active"}
        assert answers[2].json() == {"actions": [], "state-machines": []}

    def test_a_handler_sees_the_request_whole(self, redis_actions: RedisActions) -> None:
        redis_actions.httpserver.expect_request(
            "/v1/bdbs/1/actions/backup",
            method="POST",
            json={"a": [1]},
            headers={"X-Mine": "yes"},
            query_string={"b": "2"},
        ).respond_with_data("seen")

        reply = requests.post(
            f"{redis_actions.url}/v1/bdbs/1/actions/backup?b=2", json={"a": [1]}, headers={"X-Mine": "yes"}
        )

        assert reply.text == "seen"
        assert len(redis_actions.httpserver.log) == 1

    def test_a_chunked_body_reaches_a_handler(self, redis_actions: RedisActions) -> None:
        redis_actions.httpserver.expect_request("/up", data="ab").respond_with_data("seen")

        assert requests.post(f"{redis_actions.url}/up", data=iter([b"a", b"b"])).text == "seen"

    def test_ordered_handlers_keep_their_order_beside_the_api(self, redis_actions: RedisActions) -> None:
        for word in ("first", "second"):
            redis_actions.httpserver.expect_ordered_request(f"/{word}").respond_with_data(word)

        texts = [
            requests.get(f"{redis_actions.url}{path}", auth=redis_actions.auth).text
            for path in ("/first", "/v1/actions", "/second")
        ]

        assert texts == ["first", '{"actions":[],"state-machines":[]}', "second"]

    def test_a_streaming_handler_that_sets_a_hostile_header_cannot_split_the_reply(
        self, redis_actions: RedisActions
    ) -> None:
        def respond(_: Request) -> Response:
            response = Response(iter(["a", "b"]))
            response.headers._list.append(("X-Bad", "1\r\nX-Worse: 2"))
            return response

        redis_actions.httpserver.expect_request("/x").respond_with_handler(respond)

        reply = requests.get(f"{redis_actions.url}/x")

        assert reply.text == "ab"
        assert "X-Worse" not in reply.headers


class TestHangingUp:
    """A client that waits for a reply holds virtual time; one that has gone does not."""

    @pytest.fixture
    def ends(self) -> Iterator[tuple[Connection, socket.socket]]:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            client = socket.create_connection(listening.getsockname())
            connection = Connection(listening.accept()[0], 1, StubServer())
        yield connection, client
        client.close()
        connection.hang_up(close=True)

    def test_a_client_that_waits(self, ends: tuple[Connection, socket.socket]) -> None:
        connection, _ = ends

        assert not connection.has_hung_up()

    def test_a_client_that_sends_its_next_request_early(self, ends: tuple[Connection, socket.socket]) -> None:
        connection, client = ends
        client.sendall(b"GET /")

        assert not connection.has_hung_up()

    def test_a_client_that_has_gone(self, ends: tuple[Connection, socket.socket]) -> None:
        connection, client = ends
        client.close()

        assert connection.has_hung_up()

    def test_a_connection_that_is_closed_here(self, ends: tuple[Connection, socket.socket]) -> None:
        connection, _ = ends
        connection.hang_up(close=True)

        assert connection.has_hung_up()


class TestTestsThatEndInBetween:
    """A request belongs to the test during which it arrived, whatever becomes of that test before its reply."""

    def test_the_reply_of_a_handler_is_noted_where_the_request_belongs(
        self, redis_actions: RedisActions, make_redis_actions: Any
    ) -> None:
        later = make_redis_actions()

        def respond(_: Request) -> Response:
            redis_actions.httpserver.endpoint = later._endpoint  # type: ignore[attr-defined]  # a StubServer
            return Response("ok")

        redis_actions.httpserver.expect_request("/slow").respond_with_handler(respond)

        requests.get(f"{redis_actions.url}/slow")

        assert (len(redis_actions.journal), len(later.journal)) == (1, 0)

    def test_a_reply_of_the_api_takes_its_time(
        self, redis_actions: RedisActions, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        redis_actions.fault(faults.takes(300))
        endpoint, server = redis_actions._endpoint, redis_actions.httpserver
        handle = endpoint.handle

        def ends_in_between(request: Any) -> Any:
            server.endpoint = None  # type: ignore[attr-defined]  # a StubServer
            return handle(request)

        monkeypatch.setattr(endpoint, "handle", ends_in_between)

        reply = requests.get(f"{redis_actions.url}/v1/actions", auth=redis_actions.auth)

        assert reply.status_code == 200
        assert redis_actions.clock.seconds == 300


class TestOpeningAndClosing:
    def test_nothing_is_left_behind(self) -> None:
        before = threads_of_stubs()
        server = StubServer()
        server.start()
        stub = RedisActions.on(server, Options())
        stub.add_state_machine("SMUpdateBDB", object_name="bdb:1", script=[active(), gone()])
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("GET", "/v1/actions")
        connection.getresponse().read()

        server.stop()
        connection.close()

        assert threads_of_stubs() <= before
        assert not server.is_running()
        with pytest.raises(OSError, match=r".*"):
            socket.create_connection(("127.0.0.1", server.port), timeout=1).close()

    def test_a_parked_server_has_no_thread_for_a_client_that_comes_again_and_again(self) -> None:
        before = threads_of_stubs()
        server = StubServer()
        server.start()
        held = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        held.connect()

        server.park()
        held.request("GET", "/v1/actions")
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
                client.sendall(b"GET /v1/actions HTTP/1.1\r\nHost: x\r\n\r\n")
        held.close()
        for thread in threads_of_stubs() - before:
            thread.join(10)

        assert threads_of_stubs() <= before

    def test_stopping_twice_is_no_harm(self) -> None:
        server = StubServer()
        server.start()

        server.stop()
        server.stop()

    def test_a_fixed_port_that_is_taken_is_named(self, redis_actions: RedisActions, make_redis_actions: Any) -> None:
        with pytest.raises(PortInUse) as caught:
            make_redis_actions(port=redis_actions.port)

        assert str(caught.value).splitlines()[0] == f"port {redis_actions.port} on 127.0.0.1 is already in use"

    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "example.com", "", None, 3])
    def test_a_stub_listens_on_loopback_only(self, host: object) -> None:
        with pytest.raises(UsageError) as caught:
            check_host(host)

        assert str(caught.value).splitlines()[0] == f"host={host!r} is not a loopback address"

    @pytest.mark.parametrize("port", [-1, 65536, "80", 1.5, True])
    def test_what_is_no_port(self, make_redis_actions: Any, port: object) -> None:
        with pytest.raises(UsageError, match="must be a whole number"):
            make_redis_actions(port=port)

    def test_between_two_tests_a_503_is_answered(self) -> None:
        server = StubServer()
        server.start()
        try:
            reply = requests.get(f"{server.url}/v1/actions")
        finally:
            server.stop()

        assert (reply.status_code, reply.json()["error_code"]) == (503, "no_test_running")


def test_the_port_of_the_url_is_the_port(redis_actions: RedisActions) -> None:
    assert urlsplit(redis_actions.url).port == redis_actions.port
    assert not redis_actions.url.endswith("/")
