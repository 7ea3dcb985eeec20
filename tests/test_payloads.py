"""The official example bodies come out of the stub, types included, when script and fields say so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from pytest_redis_actions import RedisActions, active, completed, queued, running

PAYLOADS = Path(__file__).parent / "data" / "payloads"
NODE_TASK = "38c7405b-26a7-4379-b84c-cab4b3db706d"


def typed(document: object) -> object:
    """Return a document in which 100, 100.0, "100" and True differ."""
    if isinstance(document, dict):
        return {key: typed(value) for key, value in document.items()}
    if isinstance(document, list):
        return [typed(value) for value in document]
    return type(document).__name__, document


def one_task(stub: RedisActions) -> tuple[str, str]:
    uid = "159ca2f8-7bf3-4cda-97e8-4eb560665c28"
    stub.add_action("retry_bdb", uid=uid, node_uid="2", script=[completed(progress=100)])
    return "GET", f"/v1/actions/{uid}"


def the_v1_list(stub: RedisActions) -> tuple[str, str]:
    one_task(stub)
    stub.add_action(
        "retry_bdb", uid="661697c5-c747-41bd-ab81-ffc8fd13c494", node_uid="1", script=[completed(progress=100)]
    )
    stub.add_state_machine(
        "SMCreateBDB",
        uid="a10586b1-60bc-428e-9bc6-392eb5f0d8ae",
        object_name="bdb:1",
        script=[completed(progress=100, heartbeat=1650378874)],
    )
    return "GET", "/v1/actions"


def of_a_database(stub: RedisActions) -> tuple[str, str]:
    stub.add_state_machine(
        "SMUpdateBDB",
        uid="8afc7f70-f3ae-4244-a5e9-5133e78b2e97",
        object_name="bdb:1",
        script=[active(progress=50.0, heartbeat=1703067908, state="proxy_policy", pending_ops={})],
    )
    return "GET", "/v1/actions/bdb/1"


def one_of_v2(stub: RedisActions) -> tuple[str, str]:
    uid = "6155403f-c26f-40ab-8afc-23ed663973f6"
    stub.add_action("retry_bdb", uid=uid, node_uid="1", creation_time=1742595918, script=[completed(progress=100)])
    return "GET", f"/v2/actions/{uid}"


def the_v2_list(stub: RedisActions) -> tuple[str, str]:
    one_of_v2(stub)
    return "GET", "/v2/actions"


def a_cluster_action(stub: RedisActions) -> tuple[str, str]:
    stub.when("POST", "/v1/cluster/actions/action_name", script=[queued()])
    requests.post(f"{stub.url}/v1/cluster/actions/action_name", auth=stub.auth)
    return "GET", "/v1/cluster/actions/action_name"


def the_cluster_actions(stub: RedisActions) -> tuple[str, str]:
    a_cluster_action(stub)
    return "GET", "/v1/cluster/actions"


def the_node_actions(stub: RedisActions) -> tuple[str, str]:
    stub.add_action("remove", node_uid="1", script=[running(progress=10)])
    return "GET", "/v1/nodes/1/actions"


def a_started_node_action(stub: RedisActions) -> tuple[str, str]:
    stub.when("POST", "/v1/nodes/1/actions/maintenance_on", uid=NODE_TASK)
    return "POST", "/v1/nodes/1/actions/maintenance_on"


def a_started_rebalance(stub: RedisActions) -> tuple[str, str]:
    stub.when("PUT", "/v1/bdbs/1/actions/rebalance", uid="21ad01d5-55aa-4ec6-b5c0-44dc95176486")
    return "PUT", "/v1/bdbs/1/actions/rebalance"


def a_started_migration(stub: RedisActions) -> tuple[str, str]:
    stub.when("POST", "/v1/shards/actions/migrate", uid="e5e24ddf-a456-4a7e-ad53-4463cd44880e")
    return "POST", "/v1/shards/actions/migrate"


PLAYS: dict[str, Callable[[RedisActions], tuple[str, str]]] = {
    "docs-7.4.v1-action": one_task,
    "docs-7.4.v1-actions": the_v1_list,
    "docs-7.4.v1-bdb-actions": of_a_database,
    "docs-7.22.v2-action": one_of_v2,
    "docs-7.22.v2-actions": the_v2_list,
    "docs-8.0.cluster-action": a_cluster_action,
    "docs-8.0.cluster-actions": the_cluster_actions,
    "docs-8.0.node-actions": the_node_actions,
    "docs-8.0.node-action-started": a_started_node_action,
    "docs-8.0.bdb-rebalance-started": a_started_rebalance,
    "docs-8.0.shards-migrate-started": a_started_migration,
}


def test_every_payload_is_played() -> None:
    assert sorted(PLAYS) == sorted(path.stem for path in PAYLOADS.glob("*.json"))


@pytest.mark.parametrize("name", PLAYS)
def test_the_official_body_comes_out_of_the_stub(name: str, make_redis_actions: Any) -> None:
    release = name.removeprefix("docs-").rsplit(".", 1)[0]
    stub = make_redis_actions(release=release, profile="documented")

    method, path = PLAYS[name](stub)
    migration = {"shard_uids": ["2", "4", "6"], "target_node_uid": 9} if "migrate" in path else None
    reply = requests.request(method, stub.url + path, auth=stub.auth, json=migration)

    assert typed(reply.json()) == typed(json.loads((PAYLOADS / f"{name}.json").read_text()))


def test_a_finished_node_action_is_told_as_in_the_maintenance_guide(make_redis_actions: Any) -> None:
    stub = make_redis_actions(release="8.0", profile="documented")
    stub.when("POST", "/v1/nodes/1/actions/maintenance_on", uid=NODE_TASK, script=[completed()])
    requests.post(f"{stub.url}/v1/nodes/1/actions/maintenance_on", auth=stub.auth)

    reply = requests.get(f"{stub.url}/v1/nodes/1/actions/maintenance_on", auth=stub.auth)

    assert reply.json() == {"status": "completed", "task_id": NODE_TASK}
