"""The block that is open, which stand-ins follow: what a client keeps of one block is driven in the next one, too."""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any

from ..errors import UsageError
from .ledger import Ledger

__all__ = ["open_block", "opened"]

__tracebackhide__ = True


class _Opened:
    """The state that belongs to the process: one clock is driven at a time.

    Attributes:
        block: the outermost block that is open.
        ledger: its account; None while no block is open.
        loops: its event loops.
        was_forked: whether this process is a copy of one in which a block was open.
    """

    def __init__(self) -> None:
        self.block: Any = None
        self.ledger: Ledger | None = None
        self.loops: Any = None
        self.was_forked = False
        self._real: dict[tuple[str, str], Any] = {}

    def open(self, block: Any, ledger: Ledger, loops: Any, real: dict[tuple[str, str], Any]) -> None:
        """Let stand-ins follow a block.

        Args:
            real: what stood under the names that are driven when it was opened, by module and name.
        """
        self.block, self.ledger, self.loops, self._real = block, ledger, loops, real

    def close(self) -> None:
        """Let stand-ins be what they stand for."""
        self.block = self.ledger = self.loops = None
        self._real = {}

    def instead(self, module: ModuleType, name: str) -> Any:
        """Return what a stand-in has to call: the real thing, or what a test put there; None if it is driven.

        Raises:
            UsageError: in a forked child.
        """
        if self.was_forked:
            raise UsageError(
                "a forked process cannot be driven: its virtual time would be a copy",
                fix="use threads in the test, or clock='wall' with a rate",
            )
        if self.ledger is None or self.ledger.closed:
            return getattr(module, name)
        now = getattr(module, name)
        return None if now is self._real.get((module.__name__, name), now) else now


opened = _Opened()


def open_block() -> Any:
    """Return the outermost block that is open, whatever clock it drives; None if no block is."""
    return opened.block


def _refuse_child() -> None:
    if opened.ledger is not None:
        opened.was_forked = opened.ledger.closed = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_refuse_child)
