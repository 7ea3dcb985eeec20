"""Clients in threads, tasks and pools share one clock: the journal is the one of a simulation on paper, every time."""

from __future__ import annotations

import asyncio
import heapq
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import raw_pollers

from pytest_redis_actions import RedisActions, running
from pytest_redis_actions.server import StubServer
from pytest_redis_actions.stub.options import Options

INTERVALS = (0.5, 1, 1.5, 2, 3, 4, 5, 7.5, 10, 13)
POLLS = 8
# Everybody begins at an instant of their own, because who is first among equals is for the operating system to say.
CLIENTS = [(f"uid-{number}", 0.1 + number / 100, interval, POLLS) for number, interval in enumerate(INTERVALS)]
Client = tuple[str, float, float, int]
Run = Callable[[RedisActions, list[Client]], None]


def on_paper(clients: list[Client], at_once: int) -> list[tuple[float, str]]:
    """Return who polls when: whoever went to sleep first is woken first among those whose time has come."""
    waiting = list(clients)
    sleepers: list[tuple[int, int, str, int, int]] = []
    journal = []
    order = now = 0

    def begin() -> None:
        nonlocal order
        if waiting:
            uid, offset, interval, polls = waiting.pop(0)
            heapq.heappush(sleepers, (now + round(offset * 1000), order, uid, round(interval * 1000), polls))
            order += 1

    for _ in range(at_once):
        begin()
    while sleepers:
        now, _, uid, interval, polls = heapq.heappop(sleepers)
        journal.append((now / 1000, uid))
        if polls > 1:
            heapq.heappush(sleepers, (now + interval, order, uid, interval, polls - 1))
            order += 1
        else:
            begin()
    return journal


def in_threads(stub: RedisActions, clients: list[Client]) -> None:
    threads = [
        threading.Thread(target=raw_pollers.poll, args=(stub.port, uid, stub.auth, *plan)) for uid, *plan in clients
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def in_tasks(stub: RedisActions, clients: list[Client]) -> None:
    asyncio.run(raw_pollers.apoll_all(stub.port, stub.auth, clients))


def in_threads_and_tasks(stub: RedisActions, clients: list[Client]) -> None:
    tasks = threading.Thread(target=in_tasks, args=(stub, clients[::2]))
    tasks.start()
    in_threads(stub, clients[1::2])
    tasks.join()


def in_a_pool(stub: RedisActions, clients: list[Client]) -> None:
    with ThreadPoolExecutor(len(clients)) as pool:
        futures = [pool.submit(raw_pollers.poll, stub.port, uid, stub.auth, *plan) for uid, *plan in clients]  # type: ignore[arg-type]  # a plan is what poll takes
        for future in futures:
            future.result()


def in_a_small_pool(stub: RedisActions, clients: list[Client]) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda client: raw_pollers.poll(stub.port, client[0], stub.auth, *client[1:]), clients))


WAYS: dict[str, tuple[Run, int]] = {
    "ten threads": (in_threads, 10),
    "ten tasks": (in_tasks, 10),
    "five threads and five tasks": (in_threads_and_tasks, 10),
    "a pool of ten": (in_a_pool, 10),
    "a pool of four": (in_a_small_pool, 4),
}


@pytest.fixture
def server() -> Iterator[StubServer]:
    server = StubServer()
    server.start()
    yield server
    server.stop()


def journal_of(server: StubServer, run: Run) -> list[tuple[float, str]]:
    stub = RedisActions.on(server, Options())
    for uid, *_ in CLIENTS:
        stub.add_action("migrate_shards", uid=uid, script=[running()])
    with stub.clock.drive(raw_pollers):
        run(stub, CLIENTS)
    stub.close()
    return [(each.seconds, each.aimed[0]) for each in stub.journal]


@pytest.mark.parametrize("way", WAYS)
def test_the_journal_is_the_one_on_paper(server: StubServer, way: str) -> None:
    run, at_once = WAYS[way]

    for _ in range(3):
        assert journal_of(server, run) == on_paper(CLIENTS, at_once)


@pytest.mark.long
@pytest.mark.parametrize("way", WAYS)
def test_the_journal_is_the_one_on_paper_a_thousand_times_in_a_row(server: StubServer, way: str) -> None:
    run, at_once = WAYS[way]
    paper = on_paper(CLIENTS, at_once)

    for number in range(1000):
        assert journal_of(server, run) == paper, f"round {number}"


def test_the_paper_is_right_about_two_clients() -> None:
    assert on_paper([("a", 1, 2, 3), ("b", 3, 1, 2)], at_once=2) == [(1, "a"), (3, "b"), (3, "a"), (4, "b"), (5, "a")]
    assert on_paper([("a", 1, 2, 2), ("b", 1, 1, 1)], at_once=1) == [(1, "a"), (3, "a"), (4, "b")]


def test_raw_pollers_name_no_clock_of_ours() -> None:
    assert "redis_actions" not in Path(raw_pollers.__file__).read_text(encoding="utf-8")
