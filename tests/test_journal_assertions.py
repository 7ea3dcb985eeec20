"""How a client has polled: what the journal alone can tell."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
import requests
from http_bytes import Wire

from pytest_redis_actions import RedisActions, active, completed, failed, faults, gone, running
from pytest_redis_actions.errors import UsageError
from pytest_redis_actions.observed.journal_assertions import PollingError
from pytest_redis_actions.stub.action import Action


@pytest.fixture
def session(redis_actions: RedisActions) -> Any:
    with requests.Session() as made:
        made.auth = redis_actions.auth
        yield made


def poll(stub: RedisActions, session: Any, action: Action, times: int = 1, every: float = 5) -> None:
    for _ in range(times):
        session.get(f"{stub.url}/v1/actions/{action.uid}")
        stub.clock.advance(every)


class TestPolled:
    def test_so_often_and_no_faster(self, redis_actions: RedisActions, session: Any) -> None:
        action = redis_actions.add_action("migrate_shards")
        poll(redis_actions, session, action, 4)

        action.assert_polled(at_least=4, at_most=4, no_faster_than=5)

    @pytest.mark.parametrize(
        ("expected", "told"),
        [
            ({"at_least": 5}, "polled 4 times, at least 5 expected"),
            ({"at_most": 3}, "polled 4 times, at most 3 expected"),
            ({"no_faster_than": 6}, "polled again after 5 s (#1, #2); 6 s expected"),
        ],
    )
    def test_or_else(self, redis_actions: RedisActions, session: Any, expected: Any, told: str) -> None:
        action = redis_actions.add_action("migrate_shards")
        poll(redis_actions, session, action, 4)

        with pytest.raises(PollingError) as caught:
            action.assert_polled(**expected)

        lines = str(caught.value).splitlines()
        assert lines[0] == told
        assert lines[1] == f"  action   {action.uid}"
        assert "queued" in lines[2]

    @pytest.mark.parametrize(
        ("wrong", "told"),
        [
            ({"at_least": -1}, "at_least must be a whole number from 0, not -1"),
            ({"at_least": 1.5}, "at_least must be a whole number from 0, not 1.5"),
            ({"at_most": "3"}, "at_most must be a whole number from 0, not '3'\n  fix  write at_most=3"),
            ({"no_faster_than": True}, "no_faster_than must be a number of seconds above 0, not True"),
            ({"no_faster_than": timedelta(seconds=90)}, "fix  write no_faster_than=90, or ….total_seconds()"),
            ({}, "assert_polled() has no bound"),
            ({"at_least": 0}, "at_least=0 holds for every client"),
            ({"no_faster_than": 0}, "no_faster_than must be a number of seconds above 0, not 0"),
            ({"no_faster_than": float("nan")}, "no_faster_than must be a number of seconds above 0, not nan"),
            ({"at_least": 5, "at_most": 3}, "at_most=3 is below the 5 polls that are expected"),
            ({"at_most": 1, "no_faster_than": 5}, "at_most=1 is below the 2 polls that are expected"),
        ],
    )
    def test_bounds_that_say_nothing(self, redis_actions: RedisActions, wrong: Any, told: str) -> None:
        with pytest.raises(UsageError) as caught:
            redis_actions.add_action("x").assert_polled(**wrong)

        assert told in str(caught.value)
        assert len(str(caught.value).splitlines()[0]) <= 80

    @pytest.mark.parametrize(
        ("bound", "polls", "told"),
        [
            ({"at_most": 3}, 0, "polled 0 times, at least 1 expected"),
            ({"no_faster_than": 5}, 1, "polled 1 time, at least 2 expected"),
            ({"at_most": 0}, 1, "polled 1 time, at most 0 expected"),
        ],
    )
    def test_a_bound_that_had_nothing_to_look_at(
        self, redis_actions: RedisActions, session: Any, bound: Any, polls: int, told: str
    ) -> None:
        action = redis_actions.add_action("migrate_shards")
        poll(redis_actions, session, action, polls)

        with pytest.raises(PollingError) as caught:
            action.assert_polled(**bound)

        assert str(caught.value).splitlines()[0] == told

    def test_fewer_polls_may_be_allowed_by_name(self, redis_actions: RedisActions, session: Any) -> None:
        action = redis_actions.add_action("migrate_shards")
        action.assert_polled(at_most=0)
        poll(redis_actions, session, action)

        action.assert_polled(at_least=1, no_faster_than=5)

    def test_a_list_counts_and_another_method_does_not(self, redis_actions: RedisActions, session: Any) -> None:
        action = redis_actions.add_action("migrate_shards")
        session.get(f"{redis_actions.url}/v1/actions")
        session.delete(f"{redis_actions.url}/v1/actions/{action.uid}")
        session.head(f"{redis_actions.url}/v1/actions/{action.uid}")

        action.assert_polled(at_least=1, at_most=1)
        assert [each.method for each in action.polls] == ["GET"]
        assert [each.method for each in action.requests] == ["GET", "DELETE", "HEAD"]
        assert len(action.trace) == 1

    @pytest.mark.parametrize("fault", [faults.status(503), faults.truncated(), faults.reset(), faults.wrong_shape()])
    def test_a_faulted_poll_counts_and_leaves_the_script(
        self, redis_actions: RedisActions, session: Any, fault: faults.Fault
    ) -> None:
        action = redis_actions.add_action("migrate_shards", script=[running(), completed()])
        machine = redis_actions.add_state_machine("SMUpdateBDB", object_name="bdb:1")
        redis_actions.fault(fault, on=action, polls=2)
        for path in (f"/v1/actions/{action.uid}", "/v1/actions", f"/v1/actions/{action.uid}"):
            try:
                session.get(redis_actions.url + path)
            except requests.ConnectionError:
                assert fault == faults.reset()

        assert [each.fault for each in action.polls] == [fault.name, fault.name, ""]
        assert [body["status"] for _, body in action.trace if "status" in body][-1] == "running"
        assert [each.number for each in machine.polls] == [2]

    def test_a_reply_of_a_handler_counts(self, redis_actions: RedisActions, session: Any) -> None:
        action = redis_actions.add_action("migrate_shards", script=[running(), completed()])
        path = f"/v1/actions/{action.uid}"
        redis_actions.httpserver.expect_oneshot_request(path).respond_with_data("", status=503)
        poll(redis_actions, session, action, 3)

        assert [each.code for each in action.polls] == [503, 200, 200]
        assert [body["status"] for _, body in action.trace] == ["running", "completed"]


class TestAfterTheEnd:
    def test_a_client_that_stops(self, redis_actions: RedisActions, session: Any) -> None:
        action = redis_actions.add_action("migrate_shards", script=[running(), failed()])
        poll(redis_actions, session, action, 2)

        action.assert_not_polled_after_terminal()

    def test_a_client_that_goes_on(self, redis_actions: RedisActions, session: Any) -> None:
        action = redis_actions.add_action("migrate_shards", script=[running(), failed()])
        poll(redis_actions, session, action, 5)

        with pytest.raises(PollingError) as caught:
            action.assert_not_polled_after_terminal()

        assert str(caught.value).splitlines()[0] == "polled 3 more times after failed was seen at #2"
        assert [each.number for each in caught.value.exchanges] == [3, 4, 5]

    def test_nobody_saw_the_end(self, redis_actions: RedisActions, session: Any) -> None:
        action = redis_actions.add_action("migrate_shards", script=[running(), failed()])
        not_started = redis_actions.when("POST", "/v1/bdbs", optional=True)
        poll(redis_actions, session, action)

        for each in (action, not_started):
            with pytest.raises(PollingError, match="no poll saw how the operation ended"):
                each.assert_not_polled_after_terminal()

    def test_a_record_that_has_vanished_is_an_end(self, redis_actions: RedisActions, session: Any) -> None:
        machine = redis_actions.add_state_machine("SMDeleteBDB", object_name="bdb:1", script=[active(), gone()])
        poll(redis_actions, session, machine, 2)
        machine.assert_not_polled_after_terminal()
        poll(redis_actions, session, machine)

        with pytest.raises(PollingError, match="polled 1 more time after gone was seen at #2"):
            machine.assert_not_polled_after_terminal()

    def test_a_404_before_the_record_is_none(self, redis_actions: RedisActions, session: Any) -> None:
        action = redis_actions.when("POST", "/v1/bdbs", script=[completed()])
        poll(redis_actions, session, action)
        session.post(f"{redis_actions.url}/v1/bdbs", json={"name": "db", "memory_size": 1})
        poll(redis_actions, session, action)

        action.assert_not_polled_after_terminal()

    def test_nor_is_one_that_a_fault_has_sent(self, redis_actions: RedisActions, session: Any) -> None:
        action = redis_actions.add_action("migrate_shards", script=[running(), faults.not_found(), running()])
        poll(redis_actions, session, action, 2)

        with pytest.raises(PollingError, match="no poll saw how the operation ended"):
            action.assert_not_polled_after_terminal()


class TestNothingToLookAt:
    @pytest.mark.parametrize(
        ("call", "told"),
        [
            (lambda stub: stub.assert_header("X-Team"), "no request was made"),
            (lambda stub: stub.assert_one_connection(), "no request was made"),
            (lambda stub: stub.assert_no_overlapping_polls(), "no request about an operation was made"),
            (lambda stub: stub.assert_retry_after_honoured(), "no reply had a Retry-After with a time to wait"),
            (lambda stub: stub.add_action("x").assert_no_overlapping_polls(), "no request about an operation was made"),
            (lambda stub: stub.add_action("x").assert_retry_after_honoured(), "no reply had a Retry-After"),
        ],
    )
    def test_is_a_failure(self, redis_actions: RedisActions, call: Any, told: str) -> None:
        with pytest.raises(PollingError) as caught:
            call(redis_actions)

        assert str(caught.value).startswith(told)

    def test_a_client_that_never_came_back(self, redis_actions: RedisActions, session: Any) -> None:
        action = redis_actions.add_action("x", script=[faults.status(503, retry_after=7), running()])
        poll(redis_actions, session, action)

        for holder in (redis_actions, action):
            with pytest.raises(PollingError, match="no client came back after a Retry-After"):
                holder.assert_retry_after_honoured()

    def test_of_one_operation_only_its_own_requests_count(self, redis_actions: RedisActions, session: Any) -> None:
        first, second = (redis_actions.add_action("x") for _ in range(2))
        redis_actions.fault(faults.status(503, retry_after=7), on=first)
        poll(redis_actions, session, first, 2, every=7)
        poll(redis_actions, session, second, 2, every=1)

        first.assert_retry_after_honoured()
        first.assert_no_overlapping_polls()

    @pytest.mark.parametrize("wrong", [(None,), (7,), ("X-Team", 7)])
    def test_a_header_that_is_none(self, redis_actions: RedisActions, wrong: Any) -> None:
        with pytest.raises(UsageError, match="must be a text"):
            redis_actions.assert_header(*wrong)


class TestNeverRequested:
    @pytest.mark.parametrize(
        ("method", "path", "told"),
        [
            ("get", "/v1/actions", "method 'get' is unknown\n  fix  write 'GET'"),
            ("DELTE", "/v1/actions", "method 'DELTE' is unknown\n  fix  write 'DELETE'"),
            ("GET", "v1/actions", "path 'v1/actions' must begin with a slash"),
            ("GET", "http://x/v1/actions", "path 'http://x/v1/actions' must begin with a slash"),
            ("GET", "/v1/actions?x=1", "path '/v1/actions?x=1' must not have a query\n  fix  write '/v1/actions'"),
            ("GET", "/v1/action/{uid}", "the API has no path '/v1/action/{uid}'\n  fix  nearest /v1/actions/{uid}"),
            ("GET", "/v1/nodes/1/acton", "the API has no path '/v1/nodes/1/acton'\n  fix  nearest"),
            ("GET", "/v9/things", "the API has no path '/v9/things'"),
        ],
    )
    def test_what_cannot_be_requested(self, redis_actions: RedisActions, method: str, path: str, told: str) -> None:
        with pytest.raises(UsageError) as caught:
            redis_actions.assert_never_requested(method, path)

        assert told in str(caught.value)

    @pytest.mark.parametrize("path", ["/v1/actions/{uid}", "/v1/actions/159ca2f8", "/v1/nodes/{uid}", "/v1/license"])
    def test_paths_of_the_api(self, redis_actions: RedisActions, path: str) -> None:
        redis_actions.assert_never_requested("DELETE", path)

    @pytest.mark.parametrize("uri", ["/my/own", re.compile("/my/o.n")])
    def test_a_path_that_a_handler_serves(self, redis_actions: RedisActions, session: Any, uri: Any) -> None:
        redis_actions.httpserver.expect_oneshot_request(uri, method="GET").respond_with_data("")
        redis_actions.assert_never_requested("DELETE", "/my/own")
        session.get(f"{redis_actions.url}/my/own")

        redis_actions.assert_never_requested("DELETE", "/my/own")
        with pytest.raises(PollingError, match="GET /my/own was requested 1 time"):
            redis_actions.assert_never_requested("GET", "/my/own")


class TestTheWholeStub:
    @pytest.mark.parametrize("form", ["7", "date"])
    def test_retry_after(self, redis_actions: RedisActions, session: Any, form: str) -> None:
        value = "7" if form == "7" else "Tue, 14 Oct 2025 00:00:07 GMT"
        action = redis_actions.add_action("migrate_shards")
        handler = redis_actions.httpserver.expect_oneshot_request(f"/v1/actions/{action.uid}")
        handler.respond_with_data("", status=503, headers={"Retry-After": value})
        poll(redis_actions, session, action, 1, every=7)
        poll(redis_actions, session, action, 1)
        redis_actions.assert_retry_after_honoured()

    def test_retry_after_not_honoured(self, redis_actions: RedisActions, session: Any) -> None:
        action = redis_actions.add_action("migrate_shards")
        handler = redis_actions.httpserver.expect_oneshot_request(f"/v1/actions/{action.uid}")
        handler.respond_with_data("", status=503, headers={"Retry-After": "7"})
        poll(redis_actions, session, action, 2, every=5)

        with pytest.raises(PollingError, match="Retry-After of 7 s not honoured: back after 5 s"):
            redis_actions.assert_retry_after_honoured()

    @pytest.mark.parametrize("value", ["soon", "-5", "", "Tue, 99 Oct 2025"])
    def test_a_retry_after_that_is_none_binds_nobody(
        self, redis_actions: RedisActions, session: Any, value: str
    ) -> None:
        action = redis_actions.add_action("migrate_shards")
        handler = redis_actions.httpserver.expect_oneshot_request(f"/v1/actions/{action.uid}")
        handler.respond_with_data("", status=503, headers={"Retry-After": value})
        poll(redis_actions, session, action, 2, every=0)

        with pytest.raises(PollingError, match="no reply had a Retry-After with a time to wait"):
            redis_actions.assert_retry_after_honoured()

    def test_a_header_on_every_request(self, redis_actions: RedisActions, session: Any) -> None:
        action = redis_actions.add_action("migrate_shards")
        session.headers["X-Team"] = "blue"
        poll(redis_actions, session, action, 2)
        redis_actions.assert_header("x-team")
        redis_actions.assert_header("X-Team", "blue")

        del session.headers["X-Team"]
        poll(redis_actions, session, action)

        with pytest.raises(PollingError, match="1 requests without the header X-Team"):
            redis_actions.assert_header("X-Team")

    def test_one_connection(self, redis_actions: RedisActions, session: Any) -> None:
        action = redis_actions.add_action("migrate_shards")
        poll(redis_actions, session, action, 3)
        redis_actions.assert_one_connection()

        requests.get(f"{redis_actions.url}/v1/actions", auth=redis_actions.auth)

        with pytest.raises(PollingError, match="2 connections were opened, one expected"):
            redis_actions.assert_one_connection()

    def test_what_was_never_sent(self, redis_actions: RedisActions, session: Any) -> None:
        action = redis_actions.add_action("migrate_shards")
        poll(redis_actions, session, action)
        redis_actions.assert_never_requested("DELETE", "/v1/actions/{uid}")

        session.delete(f"{redis_actions.url}/v1/actions/{action.uid}?force=1")

        with pytest.raises(PollingError) as caught:
            redis_actions.assert_never_requested("DELETE", "/v1/actions/{uid}")
        assert str(caught.value).splitlines()[0] == "DELETE /v1/actions/{uid} was requested 1 time"

    def test_overlapping_polls(self, redis_actions: RedisActions, session: Any) -> None:
        action = redis_actions.add_action("migrate_shards")
        poll(redis_actions, session, action, 2)
        redis_actions.assert_no_overlapping_polls()
        path = f"/v1/actions/{action.uid}"
        redis_actions.httpserver.expect_oneshot_request(path).respond_with_data(b"x" * 30_000_000)

        with Wire(redis_actions) as slow:
            slow.send(slow.request(f"GET {path} HTTP/1.1"))
            slow.file.read(1)  # its reply is under way, and more than the buffers between the two can hold
            poll(redis_actions, session, action)

        with pytest.raises(PollingError, match="#4 came while #3 was not answered yet"):
            redis_actions.assert_no_overlapping_polls()
