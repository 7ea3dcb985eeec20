from __future__ import annotations

import asyncio
import base64
import ssl
from typing import Any

import aiohttp
from journeys import Journey, every_journey, stub_of, travel


async def told(session: aiohttp.ClientSession, method: str, url: str) -> tuple[int, Any]:
    async with session.request(method, url) as reply:
        return reply.status, await reply.json() if await reply.read() else None


async def journeyed(journey: Journey, stub: Any) -> None:
    trusted = ssl.create_default_context(cafile=str(stub.ca_file)) if stub.ca_file else True
    loop = asyncio.get_running_loop()
    # As a header: the class for it is on its way out of aiohttp, and what replaces it is not yet everywhere.
    headers = {"Authorization": "Basic " + base64.b64encode(":".join(stub.auth).encode()).decode()}
    async with aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(ssl=trusted)) as session:

        def ask(method: str, url: str) -> tuple[int, Any]:
            return asyncio.run_coroutine_threadsafe(told(session, method, url), loop).result(timeout=30)

        # The journey is written for a caller that waits: it is played in a thread, and the loop stays free.
        await loop.run_in_executor(None, travel, journey, stub, ask)


@every_journey
def test_aiohttp(make_redis_actions: Any, journey: Journey) -> None:
    stub = stub_of(make_redis_actions, journey)

    asyncio.run(journeyed(journey, stub))

    assert {exchange.connection for exchange in stub.journal} == {1}
