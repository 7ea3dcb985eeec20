"""Which fault meets which request: counted in requests, or timed on the clock.

Of an `Injection` the endpoint's methods alone know, and they hold its lock.
"""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from .. import faults
from ..errors import UsageError, shown
from ..errors.arguments import caller, check_number
from ..facts.routes import METHODS, check_request, difference, find, is_segment, matches, split
from ..faults import Fault, random_fault
from ..operations.script import Step

__all__ = ["Injected", "Injection", "aimed", "separate"]

__tracebackhide__ = True

_IN_A_ROW = 2
_CHAOS = 0.3  # how many of the requests meet a fault


@dataclass
class Injected:
    """One fault, and the requests that it waits for.

    Attributes:
        fault: what goes wrong.
        uid: of the operation that a request must be about; None for any.
        method, template: what a request must be; None and () for any; "*" for what starts something.
        after: how many such requests are answered from the record before.
        count: how many meet the fault then; None for all of them.
        begins, ends: seconds on the clock, where it is timed.
        optional: whether it may meet no request at all.
        place: where the test asked for it, "test_it.py:12 in test_it".
    """

    fault: Fault
    uid: str | None = None
    method: str | None = None
    template: tuple[str, ...] = ()
    after: int = 0
    count: int | None = 1
    begins: float | None = None
    ends: float = float("inf")
    optional: bool = False
    place: str = field(default_factory=caller)
    seen: int = 0
    fired: int = 0

    def is_about(self, method: str, segments: tuple[str, ...], uids: tuple[str, ...], now: float) -> bool:
        """Tell whether a request is one of those that the fault counts."""
        if self.uid is not None and (method != "GET" or self.uid not in uids):
            return False
        if self.method == "*":
            return method not in ("GET", "HEAD", "OPTIONS")
        if self.method not in (None, method) or (self.template and not matches(self.template, segments)):
            return False
        return self.begins is None or self.begins <= now < self.ends

    def told(self, knows: Callable[[str], bool]) -> str:
        """Return its name, what it waits for, how many such requests have come, and its line: why it has not happened.

        Args:
            knows: whether there is an operation of a uid.
        """
        wanted = f"{self.method} /{'/'.join(self.template)}" if self.template else ""
        wanted = f" on {wanted}" if wanted else f" on {self.uid}" if self.uid else ""
        after = f" after {self.after} requests" if self.after else ""
        when = "" if self.begins is None else f" from {self.begins:g} s"
        when += "" if self.ends == float("inf") else f" to {self.ends:g} s"
        came = f"{self.seen} came" if self.seen else "none came"
        path = "/" + "/".join(self.template)
        hint = f"\n    {difference(path)}" if self.template and find(path) is None else ""
        if self.uid is not None and not knows(self.uid):
            hint = f"\n    unknown operation {shown(self.uid, 40)}: write on=action"
        return f"{self.fault.name}{wanted}{after}{when}: {came}{hint}\n    at {self.place}"

    @property
    def is_due(self) -> bool:
        """Whether the next such request meets it."""
        return self.seen >= self.after and (self.count is None or self.fired < self.count)


def aimed(
    fault: object,
    on: object,
    *,
    after_polls: int,
    polls: int | None,
    at: float | None,
    seconds: float | None,
    now: float,
) -> Injected:
    """Return a fault with the requests that it waits for; whatever is wrong with them: see `RedisActions.fault`."""
    if not isinstance(fault, Fault):
        raise UsageError(f"{shown(fault, 40)} is not a fault", fix=_how_to_make(fault), value=fault)
    check_number("after_polls", after_polls, whole=True)
    if polls is not None:
        check_number("polls", polls, least=1, whole=True)
    if at is not None:
        check_number("at", at, most=1e9, unit="seconds")
    if seconds is not None:
        check_number("seconds", seconds, above=True, most=1e9)
    begins = now if at is None and seconds is not None else at
    count = 1 if polls is None and begins is None else polls
    ends = float("inf") if begins is None or seconds is None else begins + seconds
    uid, method, template = _target(on)
    return Injected(
        fault, uid=uid, method=method, template=template, after=after_polls, count=count, begins=begins, ends=ends
    )


def _target(on: object) -> tuple[str | None, str | None, tuple[str, ...]]:
    if on is None:
        return None, None, ()
    if not isinstance(on, str) or not on:
        raise UsageError(
            f"on={shown(on, 40)} is not a target", fix='give a handle, a uid, or "GET /v1/actions/{uid}"', value=on
        )
    method, _, path = on.partition(" ")
    if on.startswith("/"):
        raise UsageError(f"on={shown(on, 40)} lacks the method", fix=f"write on={f'GET {on}'[:80]!r}", value=on)
    if not path and is_segment(on) and on not in METHODS:
        return on, None, ()
    if not path:
        fix = f'write on="{on} /v1/actions/{{uid}}"' if on in METHODS else "give a handle, or action.uid"
        raise UsageError(f"on={shown(on, 40)} can be no uid", fix=fix, value=on)
    check_request(method, path)
    return None, method, split(path)


def _how_to_make(fault: object) -> str:
    if type(fault) is int:
        return f"write faults.status({fault})"
    name = getattr(fault, "__name__", "")
    if name and getattr(faults, name, None) is fault:
        return f"call it: faults.{name}({'…' if inspect.signature(fault).parameters else ''})"  # type: ignore[arg-type]  # a function
    return "make one: faults.status(503), faults.reset(), …"


class Injection:
    """The faults of one stub."""

    def __init__(self) -> None:
        self._injected: list[Injected] = []
        self._chaos: random.Random | None = None
        self._drawn_from: tuple[str, ...] = ()
        self._drawn = 0
        self._in_a_row = 0
        self.chaos_call = ""

    def __bool__(self) -> bool:
        return bool(self._injected) or self._chaos is not None

    def add(self, injected: Injected) -> None:
        """Let a fault happen."""
        self._injected.append(injected)

    def arm(self, script: Iterable[Injected], uid: str, now: float) -> None:
        """Let the faults of a script happen to the operation that begins it now."""
        for each in script:
            each.uid = uid
            if each.begins is not None:
                each.begins += now
            self.add(each)

    def chaos(self, seed: int, names: tuple[str, ...], call: str) -> None:
        """Let any of these faults happen to any GET, at random; the same ones for the same seed.

        Args:
            call: how it was asked for, for the report.
        """
        self.chaos_call, self._drawn_from, self._drawn = call, names, 0
        self._chaos = random.Random(seed)  # noqa: S311  # to be repeated, not to be secret

    def fault_for(
        self, method: str, segments: tuple[str, ...], uids: tuple[str, ...], now: float, *, is_routed: bool
    ) -> Fault | None:
        """Return the fault that a request meets: of several the one that was asked for first."""
        about = [each for each in self._injected if each.is_about(method, segments, uids, now)]
        met = next((each for each in about if each.is_due), None)
        fault = met.fault if met else None
        if met is not None:
            met.fired += 1
        elif is_routed and method == "GET":
            fault = self._random()
        if fault is None or fault.moves:
            # What was never answered from the record counts for nobody else, so that faults come one after another.
            for each in about:
                each.seen += 1
        return fault

    def _random(self) -> Fault | None:
        source = self._chaos
        self._drawn += 1
        if source is None or source.random() >= _CHAOS or self._in_a_row == _IN_A_ROW:
            self._in_a_row = 0
            return None
        self._in_a_row += 1
        return random_fault(source, self._drawn_from)

    def unfired(self, knows: Callable[[str], bool]) -> tuple[str, ...]:
        """Return the faults that no request has met, although one should have, and why; and chaos that no GET has met.

        Args:
            knows: whether there is an operation of a uid.
        """
        met_none = (f"{self.chaos_call}: no GET came",) if self._chaos is not None and not self._drawn else ()
        return (*(each.told(knows) for each in self._injected if not (each.fired or each.optional)), *met_none)


def separate(script: Iterable[Step | Fault] | None) -> tuple[list[Step] | None, list[Injected]]:
    """Return a script's steps, and its faults, each of which meets one request at its place among them.

    The times of the faults count from the beginning of the script.
    """
    if script is None or isinstance(script, (str, Step)) or not isinstance(script, Iterable):
        return script, []  # type: ignore[return-value]  # what is no script is refused with the steps
    steps: list[Step] = []
    injected = []
    timed = False
    for each in script:
        if not isinstance(each, Fault):
            steps.append(each)
            timed = timed or getattr(each, "seconds", None) is not None
            continue
        elapsed = sum(step.seconds or 0 for step in steps if isinstance(step, Step))
        polls = sum(step.polls or 1 for step in steps if isinstance(step, Step))
        injected.append(Injected(each, after=0 if timed else polls, begins=elapsed if timed else None))
    return steps, injected
