"""Test anything that waits on a Redis Enterprise cluster: a stub of its actions API, with real sockets.

The names are loaded when they are first used, so that a suite that has the plugin installed and does not use it pays
nothing for it. PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .assertions import LifecycleError as LifecycleError
    from .assertions import assert_trace as assert_trace
    from .assertions import assert_transition as assert_transition
    from .assertions import wait_for as wait_for
    from .contract import ContractError as ContractError
    from .contract import Violation as Violation
    from .contract import validate as validate
    from .contract import validate_action as validate_action
    from .contract import validate_actions as validate_actions
    from .contract import validate_state_machine as validate_state_machine
    from .contract import violations as violations
    from .errors import RedisActionsError as RedisActionsError
    from .errors import RedisActionsWarning as RedisActionsWarning
    from .handle import Action as Action
    from .releases import RELEASES as RELEASES
    from .script import (
        aborted as aborted,
    )
    from .script import (
        active as active,
    )
    from .script import (
        cancelled as cancelled,
    )
    from .script import (
        cancelling as cancelling,
    )
    from .script import (
        completed as completed,
    )
    from .script import (
        failed as failed,
    )
    from .script import (
        gone as gone,
    )
    from .script import (
        pending as pending,
    )
    from .script import (
        queued as queued,
    )
    from .script import (
        running as running,
    )
    from .script import (
        starting as starting,
    )
    from .stub import RedisActions as RedisActions

__tracebackhide__ = True

_HOMES = {
    **dict.fromkeys(("RedisActionsError", "RedisActionsWarning"), "errors"),
    "RELEASES": "releases",
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
        "script",
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
    **dict.fromkeys(("LifecycleError", "assert_trace", "assert_transition", "wait_for"), "assertions"),
    "Action": "handle",
    "RedisActions": "stub",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        from .arguments import unknown_in_module

        raise unknown_in_module(__name__, name, (*__all__, "client_contract", "faults", "strategies"))
    from importlib import import_module

    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
