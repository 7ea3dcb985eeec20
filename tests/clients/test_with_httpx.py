from __future__ import annotations

import asyncio
import ssl
from typing import Any

import httpx
from journeys import Journey, every_journey, stub_of, travel

from pytest_redis_actions import RedisActions


def trusting(stub: RedisActions) -> ssl.SSLContext | bool:
    return ssl.create_default_context(cafile=str(stub.ca_file)) if stub.ca_file else False


def told(reply: httpx.Response) -> tuple[int, Any]:
    return reply.status_code, reply.json() if reply.content else None


@every_journey
def test_httpx(make_redis_actions: Any, journey: Journey) -> None:
    stub = stub_of(make_redis_actions, journey)
    with httpx.Client(auth=stub.auth, verify=trusting(stub)) as client:
        travel(journey, stub, lambda method, url: told(client.request(method, url)))

    assert {exchange.connection for exchange in stub.journal} == {1}


@every_journey
def test_httpx_asynchronously(make_redis_actions: Any, journey: Journey) -> None:
    stub = stub_of(make_redis_actions, journey)
    loop = asyncio.new_event_loop()
    client = httpx.AsyncClient(auth=stub.auth, verify=trusting(stub))
    try:
        travel(journey, stub, lambda method, url: told(loop.run_until_complete(client.request(method, url))))
    finally:
        loop.run_until_complete(client.aclose())
        loop.close()

    assert {exchange.connection for exchange in stub.journal} == {1}
