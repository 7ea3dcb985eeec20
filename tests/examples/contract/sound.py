"""A poller that survives the real world: copy it, and change what you like; the contract tells what it breaks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import requests

TERMINAL = ("completed", "failed", "cancelled", "aborted")
RUNNING = ("queued", "pending", "starting", "running", "active", "cancelling")
TRY_AGAIN = (429, 500, 502, 503, 504)
BROKEN = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


class ActionError(Exception):
    """The operation did not complete, or nobody can say that it did."""


class Poller:
    """Waits for operations of one cluster."""

    def __init__(
        self,
        url: str,
        auth: tuple[str, str],
        *,
        verify: str | bool = True,
        headers: Mapping[str, str] | None = None,
        fresh_auth: Callable[[], tuple[str, str]] | None = None,
        read_timeout: float = 10.0,
        every: float = 5.0,
        api: str = "v1",
        early_404: float = 0.0,
        gone_is_success: bool = False,
    ) -> None:
        self.url, self.verify, self.every, self.api = url, verify, every, api
        self.fresh_auth, self.early_404, self.gone_is_success = fresh_auth, early_404, gone_is_success
        self.read_timeout = read_timeout
        self.session = requests.Session()
        self.session.auth = auth
        self.session.headers.update(headers or {})

    def start(self, method: str, path: str, *, timeout: float, body: object = None) -> str:
        """Start an operation, trying again while another one is in the way; return its uid."""
        for left in self._until(timeout):
            reply = self.session.request(method, self.url + path, json=body, verify=self.verify, timeout=30)
            if reply.status_code != 409:
                reply.raise_for_status()
                started = reply.json()
                uid = started.get("action_uid") or started.get("task_id")
                if not isinstance(uid, str):
                    raise ActionError(f"the reply names no action: {started}")
                return uid
            time.sleep(min(self.every, left))
        raise ActionError("409 conflict: another operation was in the way all the time")

    def wait(self, uid: str | None, *, timeout: float) -> str:
        """Wait until an operation has completed; raise what else became of it."""
        if not uid:
            raise ActionError("there is no action_uid to wait for")
        began, seen, renewed, last = time.monotonic(), False, False, "nothing was heard of it"
        for left in self._until(timeout):
            pause, reply = self.every, self._poll(uid)
            if isinstance(reply, Exception):
                last = f"{type(reply).__name__}: {reply}"
            elif reply.status_code in TRY_AGAIN:
                last, pause = f"HTTP {reply.status_code}", retry_after(reply.headers, self.every)
            elif reply.status_code == 401 and self.fresh_auth and not renewed:
                self.session.auth, renewed, pause = self.fresh_auth(), True, 0.0
            elif reply.status_code == 404 and seen and self.gone_is_success:
                return "completed"
            elif reply.status_code == 404 and not seen and time.monotonic() - began < self.early_404:
                last = "HTTP 404: it is not known yet"
            elif reply.status_code >= 400:
                raise ActionError(f"HTTP {reply.status_code} {reply.reason}: {reply.text[:200]}")
            elif (document := document_of(reply.content)) is None:
                last = f"a reply that is no record: {reply.text[:80]!r}"
            else:
                status, seen = status_of(document, uid), True
                if status == "completed":
                    return status
                last = f"status {status!r}"
            time.sleep(min(pause, left))
        raise ActionError(f"gave up on {uid} after {timeout:g} s: {last}")

    def _until(self, timeout: float) -> Iterator[float]:
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            yield left

    def _poll(self, uid: str) -> requests.Response | Exception:
        try:
            url = f"{self.url}/{self.api}/actions/{uid}"
            return self.session.get(url, verify=self.verify, timeout=(10, self.read_timeout))
        except requests.exceptions.SSLError:
            raise
        except BROKEN as error:
            return error


def document_of(content: bytes) -> dict[str, Any] | None:
    """Return the record that a reply holds, or None if it holds none."""
    try:
        document = json.loads(content)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def status_of(document: dict[str, Any], uid: str) -> str:
    """Return the status of a record; raise if it is no status, or one that the operation has failed in."""
    status = document.get("status")
    if not isinstance(status, str):
        raise ActionError(f"the field status is no text: {document!r:.200}")
    if document.get("action_uid", uid) != uid:
        raise ActionError(f"asked for {uid} and was told of {document['action_uid']!r:.80}")
    if status in TERMINAL and status != "completed":
        info = {**document, **(document.get("additional_info") or {})}
        why = [str(info[name]) for name in ("error_code", "error_message", "error") if info.get(name)]
        raise ActionError(f"{uid} is {status}: {': '.join(why) or 'no reason was given'}")
    if status not in TERMINAL + RUNNING:
        raise ActionError(f"{uid} has the unknown status {status!r}")
    return status


def retry_after(headers: Mapping[str, str], otherwise: float) -> float:
    """Return the seconds that a reply asks for: a number, or until a date; what is neither counts for nothing."""
    text = headers.get("Retry-After", "")
    if text.strip().isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time()) or otherwise
    except (TypeError, ValueError):
        return otherwise
