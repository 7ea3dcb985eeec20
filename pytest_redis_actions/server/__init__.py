"""The endpoint on real sockets: kept open between requests, many threads, stopped at once.

May import: errors, operations, faults, driving, clock, api.
Public: certificates.
"""

from __future__ import annotations

from .stub_server import StubServer, check_host, check_port

__all__ = ["StubServer", "check_host", "check_port"]
