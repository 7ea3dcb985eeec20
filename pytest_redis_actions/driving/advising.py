"""What to tell a test in which virtual time stands still: who sleeps in real time, on which line, and what to write."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import sysconfig
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from types import ModuleType
from typing import Any, NamedTuple

from ..errors import UsageError, shown
from .reach import Reach, row_against, row_of
from .stacks import Line, Stack, stacks, written_stacks
from .targets import RECIPES, targets

__all__ = [
    "SLEEPS",
    "SPINS",
    "TASK",
    "WAITS",
    "Waiting",
    "asleep",
    "awaits_a_reply",
    "fix_for",
    "awake_among",
    "tasks_here",
    "waiting_in",
]

__tracebackhide__ = True

_STDLIB = os.path.normpath(sysconfig.get_path("stdlib"))
_OURS = os.path.dirname(os.path.dirname(__file__))
_LIBRARY = re.compile(r"[/\\](site|dist)-packages[/\\]")
_PACKAGE = re.compile(r"[/\\](?:site|dist)-packages[/\\](\w+)")
_RUNNER = re.compile(r"[/\\](_pytest|pluggy|execnet|xdist|pytest_timeout|pytest_asyncio)([/\\]|\.py$)")
_SERVER = re.compile(r"[/\\](socketserver\.py$|(cheroot|waitress|gunicorn|uvicorn|hypercorn)[/\\])")
_FOR_THREADS = re.compile(r"[/\\](threading\.py|queue\.py|concurrent[/\\]futures[/\\]\w+\.py)$")
_LOOPS = re.compile(r"[/\\](asyncio|trio|anyio|uvloop|selectors\.py)([/\\]|$)")
_SOCKETS = re.compile(r"[/\\](socket|ssl)\.py$")

_PROCESSES = re.compile(r"[/\\](subprocess\.py$|base_subprocess\.py$|multiprocessing[/\\]|futures[/\\]process\.py$)")
_STARTS_ONE = re.compile(r"\bos\.(system|popen|spawn\w+|wait\w*)\(")

SLEEPS, TASK, PROGRAM, REPLY, SERVES, WAITS = "sleeps", "task", "program", "reply", "serves", "waits"


SPINS = "the client polls without a pause: let it sleep, and drive the module in which it does"
"""What to write for a client that never sleeps."""


class Waiting(NamedTuple):
    """Somebody who waits.

    Attributes:
        how: one of the words above.
        line: the innermost line of code that is neither the standard library's nor ours.
        is_test: whether that is the test's own module.
        sleeper: the module of a library that sleeps for it, or "".
    """

    how: str
    line: Line
    is_test: bool = False
    sleeper: str = ""

    @property
    def module(self) -> str:
        """The import name of the module that the line belongs to, or ""."""
        return _module_of(self.line.path)

    def __str__(self) -> str:
        source = f": {self.line.source[:60]}" if self.line.source else ""
        within = f"  (in {self.sleeper})" if self.sleeper else ""
        return f"  {WAITS if self.how != SLEEPS or self.blocks else SLEEPS:7} {self.line}{source}{within}"

    @property
    def blocks(self) -> bool:
        """Whether the line waits for another thread, in a way that nobody sees."""
        return not self.sleeper and bool(re.search(r"^(async )?with |\.(acquire|get|wait|recv)\(", self.line.source))


def waiting_in(threads: list[Stack], held: Iterable[int | None] = ()) -> list[Waiting]:
    """Return where threads wait: the main thread first, those of servers and idle pools left out.

    Args:
        held: those whose waiting keeps time from moving; servers among them are named.
    """
    test = next((_own(stack)[-1].path for stack in threads[:1] if _own(stack)), "")
    return [found for stack in threads if (found := _waiting(stack, test, held))]


def _own(stack: Stack) -> list[Line]:
    """Return the lines of a thread that are neither pytest's nor the library's, ours or the standard one."""
    lines = _inner(stack)
    return [line for line in lines if not (_is_stdlib(line) or line.path.startswith(_OURS))]


def _inner(stack: Stack) -> list[Line]:
    until = next((number for number, line in enumerate(stack.lines) if _RUNNER.search(line.path)), None)
    return list(stack.lines[:until])


def _is_stdlib(line: Line) -> bool:
    path = os.path.normpath(line.path)
    return (path.startswith(_STDLIB) and not _LIBRARY.search(path)) or path.startswith("<frozen")


def _waiting(stack: Stack, test: str, held: Iterable[int | None]) -> Waiting | None:
    own = _own(stack)
    serving = next((line for line in _inner(stack) if _SERVER.search(line.path)), None)
    if serving is not None:
        return Waiting(SERVES, serving) if stack.thread in held else None
    if not own:  # what a pool of processes has for the calls of its own
        managing = next((line for line in stack.lines if line.path.endswith("process.py")), None)
        return Waiting(PROGRAM, managing) if managing is not None else None
    place = next((line for line in own if not _LIBRARY.search(line.path)), own[0])
    sleeper = _module_of(own[0].path) if place is not own[0] else ""
    return Waiting(_how(stack.lines), place, place.path == test, sleeper)


def _how(lines: tuple[Line, ...]) -> str:
    top = lines[0]
    if any(_PROCESSES.search(line.path) for line in lines) or _STARTS_ONE.search(top.source):
        return PROGRAM
    if top.path.startswith(_OURS) or _FOR_THREADS.search(top.path):
        return WAITS
    if _SOCKETS.search(top.path):
        return WAITS if top.function == "accept" else REPLY
    if _LOOPS.search(top.path):
        return TASK
    return SLEEPS


def awaits_a_reply(threads: list[Stack]) -> bool:
    """Whether somebody reads from a socket, or connects it; a server that waits for its clients does not."""
    return any(found.how == REPLY for found in waiting_in(threads))


def asleep(threads: Iterable[threading.Thread], modules: Iterable[ModuleType]) -> dict[Any, str]:
    """Return those threads that sleep in real time in one of the modules, each with what to call it."""
    named = {thread.ident: thread for thread in threads}
    files = {getattr(module, "__file__", None) for module in modules}
    written = written_stacks() if named else ""
    if not any(file and file in written for file in files):
        return {}
    standing = [(named[stack.thread], stack) for stack in stacks(written) if stack.thread in named]
    return {thread: f"thread {shown(thread.name, 20)}" for thread, stack in standing if _sleeps_in(stack, files)}


def _sleeps_in(stack: Stack, files: set[str | None]) -> bool:
    line = next((line for line in stack.lines if not _is_stdlib(line)), None)
    if line is None or line.path not in files:
        return False
    if stack.lines[0] is line:
        return not Waiting(SLEEPS, line).blocks
    return stack.lines[0].path.endswith("threading.py") and bool(re.search(r"\.wait\([^)]", line.source))


def awake_among(threads: Iterable[Any], modules: Iterable[ModuleType]) -> threading.Thread | None:
    """Return one of these threads that does not sleep in one of the modules any more."""
    alive = [thread for thread in threads if isinstance(thread, threading.Thread) and thread.is_alive()]
    sleeping = asleep(alive, modules)
    return next((thread for thread in alive if thread not in sleeping), None)


def tasks_here() -> list[Waiting]:
    """Return where the tasks of the event loop wait that runs in this very thread."""
    loop = asyncio._get_running_loop()
    coroutines = [task.get_coro() for task in asyncio.all_tasks(loop)] if loop else []
    with suppress(Exception):  # trio is somebody else's, and what it cannot tell is not told
        coroutines += [task.coro for task in _trio_tasks()]
    return [found for coroutine in coroutines if (found := _task(coroutine))]


def _trio_tasks() -> Iterator[Any]:
    trio = sys.modules.get("trio")
    frame, is_running = sys._getframe(1), False
    while frame.f_back is not None and not is_running:  # it takes a run that was interrupted for one that goes on
        frame = frame.f_back
        is_running = frame.f_globals.get("__name__", "").startswith("trio.")
    waiting = [trio.lowlevel.current_root_task()] if trio and is_running else []
    while waiting:
        task = waiting.pop()
        yield task
        waiting += [child for nursery in task.child_nurseries for child in nursery.child_tasks]


def _task(coroutine: Any) -> Waiting | None:
    lines = [Line(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name) for frame in _frames(coroutine)][::-1]
    own = [line for line in lines if not (_is_stdlib(line) or _LIBRARY.search(line.path))]
    if not own:
        return None
    within = lines[: lines.index(own[0])][::-1]
    if any(_PROCESSES.search(line.path) for line in within):
        return Waiting(PROGRAM, own[0])
    sleeps = any("sleep" in line.function for line in within)
    # A library that polls for a client may do it through anyio: in mid-poll only what the client calls itself counts.
    called = [_library(line) for line in (within if sleeps else within[:1])]
    return Waiting(SLEEPS if sleeps else TASK, own[0], sleeper=next(filter(row_of, called), ""))


def _library(line: Line) -> str:
    found = _PACKAGE.search(line.path)
    return found[1] if found else ""


def _frames(coroutine: Any) -> Iterator[Any]:
    while coroutine is not None:
        frame = next((each for name in ("cr", "ag", "gi") if (each := getattr(coroutine, f"{name}_frame", None))), None)
        if frame is not None:
            yield frame
        names = ("cr_await", "ag_await", "gi_yieldfrom")
        coroutine = next((each for name in names if (each := getattr(coroutine, name, None)) is not None), None)


def _module_of(path: str) -> str:
    for name, module in list(sys.modules.items()):
        if getattr(module, "__file__", None) == path:
            return name
    return ""


# What to write


def fix_for(waiting: list[Waiting], driven: tuple[str, ...], where: str) -> str:
    """Return what to write, as one line.

    Args:
        waiting: who waits.
        driven: the modules that are driven now.
        where: the line that opened the block, or "".
    """
    sleeping = [each for each in waiting if each.how == SLEEPS]
    chosen = sorted(sleeping, key=lambda each: (each.blocks, each.is_test))[:1]
    if chosen:
        return _fix_for_sleeper(chosen[0], driven, where)
    row = next((row for each in waiting if each.how == TASK and (row := row_of(each.sleeper))), None)
    if row is not None:
        return _out_of_reach(row)
    if any(each.how == PROGRAM for each in waiting):
        return "another process cannot be driven: use threads, script it in polls, or clock='wall' with a rate"
    if any(each.how == SERVES for each in waiting):
        return "start http.server and the like before the block: a server that waits within it keeps time from moving"
    if where:
        return "drive the module that sleeps, too; time moves only while nobody is awake"
    return 'name the modules that wait: with redis_actions.clock.drive("my_client"): …'


def _fix_for_sleeper(each: Waiting, driven: tuple[str, ...], where: str) -> str:
    source = each.line.source
    name = each.sleeper or each.module
    if (row := row_of(each.sleeper.partition(".")[0])) is not None:
        return _out_of_reach(row)
    if not each.sleeper and "select(" in source:
        return "select cannot be driven: let the client call time.sleep, or give it redis_actions.clock.sleep"
    if each.blocks and re.search(r"^(async )?with |\.acquire\(", source):
        return "make the client within the block: a lock from before it tells nobody who waits for it"
    if each.blocks:
        return "this waits, outside of Python, for another thread: drive the module in which that one sleeps"
    if each.is_test and not each.sleeper:
        return "let the test join() what it waits for, or call redis_actions.clock.sleep(…) in it"
    recipe = next((recipe for recipe, modules in RECIPES.items() if name in modules), name)
    if name in driven:
        return (
            f"{name} is driven, but this call does not see it (an instance or iterator from before the block): "
            "call time.sleep by its name, or give it redis_actions.clock.sleep"
        )
    if not name or not _can_be_driven(recipe):
        return "this cannot be driven: give the client redis_actions.clock.sleep as its sleep"
    if name in sys.modules and (row := row_against(sys.modules[name])) is not None:
        return _out_of_reach(row)
    if where:
        return f"at {where.partition(' in ')[0]}: with redis_actions.clock.drive({_listed(*driven, recipe)}): …"
    return f"with redis_actions.clock.drive({_listed(recipe)}): …   # what it sleeps moves the clock"


def _out_of_reach(row: Reach) -> str:
    return f"{row.what} cannot be driven: {row.instead}".replace("`", "")


def _listed(*names: str) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _can_be_driven(name: str) -> bool:
    try:
        return bool(targets((name,), submodules=False))
    except UsageError:
        return False
