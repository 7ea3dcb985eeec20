"""What the standard library's threads do while a block is open: hooks that act for parties and pass all others through.

A thread that a party starts is written down before it runs, a job when it is submitted; whoever waits for a condition,
for a thread or for a pool rests until the one who ends the wait has said so.
"""

from __future__ import annotations

import concurrent.futures._base as futures
import concurrent.futures.thread
import queue
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from types import FrameType
from typing import Any

from .ledger import DRIVEN, Dismissed, Ledger, OutsideThread, Party, Pool, Waiter
from .places import place
from .readings import NANOSECONDS, nanoseconds
from .replacing import Undo

__all__ = ["hook_threads"]

__tracebackhide__ = True

# Waits that hand their time-out straight to Condition.wait: seen through, to find out who waits.
_THROUGH = {
    threading.Event.wait.__code__,
    futures.Future.result.__code__,
    futures.Future.exception.__code__,
    futures.wait.__code__,
    futures._result_or_cancel.__code__,  # type: ignore[attr-defined]  # what Executor.map calls
    threading.Barrier.wait.__code__,
    queue._PySimpleQueue.get.__code__,  # type: ignore[attr-defined]  # the same
    threading.Barrier._wait.__code__,  # type: ignore[attr-defined]  # the typeshed has public names only
}
_worker = concurrent.futures.thread._worker


def hook_threads(ledger: Ledger, undo: Undo) -> None:
    """Install the hooks; `undo` takes them away."""
    hooks = _Hooks(ledger)
    undo.attribute(threading.Thread, "start", hooks.start())
    undo.attribute(threading.Thread, "join", hooks.join())
    undo.attribute(threading.Condition, "wait", hooks.wait())
    undo.attribute(threading.Condition, "wait_for", hooks.wait_for())
    undo.attribute(threading.Condition, "notify", hooks.notify())
    undo.attribute(threading.Semaphore, "acquire", hooks.acquire())
    undo.attribute(queue.Queue, "get", hooks.get())
    undo.attribute(queue.Queue, "put", hooks.put())
    undo.attribute(concurrent.futures.ThreadPoolExecutor, "submit", hooks.submit())


class _Hooks:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._timers: weakref.WeakSet[threading.Thread] = weakref.WeakSet()

    def _is_driven(self, frame: FrameType | None) -> bool:
        """Whether a call comes straight from a driven module."""
        frame = _caller(frame)
        if frame is not None and frame.f_code is threading.Timer.run.__code__:
            return threading.current_thread() in self._timers
        return frame is not None and frame.f_globals.get("__name__") in self._ledger.names

    def _party(self, frame: FrameType) -> tuple[Party | None, bool]:
        if self._ledger.closed:
            return None, False
        driven = self._is_driven(frame)
        return (self._ledger.joined() if driven else self._ledger.current), driven

    def start(self) -> Callable[..., None]:
        original, ledger, hooks = threading.Thread.start, self._ledger, self

        def start(thread: threading.Thread) -> None:
            if isinstance(thread, threading.Timer) and hooks._is_driven(sys._getframe(1)):
                hooks._timers.add(thread)
            if ledger.current is None or isinstance(thread, OutsideThread) or _is_worker(thread):
                return original(thread)
            party = ledger.expect(thread)
            run = thread.run

            def run_as_party() -> None:
                thread.__dict__.pop("run", None)
                ledger.adopt(party)
                try:
                    ledger.begin()
                    run()
                except Dismissed:
                    pass
                except BaseException as error:
                    if not (ledger.error and isinstance(error, ledger.error)):
                        raise  # what stops the block is told by the block itself
                finally:
                    ledger.leave(party)

            thread.run = run_as_party  # type: ignore[method-assign]  # of this one thread
            try:
                original(thread)
            except BaseException:
                ledger.leave(party)
                raise

        return start

    def join(self) -> Callable[..., None]:
        original, ledger, hooks = threading.Thread.join, self._ledger, self

        def join(thread: threading.Thread, timeout: float | None = None) -> None:
            party, driven = hooks._party(sys._getframe(1))
            strange = timeout is not None and not isinstance(timeout, (int, float))
            if party is None or thread is threading.current_thread() or not thread.is_alive() or strange:
                return original(thread, timeout)
            waiters = hooks._waiters_for_end(thread)
            if waiters is None:  # somebody else's thread: its end is seen when it comes
                with ledger.resting(party, place()):
                    return original(thread, timeout)
            waiter = Waiter(ledger, party)
            if not hooks._await_end(waiter, waiters, timeout, driven, place()):
                return None
            return original(thread)

        return join

    def _waiters_for_end(self, thread: threading.Thread) -> tuple[Callable[[], bool], list[Waiter]] | None:
        """Return how to see that a thread of the block has ended, and who waits for that."""
        party = self._ledger.party_of(thread)
        if party is not None:
            return (lambda: party.left), party.joiners
        pools = (pool for executor, pool in tuple(self._ledger.pools.values()) if thread in executor._threads)
        pool = next(pools, None)
        return None if pool is None else (lambda: pool.is_empty, pool.joiners)

    def _await_end(
        self,
        waiter: Waiter,
        ending: tuple[Callable[[], bool], list[Waiter]],
        timeout: float | None,
        driven: bool,
        where: str,
    ) -> bool:
        has_ended, waiters = ending
        with self._ledger.lock:
            if has_ended():
                return True
            waiters.append(waiter)
        virtual, real = _spans(timeout, driven)
        return self._ledger.rest(waiter, virtual, where, real_seconds=real)

    def wait(self) -> Callable[..., bool]:
        original, hooks = threading.Condition.wait, self

        def wait(condition: Any, timeout: float | None = None) -> bool:
            party, driven = hooks._party(sys._getframe(1))
            if driven and timeout == 0 and _name(_caller(sys._getframe(1))) == DRIVEN:
                timeout = 1 / NANOSECONDS  # as_completed waits once more when no time is left, for time to pass
            if hooks._ledger.closed or (timeout is not None and not _is_span(timeout)):
                return original(condition, timeout)
            if party is None:
                return hooks._wait_as_stranger(condition, timeout)
            return hooks._wait(condition, party, *_spans(timeout, driven), place())

        return wait

    def wait_for(self) -> Callable[..., object]:
        original, ledger, hooks = threading.Condition.wait_for, self._ledger, self

        def wait_for(condition: Any, predicate: Callable[[], object], timeout: float | None = None) -> object:
            party, driven = hooks._party(sys._getframe(1))
            if party is None or not driven or timeout is None or not _is_span(timeout):
                return original(condition, predicate, timeout)
            # The original measures what is left of the time-out in real time.
            ends = ledger.now + nanoseconds(timeout)
            while not (result := predicate()) and ledger.now < ends and not ledger.closed:
                hooks._wait(condition, party, (ends - ledger.now) / NANOSECONDS, None, place())
            return result

        return wait_for

    def acquire(self) -> Callable[..., bool]:
        original, hooks = threading.Semaphore.acquire, self

        def acquire(semaphore: Any, blocking: bool = True, timeout: float | None = None) -> bool:
            party = hooks._party_with(timeout, sys._getframe(1)) if blocking else None
            if party is None:
                return original(semaphore, blocking, timeout)
            is_blocked = lambda: semaphore._value == 0  # noqa: E731
            return any(original(semaphore, False) for _ in hooks._tries(party, timeout, semaphore._cond, is_blocked))

        return acquire

    def get(self) -> Callable[..., Any]:
        original, hooks = queue.Queue.get, self

        def get(waiting: Any, block: bool = True, timeout: float | None = None) -> Any:
            party = hooks._party_with(timeout, sys._getframe(1)) if block else None
            if party is None:
                return original(waiting, block, timeout)
            for _ in hooks._tries(party, timeout, waiting.not_empty, lambda: not waiting._qsize()):
                with suppress(queue.Empty):
                    return original(waiting, False)
            raise queue.Empty

        return get

    def put(self) -> Callable[..., None]:
        original, hooks = queue.Queue.put, self

        def put(waiting: Any, item: Any, block: bool = True, timeout: float | None = None) -> None:
            party = hooks._party_with(timeout, sys._getframe(1)) if block else None
            if party is None:
                return original(waiting, item, block, timeout)
            is_full = lambda: 0 < waiting.maxsize <= waiting._qsize()  # noqa: E731
            for _ in hooks._tries(party, timeout, waiting.not_full, is_full):
                with suppress(queue.Full):
                    return original(waiting, item, False)
            raise queue.Full

        return put

    def _party_with(self, timeout: float | None, frame: FrameType) -> Party | None:
        """Return who waits with a time-out on the clock; None for all others, whom the original serves."""
        if timeout is None or not _is_span(timeout):
            return None
        party, driven = self._party(frame)
        return party if driven else None

    def _tries(
        self, party: Party, timeout: float | None, condition: Any, is_blocked: Callable[[], bool]
    ) -> Iterator[None]:
        """Yield as often as it is worth trying, and wait between, until the time-out has passed on the clock."""
        ends = self._ledger.now + nanoseconds(timeout or 0)
        yield
        while self._ledger.now < ends and not self._ledger.closed:
            with condition:
                if is_blocked():
                    self._wait(condition, party, (ends - self._ledger.now) / NANOSECONDS, None, place())
            yield

    def _wait(self, condition: Any, party: Party, virtual: float | None, real: float | None, where: str) -> bool:
        """Wait as `Condition.wait` does, with a waiter that is written down as awake by the one who notifies it."""
        if not condition._is_owned():
            raise RuntimeError("cannot wait on un-acquired lock")
        waiter = Waiter(self._ledger, party)
        condition._waiters.append(waiter)
        saved = condition._release_save()
        notified = False
        try:
            notified = self._ledger.rest(waiter, virtual, where, real_seconds=real)
        finally:
            self._take_back(condition, saved)
            if not notified and waiter in condition._waiters:
                condition._waiters.remove(waiter)
        return notified

    def _wait_as_stranger(self, condition: Any, timeout: float | None) -> bool:
        """Let a thread wait that belongs to the block as soon as a party wakes it."""
        stranger = self._ledger.stranger()
        notified = self._wait(condition, stranger, None, timeout, place())
        if stranger.is_counted and not self._ledger.closed:
            self._ledger.adopt(stranger)
        return notified

    def notify(self) -> Callable[..., None]:
        original, ledger = threading.Condition.notify, self._ledger

        def notify(condition: Any, n: int = 1) -> None:
            if ledger.strangers and ledger.current is not None:
                for waiter in islice(condition._waiters, n):
                    if not isinstance(waiter, Waiter):
                        ledger.expect_stranger(None)
            original(condition, n)

        return notify

    def _take_back(self, condition: Any, saved: Any) -> None:
        """Take the lock that `wait` has to return with, also when the block is stopped."""
        try:
            condition._acquire_restore(saved)
        except BaseException:
            if self._ledger.error is not None:
                with self._ledger.outside():
                    condition._acquire_restore(saved)
            raise

    def submit(self) -> Callable[..., Any]:
        original, ledger = concurrent.futures.ThreadPoolExecutor.submit, self._ledger

        def submit(executor: Any, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
            if ledger.current is None:
                return original(executor, fn, *args, **kwargs)
            pool = ledger.pool(executor)
            job = ledger.queue(pool)

            def work(*args: Any, **kwargs: Any) -> Any:
                ledger.take(pool, job)
                ledger.begin()
                return fn(*args, **kwargs)

            try:
                future = original(executor, work, *args, **kwargs)
            except BaseException:
                ledger.done(pool, job)
                raise
            _when_told(future, ledger, pool, job)
            return future

        return submit


def _when_told(future: Any, ledger: Ledger, pool: Pool, job: Party) -> None:
    """End the job's part when all waiters have its result; its callbacks belong to it."""
    told = future._invoke_callbacks

    def tell() -> None:
        told()
        if job.thread is threading.current_thread():  # not the thread that cancelled it
            ledger.release_thread()
        ledger.done(pool, job)

    with future._condition:
        if not future.done():
            future._invoke_callbacks = tell
            return
    ledger.done(pool, job)


def _caller(frame: FrameType | None) -> FrameType | None:
    """Return who waits, behind the functions that only hand a time-out on."""
    while frame is not None and frame.f_code in _THROUGH:
        frame = frame.f_back
    return frame


def _name(frame: FrameType | None) -> object:
    return frame.f_globals.get("__name__") if frame is not None else None


def _is_worker(thread: Any) -> bool:
    # Its jobs are the parties, not the thread itself, which outlives them.
    return getattr(thread, "_target", None) is _worker


def _is_span(timeout: object) -> bool:
    """Whether there is something to wait for; the original refuses, or does at once, what is not."""
    return isinstance(timeout, (int, float)) and 0 < timeout <= threading.TIMEOUT_MAX


def _spans(timeout: float | None, driven: bool) -> tuple[float | None, float | None]:
    """Return a time-out in seconds on the clock and one in real seconds; at most one of them is there."""
    if timeout is None:
        return None, None
    return (max(0, timeout), None) if driven else (None, max(0, timeout))
