"""Which modules a block drives: what the caller named, checked, and recipes for libraries that sleep for others."""

from __future__ import annotations

import asyncio
import datetime
import sys
import threading
import time
import warnings
from pathlib import Path
from types import ModuleType

from ..errors import RedisActionsWarning, UsageError, advice, nearest, shown
from .opened import opened
from .replacing import names_in

__all__ = ["RECIPES", "modules_of", "targets"]

__tracebackhide__ = True

RECIPES: dict[str, tuple[str, ...]] = {
    "tenacity": ("tenacity", "tenacity.nap", "tenacity.asyncio", "tenacity._asyncio"),
    "backoff": ("backoff._sync", "backoff._async"),
    "urllib3": ("urllib3.util.retry",),
}
"""Libraries whose name stands for exactly the modules that sleep there. All of urllib3 would make its time-outs on
sockets virtual, and those measure a real server."""

_OURS = ("pytest_redis_actions", "pytest", "_pytest", "pytest_httpserver", "werkzeug")
_SOURCES = (time, asyncio, datetime, threading)
_NAMES = {module.__name__ for module in _SOURCES}
_WORDS = ("sleep", "wait", "wait_for", "join", "timeout")


def targets(given: tuple[object, ...], *, submodules: bool) -> list[ModuleType]:
    """Return the modules to drive.

    Args:
        given: import names, recipe names or module objects.
        submodules: whether what lies below the named packages is driven too.

    Raises:
        UsageError: none was named, or one is not imported, uses no time, or is not the client's.
    """
    if not given:
        raise UsageError("drive() names no module", fix='name the modules that wait: clock.drive("my_client")')
    found: dict[str, ModuleType] = {}
    for each in given:
        for module in modules_of(each, submodules=submodules):
            found[module.__name__] = module
    _warn_of_halves(found, [each if isinstance(each, str) else getattr(each, "__name__", "") for each in given])
    return list(found.values())


def _warn_of_halves(found: dict[str, ModuleType], given: list[str]) -> None:
    driven = opened.ledger.names if opened.ledger is not None else set()
    for name in given:
        below = [] if name in RECIPES else [each for each in _below(name) if each.__name__ not in {*found, *driven}]
        halves = [module.__name__ for module in below if _measures_time(module)]
        if halves:
            more = f" (and {len(halves) - 1} more)" if len(halves) > 1 else ""
            warnings.warn(
                f"drive({name!r}), but {halves[0]} uses time too{more}: drive({name!r}, submodules=True)",
                RedisActionsWarning,
                stacklevel=6,
            )


_MEASURES = {
    time: {"sleep", "time", "monotonic", "perf_counter", "time_ns", "monotonic_ns", "perf_counter_ns"},
    asyncio: {"sleep", "wait_for", "timeout", "timeout_at"},
    datetime: {"now", "utcnow", "today"},
}


def _measures_time(module: ModuleType) -> bool:
    """Whether a module certainly reads a clock or sleeps."""
    words, held = names_in(module), {id(value) for value in vars(module).values()}
    functions = {id(getattr(source, name, None)) for source in (time, asyncio) for name in _MEASURES[source]}
    if not held.isdisjoint(functions - {id(None)}):
        return True
    holds = {source: id(source) in held for source in _MEASURES}
    holds[datetime] = holds[datetime] or id(datetime.datetime) in held
    return any(holds[source] and not words.isdisjoint(names) for source, names in _MEASURES.items())


def modules_of(given: object, *, submodules: bool = False) -> list[ModuleType]:
    """Return the modules that one name, recipe or module stands for; raises as `targets`."""
    name = given.__name__ if isinstance(given, ModuleType) else given
    if not isinstance(name, str):
        several = isinstance(given, (list, tuple, set))
        fix = "name them one by one: drive(*modules)" if several else 'give its import name, "my_client.poller"'
        raise UsageError(f"drive({shown(given, 40)}): not a module", fix=fix, value=given)
    if name.endswith(".py"):
        fix = f"give its import name, {Path(name).stem!r}"[:80]
        raise UsageError(f"drive({shown(name, 40)}): not a module", fix=fix, value=name)
    _check_not_ours(name)
    if name in RECIPES and not submodules:
        return _recipe(name)
    module = given if isinstance(given, ModuleType) else sys.modules.get(name)
    if module is None:
        raise UsageError(
            f"drive({shown(name, 60)}): no such module is imported",
            fix=f"{advice(name, [*sys.modules, *RECIPES])}import it before it is driven",
            value=name,
        )
    below = _below(name)
    chosen = [module, *below] if submodules else [module]
    if not any(_uses_time(each) for each in chosen):
        _refuse_idle(name, below, submodules=submodules)
    return chosen


def _check_not_ours(name: str) -> None:
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names and top != "__main__":
        raise UsageError(
            f"drive({name!r}): the standard library keeps real time",
            fix="name the modules of the client that use it; what they see of it is virtual",
            value=name,
        )
    if top in _OURS:
        raise UsageError(
            f"drive({name!r}): the stub and pytest keep real time", fix="name the modules of the client", value=name
        )


def _recipe(name: str) -> list[ModuleType]:
    found = [sys.modules[each] for each in RECIPES[name] if each in sys.modules]
    if not found:
        raise UsageError(f"drive({name!r}): {name} is not imported", fix=f"import {name} before it is driven")
    return found


def _below(name: str) -> list[ModuleType]:
    prefix = f"{name}."
    below = sorted(each for each in tuple(sys.modules) if each.startswith(prefix))  # sorting all of them costs more
    return [sys.modules[each] for each in below if sys.modules[each]]


def _uses_time(module: ModuleType) -> bool:
    known = {id(source) for source in _SOURCES} | {
        id(value) for source in _SOURCES for value in vars(source).values() if callable(value)
    }
    words = names_in(module)
    return any(id(value) in known for value in vars(module).values()) or not words.isdisjoint({*_NAMES, *_WORDS})


def _refuse_idle(name: str, below: list[ModuleType], *, submodules: bool) -> None:
    sleeping = [module.__name__ for module in below if _uses_time(module)]
    if sleeping and not submodules:
        some = ", ".join(map(repr, sleeping[:3]))
        fix = f"write drive({some}) or drive({name!r}, submodules=True); if {name} is a library, drive what calls it"
    else:
        guess = nearest(name, [each for each in sys.modules if each != name and "." not in each], cutoff=0.8)
        fix = (f"was {guess!r} meant? " if guess else "") + "name the module in which the client sleeps"
    raise UsageError(f"drive({name!r}): this module does not use time", fix=fix, value=name)
