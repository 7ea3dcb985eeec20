"""Ten minutes, polled every 5 s, by clients that nobody has changed: 121 polls on an exact grid."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import with_backoff
import with_httpx
import with_pool
import with_rate_limit
import with_requests
import with_tenacity
import with_urllib3

from pytest_redis_actions import Action, RedisActions, completed, running

GRID = [5.0 * poll for poll in range(121)]


@pytest.fixture
def action(redis_actions: RedisActions) -> Action:
    return redis_actions.add_action("migrate_shards", script=[running(seconds=600), completed()])


def polled_at(action: Action) -> list[float]:
    return [poll.seconds for poll in action.polls]


def test_requests(redis_actions: RedisActions, action: Action) -> None:
    with redis_actions.clock.drive("with_requests"):
        assert with_requests.wait(redis_actions.url, action.uid, redis_actions.auth) == "completed"

    assert polled_at(action) == GRID


@pytest.mark.redis_actions(drive=["with_requests"])
def test_the_marker_drives_during_the_whole_test(redis_actions: RedisActions, action: Action) -> None:
    assert with_requests.wait(redis_actions.url, action.uid, redis_actions.auth) == "completed"

    assert polled_at(action) == GRID


def test_httpx(redis_actions: RedisActions, action: Action) -> None:
    with redis_actions.clock.drive("with_httpx"):
        assert asyncio.run(with_httpx.wait(redis_actions.url, action.uid, redis_actions.auth)) == "completed"

    assert polled_at(action) == GRID


def test_tenacity(redis_actions: RedisActions, action: Action) -> None:
    with redis_actions.clock.drive("tenacity"):
        assert with_tenacity.wait(redis_actions.url, action.uid, redis_actions.auth) == "completed"

    assert polled_at(action) == GRID


def test_tenacity_on_asyncio(redis_actions: RedisActions, action: Action) -> None:
    with redis_actions.clock.drive("tenacity"):
        assert asyncio.run(with_tenacity.await_(redis_actions.url, action.uid, redis_actions.auth)) == "completed"

    assert polled_at(action) == GRID


def test_backoff(redis_actions: RedisActions, action: Action) -> None:
    with redis_actions.clock.drive("backoff"):
        assert with_backoff.wait(redis_actions.url, action.uid, redis_actions.auth) == "completed"

    assert polled_at(action) == GRID


def test_backoff_on_asyncio(redis_actions: RedisActions, action: Action) -> None:
    with redis_actions.clock.drive("backoff"):
        assert asyncio.run(with_backoff.await_(redis_actions.url, action.uid, redis_actions.auth)) == "completed"

    assert polled_at(action) == GRID


def test_a_thread_pool(redis_actions: RedisActions, action: Action) -> None:
    shorter = [
        redis_actions.add_action("migrate_shards", script=[running(seconds=200 * third), completed()])
        for third in (1, 2)
    ]

    with redis_actions.clock.drive("with_pool"):
        uids = [action.uid, *(each.uid for each in shorter)]
        assert with_pool.wait(redis_actions.url, uids, redis_actions.auth) == ["completed"] * 3

    assert polled_at(action) == GRID
    assert [polled_at(each) for each in shorter] == [GRID[:41], GRID[:81]]


def test_a_rate_limit_that_threads_share(redis_actions: RedisActions, action: Action) -> None:
    actions = [action, redis_actions.add_action("migrate_shards", script=[running(seconds=600), completed()])]

    with redis_actions.clock.drive("with_rate_limit"), ThreadPoolExecutor(2) as pool:
        client = with_rate_limit.Client(redis_actions.url, redis_actions.auth)
        assert list(pool.map(client.wait, [each.uid for each in actions])) == ["completed"] * 2

    # One poll every 5 s, whoever's turn it is: the last one is that of the second to see the end.
    assert sorted(polled_at(actions[0]) + polled_at(actions[1])) == [*GRID, 605]


def test_what_urllib3_sleeps_between_two_tries(redis_actions: RedisActions, action: Action) -> None:
    for _ in range(3):
        redis_actions.httpserver.expect_oneshot_request(f"/v1/actions/{action.uid}").respond_with_data(status=503)

    with redis_actions.clock.drive("urllib3"):
        assert with_urllib3.status(redis_actions.url, action.uid, redis_actions.auth) == "running"

    assert polled_at(action) == [0, 0, 4, 12]


def test_a_deadline(redis_actions: RedisActions) -> None:
    action = redis_actions.add_action("migrate_shards", script=[running()])

    with redis_actions.clock.drive("with_requests"), pytest.raises(TimeoutError, match="still running after 600 s"):
        with_requests.wait(redis_actions.url, action.uid, redis_actions.auth, deadline=600)
    with redis_actions.clock.drive("with_httpx"), pytest.raises(asyncio.TimeoutError):
        asyncio.run(with_httpx.wait(redis_actions.url, action.uid, redis_actions.auth, deadline=600))

    assert redis_actions.clock.seconds == 1200


def test_a_program_of_its_own_is_waited_for_in_polls(redis_actions: RedisActions) -> None:
    action = redis_actions.add_action("migrate_shards", script=[running(polls=3), completed()])
    program = Path(__file__).with_name("in_a_subprocess.py")

    command = [sys.executable, str(program), redis_actions.url, action.uid, *redis_actions.auth, "0.01"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stdout == "completed\n"
    assert len(action.polls) == 4
