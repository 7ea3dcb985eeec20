"""The promised names: a change of one of them is a change of the product."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import inspect
import subprocess
import sys

import pytest

import pytest_redis_actions
from pytest_redis_actions import Action, RedisActions
from pytest_redis_actions.client_contract import SCENARIOS, ActionsClientContract, Target
from pytest_redis_actions.clock import VirtualClock
from pytest_redis_actions.stub.options import Options

STEPS = (
    "queued", "starting", "running", "cancelling", "cancelled", "aborted", "completed", "failed", "pending", "active",
    "gone",
)  # fmt: skip

CONTRACT = (
    "validate", "violations", "validate_action", "validate_state_machine", "validate_actions", "Violation",
    "ContractError", "assert_transition", "assert_trace", "wait_for", "LifecycleError",
)  # fmt: skip


@pytest.mark.parametrize("name", [*STEPS, *CONTRACT, "RELEASES", "Action", "RedisActions"])
def test_a_promised_name_is_there(name: str) -> None:
    assert hasattr(pytest_redis_actions, name)
    assert name in pytest_redis_actions.__all__
    assert name in dir(pytest_redis_actions)


def test_every_public_name_is_lazy_and_typed() -> None:
    source = inspect.getsource(pytest_redis_actions)

    for name in pytest_redis_actions.__all__:
        assert f"import {name} as {name}" in source or f"{name} as {name}," in source
        assert getattr(pytest_redis_actions, name) is not None


def test_a_name_that_is_none_is_refused_like_any_other() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'runing'"):
        _ = pytest_redis_actions.runing


def test_what_the_fixture_offers() -> None:
    offered = {name for name in dir(RedisActions) if not name.startswith("_")} | {"clock", "journal"}

    assert offered >= {
        "url", "port", "auth", "auth_for", "ca_file", "release", "profile", "clock", "journal", "httpserver",
        "add_action", "add_state_machine", "add_other", "when", "fault", "play", "chaos",
    }  # fmt: skip
    assert {name for name in dir(Action) if not name.startswith("_")} == {
        "assert_no_overlapping_polls", "assert_not_polled_after_terminal", "assert_polled",
        "assert_retry_after_honoured", "cancel", "polls", "requests", "status", "trace",
    }  # fmt: skip


def test_what_the_clock_offers() -> None:
    offered = {name for name in dir(VirtualClock()) if not name.startswith("_")}

    assert offered >= {"seconds", "epoch", "advance", "drive", "sleep", "asleep", "time", "monotonic"}


def test_what_the_client_contract_offers() -> None:
    assert {name for name in dir(ActionsClientContract) if not name.startswith(("_", "pytest", "test"))} == {
        "wait", "start", "drive", "command", "releases", "tls", "retries_server_errors", "honours_retry_after",
        "concurrent", "refreshes_credentials", "tolerates_early_404", "waits_for", "sends_headers",
        "reads_v2", "starts", "reports_failure", "real_seconds",
    }  # fmt: skip
    assert set(Target.__dataclass_fields__) >= {
        "url", "auth", "action_uid", "ca_file", "timeout", "read_timeout", "headers", "waits_for",
    }  # fmt: skip
    assert [scenario.id for scenario in SCENARIOS] == [f"S{number:02}" for number in range(1, 53)]


@pytest.mark.parametrize(
    "name", ["release", "profile", "tls", "port", "auth", "strict", "clock", "rate", "epoch", "drive", "scenario",
             "max_polls", "max_virtual_seconds", "past_end"],
)  # fmt: skip
def test_an_option_of_the_marker_is_there(name: str) -> None:
    assert name in {field.name for field in dataclasses.fields(Options)}


@pytest.mark.parametrize("function", [RedisActions.add_action, RedisActions.add_state_machine, RedisActions.when])
def test_options_are_named(function: object) -> None:
    parameters = list(inspect.signature(function).parameters.values())[1:]  # type: ignore[arg-type]  # a function

    positional = [each.name for each in parameters if each.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    assert positional in (["name"], ["method", "path"])


def test_everything_public_is_documented() -> None:
    for cls in (RedisActions, Action, VirtualClock, ActionsClientContract):
        for name, member in vars(cls).items():
            if not name.startswith("_") and callable(member):
                assert inspect.getdoc(member), f"{cls.__name__}.{name}"


def test_the_distribution_says_what_it_needs() -> None:
    needed = importlib.metadata.requires("pytest-redis-actions") or []
    always = sorted(each.split(">")[0] for each in needed if "extra ==" not in each)

    assert always == ["httptools", "jsonschema", "pytest", "pytest-httpserver"]


def test_the_command_says_how_it_is_used() -> None:
    command = [sys.executable, "-m", "pytest_redis_actions.cli"]

    assert subprocess.run([*command, "demo", "--help"], capture_output=True, check=False).returncode == 0
    misuse = subprocess.run([*command, "dmeo"], capture_output=True, text=True, check=False)
    assert misuse.returncode == 2
    assert "unknown command 'dmeo'" in misuse.stderr
