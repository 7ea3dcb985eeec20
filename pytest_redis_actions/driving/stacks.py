"""Where all threads stand, as the interpreter itself writes it: that is safe where reading their frames is not."""

from __future__ import annotations

import faulthandler
import linecache
import re
import sys
import tempfile
import threading
from typing import Any, NamedTuple

from .ledger import OutsideThread
from .places import near

__all__ = ["Line", "Stack", "is_debugged", "is_debugger", "stacks", "written_stacks"]

__tracebackhide__ = True

_LINE = re.compile(r'  File "(.*)", line (\d+) in (.*)')
_DEBUGGERS = re.compile(r"[/\\]((pdb|bdb)\.py$|(ipdb|pudb|remote_pdb)(\.py$|[/\\])|IPython[/\\]\w+[/\\]debugger)")
_REMOTE_DEBUGGERS = re.compile(r"[/\\](pydevd|debugpy|_pydev\w*|pydev)(\.py$|[/\\])")
# They trace, and nobody sits before them.
_MEASURING = ("coverage", "slipcover", "hunter", "trace", "line_profiler", "viztracer", "pysnooper")


class Line(NamedTuple):
    """One frame: the file as the interpreter knows it, the number of the line, and the function."""

    path: str
    number: int
    function: str

    @property
    def source(self) -> str:
        """The text of the line, or "" where there is none to read."""
        return linecache.getline(self.path, self.number).strip()

    def __str__(self) -> str:
        return f"{near(self.path)}:{self.number} in {self.function}"


class Stack(NamedTuple):
    """A thread's frames, the innermost first."""

    thread: int
    lines: tuple[Line, ...]


def written_stacks() -> str:
    """Return where every thread stands as the interpreter writes it: cheap, to be read by `stacks` when needed."""
    with tempfile.TemporaryFile() as file:
        faulthandler.dump_traceback(file, all_threads=True)
        file.seek(0)
        return file.read().decode("utf-8", "replace")


def stacks(written: str = "") -> list[Stack]:
    """Return where every thread stands, or stood, that is not the stub's own, the main thread first."""
    written = written or written_stacks()
    ours = {thread.ident for thread in threading.enumerate() if isinstance(thread, OutsideThread)}
    found = [_stack(text) for text in written.split("\n\n") if "0x" in text]
    main = threading.main_thread().ident
    return sorted((stack for stack in found if stack.thread not in ours), key=lambda stack: stack.thread != main)


def _stack(text: str) -> Stack:
    head, *lines = text.strip("\n").splitlines()
    thread = int(head.partition("0x")[2].split()[0], 16)
    found = [match for line in lines if (match := _LINE.match(line))]
    return Stack(thread, tuple(Line(each[1], int(each[2]), each[3]) for each in found))


def is_debugged(threads: list[Stack]) -> bool:
    """Whether somebody debugs this process, or is asked for input by it: then it may stand as long as they like."""
    lines = [line for stack in threads for line in stack.lines]
    if not _lacks_a_client():
        if is_debugger(sys.gettrace()) or _debugs_by_monitoring():
            return True
        if any(_REMOTE_DEBUGGERS.search(line.path) for line in lines):
            return True
    if any(_DEBUGGERS.search(line.path) for line in lines):
        return True
    return any(re.search(r"\b(input|breakpoint)\(", stack.lines[0].source) for stack in threads if stack.lines)


def _lacks_a_client() -> bool:
    """Whether a remote debugger listens, and nobody has connected to it."""
    debugpy = sys.modules.get("debugpy")
    return debugpy is not None and not debugpy.is_client_connected()


def is_debugger(trace: Any) -> bool:
    """Whether a trace function belongs to a debugger; one that measures coverage does not."""
    if trace is None:
        return False
    module = getattr(trace, "__module__", None) or type(trace).__module__
    return str(module).partition(".")[0] not in _MEASURING


def _debugs_by_monitoring() -> bool:
    monitoring = getattr(sys, "monitoring", None)  # Python 3.12
    return monitoring is not None and monitoring.get_tool(monitoring.DEBUGGER_ID) is not None
