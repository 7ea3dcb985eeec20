"""Find out whether a poller survives the real world: subclass one class, read one table.

    class TestMyClient(ActionsClientContract):
        drive = ["my_client"]

        def wait(self, target):
            return MyClient(target.url, target.auth).wait(target.action_uid, timeout=target.timeout)

From the ground up: `outcome`, `verdicts` and `scenarios`, the catalogue, lie below the stub, which can play it;
`target`, `capabilities`, `running`, `contract` and `score`, which run a client and judge it, lie above. The names are
loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .contract import ActionsClientContract as ActionsClientContract
    from .scenarios import SCENARIOS as SCENARIOS
    from .scenarios import Play as Play
    from .scenarios import Scenario as Scenario
    from .target import Target as Target

__tracebackhide__ = True

_HOMES = {
    "ActionsClientContract": "contract",
    "Play": "scenarios",
    "SCENARIOS": "scenarios",
    "Scenario": "scenarios",
    "Target": "target",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        from ..arguments import unknown_in_module

        raise unknown_in_module(__name__, name, __all__)
    from importlib import import_module

    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value
