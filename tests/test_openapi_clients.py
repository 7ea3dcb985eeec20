"""The OpenAPI description in the hands of others: a linter, and two code generators whose clients talk to the stub."""

from __future__ import annotations

import base64
import importlib
import json
import os
import shutil
import subprocess
import sys
import typing
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import build_openapi
import pytest
from build_openapi import JSON, described, each_operation
from test_schemas import node_with, not_run

from pytest_redis_actions import RedisActions, completed

UNTYPED: dict[str, Any] = {"resources": "of roles: the reference describes no more than objects"}
"""Fields of replies that have no type, and why."""


def untyped(schema: dict[str, Any], where: str = "", above: frozenset[str] = frozenset()) -> list[str]:
    """Return the places in a schema that a code generator has no type for."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        component = described()["components"]["schemas"][name]
        return [] if name in above else untyped(component, where or name, above | {name})
    for key in ("oneOf", "anyOf"):
        if key in schema:
            return [place for each in schema[key] for place in untyped(each, where, above)]
    if schema.get("type") == "array":
        return untyped(schema["items"], where, above) if "items" in schema else [where]
    if schema.get("type") != "object":
        return [] if "type" in schema else [where]
    more = schema.get("additionalProperties", {})
    if not schema.get("properties"):
        return untyped(more, where, above) if isinstance(more, dict) and more else [where]
    return [place for name, each in schema["properties"].items() for place in untyped(each, name, above)]


def test_no_reply_is_without_a_type() -> None:
    bodies = [
        (operation["operationId"], operation["responses"]["200"]["content"][JSON]["schema"])
        for *_, operation in each_operation()
        if "content" in operation["responses"]["200"]
    ]

    assert len(bodies) == 42
    assert {place for _, schema in bodies for place in untyped(schema)} == set(UNTYPED)


@pytest.mark.parametrize(
    "schema", [{}, {"type": "object"}, {"type": "array"}, {"oneOf": [{"type": "string"}, {"title": "anything"}]}]
)
def test_a_schema_without_a_type_is_found(schema: dict[str, Any]) -> None:
    assert untyped(schema, "here") == ["here"]


def run(found: str, *command: str, cwd: Path) -> str:
    """Return what a command of Node.js prints; fail with it if the command fails."""
    path = os.pathsep.join([str(Path(found).parent), os.environ["PATH"]])
    done = subprocess.run(
        [found, *command], cwd=cwd, capture_output=True, text=True, check=False,
        env={**os.environ, "PATH": path, "REDOCLY_TELEMETRY": "off"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.long
@pytest.mark.parametrize("document", [described(), build_openapi.for_the_stub()], ids=["the vendor's", "the stub's"])
def test_the_recommended_rules_of_a_linter_find_nothing(document: dict[str, Any], tmp_path: Path) -> None:
    found = node_with("@redocly/cli@2", cwd=tmp_path)
    (tmp_path / "openapi.json").write_text(json.dumps(document), encoding="utf-8")

    told = run(
        found, "node_modules/@redocly/cli/bin/cli.js", "lint", "--extends", "recommended", "openapi.json", cwd=tmp_path
    )

    assert "is valid" in told
    assert "warning" not in told.lower()


TYPESCRIPT = """
import createClient from "openapi-fetch";
import type { paths, components } from "./api";

// The path and method of each reply that has no type; compiling fails if there is one.
type Untyped<B> = unknown extends B ? true : [B] extends [Record<string, never>] ? true : false;
type Body<O> = O extends { responses: { 200: { content: { "application/json": infer B } } } } ? B : null;
type Method = "get" | "put" | "post" | "delete";
type Wrong = {
  [P in keyof paths]: { [M in Method]: Untyped<Body<paths[P][M]>> extends true ? [P, M] : never }[Method];
}[keyof paths];
const none: [Wrong] extends [never] ? true : Wrong = true;

async function main(): Promise<void> {
  const [url, authorization, uid] = process.argv.slice(2) as [string, string, string];
  const client = createClient<paths>({ baseUrl: url, headers: { Authorization: authorization } });
  const one = await client.GET("/v1/actions/{uid}", { params: { path: { uid } } });
  const task: components["schemas"]["Task"] | components["schemas"]["StateMachine"] = one.data!;
  const all = await client.GET("/v2/actions");
  const created = await client.POST("/v1/bdbs", { body: { name: "db1", memory_size: 1073741824 } });
  const missing = await client.GET("/v1/actions/{uid}", { params: { path: { uid: "nobody" } } });
  const names = all.data!.map((each) => each.name);
  console.log(JSON.stringify([none, task.status, names, created.data!.uid, missing.error!.error_code]));
}
void main();
"""


@pytest.mark.long
def test_openapi_typescript_makes_a_client_that_talks_to_the_stub(tmp_path: Path, redis_actions: RedisActions) -> None:
    packages = ("openapi-typescript@7", "openapi-fetch@0.13", "typescript@5", "@types/node@22")
    found = node_with(*packages, cwd=tmp_path)
    shutil.copy(build_openapi.FILE, tmp_path)
    (tmp_path / "main.ts").write_text(TYPESCRIPT, encoding="utf-8")
    action = redis_actions.add_action("migrate_shards", script=[completed()])
    auth = "Basic " + base64.b64encode(":".join(redis_actions.auth).encode()).decode()

    told = run(found, "node_modules/openapi-typescript/bin/cli.js", "openapi.json", "-o", "api.ts", cwd=tmp_path)
    options = ("--strict", "--module", "nodenext", "--target", "es2022", "--types", "node", "--skipLibCheck")
    run(found, "node_modules/typescript/bin/tsc", *options, "main.ts", cwd=tmp_path)
    printed = run(found, "main.js", redis_actions.url, auth, action.uid, cwd=tmp_path)

    assert "warn" not in told.lower()
    assert json.loads(printed) == [True, "completed", ["migrate_shards"], 1, "action_not_found"]


@pytest.fixture
def generated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The package that openapi-python-client makes of the description."""
    if find_spec("openapi_python_client") is None:
        not_run("openapi-python-client")
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--path", str(build_openapi.FILE)]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        [*command, "--output-path", "generated_client", "--meta", "none", "--fail-on-warning"],
        cwd=tmp_path, capture_output=True, text=True, check=False, env={**os.environ, "PATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in (done.stdout + done.stderr).lower()
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "generated_client"]:
        monkeypatch.delitem(sys.modules, name)
    return importlib.import_module("generated_client")


@pytest.mark.long
def test_openapi_python_client_makes_a_client_that_talks_to_the_stub(
    generated: ModuleType, redis_actions: RedisActions
) -> None:
    def api(name: str) -> Any:
        return importlib.import_module(f"generated_client.api.{name}")

    untyped_replies = []
    for path, method, operation in each_operation():
        module = api(f"{operation['tags'][0].lower()}.{operation['operationId']}")
        found = typing.get_type_hints(module.sync)["return"]
        assert len(typing.get_args(found)) >= 3, "a reply, the error, or None"
        if typing.Any in typing.get_args(found) and "content" in operation["responses"]["200"]:
            untyped_replies.append(f"{method} {path}")
    assert untyped_replies == []

    token = base64.b64encode(":".join(redis_actions.auth).encode()).decode()
    with generated.AuthenticatedClient(redis_actions.url, token=token, prefix="Basic") as client:
        talk(redis_actions, client, api)


def talk(redis_actions: RedisActions, client: Any, api: Callable[[str], Any]) -> None:
    """Let the generated client read, start and poll, and see that each reply becomes an object of its own class."""
    models = importlib.import_module("generated_client.models")
    task = redis_actions.add_action("migrate_shards", node_uid="1", script=[completed()])
    machine = redis_actions.add_state_machine("SMUpdateBDB", object_name="bdb:1")
    one = api("actions.get_action").sync("nobody", client=client)
    assert (type(one), one.error_code) == (models.Error, "action_not_found")
    one = api("actions.get_action").sync(task.uid, client=client)
    assert (type(one), one.status, one.progress) == (models.Task, "completed", "100")
    one = api("actions.get_action").sync(machine.uid, client=client)
    assert (type(one), one.object_name) == (models.StateMachine, "bdb:1")
    lists = api("actions.list_actions").sync(client=client)
    assert [[each.action_uid for each in rows] for rows in (lists.actions, lists.state_machines)] == [
        [task.uid],
        [machine.uid],
    ]
    database = api("databases.create_bdb").sync(
        client=client, body=models.CreateBdbRequest(name="db1", memory_size=1073741824)
    )
    assert type(database) is models.Database
    polled = api("actions.get_action_v2").sync(database.action_uid, client=client)
    assert (type(polled), polled.name) == (models.Action, "SMCreateBDB")
    plan = api("databases.rebalance_bdb").sync(1, client=client, dry_run=True)
    assert [type(each) for each in plan] == [models.SlotPlacement]
    assert (
        api("databases.export_bdb").sync_detailed(1, client=client, body=models.ExportBdbRequest()).status_code == 200
    )
