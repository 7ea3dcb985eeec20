"""What the report says about clients that never got as far as a request."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import certifi
import pytest
import requests
from http_bytes import Wire

from pytest_redis_actions import RedisActions
from pytest_redis_actions.api.incidents import Incident, Incidents

Make = Callable[..., RedisActions]


@pytest.fixture
def secure(make_redis_actions: Make) -> RedisActions:
    return make_redis_actions(tls=True)


def told(stub: RedisActions) -> list[str]:
    """Return the report without its title."""
    assert stub.was_reached()
    return stub.report().splitlines()[1:]


def test_a_client_that_does_not_trust_the_ca(secure: RedisActions) -> None:
    for _ in range(2):
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(secure.url)

    assert told(secure) == [
        "     0.0s  2 TLS handshakes failed: the client does not trust the stub's CA",
        "           fix  pass redis_actions.ca_file to the client: verify=, cafile=, --cacert",
    ]


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_variable_that_overrides_what_was_passed_is_named(
    secure: RedisActions, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, certifi.where())
    session = requests.Session()
    session.verify = str(secure.ca_file)

    with pytest.raises(requests.exceptions.SSLError):
        session.get(secure.url)

    assert told(secure)[2] == f"           {name} is set in the environment: it overrides Session.verify of requests"


def test_the_variable_is_not_named_without_a_handshake(
    redis_actions: RedisActions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certifi.where())
    with Wire(redis_actions) as wire:
        wire.send(b"nonsense\r\n\r\n")
        wire.read()

    assert "REQUESTS_CA_BUNDLE" not in redis_actions.report()


def test_a_client_that_refuses_the_name(secure: RedisActions) -> None:
    context = ssl.create_default_context(cafile=str(secure.ca_file))

    with (
        socket.create_connection(("127.0.0.1", secure.port)) as plain,
        pytest.raises(ssl.SSLCertVerificationError),
        context.wrap_socket(plain, server_hostname="example.com"),
    ):
        pass

    assert told(secure)[0] == "     0.0s  1 TLS handshake failed: the client refuses the certificate (bad certificate)"


@pytest.mark.parametrize("kind", ["untrusted", "expired"])
def test_a_certificate_that_is_to_be_refused(make_redis_actions: Make, kind: str) -> None:
    stub = make_redis_actions(tls=kind)

    with pytest.raises(requests.exceptions.SSLError):
        requests.get(stub.url, verify=str(stub.ca_file))

    assert told(stub)[1] == f"           fix  none if the client has to refuse it: tls={kind!r} asks for that"


def test_plain_http_on_the_port_for_https_is_answered_and_told(secure: RedisActions) -> None:
    reply = requests.get(f"http://127.0.0.1:{secure.port}/v1/actions", auth=secure.auth)

    assert (reply.status_code, reply.json()["error_code"]) == (400, "bad_request")
    assert "the port for HTTPS" in reply.json()["description"]
    assert reply.headers["connection"] == "close"
    assert told(secure) == [
        "     0.0s  1 plain HTTP request came to the port for HTTPS",
        "           fix  use redis_actions.url, which begins with https://",
    ]


def test_a_large_plain_request_on_the_port_for_https_sees_the_reply(secure: RedisActions) -> None:
    reply = requests.post(f"http://127.0.0.1:{secure.port}/v1/bdbs", data=b"x" * 5_000_000)

    assert reply.status_code == 400


def test_https_on_the_port_for_plain_http_is_told(redis_actions: RedisActions) -> None:
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(f"https://127.0.0.1:{redis_actions.port}/v1/actions")

    first, fix, *_ = told(redis_actions)
    assert first == "     0.0s  1 TLS handshake came to the port for plain HTTP"
    assert fix.startswith("           fix  use redis_actions.url, which begins with http://")


def test_a_client_that_hangs_up_in_the_handshake(secure: RedisActions) -> None:
    with socket.create_connection(("127.0.0.1", secure.port)) as client:
        client.sendall(b"\x16\x03\x01")

    assert told(secure)[0] == ("     0.0s  1 TLS handshake failed: the client hung up; it may not trust the stub's CA")


def test_a_client_that_does_not_go_on_with_the_handshake(secure: RedisActions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secure.httpserver, "read_seconds", 0.05)

    with socket.create_connection(("127.0.0.1", secure.port)) as client:
        client.sendall(b"\x16\x03\x01")
        assert client.recv(1) == b""

    assert told(secure)[0] == "     0.0s  1 TLS handshake failed: the client did not continue"


def test_a_handshake_that_drips_is_given_up_after_the_time_for_a_whole_one(
    secure: RedisActions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secure.httpserver, "read_seconds", 0.3)

    sent = 0
    with socket.create_connection(("127.0.0.1", secure.port)) as client, suppress(ConnectionError):
        client.sendall(b"\x16\x03\x01\x40\x00")
        client.settimeout(0.05)
        for _ in range(1000):
            with suppress(TimeoutError):
                if not client.recv(1):
                    break
            client.sendall(b"\1")
            sent += 1

    assert 3 <= sent < 1000
    assert told(secure)[0].startswith("     0.0s  1 TLS handshake failed: ")


def test_noise_on_the_port_for_https(secure: RedisActions) -> None:
    with socket.create_connection(("127.0.0.1", secure.port)) as client:
        client.sendall(b"\0\1\2")
        assert client.recv(1) == b""

    assert told(secure)[0] == "     0.0s  1 connection to the port for HTTPS did not speak TLS"


def test_protocols_that_do_not_meet(secure: RedisActions) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES256-GCM-SHA384")  # for RSA only; the stub has an elliptic key

    with (
        socket.create_connection(("127.0.0.1", secure.port)) as plain,
        pytest.raises(ssl.SSLError),
        context.wrap_socket(plain),
    ):
        pass

    assert told(secure)[0] == "     0.0s  1 TLS handshake failed: no shared cipher"


def test_a_look_whether_the_port_is_open_is_not_an_incident(secure: RedisActions, redis_actions: RedisActions) -> None:
    for stub in (secure, redis_actions):
        socket.create_connection(("127.0.0.1", stub.port)).close()

        assert not stub.was_reached()


def test_a_test_that_fails_with_the_wrong_ca_says_so(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest, requests

        @pytest.mark.redis_actions(tls=True)
        def test_it(redis_actions):
            requests.get(redis_actions.url + "/v1/actions", auth=redis_actions.auth)
        """
    )

    result = pytester.runpytest("-p", "no:randomly")

    result.stdout.fnmatch_lines(
        [
            "*- redis_actions -*",
            "*1 TLS handshake failed: the client does not trust the stub's CA",
            "*fix  pass redis_actions.ca_file to the client: verify=, cafile=, --cacert",
        ]
    )


def test_an_incident_belongs_to_the_test_that_runs(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest, requests

        pytestmark = pytest.mark.redis_actions(tls=True)

        def test_first(redis_actions):
            with pytest.raises(requests.exceptions.SSLError):
                requests.get(redis_actions.url)

        def test_second(redis_actions):
            assert 0
        """
    )

    result = pytester.runpytest("-p", "no:randomly")

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.no_fnmatch_line("*TLS handshake*")


class TestBounds:
    def test_a_hundred_thousand_incidents_are_a_few_lines(self) -> None:
        incidents = Incidents()
        for number in range(100_000):
            incidents.add(Incident("request", f"refused: {number % 1000}"), number)

        lines = list(incidents.lines())
        assert len(lines) == 21
        assert lines[0] == "     0.0s  100 requests refused: 0"
        assert lines[-1] == "    20.0s  98000 further incidents of other kinds"

    def test_many_threads_count_right(self) -> None:
        from concurrent.futures import ThreadPoolExecutor

        incidents = Incidents()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: incidents.add(Incident("x", "y"), 0), range(4000)))

        assert list(incidents.lines()) == ["     0.0s  4000 xs y"]


class TestTheHostOfAStubThatLetsEverybodyIn:
    """A web page whose name was made to point at the stub (DNS rebinding) sends its own name as Host."""

    @pytest.fixture
    def stub(self, make_redis_actions: Make) -> RedisActions:
        return make_redis_actions(auth=False)

    def code(self, stub: Any, host: str, target: str = "/v1/actions") -> int:
        with Wire(stub) as wire:
            wire.send(f"GET {target} HTTP/1.1\r\nHost: {host.format(port=stub.port)}\r\n\r\n".encode())
            return wire.read().code

    @pytest.mark.parametrize(
        "host", ["127.0.0.1:{port}", "localhost:{port}", "LocalHost:{port}", "[::1]:{port}", "127.9.9.9:{port}"]
    )
    def test_it_may_be_a_loopback_address_with_the_port(self, stub: RedisActions, host: str) -> None:
        assert self.code(stub, host) == 200

    @pytest.mark.parametrize(
        "host",
        [
            "evil.example",
            "evil.example:{port}",
            "127.0.0.1.evil.example:{port}",
            "localhost.evil.example:{port}",
            "127.0.0.1",
            "127.0.0.1:1",
            "192.168.0.1:{port}",
            "0.0.0.0:{port}",
            "[::]:{port}",
            "2130706433:{port}",
        ],
    )
    def test_anything_else_is_misdirected(self, stub: RedisActions, host: str) -> None:
        assert self.code(stub, host) == 421
        assert len(stub.journal) == 0
        assert told(stub)[0] == (
            f"     0.0s  1 request refused: 421 with auth=False, Host must be 127.0.0.1:{stub.port}"
        )

    def test_an_absolute_target_stands_above_the_field(self, stub: RedisActions) -> None:
        here = f"http://127.0.0.1:{stub.port}/v1/actions"
        assert self.code(stub, "evil.example", here) == 200
        assert self.code(stub, "127.0.0.1:{port}", "http://evil.example/v1/actions") == 421

    def test_with_credentials_it_does_not_matter(self, redis_actions: RedisActions) -> None:
        assert self.code(redis_actions, "evil.example") == 401

    def test_a_handler_of_the_test_s_own_sees_every_host(self, stub: RedisActions) -> None:
        stub.httpserver.expect_request("/mine").respond_with_data("mine")

        assert self.code(stub, "api.example", "/mine") == 200
