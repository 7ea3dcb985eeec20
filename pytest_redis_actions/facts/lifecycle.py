"""What a status may become: one table per kind of operation and release, and a few questions about them.

Source: E-LIFE-1, E-LIFE-2, E-LIFE-3, E-LIFE-5, E-SINCE-10, E-STATUS-1, E-STATUS-2, E-STATUS-4 (schemas/evidence.md).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from ..errors import UsageError, advice, exact, shown
from .releases import NEWEST, RELEASES, has

__all__ = [
    "GONE",
    "KINDS",
    "OTHER",
    "STATE_MACHINE",
    "STATUSES",
    "TASK",
    "V2",
    "Lifecycle",
    "check_kind",
    "lifecycle",
    "owners",
]

__tracebackhide__ = True

TASK = "task"
STATE_MACHINE = "state-machine"
OTHER = "other"
V2 = "v2"
KINDS = (TASK, STATE_MACHINE, OTHER, V2)

GONE = "gone"
"""Not a status of the API: the record has vanished, and reading it is a 404 (E-LIFE-8)."""

_TASK = {
    "queued": ("starting", "cancelled"),
    "starting": ("running",),
    "running": ("completed", "failed", "cancelling"),
    "cancelling": ("cancelled",),
    "completed": (),
    "failed": (),
    "cancelled": (),
}
_TASK_WITH_ABORTED = {
    **_TASK,
    "starting": ("running", "aborted"),
    "running": ("completed", "failed", "cancelling", "aborted"),
    "aborted": (),
}
_STATE_MACHINE = {"pending": ("active",), "active": ("completed", "failed"), "completed": (), "failed": ()}
_V2 = {"queued": ("running",), "running": ("completed", "failed"), "completed": (), "failed": ()}

_NAMES = {TASK: "a task", STATE_MACHINE: "a state machine", OTHER: "an import, export or backup", V2: "a v2 action"}


@dataclass(frozen=True)
class Lifecycle:
    """The life of one kind of operation on one release.

    Attributes:
        kind: "task", "state-machine", "other" or "v2".
        release: the release it holds for.
        profile: "wire", or "documented" for what the reference of that release has.
        transitions: status -> the statuses that may follow it directly; none for a terminal one.
    """

    kind: str
    release: str
    profile: str
    transitions: Mapping[str, tuple[str, ...]]

    @property
    def statuses(self) -> tuple[str, ...]:
        """Every status of the kind, first ones first."""
        return tuple(self.transitions)

    @property
    def terminal(self) -> tuple[str, ...]:
        """The statuses that nothing may follow."""
        return tuple(status for status, following in self.transitions.items() if not following)

    @property
    def noun(self) -> str:
        """What to call one of the kind in a sentence, with its article."""
        return _NAMES[self.kind]

    def is_terminal(self, status: str) -> bool:
        """Tell whether nothing may follow `status`."""
        return not self.transitions[status]

    def mermaid(self) -> str:
        """Return the lifecycle as a Mermaid state diagram, as the reference draws it."""
        lines = ["stateDiagram-v2"]
        for before, following in self.transitions.items():
            lines += [f"    {before} --> {after}" for after in following]
        return "\n".join(lines)

    def since(self, status: str) -> str:
        """Return the first release on which the kind has this status in this profile."""
        lives = (lifecycle(self.kind, release, self.profile) for release in RELEASES)
        return next(life.release for life in lives if status in life.transitions)

    def allows(self, before: str, after: str) -> bool:
        """Tell whether `after` may follow `before` directly; a status may always stay as it is."""
        return before == after or after in self.transitions[before]

    def reaches(self, before: str, after: str) -> bool:
        """Tell whether `after` may follow `before` at all, with any number of states between."""
        return self.path(before, after) is not None

    def path(self, before: str, after: str) -> tuple[str, ...] | None:
        """Return the shortest way from `before` to `after`, both included, or None if there is none."""
        ways: deque[tuple[str, ...]] = deque([(before,)])
        seen = {before}
        while ways:
            way = ways.popleft()
            if way[-1] == after:
                return way
            for following in self.transitions[way[-1]]:
                if following not in seen:
                    seen.add(following)
                    ways.append((*way, following))
        return None


@cache
def lifecycle(kind: str, release: str = NEWEST, profile: str = "wire") -> Lifecycle:
    """Return the lifecycle of a kind on a release."""
    if kind == TASK:
        table = _TASK_WITH_ABORTED if has(release, "aborted", profile) else _TASK
    else:
        table = _STATE_MACHINE if kind == STATE_MACHINE else _V2
    return Lifecycle(kind, release, profile, table)


STATUSES = tuple(dict.fromkeys((*_TASK_WITH_ABORTED, *_STATE_MACHINE)))
"""Every status of the newest release, of whatever kind."""


def check_kind(kind: object) -> str:
    """Return `kind` if it is one of KINDS.

    Raises:
        UsageError: it is not; the message names the nearest.
    """
    known = exact(kind)
    if isinstance(known, str) and known in KINDS:
        return known
    raise UsageError(
        f"unknown kind {shown(kind, 40)}",
        fix=advice(kind, KINDS) + f"known are {', '.join(map(repr, KINDS))}",
        value=kind,
    )


def owners(status: str) -> Iterator[Lifecycle]:
    """Yield the newest lifecycle of each v1 kind that has a status of this name."""
    for kind in (TASK, STATE_MACHINE):
        if status in lifecycle(kind).transitions:
            yield lifecycle(kind)
