"""The README runs: its Python blocks as tests, its console blocks as commands whose output is compared."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
QUICKSTART = ROOT / "tests" / "examples" / "quickstart"
WAITING = ROOT / "tests" / "examples" / "waiting"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def test_the_first_block_is_the_suite_of_the_demo() -> None:
    assert blocks("python")[0] == (QUICKSTART / "test_my_client.py").read_text(encoding="utf-8")


def test_the_python_blocks_pass_one_after_another(pytester: pytest.Pytester) -> None:
    # The naive client's table is a proof of its own: tests/test_contract_suite.py.
    later = [block for block in blocks("python")[1:] if "ActionsClientContract" not in block]
    pytester.makepyfile("\n\n".join(later))
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    pytester.syspathinsert(WAITING)

    result = pytester.runpytest_inprocess("-p", "no:randomly", "-p", "no:cacheprovider")

    tests = sum(block.count("\ndef test_") + block.startswith("def test_") for block in later)
    assert tests >= 7
    result.assert_outcomes(passed=tests + 1)  # one of them runs on two releases


@pytest.mark.parametrize("block", blocks("console"), ids=lambda block: block.splitlines()[0])
def test_the_output_of_a_console_block_is_what_is_printed(block: str) -> None:
    command, *expected = block.splitlines()
    name, *arguments = shlex.split(command.removeprefix("$ "))
    assert name == "redis-actions"

    done = subprocess.run(
        [sys.executable, "-m", "pytest_redis_actions.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "80", "PYTHONUTF8": "1"},
    )

    # "…" stands for anything: a path, a time, or, alone on a line, any number of lines.
    pattern = "\n".join(r".*" if line == "…" else re.escape(line).replace("…", r"[^\n]*") for line in expected)
    pattern = re.sub(r"=+ 4 passed", "=+ 4 passed", pattern)
    assert re.fullmatch(re.sub(r"(?:=)+$", "=+", pattern, flags=re.MULTILINE) + r"\n", done.stdout, flags=re.DOTALL), (
        done.stdout
    )
    assert done.returncode == ("validate" in command or "check-trace" in command)


def test_every_recipe_has_an_example_that_is_tested() -> None:
    tested = (WAITING / "test_waiting.py").read_text(encoding="utf-8")
    recipes = re.findall(r"tests/examples/waiting/(\w+)\.py", README)

    assert sorted(recipes) == sorted(path.stem for path in WAITING.glob("*.py") if path.stem != "test_waiting")
    assert all(recipe in tested for recipe in recipes)


def test_the_two_commands_are_one_line_each() -> None:
    lines = [line for line in README.splitlines() if line.startswith("python3 -m venv")]

    assert lines == [
        "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/redis-actions demo",
        "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && .venv/bin/pytest -n auto",
    ]


def test_every_option_of_the_marker_is_in_the_table() -> None:
    from dataclasses import fields

    from pytest_redis_actions.options import Options

    rows = " ".join(line.split("|")[1] for line in README.splitlines() if line.startswith("| `"))
    assert [each.name for each in fields(Options) if f"`{each.name}`" not in rows] == []


def test_every_link_into_the_project_leads_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)", README) if "://" not in link]

    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
