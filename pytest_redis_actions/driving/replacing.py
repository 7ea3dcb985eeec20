"""Finding what a module uses of time, putting something else in its place, and taking it back by identity."""

from __future__ import annotations

import builtins
import functools
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import CodeType, FunctionType, ModuleType
from typing import Any

__all__ = ["Undo", "names_in", "replace"]


class Undo:
    """What was replaced, to be put back in reverse order."""

    def __init__(self) -> None:
        self._steps: list[Callable[[], object]] = []

    def attribute(self, owner: Any, name: str, value: object) -> None:
        """Set an attribute of a class, a module or an instance."""
        own = vars(owner)
        self._steps.append(partial(setattr, owner, name, own[name]) if name in own else partial(delattr, owner, name))
        setattr(owner, name, value)

    def item(self, container: Any, key: Any, value: object, original: object) -> None:
        """Set an item of a dict or a list; it is put back unless somebody has set another one meanwhile."""

        def restore() -> None:
            if container[key] is value:
                container[key] = original

        self._steps.append(restore)
        container[key] = value

    def cell(self, cell: Any, value: object) -> None:
        """Set what a closure holds."""
        self._steps.append(partial(setattr, cell, "cell_contents", cell.cell_contents))
        cell.cell_contents = value

    def defaults(self, function: FunctionType, value: tuple[Any, ...]) -> None:
        """Set a function's defaults."""
        self._steps.append(partial(setattr, function, "__defaults__", function.__defaults__))
        function.__defaults__ = value

    def restore(self) -> None:
        """Put everything back."""
        while self._steps:
            self._steps.pop()()


Find = Callable[[Any], Any]
"""What returns the other one that stands for a value, or None."""


def replace(module: ModuleType, find: Find, undo: Undo) -> None:
    """Put others in place of what a module holds: names, defaults, closures, class attributes, generated functions.

    Args:
        find: returns what stands for a value.
    """
    names = vars(module)
    _replace_items(names, find, undo)
    for function in _functions(list(names.values()), names, set()):
        _replace_in_function(function, find, undo)
    for owner in _classes(list(names.values()), module.__name__, set()):
        _replace_in_class(owner, find, undo)


def _replace_items(items: dict[str, Any], find: Find, undo: Undo) -> None:
    for name, value in list(items.items()):
        if (other := find(value)) is not None:
            undo.item(items, name, other, value)


def _replace_in_function(function: FunctionType, find: Find, undo: Undo) -> None:
    defaults = function.__defaults__ or ()
    replaced = tuple(_or_itself(find, value) for value in defaults)
    if any(new is not old for new, old in zip(replaced, defaults, strict=True)):
        undo.defaults(function, replaced)
    _replace_items(function.__kwdefaults__ or {}, find, undo)
    for cell in function.__closure__ or ():
        if (other := find(_content(cell))) is not None:
            undo.cell(cell, other)


def _or_itself(find: Find, value: Any) -> Any:
    other = find(value)
    return value if other is None else other


def _replace_in_class(owner: type, find: Find, undo: Undo) -> None:
    for name, value in list(vars(owner).items()):
        held = value.__func__ if isinstance(value, (staticmethod, classmethod)) else value
        if isinstance(held, FunctionType) and _is_generated(held):
            _replace_items(held.__globals__, find, undo)
        stand_in = find(held)
        if stand_in is None:
            continue
        if isinstance(value, (staticmethod, classmethod)):
            stand_in = type(value)(stand_in)
        elif not hasattr(held, "__get__"):
            stand_in = staticmethod(stand_in)  # a built-in function does not bind, and what stands for it must not
        undo.attribute(owner, name, stand_in)


def _is_generated(function: FunctionType) -> bool:
    """Whether a function has names of its own, as the methods have that attrs makes."""
    names = function.__globals__
    return vars(sys.modules.get(names.get("__name__", ""), builtins)) is not names


def _functions(values: list[Any], names: Mapping[str, Any], seen: set[int]) -> Iterator[FunctionType]:
    """Yield the functions of a module that lie in these values, in classes, wrappers and closures too."""
    while values:
        value = values.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, FunctionType):
            if value.__globals__ is names:
                yield value
            values += [_content(cell) for cell in value.__closure__ or ()]
            values += [vars(value).get("__wrapped__")]
        elif isinstance(value, type) and value.__module__ == names.get("__name__"):
            values += list(vars(value).values())
        elif isinstance(value, (staticmethod, classmethod)):
            values.append(value.__func__)
        elif isinstance(value, property):
            values += [value.fget, value.fset, value.fdel]
        elif isinstance(value, functools.cached_property):
            values.append(value.func)
        elif callable(value):
            values.append(inspect.getattr_static(value, "__wrapped__", None))  # of functools.cache and the like


def _classes(values: list[Any], module: str, seen: set[int]) -> Iterator[type]:
    while values:
        value = values.pop()
        if isinstance(value, type) and value.__module__ == module and id(value) not in seen:
            seen.add(id(value))
            yield value
            values += list(vars(value).values())


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # an empty one
        return None


def names_in(module: ModuleType) -> set[str]:
    """Return the names that a module's functions speak of, imports inside them included."""
    found: set[str] = set()
    names = vars(module)
    codes = [function.__code__ for function in _functions(list(names.values()), names, set())]
    while codes:
        code = codes.pop()
        found |= {*code.co_names}
        codes += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return found
