from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from datetime import timedelta

import pytest

from pytest_redis_actions.errors import ScriptError, UsageError
from pytest_redis_actions.facts.lifecycle import OTHER, STATE_MACHINE, TASK, lifecycle
from pytest_redis_actions.operations.script import (
    Script,
    Step,
    aborted,
    active,
    cancelled,
    cancelling,
    completed,
    default_script,
    failed,
    gone,
    jump,
    kind_of,
    pending,
    queued,
    running,
    starting,
)


def of(*steps: Step, kind: str = TASK, release: str = "8.2") -> Script:
    return Script.of(kind, steps, release=release)


def seen(script: Script, polls: int) -> list[str]:
    return [script.at(poll=poll, elapsed=0).step.status for poll in range(polls)]


def progress(script: Script, polls: int) -> list[float]:
    return [script.at(poll=poll, elapsed=0).progress for poll in range(polls)]


def text(caught: pytest.ExceptionInfo[ScriptError]) -> tuple[str, str]:
    first, second = str(caught.value).splitlines()
    assert len(first) <= 80
    return first, second.removeprefix("  fix  ")


class TestLengths:
    def test_a_step_lasts_one_poll_and_the_last_one_for_ever(self) -> None:
        assert seen(of(queued(), starting(), running(), completed()), 6) == [
            "queued", "starting", "running", "completed", "completed", "completed",
        ]  # fmt: skip

    def test_a_step_lasts_as_many_polls_as_it_says(self) -> None:
        assert seen(of(running(polls=3), completed()), 5) == ["running"] * 3 + ["completed"] * 2

    def test_a_step_of_s_seconds_covers_its_start_and_not_its_end(self) -> None:
        script = of(running(seconds=1800), completed())

        statuses = [script.at(poll=0, elapsed=5 * poll).step.status for poll in range(361)]

        assert statuses == ["running"] * 360 + ["completed"]

    def test_one_look_may_cross_many_steps(self) -> None:
        script = of(queued(seconds=1), starting(seconds=1), running(seconds=1), failed())

        assert script.at(poll=0, elapsed=1e6).step.status == "failed"

    def test_ten_times_a_tenth_is_a_second(self) -> None:
        script = of(running(seconds=1), completed())

        assert script.at(poll=0, elapsed=sum([0.1] * 10)).step.status == "completed"

    def test_a_repeated_status_is_two_steps(self) -> None:
        script = of(running(progress=10), running(progress=20), completed())

        assert progress(script, 3) == [10, 20, 100]

    @pytest.mark.parametrize("polls", [0, -1, 1.5, True, "3", math.nan])
    def test_no_length_in_polls(self, polls: object) -> None:
        with pytest.raises(ScriptError) as caught:
            running(polls=polls)  # type: ignore[arg-type]

        assert text(caught)[0] == f"polls of running() must be a whole number from 1, not {polls!r}"

    def test_a_length_that_is_too_long(self) -> None:
        with pytest.raises(ScriptError) as caught:
            running(seconds=2e9)

        assert text(caught) == ("seconds of running() must be at most 1e+09, not 2000000000.0", "write seconds=1e+09")

    @pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf, True, "3"])
    def test_no_length_in_seconds(self, seconds: object) -> None:
        with pytest.raises(ScriptError) as caught:
            running(seconds=seconds)  # type: ignore[arg-type]

        assert text(caught)[0] == f"seconds of running() must be a number above 0, not {seconds!r}"

    def test_a_span_says_its_seconds(self) -> None:
        with pytest.raises(ScriptError) as caught:
            running(seconds=timedelta(minutes=30))  # type: ignore[arg-type]

        assert text(caught)[1] == "write seconds=1800, or ….total_seconds()"

    @pytest.mark.parametrize(
        ("given", "seconds"),
        [
            ({"minutes": 30}, "1800"),
            ({"hours": 0.5}, "1800"),
            ({"ms": 1500}, "1.5"),
            ({"secs": 9}, "9"),
            ({"days": 2}, "172800"),
        ],
    )
    def test_a_length_in_another_unit(self, given: dict[str, float], seconds: str) -> None:
        with pytest.raises(ScriptError) as caught:
            running(**given)  # type: ignore[arg-type]

        assert text(caught)[1] == f"use seconds={seconds}"

    def test_a_length_without_its_name(self) -> None:
        with pytest.raises(UsageError) as caught:
            running(5)  # type: ignore[call-arg]

        first, fix = str(caught.value).splitlines()
        assert first == "running() takes 0 positional arguments but 1 was given"
        assert fix == "  fix  write running(polls=3) or running(seconds=90)"

    def test_a_step_has_one_length(self) -> None:
        with pytest.raises(ScriptError) as caught:
            running(polls=2, seconds=3)

        assert text(caught)[0] == "running(polls=2, seconds=3) has two lengths"

    @pytest.mark.parametrize("other", [queued(polls=2), queued()])
    def test_a_script_counts_in_one_unit(self, other: Step) -> None:
        with pytest.raises(ScriptError) as caught:
            of(other, starting(seconds=3), running())

        assert text(caught) == (
            "polls and seconds are mixed in one script",
            f"starting(seconds=3) counts in seconds, {other!r} in polls: give every step but the last one unit",
        )

    def test_only_the_last_step_may_count_in_neither_unit(self) -> None:
        assert of(queued(seconds=3), starting(seconds=3), running()).unit == "seconds"
        with pytest.raises(ScriptError, match="mixed"):
            of(queued(seconds=3), starting(), running())
        with pytest.raises(ScriptError, match="mixed"):
            of(queued(seconds=3), starting(seconds=3), running(polls=2))


class TestFields:
    def test_further_fields_are_kept(self) -> None:
        assert active(state="config_security", pending_ops={}).fields == (
            ("state", "config_security"),
            ("pending_ops", {}),
        )

    @pytest.mark.parametrize(
        ("name", "meant"), [("poll", "polls"), ("second", "seconds"), ("prog", "progress"), ("progres", "progress")]
    )
    def test_a_misspelt_length_is_no_field(self, name: str, meant: str) -> None:
        with pytest.raises(ScriptError) as caught:
            running(**{name: 3})

        assert text(caught) == (
            f"running({name}=3): {name} is not an option",
            f"write {meant}=3; fields of the body have other names",
        )

    @pytest.mark.parametrize(
        "name", ["state", "error_code", "second_try", "percentage", "pools", "detail", "minute_rate"]
    )
    def test_other_names_are_fields(self, name: str) -> None:
        assert running(**{name: 3}).fields == ((name, 3),)

    @pytest.mark.parametrize("value", [object(), {1, 2}, b"x", math.nan, {"x": object()}, {(1, 2): 3}])
    def test_a_field_is_json(self, value: object) -> None:
        with pytest.raises(ScriptError, match="is not JSON"):
            failed(detail=value)


class TestProgress:
    def test_the_defaults(self) -> None:
        assert progress(of(queued(), starting(), running(), completed()), 4) == [0, 0, 50, 100]
        assert progress(of(running(polls=4), failed()), 5) == [0, 33, 66, 99, 99]
        assert progress(of(running()), 1) == [50]

    def test_the_default_of_seconds_runs_up_to_99(self) -> None:
        script = of(running(seconds=99), completed())

        assert [script.at(poll=0, elapsed=second).progress for second in (0, 1, 98, 99)] == [0, 1, 98, 100]

    def test_a_pair_is_run_through_and_the_last_poll_shows_its_end(self) -> None:
        assert progress(of(running(polls=3, progress=(0, 40)), failed()), 4) == [0, 20, 40, 40]

    def test_a_default_never_falls_below_what_was_reached(self) -> None:
        assert progress(of(running(progress=80), running(), running(polls=2), cancelling(), cancelled()), 6) == [
            80, 80, 80, 99, 99, 99,
        ]  # fmt: skip

    def test_a_whole_number_stays_one_and_a_fraction_too(self) -> None:
        assert type(of(completed(progress=100)).at(poll=0, elapsed=0).progress) is int
        assert type(of(active(progress=50.0), kind=STATE_MACHINE).at(poll=0, elapsed=0).progress) is float

    @pytest.mark.parametrize("value", [-1, 100.1, math.nan, math.inf, "50", True, (1,), (1, 2, 3), (0, math.nan), {}])
    def test_no_progress(self, value: object) -> None:
        with pytest.raises(ScriptError) as caught:
            running(progress=value)  # type: ignore[arg-type]

        assert text(caught) == (
            f"progress of running() must be from 0 to 100, not {value!r}",
            "progress is percent from 0 to 100, or a pair such as (0, 40)",
        )

    def test_a_pair_that_falls(self) -> None:
        with pytest.raises(ScriptError) as caught:
            running(progress=(40, 0))

        assert text(caught)[0] == "running(progress=(40, 0)) falls"

    def test_a_script_that_falls(self) -> None:
        with pytest.raises(ScriptError) as caught:
            of(running(progress=40), running(progress=30))

        assert text(caught)[0] == "progress falls from 40 to 30 at running(progress=30)"

    def test_after_a_jump_the_progress_begins_anew(self) -> None:
        assert progress(of(running(progress=80), jump(), starting(), running()), 3) == [80, 0, 50]

    def test_where_nothing_jumps_the_progress_that_was_reached_stays(self) -> None:
        script = of(running(progress=80), jump(), starting(progress=20), running(), cancelling())

        assert progress(script, 4) == [80, 20, 50, 50]


class TestOrder:
    @pytest.mark.parametrize("release", ["7.22", "8.0"])
    def test_every_documented_arrow_is_a_script_and_every_other_is_refused(self, release: str) -> None:
        for kind in (TASK, STATE_MACHINE, OTHER):
            life = lifecycle(kind, release)
            for before in life.statuses:
                for after in life.statuses:
                    steps = [Step(before), Step(after)]
                    if life.allows(before, after):
                        assert seen(Script.of(kind, steps, release=release), 2) == [before, after]
                    else:
                        with pytest.raises(ScriptError):
                            Script.of(kind, steps, release=release)

    def test_a_skipped_step_is_named(self) -> None:
        with pytest.raises(ScriptError) as caught:
            of(queued(), running())

        assert text(caught) == (
            "queued -> running is not a step of a task",
            "add starting() between them: queued -> starting -> running",
        )

    def test_nothing_follows_a_terminal_status(self) -> None:
        with pytest.raises(ScriptError) as caught:
            of(completed(), running())

        assert text(caught) == (
            "completed -> running is not a step of a task",
            "completed is terminal: only gone() may follow it",
        )

    def test_the_way_out_of_a_wrong_turn(self) -> None:
        with pytest.raises(ScriptError) as caught:
            of(cancelling(), completed())

        assert text(caught)[1] == "after cancelling may come cancelled, or gone()"

    def test_a_script_may_begin_anywhere(self) -> None:
        assert seen(of(cancelling(), cancelled()), 2) == ["cancelling", "cancelled"]

    @pytest.mark.parametrize("step", [queued(), running(), completed(), failed(), cancelled()])
    def test_gone_may_follow_anything(self, step: Step) -> None:
        assert seen(of(step, gone()), 3) == [step.status, "gone", "gone"]

    def test_gone_ends_a_script(self) -> None:
        with pytest.raises(ScriptError) as caught:
            of(running(), gone(), completed())

        assert text(caught)[0] == "step 2, completed(), follows gone()"

    def test_a_word_of_state_machines_in_a_task(self) -> None:
        with pytest.raises(ScriptError) as caught:
            of(pending(), active())

        assert text(caught)[0] == "'pending' is a status of a state machine, not of a task"

    def test_a_word_of_tasks_in_a_state_machine(self) -> None:
        with pytest.raises(ScriptError) as caught:
            of(running(), kind=STATE_MACHINE)

        assert text(caught) == (
            "'running' is a status of a task, not of a state machine",
            "a state machine has pending, active, completed, failed",
        )

    def test_aborted_is_in_the_reference_since_8_0_and_on_clusters_before(self) -> None:
        of(running(), aborted(), release="7.2")
        Script.of(TASK, [running(), aborted()], release="8.0", profile="documented")

        with pytest.raises(ScriptError) as caught:
            Script.of(TASK, [running(), aborted()], release="7.22", profile="documented")

        assert text(caught) == (
            "the reference has 'aborted' since 8.0; this script is for 7.22",
            "use profile='wire': clusters had it before (E-SINCE-10); or release='8.0' or newer",
        )
        assert caught.value.value == "aborted"

    def test_a_status_in_a_step_is_refused_with_what_changes_a_record(self) -> None:
        with pytest.raises(ScriptError) as caught:
            running(status="x")

        assert text(caught) == (
            "running(status='x'): the step is the status",
            "write the step of that name; faults.record(status=…) sends another word",
        )
        assert caught.value.value == "x"

    @pytest.mark.parametrize(("last", "shown"), [(40, "40"), (40.0, "40.0")])
    def test_the_progress_at_the_end_of_a_step_is_spelt_as_in_the_script(self, last: float, shown: str) -> None:
        assert repr(progress(of(running(polls=3, progress=(0, last)), completed()), 3)) == f"[0.0, 20.0, {shown}]"

    def test_the_longest_step(self) -> None:
        assert running(seconds=1e9).seconds == 1e9
        with pytest.raises(ScriptError, match=r"at most 1e\+09, not 1000000000\.5"):
            running(seconds=1e9 + 0.5)

    @pytest.mark.parametrize(
        ("make", "fix", "value"),
        [
            (lambda: running(minutes="x"), "use seconds=1800", "minutes"),
            (lambda: running(minutes=2), "use seconds=120", "minutes"),
            (lambda: running(times=3), "write polls=", None),
            (lambda: running(progress=(40, 0)), "write the lower end first", (40, 0)),
            (lambda: of(Step("done")), "a task has queued, starting, running", "done"),
        ],
    )
    def test_a_wrong_step_is_refused_with_the_fix(self, make: Callable[[], object], fix: str, value: object) -> None:
        with pytest.raises(ScriptError) as caught:
            make()

        assert fix in text(caught)[1]
        assert value is None or caught.value.value == value

    @pytest.mark.parametrize(
        ("step", "call"),
        [("complete", "completed"), (gone, "gone"), (5, "running"), ("zzz", "running"), (Step, "running")],
    )
    def test_what_is_not_a_step_is_told_the_nearest(self, step: object, call: str) -> None:
        with pytest.raises(ScriptError) as caught:
            of(step)  # type: ignore[arg-type]  # the point

        assert text(caught)[1] == f"write {call}(), imported from pytest_redis_actions"

    def test_a_progress_below_1_is_warned_of(self) -> None:
        with pytest.warns(UserWarning, match=r"less than 1 percent; 50 percent is progress=50"):
            running(progress=0.5)
        for fine in (0.0, 1.0, 1, 1.5):
            running(progress=fine)

    def test_a_state_tells_since_when_it_lasts(self) -> None:
        script = of(running(seconds=30), completed())

        assert [script.at(poll=0, elapsed=seconds).since for seconds in (0, 29, 30, 90)] == [0, 0, 30, 30]

    def test_what_follows_a_jump_is_checked_again(self) -> None:
        with pytest.raises(ScriptError, match="running -> queued is not a step of a task"):
            of(running(), completed(), jump(), running(), queued())

    def test_a_script_is_shown_as_its_steps(self) -> None:
        assert repr(of(running(polls=2, progress=(5, 5)), completed())) == (
            "Script(kind='task', steps=(running(polls=2, progress=5), completed()), unit='polls')"
        )
        assert repr(running(progress=(0, 40))) == "running(progress=(0, 40))"

    def test_a_task_and_a_state_machine_tell_their_failures_in_their_own_fields(self) -> None:
        of(failed(error_code="internal_error", error_message="no"))
        of(active(), failed(error="no"), kind=STATE_MACHINE)

        with pytest.raises(ScriptError, match="it reports its failure in error_code and error_message"):
            of(failed(error="no"))
        with pytest.raises(ScriptError, match=r"it reports its failure in error$"):
            of(failed(error_message="no"), kind=STATE_MACHINE)


class TestWhatIsNoScript:
    def test_an_empty_one(self) -> None:
        with pytest.raises(ScriptError) as caught:
            of()

        assert text(caught)[0] == "a script needs at least one step"

    @pytest.mark.parametrize("steps", [running(), "running", 3])
    def test_one_that_is_no_list(self, steps: object) -> None:
        with pytest.raises(ScriptError, match="a script is a list of steps"):
            Script.of(TASK, steps, release="8.2")  # type: ignore[arg-type]

    @pytest.mark.parametrize(("step", "fix"), [("failed", "write failed()"), (failed, "write failed()"), (3, "write ")])
    def test_a_step_that_is_none(self, step: object, fix: str) -> None:
        with pytest.raises(ScriptError) as caught:
            of(running(), step)  # type: ignore[arg-type]

        first, second = text(caught)
        assert first.startswith("step 1 of the script is ")
        assert second.startswith(fix)


STEP = running()


@pytest.mark.parametrize(
    ("call", "value"),
    [
        (lambda: running(polls=2, seconds=3), (2, 3)),
        (lambda: running(polls=0), 0),
        (lambda: running(seconds=-1), -1),
        (lambda: running(minutes=3), "minutes"),
        (lambda: running(note={1}), {1}),
        (lambda: running(progress=101), 101),
        (lambda: of(), ()),
        (lambda: kind_of(STEP), STEP),  # type: ignore[arg-type]
        (lambda: of(STEP, 3), 3),  # type: ignore[arg-type]
        (lambda: of(active()), "active"),
        (lambda: of(failed(error="no")), "error"),
        (lambda: of(STEP, jump()), (STEP, jump())),
        (lambda: of(STEP, gone(), STEP), "running"),
        (lambda: of(STEP, queued()), ("running", "queued")),
        (lambda: of(queued(), starting(seconds=3), STEP), (starting(seconds=3), queued())),
        (lambda: of(running(progress=30), running(progress=20)), 20),
        (lambda: Script.of(TASK, 3, release="8.2"), 3),  # type: ignore[arg-type]
    ],
)
def test_an_error_keeps_what_it_is_about(call: Callable[[], object], value: object) -> None:
    with pytest.raises(ScriptError) as caught:
        call()

    assert caught.value.value == value


def test_a_script_awaits_its_unit_until_its_last_step_has_begun() -> None:
    in_polls, in_seconds = of(starting(), STEP), of(starting(seconds=3), STEP)

    assert [in_polls.at(poll=poll, elapsed=0).awaits for poll in (0, 1, 9)] == ["polls", "", ""]
    assert [in_seconds.at(poll=0, elapsed=elapsed).awaits for elapsed in (0, 2.9, 3)] == ["seconds", "seconds", ""]


def test_the_default_scripts_are_the_happy_paths() -> None:
    assert seen(default_script(TASK, "7.2"), 4) == ["queued", "starting", "running", "completed"]
    assert seen(default_script(STATE_MACHINE, "7.2"), 3) == ["pending", "active", "completed"]
    assert seen(default_script(STATE_MACHINE, "7.2", vanishes=True), 3) == ["pending", "active", "gone"]
    assert seen(default_script(OTHER, "8.2"), 3) == ["queued", "running", "completed"]


def test_the_kind_is_told_by_the_words() -> None:
    assert kind_of([active(), completed()]) == STATE_MACHINE
    assert kind_of([completed()]) == TASK


def test_a_step_is_shown_as_it_is_written() -> None:
    assert repr(failed(error_code="x")) == "failed(error_code='x')"
    assert repr(running(polls=3)) == "running(polls=3)"


def test_every_status_has_a_function_of_its_name() -> None:
    from pytest_redis_actions.operations import script

    for kind in (TASK, STATE_MACHINE, OTHER):
        for status in lifecycle(kind).statuses:
            function = getattr(script, status)
            assert function() == Step(status)
            assert "E-" in (inspect.getdoc(function) or "")
