"""Every body that the stub sends keeps the contract of its release and profile."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from test_laws import KINDS, scripts

from pytest_redis_actions import ContractError, RedisActions
from pytest_redis_actions.api.endpoint import Endpoint, Request
from pytest_redis_actions.clock import VirtualClock
from pytest_redis_actions.contract import validate_exchanges
from pytest_redis_actions.facts.access import Access
from pytest_redis_actions.facts.lifecycle import STATE_MACHINE, TASK
from pytest_redis_actions.facts.parameters import Carried
from pytest_redis_actions.facts.releases import RELEASES
from pytest_redis_actions.facts.routes import ROUTES, Start
from pytest_redis_actions.operations.operation import Place

READS = [
    "/v1/actions", "/v1/actions/bdb/1", "/v2/actions", "/v1/nodes/actions", "/v1/nodes/1/actions",
    "/v1/cluster/actions", "/v1/cluster/actions/change_master", "/v1/nodes/1/actions/remove", "/v1/actions/nobody",
]  # fmt: skip


@given(
    st.data(), st.sampled_from(RELEASES), st.sampled_from(["wire", "documented"]), st.sampled_from(["array", "wrapper"])
)
def test_whatever_the_script(data: st.DataObject, release: str, profile: str, envelope: str) -> None:
    if profile == "documented":
        envelope = "array"
    clock = VirtualClock()
    endpoint = Endpoint(release=release, profile=profile, clock=clock, access=Access(False), bdb_envelope=envelope)
    for number, kind in enumerate(data.draw(st.lists(KINDS, min_size=1, max_size=4))):
        more: dict[str, Any] = {}
        if kind == STATE_MACHINE:
            more = {"object_name": "bdb:1"}
        elif kind == TASK and number == 0:
            more = {"node_uid": "1", "place": Place("remove", "1")}
        endpoint.add(kind, "SMUpdateBDB", script=data.draw(scripts(kind, release, profile)).steps, uid=None, **more)
    endpoint.handle(Request("POST", "/v1/cluster/actions/change_master"))

    for seconds in data.draw(st.lists(st.integers(0, 60), min_size=1, max_size=3)):
        clock.advance(seconds)
        for uid in endpoint.uids:
            endpoint.handle(Request("GET", f"/v1/actions/{uid}"))
            endpoint.handle(Request("GET", f"/v2/actions/{uid}"))
        for path in READS:
            endpoint.handle(Request("GET", path))

    validate_exchanges(endpoint.journal, release=release, profile=profile)


def acceptable(carried: Carried) -> dict[str, Any]:
    """Return a body with what a request needs."""
    values = {"string": "x", "integer": 1, "array of strings": ["1"], "array of integers": [1]}
    body = {needed.names[0]: values[carried.body[needed.names[0]]] for needed in carried.needs}
    return {carried.below: body} if carried.below else body


@pytest.mark.parametrize("profile", ["wire", "documented"])
@pytest.mark.parametrize("release", RELEASES)
def test_whatever_is_started(release: str, profile: str) -> None:
    endpoint = Endpoint(release=release, profile=profile, clock=VirtualClock(), access=Access(False))
    values = {"bdb_uid": "1", "shard_uid": "3", "object_uid": "5", "node_uid": "1"}
    bodies = 0
    for route in ROUTES:
        for method, handling in route.methods.items():
            if isinstance(handling, Start):
                action = "change_master" if "cluster" in route.template else "remove"
                path = route.template.format(**values, action=action)
                body = json.dumps(acceptable(handling.carried)).encode()
                reply = endpoint.handle(Request(method, path, body=body))
                assert reply.code in (200, 202) or not route.is_in(release, profile)
                bodies += reply.code < 400 and bool(reply.body)

    assert bodies > 15
    validate_exchanges(endpoint.journal, release=release, profile=profile)


def test_a_live_journal_is_checked_in_one_call(redis_actions: RedisActions) -> None:
    redis_actions.add_action("migrate_shards")
    requests.get(f"{redis_actions.url}/v1/actions", auth=redis_actions.auth)
    requests.get(f"{redis_actions.url}/v1/actions")

    redis_actions.validate()

    assert [exchange.code for exchange in redis_actions.journal] == [200, 401]


def test_what_a_script_bends_is_found(redis_actions: RedisActions) -> None:
    from pytest_redis_actions import running

    action = redis_actions.add_action("migrate_shards", script=[running(node_uid=3)])
    requests.get(f"{redis_actions.url}/v1/actions/{action.uid}", auth=redis_actions.auth)

    with pytest.raises(ContractError) as caught:
        redis_actions.validate()

    assert [each.pointer for each in caught.value.violations] == ["/node_uid"]
    assert json.loads(redis_actions.journal[0].body)["node_uid"] == 3
