"""Frozen values: the operation that was started, and its state at one instant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ..facts.lifecycle import GONE
from .script import Number, Script

__all__ = ["Operation", "Place", "State", "observe"]


@dataclass(frozen=True)
class Place:
    """Where a node or cluster action belongs: the action of that name, on that node or on the cluster.

    Attributes:
        action: the name in the path, "maintenance_on".
        node_uid: the node, "1", or None for an action of the cluster.
    """

    action: str
    node_uid: str | None = None


@dataclass(frozen=True)
class Operation:
    """One operation: what was started, and the script of what it goes through.

    Attributes:
        uid: its action_uid, the same in v1 and v2 (E-ROUTE-5).
        kind: "task", "state-machine" or "other".
        name: the API's name, "migrate_shards".
        script: what it goes through.
        started: seconds on the clock when the script began; a cancel begins a new script.
        creation_time: Unix seconds.
        node_uid: the node of a task, "1", or None.
        object_name: the object of a state machine, "bdb:1", or None.
        place: for a node or cluster action, where it belongs.
        fields: further fields of the body, as pairs; in v2 those of additional_info.
    """

    uid: str
    kind: str
    name: str
    script: Script
    started: float
    creation_time: int
    node_uid: str | None = None
    object_name: str | None = None
    place: Place | None = None
    fields: tuple[tuple[str, object], ...] = field(default=())

    @property
    def bdb_uid(self) -> str | None:
        """The database that the operation belongs to, "1", or None. Source: E-SM-3."""
        if self.object_name and self.object_name.startswith("bdb:"):
            return self.object_name[len("bdb:") :]
        return None


class State(NamedTuple):
    """An operation at one instant.

    Attributes:
        operation: the operation.
        status: the API's word, or "gone".
        progress: percent.
        heartbeat: seconds on the clock of the last change of status or progress (E-LIFE-12).
        fields: further fields of the body at this instant: the operation's, then the step's.
        awaits: what moves the script on, "polls", "seconds", or "" for nothing.
    """

    operation: Operation
    status: str
    progress: Number
    heartbeat: float
    fields: tuple[tuple[str, object], ...]
    awaits: str

    @property
    def is_gone(self) -> bool:
        """Whether the record has vanished."""
        return self.status == GONE


def observe(operation: Operation, read: Sequence[float], now: float) -> State:
    """Return an operation's state from the instants at which it was read, and the present one. Pure.

    Args:
        operation: the operation.
        read: seconds on the clock of each poll that was answered since the script began, the present one included.
            Between two polls a script of polls stands where the last one saw it; before the first, at its first step.
        now: seconds on the clock.
    """
    poll = max(0, len(read) - 1)
    moment = operation.script.at(poll=poll, elapsed=now - operation.started)
    return State(
        operation,
        moment.step.status,
        moment.progress,
        now if moment.moving else _changed(operation, moment.since, read),
        operation.fields + moment.step.fields,
        moment.awaits,
    )


def _changed(operation: Operation, since: Number, read: Sequence[float]) -> float:
    if operation.script.unit == "seconds":
        return operation.started + since
    return read[int(since)] if since else operation.started
