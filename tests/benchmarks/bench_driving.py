"""What half an hour costs: 361 polls of an unmodified client that is driven, against 361 bare requests of it.

Both go to a stub of ours. python tests/benchmarks/bench_driving.py [ROUNDS]      ROUNDS 9 by default
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import requests
from bench_server import interleaved, line

from pytest_redis_actions import RedisActions, completed, running
from pytest_redis_actions.server import StubServer
from pytest_redis_actions.stub.options import Options

sys.path.insert(0, str(Path(__file__).parent.parent / "examples" / "waiting"))
import with_httpx
import with_requests

POLLS, SECONDS = 361, 1800


def seconds_of(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def driven(server: StubServer, module: str, wait: Callable[[str, str, tuple[str, str]], object]) -> float:
    stub = RedisActions.on(server, Options())
    action = stub.add_action("migrate_shards", script=[running(seconds=SECONDS), completed()])
    with stub.clock.drive(module):
        cost = seconds_of(lambda: wait(stub.url, action.uid, stub.auth))
    assert [poll.seconds for poll in action.polls] == [5.0 * poll for poll in range(POLLS)]
    stub.close()
    return cost


def bare(server: StubServer, ask: Callable[[str, tuple[str, str]], object]) -> float:
    stub = RedisActions.on(server, Options())
    action = stub.add_action("migrate_shards", script=[running()])
    cost = seconds_of(lambda: ask(f"{stub.url}/v1/actions/{action.uid}", stub.auth))
    assert len(action.polls) == POLLS
    stub.close()
    return cost


def bare_requests(url: str, auth: tuple[str, str]) -> None:
    with requests.Session() as session:
        session.auth = auth
        for _ in range(POLLS):
            session.get(url, timeout=10).json()


async def bare_httpx(url: str, auth: tuple[str, str]) -> None:
    async with httpx.AsyncClient(auth=auth) as client:
        for _ in range(POLLS):
            (await client.get(url)).json()


def main(rounds: int) -> None:
    server = StubServer()
    server.start()
    ways: dict[str, tuple[Callable[[], float], Callable[[], float]]] = {
        "requests": (lambda: driven(server, "with_requests", with_requests.wait), lambda: bare(server, bare_requests)),
        "httpx": (
            lambda: driven(server, "with_httpx", lambda *given: asyncio.run(with_httpx.wait(*given))),
            lambda: bare(server, lambda *given: asyncio.run(bare_httpx(*given))),
        ),
    }
    for name, (ours, theirs) in ways.items():
        with_clock, without = interleaved(rounds, ours, theirs)
        told = f"{with_clock:.3f} s against {without:.3f} s, {SECONDS / with_clock:,.0f} times faster than real time"
        line(f"half an hour with {name} / 361 bare requests", with_clock / without, "at most 1.25", told)
    server.stop()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
