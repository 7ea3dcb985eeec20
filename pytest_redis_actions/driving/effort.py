"""What runs: the processor time that the test's threads and the programs it has started use, or wait for."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

from .ledger import OutsideThread

__all__ = ["Effort"]

__tracebackhide__ = True

_TASKS = "/proc/self/task"
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


class Effort:
    """Measures, from one call to the next, how busy this process and its children are.

    On Linux a thread that waits for a processor counts as one that has it, so that a loaded machine looks like an idle
    one; the stub's own threads do not count, nor does the watch. Elsewhere the time that the process has used is all
    there is, and its children count once they have ended.
    """

    def __init__(self) -> None:
        self._seen = dict(_totals())

    @staticmethod
    def busy() -> float:
        """The share of one processor from which on something runs."""
        return 0.5 if os.path.isdir(_TASKS) else 0.2

    def since_last(self) -> float:
        """Return seconds of processor time used, or waited for, since the last call."""
        now = dict(_totals())
        spent = sum(max(0.0, seconds - self._seen.get(key, 0.0)) for key, seconds in now.items())
        self._seen = now
        return spent


def _totals() -> Iterator[tuple[str, float]]:
    ended = os.times()
    yield "ended", ended.children_user + ended.children_system
    if not os.path.isdir(_TASKS):
        yield "process", time.process_time()
        return
    ours = {str(thread.native_id) for thread in threading.enumerate() if isinstance(thread, OutsideThread)}
    for task in os.listdir(_TASKS):
        if task not in ours:
            yield task, _wanted(f"{_TASKS}/{task}")
        for child in _words(f"{_TASKS}/{task}/children"):
            yield from _program(child)


def _program(number: str) -> Iterator[tuple[str, float]]:
    """Yield what a program has used, its threads and those of its children that have ended included."""
    # The name stands in brackets and may hold anything.
    fields = " ".join(_words(f"/proc/{number}/stat")).rpartition(")")[2].split()
    if len(fields) > 14:
        yield number, sum(map(int, fields[11:15])) / _TICKS + _waited(f"/proc/{number}")
    for child in _words(f"/proc/{number}/task/{number}/children"):
        yield from _program(child)


def _wanted(path: str) -> float:
    return sum(map(int, _words(f"{path}/schedstat")[:2])) / 1e9


def _waited(path: str) -> float:
    return sum(map(int, _words(f"{path}/schedstat")[1:2])) / 1e9


def _words(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().split()
    except OSError:
        return []  # it has ended meanwhile, or the kernel does not tell
