"""What documents and traces may hold at worst: nothing reaches a terminal raw, and every error is one of ours."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import adequacy
import pytest
from hostile import BROKEN, EVIL, HOSTILE, EvilDict, EvilList, EvilStr, places, planted, renamed

from pytest_redis_actions import (
    ContractError,
    LifecycleError,
    assert_trace,
    assert_transition,
    validate,
    violations,
    wait_for,
)
from pytest_redis_actions.cli import main
from pytest_redis_actions.clock import VirtualClock
from pytest_redis_actions.contract import catalogue, documents, engine
from pytest_redis_actions.contract.engine import find
from pytest_redis_actions.errors import RedisActionsError
from pytest_redis_actions.errors.plain import safe
from pytest_redis_actions.facts.releases import PROFILES, RELEASES

TASK = {
    "action_uid": "159ca2f8", "name": "retry_bdb", "node_uid": "1", "progress": "50", "status": "running",
    "task_id": "159ca2f8", "creation_time": "1760400087", "heartbeat": 5, "error_code": "x",
}  # fmt: skip


def one_of_each_kind() -> list[tuple[str, str, str, Any]]:
    """Return of each kind, on the newest release that has it, the richest valid document of the corpus."""
    richest: dict[str, Any] = {}
    for case in adequacy.cases():
        if case.valid and len(json.dumps(case.data)) > len(json.dumps(richest.get(case.schema, 0))):
            richest[case.schema] = case.data
    found = []
    for kind in catalogue.kinds():
        for profile in PROFILES:
            for release in reversed(RELEASES):
                with contextlib.suppress(RedisActionsError):
                    found.append((kind, release, profile, richest[catalogue.schema_file(kind, release, profile)]))
                    break
    return found


def at(document: Any, path: tuple[Any, ...]) -> Any:
    for part in path:
        document = document[part]
    return document


def hostile_forms(document: Any) -> list[Any]:
    """Return the document with a hostile text in the place of each value and of each key in turn."""
    forms = []
    for text in (HOSTILE, BROKEN):
        for path in places(document):
            forms.append(planted(document, path, text))
            if path and isinstance(path[-1], str):
                forms.append(renamed(document, path, text))
    return forms


def assert_short(text: str) -> None:
    assert len(text.splitlines()[0]) <= 80, text


def assert_safe(text: str) -> None:
    for line in text.split("\n"):
        assert line.isprintable(), ascii(line)


CASES = one_of_each_kind()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[1]}-{case[2]}")
def test_no_field_of_any_kind_reaches_a_terminal_raw(
    case: tuple[str, str, str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kind, release, profile, document = case
    forms = hostile_forms(document)
    for form in forms:
        found = violations(form, kind, release=release, profile=profile)
        for violation in found:
            assert_safe(str(violation))
            assert "\n" not in str(violation)
        if found:
            assert_safe(str(ContractError(found, kind=kind, release=release, profile=profile)))
    file = tmp_path / "recorded.jsonl"
    file.write_text("\n".join(map(json.dumps, forms)), encoding="utf-8")
    options = ["--kind", kind, "--release", release, "--profile", profile]

    assert main(["validate", str(file), *options]) == 1
    assert main(["validate", str(file), *options, "-o", "json"]) == 1

    text, _, machine = capsys.readouterr().out.partition("\n{\n")
    assert_safe(text)
    assert_safe(machine)
    assert machine.isascii()
    assert len(json.loads("{" + machine)["documents"]) == len(forms)


def test_the_corpus_has_every_kind_of_document_that_is_swept() -> None:
    assert {kind for kind, _, _, _ in CASES} == set(catalogue.kinds())


@pytest.mark.parametrize("text", [HOSTILE, BROKEN], ids=["hostile", "broken"])
@pytest.mark.parametrize("field", TASK)
def test_no_field_of_a_trace_reaches_a_terminal_raw(
    field: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = [{**TASK, field: text}, {**TASK, "status": "queued", "progress": "10"}, {**TASK, "heartbeat": 1}]
    with pytest.raises(LifecycleError) as caught:
        assert_trace(bad)
    assert_safe(str(caught.value))
    assert_short(str(caught.value))
    file = tmp_path / "recorded.json"
    file.write_text(json.dumps(bad), encoding="utf-8")

    assert main(["check-trace", str(file)]) == 1

    assert_safe(capsys.readouterr().out)


def test_the_words_of_a_transition_and_of_waiting_are_safe() -> None:
    with pytest.raises(LifecycleError) as caught:
        assert_transition(HOSTILE, BROKEN)
    assert_safe(str(caught.value))

    with pytest.raises(LifecycleError) as caught:
        wait_for(
            lambda: {"status": BROKEN, "action_uid": HOSTILE}, "completed", timeout=1, every=1, clock=VirtualClock()
        )
    assert_safe(str(caught.value))


@pytest.mark.parametrize(
    "call",
    [
        lambda: validate(TASK, BROKEN),
        lambda: validate(TASK, "action", release=BROKEN),
        lambda: validate(TASK, "action", profile=BROKEN),
        lambda: validate({HOSTILE: (1,)}, "action"),
        lambda: validate({1: 1}, "action"),
        lambda: assert_trace([]),
        lambda: assert_trace(BROKEN),
        lambda: assert_trace([5]),
        lambda: assert_trace(["queued"], kind=BROKEN),
        lambda: assert_trace(["queued"], allow=[BROKEN]),
        lambda: wait_for(lambda: None, BROKEN, timeout=1, every=1),
        lambda: assert_trace(Path(f"/nowhere/{HOSTILE}.json")),
    ],
)
def test_the_text_of_a_wrong_call_is_safe(call: Callable[[], object]) -> None:
    with pytest.raises(RedisActionsError) as caught:
        call()

    assert_safe(str(caught.value))
    assert_short(str(caught.value))


def test_a_file_name_is_safe_in_every_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "a\x1b[31m\u202e\nb"
    folder.mkdir()
    (folder / "a.json").write_text("{}")
    (folder / "t.json").write_text('["queued"]')

    for command in (["validate", str(folder / "a.json"), "--kind", "action"], ["check-trace", str(folder / "t.json")],
                    ["validate", str(folder), "--kind", "action"], ["check-trace", str(folder)]):  # fmt: skip
        main(command)

    told = capsys.readouterr()
    assert_safe(told.out)
    assert_safe(told.err)
    assert safe(str(folder)) in told.out


def nested(levels: int) -> Any:
    document: Any = []
    for _ in range(levels):
        document = [document]
    return document


def containing_itself() -> list[Any]:
    document: list[Any] = []
    document += [document, document]
    return document


WORST = [*EVIL, 10**5000, -(10**5000), nested(100_000), containing_itself(), float("nan"), (1, 2), {1}, object()]
WORST_IDS = [f"{number}-{type(value).__name__}" for number, value in enumerate(WORST)]


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("value", WORST, ids=WORST_IDS)
def test_the_worst_values_get_a_clear_answer_from_the_contract(value: Any, fast: bool) -> None:
    forms: list[tuple[Any, str]] = [
        (value, "action"), (value, "GET /v1/actions"), ({**TASK, "progress": value}, "action"),
        ({**TASK, "further": value}, "action"), ({**TASK, "action_uid": value, "name": 3}, "action"),
        ({"actions": [{**TASK, "status": value}], "state-machines": value}, "GET /v1/actions"),
        ({"actions": [value], "state-machines": []}, "GET /v1/actions"), ([value], "GET /v2/actions"),
    ]  # fmt: skip
    for document, kind in forms:
        try:
            found = find(document, kind, None, "wire", fast=fast)
        except RedisActionsError as error:
            assert_safe(str(error))
        else:
            assert all(len(str(each)) < 1000 for each in found)


ODD = [float("nan"), (1,), {1}, BROKEN, [[]], [], {}, {"a": {"b": []}}, 10**400, True, None, b"", 0.5, -1, "", "0"]


def outcome(document: Any, kind: str, release: str, profile: str, *, fast: bool) -> list[str]:
    try:
        return [str(each) for each in find(document, kind, release, profile, fast=fast)]
    except RedisActionsError as error:
        return [str(error)]


# Each third, and 16 odd values: every value comes to each kind, and every place gets five or six of them.
@pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[1]}-{case[2]}")
def test_both_engines_say_the_same_of_odd_values_everywhere(case: tuple[str, str, str, Any], step: int) -> None:
    kind, release, profile, document = case
    objects = [path for path in places(document) if isinstance(at(document, path), dict)]
    forms = [planted(document, path, value) for path in places(document) for value in ODD]
    forms += [planted(document, path, {**at(document, path), "further": value}) for path in objects for value in ODD]
    for form in forms[::step]:
        slow = outcome(form, kind, release, profile, fast=False)
        assert outcome(form, kind, release, profile, fast=True) == slow


def test_what_is_valid_for_the_faster_engine_is_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def looked_at(file: str) -> Any:
        raise AssertionError(file)

    monkeypatch.setattr(engine, "_slow", looked_at)
    seen = set()
    for kind, release, profile, document in CASES:
        # A list below the top is always looked at again: a tuple may stand in its place.
        if not any(isinstance(at(document, path), list) for path in places(document) if len(path) > 1):
            assert find(document, kind, release, profile) == []
            seen.add(kind)
    assert len(seen) > 30


def test_of_a_list_only_the_bad_rows_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[str] = []
    slow = engine._slow

    def noted(file: str) -> Any:
        looked_at.append(file)
        return slow(file)

    monkeypatch.setattr(engine, "_slow", noted)
    good = {"action_uid": "a", "name": "b", "progress": "5", "status": "running"}

    found = find({"actions": [good] * 50 + [{**good, "status": "x"}] + [good] * 50}, "GET /v1/actions", None, "wire")

    assert [(each.pointer, each.row) for each in found if each.code == "RA103"] == [("/actions/50/status", 50)]
    assert len(looked_at) == 2  # the envelope and the row


def test_a_subclass_is_judged_by_what_it_holds() -> None:
    assert violations(EvilDict(TASK | {"status": EvilStr("running")}), "action") == violations(TASK, "action")
    assert violations(EvilList([{**TASK}]), "GET /v2/actions") == violations([TASK], "GET /v2/actions")
    assert [each.code for each in violations({**TASK, "status": EvilStr("runing")}, "action")] == ["RA103"]


@pytest.mark.parametrize("value", WORST, ids=WORST_IDS)
def test_the_worst_values_get_a_clear_answer_from_the_lifecycle(value: Any) -> None:
    calls: list[Callable[[], object]] = [
        lambda: assert_trace([value, value]),
        lambda: assert_trace([(0, value), (value, "running")]),
        lambda: assert_trace([(value, "queued"), (value, "running")]),
        lambda: assert_trace([{"actions": [{"action_uid": value}], "state-machines": value}] * 2),
        lambda: assert_transition(value, "running"),
        lambda: assert_transition({"status": value}, {"status": value}),
        lambda: wait_for(lambda: value, "completed", timeout=1, every=1, clock=VirtualClock()),
        lambda: assert_trace(["queued"], allow=[value]),
        lambda: assert_transition("queued", "running", allow=value),
        lambda: wait_for(lambda: "queued", value, timeout=1, every=1, clock=VirtualClock()),
        *[lambda field=field: assert_trace([TASK, {**TASK, field: value}, {**TASK, field: value}]) for field in TASK],
    ]  # fmt: skip
    for call in calls:
        try:
            call()
        except RedisActionsError as error:
            assert_safe(str(error))
            assert_short(str(error))


@pytest.mark.parametrize(
    "value", [EvilDict(a=1), EvilList([]), EvilStr("x"), 10**5000, nested(100_000), (), object()], ids=range(7)
)
def test_something_that_is_not_a_trace_gets_a_clear_answer(value: Any) -> None:
    with pytest.raises(RedisActionsError) as caught:
        assert_trace(value)

    assert_safe(str(caught.value))


def test_the_error_of_an_iterator_that_polls_is_its_own() -> None:
    def polls() -> Iterator[str]:
        yield "queued"
        raise ConnectionError("refused")

    with pytest.raises(ConnectionError, match="refused"):
        assert_trace(polls())


def test_a_trace_of_subclasses_is_read_by_what_they_hold() -> None:
    assert_trace([EvilStr("queued"), EvilDict(status=EvilStr("running")), "completed"])
    with pytest.raises(LifecycleError, match="RA201"):
        assert_trace([EvilStr("completed"), EvilDict(status=EvilStr("running"))])


def test_an_unhashable_uid_in_a_list_is_an_operation_of_its_own() -> None:
    with pytest.raises(LifecycleError, match="RA201"):
        assert_trace([{"actions": [{"action_uid": [], "status": status}]} for status in ("completed", "running")])


def test_the_evil_values_are_as_evil_as_they_look() -> None:
    with pytest.raises(RuntimeError):
        repr(EVIL[0])
    with pytest.raises(ValueError, match="limit"):
        str(10**5000)
    assert sys.int_info.default_max_str_digits < 5000


def doubled(count: int) -> bytes:
    return ("{" + ",".join(f'"{number}":0,"{number}":0' for number in range(count)) + "}").encode()


def test_doubled_keys_are_found_in_linear_time() -> None:
    def took(count: int) -> float:
        data, best = doubled(count), float("inf")
        for _ in range(3):
            began = time.perf_counter()
            assert [each.code for each in documents.parse(data)[1]] == ["RA191"]
            best = min(best, time.perf_counter() - began)
        return best

    assert took(64_000) < 40 * took(8_000)  # eight times the keys: linear is 8, quadratic 64


def test_the_first_doubled_key_is_named_with_its_count() -> None:
    _, (found,) = documents.parse(b'{"a":1,"b":1,"c":1,"c":1,"b":1,"b":1}')

    assert found.got == "'b' 3 times"
