"""`redis-actions demo`: an example suite on the stub, then a migration of half an hour, watched in seconds."""

from __future__ import annotations

import base64
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import TextIO

from ..facts.bundled import folder
from ..operations.script import completed, queued, running, starting
from ..server import StubServer
from ..stub.action import Action
from ..stub.options import Options
from ..stub.stub import RedisActions

__all__ = ["run"]

POLL_EVERY = 120  # virtual seconds
PAUSE = 0.25  # real seconds between two lines, for a person to follow
WIDTH = 30


def run(out: TextIO) -> int:
    """Show both parts; return 0, or pytest's exit status if the example suite failed."""
    files = folder("quickstart")
    print("1. An example suite, run by pytest against the stub\n", file=out)
    for name in ("my_client.py", "test_my_client.py"):
        print(f"   {files / name}", file=out)
    print(file=out, flush=True)
    status = _run_suite(str(files))
    if status:
        return status
    print("\n2. A shard migration of 30 minutes, polled every 2 minutes on virtual time\n", file=out)
    _watch(out)
    print(
        "\nNext: ask for the fixture `redis_actions` in a test of your own; redis-actions help getting-started",
        file=out,
    )
    return 0


def _run_suite(files: str) -> int:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    # Of the suites that pytest may find around it, of their settings and of their plugins the demo wants none.
    command = [sys.executable, "-m", "pytest", "-v", "--no-header", "-p", "no:cacheprovider", "-p", "no:randomly"]
    command += ["-p", "no:xdist", "-c", os.devnull, "--rootdir", files, files]
    return subprocess.run(command, cwd=files, env={**ours, "PYTHONDONTWRITEBYTECODE": "1"}, check=False).returncode


def _watch(out: TextIO) -> None:
    server = StubServer()
    server.start()
    try:
        stub = RedisActions.on(server, Options())
        action = stub.add_action(
            "migrate_shards",
            node_uid="2",
            script=[queued(seconds=60), starting(seconds=120), running(seconds=1620), completed()],
        )
        pause = PAUSE if out.isatty() else 0.0
        began = time.perf_counter()
        for line in _timeline(stub, action):
            print(line, file=out, flush=True)
            time.sleep(pause)
        took = time.perf_counter() - began - pause * len(action.polls)
        print(
            f"\n   {len(action.polls)} polls in {stub.clock.seconds:g} virtual seconds; real ones: {took:.2f}", file=out
        )
    finally:
        server.stop()


def _timeline(stub: RedisActions, action: Action) -> Iterator[str]:
    """Poll until the action has ended, and yield a line for each poll."""
    connection = http.client.HTTPConnection("127.0.0.1", stub.port)
    credentials = base64.b64encode(":".join(stub.auth).encode()).decode()
    status = ""
    while status != "completed":
        connection.request("GET", f"/v1/actions/{action.uid}", headers={"Authorization": f"Basic {credentials}"})
        body = json.load(connection.getresponse())
        status, percent = body["status"], int(body["progress"])
        done = "#" * (percent * WIDTH // 100)
        minutes = int(stub.clock.seconds) // 60
        yield f"   {minutes:2d}:00  {status:<10} [{done:<{WIDTH}}] {percent:3d} %"
        if status != "completed":
            stub.clock.sleep(POLL_EVERY)
    connection.close()
