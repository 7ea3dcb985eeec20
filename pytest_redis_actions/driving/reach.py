"""What of other libraries virtual time reaches, and what is refused when a block opens, with what to do instead."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ..errors import UsageError
from .replacing import names_in
from .standins import stand_in_for
from .targets import RECIPES

__all__ = ["REACH", "Reach", "refuse_unreachable", "row_against", "row_of"]

__tracebackhide__ = True

_PORTABLE = {name for modules in RECIPES.values() for name in modules}
_BACKENDS = {"anyio", "trio"}
"""What libraries with a recipe ask for by name, and use only in a client that runs on it."""

_WALL = '`clock="wall"` with a `rate`'


class Held:
    """What a module holds of libraries.

    Attributes:
        libraries: whose things stand under its names.
        named: those things with a name, as pairs of library and name.
        words: what its functions speak of.
        factories: the default factories of its models.
    """

    def __init__(self, module: ModuleType) -> None:
        values = [(_home(value), getattr(value, "__name__", None)) for value in list(vars(module).values())]
        self.libraries = {home for home, _ in values}
        self.named = {(home, name) for home, name in values if isinstance(name, str)}
        self.words = names_in(module)
        self.factories = list(_factories(vars(module)))
        if module.__name__ in _PORTABLE:
            self.libraries -= _BACKENDS
            self.words -= _BACKENDS


def _factories(names: dict[str, Any]) -> Iterator[Any]:
    for kind in list(names.values()):
        if isinstance(kind, type) and kind.__module__ == names["__name__"]:
            fields = vars(kind).get("__pydantic_fields__") or vars(kind).get("model_fields")
            for field in fields.values() if isinstance(fields, dict) else ():
                yield getattr(field, "default_factory", None)


def _home(value: Any) -> str:
    """Return the library that something comes from."""
    kind = value if isinstance(value, type) or callable(value) else type(value)
    name = value.__name__ if isinstance(value, ModuleType) else getattr(kind, "__module__", None)
    return name.partition(".")[0].lstrip("_") if isinstance(name, str) else ""


Condition = Callable[[Held], bool]


@dataclass(frozen=True)
class Reach:
    """One row of the table.

    Attributes:
        what: a library or a function, as the table writes it.
        instead: what to do; "" for what is driven.
        is_met: whether a driven module holds it, or whether it is active.
    """

    what: str
    instead: str = ""
    is_met: Condition = lambda _: False

    @property
    def is_driven(self) -> bool:
        """Whether it follows the clock."""
        return not self.instead


def _holds(library: str) -> Condition:
    return lambda module: library in module.libraries or library in module.words


def _names(library: str, *words: str) -> Condition:
    named = {(library, word) for word in words}
    holds = _holds(library)
    return lambda module: bool(named & module.named) or (holds(module) and not module.words.isdisjoint(words))


def _is_frozen(_: Held) -> bool:
    return bool(getattr(sys.modules.get("freezegun.api"), "freeze_factories", ()))


def _travels(_: Held) -> bool:
    library: Any = sys.modules.get("time_machine")
    return library is not None and bool(library.escape_hatch.is_travelling())


def _is_patched_by_gevent(_: Held) -> bool:
    monkey: Any = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("time") or monkey.is_module_patched("threading"))


def _is_nested(_: Held) -> bool:
    return hasattr(asyncio, "_nest_patched")


def _runs_on_uvloop(module: Held) -> bool:
    policy = getattr(asyncio.events, "_event_loop_policy", None)
    return _home(policy) == "uvloop" and "asyncio" in module.libraries


def _has_field_of_time(module: Held) -> bool:
    """Whether a model was compiled with a function of time, which nothing reaches any more."""
    return any(stand_in_for(factory) is not None for factory in module.factories)


REACH: tuple[Reach, ...] = (
    Reach("`mock.patch` and `monkeypatch` of a time function within the block: the mock is called"),
    Reach("the same before the block: the block is nearer, and drives"),
    Reach("`concurrent.futures.as_completed(timeout=)`, `asyncio.as_completed(timeout=)`, `Executor.map(timeout=)`"),
    Reach("`queue.SimpleQueue`"),
    Reach("`sched.scheduler` with the functions it has by default"),
    Reach(
        "a dict, list, set, (named) tuple or `functools.partial` with a function of time, under a name of the module"
    ),
    Reach("an instance with such an attribute or slot, under a name of the module"),
    Reach("an instance of its classes from before the block that the test, or one of its fixtures, holds"),
    Reach("the default factories of `dataclasses`, `attrs` and `collections.defaultdict`"),
    Reach(
        "a default factory of `pydantic`",
        "write it as a lambda: `default_factory=lambda: time.time()`",
        _has_field_of_time,
    ),
    Reach("`anyio`", f"use asyncio in the client, pass it `clock.asleep`, or {_WALL}", _holds("anyio")),
    Reach("`trio`", f"`trio.testing.MockClock` moves the time of trio itself; or {_WALL}", _holds("trio")),
    Reach("`uvloop`", "run the client on a loop of asyncio itself in tests", _holds("uvloop")),
    Reach("asyncio on a policy of `uvloop`", "set the policy of asyncio itself in tests", _runs_on_uvloop),
    Reach("`nest_asyncio`, active", "let the client await instead; or " + _WALL, _is_nested),
    Reach("`async_timeout`", "use `asyncio.timeout` or `asyncio.wait_for`", _holds("async_timeout")),
    Reach("`gevent`", _WALL, _holds("gevent")),
    Reach("`gevent.monkey`, active", _WALL, _is_patched_by_gevent),
    Reach(
        "`signal.alarm`, `signal.setitimer`",
        f"give the client a deadline of its own, or {_WALL}",
        _names("signal", "alarm", "setitimer"),
    ),
    Reach(
        "`multiprocessing.pool.ThreadPool`",
        "use `concurrent.futures.ThreadPoolExecutor`, which is driven",
        _names("multiprocessing", "ThreadPool"),
    ),
    Reach(
        "`_thread.start_new_thread`",
        "use `threading.Thread`, which is driven",
        _names("thread", "start_new_thread"),
    ),
    Reach("`freezegun`, active", "leave it out, and set `epoch=`", _is_frozen),
    Reach("`time-machine`, active", "leave it out, and set `epoch=`", _travels),
)


def row_against(module: ModuleType) -> Reach | None:
    """Return the first row of the table for which a module's time could not be driven soundly; None for none."""
    held = Held(module)
    return next((row for row in REACH if row.is_met(held)), None)


def row_of(library: str) -> Reach | None:
    """Return the row that refuses a library, known by its import name; None if there is none."""
    return next((row for row in REACH if row.what == f"`{library}`" and not row.is_driven), None)


def refuse_unreachable(modules: Iterable[ModuleType]) -> None:
    """Refuse modules whose time could not be driven soundly.

    Raises:
        UsageError: one of them holds something of the table, or something of it is active.
    """
    for module in modules:
        row = row_against(module)
        if row is not None:
            raise UsageError(
                f"drive({module.__name__!r}): {row.what} cannot be driven".replace("`", "")[:200],
                fix=row.instead.replace("`", ""),
                value=module.__name__,
            )
