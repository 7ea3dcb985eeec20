"""What callers hand over: numbers in bounds, names that are nearly right, calls that Python itself would refuse."""

from __future__ import annotations

import dis
import functools
import inspect
import math
import sys
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, ClassVar, ParamSpec, TypeVar

from . import RedisActionsWarning, UsageError, nearest, shown

__all__ = [
    "Suggesting",
    "caller",
    "check_number",
    "check_options",
    "is_near",
    "unknown_in_module",
    "warn",
    "with_example",
]

__tracebackhide__ = True

_PACKAGE = __name__.partition(".")[0] + "."

_P = ParamSpec("_P")
_R = TypeVar("_R")


def check_number(
    name: str,
    value: object,
    *,
    least: float = 0,
    most: float = math.inf,
    above: bool = False,
    whole: bool = False,
    unit: str = "",
    of: str = "",
    otherwise: str = "",
    error: type[UsageError] = UsageError,
) -> None:
    """Refuse an argument that is not a finite number between two bounds.

    Args:
        name: of the argument, "polls".
        value: what was given.
        least, most: the bounds, both included.
        above: whether `least` itself is not included.
        whole: whether it must be an int.
        unit: what is counted, "seconds".
        of: the call that has the argument, "running".
        otherwise: what else may be given, "None for ever".
        error: the class of what is raised.

    Raises:
        UsageError: with the value and what to write instead.
    """
    is_number = isinstance(value, int) if whole else isinstance(value, (int, float)) and math.isfinite(value)
    is_number = is_number and not isinstance(value, bool)
    if is_number and least <= value <= most and not (above and value == least):  # type: ignore[operator]  # a number
        return
    if is_number and value > most:  # type: ignore[operator]  # a number
        kind, meant = f"at most {most:g}", most
    else:
        kind = (
            f"{'a whole' if whole else 'a'} number{' of ' * bool(unit)}{unit} {'above' if above else 'from'} {least:g}"
        )
        meant = max(least, 1) if above else least or 2
    raise error(
        f"{name}{f' of {of}()' if of else ''} must be {kind}, not {shown(value, 24)}",
        fix=f"write {name}={_example(value, meant)}" + (f", or {otherwise}" if otherwise else ""),
        value=value,
    )


def _example(value: object, otherwise: float) -> str:
    """Return the number that was probably meant."""
    if callable(span := getattr(value, "total_seconds", None)):
        return f"{span():g}, or ….total_seconds()"
    try:
        return f"{float(value):g}" if isinstance(value, str) and math.isfinite(float(value)) else f"{otherwise:g}"
    except ValueError:
        return f"{otherwise:g}"


def is_near(name: str, word: str, *, cutoff: float = 0.85) -> bool:
    """Tell whether a name is most likely a misspelt word: "scrpt", "poll" and "node_id", not "module_uid"."""
    if name == word:
        return False
    return (word.startswith(name) and len(name) > 3) or (len(word) > 3 and nearest(name, [word], cutoff=cutoff) == word)


def check_options(
    call: str,
    given: Mapping[str, object],
    known: Collection[str],
    *,
    meant: Mapping[str, str] | None = None,
    error: type[UsageError] = UsageError,
) -> None:
    """Refuse fields of a body that are most likely misspelt options of the call.

    Args:
        call: "add_action".
        given: the fields.
        known: the options, and fields that the API has.
        meant: further names that stand for an option, {"action_uid": "uid"}.
        error: the class of what is raised.

    Raises:
        UsageError: with the option that was meant.
    """
    for name, value in given.items():
        option = (meant or {}).get(name)
        if option is None and name not in known:
            option = next((word for word in known if is_near(name, word)), None)
        if option is not None:
            raise error(
                f"{call}({name}={shown(value, 24)}): {name} is not an option"[:80],
                fix=f"write {option}={shown(value, 24)}; fields of the body have other names",
                value=name,
            )


def with_example(example: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Make a call that Python refuses, for a missing or unknown argument, a UsageError with an example of the call."""

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        @functools.wraps(function)
        def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            try:
                return function(*args, **kwargs)
            except TypeError as error:
                if error.__traceback__ is not None and error.__traceback__.tb_next is not None:
                    raise  # of the function's own
                told = (
                    str(error).replace(".__init__()", "()").removeprefix(f"{function.__qualname__.rpartition('.')[0]}.")
                )
            raise UsageError(told[:80], fix=_nearer(function, kwargs) + f"write {example}")

        return wrapper

    return decorate


def _nearer(function: Callable[..., object], given: Mapping[str, object]) -> str:
    known = [*inspect.signature(function).parameters]
    guesses = [(name, nearest(name, known)) for name in given if name not in known]
    return "".join(f"write {guess} for {name[:40]}; " for name, guess in guesses if guess)


class Suggesting:
    """The base of what users hold: a name that it lacks is answered with the one that was meant, or with all."""

    _meant: ClassVar[Mapping[str, str]] = {}
    """Names that users try -> what to write; `nearest` finds misspelt ones."""

    if not TYPE_CHECKING:  # type checkers take a __getattr__ for any name

        def __getattr__(self, name: str) -> object:
            try:
                return object.__getattribute__(self, name)
            except AttributeError as error:
                if name.startswith("_") or hasattr(type(self), name):
                    raise
                told = _with_fix(str(error), name, dir(self), self._meant)
            raise AttributeError(told, name=None, obj=None)  # without a name Python adds no guess of its own


def unknown_in_module(module: str, name: str, known: Iterable[str]) -> Exception:
    """Return what a module's `__getattr__` raises: an ImportError for `from module import name`."""
    frame = sys._getframe(2)
    if dis.opname[frame.f_code.co_code[frame.f_lasti]] == "IMPORT_FROM":
        return ImportError(_with_fix(f"cannot import name {name!r} from {module!r}", name, known))
    told = f"module {module!r} has no attribute {name!r}"
    if name.startswith("_"):
        return AttributeError(told)
    return AttributeError(_with_fix(told, name, known), name=None, obj=None)


def _with_fix(told: str, name: str, known: Iterable[str], meant: Mapping[str, str] | None = None) -> str:
    public = [each for each in known if not each.startswith("_")]
    guess = (meant or {}).get(name) or nearest(name, public)
    return f"{told}\n  fix  " + (f"write {guess}" if guess else f"known are {', '.join(public)}")


def warn(text: str) -> None:
    """Warn at the caller's line: the first one outside of this package."""
    _, level = _outside()
    warnings.warn(text, RedisActionsWarning, stacklevel=level)


def caller() -> str:
    """Return the caller's line, the first one outside of this package: "test_it.py:12 in test_it"."""
    frame, _ = _outside()
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno} in {frame.f_code.co_name}"


def _outside() -> tuple[FrameType, int]:
    """Return the first frame outside of this package, and its level as seen by who asked."""
    frame, level = sys._getframe(2), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(_PACKAGE):
        frame, level = frame.f_back, level + 1
    return frame, level
