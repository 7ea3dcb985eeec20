"""What a reply costs on the clock is the same over HTTPS as over HTTP."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug import Request, Response

from pytest_redis_actions import Action, RedisActions, completed, faults, running

CLIENT = """
import asyncio
import time

import httpx


def timed(url, auth, trust):
    began = time.monotonic()
    httpx.get(url, auth=auth, verify=trust, trust_env=False, timeout=30).raise_for_status()
    return time.monotonic() - began


async def atimed(url, auth, trust, deadline=None):
    began = time.monotonic()
    async with httpx.AsyncClient(auth=auth, verify=trust, trust_env=False, timeout=None) as client:
        reply = await asyncio.wait_for(client.get(url), deadline)
        reply.raise_for_status()
    return time.monotonic() - began


async def wait(url, auth, trust, every):
    async with httpx.AsyncClient(auth=auth, verify=trust, trust_env=False, timeout=None) as client:
        while (await client.get(url)).json()["status"] != "completed":
            await asyncio.sleep(every)
"""
Make = Callable[..., RedisActions]
pytestmark = pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])


@pytest.fixture
def client(write: Callable[[str], Any]) -> Any:
    return write(CLIENT)


@pytest.fixture
def stub(make_redis_actions: Make, tls: bool) -> RedisActions:
    return make_redis_actions(tls=tls)


@pytest.fixture
def action(stub: RedisActions) -> Action:
    return stub.add_action("migrate_shards", script=[running()])


def wanted(stub: RedisActions, action: Action) -> tuple[str, tuple[str, str], ssl.SSLContext | bool]:
    trust = ssl.create_default_context(cafile=str(stub.ca_file)) if stub.ca_file else True
    return f"{stub.url}/v1/actions/{action.uid}", stub.auth, trust


def takes(stub: RedisActions, action: Action, seconds: float) -> None:
    stub.fault(faults.takes(seconds), on=action)


def sleeps_in_a_handler(stub: RedisActions, action: Action, seconds: float) -> None:
    def respond(_: Request) -> Response:
        stub.clock.sleep(seconds)
        return Response('{"status": "running"}', content_type="application/json")

    stub.httpserver.expect_oneshot_request(f"/v1/actions/{action.uid}").respond_with_handler(respond)


costs = pytest.mark.parametrize("costs", [takes, sleeps_in_a_handler])


@costs
def test_a_reply_costs_its_seconds(stub: RedisActions, action: Action, client: Any, costs: Any) -> None:
    costs(stub, action, 300)

    with stub.clock.drive("driven_client"):
        assert client.timed(*wanted(stub, action)) == 300

    assert stub.clock.seconds == 300


@costs
def test_a_reply_costs_its_seconds_on_asyncio(stub: RedisActions, action: Action, client: Any, costs: Any) -> None:
    costs(stub, action, 300)

    with stub.clock.drive("driven_client"):
        assert asyncio.run(client.atimed(*wanted(stub, action))) == 300

    assert stub.clock.seconds == 300


@costs
def test_a_deadline_fires_before_the_reply(stub: RedisActions, action: Action, client: Any, costs: Any) -> None:
    costs(stub, action, 300)

    with stub.clock.drive("driven_client"), pytest.raises(asyncio.TimeoutError):
        asyncio.run(client.atimed(*wanted(stub, action), deadline=20))

    assert stub.clock.seconds == 20


@costs
def test_a_client_that_has_hung_up_holds_time_no_more(
    stub: RedisActions, action: Action, client: Any, costs: Any
) -> None:
    costs(stub, action, 1000)
    other = stub.add_action("migrate_shards", script=[running(seconds=95), completed()])

    async def both() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await client.atimed(*wanted(stub, action), deadline=5)
        await client.wait(*wanted(stub, other), every=10)

    with stub.clock.drive("driven_client"):
        asyncio.run(both())

    assert [poll.seconds for poll in other.polls] == [5 + 10 * poll for poll in range(10)]
