"""The strategies and the schemas test each other: neither is derived from the other."""

from __future__ import annotations

import sys
from itertools import pairwise
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_redis_actions import strategies, violations
from pytest_redis_actions.contract import catalogue
from pytest_redis_actions.contract.engine import find
from pytest_redis_actions.errors import MissingExtra, UsageError
from pytest_redis_actions.facts.lifecycle import lifecycle
from pytest_redis_actions.facts.releases import RELEASES

PROFILES = st.sampled_from(["wire", "documented"])


@given(st.data(), st.sampled_from(RELEASES), PROFILES)
def test_a_task_keeps_the_contract(data: st.DataObject, release: str, profile: str) -> None:
    document = data.draw(strategies.actions(release=release, profile=profile))

    assert violations(document, "action", release=release, profile=profile) == []


@given(st.data(), st.sampled_from(RELEASES), PROFILES)
def test_a_state_machine_keeps_the_contract(data: st.DataObject, release: str, profile: str) -> None:
    document = data.draw(strategies.state_machines(release=release, profile=profile))

    assert violations(document, "state-machine", release=release, profile=profile) == []


@given(st.data(), st.sampled_from(["7.22", "8.0", "8.2"]), PROFILES)
def test_an_action_of_v2_keeps_the_contract(data: st.DataObject, release: str, profile: str) -> None:
    document = data.draw(strategies.actions_v2(release=release, profile=profile))

    assert violations(document, "action-v2", release=release, profile=profile) == []


@given(st.data(), st.sampled_from(RELEASES), PROFILES)
def test_a_list_keeps_the_contract(data: st.DataObject, release: str, profile: str) -> None:
    document = data.draw(strategies.action_lists(release=release, profile=profile))

    assert violations(document, "GET /v1/actions", release=release, profile=profile) == []


@given(strategies.errors())
def test_an_error_keeps_the_contract(document: Any) -> None:
    assert violations(document, "error") == []


@pytest.mark.parametrize("rule", strategies.RULES)
def test_breaking_one_rule_is_told_as_that_and_nothing_else(rule: str) -> None:
    @settings(max_examples=15)
    @given(strategies.breaking(rule))
    def check(broken: tuple[Any, str, str]) -> None:
        document, keyword, pointer = broken
        assert [(each.keyword, each.pointer) for each in violations(document, "action")] == [(keyword, pointer)]

    check()


@pytest.mark.parametrize("kind", ["task", "state-machine", "v2"])
def test_a_trace_is_one_that_a_poller_may_see(kind: str) -> None:
    life = lifecycle(kind)

    @given(strategies.traces(kind))
    def check(trace: list[str]) -> None:
        assert all(life.reaches(before, after) for before, after in pairwise(trace))

    check()


def test_an_unknown_rule_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="write 'status missing'"):
        strategies.breaking("status mising")


def test_without_the_extra_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pytest_redis_actions.strategies")
    monkeypatch.setitem(sys.modules, "hypothesis", None)

    with pytest.raises(MissingExtra, match=r"pip install 'pytest-redis-actions\[hypothesis\]'"):
        import pytest_redis_actions.strategies  # noqa: F401  # the import is the test


def anything() -> st.SearchStrategy[Any]:
    """Return documents that are near the contract, or nowhere near it."""
    scalars = st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()
    )
    names = ["action_uid", "status", "progress", "name", "object_name", "pending_ops", "actions", "state-machines"]
    keys = st.one_of(st.sampled_from(names), st.text(max_size=5))
    wild = st.recursive(
        scalars,
        lambda each: st.one_of(st.lists(each, max_size=3), st.dictionaries(keys, each, max_size=4)),
        max_leaves=8,
    )
    near = st.one_of(
        strategies.actions(), strategies.state_machines(), strategies.actions_v2(), strategies.action_lists()
    )
    spoilt = st.builds(lambda document, key, value: {**document, key: value}, near, keys, scalars)
    broken = st.sampled_from(strategies.RULES).flatmap(strategies.breaking).map(lambda each: each[0])
    return st.one_of(wild, near, spoilt, broken)


def engines_agree(examples: int) -> int:
    """Judge generated documents with jsonschema and jsonschema-rs; return how many were judged."""
    kinds = [kind for kind in catalogue.kinds() if " " not in kind or "actions" in kind]
    judged = 0

    @settings(max_examples=examples, database=None)
    @given(anything(), st.sampled_from(kinds), PROFILES)
    def check(document: Any, kind: str, profile: str) -> None:
        nonlocal judged
        judged += 1
        try:
            file = catalogue.schema_file(kind, None, profile)
        except UsageError:
            return
        fast = jsonschema_rs.Draft202012Validator(catalogue.bundled(file)).is_valid(document)
        found = find(document, kind, None, profile)
        assert found == find(document, kind, None, profile, fast=False)
        assert fast == (not found), (kind, profile, document)

    check()
    return judged


def test_the_engines_agree_on_a_sample() -> None:
    assert engines_agree(150) >= 100


@pytest.mark.long
def test_the_engines_agree_on_10000_documents() -> None:
    judged = engines_agree(10_000)

    assert judged >= 10_000
    print(f"jsonschema and jsonschema-rs agree on {judged} generated documents")
