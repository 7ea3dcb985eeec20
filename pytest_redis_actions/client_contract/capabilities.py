"""The capabilities that a class declares for its client, and their checks."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from ..driving import modules_of
from ..errors import UsageError, advice, nearest, shown
from ..facts.releases import NEWEST, RELEASES, check_release

__all__ = ["CAPABILITIES", "Capabilities", "capabilities_of", "check_class", "releases_of", "several"]

__tracebackhide__ = True


class Capabilities:
    """The attributes with which a class describes its client, and their defaults.

    Attributes:
        drive: the modules whose time is driven, as in `clock.drive`; without it, scenarios run on a fast wall clock.
        command: the command line of a client that is not Python, instead of `wait`; exit status 0 is success.
        releases: what the stub plays: one release, several, or "all".
        tls: whether the client is tested over HTTPS.
        waits_for: "action" for a client that waits for its end; "deletion" for one that waits until the record is gone;
            both in a list for a client that reads `target.waits_for`.
        retries_server_errors, honours_retry_after, concurrent: what every client should do; False skips its scenarios.
        refreshes_credentials, tolerates_early_404, sends_headers, reads_v2, starts: what only some clients do; True
            adds its scenarios.
        reports_failure: whether `wait` must "raise" or "return" when the operation did not complete, or "either".
        real_seconds: a driven client is stopped after this many real seconds without a poll or a sleep, another client
            after this many without a request; a client that polls more slowly needs more.
    """

    drive: Any = ()
    command: Any = ()
    releases: Any = (NEWEST,)
    tls: Any = False
    waits_for: Any = "action"
    retries_server_errors: Any = True
    honours_retry_after: Any = True
    concurrent: Any = True
    refreshes_credentials: Any = False
    tolerates_early_404: Any = False
    sends_headers: Any = False
    reads_v2: Any = False
    starts: Any = False
    reports_failure: Any = "either"
    real_seconds: Any = 20.0


CAPABILITIES = tuple(Capabilities.__annotations__)
_REPORTS = ("either", "raise", "return")
_WAITS_FOR = ("action", "deletion")
_PLACEHOLDERS = ("url", "action_uid", "user", "password", "ca_file", "timeout", "read_timeout", "waits_for")
_METHODS = ("wait", "start")
_NOT_FOR_COMMANDS = ("starts", "sends_headers", "refreshes_credentials")


def capabilities_of(kind: type) -> dict[str, object]:
    """Return the attributes of a class."""
    return {name: getattr(kind, name) for name in CAPABILITIES}


def check_class(kind: type, base: type) -> None:
    """Refuse a class with invalid attributes.

    Raises:
        UsageError: `wait` is missing, an attribute is misspelt, or a value is invalid.
    """
    for owner in kind.__mro__[: kind.__mro__.index(base)]:
        for name in vars(owner):
            _check_name(kind, name)
    can: dict[str, Any] = capabilities_of(kind)
    if not can["command"] and getattr(kind, "wait", None) is getattr(base, "wait", None):
        raise UsageError(
            f"{kind.__name__} has no wait",
            fix='write def wait(self, target): …, for target.action_uid, or command = ["./wait.sh", "{url}"]',
            value=kind,
        )
    if can["starts"] and not can["command"] and getattr(kind, "start", None) is getattr(base, "start", None):
        raise UsageError(
            f"{kind.__name__} says starts = True and has no start",
            fix="write def start(self, target): it sends a request and returns the action_uid of the reply",
            value=kind,
        )
    for name in _METHODS:
        _check_takes_target(kind, name)
    _check_values(kind, can)


def _check_takes_target(kind: type, name: str) -> None:
    """Refuse a method that cannot be called with the target alone."""
    try:
        inspect.signature(getattr(object.__new__(kind), name)).bind(None)
    except TypeError as error:
        raise UsageError(
            f"{kind.__name__}.{name} must take the target alone: {error}"[:80],
            fix=f"write def {name}(self, target): it has target.url, target.auth, target.action_uid",
            value=name,
        ) from None


def _check_name(kind: type, name: str) -> None:
    known = [*CAPABILITIES, *_METHODS]
    if name.startswith(("_", "test")) or name in known:
        return
    meant = nearest(name, known, cutoff=0.85)
    if meant is not None:
        raise UsageError(
            f"{kind.__name__}.{name} is nearly {meant}", fix=f"write {meant}, or choose another name", value=name
        )


def _check_values(kind: type, can: Mapping[str, Any]) -> None:
    for name in CAPABILITIES:
        if isinstance(getattr(Capabilities, name), bool) and not isinstance(can[name], bool):
            raise UsageError(
                f"{kind.__name__}.{name} must be True or False, not {shown(can[name], 30)}",
                fix="write True or False",
                value=can[name],
            )
    _check_waits_for(kind, can["waits_for"])
    if can["reports_failure"] not in _REPORTS:
        raise UsageError(
            f"{kind.__name__}.reports_failure = {shown(can['reports_failure'], 30)} is not known",
            fix=f"write one of {', '.join(map(repr, _REPORTS))}",
            value=can["reports_failure"],
        )
    seconds = can["real_seconds"]
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds <= 3600:
        raise UsageError(
            f"{kind.__name__}.real_seconds = {shown(seconds, 30)} must be from 0 to 3600", fix="write 20", value=seconds
        )
    if not releases_of(can):
        raise UsageError(f"{kind.__name__}.releases is empty", fix='write releases = ["8.2"], or "all"', value=())
    for release in releases_of(can):
        check_release(release)
    if can["drive"] and can["command"]:
        raise UsageError(
            f"{kind.__name__} has drive and command",
            fix="leave drive out: the time of another program cannot be driven",
            value=can["command"],
        )
    for name in _NOT_FOR_COMMANDS:
        if can[name] and can["command"]:
            raise UsageError(
                f"{kind.__name__}: {name} is not played for a command"[:80],
                fix=f"leave {name} out, or write wait(self, target) in place of command",
                value=name,
            )
    for each in several(can["drive"]):
        modules_of(each)
    _check_command(kind, can["command"])


def _check_waits_for(kind: type, given: Any) -> None:
    for word in several(given) or [given]:
        if word not in _WAITS_FOR:
            raise UsageError(
                f"{kind.__name__}.waits_for must be 'action' or 'deletion', not {shown(word, 30)}",
                fix=advice(word, _WAITS_FOR) + "other clients cannot be tested",
                value=word,
            )


def several(given: Any) -> tuple[Any, ...]:
    """Return what was given as one value or several, as several."""
    return tuple(given) if isinstance(given, (list, tuple)) else (given,)


def releases_of(can: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the releases that a client is run against."""
    given = can["releases"]
    if given == "all":
        return RELEASES
    return several(given)


def _check_command(kind: type, command: Any) -> None:
    if isinstance(command, str) or not all(isinstance(word, str) for word in command):
        raise UsageError(
            f"{kind.__name__}.command = {shown(command, 40)} must be a list of words",
            fix='write it as a list, ["./wait.sh", "{url}", "{action_uid}"]',
            value=command,
        )
    for word in command:
        try:
            word.format(**dict.fromkeys(_PLACEHOLDERS, ""))
        except (KeyError, IndexError, ValueError):
            raise UsageError(
                f"{kind.__name__}.command has {shown(word, 30)}",
                fix=f"known are {', '.join('{' + name + '}' for name in _PLACEHOLDERS)}; write {{{{ for a brace",
                value=word,
            ) from None
