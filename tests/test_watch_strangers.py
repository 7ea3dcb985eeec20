"""What runs in threads from before the test neither hides that it stands still nor fails it while it works for it."""

from __future__ import annotations

import gc
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import pytest
import raw_pollers

from pytest_redis_actions import RedisActions, completed, running
from pytest_redis_actions.errors import StandStill

Work = Callable[[threading.Event], object]
impatient = pytest.mark.redis_actions(guard=0.4)
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore::ResourceWarning",
    "ignore::pytest_redis_actions.errors.RedisActionsWarning",  # of a tenth of a second, on a busy machine
)


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Collect what a poll leaves open that was interrupted, in the test that knows of it."""
    yield
    gc.collect()


def burns(over: threading.Event) -> None:
    while not over.is_set():
        sum(range(1000))


def polls_a_dead_port(over: threading.Event) -> None:
    with closing(socket.socket()) as unheard:
        unheard.bind(("127.0.0.1", 0))
        while not over.is_set():
            with suppress(OSError), socket.create_connection(unheard.getsockname(), 1):
                pass


def naps(over: threading.Event) -> None:
    while not over.is_set():
        time.sleep(0.01)


WORK: dict[str, tuple[Work, int]] = {
    "one that burns": (burns, 1),
    "one that polls a dead port": (polls_a_dead_port, 1),
    "ten that poll a dead port": (polls_a_dead_port, 10),
    "ten that burn": (burns, 10),
    "ten that nap": (naps, 10),
    "150 that wait": (threading.Event.wait, 150),  # the interpreter writes the stacks of a hundred
}


@pytest.fixture
def strangers(request: pytest.FixtureRequest) -> Iterator[None]:
    """Start threads before the stub is opened, which go on all through the test."""
    work, number = WORK[request.param]
    over = threading.Event()
    threads = [threading.Thread(target=work, args=(over,), daemon=True) for _ in range(number)]
    for thread in threads:
        thread.start()
    yield
    over.set()
    for thread in threads:
        thread.join(10)


def amid(*normal: str) -> pytest.MarkDecorator:
    works = [pytest.param(each, marks=[] if each in normal else pytest.mark.long) for each in WORK]
    return pytest.mark.parametrize("strangers", works, indirect=True)


def client_of(stub: RedisActions) -> tuple[int, str, tuple[str, str]]:
    action = stub.add_action("migrate_shards", script=[running(seconds=1800), completed()])
    return stub.port, action.uid, stub.auth


def poll_for_long(port: int, uid: str, auth: tuple[str, str]) -> None:
    ends = time.monotonic() + 15
    while raw_pollers.status(port, uid, auth) != "completed" and time.monotonic() < ends:
        time.sleep(0.2)


@impatient
@amid("ten that poll a dead port", "150 that wait")
def test_a_client_that_sleeps_between_polls_is_failed(strangers: None, redis_actions: RedisActions) -> None:
    client = client_of(redis_actions)

    with pytest.raises(StandStill, match=r"got the same reply|nothing has happened") as caught:
        poll_for_long(*client)

    assert "in poll_for_long: time.sleep(0.2)" in str(caught.value)


@impatient
@amid("one that burns")
def test_a_test_that_waits_is_failed(strangers: None, redis_actions: RedisActions) -> None:
    raw_pollers.status(*client_of(redis_actions))

    with pytest.raises(StandStill, match="nothing has happened") as caught:
        threading.Event().wait(15)

    assert "in test_a_test_that_waits_is_failed: threading.Event().wait(" in str(caught.value)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        yield pool


@impatient
def test_a_worker_from_before_may_work_for_the_test(pool: ThreadPoolExecutor, redis_actions: RedisActions) -> None:
    raw_pollers.status(*client_of(redis_actions))
    over = threading.Event()
    threading.Timer(0.9, over.set).start()

    pool.submit(burns, over).result()


@impatient
@amid("one that burns")
def test_a_test_that_works_beside_it_is_left_alone(strangers: None, redis_actions: RedisActions) -> None:
    raw_pollers.status(*client_of(redis_actions))
    over = threading.Event()
    threading.Timer(1.8, over.set).start()

    burns(over)
