"""Virtual time that does not lie: what used to give a wrong answer without a word."""

from __future__ import annotations

import asyncio
import copy
import http.client
import math
import os
import pickle
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction
from typing import Any
from unittest import mock

import pytest
import raw_pollers
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from werkzeug import Request, Response

from pytest_redis_actions import RedisActions, running
from pytest_redis_actions.clock import DEFAULT_EPOCH, VirtualClock
from pytest_redis_actions.driving.stacks import stacks
from pytest_redis_actions.errors import EndlessWait, StandStill, UsageError

Write = Callable[..., Any]
WITHOUT_RESET = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


# Where clocks begin, and where a sleep ends


def test_zero_means_never_to_a_client(write: Write, clock: VirtualClock) -> None:
    module = write(
        "import time, asyncio\nlast = expires = 0.0\n"
        "def may_poll(): return time.monotonic() - last >= 10 and time.perf_counter() - last >= 10\n"
        "def is_fresh(): return time.monotonic() < expires\n"
        "async def loop_time(): return asyncio.get_running_loop().time()"
    )

    with clock.drive("driven_client"):
        assert module.may_poll()
        assert not module.is_fresh()
        assert asyncio.run(module.loop_time()) == clock.monotonic() == 1_000_000


LAST_PLACE_OF_TIME = math.ulp(DEFAULT_EPOCH)  # 2.4e-7 seconds
REMAINING = """
import asyncio, time

def remains(now, every, timeout):
    polls, end = 0, now() + timeout
    while True:
        polls += 1
        left = end - now()
        if left <= 0 or polls > 1000:
            return polls
        time.sleep(min(every, left))

async def remains_on_asyncio(every, timeout):
    now, polls = asyncio.get_running_loop().time, 0
    end = now() + timeout
    while True:
        polls += 1
        left = end - now()
        if left <= 0 or polls > 1000:
            return polls
        await asyncio.sleep(min(every, left))

def monotonic(every, timeout): return remains(time.monotonic, every, timeout)
def wall(every, timeout): return remains(time.time, every, timeout)
def on_asyncio(every, timeout): return asyncio.run(remains_on_asyncio(every, timeout))
def both(every, timeout): return remains(lambda: (time.time(), time.monotonic())[1], every, timeout)
"""


@given(
    st.floats(0.3, 5) | st.decimals("0.3", 5, places=2).map(float),
    st.floats(1, 100),
    st.floats(0, 50),
    st.sampled_from(["monotonic", "wall", "on_asyncio", "both"]),
)
@example(1.6042787022558949, 22.45990323158253, 31.68670405509434, "wall")
@example(0.3, 99.7, 0.0, "wall")
@WITHOUT_RESET
def test_sleeping_what_remains_ends(write: Write, every: float, timeout: float, begins: float, way: str) -> None:
    module = sys.modules.get("driven_client") or write(REMAINING)
    clock = VirtualClock()
    clock.advance(begins)
    begins = clock.seconds

    with clock.drive("driven_client"):
        polls = getattr(module, way)(every, timeout)

    assert polls - 1 == pytest.approx(timeout / every, abs=1)
    # The client rounds twice: when it reads its beginning, and when it adds; each time by half of a last place.
    assert clock.seconds - begins == pytest.approx(timeout, rel=0, abs=LAST_PLACE_OF_TIME + 2e-9)


@given(st.lists(st.floats(1e-12, 1e3), min_size=1, max_size=30))
@WITHOUT_RESET
def test_no_sleep_returns_early(write: Write, spans: list[float]) -> None:
    module = sys.modules.get("driven_client") or write("import time")

    with VirtualClock().drive("driven_client"):
        for span in spans:
            before = module.time.monotonic(), module.time.time(), module.time.monotonic_ns()
            module.time.sleep(span)
            assert module.time.monotonic() - before[0] >= span
            assert module.time.time() - before[1] >= span
            assert module.time.monotonic_ns() > before[2]


def test_a_grid_of_tenths_stays_exact(write: Write, clock: VirtualClock) -> None:
    module = write("import time\ndef nap():\n    for _ in range(10000): time.sleep(0.1)")

    with clock.drive("driven_client"):
        module.nap()

    assert clock.seconds == 1000


TIMES_OUT = """
import asyncio
async def by_timeout(never):
    async with asyncio.timeout(0.35): await never
async def by_wait_for(never): await asyncio.wait_for(never, 0.35)
async def by_call_later(never):
    asyncio.get_running_loop().call_later(0.35, never.set_exception, TimeoutError)
    await never
async def main(by):
    loop = asyncio.get_running_loop()
    for _ in range(300):
        loop.time()
        await asyncio.sleep(0.1)
    await by(loop.create_future())
"""


@pytest.mark.parametrize("by", ["by_wait_for", "by_call_later", *["by_timeout"] * (sys.version_info >= (3, 11))])
def test_a_time_out_that_was_written_down_stays_exact(write: Write, clock: VirtualClock, by: str) -> None:
    module = write(TIMES_OUT)

    with clock.drive("driven_client"), pytest.raises((TimeoutError, asyncio.TimeoutError)):
        asyncio.run(module.main(getattr(module, by)))

    assert clock.seconds == 30.35


@pytest.mark.parametrize("now", ["time.monotonic", "time.time"])
def test_a_client_that_sleeps_what_is_left_polls_at_its_deadline_and_not_before(
    write: Write, clock: VirtualClock, now: str
) -> None:
    module = write(
        f"import time\ndef wait():\n    end = {now}() + 54.1\n"
        f"    while (left := end - {now}()) > 0: time.sleep(min(0.15, left))"
    )

    with clock.drive("driven_client"):
        module.wait()

    ends = {"time.monotonic": 54.1, "time.time": DEFAULT_EPOCH + 54.1 - DEFAULT_EPOCH}[now]
    assert clock.seconds == pytest.approx(ends, rel=0, abs=2e-9)


def test_the_smallest_sleep_of_the_clock_itself_moves_it(clock: VirtualClock) -> None:
    clock.sleep(1e-12)

    assert clock.nanoseconds == 1


# Arguments

WRONG: list[Any] = [
    "5",
    None,
    Decimal(5),
    Fraction(1, 2),
    math.nan,
    math.inf,
    -math.inf,
    -1,
    -0.5,
    -1e-12,
    1e300,
    2**63,
    [],
    b"1",
]


@pytest.mark.parametrize("seconds", WRONG, ids=repr)
def test_a_wrong_sleep_raises_what_the_real_one_raises(write: Write, clock: VirtualClock, seconds: Any) -> None:
    module = write("import time")

    with pytest.raises((TypeError, ValueError, OverflowError)) as real:
        time.sleep(seconds)
    with clock.drive("driven_client"), pytest.raises(real.type) as caught:
        module.time.sleep(seconds)

    assert str(caught.value) == str(real.value)
    assert clock.seconds == 0


@pytest.mark.parametrize("seconds", ["5", None, [], Decimal(5)], ids=repr)
@pytest.mark.parametrize(
    "way",
    [
        "sleep(x)",
        "wait_for(get_running_loop().create_future(), x)",
        "wait([get_running_loop().create_future()], timeout=x)",
    ],
)
def test_a_wrong_argument_on_asyncio_is_refused_too(write: Write, clock: VirtualClock, way: str, seconds: Any) -> None:
    if seconds is None and way != "sleep(x)":
        return  # that is no time-out
    module = write(f"from asyncio import *\nasync def nap(x): return await {way}")

    with clock.drive("driven_client"), pytest.raises(TypeError):
        asyncio.run(module.nap(seconds))

    assert clock.seconds == 0


def test_a_time_out_that_is_no_number_is_refused_by_a_lock(write: Write, clock: VirtualClock) -> None:
    module = write("import threading, queue\nwait = threading.Event().wait\nget = queue.Queue().get")

    with clock.drive("driven_client"):
        for wait in (module.wait, lambda timeout: module.get(timeout=timeout)):
            wrong: Any
            for wrong in ("5", [], Decimal(5)):
                with pytest.raises(TypeError):
                    wait(wrong)
            with pytest.raises(OverflowError):
                wait(math.inf)


def test_who_sleeps_for_ever_on_asyncio_can_be_cancelled(write: Write, clock: VirtualClock) -> None:
    module = write(
        "import asyncio\nasync def main():\n    task = asyncio.ensure_future(asyncio.sleep(float('inf')))\n"
        "    await asyncio.sleep(7)\n    task.cancel()\n    await asyncio.wait([task])"
    )

    with clock.drive("driven_client"):
        asyncio.run(module.main())

    assert clock.seconds == 7


# The loop that runs already


def test_the_running_loop_is_driven_from_the_first_line_of_the_block(write: Write, clock: VirtualClock) -> None:
    module = write(
        "import asyncio\nasync def polls(every, timeout):\n    loop = asyncio.get_running_loop()\n"
        "    polls, end = 0, loop.time() + timeout\n    while loop.time() < end:\n        polls += 1\n"
        "        await asyncio.sleep(every)\n    return polls"
    )

    async def test() -> int:
        with clock.drive("driven_client"):
            polls: int = await module.polls(5, 30)
            return polls

    assert asyncio.run(test()) == 6
    assert clock.seconds == 30


def test_a_timer_of_the_running_loop_is_driven_from_the_first_line(write: Write, clock: VirtualClock) -> None:
    module = write(
        "import asyncio\nasync def main():\n    done, loop = asyncio.Event(), asyncio.get_running_loop()\n"
        "    loop.call_later(3000, done.set)\n    await done.wait()\n"
    )

    async def test() -> None:
        with clock.drive("driven_client"):
            await module.main()

    asyncio.run(test())
    assert clock.seconds == 3000


def test_a_timer_that_is_cancelled_is_no_reason_for_time_to_move(write: Write, clock: VirtualClock) -> None:
    module = write(
        "import asyncio\nasync def main():\n    loop = asyncio.get_running_loop()\n"
        "    late = loop.call_later(3600, print)\n    await asyncio.sleep(1)\n    late.cancel()\n"
        "    await asyncio.sleep(0)\n    await asyncio.to_thread(len, 'a thread that ends')\n"
    )

    with clock.drive("driven_client"):
        asyncio.run(module.main())

    assert clock.seconds == 1


# Where a time function hides


def test_functions_of_time_that_take_the_present_take_the_clocks(write: Write, clock: VirtualClock) -> None:
    module = write(
        "import calendar, time\nfrom time import gmtime, localtime, ctime\n"
        "def look(): return (calendar.timegm(gmtime()), time.mktime(localtime()), time.mktime(time.strptime(ctime())),"
        " time.mktime(time.strptime(time.asctime())), time.strftime('%s'))\n"
        "def given(): return gmtime(0).tm_year, time.strftime('%Y', gmtime(0)), ctime(0), time.asctime(gmtime(0))"
    )
    clock.advance(86400)
    now = DEFAULT_EPOCH + 86400

    with clock.drive("driven_client"):
        assert module.look() == (now, now, now, now, str(now))
        assert module.given() == (1970, "1970", time.ctime(0), "Thu Jan  1 00:00:00 1970")


@pytest.mark.skipif(not hasattr(time, "clock_gettime"), reason="a function of Unix")
def test_clocks_by_number_are_driven_but_for_those_of_the_processor(write: Write, clock: VirtualClock) -> None:
    module = write("import time")

    with clock.drive("driven_client"):
        seen = module.time
        assert seen.clock_gettime(time.CLOCK_REALTIME) == DEFAULT_EPOCH
        assert seen.clock_gettime(time.CLOCK_MONOTONIC) == 1e6
        assert seen.clock_gettime_ns(time.CLOCK_MONOTONIC) == 10**15
        assert seen.clock_gettime_ns(time.CLOCK_PROCESS_CPUTIME_ID) < 10**15
        assert seen.process_time() < 1e6


def test_a_date_is_the_clocks(write: Write, clock: VirtualClock) -> None:
    module = write(
        "import datetime\nfrom datetime import date\n"
        "def look(): return date.today(), datetime.date.today(), date(2026, 1, 2)"
    )

    with clock.drive("driven_client"):
        seen = module.look()
        assert isinstance(seen[2], module.date)

    assert [str(each) for each in seen] == ["2025-10-14", "2025-10-14", "2026-01-02"]


FACTORIES = {
    "dataclass": "from dataclasses import dataclass, field\n@dataclass\nclass Job:\n"
    "    began: object = field(default_factory=FUNCTION)",
    "attr": "import attr\n@attr.s\nclass Job:\n    began = attr.ib(factory=FUNCTION)",
    "attrs": "from attrs import define, field, Factory\n@define\nclass Job:\n"
    "    began: object = field(default=Factory(FUNCTION))",
}


@pytest.mark.parametrize(
    ("function", "expected"), [("time.monotonic", "1000000.0"), ("datetime.now", "2025"), ("datetime.utcnow", "2025")]
)
@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")  # of the real one, since 3.12
@pytest.mark.parametrize("kind", FACTORIES)
def test_a_default_factory_is_driven(
    write: Write, clock: VirtualClock, kind: str, function: str, expected: str
) -> None:
    source = f"import time\nfrom datetime import datetime\n{FACTORIES[kind].replace('FUNCTION', function)}"
    module = write(source)

    with clock.drive("driven_client"):
        assert str(module.Job().began).startswith(expected)
    assert not str(module.Job().began).startswith(expected)


# Stand-ins follow the block that is open


def test_what_a_client_keeps_of_one_block_is_driven_in_the_next(write: Write, clock: VirtualClock) -> None:
    module = write(
        "import asyncio, time\nfrom datetime import datetime\nclass Client:\n"
        "    def __init__(self): self.sleep, self.now, self.asleep = time.sleep, datetime.now, asyncio.sleep\n"
    )
    with VirtualClock().drive("driven_client"):
        client = module.Client()
    assert client.now().year != 2025

    with clock.drive("driven_client"):
        client.sleep(30)
        asyncio.run(client.asleep(12))
        assert client.now().year == 2025

    assert clock.seconds == 42


def test_a_stand_in_that_a_test_has_put_back_too_late_is_the_real_thing(
    write: Write, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = write("from time import sleep\ndef nap(): sleep(5)")
    calls: list[float] = []

    with clock.drive("driven_client"):
        monkeypatch.setattr(module, "sleep", calls.append)
        module.nap()
    module.nap()
    monkeypatch.undo()

    assert calls == [5, 5]
    before = time.monotonic()
    module.sleep(0.01)
    assert time.monotonic() - before >= 0.01
    with clock.drive("driven_client"):
        module.nap()
    assert clock.seconds == 5


@pytest.mark.parametrize(
    "source", ["import time\ndef nap(): time.sleep(3)", "from time import sleep\ndef nap(): sleep(3)"]
)
def test_a_sleep_that_is_mocked_within_the_block_is_called(write: Write, clock: VirtualClock, source: str) -> None:
    module = write(source)

    with clock.drive("driven_client"):
        with mock.patch("time.sleep") as sleep:
            module.nap()
        module.nap()

    sleep.assert_called_once_with(3)
    assert clock.seconds == 3


@pytest.mark.parametrize("fake", [mock.Mock(), lambda seconds: None], ids=["a mock", "a function"])
@pytest.mark.parametrize(
    "source", ["import time\ndef nap(): time.sleep(3)", "from time import sleep\ndef nap(): sleep(3)"]
)
def test_a_sleep_that_was_mocked_before_is_driven(
    write: Write, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, source: str, fake: Any
) -> None:
    module = write(source)
    monkeypatch.setattr("time.sleep", fake)

    with clock.drive("driven_client"):
        module.nap()

    assert clock.seconds == 3
    assert time.sleep is fake


def test_a_client_that_is_copied_or_pickled_keeps_its_sleep(write: Write, clock: VirtualClock) -> None:
    module = write("import time\nclass Client:\n    def __init__(self): self.sleep = time.sleep")

    with clock.drive("driven_client"):
        client = module.Client()
        copy.deepcopy(client).sleep(3)
        copy.copy(client).sleep(4)
        assert pickle.loads(pickle.dumps(client.sleep)) is time.sleep

    assert clock.seconds == 7


def test_a_class_made_from_a_driven_datetime_is_one_of_its_own(write: Write, clock: VirtualClock) -> None:
    module = write(
        "def make():\n    from datetime import datetime\n    class Mine(datetime):\n        pass\n"
        "    return Mine, datetime\ndef nap():\n    import time"
    )

    with clock.drive("driven_client"):
        mine, kind = module.make()
        assert type(mine(2026, 1, 2)) is mine
        assert isinstance(mine(2026, 1, 2), kind)
        assert not isinstance(kind(2026, 1, 2), mine)


# A block that does not open leaves nothing


def test_a_block_that_fails_to_open_leaves_nothing_behind(
    write: Write, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = write("import time\nfrom time import sleep\ndef nap(): sleep(1)")
    before = dict(vars(module)), threading.Thread.start, threading.Condition.wait, threading.active_count()

    def fail(*_: object) -> None:
        raise OSError("no")

    with monkeypatch.context() as patch:
        patch.setattr("pytest_redis_actions.driving.block.replace", fail)
        with pytest.raises(OSError, match="no"), clock.drive("driven_client"):
            pass

    assert (dict(vars(module)), threading.Thread.start, threading.Condition.wait, threading.active_count()) == before
    assert clock.block is None
    with clock.drive("driven_client"):
        module.nap()
    assert clock.seconds == 1


def test_a_block_of_another_clock_that_is_refused_takes_nothing_away(write: Write, clock: VirtualClock) -> None:
    module = write("import time\ndef nap(): time.sleep(3)")

    with clock.drive("driven_client"):
        with pytest.raises(UsageError, match="another stub's clock"), VirtualClock().drive("driven_client"):
            pass
        module.nap()

    assert clock.seconds == 3


# Threads from before the block

POLLER = """
import asyncio, http.client, queue, threading, time
from concurrent.futures import Future
import raw_pollers

class Worker:
    def __init__(self, port, auth):
        self.port, self.auth, self.jobs = port, auth, queue.Queue()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        while (job := self.jobs.get()) is not None:
            uid, future = job
            raw_pollers.poll(self.port, uid, self.auth, 0, 0, 1)
            future.set_result(time.monotonic() - 1e6)

    def poll(self, uid):
        future = Future()
        self.jobs.put((uid, future))
        return future.result(30)

    def close(self):
        self.jobs.put(None)
        self.thread.join()


class Loop:
    def __init__(self, port, auth):
        self.port, self.auth, self.loop = port, auth, asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    async def apoll(self, uid):
        await raw_pollers.apoll(self.port, uid, self.auth, 0, 0, 1)
        await asyncio.sleep(7)
        return asyncio.get_running_loop().time() - 1e6 - 7

    def poll(self, uid):
        return asyncio.run_coroutine_threadsafe(self.apoll(uid), self.loop).result(30)

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()
"""


@pytest.mark.parametrize("kind", ["Worker", "Loop"])
@pytest.mark.parametrize("polls", [1, 20])
def test_a_client_with_a_thread_from_before_the_block_is_driven(
    redis_actions: RedisActions, write: Write, kind: str, polls: int
) -> None:
    client = getattr(write(POLLER), kind)(redis_actions.port, redis_actions.auth)
    action = redis_actions.add_action("migrate_shards", script=[running()])
    spends = 7 if kind == "Loop" else 0

    with redis_actions.clock.drive("driven_client"):
        found = [client.poll(action.uid) for _ in range(polls)]

    assert found == [spends * poll for poll in range(polls)]
    assert len(action.polls) == polls
    client.close()


EARLY = """
import asyncio, threading, time
import raw_pollers

woken = threading.Event()

def sleeps(poll):
    time.sleep(0.4)
    poll()
    time.sleep(5)

def waits(poll):
    woken.wait(0.4)
    poll()
    woken.wait(5)

def polls_once(poll):
    time.sleep(0.4)
    poll()

async def asleeps():
    await asyncio.sleep(0.2)
    await asyncio.sleep(5)

def nap(seconds):
    time.sleep(seconds)

async def anap(seconds):
    await asyncio.sleep(seconds)
"""
SINCE_BEFORE = r"thread 'early' slept for real since before the block\n  fix     open the block before it starts, or"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # it is told where it sleeps
@pytest.mark.parametrize("kind", ["sleeps", "waits", "polls_once"])
def test_a_thread_that_slept_since_before_the_block_is_refused_by_name(
    redis_actions: RedisActions, write: Write, kind: str
) -> None:
    module, action = write(EARLY), redis_actions.add_action("migrate_shards", script=[running()])

    def poll() -> None:
        with suppress(OSError, http.client.HTTPException):
            raw_pollers.status(redis_actions.port, action.uid, redis_actions.auth)

    thread = threading.Thread(target=getattr(module, kind), args=(poll,), name="early", daemon=True)
    thread.start()
    stands_in(thread, module.__file__)

    def wait() -> None:
        module.nap(1000)
        thread.join()
        module.nap(1000)

    with pytest.raises(StandStill, match=SINCE_BEFORE), redis_actions.clock.drive("driven_client"):
        wait()

    thread.join(10)
    assert not thread.is_alive()
    assert len(action.polls) <= 1


def test_one_that_wakes_before_the_clock_has_moved_belongs_to_the_block(write: Write, clock: VirtualClock) -> None:
    module = write(EARLY)
    woken = threading.Event()
    thread = threading.Thread(target=module.sleeps, args=(woken.set,), name="early")
    thread.start()
    stands_in(thread, module.__file__)

    with clock.drive("driven_client"):
        woken.wait()
        thread.join()

    assert clock.seconds == 5


def test_a_task_that_slept_since_before_the_block_is_refused_by_name(write: Write, clock: VirtualClock) -> None:
    module = write(EARLY)

    async def main() -> None:
        early = asyncio.create_task(module.asleeps(), name="early")
        await asyncio.sleep(0)
        with clock.drive("driven_client"):
            await module.anap(1000)
            await early

    with pytest.raises(StandStill, match="task 'early' slept for real since before the block"):
        asyncio.run(main())


def stands_in(thread: threading.Thread, path: str) -> None:
    """Wait until a thread stands in a file."""
    while not any(
        stack.thread == thread.ident and any(line.path == path for line in stack.lines[:4]) for stack in stacks()
    ):
        pass


@pytest.mark.parametrize("kind", ["Worker", "Loop"])
def test_time_waits_for_the_slow_reply_to_a_thread_from_before_the_block(
    redis_actions: RedisActions, write: Write, kind: str
) -> None:
    client = getattr(write(POLLER), kind)(redis_actions.port, redis_actions.auth)
    action = redis_actions.add_action("migrate_shards", script=[running()])
    answering = threading.Event()

    def respond(_: Request) -> Response:
        answering.wait(0.3)
        return Response('{"status": "running"}', content_type="application/json")

    redis_actions.httpserver.expect_request(f"/v1/actions/{action.uid}").respond_with_handler(respond)
    with redis_actions.clock.drive("driven_client"):
        assert client.poll(action.uid) == 0
    client.close()


def test_time_waits_for_the_reply_to_a_thread_that_nobody_knows(redis_actions: RedisActions, write: Write) -> None:
    module = write("import time\ndef nap(): time.sleep(1000)")
    action = redis_actions.add_action("migrate_shards", script=[running()])
    asked, answer, seen = threading.Event(), threading.Event(), list[float]()

    def respond(_: Request) -> Response:
        asked.set()
        answer.wait(0.3)
        seen.append(redis_actions.clock.seconds)
        return Response('{"status": "running"}', content_type="application/json")

    redis_actions.httpserver.expect_request(f"/v1/actions/{action.uid}").respond_with_handler(respond)
    polling = threading.Thread(
        target=raw_pollers.poll, args=(redis_actions.port, action.uid, redis_actions.auth, 0, 0, 1)
    )
    polling.start()
    asked.wait(10)
    with redis_actions.clock.drive("driven_client"):
        module.nap()
    polling.join()

    assert seen == [0]


PROTOCOL = """
import asyncio
from base64 import b64encode

class Lines(asyncio.Protocol):
    def __init__(self, kind):
        self.queue, self.answer = asyncio.Queue(), asyncio.get_running_loop().create_future()
    def connection_made(self, transport): self.transport = transport
    def data_received(self, data):
        self.queue.put_nowait(data)
        if not self.answer.done(): self.answer.set_result(data)

async def polls(port, uid, auth, kind, polls):
    loop, seen = asyncio.get_running_loop(), []
    transport, protocol = await loop.create_connection(lambda: Lines(kind), "127.0.0.1", port)
    credentials = b64encode(":".join(auth).encode()).decode()
    for _ in range(polls):
        head = f"GET /v1/actions/{uid} HTTP/1.1\\r\\nHost: x\\r\\nAuthorization: Basic {credentials}"
        transport.write(f"{head}\\r\\n\\r\\n".encode())
        waiting = protocol.queue.get() if kind == "queue" else asyncio.shield(protocol.answer)
        await asyncio.wait_for(waiting, 30)
        protocol.answer = loop.create_future()
        seen.append(loop.time() - 1e6)
        await asyncio.sleep(5)
    transport.close()
    return seen
"""


@pytest.mark.parametrize("kind", ["queue", "future"])
def test_bytes_on_their_way_to_a_protocol_of_its_own_hold_time(
    redis_actions: RedisActions, write: Write, kind: str
) -> None:
    module = write(PROTOCOL)
    action = redis_actions.add_action("migrate_shards", script=[running()])

    with redis_actions.clock.drive("driven_client"):
        seen = asyncio.run(module.polls(redis_actions.port, action.uid, redis_actions.auth, kind, 50))

    assert seen == [5 * poll for poll in range(50)]


@pytest.mark.parametrize("how", ["create_future()", "create_task(asyncio.Event().wait())"])
def test_a_future_that_time_decides_about_does_not_stand_still(write: Write, clock: VirtualClock, how: str) -> None:
    module = write(
        f"import asyncio\nasync def main():\n    loop = asyncio.get_running_loop()\n    waiting = loop.{how}\n"
        "    loop.call_later(60, waiting.cancel)\n    try:\n        await waiting\n"
        "    except asyncio.CancelledError:\n        return loop.time() - 1e6"
    )

    with clock.drive("driven_client"):
        assert asyncio.run(module.main()) == 60


# The end of a block


def test_an_event_that_a_thread_waits_for_beyond_its_block_still_wakes_it(write: Write, clock: VirtualClock) -> None:
    module = write(
        "import threading\nstop, record = threading.Event(), []\ndef wait(): record.append(stop.wait(1e6))\n"
        "def nap(): threading.Event().wait(5)"
    )
    with clock.drive("driven_client"):
        thread = threading.Thread(target=module.wait)
        thread.start()
        module.nap()
    module.stop.set()
    thread.join(10)

    assert module.record == [True]


@pytest.mark.redis_actions(max_polls=20)
def test_a_test_may_expect_an_endless_wait_within_the_block(redis_actions: RedisActions, write: Write) -> None:
    module = write(
        "import time, raw_pollers\ndef wait(*given):\n    while True:\n"
        "        raw_pollers.poll(*given, 0, 0, 1)\n        time.sleep(1)"
    )
    action = redis_actions.add_action("migrate_shards", script=[running()])

    with redis_actions.clock.drive("driven_client"), pytest.raises(EndlessWait):
        module.wait(redis_actions.port, action.uid, redis_actions.auth)


@pytest.mark.redis_actions(max_polls=20)
def test_a_client_that_swallows_the_end_fails_the_test_all_the_same(redis_actions: RedisActions, write: Write) -> None:
    module = write(
        "import time, raw_pollers\ndef wait(*given):\n    try:\n        while True:\n"
        "            raw_pollers.poll(*given, 0, 0, 1)\n            time.sleep(1)\n"
        "    except BaseException:\n        pass"
    )
    action = redis_actions.add_action("migrate_shards", script=[running()])

    with pytest.raises(EndlessWait), redis_actions.clock.drive("driven_client"):
        module.wait(redis_actions.port, action.uid, redis_actions.auth)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Unix only")
def test_a_forked_child_is_refused_by_name(write: Write, clock: VirtualClock) -> None:
    module = write("import time\ndef nap(): time.sleep(5)")
    reading, writing = os.pipe()

    with clock.drive("driven_client"):
        child = os.fork()
        if not child:
            try:
                module.nap()
            except UsageError as error:
                os.write(writing, str(error).encode())
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        module.nap()

    assert os.read(reading, 1000).startswith(b"a forked process cannot be driven")
    assert clock.seconds == 5
    os.close(reading)
    os.close(writing)


def test_the_cost_of_tasks_is_linear(write: Write) -> None:
    module = write(
        "import asyncio\nasync def nap(delay):\n    for _ in range(10): await asyncio.sleep(delay)\n"
        "async def main(tasks): await asyncio.gather(*(nap(1 + each / 1000) for each in range(tasks)))"
    )

    def cost(tasks: int) -> float:
        began = time.process_time()
        with VirtualClock().drive("driven_client"):
            asyncio.run(module.main(tasks))
        return time.process_time() - began

    few = min(cost(200) for _ in range(3))
    assert min(cost(800) for _ in range(3)) < 6 * few  # 4 by its nature; a scan of all tasks at each sleep made it 16


def test_a_new_connection_holds_time_no_longer_than_it_takes_to_accept_it(
    redis_actions: RedisActions, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = write(
        "import time, raw_pollers\ndef wait(*given):\n    raw_pollers.poll(*given, 0, 0, 1)\n    time.sleep(1)"
    )
    action = redis_actions.add_action("migrate_shards", script=[running()])
    monkeypatch.setattr("pytest_redis_actions.driving.ledger.Ledger.sweep", lambda self: None)  # the last resort

    with redis_actions.clock.drive("driven_client", guard=5):
        for _ in range(20):
            together = [
                threading.Thread(target=module.wait, args=(redis_actions.port, action.uid, redis_actions.auth))
                for _ in range(10)
            ]
            for thread in together:
                thread.start()
            for thread in together:
                thread.join()

    assert redis_actions.clock.seconds == 20
