from __future__ import annotations

import pytest

from pytest_redis_actions import errors
from pytest_redis_actions.errors import (
    MissingExtra,
    PortInUse,
    RedisActionsError,
    UnroutedRequests,
    UsageError,
    advice,
    nearest,
    shown,
)


def test_every_exception_stands_in_the_tree_of_the_docstring() -> None:
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]

    assert len(classes) >= 7
    for cls in classes:
        assert issubclass(cls, (RedisActionsError, Warning))
        assert cls.__name__ in (errors.__doc__ or "")


def test_a_usage_error_says_the_problem_first_and_then_the_fix() -> None:
    error = UsageError("polls=0 is no length", fix="polls is a whole number from 1", value=0)

    assert str(error) == "polls=0 is no length\n  fix  polls is a whole number from 1"
    assert isinstance(error, ValueError)
    assert error.value == 0


def test_a_missing_extra_says_what_to_install() -> None:
    text = str(MissingExtra("tls=True", extra="tls", missing="trustme"))

    assert text.splitlines() == [
        "tls=True needs trustme, which is not installed",
        "  fix  pip install 'pytest-redis-actions[tls]'",
    ]


def test_a_port_in_use_is_named() -> None:
    assert str(PortInUse(9443, "127.0.0.1")).startswith("port 9443 on 127.0.0.1 is already in use\n")


def test_a_thousand_unrouted_requests_fit_one_screen() -> None:
    text = str(UnroutedRequests(tuple(f"  GET /{number}" for number in range(1000)), "  fix  advice"))

    assert text.splitlines()[0] == "1000 requests matched no route of the actions API"
    assert "… and 990 more" in text
    assert len(text.splitlines()) == 13


@pytest.mark.parametrize("value", ["x" * 10_000_000, b"x" * 10_000_000, list(range(100_000))])
def test_a_value_of_any_size_is_shown_short(value: object) -> None:
    assert len(shown(value)) <= 60


def test_a_value_that_cannot_be_shown_does_not_break_the_message() -> None:
    class Hostile:
        def __repr__(self) -> str:
            raise RuntimeError

    assert shown(Hostile()) == "<Hostile>"


def test_the_nearest_word_is_found_in_any_case_and_nothing_near_is_none() -> None:
    assert nearest("Runing", ["running", "failed"]) == "running"
    assert nearest("zzz", ["running", "failed"]) is None


def test_the_advice_names_the_nearest_word_or_nothing() -> None:
    assert advice("Runing", ["running", "failed"]) == "write 'running'; "
    assert advice("zzz", ["running", "failed"]) == ""
