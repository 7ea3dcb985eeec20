"""The operation that a client has to wait for, as `wait` gets it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from ..errors.arguments import Suggesting

__all__ = ["Target"]


@dataclass
class Target(Suggesting):
    """One operation on one cluster, and how long to wait for it.

    Attributes:
        url: the base URL, without a trailing slash.
        auth: user name and password.
        action_uid: the operation; None if the client has to start it.
        ca_file: the certificate file to trust over HTTPS; None over HTTP.
        timeout: the client's deadline in seconds.
        read_timeout: real seconds that one request may wait for its reply.
        headers: headers that every request should have, in scenarios that ask for some.
        scenario: the id of the scenario, for logs.
        waits_for: "action", or "deletion" if the record disappears at the end.
    """

    _meant: ClassVar[Mapping[str, str]] = {
        "base_url": "url",
        **dict.fromkeys(("uid", "task_id"), "action_uid"),
        **dict.fromkeys(("user", "username", "password"), "auth"),
        "deadline": "timeout",
    }

    url: str
    auth: tuple[str, str]
    action_uid: str | None
    ca_file: Path | None
    timeout: float
    read_timeout: float = 2.0
    headers: Mapping[str, str] = field(default_factory=dict)
    scenario: str = ""
    waits_for: str = "action"
    renew: Callable[[], tuple[str, str]] = field(default=lambda: ("", ""), repr=False)
    renewals: int = 0

    def __repr__(self) -> str:
        return f"<target {self.action_uid} of {self.scenario} at {self.url}>"

    def fresh_auth(self) -> tuple[str, str]:
        """Return credentials that work now, for a client whose own were refused."""
        self.renewals += 1
        self.auth = self.renew()
        return self.auth
