"""The stub's clocks: a virtual clock that moves only when told, and a wall clock that runs at a rate.

A clock is the only source of time of a stub. It counts whole nanoseconds, so that ten times 0.1 are one second.

May import: errors, driving.
Public: the names below.
"""

from __future__ import annotations

import asyncio
import math
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, NoReturn

from ..errors import EndlessWait, UsageError, explained, shown
from ..errors.arguments import Suggesting, check_number, with_example

if TYPE_CHECKING:
    from ..driving import Account, Block

__all__ = ["DEFAULT_EPOCH", "VirtualClock", "WallClock", "Watched"]

__tracebackhide__ = True

MAX_POLLS = 10_000
"""Requests after which a client that sleeps on a virtual clock is stopped."""

GUARD = 20.0
"""Real seconds for which a virtual clock may stand still in a test while nothing runs."""

_PATIENCE = 3  # polls after the bound: a client that sleeps on the clock is told there, on its own line

MAX_VIRTUAL_SECONDS = 1_000_000
"""Virtual seconds, counted from where it began to sleep, after which it is."""

MONOTONIC_FROM = 1_000_000
"""Seconds that `time.monotonic` reads when a virtual clock starts: 0 would pass for "never" in many a client."""

DEFAULT_EPOCH = 1_760_400_000
"""Unix seconds at which clocks start unless told otherwise: fixed, so that runs repeat. 2025-10-14 00:00 UTC."""

_NANOSECONDS = 1_000_000_000
_LONGEST = 1e9
_LATEST = 253_402_300_799  # Unix seconds: the end of the year 9999


def _checked(seconds: object, what: str) -> int:
    """Return a span of time in nanoseconds, refusing anything else."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not math.isfinite(seconds):
        raise UsageError(
            f"seconds of {what}() must be a number, not {shown(seconds, 30)}", fix=f"write {what}(60)", value=seconds
        )
    if seconds < 0:
        raise UsageError(
            f"{what}({shown(seconds, 30)}): time can't go backwards", fix="give 0 seconds or more", value=seconds
        )
    if seconds > _LONGEST:
        raise UsageError(f"{what}({shown(seconds, 30)}) is too long", fix="give at most 1e9 seconds", value=seconds)
    return round(seconds * _NANOSECONDS) or int(seconds > 0)  # a positive span is never nothing


def _checked_epoch(epoch: object) -> int:
    if type(epoch) is not int or not 0 <= epoch <= _LATEST:
        raise UsageError(
            f"epoch must be a whole number from 0, not {shown(epoch, 30)}", fix="give Unix seconds", value=epoch
        )
    return epoch


@dataclass(frozen=True)
class Watched:
    """What a stub reports to its clock.

    Attributes:
        requests: how many it has received.
        report: what clients saw so far.
        unread: whether a client has sent something that its server has not read yet.
        hang_up: ends every connection, and each new one: for a test that nothing can interrupt.
    """

    requests: Callable[[], int]
    report: Callable[[], str]
    unread: Callable[[], bool] = lambda: False
    hang_up: Callable[[], None] = lambda: None


class Drive:
    """A call of `drive`: its text, its line, and whether its block was entered."""

    def __init__(self, call: str, where: str) -> None:
        self.call = call
        self.where = where
        self.is_entered = False

    def enter(self) -> None:
        """Record that the block was entered."""
        self.is_entered = True


_MEANT = {
    **dict.fromkeys(("now", "elapsed"), "seconds"),
    **dict.fromkeys(("tick", "travel", "forward", "move_to", "skip"), "advance"),
}


class VirtualClock(Suggesting):
    """A clock that starts at 0 seconds and moves only when told.

    Attributes:
        epoch: Unix seconds of its start.
        monotonic_from: what `time.monotonic` reads at its start, in seconds: a machine that has been up for days.
        max_polls: requests after which a client that sleeps on it is stopped.
        max_virtual_seconds: seconds on it after which such a client is stopped.
        undriven: requests, while this clock was driven, to stubs whose clocks were not.
        block: the open block of `drive`, or None.
        guard: real seconds for which it may stand still while nothing runs; None for no limit.
        account: what the watch knows about it; None while it is not watched.
    """

    _meant = _MEANT

    def __init__(self, epoch: int = DEFAULT_EPOCH) -> None:
        self.epoch = _checked_epoch(epoch)
        self.monotonic_from = MONOTONIC_FROM
        self.nanoseconds = 0
        self.undriven = 0
        self._owed_to: list[Callable[[], bool]] = []
        self._lock = threading.Lock()
        self._alarms: list[tuple[int, Callable[[], object]]] = []
        self.block: Block | None = None
        self.watched: tuple[Watched, ...] = ()
        self.max_polls = MAX_POLLS
        self.max_virtual_seconds: float = MAX_VIRTUAL_SECONDS
        self.guard: float | None = GUARD
        self.account: Account | None = None
        self._drives: list[Drive] = []
        self._endless: type[BaseException] | None = None

    def __repr__(self) -> str:
        return f"<virtual clock at {self.seconds:g} s>"

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return self.nanoseconds / _NANOSECONDS

    @with_example("advance(60)")
    def advance(self, seconds: float) -> None:
        """Move the clock on by this many seconds.

        Raises:
            UsageError: the number is negative or not finite, or the value is not a number.
        """
        self.move(_checked(seconds, "advance"))

    @with_example("sleep(5)")
    def sleep(self, seconds: float) -> None:
        """Replace `time.sleep` in a client that takes its sleep function as an argument: the clock moves at once.

        In a handler of `redis_actions.httpserver` it is the time that the reply takes.

        Raises:
            UsageError: the number is negative or not finite, or the value is not a number.
            EndlessWait: a bound of the clock is exceeded; a BaseException.
        """
        span = _checked(seconds, "sleep")
        if self.block is not None:
            self.block.sleep(span / _NANOSECONDS)
            return
        self._check_bounds()
        self.move(span)

    def move(self, nanoseconds: int) -> None:
        """Move the clock on by whole nanoseconds, as a block does."""
        with self._lock:
            moved = self.nanoseconds + nanoseconds
            if self.epoch + moved // _NANOSECONDS > _LATEST:
                raise UsageError(
                    "the clock would go beyond the year 9999", fix="advance by less, or set an earlier epoch"
                )
            self.nanoseconds = moved
            due = [act for when, act in self._alarms if when <= moved]
            self._alarms = [alarm for alarm in self._alarms if alarm[0] > moved]
        for act in due:
            act()

    def call_after(self, seconds: float, act: Callable[[], object]) -> None:
        """Call `act` when the clock has moved on by this many seconds."""
        with self._lock:
            self._alarms.append((self.nanoseconds + _checked(seconds, "call_after"), act))

    async def asleep(self, seconds: float) -> None:
        """Replace `asyncio.sleep`: the clock moves at once, and other tasks get their turn."""
        if self.block is not None:
            await self.block.asleep(_checked(seconds, "asleep") / _NANOSECONDS)
            return
        self.sleep(seconds)
        await asyncio.sleep(0)

    @with_example('drive("my_client")')
    def drive(self, *modules: str | ModuleType, submodules: bool = False, guard: float | None = None) -> Block:
        """Let modules see this clock, wherever they use time, within a `with` block: what they sleep moves it.

        They see it in `time.sleep`, `time`, `monotonic`, `perf_counter` and their `_ns` forms, `datetime.now`,
        `utcnow` and `today`, `asyncio.sleep`, `wait_for`, `wait`, `timeout`, `timeout_at`, `loop.time`, `call_later`
        and `call_at`, `threading.Event.wait`, `Condition.wait` and `wait_for`, `Thread.join` and `Future.result`:
        as modules, as imported names, as defaults, in closures, as class attributes, imported inside a function, and in
        a dict, list, set, tuple, partial or instance that stands under a name of the module. Instances of its classes
        from before the block are driven, too, if a variable of the caller or of its module, or an attribute of its
        `self`, holds them; others are out of reach. All other code keeps real time.

        Time moves only when every thread and task of the block sleeps or waits for another one, so never while a
        request is on its way. Blocks of one clock may be nested. A thread that
        still sleeps at the end stays asleep, and ends when it is joined.

        Args:
            modules: import names, module objects, or the recipes "tenacity", "backoff" and "urllib3", which stand for
                exactly those modules of the library that sleep.
            submodules: whether the modules below the named packages are driven, too.
            guard: real seconds for which the clock may stand still in the block while nothing runs; by default
                the stub's guard.

        Raises:
            UsageError: a module that is not imported, that does not use time, or that is not the client's.
            StandStill: in the block or at its end: something waits in real time, or for nothing; a BaseException.
            EndlessWait: a bound of the clock is exceeded; a BaseException, raised in the client.
        """
        from ..driving import Block, line_of

        if guard is not None:
            check_number("guard", guard, above=True, unit="real seconds")

        frame = sys._getframe(2)  # the first one is the decorator's
        drive = Drive(
            f"drive({', '.join(shown(getattr(each, '__name__', each), 40) for each in modules)})", line_of(frame)
        )
        block = Block(
            self,
            modules,
            submodules=submodules,
            guard=self.guard if guard is None else guard,
            home=frame.f_globals.get("__name__", ""),
            held=[*frame.f_locals.values(), *frame.f_globals.values()],
            where=drive.where,
            on_enter=drive.enter,
            is_inner=True,
        )
        self._drives.append(drive)
        return block

    def check(self) -> None:
        """Fail if a block was made and never entered, and so drove nothing.

        Raises:
            UsageError: there is one; the message names its line.
        """
        idle = next((drive for drive in self._drives if not drive.is_entered), None)
        self._drives.clear()
        if idle is not None:
            raise UsageError(
                f"clock.{idle.call} was never entered, and drove nothing",
                fix=f"write `with redis_actions.clock.{idle.call}: …` at {idle.where}",
            )

    def watch(self, watched: Watched) -> None:
        """Count a stub of this clock in its bounds."""
        self.watched += (watched,)

    def unwatch(self, watched: Watched) -> None:
        """Forget a stub that is closed."""
        self.watched = tuple(each for each in self.watched if each is not watched)

    def owe(self, gone: Callable[[], bool]) -> None:
        """Count a reply as owed to a client; `gone` returns whether the client has closed its connection."""
        self._owed_to.append(gone)

    def repay(self, gone: Callable[[], bool]) -> None:
        """Count that reply as sent."""
        self._owed_to.remove(gone)
        self.settle()

    @property
    def owed(self) -> int:
        """Requests that its stubs have read and not answered yet; virtual time does not move while there are any."""
        return len(self._owed_to)

    @property
    def awaited(self) -> int:
        """How many of the owed replies a client still waits for."""
        return sum(not gone() for gone in tuple(self._owed_to))

    def settle(self) -> None:
        """Let the open block check whether time may move now."""
        if (block := self.block) is not None:
            block.settle()

    @contextmanager
    def watching(self) -> Iterator[Account | None]:
        """Watch, within this block, that something moves the clock; do nothing if its guard is None."""
        from ..driving import watching

        if self.guard is None or self.account is not None:
            yield None
        else:
            with watching(self, self.guard) as account:
                yield account

    def replied(self, waits: tuple[str, ...], key: int, *, moves: bool) -> None:
        """Record a reply of a stub of this clock.

        Args:
            waits: the operations in it that only time can advance.
            key: identifies the request and the reply.
            moves: whether requests advance an operation in it.
        """
        if self.account is not None:
            self.account.replied(waits, key, moves=moves)

    def requested(self) -> None:
        """Record that a stub of this clock received a request."""
        from ..driving import open_block

        if self.block is not None:
            self.block.requested()
        elif (block := open_block()) is not None:
            block.requested_elsewhere()
        elif self.excess > _PATIENCE:
            self._endless = self._endless or self.endless()
            self.interrupt(self._endless)

    def interrupt(
        self, error: type[BaseException], revise: Callable[[], type[BaseException] | None] | None = None
    ) -> bool:
        """Raise an error in the running test, at the line that it executes: see `driving.interrupt`.

        Within a block of this clock, every thread and task of the block gets it, and the test does at the end of the
        block at the latest. Calling it again is harmless.

        Args:
            error: a class that needs no arguments: `errors.explained(EndlessWait, "what happened\n  fix   …")`.
            revise: called in the test; returns what to raise instead, or None to raise nothing.

        Returns:
            Whether it is raised at once; if not, it is when the call returns in which the test waits.
        """
        from ..driving import interrupt

        if self.block is not None:
            return self.block.interrupt(error, revise)
        return interrupt(error, revise)

    @property
    def excess(self) -> int:
        """Requests beyond `max_polls`, with those to stubs whose own clock nobody drives; 0 or less for none."""
        return self.undriven + sum([each.requests() for each in self.watched]) - self.max_polls

    def endless(self, resting: Iterable[str] = (), *, spins: bool = False) -> type[BaseException]:
        """Return the error of a client that never gives up; it needs no arguments.

        Args:
            resting: the lines that wait.
            spins: whether it looks at the time again and again instead of sleeping.
        """
        bound = ""
        if spins:
            problem = "the client looks at the time again and again, and never sleeps"
        elif self.excess > 0:
            problem, bound = f"the client goes on after {self.max_polls} requests", "max_polls"
        else:
            seconds = f"{self.max_virtual_seconds:g}"
            problem, bound = f"the client still waits after {seconds} virtual s", "max_virtual_seconds"
        more = f"; {bound}=… on the marker allows more" if bound else ""
        lines = [problem, f"  fix   give the client a deadline, or the script an end{more}"]
        lines += [f"  waits {where}" for where in dict.fromkeys(resting)][:5]
        if self.undriven:
            fix = "share one: make_redis_actions(clock=redis_actions.clock)"
            lines.append(f"  stub  {self.undriven} requests went to a stub whose own clock nobody drives; {fix}")
        lines += [each.report() for each in self.watched[:2]]
        return explained(EndlessWait, "\n".join(lines), bound=bound)

    def _check_bounds(self) -> None:
        if self.excess > 0 or self.seconds > self.max_virtual_seconds:
            raise self.endless()

    def time(self) -> float:
        """Replace `time.time`: Unix seconds."""
        return self.epoch + self.seconds

    def monotonic(self) -> float:
        """Replace `time.monotonic`: the seconds since the start, plus a million."""
        return self.monotonic_from + self.seconds


class WallClock(Suggesting):
    """A clock that runs by itself, `rate` times as fast as real time.

    Attributes:
        epoch: Unix seconds of its start.
        guard: not used: this clock moves by itself.
        rate: seconds on this clock per real second.
    """

    _meant = _MEANT

    def __init__(self, epoch: int = DEFAULT_EPOCH, *, rate: float = 1.0) -> None:
        if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 < rate <= 1e6:
            raise UsageError(
                f"rate must be above 0 and at most 1e6, not {shown(rate, 30)}", fix="write rate=60", value=rate
            )
        self.epoch = _checked_epoch(epoch)
        self.rate = rate
        self.guard: float | None = None
        self._start = time.monotonic_ns()
        self._ahead = 0
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<wall clock at {self.seconds:g} s, rate {self.rate:g}>"

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return (round((time.monotonic_ns() - self._start) * self.rate) + self._ahead) / _NANOSECONDS

    def drive(self, *modules: object, **options: object) -> NoReturn:
        """Refuse: a client's sleep cannot move a wall clock."""
        raise UsageError(
            "a wall clock runs by itself, and cannot be driven",
            fix="leave clock='wall' out: the client's sleep then moves the clock",
        )

    def check(self) -> None:
        """Do nothing: it is never driven."""

    def watch(self, watched: Watched) -> None:
        """Do nothing: real time ends by itself."""

    def unwatch(self, watched: Watched) -> None:
        """Do nothing."""

    def owe(self, gone: Callable[[], bool]) -> None:
        """Do nothing."""

    def repay(self, gone: Callable[[], bool]) -> None:
        """Do nothing."""

    def settle(self) -> None:
        """Do nothing."""

    def watching(self) -> AbstractContextManager[None]:
        """Do nothing: real time moves by itself."""
        return nullcontext()

    def replied(self, waits: tuple[str, ...], key: int, *, moves: bool) -> None:
        """Do nothing."""

    def requested(self) -> None:
        """Do nothing."""

    def interrupt(self, error: type[BaseException]) -> None:
        """Raise an error in the running test, as `VirtualClock.interrupt` does."""
        from ..driving import interrupt

        interrupt(error)

    def call_after(self, seconds: float, act: Callable[[], object]) -> None:
        """Call `act` when this many seconds have passed on the clock."""
        timer = threading.Timer(_checked(seconds, "call_after") / _NANOSECONDS / self.rate, act)
        timer.daemon = True
        timer.start()

    @with_example("advance(60)")
    def advance(self, seconds: float) -> None:
        """Move the clock on by this many seconds, in addition to the time that passes."""
        step = _checked(seconds, "advance")
        with self._lock:
            self._ahead += step

    @with_example("sleep(5)")
    def sleep(self, seconds: float) -> None:
        """Wait until this many seconds have passed on the clock."""
        time.sleep(_checked(seconds, "sleep") / _NANOSECONDS / self.rate)

    async def asleep(self, seconds: float) -> None:
        """Wait until this many seconds have passed on the clock; other tasks run meanwhile."""
        await asyncio.sleep(_checked(seconds, "asleep") / _NANOSECONDS / self.rate)

    def time(self) -> float:
        """Replace `time.time`: Unix seconds."""
        return self.epoch + self.seconds

    def monotonic(self) -> float:
        """Replace `time.monotonic`: the seconds since the start."""
        return self.seconds


Clock = VirtualClock | WallClock
