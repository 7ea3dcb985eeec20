"""asyncio on the clock of a block: what sleeps and times out, and when a loop as a whole rests.

A loop judges itself, in its own thread, when it has nothing left to run: each of its tasks sleeps on the clock, waits
for another task, or waits for an asyncio primitive straight from driven or test code. Whatever else a task waits for is
a reply that is on its way, and holds time.
"""

from __future__ import annotations

import asyncio
import asyncio.base_events
import math
import select
import sys
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any

from ..errors import UsageError, shown
from .ledger import DRIVEN, Entry, Ledger, Party
from .opened import opened
from .places import line_of
from .readings import NANOSECONDS
from .replacing import Undo

__all__ = ["ASYNCHRONOUS", "Loops"]

__tracebackhide__ = True

_PRIMITIVES = {
    f"asyncio.{name}" for name in ("locks", "queues", "tasks", "taskgroups", "timeouts", "runners", "threads")
}
_TRANSPARENT = {*_PRIMITIVES, __name__, DRIVEN}
_Loop = asyncio.base_events.BaseEventLoop
_OWN_FUTURE = _Loop.shutdown_default_executor.__code__  # set by a thread that it starts
_CALLBACKS = ("_chain_future.<locals>._call_check_cancel", "shield.<locals>._outer_done_callback")


class _Sleep(asyncio.Future[None]):
    """What a task waits for while it sleeps on the clock."""


async def _sleep(delay: float, result: Any = None) -> Any:
    instead = opened.instead(asyncio, "sleep")
    if instead is not None or delay <= 0 or math.isnan(delay):
        return await (instead or asyncio.sleep)(delay, result)
    loop = asyncio.get_running_loop()
    awoken = _Sleep(loop=loop)
    entry = _enter(loop, delay, lambda: _wake(awoken))
    try:
        await awoken
    finally:
        entry.cancelled = True
    _check()
    return result


async def _wait_for(fut: Awaitable[Any], timeout: float | None) -> Any:
    instead = opened.instead(asyncio, "wait_for")
    if instead is not None or timeout is None:
        return await (instead or asyncio.wait_for)(fut, timeout)
    timeout = 0.0 + timeout  # the same, before anything has begun
    _check()
    waited = asyncio.ensure_future(fut)
    expired = False

    def expire() -> None:
        nonlocal expired
        expired = waited.cancel()

    if timeout <= 0 and not waited.done():
        expire()
        entry = None
    else:
        entry = _enter(asyncio.get_running_loop(), timeout, expire)
    try:
        return await waited
    except asyncio.CancelledError:
        if expired and not _is_cancelled():
            raise asyncio.TimeoutError from None
        raise
    finally:
        if entry is not None:
            entry.cancelled = True


async def _wait(
    fs: Iterable[Any], *, timeout: float | None = None, return_when: str = asyncio.ALL_COMPLETED
) -> tuple[set[Any], set[Any]]:
    instead = opened.instead(asyncio, "wait")
    if instead is not None or timeout is None or timeout <= 0:
        result: tuple[set[Any], set[Any]]
        result = await (instead or asyncio.wait)(fs, timeout=timeout, return_when=return_when)
        return result
    futures = set(fs)
    waiting = asyncio.ensure_future(asyncio.wait(futures, return_when=return_when))
    entry = _enter(asyncio.get_running_loop(), timeout, waiting.cancel)
    try:
        await asyncio.wait([waiting])
    finally:
        entry.cancelled = True
        waiting.cancel()
    if not waiting.cancelled():
        waiting.result()  # a wrong argument is refused by asyncio itself
    done = {future for future in futures if future.done()}
    return done, futures - done


ASYNCHRONOUS: dict[str, Any] = {"sleep": _sleep, "wait_for": _wait_for, "wait": _wait}
"""What stands for the functions of asyncio that measure time."""


def _now() -> int:
    return opened.ledger.now if opened.ledger is not None else 0


def _check() -> None:
    if opened.ledger is not None:
        opened.ledger.check()


def _wake(sleep: _Sleep) -> None:
    if not sleep.done():
        sleep.set_result(None)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return sys.version_info >= (3, 11) and task is not None and task.cancelling() > 0


if sys.version_info >= (3, 11):

    class _Timeout(asyncio.Timeout):
        """A time-out of asyncio that is told to expire by the clock of the block."""

        def __init__(self, when: float | None, delay: float | None = None) -> None:
            super().__init__(None)
            self._due = when
            self._delay, self._made_at = delay, _now()
            self._entry: Entry | None = None

        def when(self) -> float | None:
            return self._due

        def reschedule(self, when: float | None) -> None:
            ledger = opened.ledger
            self._arm(when, None if when is None or ledger is None else when - ledger.seconds)

        def _arm(self, when: float | None, left: float | None) -> None:
            self._due = when
            self._disarm()
            super().reschedule(None)
            if left is not None:
                self._entry = _enter(asyncio.get_running_loop(), max(0, left), self._expire)

        def _expire(self) -> None:
            if self._entry is not None:
                super().reschedule(asyncio.get_running_loop().time())

        def _disarm(self) -> None:
            if self._entry is not None:
                self._entry.cancelled = True
            self._entry = None

        async def __aenter__(self) -> Any:
            due, self._due = self._due, None
            entered = await super().__aenter__()
            if self._delay is None:
                self.reschedule(due)
            else:  # a number that somebody wrote down; its sum with a reading is rounded
                self._arm(due, self._delay - (_now() - self._made_at) / NANOSECONDS)
            return entered

        async def __aexit__(self, *error: Any) -> bool | None:
            self._disarm()
            return await super().__aexit__(*error)

    def _timeout(delay: float | None) -> Any:
        instead = opened.instead(asyncio, "timeout")
        if instead is not None or opened.ledger is None:
            return instead(delay)
        opened.ledger.check()
        return _Timeout(None if delay is None else opened.ledger.seconds + delay, delay)

    def _timeout_at(when: float | None) -> Any:
        instead = opened.instead(asyncio, "timeout_at")
        return _Timeout(when) if instead is None else instead(when)

    ASYNCHRONOUS |= {"timeout": _timeout, "timeout_at": _timeout_at}


def _enter(loop: asyncio.AbstractEventLoop, seconds: float, act: Callable[[], object]) -> Entry:
    """Let a loop do something so many seconds from now on the clock."""
    ledger, loops = opened.ledger, opened.loops
    if ledger is None or loops is None:
        raise RuntimeError("no block is open")
    ledger.refuse(asyncio.current_task(loop))
    ledger.check()
    seconds = 0.0 + seconds  # what is not a number is refused as asyncio refuses it

    def wake() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(act)

    return ledger.enter(seconds, loops.attached(loop), wake)


class _Timer(asyncio.TimerHandle):
    """What `call_later` of a driven loop returns: cancelled, it leaves nothing that time would stop for."""

    entry: Entry | None = None

    def cancel(self) -> None:
        super().cancel()
        if self.entry is not None:
            self.entry.cancelled = True

    def run(self) -> None:
        """Call back, unless that was called off meanwhile."""
        if not self.cancelled():
            self._run()


class Loops:
    """The event loops that parties run."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._undo: dict[int, tuple[Any, Undo]] = {}

    def hook(self, undo: Undo) -> None:
        """Attach each loop that a party runs from now on."""
        original, loops, ledger = _Loop.run_forever, self, self.ledger

        def run_forever(loop: Any) -> None:
            if ledger.current is None:
                return original(loop)
            loops.detach(loop)  # from the thread that scheduled a call on it
            loops.attach(loop, ledger.current)
            try:
                return original(loop)
            finally:
                loops.detach(loop)

        undo.attribute(_Loop, "run_forever", run_forever)
        hand_over = _Loop.call_soon_threadsafe

        def call_soon_threadsafe(loop: Any, *args: Any, **kwargs: Any) -> Any:
            if ledger.current is not None:
                loops.adopt(loop)
            return hand_over(loop, *args, **kwargs)

        undo.attribute(_Loop, "call_soon_threadsafe", call_soon_threadsafe)
        # On the class, so that a loop which does not run yet is driven, too.
        for name, hook in (("time", self._time), ("call_later", self._call_later), ("call_at", self._call_at)):
            undo.attribute(_Loop, name, hook(getattr(_Loop, name)))

    def adopt(self, loop: Any) -> None:
        """Let a loop belong to the block that has run in a thread of its own since before: a party hands it work."""
        with self.ledger.lock:
            identity = getattr(loop, "_thread_id", None)
            thread = next((each for each in self.ledger.strangers if each.ident == identity), None)
            if thread is not None and id(loop) not in self._undo and hasattr(loop, "_selector"):
                party = self.ledger.party_of(thread) or self.ledger.expect_stranger(thread)
                self.attach(loop, party)

    def attached(self, loop: Any) -> Party:
        """Return the party that runs this loop, which is the running one."""
        party = self.ledger.joined()
        if id(loop) not in self._undo:
            self.attach(loop, party)
        return party

    def attach(self, loop: Any, party: Party) -> None:
        """Let a loop say when it rests, and let driven code read the clock from it."""
        selector = getattr(loop, "_selector", None)
        if selector is None:
            raise UsageError(
                f"{shown(loop)} cannot be driven",
                fix="run the client on a standard loop of asyncio",
                value=loop,
            )
        undo = Undo()
        undo.attribute(selector, "select", self._select(loop, party, selector.select))
        undo.attribute(loop, "call_soon_threadsafe", self._call_soon(loop, party))
        with self.ledger.lock:
            self._undo[id(loop)] = (loop, undo)
            party.loop = loop
            party.wake()

    def detach(self, loop: Any) -> None:
        """Give a loop back as it was."""
        with self.ledger.lock:
            _, undo = self._undo.pop(id(loop), (loop, Undo()))
            undo.restore()
            for party in self.ledger.parties:
                if party.loop is loop:
                    party.loop = None
                    party.wake()

    def asleep(self, modules: set[str]) -> dict[Any, str]:
        """Return the tasks that sleep in real time in one of the modules, each with what to call it."""
        tasks: list[Any] = [task for loop, _ in list(self._undo.values()) for task in asyncio.all_tasks(loop)]
        return {task: f"task {shown(task.get_name(), 20)}" for task in tasks if _sleeps_in(_chain(task), modules)}

    def have_input(self) -> bool:
        """Whether bytes have arrived that a loop has not read yet: it is about to run."""
        blocked = [party.loop for party in self.ledger.parties if party.is_blocked]
        waiting: list[Any] = [loop._selector for loop, _ in list(self._undo.values()) if loop not in blocked]
        with suppress(OSError, ValueError):
            return bool(select.select([each for each in waiting if hasattr(each, "fileno")], [], [], 0)[0])
        return False

    def detach_all(self) -> None:
        """Give all loops back."""
        for loop, _ in list(self._undo.values()):
            self.detach(loop)

    def cancel_all(self) -> None:
        """Cancel the tasks of every loop: the block was stopped."""
        for loop, _ in list(self._undo.values()):
            loop.call_soon_threadsafe(_cancel_tasks, loop)

    def waiting(self) -> list[str]:
        """Return where tasks wait for something that is not on the clock."""
        tasks: list[Any] = [task for loop, _ in list(self._undo.values()) for task in asyncio.all_tasks(loop)]
        return [self._where(task) for task in tasks if not isinstance(task._fut_waiter, (_Sleep, asyncio.Task))]

    @property
    def _homes(self) -> set[str]:
        return self.ledger.homes

    def _where(self, task: Any) -> str:
        return line_of(_chain(task)[-1].cr_frame if _chain(task) else None)

    def _select(self, loop: Any, party: Party, original: Callable[..., Any]) -> Callable[..., Any]:
        ledger, flights = self.ledger, _Flights(loop, self._homes)

        def select(timeout: float | None = None) -> Any:
            flights.note()
            if ledger.closed or (timeout is not None and timeout <= 0):
                ledger.turn(party, flights.only_run)
                return original(timeout)
            weight = flights.count()
            with ledger.lock:
                # What another thread has handed over meanwhile is there, or it marks the loop as running after this.
                if not loop._ready:
                    party.rest(weight)
                    ledger.settle()
            try:
                return original(0 if loop._ready else timeout)
            finally:
                with ledger.lock:
                    party.wake()

        return select

    def _call_soon(self, loop: Any, party: Party) -> Callable[..., Any]:
        original, ledger = loop.call_soon_threadsafe, self.ledger

        def call_soon_threadsafe(*args: Any, **kwargs: Any) -> Any:
            with ledger.lock:
                party.wake()
                return original(*args, **kwargs)

        return call_soon_threadsafe

    def _is_driven(self, depth: int) -> bool:
        return not self.ledger.closed and sys._getframe(depth + 1).f_globals.get("__name__") in self.ledger.names

    def _time(self, original: Callable[..., float]) -> Callable[..., float]:
        loops = self

        def time(loop: Any) -> float:
            ledger = loops.ledger
            return ledger.readings.monotonic.read(ledger.read()) if loops._is_driven(1) else original(loop)

        return time

    def _call_later(self, original: Callable[..., Any]) -> Callable[..., Any]:
        loops = self

        def call_later(
            loop: Any, delay: float, callback: Callable[..., object], *args: Any, context: Any = None
        ) -> Any:
            if not loops._is_driven(1):
                return original(loop, delay, callback, *args, context=context)
            return loops._on_clock(loop, delay, callback, args, context)

        return call_later

    def _call_at(self, original: Callable[..., Any]) -> Callable[..., Any]:
        loops = self

        def call_at(loop: Any, when: float, callback: Callable[..., object], *args: Any, context: Any = None) -> Any:
            if not loops._is_driven(1):
                return original(loop, when, callback, *args, context=context)
            return loops._on_clock(loop, when - loops.ledger.seconds, callback, args, context)

        return call_at

    def _on_clock(
        self, loop: Any, delay: float, callback: Callable[..., object], args: tuple[Any, ...], context: Any
    ) -> asyncio.TimerHandle:
        handle = _Timer(self.ledger.seconds + delay, callback, args, loop, context)
        handle.entry = _enter(loop, max(0, delay), handle.run)
        return handle


def _sleeps_in(coroutines: list[Any], modules: set[str]) -> bool:
    frames = [coroutine.cr_frame for coroutine in coroutines[-2:]]
    is_asleep = len(frames) == 2 and frames[1].f_code is asyncio.tasks.sleep.__code__
    return is_asleep and frames[0].f_globals.get("__name__") in modules


def _cancel_tasks(loop: asyncio.AbstractEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()


class _Flights:
    """The tasks of a loop that wait for something that time must not run ahead of.

    Only tasks that have run since the last look are looked at again: those that a loop is about to run lie among its
    ready handles when it selects. One that a task factory makes may run at once, unseen; then all are looked at.
    """

    def __init__(self, loop: Any, homes: set[str]) -> None:
        self._loop = loop
        self._homes = homes
        self._seen: set[str] | None = None
        self._changed: set[Any] = set()
        self._flying: set[Any] = set()

    def note(self) -> None:
        """Take note of the tasks that are about to run."""
        for handle in self._loop._ready:
            task = getattr(handle._callback, "__self__", None)
            if isinstance(task, asyncio.Task):
                self._changed.add(task)

    def count(self) -> int:
        """Return how many there are."""
        if self._seen != self._homes or self._loop.get_task_factory() is not None:
            self._seen = {*self._homes}
            self._flying = set()
            self._changed = asyncio.all_tasks(self._loop)
        # What gather waits for may be done without its task having run.
        self._changed |= {task for task in self._flying if hasattr(task._fut_waiter, "_children")}
        for task in self._changed:
            if task.done() or _rests(task, self._homes):
                self._flying.discard(task)
            else:
                self._flying.add(task)
        self._changed = set()
        return len(self._flying)

    def only_run(self) -> bool:
        """Whether each task that does not rest is about to run."""
        self.count()
        return all(task._fut_waiter is None for task in self._flying)


def _rests(task: Any, homes: set[str]) -> bool:
    awaited = task._fut_waiter
    if awaited is None:
        return False
    if _is_known(awaited):
        return True
    modules = [coroutine.cr_frame.f_globals.get("__name__", "") for coroutine in _chain(task)]
    if not modules:
        return False
    if modules[-1].partition(".")[0] in homes or _chain(task)[-1].cr_code is _OWN_FUTURE:
        return True  # for a future of its own
    if modules[-1] not in _TRANSPARENT:
        return False
    nearest = next((name for name in reversed(modules) if name not in _TRANSPARENT), None)
    return nearest is None or nearest.partition(".")[0] in homes


def _is_known(awaited: Any) -> bool:
    """Whether it is the clock, another task or a job in a thread that ends this wait: each is accounted for."""
    if isinstance(awaited, (_Sleep, asyncio.Task)):
        return True
    children = getattr(awaited, "_children", None)  # of asyncio.gather
    if children is not None:
        return all(child.done() or _is_known(child) for child in children)
    callbacks = getattr(awaited, "_callbacks", None) or ()
    return any(getattr(callback, "__qualname__", "") in _CALLBACKS for callback, _ in callbacks)


def _chain(task: Any) -> list[Any]:
    """Return the coroutines of a suspended task, the outermost first."""
    found = []
    coroutine: Any = task.get_coro()
    while getattr(coroutine, "cr_frame", None) is not None:
        found.append(coroutine)
        coroutine = coroutine.cr_await
    return found
