"""The project compared with the facts of the reference: every difference is mended, or listed with its reason."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import audit
import build_openapi
import pytest
from audit import name_of

from pytest_redis_actions import violations
from pytest_redis_actions.contract import catalogue, engine
from pytest_redis_actions.facts import access, parameters
from pytest_redis_actions.facts.access import ROLES, may
from pytest_redis_actions.facts.lifecycle import TASK, lifecycle
from pytest_redis_actions.facts.releases import NEWEST, has
from pytest_redis_actions.facts.routes import _UNPLAYED, ROUTES, Read, Route, Start

FACTS, SOURCE = audit.load()
RELEASES = tuple(audit.FOLDERS)
RETURNS = {"bdb": "bdb", "upgraded-module": "module", "module": "module", "object": ""}
"""shape of a reply -> the object that it is; of users, roles, ACLs and LDAP mappings the path tells."""
OBJECTS = {
    "action": ("objects/action", "GET /v1/actions/{uid}"),
    "state-machine": ("objects/state-machine", "GET /v1/actions", "GET /v1/actions/bdb/{bdb_uid}"),
    "action-v2": ("GET /v2/actions/{uid}",),
    "node-action": ("objects/action", "GET /v1/nodes/{node_uid}/actions"),
    "cluster-action": ("objects/action", "GET /v1/cluster/actions"),
}
"""kind -> where the reference lists its fields, in tables or in a sample."""
TYPES = {
    "string": "string", "integer": "integer", "boolean": "boolean", "": "boolean", "JSON object": "object",
    "float (range: 0-100)": "number", "one of": "one of", "list": "array", "list of modules": "array",
    "version number": "string", "array of dataset_import_sources objects": "array",
    "backup_location/export_location object": "object", "integer (default: 0)": "integer",
    "integer, (range: 1-512) (default: 1)": "integer", "complex object": "any", "array of objects": "array",
    "boolean (default: true)": "boolean",
}  # fmt: skip


class Difference(NamedTuple):
    """What only one side has, on one release."""

    sort: str
    side: str
    release: str
    subject: str
    fact: str

    def __str__(self) -> str:
        return f"{self.release}: only the {self.side} has {self.sort} {self.fact!r} of {self.subject}"


class Reason(NamedTuple):
    """Why some differences stay: their sort and side, what their subject and fact look like, and the evidence."""

    sort: str
    side: str
    pattern: str
    why: str


REASONS = [
    Reason("returns", "project", r"(POST|PUT) /v1/ldap_mappings.*", "its sample is the object, without a link"),
    Reason(
        "request", "reference", r"GET /v1/(bdbs|users|roles|redis_acls|ldap_mappings|modules)\b.*", "reads no action"
    ),
    Reason("request", "reference", r"(POST|DELETE) /v1/modules(/\{\})?", "answers without an action: E-START-16"),
    Reason("role", "project", r"PUT /v1/bdbs/\{\}/actions/rebalance: user_manager", "two pages differ: E-C17"),
    Reason("permission", "project", r"(POST /v2/bdbs: create_bdb|GET /v1/nodes/\{\}/actions/\{\}: .*)", "E-ASSUMED-25"),
    Reason("dry run", "project", r"DELETE /v1/roles/\{\}: yes", "the OpenAPI file has it: E-SINCE-15"),
    Reason("query", "project", r"DELETE /v1/roles/\{\}: dry_run: boolean", "the OpenAPI file has it: E-SINCE-15"),
    Reason("request field", "project", r"(PUT|POST) /v[12]/bdbs.*", "fields of the BDB object: E-PARAM-4"),
    Reason(
        "request field",
        "project",
        r"(PUT|POST) /v1/(users|roles|redis_acls|ldap_mappings).*",
        "the object's: E-PARAM-4",
    ),
    Reason(
        "required", "project", r"POST /v1/(roles|redis_acls|ldap_mappings): .*", "which ones is not said: E-PARAM-7"
    ),
    Reason("required", "project", r"POST /v2/bdbs: (name|memory_size)", "see POST /v1/bdbs: E-PARAM-5"),
    Reason("error code", "project", r"POST /v1/shards/.*: (node_uid_required|shard_uids_required)", "E-PARAM-6"),
    Reason("error code", "project", r"POST /v1/users: missing_field", "E-PARAM-7"),
    Reason("error code", "project", r"POST /v2/bdbs: missing_.*", "see POST /v1/bdbs: E-PARAM-5"),
    Reason("code", "project", r".*: (400|401|403|404|503)", "general codes: E-HTTP-5"),
    Reason("code", "project", r"POST /v2/bdbs: (200|406|409)", "the page gives no codes: E-START-26"),
    Reason("returns", "reference", r"(GET|POST|PUT) .*: objects/(action|state-machine)", "compared field by field"),
]


@cache
def reference(sort: str, release: str) -> dict[str, set[str]]:
    """Return the facts of a sort that the reference of a release has, by subject."""
    return {
        subject: facts
        for subject, each in FACTS[sort].items()
        if (facts := {fact for fact, releases in each.items() if release in releases})
    }


def by_name(facts: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return facts about requests by the name that both sides know."""
    return {name_of(*subject.split(" ", 1)): each for subject, each in facts.items()}


def played(routes: tuple[Route, ...], release: str) -> Iterator[tuple[str, Route, str, Read | Start]]:
    """Yield name, route, method and handling of each request that a release has."""
    for route in routes:
        if route.is_in(release, "documented"):
            for method, handling in route.methods.items():
                yield name_of(method, route.template), route, method, handling


def of_requests(routes: tuple[Route, ...], release: str) -> dict[str, dict[str, set[str]]]:
    """Return the project's facts about requests: sort -> name -> facts."""
    sorts = ("request", "permission", "role", "dry run", "query", "request field", "required", "error code", "returns")
    facts: dict[str, dict[str, set[str]]] = {sort: {} for sort in sorts}
    for name, route, _, handling in played(routes, release):
        for sort, fact in _facts(route, handling, release):
            facts[sort].setdefault(name, set()).add(fact)
    return facts


def _facts(route: Route, handling: Read | Start, release: str) -> Iterator[tuple[str, str]]:
    yield "request", "there"
    if handling.permission:
        yield "permission", handling.permission
        yield from (("role", role) for role in ROLES if may(role, handling.permission, release))
    if not isinstance(handling, Start):
        return
    carried = handling.carried
    since = carried.dry_run_since
    can = carried.has_dry_run and (since is None or has(release, since, "documented"))
    if can:
        yield "dry run", "yes"
    yield from (("query", f"{name}: {kind}") for name, kind in carried.query.items() if can or name != "dry_run")
    yield from (("request field", f"{name}: {kind}") for name, kind in carried.body.items())
    yield from (("required", needed.names[0]) for needed in carried.needs)  # role, or role_uids in its place
    yield from (("error code", needed.error_code) for needed in carried.needs)
    if handling.shape in RETURNS:
        yield "returns", f"objects/{RETURNS[handling.shape] or route.segments[1].removesuffix('s')}"


def typed(facts: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return facts about fields with the types as the project writes them."""
    return {
        subject: {f"{name}: {TYPES.get(kind, kind)}" for name, kind in (fact.split(": ", 1) for fact in each)}
        for subject, each in facts.items()
    }


def differences(routes: tuple[Route, ...] = ROUTES) -> Iterator[Difference]:
    """Yield everything in which the project and the reference differ."""
    for release in RELEASES:
        yield from _of_requests(routes, release)
        yield from _between("holder", release, _holders(routes, release), _needed_holders(routes, release))
        yield from _of_objects(release)
        arrows = reference("arrow", release).get("objects/action")
        if arrows:
            table = lifecycle(TASK, release, "documented").transitions
            drawn = {f"{before} {after}" for before, following in table.items() for after in following}
            yield from _between("arrow", release, {"objects/action": drawn}, {"objects/action": arrows})
    yield from _between("code", NEWEST, _described_codes(), _codes(routes))


def _of_requests(routes: tuple[Route, ...], release: str) -> Iterator[Difference]:
    mine = of_requests(routes, release)
    there = {name: {"there"} for name in by_name(reference("page", release))}
    yield from _between("request", release, mine["request"], there)
    for sort in ("permission", "role", "dry run", "required", "returns"):
        theirs = {name: each for name, each in by_name(reference(sort, release)).items() if name in mine["request"]}
        if sort == "role":  # pages that name no roles leave it to the permission
            mine[sort] = {name: each for name, each in mine[sort].items() if name in theirs}
        yield from _between(sort, release, mine[sort], theirs)
    for sort in ("query", "request field"):
        theirs = {name: each for name, each in by_name(reference(sort, release)).items() if name in mine["request"]}
        yield from _between(sort, release, mine[sort], _of_starts(typed(theirs), routes, release))
    codes = by_name({name: each for name, each in reference("error code", release).items() if " " in name})
    for name, each in mine["error code"].items():
        yield from _between("error code", release, {name: each - codes.get(name, set())}, {})


def _of_starts(facts: dict[str, set[str]], routes: tuple[Route, ...], release: str) -> dict[str, set[str]]:
    """Return the facts about requests that start something: what others carry is not in a table of routes."""
    starts = {name for name, _, _, handling in played(routes, release) if isinstance(handling, Start)}
    return {
        name: {"shards_placement: string" if fact == "shards_placement: one of" else fact for fact in each}
        for name, each in facts.items()
        if name in starts
    }


def _needed(routes: tuple[Route, ...], release: str) -> set[str]:
    return {handling.permission for *_, handling in played(routes, release) if handling.permission}


def _holders(routes: tuple[Route, ...], release: str) -> dict[str, set[str]]:
    return {name: {role for role in ROLES if may(role, name, release)} for name in _needed(routes, release)}


def _needed_holders(routes: tuple[Route, ...], release: str) -> dict[str, set[str]]:
    needed = _needed(routes, release)
    return {name: each for name, each in reference("holder", release).items() if name in needed}


def _described_codes() -> dict[str, set[str]]:
    codes: dict[str, set[str]] = {}
    for path, operations in json.loads(build_openapi.FILE.read_text(encoding="utf-8"))["paths"].items():
        for method, operation in operations.items():
            if method != "parameters":
                codes.setdefault(name_of(method.upper(), path), set()).update(operation["responses"])
    return codes


def _codes(routes: tuple[Route, ...]) -> dict[str, set[str]]:
    names = {name for name, *_ in played(routes, NEWEST)}
    return {name: each for name, each in by_name(reference("code", NEWEST)).items() if name in names}


def _of_objects(release: str) -> Iterator[Difference]:
    for kind, subjects in OBJECTS.items():
        if kind == "action-v2" and not has(release, "v2-actions", "documented"):
            continue
        schema = catalogue.bundled(catalogue.schema_file(kind, release, "documented"))
        fields = _fields(schema)
        theirs: dict[str, str] = {}
        for subject in subjects:
            theirs = dict.fromkeys(_in_samples(subject, release), "") | theirs
            for fact in reference("reply field", release).get(subject, ()):
                name, kind_of = fact.split(": ", 1)
                theirs[name] = TYPES.get(kind_of, kind_of)
        mine = {f"{name}: {fields[name] if theirs.get(name, 'x') else ''}" for name in fields}
        yield from _between("reply field", release, {kind: mine}, {kind: {f"{n}: {t}" for n, t in theirs.items()}})
        words = {
            fact.removeprefix("status ")
            for subject in subjects
            for fact in reference("word", release).get(subject, ())
            if fact.startswith("status ") and not (kind == "action" and subject.startswith("GET"))  # E-C12
        }
        yield from _between("word", release, {kind: set(_enum(schema))}, {kind: words})


def _fields(schema: dict[str, Any]) -> dict[str, str]:
    """Return the fields that a schema allows by name, those of additional_info among them, and their types."""
    fields = {}
    for name, each in schema["properties"].items():
        if each.get("not") == {}:
            continue
        fields[name] = "one of" if "enum" in each else "number" if "anyOf" in each else each["type"]
        if name == "additional_info":
            fields |= _fields(each)
    return fields


def _enum(schema: dict[str, Any]) -> list[str]:
    words: list[str] = schema["properties"]["status"]["enum"]
    return words


def _in_samples(subject: str, release: str) -> Iterator[str]:
    """Yield the names of the fields that the rows of a sample have."""
    for sample in reference("sample", release).get(subject, ()):
        found = json.loads(sample)
        rows = found if isinstance(found, list) else found.get("actions", [found])
        if subject == "GET /v1/actions":
            rows = found["state-machines"]
        for row in rows:
            yield from row
            yield from row.get("additional_info", {})


def _between(sort: str, release: str, mine: dict[str, set[str]], theirs: dict[str, set[str]]) -> Iterator[Difference]:
    for subject in sorted({*mine, *theirs}):
        for side, facts in (
            ("project", mine.get(subject, set()) - theirs.get(subject, set())),
            ("reference", theirs.get(subject, set()) - mine.get(subject, set())),
        ):
            yield from (Difference(sort, side, release, subject, fact) for fact in sorted(facts))


def reason_for(each: Difference) -> Reason | None:
    """Return why a difference stays, or None."""
    text = each.subject if each.sort == "request" else f"{each.subject}: {each.fact}"
    for reason in REASONS:
        if (reason.sort, reason.side) == (each.sort, each.side) and re.fullmatch(reason.pattern, text):
            return reason
    return None


def unexplained(routes: tuple[Route, ...] = ROUTES) -> list[str]:
    """Return the differences that nobody has given a reason for, and the samples that are refused."""
    return [str(each) for each in differences(routes) if reason_for(each) is None] + [*refused_samples(routes)]


def samples(routes: tuple[Route, ...]) -> Iterator[tuple[str, str, Any, bool]]:
    """Yield release, kind, document, and whether it is abridged, of each sample of a reply that is played."""
    for release in RELEASES:
        kinds = {name: f"{method} {route.template}" for name, route, method, _ in played(routes, release)}
        for sort in ("sample", "abridged sample"):
            for name, facts in by_name(reference(sort, release)).items():
                if name in kinds:
                    yield from ((release, kinds[name], json.loads(fact), sort != "sample") for fact in facts)


def refused_samples(routes: tuple[Route, ...]) -> Iterator[str]:
    """Yield the samples that the documented profile refuses; an abridged one may lack fields."""
    for release, kind, document, is_abridged in samples(routes):
        for each in violations(document, kind, release=release, profile="documented"):
            if not (is_abridged and each.keyword == "required"):
                yield f"{release}: {kind} refuses a sample: {each}"


def test_every_difference_from_the_reference_has_a_reason() -> None:
    assert unexplained() == []


def test_every_reason_is_for_a_difference_that_is_there() -> None:
    used = {reason_for(each) for each in differences()}

    assert [reason for reason in REASONS if reason not in used] == []


def test_it_compares_something_of_every_sort_on_every_release() -> None:
    counted = audit.counts(FACTS)
    print(f"{SOURCE['repository']} {SOURCE['commit']} of {SOURCE['date']}\n{audit.table_of(counted)}")
    print(f"{len(list(differences()))} differences, {len(REASONS)} reasons, {len(list(samples(ROUTES)))} samples")

    for sort, minimum in audit.MINIMA.items():
        assert min(counted[sort].values()) >= minimum, sort
    for release in RELEASES:
        mine = of_requests(ROUTES, release)
        assert len(mine["request"]) >= 30
        assert min(len(mine[sort]) for sort in ("permission", "role", "dry run", "query", "returns")) >= 4
        assert sum(each[0] == release for each in samples(ROUTES)) >= 15


def test_what_differs_between_releases_comes_with_the_package() -> None:
    assert audit.SHIPPED.read_text("utf-8") == audit.dumped(audit.differing(FACTS), SOURCE)


def test_every_collection_is_played_or_known() -> None:
    collections = {subject.split("/")[2] for subject in FACTS["page"]}

    assert len(collections) >= 9
    assert collections <= {route.segments[1] for route in ROUTES} | {*_UNPLAYED}


def test_the_evidence_names_the_edition() -> None:
    page = (Path(__file__).parent.parent / "schemas" / "evidence.md").read_text(encoding="utf-8")

    assert f"{SOURCE['commit'][:8]} ({SOURCE['date']})" in page


def test_the_codes_that_the_evidence_lists_are_the_references() -> None:
    page = (Path(__file__).parent.parent / "schemas" / "evidence.md").read_text(encoding="utf-8")
    theirs = by_name({name: {*each} for name, each in FACTS["code"].items()})  # of any release: words say which
    compared = 0
    for row in re.findall(r"(?m)^\| (E-(?:ROUTE|NODE|START)-\d+ .*) \|$", page):
        fact, request, *cells = row.split(" | ")
        told = re.match(r"(GET|POST|PUT|DELETE) `(/\S+)`", request)
        codes = next((cell for cell in cells if cell.startswith("200")), "").split(" · ")[0]
        if told and codes and (name := name_of(*told.groups())) in theirs:
            compared += 1
            assert set(re.findall(r"\b[2-5]\d\d\b", re.sub(r"\(.*?\)", "", codes))) == set(theirs[name]), fact

    assert compared >= 25


# Errors that were found once, put back: the audit finds each.


@pytest.fixture(autouse=True)
def permissions_anew() -> Iterator[None]:
    """Forget which role may what: tests put other tables in."""
    may.cache_clear()
    yield
    may.cache_clear()


def patched(template: str, method: str, **changes: Any) -> tuple[Route, ...]:
    """Return the routes with one request changed."""
    routes = []
    for route in ROUTES:
        if route.template == template:
            handling: Any = route.methods[method]
            route = replace(route, methods={**route.methods, method: replace(handling, **changes)})
        routes.append(route)
    assert tuple(routes) != ROUTES
    return tuple(routes)


@pytest.mark.parametrize("template", ["/v1/bdbs", "/v2/bdbs", "/v1/users"])
def test_a_dry_run_that_would_start_an_operation_is_found(template: str) -> None:
    routes = patched(template, "POST", carried=parameters.NOTHING)

    assert f"8.2: only the reference has dry run 'yes' of POST {template}" in unexplained(routes)


@pytest.mark.parametrize(
    ("template", "field"),
    [
        ("/v1/bdbs", "memory_size"),
        ("/v1/users", "password"),
        ("/v1/shards/{shard_uid}/actions/migrate", "target_node_uid"),
    ],
)
def test_a_request_that_may_lack_a_field_is_found(template: str, field: str) -> None:
    (route,) = (route for route in ROUTES if route.template == template)
    handling = route.methods["POST"]
    assert isinstance(handling, Start)
    needs = tuple(needed for needed in handling.carried.needs if field not in needed.names)
    routes = patched(template, "POST", carried=replace(handling.carried, needs=needs))

    name = name_of("POST", template)
    assert f"8.2: only the reference has required {field!r} of {name}" in unexplained(routes)


def test_a_blueprint_that_is_refused_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    bundled = catalogue.bundled
    monkeypatch.setattr(catalogue, "bundled", lambda file: bundled(file.replace("blueprint", "action_uid")))
    for cached in (engine._slow, engine._fast):
        cached.cache_clear()
    try:
        found = unexplained()
    finally:
        monkeypatch.undo()
        for cached in (engine._slow, engine._fast):
            cached.cache_clear()

    assert any("actions/rebalance refuses a sample" in each for each in found)


@pytest.mark.parametrize(
    ("permission", "holders", "found"),
    [
        ("delete_role", {"admin"}, "7.8: only the reference has holder 'user_manager' of delete_role"),
        ("delete_user", {"admin", "none"}, "7.4: only the project has holder 'none' of delete_user"),
    ],
)
def test_a_role_that_may_too_little_or_too_much_is_found(
    monkeypatch: pytest.MonkeyPatch, permission: str, holders: set[str], found: str
) -> None:
    monkeypatch.setattr(access, "_HOLDERS", {**access._HOLDERS, permission: frozenset(holders)})

    assert found in unexplained()


def test_a_role_on_a_release_that_lacks_it_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "roles_of", lambda release: ROLES)

    assert "7.4: only the project has holder 'user_manager' of delete_user" in unexplained()


def test_a_request_with_the_permission_of_another_is_found() -> None:
    routes = patched("/v1/bdbs/{bdb_uid}/modules/upgrade", "POST", permission="update_bdb_with_action")

    told = "only the reference has permission 'edit_bdb_module' of POST /v1/bdbs/{}/modules/upgrade"
    assert {f"{release}: {told}" for release in RELEASES} <= set(unexplained(routes))


def test_a_reply_that_is_another_object_is_found() -> None:
    routes = patched("/v1/bdbs/{bdb_uid}/modules/upgrade", "POST", shape="bdb")

    told = "only the reference has returns 'objects/module' of POST /v1/bdbs/{}/modules/upgrade"
    assert {f"{release}: {told}" for release in RELEASES} <= set(unexplained(routes))


@pytest.mark.parametrize("kind", ["node-action", "cluster-action"])
def test_a_field_that_is_forbidden_is_found(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    bundled = catalogue.bundled

    def without(file: str) -> dict[str, Any]:
        schema = bundled(file)
        if not file.startswith(f"{kind}."):
            return schema
        return {**schema, "properties": {**schema["properties"], "error_code": {"not": {}}}}

    monkeypatch.setattr(catalogue, "bundled", without)

    found = [str(each) for each in differences() if reason_for(each) is None]
    assert f"8.2: only the reference has reply field 'error_code: string' of {kind}" in found


def test_a_word_that_came_too_early_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    file = catalogue.schema_file
    monkeypatch.setattr(
        catalogue,
        "schema_file",
        lambda kind, release, profile: file(kind, "8.2" if kind == "action" else release, profile),
    )

    found = [str(each) for each in differences() if reason_for(each) is None]
    assert "7.22: only the project has word 'aborted' of action" in found


# The tool, on a reference that is made of the facts it found: pages of tables, without a sentence.


def pages() -> dict[str, str]:
    """Return a reference that has exactly the facts that the project keeps: path -> page."""
    written = {}
    for release, folder in audit.FOLDERS.items():
        base = f"{audit.ROOT}/{folder}references/rest-api"
        holders, roles = reference("holder", release), by_role(reference("granted", release))
        written[f"{base}/permissions.md"] = table(
            "Role | Permissions", *(f"{role} | {', '.join(names)}" for role, names in roles.items())
        ) + table("Permission | Roles", *(f"{name} | {'<br />'.join(each)}" for name, each in holders.items()))
        for name in audit.OBJECTS:
            written[f"{base}/objects/{name}.md"] = object_page(f"objects/{name}", release)
        sections: dict[str, list[str]] = {}
        for request, (page,) in reference("page", release).items():
            sections.setdefault(page, []).append(request)
        for page, requests in sections.items():
            listed = (f"[{method}](#x) | `{path}` | x" for method, path in (each.split(" ", 1) for each in requests))
            written[f"{base}/requests/{page}.md"] = table("Method | Path | Description", *listed) + "".join(
                section(each, release) for each in requests
            )
    return written


def by_role(granted: dict[str, set[str]]) -> dict[str, list[str]]:
    """Return the permissions of each role."""
    roles: dict[str, list[str]] = {}
    for name, holders in granted.items():
        for role in holders:
            roles.setdefault(role, []).append(name)
    return roles


def table(columns: str, *rows: str) -> str:
    """Return a table of a page; nothing without rows."""
    lines = [f"| {columns} |", "|---|---|", *(f"| {row} |" for row in rows)]
    return "\n" + "\n".join(lines) + "\n\n" if rows else ""


def fields_of(subject: str, sort: str, release: str) -> list[str]:
    """Return the rows of a table of fields, with the words of a field in one cell."""
    words = reference("word", release).get(subject, set())
    rows = []
    for fact in reference(sort, release).get(subject, ()):
        name, kind = fact.split(": ", 1)
        told = [f'"{word.split(" ")[1]}"' for word in words if word.startswith(f"{name} ")]
        rows.append(f"{name} | {'<br />'.join(told) if kind == 'one of' else kind} | x")
    return rows


def object_page(subject: str, release: str) -> str:
    """Return the page of an object."""
    arrows = reference("arrow", release).get(subject, ())
    drawn = "".join(f"    {each.replace(' ', ' --> ')}\n" for each in arrows)
    prose = "`task_id`, the `error_code` and `error_message` fields describe the error\n" if "action" in subject else ""
    return (
        table("Name | Type/Value | Description", *fields_of(subject, "reply field", release))
        + table("Code | Description", *(f"{code} | x" for code in reference("error code", release).get(subject, ())))
        + f"{prose}```mermaid\n{drawn}```\n"
    )


def section(request: str, release: str) -> str:
    """Return the section of a page that describes a request."""

    def of(sort: str) -> set[str]:
        return reference(sort, release).get(request, set())

    method, path = request.split(" ", 1)
    roles = "<br />".join(of("role"))
    link = "/operate/rs/references/rest-api/"
    return (
        f"## A request {{#anchor}}\n\n```sh\n{method} {path.replace('{uid}', '{int: uid}')}\n```\n\n"
        + "dry_run\n" * len(of("dry run"))
        + "".join(f"It must have an {', '.join(sorted(of('required')))}.\n" for _ in [*of("required")][:1])
        + table("Permission name | Roles", *(f"[{name}](x) | {roles}" for name in of("permission")))
        + "### Request\n\n#### Query parameters\n"
        + table("Field | Type | Description", *fields_of(request, "query", release))
        + "#### Request body\n"
        + table("Field | Type | Description", *fields_of(request, "request field", release))
        + "### Response {#x}\n\n"
        + "".join(f'Returns [it]({{{{< relref "{link}{each}" >}}}}).\n' for each in of("returns"))
        + table("Field | Type/Value | Description", *fields_of(request, "reply field", release))
        + "".join(f"```json\n{sample}\n```\n\n" for sample in of("sample"))
        + "".join(f'```json\n{each[:-1]},\n"// additional fields..."\n}}\n```\n\n' for each in of("abridged sample"))
        + "### Status codes\n"
        + table("Code | Description", *(f"[{code} X](x) | x" for code in of("code")))
        + table("Code | Description", *(f"{code} | x" for code in of("error code")))
    )


PAGES = pages()


def test_the_tool_finds_every_fact_again() -> None:
    assert audit.extract(PAGES.get) == FACTS


@pytest.mark.parametrize(
    ("said", "fields"),
    [
        (
            "The following parameters are required to create it:\n\n| Parameter | Type |\n|---|---|\n| name | string |",
            ["name"],
        ),
        ("The user object must have an email, password, and role.", ["email", "password", "role"]),
        ("| Code | Description |\n|---|---|\n| 404 | A node UID is required and not given. |", ["target_node_uid"]),
        (
            "| Field | Type |\n|---|---|\n| name | string |\n\nThe node must have an address. Nothing is required.",
            ["address"],
        ),
    ],
)
def test_what_a_request_must_have_is_found_as_the_pages_say_it(said: str, fields: list[str]) -> None:
    section = audit.Section(f"POST /v1/x\n\n{said}\n")

    assert [fact for sort, fact in audit.facts_of_request(section, "x") if sort == "required"] == fields


def test_the_kept_facts_do_not_depend_on_the_order_of_the_pages() -> None:
    backwards = {
        sort: {s: dict(reversed(each.items())) for s, each in subjects.items()} for sort, subjects in FACTS.items()
    }

    assert audit.dumped(dict(reversed(backwards.items())), SOURCE) == audit.FILE.read_text("utf-8")


@pytest.mark.parametrize(
    ("page", "old", "new", "told"),
    [
        ("7.22/references/rest-api/permissions.md", "", "", "no such page"),
        ("references/rest-api/objects/action.md", "", "", "no such page"),
        ("7.8/references/rest-api/requests/nodes/actions.md", "", "", "no such page"),
        ("references/rest-api/requests/bdbs/upgrade.md", "Permission name", "Right", "has no permission"),
        ("7.4/references/rest-api/requests/bdbs/_index.md", "Code |", "Answer |", "has no code"),
        ("8.0/references/rest-api/requests/users/_index.md", "POST /v1/users\n", "\n", "sections differ"),
    ],
)
def test_a_page_that_changed_its_shape_is_named(page: str, old: str, new: str, told: str) -> None:
    path = f"{audit.ROOT}/{page}"
    changed = {name: text for name, text in PAGES.items() if name != path}
    if old:
        assert old in PAGES[path]
        changed[path] = PAGES[path].replace(old, new)

    with pytest.raises(audit.AuditError) as caught:
        audit.extract(changed.get)

    assert str(caught.value).startswith(path)
    assert told in str(caught.value)


def test_a_page_of_a_release_that_did_not_have_it_is_named() -> None:
    path = f"{audit.ROOT}/7.4/references/rest-api/requests/bdbs/actions/revamp.md"

    with pytest.raises(audit.AuditError, match=re.escape(f"{path}: a page that release 7.4 did not have")):
        audit.extract({**PAGES, path: "## x"}.get)


@pytest.mark.parametrize(
    ("old", "new"), [("| Field |", "| Entry |"), ("### Response", "### Reply"), ("| Permission |", "| P |")]
)
def test_tables_that_are_not_understood_any_more_are_too_few(old: str, new: str) -> None:
    changed = {path: text.replace(old, new) for path, text in PAGES.items()}

    with pytest.raises(audit.AuditError, match=r"facts of the sort '[\w ]+', at least \d+ expected"):
        audit.extract(changed.get)


def test_nothing_at_all_is_never_enough() -> None:
    with pytest.raises(audit.AuditError, match="no such page"):
        audit.extract(lambda path: None)


def git(*arguments: str, cwd: Path) -> None:
    """Run git as nobody in particular."""
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
    subprocess.run(["git", *identity, *arguments], cwd=cwd, check=True, capture_output=True)


def test_a_checkout_and_its_git_directory_are_read_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout = tmp_path / "docs"
    for path, text in PAGES.items():
        (checkout / path).parent.mkdir(parents=True, exist_ok=True)
        (checkout / path).write_text(text, encoding="utf-8")
    git("init", "-q", cwd=checkout)
    git("add", "-A", cwd=checkout)
    git("commit", "-q", "-m", "x", cwd=checkout)
    monkeypatch.setattr(audit, "FILE", tmp_path / "reference.json")
    monkeypatch.setattr(audit, "SHIPPED", tmp_path / "differences.json")

    assert audit.main([str(checkout)]) == 0
    first = audit.FILE.read_bytes(), audit.SHIPPED.read_bytes()
    assert audit.main([str(checkout / ".git")]) == 0

    assert (audit.FILE.read_bytes(), audit.SHIPPED.read_bytes()) == first
    assert audit.load()[0] == FACTS
    told = capsys.readouterr().out
    assert "permission" in told
    assert "folders: 7.4/ 7.8/ 7.22/ 8.0/ and the one without a number (8.2)" in told


@pytest.mark.parametrize("is_checkout", [True, False])
def test_a_folder_of_a_release_that_it_does_not_know_is_named(
    tmp_path: Path, is_checkout: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("7.4", "8.2", "clusters"):
        (tmp_path / audit.ROOT / folder).mkdir(parents=True)
        (tmp_path / audit.ROOT / folder / "_index.md").write_text("x", encoding="utf-8")
    git("init", "-q", cwd=tmp_path)
    git("add", "-A", cwd=tmp_path)
    git("commit", "-q", "-m", "x", cwd=tmp_path)

    assert audit.main([str(tmp_path if is_checkout else tmp_path / ".git")]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"{audit.ROOT}/8.2/: a release that FOLDERS does not have")
    assert "clusters" not in told


@pytest.mark.parametrize(
    ("arguments", "code", "told"), [([], 2, "usage: "), (["nowhere"], 1, "nowhere: neither a checkout")]
)
def test_what_is_no_reference_is_refused(
    arguments: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit.main(arguments) == code
    assert told in capsys.readouterr().err
