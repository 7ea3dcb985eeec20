"""A client as anybody would write it: it polls an action until it has ended."""

from __future__ import annotations

import base64
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any


class ActionFailed(Exception):
    pass


class ActionLost(Exception):
    pass


class MyClient:
    def __init__(self, url: str, auth: tuple[str, str], sleep: Callable[[float], object] = time.sleep) -> None:
        self.url = url
        self.headers = {"Authorization": "Basic " + base64.b64encode(":".join(auth).encode()).decode()}
        self.sleep = sleep

    def wait(self, action_uid: str, poll_every: float = 5) -> dict[str, Any]:
        while True:
            action = self.call("GET", f"/v1/actions/{action_uid}")
            if action["status"] == "completed":
                return action
            if action["status"] in ("failed", "cancelled", "aborted"):
                raise ActionFailed(action.get("error_message", action["status"]))
            self.sleep(poll_every)

    def call(self, method: str, path: str, **fields: object) -> dict[str, Any]:
        data = json.dumps(fields).encode() if fields else None
        request = urllib.request.Request(self.url + path, data, self.headers, method=method)
        try:
            with urllib.request.urlopen(request) as reply:
                body: dict[str, Any] = json.load(reply)
                return body
        except urllib.error.HTTPError as error:
            with error:
                description = json.load(error)["description"]
            raise ActionLost(description) from None
