"""The line of the code that waits, as messages name it."""

from __future__ import annotations

import os
import sys
from types import FrameType

__all__ = ["line_of", "near", "place"]

__tracebackhide__ = True

_WAITING = {"threading", "concurrent", "queue", __name__.partition(".")[0]}


def place() -> str:
    """Return the line of the code that waits: "my_client.py:41 in wait"; what it calls to wait is passed over."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_back is not None:
        if frame.f_globals.get("__name__", "").partition(".")[0] not in _WAITING:
            break
        frame = frame.f_back
    return line_of(frame)


def line_of(frame: FrameType | None) -> str:
    """Return a frame as "path/my_client.py:41 in wait"."""
    return f"{near(frame.f_code.co_filename)}:{frame.f_lineno} in {frame.f_code.co_name}" if frame else "?"


def near(path: str) -> str:
    """Return a path as it is written from the working directory, if it lies below that."""
    below = os.path.relpath(path) if os.path.isabs(path) else path
    return path if below.startswith(os.pardir) else below
