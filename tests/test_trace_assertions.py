"""One step, a whole trace, and waiting with a memory: what is possible passes, what is not is told."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_laws import INSTANTS, operations, watched

from pytest_redis_actions import LifecycleError, assert_trace, assert_transition, strategies, wait_for
from pytest_redis_actions.clock import VirtualClock
from pytest_redis_actions.errors import UsageError
from pytest_redis_actions.facts.lifecycle import OTHER, STATE_MACHINE, TASK, V2, lifecycle
from pytest_redis_actions.facts.releases import RELEASES
from pytest_redis_actions.observed.trace_rules import RULES
from pytest_redis_actions.operations import bodies as wire

DATA = Path(__file__).parent / "data"
UID = "159ca2f8-7bf3-4cda-97e8-4eb560665c28"

# Typed from the evidence (E-LIFE-1, E-LIFE-2, E-LIFE-3, E-LIFE-5), not from the tables: every direct step.
TASK_STEPS = (
    "queued starting|queued cancelled|starting running|running completed|running failed|running cancelling|"
    "cancelling cancelled|starting aborted|running aborted"
)
STEPS = {
    **{(TASK, release): TASK_STEPS for release in RELEASES},
    **{(STATE_MACHINE, release): "pending active|active completed|active failed" for release in RELEASES},
    **{(V2, release): "queued running|running completed|running failed" for release in RELEASES},
}


def body(status: str, progress: object = 0, **more: object) -> dict[str, object]:
    return {"action_uid": UID, "name": "migrate_shards", "progress": progress, "status": status, **more}


def findings(observations: object, **more: Any) -> list[tuple[str, int]]:
    try:
        assert_trace(observations, **more)
    except LifecycleError as error:
        return [(each.code, each.poll) for each in error.findings]
    return []


class TestATransition:
    @pytest.mark.parametrize(("kind", "release"), STEPS)
    def test_each_step_is_allowed_or_refused_as_the_evidence_says(self, kind: str, release: str) -> None:
        allowed = {tuple(step.split()) for step in STEPS[kind, release].split("|")}
        statuses = {status for step in allowed for status in step}
        assert statuses == set(lifecycle(kind, release).statuses)

        for before, after in product(sorted(statuses), repeat=2):
            if before == after or (before, after) in allowed:
                assert_transition(before, after, kind=kind, release=release)
            else:
                with pytest.raises(LifecycleError) as caught:
                    assert_transition(before, after, kind=kind, release=release)
                assert caught.value.findings[0].code in ("RA201", "RA202", "RA203")

    def test_a_skipped_state_is_named_and_a_trace_may_miss_it(self) -> None:
        with pytest.raises(LifecycleError) as caught:
            assert_transition("queued", "running")

        assert str(caught.value).splitlines()[0] == "RA203 action: queued -> running skips starting"
        assert "a trace may, because polls miss states" in str(caught.value)
        assert_trace(["queued", "running"])

    def test_bodies_do_too(self) -> None:
        assert_transition(body("queued"), body("starting"))
        with pytest.raises(LifecycleError):
            assert_transition(body("completed"), body("running"))

    def test_a_step_can_be_allowed(self) -> None:
        assert_transition("completed", "running", allow=["completed->running"])
        assert_transition("completed", "running", allow=["left-terminal"])
        assert_transition("completed", "running", allow=["RA201"])

    def test_words_of_others(self) -> None:
        assert_transition("running", "aborted", release="7.22")
        assert_transition("running", "aborted", release="8.0", profile="documented")
        with pytest.raises(LifecycleError, match=r"'aborted' is in the reference since release 8\.0; this is 7\.22"):
            assert_transition("running", "aborted", release="7.22", profile="documented")
        with pytest.raises(LifecycleError, match="'active' is a status of a state machine, not of a task"):
            assert_transition("running", "active")
        with pytest.raises(LifecycleError, match="'cancelled' is a status of v1, not of v2"):
            assert_transition("running", "cancelled", kind="v2")

    @pytest.mark.parametrize("status", [{"x": 1}, {"status": None}, {"status": 3}])
    def test_a_status_that_is_none(self, status: object) -> None:
        with pytest.raises(LifecycleError) as caught:
            assert_transition("queued", status)

        assert caught.value.findings[0].code == "RA213"


def test_a_misspelt_word_is_guessed_in_the_first_line_and_not_cut_beside_its_row() -> None:
    with pytest.raises(LifecycleError) as caught:
        assert_trace(["queued", "running", "complete"])

    first, *lines = str(caught.value).splitlines()
    assert first == "RA204 action: 'complete' is not a status of a task; did you mean 'completed'?"
    (row,) = (line for line in lines if "> #3" in line)
    assert row.endswith("  'complete' is not a status of a task (RA204)")


class TestATrace:
    @pytest.mark.parametrize(
        "trace",
        [
            ["queued"],
            ["queued", "completed"],
            ["cancelling", "cancelled", "cancelled"],
            ["running", None],
            ["running", "gone", None, {"error_code": "action_not_found", "description": "x"}],
            [(0, "queued"), (5.0, body("running", "40")), (5.0, body("completed", "100"))],
            [body("running", "40"), body("running", 40), body("running", 40.0)],
            [body("failed", error_code="internal_error", error_message="no")],
        ],
    )
    def test_what_is_possible_passes(self, trace: list[Any]) -> None:
        assert_trace(trace)

    @pytest.mark.parametrize(
        ("trace", "expected"),
        [
            (["completed", "running"], [("RA201", 2)]),
            (["running", "queued"], [("RA202", 2)]),
            (["cancelling", "completed"], [("RA202", 2)]),
            (["queued", "weird", "running"], [("RA204", 2)]),
            (["running", None, "running"], [("RA205", 3)]),
            ([body("running"), body("running", action_uid="other")], [("RA206", 2)]),
            ([body("running"), body("running", name="other")], [("RA206", 2)]),
            ([body("running", creation_time="1"), body("running", creation_time="2")], [("RA206", 2)]),
            ([body("running", heartbeat=5), body("running", heartbeat=4)], [("RA207", 2)]),
            ([body("running", error_code="x")], [("RA208", 1)]),
            ([body("running", "101")], [("RA210", 1)]),
            ([body("running", -1)], [("RA210", 1)]),
            ([body("running", "half")], [("RA210", 1)]),
            ([body("running", float("nan"))], [("RA210", 1)]),
            ([body("running", 40), body("running", "39")], [("RA211", 2)]),
            ([body("completed", "99")], [("RA212", 1)]),
            ([{"action_uid": UID}], [("RA213", 1)]),
            ([body("running"), {**body("running"), "status": 3}], [("RA213", 2)]),
            ([(5, "queued"), (4, "running")], [("RA214", 2)]),
            ([body("completed", 100), body("running", 40)], [("RA201", 2), ("RA211", 2)]),
        ],
    )
    def test_what_is_not_is_found_where_it_is(self, trace: list[Any], expected: list[tuple[str, int]]) -> None:
        assert findings(trace) == expected

    @pytest.mark.parametrize("status", [[], {}, ["running"], {"running": 1}])
    def test_a_status_that_cannot_be_a_key_is_no_status(self, status: object) -> None:
        trace = [body("running"), {**body("running"), "status": status}, body("running")]

        assert findings(trace) == [("RA213", 2)]

    def test_an_identity_that_changes_with_every_poll_is_found_at_each(self) -> None:
        trace = [body("running", name=name) for name in ("a", "b", "c", "c", "a")]

        assert findings(trace) == [("RA206", 2), ("RA206", 3), ("RA206", 5)]

    @pytest.mark.parametrize("name", ["action_uid", "name", "object_name", "node_uid", "creation_time"])
    def test_each_field_of_the_identity_keeps_its_value(self, name: str) -> None:
        assert findings([body("running", **{name: "a"}), body("running"), body("running", **{name: "b"})])[-1] == (
            "RA206", 3,
        )  # fmt: skip

    @pytest.mark.parametrize("name", ["actions", "state-machines"])
    def test_a_whole_list_is_not_one_operation(self, name: str) -> None:
        with pytest.raises(UsageError, match="observation #2 is a whole list, not one operation"):
            assert_transition(body("running"), {name: []})

    def test_every_rule_is_tested_above_or_below(self) -> None:
        assert list(RULES) == [f"RA2{number:02}" for number in range(1, 15)]
        assert len({name for name, _, _ in RULES.values()}) == len(RULES)

    def test_a_failed_operation_tells_why_in_the_documented_profile(self) -> None:
        assert findings([body("failed")]) == []
        assert findings([body("failed")], profile="documented") == [("RA209", 1)]
        assert findings([body("failed", error="no")], kind="state-machine", profile="documented") == []

    @pytest.mark.parametrize(("kind", "fields"), [("task", "error_code and error_message"), ("state-machine", "error")])
    def test_the_fields_of_an_error_are_those_of_the_kind(self, kind: str, fields: str) -> None:
        with pytest.raises(LifecycleError) as caught:
            assert_trace([body("failed")], kind=kind, profile="documented")

        assert caught.value.findings[0].message == f"failed without {fields}"

    def test_findings_come_worst_first(self) -> None:
        trace = [body("running", 40), body("running", 30), body("completed", 100), body("failed", 100)]

        assert findings(trace) == [("RA201", 4), ("RA211", 2)]

    @pytest.mark.parametrize("allow", ["completed->running", "left-terminal", "RA201", "completed → running"])
    def test_one_rule_is_relaxed_by_name_and_the_others_hold(self, allow: str) -> None:
        trace = [body("completed", 100), body("running", 40)]

        assert findings(trace, allow=[allow]) == [("RA211", 2)]
        assert findings(trace, allow=[allow, "progress-fell"]) == []

    def test_lists_polled_several_times_are_traces_of_each_operation(self) -> None:
        def reply(*rows: dict[str, object]) -> dict[str, object]:
            return {"actions": list(rows), "state-machines": [body("active", 5.0, action_uid="sm")]}

        other = "other"
        replies = [
            reply(body("queued")),
            reply(body("running", "40"), body("completed", "100", action_uid=other)),
            reply(body("running", "39"), body("completed", "100", action_uid=other)),
        ]

        with pytest.raises(LifecycleError) as caught:
            assert_trace(replies)

        assert [(each.code, each.poll) for each in caught.value.findings] == [("RA211", 3)]
        assert UID in str(caught.value)

    def test_lists_of_v2_too(self) -> None:
        assert findings([[body("running", 40.0)], [body("completed", 100.0)]]) == []
        assert findings([[body("running", 40.0)], [body("queued", 40.0)]]) == [("RA202", 2)]

    def test_a_record_that_leaves_the_list_and_comes_back(self) -> None:
        whole: Any = {"actions": [body("running")], "state-machines": []}
        empty: Any = {"actions": [], "state-machines": []}

        assert findings([whole, empty]) == []
        assert findings([empty, whole, empty, whole]) == [("RA205", 3)]

    @pytest.mark.parametrize("write", [json.dumps, lambda rows: "\n".join(map(json.dumps, rows))])
    def test_a_recorded_file(self, tmp_path: Path, write: Callable[[Any], str]) -> None:
        file = tmp_path / "trace.json"
        file.write_text(write([[0.0, body("running", "40")], [5.0, body("queued", "40")]]))

        assert findings(file) == [("RA202", 2)]


class TestWrongCalls:
    @pytest.mark.parametrize(
        ("given_", "told"),
        [
            ([], "an empty trace shows nothing"),
            ("queued", "a trace is a sequence of observations, not 'queued'"),
            (body("queued"), "a trace is a sequence of observations, not"),
            (None, "a trace is a sequence of observations, not None"),
            ([3], "observation #1 is 3"),
            (["queued", object], "observation #2 is "),
            ([("x", "queued")], "observation #1 is ('x', 'queued')"),
            (["queued", {"actions": []}], "observation #1 must be a list, as others are"),
        ],
    )
    def test_what_is_no_trace(self, given_: object, told: str) -> None:
        with pytest.raises(UsageError) as caught:
            assert_trace(given_)

        assert str(caught.value).startswith(told)

    def test_names_that_are_none(self) -> None:
        with pytest.raises(UsageError, match="write 'progress-fell'"):
            assert_trace(["queued"], allow=["progress_fell"])
        with pytest.raises(UsageError, match=r"write allow=\['progress-fell'\]"):
            assert_trace(["queued"], allow="progress-fell")
        with pytest.raises(UsageError, match="write 'state-machine'"):
            assert_trace(["active"], kind="statemachine")
        with pytest.raises(UsageError, match="unknown release"):
            assert_trace(["queued"], release="9")


class TestWaiting:
    def test_until_the_status_is_reached(self) -> None:
        clock, words = VirtualClock(), iter(["queued", "running", "completed"])

        assert wait_for(lambda: next(words), "completed", timeout=60, every=5, clock=clock) == "completed"
        assert clock.seconds == 10

    def test_asynchronously(self) -> None:
        clock, words = VirtualClock(), iter([body("running"), body("failed")])

        async def poll() -> Any:
            return next(words)

        ended = asyncio.run(wait_for(poll, ["completed", "failed"], timeout=60, every=5, clock=clock))

        assert ended["status"] == "failed"
        assert clock.seconds == 5

    def test_what_can_no_longer_come_is_refused_at_once(self) -> None:
        clock, words = VirtualClock(), iter(["running", "failed", "failed"])

        with pytest.raises(LifecycleError) as caught:
            wait_for(lambda: next(words), "completed", timeout=600, every=5, clock=clock)

        assert str(caught.value).splitlines()[0] == "completed cannot follow failed"
        assert clock.seconds == 5

    def test_a_record_that_is_gone(self) -> None:
        with pytest.raises(LifecycleError, match="completed cannot follow gone"):
            wait_for(lambda: None, "completed", timeout=600, every=5, clock=VirtualClock())
        assert wait_for(lambda: None, "gone", timeout=600, every=5, clock=VirtualClock()) is None

    def test_it_gives_up_with_the_history(self) -> None:
        clock = VirtualClock()

        with pytest.raises(LifecycleError) as caught:
            wait_for(lambda: body("running", 3), "completed", timeout=100, every=5, clock=clock)

        assert str(caught.value).splitlines()[0] == "completed did not come in 100 s: 'running' after 21 polls"
        assert "x21" in str(caught.value)
        assert len(caught.value.observations) == 21

    def test_in_real_time_without_a_clock(self) -> None:
        words = iter(["running", "completed"])

        assert wait_for(lambda: next(words), "completed", timeout=5, every=0.001) == "completed"

    def test_a_poll_that_raises_is_the_caller_s_own(self) -> None:
        with pytest.raises(ConnectionError):
            wait_for(self.refuse, "completed", timeout=5, every=1, clock=VirtualClock())

    def refuse(self) -> str:
        raise ConnectionError

    @pytest.mark.parametrize(
        ("times", "problem"),
        [
            ({"timeout": -1, "every": 1}, "timeout must be a number of seconds from 0"),
            ({"timeout": "1", "every": 1}, "timeout must be a number of seconds from 0"),
            ({"timeout": 1, "every": -1}, "every must be a number of seconds above 0"),
            ({"timeout": 1, "every": 0}, "every must be a number of seconds above 0"),
        ],
    )
    def test_times_that_cannot_be_waited(self, times: dict[str, Any], problem: str) -> None:
        with pytest.raises(UsageError, match=problem):
            wait_for(lambda: "queued", "completed", **times)

    def test_a_clock_that_belongs_to_no_stub(self) -> None:
        with pytest.raises(UsageError, match="clock must be a stub's clock, not 5"):
            wait_for(lambda: "queued", "completed", timeout=1, every=1, clock=5)  # type: ignore[arg-type]  # the point

    def test_nothing_follows_a_record_that_is_gone(self) -> None:
        assert_transition(None, None)
        with pytest.raises(LifecycleError, match="RA205 action: starting after the record was gone"):
            assert_transition(None, "starting")

    def test_a_status_that_the_kind_lacks(self) -> None:
        with pytest.raises(UsageError, match="'active' is not a status of a task"):
            wait_for(lambda: "queued", "active", timeout=1, every=1)


def rendered(state: Any, release: str, profile: str) -> Any:
    return None if state.is_gone else wire.v1(state, epoch=0, release=release, profile=profile)


@given(operations(), INSTANTS)
def test_the_trace_of_any_script_polled_at_any_instants_passes(drawn: Any, instants: list[int]) -> None:
    operation, release = drawn
    states = watched(operation, instants)
    if operation.kind != OTHER:
        trace = [(now, rendered(state, release, "wire")) for now, state in zip(instants, states, strict=True)]
        allow = ["progress-not-100"] if operation.kind == TASK else []  # a script may complete at 40 %
        assert_trace(trace, kind=operation.kind, release=release, allow=allow)
    trace_v2 = [(now, None if state.is_gone else wire.v2(state)) for now, state in zip(instants, states, strict=True)]
    assert_trace(trace_v2, kind="v2", release=release, allow=["progress-not-100"])


@given(st.data())
def test_one_impossible_observation_is_found_and_marked(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from([TASK, STATE_MACHINE, V2]))
    life = lifecycle(kind)
    trace = data.draw(strategies.traces(kind))
    place = data.draw(st.integers(0, len(trace)))
    before = trace[place - 1] if place else None
    impossible = [status for status in life.statuses if before is not None and not life.reaches(before, status)]
    spoilt = data.draw(st.sampled_from([*impossible, "no such status"]))

    changed = [*trace[:place], spoilt]
    with pytest.raises(LifecycleError) as caught:
        assert_trace(changed, kind=kind)

    worst = caught.value.findings[0]
    ended = before is not None and life.is_terminal(before)
    assert worst.poll == place + 1
    assert worst.code == ("RA204" if spoilt == "no such status" else "RA201" if ended else "RA202")
    assert f"> #{place + 1} " in str(caught.value)


ENDED = ((1, "queued", "0"), (1, "running", "40"), (12, "completed", "100"), (1, "running", "40"))


def waited(*words: object, **more: Any) -> object:
    return wait_for(iter(words).__next__, "completed", every=5, clock=VirtualClock(), **more)


def polled(*parts: tuple[int, str, object]) -> list[Any]:
    """Return a trace polled every 5 seconds: so often, this status, at this progress."""
    found: list[Any] = []
    for count, status, progress in parts:
        found += [(5.0 * (len(found) + turn), body(status, progress)) for turn in range(count)]
    return found


# name -> what fails; the texts are kept in tests/data/texts.
FAILURES: dict[str, Callable[[], object]] = {
    "left-terminal": lambda: assert_trace(polled(*ENDED)),
    "went-back": lambda: assert_trace(["running", "queued"]),
    "skipped": lambda: assert_transition("queued", "running"),
    "unknown-word": lambda: assert_trace(["queued", "runing", "completed"]),
    "other-kind": lambda: assert_trace(["pending", "active"]),
    "came-back": lambda: assert_trace([(0, "running"), (5, None), (10, "running")]),
    "another-uid": lambda: assert_trace([body("running"), body("running", action_uid="f" * 8)]),
    "progress-fell": lambda: assert_trace(polled((300, "running", "50"), (1, "running", "49"), (300, "running", "60"))),
    "cannot-follow": lambda: waited("running", "failed", timeout=60),
    "gave-up": lambda: waited(*[body("running", "3")] * 30, timeout=100),
    "later-release": lambda: assert_trace(["running", "aborted"], release="7.4", profile="documented"),
    "many-findings": lambda: assert_trace([body("running", 100 - number) for number in range(100)]),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_is_told_as_kept(name: str) -> None:
    with pytest.raises(LifecycleError) as caught:
        FAILURES[name]()
    kept = DATA / "texts" / f"lifecycle-{name}.txt"
    if os.environ.get("REDIS_ACTIONS_KEEP_TEXTS"):
        kept.write_text(f"{caught.value}\n", encoding="utf-8")

    text = str(caught.value)
    assert f"{text}\n" == kept.read_text(encoding="utf-8")
    assert len(text.splitlines()[0]) <= 80
    assert len(text.splitlines()) <= 30


def test_a_trace_of_100000_polls_is_told_on_one_screen() -> None:
    trace = [body("running", number % 97) for number in range(100_000)]

    with pytest.raises(LifecycleError) as caught:
        assert_trace(trace)

    assert len(str(caught.value).splitlines()) <= 30
    assert len(str(caught.value)) < 4000


class TestWhatAFindingRestsOn:
    def test_one_capture(self) -> None:
        with pytest.raises(AssertionError) as caught:
            assert_trace(["active", None, "active"], kind="state-machine")

        assert "  source   a state machine, release 8.2; E-LIFE-8 (one capture, a 7.8, inferred)\n" in str(caught.value)

    def test_an_order_that_no_source_draws(self) -> None:
        with pytest.raises(AssertionError) as caught:
            assert_trace(["active", "pending"], kind="state-machine")

        assert "8.2; E-LIFE-3 (words documented, order inferred)\n" in str(caught.value)

    def test_an_order_that_is_drawn(self) -> None:
        with pytest.raises(AssertionError) as caught:
            assert_trace(["running", "queued"])

        assert "release 8.2; E-LIFE-1, E-LIFE-2\n" in str(caught.value)

    def test_waiting_cites_the_facts_of_its_kind(self) -> None:
        with pytest.raises(LifecycleError) as caught:
            wait_for(lambda: "completed", "failed", timeout=60, every=5, kind="state-machine")

        assert "E-LIFE-3 (words documented, order inferred)" in str(caught.value)
