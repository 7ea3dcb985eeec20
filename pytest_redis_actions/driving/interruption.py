"""Interrupting the test that is running, wherever it stands: by a signal, which its thread meets at once.

One test runs at a time, so the state is the process's own: the innermost `interruptible` is the one that is meant.
"""

from __future__ import annotations

import asyncio
import ctypes
import dis
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = [
    "Interruptible",
    "forget_raised",
    "frames_of_test",
    "interrupt",
    "interruptible",
    "is_interruptible",
    "raise_in",
]

__tracebackhide__ = True

_SIGNAL = getattr(signal, "SIGURG", None)
"""Ignored by default, so that one that arrives late harms nobody; neither debuggers nor pytest-timeout use it."""

_EDGES_OF_HANDLERS = {dis.opmap.get(each) for each in ("PUSH_EXC_INFO", "POP_EXCEPT")}

Dress = Callable[[type[BaseException], FrameType], type[BaseException] | None]
Revise = Callable[[], type[BaseException] | None]


class _Forgotten(BaseException):
    """Takes the place of what is to be raised, and is caught at once."""


def raise_in(thread: int, error: type[BaseException]) -> None:
    """Let a thread meet an error as soon as it runs: not before the call returns that blocks it.

    Args:
        thread: its `ident`.
        error: a class that needs no arguments.
    """
    _raise_in({thread: error}, forgets=sys.version_info[:2] == (3, 11) and thread != threading.get_ident())


def forget_raised() -> None:
    """Forget what this thread was told to raise and has not met yet."""
    _raise_in({}, forgets=True)


def _raise_in(errors: dict[int, type[BaseException]], *, forgets: bool) -> None:
    # On 3.11 the interpreter keeps a mark while something is to be raised anywhere, and for ever once that was set to
    # nothing; then no traced thread, under coverage or a debugger, can enter a function. What is caught takes it away.
    tell = ctypes.pythonapi.PyThreadState_SetAsyncExc
    own = threading.get_ident()
    try:
        for thread, error in errors.items():
            tell(ctypes.c_ulong(thread), ctypes.py_object(error))
        if forgets:
            tell(ctypes.c_ulong(own), ctypes.py_object(_Forgotten))
            while True:
                pass  # it is met here at the latest
    except _Forgotten:
        pass


class Interruptible:
    """A stretch of code that can be interrupted, in the thread that made it.

    Attributes:
        pending: what is to be raised there and was not yet, as a class that needs no arguments.
        revise: called in that thread before it is raised, it returns what to raise instead, or None to let it be.
        raised: how often something was raised.
    """

    def __init__(self, dress: Dress) -> None:
        self.thread = threading.current_thread()
        self.pending: type[BaseException] | None = None
        self.revise: Revise | None = None
        self.raised = 0
        self._trace: Any = None
        self._has_traced = False
        self._dress = dress
        self._previous: Any = None
        self._is_installed = False
        self._asked: Callable[[FrameType], None] | None = None

    def install(self) -> None:
        """Take the signal, where there is one and this is the thread that may."""
        if _SIGNAL is None or self.thread is not threading.main_thread():
            return
        self._previous = signal.getsignal(_SIGNAL)
        if self._previous is not None:  # None: a handler written in C, which could not be put back
            signal.signal(_SIGNAL, self._handle)
            self._is_installed = True

    def restore(self) -> None:
        """Put the signal's handler back, unless somebody has set another one since."""
        if self._has_signal and _SIGNAL is not None:
            signal.signal(_SIGNAL, self._previous)
        elif self.pending is not None:
            forget_raised()
        self._is_installed = False
        if self._has_traced:
            sys.settrace(self._trace)

    @property
    def _has_signal(self) -> bool:
        return self._is_installed and _SIGNAL is not None and signal.getsignal(_SIGNAL) == self._handle

    def raise_soon(self) -> bool:
        """Let the thread meet what is pending; return whether a signal brings it, and so at once."""
        if self.thread.ident is None or self.pending is None:
            return False
        if self._has_signal and _SIGNAL is not None:
            signal.pthread_kill(self.thread.ident, _SIGNAL)
            return True
        raise_in(self.thread.ident, self._noted(self.pending))
        return False

    def _noted(self, error: type[BaseException]) -> type[BaseException]:
        """Return an error that is pending no longer when it is raised."""

        def note(raised: BaseException, *_: object) -> None:
            error.__init__(raised)
            self.pending = None

        return type(error.__name__, (error,), {"__init__": note, "__module__": error.__module__})

    def frames(self, seconds: float) -> tuple[tuple[str, int, str], ...]:
        """Let the thread say where it stands; return () if it does not within so many real seconds."""
        if not self._has_signal or _SIGNAL is None or self.thread.ident is None:
            return ()
        told: list[tuple[str, int, str]] = []
        has_told = threading.Lock()  # no Event: its waits may be driven ones
        has_told.acquire()

        def tell(frame: FrameType | None) -> None:
            while frame is not None:
                told.append((frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name))
                frame = frame.f_back
            has_told.release()

        self._asked = tell
        signal.pthread_kill(self.thread.ident, _SIGNAL)
        is_told = has_told.acquire(timeout=seconds)
        self._asked = None
        return tuple(told) if is_told else ()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._asked is not None and frame is not None:
            asked, self._asked = self._asked, None
            return asked(frame)
        if self.pending is None or frame is None or self is not _current():
            if callable(self._previous):
                self._previous(number, frame)
            return
        if self.revise is not None:
            self.pending, self.revise = self.revise(), None
        behind = _greenlet_behind_hub()
        frame = behind.gr_frame if behind is not None else frame
        raised = self._dress(self.pending, frame) if self.pending is not None and frame is not None else None
        if raised is None or frame is None:
            return
        self.raised += 1
        if _cancel_in_uvloop(raised):
            return  # still pending, should the test not fail of it
        self.pending = None
        if _raise_in_trio(raised, frame):
            return
        if behind is not None:
            behind.throw(raised)
            return
        if self.raised > 2:
            self._insist(raised, frame)
        raise raised

    def _insist(self, error: type[BaseException], frame: FrameType | None) -> None:
        """Raise an error that was swallowed before once more at the next line: that of a bare `except`, if so."""
        before = self._trace if self._has_traced else sys.gettrace()
        self._trace, self._has_traced = before, True

        def trace(at: FrameType, event: str, _: object) -> None:
            # Raised where a handler begins or ends, it would leave what is handled behind: the context of later errors.
            if event == "line" and at.f_code.co_code[at.f_lasti] not in _EDGES_OF_HANDLERS:
                sys.settrace(before)
                raise error

        frames = []
        while frame is not None and self._dress(error, frame) is not None:
            frames.append(frame)
            frame = frame.f_back
        inner = (self.raised - 3) % max(1, len(frames))  # each time one fewer: a `finally` in them would use it up
        for each in frames[inner:]:
            each.f_trace = trace
        sys.settrace(lambda *_: None)


_stack: list[Interruptible] = []


def _current() -> Interruptible | None:
    return _stack[-1] if _stack else None


@contextmanager
def interruptible(dress: Dress = lambda error, frame: error) -> Iterator[Interruptible]:
    """Let the thread that runs be interrupted within this block.

    Args:
        dress: given the error and the frame in which the thread stands, it returns what to raise there, or None if
            nothing may be raised there; it stays pending then.
    """
    here = Interruptible(dress)
    here.install()
    _stack.append(here)
    try:
        yield here
    finally:
        _stack.remove(here)
        here.restore()


def _cancel_in_uvloop(error: type[BaseException]) -> bool:
    """Cancel the tasks of an event loop that swallows what signal handlers raise, with what is to be told."""
    loop = asyncio._get_running_loop()
    if loop is None or type(loop).__module__.partition(".")[0] != "uvloop":
        return False
    for task in asyncio.all_tasks(loop):
        task.cancel(str(error()))
    return True


def _raise_in_trio(error: type[BaseException], frame: FrameType | None) -> bool:
    """Raise an error in the main task, if trio runs in this frame: its run must not be left in any other way."""
    while frame is not None and frame.f_globals.get("__name__") != "trio._core._run":
        frame = frame.f_back
    if frame is None:
        return False
    trio = sys.modules["trio"]

    def fail() -> None:
        raise error

    try:
        main = trio.lowlevel.current_root_task().child_nurseries[-1].child_tasks
        trio.lowlevel.current_trio_token().run_sync_soon(next(iter(main))._attempt_abort, fail)
    except Exception:  # trio is somebody else's: what it lacks is not ours to tell
        return False
    return True


def _greenlet_behind_hub() -> Any:
    """Return the main greenlet if the hub of gevent runs, which swallows what signal handlers raise; else None."""
    gevent: Any = sys.modules.get("gevent")
    hub = gevent.hub.get_hub() if gevent is not None else None
    return hub.parent if hub is not None and gevent.getcurrent() is hub else None


def is_interruptible() -> bool:
    """Whether there is a test that `interrupt` would interrupt."""
    return bool(_stack)


def frames_of_test(seconds: float = 0.2) -> tuple[tuple[str, int, str], ...]:
    """Return file, line and function of the test's frames, the innermost first, told by its own thread.

    Call it from another thread. The result is () where there are no signals, or if the thread does not handle them.
    """
    test = _current()
    return test.frames(seconds) if test is not None else ()


def interrupt(error: type[BaseException], revise: Revise | None = None) -> bool:
    """Raise an error in the test that is running, wherever it stands; to be called by any other thread.

    It is raised at once, also in a call that blocks (time.sleep, a lock, select), where there are signals and the test
    runs in the main thread; elsewhere when that call returns. What could not be raised until the test has ended fails
    it then. Of several errors the first one is raised; calling this again is harmless.

    Args:
        error: a class that needs no arguments, see `errors.explained`; best no `Exception`, so that no client
            swallows it.
        revise: called in the test's thread, in the place where it stands, it returns what to raise instead, or None.

    Returns:
        Whether it is raised at once. False: the caller had better hang up on the client, too.
    """
    test = _current()
    if test is None or sys.is_finalizing():
        return False
    if test.pending is None:
        test.pending, test.revise = error, revise
    return test.raise_soon()
