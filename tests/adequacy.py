"""Is the corpus adequate? Change each keyword of each schema, one at a time: at least one case must tell.

    python tests/adequacy.py        prints the figures, and each change that no case noticed; exits 1 if there is one

Changes: a keyword is removed; a bound is moved by one; each word of an enum, each field of `required`, each branch of
an `anyOf` is taken out alone. A `type` beside or inside an `if` or `not` is counted apart where nothing tells:
validators in strict mode want it there, and what stands around it says it again, so that no document can tell.
"""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from jsonschema import Draft202012Validator

ROOT = Path(__file__).parent.parent
SCHEMAS = ROOT / "schemas"
NO_SCHEMAS = ("manifest.json", "bundle.json", "openapi.json", "openapi.stub.json", "differences.json")
CORPUS = ROOT / "tests" / "corpus"
NOTES = ("$schema", "$comment", "$defs", "title", "description", "examples")
MAPS = ("properties", "$defs")


class Case(NamedTuple):
    """One document of the corpus, with the schema that it is for."""

    schema: str
    data: Any
    valid: bool


class Change(NamedTuple):
    """One change of one schema."""

    file: str
    where: str
    changed: Any
    for_strictness: bool = False


def schema_files() -> dict[str, Any]:
    """Return every schema, by its path below schemas/."""
    paths = [path for path in sorted(SCHEMAS.glob("*.json")) if path.name not in NO_SCHEMAS]
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in paths}


@cache
def groups() -> tuple[dict[str, Any], ...]:
    """Return every group of the corpus."""
    return tuple(
        group for path in sorted(CORPUS.glob("*.json")) for group in json.loads(path.read_text(encoding="utf-8"))
    )


def cases() -> list[Case]:
    """Return every document of the corpus."""
    return [
        Case(group["schema"]["$ref"].removeprefix("../../schemas/"), test["data"], test["valid"])
        for group in groups()
        for test in group["tests"]
    ]


def inlined(file: str, files: dict[str, Any]) -> Any:
    """Return a schema with its references replaced by what they refer to."""

    def resolve(node: Any, here: str) -> Any:
        if isinstance(node, list):
            return [resolve(each, here) for each in node]
        if not isinstance(node, dict):
            return node
        if "$ref" not in node:
            return {
                key: {name: resolve(each, here) for name, each in value.items()}
                if key in MAPS
                else resolve(value, here)
                for key, value in node.items()
                if key not in NOTES
            }
        path, _, fragment = node["$ref"].partition("#")
        found = files[path or here]
        for part in fragment.split("/")[1:]:
            found = found[part]
        return resolve(found, path or here)

    return resolve(files[file], file)


def closure(file: str, files: dict[str, Any]) -> set[str]:
    """Return a schema and all that it refers to."""
    seen: set[str] = set()

    def visit(name: str) -> None:
        if name not in seen:
            seen.add(name)
            for reference in references(files[name]):
                visit(reference.partition("#")[0] or name)

    visit(file)
    return seen


def references(node: Any) -> Iterator[str]:
    """Yield every $ref in a schema."""
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for each in node:
            yield from references(each)


def changes(file: str, schema: Any) -> Iterator[Change]:
    """Yield every change of a schema."""
    for path, key, value in keywords(schema, ()):
        where = "/".join(map(str, (*path, key)))
        doubled = key == "type" and is_conditional(schema, path)
        yield Change(file, f"without {where}", without(schema, path, key), doubled)
        if key in ("minimum", "maximum"):
            moved = value - 1 if key == "minimum" else value + 1
            yield Change(file, f"{where} moved to {moved}", replaced(schema, path, key, moved))
        if key in ("enum", "required", "anyOf") and len(value) > 1:
            for index in range(len(value)):
                fewer = value[:index] + value[index + 1 :]
                yield Change(file, f"{where} without its item {index}", replaced(schema, path, key, fewer))


def is_conditional(schema: Any, path: tuple[Any, ...]) -> bool:
    """Tell whether a place in a schema is inside an `if`, `else` or `not`, or has an `if` beside it."""
    node = schema
    for part in path:
        node = node[part]
    return "if" in node or any(part in ("if", "else", "not") for part in path)


def keywords(node: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], str, Any]]:
    """Yield path, keyword and value of everything in a schema that can change a verdict."""
    if isinstance(node, list):
        for index, each in enumerate(node):
            yield from keywords(each, (*path, index))
        return
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        if key in MAPS:
            for name, each in value.items():
                if each and key == "properties":
                    yield (*path, key), name, each
                yield from keywords(each, (*path, key, name))
        elif key not in NOTES:
            yield path, key, value
            yield from keywords(value, (*path, key))


def without(schema: Any, path: tuple[Any, ...], key: str) -> Any:
    """Return a copy of a schema without one keyword."""
    changed = copy.deepcopy(schema)
    node = changed
    for part in path:
        node = node[part]
    del node[key]
    return changed


def replaced(schema: Any, path: tuple[Any, ...], key: str, value: Any) -> Any:
    """Return a copy of a schema in which one keyword has another value."""
    changed = copy.deepcopy(schema)
    node = changed
    for part in path:
        node = node[part]
    node[key] = value
    return changed


class Proof(NamedTuple):
    """What the proof found: how many changes of which schemas, and those that no case noticed."""

    schemas: int
    keywords: int
    changes: int
    cases: int
    doubled: int
    unnoticed: list[str]


def prove(only: frozenset[str] | None = None) -> Proof:
    """Make every change, and look for a case that tells.

    Args:
        only: these schemas; all if None.
    """
    files = schema_files()
    by_schema: dict[str, list[Case]] = {}
    for case in cases():
        by_schema.setdefault(case.schema, []).append(case)
    users: dict[str, list[str]] = {name: [] for name in files}
    for name in by_schema:
        for used in closure(name, files):
            users[used].append(name)
    made, counted, doubled, unnoticed = 0, 0, 0, []
    for name in sorted(files if only is None else only):
        counted += sum(1 for _ in keywords(files[name], ()))
        for change in changes(name, files[name]):
            made += 1
            if not noticed(change, files, users[name], by_schema):
                if change.for_strictness:
                    doubled += 1
                else:
                    unnoticed.append(f"{name}: {change.where}")
    told = sum(map(len, by_schema.values()))
    return Proof(len(files if only is None else only), counted, made, told, doubled, unnoticed)


def noticed(change: Change, files: dict[str, Any], users: list[str], by_schema: dict[str, list[Case]]) -> bool:
    """Tell whether a case gets another verdict when one schema is changed."""
    changed = {**files, change.file: change.changed}
    for name in users:
        after = inlined(name, changed)
        if after != inlined(name, files):
            validator = Draft202012Validator(after)
            if any(validator.is_valid(case.data) != case.valid for case in by_schema[name]):
                return True
    return False


def main() -> int:
    """Print the figures; return 1 if a change went unnoticed."""
    proof = prove()
    made = proof.changes - proof.doubled
    found = made - len(proof.unnoticed)
    print(
        f"adequacy: {found} of {made} changes of {proof.keywords} keywords in {proof.schemas} schemas are noticed "
        f"by {proof.cases} cases: {100 * found / made:.1f} %; {proof.doubled} types are there for strictness only"
    )
    for each in proof.unnoticed:
        print("  not noticed:", each)
    return 1 if proof.unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
