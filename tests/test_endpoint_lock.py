"""The endpoint's lock is held wherever it is said to be, and what belongs together happens while it is held."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import requests

from pytest_redis_actions import Action, RedisActions, active, completed, faults, gone, queued, running, starting
from pytest_redis_actions.api.endpoint import Endpoint, Request
from pytest_redis_actions.api.fault_schedule import Injection
from pytest_redis_actions.api.starting import Starting
from pytest_redis_actions.operations.store import Records


class OwnedLock:
    """A lock that knows who holds it, and calls somebody once when it is let go."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.owner: int | None = None
        self.then: Callable[[], object] | None = None

    def __enter__(self) -> None:
        assert self._lock.acquire(timeout=10), "somebody holds the lock for ever"
        self.owner = threading.get_ident()

    def __exit__(self, *_: object) -> None:
        self.owner = None
        self._lock.release()
        then, self.then = self.then, None
        if then is not None:
            then()


class Watched:
    """Stands for an object of which every use is noted, and refused without the lock."""

    def __init__(self, meant: object, lock: OwnedLock, used: set[str], *names: str) -> None:
        self.meant, self.lock, self.used, self.names = meant, lock, used, names

    def __getattr__(self, name: str) -> Any:
        if not self.names or name in self.names:
            assert self.lock.owner == threading.get_ident(), f"{type(self.meant).__name__}.{name} without the lock"
        self.used.add(f"{type(self.meant).__name__}.{name}")
        return getattr(self.meant, name)

    def __bool__(self) -> bool:
        return bool(self.__getattr__("__bool__")())

    def __contains__(self, uid: object) -> bool:
        return bool(self.__getattr__("__contains__")(uid))

    def __iter__(self) -> Any:
        return self.__getattr__("__iter__")()

    def __len__(self) -> int:
        return len(self.meant)  # type: ignore[arg-type]  # of a journal


@pytest.fixture
def lock(redis_actions: RedisActions) -> OwnedLock:
    made: Any = OwnedLock()
    redis_actions._endpoint._lock = made
    return made  # type: ignore[no-any-return]


def methods(kind: type) -> set[str]:
    return {f"{kind.__name__}.{name}" for name in vars(kind) if not name.startswith("_")}


@pytest.mark.redis_actions(strict=False)
def test_every_use_of_records_faults_and_plans_holds_the_lock(redis_actions: RedisActions, lock: OwnedLock) -> None:
    used: set[str] = set()
    endpoint: Any = redis_actions._endpoint
    starts = endpoint._starting
    endpoint._records = starts._records = Watched(endpoint._records, lock, used)
    endpoint._injection = starts._injection = Watched(endpoint._injection, lock, used)
    endpoint._starting = Watched(starts, lock, used)
    endpoint.journal = Watched(endpoint.journal, lock, used, "add")

    def ask(method: str, path: str) -> int:
        bdb = {"name": "db", "memory_size": 1}
        body = {"bdb": bdb, **bdb} if method == "POST" and path.endswith("bdbs") else None
        return requests.request(method, redis_actions.url + path, auth=redis_actions.auth, json=body).status_code

    task = redis_actions.add_action("migrate_shards", script=[queued(), faults.status(503), starting(), running()])
    node = redis_actions.add_action("remove", node_uid="1", script=[completed()])
    redis_actions.add_state_machine("SMDeleteBDB", object_name="bdb:3", script=[active(), gone()])
    redis_actions.add_other("export", uid="given")
    redis_actions.when("POST", "/v1/bdbs", script=[faults.takes(5), active(), completed()])
    redis_actions.fault(faults.status(500), on="GET /v2/actions")
    redis_actions.chaos(seed=1, only=faults.CHAOS)
    redis_actions.play("S08")
    for method, path in (
        ("POST", "/v1/bdbs"),
        ("POST", "/v2/bdbs"),
        ("GET", "/v1/actions"),
        ("HEAD", "/v1/actions"),
        ("GET", "/v2/actions"),
        ("GET", f"/v1/actions/{task.uid}"),
        ("GET", "/v1/actions/bdb/3"),
        ("GET", "/v1/nodes/actions"),
        ("GET", "/v1/nodes/1/actions/remove"),
        ("DELETE", "/v1/nodes/1/actions/remove"),
        ("POST", "/v1/nodes/2/actions/maintenance_on"),
        ("POST", "/v1/nodes/2/actions/maintenance_on"),
        ("PUT", "/v1/bdbs/3"),
        ("GET", "/v1/nothing"),
    ):
        try:
            ask(method, path)
        except requests.RequestException:
            pass  # of chaos
    assert task.cancel()
    assert (task.status, node.status, task.polls[:0], task.requests[:0]) == ("cancelled", "gone", (), ())
    redis_actions.report()
    redis_actions.coverage()
    redis_actions.check()
    assert redis_actions._endpoint.unfired
    assert redis_actions._endpoint.unrouted
    assert redis_actions._endpoint.unmet == ()

    assert used >= methods(Records) | methods(Injection) | methods(Starting) - {"Starting.new_uid", "Records.changes"}
    assert "Journal.add" in used


@pytest.fixture
def next_poll(redis_actions: RedisActions, lock: OwnedLock) -> Callable[[], list[int]]:
    """Return a function that lets a client poll everything the very moment that the lock is free."""

    def next_poll() -> list[int]:
        codes: list[int] = []
        endpoint: Endpoint = redis_actions._endpoint

        def poll() -> None:
            token = endpoint.access.token("admin", ttl=60, now=endpoint.clock.seconds, epoch=0)
            request = Request("GET", "/v2/actions", {"authorization": f"JWT {token}"})
            codes.append(endpoint.handle(request).code)

        lock.then = poll
        return codes

    return next_poll


@pytest.mark.redis_actions(strict=False)
@pytest.mark.parametrize("add", ["add_action", "add_state_machine", "add_other"])
def test_no_client_sees_an_operation_before_its_faults_are_set(
    redis_actions: RedisActions, next_poll: Callable[[], list[int]], add: str
) -> None:
    more = {"object_name": "bdb:1"} if add == "add_state_machine" else {}
    codes = next_poll()

    getattr(redis_actions, add)("x", script=[faults.status(503), completed()], **more)

    assert codes == [503]


def test_nor_one_that_a_request_starts(redis_actions: RedisActions, next_poll: Callable[[], list[int]]) -> None:
    redis_actions.when("POST", "/v1/bdbs", script=[faults.status(503), active()])
    codes = next_poll()

    requests.post(redis_actions.url + "/v1/bdbs", json={"name": "db", "memory_size": 1}, auth=redis_actions.auth)

    assert codes == [503]


def test_the_faults_of_a_planned_script_count_their_seconds_from_its_start(redis_actions: RedisActions) -> None:
    handle: Action = redis_actions.when(
        "POST", "/v1/bdbs", script=[active(seconds=20), faults.status(503), completed()]
    )
    redis_actions.clock.advance(50)
    requests.post(redis_actions.url + "/v1/bdbs", json={"name": "db", "memory_size": 1}, auth=redis_actions.auth)

    codes = []
    for _ in range(3):
        codes.append(requests.get(f"{redis_actions.url}/v1/actions/{handle.uid}", auth=redis_actions.auth).status_code)
        redis_actions.clock.advance(10)

    assert codes == [200, 200, 503]
