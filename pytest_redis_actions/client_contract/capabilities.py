"""What a client says of itself, and the checks of the class that says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import UsageError, nearest, shown
from ..releases import NEWEST, RELEASES, check_release

__all__ = ["CAPABILITIES", "capabilities_of", "check_class"]

__tracebackhide__ = True

CAPABILITIES: Mapping[str, object] = {
    "retries_server_errors": True,
    "honours_retry_after": True,
    "concurrent": True,
    "refreshes_credentials": False,
    "tolerates_early_404": False,
    "delete_succeeds_when_gone": False,
    "sends_headers": False,
    "reads_v2": False,
    "starts": False,
    "tls": False,
    "reports_failure": "either",
    "releases": (NEWEST,),
    "real_seconds": 20.0,
    "drive": (),
    "command": (),
}
"""What a class may say, with the defaults."""

_REPORTS = ("either", "raise", "return")
_PLACEHOLDERS = ("url", "action_uid", "user", "password", "ca_file", "timeout", "read_timeout")
_METHODS = ("wait", "start")


def capabilities_of(kind: type) -> dict[str, object]:
    """Return what a class says of its client."""
    return {name: getattr(kind, name) for name in CAPABILITIES}


def check_class(kind: type, base: type) -> None:
    """Refuse a class that says what no client can say.

    Raises:
        UsageError: it lacks `wait`, an attribute is nearly a capability, or has a value that it cannot have.
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
    if can["starts"] and getattr(kind, "start", None) is getattr(base, "start", None):
        raise UsageError(
            f"{kind.__name__} says starts = True and has no start",
            fix="write def start(self, target): it sends a request and returns the action_uid of the reply",
            value=kind,
        )
    _check_values(kind, can)


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
    for name, default in CAPABILITIES.items():
        if isinstance(default, bool) and not isinstance(can[name], bool):
            raise UsageError(
                f"{kind.__name__}.{name} = {shown(can[name], 30)} is no answer",
                fix="write True or False",
                value=can[name],
            )
    if can["reports_failure"] not in _REPORTS:
        raise UsageError(
            f"{kind.__name__}.reports_failure = {shown(can['reports_failure'], 30)} is not known",
            fix=f"write one of {', '.join(map(repr, _REPORTS))}",
            value=can["reports_failure"],
        )
    seconds = can["real_seconds"]
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds <= 3600:
        raise UsageError(
            f"{kind.__name__}.real_seconds = {shown(seconds, 30)} is no time", fix="give real seconds", value=seconds
        )
    for release in releases_of(can):
        check_release(release)
    if can["drive"] and can["command"]:
        raise UsageError(
            f"{kind.__name__} has drive and command",
            fix="leave drive out: the time of another program cannot be driven",
            value=can["command"],
        )
    _check_command(kind, can["command"])


def releases_of(can: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the releases that a client is run against."""
    given = can["releases"]
    if given == "all":
        return RELEASES
    return (given,) if isinstance(given, str) else tuple(given)


def _check_command(kind: type, command: Any) -> None:
    if isinstance(command, str) or not all(isinstance(word, str) for word in command):
        raise UsageError(
            f"{kind.__name__}.command = {shown(command, 40)} is no list of words",
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
