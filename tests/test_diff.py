from __future__ import annotations

import json
import re
from itertools import product

import pytest
from test_evidence import CITED, facts

from pytest_redis_actions.cli import main
from pytest_redis_actions.commands import diff as differing
from pytest_redis_actions.commands.diff import NOBODY, READS, STRICT, WRITES, Change, changes
from pytest_redis_actions.facts.releases import PROFILES, RELEASES


def told(
    first: str, second: str, kind: str | None = None, profile: str = "wire"
) -> set[tuple[str, str, str, str, str]]:
    return {tuple(each[:5]) for each in changes(first, second, kind, profile=profile)}  # type: ignore[misc]  # five of six


MIGRATE = "POST /v1/shards/actions/migrate"


# Typed from the evidence: E-SINCE-1 to E-SINCE-15, E-PERM-2, E-C15, E-TASK-5.
@pytest.mark.parametrize(
    ("first", "second", "profile", "change"),
    [
        ("7.4", "7.22", "wire", ("route", "+", "GET /v2/actions", "GET /v2/actions", NOBODY)),
        ("7.22", "8.0", "wire", ("route", "-", "POST /v2/modules", "POST /v2/modules", WRITES)),
        ("7.2", "7.4", "documented", ("route", "+", MIGRATE, MIGRATE, NOBODY)),
        ("7.4", "7.8", "wire", ("permission", "+", "DELETE /v1/users/{object_uid}", "user_manager", NOBODY)),
        ("7.8", "7.4", "wire", ("permission", "-", "GET /v1/actions", "user_manager", WRITES)),
        ("7.4", "7.8", "wire", ("dry run", "+", "POST /v1/users", "dry_run", NOBODY)),
        ("7.8", "7.4", "wire", ("dry run", "-", "POST /v1/users", "dry_run", WRITES)),
        ("7.22", "8.0", "documented", ("word", "+", "action", "/status aborted", READS)),
        ("8.0", "7.22", "documented", ("word", "-", "action", "/status aborted", WRITES)),
        ("7.22", "8.0", "wire", ("code", "+", "POST /v1/cluster/actions/{action}", "406", READS)),
        ("7.4", "7.8", "documented", ("field", "+", "action", "/state", STRICT)),
        ("7.4", "7.8", "wire", ("field", "+", "action", "/state", NOBODY)),
        ("7.8", "7.4", "documented", ("field", "-", "action", "/state", READS)),
        ("7.2", "7.4", "wire", ("type", "~", "action", "/progress: integer or string -> number or string", READS)),
        ("7.4", "7.22", "wire", ("object", "+", "action-v2", "action-v2", NOBODY)),
        # From the pages alone, whatever is played: POST /v1/modules, the objects user and role, other permissions.
        ("7.22", "8.0", "wire", ("route", "-", "POST /v1/modules", "POST /v1/modules", WRITES)),
        ("7.22", "8.0", "wire", ("query", "+", "GET /v1/bdbs", "/extended", NOBODY)),
        ("8.0", "7.22", "wire", ("query", "-", "GET /v1/bdbs", "/extended", WRITES)),
        ("7.22", "8.0", "wire", ("permission", "+", "upgrade_crdb", "db_member", NOBODY)),
        ("7.4", "7.8", "wire", ("permission", "+", "view_license", "user_manager", NOBODY)),
        ("7.4", "7.8", "wire", ("word", "+", "objects/user", "/status password_expired", READS)),
        ("8.0", "7.22", "wire", ("word", "-", "objects/user", "/auth_method sso", WRITES)),
        ("8.0", "8.2", "documented", ("field", "+", "objects/role", "/resources", STRICT)),
        ("8.2", "8.0", "documented", ("field", "-", "objects/role", "/resources", READS)),
        ("8.0", "7.22", "wire", ("code", "-", "POST /v1/cluster/actions/{action}", "404", NOBODY)),
    ],
)  # fmt: skip
def test_a_difference_that_the_evidence_has(
    first: str, second: str, profile: str, change: tuple[str, str, str, str, str]
) -> None:
    assert change in told(first, second, profile=profile)


def test_aborted_differs_in_the_reference_only() -> None:  # E-SINCE-10
    assert changes("7.22", "8.0", "action") == []
    assert [each.what for each in changes("7.22", "8.0", "action", profile="documented")] == ["/status aborted"]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(("first", "second"), list(product(RELEASES, RELEASES)))
def test_the_way_back_is_the_way_there_turned_round(first: str, second: str, profile: str) -> None:
    there, back = changes(first, second, profile=profile), changes(second, first, profile=profile)

    turned = {"+": "-", "-": "+", "~": "~"}
    assert {
        (each.sort, turned[each.sign], each.subject, re.sub(": (.*) -> (.*)", r": \2 -> \1", each.what))
        for each in there
    } == {(each.sort, each.sign, each.subject, each.what) for each in back}
    assert (there == []) is (first == second)


MIGRATE_ONE = "POST /v1/shards/{shard_uid}/actions/migrate"


# Of what no edition has shown yet: facts of an invented one. (sort, subject, facts of 8.2, facts before, changes)
@pytest.mark.parametrize(
    ("sort", "subject", "new", "old", "expected"),
    [
        ("code", "PUT /v1/bdbs/{uid}", ["423"], [], [("code", "+", "PUT /v1/bdbs/{bdb_uid}", "423", READS)]),
        ("error code", "GET /v1/bdbs", ["busy"], [], [("error code", "+", "GET /v1/bdbs", "busy", READS)]),
        ("error code", "GET /v1/bdbs", [], ["busy"], [("error code", "-", "GET /v1/bdbs", "busy", NOBODY)]),
        (
            "permission",
            "GET /v1/actions",
            ["view_actions"],
            ["view_status"],
            [
                ("permission", "+", "GET /v1/actions", "view_actions", WRITES),
                ("permission", "-", "GET /v1/actions", "view_status", NOBODY),
            ],
        ),
        ("holder", "view_all", [], ["db_viewer"], [("permission", "-", "view_all", "db_viewer", WRITES)]),
        ("request field", MIGRATE_ONE, ["urgent: boolean"], [], [("field", "+", MIGRATE_ONE, "/urgent", NOBODY)]),
        ("request field", MIGRATE_ONE, [], ["urgent: boolean"], [("field", "-", MIGRATE_ONE, "/urgent", WRITES)]),
        # target_node_uid is required.
        (
            "request field",
            MIGRATE_ONE,
            ["target_node_uid: integer"],
            [],
            [("field", "+", MIGRATE_ONE, "/target_node_uid", WRITES)],
        ),
        (
            "request field",
            MIGRATE_ONE,
            ["target_node_uid: string"],
            ["target_node_uid: integer"],
            [("type", "~", MIGRATE_ONE, "/target_node_uid: integer -> string", WRITES)],
        ),
        (
            "reply field",
            "objects/user",
            ["uid: string"],
            ["uid: integer"],
            [("type", "~", "objects/user", "/uid: integer -> string", READS)],
        ),
        ("word", "objects/x", ["state late"], [], [("word", "+", "objects/x", "state late", READS)]),
        ("word", "objects/x", [], ["state late"], [("word", "-", "objects/x", "state late", WRITES)]),
    ],
)
def test_whom_a_change_of_the_reference_breaks(
    monkeypatch: pytest.MonkeyPatch,
    sort: str,
    subject: str,
    new: list[str],
    old: list[str],
    expected: list[tuple[str, ...]],
) -> None:
    told = {**dict.fromkeys(old, "7.4 7.8 7.22 8.0"), **dict.fromkeys(new, "8.2")}
    monkeypatch.setattr(differing, "_reference", lambda: {"page": {}, sort: {subject: told}})

    assert [each[:5] for each in changes("8.0", "8.2")] == expected


def test_what_a_new_request_has_is_told_by_its_route_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    page = {"GET /v9/x": {"x/_index": "8.2"}}
    monkeypatch.setattr(differing, "_reference", lambda: {"page": page, "code": {"GET /v9/x": {"423": "8.2"}}})

    assert [each[:5] for each in changes("8.0", "8.2")] == [("route", "+", "GET /v9/x", "GET /v9/x", NOBODY)]


def test_every_line_names_facts_that_exist() -> None:
    found = [each for second in RELEASES for each in changes("7.2", second)]

    assert len(found) > 50
    for each in found:
        assert CITED.findall(each.facts), each
        assert set(CITED.findall(each.facts)) <= set(facts())


class TestTheCommand:
    def test_text(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["diff", "7.22", "8.0", "action", "--profile", "documented"]) == 0
        assert capsys.readouterr().out == (
            "7.22 -> 8.0, documented: 1 difference; 1 breaks readers\n"
            "  + word       action: /status aborted\n"
            "      breaks readers; E-STATUS-1, E-SINCE-10, E-TASK-4, E-C12\n"
        )

    def test_the_first_line_counts_whom_the_differences_break(self, capsys: pytest.CaptureFixture[str]) -> None:
        found = changes("7.2", "8.0")
        reads, writes = ([each.breaks for each in found].count(who) for who in (READS, WRITES))
        assert main(["diff", "7.2", "8.0"]) == 0

        assert reads > 1 < writes
        head = f"7.2 -> 8.0, wire: {len(found)} differences; {reads} break readers, {writes} break writers"
        assert capsys.readouterr().out.split("\n")[0] == head

    def test_nothing(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["diff", "8.0", "8.2", "action"]) == 0
        assert capsys.readouterr().out == "8.0 -> 8.2, wire: nothing differs\n"

    def test_markdown(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["diff", "7.4", "7.22", "GET /v2/actions", "-o", "markdown"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == "# 7.4 -> 7.22, wire"
        assert lines[-1].startswith("| + route | GET /v2/actions | GET /v2/actions | nobody | E-SINCE-9, ")

    def test_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["diff", "7.4", "7.22", "GET /v2/actions", "-o", "json"]) == 0
        document = json.loads(capsys.readouterr().out)
        assert (document["from"], document["to"], document["profile"]) == ("7.4", "7.22", "wire")
        assert set(document["changes"][0]) == set(Change._fields)

    @pytest.mark.parametrize(
        ("arguments", "advice"),
        [
            (["7.3", "8.0"], "write '7.4'"),
            (["7.4", "7.20"], "write '7.22'"),
            (["7.4", "8.0", "acton"], "write 'action'"),
            (["7.4", "8.0", "/v2/actions"], "write 'GET /v2/actions'"),
            (["7.4", "8.0", "--profile", "wired"], "write 'wire'"),
        ],
    )
    def test_what_is_misspelt_is_told_the_nearest(
        self, arguments: list[str], advice: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["diff", *arguments]) == 2
        assert advice in capsys.readouterr().err
