"""Polling by way of backoff's decorators: the sleeping is done by that library."""

from __future__ import annotations

import backoff
import httpx
import requests


def _is_running(status: str) -> bool:
    return status not in ("completed", "failed")


def wait(url: str, uid: str, auth: tuple[str, str], *, every: float = 5.0) -> str:
    @backoff.on_predicate(backoff.constant, _is_running, interval=every, jitter=None)
    def status() -> str:
        return str(requests.get(f"{url}/v1/actions/{uid}", auth=auth, timeout=10).json()["status"])

    return str(status())


async def await_(url: str, uid: str, auth: tuple[str, str], *, every: float = 5.0) -> str:
    async with httpx.AsyncClient(auth=auth) as client:

        @backoff.on_predicate(backoff.constant, _is_running, interval=every, jitter=None)
        async def status() -> str:
            return str((await client.get(f"{url}/v1/actions/{uid}")).json()["status"])

        return str(await status())
