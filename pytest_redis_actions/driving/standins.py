"""What a driven module sees in place of `time`, `datetime`, `asyncio` and the locks of `threading`."""

from __future__ import annotations

import asyncio
import datetime
import threading
import time
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from .ledger import Ledger
from .locks import lock_stand_ins
from .places import place
from .tasks import Loops, asynchronous

__all__ = ["stand_ins"]

__tracebackhide__ = True

_NANOSECONDS = 1_000_000_000


class _Function:
    """A function that does not bind when it is a class attribute, as the built-in ones do not."""

    def __init__(self, original: Callable[..., Any], driven: Callable[..., Any], ledger: Ledger) -> None:
        self._original = original
        self._driven = driven
        self._ledger = ledger
        self.__name__ = original.__name__
        self.__doc__ = original.__doc__

    def __repr__(self) -> str:
        return f"<{self.__name__} on a driven clock>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._ledger.closed:
            return self._original(*args, **kwargs)  # kept by somebody beyond the end of the block
        self._ledger.check()
        return self._driven(*args, **kwargs)


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


def stand_ins(ledger: Ledger, loops: Loops, epoch: int) -> dict[int, Any]:
    """Return what stands for what, by the `id` of the original."""
    times = {name: _Function(getattr(time, name), driven, ledger) for name, driven in _time(ledger, epoch).items()}
    tasks = asynchronous(loops)
    moment = {"datetime": _datetime(ledger, epoch)}
    found: dict[int, Any] = {}
    for module, names in ((time, times), (asyncio, tasks), (datetime, moment), (threading, lock_stand_ins())):
        found |= {id(getattr(module, name)): each for name, each in names.items()}
        found[id(module)] = _Module(module, names)
    return found


def _time(ledger: Ledger, epoch: int) -> dict[str, Callable[..., Any]]:
    def sleep(seconds: float, /) -> None:
        nanoseconds = round(seconds * _NANOSECONDS)
        if nanoseconds < 0:
            raise ValueError("sleep length must be non-negative")
        ledger.sleep(nanoseconds, place())

    def seconds() -> float:
        return ledger.read() / _NANOSECONDS

    return {
        "sleep": sleep,
        "time": lambda: epoch + ledger.read() / _NANOSECONDS,
        "time_ns": lambda: epoch * _NANOSECONDS + ledger.read(),
        "monotonic": seconds,
        "monotonic_ns": ledger.read,
        "perf_counter": seconds,
        "perf_counter_ns": ledger.read,
    }


def _datetime(ledger: Ledger, epoch: int) -> type:
    real: Any = datetime.datetime

    class _Kind(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, real)

        def __subclasscheck__(cls, subclass: type) -> bool:
            return issubclass(subclass, real)

    # What it makes is the real datetime, so that nothing of the block is left in what a client keeps.
    class driven(datetime.datetime, metaclass=_Kind):  # noqa: N801  # it is called datetime
        def __new__(cls, *args: Any, **kwargs: Any) -> Any:
            return real(*args, **kwargs)

        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            if ledger.closed:
                return real.now(tz)
            seconds, nanoseconds = divmod(ledger.read(), _NANOSECONDS)
            return real.fromtimestamp(epoch + seconds, tz).replace(microsecond=nanoseconds // 1000)

        @classmethod
        def utcnow(cls) -> Any:
            return cls.now(datetime.timezone.utc).replace(tzinfo=None)

        @classmethod
        def today(cls) -> Any:
            return cls.now()

    driven.__name__ = driven.__qualname__ = "datetime"
    driven.__module__ = "datetime"
    return driven
