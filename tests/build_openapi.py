"""Build schemas/openapi.json: the actions API of the newest release, as clusters send it, from routes and schemas.

python tests/build_openapi.py        writes the file; a test compares it with what this builds
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pytest_redis_actions.access import ROLES, may
from pytest_redis_actions.contract import catalogue
from pytest_redis_actions.parameters import CLUSTER_ACTIONS, NODE_ACTIONS, NOTHING, WORDS, Carried
from pytest_redis_actions.releases import NEWEST
from pytest_redis_actions.routes import ROUTES, Read, Route, Start

FILE = Path(__file__).parent.parent / "schemas" / "openapi.json"

DESCRIPTIONS = {
    400: "The body or the query cannot be read, or names something that does not exist.",
    401: "Credentials are missing or incorrect.",
    403: "The role lacks the permission.",
    404: "No such action, database or node.",
    405: "The method is not allowed here.",
    406: "A field is missing, or the node is not bootstrapped.",
    409: "Another action of this kind is running.",
    413: "The body is too large.",
}


def build() -> dict[str, Any]:
    """Return the description."""
    schemas: dict[str, Any] = {}
    paths = {
        route.template: {
            **_parameters(route),
            **{
                method.lower(): _operation(route, method, handling, schemas)
                for method, handling in route.methods.items()
            },
        }
        for route in ROUTES
        if route.is_in(NEWEST)
    }
    _schema("error", schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Actions API of Redis Enterprise Software",
            "version": NEWEST,
            "description": (
                "Requests that start, read or cancel actions, as clusters answer them. Unofficial; every rule cites a "
                "fact of evidence.md. Of databases, shards, modules and users only what starts an action is described."
            ),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "https://cluster.example.com:9443"}],
        "security": [{"basic": []}, {"jwt": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic"},
                "jwt": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": '"JWT " and a token of POST /v1/users/authorize (E-HTTP-3).',
                },
            },
            "schemas": schemas,
            "responses": {
                str(code): {"description": text, **_content("error")} for code, text in sorted(DESCRIPTIONS.items())
            },
        },
    }


def _parameters(route: Route) -> dict[str, Any]:
    names = [part[1:-1] for part in route.segments if part.startswith("{")]
    if not names:
        return {}
    schemas = {
        "action": {"enum": list(NODE_ACTIONS if "node_uid" in names else CLUSTER_ACTIONS)},
        "bdb_uid": {"type": "string", "pattern": "^[1-9][0-9]{0,8}$"},
    }
    anything = {"type": "string", "minLength": 1}
    return {
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": schemas.get(name, anything)} for name in names
        ]
    }


def _operation(route: Route, method: str, handling: Read | Start, schemas: dict[str, Any]) -> dict[str, Any]:
    starts = isinstance(handling, Start)
    carried = _carried(handling)
    permission = handling.permission
    holders = ", ".join(role for role in ROLES if may(role, permission, NEWEST)) if permission else ""
    success = {"description": "It was started." if starts else "It is as the body says."}
    kind = f"{method} {route.template}"
    if kind in catalogue.kinds():
        success |= _content(_schema(kind, schemas))
    codes = [400, 413] if method in ("POST", "PUT", "DELETE") else []
    codes += [401]
    codes += [403, 404] if permission else []
    codes += [409] if starts and "actions/{action}" in route.template else []
    codes += [406] if starts and route.template.startswith("/v1/cluster") else []
    codes += [each.code for each in carried.needs]
    operation: dict[str, Any] = {
        "operationId": f"{method.lower()}{route.template.replace('/', '_').replace('{', '').replace('}', '')}",
        "summary": _summary(handling),
        "description": f"Needs the permission {permission}: {holders}." if permission else "Needs no permission.",
        "responses": {
            "200": success,
            **{str(code): {"$ref": f"#/components/responses/{code}"} for code in sorted(set(codes))},
        },
    }
    if carried.query:
        kinds = {"boolean": {"type": "string", "enum": list(WORDS)}, "integer": {"type": "integer"}}
        operation["parameters"] = [
            {"name": name, "in": "query", "schema": kinds[kind]} for name, kind in carried.query.items()
        ]
    if permission is None:
        operation["security"] = []
    if (starts and method in ("POST", "PUT")) or permission is None:
        operation["requestBody"] = {
            "required": permission is None or bool(carried.needs),
            "content": {"application/json": {"schema": _asked(route, carried)}},
        }
    return operation


def _carried(handling: Read | Start) -> Carried:
    return handling.carried if isinstance(handling, Start) else NOTHING


def _asked(route: Route, carried: Carried) -> dict[str, Any]:
    ttl = {"type": "integer", "minimum": 1, "maximum": 86400, "description": "Seconds."}
    if route.template == "/v1/users/authorize":
        text = {"type": "string"}
        fields = {"username": text, "password": text, "ttl": ttl}
        return {"type": "object", "required": ["username", "password"], "properties": fields}
    if route.template == "/v1/users/refresh_jwt":
        return {"type": "object", "properties": {"ttl": ttl}}
    asked: dict[str, Any] = {"type": "object"}
    if carried.body:
        asked["properties"] = {name: _typed(kind) for name, kind in carried.body.items()}
    needed = [each.names[0] for each in carried.needs if len(each.names) == 1]
    if needed:
        asked["required"] = needed
    for each in carried.needs:
        if len(each.names) > 1:
            asked["anyOf"] = [{"required": [name]} for name in each.names]
    return (
        {"type": "object", "required": [carried.below], "properties": {carried.below: asked}}
        if carried.below
        else asked
    )


def _typed(kind: str) -> dict[str, Any]:
    name, _, items = kind.partition(" of ")
    return {"type": name, **({"items": {"type": items.removesuffix("s")}} if items else {})}


def _summary(handling: Read | Start) -> str:
    if isinstance(handling, Start):
        return f"Start {handling.name or 'an action of a node or of the cluster'}"
    words = {
        "authorize": "Get a token",
        "refresh": "Get a fresh token",
        "place_cancel": "Cancel an action, or remove its result",
    }
    return words.get(handling.answer, "Read actions" if "list" in handling.answer else "Read the actions asked for")


def _schema(kind: str, schemas: dict[str, Any]) -> str:
    file = catalogue.schema_file(kind, NEWEST, "wire")
    name = file.removesuffix(".json").replace(".wire-", "-").replace(".", "-")
    schemas[name] = {key: value for key, value in catalogue.bundled(file).items() if key != "$schema"}
    return name


def _content(name: str) -> dict[str, Any]:
    name = "error-7-2" if name == "error" else name
    return {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}}


if __name__ == "__main__":
    FILE.write_text(json.dumps(build(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
