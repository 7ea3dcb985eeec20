"""Facts as messages cite them: what rests on one capture, or is inferred, says so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import groupby

__all__ = ["INFERRED", "ONE_CAPTURE", "cited", "facts_in"]

ONE_CAPTURE: Mapping[str, str] = {
    **dict.fromkeys(("E-TASK-6", "E-SM-6", "E-C3"), "build 100.0.21"),
    **dict.fromkeys(("E-SM-7", "E-SM-8", "E-ERR-1", "E-START-4", "E-C7", "E-LIFE-8"), "a 7.8, inferred"),
    **dict.fromkeys(("E-HTTP-7", "E-HTTP-8", "E-CRDB-3"), "release not given"),
}
"""The facts that rest on one capture, and of what: the messages that cite them say so."""
INFERRED: Mapping[str, str] = {
    **dict.fromkeys(("E-LIFE-3", "E-LIFE-5"), "words documented, order inferred"),
    "E-LIFE-12": "inferred from pending operations",
}
"""The facts of which a part is inferred, and which."""
_NOTES = {**{fact: f"one capture, {where}" for fact, where in ONE_CAPTURE.items()}, **INFERRED}
_FACT = re.compile(r"E-(?:C\d+|[A-Z0-9]+-\d+)")


def facts_in(text: str) -> list[str]:
    """Return the ids of facts that a text has."""
    return _FACT.findall(text)


def cited(text: str) -> str:
    """Return the facts of a text; those with the same note together, after those without one."""
    facts = facts_in(text)
    told = [fact for fact in facts if fact not in _NOTES]
    for note, group in groupby((fact for fact in facts if fact in _NOTES), _NOTES.__getitem__):
        told.append(f"{', '.join(group)} ({note})")
    return ", ".join(told)
