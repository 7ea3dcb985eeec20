"""Test anything that waits on a Redis Enterprise cluster: a stub of its actions API, with real sockets.

In the docstring of each folder, "May import" lists other folders and faults.py, and "Public" the modules that other
folders may import, apart from the names of the `__init__` itself. plugin.py has the fixtures, cli.py the commands.

The names are loaded when they are first used, so that a suite that has the plugin installed and does not use it pays
nothing for it. PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .contract import ContractError as ContractError
    from .contract import Violation as Violation
    from .contract import validate as validate
    from .contract import validate_action as validate_action
    from .contract import validate_actions as validate_actions
    from .contract import validate_state_machine as validate_state_machine
    from .contract import violations as violations
    from .errors import RedisActionsError as RedisActionsError
    from .errors import RedisActionsWarning as RedisActionsWarning
    from .facts.releases import RELEASES as RELEASES
    from .observed.trace_assertions import LifecycleError as LifecycleError
    from .observed.trace_assertions import assert_trace as assert_trace
    from .observed.trace_assertions import assert_transition as assert_transition
    from .observed.trace_assertions import wait_for as wait_for
    from .operations.script import aborted as aborted
    from .operations.script import active as active
    from .operations.script import cancelled as cancelled
    from .operations.script import cancelling as cancelling
    from .operations.script import completed as completed
    from .operations.script import failed as failed
    from .operations.script import gone as gone
    from .operations.script import pending as pending
    from .operations.script import queued as queued
    from .operations.script import running as running
    from .operations.script import starting as starting
    from .stub.action import Action as Action
    from .stub.stub import RedisActions as RedisActions

__tracebackhide__ = True

_HOMES = {
    **dict.fromkeys(("RedisActionsError", "RedisActionsWarning"), "errors"),
    "RELEASES": "facts.releases",
    **dict.fromkeys(
        (
            "aborted",
            "active",
            "cancelled",
            "cancelling",
            "completed",
            "failed",
            "gone",
            "pending",
            "queued",
            "running",
            "starting",
        ),
        "operations.script",
    ),
    **dict.fromkeys(
        (
            "ContractError",
            "Violation",
            "validate",
            "validate_action",
            "validate_actions",
            "validate_state_machine",
            "violations",
        ),
        "contract",
    ),
    **dict.fromkeys(("LifecycleError", "assert_trace", "assert_transition", "wait_for"), "observed.trace_assertions"),
    "Action": "stub.action",
    "RedisActions": "stub.stub",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        from .errors.arguments import unknown_in_module

        raise unknown_in_module(__name__, name, (*__all__, "client_contract", "faults", "strategies"))
    from importlib import import_module

    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
