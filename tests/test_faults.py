"""What can go wrong on the way: each fault as a client meets it, when it happens, and what it costs the script."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import time
from collections.abc import Callable

import pytest
import raw_pollers
import requests
from http_bytes import Wire

from pytest_redis_actions import Action, LifecycleError, RedisActions, active, assert_trace, completed, faults, running
from pytest_redis_actions.errors import UnfiredFaults, UsageError
from pytest_redis_actions.operations.script import Step

Make = Callable[..., RedisActions]


@pytest.fixture
def action(redis_actions: RedisActions) -> Action:
    return redis_actions.add_action("migrate_shards", script=[running(polls=3), completed()])


def poll(stub: RedisActions, action: Action, **more: object) -> requests.Response:
    given = {"auth": stub.auth, "allow_redirects": False, "timeout": 5, **more}
    return requests.get(f"{stub.url}/v1/actions/{action.uid}", **given)  # type: ignore[arg-type]  # what requests takes


# Replies that are sent instead of the API's


@pytest.mark.parametrize(
    ("fault", "code", "text"),
    [
        (faults.status(503), 503, '"error_code":"internal_error"'),
        (faults.status(418, {"a": 1}), 418, '{"a": 1}'),
        (faults.html(504), 504, "<html>"),
        (faults.empty(), 200, ""),
        (faults.empty(204), 204, ""),
        (faults.body("{"), 200, "{"),
        (faults.body(None), 200, "null"),
        (faults.unauthorized(), 401, '"error_code":"unauthorized"'),
        (faults.forbidden(), 403, "view_status_of_cluster_action"),
        (faults.not_found(), 404, "action_not_found"),
        (faults.conflict(), 409, "conflict"),
        (faults.redirect("/elsewhere", code=307), 307, ""),
    ],
    ids=str,
)
def test_a_reply_is_replaced_and_advances_nothing(
    redis_actions: RedisActions, action: Action, fault: faults.Fault, code: int, text: str
) -> None:
    redis_actions.fault(fault, on=action)

    reply = poll(redis_actions, action)

    assert reply.status_code == code
    assert text.replace(" ", "") in reply.text.replace(" ", "")
    assert [poll(redis_actions, action).json()["status"] for _ in range(4)] == ["running"] * 3 + ["completed"]
    assert [each.fault for each in action.polls] == [fault.name, "", "", "", ""]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (7, "7"),
        (0, "0"),
        (-5, "-5"),
        (1e9, "1000000000"),
        ("soon", "soon"),
        (faults.HttpDate(30), "Tue, 14 Oct 2025 00:00:40 GMT"),
        (faults.HttpDate(-30), "Mon, 13 Oct 2025 23:59:40 GMT"),
    ],
)
def test_retry_after_in_every_form(redis_actions: RedisActions, action: Action, given: object, sent: str) -> None:
    redis_actions.clock.advance(10)
    redis_actions.fault(faults.status(503, retry_after=given), on=action)  # type: ignore[arg-type]  # each is allowed

    assert poll(redis_actions, action).headers["Retry-After"] == sent


def test_a_date_is_judged_in_whole_seconds(redis_actions: RedisActions, action: Action) -> None:
    redis_actions.clock.advance(0.5)
    redis_actions.fault(faults.status(503, retry_after=faults.HttpDate(30)), on=action)

    poll(redis_actions, action)  # told to come back at 30 s, which is 29.5 s ahead
    redis_actions.clock.advance(29.5)
    poll(redis_actions, action)

    redis_actions.assert_retry_after_honoured()


def test_who_comes_back_a_second_before_the_date_has_not_waited(redis_actions: RedisActions, action: Action) -> None:
    redis_actions.clock.advance(0.5)
    redis_actions.fault(faults.status(503, retry_after=faults.HttpDate(30)), on=action)

    poll(redis_actions, action)
    redis_actions.clock.advance(28.5)
    poll(redis_actions, action)

    with pytest.raises(AssertionError, match="Retry-After of 29 s not honoured"):
        redis_actions.assert_retry_after_honoured()


def test_a_redirection_names_its_place(redis_actions: RedisActions, action: Action) -> None:
    redis_actions.fault(faults.redirect("/v1/elsewhere"), on=action)

    assert poll(redis_actions, action).headers["Location"] == "/v1/elsewhere"


# The API's reply, changed


def test_truncated_json_is_whole_as_http(redis_actions: RedisActions, action: Action) -> None:
    redis_actions.fault(faults.truncated(), on=action)

    reply = poll(redis_actions, action)

    assert len(reply.content) == int(reply.headers["Content-Length"])
    with pytest.raises(json.JSONDecodeError):
        reply.json()


def test_a_list_where_an_object_is_expected_and_the_reverse(redis_actions: RedisActions, action: Action) -> None:
    redis_actions.fault(faults.wrong_shape(), polls=2)

    assert [each["status"] for each in poll(redis_actions, action).json()] == ["running"]
    listed = requests.get(f"{redis_actions.url}/v2/actions", auth=redis_actions.auth).json()
    assert [each["action_uid"] for each in listed["actions"]] == [action.uid]


def test_fields_of_a_record_are_others(redis_actions: RedisActions, action: Action) -> None:
    redis_actions.fault(faults.record(status="Running", progress=faults.ABSENT, description="completed"), on=action)

    body = poll(redis_actions, action).json()

    assert (body["status"], "progress" in body, body["description"]) == ("Running", False, "completed")
    assert action.polls[0].shown[action.uid]["status"] == "Running"
    assert poll(redis_actions, action).json()["status"] == "running"


def test_a_fault_of_one_operation_shows_in_lists_too(redis_actions: RedisActions, action: Action) -> None:
    redis_actions.fault(faults.record(status="running"), on=action, polls=9)
    url = f"{redis_actions.url}/v1/actions"

    statuses = [requests.get(url, auth=redis_actions.auth).json()["actions"][0]["status"] for _ in range(5)]

    assert statuses == ["running"] * 5
    assert action.status == "completed"


def test_a_faulted_reply_is_no_departure_of_the_stub(redis_actions: RedisActions, action: Action) -> None:
    redis_actions.fault(faults.record(status=7), on=action)
    poll(redis_actions, action)
    poll(redis_actions, action)

    redis_actions.validate()


# The connection


def test_a_reset_before_the_headers(redis_actions: RedisActions, action: Action) -> None:
    redis_actions.fault(faults.reset(), on=action)

    with pytest.raises(requests.ConnectionError):
        poll(redis_actions, action)
    assert poll(redis_actions, action).json()["status"] == "running"


def test_a_reset_in_the_body(redis_actions: RedisActions, action: Action) -> None:
    redis_actions.fault(faults.reset_in_body(), on=action)

    with pytest.raises(requests.RequestException):
        poll(redis_actions, action)
    assert poll(redis_actions, action).json()["status"] == "running"


@pytest.mark.redis_actions(tls=True)
def test_resets_over_tls(redis_actions: RedisActions, action: Action) -> None:
    for fault in (faults.reset(), faults.reset_in_body()):
        redis_actions.fault(fault, on=action)
        with pytest.raises(requests.RequestException):
            poll(redis_actions, action, verify=str(redis_actions.ca_file))
    assert poll(redis_actions, action, verify=str(redis_actions.ca_file)).json()["status"] == "running"


def test_a_slow_reply_is_slow_in_real_time_and_counts(redis_actions: RedisActions, action: Action) -> None:
    redis_actions.fault(faults.slow(0.3), on=action)

    with pytest.raises(requests.Timeout):
        poll(redis_actions, action, timeout=0.05)

    assert [poll(redis_actions, action).json()["status"] for _ in range(3)] == ["running", "running", "completed"]
    assert redis_actions.clock.seconds == 0


def test_a_body_that_drips_arrives(redis_actions: RedisActions, action: Action) -> None:
    redis_actions.fault(faults.drip(0.1), on=action)
    began = time.monotonic()

    assert poll(redis_actions, action).json()["status"] == "running"
    assert time.monotonic() - began >= 0.1


def test_a_connection_is_closed_after_the_reply_without_a_word(redis_actions: RedisActions, action: Action) -> None:
    redis_actions.fault(faults.closed(), on=action)
    with Wire(redis_actions) as wire:
        reply = wire.ask(f"GET /v1/actions/{action.uid} HTTP/1.1")
        assert reply.headers["connection"] == "keep-alive"
        assert json.loads(reply.body)["status"] == "running"
        assert wire.is_closed()


def test_a_reply_may_take_virtual_seconds(redis_actions: RedisActions, action: Action) -> None:
    redis_actions.fault(faults.takes(300), on=action)

    poll(redis_actions, action)

    assert redis_actions.clock.seconds == 300


def test_a_deadline_fires_while_a_fault_holds_a_reply_back(redis_actions: RedisActions, action: Action) -> None:
    redis_actions.fault(faults.takes(300), on=action)

    async def impatient() -> None:
        await asyncio.wait_for(raw_pollers.apoll(redis_actions.port, action.uid, redis_actions.auth, 0, 0, 1), 20)

    with redis_actions.clock.drive(raw_pollers, __name__), pytest.raises(asyncio.TimeoutError):
        asyncio.run(impatient())

    assert redis_actions.clock.seconds == 20


def test_connections_are_refused_for_a_while(make_redis_actions: Make) -> None:
    stub = make_redis_actions(refuses=10)
    action = stub.add_action("migrate_shards")

    for _ in range(2):
        with pytest.raises(requests.ConnectionError, match="refused"):
            poll(stub, action)
        stub.clock.advance(5)

    assert poll(stub, action).json()["status"] == "queued"


def test_connections_are_refused_for_a_while_from_when_the_port_was_taken(
    redis_actions: RedisActions, make_redis_actions: Make
) -> None:
    redis_actions.clock.advance(100)
    stub = make_redis_actions(refuses=10, clock=redis_actions.clock)
    action = stub.add_action("migrate_shards")
    refused = 0

    with redis_actions.clock.drive(raw_pollers):
        for _ in range(9):
            try:
                raw_pollers.poll(stub.port, action.uid, stub.auth, 0 if refused == 0 else 5, 5, 2)
                break
            except ConnectionRefusedError:
                refused += 1

    assert refused == 2
    assert [each.seconds for each in action.polls] == [110, 115]


def test_connections_that_are_refused_to_the_end_leave_nothing_open(make_redis_actions: Make) -> None:
    stub = make_redis_actions(refuses=10)

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", stub.port))


@pytest.mark.parametrize(("kind", "why"), [("untrusted", "unable to get|self.signed"), ("expired", "expired")])
def test_a_bad_certificate_is_told_by_a_client(make_redis_actions: Make, kind: str, why: str) -> None:
    stub = make_redis_actions(tls=kind)
    context = ssl.create_default_context(cafile=str(stub.ca_file))

    with socket.create_connection(("127.0.0.1", stub.port)) as plain, pytest.raises(ssl.SSLError, match=why):
        context.wrap_socket(plain, server_hostname="127.0.0.1")


# When it happens


def codes(stub: RedisActions, action: Action, polls: int, every: float = 0) -> list[int]:
    found = []
    for _ in range(polls):
        found.append(poll(stub, action).status_code)
        stub.clock.advance(every)
    return found


def test_a_fault_is_counted(redis_actions: RedisActions, action: Action) -> None:
    redis_actions.fault(faults.status(503), on=action, after_polls=2, polls=2)

    assert codes(redis_actions, action, 6) == [200, 200, 503, 503, 200, 200]


def test_a_fault_is_timed(redis_actions: RedisActions, action: Action) -> None:
    redis_actions.fault(faults.status(503), on=action, at=10, seconds=10)

    assert codes(redis_actions, action, 6, every=5) == [200, 200, 503, 503, 200, 200]


def test_a_fault_may_last_for_ever_or_begin_now(redis_actions: RedisActions, action: Action) -> None:
    redis_actions.clock.advance(50)
    redis_actions.fault(faults.status(500), on=action, seconds=10)
    redis_actions.fault(faults.status(502), on=action, at=65)

    assert codes(redis_actions, action, 5, every=5) == [500, 500, 200, 502, 502]


def test_the_fault_that_was_asked_for_first_comes_first(redis_actions: RedisActions, action: Action) -> None:
    redis_actions.fault(faults.status(500), on=action, polls=2)
    redis_actions.fault(faults.status(502), on=action, polls=3)

    assert codes(redis_actions, action, 6) == [500, 500, 502, 502, 502, 200]


def test_a_fault_of_another_operation_or_route_does_not_meet(redis_actions: RedisActions, action: Action) -> None:
    other = redis_actions.add_action("migrate_shards")
    redis_actions.fault(faults.status(500), on=other.uid)
    redis_actions.fault(faults.status(501), on="GET /v2/actions/{uid}")

    assert codes(redis_actions, action, 2) == [200, 200]
    assert codes(redis_actions, other, 2) == [500, 200]
    assert requests.get(f"{redis_actions.url}/v2/actions/x", auth=redis_actions.auth).status_code == 501


def test_a_request_that_starts_something_may_be_refused(redis_actions: RedisActions) -> None:
    redis_actions.fault(faults.conflict(), on="DELETE /v1/bdbs/{uid}", polls=2)
    url = f"{redis_actions.url}/v1/bdbs/7"

    assert [requests.delete(url, auth=redis_actions.auth).status_code for _ in range(3)] == [409, 409, 200]


def test_the_password_is_changed(redis_actions: RedisActions, action: Action) -> None:
    old = redis_actions.auth
    redis_actions.fault(faults.expired_credentials(), on=action, after_polls=1)

    assert [poll(redis_actions, action, auth=old).status_code for _ in range(3)] == [200, 401, 401]
    assert redis_actions.auth != old
    assert poll(redis_actions, action).json()["status"] == "running"


# In scripts


def test_faults_stand_among_the_steps(redis_actions: RedisActions) -> None:
    script: list[Step | faults.Fault] = [
        running(polls=2),
        faults.status(503),
        faults.reset_in_body(),
        completed(),
    ]
    action = redis_actions.add_action("migrate_shards", script=script)

    assert codes(redis_actions, action, 3) == [200, 200, 503]
    with pytest.raises(requests.RequestException):
        poll(redis_actions, action)
    assert poll(redis_actions, action).json()["status"] == "completed"


def test_faults_stand_among_steps_of_seconds(redis_actions: RedisActions) -> None:
    script: list[Step | faults.Fault] = [active(seconds=20), faults.status(503), completed()]
    machine = redis_actions.add_state_machine("SMUpdateBDB", object_name="bdb:1", script=script)

    assert codes(redis_actions, machine, 6, every=5) == [200, 200, 200, 200, 503, 200]


def test_what_a_request_starts_may_meet_faults(redis_actions: RedisActions) -> None:
    handle = redis_actions.when("POST", "/v1/bdbs", script=[faults.not_found(), active(), completed()])
    requests.post(f"{redis_actions.url}/v1/bdbs", json={"name": "db", "memory_size": 1}, auth=redis_actions.auth)

    assert codes(redis_actions, handle, 3) == [404, 200, 200]


def test_an_illegal_transition_on_purpose(redis_actions: RedisActions) -> None:
    action = redis_actions.add_action("migrate_shards", script=[completed(), faults.jump(), running(polls=2)])

    assert [poll(redis_actions, action).json()["status"] for _ in range(3)] == ["completed", "running", "running"]
    with pytest.raises(LifecycleError):
        assert_trace(action.trace)


# Chaos


def outcomes(stub: RedisActions, seed: int) -> list[str]:
    stub.chaos(seed=seed, only=faults.CHAOS)
    action = stub.add_action("migrate_shards", script=[running()])
    for _ in range(40):
        try:
            poll(stub, action)
        except requests.RequestException:
            pass
    return [each.fault for each in action.polls]


def test_chaos_repeats_itself_for_the_same_seed(make_redis_actions: Make) -> None:
    first, again, other = (outcomes(make_redis_actions(), seed) for seed in (5, 5, 6))

    assert first == again != other
    assert any(first)
    assert "" in first
    assert not any(all(three) for three in zip(first, first[1:], first[2:], strict=False))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {*faults.HONEST}),
        ({"never": ["takes", "drip"]}, {*faults.HONEST} - {"takes", "drip"}),
        ({"only": ("not_found", "status")}, {"not_found", "status"}),
        ({"only": faults.CHAOS, "never": [*faults.HONEST]}, {*faults.CHAOS} - {*faults.HONEST}),
    ],
)
def test_chaos_draws_from_what_is_named(given: dict[str, object], expected: set[str]) -> None:
    assert {*faults.drawn_from(**{"only": None, "never": (), **given})} == expected  # type: ignore[arg-type]  # of strings


@pytest.mark.parametrize("name", faults.CHAOS)
def test_each_fault_of_chaos_can_be_had_alone(redis_actions: RedisActions, name: str) -> None:
    redis_actions.chaos(seed=1, only=[name])
    action = redis_actions.add_action("migrate_shards", script=[running()])
    for _ in range(30):
        try:
            poll(redis_actions, action)
        except requests.RequestException:
            pass

    assert any(each.fault for each in action.polls)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"only": ["not_fund"]}, "fix  write 'not_found'; known are errors, retry_after, html"),
        ({"never": ["404"]}, "never=['404'] is not a list of faults of chaos"),
        ({"only": "reset"}, "only='reset' is not a list of faults of chaos\n  fix  write only=['reset']"),
        ({"only": []}, "chaos() has no fault to draw from"),
        ({"never": faults.CHAOS}, "chaos() has no fault to draw from"),
    ],
)
def test_chaos_refuses_names_that_it_does_not_know(
    redis_actions: RedisActions, given: dict[str, object], told: str
) -> None:
    with pytest.raises(UsageError) as caught:
        redis_actions.chaos(seed=1, **given)  # type: ignore[arg-type]  # wrong ones

    assert told in str(caught.value)


def test_chaos_that_no_request_met_is_told(make_redis_actions: Make) -> None:
    with pytest.raises(UnfiredFaults, match=r"chaos\(seed=7, never=\['drip'\]\): no GET came"), RedisActions() as stub:
        stub.chaos(seed=7, never=["drip"])


# Wrong calls


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (lambda: faults.status(99), "code of status() must be a whole number from 200, not 99"),
        (lambda: faults.status(503, retry_after=[]), "retry_after=[] is not a Retry-After"),  # type: ignore[arg-type]  # wrong
        (lambda: faults.status(700), "code of status() must be at most 599, not 700"),
        (lambda: faults.status(503, retry_after=float("inf")), "retry_after=inf is not a Retry-After"),
        (lambda: faults.status(503, retry_after=faults.HttpDate("x")), "seconds of HttpDate() must be a number"),  # type: ignore[arg-type]  # wrong
        (lambda: faults.status(503, headers="X"), "headers='X' is not a mapping"),  # type: ignore[arg-type]  # wrong
        (lambda: faults.status(), "status() missing 1 required positional argument: 'code'"),  # type: ignore[call-arg]  # wrong
        (lambda: faults.status(503, retry_aftr=3), "got an unexpected keyword argument 'retry_aftr'"),  # type: ignore[call-arg]  # wrong
        (lambda: faults.reset(3), "reset() takes 0 positional arguments but 1 was given"),  # type: ignore[call-arg]  # wrong
        (lambda: faults.body(object), "is not JSON"),
        (lambda: faults.redirect("/", code=200), "redirect(code=200) is not a redirection"),
        (lambda: faults.record(), "record() changes nothing"),
        (lambda: faults.record(status={1}), "record(status={1}) is not JSON"),
        (lambda: faults.slow(0), "seconds of slow() must be a number of real seconds above 0, not 0"),
        (lambda: faults.drip(300), "seconds of drip() must be at most 30, not 300"),
        (lambda: faults.takes(-1), "seconds of takes() must be a number of virtual seconds above 0, not -1"),
    ],
)
def test_a_fault_that_is_none_is_refused_when_it_is_written(wrong: Callable[[], object], problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        wrong()

    assert problem in str(caught.value).splitlines()[0]
    assert "\n  fix  " in str(caught.value)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"fault": 503}, "503 is not a fault\n  fix  write faults.status(503)"),
        ({"fault": faults.unauthorized}, "fix  call it: faults.unauthorized()"),
        ({"fault": faults.slow}, "fix  call it: faults.slow(…)"),
        ({"on": "/v1/actions"}, "on='/v1/actions' lacks the method\n  fix  write on='GET /v1/actions'"),
        ({"on": "GET /v1/actions?x=1"}, "must not have a query"),
        ({"on": ""}, "on='' is not a target"),
        ({"on": 3}, "on=3 is not a target"),
        ({"on": "get /v1/actions"}, "method 'get' is unknown"),
        ({"polls": 0}, "polls must be a whole number from 1, not 0"),
        ({"after_polls": -1}, "after_polls must be a whole number from 0, not -1"),
        ({"at": "now"}, "at must be a number of seconds from 0, not 'now'"),
        ({"seconds": -1}, "seconds must be a number above 0, not -1"),
    ],
)
def test_a_wrong_call_of_fault_changes_nothing(
    redis_actions: RedisActions, action: Action, given: dict[str, object], problem: str
) -> None:
    call = {"fault": faults.status(503), **given}

    with pytest.raises(UsageError) as caught:
        redis_actions.fault(call.pop("fault"), **call)  # type: ignore[arg-type]  # wrong ones

    assert problem in str(caught.value)
    assert codes(redis_actions, action, 1) == [200]


def test_a_script_may_not_jump_from_nowhere(redis_actions: RedisActions) -> None:
    with pytest.raises(UsageError, match="must be between two steps"):
        redis_actions.add_action("migrate_shards", script=[faults.jump(), running()])
    with pytest.raises(UsageError, match="must be between two steps"):
        redis_actions.add_action("migrate_shards", script=[running(), faults.jump()])
