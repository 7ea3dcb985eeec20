"""The log of the pytest-httpserver below knows every request, those included that the API has answered."""

from __future__ import annotations

import pytest
import requests
from http_bytes import Wire
from pytest_httpserver import RequestMatcher

from pytest_redis_actions import RedisActions, faults


@pytest.fixture
def session(redis_actions: RedisActions) -> requests.Session:
    session = requests.Session()
    session.auth = redis_actions.auth
    session.headers["X-Team"] = "blue"
    return session


@pytest.mark.redis_actions(strict=False)
def test_requests_are_logged_in_order_whoever_answered(redis_actions: RedisActions, session: requests.Session) -> None:
    redis_actions.httpserver.expect_request("/v1/bdbs/1").respond_with_json({"uid": 1})

    with session:
        for path in ("/v1/actions", "/v1/bdbs/1", "/v1/nothing", "/v1/bdbs/1", "/v2/actions?a=1"):
            session.get(redis_actions.url + path)
        session.post(redis_actions.url + "/v1/bdbs", json={"name": "mine", "memory_size": 1 << 30})

    log = redis_actions.httpserver.log
    assert [(request.method, request.full_path.rstrip("?"), response.status_code) for request, response in log] == [
        ("GET", "/v1/actions", 200),
        ("GET", "/v1/bdbs/1", 200),
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/bdbs/1", 200),
        ("GET", "/v2/actions?a=1", 200),
        ("POST", "/v1/bdbs", 200),
    ]
    assert log[0][1].json == {"actions": [], "state-machines": []}
    assert log[5][0].json == {"name": "mine", "memory_size": 1 << 30}
    assert log[0][0].url == redis_actions.url + "/v1/actions"
    assert redis_actions.httpserver.log == log


def test_its_queries_find_them(redis_actions: RedisActions, session: requests.Session) -> None:
    server = redis_actions.httpserver
    with session:
        for _ in range(3):
            session.get(redis_actions.url + "/v1/actions", params={"a": "1"})

    server.assert_request_made(RequestMatcher("/v1/actions", method="GET", headers={"X-Team": "blue"}), count=3)
    server.assert_request_made(RequestMatcher("/v1/actions", query_string={"a": "1"}), count=3)
    server.assert_request_made(RequestMatcher("/v1/actions", method="DELETE"), count=0)
    assert server.get_matching_requests_count(RequestMatcher("/v1/actions")) == 3
    assert len(list(server.iter_matching_requests(RequestMatcher("/v1/actions")))) == 3
    with pytest.raises(AssertionError, match="Matching request found 3 times but expected 1 times"):
        server.assert_request_made(RequestMatcher("/v1/actions"))


def test_a_request_whose_reply_never_arrives_is_logged_too(redis_actions: RedisActions) -> None:
    redis_actions.fault(faults.reset())

    with Wire(redis_actions) as wire:
        wire.send(wire.request("GET /v1/actions HTTP/1.1"))
        with pytest.raises(ConnectionResetError):
            wire.file.read(1)

    assert len(redis_actions.httpserver.log) == 1


@pytest.mark.parametrize("turn", range(2))
def test_each_test_has_its_own(redis_actions: RedisActions, session: requests.Session, turn: int) -> None:
    assert redis_actions.httpserver.log == []

    with session:
        session.get(redis_actions.url + "/v1/actions")
        assert len(redis_actions.httpserver.log) == 1
        redis_actions.httpserver.clear_log()
        session.get(redis_actions.url + "/v2/actions")

    assert [request.path for request, _ in redis_actions.httpserver.log] == ["/v2/actions"]


def test_nothing_is_built_before_it_is_read(redis_actions: RedisActions, session: requests.Session) -> None:
    built = []
    server = redis_actions._server
    original = server._werkzeug_request
    server._werkzeug_request = lambda *given: built.append(given) or original(*given)  # type: ignore[method-assign,func-returns-value]
    try:
        with session:
            for _ in range(3):
                session.get(redis_actions.url + "/v1/actions")
        assert built == []
        assert len(server.log) == 3
        assert len(built) == 3
    finally:
        del server._werkzeug_request
