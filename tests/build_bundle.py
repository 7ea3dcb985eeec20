"""Build schemas/bundle.json: every schema in one document, each with a $id, for validators of other languages.

python tests/build_bundle.py        writes the file; a test compares it with what this builds

The files themselves have no $id: their references are relative, and a base that is a URN has nothing to be relative
to, so that jsonschema, jsonschema-rs, Ajv and Hyperjump would find none of them.
"""

from __future__ import annotations

import json
from typing import Any

import adequacy

from pytest_redis_actions.contract import catalogue

FILE = adequacy.SCHEMAS / "bundle.json"


def build() -> dict[str, Any]:
    """Return the compound document; its root accepts anything."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": catalogue.urn("bundle.json"),
        "title": "Every schema of the actions API",
        "description": "Refer to one by its $id; manifest.json says which file holds for a kind, release and profile.",
        "$defs": {
            file: {"$id": catalogue.urn(file), **_absolute(schema, file)}
            for file, schema in adequacy.schema_files().items()
        },
    }


def _absolute(node: Any, file: str) -> Any:
    """Return a schema whose references begin with the $id of what they refer to."""
    if isinstance(node, list):
        return [_absolute(each, file) for each in node]
    if not isinstance(node, dict):
        return node
    changed = {key: _absolute(value, file) for key, value in node.items()}
    if "$ref" in node:
        path, mark, fragment = node["$ref"].partition("#")
        changed["$ref"] = catalogue.urn(path or file) + mark + fragment
    return changed


if __name__ == "__main__":
    FILE.write_text(json.dumps(build(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
