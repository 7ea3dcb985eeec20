"""The same poller on asyncio, with httpx; what a reply means is the business of `sound`."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import httpx
from sound import TRY_AGAIN, ActionError, document_of, retry_after, status_of


class AsyncPoller:
    """Waits for operations of one cluster."""

    def __init__(
        self,
        url: str,
        auth: tuple[str, str],
        *,
        verify: ssl.SSLContext | bool = True,
        headers: Mapping[str, str] | None = None,
        fresh_auth: Callable[[], tuple[str, str]] | None = None,
        read_timeout: float = 10.0,
        every: float = 5.0,
        api: str = "v1",
        early_404: float = 0.0,
        gone_is_success: bool = False,
    ) -> None:
        self.url, self.every, self.api = url, every, api
        self.fresh_auth, self.early_404, self.gone_is_success = fresh_auth, early_404, gone_is_success
        self.auth = auth
        self.options: dict[str, Any] = {
            "verify": verify,
            "headers": dict(headers or {}),
            "timeout": httpx.Timeout(10, read=read_timeout),
            "follow_redirects": True,
        }

    async def start(self, method: str, path: str, *, timeout: float, body: object = None) -> str:
        """Start an operation, trying again while another one is in the way; return its uid."""
        async with httpx.AsyncClient(auth=self.auth, **self.options) as client:
            async for left in _until(timeout):
                reply = await client.request(method, self.url + path, json=body, timeout=30)
                if reply.status_code != 409:
                    started = reply.raise_for_status().json()
                    uid = started.get("action_uid") or started.get("task_id")
                    if not isinstance(uid, str):
                        raise ActionError(f"the reply names no action: {started}")
                    return uid
                await asyncio.sleep(min(self.every, left))
        raise ActionError("409 conflict: another operation was in the way all the time")

    async def wait(self, uid: str | None, *, timeout: float) -> str:
        """Wait until an operation has completed; raise what else became of it."""
        if not uid:
            raise ActionError("there is no action_uid to wait for")
        loop = asyncio.get_running_loop()
        began, seen, renewed, last = loop.time(), False, False, "nothing was heard of it"
        async with httpx.AsyncClient(auth=self.auth, **self.options) as client:
            async for left in _until(timeout):
                pause, reply = self.every, await self._poll(client, uid)
                if isinstance(reply, Exception):
                    last = f"{type(reply).__name__}: {reply}"
                elif reply.status_code in TRY_AGAIN:
                    last, pause = f"HTTP {reply.status_code}", retry_after(reply.headers, self.every)
                elif reply.status_code == 401 and self.fresh_auth and not renewed:
                    client.auth, renewed, pause = httpx.BasicAuth(*self.fresh_auth()), True, 0.0
                elif reply.status_code == 404 and seen and self.gone_is_success:
                    return "completed"
                elif reply.status_code == 404 and not seen and loop.time() - began < self.early_404:
                    last = "HTTP 404: it is not known yet"
                elif reply.status_code >= 400:
                    raise ActionError(f"HTTP {reply.status_code} {reply.reason_phrase}: {reply.text[:200]}")
                elif (document := document_of(reply.content)) is None:
                    last = f"a reply that is no record: {reply.text[:80]!r}"
                else:
                    status, seen = status_of(document, uid), True
                    if status == "completed":
                        return status
                    last = f"status {status!r}"
                await asyncio.sleep(min(pause, left))
        raise ActionError(f"gave up on {uid} after {timeout:g} s: {last}")

    async def _poll(self, client: httpx.AsyncClient, uid: str) -> httpx.Response | Exception:
        try:
            return await client.get(f"{self.url}/{self.api}/actions/{uid}")
        except httpx.TooManyRedirects:
            raise
        except httpx.TransportError as error:
            return error


async def _until(timeout: float) -> AsyncIterator[float]:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while (left := deadline - loop.time()) > 0:
        yield left
