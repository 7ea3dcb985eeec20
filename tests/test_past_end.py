"""Clients that poll on after they were shown how their operation ended."""

from __future__ import annotations

from textwrap import dedent

import pytest
from test_endpoint import GET, Cluster

from pytest_redis_actions import Action, RedisActions, completed, failed, faults, running
from pytest_redis_actions.clock import VirtualClock
from pytest_redis_actions.errors import EndlessWait
from pytest_redis_actions.faults import jump
from pytest_redis_actions.observed.past_end import PolledOn
from pytest_redis_actions.operations.script import active

# What is a row


class Stopped(Cluster):
    """A cluster that keeps who was stopped."""

    def __init__(self, past_end: int | None = 3) -> None:
        super().__init__(past_end=past_end)
        self.told: list[PolledOn] = []
        self.endpoint.on_past_end = self.told.append

    def poll(self, *targets: str) -> None:
        for target in targets:
            self.ask(GET, target if target.startswith("/") else f"/v1/actions/{target}")
            self.clock.advance(5)


def test_polls_past_the_end_are_counted_from_the_one_that_showed_it() -> None:
    cluster = Stopped()
    uid = cluster.task(running(), failed())

    cluster.poll(uid, uid, *[uid] * 2)
    assert cluster.told == []
    cluster.poll(uid)

    (told,) = cluster.told
    assert (told.uid, told.status, told.poll, told.exchange.number, told.since) == (uid, "failed", 2, 2, 3)
    assert told.every == 5
    assert str(told).splitlines()[0] == "saw 'failed' at poll 2 and polled on"


def test_the_poll_is_numbered_among_those_of_its_operation() -> None:
    cluster = Stopped()
    other, uid = cluster.task(running()), cluster.task(running(), completed())

    cluster.poll(other, other, uid, uid, *[uid] * 3)

    (told,) = cluster.told
    assert (told.poll, told.exchange.number) == (2, 4)


@pytest.mark.parametrize("between", ["running", "ended", "list"])
def test_any_other_poll_ends_the_row(between: str) -> None:
    cluster = Stopped()
    uid = cluster.task(failed())
    other = {"running": cluster.task(running()), "ended": cluster.task(completed()), "list": "/v1/actions"}[between]
    if between == "list":
        cluster.task(running())
    cluster.poll(uid)

    for _ in range(10):
        cluster.poll(uid, uid, other)

    assert cluster.told == []


def test_a_request_that_is_no_poll_ends_nothing() -> None:
    cluster = Stopped()
    uid = cluster.task(failed())

    for _ in range(4):
        cluster.poll(uid, "/v1/nothing")
        cluster.ask("HEAD", f"/v1/actions/{uid}")

    assert len(cluster.told) == 1


def test_a_list_counts_if_all_that_it_shows_has_ended() -> None:
    cluster = Stopped()
    cluster.task(running(), failed())
    cluster.machine(completed())

    cluster.poll("/v1/actions", "/v1/actions", *["/v1/actions"] * 3)

    assert len(cluster.told) == 1


def test_refused_and_faulted_polls_count_and_an_end_that_is_taken_back_does_not() -> None:
    cluster = Stopped()
    uid = cluster.task(completed())
    cluster.poll(uid, uid)
    for _ in range(2):
        cluster.ask(GET, f"/v1/actions/{uid}", authorization="Basic xx")
    assert len(cluster.told) == 1

    cluster = Stopped()
    back = cluster.task(completed(), jump(), running())
    cluster.poll(*[back] * 9)
    assert cluster.told == []


def test_none_turns_it_off() -> None:
    cluster = Stopped(None)
    uid = cluster.task(failed())

    cluster.poll(*[uid] * 200)

    assert cluster.told == []
    assert cluster.endpoint.polled_on is None


def test_one_that_goes_on_is_hung_up_on() -> None:
    cluster = Stopped()
    uid, other = cluster.task(failed()), cluster.machine(active())
    cluster.poll(*[uid] * 7)

    replies = [cluster.ask(GET, f"/v1/actions/{each}") for each in (uid, other, uid)]

    assert [bool(reply.fault) for reply in replies] == [True, False, False]
    assert [each.fault for each in cluster.endpoint.journal][-4:] == ["", "hung up: polled on", "", ""]
    assert cluster.endpoint.ignored is not None


# In tests


CLIENT = """
import time, requests

def wait(stub, uid, every=5):
    while requests.get(f"{stub.url}/v1/actions/{uid}", auth=stub.auth).json()["status"] != "completed":
        time.sleep(every)

def wait_whatever(stub, uid):
    while True:
        try:
            wait(stub, uid, every=0)
        except BaseException as error:
            if "hung up" in str(error) or isinstance(error, requests.ConnectionError):
                return
"""
VERDICT = "saw 'failed' at poll 3 and polled on"


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    pytester.makepyfile(a_client=CLIENT)
    pytester.syspathinsert()
    return pytester


def run(suite: pytest.Pytester, text: str) -> pytest.RunResult:
    preamble = "import a_client, pytest, subprocess, sys, threading\nfrom pytest_redis_actions import *\n"
    suite.makepyfile(preamble + dedent(text))
    return suite.runpytest_inprocess("-p", "no:randomly", "-p", "no:cacheprovider")


@pytest.mark.parametrize("how", ["driven", "by the marker", "not driven", "wall"])
def test_it_is_stopped_with_the_verdict_first(suite: pytest.Pytester, how: str) -> None:
    marker = {"by the marker": "drive='a_client'", "wall": "clock='wall', rate=1000"}.get(how, "")
    every = 5 if how in ("driven", "by the marker") else 0
    call = f"a_client.wait(redis_actions, action.uid, every={every})"
    call = f"with redis_actions.clock.drive('a_client'):\n        {call}" if how == "driven" else call

    result = run(
        suite,
        f"""
@pytest.mark.redis_actions({marker})
def test_it(redis_actions):
    action = redis_actions.add_action("x", script=[running(polls=2), failed()])
    {call}
""",
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            f"E * {VERDICT}",
            "*  action  ????????-????-????-????-????????????",
            "*  shown   'failed' at poll 3 (#3, * s)",
            "*  since   50 polls in a row, * s apart",
            "*  fix     end the loop at each of completed, failed, cancelled, aborted, not at one of them",
            "*          past_end=… on the marker allows more such polls, past_end=None any number",
        ]
    )
    assert result.stdout.str().count(f"EndlessWait: {VERDICT}") <= 2  # the error and the summary
    failures, _, _ = result.stdout.str().partition("short test summary info")  # which is uncut where CI is set
    assert failures.count(", clock at ") == 1  # the error has the report


def test_the_marker_changes_it(suite: pytest.Pytester) -> None:
    result = run(
        suite,
        """
        @pytest.mark.redis_actions(drive="a_client", past_end=5)
        def test_fewer(redis_actions):
            a_client.wait(redis_actions, redis_actions.add_action("x", script=[failed()]).uid)

        @pytest.mark.redis_actions(drive="a_client", past_end=None, max_polls=200)
        def test_any_number(redis_actions):
            a_client.wait(redis_actions, redis_actions.add_action("x", script=[failed()]).uid)

        @pytest.mark.parametrize("wrong", [0, -1, 2.5, "3", True])
        def test_wrong(make_redis_actions, wrong):
            with pytest.raises(ValueError, match=r"past_end must be a whole number of polls from 1, not "):
                make_redis_actions(past_end=wrong)
        """,
    )

    result.assert_outcomes(passed=5, failed=2)
    result.stdout.fnmatch_lines(["*  since   5 polls in a row, 5 s apart", "E * the client goes on after 200 requests"])


def test_a_client_in_a_thread_is_stopped_with_its_test(suite: pytest.Pytester) -> None:
    result = run(
        suite,
        """
        def test_it(redis_actions):
            action = redis_actions.add_action("x", script=[running(polls=2), failed()])
            thread = threading.Thread(target=a_client.wait_whatever, args=(redis_actions, action.uid))
            thread.start()
            try:
                thread.join()
            finally:
                thread.join()
        """,
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"E * {VERDICT}"])


def test_one_that_swallows_even_that_is_hung_up_on_and_fails_its_test_at_the_end(suite: pytest.Pytester) -> None:
    result = run(
        suite,
        """
        @pytest.mark.redis_actions(strict=False)
        def test_it(redis_actions):
            action = redis_actions.add_action("x", script=[running(polls=2), failed()])
            a_client.wait_whatever(redis_actions, action.uid)
            assert action.polls[-1].fault == "hung up: polled on"
            assert redis_actions.polled_on.status == "failed"
        """,
    )

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines([f"E * {VERDICT}"])


def test_a_test_may_expect_it(redis_actions: RedisActions) -> None:
    action = redis_actions.add_action("x", script=[failed()])

    with pytest.raises(EndlessWait, match="saw 'failed' at poll 1 and polled on") as caught:
        poll_for_ever(redis_actions, action)

    told = caught.value.polled_on  # type: ignore[attr-defined]  # set for this error
    assert (told.uid, told.status, told.poll, told.since) == (action.uid, "failed", 1, 50)
    assert redis_actions.polled_on == told


def poll_for_ever(stub: RedisActions, action: Action) -> None:
    import requests

    with requests.Session() as session:
        session.auth = stub.auth
        while True:
            session.get(f"{stub.url}/v1/actions/{action.uid}")


def test_a_fault_may_show_an_end_that_is_none(redis_actions: RedisActions) -> None:
    action = redis_actions.add_action("x", script=[running()])
    redis_actions.fault(faults.record(status="failed"), on=action)

    assert isinstance(redis_actions.clock, VirtualClock)
    redis_actions.clock.max_polls = 80

    with pytest.raises(EndlessWait, match=r"goes on"):
        poll_for_ever(redis_actions, action)

    assert redis_actions.polled_on is None
