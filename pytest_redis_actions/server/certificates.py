"""The certificates of the stub, good ones and bad ones."""

from __future__ import annotations

import os
import shutil
import ssl
import tempfile
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..errors import MissingExtra

if TYPE_CHECKING:
    import trustme

__all__ = ["Authority"]

__tracebackhide__ = True

_LONG_AGO = "Mon, 01 Jan 2001 00:00:00 GMT"
_HOSTS = ("localhost", "127.0.0.1", "::1")
_PREFIX = "redis-actions-"
_LOCK = "in-use"


class Authority:
    """A certificate authority that lasts as long as the session: who trusts `ca_file` trusts the stub's certificate."""

    def __init__(self) -> None:
        try:
            import trustme
        except ImportError:
            raise MissingExtra("tls=True", extra="tls", missing="trustme") from None
        self._authority: trustme.CA = trustme.CA()
        _sweep(Path(tempfile.gettempdir()))
        self._folder = tempfile.TemporaryDirectory(prefix=_PREFIX)
        self._lock = _mark_as_used(Path(self._folder.name))
        self.ca_file = Path(self._folder.name) / "ca.pem"
        self._authority.cert_pem.write_to_path(str(self.ca_file))

    def context(self, kind: str = "good", *, host: str = "127.0.0.1") -> ssl.SSLContext:
        """Return what a server needs to prove that it is `host`, localhost, 127.0.0.1 and ::1.

        Args:
            kind: "good", "untrusted", a certificate of somebody else, or "expired", one that was good once.
            host: the address that it listens on.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority = type(self._authority)() if kind == "untrusted" else self._authority
        ends: dict[str, Any] = {"not_after": parsedate_to_datetime(_LONG_AGO)} if kind == "expired" else {}
        authority.issue_cert(*dict.fromkeys((*_HOSTS, host)), **ends).configure_cert(context)
        return context

    def close(self) -> None:
        """Remove the file."""
        self._lock.close()
        self._folder.cleanup()


def _mark_as_used(folder: Path) -> IO[bytes]:
    """Return a locked file in the folder: the system ends the lock with the process, however that ends."""
    # Locked before it has its name, so that nobody finds it without its lock.
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
        kept = open(file.name, "rb")  # noqa: SIM115  # it stays open as long as the folder is used
    _is_locked(kept)
    os.replace(kept.name, folder / _LOCK)
    return kept


def _sweep(parent: Path) -> None:
    """Remove the folders of sessions that were killed."""
    for folder in _own_folders(parent):
        try:
            with open(folder / _LOCK, "rb") as lock:
                if _is_locked(lock):
                    shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            pass  # in use, or another session was quicker


def _own_folders(parent: Path) -> Iterator[Path]:
    for folder in parent.glob(f"{_PREFIX}*"):
        try:
            if not folder.is_symlink() and (os.name == "nt" or folder.stat().st_uid == os.getuid()):
                yield folder
        except OSError:
            pass  # another session was quicker


def _is_locked(file: IO[bytes]) -> bool:
    """Lock a file unless another process has; return whether this one has it now."""
    try:
        import fcntl
    except ImportError:
        return True  # Windows: nobody can remove a folder in which a file is open
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
