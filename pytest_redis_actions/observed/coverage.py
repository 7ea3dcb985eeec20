"""Which statuses and transitions of the lifecycle the clients of a suite saw, and which they never saw."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from ..facts.lifecycle import GONE, STATE_MACHINE, TASK, lifecycle

__all__ = ["Coverage"]

_KINDS = (TASK, STATE_MACHINE)


class Coverage:
    """What clients saw: statuses and direct transitions, per kind, compared with the newest release."""

    def __init__(self, met: Iterable[Sequence[str]] = ()) -> None:
        self._met: set[tuple[str, ...]] = {tuple(each) for each in met}

    def add(self, kind: str, statuses: Sequence[str]) -> None:
        """Add what was seen of one operation, in order."""
        if kind not in _KINDS:
            return
        transitions = lifecycle(kind).transitions
        self._met |= {(kind, status) for status in statuses if status in transitions or status == GONE}
        for before, after in pairwise(statuses):
            if after in transitions.get(before, ()):
                self._met.add((kind, before, after))

    def merge(self, other: Iterable[Sequence[str]]) -> None:
        """Add what the clients of another worker saw."""
        self._met |= {tuple(each) for each in other}

    def data(self) -> list[list[str]]:
        """Return what clients saw, as plain data that a worker can send."""
        return sorted(map(list, self._met))

    @property
    def percent(self) -> float:
        """The share of all statuses and transitions that clients saw."""
        every = self._every()
        return 100 * sum(each in self._met for each in every) / len(every)

    def _every(self) -> list[tuple[str, ...]]:
        found: list[tuple[str, ...]] = []
        for kind in _KINDS:
            transitions = lifecycle(kind).transitions
            found += [(kind, status) for status in transitions]
            found += [(kind, before, after) for before, following in transitions.items() for after in following]
        return found

    def lines(self) -> list[str]:
        """Return the table: per kind, how much clients saw, and what they did not see."""
        lines = []
        names: Mapping[str, str] = {TASK: "tasks", STATE_MACHINE: "state machines"}
        for kind in _KINDS:
            every = [each for each in self._every() if each[0] == kind]
            for what, length in (("statuses", 2), ("transitions", 3)):
                all_of = [each for each in every if len(each) == length]
                never = [" -> ".join(each[1:]) for each in all_of if each not in self._met]
                line = f"{names[kind]:<15} {what:<12} {len(all_of) - len(never):2d} of {len(all_of):2d} seen"
                lines.append(line + (f"; never {', '.join(never)}" if never else ""))
        gone = any(each[1:] == (GONE,) for each in self._met)
        lines.append(f"a record that vanishes: {'seen' if gone else 'never seen'}")
        lines.append(f"in all {self.percent:.0f} %")
        return lines
