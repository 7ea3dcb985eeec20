"""TLS handshakes, and why they fail."""

from __future__ import annotations

import socket
import ssl

from ..api.incidents import Incident

__all__ = ["HandshakeFailed", "PLAIN_ON_TLS", "TLS_ON_PLAIN", "TRUST", "is_tls", "refusal_of", "secured"]

TRUST = "pass redis_actions.ca_file to the client: verify=, cafile=, --cacert"

PLAIN_ON_TLS = Incident(
    "plain HTTP request", "came to the port for HTTPS", fix="use redis_actions.url, which begins with https://"
)
TLS_ON_PLAIN = Incident(
    "TLS handshake",
    "came to the port for plain HTTP",
    fix="use redis_actions.url, which begins with http://, or @pytest.mark.redis_actions(tls=True)",
)
UNTRUSTED = Incident("TLS handshake", "failed: the client does not trust the stub's CA", fix=TRUST)

_HANDSHAKE_RECORD = b"\x16\x03"  # RFC 8446, 5.1


class HandshakeFailed(Exception):
    """A connection cannot be secured.

    Attributes:
        incident: why; None for a client that has sent nothing.
    """

    def __init__(self, incident: Incident | None) -> None:
        super().__init__(incident)
        self.incident = incident


def is_tls(first: bytes) -> bool:
    """Tell whether a connection begins as TLS does."""
    return first[:2] == _HANDSHAKE_RECORD


def secured(connection: socket.socket, context: ssl.SSLContext, seconds: float) -> ssl.SSLSocket:
    """Return a connection after its handshake, which may take so many seconds.

    Raises:
        HandshakeFailed: the client hung up, speaks no TLS, or does not accept the certificate.
    """
    connection.settimeout(seconds)
    try:
        first = connection.recv(2, socket.MSG_PEEK)
        if first[:1] == _HANDSHAKE_RECORD[:1]:
            return context.wrap_socket(connection, server_side=True)
    except OSError as error:
        raise HandshakeFailed(refusal_of(error)) from None
    if first[:1].isalpha():
        raise HandshakeFailed(PLAIN_ON_TLS)
    raise HandshakeFailed(Incident("connection", "to the port for HTTPS did not speak TLS") if first else None)


def refusal_of(error: OSError) -> Incident:
    """Return what an error says about a handshake; a client that refuses late is seen after it only."""
    reason = error.reason or "" if isinstance(error, ssl.SSLError) else ""
    if "UNKNOWN_CA" in reason:
        return UNTRUSTED
    if "CERTIFICATE" in reason:
        alert = reason.partition("ALERT_")[2].lower().replace("_", " ") or "bad certificate"
        return Incident("TLS handshake", f"failed: the client refuses the certificate ({alert})", fix=TRUST)
    if isinstance(error, TimeoutError):
        return Incident("TLS handshake", "failed: the client did not continue")
    if reason and not isinstance(error, ssl.SSLEOFError):
        return Incident("TLS handshake", f"failed: {reason.lower().replace('_', ' ')}")
    return Incident("TLS handshake", "failed: the client hung up; it may not trust the stub's CA", fix=TRUST)
