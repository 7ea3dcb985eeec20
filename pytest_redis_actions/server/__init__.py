"""The endpoint on real sockets: kept open between requests, many threads, stopped at once."""

from __future__ import annotations

from .stub_server import StubServer, check_host, check_port

__all__ = ["StubServer", "check_host", "check_port"]
