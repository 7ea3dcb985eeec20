"""Driving a client's time: what a driven module sees, what others see, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import builtins
import concurrent.futures
import datetime
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import pytest

from pytest_redis_actions import RedisActions
from pytest_redis_actions.clock import DEFAULT_EPOCH, VirtualClock, WallClock
from pytest_redis_actions.driving.ledger import abandon
from pytest_redis_actions.errors import UsageError

START = float(DEFAULT_EPOCH)
Write = Callable[..., Any]


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


# What a driven module sees


@pytest.mark.parametrize(
    "source",
    [
        "import time\ndef nap(): time.sleep(30)",
        "import time as t\ndef nap(): t.sleep(30)",
        "from time import sleep\ndef nap(): sleep(30)",
        "from time import sleep as rest\ndef nap(): rest(30)",
        "def nap():\n    import time\n    time.sleep(30)",
        "def nap():\n    from time import sleep\n    sleep(30)",
        "import time\ndef nap(sleep=time.sleep): sleep(30)",
        "import time\ndef nap(*, sleep=time.sleep): sleep(30)",
        "import time\ndef make(sleep):\n    return lambda: sleep(30)\nnap = make(time.sleep)",
        "import time\nclass Client:\n    rest = time.sleep\n    def nap(self): self.rest(30)\nnap = Client().nap",
        "import time\nclass Client:\n    rest = staticmethod(time.sleep)\nnap = lambda: Client.rest(30)",
        "import time\nclass Client:\n    def nap(self, sleep=time.sleep): sleep(30)\nnap = Client().nap",
        "import time\nclass Client:\n    @staticmethod\n    def nap(sleep=time.sleep): sleep(30)\nnap = Client.nap",
        "import time\nclass A:\n    class B:\n        rest = time.sleep\nnap = lambda: A.B().rest(30)",
        "import functools, time\n@functools.lru_cache\ndef nap(sleep=time.sleep): sleep(30)",
        "import time\nfrom dataclasses import dataclass, field\n@dataclass\nclass Client:\n"
        "    began: float = field(default_factory=time.time)\ndef nap():\n"
        "    assert Client().began == 1760400000\n    time.sleep(30)",
        "import threading\ndef nap(): assert not threading.Event().wait(30)",
        "from threading import Event\nstop = Event()\ndef nap(): assert stop.wait(timeout=30) is False",
        "import threading\nc = threading.Condition()\ndef nap():\n    with c: assert c.wait(30) is False",
        "import threading\nc = threading.Condition()\ndef nap():\n    with c: assert not c.wait_for(lambda: False, 30)",
        "import asyncio\ndef nap(): asyncio.run(asyncio.sleep(30))",
        "from asyncio import run, sleep\ndef nap(): run(sleep(30))",
        "async def main():\n    import asyncio\n    await asyncio.sleep(30)\n"
        "def nap():\n    from asyncio import run\n    run(main())",
    ],
)
def test_a_module_sleeps_on_the_clock(write: Write, clock: VirtualClock, source: str) -> None:
    module = write(source)

    with clock.drive("driven_client"):
        module.nap()

    assert clock.seconds == 30


def test_a_module_reads_the_clock(write: Write, clock: VirtualClock) -> None:
    module = write(
        "import time, datetime\nfrom datetime import datetime as dt, timezone\n"
        "def look(): return (time.time(), time.time_ns(), time.monotonic(), time.monotonic_ns(), time.perf_counter(),"
        " time.perf_counter_ns(), datetime.datetime.now(timezone.utc).timestamp(), dt.now().timestamp(),"
        " dt.utcnow().replace(tzinfo=timezone.utc).timestamp(), dt.today().timestamp())"
    )
    clock.advance(2.5)

    with clock.drive("driven_client"):
        seen = module.look()

    now = START + 2.5
    assert seen == (now, int(now * 1e9), *(1_000_002.5, 1_000_002_500_000_000) * 2, now, now, now, now)


def test_what_datetime_makes_is_the_real_one(write: Write, clock: VirtualClock) -> None:
    module = write("from datetime import datetime\ndef make(): return datetime.now(), datetime(2026, 1, 2), datetime")

    with clock.drive(module):
        now, built, kind = module.make()
        assert isinstance(now, kind)
        assert issubclass(datetime.datetime, kind)
        assert kind.fromisoformat("2026-01-02") == built

    assert type(now) is type(built) is datetime.datetime


def test_a_loop_tells_driven_code_the_time_of_the_clock(write: Write, clock: VirtualClock) -> None:
    module = write(
        "import asyncio\nasync def look():\n    loop = asyncio.get_running_loop()\n    start = loop.time()\n"
        "    record = [start]\n"
        "    loop.call_later(7, record.append, 'later')\n"
        "    loop.call_at(start + 3, lambda: record.append(loop.time()))\n"
        "    loop.call_later(5, record.append, 'never').cancel()\n"
        "    await asyncio.sleep(10)\n    return [*record, loop.time()]"
    )

    with clock.drive(module):
        assert asyncio.run(module.look()) == [1e6, 1e6 + 3, "later", 1e6 + 10]


DEADLINES = """
import asyncio, time

async def slow():
    await asyncio.sleep(100)
    return "done"

async def wait_for(seconds):
    return await asyncio.wait_for(slow(), seconds)

async def timeout(seconds):
    async with asyncio.timeout(seconds):
        return await slow()

async def timeout_at(seconds):
    async with asyncio.timeout_at(asyncio.get_running_loop().time() + seconds):
        return await slow()

async def rescheduled(seconds):
    async with asyncio.timeout(1) as limit:
        limit.reschedule(asyncio.get_running_loop().time() + seconds)
        return await slow()

async def wait(seconds):
    task = asyncio.ensure_future(slow())
    done, pending = await asyncio.wait([task], timeout=seconds)
    for each in pending:
        each.cancel()
    if pending:
        raise asyncio.TimeoutError
    return done.pop().result()
"""
NEEDS_TIMEOUT = {"timeout", "timeout_at", "rescheduled"}


@pytest.mark.parametrize("way", ["wait_for", "wait", *sorted(NEEDS_TIMEOUT)])
def test_a_deadline_on_asyncio_follows_the_clock(write: Write, clock: VirtualClock, way: str) -> None:
    if way in NEEDS_TIMEOUT and sys.version_info < (3, 11):
        assert not hasattr(asyncio, "timeout")  # it came with 3.11
        return
    wait = getattr(write(DEADLINES), way)

    with clock.drive("driven_client"):
        with pytest.raises(asyncio.TimeoutError):
            asyncio.run(wait(60))
        assert clock.seconds == 60
        assert asyncio.run(wait(101)) == "done"
        assert clock.seconds == 160


def test_a_cancelled_wait_is_no_time_out(write: Write, clock: VirtualClock) -> None:
    module = write(DEADLINES)

    async def cancel() -> None:
        task = asyncio.ensure_future(module.wait_for(60))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with clock.drive("driven_client"):
        asyncio.run(cancel())

    assert clock.seconds == 0


def test_a_wait_that_is_over_already(write: Write, clock: VirtualClock) -> None:
    module = write(DEADLINES)

    with clock.drive("driven_client"), pytest.raises(asyncio.TimeoutError):
        asyncio.run(module.wait_for(0))

    assert clock.seconds == 0


def test_an_event_that_is_set_in_time_ends_a_wait(write: Write, clock: VirtualClock) -> None:
    module = write(
        "import threading, time\nready = threading.Event()\n"
        "def waits(): return ready.wait(10), time.monotonic() - 1e6\n"
        "def sets():\n    time.sleep(3)\n    ready.set()\n"
    )

    with clock.drive("driven_client"), concurrent.futures.ThreadPoolExecutor(2) as pool:
        waiting, _ = pool.submit(module.waits), pool.submit(module.sets)
        assert waiting.result() == (True, 3)


def test_joins_and_results_time_out_on_the_clock(write: Write, clock: VirtualClock) -> None:
    module = write(
        "import threading, time\nfrom concurrent.futures import ThreadPoolExecutor, TimeoutError, wait\n"
        "def join():\n"
        "    thread = threading.Thread(target=time.sleep, args=(100,))\n    thread.start()\n    thread.join(30)\n"
        "    assert thread.is_alive() and time.monotonic() - 1e6 == 30\n    thread.join()\n"
        "    assert not thread.is_alive() and time.monotonic() - 1e6 == 100\n"
        "def result():\n"
        "    with ThreadPoolExecutor(1) as pool:\n"
        "        future = pool.submit(time.sleep, 100)\n"
        "        try:\n            future.result(30)\n        except TimeoutError:\n            pass\n"
        "        assert time.monotonic() - 1e6 == 130\n"
        "        assert not wait([future], timeout=20).done and time.monotonic() - 1e6 == 150\n"
        "    assert time.monotonic() - 1e6 == 200\n"
    )

    with clock.drive("driven_client"):
        module.join()
        module.result()

    assert clock.seconds == 200


def test_what_is_called_when_a_job_is_done_sleeps_as_the_job_does(write: Write, clock: VirtualClock) -> None:
    module = write(
        "import time\nfrom concurrent.futures import ThreadPoolExecutor\ntold = []\n"
        "def tell(future):\n    time.sleep(5)\n    told.append((future.cancelled(), time.monotonic() - 1e6))\n"
        "def wait():\n    with ThreadPoolExecutor(2) as pool:\n"
        "        futures = [pool.submit(time.sleep, seconds) for seconds in (1, 2, 3, 9)]\n"
        "        for future in futures:\n            future.add_done_callback(tell)\n"
        "        futures[3].cancel()\n        futures[2].result()\n"
    )

    with clock.drive("driven_client"):
        module.wait()

    # Two workers, and the one that cancels tells of that itself; the third job begins when the first has been told of.
    assert module.told == [(True, 5), (False, 6), (False, 7), (False, 14)]


def test_a_blocking_call_in_a_thread_of_the_loop(write: Write, clock: VirtualClock) -> None:
    module = write(
        "import asyncio, time\nasync def main():\n"
        "    await asyncio.gather(asyncio.to_thread(time.sleep, 30), asyncio.sleep(20))\n"
        "    await asyncio.shield(asyncio.ensure_future(asyncio.sleep(5)))\n"
        "    await asyncio.get_running_loop().run_in_executor(None, time.sleep, 1)\n"
    )

    with clock.drive("driven_client"):
        asyncio.run(module.main())

    assert clock.seconds == 36


def test_tasks_that_wait_for_each_other(write: Write, clock: VirtualClock) -> None:
    module = write(
        "import asyncio\nasync def main():\n    queue, lock, record = asyncio.Queue(1), asyncio.Lock(), []\n"
        "    async def produces():\n        for item in range(3):\n            await asyncio.sleep(10)\n"
        "            await queue.put(item)\n"
        "    async def consumes():\n        for _ in range(3):\n            async with lock:\n"
        "                record.append((await queue.get(), asyncio.get_running_loop().time() - 1e6))\n"
        "                await asyncio.sleep(15)\n"
        "    await asyncio.gather(produces(), consumes())\n    return record"
    )

    with clock.drive("driven_client"):
        assert asyncio.run(module.main()) == [(0, 10), (1, 25), (2, 40)]


def test_sleeping_for_no_time_gives_others_their_turn(write: Write, clock: VirtualClock) -> None:
    module = write("import asyncio, time\nasync def nap(): return await asyncio.sleep(0, 'slept')")

    with clock.drive("driven_client"):
        assert asyncio.run(module.nap()) == "slept"
        module.time.sleep(0)
        with pytest.raises(ValueError, match="must be non-negative"):
            module.time.sleep(-1)

    assert clock.seconds == 0


def test_a_module_may_still_read_everything_else_of_time(write: Write, clock: VirtualClock) -> None:
    module = write("import time\ndef nap(): time.sleep(1)")

    with clock.drive("driven_client"):
        assert module.time.strftime("%Y", module.time.gmtime(0)) == "1970"
        assert "sleep" in dir(module.time)
        assert repr(module.time.sleep) == "<sleep on a driven clock>"
        module.time.something = "theirs"

    assert vars(time).pop("something") == "theirs"


def test_what_a_test_patches_in_a_driven_module_is_seen_there(write: Write, clock: VirtualClock) -> None:
    module = write("import time\ndef nap():\n    time.sleep(1)\n    return time.strftime('%Y')")
    before = time.sleep, time.strftime

    with clock.drive("driven_client"):
        with mock.patch("driven_client.time.sleep") as sleep, mock.patch("driven_client.time.strftime") as strftime:
            assert module.nap() is strftime.return_value
        sleep.assert_called_once_with(1)
        assert clock.seconds == 0
        assert module.nap() == "2025"
        assert clock.seconds == 1

    assert (time.sleep, time.strftime) == before


# What others see


def test_all_other_code_keeps_real_time(write: Write, clock: VirtualClock) -> None:
    module = write("import time\ndef nap(): time.sleep(1000)")
    before = time.monotonic()

    with clock.drive("driven_client"):
        module.nap()
        assert time.monotonic() - before < 100
        assert abs(time.time() - datetime.datetime.now().timestamp()) < 100

    assert clock.seconds == 1000


HELD = {
    "a dict": "held = {'ways': {'sleep': time.sleep}}\ndef nap(): held['ways']['sleep'](9)",
    "an ordered dict": "from collections import OrderedDict\n"
    "held = OrderedDict(sleep=time.sleep)\ndef nap(): held['sleep'](9)",
    "a list": "held = [time.sleep]\ndef nap(): held[0](9)",
    "a tuple": "held = (1, (time.sleep, 9))\ndef nap(): held[1][0](held[1][1])",
    "a partial": "held = functools.partial(time.sleep, 9)\ndef nap(): held()",
    "a partial with keywords": "held = functools.partial(lambda *given, by: by(*given), 9, by=time.sleep)\n"
    "def nap(): held()",
    "a partial in a dict": "held = {'nap': functools.partial(time.sleep, 9)}\ndef nap(): held['nap']()",
    "a default": "def nap(held=(time.sleep,)): held[0](9)",
    "a class attribute": "class Client:\n    ways = {'sleep': time.sleep}\ndef nap(): Client.ways['sleep'](9)",
    "an instance": "class Client:\n    def __init__(self): self.sleep = time.sleep\n"
    "held = Client()\ndef nap(): held.sleep(9)",
    "a scheduler": "import sched\nheld = sched.scheduler()\ndef nap():\n    held.enter(9, 1, print)\n    held.run()",
    "a scheduler made later": "import sched\ndef nap():\n    held = sched.scheduler()\n"
    "    held.enter(9, 1, print)\n    held.run()",
    "a scheduler of its own": "import sched\nclass Own(sched.scheduler):\n    def __init__(self):\n"
    "        super().__init__(time.time)\ndef nap():\n    held = Own()\n"
    "    held.enter(9, 1, print)\n    held.run()",
    "a named tuple": "from collections import namedtuple\nheld = namedtuple('Policy', 'sleep every')(time.sleep, 9)\n"
    "def nap(): held.sleep(held.every)",
    "a typed tuple in a dict": "from typing import Any, NamedTuple\nclass Policy(NamedTuple):\n    sleep: Any\n"
    "held = {'policy': Policy(time.sleep)}\ndef nap(): held['policy'].sleep(9)",
    "a set": "held = {time.sleep}\ndef nap(): [each(9) for each in held]",
    "a frozen set": "held = frozenset([time.sleep])\ndef nap(): [each(9) for each in held]",
    "a queue": "from collections import deque\nheld = deque([time.sleep])\ndef nap(): held[0](9)",
    "a view of a dict": "from types import MappingProxyType\nheld = MappingProxyType({'sleep': time.sleep})\n"
    "def nap(): held['sleep'](9)",
    "an instance with slots": "from dataclasses import dataclass\n@dataclass(frozen=True, slots=True)\nclass Policy:\n"
    "    sleep: object\nheld = Policy(time.sleep)\ndef nap(): held.sleep(9)",
    "an instance in a dict": "class Client:\n    def __init__(self): self.sleep = time.sleep\n"
    "    def __repr__(self): return repr(self.sleep)\nheld = {'one': Client()}\ndef nap(): held['one'].sleep(9)",
    "a dict with a default": "from collections import defaultdict\nheld = defaultdict(time.monotonic)\n"
    "def nap(): time.sleep(held['now'] - 1e6 + 9)",
}


@pytest.mark.parametrize("held", HELD)
def test_what_a_module_holds_is_driven_and_given_back(write: Write, clock: VirtualClock, held: str) -> None:
    module = write(f"import functools, time\n{HELD[held]}")
    before = repr(getattr(module, "held", None)), repr(vars(getattr(module, "Client", str)).get("ways"))

    with clock.drive("driven_client"):
        module.nap()
        assert clock.seconds == 9

    if "default" not in held:
        assert (repr(getattr(module, "held", None)), repr(vars(getattr(module, "Client", str)).get("ways"))) == before
    assert module.nap.__defaults__ in (None, ((time.sleep,),))


def test_a_table_that_belongs_to_all_is_left_alone(write: Write, clock: VirtualClock) -> None:
    module = write("import time\nfrom sys import modules\nnames = vars(time)")

    with clock.drive("driven_client"):
        assert sys.modules["time"] is module.modules["time"] is sys.modules["time"]
        assert isinstance(module.modules["time"].sleep, type(time.sleep))


EARLY = """
import time
class Client:
    def __init__(self): self.sleep = time.sleep
    def nap(self): self.sleep(9)
class Slotted:
    __slots__ = ("inner",)
    def __init__(self): self.inner = Client()
    def nap(self): self.inner.nap()
def made(sleep=time.sleep):
    def nap(): sleep(9)
    return nap
def decorated():
    sleep = time.sleep
    return lambda: sleep(9)
"""


HOLDERS: dict[str, Callable[[Any], Any]] = {
    "a client": lambda module: module.Client(),
    "one within another": lambda module: module.Slotted(),
    "a method": lambda module: module.Client().nap,
    "a function": lambda module: module.made(),
    "a closure": lambda module: module.decorated(),
    "a list": lambda module: [module.Client()],
    "a dict": lambda module: {"client": module.Client()},
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_what_a_test_holds_since_before_the_block_is_driven_and_given_back(
    write: Write, clock: VirtualClock, holder: str
) -> None:
    early = HOLDERS[holder](write(EARLY))
    for _ in range(2):
        with clock.drive("driven_client"):
            one = early[0] if holder == "a list" else early["client"] if holder == "a dict" else early
            getattr(one, "nap", one)()

    assert clock.seconds == 18
    if holder == "a client":
        assert early.sleep is time.sleep


@pytest.fixture
def early(write: Write) -> Any:
    return write(EARLY).Client()


@pytest.mark.redis_actions(drive=["driven_client"])
def test_what_a_fixture_holds_since_before_the_block_of_the_marker_is_driven(
    early: Any, redis_actions: RedisActions
) -> None:
    early.nap()

    assert redis_actions.clock.seconds == 9


class TestSelf:
    """What the class of a test keeps for it."""

    client: Any

    def test_what_self_holds_is_driven(self, write: Write, clock: VirtualClock) -> None:
        self.client = write(EARLY).Client()

        with clock.drive("driven_client"):
            self.client.nap()

        assert clock.seconds == 9
        assert self.client.sleep is time.sleep


def test_what_nobody_but_another_object_holds_is_out_of_reach(write: Write, clock: VirtualClock) -> None:
    early = write(EARLY).Client()
    wrapped = mock.Mock(client=early)
    del early

    with clock.drive("driven_client"):
        wrapped.client.sleep(0.01)

    assert clock.seconds == 0


def test_functions_of_time_that_a_test_holds_itself_stay_real(write: Write, clock: VirtualClock) -> None:
    write(EARLY)
    own = {"sleep": time.sleep}

    with clock.drive("driven_client"):
        assert own["sleep"] is time.sleep
        own["sleep"](0)


def test_what_a_client_keeps_beyond_the_block_is_real_again(write: Write, clock: VirtualClock) -> None:
    module = write("import time\nclass Client:\n    def __init__(self): self.sleep, self.now = time.sleep, time.time")

    with clock.drive("driven_client"):
        client = module.Client()
        assert client.now() == START
    client.sleep(0)

    assert abs(client.now() - time.time()) < 100
    assert clock.seconds == 0


# Nothing is left behind

WATCHED = (time, asyncio, asyncio.base_events.BaseEventLoop, threading, threading.Thread, threading.Condition, datetime)
WATCHED_TOO = (concurrent.futures.ThreadPoolExecutor, threading.Event, threading.Semaphore, queue.Queue, builtins)
EVERYTHING = """
import asyncio, datetime, threading, time
from time import sleep
lock = threading.Lock()
class Client:
    lock = threading.RLock()
    rest = time.sleep
    rests = staticmethod(time.sleep)
    def nap(self, seconds=1, sleep=time.sleep, *, now=time.time): sleep(seconds)
def make(sleep): return lambda: sleep(1)
nap = make(time.sleep)
async def anap(): await asyncio.sleep(1)
def fail():
    sleep(1)
    raise OSError("it broke")
"""


def snapshot(module: ModuleType) -> list[dict[str, int]]:
    """Return the identity of everything that a block may replace."""
    nap = module.Client.nap
    held = {
        "defaults": nap.__defaults__,
        "now": nap.__kwdefaults__["now"],
        "cell": module.nap.__closure__[0].cell_contents,
    }
    places: list[Any] = [vars(each) for each in (*WATCHED, *WATCHED_TOO, module, module.Client)]
    return [{name: id(value) for name, value in place.items()} for place in [*places, held]]


def test_everything_is_as_it_was_after_the_block(write: Write, clock: VirtualClock) -> None:
    module = write(EVERYTHING)
    before = snapshot(module)

    with clock.drive("driven_client"):
        module.Client().nap()
        asyncio.run(module.anap())
        assert snapshot(module) != before

    assert snapshot(module) == before


def test_everything_is_as_it_was_after_an_exception(write: Write, clock: VirtualClock) -> None:
    module = write(EVERYTHING)
    before = snapshot(module)

    with pytest.raises(OSError, match="it broke"), clock.drive("driven_client"):
        module.fail()

    assert snapshot(module) == before


def test_everything_is_as_it_was_after_a_cancelled_task(write: Write, clock: VirtualClock) -> None:
    module = write(EVERYTHING)
    before = snapshot(module)

    async def cancel() -> None:
        task = asyncio.ensure_future(module.anap())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    with clock.drive("driven_client"):
        asyncio.run(cancel())

    assert snapshot(module) == before


def test_a_running_loop_is_given_back_as_it_was(write: Write, clock: VirtualClock) -> None:
    module = write(EVERYTHING)

    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        before = dict(vars(loop)), dict(vars(loop._selector))
        with clock.drive("driven_client"):
            await module.anap()
            assert "call_soon_threadsafe" in vars(loop)
        after = dict(vars(loop)), dict(vars(loop._selector))
        assert after[0].keys() == before[0].keys()
        assert after[1].keys() == before[1].keys()

    asyncio.run(main())

    assert clock.seconds == 1


def test_a_thread_that_still_sleeps_at_the_end_stays_asleep_until_it_is_joined(
    write: Write, clock: VirtualClock
) -> None:
    module = write("import threading, time\nrecord = []\ndef nap():\n    time.sleep(1e6)\n    record.append(1)")
    with clock.drive("driven_client"):
        thread = threading.Thread(target=module.nap)
        thread.start()
        module.time.sleep(5)
    with VirtualClock().drive("driven_client"):
        module.time.sleep(1e6)
        assert thread.is_alive()
    thread.join(10)

    assert not thread.is_alive()
    assert module.record == []
    assert clock.seconds == 5


def test_threads_that_still_sleep_do_not_keep_the_interpreter_from_ending(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import sys, threading, time\nfrom concurrent.futures import ThreadPoolExecutor\n"
        "from pytest_redis_actions.clock import VirtualClock\n"
        "def nap():\n    time.sleep(1e6)\n    print('awake')\n"
        "with VirtualClock().drive(sys.modules['__main__']):\n    threading.Thread(target=nap).start()\n"
        "    ThreadPoolExecutor(1).submit(nap)\n    time.sleep(5)\n",
        encoding="utf-8",
    )

    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_abandoned_thread_waits_for_ever_at_its_next_driven_call(write: Write, clock: VirtualClock) -> None:
    module = write("import threading, time\nrecord = []\ndef nap():\n    time.sleep(3)\n    record.append('slept')")
    ready, begun = threading.Event(), threading.Event()

    def late() -> None:
        begun.set()
        ready.wait()
        module.nap()

    thread = threading.Thread(target=late, daemon=True)
    thread.start()
    begun.wait()
    abandon(thread)
    with clock.drive("driven_client"):
        ready.set()
        module.time.sleep(5)
        thread.join(0.2)

    assert clock.seconds == 5
    assert module.record == []


# What is refused


def refusal(clock: Any, *modules: Any, **options: Any) -> str:
    with pytest.raises(UsageError) as caught:
        clock.drive(*modules, **options)
    return str(caught.value)


def test_a_module_that_is_not_imported_is_refused(write: Write, clock: VirtualClock) -> None:
    write("import time")

    assert refusal(clock, "driven_clinet") == (
        "drive('driven_clinet'): no such module is imported\n"
        "  fix  write 'driven_client'; import it before it is driven"
    )


def test_a_module_that_uses_no_time_is_refused(write: Write, clock: VirtualClock) -> None:
    write("def poll(): return 1")

    assert refusal(clock, "driven_client") == (
        "drive('driven_client'): this module does not use time\n  fix  name the module in which the client sleeps"
    )


def test_a_package_that_leaves_the_sleeping_to_a_module_is_refused(write: Write, clock: VirtualClock) -> None:
    write("VERSION = 1", "my_package.__init__")
    module = write("import time\ndef nap(): time.sleep(3)", "my_package.poller")

    assert refusal(clock, "my_package") == (
        "drive('my_package'): this module does not use time\n"
        "  fix  write drive('my_package.poller') or drive('my_package', submodules=True); "
        "if my_package is a library, drive what calls it"
    )
    with clock.drive("my_package", submodules=True):
        module.nap()
    assert clock.seconds == 3


@pytest.mark.parametrize("name", ["time", "asyncio.tasks", "threading"])
def test_the_standard_library_is_refused(clock: VirtualClock, name: str) -> None:
    assert refusal(clock, name).startswith(
        f"drive('{name}'): the standard library keeps real time\n  fix  name the mod"
    )


@pytest.mark.parametrize("name", ["pytest", "pytest_redis_actions.clock", "pytest_httpserver"])
def test_the_stub_and_pytest_are_refused(clock: VirtualClock, name: str) -> None:
    assert refusal(clock, name).startswith(f"drive('{name}'): the stub and pytest keep real time\n  fix  name the mod")


def test_nothing_and_nonsense_are_refused(clock: VirtualClock) -> None:
    assert refusal(clock).startswith("drive() names no module")
    assert refusal(clock, 5).startswith("drive(5): not a module")


def test_a_recipe_that_is_not_imported_is_refused(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("backoff")]:
        monkeypatch.delitem(sys.modules, name)

    assert (
        refusal(clock, "backoff")
        == "drive('backoff'): backoff is not imported\n  fix  import backoff before it is driven"
    )


def test_a_wall_clock_is_not_driven() -> None:
    assert refusal(WallClock(), "driven_client").startswith("a wall clock runs by itself, and cannot be driven")


def test_two_clocks_cannot_be_driven_at_a_time(write: Write, clock: VirtualClock) -> None:
    module = write("import time\ndef nap(): time.sleep(3)")
    other = VirtualClock()

    with clock.drive("driven_client"):
        with (
            pytest.raises(UsageError, match="another stub's clock drives modules already"),
            other.drive("driven_client"),
        ):
            pass
        module.nap()

    assert (clock.seconds, other.seconds) == (3, 0)


def test_blocks_of_one_clock_may_be_nested(write: Write, clock: VirtualClock) -> None:
    one = write("import time\ndef nap(): time.sleep(3)", "one")
    two = write("import time\ndef nap(): time.sleep(4)", "two")

    with clock.drive("one"):
        with clock.drive("two", "one"):
            one.nap()
            two.nap()
        one.nap()
        assert two.time is time

    assert clock.seconds == 10
    assert one.time is time


# A client that takes its sleep as an argument


def test_injected_and_driven_sleeps_go_together(write: Write, clock: VirtualClock) -> None:
    module = write("import asyncio\nasync def nap(): await asyncio.sleep(4)")

    async def both() -> None:
        await asyncio.gather(module.nap(), clock.asleep(3))

    with clock.drive("driven_client"):
        clock.sleep(5)
        asyncio.run(both())

    assert clock.seconds == 9
