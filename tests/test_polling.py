"""How a client has polled: what the journal alone can tell."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from http_bytes import Wire

from pytest_redis_actions import RedisActions, completed, failed, faults, running
from pytest_redis_actions.errors import UsageError
from pytest_redis_actions.handle import Action
from pytest_redis_actions.polling import PollingError


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

    @pytest.mark.parametrize("wrong", [{"at_least": -1}, {"at_most": "3"}, {"no_faster_than": True}])
    def test_numbers_that_are_none(self, redis_actions: RedisActions, wrong: Any) -> None:
        with pytest.raises(UsageError, match="is no number from 0"):
            redis_actions.add_action("x").assert_polled(**wrong)

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
        assert str(caught.value).splitlines()[0] == "DELETE /v1/actions/{uid} was requested 1 times"

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
