"""What is kept of a request, and what is not."""

from __future__ import annotations

import pytest

from pytest_redis_actions.observed.redaction import Headers, blank, safe_target, secrets_of


def test_values_of_headers_that_are_not_on_the_list_are_hidden_and_names_stay() -> None:
    given = {
        "authorization": "Basic dXNlcjpzZWNyZXQ=",
        "cookie": "sid=secret",
        "accept": "*/*",
        "x-api-key": "x",
        "x-team": "blue",
        "host": "user:secret@127.0.0.1",
    }

    assert Headers(given) == {
        "authorization": "Basic ***",
        "cookie": "***",
        "accept": "*/*",
        "x-api-key": "***",
        "x-team": "***",
        "host": "***",
    }
    assert Headers({"authorization": "dXNlcjpzZWNyZXQ="}) == {"authorization": "***"}
    assert Headers({"authorization": "secret dXNlcjpzZWNyZXQ="}) == {"authorization": "***"}


def test_a_hidden_value_can_be_asked_for_and_not_read() -> None:
    headers = Headers({"x-team": "blue", "accept": "*/*", "user-agent": "x" * 300 + "\x1b"})

    assert headers.has("X-Team")
    assert headers.has("X-Team", "blue")
    assert not headers.has("X-Team", "***")
    assert not headers.has("X-Team", "red")
    assert not headers.has("X-Other")
    assert headers.has("Accept", "*/*")
    assert not headers.has("Accept", "text/html")
    assert headers.has("User-Agent", "x" * 300 + "\x1b")
    assert headers["user-agent"].isprintable()
    assert "blue" not in str(vars(headers)) + repr(headers)


@pytest.mark.parametrize(
    ("path", "query", "printed"),
    [
        ("/v1/actions/159ca2f8-7bf3-4cda-97e8-4eb560665c28", "", "/v1/actions/159ca2f8-7bf3-4cda-97e8-4eb560665c28"),
        ("/v1/actions", "dry_run=true&fields=uid,name", "/v1/actions?dry_run=true&fields=uid,name"),
        ("/v1/actions", "dry_run", "/v1/actions?dry_run"),
        ("/v1/actions", "a=1;password=s", "/v1/actions?a=***&password=***"),
        ("/v1/actions", "p%61ssword=s", "/v1/actions?password=***"),
        ("/v1/actions", "s3cr3t", "/v1/actions?***"),
        ("/v1/actions", "limit=<script>", "/v1/actions?limit=***"),
        ("/v1/actions", "<s>=1", "/v1/actions?***=***"),
        ("/v1/actions", "limit=3#s", "/v1/actions?limit=3#***"),
        ("/v1/actions#s", "", "/v1/actions#***"),
        ("/v1/actions;password=s/x", "", "/v1/actions;***/x"),
        ("/v1/password%3Ds", "", "/v1/password=***"),
        ("/v1/token=s", "", "/v1/token=***"),
        ("//user:s@host/v1", "", "//***/v1"),
        ("user:s", "", "***"),
        ("/" + "s" * 65, "", "/ssssssss…"),
        ("/v1/%2e%2e/x", "", "/v1/%2e%2e/x"),
        ("/v1/\x1b[31m\n", "", "/v1/\\x1b[31m\\x0a"),
        ("", "", ""),
    ],
)
def test_a_target_as_it_is_printed(path: str, query: str, printed: str) -> None:
    assert safe_target(path, query) == printed


def test_a_target_of_any_length_is_cut() -> None:
    assert len(safe_target("/x" * 10_000)) == 200
    assert len(safe_target("/v1", "a=1&" * 10_000)) == 200


@pytest.mark.parametrize("path", ["/v1/s3cr3t", "/v1/x-s3cr3t-x", "/v1/s3%63r3t"])
def test_a_secret_that_is_known_is_hidden_wherever_it_stands(path: str) -> None:
    assert safe_target(path, known=["s3cr3t"]) == "/v1/***"


def test_what_stands_in_hidden_headers_is_known_as_secret() -> None:
    headers = {"authorization": "Basic bWU6czNjcjN0", "x-api-key": "k3y!", "accept": "text/html", "x-n": "1"}

    assert secrets_of(headers) == {"Basic bWU6czNjcjN0", "bWU6czNjcjN0", "s3cr3t", "k3y!"}
    assert secrets_of({"authorization": "Bearer t0ken"}) == {"Bearer t0ken", "t0ken"}
    assert secrets_of({"authorization": "Basic !!!!"}) == {"Basic !!!!", "!!!!"}
    assert secrets_of({}) == set()


@pytest.mark.parametrize(
    ("value", "blanked"),
    [("s", "***"), (7, 0), (7.5, 0.0), ({"a": 1}, {}), ([1], []), (True, True), (None, None)],
)
def test_a_blank_is_of_the_same_type_and_tells_nothing(value: object, blanked: object) -> None:
    assert blank(value) == blanked
    assert type(blank(value)) is type(value)
