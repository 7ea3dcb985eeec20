"""A poller as most people write it: requests, `time.sleep`, and a deadline on `time.monotonic`."""

from __future__ import annotations

import time

import requests


def wait(url: str, uid: str, auth: tuple[str, str], *, every: float = 5.0, deadline: float | None = None) -> str:
    started = time.monotonic()
    with requests.Session() as session:
        session.auth = auth
        while True:
            reply = session.get(f"{url}/v1/actions/{uid}", timeout=10)
            reply.raise_for_status()
            status: str = reply.json()["status"]
            if status in ("completed", "failed"):
                return status
            if deadline is not None and time.monotonic() - started + every > deadline:
                raise TimeoutError(f"still {status} after {time.monotonic() - started:g} s")
            time.sleep(every)
