"""Pollers without an HTTP library, for proofs of many rounds: they sleep, poll a number of times, and are driven."""

from __future__ import annotations

import asyncio
import http.client
import json
import time
from base64 import b64encode
from contextlib import closing


def _credentials(auth: tuple[str, str]) -> str:
    return "Basic " + b64encode(":".join(auth).encode()).decode()


def poll(port: int, uid: str, auth: tuple[str, str], offset: float, interval: float, polls: int) -> None:
    """Sleep for the offset, then poll so often, an interval apart."""
    time.sleep(offset)
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        for number in range(polls):
            if number:
                time.sleep(interval)
            connection.request("GET", f"/v1/actions/{uid}", headers={"Authorization": _credentials(auth)})
            with connection.getresponse() as reply:
                reply.read()


def status(port: int, uid: str, auth: tuple[str, str]) -> object:
    """Poll once, and return the status."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", f"/v1/actions/{uid}", headers={"Authorization": _credentials(auth)})
        with connection.getresponse() as reply:
            return json.loads(reply.read()).get("status")


async def apoll(port: int, uid: str, auth: tuple[str, str], offset: float, interval: float, polls: int) -> None:
    """Do the same in a task."""
    await asyncio.sleep(offset)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for number in range(polls):
            if number:
                await asyncio.sleep(interval)
            request = f"GET /v1/actions/{uid} HTTP/1.1\r\nHost: x\r\nAuthorization: {_credentials(auth)}\r\n\r\n"
            writer.write(request.encode())
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.decode().split("\r\n") if line.lower().startswith("content-length"))
            await reader.readexactly(int(length.partition(":")[2]))
    finally:
        writer.close()


async def apoll_all(port: int, auth: tuple[str, str], clients: list[tuple[str, float, float, int]]) -> None:
    """Poll with one task for each client."""
    await asyncio.gather(*(apoll(port, uid, auth, offset, interval, polls) for uid, offset, interval, polls in clients))
