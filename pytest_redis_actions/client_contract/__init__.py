"""Find out whether a poller survives the real world: subclass one class, read one table.

    class TestMyClient(ActionsClientContract):
        drive = ["my_client"]

        def wait(self, target):
            return MyClient(target.url, target.auth).wait(target.action_uid, timeout=target.timeout)

The names are loaded when they are first used.

May import: errors, facts, driving, clock, observed, server, scenarios, stub, pytest_glue.
Public: the names below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..scenarios.catalogue import SCENARIOS as SCENARIOS
    from ..scenarios.catalogue import Play as Play
    from ..scenarios.catalogue import Scenario as Scenario
    from .contract import ActionsClientContract as ActionsClientContract
    from .target import Target as Target

__tracebackhide__ = True

_HOMES = {
    "ActionsClientContract": "client_contract.contract",
    "Play": "scenarios.catalogue",
    "SCENARIOS": "scenarios.catalogue",
    "Scenario": "scenarios.catalogue",
    "Target": "client_contract.target",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        from ..errors.arguments import unknown_in_module

        raise unknown_in_module(__name__, name, __all__)
    from importlib import import_module

    value = getattr(import_module(f"..{_HOMES[name]}", __package__), name)
    globals()[name] = value
    return value
