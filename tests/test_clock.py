from __future__ import annotations

import asyncio
import math
import threading

import pytest

from pytest_redis_actions.clock import DEFAULT_EPOCH, VirtualClock, WallClock
from pytest_redis_actions.errors import UsageError


def test_a_virtual_clock_starts_at_0_and_moves_only_when_told() -> None:
    clock = VirtualClock()

    assert clock.seconds == 0
    clock.advance(5)
    clock.sleep(2.5)
    assert clock.seconds == 7.5
    assert clock.monotonic() == 1_000_007.5
    assert clock.time() == DEFAULT_EPOCH + 7.5


def test_ten_times_a_tenth_is_a_second() -> None:
    clock = VirtualClock()

    for _ in range(10):
        clock.advance(0.1)

    assert clock.seconds == 1.0


def test_an_asynchronous_sleep_moves_the_clock_and_gives_others_their_turn() -> None:
    clock, record = VirtualClock(), []

    async def sleeper(word: str, seconds: float) -> None:
        await clock.asleep(seconds)
        record.append(word)

    async def both() -> None:
        await asyncio.gather(sleeper("first", 3), sleeper("second", 4))

    asyncio.run(both())

    assert clock.seconds == 7
    assert record == ["first", "second"]


def test_no_sleep_of_many_threads_is_lost() -> None:
    clock = VirtualClock()

    def sleep() -> None:
        for _ in range(1000):
            clock.sleep(0.001)

    threads = [threading.Thread(target=sleep) for _ in range(8)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert clock.seconds == 8.0


@pytest.mark.parametrize("seconds", [math.nan, math.inf, "3", None, True])
def test_what_is_no_time_is_refused(seconds: object) -> None:
    clock = VirtualClock()

    with pytest.raises(UsageError, match="must be a number"):
        clock.advance(seconds)  # type: ignore[arg-type]
    assert clock.seconds == 0


def test_time_cannot_go_backwards() -> None:
    clock = VirtualClock()
    clock.advance(3)

    with pytest.raises(UsageError) as caught:
        clock.advance(-1)

    assert str(caught.value) == "advance(-1): time can't go backwards\n  fix  give 0 seconds or more"
    assert clock.seconds == 3


def test_no_clock_goes_beyond_the_year_9999() -> None:
    clock = VirtualClock(253_402_300_000)
    clock.advance(799)

    for step in (clock.advance, clock.sleep):
        with pytest.raises(UsageError, match="beyond the year 9999"):
            step(1)
    assert clock.seconds == 799


def test_more_than_a_clock_can_count_is_refused() -> None:
    with pytest.raises(UsageError, match="is too long"):
        VirtualClock().advance(1e10)


@pytest.mark.parametrize("epoch", [-1, 1.5, "0", None, True])
def test_an_epoch_is_unix_seconds(epoch: object) -> None:
    with pytest.raises(UsageError, match="must be a whole number from 0"):
        VirtualClock(epoch)  # type: ignore[arg-type]


def test_a_wall_clock_runs_at_its_rate_and_can_be_advanced() -> None:
    clock = WallClock(100, rate=1000)

    before = clock.seconds
    clock.sleep(5)
    passed = clock.seconds - before
    clock.advance(3600)

    assert passed >= 5
    assert clock.seconds >= before + passed + 3600
    assert clock.time() >= 3705


def test_a_wall_clock_sleeps_asynchronously_too() -> None:
    clock = WallClock(rate=1000)

    asyncio.run(clock.asleep(5))

    assert clock.seconds >= 5


@pytest.mark.parametrize("rate", [0, -1, math.nan, "2", True])
def test_a_rate_is_a_positive_number(rate: object) -> None:
    with pytest.raises(UsageError, match="must be above 0"):
        WallClock(rate=rate)  # type: ignore[arg-type]


def test_an_alarm_counts_from_when_it_is_set() -> None:
    clock = VirtualClock()
    heard: list[float] = []
    clock.advance(100)
    clock.call_after(10, lambda: heard.append(clock.seconds))

    clock.advance(9)
    assert heard == []
    clock.advance(1)
    assert heard == [110]


def test_an_alarm_of_a_wall_clock_counts_from_when_it_is_set() -> None:
    clock = WallClock(rate=1000)
    clock.advance(3600)
    rung = threading.Event()
    before = clock.seconds
    clock.call_after(50, rung.set)

    assert rung.wait(10)
    assert clock.seconds - before >= 50
