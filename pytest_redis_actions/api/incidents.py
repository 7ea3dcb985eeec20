"""What happened on a stub's port besides requests: failed handshakes, the wrong scheme, malformed bytes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Incident", "Incidents"]

_KINDS = 20  # kept apart; what comes after them is counted as one more


@dataclass(frozen=True)
class Incident:
    """One kind of incident; reads "2 TLS handshakes failed: …".

    Attributes:
        noun: what can be counted, "TLS handshake".
        event: what became of it, "failed: the client does not trust the stub's CA".
        fix: what to do about it, or "".
    """

    noun: str
    event: str
    fix: str = ""


_FURTHER = Incident("further incident", "of other kinds")


class Incidents:
    """The incidents of one stub, bounded however many there are."""

    def __init__(self) -> None:
        self._found: dict[Incident, tuple[int, float]] = {}
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, incident: Incident, seconds: float) -> None:
        """Count an incident, at so many seconds on the stub's clock."""
        with self._lock:
            if incident not in self._found and len(self._found) >= _KINDS:
                incident = _FURTHER
            count, first = self._found.get(incident, (0, seconds))
            self._found[incident] = count + 1, first

    def lines(self) -> Iterator[str]:
        """Yield a line for each kind, with the instant of its first one, and its fix under it."""
        with self._lock:
            found = tuple(self._found.items())
        for incident, (count, first) in found:
            yield f"{first:>8.1f}s  {count} {incident.noun}{'' if count == 1 else 's'} {incident.event}"
            if incident.fix:
                yield f"           fix  {incident.fix}"
