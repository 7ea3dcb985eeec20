"""What of other libraries virtual time reaches, what it refuses by name, and what of CPython it needs."""

from __future__ import annotations

import dataclasses
import importlib
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import freezegun
import pytest
import time_machine

from pytest_redis_actions import RedisActions, running
from pytest_redis_actions.clock import VirtualClock
from pytest_redis_actions.driving import private
from pytest_redis_actions.errors import EndlessWait, RedisActionsWarning, UsageError

Write = Callable[..., Any]


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def refusal(clock: VirtualClock, name: str = "driven_client") -> str:
    with pytest.raises(UsageError) as caught, clock.drive(name):
        pass
    return str(caught.value)


# Refused by name, before the first request


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("import anyio", "anyio"),
        ("from anyio import sleep", "anyio"),
        ("def nap():\n    import anyio\n    anyio.run(anyio.sleep, 3)", "anyio"),
        ("import trio", "trio"),
        ("from trio import sleep as rest", "trio"),
        ("import uvloop", "uvloop"),
        ("import gevent", "gevent"),
        ("from gevent import sleep", "gevent"),
        ("import signal\ndef limit(): signal.alarm(30)", "signal.alarm, signal.setitimer"),
        ("from signal import setitimer", "signal.alarm, signal.setitimer"),
        ("from multiprocessing.pool import ThreadPool", "multiprocessing.pool.ThreadPool"),
        (
            "import multiprocessing.pool\ndef run(): multiprocessing.pool.ThreadPool(2)",
            "multiprocessing.pool.ThreadPool",
        ),
    ],
)
def test_what_cannot_be_driven_soundly_is_refused(
    write: Write, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, source: str, what: str
) -> None:
    if what in ("uvloop", "gevent"):  # one is not for every system, the other is large
        library = ModuleType(what)
        vars(library)["sleep"] = FunctionType((lambda: None).__code__, {"__name__": what})
        monkeypatch.setitem(sys.modules, what, library)
    before = threading.Thread.start
    write(f"import time\n{source}")

    text = refusal(clock)

    assert text.startswith(f"drive('driven_client'): {what} cannot be driven\n  fix  ")
    assert threading.Thread.start is before


@pytest.mark.parametrize(
    "source",
    [
        "import httpx",
        "import signal\ndef ignore(): signal.signal(signal.SIGINT, signal.SIG_IGN)",
        "import multiprocessing\ndef count(): return multiprocessing.cpu_count()",
    ],
)
def test_what_is_used_further_below_is_not_refused(write: Write, clock: VirtualClock, source: str) -> None:
    module = write(f"import time\n{source}")

    with clock.drive("driven_client"):
        module.time.sleep(3)

    assert clock.seconds == 3


def test_a_model_that_was_compiled_with_a_function_of_time_is_refused(write: Write, clock: VirtualClock) -> None:
    write(
        "import time\nfrom types import SimpleNamespace\nclass Job:\n"
        "    __pydantic_fields__ = {'began': SimpleNamespace(default_factory=time.time)}"
    )

    assert "a default factory of pydantic cannot be driven\n  fix  write it as a lambda" in refusal(clock)


def test_a_frozen_time_is_refused(write: Write, clock: VirtualClock) -> None:
    module = write("import time")

    with freezegun.freeze_time("2026-01-02"):
        assert "freezegun, active cannot be driven\n  fix  leave it out, and set epoch=" in refusal(clock)
    with clock.drive("driven_client"):
        module.time.sleep(3)
    assert clock.seconds == 3


def test_a_time_machine_is_refused(write: Write, clock: VirtualClock) -> None:
    write("import time")

    with time_machine.travel("2026-01-02"):
        assert "time-machine, active cannot be driven" in refusal(clock)
    with clock.drive("driven_client"):
        pass


def test_a_patch_of_gevent_is_refused(write: Write, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkey = ModuleType("gevent.monkey")
    vars(monkey)["is_module_patched"] = lambda name: name == "time"
    monkeypatch.setitem(sys.modules, "gevent.monkey", monkey)
    write("import time")

    assert "gevent.monkey, active cannot be driven" in refusal(clock)


# Driven


@pytest.mark.parametrize(
    "source",
    [
        "from concurrent.futures import ThreadPoolExecutor, as_completed, TimeoutError\ndef wait():\n"
        "    with ThreadPoolExecutor(1) as pool:\n        try:\n"
        "            list(as_completed([pool.submit(time.sleep, 100)], timeout=30))\n"
        "        except TimeoutError:\n            return time.monotonic() - 1e6",
        "import concurrent.futures\ndef wait():\n"
        "    with concurrent.futures.ThreadPoolExecutor(1) as pool:\n        try:\n"
        "            list(concurrent.futures.as_completed([pool.submit(time.sleep, 100)], 30))\n"
        "        except concurrent.futures.TimeoutError:\n            return time.monotonic() - 1e6",
        "from concurrent.futures import ThreadPoolExecutor, TimeoutError\ndef wait():\n"
        "    with ThreadPoolExecutor(1) as pool:\n        try:\n"
        "            list(pool.map(time.sleep, [20, 100], timeout=30))\n"
        "        except TimeoutError:\n            return time.monotonic() - 1e6",
        "import asyncio\nasync def main():\n    try:\n"
        "        for each in asyncio.as_completed([asyncio.sleep(100), asyncio.sleep(7)], timeout=30):\n"
        "            await each\n"
        "    except asyncio.TimeoutError:\n        return time.monotonic() - 1e6\n"
        "def wait(): return asyncio.run(main())",
        "import queue\ndef wait():\n    try:\n        queue.SimpleQueue().get(timeout=30)\n"
        "    except queue.Empty:\n        return time.monotonic() - 1e6",
        "from queue import SimpleQueue\nimport threading\ndef wait():\n    jobs = SimpleQueue()\n"
        "    threading.Thread(target=lambda: (time.sleep(30), jobs.put(1))).start()\n    jobs.get()\n"
        "    return time.monotonic() - 1e6",
    ],
)
def test_a_time_out_that_is_measured_elsewhere_follows_the_clock(
    write: Write, clock: VirtualClock, source: str
) -> None:
    module = write(f"import time\n{source}")
    before = time.monotonic()

    with clock.drive("driven_client"):
        assert module.wait() == pytest.approx(30, abs=1e-8)

    assert time.monotonic() - before < 20


# Half driven, and driven later


def test_a_package_that_is_half_driven_is_named(write: Write, clock: VirtualClock) -> None:
    write("import time\ndef nap(): time.sleep(3)", "waiting.__init__")
    write("from datetime import datetime\ndef deadline(): return datetime.now()", "waiting.deadlines")
    write("VERSION = ', '.join(['1'])\ndef text(items): return ', '.join(items)", "waiting.texts")

    with pytest.warns(RedisActionsWarning) as caught:
        clock.drive("waiting")

    assert [str(each.message) for each in caught] == [
        "drive('waiting'), but waiting.deadlines uses time too: drive('waiting', submodules=True)"
    ]
    assert caught[0].filename == __file__
    clock.drive("waiting", "waiting.deadlines")
    clock.drive("waiting", submodules=True)


def test_a_submodule_that_is_imported_within_the_block_is_driven(write: Write, clock: VirtualClock) -> None:
    package = write("import time", "lazy.__init__")
    path = Path(package.__file__).parent / "poller.py"
    path.write_text("import time\nfrom time import sleep\ndef nap(rest=time.sleep):\n    sleep(3)\n    rest(4)\n")

    with clock.drive("lazy", submodules=True):
        importlib.invalidate_caches()
        poller = importlib.import_module("lazy.poller")
        poller.nap()
        assert clock.seconds == 7

    assert (poller.time, poller.sleep, poller.nap.__defaults__) == (time, time.sleep, (time.sleep,))
    del sys.modules["lazy.poller"]


@pytest.mark.redis_actions(max_polls=20)
def test_a_second_stub_whose_clock_nobody_drives_is_named(
    redis_actions: RedisActions, make_redis_actions: Callable[..., RedisActions], write: Write
) -> None:
    module = write(
        "import time, raw_pollers\ndef wait(*given):\n    while True:\n"
        "        raw_pollers.poll(*given, 0, 0, 1)\n        time.sleep(1)"
    )
    other = make_redis_actions()
    action = other.add_action("migrate_shards", script=[running()])

    with pytest.raises(EndlessWait) as caught, redis_actions.clock.drive("driven_client"):
        module.wait(other.port, action.uid, other.auth)

    assert "  stub  21 requests went to a stub whose own clock nobody drives; share one" in str(caught.value)


# What of CPython it needs


@pytest.mark.parametrize("missing", private.NEEDS, ids=lambda need: f"{need.place}.{need.name}")
def test_a_python_that_lacks_a_private_name_is_refused_in_one_sentence(
    write: Write, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, missing: private.Need
) -> None:
    write("import time")
    lacking = dataclasses.replace(missing, owner=object)
    monkeypatch.setattr(private, "NEEDS", tuple(lacking if need is missing else need for need in private.NEEDS))

    assert refusal(clock) == (
        f"this Python has no {missing.place}.{missing.name}: time cannot be driven on it\n"
        "  fix  use CPython 3.10 to 3.13, or clock='wall' with a rate"
    )


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (threading.Condition, "_release_save"), (threading.Condition, "_is_owned"), (threading.Barrier, "_wait"),
        (threading, "_register_atexit"),
    ],
)  # fmt: skip
def test_a_name_that_is_really_gone_is_seen(
    write: Write, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str
) -> None:
    write("import time")
    if name in ("_release_save", "_is_owned"):  # an instance takes the names of its lock, if that has them
        monkeypatch.setattr(threading, "RLock", threading.Lock)
    monkeypatch.delattr(owner, name)

    assert f".{name}: time cannot be driven on it" in refusal(clock)


def test_this_python_has_all_names() -> None:
    private.check_python()

    assert all(need.is_met() for need in private.NEEDS)
    assert len(private.NEEDS) > 20
