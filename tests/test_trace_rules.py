from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from test_hostile_values import nested

from pytest_redis_actions.errors import UsageError
from pytest_redis_actions.facts.lifecycle import TASK, lifecycle
from pytest_redis_actions.observed.trace_rules import (
    Finding,
    Observation,
    check,
    check_allow,
    check_step,
    observations_of,
)


def read(*given: object) -> list[Observation]:
    return list(observations_of(given, kind=TASK))


@pytest.mark.parametrize(
    ("given", "seconds", "status"),
    [
        ("queued", None, "queued"),
        (None, None, "gone"),
        ((5, "queued"), 5.0, "queued"),
        ([2.5, {"status": "queued"}], 2.5, "queued"),
        ((None, {"status": "queued"}), None, "queued"),
        ((5, None), 5.0, "gone"),
        ({"error_code": "action_not_found"}, None, "gone"),
        ({"error_code": "action_not_found", "status": "failed"}, None, "failed"),
    ],
)
def test_what_an_observation_may_be(given: object, seconds: float | None, status: str) -> None:
    (one,) = read(given)

    assert (one.number, one.seconds, one.status) == (1, seconds, status)


@pytest.mark.parametrize("given", [7, ("5", "queued"), (True, "queued"), (10**400, "queued"), (1, 2, 3), (5, 7)])
def test_what_is_none_is_refused_with_its_place(given: object) -> None:
    with pytest.raises(UsageError, match="observation #2 is ") as caught:
        read("queued", given)

    assert caught.value.value == given


class Unreadable(Mapping[str, object]):
    def __getitem__(self, key: str) -> object:
        raise LookupError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(("status",))

    def __len__(self) -> int:
        return 1


def test_a_body_that_cannot_be_observationsis_refused_with_its_place() -> None:
    given = Unreadable()
    with pytest.raises(UsageError, match="observation #1 cannot be read: LookupError") as caught:
        read(given)

    assert caught.value.value is given


def found(*bodies: dict[str, object]) -> list[Finding]:
    return check(read(*bodies), lifecycle(TASK), profile="wire", allow=frozenset())


@pytest.mark.parametrize(
    ("body", "code", "legal"),
    [
        ({"status": "running", "progress": 101}, "RA210", "0 to 100"),
        ({"status": "completed", "progress": 99}, "RA212", "100"),
    ],
)
def test_what_is_legal_is_told_of_a_progress(body: dict[str, object], code: str, legal: str) -> None:
    (finding,) = found(body)

    assert (finding.code, finding.legal) == (code, legal)


@pytest.mark.parametrize(("more", "codes"), [({}, []), ({"name": "migrate_shards"}, ["RA209"])])
def test_a_failure_without_an_error_is_told_of_a_body_and_not_of_a_mere_status(
    more: dict[str, object], codes: list[str]
) -> None:
    observations = read({"status": "failed", **more})

    assert [
        each.code for each in check(observations, lifecycle(TASK), profile="documented", allow=frozenset())
    ] == codes


@pytest.mark.parametrize("given", [{"actions": []}, {"state-machines": []}])
def test_a_whole_list_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="observation #1 is a whole list, not one operation") as caught:
        read(given)

    assert caught.value.value == given


def test_values_that_cannot_be_compared_are_the_same_if_their_texts_are() -> None:
    one, other = ({"status": "running", "name": nested(100_000)} for _ in range(2))

    assert found(one, other) == []
    assert [each.code for each in found(one, {"status": "running", "name": "migrate_shards"})] == ["RA206"]


@pytest.mark.parametrize(
    ("before", "after", "code", "message"),
    [
        ("queued", "running", "RA203", "queued -> running skips starting"),
        ("running", "queued", "RA202", "running -> queued is not allowed"),
        ("completed", "running", "RA201", "completed -> running is not allowed"),
    ],
)
def test_a_step_that_skips_one_that_is_impossible_and_one_after_the_end(
    before: str, after: str, code: str, message: str
) -> None:
    finding = check_step(before, after, lifecycle(TASK))

    assert finding is not None
    assert (finding.code, finding.poll, finding.message) == (code, 2, message)


@pytest.mark.parametrize(
    ("before", "after", "code", "poll", "name"),
    [
        ("gone", "running", "RA205", 2, "came-back"),
        ("active", "running", "RA204", 1, "unknown-status"),
        ("running", "active", "RA204", 2, "unknown-status"),
    ],
)
def test_a_step_names_the_poll_that_is_wrong(before: str, after: str, code: str, poll: int, name: str) -> None:
    finding = check_step(before, after, lifecycle(TASK))

    assert finding is not None
    assert (finding.code, finding.poll, finding.allow) == (code, poll, (name,))


@pytest.mark.parametrize(("allow", "value"), [(["progres-fell"], "progres-fell"), ("progress-fell", "progress-fell")])
def test_a_name_that_allow_does_not_take_is_refused(allow: Any, value: object) -> None:
    with pytest.raises(UsageError) as caught:
        check_allow(allow)

    assert caught.value.value == value
