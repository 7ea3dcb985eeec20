"""What a driven module sees in place of `time`, `datetime`, `asyncio` and the locks of `threading`.

Stand-ins are made once and follow the block that is open; while none is, they are what they stand for.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import concurrent.futures._base as futures
import datetime
import operator
import queue
import sched
import sys
import threading
import time
from collections.abc import Callable, Mapping
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from .ledger import DRIVEN, Ledger
from .locks import lock_stand_ins
from .opened import opened
from .places import place
from .readings import NANOSECONDS
from .replacing import Undo
from .tasks import ASYNCHRONOUS

__all__ = ["hook_maps", "drive_dates", "hook_scheduler", "original_of", "real_names", "stand_in_for"]

__tracebackhide__ = True

_LONGEST = 2**63 / NANOSECONDS  # seconds; no function of `time` takes more


class _Function:
    """A function that does not bind when it is a class attribute, as the built-in ones do not."""

    def __init__(self, name: str, driven: Callable[..., Any]) -> None:
        self._driven = driven
        self.__name__ = name
        self.__doc__ = getattr(getattr(time, name), "__doc__", None)

    def __repr__(self) -> str:
        return f"<{self.__name__} on a driven clock>"

    def __reduce__(self) -> Any:
        return _real, (self.__name__,)  # in another process

    def __deepcopy__(self, memo: object) -> _Function:
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        instead = opened.instead(time, self.__name__)
        if instead is not None:
            return instead(*args, **kwargs)
        ledger = opened.ledger
        assert ledger is not None  # noqa: S101  # `instead` has looked
        ledger.check()
        return self._driven(ledger, *args, **kwargs)


def _real(name: str) -> Any:
    return getattr(time, name)


class _Module(ModuleType):
    """A module in which some names are others; the rest is looked up in the original."""

    def __init__(self, original: ModuleType, names: Mapping[str, Any]) -> None:
        super().__init__(original.__name__, original.__doc__)
        self.__dict__.update(names)
        self.__dict__["__wrapped__"] = original

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["__wrapped__"], name)

    def __setattr__(self, name: str, value: object) -> None:
        if name in self.__dict__:
            self.__dict__[name] = value
        else:
            setattr(self.__dict__["__wrapped__"], name, value)

    def __delattr__(self, name: str) -> None:
        if name in self.__dict__:
            del self.__dict__[name]
        else:
            delattr(self.__dict__["__wrapped__"], name)

    def __dir__(self) -> list[str]:
        return dir(self.__dict__["__wrapped__"])


# time


def _sleep(ledger: Ledger, seconds: Any, /) -> None:
    number = seconds if isinstance(seconds, float) else operator.index(seconds)
    if not 0 <= number < _LONGEST:
        time.sleep(number)  # it says what is wrong
    ledger.sleep(number, place())


def _monotonic(ledger: Ledger) -> float:
    return ledger.readings.monotonic.read(ledger.read())


def _monotonic_ns(ledger: Ledger) -> int:
    return ledger.clock.monotonic_from * NANOSECONDS + ledger.read()


def _now(ledger: Ledger) -> float:
    return ledger.readings.wall.read(ledger.read())


def _now_ns(ledger: Ledger) -> int:
    return ledger.clock.epoch * NANOSECONDS + ledger.read()


def _of_now(name: str) -> Callable[..., Any]:
    """Return a function of `time` that takes the present when it is given no seconds."""

    def driven(ledger: Ledger, seconds: Any = None, /) -> Any:
        return getattr(time, name)(_now_ns(ledger) // NANOSECONDS if seconds is None else seconds)

    return driven


def _asctime(ledger: Ledger, *moment: Any) -> str:
    return time.asctime(*(moment or [time.localtime(_now(ledger))]))


def _strftime(ledger: Ledger, form: str, /, *moment: Any) -> str:
    return time.strftime(form, *(moment or [time.localtime(_now(ledger))]))


_WALLS = {getattr(time, name) for name in ("CLOCK_REALTIME", "CLOCK_TAI") if hasattr(time, name)}
_STEADY = {
    getattr(time, name)
    for name in ("CLOCK_MONOTONIC", "CLOCK_MONOTONIC_RAW", "CLOCK_BOOTTIME", "CLOCK_UPTIME", "CLOCK_UPTIME_RAW")
    if hasattr(time, name)
}


def _of_clock(name: str, wall: Callable[[Ledger], Any], steady: Callable[[Ledger], Any]) -> Callable[..., Any]:
    """Return `clock_gettime` or its `_ns` form; clocks that count processor time stay real."""

    def driven(ledger: Ledger, clock: int, /) -> Any:
        read = wall if clock in _WALLS else steady if clock in _STEADY else None
        return getattr(time, name)(clock) if read is None else read(ledger)

    return driven


_DRIVEN: dict[str, Callable[..., Any]] = {
    "sleep": _sleep,
    "time": _now,
    "time_ns": _now_ns,
    "monotonic": _monotonic,
    "monotonic_ns": _monotonic_ns,
    "perf_counter": _monotonic,
    "perf_counter_ns": _monotonic_ns,
    "gmtime": _of_now("gmtime"),
    "localtime": _of_now("localtime"),
    "ctime": _of_now("ctime"),
    "asctime": _asctime,
    "strftime": _strftime,
    "clock_gettime": _of_clock("clock_gettime", _now, _monotonic),
    "clock_gettime_ns": _of_clock("clock_gettime_ns", _now_ns, _monotonic_ns),
}
_TIME = {name: _Function(name, driven) for name, driven in _DRIVEN.items() if hasattr(time, name)}


# datetime: what its classes make is real, so that nothing of a block is left in what a client keeps


def _genuine(name: str) -> Any:
    """Return a class of the standard library, also if a test has put a subclass in its place."""
    return next(each for each in datetime.datetime.__mro__ if type(each) is type and each.__name__ == name)


_DATE, _DATETIME = _genuine("date"), _genuine("datetime")


class _Kind(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _CLASSES[cls]) if cls in _CLASSES else super().__instancecheck__(instance)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, _CLASSES[cls]) if cls in _CLASSES else super().__subclasscheck__(subclass)


def _moment(tz: datetime.tzinfo | None) -> Any:
    ledger = opened.ledger
    assert ledger is not None  # noqa: S101  # the caller has looked
    seconds, nanoseconds = divmod(_now_ns(ledger), NANOSECONDS)
    return _DATETIME.fromtimestamp(seconds, tz).replace(microsecond=nanoseconds // 1000)


class _DrivenDatetime(_DATETIME, metaclass=_Kind):  # type: ignore[misc, valid-type]  # found at run time
    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return _DATETIME(*args, **kwargs) if cls in _CLASSES else _DATETIME.__new__(cls, *args, **kwargs)

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Any:
        instead = opened.instead(datetime, "datetime")
        return _moment(tz) if instead is None else instead.now(tz)

    @classmethod
    def utcnow(cls) -> Any:
        return cls.now(datetime.timezone.utc).replace(tzinfo=None)

    @classmethod
    def today(cls) -> Any:
        return cls.now()


class _DrivenDate(_DATE, metaclass=_Kind):  # type: ignore[misc, valid-type]  # found at run time
    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return _DATE(*args, **kwargs) if cls in _CLASSES else _DATE.__new__(cls, *args, **kwargs)

    @classmethod
    def today(cls) -> Any:
        instead = opened.instead(datetime, "date")
        return _moment(None).date() if instead is None else instead.today()


def _present(kind: Any, instead: Any) -> Any:
    """Return `now`, `utcnow` or `today` for a client's own kind of date."""

    def present(cls: Any, *args: Any, **kwargs: Any) -> Any:
        made = instead(*args, **kwargs)
        if not issubclass(cls, _DATETIME):
            return cls(made.year, made.month, made.day)
        return cls.combine(made.date(), made.timetz()).replace(fold=made.fold)

    present.__name__ = kind
    return classmethod(present)


def drive_dates(owner: type, undo: Undo) -> None:
    """Let a client's own subclass of `datetime` or `date` read the clock."""
    kind: Any = _DrivenDatetime if issubclass(owner, _DATETIME) else _DrivenDate
    for name in ("now", "utcnow", "today") if issubclass(owner, _DATE) else ():
        home = next((each for each in owner.__mro__ if name in vars(each)), None)
        if home in (_DATETIME, _DATE):
            undo.attribute(owner, name, _present(name, getattr(kind, name)))


for _class, _name in ((_DrivenDatetime, "datetime"), (_DrivenDate, "date")):
    _class.__name__ = _class.__qualname__ = _name
    _class.__module__ = "datetime"
_CLASSES: dict[type, Any] = {_DrivenDatetime: _DATETIME, _DrivenDate: _DATE}


# Functions of the standard library that measure a time-out themselves


def _rebound(function: Any, names: dict[str, Any]) -> Any:
    """Return the same function with other global names."""
    copy = FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


def _rebound_class(kind: type, names: dict[str, Any]) -> Any:
    body = {name: value for name, value in vars(kind).items() if name not in ("__dict__", "__weakref__")}
    rebound = {
        name: _rebound(value, names) if isinstance(value, FunctionType) else value for name, value in body.items()
    }
    return type(kind.__name__, kind.__bases__, rebound)


_seen_time = _Module(time, _TIME)
_OF_FUTURES = {**vars(futures), "__name__": DRIVEN, "time": _seen_time}
_OF_TASKS = {**vars(asyncio.tasks), "__name__": DRIVEN}
if "_AsCompletedIterator" in _OF_TASKS:  # since Python 3.13
    _OF_TASKS["_AsCompletedIterator"] = _rebound_class(_OF_TASKS["_AsCompletedIterator"], _OF_TASKS)
_map = _rebound(futures.Executor.map, _OF_FUTURES)
_completed_futures = _rebound(futures.as_completed, _OF_FUTURES)
_completed_tasks = _rebound(asyncio.tasks.as_completed, _OF_TASKS)


def _as_completed_futures(fs: Any, timeout: float | None = None) -> Any:
    return (opened.instead(concurrent.futures, "as_completed") or _completed_futures)(fs, timeout)


def _as_completed_tasks(fs: Any, *, timeout: float | None = None) -> Any:
    return (opened.instead(asyncio, "as_completed") or _completed_tasks)(fs, timeout=timeout)


def hook_maps(ledger: Ledger, undo: Undo) -> None:
    """Let `Executor.map` of driven code measure its time-out on the clock."""
    original = futures.Executor.map

    def hooked(executor: Any, fn: Any, *iterables: Any, **options: Any) -> Any:
        driven = not ledger.closed and sys._getframe(1).f_globals.get("__name__") in ledger.names
        return (_map if driven else original)(executor, fn, *iterables, **options)

    undo.attribute(futures.Executor, "map", hooked)


def hook_scheduler(ledger: Ledger, undo: Undo) -> None:
    """Let a scheduler that driven code makes without naming functions of time use those of the clock."""
    original = sched.scheduler.__init__

    def hooked(scheduler: Any, *given: Any, **named: Any) -> None:
        if not ledger.closed and sys._getframe(1).f_globals.get("__name__") in ledger.names:
            functions = {"timefunc": _TIME["monotonic"], "delayfunc": _TIME["sleep"]}
            named = dict(list(functions.items())[len(given) :]) | named
        original(scheduler, *given, **named)

    undo.attribute(sched.scheduler, "__init__", hooked)


# Which stands for which

_OF_ASYNCIO = ASYNCHRONOUS | {"as_completed": _as_completed_tasks}
_PARTS = {
    part: _Module(part, {name: each for name, each in _OF_ASYNCIO.items() if hasattr(part, name)})
    for part in (sys.modules.get(f"asyncio.{name}") for name in ("tasks", "timeouts"))
    if part is not None
}
_MODULES: dict[ModuleType, Mapping[str, Any]] = {
    time: _TIME,
    asyncio: _OF_ASYNCIO,
    concurrent.futures: {"as_completed": _as_completed_futures},
    datetime: {"datetime": _DrivenDatetime, "date": _DrivenDate},
    threading: lock_stand_ins(),
    queue: {"SimpleQueue": queue._PySimpleQueue},  # type: ignore[attr-defined]  # that one says who waits for it
}


def _pairs() -> list[tuple[Any, Any]]:
    """Return originals, as they are when nobody has patched them, with their stand-ins."""
    homes = {"asyncio": asyncio.tasks, "datetime": type("", (), {"datetime": _DATETIME, "date": _DATE})}
    found: list[tuple[Any, Any]] = []
    for module, names in _MODULES.items():
        home = homes.get(module.__name__, module)
        found += [(getattr(home, name, None) or getattr(module, name), stand_in) for name, stand_in in names.items()]
        found.append((module, _Module(module, names)))
    return found


_PAIRS = _pairs()
# What `import concurrent.futures` binds is the package.
_futures_seen = next(stand_in for original, stand_in in _PAIRS if original is concurrent.futures)
_PAIRS.append((concurrent, _Module(concurrent, {"futures": _futures_seen})))
_PAIRS += _PARTS.items()
_asyncio_seen = next(stand_in for original, stand_in in _PAIRS if original is asyncio)
vars(_asyncio_seen).update({part.__name__.partition(".")[2]: seen for part, seen in _PARTS.items()})
_STAND_INS = {id(original): stand_in for original, stand_in in _PAIRS}
_ORIGINALS = {id(stand_in): original for original, stand_in in _PAIRS}


def stand_in_for(value: Any) -> Any:
    """Return what stands for a value in driven modules, or None if nothing does.

    Functions of `time` are known by name, because a test may have mocked them before anybody looked.
    """
    if type(value) is BuiltinFunctionType:
        if value.__self__ is time:
            return _TIME.get(value.__name__)
        kind = next((driven for driven, real in _CLASSES.items() if real is value.__self__), None)
        if kind is not None and value.__name__ in ("now", "utcnow", "today"):
            return getattr(kind, value.__name__)
    return _STAND_INS.get(id(value))


def original_of(value: Any) -> Any:
    """Return what a stand-in stands for, or None if it is not one."""
    if isinstance(value, _Function):
        return getattr(time, value.__name__)
    return _ORIGINALS.get(id(value))


def real_names() -> dict[tuple[str, str], Any]:
    """Return what stands under the driven names at the moment, by module and name."""
    return {(module.__name__, name): getattr(module, name) for module, names in _MODULES.items() for name in names}
