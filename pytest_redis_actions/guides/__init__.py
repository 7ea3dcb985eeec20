"""The guides: one Markdown file a topic, which a code host shows and `redis-actions help TOPIC` prints.

May import: nothing of ours.
Public: the names below.
"""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["TOPICS", "summary", "text"]

TOPICS = (
    "getting-started",
    "scripts",
    "virtual-time",
    "not-driven",
    "standstill",
    "faults",
    "journal",
    "client-contract",
    "traces",
    "contract-validation",
    "options",
    "tls-and-auth",
    "outside-pytest",
    "command-line",
    "other-languages",
    "troubleshooting",
    "versions",
)
"""In the order of reading."""

_COMMENT = re.compile(r"^<!--.*-->\n", flags=re.MULTILINE)
_GUIDE = re.compile(r"\[([^][]+)\]\(([\w-]+)\.md\)")
_FILE = re.compile(r"\[([^][]+)\]\((?:\.\./)+([^)]+)\)")


def summary(topic: str) -> str:
    """Return the sentence under the title of a guide."""
    return _read(topic).split("\n\n", 2)[1].replace("\n", " ")


def text(topic: str) -> str:
    """Return a guide as a terminal shows it: links name the topic, or the file in the clone, that they lead to."""
    guide = _GUIDE.sub(lambda link: _named(*link.groups()), _COMMENT.sub("", _read(topic)))
    told, files = _FILE.subn(lambda link: f"{link[1]} ({link[2]})", guide)
    return told + "\nThe paths in parentheses are those of files in a clone of the project.\n" * bool(files)


def _named(words: str, topic: str) -> str:
    return f"`redis-actions help {topic}`" if words == topic else f"{words} (`redis-actions help {topic}`)"


def _read(topic: str) -> str:
    return Path(__file__).with_name(f"{topic}.md").read_text(encoding="utf-8")
