"""What a new user gets wrong, a line each: answered at once, by this project, with the fix; or warned of."""

from __future__ import annotations

import asyncio
import traceback
import warnings
from collections.abc import Iterator
from fnmatch import fnmatch
from typing import Any

import pytest
import requests

import pytest_redis_actions as ra
from pytest_redis_actions import RedisActions, faults, strategies
from pytest_redis_actions.api.starting import NAMES
from pytest_redis_actions.client_contract import Target
from pytest_redis_actions.errors import RedisActionsError, RedisActionsWarning, UnfiredFaults, UnmetStarts

REFUSED = (
    ("stub.journal.where(status='runing')", "status 'runing' is not one of the API's", "write 'running'"),
    ("stub.journal.where(status=['running'])", "status ['running'] is not one of the API's", "known are queued"),
    ("stub.journal.where(status=ra.running())", "status running() is not one of the API's", "known are queued"),
    ("stub.journal.where(code=2000)", "code must be at most 599, not 2000", "write code=599"),
    ("stub.journal.where(code=20)", "code must be a whole number from 100, not 20", "write code=100"),
    ("stub.journal.where(since=60, until=30)", "since=60 is not before until=30", "swap the two"),
    ("stub.journal.where(uid='nope')", "unknown operation 'nope'", "requests were about seen"),
    ("stub.journal.of('sen')", "unknown operation 'sen'", "write 'seen'"),
    ("stub.journal.polls_of('nope')", "unknown operation 'nope'", "requests were about seen"),
    ("stub.fault(faults.reset(), on='a/b')", "on='a/b' can be no uid", "give a handle, or action.uid"),
    ("stub.fault(faults.reset(), on='GET')", "on='GET' can be no uid", 'write on="GET /v1/actions/{uid}"'),
    ("stub.when('DELETE', '/v1/bdbs/one')", "DELETE '/v1/bdbs/one' can start nothing: 'one' is", "a number from 1"),
    ("stub.when('DELETE', '/v1/bdbs/0')", "DELETE '/v1/bdbs/0' can start nothing: '0' is", "a number from 1"),
    ("stub.when('PUT', '/v1/users/me')", "PUT '/v1/users/me' can start nothing: 'me' is", "/v1/users/{object_uid}"),
    ("stub.add_action('x', uid='a?b')", "uid must be a text without / ? # %, not 'a?b'", "a UUID"),
    ("stub.add_action('x', uid='..')", "uid must be a text without / ? # %, not '..'", "a UUID"),
    ("stub.add_action('x', heartbeet=1)", "add_action(heartbeet=1): heartbeet is not an option", "heartbeat=1"),
    ("stub.strict = False", "redis_actions.strict = False sets nothing", "redis_actions(strict=…)"),
    ("stub.script = [ra.running()]", "redis_actions.script = [running()] sets nothing", "scripts to add_action"),
    ("stub.release = '7.4'", "redis_actions.release = '7.4' sets nothing", "redis_actions(release=…)"),
    ("stub.validate({})", "validate() takes 1 positional argument but 2", "pytest_redis_actions.validate(document"),
    ("stub.clock.drive('naive', submodule=True)", "drive() got an unexpected keyword argument", "write submodules for"),
    ("stub.clock.drive('naive', gaurd=3)", "drive() got an unexpected keyword argument", "write guard for gaurd"),
    ("stub.clock.drive(['naive', 'other'])", "drive(['naive', 'other']): not a module", "one by one"),
    ("stub.clock.drive('./my_client.py')", "drive('./my_client.py'): not a module", "its import name, 'my_client'"),
    ("RedisActions(drive='nope')", "drive('nope'): no such module is imported", "import it before it is driven"),
    ("RedisActions(max_polls=1.5)", "max_polls must be a whole number above 0, not 1.5", "write max_polls=1"),
    ("RedisActions(guard='none')", "guard must be a number above 0, not 'none'", "None for ever"),
    ("RedisActions(past_end=0)", "past_end must be a whole number of polls from 1", "None for never"),
    ("ra.failed(message='x')", "failed(message='x'): message is not an option", "write error_message='x'"),
    ("ra.failed(reason='x')", "failed(reason='x'): reason is not an option", "write error_message='x'"),
    ("ra.failed(code='x')", "failed(code='x'): code is not an option", "write error_code='x'"),
    ("ra.failed(error_mesage='x')", "failed(error_mesage='x'): error_mesage is not", "write error_message='x'"),
    ("ra.running(times=5)", "running(times=5): times is not an option", "write polls=5"),
    ("ra.running(count=5)", "running(count=5): count is not an option", "write polls=5"),
    *(
        (f"ra.running({name}=5)", f"running({name}=5): the length is given in seconds or polls", "use seconds=5")
        for name in ("duration", "delay", "interval", "timeout")
    ),
    ("ra.validate({})", "validate() missing 1 required positional argument: 'kind'", "validate(document, \"action\""),
    ("ra.validate({}, 'action', '8.2')", "validate() takes 2 positional arguments but 3", "release="),
    ("ra.validate({}, 'action', relase='8.2')", "validate() got an unexpected keyword", "write release for relase"),
    ("ra.violations({})", "violations() missing 1 required positional argument: 'kind'", "violations(document, "),
    ("ra.validate_action()", "validate_action() missing 1 required positional", "validate_action(document"),
    ("ra.validate_action({}, kind='action')", "validate_action() got an unexpected", "validate_action(document"),
    ("ra.validate_actions()", "validate_actions() missing 1 required positional", "validate_actions(document"),
    ("ra.validate_state_machine({}, api='v2')", "validate_state_machine() got an unexpected", "machine(document"),
    ("strategies.actions('7.4')", "actions() takes 0 positional arguments but 1 was given", 'release="8.2"'),
    ("strategies.actions(relase='7.4')", "actions() got an unexpected keyword", "write release for relase"),
    ("strategies.breaking()", "breaking() missing 1 required positional argument", 'breaking("status missing")'),
    ("strategies.errors('7.4')", "errors() takes 0 positional arguments but 1 was given", "write errors()"),
    ("strategies.traces('task', '8.2')", "traces() takes from 0 to 1 positional arguments but", 'release="8.2"'),
)  # fmt: skip
MISSPELT = (
    ("stub.add_acton('migrate_shards')", "'RedisActions' object has no attribute 'add_acton'", "add_action"),
    ("stub.addAction('migrate_shards')", "'RedisActions' object has no attribute 'addAction'", "add_action"),
    ("stub.add_task('migrate_shards')", "'RedisActions' object has no attribute 'add_task'", "add_action"),
    ("stub.base_url", "'RedisActions' object has no attribute 'base_url'", "url"),
    ("stub.username", "'RedisActions' object has no attribute 'username'", "auth"),
    ("stub.advance(5)", "'RedisActions' object has no attribute 'advance'", "clock.advance"),
    ("stub.sleep(5)", "'RedisActions' object has no attribute 'sleep'", "clock.sleep"),
    ("action.statuss", "'Action' object has no attribute 'statuss'", "status"),
    ("action.state", "'Action' object has no attribute 'state'", "status"),
    ("action.id", "'Action' object has no attribute 'id'", "uid"),
    ("action.action_uid", "'Action' object has no attribute 'action_uid'", "uid"),
    ("action.assert_poled(at_least=1)", "'Action' object has no attribute 'assert_poled'", "assert_polled"),
    ("stub.journal.polled", "'Journal' object has no attribute 'polled'", "polls_of(uid)"),
    ("stub.journal.wher(code=404)", "'Journal' object has no attribute 'wher'", "where"),
    ("stub.clock.advnce(5)", "'VirtualClock' object has no attribute 'advnce'", "advance"),
    ("stub.clock.now()", "'VirtualClock' object has no attribute 'now'", "seconds"),
    ("stub.clock.tick(5)", "'VirtualClock' object has no attribute 'tick'", "advance"),
    ("target.uid", "'Target' object has no attribute 'uid'", "action_uid"),
    ("target.password", "'Target' object has no attribute 'password'", "auth"),
    ("faults.slwo(3)", "module 'pytest_redis_actions.faults' has no attribute 'slwo'", "slow"),
    ("faults.Status(503)", "module 'pytest_redis_actions.faults' has no attribute 'Status'", "status"),
    ("strategies.action()", "module 'pytest_redis_actions.strategies' has no attribute 'action'", "actions"),
    ("ra.runing()", "module 'pytest_redis_actions' has no attribute 'runing'", "running"),
    ("from pytest_redis_actions import runing", "cannot import name 'runing' from 'pytest_redis_actions'", "running"),
    ("from pytest_redis_actions import fault", "cannot import name 'fault' from 'pytest_redis_actions'", "faults"),
    (
        "from pytest_redis_actions.faults import stauts",
        "cannot import name 'stauts' from 'pytest_redis_actions.faults'",
        "status",
    ),
    (
        "from pytest_redis_actions.client_contract import ClientContract",
        "cannot import name 'ClientContract' from 'pytest_redis_actions.client_contract'",
        "ActionsClientContract",
    ),
)
WARNED = (
    ("stub.add_action('SMCreateBDB')", "'SMCreateBDB' is not added by add_action; use add_state_machine('SMC*"),
    ("stub.add_action('export')", "'export' is not added by add_action; use add_other('export', …)"),
    ("stub.add_state_machine('remove', object_name='bdb:1')", "'remove' is not added by add_state_machine; use add_a*"),
    ("stub.add_other('SMDeleteBDB')", "'SMDeleteBDB' is not added by add_other; use add_state_machine(*"),
    ("stub.add_state_machine('x', object_name='1')", "object_name='1' is not of the form that clusters use: 'bdb:1'"),
    ("stub.add_state_machine('x', object_name='BDB:7')", "object_name='BDB:7' is not of the form *: 'bdb:7'"),
    ("stub.add_action('x', node_uid='two')", "node_uid='two' is not of the form that clusters use: '1'"),
    ("stub.add_action('x', node_uid='node:2')", "node_uid='node:2' is not of the form that clusters use: '2'"),
    ("stub.add_action('POST /v1/bdbs')", "'POST /v1/bdbs' is a request; use when('POST', '/v1/bdbs', …)"),
    ("ra.running(progress=0.4)", "running(progress=0.4) is less than 1 percent; 40 percent is progress=40"),
    ("faults.status(302)", 'faults.status(302) has no Location; faults.redirect("/v1/…", code=302) has one'),
)  # fmt: skip


@pytest.fixture(scope="module")
def stub() -> Iterator[RedisActions]:
    with RedisActions() as made:
        made.add_action("migrate_shards", uid="seen")
        requests.get(f"{made.url}/v1/actions/seen", auth=made.auth, timeout=5).raise_for_status()
        yield made


def told(call: str, stub: RedisActions) -> BaseException:
    """Return what a call raises; every frame below the call's own is hidden from users."""
    target = Target(stub.url, stub.auth, "seen", None, 60.0)
    names: dict[str, Any] = {
        "stub": stub,
        "target": target,
        "action": ra.Action(stub._endpoint, "seen", "migrate_shards"),
        "ra": ra,
    }
    with pytest.raises(Exception, match=r"\n  fix  ") as caught:
        exec(call, {**names, "faults": faults, "strategies": strategies, "RedisActions": RedisActions})
    _, _, *below = traceback.walk_tb(caught.tb)
    assert all("__tracebackhide__" in frame.f_globals for frame, _ in below)
    return caught.value


def check_text(error: BaseException, first: str, fix: str) -> None:
    headline, *more = str(error).splitlines()
    assert headline.startswith(first)
    assert len(headline) <= 80
    assert fix in more[0]


@pytest.mark.parametrize(("call", "first", "fix"), REFUSED, ids=[call for call, _, _ in REFUSED])
def test_a_wrong_call_is_refused_with_the_fix(stub: RedisActions, call: str, first: str, fix: str) -> None:
    error = told(call, stub)

    assert isinstance(error, RedisActionsError)
    check_text(error, first, fix)


@pytest.mark.parametrize(("call", "first", "fix"), MISSPELT, ids=[call for call, _, _ in MISSPELT])
def test_a_name_that_does_not_exist_is_answered_with_the_one_that_was_meant(
    stub: RedisActions, call: str, first: str, fix: str
) -> None:
    error = told(call, stub)

    assert isinstance(error, (AttributeError, ImportError))
    assert str(error) == f"{first}\n  fix  write {fix}"


@pytest.mark.parametrize("name", ["fail", "wait", "__len__", "_private"])
def test_a_name_that_nothing_is_near_is_answered_with_all_that_there_are(stub: RedisActions, name: str) -> None:
    action = stub.add_action("x")

    with pytest.raises(AttributeError, match=f"'Action' object has no attribute '{name}'") as caught:
        getattr(action, name)

    assert ("known are assert_no_overlapping_polls, " in str(caught.value)) is not name.startswith("_")
    assert not hasattr(ra, name)


def test_an_error_of_a_property_is_not_taken_for_a_missing_name(
    stub: RedisActions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(stub), "port", property(lambda self: self.prt))

    with pytest.raises(AttributeError, match=r"^'RedisActions' object has no attribute 'prt'\n  fix  write port$"):
        _ = stub.port


@pytest.mark.parametrize(("call", "text"), WARNED, ids=[call for call, _ in WARNED])
def test_what_is_probably_not_meant_is_warned_of(stub: RedisActions, call: str, text: str) -> None:
    with pytest.warns(RedisActionsWarning) as caught:
        exec(call, {"stub": stub, "faults": faults, "ra": ra})

    assert fnmatch(str(caught[0].message), text)
    assert caught[0].filename == "<string>"


@pytest.mark.parametrize("kind", ["add_action", "add_state_machine", "add_other"])
def test_known_names_and_forms_are_not_warned_of(stub: RedisActions, kind: str) -> None:
    kinds = {"add_action": "task", "add_state_machine": "state-machine", "add_other": "other"}
    more = {"object_name": "bdb:17"} if kind == "add_state_machine" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in (*(name for name, known in NAMES.items() if known == kinds[kind]), "of_my_own"):
            getattr(stub, kind)(name, **more)
        stub.add_action("remove", node_uid="12")


def test_a_status_that_a_fault_showed_may_be_asked_for(stub: RedisActions) -> None:
    action = stub.add_action("x")
    stub.fault(faults.record(status="Completed"), on=action)
    requests.get(f"{stub.url}/v1/actions/{action.uid}", auth=stub.auth, timeout=5)

    assert [poll.number for poll in stub.journal.where(status="Completed")] == [action.polls[0].number]


def test_an_operation_that_nobody_asked_for_has_no_requests(stub: RedisActions) -> None:
    planned = stub.when("POST", "/v1/bdbs", optional=True)

    assert planned.requests == stub.journal.where(uid=planned.uid) == stub.journal.of(stub.add_action("x").uid) == ()


def test_what_no_request_met_is_told_with_its_line_at_the_end() -> None:
    def place(after: int) -> str:
        line = test_what_no_request_met_is_told_with_its_line_at_the_end.__code__.co_firstlineno + after
        return f"    at test_wrong_calls.py:{line} in test_what_no_request_met_is_told_with_its_line_at_the_end"

    with pytest.raises(UnfiredFaults) as unfired, RedisActions() as stub:  # noqa: PT012  # it is raised at the end
        stub.add_action("x", script=[ra.running(), faults.reset(), ra.completed()])
        stub.fault(faults.status(503), on="nope")
    with pytest.raises(UnmetStarts) as unmet, RedisActions() as stub:
        stub.when("POST", "/v1/bdbs")

    in_script, by_call = unfired.value.faults
    assert in_script.endswith(f": none came\n{place(6)}")
    assert by_call.splitlines() == [
        "503 on nope: none came",
        "    unknown operation 'nope': write on=action",
        place(7),
    ]
    assert unmet.value.requests == (f"POST /v1/bdbs: none came\n{place(9)}",)


def test_a_sleep_that_is_not_awaited_warns_with_its_name(stub: RedisActions) -> None:
    with pytest.warns(RuntimeWarning, match="asleep' was never awaited"):
        stub.clock.asleep(5)  # type: ignore[unused-coroutine]  # that is the mistake
    asyncio.run(stub.clock.asleep(5))
