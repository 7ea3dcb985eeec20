"""The private names of CPython that virtual time leans on, in one place, and the probe for them."""

from __future__ import annotations

import asyncio
import asyncio.base_events
import concurrent.futures.thread
import ctypes
import functools
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import UsageError

__all__ = ["NEEDS", "Need", "check_python"]

__tracebackhide__ = True


@dataclass(frozen=True)
class Need:
    """A name that has to be there.

    Attributes:
        place: what has it, as a message says it.
        name: the name.
        owner: returns what has it.
    """

    place: str
    name: str
    owner: Callable[[], Any]

    def is_met(self) -> bool:
        """Tell whether this Python has it."""
        try:
            return hasattr(self.owner(), self.name)
        except AttributeError:
            return False


@functools.cache
def _loop() -> Any:
    loop = asyncio.base_events.BaseEventLoop()
    loop.close()
    return loop


def _gathering() -> Any:
    # Its instances have the name, and making one needs a loop that runs.
    words = asyncio.tasks._GatheringFuture.__init__.__code__.co_names  # type: ignore[attr-defined]
    return type("", (), dict.fromkeys(words))


NEEDS: tuple[Need, ...] = (
    *(
        Need("threading.Condition", name, threading.Condition)
        for name in ("_waiters", "_release_save", "_acquire_restore", "_is_owned")
    ),
    Need("threading.Semaphore", "_value", threading.Semaphore),
    Need("threading.Semaphore", "_cond", threading.Semaphore),
    Need("threading.Barrier", "_wait", lambda: threading.Barrier),
    Need("threading.Thread", "_target", threading.Thread),
    Need("threading", "_active", lambda: threading),
    Need("threading", "_register_atexit", lambda: threading),
    Need("queue", "_PySimpleQueue", lambda: queue),
    Need("queue.Queue", "_qsize", lambda: queue.Queue),
    Need("concurrent.futures.thread", "_worker", lambda: concurrent.futures.thread),
    Need("ThreadPoolExecutor", "_threads", lambda: concurrent.futures.ThreadPoolExecutor(1)),
    Need("ThreadPoolExecutor", "_max_workers", lambda: concurrent.futures.ThreadPoolExecutor(1)),
    Need("concurrent.futures.Future", "_invoke_callbacks", lambda: concurrent.futures.Future),
    Need("concurrent.futures.Future", "_condition", concurrent.futures.Future),
    Need("asyncio.BaseEventLoop", "_ready", _loop),
    Need("asyncio.BaseEventLoop", "_thread_id", _loop),
    Need("asyncio.Task", "_fut_waiter", lambda: asyncio.Task),
    Need("asyncio.Future", "_callbacks", lambda: asyncio.Future),
    Need("asyncio.gather", "_children", _gathering),
    Need("asyncio.Handle", "_callback", lambda: asyncio.Handle),
    Need("asyncio.Handle", "_run", lambda: asyncio.Handle),
    Need("ctypes.pythonapi", "PyThreadState_SetAsyncExc", lambda: ctypes.pythonapi),
)


def check_python() -> None:
    """Refuse a Python on which virtual time would hang or fail somewhere else.

    Raises:
        UsageError: it lacks a name.
    """
    missing = [f"{need.place}.{need.name}" for need in NEEDS if not need.is_met()]
    if missing:
        raise UsageError(
            f"this Python has no {missing[0]}: time cannot be driven on it",
            fix="use CPython 3.10 to 3.13, or clock='wall' with a rate",
            value=missing,
        )
