"""A client that sends any bytes and reads what comes back: for what no HTTP library would send."""

from __future__ import annotations

import base64
import json
import socket
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from pytest_redis_actions import RedisActions


class Answer(NamedTuple):
    """One reply off the wire."""

    code: int
    headers: dict[str, str]
    body: bytes

    @property
    def error_code(self) -> str:
        document: dict[str, Any] = json.loads(self.body)
        assert sorted(document) == ["description", "error_code"]
        return str(document["error_code"])


class Wire:
    """One TCP connection to a stub."""

    def __init__(self, stub: RedisActions) -> None:
        where = urlsplit(stub.url)
        self.authorization = "Basic " + base64.b64encode(":".join(stub.auth).encode()).decode()
        self.socket = socket.create_connection((where.hostname or "", where.port or 0), timeout=15)
        self.file = self.socket.makefile("rb")

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def request(self, line: str, *headers: str, body: bytes = b"") -> bytes:
        """Return the bytes of a request with credentials."""
        lines = [line, "Host: x", f"Authorization: {self.authorization}", *headers]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body

    def ask(self, line: str, *headers: str, body: bytes = b"") -> Answer:
        self.send(self.request(line, *headers, body=body))
        return self.read(head_only=line.startswith("HEAD"))

    def read(self, *, head_only: bool = False) -> Answer:
        status = self.file.readline().decode("latin-1")
        assert status.startswith("HTTP/1.1 "), status
        headers = {}
        while line := self.file.readline().decode("latin-1").strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = b"" if head_only else self.file.read(int(headers["content-length"]))
        return Answer(int(status.split()[1]), headers, body)

    def is_closed(self) -> bool:
        return self.file.read(1) == b""
