from __future__ import annotations

import pytest

from pytest_redis_actions.api import endpoint
from pytest_redis_actions.errors import UsageError
from pytest_redis_actions.facts.releases import RELEASES
from pytest_redis_actions.facts.routes import _UNPLAYED, ROUTES, Read, Start, check_request, difference, find, is_known


def test_every_route_finds_itself() -> None:
    for route in ROUTES:
        path = "/".join("7" if part.startswith("{") else part for part in ("", *route.segments))
        match = find(path)
        assert match is not None
        assert match.route is route


def test_every_way_of_reading_is_answered_by_the_endpoint() -> None:
    for route in ROUTES:
        for handling in route.methods.values():
            if isinstance(handling, Read):
                assert handling.answer in endpoint._ANSWERS


# Typed from E-ROUTE-3, E-ROUTE-4, E-START-9 to E-START-17.
@pytest.mark.parametrize(
    ("template", "releases"),
    [
        ("/v1/actions", RELEASES),
        ("/v1/actions/bdb/{bdb_uid}", ("7.4", "7.8", "7.22", "8.0", "8.2")),
        ("/v2/actions", ("7.22", "8.0", "8.2")),
        ("/v2/actions/{uid}", ("7.22", "8.0", "8.2")),
        ("/v1/bdbs/{bdb_uid}/actions/rebalance", ("7.8", "7.22", "8.0", "8.2")),
        ("/v1/bdbs/{bdb_uid}/actions/revamp", ("7.22", "8.0", "8.2")),
        ("/v1/shards/actions/migrate", RELEASES),
        ("/v1/shards/{shard_uid}/actions/failover", ("7.8", "7.22", "8.0", "8.2")),
        ("/v2/modules", ("7.2", "7.4", "7.8", "7.22")),
    ],
)
def test_the_releases_of_a_route(template: str, releases: tuple[str, ...]) -> None:
    (route,) = [route for route in ROUTES if route.template == template]

    assert tuple(release for release in RELEASES if route.is_in(release)) == releases


def test_the_reference_is_younger_than_the_migration_of_shards() -> None:  # E-SINCE-3
    (route,) = [route for route in ROUTES if route.template == "/v1/shards/actions/migrate"]

    assert not route.is_in("7.2", "documented")
    assert route.is_in("7.4", "documented")


# Typed from E-ROUTE-1 to E-ROUTE-6, E-NODE-1 to E-NODE-9: elsewhere the API has methods that the stub does not play.
def test_only_where_actions_are_read_and_tokens_given_are_all_methods_of_a_path_played() -> None:
    assert {route.template for route in ROUTES if route.whole} == {
        "/v1/actions", "/v1/actions/{uid}", "/v1/actions/bdb/{bdb_uid}", "/v2/actions", "/v2/actions/{uid}",
        "/v1/cluster/actions", "/v1/cluster/actions/{action}", "/v1/nodes/actions", "/v1/nodes/{node_uid}/actions",
        "/v1/nodes/{node_uid}/actions/{action}", "/v1/users/authorize", "/v1/users/refresh_jwt",
    }  # fmt: skip


# Typed from E-PARAM-1 to E-PARAM-7: of what each request carries, the field that tells it from most others.
CARRIED = {
    "POST /v1/bdbs": "uid",
    "POST /v2/bdbs": "uid",
    "PUT /v1/bdbs/{bdb_uid}": "shards_count",
    "PUT /v1/bdbs/{bdb_uid}/flush": "shards_count",
    "PUT /v1/bdbs/{bdb_uid}/reset_admin_pass": "shards_count",
    "POST /v1/bdbs/{bdb_uid}/upgrade": "force_restart",
    "POST /v1/bdbs/{bdb_uid}/modules/upgrade": "modules",
    "POST /v1/modules/upgrade/bdb/{bdb_uid}": "modules",
    "POST /v1/bdbs/{bdb_uid}/actions/export": "export_location",
    "POST /v1/bdbs/{bdb_uid}/actions/import": "dataset_import_sources",
    "PUT /v1/bdbs/{bdb_uid}/actions/rebalance": "only_failovers",
    "PUT /v1/bdbs/{bdb_uid}/actions/revamp": "pause_persistence",
    "POST /v1/shards/actions/migrate": "max_concurrent_bdb_migrations",
    "POST /v1/shards/{shard_uid}/actions/migrate": "target_node_uid",
    "POST /v1/shards/actions/failover": "dead_uids",
    "POST /v1/shards/{shard_uid}/actions/failover": "dead_uid",
    "POST /v1/users": "password",
    "PUT /v1/users/{object_uid}": "password",
    "POST /v1/roles": "management",
    "PUT /v1/roles/{object_uid}": "management",
    "DELETE /v1/roles/{object_uid}": "dry_run",
    "POST /v1/redis_acls": "acl",
    "PUT /v1/redis_acls/{object_uid}": "acl",
    "POST /v1/ldap_mappings": "dn",
    "PUT /v1/ldap_mappings/{object_uid}": "dn",
}
STARTS = {
    f"{method} {route.template}": handling
    for route in ROUTES
    for method, handling in route.methods.items()
    if isinstance(handling, Start)
}


def test_every_request_that_starts_something_checks_what_it_carries() -> None:
    checking = {name: {*start.carried.body, *start.carried.query} for name, start in STARTS.items()}

    assert {name for name, fields in checking.items() if fields} == set(CARRIED)
    for name, telling in CARRIED.items():
        assert telling in checking[name]


def test_what_creates_needs_more_than_what_changes() -> None:
    assert {name for name, start in STARTS.items() if start.carried.needs} == {
        "POST /v1/bdbs", "POST /v2/bdbs", "POST /v1/shards/actions/migrate",
        "POST /v1/shards/{shard_uid}/actions/migrate", "POST /v1/shards/actions/failover", "POST /v1/users",
        "POST /v1/roles", "POST /v1/redis_acls", "POST /v1/ldap_mappings",
    }  # fmt: skip


def test_what_creates_or_deletes_a_database_says_what_becomes_of_it() -> None:
    told = {name: start.status for name, start in STARTS.items() if start.status != "active-change-pending"}

    assert told == {
        "POST /v1/bdbs": "pending", "POST /v2/bdbs": "pending", "DELETE /v1/bdbs/{bdb_uid}": "delete-pending",
    }  # fmt: skip


def test_only_the_record_of_a_deleted_database_vanishes() -> None:
    assert [name for name, start in STARTS.items() if start.vanishes] == ["DELETE /v1/bdbs/{bdb_uid}"]


UNPLAYED = "the API has it, and this stub does not play it: serve it with redis_actions.httpserver"


# Typed from the requests that the pages of redis/docs 63f31f69 name, of every release folder. /v1/boostrap is a slip
# (E-START-23).
COLLECTIONS = {
    "actions", "bdbs", "bootstrap", "cluster", "cm_settings", "crdb_tasks", "crdbs", "debuginfo", "diagnostics",
    "endpoints", "job_scheduler", "jsonschema", "ldap_mappings", "license", "local", "logs", "metrics_config",
    "migrations", "modules", "nodes", "ocsp", "proxies", "redis_acls", "roles", "services", "shards", "suffix",
    "suffixes", "usage_report", "users",
}  # fmt: skip


def test_the_collections_of_the_reference_are_known() -> None:
    assert {*_UNPLAYED} - COLLECTIONS == {"bdb_groups"}  # only clusters have it: E-ROUTE-18
    assert {*_UNPLAYED, "actions"} >= COLLECTIONS


def test_an_encoded_slash_and_dots_never_separate() -> None:
    for raw, value in [("a%2fb", "a/b"), ("..", ".."), ("%2e%2e", ".."), ("%ff", "\ufffd")]:
        match = find(f"/v1/actions/{raw}")
        assert match is not None
        assert match.values == {"uid": value}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/v1/actions/", "nearest /v1/actions: the trailing slash is too much"),
        ("/v1//actions", "nearest /v1/actions: a slash is doubled"),
        ("/v1/action", "nearest /v1/actions: 'action' is not 'actions'"),
        ("/v3/actions/7", "nearest /v1/actions/{uid}: 'v3' is not 'v1'"),
        ("/v1/foo/actions", "nearest /v1/actions: 'foo' is too much"),
        ("/v3/action/7", "nearest /v2/actions"),
        ("/nodes/1/actions", "nearest /v1/nodes/{node_uid}/actions: 'v1' is missing"),
        ("/actions", "nearest /v1/actions: 'v1' is missing, as in the oldest reference (E-C19)"),
        ("/api/v1/actions", "nearest /v1/actions: 'api' is too much"),
        ("/v1/nodes/1/action/remove", "nearest /v1/nodes/{node_uid}/actions/{action}: 'action' is not 'actions'"),
        ("/v1/nodes", UNPLAYED),
        ("/v1/nodes/1", UNPLAYED),
        ("/v1/cluster", UNPLAYED),
        ("/v1/logs/1", UNPLAYED),
        ("/v1/crdb_tasks/159ca2f8/actions/cancel", UNPLAYED),
        ("/v1/bdbs/1/availability", UNPLAYED),
        ("/", "no route is near it"),
        ("/completely/elsewhere/and/far/away", "no route is near it"),
    ],
)
def test_a_path_that_met_no_route_is_told_the_nearest_and_the_one_thing_that_differs(path: str, text: str) -> None:
    assert find(path) is None
    assert difference(path) == text


def test_a_path_of_any_length_is_compared_in_no_time() -> None:
    assert len(difference("/v1/" + "x" * 60_000)) < 200
    assert len(difference("/" * 60_000)) < 200


@pytest.mark.parametrize(
    ("method", "path", "message", "fix"),
    [
        (
            "get",
            "/v1/bdbs",
            "method 'get' is unknown",
            "known are GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
        ),
        ("GET", "v1/bdbs", "path 'v1/bdbs' must begin with a slash", 'leave scheme and host out, "/v1/bdbs"'),
        ("GET", 7, "path 7 must begin with a slash", 'leave scheme and host out, "/v1/bdbs"'),
        ("GET", "/v1/bdbs?a=/", "path '/v1/bdbs?a=/' must not have a query", "write '/v1/bdbs'"),
        ("GET", "/v1/bdbs#a", "path '/v1/bdbs#a' must not have a query", "write "),
    ],
)
def test_what_no_request_can_be_is_refused_with_the_fix(method: str, path: str, message: str, fix: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_request(method, path)

    assert message in str(caught.value)
    assert fix in str(caught.value)
    assert caught.value.value == (method if method == "get" else path)


def test_the_fix_for_a_query_is_cut_to_a_line() -> None:
    with pytest.raises(UsageError) as caught:
        check_request("GET", f"/{'x' * 200}?a")

    assert len(str(caught.value).splitlines()[1].removeprefix("  fix  ")) == 100


def test_what_a_request_can_be_passes() -> None:
    check_request("OPTIONS", "/v1/bdbs/1")


@pytest.mark.parametrize(("path", "known"), [("/v1/logs/1", True), ("/v1/logs//1", False), ("/v1/logs/", False)])
def test_a_path_with_an_empty_segment_is_not_known(path: str, known: bool) -> None:
    assert is_known(path) is known
