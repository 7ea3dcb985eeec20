"""Finding what a module uses of time, putting something else in its place, and taking it back by identity."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator, Mapping
from types import CodeType, FunctionType, ModuleType
from typing import Any

__all__ = ["Undo", "names_in", "replace"]


class Undo:
    """What was replaced, to be put back in reverse order."""

    def __init__(self) -> None:
        self._steps: list[tuple[Any, ...]] = []

    def attribute(self, owner: Any, name: str, value: object) -> None:
        """Set an attribute of a class, a module or an instance."""
        own = vars(owner)
        self._steps.append((owner, name, own[name], True) if name in own else (owner, name, None, False))
        setattr(owner, name, value)

    def item(self, container: dict[str, Any], name: str, value: object) -> None:
        """Set an item of a dict."""
        self._steps.append((container, name, container[name]))
        container[name] = value

    def cell(self, cell: Any, value: object) -> None:
        """Set what a closure holds."""
        self._steps.append((cell, cell.cell_contents))
        cell.cell_contents = value

    def restore(self) -> None:
        """Put everything back."""
        while self._steps:
            match self._steps.pop():
                case owner, name, value, True:
                    setattr(owner, name, value)
                case owner, name, _, False:
                    delattr(owner, name)
                case container, name, value:
                    container[name] = value
                case cell, value:
                    cell.cell_contents = value


def replace(module: ModuleType, stand_ins: Mapping[int, Any], undo: Undo) -> None:
    """Put stand-ins in place of what a module holds: names, defaults, closures, class attributes.

    Args:
        stand_ins: by the `id` of what they stand for.
    """
    names = vars(module)
    for name, value in list(names.items()):
        if id(value) in stand_ins:
            undo.item(names, name, stand_ins[id(value)])
    seen: set[int] = set()
    for function in _functions(list(names.values()), names, seen):
        _replace_in_function(function, stand_ins, undo)
    for owner in _classes(list(names.values()), module.__name__, set()):
        _replace_in_class(owner, stand_ins, undo)


def _replace_in_function(function: FunctionType, stand_ins: Mapping[int, Any], undo: Undo) -> None:
    defaults = function.__defaults__ or ()
    if any(id(value) in stand_ins for value in defaults):
        replaced = tuple(stand_ins.get(id(value), value) for value in defaults)
        undo.attribute(_Defaults(function), "value", replaced)
    for name, value in list((function.__kwdefaults__ or {}).items()):
        if id(value) in stand_ins:
            undo.item(function.__kwdefaults__, name, stand_ins[id(value)])  # type: ignore[arg-type]  # it has some
    for cell in function.__closure__ or ():
        if id(content := _content(cell)) in stand_ins:
            undo.cell(cell, stand_ins[id(content)])


class _Defaults:
    """A function's defaults as an attribute that `Undo` can set: they are no item of the function's own dict."""

    def __init__(self, function: FunctionType) -> None:
        object.__setattr__(self, "function", function)
        self.__dict__["value"] = function.__defaults__

    def __setattr__(self, name: str, value: Any) -> None:
        self.__dict__[name] = value
        self.__dict__["function"].__defaults__ = value


def _replace_in_class(owner: type, stand_ins: Mapping[int, Any], undo: Undo) -> None:
    for name, value in list(vars(owner).items()):
        held = value.__func__ if isinstance(value, (staticmethod, classmethod)) else value
        if id(held) not in stand_ins:
            continue
        stand_in = stand_ins[id(held)]
        if isinstance(value, (staticmethod, classmethod)):
            stand_in = type(value)(stand_in)
        elif not hasattr(held, "__get__"):
            stand_in = staticmethod(stand_in)  # a built-in function does not bind, and what stands for it must not
        undo.attribute(owner, name, stand_in)


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
