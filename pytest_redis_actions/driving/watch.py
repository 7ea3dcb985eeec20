"""The watch: one thread that sees to it that no test stands still because nobody moves its clock.

It runs while a stub with a virtual clock, or a block, is in use, from the first request on. It looks at four things:
whether a clock has moved, what stubs have replied, whether anything runs, and whether a stub owes a reply. What it
sees is counted in *idle* seconds: real ones in which nothing ran and no reply was owed. A tick that took too long (a
suspended process, a machine that has no time for us) counts as a short one.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from ..errors import StandStill, explained
from .advising import SLEEPS, SPINS, TASK, WAITS, Waiting, awaits_a_reply, fix_for, tasks_here, waiting_in
from .effort import Effort
from .interruption import frames_of_test
from .ledger import DRIVEN, OutsideThread
from .stacks import Line, Stack, is_debugged, is_debugger, stacks, written_stacks

__all__ = ["Account", "begin_to_watch", "watching"]

__tracebackhide__ = True

_PATIENCE = 4  # a quarter of the guard
_DENSE = 50  # replies in a second
_REPLIES = 3
_SPINS = 1000  # replies, from a client that does not sleep at all
_OFTEN = 100  # replies a second, of a client that does not sleep
_TICK = 0.25
_FORGIVEN = 6  # times in a row, for a reply that another thread than the test's reads, or seems to
_CREDIT = 2  # times the guard, for what threads from before the test do: they may do it for the test
_AGAIN = 0.5  # idle seconds, at least, in which a test that was failed may end
_LOOKS = 8
_BUSY = 0.02  # of a processor: a thread that competes for the interpreter


class WatchedClock(Protocol):
    """What the watch needs of a clock."""

    nanoseconds: int
    awaited: int
    block: Any
    watched: tuple[Any, ...]

    def interrupt(self, error: type[BaseException], revise: Callable[[], type[BaseException] | None]) -> bool: ...


class _Repeats:
    """The replies that showed one operation at one instant, while its script waits for the clock."""

    def __init__(self, idle: float, real: float) -> None:
        self.count = 0
        self.idle_at_first = self.idle_at_last = idle
        self.real_at_first = real


class Account:
    """What the watch knows about one clock.

    Attributes:
        guard: idle seconds without any progress after which the test is failed.
        warning: what to tell of a test that stood still for a while and went on; None for nothing.
    """

    def __init__(self, clock: WatchedClock, guard: float, *, judges_replies: bool = True) -> None:
        self.clock = clock
        self.guard = guard
        self.warning: tuple[str, Waiting] | None = None
        self._judges_replies = judges_replies
        self._instant = clock.nanoseconds
        self._idle = 0.0
        self._repeats: dict[str, _Repeats] = {}
        self._seen: set[int] = set()
        self._has_news = False
        self._answers = 0
        self._verdicts = 0
        self._is_over = False
        self._ending = threading.Lock()
        self._thread = threading.get_ident()
        here = (threading.current_thread(), threading.main_thread())
        before = [thread for thread in threading.enumerate() if thread not in here]
        self._before = {thread.ident for thread in before}
        self._strange = {str(thread.native_id) for thread in before}
        self._borrowed = 0.0
        self._since_it_ran = self._excess = 0.0
        self._stacks_before = _where_others_stand()
        self._forgiven = 0

    @property
    def patience(self) -> float:
        """Idle seconds for which replies may repeat."""
        return self.guard / _PATIENCE

    def replied(self, waits: tuple[str, ...], key: int, *, moves: bool) -> None:
        """Take note of a reply.

        Args:
            waits: the operations that it showed and that only time can move on.
            key: stands for the request and the reply.
            moves: whether polls move on something that it showed.
        """
        begin_to_watch()
        self._follow()
        self._answers += 1
        if moves or key not in self._seen or not self._judges_replies:
            self._seen.add(key)
            self._has_news = True
        for uid in waits if self._judges_replies else ():
            repeats = self._repeats.setdefault(uid, _Repeats(self._idle, time.monotonic()))
            repeats.count += 1
            repeats.idle_at_last = self._idle

    def tick(self, idle: float) -> bool:
        """Count idle seconds; return whether there was progress since the last time."""
        moved = self._follow()
        # Who polls so often does not wait between polls, however little of the processor it gets.
        is_dense, self._answers = self._answers > _DENSE * idle, 0
        self._idle += 0.0 if is_dense else idle
        self._since_it_ran += idle
        if not idle:
            # What waits for a processor is told when it has got one: it was not idle meanwhile.
            self._idle -= max(0.0, min(self._since_it_ran, self._excess))
            self._since_it_ran = 0.0
        news, self._has_news = self._has_news, False
        if moved or news:
            self._forgiven = 0
            self._borrowed = 0.0
        return moved or news

    def runs(self, efforts: dict[str, float], took: float) -> bool:
        """Whether the test runs, or something from before it that may run for it: that is believed for a while only.

        Args:
            efforts: native number of a thread -> seconds of processor time.
            took: real seconds in which they were used.
        """
        strange = [seconds for key, seconds in efforts.items() if key in self._strange]
        own = sum(efforts.values()) - sum(strange)
        self._excess = sum(efforts.values()) - took
        competing = sum(seconds > _BUSY * took for seconds in strange)
        if own > Effort.busy() * took / (1 + competing):
            return True
        if own + sum(strange) <= Effort.busy() * took or self._borrowed > _CREDIT * self.guard:
            return False
        self._borrowed += took
        return True

    def _follow(self) -> bool:
        """Begin anew when the clock has moved."""
        if self._instant == self.clock.nanoseconds:
            return False
        self._instant = self.clock.nanoseconds
        self._repeats.clear()
        self._seen.clear()
        return True

    def repeated(self) -> tuple[int, str]:
        """Return how many replies showed the same operation for too long, or 0, and what to write if that is known."""
        for each in list(self._repeats.values()):
            real = time.monotonic() - each.real_at_first
            sleeps = each.count >= _REPLIES and each.idle_at_last - each.idle_at_first >= self.patience
            if sleeps or (each.count >= _SPINS and real >= self.patience):
                return each.count, SPINS if each.count > _OFTEN * real else ""
        return 0, ""

    @contextmanager
    def guarded_by(self, guard: float) -> Iterator[None]:
        """Let a block have another patience."""
        before, self.guard = self.guard, guard
        try:
            yield
        finally:
            self.guard = before

    def sweep(self) -> None:
        """Let the block notice who has ended without a word."""
        block = self.clock.block
        if block is not None:
            block.ledger.sweep()

    def owes(self) -> bool:
        """Whether a stub of this clock is about to reply, in real time, to a client that has not hung up."""
        block = self.clock.block
        return self.clock.awaited > (block.ledger.held_replies if block is not None else 0)

    def forgive(self) -> None:
        """Begin anew."""
        self._repeats.clear()

    def active(self, threads: list[Stack]) -> list[Stack]:
        """Return those threads that do not stand where they stood before the test: others' servers and readers do."""
        before = stacks(self._stacks_before) if self._stacks_before else []
        return [stack for stack in threads if stack not in before]

    def waits_for_a_reply(self, threads: list[Stack]) -> bool:
        """Whether the test reads from a socket; of another thread that is believed for a while only.

        What such a thread reads, from whom, and whether the test waits for it, nobody can see.
        """
        if awaits_a_reply([stack for stack in threads if stack.thread == self._thread]):
            return True
        self._forgiven += 1
        if self._forgiven <= _FORGIVEN and awaits_a_reply(self.own(threads)):
            return True
        return self._forgiven <= _CREDIT and awaits_a_reply(self.active(threads))

    def own(self, threads: list[Stack]) -> list[Stack]:
        """Return those threads that were not there before the test."""
        return [stack for stack in threads if stack.thread not in self._before]

    def fail(self, happened: str, threads: list[Stack], fix: str = "") -> None:
        """Fail the test; once more, and harder, if it was told before and goes on."""
        self.forgive()
        self._verdicts += 1
        self.warning = None
        waiting = self._waiting(threads)

        def revised() -> type[BaseException] | None:
            return None if is_debugger(sys.gettrace()) else self._error(happened, [*tasks_here(), *waiting], fix)

        error = self._error(happened, waiting, fix)
        with self._ending:
            if not self._is_over and not self.clock.interrupt(error, revise=revised):
                for watched in self.clock.watched:
                    watched.hang_up()

    def end(self) -> None:
        """Fail the test no more: it has ended."""
        with self._ending:
            self._is_over = True

    @property
    def patience_after_verdict(self) -> float:
        """Idle seconds after which a test that was failed, and is still there, is failed again."""
        return self.guard if not self._verdicts else min(self.guard, max(_AGAIN, self.guard / 10))

    def _error(self, happened: str, waiting: list[Waiting], fix: str) -> type[BaseException]:
        return explained(StandStill, "\n".join([happened, *self._told(waiting, fix), *self._reports()]))

    def _told(self, waiting: list[Waiting], fix: str = "") -> list[str]:
        block = self.clock.block
        driven = tuple(sorted(block.ledger.names - {DRIVEN})) if block is not None else ()
        fix = fix or fix_for(waiting, driven, block.where if block is not None else "")
        lines = [*map(str, waiting), *(f"  awake   {where}" for where in (block.loops.waiting() if block else ()))]
        return [f"  fix     {fix}", *list(dict.fromkeys(lines))[:6]]

    def _waiting(self, threads: list[Stack]) -> list[Waiting]:
        """Return who waits: threads from before the test only if none of its own sleeps."""
        block = self.clock.block
        held = {each.thread.ident for each in block.ledger.parties if each.thread is not None} if block else ()
        own = waiting_in(self.own(threads), held)
        return own if any(each.how != WAITS for each in own) else waiting_in(threads, held)

    def _reports(self) -> list[str]:
        return [each.report() for each in self.clock.watched[:2]]

    def note(self, seconds: float, threads: list[Stack]) -> None:
        """Keep who waits, for a warning at the end of the test."""
        waiting = self._waiting(threads)
        if waiting and self.warning is None:
            lines = [f"nothing moved the clock for {seconds:.1f} real seconds", *self._told(waiting)]
            self.warning = "\n".join(lines), waiting[0]


_seen: tuple[frozenset[int | None], str] = frozenset(), ""


def _where_others_stand() -> str:
    """Return where threads stand that are neither the test's nor ours, as it was when they were first seen."""
    global _seen
    here = threading.current_thread()
    others = {each for each in threading.enumerate() if each is not here and not isinstance(each, OutsideThread)}
    idents = frozenset(thread.ident for thread in others)
    if idents != _seen[0]:
        _seen = idents, written_stacks() if idents else ""
    return _seen[1]


class _Watch:
    """The thread, and the accounts that it looks after."""

    def __init__(self) -> None:
        self._accounts: list[Account] = []
        self._thread: threading.Thread | None = None
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._still = 0.0
        self._has_noted = False

    def open(self, account: Account) -> None:
        with self._lock:
            self._accounts.append(account)
            self._still = 0.0

    def start(self) -> None:
        if self._thread is not None:
            return
        with self._lock:
            if self._thread is None and self._accounts:
                self._over = threading.Event()
                self._still, self._has_noted = 0.0, False
                self._thread = OutsideThread(
                    target=self._run, args=(self._over,), name="redis-actions-watch", daemon=True
                )
                self._thread.start()

    def close(self, account: Account) -> None:
        with self._lock:
            self._accounts.remove(account)
            thread = self._thread
            if self._accounts or thread is None:
                return
            self._thread = None
            self._over.set()
        if thread is not threading.current_thread():
            _join(thread, 5.0)

    def _run(self, over: threading.Event) -> None:
        effort, last = Effort(), time.monotonic()
        while True:
            tick = min([_TICK, *(account.guard / 40 for account in self._accounts)])
            if over.wait(tick):
                return
            now = time.monotonic()
            self._look(now - last, tick, effort.since_last())
            last = now

    def _look(self, took: float, tick: float, efforts: dict[str, float]) -> None:
        accounts = tuple(self._accounts)
        for account in accounts:
            account.sweep()
        ran = [account.runs(efforts, took) or account.owes() for account in accounts]
        runs = any(ran)
        idle = 0.0 if runs else min(took, 4 * tick + 0.25)
        progress = [account.tick(idle) for account in accounts]
        # Something that runs now and then is no client that waits.
        self._still = 0.0 if any(progress) else max(0.0, self._still + idle - (4 * took if runs else 0))
        self._judge(accounts)

    def _judge(self, accounts: tuple[Account, ...]) -> None:
        for account in accounts:
            count, fix = account.repeated()
            if count:
                happened = f"the clock stood still while a client got the same reply {count} times"
                return self._fail(account, happened, fix)
        if not accounts:
            return
        account = next((each for each in accounts if each.clock.block is not None), accounts[-1])
        if self._still >= account.patience_after_verdict:
            self._fail(
                account,
                f"nothing has happened for {account.patience_after_verdict:g} real seconds, and the test waits",
                asks=True,
            )
        elif self._still >= account.patience and not self._has_noted:
            self._has_noted = True
            threads = _standing()
            active = account.active(threads)
            if not is_debugged(active) and not awaits_a_reply(active):
                account.note(self._still, threads)

    def _fail(self, account: Account, happened: str, fix: str = "", *, asks: bool = False) -> None:
        threads = _caught_sleeping(account)
        self._still = 0.0
        if is_debugged(account.active(threads)) or (asks and account.waits_for_a_reply(threads)):
            account.forgive()
        else:
            account.fail(happened, threads, fix)


def _standing() -> list[Stack]:
    """Return where threads stand; of many the interpreter writes the latest hundred, and the test's is the oldest."""
    found, main = stacks(), threading.main_thread().ident
    if found and main is not None and found[0].thread != main and (frames := frames_of_test()):
        found.insert(0, Stack(main, tuple(Line(*frame) for frame in frames)))
    return found


def _caught_sleeping(account: Account) -> list[Stack]:
    """Return where threads stand, at a moment in which one of the test's sleeps, if there is one: and not in mid-poll.

    Of threads from before the test, one that computes stands on its line for as long as others have the interpreter.
    """
    threads, ends, looks = _standing(), time.monotonic() + 0.5, 0
    glimpsed: list[Stack] = []
    while time.monotonic() < ends or looks < _LOOKS:  # on a busy machine a poll takes longer than the sleep after it
        looks += 1
        time.sleep(_TICK / 20)
        before, threads = threads, _standing()
        still = [stack for stack in threads if stack in before]
        if _sleeps(account.own(still)):
            return still
        # A loop whose tasks sleep stands where it does in mid-poll, but then not for long, or beside one that reads.
        is_in_loop = any(each.how == TASK for each in waiting_in(account.own(still)))
        if is_in_loop and len(still) == len(threads) and not awaits_a_reply(still):
            return still
        if _sleeps(account.own(threads)):
            glimpsed = threads
    return glimpsed or threads


def _sleeps(threads: list[Stack]) -> bool:
    return any(each.how == SLEEPS and not each.blocks for each in waiting_in(threads))


_watch = _Watch()
_join = threading.Thread.join  # the real one


def begin_to_watch() -> None:
    """Start the thread, if there is a clock to watch."""
    _watch.start()


@contextmanager
def watching(clock: Any, guard: float, *, judges_replies: bool = True) -> Iterator[Account]:
    """Watch over a clock within this block, from the first reply on, or from `begin_to_watch`.

    Args:
        guard: idle seconds without any progress after which the test is failed.
        judges_replies: whether replies that repeat fail it earlier, and are no progress.
    """
    account = clock.account = Account(clock, guard, judges_replies=judges_replies)
    _watch.open(account)
    try:
        yield account
    finally:
        clock.account = None
        account.end()
        _watch.close(account)
