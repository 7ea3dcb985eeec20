"""Build schemas/openapi.json, the actions API of the newest release as clusters answer it, and openapi.stub.json.

    python tests/build_openapi.py        writes both files; a test compares them with what this builds

Routes, permissions, parameters and schemas are the project's; status codes, error codes and samples are those of the
audited reference. What only the stub answers is an OpenAPI overlay beside it: `for_the_stub` applies it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import adequacy
import audit
from openapi_words import FIELDS, OPERATIONS, PLACEHOLDERS, REPLY_FIELDS, TAGS

from pytest_redis_actions.contract import catalogue
from pytest_redis_actions.errors import ReleaseError
from pytest_redis_actions.facts.access import ROLES, may
from pytest_redis_actions.facts.parameters import CLUSTER_ACTIONS, NODE_ACTIONS, NOTHING, UNDOCUMENTED, WORDS, Carried
from pytest_redis_actions.facts.releases import NEWEST, RELEASES, SINCE
from pytest_redis_actions.facts.routes import ROUTES, Read, Route, Start

FILE = adequacy.SCHEMAS / "openapi.json"
OVERLAY = adequacy.SCHEMAS / "openapi.stub.json"

JSON = "application/json"
METHODS = ("get", "put", "post", "delete")

Schema = dict[str, Any]

ERRORS = {
    400: ("BadRequest", "The body, the query or a header cannot be read.", "invalid_schema"),
    401: ("Unauthorized", "Credentials are missing or incorrect.", "unauthorized"),
    403: ("Forbidden", "The role lacks the permission, or the license has expired.", "forbidden"),
    404: ("NotFound", "The action, database, node or shard does not exist.", "not_exist"),
    406: ("NotAcceptable", "The configuration is invalid, or the object is not in a state for it.", "invalid_param"),
    409: ("Conflict", "Another operation on the same object is running.", "action_already_running"),
    500: ("ServerError", "The cluster could not do it.", "internal_error"),
    501: ("NotImplemented", "The cluster does not support this feature.", "not_supported"),
    503: ("ServiceUnavailable", "The node does not respond, or is not a member of the cluster.", "service_unavailable"),
}  # fmt: skip
"""Code -> the component that it becomes, what it means, and the error_code of its example."""

NAMES = {
    "action": "Task", "state-machine": "StateMachine", "action-v2": "Action", "pending-op": "PendingOperation",
    "node-action": "NodeAction", "cluster-action": "ClusterAction", "error": "Error", "v1-actions": "ActionLists",
    "node-actions": "NodeActionList", "cluster-actions": "ClusterActionList", "started.action_uid": "StartedAction",
    "started.bdb": "Database", "started.described": "StartedShardAction", "started.node": "StartedNodeAction",
    "module.upgraded": "UpgradedModule", "token.token": "Token",
}  # fmt: skip
"""File without profile and release -> the component that it becomes; another one stands where it is used."""
FIELD_NAMES = {"task-status": "TaskStatus", "state-machine-status": "StateMachineStatus", "v2-status": "ActionStatus"}
ACCESS = {"users": "User", "roles": "Role", "redis_acls": "RedisAcl", "ldap_mappings": "LdapMapping"}
INNER = {
    "additional_info": "AdditionalInfo", "background_op": "BackgroundOperation", "nodes": "ShardPlacement",
    "snapshot": "Snapshot", "items": "SlotPlacement",
}  # fmt: skip
"""Objects inside others, by their field -> the component that they become."""
NOT_SM, SM = "^([^S]|S[^M]|S$)", "^SM"
"""What a name tells: state machines are called SM and what they do (E-NAME-2), so that each reply is one of the two."""


class Components:
    """The schemas of the files, as a description for code generators has them.

    A condition (if, then, else, not) becomes a choice between named components, or, where it decides about one field
    alone, an optional field; a field that must not be there is left out.
    """

    def __init__(self) -> None:
        self.schemas: dict[str, Schema] = {}

    def reply(self, file: str) -> Schema:
        """Return the schema of a reply."""
        stem = _stem(file)
        if stem == "v1-action":
            return {"oneOf": [self.of("action.wire-7.8.json"), self.of("state-machine.wire-7.8.json")]}
        if stem == "v1-actions-bdb":
            rows = {"type": "array", "items": self.of("state-machine.wire-7.8.json")}
            return {"oneOf": [rows, self.of("v1-actions.wire-7.8.json")]}
        if stem == "started.blueprint":
            rows = self.inline(adequacy.schema_files()[file]["else"], file, "items")
            return {"oneOf": [self.of("started.action_uid.json"), rows]}
        if stem == "node-action":
            return self._node_action_status(file)
        return self.of(file)

    def of(self, file: str) -> Schema:
        """Return a reference to the component of a file, or its schema if it is to stand where it is used."""
        name = NAMES.get(_stem(file))
        schema = adequacy.schema_files()[file]
        if name is None:
            return self.inline(schema, file)
        if name not in self.schemas:
            self.schemas[name] = {}
            self.schemas[name] = {"title": name, **self.inline(schema, file)}
            self._discriminate(name)
            for field, since in _fields_since(_stem(file)):
                self.schemas[name]["properties"][field]["x-since"] = since
        return {"$ref": f"#/components/schemas/{name}"}

    def examples(self, reply: Schema) -> list[Any]:
        """Return the examples of a reply that is one component."""
        examples: list[Any] = self.schemas.get(reply.get("$ref", "").rpartition("/")[2], {}).get("examples", [])
        return examples

    def access(self, collection: str) -> Schema:
        """Return a reference to a user, role, ACL or LDAP mapping: the fields that the reference lists."""
        name = ACCESS[collection]
        listed = audit.load()[0]["reply field"][f"objects/{collection.removesuffix('s')}"]
        fields = dict(sorted(fact.split(": ", 1) for fact, releases in listed.items() if NEWEST in releases))
        fields.pop("password", None)
        known = self.inline(adequacy.schema_files()["started.object.json"], "started.object.json")["properties"]
        self.schemas[name] = {
            "title": name,
            "description": "The object, with the uid of the operation that changes the databases, if there is one.",
            "x-evidence": ["E-START-24"],
            "type": "object",
            "required": ["uid"],
            "properties": {field: known.get(field) or _reply_field(field, kind) for field, kind in fields.items()},
        }
        return {"$ref": f"#/components/schemas/{name}"}

    def _discriminate(self, name: str) -> None:
        schema = self.schemas[name]
        if name in ("Task", "StateMachine"):
            # True, and a linter that knows no patterns then leaves it to us whether the two exclude each other.
            schema["minProperties"] = len(schema["required"])
            schema["properties"]["name"] |= {"pattern": NOT_SM if name == "Task" else SM}
            schema["properties"]["name"]["examples"] = ["migrate_shards" if name == "Task" else "SMCreateBDB"]
        if name == "StateMachine":
            schema["properties"]["progress"]["description"] += " Clusters leave it out of a completed one."
        if name == "NodeAction":
            schema["required"] = sorted({*schema["required"], "name", "node_uid", "progress"})
            schema["examples"] = schema["examples"][:1]

    def _node_action_status(self, file: str) -> Schema:
        name = "NodeActionStatus"
        schema = self.inline(adequacy.schema_files()[file], file)
        self.schemas[name] = {
            "title": name,
            **schema,
            "description": "An action of a node, as its own route returns it.",
            "required": ["status", "task_id"],
            "examples": schema["examples"][1:],
        }
        return {"$ref": f"#/components/schemas/{name}"}

    def inline(self, node: Schema, file: str, field: str = "") -> Schema:
        """Return a schema with references to components; an object inside another becomes one itself."""
        if "$ref" in node:
            return self._referred(node["$ref"], field)
        changed: Schema = {}
        for key, value in node.items():
            if key == "description":
                changed[key] = value.partition(" Profile wire: ")[0]
            elif key == "$comment":
                changed["x-evidence"] = evidence(value)
            elif key == "properties":
                fields = {name: self.inline(each, file, name) for name, each in value.items()}
                changed[key] = {name: each for name, each in fields.items() if each is not None and each != {}}
            elif key in ("items", "additionalProperties"):
                changed[key] = self.inline(value, file, key if field != "background_op" and field != "nodes" else field)
            elif key == "anyOf":
                changed[key] = [self.inline(each, file) for each in value]
            elif key in ("type", "enum", "required", "minimum", "maximum", "minLength", "minProperties",
                         "pattern", "examples"):  # fmt: skip
                changed[key] = value
        return self._named(node, changed, field)

    def _named(self, node: Schema, changed: Schema, field: str) -> Schema:
        if "enum" in changed:
            changed = {"type": "string", **changed}
        if node.get("not") == {}:
            return {}
        if node.get("not", {}).get("pattern") == "[^0-9]" and "pattern" not in node:
            changed["pattern"] = "^[0-9]+$"
        if changed.get("type") == "object" and field in INNER and "additionalProperties" not in changed:
            name = INNER[field]
            if field == "snapshot":
                changed["additionalProperties"] = {"type": ["number", "string", "boolean", "null"]}
            self.schemas.setdefault(name, {"title": name, "description": f"See {field}.", **changed})
            return {"$ref": f"#/components/schemas/{name}"}
        return changed

    def _referred(self, reference: str, field: str) -> Schema:
        file, _, fragment = reference.partition("#")
        if not fragment:
            return self.of(file)
        key = fragment.rpartition("/")[2]
        schema = adequacy.schema_files()[file]["$defs"][key]
        if key not in FIELD_NAMES:
            return self.inline(schema, file, field)
        name = FIELD_NAMES[key]
        self.schemas.setdefault(name, {"title": name, **self.inline(schema, file)})
        return {"$ref": f"#/components/schemas/{name}"}


def _fields_since(kind: str) -> Iterator[tuple[str, str]]:
    """Yield each field that the reference has of a kind of object later than the object, and since when."""
    seen: set[str] | None = None
    for release in RELEASES if kind in catalogue.kinds() else ():
        try:
            schema = catalogue.bundled(catalogue.schema_file(kind, release, "documented"))
        except ReleaseError:
            continue
        fields = {name for name, each in schema["properties"].items() if each.get("not") != {}}
        yield from ((name, release) for name in sorted(fields - seen if seen is not None else ()))
        seen = fields | (seen or set())


def _reply_field(name: str, kind: str) -> Schema:
    if name == "bdbs_email_alerts":
        return {"type": "array", "items": {"type": "string"}, "description": REPLY_FIELDS[name]}
    kind = re.sub("^'.*", "string", kind).partition(" (")[0]
    field = _field(name, kind) if name in FIELDS else {"type": kind, "description": REPLY_FIELDS[name]}
    return {key: value for key, value in field.items() if key != "examples"}


def _stem(file: str) -> str:
    return re.sub(r"(\.(wire|documented)-[0-9.]+)?\.json$", "", file)


def evidence(text: str) -> list[str]:
    """Return the ids of the facts that a text cites."""
    return re.findall(r"\bE-[A-Z0-9]+(?:-[0-9]+)?\b", text)


@cache
def facts(sort: str) -> dict[str, list[str]]:
    """Return what the newest reference says of each request: its name -> facts of a sort."""
    kept, _ = audit.load()
    return {
        audit.name_of(*subject.split(" ", 1)): [fact for fact, releases in each.items() if NEWEST in releases]
        for subject, each in kept[sort].items()
        if " " in subject
    }


def build() -> Schema:
    """Return the description."""
    components = Components()
    paths = {
        route.template: {
            **_path_parameters(route),
            **{method.lower(): _operation(route, method, components) for method in route.methods},
        }
        for route in ROUTES
        if route.is_in(NEWEST)
    }
    components.of("error.wire-7.2.json")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Actions API of Redis Enterprise Software",
            "version": NEWEST,
            "summary": "Start, watch and cancel the operations of a cluster.",
            "description": (
                "The requests that start, read or cancel actions. A request that starts one tells its uid; poll that "
                "until its status is final.\n\nUnofficial. `x-evidence` names the facts that a part rests on, rows of "
                "evidence.md; `x-since` is the first release whose reference has an operation, 7.2 being the oldest "
                "that is known, and `x-observed-since` an earlier release that had it. A cluster that does not know "
                "the header x-api-version answers 505."
            ),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [
            {
                "url": "https://{node}:9443",
                "description": "Any node of the cluster.",
                "variables": {"node": {"default": "node1.cluster.internal", "description": "A name or an address."}},
            }
        ],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic", "description": "The email and password of a user."},
                "jwt": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": 'The word "JWT", a space, and a token of POST /v1/users/authorize.',
                    "x-evidence": ["E-HTTP-3"],
                },
            },
            "schemas": dict(sorted(components.schemas.items())),
            "responses": {name: _error(text, code) for name, text, code in ERRORS.values()},
        },
    }


def _error(text: str, code: str) -> Schema:
    example = {"error_code": code, "description": text}
    return {"description": text, "content": _json({"$ref": "#/components/schemas/Error"}, [example])}


def _json(schema: Schema, examples: list[Any]) -> Schema:
    named = {f"example-{number}": {"value": example} for number, example in enumerate(examples, 1)}
    return {JSON: {"schema": schema, **({"examples": named} if examples else {})}}


def _path_parameters(route: Route) -> Schema:
    names = [part[1:-1] for part in route.segments if part.startswith("{")]
    return {"parameters": [_path_parameter(name, names) for name in names]} if names else {}


def _path_parameter(name: str, names: list[str]) -> Schema:
    text, example = PLACEHOLDERS[name]
    schema: Schema = {"type": "string", "minLength": 1}
    if name == "action":
        known = NODE_ACTIONS if "node_uid" in names else CLUSTER_ACTIONS
        words = [action for action in known if action not in UNDOCUMENTED]
        schema, example = {"type": "string", "enum": words}, words[0]
    elif name in ("bdb_uid", "object_uid"):
        schema = {"type": "integer", "minimum": 1, "maximum": 999_999_999}
    return {"name": name, "in": "path", "required": True, "description": text, "schema": schema, "example": example}


def _operation(route: Route, method: str, components: Components) -> Schema:
    handling = route.methods[method]
    words = OPERATIONS[f"{method} {route.template}"]
    documented = facts("code").get(_documented_as(route, method), ())
    carried = _carried(handling, route)
    operation: Schema = {
        "operationId": words.id,
        "tags": [words.tag],
        "summary": words.summary,
        "description": _description(handling, carried),
        "x-since": RELEASES[0],
        **_since(route, handling),
        "security": _security(route, handling),
        "responses": {"200": _success(route, method, components)},
    }
    codes = {*map(int, documented), *_general(route, handling, carried)} - {200}
    for code in sorted(codes):
        operation["responses"][str(code)] = {"$ref": f"#/components/responses/{ERRORS[code][0]}"}
    if errors := facts("error code").get(_documented_as(route, method)):
        operation["x-error-codes"] = sorted(errors)
    if carried.query:
        operation["parameters"] = [
            {"name": name, "in": "query", "description": FIELDS[name][0], "schema": {"type": kind}}
            for name, kind in carried.query.items()
        ]
    if carried.body:
        operation["requestBody"] = _request(words.id, carried, components)
    return operation


def _documented_as(route: Route, method: str) -> str:
    # The page of POST /v2/bdbs gives no codes: E-START-26.
    return audit.name_of(method, route.template.replace("/v2/bdbs", "/v1/bdbs"))


def _general(route: Route, handling: Read | Start, carried: Carried) -> Iterator[int]:
    """Yield the codes that the reference gives for any request; the others are those of its own page. See E-HTTP-5."""
    yield from (401, 503)
    if carried.query or carried.body:
        yield 400
    if handling.permission:
        yield 403
    if "{" in route.template:
        yield 404


def _carried(handling: Read | Start, route: Route) -> Carried:
    if "authorize" in route.template or "refresh" in route.template:
        return Carried({"ttl": "integer"})
    if not isinstance(handling, Start):
        return NOTHING
    if "{action}" not in route.template:
        return handling.carried
    known = NODE_ACTIONS if "node_uid" in route.template else CLUSTER_ACTIONS
    actions = [carried for action, carried in known.items() if action not in UNDOCUMENTED]
    return Carried({name: kind for carried in actions for name, kind in carried.body.items()})


def _description(handling: Read | Start, carried: Carried) -> str:
    sentences = []
    if isinstance(handling, Start):
        tells = {"empty": "The reply has no body; the operation is listed with the others.", "node": "The reply tells "
                 "the task_id to poll.", "upgraded-module": "The reply is the upgraded module."}  # fmt: skip
        sentences.append(tells.get(handling.shape, "The reply tells the action_uid to poll."))
        if handling.shape == "object":
            sentences = ["The reply is the object, with an action_uid to poll if databases have to be changed."]
    if carried.has_dry_run:
        sentences.append("With dry_run it is told what would be done, and nothing is started.")
    if any(len(needed.names) > 1 for needed in carried.needs):
        sentences += [
            f"One of {' and '.join(each.names)} is required." for each in carried.needs if len(each.names) > 1
        ]
    if handling.permission:
        roles = ", ".join(role for role in ROLES if may(role, handling.permission, NEWEST))
        sentences.append(f"Requires the permission {handling.permission}, which these roles have: {roles}.")
    else:
        sentences.append("Requires valid credentials, but no permission.")
    return " ".join(sentences)


def _since(route: Route, handling: Read | Start) -> Schema:
    feature = route.feature
    if feature is None and isinstance(handling, Start) and handling.shape == "deletion":
        feature = "deletion-tells-action"
    if feature is None:
        return {}
    since = SINCE[feature]
    earlier = since.observed if since.observed != since.documented else None
    told = {"x-since": since.documented, "x-evidence": evidence(since.source)}
    return {**told, **({"x-observed-since": earlier} if earlier else {})}


def _security(route: Route, handling: Read | Start) -> list[Schema]:
    if handling.permission:
        return [{"basic": [handling.permission]}, {"jwt": [handling.permission]}]
    return [{"basic" if "authorize" in route.template else "jwt": []}]


def _success(route: Route, method: str, components: Components) -> Schema:
    kind = f"{method} {route.template}"
    if kind not in catalogue.kinds():
        manifest = json.loads((adequacy.SCHEMAS / "manifest.json").read_text(encoding="utf-8"))
        cited = evidence(manifest["without_body"][kind])
        return {"description": "The request was accepted.", "x-evidence": cited}
    file = catalogue.schema_file(kind, NEWEST, "wire")
    source = adequacy.schema_files()[file]
    collection = route.segments[1]
    reply = components.access(collection) if _stem(file) == "started.object" else components.reply(file)
    official = [json.loads(sample) for sample in facts("sample").get(audit.name_of(method, route.template), ())]
    return {
        "description": source["description"].partition(" Profile wire: ")[0],
        "content": _json(reply, official or components.examples(reply) or source["examples"]),
        "x-evidence": evidence(source["$comment"]),
    }


def _request(operation_id: str, carried: Carried, components: Components) -> Schema:
    name = "".join(part.capitalize() for part in operation_id.split("_")) + "Request"
    needed = [each.names[0] for each in carried.needs if len(each.names) == 1]
    body: Schema = {
        "title": name,
        "description": f"What {operation_id} takes; fields of the object that are not listed here are accepted, too.",
        "type": "object",
        **({"required": needed} if needed else {}),
        "properties": {field: _field(field, kind) for field, kind in carried.body.items()},
    }
    shown = [each.names[0] for each in carried.needs] or [field for field in carried.body if field != "dry_run"][:2]
    example = {field: FIELDS[field][1] for field in shown}
    if carried.below:
        inner = f"{name}Configuration"
        components.schemas[inner] = {**body, "title": inner}
        text = FIELDS[carried.below][0]
        below = {carried.below: {"$ref": f"#/components/schemas/{inner}"}}
        body = {"title": name, "description": text, "type": "object", "required": [carried.below], "properties": below}
        example = {carried.below: example}
    components.schemas[name] = body
    required = bool(needed or carried.below)
    return {"required": required, "content": _json({"$ref": f"#/components/schemas/{name}"}, [example])}


def _field(name: str, kind: str) -> Schema:
    text, example = FIELDS[name]
    kind, _, items = kind.partition(" of ")
    schema: Schema = {"type": kind, "description": text, "examples": [example]}
    if kind == "array":
        schema["items"] = (
            {"type": items.removesuffix("s")}
            if items not in ("", "objects")
            else {"type": "object", "additionalProperties": True}
        )
    if kind == "object":
        schema["additionalProperties"] = True
    if name == "ttl":
        schema |= {"minimum": 1, "maximum": 86400}
    return schema


# What only the stub answers


def overlay(vendors: Schema) -> Schema:
    """Return the OpenAPI overlay that makes the description one of the stub."""
    actions: list[Schema] = [
        {
            "target": "$.components.responses",
            "update": {"TooLarge": _error("The body is larger than the stub reads.", "request_too_large")},
        },
        {
            "target": "$.info",
            "update": {
                "title": "Actions API of the stub",
                "x-any-request": {
                    "405": "The path does not have this method.",
                    "408": "The rest of the request did not come in time.",
                    "413": "The body is too large.",
                    "414": "The path is too long.",
                    "421": "The request is for another host.",
                    "431": "The headers are too large.",
                    "501": "The stub does not know this method, or this transfer coding.",
                    "505": "The request is not of HTTP/1.0 or HTTP/1.1.",
                },
            },
        },
    ]
    for route in ROUTES:
        if route.is_in(NEWEST):
            for method, handling in route.methods.items():
                target = f"$.paths['{route.template}'].{method.lower()}"
                operation = vendors["paths"][route.template][method.lower()]
                actions += _stub_codes(route, method, handling, target, operation)
                actions += _stub_inputs(_carried(handling, route), target)
    return {
        "overlay": "1.0.0",
        "info": {"title": "What only the stub answers", "version": NEWEST},
        "extends": "openapi.json",
        "actions": actions,
    }


def _stub_codes(route: Route, method: str, handling: Read | Start, target: str, operation: Schema) -> Iterator[Schema]:
    names = {"413": "TooLarge", "400": "BadRequest"} if method in ("POST", "PUT", "DELETE") else {}
    for needed in _carried(handling, route).needs:
        names[str(needed.code)] = ERRORS[needed.code][0]
    if method == "POST" and "{action}" in route.template:
        names["409"] = "Conflict"
    more = {code: name for code, name in names.items() if code not in operation["responses"]}
    if more:
        refs = {code: {"$ref": f"#/components/responses/{name}"} for code, name in sorted(more.items())}
        yield {"target": f"{target}.responses", "update": refs}


def _stub_inputs(carried: Carried, target: str) -> Iterator[Schema]:
    for number, kind in enumerate(carried.query.values()):
        if kind == "boolean":  # E-ASSUMED-26
            yield {
                "target": f"{target}.parameters[{number}].schema",
                "update": {"type": "string", "enum": list(WORDS)},
            }
    for each in carried.needs:
        if len(each.names) > 1:
            name = "$.components.schemas.CreateUserRequest"
            yield {"target": name, "update": {"anyOf": [{"required": [field]} for field in each.names]}}


# What is there


def described() -> Schema:
    """Return the description as the file has it."""
    document: Schema = json.loads(FILE.read_text(encoding="utf-8"))
    return document


def each_operation() -> Iterator[tuple[str, str, Schema]]:
    """Yield path, method and description of each operation of the file."""
    for path, methods in described()["paths"].items():
        yield from ((path, method, methods[method]) for method in METHODS if method in methods)


def for_the_stub() -> Schema:
    """Return the description with the overlay applied. Targets are what `overlay` writes: names and numbers."""
    document = described()
    for action in json.loads(OVERLAY.read_text(encoding="utf-8"))["actions"]:
        node: Any = document
        for quoted, name, number in re.findall(r"\['([^']*)'\]|\.(\w+)|\[(\d+)\]", action["target"]):
            node = node[int(number) if number else quoted or name]
        node.update(action["update"])
    return document


if __name__ == "__main__":
    for file, document in ((FILE, build()), (OVERLAY, overlay(build()))):
        file.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
