"""Driving a client's time: within a block, what the named modules sleep is what moves a clock.

This is the face of the package: everything else imports from here, and nothing below needs more than the standard
library and the errors. Names are loaded when they are used, because most tests drive nothing.

Block          the block itself: opens, guards, closes
open_block     the one that is open
OutsideThread  a thread that never belongs to a block
abandon        gives up a thread that cannot be stopped
watching       sees to it that a clock does not stand still
interruptible  within it a test can be interrupted where it stands, by `interrupt`
modules_of     which modules a name stands for; RECIPES those of libraries that sleep for others
line_of        a frame as messages name it

May import: errors.
Public: the names below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .block import Block as Block
    from .interruption import interrupt as interrupt
    from .interruption import interruptible as interruptible
    from .ledger import OutsideThread as OutsideThread
    from .ledger import abandon as abandon
    from .opened import open_block as open_block
    from .places import line_of as line_of
    from .targets import RECIPES as RECIPES
    from .targets import modules_of as modules_of
    from .watch import Account as Account
    from .watch import watching as watching

_HOMES = {
    "Account": "watch",
    "Block": "block",
    "OutsideThread": "ledger",
    "RECIPES": "targets",
    "abandon": "ledger",
    "interrupt": "interruption",
    "interruptible": "interruption",
    "line_of": "places",
    "modules_of": "targets",
    "open_block": "opened",
    "watching": "watch",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    return value
