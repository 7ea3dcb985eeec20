"""No regular expression of the project, on the worst input that can be built for it, takes more than linear time.

The patterns are found, not listed: compiled ones in every module, calls of `re` in the source, "pattern" in the
schemas. For each one inputs are made of the pieces of its own syntax tree, repeated and broken off.
"""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
import re
import sys
import time
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest

import pytest_redis_actions

if sys.version_info >= (3, 11):
    from re import _parser as sre
else:
    import sre_parse as sre

PACKAGE = Path(pytest_redis_actions.__file__).parent
SCHEMAS = PACKAGE.parent / "schemas"
ALLOWED = 1e-6  # seconds for a character: fifty times what a linear match takes
NOISE = 0.01  # seconds that a busy machine may add to those of this thread
CUBIC = r"(?i)([?&][^=&]*(?:token|password|passwd|secret|auth|key)[^=&]*=)[^&]*"
"""What once hid secrets in queries: 3,200 bytes stopped every thread for five seconds."""


def compiled() -> Iterator[str]:
    """Yield the patterns that modules and their classes hold."""
    for module in pkgutil.walk_packages([str(PACKAGE)], "pytest_redis_actions."):
        if module.name.endswith("__main__"):
            continue
        holders: list[Any] = [importlib.import_module(module.name)]
        holders += [each for each in vars(holders[0]).values() if isinstance(each, type)]
        for holder in holders:
            yield from (text_of(each.pattern) for each in vars(holder).values() if isinstance(each, re.Pattern))


def text_of(pattern: str | bytes) -> str:
    """Return a pattern of bytes as one of the characters with the same numbers."""
    return pattern.decode("latin-1") if isinstance(pattern, bytes) else pattern


def called() -> Iterator[str]:
    """Yield the patterns that are given to functions of `re`; what a formatted one fills in stands as 7."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if isinstance(node.func.value, ast.Name) and node.func.value.id == "re" and node.func.attr != "escape":
                (first, *_) = node.args
                if isinstance(first, ast.JoinedStr):
                    parts = [part.value if isinstance(part, ast.Constant) else "7" for part in first.values]
                    yield "".join(map(str, parts))
                else:
                    assert isinstance(first, ast.Constant), f"{path}: {ast.unparse(node)} cannot be read here"
                    assert isinstance(first.value, (str, bytes))
                    yield text_of(first.value)


@cache
def anchored() -> set[str]:
    """Return the patterns that are only ever matched at the beginning of a text, and never searched for."""
    used: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
        named = {
            ast.unparse(node.targets[0]): node.value.args[0].value
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and node.value.args
            if ast.unparse(node.value.func) == "re.compile" and isinstance(node.value.args[0], ast.Constant)
        }
        for call in calls:
            owner, _, function = ast.unparse(call.func).rpartition(".")
            first = call.args[0] if call.args else None
            pattern = first.value if owner == "re" and isinstance(first, ast.Constant) else named.get(owner)
            if isinstance(pattern, (str, bytes)) and function != "compile":
                used.setdefault(text_of(pattern), set()).add(function)
    return {pattern for pattern, functions in used.items() if functions <= {"match", "fullmatch"}}


def in_schemas(node: object) -> Iterator[str]:
    """Yield what stands as pattern, or as the key of patternProperties, anywhere in a document."""
    if isinstance(node, dict):
        if isinstance(node.get("pattern"), str):
            yield node["pattern"]
        yield from node.get("patternProperties", {})
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        yield from in_schemas(child)


def every_pattern() -> list[str]:
    schemas = (json.loads(path.read_text(encoding="utf-8")) for path in SCHEMAS.glob("*.json"))
    return sorted({*compiled(), *called(), *(each for schema in schemas for each in in_schemas(schema))})


def pieces(tree: Any) -> Iterator[str]:
    """Yield texts that parts of a pattern match: each literal run, one character of each set, each branch."""
    run = ""
    for operation, argument in [*tree, (None, None)]:
        name = str(operation)
        if name == "LITERAL":
            run += chr(argument)
            continue
        if run:
            yield run
        run = ""
        if name == "IN":
            yield from _members(argument)
        elif name in ("ANY", "NOT_LITERAL"):
            yield "x"
        elif name == "BRANCH":
            for branch in argument[1]:
                yield from pieces(branch)
        elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            yield from pieces(argument[2])
        elif name == "SUBPATTERN":
            yield from pieces(argument[3])
        elif name in ("ASSERT", "ASSERT_NOT"):
            yield from pieces(argument[1])
        elif name == "ATOMIC_GROUP":
            yield from pieces(argument)


def _members(members: Any) -> Iterator[str]:
    for operation, argument in members:
        if str(operation) == "LITERAL":
            yield chr(argument)
        elif str(operation) == "RANGE":
            yield chr(argument[0])
        elif str(operation) == "CATEGORY":
            yield {"DIGIT": "1", "SPACE": " ", "WORD": "w"}.get(str(argument).rpartition("_")[2], "x")
        elif str(operation) == "NEGATE":
            yield "x"


def worst(pattern: str) -> list[tuple[str, str]]:
    """Return what is repeated in the worst inputs, each with what stands before it."""
    found = list(dict.fromkeys(pieces(sre.parse(pattern))))
    units = [*found, "".join(found), *("".join(pair) for pair in product(found, repeat=2) if pair[0] != pair[1])]
    return [(before, unit) for before in dict.fromkeys(("", found[0])) for unit in dict.fromkeys(units)]


def slowness(pattern: str, *, is_anchored: bool = False, kilobytes: int = 8) -> str | None:
    """Return how a pattern takes more than linear time, or None: inputs grow until it does."""
    matcher = re.compile(pattern)
    for before, unit in worst(pattern):
        # What is exponential shows with a few characters, and must not be given many.
        for size in (*range(4, 64, 3), *(1 << power for power in range(6, 10 + kilobytes.bit_length()))):
            text = before + unit * -(-size // len(unit)) + "\x00"
            took = min(_cost(matcher, text, is_anchored) for _ in range(2))
            if took > size * ALLOWED + NOISE:
                took = min(took, *(_cost(matcher, text, is_anchored) for _ in range(3)))  # was it the machine?
            if took > size * ALLOWED + NOISE:
                return f"{took:.3f} s for {size} characters of {before!r} + {unit!r} * n"
    return None


def _cost(matcher: re.Pattern[str], text: str, is_anchored: bool) -> float:
    began = time.thread_time()
    if not is_anchored:
        for _ in matcher.finditer(text):
            pass
    matcher.match(text)
    matcher.fullmatch(text)
    return time.thread_time() - began


def test_every_kind_of_place_is_searched() -> None:
    assert "[1-9][0-9]{0,8}" in set(compiled())
    assert "-?[0-9]+" in set(called())
    assert "[1-9][0-9]{0,8}" in anchored()
    assert any(pattern.startswith("^") for pattern in every_pattern())
    assert list(in_schemas({"a": [{"pattern": "x"}], "patternProperties": {"y": {"pattern": "z"}}})) == ["y", "x", "z"]


@pytest.mark.parametrize("kilobytes", [8, pytest.param(64, marks=pytest.mark.long)])
@pytest.mark.parametrize("pattern", every_pattern())
def test_a_pattern_takes_linear_time(pattern: str, kilobytes: int) -> None:
    assert slowness(pattern, is_anchored=pattern in anchored(), kilobytes=kilobytes) is None


@pytest.mark.parametrize(
    "pattern",
    [CUBIC, r'File "(.*)", line (\d+) in ', r"(a+)+$", r"(?:a|a)*b", r"x*x*y", r"\s+$", r"^(?:[a-z]+,?)+;$"],
)
def test_a_pattern_that_does_not_is_found_out(pattern: str) -> None:
    assert slowness(pattern) is not None


def test_the_source_uses_no_other_library_of_patterns() -> None:
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.module not in ("re", "fnmatch", "regex"), path
            elif isinstance(node, ast.Import):
                assert not {alias.asname or alias.name for alias in node.names} & {"fnmatch", "regex"}, path
