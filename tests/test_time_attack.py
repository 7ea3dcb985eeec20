# mypy: disable-error-code="no-untyped-call"
"""Clients of strangers under virtual time: what each answers was computed on paper, before the code was looked at.

Each polls every 5 s for 30 s unless its comment says otherwise: at 0, 5, … 30.
"""

from __future__ import annotations

import _thread
import asyncio
import gc
import json
import random
import sys
import threading
import urllib.request
from base64 import b64encode
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import ModuleType
from unittest import mock

import attack_async
import attack_edges
import attack_forms
import attack_held
import attack_star
import attack_threads
import pytest
import tenacity

from pytest_redis_actions import Action, RedisActions, completed, faults, running
from pytest_redis_actions.clock import VirtualClock, Watched
from pytest_redis_actions.driving import ledger
from pytest_redis_actions.errors import EndlessWait, StandStill, UsageError

Ask = Callable[[], str]

SEVEN = [0, 5, 10, 15, 20, 25, 30]
IS_310 = sys.version_info < (3, 11)
NEVER = 10**6


def ask(stub: RedisActions, action: Action) -> Ask:
    credentials = b64encode(":".join(stub.auth or ()).encode()).decode()
    url = f"{stub.url}/v1/actions/{action.uid}"
    request = urllib.request.Request(url, headers={"Authorization": f"Basic {credentials}"})

    def status() -> str:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return str(json.load(reply)["status"])

    return status


def aask(stub: RedisActions, action: Action) -> Callable[[], Awaitable[str]]:
    credentials = b64encode(":".join(stub.auth or ()).encode()).decode()
    head = f"GET /v1/actions/{action.uid} HTTP/1.1\r\nHost: localhost:{stub.port}\r\n"
    head += f"Authorization: Basic {credentials}\r\nConnection: close\r\n\r\n"

    async def status() -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", stub.port)
        writer.write(head.encode())
        body = (await reader.read()).partition(b"\r\n\r\n")[2]
        writer.close()
        return str(json.loads(body)["status"])

    return status


def job_of(stub: RedisActions, seconds: float = 30) -> Action:
    return stub.add_action("migrate_shards", script=[running(seconds=seconds), completed()])


def at(action: Action) -> list[float]:
    return [poll.seconds for poll in action.polls]


FORMS = [
    "default_args closure last limited drift_free by_getter by_exec_globals inner_import inner_partial",
    "loop timer_chain condition sched_ subclass by_event by_simple_queue by_lock",
    "loop agen by_call_at by_future by_event blocking to_thread to_thread_each executor own_executor",
]
SEVENS = [
    *((attack_forms, name) for name in FORMS[0].split()),
    *((attack_threads, name) for name in FORMS[1].split()),
    *((attack_async, name) for name in FORMS[2].split()),
    (attack_star, "wait"),
    *((attack_held, name) for name in ("decorated", "by_partial", "by_dict")),
]
SAMPLE = [
    (attack_forms, "default_args"),
    (attack_held, "decorated"),
    (attack_threads, "condition"),
    (attack_async, "by_event"),
]


def check_seven(stub: RedisActions, module: ModuleType, name: str) -> None:
    job, client = job_of(stub), getattr(module, name)
    attack_forms.LAST = 0.0
    with stub.clock.drive(module):
        if module is attack_async:
            asks = ask if name.startswith(("to_thread", "executor", "own_exec")) else aask
            assert asyncio.run(client(asks(stub, job))) == "completed"
        else:
            assert client(ask(stub, job)) == "completed"
    assert at(job) == SEVEN
    assert stub.clock.seconds == 30


@pytest.mark.parametrize(("module", "name"), SAMPLE)
def test_a_sample_is_right(redis_actions: RedisActions, module: ModuleType, name: str) -> None:
    check_seven(redis_actions, module, name)


@pytest.mark.long
@pytest.mark.parametrize(("module", "name"), SEVENS)
def test_it_polls_every_five_seconds(redis_actions: RedisActions, module: ModuleType, name: str) -> None:
    check_seven(redis_actions, module, name)


@pytest.mark.long
@pytest.mark.parametrize("how", ["pause", "_sleep", "own"])
def test_what_a_client_holds_that_was_made_within(redis_actions: RedisActions, how: str) -> None:
    job = job_of(redis_actions)
    with redis_actions.clock.drive("attack_forms"):
        attack_forms.Client().wait(ask(redis_actions, job), how)
    assert at(job) == SEVEN


# while now < start + limit: poll, sleep(every): polls at the multiples of every below limit; it ends at the next one
DEADLINES = [
    *(("zoned", 60, 7), ("aware", 60, 7), ("by_timegm", 20, 3), ("by_mktime", 20, 3), ("by_gettime", 12, 5)),
    *(("by_gettime_ns", 12, 5), ("by_perf_ns", 10, 2.5), ("by_time_ns", 10, 2.5), ("by_today", 12, 5)),
    *(("by_fromtimestamp", 12, 5), ("wall_deadline", 12, 5)),
]


@pytest.mark.long
@pytest.mark.parametrize(("name", "limit", "every"), DEADLINES)
def test_a_deadline_by_any_clock(redis_actions: RedisActions, name: str, limit: float, every: float) -> None:
    job = job_of(redis_actions, NEVER)
    with redis_actions.clock.drive("attack_forms"), pytest.raises(TimeoutError):
        getattr(attack_forms, name)(ask(redis_actions, job), limit, every)
    polls = -(-limit // every)
    assert at(job) == [every * number for number in range(int(polls))]
    assert redis_actions.clock.seconds == every * polls


@pytest.mark.long
@pytest.mark.parametrize("name", ["by_strftime", "by_ctime", "by_asctime"])
def test_the_minute_as_text(redis_actions: RedisActions, name: str) -> None:
    job = job_of(redis_actions, NEVER)  # the epoch is a whole minute
    with redis_actions.clock.drive("attack_forms"):
        getattr(attack_forms, name)(ask(redis_actions, job))
    assert at(job) == [0, 10, 20, 30, 40, 50]


@pytest.mark.long
def test_what_remains_of_a_deadline_that_is_no_multiple_of_a_nanosecond(redis_actions: RedisActions) -> None:
    draw = random.Random(11)
    for _ in range(30):
        limit, job, start = draw.uniform(2, 7), job_of(redis_actions, NEVER), redis_actions.clock.seconds
        with redis_actions.clock.drive("attack_forms"), pytest.raises(TimeoutError):
            attack_forms.rest(ask(redis_actions, job), limit, 1)
        assert len(job.polls) in (int(limit) + 2, int(limit) + 3)
        assert limit - 1e-6 <= redis_actions.clock.seconds - start <= limit + 1e-6


@pytest.mark.long
def test_patterns_of_waiting(redis_actions: RedisActions) -> None:
    clock, start = redis_actions.clock, 0.0
    for client, grid in [
        (attack_forms.exponential, [0, 1, 3, 7, 15, 25, 35]),
        (attack_forms.bucketed, [0, 0, 0, *(2.0 * number for number in range(1, 16))]),  # three at once
        (lambda asks: attack_forms.with_token(asks, attack_forms.Token()), [0, 10, 20, 30]),
    ]:
        start, job = clock.seconds, job_of(redis_actions)
        with clock.drive("attack_forms"):
            client(ask(redis_actions, job))
        assert [seconds - start for seconds in at(job)] == grid


@pytest.mark.long
def test_a_circuit_breaker(redis_actions: RedisActions) -> None:
    job = redis_actions.add_action("migrate_shards", script=[running(polls=1), completed()])
    redis_actions.fault(faults.status(503), on=job, polls=3)
    with redis_actions.clock.drive("attack_forms"):
        attack_forms.with_breaker(ask(redis_actions, job))
    assert at(job) == [0, 1, 2, 32, 33]  # open at 2, half open 30 s later


@pytest.mark.long
def test_a_clock_that_leaps_back(redis_actions: RedisActions) -> None:
    clock, job = redis_actions.clock, job_of(redis_actions, NEVER)

    def leaping_time() -> float:
        return clock.time() - (100 if clock.seconds >= 10 else 0)

    leaping = mock.patch.object(vars(attack_forms)["time"], "time", leaping_time)
    with clock.drive("attack_forms"), leaping, pytest.raises(TimeoutError):
        attack_forms.wall_deadline(ask(redis_actions, job), 20, 10)
    assert at(job) == [10 * number for number in range(12)]  # at 120 it reads start + 20


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "answer", "end"),
    [
        ("barrier", 4, 10),
        ("semaphore", (False, 3, 5), 5),
        ("priority", (2, 5, ["a", "b"]), 5),
        ("lifo_full", 3, 3),
        ("map_timeout", (7, 10), 10),
        ("as_completed_timeout", [3, 7], 10),
        ("first_completed", (3, 1, 5, 0, 10), 10),
        ("result_timeout", 4, 10),
    ],
)
def test_what_threads_wait_with(redis_actions: RedisActions, name: str, answer: object, end: float) -> None:
    with redis_actions.clock.drive("attack_threads"):
        found = getattr(attack_threads, name)()
    assert found == (pytest.approx(answer, abs=1e-8) if isinstance(answer, list) else answer)
    assert redis_actions.clock.seconds == end


@pytest.mark.long
@pytest.mark.parametrize("name", ["workers", "before"])
def test_two_workers_share_three_jobs(redis_actions: RedisActions, name: str) -> None:
    jobs = [job_of(redis_actions, seconds) for seconds in (30, 10, 20)]
    asks = [ask(redis_actions, job) for job in jobs]
    before = attack_threads.PoolBefore()
    with redis_actions.clock.drive("attack_threads"):
        (before.wait if name == "before" else attack_threads.workers)(asks)
    assert [at(job) for job in jobs] == [SEVEN, SEVEN[:3], [10, 15, 20]]  # the third begins when the second ends
    before.pool.shutdown()


@pytest.mark.long
def test_a_watchdog_that_is_reset(redis_actions: RedisActions) -> None:
    job = job_of(redis_actions)
    with redis_actions.clock.drive("attack_threads"):
        attack_threads.watchdog(ask(redis_actions, job))
    assert at(job) == SEVEN
    assert redis_actions.clock.seconds == 42


@pytest.mark.long
def test_threads_from_before_the_block(redis_actions: RedisActions) -> None:
    job = job_of(redis_actions)
    client = attack_threads.Background()
    with redis_actions.clock.drive("attack_threads"):
        client.wait(ask(redis_actions, job))
    assert at(job) == SEVEN
    client.q.put(None)
    client.t.join()


@pytest.mark.long
@pytest.mark.skipif(IS_310, reason="asyncio.timeout is new in 3.11")
@pytest.mark.parametrize("name", ["timeout_at", "timeout", "wait_for"])
def test_time_outs_of_asyncio(redis_actions: RedisActions, name: str) -> None:
    job = job_of(redis_actions, NEVER)
    with redis_actions.clock.drive("attack_async"), pytest.raises(asyncio.TimeoutError):
        asyncio.run(getattr(attack_async, name)(aask(redis_actions, job)))
    assert at(job) == [0, 5, 10]
    assert redis_actions.clock.seconds == 12


@pytest.mark.long
@pytest.mark.parametrize("name", ["wait_each", "wait"])
def test_a_loop_in_a_thread_from_before_the_block(redis_actions: RedisActions, name: str) -> None:
    portal, job = attack_async.Portal(), job_of(redis_actions)
    with redis_actions.clock.drive("attack_async"):
        assert getattr(portal, name)(aask(redis_actions, job)) == "completed"
    portal.close()
    assert at(job) == SEVEN


def test_a_named_tuple_of_functions_is_driven(redis_actions: RedisActions) -> None:
    job = job_of(redis_actions)
    with redis_actions.clock.drive("attack_held"):
        assert attack_held.by_namedtuple(ask(redis_actions, job)) == "completed"
    assert at(job) == [poll / 2 for poll in range(61)]


# What is told


@pytest.mark.redis_actions(guard=2)
def test_what_holds_the_real_sleep_unseen_is_named(redis_actions: RedisActions) -> None:
    asks = ask(redis_actions, job_of(redis_actions))
    told = r"attack_held is driven, but[\s\S]*attack_held\.py:\d+ in by_iterator"
    with pytest.raises(StandStill, match=told), redis_actions.clock.drive("attack_held"):
        attack_held.by_iterator(asks)


@pytest.mark.redis_actions(guard=2)
def test_only_real_modules_are_proposed(redis_actions: RedisActions) -> None:
    asks = ask(redis_actions, job_of(redis_actions))
    with (
        pytest.raises(StandStill, match=r'drive\("attack_forms", "tenacity"\): …'),
        redis_actions.clock.drive("attack_forms"),
    ):
        tenacity.Retrying(wait=tenacity.wait_fixed(1), retry=tenacity.retry_if_result("completed".__ne__))(asks)


@pytest.mark.redis_actions(max_polls=30)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # sockets that it was torn from
@pytest.mark.parametrize("name", ["forever_swallowing", "forever_bare"])
def test_a_loop_that_swallows_everything_ends(redis_actions: RedisActions, name: str) -> None:
    job = job_of(redis_actions, NEVER)
    with pytest.raises(EndlessWait, match="goes on after 30 requests"), redis_actions.clock.drive("attack_forms"):
        getattr(attack_forms, name)(ask(redis_actions, job))
    assert len(job.polls) < 1000
    gc.collect()


def test_beyond_the_bound_the_report_is_built_once() -> None:
    built: list[str] = []

    def report() -> str:
        built.append("a report of ten thousand polls")
        return built[0]

    clock = VirtualClock()
    clock.watch(Watched(requests=lambda: clock.max_polls + 40, report=report))
    for _ in range(40):
        clock.requested()

    assert len(built) == 1


@pytest.mark.parametrize(
    ("library", "instead"), [("async_timeout", r"asyncio\.timeout"), ("nest_asyncio", "let the client await instead")]
)
def test_what_keeps_real_time_is_refused_by_name(
    redis_actions: RedisActions, monkeypatch: pytest.MonkeyPatch, library: str, instead: str
) -> None:
    if library == "nest_asyncio":
        monkeypatch.setattr(asyncio, "_nest_patched", True, raising=False)
    else:
        monkeypatch.setattr(attack_async, "limit", type("Timeout", (), {"__module__": library}), raising=False)
    with pytest.raises(UsageError, match=rf"{library}[\s\S]*{instead}"), redis_actions.clock.drive("attack_async"):
        pass


def test_a_recipe_is_driven_although_it_knows_trio(redis_actions: RedisActions) -> None:
    job = job_of(redis_actions)
    held = ModuleType("tenacity.asyncio")
    source = "import asyncio\nasync def pause(n):\n    import trio\n    await trio.sleep(n)\n"
    exec(source, vars(held))
    with mock.patch.dict(sys.modules, {"tenacity.asyncio": held}), redis_actions.clock.drive("tenacity"):
        asks = ask(redis_actions, job)
        tenacity.Retrying(wait=tenacity.wait_fixed(5), retry=tenacity.retry_if_result("completed".__ne__))(asks)
    assert at(job) == SEVEN


needs_311 = pytest.mark.skipif(IS_310, reason="asyncio.timeouts is new in Python 3.11")
EDGES = [
    ("by_subclass", NEVER, [0, 10, 20], "Stamp{30}"),
    ("by_named_tuple", 12, [0, 5, 10, 15], "completed"),
    ("by_factory", 12, [0, 5, 10, 15], "completed"),
    ("by_depth", 12, [0, 5, 10, 15], "completed"),
    ("before_it_runs", NEVER, [0, 12, 20, 24, 25], "6.0"),
    pytest.param("by_submodules", 12, [0, 7, 14], "completed", marks=needs_311),
    ("blocked_loop", NEVER, [1, 10], "0.0"),
    ("job_outlives_its_wait", NEVER, [5, 20], "running"),
    ("too_long", NEVER, [], "['refused', 'refused']"),
]


@pytest.mark.parametrize(("name", "seconds", "polls", "result"), EDGES)
def test_an_edge_is_right(
    redis_actions: RedisActions, name: str, seconds: float, polls: list[float], result: str
) -> None:
    job = job_of(redis_actions, seconds)
    with redis_actions.clock.drive("attack_edges"):
        assert getattr(attack_edges, name)(ask(redis_actions, job)) == result
    assert at(job) == polls


def test_a_raw_thread_is_refused(redis_actions: RedisActions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attack_edges, "begin", _thread.start_new_thread, raising=False)
    with pytest.raises(UsageError, match=r"_thread\.start_new_thread.*\n.*threading\.Thread"):
        redis_actions.clock.drive("attack_edges").__enter__()


def test_a_raw_thread_of_the_test_does_not_keep_a_stopped_block_open(redis_actions: RedisActions) -> None:
    asleep = threading.Event()

    def raw() -> None:
        attack_edges.nap(0)
        asleep.set()
        with suppress(EndlessWait):
            attack_edges.nap(10**7)

    def client() -> None:
        _thread.start_new_thread(raw, ())
        asleep.wait()
        attack_edges.nap(10**7)

    with pytest.raises(EndlessWait), redis_actions.clock.drive("attack_edges"):
        client()
    with redis_actions.clock.drive("attack_edges"):
        pass


@pytest.mark.parametrize("name", ["spin", "spin_beside"])
def test_a_task_that_spins_is_stopped(redis_actions: RedisActions, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(ledger, "TURNS", 1_000)
    with pytest.raises(EndlessWait, match="never sleeps"), redis_actions.clock.drive("attack_edges"):
        getattr(attack_edges, name)(ask(redis_actions, job_of(redis_actions)))
