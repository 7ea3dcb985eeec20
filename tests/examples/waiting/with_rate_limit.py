"""Several threads that share a rate limit, and sleep while they hold its lock."""

from __future__ import annotations

import threading
import time

import requests


class Client:
    def __init__(self, url: str, auth: tuple[str, str], *, every: float = 5.0) -> None:
        self._url = url
        self._auth = auth
        self._every = every
        self._lock = threading.Lock()
        self._next = time.monotonic()

    def _take_turn(self) -> None:
        with self._lock:
            time.sleep(max(0.0, self._next - time.monotonic()))
            self._next = time.monotonic() + self._every

    def wait(self, uid: str) -> str:
        while True:
            self._take_turn()
            status = requests.get(f"{self._url}/v1/actions/{uid}", auth=self._auth, timeout=10).json()["status"]
            if status in ("completed", "failed"):
                return str(status)
