from __future__ import annotations

import pytest
from my_client import ActionFailed, ActionLost, MyClient

from pytest_redis_actions import RedisActions, active, completed, failed, gone, running


@pytest.fixture
def client(redis_actions: RedisActions) -> MyClient:
    return MyClient(redis_actions.url, redis_actions.auth, sleep=redis_actions.clock.sleep)


def test_it_waits_out_half_an_hour(redis_actions: RedisActions, client: MyClient) -> None:
    action = redis_actions.add_action("migrate_shards", script=[running(seconds=1800), completed()])

    assert client.wait(action.uid, poll_every=5)["status"] == "completed"

    assert len(action.polls) == 361
    assert redis_actions.clock.seconds == 1800


def test_it_says_why_a_migration_failed(redis_actions: RedisActions, client: MyClient) -> None:
    error = failed(error_code="insufficient_resources", error_message="no available nodes in cluster!")
    action = redis_actions.add_action("migrate_shards", script=[running(polls=3, progress=(0, 40)), error])

    with pytest.raises(ActionFailed, match="no available nodes"):
        client.wait(action.uid)


def test_it_notices_that_the_record_has_vanished(redis_actions: RedisActions, client: MyClient) -> None:
    machine = redis_actions.add_state_machine("SMDeleteBDB", object_name="bdb:1", script=[active(polls=2), gone()])

    with pytest.raises(ActionLost, match="does not exist"):
        client.wait(machine.uid)


def test_it_follows_what_it_has_started(redis_actions: RedisActions, client: MyClient) -> None:
    redis_actions.when("POST", "/v1/shards/actions/migrate", script=[running(polls=2), completed()])

    started = client.call("POST", "/v1/shards/actions/migrate", shard_uids=["3"], target_node_uid=2)

    assert client.wait(started["action_uid"])["progress"] == "100"
