from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from pytest_redis_actions.observed.journal import Exchange, Journal, error_code_of
from pytest_redis_actions.observed.redaction import Headers


def exchange(number: int, **changes: Any) -> Exchange:
    values: dict[str, Any] = {
        "seconds": 5.0 * number,
        "method": "GET",
        "target": "/v1/actions/a",
        "route": "/v1/actions/{uid}",
        "code": 200,
        "aimed": ("a",),
        "shown": {"a": {"status": "running", "progress": "40"}},
        "headers": Headers({}),
        "body": b"{}",
    }
    return Exchange(number, **{**values, **changes})


def journal(count: int, **changes: Any) -> Journal:
    made = Journal()
    for _ in range(count):
        made.add(exchange(len(made) + 1, **changes))
    return made


def test_exchanges_are_numbered_from_1_and_kept_in_order() -> None:
    made = journal(3)

    assert [each.number for each in made] == [1, 2, 3]
    assert len(made) == 3
    assert made[0].number == 1
    assert [each.number for each in made[1:]] == [2, 3]


def test_an_exchange_is_told_in_one_line() -> None:
    assert str(exchange(2)) == "#2 10.0s GET /v1/actions/a -> 200  running 40"
    assert str(exchange(2, shown={}, code=404)) == "#2 10.0s GET /v1/actions/a -> 404"
    assert str(exchange(2, shown={}, code=404, error_code="action_not_found")).endswith("-> 404  action_not_found")
    assert str(exchange(2, shown={"a": {}, "b": {}})).endswith("-> 200  2 operations")
    assert str(exchange(2, left_over="tests/test_x.py::test_y")).endswith("(left over from tests/test_x.py::test_y)")


def test_what_asked_for_an_operation_or_showed_it_is_found() -> None:
    made = Journal()
    made.add(exchange(1, aimed=("a",), shown={}, code=404))
    made.add(exchange(2, aimed=(), shown={"a": {}, "b": {}}))
    made.add(exchange(3, aimed=("b",), shown={"b": {}}))

    assert [each.number for each in made.of("a")] == [1, 2]
    assert [each.number for each in made.of("b")] == [2, 3]
    assert made.of("c") == ()


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({}, [1, 2, 3, 4]),
        ({"since": 10}, [2, 3, 4]),
        ({"until": 10}, [1]),
        ({"since": 10, "until": 20}, [2, 3]),
        ({"code": 404}, []),
        ({"method": "GET", "route": "/v1/actions/{uid}", "code": 200}, [1, 2, 3, 4]),
        ({"method": "POST"}, []),
        ({"route": "/v1/actions"}, []),
        ({"uid": "a"}, [1, 2, 3, 4]),
        ({"uid": "b"}, []),
        ({"status": "running"}, [1, 2, 3, 4]),
        ({"uid": "a", "status": "running", "until": 15}, [1, 2]),
        ({"uid": "a", "status": "completed"}, []),
    ],
)
def test_queries(query: Mapping[str, Any], numbers: list[int]) -> None:
    assert [each.number for each in journal(4).where(**query)] == numbers


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"3", b'{"error_code":"x"}' + b" " * 20_000])
def test_a_reply_that_is_no_error_of_the_api_has_no_error_code(body: bytes) -> None:
    assert error_code_of(502, body) == ""


def test_the_error_code_of_a_reply_is_read_from_its_body() -> None:
    missing = b'{"description":"x","error_code":"action_not_found"}'

    assert error_code_of(404, missing) == "action_not_found"
    assert error_code_of(200, missing) == ""


def test_a_journal_of_any_length_is_printed_on_one_screen() -> None:
    lines = str(journal(1000)).splitlines()

    assert lines[0] == "… 960 earlier exchanges"
    assert len(lines) == 41
