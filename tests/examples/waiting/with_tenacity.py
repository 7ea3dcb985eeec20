"""Polling by way of tenacity's retries: the sleeping is done by that library."""

from __future__ import annotations

import httpx
import requests
from tenacity import RetryError, retry, retry_if_result, stop_after_delay, wait_fixed


def _is_running(status: str) -> bool:
    return status not in ("completed", "failed")


def wait(url: str, uid: str, auth: tuple[str, str], *, every: float = 5.0, deadline: float = 1e9) -> str:
    @retry(retry=retry_if_result(_is_running), wait=wait_fixed(every), stop=stop_after_delay(deadline))
    def status() -> str:
        return str(requests.get(f"{url}/v1/actions/{uid}", auth=auth, timeout=10).json()["status"])

    try:
        return status()
    except RetryError as error:
        raise TimeoutError(f"still {error.last_attempt.result()}") from error


async def await_(url: str, uid: str, auth: tuple[str, str], *, every: float = 5.0, deadline: float = 1e9) -> str:
    async with httpx.AsyncClient(auth=auth) as client:

        @retry(retry=retry_if_result(_is_running), wait=wait_fixed(every), stop=stop_after_delay(deadline))
        async def status() -> str:
            return str((await client.get(f"{url}/v1/actions/{uid}")).json()["status"])

        try:
            return await status()
        except RetryError as error:
            raise TimeoutError(f"still {error.last_attempt.result()}") from error
