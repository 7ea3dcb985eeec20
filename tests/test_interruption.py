"""A test is interrupted wherever it stands, and only that test fails."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_redis_actions.clock import VirtualClock
from pytest_redis_actions.driving.interruption import interrupt, interruptible
from pytest_redis_actions.driving.ledger import OutsideThread
from pytest_redis_actions.driving.opened import opened
from pytest_redis_actions.errors import EndlessWait, explained

sys.path.insert(0, str(Path(__file__).parent / "examples" / "waiting"))
import with_requests  # noqa: F401  # what is driven here

Error = explained(EndlessWait, "the client polls too often\n  fix   do not")

PLACES = {
    "sleep": "import time\ndef block(): time.sleep(60)",
    "select": "import select\ndef block(): select.select([], [], [], 60)",
    "a queue in C": "import queue\ndef block(): queue.SimpleQueue().get()",
    "a queue": "import queue\ndef block(): queue.Queue().get()",
    "an event": "import threading\ndef block(): threading.Event().wait()",
    "a lock": "import threading\nlock = threading.Lock()\nlock.acquire()\ndef block(): lock.acquire()",
    "a thread": """
        import threading
        stands = threading.Event()
        def block():
            thread = threading.Thread(target=stands.wait, args=(60,), daemon=True)
            thread.start()
            try:
                thread.join()
            finally:
                stands.set()
    """,
    "a pool": """
        import threading
        from concurrent.futures import ThreadPoolExecutor
        stands = threading.Event()
        def block():
            with ThreadPoolExecutor(1) as pool:
                try:
                    pool.submit(stands.wait, 60).result()
                finally:
                    stands.set()
    """,
    "another program": "import subprocess\ndef block(): subprocess.run(['sleep', '60'])",
    "a socket": """
        import socket
        def block():
            ours, theirs = socket.socketpair()
            with ours, theirs:
                ours.recv(1)
    """,
    "asyncio": "import asyncio\ndef block(): asyncio.run(asyncio.sleep(60))",
    "anyio": "import anyio\ndef block(): anyio.run(anyio.sleep, 60)",
    "a loop that swallows exceptions": """
        import time
        def block():
            while True:
                try:
                    time.sleep(60)
                except Exception:
                    pass
    """,
    "a loop that does nothing": "def block():\n    while True: pass",
}


def soon(act: Callable[[], object]) -> threading.Timer:
    timer = threading.Timer(0.2, act)
    timer.daemon = True
    timer.start()
    return timer


@pytest.mark.parametrize("place", PLACES)
def test_the_main_thread_leaves_at_once(place: str) -> None:
    names: dict[str, Callable[[], None]] = {}
    exec(textwrap.dedent(PLACES[place]), names)

    with interruptible() as test:
        soon(lambda: interrupt(Error))
        with pytest.raises(EndlessWait, match="polls too often"):
            names["block"]()

    assert (test.pending, test.raised) == (None, 1)


def test_outside_of_a_test_nothing_is_interrupted() -> None:
    assert not interrupt(Error)


def test_the_first_of_several_errors_is_raised() -> None:
    with interruptible() as test:
        test.pending = Error
        soon(lambda: interrupt(explained(EndlessWait, "another")))
        with pytest.raises(EndlessWait, match="polls too often"):
            threading.Event().wait()


def test_what_may_not_be_raised_where_the_test_stands_stays_pending() -> None:
    asked = threading.Event()

    with interruptible(lambda error, frame: asked.set()) as test:
        soon(lambda: interrupt(Error))
        assert asked.wait(10)

    assert test.pending is Error


def test_the_handler_of_before_is_back_and_has_served_signals_that_were_not_ours() -> None:
    served = []
    before = signal.signal(signal.SIGURG, lambda number, frame: served.append(number))
    try:
        handler = signal.getsignal(signal.SIGURG)
        with interruptible():
            signal.raise_signal(signal.SIGURG)
        assert signal.getsignal(signal.SIGURG) is handler
    finally:
        signal.signal(signal.SIGURG, before)

    assert served == [signal.SIGURG]


def test_a_handler_that_the_test_has_set_is_left_alone() -> None:
    def mine(number: int, frame: object) -> None: ...

    before = signal.getsignal(signal.SIGURG)
    try:
        with interruptible() as test:
            signal.signal(signal.SIGURG, mine)
            test.pending = Error
        assert signal.getsignal(signal.SIGURG) is mine
    finally:
        signal.signal(signal.SIGURG, before)


def test_a_thread_that_is_not_the_main_one_meets_it_when_its_call_returns() -> None:
    told: list[object] = []

    def run() -> None:
        try:
            with interruptible():
                soon(lambda: told.append(interrupt(Error)))
                while True:
                    threading.Event().wait(0.05)
        except EndlessWait as error:
            told.append(str(error).splitlines()[0])

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30)

    assert told == [False, "the client polls too often"]


TRACED = """
import faulthandler, socket, sys, threading
import poller
from pytest_redis_actions.clock import VirtualClock
from pytest_redis_actions.driving.interruption import raise_in

faulthandler.dump_traceback_later(20, exit=True)
sys.settrace(lambda *_: None)
with VirtualClock().drive("poller"):
    poller.wait()
print("a block was closed")
ours, theirs = socket.socketpair()
thread = threading.Thread(target=lambda: ours.recv(1), daemon=True)
thread.start()
raise_in(thread.ident, SystemExit)
poller.wait()
print("somebody blocks who is to be interrupted")
theirs.send(b".")
thread.join()
"""


def test_traced_code_goes_on_whatever_is_to_be_raised(tmp_path: Path) -> None:
    (tmp_path / "poller.py").write_text("import time\n\ndef wait(): time.sleep(0.001)\n")

    ran = subprocess.run([sys.executable, "-c", TRACED], cwd=tmp_path, text=True, capture_output=True, timeout=60)

    assert ran.stdout.splitlines() == ["a block was closed", "somebody blocks who is to be interrupted"], ran.stderr


def test_a_block_that_is_being_closed_is_not_interrupted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    block, join, closing = VirtualClock().drive("with_requests"), threading.Thread.join, threading.Lock()

    def stop_again() -> None:
        with closing:
            block.interrupt(Error)

    def finish() -> None:
        closing.release()
        join(watch)

    closing.acquire()
    watch = OutsideThread(target=stop_again)
    watch.start()
    monkeypatch.setattr(block, "_await_stopped", finish)
    with interruptible() as test:
        with pytest.raises(EndlessWait), block:
            raise Error
        assert opened.block is None

    assert (test.pending, test.raised) == (None, 0)


SUITE = """
    import threading, time
    import pytest, requests
    from pytest_redis_actions import running
    from pytest_redis_actions.errors import EndlessWait

    def poll_for_ever(stub):
        url = f"{stub.url}/v1/actions/{stub.add_action('migrate_shards', script=[running()]).uid}"
        while True:
            try:
                requests.get(url, auth=stub.auth)
                time.sleep(0.01)
            except Exception:
                pass

    pytestmark = pytest.mark.redis_actions(max_polls=20)
"""


class TestAClientThatIsNotDrivenAndNeverGivesUp:
    def run(self, pytester: pytest.Pytester, source: str, *args: str) -> pytest.RunResult:
        pytester.makepyfile(textwrap.dedent(SUITE) + textwrap.dedent(source))
        return pytester.runpytest_subprocess("-p", "no:randomly", *args)

    def test_fails_its_own_test_only(self, pytester: pytest.Pytester) -> None:
        result = self.run(
            pytester,
            """
            def test_one(redis_actions):
                poll_for_ever(redis_actions)

            def test_two(redis_actions):
                with pytest.raises(EndlessWait, match="goes on after 20 requests"):
                    poll_for_ever(redis_actions)

            def test_three(redis_actions):
                thread = threading.Thread(target=poll_for_ever, args=(redis_actions,), daemon=True)
                thread.start()
                thread.join()

            def test_four(redis_actions):
                assert redis_actions.clock.seconds == 0
            """,
        )

        result.assert_outcomes(passed=2, failed=2)
        result.stdout.fnmatch_lines(["E *EndlessWait: the client goes on after 20 requests"])

    def test_in_a_fixture_and_in_its_teardown_leaves_nothing_behind(self, pytester: pytest.Pytester) -> None:
        result = self.run(
            pytester,
            """
            torn = []

            @pytest.fixture
            def waits(redis_actions):
                poll_for_ever(redis_actions)

            @pytest.fixture
            def before(redis_actions):
                yield
                torn.append("before")

            @pytest.fixture
            def waits_at_the_end(before, redis_actions):
                yield
                poll_for_ever(redis_actions)

            def test_one(waits): ...

            def test_two(waits_at_the_end): ...

            def test_three(redis_actions, redis_actions_server):
                assert torn == ["before"]
                assert len(redis_actions.journal) == 0
            """,
        )

        result.assert_outcomes(passed=2, errors=2)

    def test_with_workers_too(self, pytester: pytest.Pytester) -> None:
        result = self.run(
            pytester,
            """
            @pytest.mark.parametrize("number", range(4))
            def test_one(redis_actions, number):
                if number % 2:
                    poll_for_ever(redis_actions)
            """,
            "-p",
            "xdist",
            "-n2",
        )

        result.assert_outcomes(passed=2, failed=2)
