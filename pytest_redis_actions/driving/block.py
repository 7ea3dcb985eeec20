"""The block in which a client's time is driven: it opens, guards itself against standing still, and closes."""

from __future__ import annotations

import asyncio
import builtins
import math
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Protocol

from ..errors import EndlessWait, StandStill, UsageError, explained
from .advising import asleep, awake_among
from .interruption import Revise, forget_raised, interrupt, interruptible, is_interruptible, raise_in
from .ledger import Ledger, MovableClock, OutsideThread, Party
from .locks import locks_of
from .opened import opened
from .places import place
from .private import check_python
from .reach import refuse_unreachable
from .replacing import Undo, classes_of, replace, replace_held
from .standins import drive_dates, hook_maps, hook_scheduler, original_of, real_names, stand_in_for
from .targets import targets
from .tasks import ASYNCHRONOUS, Loops
from .threads import hook_threads
from .watch import begin_to_watch, watching

__all__ = ["Block"]

__tracebackhide__ = True

_PATIENCE = 3  # requests after the bound: a client that sleeps is told there, on its own line
_NANOSECONDS = 1_000_000_000


class DrivableClock(MovableClock, Protocol):
    """What a block needs of a clock: who owns it says what clients may do, and what to tell those who do more."""

    max_virtual_seconds: float
    undriven: int
    block: Block | None
    watched: tuple[Any, ...]
    account: Any

    @property
    def excess(self) -> int:
        """Requests beyond those that are allowed; 0 or less while there are none."""

    def endless(self, resting: Iterable[str] = (), *, spins: bool = False) -> type[BaseException]:
        """Return the error of a client that never gives up; it needs no arguments.

        Args:
            resting: the lines that wait.
            spins: whether it looks at the time again and again instead of sleeping.
        """


_opening = threading.Lock()


class Block:
    """A context manager within which modules see the clock; blocks of the same clock may be nested.

    Args:
        clock: what their sleeping moves.
        given: import names, recipe names or module objects.
        submodules: whether what lies below the named packages is driven too.
        home: the module of the test, whose own waiting for a client is understood.
        held: what the opener holds: instances of driven classes are driven, too.
        where: the line that opens the block.
        guard: idle seconds without any progress after which the test is failed; None for never.
        on_enter: called when the block is entered.
        is_inner: whether it is opened within the test, and not around it.
        spares_opener: whether what stops it is raised in the thread that has opened it only where that waits.
    """

    def __init__(
        self,
        clock: DrivableClock,
        given: tuple[object, ...],
        *,
        submodules: bool = False,
        home: str = "",
        held: Iterable[Any] = (),
        where: str = "",
        guard: float | None = 20.0,
        on_enter: Callable[[], None] = lambda: None,
        is_inner: bool = False,
        spares_opener: bool = False,
    ) -> None:
        self._spares_opener = spares_opener
        self._is_inner = is_inner
        self.where = where
        self._clock = clock
        self._modules = targets(given, submodules=submodules)
        self._packages = [module.__name__ for module in self._modules] if submodules else []
        self._home = home
        self._held = held
        self._guard = guard
        self._on_enter = on_enter
        self._undo = Undo()
        self._outer: Block | None = None
        self._spared: tuple[Party, ...] = ()
        self._watching = ExitStack()
        self._met: BaseException | None = None
        self._is_a_tests = False
        self._interrupting = threading.Lock()
        self._is_closing = False
        self._thread = threading.get_ident()
        self._locks: dict[int, Any]
        self.ledger: Ledger
        self.loops: Loops

    def __repr__(self) -> str:
        return f"<drives {', '.join(module.__name__ for module in self._modules)}>"

    def __enter__(self) -> Block:
        self._on_enter()
        refuse_unreachable(self._modules)
        check_python()
        try:
            with _opening:
                self._outer = opened.block
                if self._outer is None:
                    self._open()
                elif self._outer._clock is self._clock:
                    self.ledger, self.loops, self._locks = self._outer.ledger, self._outer.loops, self._outer._locks
                else:
                    raise UsageError(
                        "another stub's clock drives modules already",
                        fix=f"end the block of {self._outer.where} first, or let both stubs share a clock",
                    )
            self._drive()
        except BaseException:
            if self._outer is None:
                self.close()
            self._undo.restore()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._outer is not None:
            self.ledger.names -= {module.__name__ for module in self._modules}
            self._undo.restore()
            return
        stopped = self.ledger.error if self.close() else None
        met, self._met = self._met, None
        told = stopped is None or isinstance(error, (StandStill, EndlessWait)) or self._was_caught_by_test(met)
        if stopped is not None and not told:
            raise stopped from error

    def _was_caught_by_test(self, met: BaseException | None) -> bool:
        """Whether what stopped the block has reached the code that opened it: its traceback ends where it was caught.

        One that the client has swallowed ends in the client. Around a whole test, that would say nothing.
        """
        reached = met.__traceback__.tb_frame if met is not None and met.__traceback__ is not None else None
        return self._is_inner and reached is not None and reached.f_globals.get("__name__") == self._home

    def close(self) -> bool:
        """Give everybody their time back; return whether that was still to be done."""
        with _opening:
            if opened.block is not self:
                return False
            try:
                self._spare_opener()
            except (EndlessWait, StandStill):
                self._spare_opener()  # one that came before it could be held back; the block's end tells it
            self._watching.close()
            self._await_stopped()
            self.ledger.close()
            self.loops.detach_all()
            self._undo.restore()
            self._release_imported()
            self._clock.block = None
            self._clock.undriven = 0
            opened.close()
        return True

    def _release_imported(self) -> None:
        """Give the modules that were imported within the block what they would hold without it."""
        for name in self.ledger.imported:
            if name in sys.modules:
                replace(sys.modules[name], original_of, Undo())

    def _await_stopped(self) -> None:
        """Give threads that were stopped a moment to end, so that they send nothing into the next test."""
        if self.ledger.error is None:
            return
        moment = 1.0
        for party in self.ledger.parties:
            if party is self._opener or party.thread is None:
                continue
            if isinstance(party.thread, threading._DummyThread):  # nobody can join it
                continue
            if self.ledger.party_of(party.thread) is party:
                _join(party.thread, moment)
            else:
                self.ledger.await_job(party, self._opener, moment)  # the thread of a pool outlives it
            moment = moment if party.left else 0.0  # the others have had the same moment

    def _open(self) -> None:
        limit = self._clock.nanoseconds + round(self._clock.max_virtual_seconds * _NANOSECONDS)
        self.ledger = Ledger(self._clock, limit=limit, on_limit=self._on_limit)
        self.loops = Loops(self.ledger)
        self._locks = {}
        self._clock.undriven = 0
        opened.open(self, self.ledger, self.loops, real_names())
        self._opener = self.ledger.joined()
        self._spared = (self._opener,) if self._spares_opener else ()
        self._thread = threading.get_ident()
        outside = (threading.current_thread(), *filter(_is_ours, threading.enumerate()))
        self.ledger.strangers = frozenset(threading.enumerate()) - {*outside}
        self.ledger.is_quiet = self._is_quiet
        self._attach_running_loop()
        names = {module.__name__ for module in self._modules}
        self.ledger.sleepers = asleep(self.ledger.strangers, self._modules) | self.loops.asleep(names)
        self.ledger.on_sleeper = self._refuse_sleeper
        hook_threads(self.ledger, self._undo)
        hook_maps(self.ledger, self._undo)
        hook_scheduler(self.ledger, self._undo)
        self.loops.hook(self._undo)
        self._undo.attribute(builtins, "__import__", self._importer())
        self._clock.block = self
        self._watch()

    def _attach_running_loop(self) -> None:
        try:
            self.loops.attached(asyncio.get_running_loop())
        except RuntimeError:
            pass  # no loop runs here

    def _watch(self) -> None:
        """See to it that the block does not stand still; a stub's watch does so already, with its own patience."""
        guard = math.inf if self._guard is None else self._guard  # it is swept in any case
        self._is_a_tests = self._clock.account is not None  # the client contract stops its clients by itself
        if self._clock.account is not None:
            self._watching.enter_context(self._clock.account.guarded_by(guard))
        else:
            if not (is_interruptible() or self._guard is None or self._spares_opener):
                self._watching.enter_context(interruptible())
            self._watching.enter_context(watching(self._clock, guard, judges_replies=False))
        begin_to_watch()

    def _drive(self) -> None:
        self._modules = [module for module in self._modules if module.__name__ not in self.ledger.names]
        self.ledger.names |= {module.__name__ for module in self._modules}
        self.ledger.homes |= {name.partition(".")[0] for name in self.ledger.names} | {self._home.partition(".")[0]}
        self.ledger.packages |= {f"{name}." for name in self._packages}
        for module in self._modules:
            self._locks |= {key: each for key, each in locks_of(module).items() if key not in self._locks}
            replace(module, self._find, self._undo)
            for owner in classes_of(module):
                drive_dates(owner, self._undo)
        driven = {module.__name__ for module in self._modules}
        replace_held(self._held, self._home, driven, self._find, self._undo)
        self._held = ()

    def _find(self, value: Any) -> Any:
        return self._locks.get(id(value)) or stand_in_for(value)

    def _importer(self) -> Callable[..., Any]:
        original, ledger = builtins.__import__, self.ledger

        def importer(
            name: str,
            globals: Mapping[str, object] | None = None,
            locals: Mapping[str, object] | None = None,
            fromlist: Any = (),
            level: int = 0,
        ) -> Any:
            module = original(name, globals, locals, fromlist, level)
            if globals is not None and (name := str(globals.get("__name__"))) in ledger.names:
                return stand_in_for(module) or module
            if globals is not None and name.startswith(tuple(ledger.packages)):
                ledger.names.add(name)
                ledger.imported.add(name)
                return stand_in_for(module) or module
            return module

        return importer

    @property
    def activity(self) -> int:
        """A number that grows with everything that happens in the block."""
        return self.ledger.activity

    def sleep(self, seconds: float) -> None:
        """Let whoever calls the clock itself sleep: a client, or a handler, whose reply then takes so long."""
        thread = threading.current_thread()
        if isinstance(thread, OutsideThread):
            self.ledger.reply_later(seconds, thread)
        else:
            self.ledger.sleep(seconds, place())

    async def asleep(self, seconds: float) -> None:
        """Let a task that calls the clock itself sleep."""
        await ASYNCHRONOUS["sleep"](seconds)

    # Bounds

    def interrupt(self, error: type[BaseException], revise: Revise | None = None) -> bool:
        """Stop the block, with this error in everybody who belongs to it; return whether it is raised at once."""
        self._stop(error)
        with self._interrupting:
            if self._opener.rests or self._spares_opener or self._is_closing:
                return True
            return interrupt(self.ledger.error or error, lambda: self._revised(error, revise))

    def _revised(self, error: type[BaseException], revise: Revise | None) -> type[BaseException] | None:
        revised = error if revise is None else revise()
        return None if revised is None else self._noted(revised)

    def requested(self) -> None:
        """Take note that a stub of this clock has got a request."""
        self.ledger.activity += 1
        self.ledger.refuse_woken(lambda threads: awake_among(threads, self._modules))
        beyond = self._clock.excess
        if beyond > 0 and self.ledger.error is None:
            self._stop(self._clock.endless(self._resting()))
        if beyond > _PATIENCE:
            # A test that swallows even that meets a signal, and alone: the other error would end the signal's handler.
            insists = beyond > 4 * _PATIENCE and self._is_a_tests and is_interruptible() and not self._opener.rests
            spared = (*self._spared, self._opener) if insists else self._spared
            self._interrupt(party for party in self.ledger.parties if party not in spared)
            if insists and self.ledger.error is not None and not self._is_closing:
                interrupt(self.ledger.error)

    def _refuse_sleeper(self, name: str) -> None:
        fix = "open the block before it starts, or start it within the block"
        self.interrupt(explained(StandStill, f"{name} slept for real since before the block\n  fix     {fix}"))

    def requested_elsewhere(self) -> None:
        """Take note that a stub has got a request whose own clock nobody drives."""
        self._clock.undriven += 1
        self.requested()

    def _on_limit(self, when: int) -> None:
        self._stop(self._clock.endless(self._resting(), spins=when <= self.ledger.now))

    def _stop(self, error: type[BaseException]) -> None:
        if self.ledger.error is None:
            # Who rests is woken with the error, and whoever has called this meets it when this returns.
            present = (self._opener, self.ledger.current)
            awake = [party for party in self.ledger.parties if not party.rests and party not in present]
            if self._opener.rests:
                self._spared = (self._opener,)  # a test that waits is told, once, where it waits
            self.ledger.stop(self._noted(error))
            self.loops.cancel_all()
            self._interrupt(awake)

    def _noted(self, error: type[BaseException]) -> type[BaseException]:
        """Return an error that tells this block when it is raised in the thread that has opened it."""

        def note(raised: BaseException, *_: object) -> None:
            error.__init__(raised)
            if threading.get_ident() == self._thread:
                self._met = raised

        return type(error.__name__, (error,), {"__init__": note, "__module__": error.__module__})

    def settle(self) -> None:
        """Let time move if nothing keeps it: a reply was sent, or a connection has ended."""
        with self.ledger.lock:
            self.ledger.settle()

    def _is_quiet(self) -> bool:
        return not self.loops.have_input() and not any(each.unread() for each in self._clock.watched)

    def _resting(self) -> list[str]:
        return [party.where for party in self.ledger.parties if party.rests]

    def give_up(self, threads: Iterable[threading.Thread], why: str) -> None:
        """Stop the block because of these threads; they meet the error wherever they are."""
        self._spared = (self._opener,)
        if self.ledger.error is None:
            self.ledger.stop(explained(EndlessWait, why))
        self.loops.cancel_all()
        chosen = set(threads)
        self._interrupt(party for party in self.ledger.parties if party.thread in chosen)

    def _interrupt(self, parties: Iterable[Party]) -> None:
        """Raise the error in who is awake: a client that sleeps would meet it there, one that only polls never."""
        for party in parties:
            awake = not party.rests and party.loop is None
            if not awake or party.thread is None or party.thread.ident is None:
                continue
            with self._interrupting:
                if self.ledger.error is not None and not (self._is_closing and party is self._opener):
                    raise_in(party.thread.ident, self.ledger.error)

    def _spare_opener(self) -> None:
        """See to it that a reply which is still under way raises nothing in the test after this one."""
        with self._interrupting:
            self._is_closing = True
            forget_raised()


def _is_ours(thread: threading.Thread) -> bool:
    return isinstance(thread, OutsideThread)


_join = threading.Thread.join  # the real one
