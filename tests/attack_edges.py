"""Clients at the edges of virtual time, each with the polls that it makes worked out on paper."""

from __future__ import annotations

import asyncio
import asyncio.tasks
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

import attrs

Ask = Callable[[], str]


class Stamp(datetime):
    """A date that knows more."""


class Pace(NamedTuple):
    sleep: Callable[[float], None] = time.sleep


@attrs.define
class Paced:
    sleep: Any = attrs.field(factory=lambda sleep=time.sleep: sleep)  # type: ignore[misc]  # of a lambda


DEEP = {"slow": [{"a": ({"b": [partial(time.sleep, 4)]},)}]}


def by_subclass(ask: Ask) -> str:
    end = Stamp.now() + timedelta(seconds=25)
    stamps = [Stamp.now(), Stamp.today(), Stamp.utcnow(), Stamp.now(end.tzinfo)]
    while Stamp.now() < end:
        ask()
        time.sleep(10)
    return type(stamps[0]).__name__ + str({(Stamp.now() - each).seconds for each in stamps})


def by_named_tuple(ask: Ask) -> str:
    while (status := ask()) != "completed":
        Pace().sleep(5)
    return status


def by_factory(ask: Ask) -> str:
    while (status := ask()) != "completed":
        Paced().sleep(2)
        time.sleep(3)
    return status


def by_depth(ask: Ask) -> str:
    while (status := ask()) != "completed":
        DEEP["slow"][0]["a"][0]["b"][0]()
        time.sleep(1)
    return status


def before_it_runs(ask: Ask) -> str:
    loop = asyncio.new_event_loop()
    end = loop.time() + 30
    loop.call_later(20, ask)
    loop.call_at(end - 5, ask)

    async def main() -> str:
        while loop.time() < end:
            ask()
            await asyncio.sleep(12)
        return str(loop.time() - end)

    try:
        return loop.run_until_complete(main())
    finally:
        loop.close()


def by_submodules(ask: Ask) -> str:
    async def main() -> str:
        while True:
            try:
                async with asyncio.timeouts.timeout(7):  # type: ignore[attr-defined]  # since Python 3.11
                    if ask() == "completed":
                        return "completed"
                    await asyncio.tasks.sleep(5)
                    await asyncio.tasks.wait_for(asyncio.Event().wait(), 100)
            except TimeoutError:
                pass

    return asyncio.run(main())


def blocked_loop(ask: Ask) -> str:
    """The task that is due at 3 runs at 10: the other one keeps its loop from running."""
    seen: list[float] = []

    async def late() -> None:
        await asyncio.sleep(3)
        ask()

    async def main() -> None:
        other = asyncio.create_task(late())
        await asyncio.sleep(1)
        ask()
        time.sleep(9)
        seen.append(time.monotonic())
        await other
        seen.append(time.monotonic())

    asyncio.run(main())
    return str(seen[1] - seen[0])


def job_outlives_its_wait(ask: Ask) -> str:
    """`asyncio.run` waits for the thread, until 20."""

    def job() -> None:
        time.sleep(20)
        ask()

    async def main() -> str:
        try:
            await asyncio.wait_for(asyncio.to_thread(job), 5)
        except asyncio.TimeoutError:
            return ask()
        return "in time"

    return asyncio.run(main())


def spin(ask: Ask) -> None:
    async def main() -> None:
        end = asyncio.get_running_loop().time() + 5
        while asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0)

    asyncio.run(main())


def spin_beside(ask: Ask) -> None:
    async def main() -> None:
        other: Any = asyncio.create_task(asyncio.sleep(5))
        while not other.done():
            await asyncio.sleep(0)

    asyncio.run(main())


def too_long(ask: Ask) -> str:
    found = []
    for lock in (threading.Lock(), threading.RLock()):
        try:
            lock.acquire(timeout=1e30)
        except OverflowError:
            found.append("refused")
    return str(found)


def nap(seconds: float) -> None:
    time.sleep(seconds)
