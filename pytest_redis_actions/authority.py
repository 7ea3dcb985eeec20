"""The certificates of the stub, good ones and bad ones."""

from __future__ import annotations

import ssl
import tempfile
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import MissingExtra

if TYPE_CHECKING:
    import trustme

__all__ = ["Authority"]

__tracebackhide__ = True

_LONG_AGO = "Mon, 01 Jan 2001 00:00:00 GMT"
_HOSTNAMES = ("localhost", "127.0.0.1", "::1")


class Authority:
    """A certificate authority that lasts as long as the session: who trusts `ca_file` trusts the stub's certificate."""

    def __init__(self) -> None:
        try:
            import trustme
        except ImportError:
            raise MissingExtra("tls=True", extra="tls", missing="trustme") from None
        self._authority: trustme.CA = trustme.CA()
        self._folder = tempfile.TemporaryDirectory(prefix="redis-actions-")
        self.ca_file = Path(self._folder.name) / "ca.pem"
        self._authority.cert_pem.write_to_path(str(self.ca_file))

    def context(self, kind: str = "good") -> ssl.SSLContext:
        """Return what a server needs to prove that it is localhost, 127.0.0.1 and ::1.

        Args:
            kind: "good", "untrusted", a certificate of somebody else, or "expired", one that was good once.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority = type(self._authority)() if kind == "untrusted" else self._authority
        ends: dict[str, Any] = {"not_after": parsedate_to_datetime(_LONG_AGO)} if kind == "expired" else {}
        authority.issue_cert(*_HOSTNAMES, **ends).configure_cert(context)
        return context

    def close(self) -> None:
        """Remove the file."""
        self._folder.cleanup()
