"""Laws that hold for every script: Hypothesis looks for one that breaks them."""

from __future__ import annotations

import itertools
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pytest_redis_actions.api.endpoint import Endpoint, Request
from pytest_redis_actions.clock import VirtualClock
from pytest_redis_actions.facts.access import Access
from pytest_redis_actions.facts.lifecycle import OTHER, STATE_MACHINE, TASK, lifecycle
from pytest_redis_actions.facts.releases import RELEASES
from pytest_redis_actions.operations.operation import Operation, observe
from pytest_redis_actions.operations.script import Script, Step

KINDS = st.sampled_from([TASK, STATE_MACHINE, OTHER])


@st.composite
def scripts(draw: st.DrawFn, kind: str, release: str, profile: str = "wire") -> Script:
    """Draw a script: a walk through the lifecycle, in one unit, with a progress that never falls."""
    life = lifecycle(kind, release, profile)
    statuses = [draw(st.sampled_from(life.statuses))]
    for _ in range(draw(st.integers(0, 5))):
        statuses.append(draw(st.sampled_from((statuses[-1], *life.transitions[statuses[-1]]))))
    in_seconds = draw(st.booleans())
    steps, reached = [], 0
    for status in statuses:
        ends = sorted(draw(st.tuples(st.integers(reached, 100), st.integers(reached, 100))))
        reached = ends[1]
        length = {"seconds": draw(st.integers(1, 50))} if in_seconds else {"polls": draw(st.integers(1, 4))}
        steps.append(Step(status, progress=(ends[0], ends[1]), **length))  # type: ignore[arg-type]  # one of the two
    if draw(st.booleans()):
        steps.append(Step("gone"))
    return Script.of(kind, steps, release=release, profile=profile)


@st.composite
def operations(draw: st.DrawFn) -> tuple[Operation, str]:
    release = draw(st.sampled_from(RELEASES))
    kind = draw(KINDS)
    operation = Operation("uid", kind, "name", draw(scripts(kind, release)), started=0, creation_time=0)
    return operation, release


INSTANTS = st.lists(st.integers(0, 400), min_size=1, max_size=30).map(sorted)


def watched(operation: Operation, instants: list[int]) -> list[Any]:
    return [observe(operation, instants[: number + 1], now) for number, now in enumerate(instants)]


@given(operations(), INSTANTS)
def test_what_a_client_sees_is_a_path_of_the_lifecycle(drawn: tuple[Operation, str], instants: list[int]) -> None:
    operation, release = drawn
    life = lifecycle(operation.kind, release)

    states = watched(operation, instants)

    for before, after in itertools.pairwise(states):
        if before.is_gone:
            assert after.is_gone
        else:
            assert after.is_gone or life.reaches(before.status, after.status)


@given(operations(), INSTANTS)
def test_progress_and_heartbeat_never_go_back(drawn: tuple[Operation, str], instants: list[int]) -> None:
    states = watched(drawn[0], instants)

    for before, after in itertools.pairwise(states):
        assert 0 <= before.progress <= after.progress <= 100
        assert 0 <= before.heartbeat <= after.heartbeat


@given(operations(), INSTANTS)
def test_the_same_script_polls_and_instants_give_the_same_state(
    drawn: tuple[Operation, str], instants: list[int]
) -> None:
    operation, _ = drawn

    assert watched(operation, instants) == watched(operation, instants)


@given(operations(), INSTANTS, st.integers(0, 400))
def test_a_script_of_seconds_does_not_care_how_often_it_is_polled(
    drawn: tuple[Operation, str], instants: list[int], now: int
) -> None:
    operation, _ = drawn
    if operation.script.unit == "seconds":
        assert observe(operation, [*instants, now], now) == observe(operation, [now], now)


@given(st.data())
def test_list_and_single_read_agree(data: st.DataObject) -> None:
    release = data.draw(st.sampled_from(RELEASES))
    clock = VirtualClock()
    endpoint = Endpoint(release=release, profile="wire", clock=clock, access=Access(False))
    for kind in data.draw(st.lists(KINDS, min_size=1, max_size=4)):
        steps = data.draw(scripts(kind, release)).steps
        more: dict[str, Any] = {"object_name": "bdb:1"} if kind == STATE_MACHINE else {}
        endpoint.add(kind, "name", script=steps, uid=None, **more)

    def get(path: str) -> Any:
        reply = endpoint.handle(Request("GET", path))
        return json.loads(reply.body) if reply.code == 200 else None

    def peeked(uid: str) -> Any:
        # HEAD is answered from the state that a poll would see now, and counts for nothing.
        reply = endpoint.handle(Request("HEAD", f"/v1/actions/{uid}"))
        return json.loads(reply.body) if reply.code == 200 else None

    for seconds in data.draw(st.lists(st.integers(0, 60), max_size=6)):
        clock.advance(seconds)
        expected = {uid: peeked(uid) for uid in endpoint.uids}
        listed = get("/v1/actions")
        rows = {row["action_uid"]: row for row in listed["actions"] + listed["state-machines"]}
        assert rows == {uid: body for uid, body in expected.items() if body is not None}
        for uid in endpoint.uids:
            wanted = peeked(uid)
            assert get(f"/v1/actions/{uid}") == wanted


@given(st.data())
def test_a_cancelled_task_still_takes_a_path_of_the_lifecycle(data: st.DataObject) -> None:
    release = data.draw(st.sampled_from(RELEASES))
    clock = VirtualClock()
    endpoint = Endpoint(release=release, profile="wire", clock=clock, access=Access(False))
    uid = endpoint.add(TASK, "name", script=data.draw(scripts(TASK, release)).steps, uid=None)
    life = lifecycle(TASK, release)
    seen: list[tuple[str, int]] = []

    for cancels in data.draw(st.lists(st.booleans(), min_size=1, max_size=12)):
        clock.advance(data.draw(st.integers(0, 30)))
        if cancels:
            before = endpoint.state(uid)
            accepted = endpoint.cancel(uid)
            assert accepted == (before is not None and not life.is_terminal(before.status))
        reply = endpoint.handle(Request("GET", f"/v1/actions/{uid}"))
        if reply.code == 200:
            body = json.loads(reply.body)
            seen.append((body["status"], int(body["progress"])))

    for (before_status, before_progress), (status, progress) in itertools.pairwise(seen):
        assert life.reaches(before_status, status)
        assert before_progress <= progress
