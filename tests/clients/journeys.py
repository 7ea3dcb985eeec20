"""What every HTTP client is led through: five scripts, over HTTP and HTTPS, on four releases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest

from pytest_redis_actions import RedisActions, aborted, active, completed, failed, gone, queued, running, starting

Ask = Callable[[str, str], tuple[int, Any]]
"""Send a request, (method, URL), and return the status code and the JSON document, or None for an empty body."""

RELEASES = ("7.2", "7.4", "7.22", "8.2")
NAMES = ("completes", "fails", "is aborted", "is cancelled half-way", "vanishes")
TERMINAL = ("completed", "failed", "cancelled", "aborted")


@dataclass(frozen=True)
class Journey:
    """One script on one release, over one transport."""

    name: str
    release: str
    tls: bool

    def __str__(self) -> str:
        return f"{self.name}-{self.release}-{'https' if self.tls else 'http'}"


def poll(ask: Ask, url: str) -> list[str]:
    """Poll until the operation has ended or its record is gone; return the statuses that were seen."""
    seen: list[str] = []
    while not seen or seen[-1] not in (*TERMINAL, "gone"):
        code, body = ask("GET", url)
        assert code in (200, 404)
        seen.append(body["status"] if code == 200 else "gone")
        assert code == 200 or body["error_code"] == "action_not_found"
    return seen


def completes(stub: RedisActions, ask: Ask) -> None:
    action = stub.add_action("migrate_shards", script=[queued(), starting(), running(polls=3), completed()])

    assert poll(ask, f"{stub.url}/v1/actions/{action.uid}") == [
        "queued", "starting", "running", "running", "running", "completed",
    ]  # fmt: skip
    assert ask("GET", f"{stub.url}/v1/actions")[1]["actions"] == [action.trace[-1][1]]


def fails(stub: RedisActions, ask: Ask) -> None:
    error = failed(error_code="insufficient_resources", error_message="no available nodes in cluster!")
    action = stub.add_action("migrate_shards", script=[running(seconds=60), error])
    stub.clock.advance(59)

    assert ask("GET", f"{stub.url}/v1/actions/{action.uid}")[1]["status"] == "running"
    stub.clock.advance(1)
    _, body = ask("GET", f"{stub.url}/v1/actions/{action.uid}")
    assert (body["status"], body["error_code"], body["error_message"]) == (
        "failed", "insufficient_resources", "no available nodes in cluster!",
    )  # fmt: skip


def is_aborted(stub: RedisActions, ask: Ask) -> None:
    action = stub.add_action("migrate_shards", script=[starting(), running(), aborted()])

    assert poll(ask, f"{stub.url}/v1/actions/{action.uid}") == ["starting", "running", "aborted"]


def is_cancelled_half_way(stub: RedisActions, ask: Ask) -> None:
    stub.when("POST", "/v1/nodes/1/actions/maintenance_on", script=[running(polls=10), completed()])
    place = f"{stub.url}/v1/nodes/1/actions/maintenance_on"

    code, started = ask("POST", place)
    assert (code, sorted(started)) == (200, ["status", "task_id"])
    url = f"{stub.url}/v1/actions/{started['task_id']}"
    assert [ask("GET", url)[1]["status"] for _ in range(3)] == ["running"] * 3
    assert ask("DELETE", place) == (200, None)
    assert poll(ask, url) == ["cancelling", "cancelled"]


def vanishes(stub: RedisActions, ask: Ask) -> None:
    machine = stub.add_state_machine("SMDeleteBDB", object_name="bdb:1", script=[active(polls=2), gone()])

    assert poll(ask, f"{stub.url}/v1/actions/{machine.uid}") == ["active", "active", "gone"]
    assert ask("GET", f"{stub.url}/v1/actions")[1]["state-machines"] == []
    code, _ = ask("GET", f"{stub.url}/v2/actions")
    assert code == (200 if stub.release in ("7.22", "8.2") else 404)


PLAYS = dict(zip(NAMES, (completes, fails, is_aborted, is_cancelled_half_way, vanishes), strict=True))

every_journey = pytest.mark.parametrize(
    "journey", [Journey(*values) for values in product(NAMES, RELEASES, (False, True))], ids=str
)


def stub_of(make_redis_actions: Callable[..., RedisActions], journey: Journey) -> RedisActions:
    """Return the stub that a journey needs."""
    return make_redis_actions(release=journey.release, tls=journey.tls)


def travel(journey: Journey, stub: RedisActions, ask: Ask) -> None:
    """Play a journey with a client, and see that it used one connection."""
    PLAYS[journey.name](stub, ask)

    assert all(exchange.headers["authorization"] == "Basic ***" for exchange in stub.journal)
