"""Finding what a module uses of time, putting something else in its place, and taking it back by identity.

Besides names, defaults, closures and class attributes this reaches what a module holds in containers, named tuples or a
`functools.partial`, and the attributes of instances: those that stand under its names, and those of its classes that
the code holds which opens the block.
"""

from __future__ import annotations

import builtins
import functools
import gc
import inspect
import sys
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from types import CodeType, FunctionType, MappingProxyType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

__all__ = ["Undo", "classes_of", "names_in", "replace", "replace_held"]


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
            with suppress(LookupError):  # it is not there any more
                if container[key] is value:
                    container[key] = original

        self._steps.append(restore)
        container[key] = value

    def member(self, container: set[Any], value: object, original: object) -> None:
        """Put something in the place of a member of a set."""

        def restore() -> None:
            if value in container:
                container.remove(value)
                container.add(original)

        self._steps.append(restore)
        container.remove(original)
        container.add(value)

    def slot(self, slot: MemberDescriptorType, owner: object, value: object) -> None:
        """Set what an instance holds in a slot, also if it is frozen."""
        before = slot.__get__(owner)
        slot.__set__(owner, value)
        self._steps.append(partial(slot.__set__, owner, before))

    def cell(self, cell: Any, value: object) -> None:
        """Set what a closure holds."""
        self._steps.append(partial(setattr, cell, "cell_contents", cell.cell_contents))
        cell.cell_contents = value

    def factory(self, container: defaultdict[Any, Any], value: Any) -> None:
        """Set the default factory of a dict."""
        self._steps.append(partial(setattr, container, "default_factory", container.default_factory))
        container.default_factory = value

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
    find = _Deep(find, undo, {module.__name__})
    _replace_items(names, find, undo)
    for name, value in list(names.items()):
        if not name.startswith("__") and _is_instance(value):
            find.set_attributes(value)
    for function in _functions(list(names.values()), names, set()):
        _replace_in_function(function, find, undo)
    for owner in classes_of(module):
        _replace_in_class(owner, find, undo)


def replace_held(values: Iterable[Any], home: str, modules: set[str], find: Find, undo: Undo) -> None:
    """Do the same to instances of driven classes, and to driven functions, that the opener of a block holds.

    Args:
        values: what it holds, such as its variables; the items of containers count too.
        home: its module; what instances of that one hold counts too.
        modules: the names of the driven modules.
        find: returns what stands for a value.
    """
    find = _Deep(find, undo, modules)
    for value in _spread(values, home):
        if type(value).__module__ in modules:
            find(value)
        elif type(value) is FunctionType and value.__module__ in modules:
            for function in _functions([value], value.__globals__, set()):
                _replace_in_function(function, find, undo)


def _spread(values: Iterable[Any], home: str) -> Iterator[Any]:
    for value in values:
        kind = type(value)
        if kind in (list, tuple, set, dict) and len(value) <= _MANY:
            yield from value.values() if kind is dict else value
        elif kind.__module__ == home and _is_instance(value):
            yield from vars(value).values()
        else:
            yield value.__self__ if kind is MethodType else value


_DEPTH = 8
_MANY = 10_000  # items: a table of data, and not of functions


class _Deep:
    """What finds the other one also for a container that holds some, and sets those that can be changed.

    Args:
        modules: the names of the modules whose instances are looked into as well.
    """

    def __init__(self, find: Find, undo: Undo, modules: set[str]) -> None:
        self._find = find
        self._undo = undo
        self._modules = modules
        self._seen: set[int] = set()

    def __call__(self, value: Any, depth: int = _DEPTH) -> Any:
        kind = type(value)
        if kind in (dict, OrderedDict, defaultdict, list, deque, set):
            self._set_items(value, depth)
        elif kind is MappingProxyType:
            self(gc.get_referents(value)[0], depth)  # what it shows
        elif depth and (kind in (tuple, frozenset) or _is_named_tuple(kind)) and len(value) <= _MANY:
            return self._rebuilt(value, value, frozenset if kind is frozenset else partial(tuple.__new__, kind), depth)
        elif kind is partial and depth:
            parts = (value.func, *value.args, *value.keywords.values())
            return self._rebuilt(value, parts, partial(_partial, len(value.args), tuple(value.keywords)), depth)
        elif kind.__module__ in self._modules and depth:
            self.set_attributes(value, depth)
        return self._find(value)

    def set_attributes(self, value: Any, depth: int = _DEPTH) -> None:
        """Set what an instance holds in its attributes and slots."""
        if id(value) in self._seen:
            return
        self._seen.add(id(value))
        if _is_instance(value):
            self._set_items(vars(value), depth)
        for slot in _slots(type(value)):
            with suppress(AttributeError, TypeError):  # an empty one, or one that cannot be set
                if (other := self(slot.__get__(value), depth - 1)) is not None:
                    self._undo.slot(slot, value, other)

    def _rebuilt(self, value: Any, parts: Iterable[Any], rebuild: Callable[[Any], Any], depth: int) -> Any:
        others = [self(part, depth - 1) for part in parts]
        if all(other is None for other in others):
            return self._find(value)
        return rebuild([part if other is None else other for part, other in zip(parts, others, strict=True)])

    def _set_items(self, container: Any, depth: int) -> None:
        if id(container) in self._seen or not depth or len(container) > _MANY or _is_namespace(container):
            return
        self._seen.add(id(container))
        if isinstance(container, defaultdict) and (other := self(container.default_factory, depth - 1)) is not None:
            self._undo.factory(container, other)
        items = container.items() if isinstance(container, dict) else enumerate(container)
        for key, value in tuple(items):
            if (other := self(value, depth - 1)) is None:
                continue
            if isinstance(container, set):
                self._undo.member(container, other, value)
            else:
                self._undo.item(container, key, other, value)


def _slots(kind: type) -> Iterator[MemberDescriptorType]:
    for base in kind.__mro__[:-1]:
        yield from (each for each in vars(base).values() if type(each) is MemberDescriptorType)


def _is_named_tuple(kind: type) -> bool:
    return issubclass(kind, tuple) and hasattr(kind, "_fields")


def _partial(count: int, keywords: tuple[str, ...], parts: list[Any]) -> partial[Any]:
    function, *given = parts[: count + 1]
    return partial(function, *given, **dict(zip(keywords, parts[count + 1 :], strict=True)))


def _is_namespace(container: Any) -> bool:
    """Whether a dict is that of a module, which others use, or of a class, or the one of all modules."""
    names = ("__spec__", "__builtins__", "__module__")
    return container is sys.modules or (isinstance(container, dict) and any(name in container for name in names))


def _is_instance(value: Any) -> bool:
    """Whether something is an instance with attributes of its own; a stand-in for a lock knows the real one."""
    if type(value).__module__.startswith(f"{__package__}."):
        return False
    return not isinstance(value, (ModuleType, type, FunctionType)) and type(getattr(value, "__dict__", None)) is dict


def _replace_items(items: dict[str, Any], find: Find, undo: Undo) -> None:
    for name, value in list(items.items()):
        if name != "__builtins__" and (other := find(value)) is not None:
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
            generated = str(value.__module__).startswith("namedtuple_")  # its __new__
            # Also what `wraps` has made.
            if generated or names.get("__name__") == value.__module__ or value.__globals__ is names:
                yield value
            values += [_content(cell) for cell in value.__closure__ or ()]
            values += [*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()]
            values += [vars(value).get("__wrapped__")]
            if value.__globals__ is not names and _is_generated(value):  # a method of attrs, with its factories
                values += list(value.__globals__.values())
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


def classes_of(module: ModuleType) -> Iterator[type]:
    """Yield the classes of a module, those within others included."""
    values, seen = list(vars(module).values()), set[int]()
    while values:
        value = values.pop()
        if isinstance(value, type) and value.__module__ == module.__name__ and id(value) not in seen:
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
