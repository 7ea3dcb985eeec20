"""Several operations at once, each waited for in a thread of a pool."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import requests


def _wait(url: str, uid: str, auth: tuple[str, str], every: float) -> str:
    with requests.Session() as session:
        session.auth = auth
        while (status := session.get(f"{url}/v1/actions/{uid}", timeout=10).json()["status"]) not in (
            "completed",
            "failed",
        ):
            time.sleep(every)
    return str(status)


def wait(url: str, uids: list[str], auth: tuple[str, str], *, every: float = 5.0) -> list[str]:
    with ThreadPoolExecutor(len(uids)) as pool:
        return list(pool.map(lambda uid: _wait(url, uid, auth, every), uids))
