"""What runs: the processor time that the test's threads and the programs it has started use, or wait for."""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Iterator

from .ledger import OutsideThread

__all__ = ["Effort"]

__tracebackhide__ = True

_TASKS = "/proc/self/task"
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_REST = "the rest of the process"


class Effort:
    """Measures, from one call to the next, how busy this process and its children are.

    On Linux a thread that waits for a processor counts as one that has it, so that a loaded machine looks like an idle
    one; the stub's own threads do not count, nor does the watch. Elsewhere the time that the process has used is all
    there is, and its children count once they have ended.
    """

    def __init__(self) -> None:
        self._seen = _Totals()

    @staticmethod
    def busy() -> float:
        """The share of one processor from which on something runs."""
        return 0.5 if os.path.isdir(_TASKS) else 0.2

    def since_last(self) -> dict[str, float]:
        """Return seconds of processor time used, or waited for, since the last call: of each thread and program.

        A thread, and a program that it has started, go by the native number of the thread.
        """
        before, self._seen = self._seen, _Totals()
        spent: dict[str, float] = {}
        for key, (owner, seconds) in self._seen.wanted.items():
            spent[owner] = spent.get(owner, 0.0) + max(0.0, seconds - before.wanted.get(key, ("", 0.0))[1])
        named = sum(seconds - before.used.get(key, 0.0) for key, seconds in self._seen.used.items())
        return {**spent, _REST: max(0.0, self._seen.process - before.process - named)}


class _Totals:
    """What has been used since the process began.

    Attributes:
        process: by all its threads, and by the programs that have ended.
        used: by each thread of Python's: what is left of the first are threads of libraries.
        wanted: thread or program -> the thread that it goes by, and what it has used or waited for; ours left out.
    """

    def __init__(self) -> None:
        ended = os.times()
        self.process = time.process_time() + ended.children_user + ended.children_system
        self.used: dict[str, float] = {}
        self.wanted: dict[str, tuple[str, float]] = {}
        if not os.path.isdir(_TASKS):
            return
        for thread in threading.enumerate():
            task = str(thread.native_id)
            used, waited, *_ = (*map(int, _words(f"{_TASKS}/{task}/schedstat")), 0, 0)
            self.used[task] = used / 1e9
            if not isinstance(thread, OutsideThread):
                self.wanted[task] = task, (used + waited) / 1e9
                self.wanted |= {number: (task, seconds) for number, seconds in _programs(f"{_TASKS}/{task}")}


def _programs(task: str) -> Iterator[tuple[str, float]]:
    """Yield what the programs of a thread have used, their threads and those of their children that have ended too."""
    for number in _words(f"{task}/children"):
        # The name stands in brackets and may hold anything.
        fields = " ".join(_words(f"/proc/{number}/stat")).rpartition(")")[2].split()
        if len(fields) > 14:
            waited = sum(map(int, _words(f"/proc/{number}/schedstat")[1:2])) / 1e9
            yield number, sum(map(int, fields[11:15])) / _TICKS + waited
        yield from _programs(f"/proc/{number}/task/{number}")


if os.path.isdir(_TASKS):
    _library = ctypes.PyDLL(None)


def _words(path: str) -> list[str]:
    """Read a file that the kernel makes up, and keep the interpreter's lock: others that compute would take it."""
    number = _library.open(path.encode(), os.O_RDONLY | os.O_CLOEXEC)
    if number < 0:
        return []  # it has ended meanwhile, or the kernel does not tell
    text = ctypes.create_string_buffer(4096)
    _library.read(number, text, 4095)
    _library.close(number)
    return text.value.decode("utf-8", "replace").split()
