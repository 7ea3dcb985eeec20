from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import Any

import pytest
from journeys import Journey, every_journey, stub_of, travel

CURL = shutil.which("curl")


@pytest.fixture
def curl() -> str:
    if CURL is None:
        if os.environ.get("CI"):
            pytest.fail("not run: no curl")
        pytest.skip("not run: no curl")
    return CURL


@every_journey
def test_curl(make_redis_actions: Any, journey: Journey, curl: str) -> None:
    stub = stub_of(make_redis_actions, journey)
    trusted = ["--cacert", str(stub.ca_file)] if stub.ca_file else []

    def ask(method: str, url: str) -> tuple[int, Any]:
        command = [curl, "-q", "-sS", "-X", method, *trusted, "-w", "\n%{http_code}", "-K", "-", url]
        # Credentials go through standard input, out of sight of whoever lists processes.
        done = subprocess.run(
            command, input='user = "{}:{}"'.format(*stub.auth), capture_output=True, text=True, check=True, timeout=30
        )
        body, _, code = done.stdout.rpartition("\n")
        return int(code), json.loads(body) if body else None

    travel(journey, stub, ask)
