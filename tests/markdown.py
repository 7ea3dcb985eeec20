"""The README and the guides, as files with blocks of code."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

__all__ = ["PAGES", "ROOT", "blocks", "files", "write_files"]

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", *sorted(ROOT.glob("pytest_redis_actions/guides/*.md")))


def blocks(page: Path, language: str) -> list[str]:
    """Return the blocks of a language, "" for those without one, as the page has them."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [block for tongue, block in found if tongue == language]


def files(page: Path) -> dict[str, str]:
    """Return the Python blocks that begin with the name of a file, by that name."""
    found = [(re.match(r"# (\w+)\.py\n", block), block) for block in blocks(page, "python")]
    return {match[1]: block for match, block in found if match}


def write_files(page: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write those files, and forget modules of the suite that have their names."""
    for name in files(page):
        monkeypatch.delitem(sys.modules, name, raising=False)
    pytester.makepyfile(**files(page))
