"""Who is awake, who sleeps until when, and when time may move: the account of one driven block.

A *party* is a thread that belongs to the block: the one that opened it, whoever a party starts, whoever calls a driven
sleep. It is awake unless it says that it rests, and whoever wakes it writes that down before it runs again. So time,
which goes to the earliest entry only while nobody is awake, can never run ahead of somebody who is about to act.
Nothing is guessed: no other thread's frame is ever looked at.
"""

from __future__ import annotations

import heapq
import itertools
import math
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from .readings import Readings

__all__ = ["DRIVEN", "Dismissed", "Entry", "Ledger", "OutsideThread", "Party", "Waiter", "abandon"]

__tracebackhide__ = True

DRIVEN = "the standard library, driven"  # the module of its functions that were rebound to a driven clock
SPINS = 100_000  # wake-ups at one instant
READS = 1_000_000  # looks at the clock at one instant
TURNS = 100_000  # turns in a row of an event loop that never rests, while all others do


class MovableClock(Protocol):
    """What a ledger needs of a clock."""

    nanoseconds: int
    epoch: int
    monotonic_from: int

    @property
    def owed(self) -> int: ...

    def move(self, nanoseconds: int) -> None: ...


class OutsideThread(threading.Thread):
    """A thread that never belongs to a block: those of the stub's server, and the guard."""

    gone: Callable[[], bool] = staticmethod(lambda: False)
    """Whether the client whose request it answers has hung up."""


class Tally:
    """What keeps time from moving.

    Attributes:
        busy: parties that run an event loop's callbacks: they may do anything.
        awaited: replies that the others may be waiting for; each may take virtual time.
    """

    def __init__(self) -> None:
        self.busy = 0
        self.awaited = 0


class Party:
    """A thread of the block, or a job of a pool.

    Attributes:
        where: the line at which it rests.
        loop: the event loop that it runs.
        is_counted: whether it belongs to the block already; a thread from before it does when a party wakes it.
    """

    def __init__(self, thread: threading.Thread | None, tally: Tally) -> None:
        self.thread = thread
        self.where = ""
        self.waiter: Waiter | None = None
        self.loop: Any = None
        self.left = False
        self.is_counted = False
        self.joiners: list[Waiter] = []
        self._tally = tally
        self._busy, self._awaited = 0, 1

    @property
    def rests(self) -> bool:
        """Whether it waits for the clock or for another party."""
        return not (self._busy or self._awaited)

    @property
    def is_blocked(self) -> bool:
        """Whether its thread waits, and not an event loop that it runs."""
        return self.waiter is not None and not self.waiter.over

    @property
    def may_join(self) -> bool:
        """Whether it belongs to the block once a party has woken it."""
        return not (self.is_counted or isinstance(self.thread, OutsideThread))

    def rest(self, awaited: int = 0) -> None:
        """Write down that it waits, or, of an event loop, that it waits for so many replies."""
        self._set(0, awaited)

    def wake(self) -> None:
        """Write down that it runs; what its loop is given while its thread is blocked has to wait."""
        if self.is_blocked:
            return
        if self.loop is None:
            self._set(0, 1)
        else:
            self._set(1, 0)

    def count(self, counted: bool) -> None:
        """Let it belong to the block, or not any more."""
        if counted is not self.is_counted:
            self.is_counted = counted
            self._add(1 if counted else -1)

    def _set(self, busy: int, awaited: int) -> None:
        if self.is_counted:
            self._add(-1)
        self._busy, self._awaited = busy, awaited
        if self.is_counted:
            self._add(1)

    def _add(self, sign: int) -> None:
        self._tally.busy += sign * self._busy
        self._tally.awaited += sign * self._awaited


class Dismissed(SystemExit):
    """Ends a thread whose block has ended, without a word."""


class Entry:
    """Somebody's wish to be woken at an instant."""

    __slots__ = ("cancelled", "expected", "party", "wake")

    def __init__(self, party: Party | None, wake: Callable[[], object], expected: tuple[float, float]) -> None:
        self.party = party
        self.wake = wake
        self.expected = expected
        self.cancelled = False


class Waiter:
    """Something that a party waits for; it can stand in a `threading.Condition` in place of a lock.

    Attributes:
        notified: whether what was waited for has happened; False after a time-out.
    """

    def __init__(self, ledger: Ledger, party: Party) -> None:
        self._ledger = ledger
        self.party = party
        self._lock = threading.Lock()
        self._lock.acquire()
        self._over = False
        self.notified = False
        self.is_dismissed = False
        self.entry: Entry | None = None

    def release(self) -> None:
        """Wake the party: what it waited for has happened."""
        self._end(notified=True)

    def dismiss(self) -> None:
        """Wake the thread to end it: its block has ended, and somebody waits for its end."""
        self.is_dismissed = self.is_dismissed or not self._over
        self.expire()

    def expire(self) -> None:
        """Wake the party: its time is up."""
        self._end(notified=False)

    def _end(self, *, notified: bool) -> None:
        with self._ledger.lock:
            if self._over:
                return
            self._over = True
            self.notified = notified
            self.party.wake()
            if notified and self.party.may_join and self._ledger.current is not None:
                self._ledger.enlist(self.party)
            if self.entry is not None:
                self.entry.cancelled = True
            self._lock.release()

    @property
    def over(self) -> bool:
        """Whether the party has been woken already."""
        return self._over

    def block(self, real_seconds: float | None) -> None:
        """Wait, in reality, until somebody wakes the party, at most for so long."""
        self._lock.acquire(timeout=-1 if real_seconds is None else min(real_seconds, threading.TIMEOUT_MAX))


class Pool:
    """The jobs of one thread pool: those that a worker is free to take count as awake."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.queued: list[Party] = []
        self.running: list[Party] = []
        self.joiners: list[Waiter] = []

    @property
    def is_empty(self) -> bool:
        """Whether no job is left."""
        return not (self.queued or self.running)

    @property
    def begins(self) -> bool:
        """Whether a job is awake without running yet."""
        return bool(self.queued) and self.workers > len(self.running)


class Ledger:
    """The account of one block.

    Attributes:
        lock: held while the account is read or written.
        names: the modules that are driven, by name.
        error: why the block was stopped, as a class that needs no arguments; None while it goes on.
        packages: prefixes of what is driven as soon as it is imported.
        imported: what was.
        activity: a number that grows with everything that happens.
        strangers: the threads that were there before the block; see `Party.is_counted`.
        sleepers: the threads and tasks that slept in real time when the block opened, with what to call them.
        on_sleeper: stops the block because of one of them.
        is_quiet: whether nothing is on its way to an event loop of the block.
    """

    def __init__(self, clock: MovableClock, *, limit: int, on_limit: Callable[[int], None]) -> None:
        self.clock = clock
        self.readings = Readings(clock.monotonic_from, clock.epoch)
        self.lock = threading.RLock()
        self.names: set[str] = {DRIVEN}
        self.homes: set[str] = set()
        self.packages: set[str] = set()
        self.imported: set[str] = set()
        self.pools: dict[int, tuple[Any, Pool]] = {}
        self.closed = False
        self.error: type[BaseException] | None = None
        self.activity = 0
        self.strangers: frozenset[threading.Thread] = frozenset()
        self.sleepers: dict[Any, str] = {}
        self.on_sleeper: Callable[[str], object] = lambda _: None
        self._opened_at = clock.nanoseconds
        self.is_quiet: Callable[[], bool] = lambda: True
        self.tally = Tally()
        self._unmet: list[Party] = []
        self._limit = limit
        self._on_limit = on_limit
        self._entries: list[tuple[int, int, Entry]] = []
        self._order = itertools.count()
        self._parties: list[Party] = []
        self._handlers: list[OutsideThread] = []
        self._spins = 0
        self._reads = 0
        self._turns = (0, 0)
        self._local = threading.local()

    # Who belongs to it

    @property
    def current(self) -> Party | None:
        """The party that is running, or None for somebody who does not belong to the block."""
        if self.closed:
            return None
        party: Party | None = getattr(self._local, "party", None)
        if party is not None and party.left:
            party = None  # a job that was done before anybody could be told
        return self._met() if party is None and self._unmet else party

    def joined(self) -> Party:
        """Return the party that is running; somebody new becomes one, and somebody abandoned never returns."""
        if threading.current_thread() in _abandoned:
            if (party := self.current) is not None:
                self.leave(party)
            _stay_for_ever()
        if (party := self.current) is not None:
            return party
        if self.sleepers:
            self.refuse(threading.current_thread())
            self.check()
        return self.adopt(self.expect(threading.current_thread()))

    def refuse(self, who: Any) -> None:
        """Stop the block for somebody who slept in real time while the clock moved on: what they do now comes too late.

        Whoever wakes before it has moved is welcome.
        """
        name = self.sleepers.pop(who, None)
        if name is not None and self.now > self._opened_at:
            self.on_sleeper(name)

    def refuse_woken(self, woken: Callable[[dict[Any, str]], Any]) -> None:
        """Stop the block if one of those who slept may have sent the request that has come.

        Args:
            woken: returns which of them has woken, or None.
        """
        if self.sleepers and (who := woken(self.sleepers)) is not None:
            self.refuse(who)

    @contextmanager
    def outside(self) -> Iterator[None]:
        """Let what the running thread does now be nobody's: it must not be stopped here."""
        party = self._local.__dict__.pop("party", None)
        try:
            yield
        finally:
            if party is not None:
                self._local.party = party

    def expect(self, thread: threading.Thread) -> Party:
        """Write down a party that is about to run: it counts as awake from now on."""
        return self.enlist(Party(thread, self.tally))

    def enlist(self, party: Party) -> Party:
        """Count a party from now on."""
        with self.lock:
            self._parties.append(party)
            party.count(True)
        return party

    def expect_stranger(self, thread: threading.Thread | None) -> Party:
        """Write down a thread from before the block that a party has woken; which one is seen when it calls or ends."""
        with self.lock:
            party = self.enlist(Party(thread, self.tally))
            self._unmet.append(party)
        return party

    def stranger(self) -> Party:
        """Return what stands for the running thread, which does not belong to the block, until a party wakes it."""
        if not hasattr(self._local, "stranger"):
            self._local.stranger = Party(threading.current_thread(), self.tally)
        stranger: Party = self._local.stranger
        return stranger

    def _met(self) -> Party | None:
        # A thread that begins is not known yet, and current_thread() would make a dummy of it.
        thread = threading._active.get(threading.get_ident())  # type: ignore[attr-defined]  # not in the typeshed
        with self.lock:
            for party in self._unmet if thread is not None else ():
                if party.thread is thread or (party.thread is None and thread in self.strangers):
                    self._unmet.remove(party)
                    party.thread = thread
                    return self.adopt(party)
        return None

    def adopt(self, party: Party) -> Party:
        """Say that the thread that is running is this party."""
        self._local.party = party
        return party

    def leave(self, party: Party) -> None:
        """Strike a party out; whoever joins it is awake before that."""
        with self.lock:
            party.left = True
            for waiter in party.joiners:
                waiter.release()
            party.count(False)
            if party in self._parties:
                self._parties.remove(party)
            if party in self._unmet:
                self._unmet.remove(party)
            if getattr(self._local, "party", None) is party:
                del self._local.party
            self.settle()

    def party_of(self, thread: threading.Thread) -> Party | None:
        """Return the party that a thread is."""
        with self.lock:
            return next((party for party in self._parties if party.thread is thread), None)

    @property
    def parties(self) -> tuple[Party, ...]:
        """Everybody who belongs to the block, the jobs that run in pools included."""
        with self.lock:
            return (*self._parties, *(job for _, pool in self.pools.values() for job in pool.running))

    # Resting and waking

    @property
    def now(self) -> int:
        """Nanoseconds on the clock."""
        return self.clock.nanoseconds

    @property
    def seconds(self) -> float:
        """What `time.monotonic` reads now, for those who do not look for themselves."""
        return self.readings.monotonic.read(self.now)

    def read(self) -> int:
        """Return the nanoseconds on the clock to a client, who may not look for ever without sleeping."""
        self.check()
        self._reads += 1
        if self._reads > READS:
            self._on_limit(self.now)
            self.check()
        return self.now

    def turn(self, party: Party, is_alone: Callable[[], bool]) -> None:
        """Count a turn of an event loop that has something left to run; one that only spins is stopped.

        Args:
            is_alone: whether none of its tasks waits for a reply.
        """
        activity, turns = self._turns
        self._turns = (self.activity, turns + 1 if activity == self.activity else 0)
        if turns < TURNS or self.error is not None:
            return
        self._turns = (self.activity, 0)
        with self.lock:
            others = any(not (each is party or each.rests) for each in self.parties)
            if not (others or self.clock.owed) and is_alone():
                self._on_limit(self.now)

    def enter(self, seconds: float, party: Party | None, wake: Callable[[], object]) -> Entry:
        """Schedule a wake-up so many seconds from now; after infinitely many it never comes."""
        with self.lock:
            self.activity += 1
            if seconds == math.inf:
                return Entry(party, wake, (0.0, 0.0))
            ends, expected = self.readings.end_of(self.now, seconds)
            entry = Entry(party, wake, expected)
            heapq.heappush(self._entries, (ends, next(self._order), entry))
            return entry

    def sleep(self, seconds: float, where: str) -> None:
        """Let the running thread sleep on the clock."""
        self.rest(Waiter(self, self.joined()), seconds, where)

    def rest(self, waiter: Waiter, seconds: float | None, where: str, *, real_seconds: float | None = None) -> bool:
        """Let a waiter's party rest until it is woken or so much time has passed; return whether it was woken.

        Args:
            seconds: on the clock, or None for no time-out there.
            real_seconds: a time-out in real time.
        """
        party = waiter.party
        with self.lock:
            if party.is_counted:
                self.check()
            if self.closed and seconds is not None:
                waiter.expire()
            if not (waiter.over or self.closed):
                party.where, party.waiter = where, waiter
                party.rest()
                if seconds is not None:
                    waiter.entry = self.enter(seconds, party, waiter.expire)
                self.settle()
        try:
            waiter.block(real_seconds)
        finally:
            waiter.expire()  # after a time-out in real time, or an exception: nobody else has woken it
            party.waiter = None
        if waiter.is_dismissed:
            raise Dismissed
        if party.is_counted:
            self.check()
        return waiter.notified

    @contextmanager
    def resting(self, party: Party, where: str) -> Iterator[None]:
        """Let a party rest while it waits for somebody who does not belong to the block."""
        with self.lock:
            self.check()
            party.where = where
            party.rest()
            self.settle()
        try:
            yield
        finally:
            with self.lock:
                party.wake()
        self.check()

    def reply_later(self, seconds: float, handler: OutsideThread) -> None:
        """Hold a reply back on the clock: until it leaves, whoever waits for it does not keep time from moving."""
        leaves = threading.Lock()
        leaves.acquire()

        def leave() -> None:
            self._handlers.remove(handler)
            leaves.release()

        with self.lock:
            if self.closed or self.error:
                return
            self._handlers.append(handler)
            entry = self.enter(seconds, None, leave)
            self.settle()
        while not leaves.acquire(timeout=0.1):
            with self.lock:
                if not entry.cancelled and handler.gone():
                    entry.cancelled = True
                    leave()

    @property
    def held_replies(self) -> int:
        """How many replies wait for the clock, while a client waits for them."""
        return sum(not handler.gone() for handler in tuple(self._handlers))

    def settle(self) -> None:
        """Wake the earliest sleepers, one at a time, as long as nobody is awake."""
        while self._entries and not (self.closed or self.error) and self._may_move():
            when, _, entry = self._entries[0]
            if entry.cancelled:
                heapq.heappop(self._entries)
                continue
            if max(when, self.now) > self._limit:
                return self._on_limit(when)
            heapq.heappop(self._entries)
            self._move_to(when)
            self.readings.reach(entry.expected)
            if entry.party is not None:
                entry.party.wake()
            entry.cancelled = True
            entry.wake()

    def _move_to(self, when: int) -> None:
        self.activity += 1
        if when > self.now:
            self.clock.move(when - self.now)
            self._spins = self._reads = 0
        else:
            self._spins += 1
            if self._spins > SPINS:
                self._on_limit(when)

    def _may_move(self) -> bool:
        if self.tally.busy or any(pool.begins for _, pool in self.pools.values()):
            return False
        if self.clock.owed > len(self._handlers):
            return False  # a reply that takes no virtual time is on its way, whoever asked
        held = sum(not handler.gone() for handler in self._handlers)
        return self.tally.awaited <= held and self.is_quiet()

    def sweep(self) -> None:
        """Strike out threads that have ended without saying so."""
        for party in self.parties:
            if party.thread is not None and party.thread.ident and not party.thread.is_alive():
                self.leave(party)
        with self.lock:
            ended = {thread for thread in self.strangers if not thread.is_alive()}
            nameless = [party for party in self._unmet if party.thread is None]
            for party in nameless[: len(ended)]:
                self.leave(party)
            self.strangers -= ended
            self.settle()

    # The end

    def check(self) -> None:
        """Raise what has stopped the block."""
        if self.error is not None and not self.closed:
            raise self.error

    def begin(self) -> None:
        """Raise what has stopped the block, also when that is over: what it had not begun yet, nobody waits for."""
        if self.error is not None:
            raise self.error

    def stop(self, error: type[BaseException]) -> None:
        """Wake everybody up with an error: now who rests, the others at their next driven call."""
        with self.lock:
            self.error = error
            self._wake_all()

    def close(self) -> None:
        """End the block: a thread that still sleeps stays asleep, so that it does nothing in a later test."""
        with self.lock:
            self.closed = True
            for party in self.parties:
                if party.waiter is not None and party.waiter.entry is not None and party.thread is not None:
                    _keep_asleep(party.thread, party.waiter)
            self._wake_entries([entry for _, _, entry in self._entries if entry.party is None])
            self._entries.clear()

    def _wake_all(self) -> None:
        for party in self.parties:
            if party.waiter is not None:
                party.waiter.expire()
        self._wake_entries([entry for _, _, entry in self._entries])
        self._entries.clear()

    def _wake_entries(self, entries: list[Entry]) -> None:
        for entry in entries:
            if not entry.cancelled:
                entry.cancelled = True
                entry.wake()

    # Pools

    def pool(self, executor: Any) -> Pool:
        """Return the account of a thread pool."""
        with self.lock:
            return self.pools.setdefault(id(executor), (executor, Pool(executor._max_workers)))[1]

    def queue(self, pool: Pool) -> Party:
        """Write down a job that was submitted: it is awake as soon as a worker is free for it."""
        job = Party(None, self.tally)
        with self.lock:
            pool.queued.append(job)
        return job

    def take(self, pool: Pool, job: Party) -> None:
        """Say that the thread that is running does this job."""
        with self.lock:
            job.thread = threading.current_thread()
            if job in pool.queued:
                pool.queued.remove(job)
                pool.running.append(job)
                job.count(True)
        self.adopt(job)

    def done(self, pool: Pool, job: Party) -> None:
        """End a job's part; threads that wait for an empty pool are awake before that."""
        with self.lock:
            job.left = True
            job.count(False)
            for waiter in job.joiners:
                waiter.release()
            for jobs in (pool.queued, pool.running):
                if job in jobs:
                    jobs.remove(job)
            if pool.is_empty:
                for waiter in pool.joiners:
                    waiter.release()
                pool.joiners.clear()
            self.settle()

    def await_job(self, job: Party, party: Party, real_seconds: float) -> None:
        """Let a party wait for a job in reality, which nothing else can do once the block is stopped."""
        with self.lock:
            if job.left:
                return
            waiter = Waiter(self, party)
            job.joiners.append(waiter)
        waiter.block(real_seconds)

    def release_thread(self) -> None:
        """Say that the thread that is running does no job any more."""
        if hasattr(self._local, "party"):
            del self._local.party


_asleep: weakref.WeakSet[Waiter] = weakref.WeakSet()


def _keep_asleep(thread: threading.Thread, waiter: Waiter) -> None:
    """Let a thread sleep on beyond its block, until somebody joins it or the process ends."""

    def join(timeout: float | None = None) -> None:
        waiter.dismiss()
        threading.Thread.join(thread, timeout)

    if not _asleep:
        # Before the interpreter waits for threads: the public atexit comes after that.
        with suppress(RuntimeError):  # it is ending already
            threading._register_atexit(_dismiss_all)  # type: ignore[attr-defined]  # not in the typeshed
    _asleep.add(waiter)
    thread.join = join  # type: ignore[method-assign]  # of this one thread


def _dismiss_all() -> None:
    for waiter in tuple(_asleep):
        waiter.dismiss()


_abandoned: weakref.WeakSet[threading.Thread] = weakref.WeakSet()


def abandon(thread: threading.Thread) -> None:
    """Let a thread that could not be stopped wait for ever as soon as it calls something driven, in any block."""
    _abandoned.add(thread)


def _stay_for_ever() -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()
