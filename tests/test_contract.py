"""The validators: what they say of typical mistakes, and that nothing makes them stumble."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import adequacy
import pytest
from hostile import EvilDict, EvilStr

from pytest_redis_actions import (
    ContractError,
    validate,
    validate_action,
    validate_actions,
    validate_state_machine,
    violations,
)
from pytest_redis_actions.contract import CODES, Violation, catalogue, documents, validate_exchanges
from pytest_redis_actions.contract.engine import LIMIT, find
from pytest_redis_actions.errors import ReleaseError, UsageError
from pytest_redis_actions.facts.releases import RELEASES

DATA = Path(__file__).parent / "data"
UID = "159ca2f8-7bf3-4cda-97e8-4eb560665c28"
TASK = {"action_uid": UID, "name": "retry_bdb", "progress": "100", "status": "completed", "task_id": UID}
MACHINE = {
    "action_uid": UID, "heartbeat": 1747780298, "name": "SMDeleteBDB", "object_name": "bdb:2", "progress": 14.29,
    "status": "active",
}  # fmt: skip
V2 = {"action_uid": UID, "creation_time": 1742595918, "name": "retry_bdb", "progress": 100.0, "status": "completed"}


def but(document: dict[str, Any], *without: str, **changes: Any) -> dict[str, Any]:
    return {**{key: value for key, value in document.items() if key not in without}, **changes}


def listed(*tasks: Any) -> dict[str, Any]:
    return {"actions": list(tasks), "state-machines": []}


# name -> (document, kind, release, profile, hint): twenty typical mistakes; their texts are kept in tests/data/texts.
MISTAKES: dict[str, tuple[Any, str, str, str, str]] = {
    "misspelt-status": (but(TASK, status="runing"), "action", "8.2", "wire", "did you mean 'running'?"),
    "status-of-a-state-machine": (
        but(TASK, status="active"), "action", "8.2", "wire", "'active' is a status of a state machine",
    ),
    "status-of-a-task": (
        but(MACHINE, status="running"), "state-machine", "8.2", "wire", "'running' is a status of a task",
    ),
    "status-of-a-later-release": (
        but(TASK, status="aborted"), "GET /v1/actions/{uid}", "7.4", "documented",
        "in the reference since 8.0, on clusters before: the profile 'wire' has it",
    ),
    "status-in-capitals": (but(TASK, status="Completed"), "action", "8.2", "wire", "in lower case: 'completed'"),
    "status-of-v1-in-v2": (
        but(V2, status="cancelled"), "action-v2", "8.2", "wire",
        "'cancelled' is a word of v1; v2 has queued, running, completed, failed",
    ),
    "status-missing": (but(TASK, "status"), "action", "8.2", "wire", ""),
    "progress-null": (but(TASK, progress=None), "action", "8.2", "wire", "null: every task has a progress"),
    "progress-with-a-sign": (but(TASK, progress="50%"), "action", "8.2", "wire", "only the number, nothing around it"),
    "progress-as-text-on-a-state-machine": (
        but(MACHINE, progress="14.29"), "state-machine", "8.2", "wire", "a number as text; here it is sent as a number",
    ),
    "progress-missing-on-an-active-one": (
        but(MACHINE, "progress"), "state-machine", "8.2", "wire",
        "only a completed state machine may lack it (E-SM-6)",
    ),
    "creation-time-as-a-number": (
        but(TASK, creation_time=1760400087), "action", "8.2", "wire",
        'a number; here it is sent as text, "1760400087"',
    ),
    "creation-time-in-the-reference": (
        but(TASK, creation_time="1760400087"), "action", "8.2", "documented",
        "clusters send it all the same; the profile 'wire' has it",
    ),
    "a-field-of-v2": (
        but(TASK, action_type="task"), "action", "8.2", "wire",
        "a field of v2: this looks like a row of GET /v2/actions",
    ),
    "a-field-of-v1": (
        but(V2, task_id=UID), "action-v2", "8.2", "wire",
        "a field of v1: in v2 it is in additional_info, or absent",
    ),
    "a-list-for-the-envelope": (
        [TASK], "GET /v1/actions", "8.2", "wire",
        "a bare list where an object is expected; GET /v1/actions wraps its lists in one (E-C5)",
    ),
    "the-envelope-for-a-list": (
        listed(TASK), "GET /v2/actions", "8.2", "wire",
        "this is the envelope of GET /v1/actions; a bare list is expected here",
    ),
    "message-for-description": (
        {"error_code": "action_not_found", "message": "no"}, "error", "8.2", "wire",
        "the error's text is in message, as in the reference; clusters send description (E-C8)",
    ),
    "one-bad-row-of-a-thousand": (
        listed(*[but(TASK, action_uid=f"{number:08}") for number in range(700)], but(TASK, node_uid=3),
               *[but(TASK, action_uid=f"{number:08}") for number in range(701, 1000)]),
        "GET /v1/actions", "8.2", "wire", 'a number; here it is sent as text, "3"',
    ),
    "the-same-in-every-row": (
        listed(*[but(TASK, "progress", status="done") for _ in range(300)]), "GET /v1/actions", "7.22", "wire", "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_typical_mistake_is_told_as_kept(name: str) -> None:
    document, kind, release, profile, _ = MISTAKES[name]
    with pytest.raises(ContractError) as caught:
        validate(document, kind, release=release, profile=profile)
    kept = DATA / "texts" / f"{name}.txt"
    if os.environ.get("REDIS_ACTIONS_KEEP_TEXTS"):
        kept.write_text(f"{caught.value}\n", encoding="utf-8")

    assert f"{caught.value}\n" == kept.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", MISTAKES)
def test_a_typical_mistake_gets_its_hint(name: str) -> None:
    document, kind, release, profile, hint = MISTAKES[name]

    assert violations(document, kind, release=release, profile=profile)[0].hint == hint


@pytest.mark.parametrize("name", MISTAKES)
def test_a_text_fits_one_screen_and_its_first_line_80_characters(name: str) -> None:
    document, kind, release, profile, _ = MISTAKES[name]

    text = str(
        ContractError(
            violations(document, kind, release=release, profile=profile), kind=kind, release=release, profile=profile
        )
    )

    assert len(text.splitlines()[0]) <= 80
    assert text.splitlines()[0].startswith(violations(document, kind, release=release, profile=profile)[0].code)
    assert len(text) < 2000
    assert len(text.splitlines()) <= 24


def test_a_hundred_different_departures_fit_one_screen() -> None:
    rows = [but(TASK, status=f"odd{number}", name=number, node_uid=number) for number in range(100)]

    text = str(
        ContractError(
            violations(listed(*rows), "GET /v1/actions"), kind="GET /v1/actions", release="8.2", profile="wire"
        )
    )

    assert len(text) < 4000
    assert len(text.splitlines()) <= 60


class TestViolations:
    def test_all_departures_come_at_once_in_the_order_of_the_document(self) -> None:
        found = violations(listed(but(TASK, status="x"), TASK, but(TASK, "name", node_uid=1)), "GET /v1/actions")

        assert [(each.code, each.pointer, each.row) for each in found] == [
            ("RA103", "/actions/0/status", 0),
            ("RA101", "/actions/2", 2),
            ("RA102", "/actions/2/node_uid", 2),
        ]  # fmt: skip

    def test_a_violation_tells_where_what_and_who_says_so(self) -> None:
        (found,) = violations(listed(TASK, but(TASK, status="active")), "GET /v1/actions", release="7.22")

        assert (found.code, found.pointer, found.row, found.action_uid) == ("RA103", "/actions/1/status", 1, UID)
        assert (found.keyword, found.got) == ("enum", '"active"')
        assert found.expected == "one of queued, starting, running, cancelling, cancelled, completed, failed, aborted"
        assert found.source == (
            "E-STATUS-1, E-SINCE-10, E-TASK-4, E-C12; "
            "https://redis.io/docs/latest/operate/rs/7.22/references/rest-api/objects/action/"
        )
        assert str(found) == (
            f'RA103 /actions/1/status: expected {found.expected}, got "active"'
            " ('active' is a status of a state machine)"
        )

    def test_a_missing_field_points_at_the_object_and_names_the_key(self) -> None:
        (found,) = violations(but(TASK, "name"), "action")

        assert (found.pointer, found.expected, found.keyword) == ("", "name", "required")

    def test_the_rows_of_an_envelope_that_is_none_are_not_judged(self) -> None:
        document = listed(but(TASK, status="x"))

        for fast in (True, False):
            found = find(document, "GET /v1/actions/bdb/{bdb_uid}", None, "documented", fast=fast)
            assert [(each.pointer, each.keyword) for each in found] == [("", "type")]

    def test_pointers_are_escaped(self) -> None:
        found = violations({**TASK, "pending_ops": {"a/b~c": 5}}, "action")

        assert [each.pointer for each in found] == ["/pending_ops/a~1b~0c"]

    def test_the_first_thousand_bad_rows_are_explained(self) -> None:
        found = violations(listed(*[but(TASK, status="x")] * 100_000), "GET /v1/actions")

        assert len(found) == LIMIT == 1000

    @pytest.mark.parametrize(
        ("rows", "more", "counts"),
        [
            ([{"status": "actve"}], "", []),
            ([{"status": "actve"}] * 2, ", and 1 more", ["2 times; the first is shown"]),
            ([{"status": "actve"}] * 3, ", and 2 more", ["3 times; the first is shown"]),
            ([{"node_uid": 1}, {"name": 1}], ", and 1 more", []),
            ([{"node_uid": 1}, {"name": 1}, {"name": 1}], ", and 2 more", ["2 times; the first is shown"]),
        ],
    )
    def test_what_differs_in_its_row_only_is_told_once(self, rows: list[Any], more: str, counts: list[str]) -> None:
        with pytest.raises(ContractError) as caught:
            validate(listed(*[but(TASK, **row) for row in rows]), "GET /v1/actions")

        first, *lines = str(caught.value).splitlines()
        assert first.endswith(f"{more} [8.2, wire]")
        assert len(first) <= 80
        assert [line.partition("count    ")[2] for line in lines if "count" in line] == counts

    def test_the_error_names_its_contract_and_not_its_thousand_violations(self) -> None:
        with pytest.raises(ContractError) as caught:
            validate(listed(*[but(TASK, status="x")] * 9), "GET /v1/actions")

        assert repr(caught.value) == "ContractError('GET /v1/actions', '8.2', 'wire')"

    def test_the_error_holds_them_as_data(self) -> None:
        with pytest.raises(ContractError) as caught:
            validate(but(TASK, status="x"), "action")

        assert [each.code for each in caught.value.violations] == ["RA103"]
        assert isinstance(caught.value, AssertionError)

    def test_every_code_is_explained(self) -> None:
        for code, (title, meaning) in CODES.items():
            assert code.startswith("RA1")
            assert title
            assert meaning.endswith(".")


class TestForPeople:
    def test_an_action_of_each_api(self) -> None:
        validate_action(TASK)
        validate_action(V2, api="v2")
        with pytest.raises(ContractError):
            validate_action(V2)

    def test_a_state_machine(self) -> None:
        validate_state_machine(MACHINE, release="7.8")
        with pytest.raises(ContractError):
            validate_state_machine(TASK)

    def test_a_list_of_each_api(self) -> None:
        validate_actions({"actions": [TASK], "state-machines": [MACHINE]})
        validate_actions([V2], api="v2")
        with pytest.raises(ContractError):
            validate_actions([V2])

    def test_the_newest_release_is_the_default(self) -> None:
        validate_action(but(TASK, pending_ops=3), release="7.4")
        with pytest.raises(ContractError):
            validate_action(but(TASK, pending_ops=3))

    def test_aborted_is_known_on_every_release(self) -> None:  # E-SINCE-10
        for release in RELEASES:
            validate_action(but(TASK, status="aborted"), release=release)
        with pytest.raises(ContractError):
            validate_action(but(TASK, status="aborted"), release="7.22", profile="documented")


class Exchange(NamedTuple):
    """What `validate_exchanges` reads of an exchange."""

    body: bytes
    route: str | None = "/v1/actions/{uid}"
    method: str = "GET"
    code: int = 200
    by_handler: bool = False
    fault: str = ""


GOOD = Exchange(json.dumps(TASK).encode())
BAD = Exchange(json.dumps({**TASK, "status": "odd"}).encode())


class TestEveryWayIn:
    """Each function passes on what it was given: release, profile and api."""

    OLD = but(MACHINE, pending_ops={})  # not in the reference of 7.2
    DONE = but(MACHINE, "progress", status="completed")  # not in any reference

    @pytest.mark.parametrize(
        ("call", "document"),
        [
            (validate_state_machine, OLD),
            (lambda document, **contract: validate(document, "state-machine", **contract), OLD),
            (lambda document, **contract: validate_actions(listed() | {"state-machines": [document]}, **contract), OLD),
            (
                lambda document, **contract: validate_exchanges([Exchange(json.dumps(document).encode())], **contract),
                OLD,
            ),
        ],
    )
    def test_the_release_and_the_profile_are_passed_on(self, call: Callable[..., None], document: Any) -> None:
        call(document)
        call(document, release="7.2")
        call(document, profile="documented")
        with pytest.raises(ContractError) as caught:
            call(document, release="7.2", profile="documented")

        assert (caught.value.release, caught.value.profile) == ("7.2", "documented")
        assert caught.value.violations[0].pointer.endswith("/pending_ops")

    def test_the_release_and_the_profile_of_an_action_are_passed_on(self) -> None:
        validate_action(but(TASK, progress=14.29), release="7.4", profile="documented")
        with pytest.raises(ContractError) as caught:
            validate_action(but(TASK, progress=14.29), release="7.2", profile="documented")

        assert (caught.value.kind, caught.value.release, caught.value.profile) == ("action", "7.2", "documented")

    def test_an_error_without_a_release_names_the_newest(self) -> None:
        with pytest.raises(ContractError) as caught:
            validate(5, "action")
        with pytest.raises(ContractError) as other:
            validate_exchanges([BAD])

        for error in (caught.value, other.value):
            assert (error.release, error.profile) == ("8.2", "wire")

    def test_the_lists_of_v2_are_judged_on_their_release(self) -> None:
        with pytest.raises(ReleaseError):
            validate_actions([], api="v2", release="7.8")
        with pytest.raises(UsageError, match="unknown api 'v3'"):
            validate_actions([], api="v3")


PERCENT = "a number from 0 to 100, as number or text"


class TestExplained:
    """What is said of each keyword: code, place, expectation, what was found, hint and facts."""

    @pytest.mark.parametrize(
        ("kind", "document", "told"),
        [
            (
                "action",
                but(TASK, node_uid=3),
                ("RA102", "type", "a text", "3", 'a number; here it is sent as text, "3"'),
            ),
            (
                "action",
                but(TASK, node_uid=None),
                ("RA102", "type", "a text", "null", "null: leave the field out instead"),
            ),
            ("action", but(TASK, node_uid=True), ("RA102", "type", "a text", "true", "")),
            ("action", but(TASK, node_uid=[1]), ("RA102", "type", "a text", "a list of 1", "")),
            ("action", but(TASK, node_uid=""), ("RA105", "minLength", "a text that is not empty", '""', "")),
            ("action", but(TASK, creation_time="5x"), ("RA105", "not", "digits only", '"5x"', "")),
            ("state-machine", but(MACHINE, heartbeat=-1), ("RA104", "minimum", "at least 0", "-1", "")),
            ("state-machine", but(MACHINE, progress=101), ("RA104", "maximum", "at most 100", "101", "")),
            ("state-machine", but(MACHINE, heartbeat=1.5), ("RA102", "type", "a whole number", "1.5", "")),
            ("state-machine", but(MACHINE, progress="x"), ("RA102", "type", "a number", '"x"', "")),
            (
                "action-v2",
                but(V2, additional_info={}),
                ("RA108", "minProperties", "at least one key", "an object with ", ""),
            ),
            ("action-v2", but(V2, additional_info=5), ("RA102", "type", "an object", "5", "")),
            (
                "action",
                [],
                (
                    "RA102",
                    "type",
                    "an object",
                    "a list of 0",
                    "a bare list where an object is expected; GET /v1/actions wraps its lists in one (E-C5)",
                ),
            ),
            (
                "action",
                '{"a": 1}',
                ("RA102", "type", "an object", '"{\\"a\\": 1}"', "JSON text inside a text: parse it first"),
            ),
            ("action", "text", ("RA102", "type", "an object", '"text"', "")),
            (
                "GET /v2/actions",
                {"x": 1},
                ("RA102", "type", "a list", 'an object with "x"', "an object where a list is expected"),
            ),
            (
                "GET /v2/actions",
                {"state-machines": []},
                (
                    "RA102",
                    "type",
                    "a list",
                    'an object with "state-machines"',
                    "this is the envelope of GET /v1/actions; a bare list is expected here",
                ),
            ),
            (
                "GET /v1/actions",
                TASK,
                (
                    "RA101",
                    "required",
                    "actions",
                    "only action_uid, name, progress, status, task_id",
                    "this is one action, not the list",
                ),
            ),
            ("error", {}, ("RA101", "required", "description", "only an empty object", "")),
            ("action", but(TASK, progress=101), ("RA107", "anyOf", PERCENT, "101", "out of 0 to 100")),
            ("action", but(TASK, progress=-1), ("RA107", "anyOf", PERCENT, "-1", "out of 0 to 100")),
            (
                "action",
                but(TASK, progress=True),
                ("RA107", "anyOf", PERCENT, "true", "true and false are not percentages"),
            ),
            ("action", but(TASK, progress="x"), ("RA107", "anyOf", PERCENT, '"x"', "")),
            (
                "action",
                but(TASK, progress=" 5"),
                ("RA107", "anyOf", PERCENT, '" 5"', "only the number, nothing around it"),
            ),
            ("action", but(TASK, progress={}), ("RA107", "anyOf", PERCENT, "an object with ", "")),
        ],
    )
    def test_a_departure_in_all_its_words(self, kind: str, document: Any, told: tuple[str, ...]) -> None:
        found = violations(document, kind)[0]

        assert (found.code, found.keyword, found.expected, found.got, found.hint) == told

    @pytest.mark.parametrize(
        ("status", "hint"),
        [
            (None, "a status is a text, not null"),
            (True, "a status is a text, not true or false"),
            (5, "a status is a text, not a number"),
            (0.5, "a status is a text, not a number"),
            ([], "a status is a text, not a list"),
            ({}, "a status is a text, not an object"),
            ("RUNNING", "in lower case: 'running'"),
            ("zzz", ""),
        ],
    )
    def test_a_status_that_is_not_a_word(self, status: Any, hint: str) -> None:
        assert violations(but(TASK, status=status), "action")[0].hint == hint

    @pytest.mark.parametrize(
        ("value", "got"),
        [
            ("x" * 78, f'"{"x" * 78}"'),
            ("x" * 79, f'"{"x" * 78}…'),
            ({str(key): 1 for key in range(4)}, 'an object with "0", "1", "2", "3"'),
            ({str(key): 1 for key in range(5)}, 'an object with "0", "1", "2", "3", …'),
        ],
    )
    def test_a_value_is_cut_to_a_line(self, value: Any, got: str) -> None:
        assert violations(but(TASK, status=value), "action")[0].got == got

    def test_of_an_object_twelve_fields_are_named(self) -> None:
        (found, *_) = violations({f"f{number:02}": 1 for number in range(20)}, "error")

        assert found.got == "only " + ", ".join(f"f{number:02}" for number in range(12))

    def test_a_uid_that_is_not_text_is_not_named(self) -> None:
        assert {each.action_uid for each in violations(but(TASK, action_uid=5), "action")} == {None}

    def test_a_missing_field_cites_the_facts_of_that_field(self) -> None:
        (found,) = violations(but(TASK, "name"), "action", release="7.2")

        assert found.source == (
            "E-TASK-3, E-SM-2, E-V2-4, E-NAME-1, E-NAME-2; "
            "https://redis.io/docs/latest/operate/rs/7.4/references/rest-api/objects/action/"
        )

    def test_a_page_without_a_path_has_one_slash_at_its_end(self) -> None:
        assert violations({}, "error")[0].source.endswith("/references/rest-api/")

    def test_a_row_has_its_number_and_its_uid(self) -> None:
        found = violations(listed(TASK, but(TASK, status="x", action_uid="other")), "GET /v1/actions")[0]

        assert (found.path, found.row, found.action_uid) == (("actions", 1, "status"), 1, "other")


class TestExchanges:
    @pytest.mark.parametrize("exchanges", [[], [BAD._replace(body=b"")]])
    def test_no_reply_to_judge_is_an_error(self, exchanges: list[Exchange]) -> None:
        with pytest.raises(UsageError, match="no reply of the API to validate") as caught:
            validate_exchanges(exchanges)

        assert "let a client send a request before this line" in str(caught.value)

    @pytest.mark.parametrize(
        "passed_over",
        [BAD._replace(route=None), BAD._replace(body=b""), BAD._replace(by_handler=True), BAD._replace(fault="slow")],
        ids=["no route", "no body", "by a handler", "a fault"],
    )
    def test_what_is_passed_over_does_not_end_the_look(self, passed_over: Exchange) -> None:
        validate_exchanges([passed_over, GOOD])
        with pytest.raises(ContractError):
            validate_exchanges([passed_over, BAD])

    def test_the_first_that_departs_is_told(self) -> None:
        with pytest.raises(ContractError) as caught:
            validate_exchanges([GOOD, BAD, Exchange(b"{")])

        assert caught.value.kind == "GET /v1/actions/{uid}"
        assert [each.code for each in caught.value.violations] == ["RA103"]

    @pytest.mark.parametrize("code", [400, 404, 503])
    def test_a_reply_from_400_on_is_an_error(self, code: int) -> None:
        validate_exchanges([Exchange(b'{"error_code": "x", "description": "y"}', code=code)])
        with pytest.raises(ContractError) as caught:
            validate_exchanges([GOOD._replace(code=code)])

        assert caught.value.kind == "error"

    @pytest.mark.parametrize("code", [200, 202, 399])
    def test_a_reply_below_400_is_the_body_of_its_request(self, code: int) -> None:
        validate_exchanges([GOOD._replace(code=code)])

    def test_a_head_is_judged_as_the_get_that_it_stands_for(self) -> None:
        validate_exchanges([GOOD._replace(method="HEAD")])

    def test_a_body_that_is_not_json_departs(self) -> None:
        with pytest.raises(ContractError, match="RA191"):
            validate_exchanges([Exchange(b'{"a": 1, "a": 2}')])


def violation(**changes: Any) -> Violation:
    given: dict[str, Any] = {
        "code": "RA102", "path": ("x",), "row": None, "action_uid": None, "keyword": "type", "expected": "a text",
        "got": "5", "hint": "", "source": "",
    }  # fmt: skip
    return Violation(**{**given, **changes})


def text(*found: Violation, kind: str = "action") -> list[str]:
    return str(ContractError(found, kind=kind, release="8.2", profile="wire")).splitlines()


class TestText:
    def test_the_whole_text_of_one(self) -> None:
        assert text(violation(action_uid="u", hint="why", source="E-TASK-1")) == [
            "RA102 action at /x: why [8.2, wire]",
            "",
            "  RA102    a value has the wrong type",
            "  at       /x",
            "  action   u",
            "  expected a text",
            "  got      5",
            "  hint     why",
            "  source   E-TASK-1",
            "  explain  redis-actions explain RA102",
        ]

    def test_what_a_departure_lacks_has_no_line(self) -> None:
        assert text(violation(path=())) == [
            "RA102 action: expected a text [8.2, wire]",
            "",
            "  RA102    a value has the wrong type",
            "  at       (document root)",
            "  expected a text",
            "  got      5",
            "  explain  redis-actions explain RA102",
        ]

    @pytest.mark.parametrize(("letters", "verdict"), [(31, "expected " + "a" * 31), (32, "got 5")])
    def test_a_long_expectation_gives_way_to_what_was_found(self, letters: int, verdict: str) -> None:
        assert text(violation(expected="a" * letters))[0] == f"RA102 action at /x: {verdict} [8.2, wire]"

    @pytest.mark.parametrize(("letters", "verdict"), [(48, "h" * 48), (49, "h" * 47 + "…")])
    def test_the_first_line_has_80_characters_at_most(self, letters: int, verdict: str) -> None:
        line = text(violation(hint="h" * letters))[0]

        assert line == f"RA102 action at /x: {verdict} [8.2, wire]"
        assert len(line) == 80

    def test_a_kind_of_any_length_leaves_twelve_characters_for_the_verdict(self) -> None:
        line = text(violation(hint="h" * 50), kind="k" * 70)[0]

        assert line == f"RA102 {'k' * 70} at /x: hhh… [8.2, wire]"

    def test_equal_departures_of_different_rows_are_told_once(self) -> None:
        rows = [violation(path=("actions", row, "x", 3), row=row, got=str(row)) for row in (3, 4, 7)]

        lines = text(*rows)

        assert lines[0] == "RA102 action at /actions/3/x/3: expected a text, and 2 more [8.2, wire]"
        assert lines[3:5] == ["  at       /actions/3/x/3   row 3", "  count    3 times; the first is shown"]
        assert sum(line.startswith("  RA102") for line in lines) == 1

    @pytest.mark.parametrize(
        "other",
        [{"code": "RA105"}, {"path": ("y",)}, {"keyword": "pattern"}, {"expected": "a list"}, {"hint": "other"}],
        ids=str,
    )
    def test_departures_that_differ_otherwise_are_told_apart(self, other: dict[str, Any]) -> None:
        assert sum(line.startswith("  at ") for line in text(violation(), violation(**other))) == 2

    @pytest.mark.parametrize(("forms", "told", "last"), [(5, 5, ""), (6, 5, "  … and 1 more in 1 other forms"),
                                                         (8, 5, "  … and 3 more in 3 other forms")])  # fmt: skip
    def test_five_forms_are_told(self, forms: int, told: int, last: str) -> None:
        lines = text(*[violation(path=(str(number),)) for number in range(forms)])

        assert sum(line.startswith("  at ") for line in lines) == told
        assert [line for line in lines if "…" in line] == ([last] if last else [])

    def test_what_is_left_out_is_counted_whole(self) -> None:
        rows = [violation(path=("z", row), row=row) for row in range(10)]

        lines = text(*[violation(path=(str(number),)) for number in range(5)], *rows)

        assert "  … and 10 more in 1 other forms" in lines

    @pytest.mark.parametrize(("letters", "cut"), [(149, "s" * 149), (150, "s" * 148 + "…")])
    def test_a_line_has_160_characters_at_most(self, letters: int, cut: str) -> None:
        assert f"  source   {cut}" in text(violation(source="s" * letters))

    def test_each_code_is_advised_once(self) -> None:
        lines = text(violation(), violation(path=("y",)), violation(code="RA105"))

        assert lines[-1] == "  explain  redis-actions explain RA102 RA105"

    def test_a_program_reads_every_attribute(self) -> None:
        (found,) = violations(listed(but(TASK, status="x")), "GET /v1/actions")

        assert found.as_dict() == {
            name: getattr(found, name)
            for name in ("code", "pointer", "row", "action_uid", "keyword", "expected", "got", "hint", "source")
        }


MOCK = {"name": "database_backup", "start_time": "2024-01-01T00:00:00Z", "end_time": "", "description": "", "error": ""}


class TestHints:
    @pytest.mark.parametrize("profile", ["wire", "documented"])
    @pytest.mark.parametrize("kind", catalogue.kinds())
    def test_an_invented_mock_keeps_the_contract_of_no_kind(self, kind: str, profile: str) -> None:
        if (kind, profile) == ("DELETE /v1/bdbs/{bdb_uid}", "documented"):
            profile = "wire"  # the reference has no body there
        release = "7.22" if "/v2/modules" in kind or "/modules/upgrade/bdb" in kind else "8.2"

        assert violations(MOCK, kind, release=release, profile=profile)

    @pytest.mark.parametrize("profile", ["wire", "documented"])
    def test_an_invented_mock_is_told_what_identifies_an_action(self, profile: str) -> None:
        for kind in ("action", "state-machine", "action-v2", "GET /v1/actions/{uid}"):
            found = violations(MOCK, kind, profile=profile)
            assert {"action_uid", "status"} <= {each.expected for each in found}
            (hint,) = (each.hint for each in found if each.expected == "action_uid")
            assert hint == "nothing identifies this as an action: it has neither action_uid nor status"

    def test_a_field_that_a_strict_profile_lacks_is_named(self) -> None:
        (found,) = violations(but(V2, progres=1), "action-v2", profile="documented")

        assert (found.code, found.keyword, found.got, found.path) == (
            "RA106", "propertyNames", 'the field "progres"', ("progres",),
        )  # fmt: skip

    @pytest.mark.parametrize("status", ["starting", "cancelling", "aborted", "active"])
    def test_every_status_of_v1_is_known_in_v2(self, status: str) -> None:
        (found,) = violations(but(V2, status=status), "action-v2")

        assert found.hint == f"{status!r} is a word of v1; v2 has queued, running, completed, failed"

    @pytest.mark.parametrize(
        ("progress", "hint"),
        [(-0.5, "out of 0 to 100"), (100.5, "out of 0 to 100"), (101, "out of 0 to 100"), (0.5, ""), (99.5, "")],
    )
    def test_a_number_that_is_no_progress(self, progress: float, hint: str) -> None:
        (found,) = violations(but(TASK, progress=progress), "action", release="7.2")

        assert found.hint == hint

    @pytest.mark.parametrize("key", ["actions", "state-machines"])
    def test_half_an_envelope_for_a_list_is_known_as_well(self, key: str) -> None:
        (found,) = violations({key: []}, "GET /v2/actions")

        assert found.hint == "this is the envelope of GET /v1/actions; a bare list is expected here"

    def test_a_pending_operation_is_not_an_action(self) -> None:
        found = violations({"name": "retry_bdb", "status": "running", "progress": 5}, "pending-op")

        assert {(each.code, each.pointer, each.hint) for each in found} == {
            ("RA106", f"/{field}", "a field of an action: a pending operation is an entry of its pending_ops")
            for field in ("name", "status")
        }

    def test_a_real_capture_that_the_reference_does_not_allow_is_explained(self) -> None:
        capture = {
            "actions": [but(TASK, creation_time="1760400087", node_uid="1")],
            "state-machines": [but(MACHINE, "progress", status="completed", heartbeat=1760400082)],
        }

        assert violations(capture, "GET /v1/actions") == []
        assert [each.hint for each in violations(capture, "GET /v1/actions", profile="documented")] == [
            "clusters send it all the same; the profile 'wire' has it",
            "clusters leave it out once completed (E-SM-6); the profile 'wire' allows it",
        ]

    @pytest.mark.parametrize(
        ("kind", "source"),
        [
            ("POST /v1/bdbs/{bdb_uid}/actions/export", "E-START-8"),
            ("POST /v1/bdbs/{bdb_uid}/actions/import", "E-START-8"),
            ("POST /v1/bdbs/1/actions/export", "E-START-8"),
            ("POST /v1/cluster/actions/change_master", "E-NODE-3"),
            ("DELETE /v1/nodes/1/actions/remove", "E-NODE-9"),
        ],
    )
    def test_a_kind_without_a_body_says_so(self, kind: str, source: str) -> None:
        with pytest.raises(UsageError) as caught:
            validate({}, kind)

        first, second = str(caught.value).splitlines()
        assert first.endswith(" answers without a body")
        assert caught.value.value == kind
        assert len(first) <= 80
        assert second == f"  fix  there is nothing to validate: look at the status code ({source})"

    def test_an_unknown_kind_is_kept_by_the_error(self) -> None:
        with pytest.raises(UsageError, match="unknown kind 'actoin'") as caught:
            validate({}, "actoin")

        assert caught.value.value == "actoin"

    def test_a_bundled_schema_says_its_dialect_once(self) -> None:
        for file in adequacy.schema_files():
            text = json.dumps(catalogue.bundled(file))
            assert text.count('"$schema"') == text.count('"$id"') == 1

    def test_a_request_with_its_own_uid_names_the_template(self) -> None:
        with pytest.raises(UsageError, match=r"fix  write 'GET /v1/actions/\{uid\}'; objects"):
            validate(TASK, f"GET /v1/actions/{UID}")
        with pytest.raises(UsageError, match=r"fix  write 'GET /v1/actions'; objects"):
            validate(TASK, "/v1/actions")

    @pytest.mark.parametrize("kind", ["started", "POST /v1/bdbs", "PUT /v1/bdbs/{bdb_uid}"])
    def test_a_database_without_action_uid_is_told_so(self, kind: str) -> None:
        found = violations({"uid": 1, "name": "db", "status": "pending"}, kind)

        assert [(each.code, each.expected) for each in found] == [("RA101", "action_uid")]

    @pytest.mark.parametrize("profile", ["wire", "documented"])
    @pytest.mark.parametrize("kind", ["started", "POST /v1/nodes/{node_uid}/actions/{action}"])
    def test_an_action_uid_in_the_reply_of_an_action_of_a_node_is_refused(self, kind: str, profile: str) -> None:
        (found,) = violations({"action_uid": UID, "status": "queued", "task_id": UID}, kind, profile=profile)

        assert (found.code, found.pointer) == ("RA106", "/action_uid")
        assert found.hint == "an action of a node answers with task_id, and that is the uid to poll (E-NODE-8)"

    def test_an_action_uid_in_the_place_of_the_task_id_is_named(self) -> None:
        found = violations({"action_uid": UID, "status": "queued"}, "POST /v1/nodes/{node_uid}/actions/{action}")

        assert ("RA101", "task_id") in [(each.code, each.expected) for each in found]
        hint = "an action of a node answers with task_id, and that is the uid to poll (E-NODE-8)"
        assert ("RA106", "/action_uid", hint) in [(each.code, each.pointer, each.hint) for each in found]

    @pytest.mark.parametrize(
        ("document", "kind", "hints"),
        [
            (
                but(TASK, "action_uid", "task_id", uid="x"),
                "action",
                {"action_uid": 'write action_uid instead of "uid"'},
            ),
            (but(TASK, "action_uid", "task_id", creation_time="1"), "action", {"action_uid": ""}),
            (but(TASK, "progress", percent=5), "action", {"progress": 'write progress instead of "percent"'}),
            (but(TASK, "progress", progres=5), "action", {"progress": 'write progress instead of "progres"'}),
            (but(MACHINE, "action_uid", UID=1), "state-machine", {"action_uid": 'write action_uid instead of "UID"'}),
            (
                but(V2, "creation_time", start_time=5),
                "action-v2",
                {"creation_time": 'write creation_time instead of "start_time"'},
            ),
            # One field that is there explains one that is missing, not two.
            (
                but(MACHINE, "action_uid", "name", action_name="x"),
                "state-machine",
                {"action_uid": "", "name": 'write name instead of "action_name"'},
            ),
        ],
    )
    def test_a_missing_field_names_the_one_that_was_meant(
        self, document: Any, kind: str, hints: dict[str, str]
    ) -> None:
        found = violations(document, kind)

        assert {each.expected: each.hint for each in found if each.code == "RA101"} == hints

    def test_a_misspelt_field_of_the_reference_is_named(self) -> None:
        (found,) = violations(
            but(MACHINE, "heartbeat", heartbeet=5), "state-machine", release="7.4", profile="documented"
        )

        assert found.hint == "write heartbeat instead"

    def test_the_same_field_is_not_advised_twice(self) -> None:
        (found,) = violations(but(MACHINE, state="x", stat="x"), "state-machine", release="7.4", profile="documented")

        hint = "the profile 'documented' refuses every addition of the vendor; 'wire' does not"
        assert (found.pointer, found.hint) == ("/stat", hint)


class TestWrongCalls:
    def test_an_unknown_kind_names_the_nearest(self) -> None:
        with pytest.raises(UsageError) as caught:
            validate(TASK, "acton")

        assert str(caught.value) == (
            "unknown kind 'acton'\n  fix  write 'action'; objects are pending-op, action, state-machine, action-v2, "
            "node-action, cluster-action, error, started; responses are named like 'GET /v1/actions'"
        )

    @pytest.mark.parametrize(
        ("kind", "release", "told"),
        [
            ("GET /v2/actions", "7.8", "there is one since 7.22"),
            ("POST /v2/modules", "8.0", "there was one until 7.22"),
            ("pending-op", "7.4", "there is one since 7.8"),
        ],
    )
    def test_a_kind_that_a_release_lacks_says_since_when(self, kind: str, release: str, told: str) -> None:
        with pytest.raises(ReleaseError) as caught:
            validate(TASK, kind, release=release)

        assert str(caught.value).startswith(f"release {release} has no {kind}\n  fix  {told}")
        assert caught.value.value == release

    def test_a_reply_that_the_reference_documents_without_body(self) -> None:
        with pytest.raises(UsageError, match=r"the reference documents no body for DELETE") as caught:
            validate({}, "DELETE /v1/bdbs/{bdb_uid}", profile="documented")

        assert caught.value.value == "documented"

    def test_an_unknown_release_profile_or_api(self) -> None:
        with pytest.raises(ReleaseError, match=r"unknown release '9\.9'"):
            validate(TASK, "action", release="9.9")
        with pytest.raises(UsageError, match="unknown profile 'wired'"):
            validate(TASK, "action", profile="wired")
        with pytest.raises(UsageError, match="unknown api 'v3'") as caught:
            validate_action(TASK, api="v3")

        assert caught.value.value == "v3"

    @pytest.mark.parametrize(
        ("value", "told"),
        [
            ((1,), "the value (1,) is not JSON: tuple"),
            ({"x": {1}}, "the value {1} at /x is not JSON: set"),
            (b"{}", "the value b'{}' is not JSON: bytes"),
            ({"x": [{1: 2}]}, "the key 1 at /x/0 is not JSON: int"),
            ({"x": object}, "the value <class 'object'> at /x is not JSON: type"),
        ],
    )
    def test_a_python_object_that_no_parser_makes(self, value: Any, told: str) -> None:
        with pytest.raises(UsageError) as caught:
            validate(value, "action")

        assert str(caught.value).splitlines()[0] == told


def deep(levels: int) -> Any:
    document: Any = 1
    for _ in range(levels):
        document = [document]
    return document


class TestHostileDocuments:
    @pytest.mark.parametrize(
        ("document", "code", "pointer"),
        [
            ({"x": float("nan")}, "RA192", "/x"),
            ({"x": [1.0, float("-inf")]}, "RA192", "/x/1"),
            ({"x": "\ud800"}, "RA196", "/x"),
            ({"\udfff": 1}, "RA196", ""),
            ({"x": deep(100_000)}, "RA195", ""),
        ],
        ids=["NaN", "Infinity", "half a character", "half a key", "too deep"],
    )
    def test_what_a_parser_makes_of_text_that_is_no_json(self, document: Any, code: str, pointer: str) -> None:
        found = violations({**TASK, **document}, "action")

        assert [(each.code, each.pointer) for each in found] == [(code, pointer)]
        str(ContractError(found, kind="action", release="8.2", profile="wire")).encode("utf-8")

    @pytest.mark.parametrize("field", ["heartbeat", "progress"])
    def test_a_number_beyond_all_bounds(self, field: str) -> None:
        assert [each.code for each in violations(but(MACHINE, **{field: 2**70}), "state-machine")] == ["RA104"]

    @pytest.mark.parametrize(
        ("data", "code"),
        [
            (b"", "RA190"),
            (b"nonsense", "RA190"),
            (b"<html>", "RA190"),
            (b"{'a': 1}", "RA190"),
            (b'{"a": 1} x', "RA190"),
            (b'{"a":1,"a":2}', "RA191"),
            (b"\xef\xbb\xbf{}", "RA193"),
            (b'{"a":"\xff"}', "RA194"),
            ("{}".encode("utf-16"), "RA194"),
            (b"[" * 100_000, "RA195"),
        ],
    )
    def test_bytes_that_are_no_json(self, data: bytes, code: str) -> None:
        document, found = documents.parse(data)

        assert document is None
        assert [each.code for each in found] == [code]

    @pytest.mark.parametrize(("levels", "codes"), [(98, []), (99, ["RA195"])])
    @pytest.mark.parametrize("fast", [True, False])
    def test_a_hundred_levels_are_read(self, levels: int, codes: list[str], fast: bool) -> None:
        found = find({**TASK, "further": deep(levels)}, "action", None, "wire", fast=fast)

        assert [each.code for each in found] == codes
        assert [(each.expected, each.got) for each in found] == [("at most 100 levels", "more")] * len(codes)

    def test_too_many_levels_in_a_row_are_all_that_is_told(self) -> None:
        found = violations(listed(but(TASK, status="x"), {**TASK, "further": deep(200)}), "GET /v1/actions")

        assert [(each.code, each.path, each.source) for each in found] == [("RA195", (), "RFC 8259")]

    @pytest.mark.parametrize(
        ("data", "expected", "got", "hint"),
        [
            (b"", "a JSON document", "expecting value, line 1 column 1", "it is empty"),
            (b" \n", "a JSON document", "expecting value, line 2 column 1", "it is empty"),
            (b" <html>", "a JSON document", "expecting value, line 1 column 2", "this looks like HTML or XML"),
            (
                b"{'a': 1}",
                "a JSON document",
                "expecting property name enclosed in double quotes, line 1 column 2",
                "this is Python's repr: write JSON with json.dump",
            ),
            (b"['a']", "a JSON document", "expecting value, line 1 column 2",
             "this is Python's repr: write JSON with json.dump"),
            (b"[1,", "a JSON document", "expecting value, line 1 column 4", ""),
            (b"?'", "a JSON document", "expecting value, line 1 column 1", ""),
            (b"it's", "a JSON document", "expecting value, line 1 column 1", ""),
            (b'{"a":"\xff"}', "UTF-8", "byte 0xff at offset 6", ""),
            (b"\xff\xfe{\x00", "UTF-8", "byte 0xff at offset 0", "this is UTF-16"),
            (b"\xfe\xff\x00{", "UTF-8", "byte 0xfe at offset 0", "this is UTF-16"),
            (b"\x1f\x8b\x08", "UTF-8", "byte 0x8b at offset 1", "this is gzip: decompress it first"),
            (b"\xef\xbb\xbf{}", "JSON text", "a byte order mark", "save it as UTF-8 without BOM"),
        ],
    )  # fmt: skip
    def test_bytes_that_are_not_json_are_told_with_place_and_cause(
        self, data: bytes, expected: str, got: str, hint: str
    ) -> None:
        _, (found,) = documents.parse(data)

        assert (found.expected, found.got, found.hint, found.path) == (expected, got, hint, ())

    @pytest.mark.parametrize(
        ("digits", "value"),
        [
            ("9" * 399, int("9" * 399)),
            ("9" * 400, 1e308),
            ("-" + "9" * 399, -1e308),
            ("-" + "9" * 398, -int("9" * 398)),
        ],
    )
    def test_a_number_of_400_characters_is_out_of_range(self, digits: str, value: float) -> None:
        assert documents.parse(digits.encode()) == (value, [])

    @pytest.mark.parametrize(("number", "value"), [(10**400, 1e308), (-(10**400), -1e308), (10**400 - 1, 10**400 - 1)])
    def test_an_integer_from_python_is_bounded_too(self, number: int, value: float) -> None:
        assert documents.checked([number]) == ([value], [])

    def test_what_is_sound_is_not_copied(self) -> None:
        document = {"a": [1, 1.5, "ä", None, True, {"b": {}}, []]}

        assert documents.checked(document)[0] is document

    def test_what_is_not_sound_is_seen_in_every_place(self) -> None:
        for value in (float("nan"), "\ud800", (1,), {1: 2}, {"\ud800": 1}, 10**400, EvilStr("x"), EvilDict(), b""):
            for document in (value, [value], {"a": value}, [[1], [value]], {"a": {"b": value}}, [1, "x", 1.5, value]):
                assert not documents.is_sound(document)

    @pytest.mark.parametrize("value", [(1,), {1}, b"", {1: 2}])
    def test_what_no_parser_makes_is_kept_by_the_error(self, value: Any) -> None:
        with pytest.raises(UsageError) as caught:
            documents.checked([value])

        assert caught.value.value == (1 if isinstance(value, dict) else value)

    @pytest.mark.parametrize("document", [{"\ud800" * 99: 1}, ["\ud800" * 99]])
    def test_half_characters_are_told_in_a_line(self, document: Any) -> None:
        assert [len(each.got) for each in documents.checked(document)[1]] == [60]

    def test_a_field_that_no_rule_is_about_is_read_as_well(self) -> None:
        (found,) = violations({"uid": 1, "action_uid": UID, "status": "pending", "x": float("nan")}, "POST /v1/bdbs")

        assert (found.code, found.pointer) == ("RA192", "/x")

    def test_a_late_apostrophe_does_not_make_a_text_pythons_repr(self) -> None:
        (found,) = documents.parse(b'{"description": "' + b"x" * 300 + b"it's not closed")[1]

        assert (found.code, found.hint) == ("RA190", "")

    def test_keys_of_half_characters_are_told_at_their_object(self) -> None:
        found = documents.checked({"a": [{"\ud800": float("inf")}]})[1]

        assert [(each.code, each.path, each.expected, each.got) for each in found] == [
            ("RA196", ("a", 0), "whole characters in keys", "'\\ud800'"),
            ("RA192", ("a", 0, "\ud800"), "a number", "inf"),
        ]

    def test_a_level_of_any_width_is_read_once_for_each_object(self) -> None:
        document: list[Any] = [1]
        for _ in range(60):
            document = [document, document]

        assert documents.is_sound(document)

    def test_words_that_python_takes_for_json(self) -> None:
        document, found = documents.parse(b'{"progress": NaN, "x": -Infinity}')

        assert found == []
        assert [each.code for each in documents.checked(document)[1]] == ["RA192", "RA192"]

    def test_a_number_of_ten_thousand_digits(self) -> None:
        document, found = documents.parse(b'{"progress": ' + b"9" * 10_000 + b"}")

        assert found == []
        assert violations(but(MACHINE, **document), "state-machine")[0].code == "RA104"

    def test_a_list_of_100000_bad_rows_ends(self) -> None:
        found = find(listed(*[5] * 100_000), "GET /v1/actions", "8.2", "wire", fast=False)

        assert len(found) == LIMIT

    @pytest.mark.parametrize("value", ["x" * 10_000_000, ["x"] * 100_000, {str(key): key for key in range(10_000)}])
    def test_a_value_of_any_size_is_told_in_a_line(self, value: Any) -> None:
        (found,) = violations(but(TASK, status=value), "action")

        assert len(found.got) <= 100
        assert len(str(found)) < 400


class TestEngines:
    @pytest.mark.parametrize("group", adequacy.groups(), ids=lambda group: group["description"])
    def test_the_corpus_is_judged_as_it_says_with_and_without_the_fast_engine(self, group: dict[str, Any]) -> None:
        for test in group["tests"]:
            found = find(test["data"], group["kind"], group["release"], group["profile"])
            slow = find(test["data"], group["kind"], group["release"], group["profile"], fast=False)

            assert found == slow, test["description"]
            assert (not found) == test["valid"], test["description"]
            if not test["valid"]:
                assert (test["keyword"], test["pointer"]) in [(each.keyword, each.pointer) for each in found], test

    def test_the_fast_engine_alone_finds_that_a_document_keeps_the_contract(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from pytest_redis_actions.contract import engine

        asked: list[str] = []
        slow = engine._slow
        monkeypatch.setattr(engine, "_slow", lambda file: asked.append(file) or slow(file))  # type: ignore[func-returns-value]
        for group in adequacy.groups():
            for test in group["tests"]:
                if test["valid"]:
                    find(test["data"], group["kind"], group["release"], group["profile"])

        assert set(asked) == {"started.blueprint.json"}  # its rows hold lists, which only jsonschema reads

    def test_of_a_list_only_what_departs_is_looked_at_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from pytest_redis_actions.contract import engine

        looked: list[tuple[Any, ...]] = []
        checked = documents.checked
        monkeypatch.setattr(documents, "checked", lambda *given: looked.append(given) or checked(*given))  # type: ignore[func-returns-value]
        document = listed(TASK, but(TASK, status="x"), TASK)

        (found,) = engine.find(document, "GET /v1/actions", "8.2", "wire")

        assert found.row == 1
        assert [given[1:] for given in looked] == [(), (("actions", 1),)]

    def test_without_the_extra_jsonschema_alone_judges(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from pytest_redis_actions.contract import engine

        monkeypatch.setattr(engine, "find_spec", lambda name: None)
        engine._fast.cache_clear()
        try:
            assert engine._fast("action.wire-7.8.json") is None
            assert violations(TASK, "action") == []
            assert [each.code for each in violations(but(TASK, status="x"), "action")] == ["RA103"]
        finally:
            engine._fast.cache_clear()


@pytest.mark.parametrize("profile", ["wire", "documented"])
@pytest.mark.parametrize("path", sorted((DATA / "payloads").glob("*.json")), ids=lambda path: path.stem)
def test_the_official_payloads_keep_the_contract_of_their_release(path: Path, profile: str) -> None:
    kinds = {
        "v1-actions": "GET /v1/actions",
        "v1-action": "GET /v1/actions/{uid}",
        "v1-bdb-actions": "GET /v1/actions/bdb/{bdb_uid}",
        "v2-actions": "GET /v2/actions",
        "v2-action": "GET /v2/actions/{uid}",
        "cluster-actions": "GET /v1/cluster/actions",
        "cluster-action": "GET /v1/cluster/actions/{action}",
        "node-actions": "GET /v1/nodes/{node_uid}/actions",
        "node-action-started": "POST /v1/nodes/{node_uid}/actions/{action}",
        "bdb-rebalance-started": "PUT /v1/bdbs/{bdb_uid}/actions/rebalance",
        "shards-migrate-started": "POST /v1/shards/actions/migrate",
    }
    release, name = path.stem.removeprefix("docs-").rsplit(".", 1)
    assert release in RELEASES

    validate(json.loads(path.read_text()), kinds[name], release=release, profile=profile)
