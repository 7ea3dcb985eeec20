"""The OpenAPI description: built from the schemas, valid, and true of the stub."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import adequacy
import build_openapi
import pytest
import schemathesis
from build_openapi import JSON, METHODS, described, each_operation
from hypothesis import HealthCheck, assume, given, settings
from jsonschema import Draft202012Validator
from openapi_words import OPERATIONS
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    positive_data_acceptance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from test_payloads import PAYLOADS

from pytest_redis_actions import RedisActions
from pytest_redis_actions.contract import catalogue
from pytest_redis_actions.facts.releases import NEWEST, RELEASES
from pytest_redis_actions.facts.routes import ROUTES

# Left out: unsupported_method, because of databases, shards, modules and users only what starts an action is played,
# and another method there is no route rather than a 405.
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    ignored_auth,
]


# A dry run of these answers 200 without a body (E-PARAM-3, E-ASSUMED-27); OpenAPI has one reply for a code.
WITHOUT_BODY = [
    f"POST /v1/shards/{which}actions/{verb}" for which in ("", "{shard_uid}/") for verb in ("migrate", "failover")
] + ["DELETE /v1/roles/{object_uid}"]


def operations() -> list[str]:
    return [
        f"{method.upper()} {path}"
        for path, each in described()["paths"].items()
        for method in each
        if method != "parameters"
    ]


def test_the_files_are_what_the_schemas_and_routes_build() -> None:
    assert described() == build_openapi.build()
    assert json.loads(build_openapi.OVERLAY.read_text(encoding="utf-8")) == build_openapi.overlay(described())


def test_both_are_openapi_3_1_descriptions() -> None:
    from openapi_spec_validator import OpenAPIV31SpecValidator, validate  # takes a second to import

    validate(described(), cls=OpenAPIV31SpecValidator)
    validate(build_openapi.for_the_stub(), cls=OpenAPIV31SpecValidator)


def test_every_response_of_the_newest_release_is_in_it() -> None:
    assert len(operations()) == len(set(operations())) >= 35
    assert "GET /v1/actions/{uid}" in operations()
    assert "POST /v2/modules" not in operations()


DEPARTURES = {
    "narrower": {
        r"node-action.*": "the reply of the action's own route has a task_id and no name (E-NCA-5)",
        r"v1-action.*: a state machine of another name.*": "the name tells a task from a state machine (E-NAME-2)",
    },
    "wider": {
        r"action-v2.*, which is v1's": "code generators know no field that must not be there",
        r"started\.node.*: an action_uid": "the same",
        r"started\.bdb.*: no (action_uid|status)": "a dry run has neither, and one reply stands for both",
        r"v1-action.*: a state machine without progress": "a completed one has none, and one component stands for both",
    },
}
"""Where the description judges the corpus in another way than the schemas, and why."""


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    """Return a validator of a schema that refers to the description's components."""
    return Draft202012Validator({**schema, "components": described()["components"]})


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    """Yield each object of a document."""
    if isinstance(node, dict):
        yield node
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from nodes(each)


class TestTheDescription:
    def test_each_operation_says_what_a_vendor_says(self) -> None:
        ids = [operation["operationId"] for *_, operation in each_operation()]
        tags = {tag["name"] for tag in described()["tags"]}

        assert len(set(ids)) == len(ids) == len(operations()) == len(OPERATIONS)
        for _, _, operation in each_operation():
            assert re.fullmatch("[a-z]+(_[a-z0-9]+)*", operation["operationId"])
            assert len(operation["tags"]) == 1
            assert set(operation["tags"]) <= tags
            assert len(operation["summary"]) > 8
            assert operation["description"].endswith(".")
            assert operation["x-since"] in RELEASES

    def test_each_operation_names_the_permission_that_its_route_needs(self) -> None:
        for path, method, operation in each_operation():
            (route,) = [route for route in ROUTES if route.template == path]
            permission = route.methods[method.upper()].permission
            scopes = {scope for scheme in operation["security"] for needed in scheme.values() for scope in needed}

            assert scopes == ({permission} if permission else set())
            assert permission is None or permission in operation["description"]

    def test_what_only_the_stub_answers_is_in_the_overlay_alone(self) -> None:
        codes = {code for *_, operation in each_operation() for code in operation["responses"]}
        of_the_stub = build_openapi.for_the_stub()

        assert codes == {"200", "400", "401", "403", "404", "406", "409", "500", "501", "503"}
        assert set(of_the_stub["info"]["x-any-request"]) == {"405", "408", "413", "414", "421", "431", "501", "505"}
        assert "413" in of_the_stub["paths"]["/v1/bdbs"]["post"]["responses"]
        assert of_the_stub["paths"].keys() == described()["paths"].keys()

    def test_a_field_says_since_when_it_is_there(self) -> None:
        components = described()["components"]["schemas"]
        later = {
            (name, field): each["x-since"]
            for name, schema in components.items()
            for field, each in schema.get("properties", {}).items()
            if "x-since" in each
        }

        assert later == {
            ("StateMachine", "node_uid"): "7.8",
            ("StateMachine", "pending_ops"): "7.4",
            ("Task", "object_name"): "7.8",
            ("Task", "pending_ops"): "7.8",
            ("Task", "state"): "7.8",
        }

    def test_each_parameter_and_field_is_described(self) -> None:
        for path in described()["paths"].values():
            for each in [path, *(path[method] for method in METHODS if method in path)]:
                assert all(parameter["description"] for parameter in each.get("parameters", ()))
        for name, schema in described()["components"]["schemas"].items():
            for field, each in schema.get("properties", {}).items():
                assert "$ref" in each or each["description"].endswith((".", "…")), f"{name}: {field}"

    def test_a_component_is_titled_and_no_title_comes_twice(self) -> None:
        components = described()["components"]["schemas"]
        titles = [node["title"] for node in nodes(components) if isinstance(node.get("title"), str)]

        assert sorted(titles) == sorted(components)

    def test_no_description_speaks_of_profiles(self) -> None:
        assert "rofile" not in build_openapi.FILE.read_text(encoding="utf-8")

    def test_no_schema_has_a_condition(self) -> None:
        for node in nodes(described()["components"]["schemas"]):
            assert not {"if", "then", "else", "not", "$comment"} & set(node)

    def test_each_example_is_accepted(self) -> None:
        count = 0
        for node in nodes(described()):
            schema = node.get("schema", node)
            shown = (
                [each["value"] for each in node["examples"].values()] if isinstance(node.get("examples"), dict) else []
            )
            shown += node["examples"] if isinstance(node.get("examples"), list) else []
            shown += [node["example"]] if "schema" in node and "example" in node else []
            for each in shown:
                count += 1
                assert list(validator(schema).iter_errors(each)) == [], each

        assert count > 200

    def test_each_body_has_an_example(self) -> None:
        for node in nodes(described()):
            if JSON in node.get("content", {}):
                assert node["content"][JSON]["examples"]

    def test_the_official_samples_are_among_them(self) -> None:
        shown = [each["value"] for node in nodes(described()) if isinstance(node.get("examples"), dict)
                 for each in node["examples"].values()]  # fmt: skip
        samples = [json.loads(path.read_text(encoding="utf-8")) for path in PAYLOADS.glob("*.json")]

        assert len(samples) == 11
        assert [sample for sample in samples if sample not in shown] == []

    def test_it_judges_the_corpus_as_the_schemas_do_but_for_what_is_listed(self) -> None:
        found: dict[str, set[str]] = {"narrower": set(), "wider": set()}
        agreed = 0
        for path, method, operation in each_operation():
            kind = f"{method.upper()} {path}"
            if JSON not in operation["responses"]["200"].get("content", {}):
                continue
            file = catalogue.schema_file(kind, NEWEST, "wire")
            engine = validator(operation["responses"]["200"]["content"][JSON]["schema"])
            for group in adequacy.groups():
                for test in group["tests"] if group["schema"]["$ref"].endswith(f"/{file}") else ():
                    accepted = engine.is_valid(test["data"])
                    agreed += accepted == test["valid"]
                    if accepted != test["valid"]:
                        found["wider" if accepted else "narrower"].add(f"{file}: {test['description']}")

        for side, cases in found.items():
            used = {pattern: {case for case in cases if re.fullmatch(pattern, case)} for pattern in DEPARTURES[side]}
            assert set().union(*used.values()) == cases
            assert all(used.values())
        assert agreed > 750


@cache
def read_by_schemathesis() -> dict[str, Any]:
    """Return the operations of the stub's description as Schemathesis reads them, by their labels."""
    schema = schemathesis.openapi.from_dict(build_openapi.for_the_stub())
    every: list[Any] = [each.ok() for each in schema.get_all_operations()]  # type: ignore[union-attr]  # none is an Err
    return {each.label: each for each in every}


def explore(operation: str, stub: RedisActions, examples: int) -> None:
    """Let Schemathesis look for a reply of the stub that the description does not allow."""
    # Real uids among the made-up ones.
    stub.add_action("remove", node_uid="1")
    stub.add_state_machine("SMUpdateBDB", object_name="bdb:1")
    headers = {"Authorization": "Basic " + base64.b64encode(":".join(stub.auth).encode()).decode()}

    @settings(max_examples=examples, database=None, suppress_health_check=list(HealthCheck))
    @given(case=read_by_schemathesis()[operation].as_strategy())
    def check(case: Any) -> None:
        assume(not (operation in WITHOUT_BODY and "dry_run" in f"{case.body}{case.query}"))
        case.call_and_validate(base_url=stub.url, headers=headers, checks=CHECKS)

    check()


@pytest.mark.parametrize("operation", operations())
def test_schemathesis_finds_nothing(operation: str, make_redis_actions: Callable[..., RedisActions]) -> None:
    explore(operation, make_redis_actions(strict=False, past_end=None), 2)


@pytest.mark.long
@pytest.mark.parametrize("operation", operations())
def test_schemathesis_finds_nothing_in_many_tries(
    operation: str, make_redis_actions: Callable[..., RedisActions]
) -> None:
    explore(operation, make_redis_actions(strict=False, past_end=None), 60)
