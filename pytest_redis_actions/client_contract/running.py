"""Running a client through one play: it always ends, and what it did is an `Outcome`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from ..driving import Block, OutsideThread, abandon
from ..errors import EndlessWait, StandStill
from ..observed.past_end import PAST_END
from ..scenarios.catalogue import HEADERS, LONG, MIDDLE, READ_TIMEOUT, SHORT, UNKNOWN_UID, Play, Scenario, Stage
from ..scenarios.outcome import Outcome, Stopped, Why
from ..server import StubServer
from ..server.certificates import Authority
from ..stub.options import Options
from ..stub.stub import RedisActions
from .calls import Call, Client, ClientThread, threads_of
from .target import Target
from .watch import RATE, DrivenClock, FastClock, Watch

__all__ = ["Client", "run_play"]

__tracebackhide__ = True

UNDRIVEN_DEADLINE = 600.0  # real seconds, of plays that a sound client completes
PAST_END_REAL = 10  # polls past the end, of a client that really waits
_PATIENCE = 10  # times real_seconds for a whole play on virtual time
_LATE = 5.0  # real seconds after its deadline in which a client that is silent may end
_GRACE = 0.5  # real seconds for a client that was stopped
_TRIES = 5
_BOUNDS = {"max_polls": Why.REQUESTS, "max_virtual_seconds": Why.VIRTUAL_TIME, "": Why.LOOKS}


@dataclass(frozen=True)
class Limits:
    """How long a client may take for a play."""

    client: Client
    play: Play

    @property
    def deadline(self) -> float:
        """The deadline that the client is told, in its own seconds."""
        if self.client.drive:
            return self.play.timeout
        return {SHORT: SHORT / RATE, MIDDLE: self.client.real_seconds}.get(self.play.timeout, UNDRIVEN_DEADLINE)

    @property
    def virtual(self) -> float:
        """Virtual seconds for the whole play."""
        return max(self.play.timeout * 2, 1200)

    @property
    def silence(self) -> float:
        """Real seconds without a sign of life."""
        if self.client.drive:
            return self.client.real_seconds
        late = 0.0 if self.play.timeout == LONG else self.deadline + _LATE  # no request gets through a bad certificate
        return max(self.client.real_seconds, late) + float(self.play.options.get("refuses", 0))

    def whole(self, interval: float) -> float:
        """Return the real seconds for the whole play.

        Args:
            interval: real seconds between two polls, as far as they are known.
        """
        if self.client.drive:
            return self.client.real_seconds * _PATIENCE
        if self.play.timeout in (SHORT, MIDDLE):
            return self.deadline + max(self.client.real_seconds, 2 * interval)
        return 2 * self.silence + interval * self.play.polls


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
        stub = RedisActions.on(server, Options.of({"strict": False, "clock": self._clock, "past_end": None, **options}))
        if refuses:
            self._clock.call_after(refuses * _pace(self._client), server.listen)
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


def _pace(client: Client) -> float:
    """Return the seconds on the clock for one of the client's own."""
    return 1.0 if client.drive else RATE


def run_play(client: Client, scenario: Scenario, play: Play, authority: Callable[[], Authority]) -> list[Outcome]:
    """Run a client through one play; return how each of its calls ended."""
    limits, watch = Limits(client, play), Watch(PAST_END if client.drive else PAST_END_REAL)
    clock = DrivenClock(watch, limits.virtual) if client.drive else FastClock(watch)
    cluster = _Cluster(client, play, authority, clock)
    watch.follow(cluster.stub.journal)
    stage = Stage(cluster.stub, cluster.elsewhere, is_driven=bool(client.drive))
    action = play.setting(stage)
    uids = list(stage.wanted) or [action.uid if action else UNKNOWN_UID]
    again = action.cancel if play.again and action else None
    starts = scenario.capability == "starts"
    calls = [Call(client, _target(uid, limits, scenario, cluster.stub), starts=starts, again=again) for uid in uids]
    before = set(threading.enumerate())
    stopped = _run(limits, clock, watch, calls)
    shared = Outcome(
        uid=None,
        strangers=tuple(each for other in cluster.others for each in other.journal),
        seconds=clock.seconds / _pace(client),
        timeout=limits.deadline,
        is_driven=bool(client.drive),
        real=watch.real,
        threads=_left_threads(before),
    )
    journal = cluster.stub.journal
    requests = [tuple(journal) if len(uids) == 1 else journal.of(uid) for uid in uids]
    outcomes = [
        replace(
            _ended(shared, call, stopped),
            uid=uid,
            wanted=stage.wanted.get(uid, ""),
            exchanges=tuple(each._replace(seconds=each.seconds / _pace(client)) for each in exchanges),
        )
        for uid, call, exchanges in zip(uids, calls, requests, strict=True)
    ]
    cluster.close(park=any(call.is_abandoned for call in calls))
    return outcomes


def _ended(shared: Outcome, call: Call, stopped: Stopped | None) -> Outcome:
    """Return an outcome with how a call has ended."""
    place, source = call.place()
    was_stopped = call.interrupted is not None or not call.has_ended
    swallows = call.is_abandoned and shared.is_driven
    return replace(
        shared,
        returned=call.returned,
        error=call.error,
        place=place,
        source=source,
        stopped=replace(stopped, is_abandoned=swallows) if stopped and was_stopped else None,
        renewals=call.target.renewals,
        headers=call.target.headers,
    )


def _target(uid: str, limits: Limits, scenario: Scenario, stub: RedisActions) -> Target:
    client = limits.client
    return Target(
        url=stub.url,
        auth=stub.auth,
        action_uid=None if scenario.capability == "starts" else uid,
        ca_file=stub.ca_file,
        timeout=limits.deadline,
        read_timeout=limits.play.read_timeout if client.drive else READ_TIMEOUT,
        headers=HEADERS if scenario.capability == "sends_headers" else {},
        scenario=scenario.id,
        waits_for=scenario.waits_for or client.waits_for,
        renew=lambda: stub.auth,
    )


# From the start to the end


def _run(limits: Limits, clock: Any, watch: Watch, calls: list[Call]) -> Stopped | None:
    """Run calls at once; return why they had to be stopped, if they had to."""
    client = limits.client
    with _driving(client, clock) as block:
        threads = threads_of(client, calls)
        try:
            for thread in threads:
                thread.start()
            stopped = _await(threads, limits, watch, block)
        except (EndlessWait, StandStill) as error:
            stopped = _told(error)
        if stopped is not None:
            _stop(threads, calls, block, stopped)
    if stopped is None:
        stopped = next((_told(call.interrupted) for call in calls if call.interrupted), None)
    if stopped is None:
        return None
    why = Why.PAST_END if watch.past_end else stopped.why
    return replace(stopped, why=why, after=clock.seconds / _pace(client), interval=watch.interval)


def _told(error: BaseException) -> Stopped:
    """Return what an error says that was raised in the client, or in the test that waits for it."""
    if isinstance(error, EndlessWait):
        return Stopped(_BOUNDS.get(error.bound, Why.VIRTUAL_TIME))
    return Stopped(Why.STANDS_STILL, detail=str(error).splitlines()[0])


_join = threading.Thread.join


def _await(threads: list[threading.Thread], limits: Limits, watch: Watch, block: Block | None) -> Stopped | None:
    """Wait for a client as long as it gets on; return why it has to be stopped, or None if it has ended."""
    seen, moved = -1, 0.0
    for thread in threads:
        while thread.is_alive():
            now = watch.now
            if block is not None and block.ledger.error is not None:
                return _told(block.ledger.error())
            if block is None:
                moved = watch.moved
            elif block.activity != seen:
                seen, moved = block.activity, now
            ends = limits.whole(watch.interval)
            if watch.past_end and block is None:
                return Stopped(Why.PAST_END)
            if now - moved >= limits.silence:
                return Stopped(Why.STANDS_STILL, limit=limits.silence)
            if now >= ends:
                return Stopped(Why.REAL_TIME, limit=ends)
            thread.join(min(0.25, ends - now, moved + limits.silence - now))
    return None


def _stop(threads: list[threading.Thread], calls: list[Call], block: Block | None, stopped: Stopped) -> None:
    """Stop a client, wherever it is; abandon it if it cannot be stopped."""
    for call in calls:
        call.stop()
    for thread in threads:
        _join(thread, _GRACE / 2)  # it has met the error where it slept, and is on its way out
    alive = threads
    for _ in range(_TRIES):  # what runs when it is stopped may be a finalizer, or a `try` that swallows everything
        alive = [thread for thread in alive if thread.is_alive()]
        if block is not None and alive:
            block.give_up(alive, stopped.why.value)
        for thread in alive:
            _join(thread, _GRACE / _TRIES)
    for call in calls:
        if call.thread is not None and call.thread.is_alive():
            call.is_abandoned = True
            abandon(call.thread)


@contextmanager
def _driving(client: Client, clock: Any) -> Iterator[Block | None]:
    if not client.drive:
        yield None
        return
    told: dict[str, Any] = {"home": client.home, "where": "the client contract", "guard": client.real_seconds / 2}
    block = Block(clock, client.drive, **told, spares_opener=True)
    with block:
        try:
            yield block
        finally:
            block.close()  # what has stopped it is judged, and not raised


def _left_threads(before: set[threading.Thread]) -> tuple[str, ...]:
    """Return the names of the client's threads that are left; those that are about to end get a moment."""
    ours = (OutsideThread, ClientThread)
    found = [each for each in threading.enumerate() if each not in before and not isinstance(each, ours)]
    for thread in found:
        _join(thread, _GRACE)
    return tuple(thread.name for thread in found if thread.is_alive())
