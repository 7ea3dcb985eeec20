"""The limit that conftest.py sets for each test."""

from __future__ import annotations

from pathlib import Path

import conftest
import pytest


@pytest.mark.long
def test_a_test_that_hangs_prints_where_and_ends_its_process(pytester: pytest.Pytester) -> None:
    source = Path(conftest.__file__).read_text(encoding="utf-8")
    pytester.makeconftest(source.replace(f"= {conftest.LIMIT}, ", "= 1, "))
    pytester.makepyfile("import threading\ndef test_it():\n    threading.Event().wait()")

    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", timeout=60)

    assert result.ret == 1
    result.stderr.fnmatch_lines(["Timeout (0:00:01)!", "*test_a_test_that_hangs*.py*, line 3 in test_it"])
