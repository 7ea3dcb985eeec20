"""Every exception that this project raises.

    RedisActionsError             the base of all
    ├── UsageError                a wrong call (a ValueError): what was given, and what to write instead
    │   ├── ScriptError           a script that its kind of operation cannot go through
    │   ├── ReleaseError          an unknown release, or one that lacks the requested feature
    │   └── OptionError           an option of the marker, the command line or the ini file
    ├── MissingExtra              an optional dependency is not installed (an ImportError)
    ├── PortInUse                 the requested port is taken (an OSError)
    ├── UnroutedRequests          requests that matched no route (an AssertionError), raised at teardown
    ├── UnfiredFaults             faults that applied to no request (an AssertionError), raised at teardown
    └── UnmetStarts               what `when` announced and no request started (an AssertionError), raised at teardown
    RedisActionsWarning           what is allowed and probably not meant (a UserWarning)
    StandStill                    virtual time stands still while a test waits (a BaseException)
    EndlessWait                   a client never gives up (a BaseException, so that no client swallows it by accident)

Each keeps the offender as an attribute and builds its text in ``__str__``; the first line of every text carries the
verdict within 80 characters.

May import: nothing of ours.
Public: arguments, citing, plain.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from .plain import exact, safe

__all__ = [
    "EndlessWait",
    "MissingExtra",
    "OptionError",
    "PortInUse",
    "RedisActionsError",
    "RedisActionsWarning",
    "ReleaseError",
    "ScriptError",
    "StandStill",
    "UnfiredFaults",
    "UnmetStarts",
    "UnroutedRequests",
    "UsageError",
    "advice",
    "explained",
    "exact",
    "nearest",
    "safe",
    "shown",
]

_NAME_OF = type.__dict__["__name__"].__get__  # a metaclass may override the attribute


class RedisActionsError(Exception):
    """The base of every exception of this project."""


class RedisActionsWarning(UserWarning):
    """A call that is allowed, but probably not what was meant."""


class UsageError(RedisActionsError, ValueError):
    """A wrong call: what was given, and what to write instead.

    Attributes:
        problem: what is wrong, with the value.
        fix: what to write instead.
        value: the offending value itself.
    """

    def __init__(self, problem: str, *, fix: str, value: object = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.fix = fix
        self.value = value

    def __str__(self) -> str:
        return f"{safe(self.problem)}\n  fix  {_lines(self.fix)}"


class ScriptError(UsageError):
    """A script that the lifecycle of its kind and release does not allow."""


class ReleaseError(UsageError):
    """An unknown release, or one that lacks the requested feature."""


class OptionError(UsageError):
    """A bad option of the marker, of the command line or of the ini file."""


class MissingExtra(RedisActionsError, ImportError):
    """An optional dependency is not installed.

    Attributes:
        extra: the extra of pytest-redis-actions that installs it.
    """

    def __init__(self, wanted: str, *, extra: str, missing: str) -> None:
        super().__init__(wanted)
        self.wanted = wanted
        self.extra = extra
        self.missing = missing

    def __str__(self) -> str:
        return (
            f"{self.wanted} needs {self.missing}, which is not installed\n"
            f"  fix  pip install 'pytest-redis-actions[{self.extra}]'"
        )


class PortInUse(RedisActionsError, OSError):
    """The requested port is taken.

    Attributes:
        port: the port.
    """

    def __init__(self, port: int, host: str) -> None:
        super().__init__(port)
        self.port = port
        self.host = host

    def __str__(self) -> str:
        return (
            f"port {self.port} on {self.host} is already in use\n"
            "  fix  leave the port out (a free one is taken), or give each stub a port of its own"
        )


class UnroutedRequests(RedisActionsError, AssertionError):
    """Requests of the code under test that matched no route.

    Attributes:
        requests: one line each, as shown.
    """

    def __init__(self, requests: tuple[str, ...], advice: str) -> None:
        super().__init__(requests)
        self.requests = requests
        self.advice = advice

    def __str__(self) -> str:
        count = len(self.requests)
        several = "" if count == 1 else "s"
        lines = [f"{count} request{several} matched no route of the actions API", *self.requests[:10]]
        if count > 10:
            lines.append(f"  … and {count - 10} more")
        lines.append(self.advice)
        return "\n".join(lines)


class UnfiredFaults(RedisActionsError, AssertionError):
    """Faults of a test that applied to no request.

    Attributes:
        faults: of each its name, what it waited for, and how many such requests came.
    """

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__(faults)
        self.faults = faults

    def __str__(self) -> str:
        several = "" if len(self.faults) == 1 else "s"
        lines = [
            f"{len(self.faults)} fault{several} never happened: no request matched {'it' if not several else 'them'}"
        ]
        lines += [f"  {name}" for name in self.faults[:10]]
        return "\n".join([*lines, "  fix  poll more often, or inject it earlier; fault(…, optional=True) allows it"])


class UnmetStarts(RedisActionsError, AssertionError):
    """Requests that a test announced with `when`, and that did not come.

    Attributes:
        requests: of each the request that was waited for, and what came.
    """

    def __init__(self, requests: tuple[str, ...]) -> None:
        super().__init__(requests)
        self.requests = requests

    def __str__(self) -> str:
        count = len(self.requests)
        lines = [f"{count} request{'' if count == 1 else 's'} of when() started nothing"]
        lines += [f"  {told}" for told in self.requests[:10]]
        return "\n".join([*lines, "  fix  let the client send this method and path; when(…, optional=True) allows it"])


class StandStill(BaseException):
    """Virtual time stands still while the test waits: something waits in real time, or for nothing.

    Not an `Exception`, for the same reason as `EndlessWait`.
    """


class EndlessWait(BaseException):
    """A client never gives up. Raised in the client; not an `Exception`, so that no client swallows it by accident.

    Attributes:
        bound: what stopped it: "max_polls", "max_virtual_seconds", "past_end", or "" for a client that never sleeps.
    """

    bound = ""


def explained(kind: type[Any], text: str, **more: object) -> type[BaseException]:
    """Return a class of `kind` that needs no arguments: it may have to be raised in another thread.

    Args:
        more: its attributes.
    """

    def explain(self: Any, *_: object) -> None:
        kind.__init__(self, text)

    return type(kind.__name__, (kind,), {"__init__": explain, "__module__": kind.__module__, **more})


def shown(value: object, limit: int = 60) -> str:
    """Return the repr of a value in one line that is safe for a terminal, cut to `limit` characters.

    It never raises, whatever the size of the value is and whatever its methods do.
    """
    try:
        if isinstance(value, (str, bytes)):
            value = exact(value)[:limit]  # type: ignore[index]  # str or bytes
        text = repr(value)
    except Exception:  # an evil __repr__, too many levels, or an int of thousands of digits
        kind = type(value)
        bits = f" of {int.bit_length(value)} bits" if issubclass(kind, int) else ""  # type: ignore[arg-type]  # an int
        text = f"<{_NAME_OF(kind)}{bits}>"
    text = safe(text[: limit + 1])
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _lines(text: str) -> str:
    return "\n".join(map(safe, text.split("\n")))


def nearest(word: object, words: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """Return the one of `words` that `word` is most likely a typo of, if any is as near as `cutoff`, of 1."""
    try:
        text = str(exact(word))[:100].lower()
    except Exception:  # an evil __str__, or an int of thousands of digits
        return None
    known = {each.lower(): each for each in words}
    matches = get_close_matches(text, list(known), n=1, cutoff=cutoff)
    return known[matches[0]] if matches else None


def advice(word: object, words: Iterable[str]) -> str:
    """Return "write 'x'; " for the nearest of `words`, to stand before the list of them, or "" if none is near."""
    guess = nearest(word, words)
    return f"write {guess!r}; " if guess else ""
