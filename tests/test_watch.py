"""Nothing hangs: a test in which nothing moves the clock fails, and a client that is slow in earnest never does."""

from __future__ import annotations

import asyncio
import gc
import http.client
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, nullcontext, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import requests
from werkzeug import Request, Response

from pytest_redis_actions import RedisActions, completed, faults, running
from pytest_redis_actions.clock import VirtualClock
from pytest_redis_actions.driving import interruption
from pytest_redis_actions.driving.stacks import Line, Stack, is_debugged, is_debugger, stacks
from pytest_redis_actions.errors import StandStill

sys.path.insert(0, str(Path(__file__).parent / "examples" / "waiting"))
import raw_pollers
import with_httpx
import with_requests

real_sleep = time.sleep


@pytest.fixture(autouse=True)
def _programs_find_our_pollers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


quick = pytest.mark.redis_actions(guard=1.2)
impatient = pytest.mark.redis_actions(guard=0.6)
Write = Callable[..., Any]

# Clients that nothing drives, or that drive does not see: if nothing stops them, they end after 150 polls

CLIENTS = """
import asyncio, functools, http.client, http.server, importlib, multiprocessing, os, queue, select, subprocess, sys
import threading, time
from contextlib import suppress
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
import raw_pollers

POLLS = iter(range(150))

def poll(client):
    return "completed" if next(POLLS, None) is None else raw_pollers.status(*client)

def plain(client):
    while poll(client) != "completed":
        time.sleep(0.1)

nap = functools.partial(time.sleep, 0.1)

def partial(client):
    while poll(client) != "completed":
        nap()

WAYS = {"sleep": time.sleep}

def dictionary(client):
    while poll(client) != "completed":
        WAYS["sleep"](0.1)

def selects(client):
    while poll(client) != "completed":
        select.select([], [], [], 0.1)

def imports(client):
    while poll(client) != "completed":
        importlib.import_module("time").sleep(0.1)

def simple_queue(client):
    answers = queue.SimpleQueue()
    def ask():
        with suppress(OSError, http.client.HTTPException):
            while poll(client) == "running":
                importlib.import_module("time").sleep(0.1)
        answers.put(None)
    threading.Thread(target=ask, daemon=True).start()
    answers.get()

def thread(client):
    thread = threading.Thread(target=ends_when_refused, args=(client,), daemon=True)
    thread.start()
    thread.join()

def pool(client):
    with ThreadPoolExecutor(1) as pool:
        pool.submit(ends_when_refused, client).result()

def ends_when_refused(client):
    with suppress(OSError, http.client.HTTPException):
        while poll(client) == "running":
            nap()

def swallows_exceptions(client):
    for _ in POLLS:
        try:
            poll(client)
            nap()
        except Exception:
            pass

def swallows_everything(client):
    for _ in POLLS:
        try:
            poll(client)
            nap()
        except:
            pass

def program(client):
    code = "import sys, time, raw_pollers\\nport, uid, user, password = sys.argv[1:]\\n"
    code += "for _ in range(150): raw_pollers.status(int(port), uid, (user, password)), time.sleep(0.1)"
    port, uid, auth = client
    subprocess.run([sys.executable, "-c", code, str(port), uid, *auth])

def process_pool(client):
    poll(client)
    pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
    job = pool.submit(len, Slow())
    try:
        job.result()
    finally:
        for process in pool._processes.values():
            process.kill()  # it would outlive a worker of xdist
        pool.shutdown()

class Slow:
    def __reduce__(self):
        return time.sleep, (5,)

def asynchronous(client):
    async def main():
        process = await asyncio.create_subprocess_exec("sleep", "15")
        poll(client)
        try:
            await process.wait()
        finally:
            process.kill()
    asyncio.run(main())

def system(client):
    poll(client)
    os.system("sleep 2")  # that cannot be interrupted

def process_event(client):
    poll(client)
    multiprocessing.get_context("spawn").Event().wait(15)

def waits_for_a_child(client):
    child = os.spawnlp(os.P_NOWAIT, "sleep", "sleep", "15")
    poll(client)
    os.waitpid(child, 0)

def serves(client):
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        while poll(client) != "completed":
            time.sleep(5)
    finally:
        server.shutdown()
        server.server_close()

def sleeps_for_long(client):
    poll(client)
    importlib.import_module("time").sleep(15)

def never_pauses(client):
    for _ in range(9_000):
        raw_pollers.status(*client)
"""
# A module that holds something of these cannot be driven at all.
OUT_OF_REACH = {
    library: f"""
import raw_pollers

def {library}_sleeps(client):
    import {library}
    async def wait():
        for _ in range(150):
            await {library}.to_thread.run_sync(lambda: raw_pollers.status(*client))
            await {library}.sleep(0.1)
    {library}.run(wait)

def plain_beside_{library}(client):
    import time
    for _ in range(150):
        raw_pollers.status(*client)
        time.sleep(0.1)
"""
    for library in ("anyio", "trio")
}
NOT_SEEN = "driven_client is driven, but this call does not see it"
SELECT = "select cannot be driven"
ANYIO = 'anyio cannot be driven: use asyncio in the client, pass it clock.asleep, or clock="wall" with a rate'
TRIO = "trio cannot be driven: trio.testing.MockClock moves the time of trio itself; or "
PROGRAM = "another process cannot be driven: use threads, script it in polls, or clock='wall' with a rate"
SERVER = "start http.server and the like before the block: a server that waits within it keeps time from moving"
DRIVE = 'with redis_actions.clock.drive("driven_client"): …'
STANDING = {
    "plain": (DRIVE, "in plain: time.sleep(0.1)"),
    "partial": (DRIVE, "in partial: nap()"),
    "dictionary": (DRIVE, 'in dictionary: WAYS["sleep"](0.1)'),
    "selects": (SELECT, "in selects: select.select("),
    "imports": (DRIVE, "in imports: importlib.import_module("),
    "simple_queue": (DRIVE, "in ask: importlib.import_module("),
    "thread": (DRIVE, "in ends_when_refused: nap()"),
    "pool": (DRIVE, "in ends_when_refused: nap()"),
    "swallows_exceptions": (DRIVE, "in swallows_exceptions: nap()"),
    "swallows_everything": (DRIVE, "in swallows_everything: nap()"),
    "program": (PROGRAM, "in program: subprocess.run("),
    "anyio_sleeps": (ANYIO, "in wait: await anyio.sleep(0.1)"),
    "trio_sleeps": (TRIO, "in wait: await trio.sleep(0.1)"),
    "plain_beside_anyio": (ANYIO, "in plain_beside_anyio: time.sleep(0.1)"),
    "system": (PROGRAM, 'in system: os.system("sleep 2")'),
    "process_event": (PROGRAM, "in process_event: multiprocessing.get_context("),
    "waits_for_a_child": (PROGRAM, "in waits_for_a_child: os.waitpid(child, 0)"),
    "asynchronous": (PROGRAM, "in main: await process.wait()"),
    "process_pool": (PROGRAM, "in process_pool: job.result()"),
    "sleeps_for_long": (DRIVE, "in sleeps_for_long: importlib"),
    "never_pauses": ("the client polls without a pause", ""),
}
UNSEEN = ("selects", "imports", "simple_queue", "program", "system", "sleeps_for_long")
IN_THE_NORMAL_RUN = ("plain", "thread", "swallows_everything", "anyio_sleeps")


def some(ways: Iterable[str], *normal: str) -> list[Any]:
    return [each if each in normal else pytest.param(each, marks=pytest.mark.long) for each in ways]


def client_of(stub: RedisActions) -> tuple[int, str, tuple[str, str]]:
    action = stub.add_action("migrate_shards", script=[running(seconds=1800), completed()])
    return stub.port, action.uid, stub.auth


def poll(stub: RedisActions, uid: str) -> object:
    return raw_pollers.status(stub.port, uid, stub.auth)


@impatient
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("way", some(STANDING, *IN_THE_NORMAL_RUN))
def test_a_forgotten_drive_fails_the_test_and_prints_the_call(
    redis_actions: RedisActions, write: Write, way: str
) -> None:
    library = next((each for each in OUT_OF_REACH if each in way), "")
    wait = getattr(write(OUT_OF_REACH.get(library, CLIENTS)), way)

    with pytest.raises(StandStill) as caught:
        wait(client_of(redis_actions))

    first, second, *lines = str(caught.value).splitlines()
    fix, place = STANDING[way]
    assert first.startswith(("the clock stood still while a client got the same reply ", "nothing has happened for "))
    assert len(first) <= 80
    assert second.startswith(f"  fix     {fix}")
    assert any(place in line for line in lines), lines
    assert any(line.startswith("migrate_shards ") for line in lines)
    caught.value.with_traceback(None)
    gc.collect()  # who polls without a pause is interrupted in mid-poll, and leaves a socket


@impatient
@pytest.mark.parametrize("way", some(UNSEEN, "imports", "simple_queue"))
def test_what_drive_does_not_see_fails_the_test_within_a_block_too(
    redis_actions: RedisActions, write: Write, way: str
) -> None:
    wait = getattr(write(CLIENTS), way)

    with pytest.raises(StandStill) as caught, redis_actions.clock.drive("driven_client"):
        wait(client_of(redis_actions))

    fix, place = STANDING[way]
    text = str(caught.value)
    assert f"  fix     {NOT_SEEN if fix == DRIVE else fix}" in text
    assert place in text


@pytest.mark.long
@impatient
def test_a_server_that_is_started_within_a_block_is_named(redis_actions: RedisActions, write: Write) -> None:
    serves = write(CLIENTS).serves

    with pytest.raises(StandStill) as caught, redis_actions.clock.drive("driven_client"):
        serves(client_of(redis_actions))

    assert f"  fix     {SERVER}" in str(caught.value)
    assert "in serve_forever" in str(caught.value)


@impatient
def test_a_test_may_expect_it_within_its_block(redis_actions: RedisActions, write: Write) -> None:
    clients, client = write(CLIENTS), client_of(redis_actions)

    with redis_actions.clock.drive("driven_client"), pytest.raises(StandStill):
        clients.imports(client)


@impatient
def test_the_module_that_was_left_out_of_a_block_is_named(redis_actions: RedisActions, write: Write) -> None:
    other, client = write(CLIENTS), client_of(redis_actions)

    with pytest.raises(StandStill, match=r'drive\("with_requests", "driven_client"\)'):  # noqa: SIM117
        with redis_actions.clock.drive("with_requests"):
            other.plain(client)


@impatient
def test_a_library_that_sleeps_is_named_by_its_recipe(redis_actions: RedisActions) -> None:
    import tenacity

    _, uid, _ = client_of(redis_actions)
    again = tenacity.Retrying(
        wait=tenacity.wait_fixed(0.1),
        retry=tenacity.retry_if_result(lambda status: status != "completed"),
        stop=tenacity.stop_after_delay(15),
    )

    with pytest.raises(StandStill) as caught:
        again(poll, redis_actions, uid)

    assert 'redis_actions.clock.drive("tenacity")' in str(caught.value)
    assert "(in tenacity.nap)" in str(caught.value)


@pytest.mark.long
@impatient
def test_a_task_is_found_on_its_own_line(redis_actions: RedisActions) -> None:
    _, uid, auth = client_of(redis_actions)

    with pytest.raises(StandStill, match=r'drive\("with_httpx"\)'):
        asyncio.run(with_httpx.wait(redis_actions.url, uid, auth, every=0.1, deadline=15))


@impatient
def test_a_test_that_watches_in_real_time_is_told_to_join(redis_actions: RedisActions) -> None:
    _, uid, auth = client_of(redis_actions)
    ends = time.monotonic() + 15

    def watch() -> None:
        thread = threading.Thread(target=with_requests.wait, args=(redis_actions.url, uid, auth), daemon=True)
        thread.start()
        while thread.is_alive() and time.monotonic() < ends:
            time.sleep(0.05)

    with pytest.raises(StandStill, match=r"let the test join\(\)"), redis_actions.clock.drive("with_requests"):
        watch()


@pytest.mark.long  # a thousand polls without a pause
@impatient
def test_a_second_stub_whose_clock_nobody_moves(
    redis_actions: RedisActions, make_redis_actions: Callable[..., RedisActions]
) -> None:
    other = make_redis_actions(guard=0.6)
    _, uid, auth = client_of(other)

    with pytest.raises(StandStill, match="the same reply"), redis_actions.clock.drive("with_requests"):
        with_requests.wait(other.url, uid, auth, every=5)


@impatient
def test_an_error_for_ever_is_no_progress(redis_actions: RedisActions) -> None:
    def ask_again() -> None:
        for _ in range(150):
            requests.get(f"{redis_actions.url}/v1/actions/unknown", auth=redis_actions.auth)
            time.sleep(0.1)

    with pytest.raises(StandStill, match=r"nothing has happened for 0\.6 real seconds"):
        ask_again()


# Where no signal interrupts the test


@pytest.fixture
def no_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruption, "_SIGNAL", None)


@impatient
@pytest.mark.parametrize("way", ["plain", "thread"])
def test_without_signals_it_is_failed_when_control_returns(
    no_signals: None, redis_actions: RedisActions, write: Write, way: str
) -> None:
    wait = getattr(write(CLIENTS), way)

    with pytest.raises(StandStill) as caught:
        wait(client_of(redis_actions))

    assert f"  fix     {STANDING[way][0]}" in str(caught.value)
    assert STANDING[way][1] in str(caught.value)


@impatient
def test_without_signals_the_stub_hangs_up(no_signals: None, redis_actions: RedisActions) -> None:
    port, uid, auth = client_of(redis_actions)
    told: list[object] = []

    def wait() -> None:
        held = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        with closing(held), suppress(OSError):
            held.connect()
            while raw_pollers.status(port, uid, auth) == "running":
                time.sleep(0.1)
        with suppress(OSError, http.client.HTTPException):
            told.append(raw_pollers.status(port, uid, auth))

    thread = threading.Thread(target=wait)
    thread.start()
    with pytest.raises(StandStill):
        thread.join()

    assert told == []
    assert not thread.is_alive()


@impatient
def test_without_signals_a_block_is_left_too(no_signals: None, redis_actions: RedisActions, write: Write) -> None:
    imports = write(CLIENTS).imports

    with pytest.raises(StandStill, match="this call does not see it"), redis_actions.clock.drive("driven_client"):
        imports(client_of(redis_actions))


def test_a_stub_that_another_thread_opens_fails_there(write: Write) -> None:
    clients, told = write(CLIENTS), []

    def run() -> None:
        with pytest.raises(StandStill) as caught, RedisActions(guard=0.4) as stub:
            clients.thread(client_of(stub))
        told.append(str(caught.value))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()

    assert "in ends_when_refused: nap()" in told[0]


# Idle threads of other libraries

LISTENERS = """
import socket

def accepts(server, over):
    while not over.is_set():
        try:
            server.accept()[0].close()
        except OSError:
            return

def reads(server, over):
    with socket.create_connection(server.getsockname()) as client, client.makefile("rb") as file:
        try:
            file.readline()
        except OSError:
            return
"""


@pytest.fixture(params=["accepts", pytest.param("reads", marks=pytest.mark.long)])
def idle(request: pytest.FixtureRequest, write: Write) -> Iterator[Callable[[], None]]:
    """Return what starts a thread that does nothing but listen on a socket of its own."""
    listen, over = getattr(write(LISTENERS, "listeners"), request.param), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=listen, args=(server, over), daemon=True)
        yield thread.start
        over.set()
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
    thread.join(10)


@pytest.fixture
def already_idle(idle: Callable[[], None]) -> None:
    idle()
    ends = time.monotonic() + 15
    while not any(stack.lines[0].path.endswith("socket.py") for stack in stacks() if stack.lines):
        assert time.monotonic() < ends, "no thread listens"


@pytest.mark.redis_actions(guard=0.4)
def test_a_thread_that_was_idle_before_the_test_hides_nothing(
    already_idle: None, redis_actions: RedisActions, write: Write
) -> None:
    wait = write(CLIENTS).sleeps_for_long

    with pytest.raises(StandStill, match=r"nothing has happened for 0\.4 real seconds") as caught:
        wait(client_of(redis_actions))

    assert "in sleeps_for_long" in str(caught.value)


@pytest.mark.redis_actions(guard=0.4)
def test_a_thread_that_is_idle_since_the_test_began_hides_nothing_for_ever(
    redis_actions: RedisActions, write: Write, idle: Callable[[], None]
) -> None:
    idle()
    wait = write(CLIENTS).sleeps_for_long

    with pytest.raises(StandStill, match=r"nothing has happened for 0\.4 real seconds") as caught:
        wait(client_of(redis_actions))

    assert "in sleeps_for_long" in str(caught.value)


@pytest.mark.redis_actions(guard=0.4)
@pytest.mark.parametrize("in_block", [False, pytest.param(True, marks=pytest.mark.long)])
def test_a_reply_that_is_owed_to_a_client_that_has_gone_hides_nothing(
    redis_actions: RedisActions, write: Write, in_block: bool
) -> None:
    _, uid, auth = client_of(redis_actions)
    client = write("import time\ndef wait(ask, sleep):\n    ask()\n    sleep(20)\n")
    redis_actions.fault(faults.slow(30), on=uid)

    def ask() -> None:
        with pytest.raises(requests.Timeout):
            requests.get(f"{redis_actions.url}/v1/actions/{uid}", auth=auth, timeout=0.2)

    with pytest.raises(StandStill, match=r"nothing has happened for 0\.4 real seconds"):  # noqa: SIM117
        with redis_actions.clock.drive("driven_client") if in_block else nullcontext():
            client.wait(ask, real_sleep)


def stack_in(path: str) -> Stack:
    return Stack(1, (Line(path, 3, "wait"), Line("/x/test_x.py", 4, "test")))


@pytest.mark.parametrize(
    ("path", "debugs"),
    [
        ("/usr/lib/python3.11/pdb.py", True),
        ("/venv/lib/python3.11/site-packages/ipdb/__main__.py", True),
        ("/opt/pycharm/plugins/python/helpers/pydev/pydevd.py", True),
        ("/home/me/pdb/structures.py", False),
    ],
)
def test_a_debugger_is_known_by_its_files(path: str, debugs: bool) -> None:
    assert is_debugged([stack_in(path)]) is debugs


@pytest.mark.parametrize("connected", [False, True])
def test_a_debug_server_counts_while_somebody_is_connected(monkeypatch: pytest.MonkeyPatch, connected: bool) -> None:
    server = ModuleType("debugpy")
    vars(server)["is_client_connected"] = lambda: connected
    monkeypatch.setitem(sys.modules, "debugpy", server)
    serving = stack_in("/venv/lib/python3.11/site-packages/debugpy/_vendored/pydevd/pydevd.py")

    assert is_debugged([serving]) is connected


# Slow in earnest


def burn(seconds: float) -> None:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        sum(range(1000))


def slow_reply(stub: RedisActions, uid: str, seconds: float) -> None:
    def respond(_: Request) -> Response:
        real_sleep(seconds)
        return Response('{"status": "running"}', content_type="application/json")

    stub.httpserver.expect_oneshot_request(f"/v1/actions/{uid}").respond_with_handler(respond)


def works(stub: RedisActions, uid: str) -> None:
    burn(1.8)


def works_between_polls(stub: RedisActions, uid: str, seconds: float = 1.8) -> None:
    for _ in range(5):
        poll(stub, uid)
        burn(seconds / 5)


def works_in_threads(stub: RedisActions, uid: str) -> None:
    threads = [threading.Thread(target=burn, args=(1.8,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def gets_a_slow_reply(stub: RedisActions, uid: str, seconds: float = 1.8) -> None:
    slow_reply(stub, uid, seconds)
    poll(stub, uid)


def gets_slow_replies(stub: RedisActions, uid: str) -> None:
    for _ in range(4):
        slow_reply(stub, uid, 0.5)
        poll(stub, uid)
        poll(stub, uid)


def gets_a_slow_fault(stub: RedisActions, uid: str) -> None:
    stub.fault(faults.slow(1.8), on=uid)
    poll(stub, uid)


def gets_a_reply_in_drips(stub: RedisActions, uid: str) -> None:
    stub.fault(faults.drip(1.8), on=uid)
    poll(stub, uid)


def runs_a_program(stub: RedisActions, uid: str) -> None:
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 1.5: pass"], check=True)


def runs_a_program_of_a_program(stub: RedisActions, uid: str) -> None:
    code = (
        "import subprocess, sys\n"
        "subprocess.run([sys.executable, '-c', 'import time\\nwhile time.process_time() < 1.5: pass'])"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def asks_another_server(stub: RedisActions, uid: str, seconds: float = 1.8) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        timer = threading.Timer(seconds, lambda: server.accept()[0].close())
        timer.start()
        asked = http.client.HTTPConnection(*server.getsockname())
        asked.request("GET", "/")
        with closing(asked), pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
            asked.getresponse()
        timer.join()


def asks_another_server_in_a_thread(stub: RedisActions, uid: str) -> None:
    thread = threading.Thread(target=asks_another_server, args=(stub, uid))
    thread.start()
    thread.join()


def moves_the_clock_now_and_then(stub: RedisActions, uid: str) -> None:
    for _ in range(6):
        poll(stub, uid)
        real_sleep(0.5)
        stub.clock.advance(1)


def has_it_moved_by_a_thread(stub: RedisActions, uid: str) -> None:
    def move() -> None:
        for _ in range(6):
            real_sleep(0.5)
            stub.clock.advance(1)

    thread = threading.Thread(target=move)
    thread.start()
    thread.join()


def sees_something_new_each_time(stub: RedisActions, uid: str) -> None:
    for _ in range(6):
        poll(stub, stub.add_action("migrate_shards", script=[running(seconds=10), completed()]).uid)
        real_sleep(0.5)


def polls_a_script_that_counts_polls(stub: RedisActions, uid: str) -> None:
    counted = stub.add_action("migrate_shards", script=[running(polls=7, progress=5), completed()])
    for _ in range(6):
        poll(stub, counted.uid)
        real_sleep(0.5)


def polls_fast_and_not_for_ever(stub: RedisActions, uid: str) -> None:
    for _ in range(500):
        poll(stub, uid)


def polls_three_times_at_once_and_works(stub: RedisActions, uid: str) -> None:
    for _ in range(3):
        poll(stub, uid)
    burn(2)


def is_traced_by_a_debugger(stub: RedisActions, uid: str) -> None:
    import bdb

    before = sys.gettrace()
    debugger = bdb.Bdb()
    debugger.reset()
    sys.settrace(debugger.trace_dispatch)
    try:
        real_sleep(2)
    finally:
        sys.settrace(before)


def works_in_a_block(stub: RedisActions, uid: str) -> None:
    with stub.clock.drive("with_requests"):
        works_in_threads(stub, uid)


def gets_a_slow_reply_in_a_block(stub: RedisActions, uid: str) -> None:
    slow_reply(stub, uid, 1.8)
    with stub.clock.drive("with_requests"):
        assert with_requests.wait(stub.url, uid, stub.auth, every=60) == "completed"


def gets_a_slow_reply_on_asyncio(stub: RedisActions, uid: str) -> None:
    slow_reply(stub, uid, 1.8)
    with stub.clock.drive("with_httpx"):
        asyncio.run(with_httpx.wait(stub.url, uid, stub.auth, every=60))


def asks_on_asyncio_without_a_block(stub: RedisActions, uid: str) -> None:
    slow_reply(stub, uid, 1.8)

    async def ask() -> None:
        await raw_pollers.apoll(stub.port, uid, stub.auth, 0, 0, 1)

    asyncio.run(ask())


def runs_a_reply_in_a_thread(stub: RedisActions, uid: str) -> None:
    slow_reply(stub, uid, 1.8)
    thread = threading.Thread(target=poll, args=(stub, uid))
    thread.start()
    thread.join()


def sleeps_on_the_clock_and_works(stub: RedisActions, uid: str) -> None:
    for _ in range(20):
        poll(stub, uid)
        burn(0.1)
        stub.clock.sleep(5)


def gets_many_slow_replies_at_once(stub: RedisActions, uid: str) -> None:
    for _ in range(4):
        slow_reply(stub, uid, 2)
    threads = [threading.Thread(target=poll, args=(stub, uid)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


HONEST = [
    works,
    works_between_polls,
    works_in_threads,
    gets_a_slow_reply,
    gets_slow_replies,
    gets_a_slow_fault,
    gets_a_reply_in_drips,
    runs_a_program,
    runs_a_program_of_a_program,
    asks_another_server,
    asks_another_server_in_a_thread,
    moves_the_clock_now_and_then,
    has_it_moved_by_a_thread,
    sees_something_new_each_time,
    polls_a_script_that_counts_polls,
    polls_fast_and_not_for_ever,
    polls_three_times_at_once_and_works,
    is_traced_by_a_debugger,
    works_in_a_block,
    gets_a_slow_reply_in_a_block,
    gets_a_slow_reply_on_asyncio,
    asks_on_asyncio_without_a_block,
    runs_a_reply_in_a_thread,
    sleeps_on_the_clock_and_works,
    gets_many_slow_replies_at_once,
]


@pytest.mark.long
@quick
@pytest.mark.filterwarnings("ignore::pytest_redis_actions.errors.RedisActionsWarning")
@pytest.mark.parametrize("client", HONEST)
def test_a_client_that_is_slow_in_earnest_is_left_alone(
    redis_actions: RedisActions, client: Callable[[RedisActions, str], None]
) -> None:
    _, uid, _ = client_of(redis_actions)
    for _ in range(2):
        poll(redis_actions, uid)

    client(redis_actions, uid)


@impatient
@pytest.mark.filterwarnings("ignore::pytest_redis_actions.errors.RedisActionsWarning")
@pytest.mark.parametrize("client", [works_between_polls, asks_another_server])
def test_a_client_that_is_a_little_slow_is_left_alone(redis_actions: RedisActions, client: Callable[..., None]) -> None:
    _, uid, _ = client_of(redis_actions)
    for _ in range(2):
        poll(redis_actions, uid)

    client(redis_actions, uid, seconds=0.9)


@pytest.mark.redis_actions(clock="wall")
def test_a_wall_clock_is_not_watched(redis_actions: RedisActions) -> None:
    _, uid, _ = client_of(redis_actions)

    poll(redis_actions, uid)

    assert not watches()


@pytest.mark.redis_actions(guard=None)
def test_without_a_guard_nothing_is_watched(redis_actions: RedisActions) -> None:
    _, uid, _ = client_of(redis_actions)

    poll(redis_actions, uid)

    assert not watches()


def test_coverage_is_no_debugger() -> None:
    tracer = type("CTracer", (), {"__module__": "coverage.tracer", "__call__": lambda *_: None})()

    assert not is_debugger(tracer)
    assert not is_debugger(None)
    assert is_debugger(lambda *_: None)


# The thread


def watches() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "redis-actions-watch"]


@pytest.mark.parametrize("number", range(2))
def test_one_thread_watches_from_the_first_request_on(
    redis_actions: RedisActions, make_redis_actions: Callable[..., RedisActions], number: int
) -> None:
    other = make_redis_actions()
    assert not watches()

    for stub in (redis_actions, other):
        poll(stub, client_of(stub)[1])

    assert len(watches()) == 1


def test_a_block_of_a_clock_without_a_stub_is_watched_too() -> None:
    with VirtualClock().drive("with_requests"):
        assert len(watches()) == 1

    assert not watches()


# Other ways to run tests

SUITE = """
    import os, signal, subprocess, sys, threading, time
    from contextlib import suppress
    import pytest, requests
    import raw_pollers
    from pytest_redis_actions import completed, running

    pytestmark = pytest.mark.redis_actions(guard=0.6)

    def poll(stub):
        uid = stub.add_action("migrate_shards", script=[running(seconds=1800), completed()]).uid
        return lambda: raw_pollers.status(stub.port, uid, stub.auth)

    def wait(ask):
        ends = time.monotonic() + 15
        while ask() != "completed" and time.monotonic() < ends:
            time.sleep(0.1)
"""


PLAIN = ("-p", "no:randomly", "-p", "no:cacheprovider")


class TestInASuite:
    def run(self, pytester: pytest.Pytester, source: str, *args: str) -> pytest.RunResult:
        pytester.makepyfile(textwrap.dedent(SUITE) + textwrap.dedent(source))
        return pytester.runpytest_inprocess(*PLAIN, "-W", "default", *args)

    def run_alone(self, pytester: pytest.Pytester, source: str, *args: str, stdin: Any = None) -> pytest.RunResult:
        pytester.makepyfile(textwrap.dedent(SUITE) + textwrap.dedent(source))
        command = [sys.executable, "-m", "pytest", *PLAIN, *args]
        return pytester.run(*command, timeout=120, **({} if stdin is None else {"stdin": stdin}))

    def test_only_the_test_that_stands_still_fails(self, pytester: pytest.Pytester) -> None:
        result = self.run(
            pytester,
            """
            def test_stands(redis_actions):
                wait(poll(redis_actions))

            def test_goes(redis_actions):
                assert poll(redis_actions)() == "running"

            def test_in_a_thread(redis_actions):
                def quietly(ask):
                    with suppress(OSError, AttributeError):
                        wait(ask)
                thread = threading.Thread(target=quietly, args=(poll(redis_actions),), daemon=True)
                thread.start()
                thread.join()
            """,
        )

        result.assert_outcomes(passed=1, failed=2)
        result.stdout.fnmatch_lines(["E *StandStill: the clock stood still while a client got the same reply * times"])

    def test_what_pytest_does_between_phases_is_not_interrupted(self, pytester: pytest.Pytester) -> None:
        pytester.makeconftest(
            """
            import threading, pytest
            from pytest_redis_actions.driving.interruption import interrupt
            from pytest_redis_actions.errors import StandStill, explained

            @pytest.hookimpl(wrapper=True)
            def pytest_runtest_makereport(item, call):
                report = yield
                if call.when == "call":
                    thread = threading.Thread(target=interrupt, args=(explained(StandStill, "too late"),))
                    thread.start()
                    thread.join()
                return report
            """
        )

        result = self.run(pytester, "def test_one(redis_actions): ...")

        result.assert_outcomes(passed=1, errors=1)
        result.stdout.fnmatch_lines(["E *StandStill: too late"])

    @pytest.mark.long
    def test_with_workers(self, pytester: pytest.Pytester) -> None:
        result = self.run_alone(
            pytester,
            """
            @pytest.mark.parametrize("number", range(4))
            def test_one(redis_actions, number):
                ask = poll(redis_actions)
                if number % 2:
                    wait(ask)
            """,
            "-p",
            "xdist",
            "-n2",
        )

        result.assert_outcomes(passed=2, failed=2)

    def test_an_async_test(self, pytester: pytest.Pytester) -> None:
        result = self.run(
            pytester,
            """
            import asyncio

            @pytest.fixture
            def anyio_backend():
                return "asyncio"

            @pytest.mark.anyio
            @pytest.mark.parametrize("number", range(2))
            async def test_one(redis_actions, number):
                ask = poll(redis_actions)
                for _ in range(150 * number):
                    await asyncio.to_thread(ask)
                    await asyncio.sleep(0.3)
            """,
            "-p",
            "anyio",
        )

        result.assert_outcomes(passed=1, failed=1)
        result.stdout.fnmatch_lines(["E *sleeps *in test_one: await asyncio.sleep(0.3)*"])

    def test_a_short_stand_is_warned_of_on_its_line(self, pytester: pytest.Pytester) -> None:
        result = self.run(
            pytester,
            """
            def test_one(redis_actions):
                poll(redis_actions)()
                ends = time.monotonic() + 15
                while redis_actions.clock.account.warning is None and time.monotonic() < ends:
                    time.sleep(0.05)
            """,
        )

        result.assert_outcomes(passed=1, warnings=1)
        result.stdout.fnmatch_lines(
            ["*test_a_short_stand*.py:22: RedisActionsWarning: nothing moved the clock for 0.* real seconds"]
        )

    @pytest.mark.long
    def test_a_suspended_process_is_left_alone(self, pytester: pytest.Pytester) -> None:
        result = self.run_alone(
            pytester,
            """
            def test_one(redis_actions):
                ask = poll(redis_actions)
                for _ in range(3):
                    ask()
                stop = f"kill -STOP {os.getpid()}; sleep 3; kill -CONT {os.getpid()}"
                subprocess.Popen(["sh", "-c", stop], start_new_session=True).wait()
            """,
            "-W",
            "error",
        )

        result.assert_outcomes(passed=1)

    @pytest.mark.long
    @pytest.mark.parametrize("way", ["import pdb; pdb.set_trace()", "breakpoint()", "assert not 'so'"])
    def test_who_debugs_has_all_the_time_in_the_world(self, pytester: pytest.Pytester, way: str) -> None:
        types = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(4); print('c')"], stdout=subprocess.PIPE
        )
        source = f"""
            def test_one(redis_actions):
                ask = poll(redis_actions)
                for _ in range(3):
                    ask()
                {way}
        """

        with types:
            result = self.run_alone(
                pytester, source, "-W", "error", "-s", *(["--pdb"] * ("assert" in way)), stdin=types.stdout
            )

        assert "StandStill" not in result.stdout.str()
        result.assert_outcomes(**({"failed": 1} if "assert" in way else {"passed": 1}))

    def test_under_coverage_it_fails_all_the_same(self, pytester: pytest.Pytester) -> None:
        result = self.run(
            pytester,
            """
            class CTracer:
                __module__ = "coverage.tracer"
                def __call__(self, frame, event, value):
                    return None

            def test_one(redis_actions):
                sys.settrace(CTracer())
                try:
                    wait(poll(redis_actions))
                finally:
                    sys.settrace(None)
            """,
        )

        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["*StandStill: the clock stood still*"])

    @pytest.mark.parametrize(
        "args",
        [["--redis-actions-guard=none"], pytest.param(["-o", "redis_actions_guard=none"], marks=pytest.mark.long)],
    )
    def test_it_is_turned_off_for_all(self, pytester: pytest.Pytester, args: list[str]) -> None:
        result = self.run(
            pytester,
            """
            pytestmark = []

            def test_one(redis_actions):
                poll(redis_actions)()
                assert "redis-actions-watch" not in {thread.name for thread in threading.enumerate()}
            """,
            *args,
        )

        result.assert_outcomes(passed=1)

    @pytest.mark.parametrize("value", ["soon", pytest.param("0", marks=pytest.mark.long)])
    def test_a_guard_that_is_no_time_is_refused(self, pytester: pytest.Pytester, value: str) -> None:
        result = self.run(pytester, "def test_one(redis_actions): ...", f"--redis-actions-guard={value}")

        assert result.ret == pytest.ExitCode.USAGE_ERROR

    @pytest.mark.parametrize("kept", [pytest.param("kept = ", marks=pytest.mark.long), ""])
    def test_a_drive_that_was_never_entered_fails_the_test_with_its_line(
        self, pytester: pytest.Pytester, kept: str
    ) -> None:
        result = self.run(
            pytester,
            f"""
            def test_one(redis_actions):
                {kept}redis_actions.clock.drive("raw_pollers")
            """,
        )

        result.assert_outcomes(passed=1, errors=1)
        result.stdout.fnmatch_lines(
            [
                "E *UsageError: clock.drive('raw_pollers') was never entered*",
                "E * fix  write `with redis_actions.clock.drive(*): …` at test_a_drive*.py:19 in test_one",
            ]
        )


# With the real values


@pytest.mark.long
def test_a_client_that_sleeps_a_second_is_failed_after_five(redis_actions: RedisActions) -> None:
    _, uid, auth = client_of(redis_actions)
    began = time.monotonic()

    with pytest.raises(StandStill, match="got the same reply"):
        with_requests.wait(redis_actions.url, uid, auth, every=1)

    assert 5 <= time.monotonic() - began < 9


@pytest.mark.long
def test_one_long_sleep_is_failed_after_twenty_seconds(redis_actions: RedisActions, write: Write) -> None:
    began = time.monotonic()
    wait = write(CLIENTS.replace("sleep(15)", "sleep(90)")).sleeps_for_long

    with pytest.raises(StandStill, match="nothing has happened for 20 real seconds"):
        wait(client_of(redis_actions))

    assert 20 <= time.monotonic() - began < 30


@pytest.mark.long
def test_a_reply_of_ten_real_seconds_is_waited_for(redis_actions: RedisActions) -> None:
    _, uid, _ = client_of(redis_actions)
    for _ in range(3):
        poll(redis_actions, uid)
    slow_reply(redis_actions, uid, 10)

    assert poll(redis_actions, uid) == "running"


@pytest.mark.long
def test_thirty_seconds_of_work_are_left_alone(redis_actions: RedisActions) -> None:
    _, uid, _ = client_of(redis_actions)
    for _ in range(6):
        poll(redis_actions, uid)
        burn(5)
