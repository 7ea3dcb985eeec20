"""The OpenAPI description: built from the schemas, valid, and true of the stub."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import build_openapi
import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from openapi_spec_validator import OpenAPIV31SpecValidator, validate
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

from pytest_redis_actions import RedisActions

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


def described() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(build_openapi.FILE.read_text(encoding="utf-8"))
    return document


def operations() -> list[str]:
    return [
        f"{method.upper()} {path}"
        for path, each in described()["paths"].items()
        for method in each
        if method != "parameters"
    ]


def test_the_file_is_what_the_schemas_and_routes_build() -> None:
    assert described() == build_openapi.build()


def test_it_is_an_openapi_3_1_description() -> None:
    validate(described(), cls=OpenAPIV31SpecValidator)


def test_every_response_of_the_newest_release_is_in_it() -> None:
    assert len(operations()) == len(set(operations())) >= 35
    assert "GET /v1/actions/{uid}" in operations()
    assert "POST /v2/modules" not in operations()


def explore(operation: str, stub: RedisActions, examples: int) -> None:
    """Let Schemathesis look for a reply of the stub that the description does not allow."""
    schema = schemathesis.openapi.from_dict(described())
    every: list[Any] = [each.ok() for each in schema.get_all_operations()]  # type: ignore[union-attr]  # none is an Err
    (found,) = [each for each in every if each.label == operation]
    # Real uids among the made-up ones.
    stub.add_action("remove", node_uid="1")
    stub.add_state_machine("SMUpdateBDB", object_name="bdb:1")
    headers = {"Authorization": "Basic " + base64.b64encode(":".join(stub.auth).encode()).decode()}

    @settings(max_examples=examples, database=None, suppress_health_check=list(HealthCheck))
    @given(case=found.as_strategy())
    def check(case: Any) -> None:
        assume(not (operation in WITHOUT_BODY and "dry_run" in f"{case.body}{case.query}"))
        case.call_and_validate(base_url=stub.url, headers=headers, checks=CHECKS)

    check()


@pytest.mark.parametrize("operation", operations())
def test_schemathesis_finds_nothing(operation: str, make_redis_actions: Callable[..., RedisActions]) -> None:
    explore(operation, make_redis_actions(strict=False), 4)


@pytest.mark.long
@pytest.mark.parametrize("operation", operations())
def test_schemathesis_finds_nothing_in_many_tries(
    operation: str, make_redis_actions: Callable[..., RedisActions]
) -> None:
    explore(operation, make_redis_actions(strict=False), 60)
