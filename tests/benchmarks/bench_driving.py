"""What half an hour costs: 361 polls of an unmodified client that is driven, against 361 bare requests of it.

python tests/benchmarks/bench_driving.py [ROUNDS]      ROUNDS 7 by default
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import requests
from bench_server import floor, interleaved, line

from pytest_redis_actions import RedisActions, completed, running
from pytest_redis_actions.options import Options
from pytest_redis_actions.server import StubServer

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


def bare_requests(port: int) -> None:
    with requests.Session() as session:
        session.auth = ("a", "b")
        for _ in range(POLLS):
            session.get(f"http://127.0.0.1:{port}/v1/actions/x", timeout=10).json()


async def bare_httpx(port: int) -> None:
    async with httpx.AsyncClient(auth=("a", "b")) as client:
        for _ in range(POLLS):
            (await client.get(f"http://127.0.0.1:{port}/v1/actions/x")).json()


def main(rounds: int) -> None:
    server = StubServer()
    server.start()
    with floor(None) as port:
        for name, ours, bare in (
            ("requests", lambda: driven(server, "with_requests", with_requests.wait), lambda: bare_requests(port)),
            (
                "httpx",
                lambda: driven(server, "with_httpx", lambda *given: asyncio.run(with_httpx.wait(*given))),
                lambda: asyncio.run(bare_httpx(port)),
            ),
        ):
            with_clock, without = interleaved(
                rounds,
                ours,
                lambda bare=bare: seconds_of(bare),  # type: ignore[misc]  # binds the loop's variable
            )
            told = (
                f"{with_clock:.3f} s against {without:.3f} s, {SECONDS / with_clock:,.0f} times faster than real time"
            )
            line(f"half an hour with {name} / 361 bare requests", with_clock / without, "at most 2", told)
    server.stop()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
