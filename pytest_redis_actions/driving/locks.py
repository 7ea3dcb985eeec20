"""Locks that driven modules make: who wants one that another holds rests until it is handed over.

A lock of `threading` tells nobody who waits for it, so that somebody who sleeps while holding it would stop time for
all who want it. These go to whoever asked first, in every run.
"""

from __future__ import annotations

import _thread
import threading
from collections import deque
from types import ModuleType
from typing import Any

from .ledger import Waiter
from .opened import opened
from .places import place

__all__ = ["lock_stand_ins", "locks_of"]

__tracebackhide__ = True

_REAL_LOCK = type(_thread.allocate_lock())
_REAL_RLOCK = type(threading.RLock())


class _Kind(type):
    """Lets a real lock pass for one of these, where `threading.Lock` is a class (since Python 3.13)."""

    def __instancecheck__(cls, instance: object) -> bool:
        return type(instance) in (cls, _REAL_LOCK)


class Lock(metaclass=_Kind):
    """A `threading.Lock`.

    Args:
        beside: a real lock that is taken with it: one that a module had before the block, and that others may know.
    """

    def __init__(self, beside: Any = None) -> None:
        self._real = _thread.allocate_lock()
        self._beside = beside
        self._line = _thread.allocate_lock()  # guards the waiters
        self._waiters: deque[Waiter] = deque()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock; with a time-out on the clock of the block."""
        if not self._enter(blocking, timeout):
            return False
        if self._beside is None or self._beside.acquire(blocking, timeout):
            return True
        self._leave()
        return False

    def release(self) -> None:
        """Give the lock to whoever asked first."""
        if not self._real.locked():
            raise RuntimeError("release unlocked lock")
        if self._beside is not None:
            self._beside.release()
        self._leave()

    def locked(self) -> bool:
        """Tell whether somebody holds it."""
        return self._real.locked() or (self._beside is not None and self._beside.locked())

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def _enter(self, blocking: bool, timeout: float) -> bool:
        ledger = opened.ledger  # a lock may outlive one block and be used in the next
        party = ledger.current if ledger is not None else None
        if (
            ledger is None
            or party is None
            or not blocking
            or not (timeout == -1 or 0 < timeout <= threading.TIMEOUT_MAX)
        ):
            return self._real.acquire(blocking, timeout)
        with self._line:
            if self._real.acquire(False):
                return True
            waiter = Waiter(ledger, party)
            self._waiters.append(waiter)
        try:
            ledger.rest(waiter, None if timeout == -1 else timeout, place())
        except BaseException:
            if not self._forget(waiter):
                self._leave()  # it was handed over to somebody who cannot take it any more
            raise
        if not self._forget(waiter):
            return True
        return ledger.closed and self._real.acquire(True, timeout)

    def _forget(self, waiter: Waiter) -> bool:
        """Take a waiter out of the line; False for one that has the lock."""
        with self._line:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            return not waiter.notified

    def _leave(self) -> None:
        with self._line:
            while self._waiters:
                waiter = self._waiters.popleft()
                waiter.release()
                if waiter.notified:
                    return  # the real lock stays locked: it has changed hands
            self._real.release()


class RLock:
    """A `threading.RLock`; what a `threading.Condition` needs of one is there too.

    Args:
        beside: see `Lock`.
    """

    def __init__(self, beside: Any = None) -> None:
        self._lock = Lock(beside)
        self._owner = 0
        self._count = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock, once more if this thread has it; with a time-out on the clock of the block."""
        if self._is_owned():
            _thread.allocate_lock().acquire(blocking, timeout)  # refuses what a lock refuses
        elif not self._lock.acquire(blocking, timeout):
            return False
        self._owner = _thread.get_ident()
        self._count += 1
        return True

    def release(self) -> None:
        """Give it up once."""
        if not self._is_owned():
            raise RuntimeError("cannot release un-acquired lock")
        self._count -= 1
        if not self._count:
            self._owner = 0
            self._lock.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def _is_owned(self) -> bool:
        return self._owner == _thread.get_ident()

    def _release_save(self) -> int:
        count, self._count = self._count, 1
        self.release()
        return count

    def _acquire_restore(self, count: int) -> None:
        self.acquire()
        self._count = count


def lock_stand_ins() -> dict[str, Any]:
    """Return what stands for the names of `threading` that make locks."""
    return {"Lock": Lock, "RLock": RLock}


def locks_of(module: ModuleType) -> dict[int, Any]:
    """Return what stands for the locks that a module and its classes have made already, by their `id`."""
    owners = [module, *(each for each in vars(module).values() if isinstance(each, type))]
    held = [each for owner in owners for each in vars(owner).values()]
    found: dict[int, Any] = {id(each): Lock(each) for each in held if type(each) is _REAL_LOCK and not each.locked()}
    return found | {id(each): RLock(each) for each in held if type(each) is _REAL_RLOCK}
