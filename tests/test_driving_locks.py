"""Who wants what another one holds waits for them: locks, semaphores, queues, barriers and timers of driven modules."""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from pytest_redis_actions.clock import VirtualClock
from pytest_redis_actions.errors import EndlessWait, StandStill

real_sleep = time.sleep
Write = Callable[[str], Any]


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def together(*calls: Callable[[], object]) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# Locks

LIMITERS = {
    "an instance": "import threading, time\nclass Limiter:\n    def __init__(self): self.lock = threading.Lock()\n",
    "a name": "import time\nfrom threading import Lock\nclass Limiter:\n    def __init__(self): self.lock = Lock()\n",
    "re-entrant": "import threading, time\nclass Limiter:\n    def __init__(self): self.lock = threading.RLock()\n",
    "a class attribute": "import threading, time\nclass Limiter:\n    lock = threading.Lock()\n",
    "a module's": (
        "import threading, time\n_lock = threading.Lock()\nclass Limiter:\n    lock = property(lambda _: _lock)\n"
    ),
    "a re-entrant one of a module": (
        "import threading, time\n_lock = threading.RLock()\nclass Limiter:\n    lock = property(lambda _: _lock)\n"
    ),
    "an import inside": (
        "import time\nclass Limiter:\n    def __init__(self):\n        import threading\n"
        "        self.lock = threading.Lock()\n"
    ),
    "a semaphore": "import threading, time\nclass Limiter:\n    lock = threading.Semaphore()\n",
}
CALL = (
    "    def call(self, record):\n        with self.lock:\n            time.sleep(2)\n"
    "            record.append(time.monotonic() - 1e6)\n"
)


@pytest.mark.parametrize("limiter", LIMITERS.values(), ids=LIMITERS)
def test_a_client_may_sleep_while_it_holds_a_lock(write: Write, clock: VirtualClock, limiter: str) -> None:
    module = write(limiter + CALL)
    record: list[float] = []

    with clock.drive("driven_client"):
        shared = module.Limiter()
        together(*[lambda: shared.call(record)] * 5)

    assert record == [2, 4, 6, 8, 10]


TURNS = """
import threading, time

class Client:
    def __init__(self, make):
        self.lock = getattr(threading, make)()

    def work(self, number, record):
        time.sleep(number / 10)
        for _ in range(4):
            with self.lock:
                record.append((number, round(time.monotonic() - 1e6, 6)))
                time.sleep(number + 1)
            time.sleep(1.03)
"""


def turns(clients: int) -> list[tuple[int, float]]:
    """Simulate TURNS on paper: who asks first comes first."""
    asks = {number: number / 10 for number in range(clients)}
    left = dict.fromkeys(asks, 4)
    waiting: deque[int] = deque()
    record, free = [], 0.0
    while asks or waiting:
        for number in sorted((each for each in asks if asks[each] <= free), key=lambda each: asks[each]):
            waiting.append(number)
            del asks[number]
        if not waiting:
            free = min(asks.values())
            continue
        number = waiting.popleft()
        record.append((number, round(free, 6)))
        free += number + 1
        left[number] -= 1
        if left[number]:
            asks[number] = free + 1.03
    return record


@pytest.mark.parametrize("rounds", [20, pytest.param(1000, marks=pytest.mark.long)])
@pytest.mark.parametrize("make", ["Lock", "RLock"])
def test_who_asks_first_comes_first(write: Write, make: str, rounds: int) -> None:
    module = write(TURNS)
    for _ in range(rounds):
        record: list[tuple[int, float]] = []
        with VirtualClock().drive("driven_client"):
            client = module.Client(make)
            together(*(partial(client.work, number, record) for number in range(6)))

        assert record == turns(6)


WAYS = """
import threading, time
def holds(lock, seconds):
    with lock:
        time.sleep(seconds)
def tries(lock, *how):
    time.sleep(1)
    got = lock.acquire(*how)
    if got:
        lock.release()
    return got, time.monotonic() - 1e6
"""


@pytest.mark.parametrize("make", ["Lock", "RLock"])
@pytest.mark.parametrize(
    ("how", "found"),
    [
        ((True, 5), (False, 6)),
        ((True, 20), (True, 10)),
        ((False,), (False, 1)),
        ((), (True, 10)),
        ((True, -1), (True, 10)),
    ],
)
def test_a_lock_is_waited_for_as_long_as_was_said(
    write: Write, clock: VirtualClock, make: str, how: tuple[Any, ...], found: tuple[bool, float]
) -> None:
    module = write(WAYS)

    with clock.drive("driven_client"), ThreadPoolExecutor(2) as pool:
        lock = getattr(module.threading, make)()
        pool.submit(module.holds, lock, 10)
        assert pool.submit(module.tries, lock, *how).result() == found


def test_a_lock_that_an_instance_has_since_before_stops_time_and_the_guard_says_where(
    write: Write, clock: VirtualClock
) -> None:
    module = write(LIMITERS["an instance"] + CALL)
    shared = module.Limiter()

    with pytest.raises(StandStill) as caught, clock.drive("driven_client", guard=0.5):
        together(*[lambda: shared.call([])] * 2)

    lines = str(caught.value).splitlines()
    assert lines[1] == "  fix     make the client within the block: a lock from before it tells nobody who waits for it"
    assert any(line.startswith("  waits   ") and ": with " in line for line in lines), lines
    assert any(line.startswith("  waits   ") and "in call: time.sleep(" in line for line in lines), lines


@pytest.mark.parametrize("make", ["Lock", "RLock"])
def test_a_driven_lock_is_one(write: Write, clock: VirtualClock, make: str) -> None:
    module = write(WAYS)
    with clock.drive("driven_client"):
        lock = getattr(module.threading, make)()
    real = getattr(threading, make)()

    for each in (lock, real):
        for wrong in ((False, 1), (True, -2)):
            with pytest.raises(ValueError, match="timeout"):
                each.acquire(*wrong)
        with pytest.raises(RuntimeError):
            each.release()
        assert each.acquire(timeout=1) is True
        assert each.acquire(False) is (make == "RLock")
        if make == "RLock":
            each.release()
        elif sys.version_info < (3, 13):
            assert each.locked()
        each.release()
    if sys.version_info >= (3, 13) and make == "Lock":
        with clock.drive("driven_client"):
            assert isinstance(lock, module.threading.Lock)
            assert isinstance(real, module.threading.Lock)


def test_a_lock_outlives_the_block_and_is_driven_in_the_next(write: Write, clock: VirtualClock) -> None:
    module = write(LIMITERS["an instance"] + CALL)
    record: list[float] = []
    with clock.drive("driven_client"):
        limiter = module.Limiter()
    with limiter.lock:
        assert not limiter.lock.acquire(timeout=0.01)

    with clock.drive("driven_client"):
        together(*[lambda: limiter.call(record)] * 2)

    assert record == [2, 4]


def test_another_thread_may_release_a_lock(write: Write, clock: VirtualClock) -> None:
    module = write(
        "import threading, time\nclass Gate:\n    def __init__(self): self.lock = threading.Lock()\n"
        "    def opens(self):\n        time.sleep(3)\n        self.lock.release()\n"
        "    def enters(self):\n        self.lock.acquire()\n        return time.monotonic() - 1e6"
    )

    with clock.drive("driven_client"), ThreadPoolExecutor(2) as pool:
        gate = module.Gate()
        gate.lock.acquire()
        entering, _ = pool.submit(gate.enters), pool.submit(gate.opens)
        assert entering.result() == 3


def test_a_lock_that_is_known_elsewhere_by_its_real_self(write: Write, clock: VirtualClock) -> None:
    module = write(WAYS + "_lock = threading.Lock()\nlock = lambda: _lock\n")
    real = module._lock

    with clock.drive("driven_client"), ThreadPoolExecutor(1) as pool:
        real.acquire()
        trying = pool.submit(module.tries, module.lock())
        real_sleep(0.2)
        real.release()
        assert trying.result() == (True, 1)

    assert module._lock is real
    assert not real.locked()


@pytest.mark.parametrize("make", ["Lock", "RLock"])
def test_a_lock_is_not_lost_when_its_client_is_stopped(write: Write, make: str) -> None:
    module = write(
        "import threading, time\ndef work(lock):\n    while True:\n        with lock:\n            time.sleep(1)\n"
    )
    clock = VirtualClock()
    clock.max_virtual_seconds = 10

    with pytest.raises(EndlessWait), clock.drive("driven_client"):  # noqa: PT012
        lock = getattr(module.threading, make)()
        together(*[lambda: module.work(lock)] * 3)

    assert lock.acquire(timeout=5)


def test_a_condition_over_a_driven_lock(write: Write, clock: VirtualClock) -> None:
    module = write(
        "import threading, time\ndef make(kind): return threading.Condition(getattr(threading, kind)())\n"
        "def waits(condition):\n    with condition:\n        return condition.wait(10), time.monotonic() - 1e6\n"
        "def tells(condition):\n    time.sleep(3)\n"
        "    with condition:\n        condition.notify()\n        time.sleep(2)\n"
    )

    for kind, began in (("Lock", 0), ("RLock", 5)):
        with clock.drive("driven_client"), ThreadPoolExecutor(2) as pool:
            condition = module.make(kind)
            waiting, _ = pool.submit(module.waits, condition), pool.submit(module.tells, condition)
            assert waiting.result() == (True, began + 5)


@pytest.mark.parametrize("kind", ["Lock", "RLock"])
def test_a_wait_that_is_stopped_returns_with_its_lock(write: Write, kind: str) -> None:
    module = write(
        "import threading, time\ncaught = []\ndef make(kind): return threading.Condition(getattr(threading, kind)())\n"
        "def waits(condition):\n    try:\n        with condition:\n            condition.wait()\n"
        "    except BaseException as error:\n        caught.append(error)\n        raise\n"
        "def holds(condition):\n    with condition:\n        condition.notify_all()\n"
        "        while True:\n            time.sleep(1)\n"
    )
    clock = VirtualClock()
    clock.max_virtual_seconds = 10

    with pytest.raises(EndlessWait), clock.drive("driven_client"):  # noqa: PT012
        condition = module.make(kind)
        together(*[partial(module.waits, condition)] * 3, partial(module.holds, condition))

    assert [type(each).__name__ for each in module.caught] == ["EndlessWait"] * 3
    with condition:
        pass


# What waits with a time-out

DEADLINES = """
import queue, threading, time

def gets():
    try:
        queue.Queue().get(timeout=30)
    except queue.Empty:
        return time.monotonic() - 1e6

def gets_in_time():
    waiting = queue.Queue()
    threading.Thread(target=lambda: (time.sleep(7), waiting.put("it"))).start()
    return waiting.get(timeout=30) == "it" and time.monotonic() - 1e6

def puts():
    full = queue.LifoQueue(1)
    full.put(1)
    try:
        full.put(2, timeout=30)
    except queue.Full:
        return time.monotonic() - 1e6

def acquires():
    semaphore = threading.BoundedSemaphore(1)
    semaphore.acquire()
    assert not semaphore.acquire(timeout=0)
    return not semaphore.acquire(timeout=30) and time.monotonic() - 1e6

def acquires_in_time():
    semaphore = threading.Semaphore(0)
    threading.Thread(target=lambda: (time.sleep(7), semaphore.release())).start()
    return semaphore.acquire(timeout=30) and time.monotonic() - 1e6

def meets():
    try:
        threading.Barrier(2).wait(30)
    except threading.BrokenBarrierError:
        return time.monotonic() - 1e6

def is_called_later():
    called = []
    timer = threading.Timer(30, lambda: called.append(time.monotonic() - 1e6))
    timer.start()
    timer.join()
    return called[0]

def is_cancelled():
    timer = threading.Timer(300, print)
    timer.start()
    time.sleep(7)
    timer.cancel()
    timer.join()
    return time.monotonic() - 1e6
"""


@pytest.mark.parametrize(
    ("way", "ends"),
    [
        ("gets", 30), ("gets_in_time", 7), ("puts", 30), ("acquires", 30), ("acquires_in_time", 7), ("meets", 30),
        ("is_called_later", 30), ("is_cancelled", 7),
    ],
)  # fmt: skip
def test_a_time_out_follows_the_clock(write: Write, clock: VirtualClock, way: str, ends: float) -> None:
    module = write(DEADLINES)

    with clock.drive("driven_client"):
        assert getattr(module, way)() == ends


def test_who_is_not_driven_waits_in_real_time(write: Write, clock: VirtualClock) -> None:
    write(DEADLINES)

    with clock.drive("driven_client"):
        with pytest.raises(queue.Empty):
            queue.Queue[int]().get(timeout=0.01)
        assert not threading.Semaphore(0).acquire(timeout=0.01)
        timer = threading.Timer(0.01, lambda: None)
        timer.start()
        timer.join()

    assert clock.seconds == 0
