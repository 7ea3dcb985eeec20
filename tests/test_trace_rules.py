from __future__ import annotations

from typing import Any

import pytest

from pytest_redis_actions.errors import UsageError
from pytest_redis_actions.facts.lifecycle import TASK, lifecycle
from pytest_redis_actions.observed.trace_rules import Observation, check_allow, check_step, observations_of


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


@pytest.mark.parametrize(("allow", "value"), [(["progres-fell"], "progres-fell"), ("progress-fell", "progress-fell")])
def test_a_name_that_allow_does_not_take_is_refused(allow: Any, value: object) -> None:
    with pytest.raises(UsageError) as caught:
        check_allow(allow)

    assert caught.value.value == value
