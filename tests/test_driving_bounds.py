"""A reply on its way holds time, deadlines fire as in reality, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import gc
import itertools
import math
import re
import sys
import threading
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from werkzeug import Request, Response

from pytest_redis_actions import Action, RedisActions, completed, running
from pytest_redis_actions.clock import VirtualClock
from pytest_redis_actions.errors import EndlessWait, StandStill

sys.path.insert(0, str(Path(__file__).parent / "examples" / "waiting"))
import raw_pollers
import with_httpx
import with_requests

real_sleep = time.sleep


def handled(stub: RedisActions, action: Action, handler: Callable[[], object], status: str = "completed") -> None:
    """Let a handler of the test's own answer the next poll."""

    def respond(_: Request) -> Response:
        handler()
        return Response(f'{{"status": "{status}"}}', content_type="application/json")

    stub.httpserver.expect_oneshot_request(f"/v1/actions/{action.uid}").respond_with_handler(respond)


def still_there(name: str) -> list[threading.Thread]:
    """Return the threads that do not end; one that is about to end is given its time, however busy the machine is."""
    found = [each for each in threading.enumerate() if name in each.name]
    for thread in found:
        thread.join(10)
    return [each for each in found if each.is_alive()]


# A request on its way


@pytest.mark.parametrize("polls_before", [0, 1, 2])
def test_a_deadline_does_not_fire_while_a_reply_takes_real_time(redis_actions: RedisActions, polls_before: int) -> None:
    action = redis_actions.add_action("migrate_shards", script=[running()])
    for _ in range(polls_before):
        handled(redis_actions, action, lambda: None, "running")
    handled(redis_actions, action, lambda: real_sleep(0.3))

    with redis_actions.clock.drive("with_requests"):
        assert with_requests.wait(redis_actions.url, action.uid, redis_actions.auth, every=2, deadline=5) == "completed"

    assert redis_actions.clock.seconds == 2 * polls_before


def test_the_same_on_asyncio(redis_actions: RedisActions) -> None:
    action = redis_actions.add_action("migrate_shards", script=[running()])
    handled(redis_actions, action, lambda: real_sleep(0.3))

    with redis_actions.clock.drive("with_httpx"):
        status = asyncio.run(with_httpx.wait(redis_actions.url, action.uid, redis_actions.auth, deadline=5))

    assert status == "completed"
    assert redis_actions.clock.seconds == 0


def test_nobody_runs_ahead_of_another_ones_request(redis_actions: RedisActions) -> None:
    slow = redis_actions.add_action("migrate_shards", script=[running()])
    quick = redis_actions.add_action("migrate_shards", script=[running(seconds=1000), completed()])
    handled(redis_actions, slow, lambda: real_sleep(0.3))
    waiting = [
        threading.Thread(target=with_requests.wait, args=(redis_actions.url, each.uid, redis_actions.auth))
        for each in (slow, quick)
    ]

    with redis_actions.clock.drive("with_requests"):
        for thread in waiting:
            thread.start()
        for thread in waiting:
            thread.join()

    assert [poll.seconds for poll in slow.polls] == [0]
    assert redis_actions.clock.seconds == 1000


def test_a_reply_may_cost_virtual_time_and_a_total_deadline_is_seen_after_it(redis_actions: RedisActions) -> None:
    action = redis_actions.add_action("migrate_shards", script=[running()])
    for _ in range(5):
        handled(redis_actions, action, lambda: redis_actions.clock.sleep(7), "running")

    with redis_actions.clock.drive("with_requests"), pytest.raises(TimeoutError, match="after 23 s"):
        with_requests.wait(redis_actions.url, action.uid, redis_actions.auth, every=1, deadline=20)

    assert [poll.seconds for poll in action.polls] == [7, 15, 23]


@pytest.mark.parametrize("way", ["expect_oneshot_request", "expect_ordered_request"])
def test_replies_that_cost_virtual_time_overlap(redis_actions: RedisActions, way: str) -> None:
    actions = [redis_actions.add_action("migrate_shards", script=[running()]) for _ in range(3)]

    def respond(_: Request) -> Response:
        redis_actions.clock.sleep(7)
        return Response('{"status": "completed"}', content_type="application/json")

    path = re.compile("/v1/actions/.*")
    for _ in actions:
        getattr(redis_actions.httpserver, way)(path).respond_with_handler(respond)
    waiting = [
        threading.Thread(target=with_requests.wait, args=(redis_actions.url, each.uid, redis_actions.auth))
        for each in actions
    ]
    with redis_actions.clock.drive("with_requests"):
        for thread in waiting:
            thread.start()
        for thread in waiting:
            thread.join()

    assert [poll.seconds for action in actions for poll in action.polls] == [7, 7, 7]


def test_a_deadline_on_asyncio_fires_while_a_reply_takes_virtual_time(redis_actions: RedisActions) -> None:
    action = redis_actions.add_action("migrate_shards", script=[running()])
    handled(redis_actions, action, lambda: redis_actions.clock.sleep(7))

    with redis_actions.clock.drive("with_httpx"):
        with pytest.raises(asyncio.TimeoutError):
            asyncio.run(with_httpx.wait(redis_actions.url, action.uid, redis_actions.auth, deadline=5))
        assert redis_actions.clock.seconds == 5


def test_whoever_hung_up_on_a_slow_reply_holds_time_no_more(redis_actions: RedisActions) -> None:
    left = redis_actions.add_action("migrate_shards", script=[running()])
    action = redis_actions.add_action("migrate_shards", script=[running(seconds=100), completed()])
    handled(redis_actions, left, lambda: redis_actions.clock.sleep(1000))

    async def both() -> str:
        with pytest.raises(asyncio.TimeoutError):
            await with_httpx.wait(redis_actions.url, left.uid, redis_actions.auth, deadline=5)
        return await with_httpx.wait(redis_actions.url, action.uid, redis_actions.auth, every=10)

    with redis_actions.clock.drive("with_httpx"):
        assert asyncio.run(both()) == "completed"

    assert [poll.seconds for poll in action.polls] == [5 + 10 * poll for poll in range(11)]


def test_two_replies_cost_their_time_at_once(redis_actions: RedisActions) -> None:
    actions = [redis_actions.add_action("migrate_shards") for _ in range(2)]
    for cost, action in zip((7, 4), actions, strict=True):

        def respond(_: Request, cost: float = cost) -> Response:
            redis_actions.clock.sleep(cost)
            return Response('{"status": "completed"}', content_type="application/json")

        redis_actions.httpserver.expect_request(f"/v1/actions/{action.uid}").respond_with_handler(respond)

    async def both() -> None:
        url, auth = redis_actions.url, redis_actions.auth
        await asyncio.gather(*(with_httpx.wait(url, action.uid, auth) for action in actions))

    with redis_actions.clock.drive("with_httpx"):
        asyncio.run(both())

    assert [action.polls[0].seconds for action in actions] == [7, 4]
    assert redis_actions.clock.seconds == 7


# What a client sees is what a simulation on paper says

SECONDS = st.integers(1, 4000).map(lambda tenths: tenths / 10)
PLANS = st.tuples(
    st.lists(SECONDS, min_size=1, max_size=4), SECONDS.filter(lambda every: every >= 1), st.none() | SECONDS
)


BEGIN = 1_000_000  # what time.monotonic reads first, in seconds


def first_float(at_least: Fraction) -> float:
    """Return the least float that is not below a number."""
    nearest = float(at_least)
    return nearest if nearest >= at_least else math.nextafter(nearest, math.inf)


def on_paper(steps: list[float], every: float, deadline: float | None) -> tuple[list[tuple[float, str]], bool]:
    """Return when a client polls and what it sees, and whether it gives up.

    Instants are counted in tenths, so that nothing is rounded. What the client reads is the float that is nearest to
    the instant, or the first one that shows the whole of its sleep: see the test.
    """
    ends, step = round(sum(steps) * 10), round(every * 10)
    seen, now, reading = [], 0, float(BEGIN)
    while now < ends:
        seen.append((now / 10, "running"))
        if deadline is not None and reading - BEGIN + every > deadline:
            return seen, True
        now += step
        reading = max(float(BEGIN + Fraction(now, 10)), first_float(Fraction(reading) + Fraction(every)))
    return [*seen, (now / 10, "completed")], False


def test_floats_on_paper_decide_as_tenths_do_but_where_poll_and_deadline_coincide() -> None:
    for every, tenths in itertools.product(range(10, 200, 23), range(1, 400, 3)):
        seen, gives_up = on_paper([100], every / 10, tenths / 10)

        assert gives_up
        assert len(seen) == tenths // every + 1 or (len(seen) == tenths / every)


@given(PLANS)
@example(([400.0], 4.3, 17.2))
@example(([30.0], 1.1, 12.1))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_driven_client_sees_what_the_paper_says(
    make_redis_actions: Callable[..., RedisActions], plan: tuple[list[float], float, float | None]
) -> None:
    """Polls lie on the exact grid, and the client decides about its deadline as its own floats tell it.

    Where a poll and the deadline coincide, as at 17.2 s when it polls every 4.3 s, exact arithmetic says that the poll
    is in time. A client does not ask that: it asks whether `monotonic() - started + every > deadline`, in floats. No
    beginning of the clock makes that exact, as tenths are not floats: of 20,000 coincidences the float nearest to the
    instant decides otherwise in 32 % if the clock begins at 1,000,000 or at 2**20, and in 10 % at 0. A real client
    always says that it is too late there, because its sleeps take a little longer. So the paper keeps what the clock
    reads, too: the float nearest to the instant, or if less than `every` would seem to have passed since the reading
    before, the first float that shows it. There is one such float, so the paper allows one outcome, to the last place.
    """
    steps, every, deadline = plan
    stub = make_redis_actions()
    script = [running(seconds=seconds) for seconds in steps]
    action = stub.add_action("migrate_shards", script=[*script, completed()])
    seen, gives_up = on_paper(steps, every, deadline)

    with stub.clock.drive("with_requests"):
        try:
            with_requests.wait(stub.url, action.uid, stub.auth, every=every, deadline=deadline)
            assert not gives_up
        except TimeoutError:
            assert gives_up

    assert [(when, body["status"]) for when, body in action.trace] == seen


@given(PLANS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_driven_client_on_asyncio_sees_it_too(
    make_redis_actions: Callable[..., RedisActions], plan: tuple[list[float], float, float | None]
) -> None:
    steps, every, deadline = plan
    stub = make_redis_actions()
    script = [running(seconds=seconds) for seconds in steps]
    action = stub.add_action("migrate_shards", script=[*script, completed()])
    ends = next(tenths for tenths in range(0, 10**6, round(every * 10)) if tenths >= round(sum(steps) * 10)) / 10

    with stub.clock.drive("with_httpx"):
        try:
            asyncio.run(with_httpx.wait(stub.url, action.uid, stub.auth, every=every, deadline=deadline))
            assert deadline is None or ends <= deadline
        except asyncio.TimeoutError:
            assert deadline is not None
            assert ends >= deadline
            assert stub.clock.seconds == deadline

    polled = [round(when * 10) for when, _ in action.trace]
    assert polled == [round(every * 10) * number for number in range(len(polled))]


# Clients that never give up


@pytest.mark.redis_actions(max_polls=50)
def test_a_client_that_polls_for_ever_is_stopped_where_it_sleeps(redis_actions: RedisActions) -> None:
    action = redis_actions.add_action("migrate_shards", script=[running()])

    with pytest.raises(EndlessWait) as caught, redis_actions.clock.drive("with_requests"):
        with_requests.wait(redis_actions.url, action.uid, redis_actions.auth)

    text = str(caught.value)
    assert text.splitlines()[:2] == [
        "the client goes on after 50 requests",
        "  fix   give the client a deadline, or the script an end; max_polls=… on the marker allows more",
    ]
    assert "x51 until 250.0s" in text
    assert caught.value.bound == "max_polls"
    assert caught.traceback.filter(caught)[-1].frame.code.name == "wait"


@pytest.mark.redis_actions(max_virtual_seconds=3600)
def test_a_client_that_waits_for_ever_is_stopped(redis_actions: RedisActions) -> None:
    action = redis_actions.add_action("migrate_shards", script=[running()])

    with (
        pytest.raises(EndlessWait, match="still waits after 3600 virtual s") as caught,
        redis_actions.clock.drive("with_httpx"),
    ):
        asyncio.run(with_httpx.wait(redis_actions.url, action.uid, redis_actions.auth, every=60))

    assert redis_actions.clock.seconds == 3600
    assert caught.value.bound == "max_virtual_seconds"


@pytest.mark.redis_actions(max_polls=50)
def test_an_injected_sleep_is_bounded_too(redis_actions: RedisActions) -> None:
    action = redis_actions.add_action("migrate_shards", script=[running()])

    def poll_for_ever() -> None:
        while True:
            raw_pollers.poll(redis_actions.port, action.uid, redis_actions.auth, 0, 0, 1)
            redis_actions.clock.sleep(1)

    with pytest.raises(EndlessWait, match="goes on after 50 requests"):
        poll_for_ever()


def test_a_reply_under_way_when_the_block_ends_interrupts_no_later_test(
    redis_actions: RedisActions, write: Callable[[str], Any]
) -> None:
    write("import time")
    with redis_actions.clock.drive("driven_client"):
        clock: Any = redis_actions.clock
        block, opener = clock.block, clock.block._opener
    block.ledger.error = EndlessWait

    block._interrupt([opener])

    assert opener.thread is threading.current_thread()
    assert not opener.rests
    assert sum(1 for _ in range(10_000)) == 10_000  # where it would be raised


SPINNERS = """
import asyncio, http.client, time
from base64 import b64encode
import raw_pollers

def polls_without_sleeping(port, uid, auth):
    if time.time():
        while True:
            raw_pollers.poll(port, uid, auth, 0, 0, 1)

def looks_at_the_time(port, uid, auth):
    while time.monotonic() < 1e6 + 5:
        pass

def swallows_exceptions(port, uid, auth):
    while True:
        try:
            raw_pollers.poll(port, uid, auth, 0, 0, 1)
            time.sleep(1)
        except Exception:
            pass

def on_asyncio(port, uid, auth):
    async def main():
        while True:
            await raw_pollers.apoll(port, uid, auth, 0, 0, 1)
    asyncio.run(main())

def in_a_thread(port, uid, auth):
    import threading
    thread = threading.Thread(target=swallows_exceptions, args=(port, uid, auth))
    thread.start()
    thread.join()

def in_a_pool(port, uid, auth):
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(2, thread_name_prefix="pool-of-swallows") as pool:
        pool.submit(polls_without_sleeping, port, uid, auth).result()

def in_a_crowded_pool(port, uid, auth):
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(2, thread_name_prefix="pool-of-swallows") as pool:
        jobs = [pool.submit(swallows_exceptions, port, uid, auth) for _ in range(8)]
        jobs[0].result()

def swallows_everything_for_a_while(port, uid, auth):
    for _ in range(100):
        try:
            raw_pollers.poll(port, uid, auth, 0, 0, 1)
            time.sleep(1)
        except:
            pass
"""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
@pytest.mark.redis_actions(max_polls=50)
@pytest.mark.parametrize(
    "spinner",
    [
        "polls_without_sleeping",
        "looks_at_the_time",
        "swallows_exceptions",
        "on_asyncio",
        "in_a_thread",
        "in_a_pool",
        "in_a_crowded_pool",
        "swallows_everything_for_a_while",
    ],
)
def test_a_client_that_spins_is_stopped(redis_actions: RedisActions, write: Callable[[str], Any], spinner: str) -> None:
    spin = getattr(write(SPINNERS), spinner)
    action = redis_actions.add_action("migrate_shards", script=[running()])

    with pytest.raises(EndlessWait, match=r"the client (goes on|looks at the time)"):  # noqa: SIM117
        with redis_actions.clock.drive("driven_client"):
            spin(redis_actions.port, action.uid, redis_actions.auth)

    gc.collect()  # who is interrupted in mid-poll leaves a socket

    sent = len(action.polls)
    assert not still_there("swallows")
    assert len(action.polls) == sent
    assert sys.exc_info() == (None, None, None)  # or each later error of the session would have it as its context


def test_those_who_cannot_be_stopped_are_given_one_moment_and_not_one_each(write: Callable[[str], Any]) -> None:
    module = write(
        "import threading, time\nover = threading.Event()\ndef swallows():\n    while not over.is_set():\n"
        "        try:\n            time.sleep(1)\n        except BaseException:\n            pass\n"
    )
    clock = VirtualClock()
    clock.max_virtual_seconds = 10
    threads = [threading.Thread(target=module.swallows, name="swallows") for _ in range(8)]
    stopped = []

    def wait() -> None:
        for thread in threads:
            thread.start()
        try:
            threads[0].join()
        finally:
            stopped.append(time.monotonic())

    with pytest.raises(EndlessWait), clock.drive("driven_client"):
        wait()
    took = time.monotonic() - stopped[0]
    module.over.set()

    assert not still_there("swallows")
    assert took < 5


# Standing still

STANDING = """
import asyncio, threading, time

def in_a_thread_that_is_not_driven(sleep):
    thread = threading.Thread(target=sleep, args=(2,), daemon=True)
    thread.start()
    thread.join()

def for_nobody(sleep):
    threading.Event().wait()

def on_asyncio(sleep):
    async def main():
        await asyncio.get_running_loop().create_future()
    asyncio.run(main())
"""


@pytest.mark.parametrize("way", ["in_a_thread_that_is_not_driven", "for_nobody", "on_asyncio"])
def test_a_test_that_would_hang_is_failed_and_says_where(write: Callable[[str], Any], way: str) -> None:
    clock = VirtualClock()
    module = write(STANDING)

    def sleeps_in_real_time(seconds: float) -> None:
        real_sleep(seconds)

    with pytest.raises(StandStill) as caught, clock.drive("driven_client", guard=0.5):
        getattr(module, way)(sleeps_in_real_time)
    lines = str(caught.value).splitlines()
    assert lines[0] == "nothing has happened for 0.5 real seconds, and the test waits"
    fix = "let the test join() what it waits for, or call redis_actions.clock.sleep(…) in it"
    if way != "in_a_thread_that_is_not_driven":
        fix = "drive the module that sleeps, too; time moves only while nobody is awake"
    assert lines[1] == f"  fix     {fix}"
    if way != "on_asyncio":
        assert any(line.startswith("  waits ") and "driven_client.py" in line for line in lines)
    if way == "on_asyncio":
        assert any(line.startswith("  awake ") and "driven_client.py" in line for line in lines)
    if way == "in_a_thread_that_is_not_driven":
        assert any(line.startswith("  sleeps ") and "in sleeps_in_real_time: real_sleep(" in line for line in lines)
