"""Running a client through one play: in a thread of its own, or as a command; it always ends."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..clock import VirtualClock
from ..driving.block import Block
from ..driving.ledger import abandon
from ..errors import EndlessWait, StandStill
from ..options import Options
from ..server import StubServer
from ..server.certificates import Authority
from ..stub import RedisActions
from .outcome import Outcome
from .scenarios import HEADERS, READ_TIMEOUT, UNKNOWN_UID, Play, Scenario, Stage
from .target import Target

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RATE", "Client", "run_play"]

__tracebackhide__ = True

RATE = 60.0  # seconds on a wall clock for one real second
MAX_POLLS = 600
REAL_SECONDS = 20.0  # without a poll or a sleep, on virtual time; that a play may take, on a wall clock
_PATIENCE = 10  # times as long for a whole play on virtual time
_GRACE = 0.5  # real seconds for a client that was stopped


@dataclass(frozen=True)
class Client:
    """What is judged.

    Attributes:
        make: makes a fresh instance, which has `wait` and may have `start`.
        drive: the modules whose time is driven.
        command: a command line instead of `wait`.
        tls: whether it is spoken to over HTTPS.
        release: what the stub plays.
        home: the module of the test.
        real_seconds: without a poll or a sleep, on virtual time; that a play may take, on a wall clock.
    """

    make: Callable[[], Any]
    drive: tuple[Any, ...]
    command: tuple[str, ...]
    tls: bool
    release: str
    home: str
    real_seconds: float = REAL_SECONDS

    @property
    def pace(self) -> float:
        """Seconds on the clock for one of the client's own."""
        return 1.0 if self.drive else RATE


class _Cluster:
    """The stubs of one play, each on a port of its own, so that no client meets the play of another."""

    def __init__(self, client: Client, play: Play, authority: Callable[[], Authority], clock: Any) -> None:
        self._authority = authority
        self._client = client
        self._clock = clock
        self._servers: list[StubServer] = []
        self.stub = self.open(release=client.release, **{"tls": client.tls, **play.options})
        self.others: list[RedisActions] = []

    def open(self, *, tls: bool | str = False, refuses: float = 0.0, **options: Any) -> RedisActions:
        kind = tls if isinstance(tls, str) else "good"
        server = StubServer(authority=self._authority() if tls else None, certificate=kind)
        server.start(refusing=refuses > 0)
        self._servers.append(server)
        stub = RedisActions(Options.of({"strict": False, "clock": self._clock, **options}), server)
        if refuses:
            self._clock.call_after(refuses * self._client.pace, server.listen)
        return stub

    def elsewhere(self) -> RedisActions:
        """Open a second host, which lets everybody in."""
        self.others.append(self.open(tls=self._client.tls, auth=False))
        return self.others[-1]

    def close(self, *, park: bool) -> None:
        """Close the ports; or let them answer nobody any more, for a client that cannot be stopped."""
        for server in self._servers:
            if park:
                server.park()
            else:
                server.stop()


def run_play(
    client: Client, scenario: Scenario, play: Play, authority: Callable[[], Authority]
) -> tuple[list[Outcome], RedisActions, dict[str, str]]:
    """Run a client through one play; return how each of its calls ended, the stub, and what was wanted of which uid."""
    clock: Any = VirtualClock() if client.drive else _wall()
    if client.drive:
        clock.max_polls = MAX_POLLS
        clock.max_virtual_seconds = max(play.timeout * 2, 1200)
    cluster = _Cluster(client, play, authority, clock)
    stage = Stage(cluster.stub, cluster.elsewhere, is_driven=bool(client.drive))
    action = play.setting(stage)
    starts = scenario.capability == "starts"
    uids: Sequence[str | None] = list(stage.wanted) or [action.uid if action else UNKNOWN_UID]
    targets = [
        Target(
            url=cluster.stub.url,
            auth=cluster.stub.auth,
            action_uid=None if starts else uid,
            ca_file=cluster.stub.ca_file,
            timeout=play.timeout / client.pace,
            read_timeout=play.read_timeout if client.drive else READ_TIMEOUT,
            headers=HEADERS if scenario.capability == "sends_headers" else {},
            scenario=scenario.id,
            renew=lambda: cluster.stub.auth,
        )
        for uid in uids
    ]
    before = set(threading.enumerate())
    again = action.cancel if play.again and action else None
    calls = [_Call(client, target, starts=starts, again=again) for target in targets]
    stopped = _run(client, clock, calls)
    left = _left_threads(before)
    told = [
        Outcome(
            uid=uid,
            returned=call.returned,
            error=call.error,
            stopped=stopped if not call.ended else call.stopped,
            exchanges=tuple(cluster.stub.journal) if len(uids) == 1 else cluster.stub.journal.of(str(uid)),
            strangers=tuple(each for other in cluster.others for each in other.journal),
            seconds=clock.seconds,
            timeout=play.timeout,
            pace=client.pace,
            threads=tuple(thread.name for thread in left if thread not in {each.thread for each in calls}),
            renewals=call.target.renewals,
            headers=call.target.headers,
        )
        for uid, call in zip(uids, calls, strict=True)
    ]
    cluster.close(park=any(call.is_abandoned for call in calls))
    return told, cluster.stub, stage.wanted


def _wall() -> Any:
    from ..clock import WallClock

    return WallClock(rate=RATE)


class _Call:
    """One call of `wait`."""

    def __init__(
        self, client: Client, target: Target, *, starts: bool, again: Callable[[], object] | None = None
    ) -> None:
        self._client = client
        self._again = again
        self._starts = starts
        self.target = target
        self.returned: object = None
        self.error: BaseException | None = None
        self.stopped = ""
        self.ended = False
        self.is_abandoned = False
        self.thread: threading.Thread | None = None

    def run(self) -> None:
        """Call `wait`, and keep how it ends."""
        try:
            self.returned = self._command() if self._client.command else self._call()
        except (EndlessWait, StandStill) as error:
            self.stopped = _why(error)
        except BaseException as error:
            self.error = error
        self.ended = True

    def _call(self) -> object:
        instance = self._client.make()
        if inspect.iscoroutinefunction(instance.wait):
            return asyncio.run(self.arun(instance))
        if self._starts:
            self.target.action_uid = instance.start(self.target)
        returned = instance.wait(self.target)
        if self._again is None:
            return returned
        self._again()
        return instance.wait(self.target)

    async def arun(self, instance: Any) -> object:
        """Do the same in a task."""
        if self._starts:
            started = instance.start(self.target)
            self.target.action_uid = await started if inspect.isawaitable(started) else started
        returned = await instance.wait(self.target)
        if self._again is None:
            return returned
        self._again()
        return await instance.wait(self.target)

    def _command(self) -> object:
        words = {
            "url": self.target.url,
            "action_uid": self.target.action_uid or "",
            "user": self.target.auth[0],
            "password": self.target.auth[1],
            "ca_file": str(self.target.ca_file or ""),
            "timeout": f"{self.target.timeout:g}",
            "read_timeout": f"{self.target.read_timeout:g}",
        }
        command = [word.format(**words) for word in self._client.command]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, start_new_session=True, **pipes) as process:
            try:
                _, errors = process.communicate(timeout=self._client.real_seconds)
            except subprocess.TimeoutExpired:
                _kill(process)
                self.stopped = f"never gave up: killed after {self._client.real_seconds:g} real seconds"
                return None
        if process.returncode:
            raise CommandFailed(f"exit status {process.returncode}: {errors.strip()[-300:]}")
        return "completed"


def _kill(process: subprocess.Popen[str]) -> None:
    """Kill a command and what it has started, which may hold its pipes open."""
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.communicate()


class CommandFailed(Exception):
    """A command has ended with another exit status than 0; what it wrote to its standard error is the text."""


def _why(error: BaseException) -> str:
    first = str(error).splitlines()[0]
    return f"never gave up: {first}" if isinstance(error, EndlessWait) else first


def _run(client: Client, clock: Any, calls: list[_Call]) -> str:
    """Run calls at once, and return why they had to be stopped, if they had to."""
    with _driving(client, clock) as block:
        together = len(calls) > 1 and not client.command and inspect.iscoroutinefunction(client.make().wait)
        jobs = [lambda: _together(calls)] if together else [call.run for call in calls]
        threads = [threading.Thread(target=job, name="wait", daemon=True) for job in jobs]
        for call, thread in zip(calls, threads * len(calls) if together else threads, strict=False):
            call.thread = thread
        stopped = ""
        try:
            for thread in threads:
                thread.start()
            stopped = _await(threads, client, block)
        except (EndlessWait, StandStill) as error:
            stopped = _why(error)
        for thread in threads if stopped else ():
            _join(thread, _GRACE / 2)  # it has met the error where it slept, and is on its way out
        alive = [thread for thread in threads if thread.is_alive()]
        for _ in range(2):  # what runs when it is stopped may be a finalizer, which swallows everything
            if block is not None and any(thread.is_alive() for thread in alive):
                block.give_up([thread for thread in alive if thread.is_alive()], stopped)
            for thread in alive:
                _join(thread, _GRACE / 2)
        for call in calls:
            if call.thread is not None and call.thread.is_alive():
                call.is_abandoned = True
                abandon(call.thread)
        if any(call.is_abandoned for call in calls):
            stopped += ", and swallows everything: abandoned"
    return stopped


_join = threading.Thread.join


def _await(threads: list[threading.Thread], client: Client, block: Block | None) -> str:
    """Wait for a client as long as it gets on; return why it has to be stopped, or nothing if it has ended."""
    from ..clock import WallClock

    real, patience, seen, moved = WallClock(), client.real_seconds, -1, 0.0
    ends = patience * _PATIENCE if block else patience + 5 if client.command else patience
    for thread in threads:
        while thread.is_alive():
            now = real.seconds
            if block is not None and block.ledger.activity != seen:
                seen, moved = block.ledger.activity, now
            if now >= ends:
                return f"took {ends:g} real seconds without coming to an end"
            if block is not None and now - moved >= patience:
                return f"neither ended nor slept for {patience:g} real seconds"
            thread.join(min(ends, moved + patience if block else ends) - now)
    return ""


def _together(calls: list[_Call]) -> None:
    async def one(call: _Call) -> None:
        try:
            call.returned = await call.arun(call._client.make())
        except (EndlessWait, StandStill) as error:
            call.stopped = _why(error)
        except BaseException as error:
            call.error = error
        call.ended = True

    async def all_of_them() -> None:
        await asyncio.gather(*(one(call) for call in calls))

    try:
        asyncio.run(all_of_them())
    except BaseException as error:
        for call in calls:
            call.error = call.error or error


@contextmanager
def _driving(client: Client, clock: Any) -> Iterator[Block | None]:
    if not client.drive:
        yield None
        return
    block = Block(clock, client.drive, home=client.home, where="the client contract", guard=client.real_seconds / 2)
    with block:
        try:
            yield block
        finally:
            block.close()  # what has stopped it is judged, and not raised


def _left_threads(before: set[threading.Thread]) -> list[threading.Thread]:
    """Return threads of the client that are left; those that are about to end get a moment."""
    from ..driving.ledger import OutsideThread

    found = [each for each in threading.enumerate() if each not in before and not isinstance(each, OutsideThread)]
    for thread in found:
        _join(thread, _GRACE)
    return [thread for thread in found if thread.is_alive()]
