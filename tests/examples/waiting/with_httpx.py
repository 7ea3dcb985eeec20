"""The same on asyncio: httpx, `asyncio.sleep`, and a deadline with `asyncio.wait_for`."""

from __future__ import annotations

import asyncio

import httpx


async def wait(url: str, uid: str, auth: tuple[str, str], *, every: float = 5.0, deadline: float | None = None) -> str:
    return await asyncio.wait_for(_poll(url, uid, auth, every), deadline)


async def _poll(url: str, uid: str, auth: tuple[str, str], every: float) -> str:
    async with httpx.AsyncClient(auth=auth) as client:
        while True:
            reply = await client.get(f"{url}/v1/actions/{uid}")
            reply.raise_for_status()
            status: str = reply.json()["status"]
            if status in ("completed", "failed"):
                return status
            await asyncio.sleep(every)
