"""The operations of one stub: added, read, cancelled, removed.

Of `Records` the endpoint's methods alone know, and they hold its lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, KeysView
from dataclasses import dataclass, field, replace

from ..errors import UsageError, shown
from ..facts.lifecycle import STATE_MACHINE, TASK, lifecycle
from .operation import Operation, Place, State, observe
from .script import Script, Step

__all__ = ["Records"]

__tracebackhide__ = True


@dataclass
class _Record:
    operation: Operation
    read: list[float] = field(default_factory=list)
    removed: bool = False


class Records:
    """Every operation of one stub, in one uid space. Source: E-ROUTE-5."""

    def __init__(self, release: str) -> None:
        self._release = release
        self._records: dict[str, _Record] = {}
        self._places: dict[Place, str] = {}
        self._databases: dict[str, list[str]] = {}
        self.changes = 1
        """The cluster-state-id: E-ASSUMED-14."""

    def __contains__(self, uid: object) -> bool:
        return uid in self._records

    def keys(self) -> KeysView[str]:
        """Return the uids of all of them, vanished ones included."""
        return self._records.keys()

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def check_new(self, uid: str) -> None:
        """Refuse a uid that is in use.

        Raises:
            UsageError: an operation has it already.
        """
        if uid in self._records:
            name = self._records[uid].operation.name
            raise UsageError(
                f"uid {shown(uid, 40)} is already in use",
                fix=f"{name} has it already; leave uid out and each operation gets one of its own",
                value=uid,
            )

    def add(self, operation: Operation) -> None:
        """Add an operation; one at the same place replaces the result that was kept there (E-LIFE-9)."""
        self.check_new(operation.uid)
        self._records[operation.uid] = _Record(operation)
        if operation.place is not None:
            earlier = self._places.get(operation.place)
            if earlier is not None:
                self._records[earlier].removed = True
            self._places[operation.place] = operation.uid
        if operation.bdb_uid is not None:
            self._databases.setdefault(operation.bdb_uid, []).append(operation.uid)
        self.changes += 1

    def operation(self, uid: str) -> Operation:
        """Return the operation of this uid, as it was started or last cancelled."""
        return self._records[uid].operation

    def peek(self, uid: str, now: float) -> State | None:
        """Return the state that the last poll saw, or None for no operation, or one that has vanished."""
        record = self._records.get(uid)
        return _state(record, record.read, now) if record else None

    def read(self, uid: str, now: float) -> State | None:
        """Move the script on and return what a poll sees: None for no operation, or one that has vanished."""
        record = self._records.get(uid)
        if record is None:
            return None
        record.read.append(now)
        return _state(record, record.read, now)

    def preview(self, uid: str, now: float) -> State | None:
        """Return the state that a poll would see now, and leave the script where it is: what HEAD is answered from."""
        record = self._records.get(uid)
        return _state(record, [*record.read, now], now) if record else None

    def at_place(self, place: Place) -> str | None:
        """Return the uid of the node or cluster action that is, or was last, at a place."""
        return self._places.get(place)

    def places(self, node_uid: str | None, *, all_nodes: bool = False) -> Iterator[str]:
        """Yield the uids of the actions of one node, of all nodes, or (None) of the cluster."""
        for place, uid in self._places.items():
            if place.node_uid is not None if all_nodes else place.node_uid == node_uid:
                yield uid

    def of_database(self, bdb_uid: str) -> Iterable[str]:
        """Return the uids of the operations of a database, in the order in which they were started."""
        return self._databases.get(bdb_uid, ())

    def is_deleted(self, bdb_uid: str, now: float) -> bool:
        """Tell whether the last thing that happened to a database was that its record vanished with its delete."""
        named = tuple(self.of_database(bdb_uid))
        return bool(named) and self.peek(named[-1], now) is None

    def next_database(self) -> int:
        """Return the lowest number above those of the databases that we know."""
        return max((int(uid) for uid in self._databases if uid.isascii() and uid.isdigit()), default=0) + 1

    def is_running(self, uid: str, now: float) -> bool:
        """Tell whether an operation is neither terminal nor gone."""
        state = self.peek(uid, now)
        return state is not None and not lifecycle(state.operation.kind, self._release).is_terminal(state.status)

    def cancel(self, uid: str, now: float) -> bool:
        """Cancel a task, by the way that its lifecycle has; False, and nothing changes, if it is too late.

        Source: E-LIFE-11, E-ASSUMED-19.

        Raises:
            UsageError: a state machine, import, export or backup: those cannot be cancelled.
        """
        record = self._records[uid]
        kind = record.operation.kind
        life = lifecycle(kind, self._release)
        if kind != TASK:
            fix = "let its script fail instead" if kind == STATE_MACHINE else "only tasks have a cancel (E-LIFE-11)"
            raise UsageError(f"{life.noun} cannot be cancelled", fix=fix, value=record.operation.name)
        state = _state(record, record.read, now)
        path = life.path(state.status, "cancelled") if state else None
        if state is None or path is None or len(path) == 1:
            return False
        if state.status != "cancelling":
            self._continue(record, state, path[1:], now)
        return True

    def _continue(self, record: _Record, state: State, statuses: tuple[str, ...], now: float) -> None:
        steps = [Step(status, progress=(state.progress, state.progress)) for status in statuses]
        script = Script.of(TASK, steps, release=self._release, progress=state.progress)
        record.operation = replace(record.operation, script=script, started=now)
        record.read = []
        self.changes += 1

    def remove(self, uid: str) -> None:
        """Let a record vanish, by request of a client (E-NODE-9)."""
        record = self._records[uid]
        record.removed = True
        place = record.operation.place
        if place is not None and self._places.get(place) == uid:
            del self._places[place]
        self.changes += 1


def _state(record: _Record, read: list[float], now: float) -> State | None:
    if record.removed:
        return None
    state = observe(record.operation, read, now)
    return None if state.is_gone else state
