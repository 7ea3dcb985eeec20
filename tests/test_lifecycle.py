from __future__ import annotations

import pytest

from pytest_redis_actions.errors import UsageError
from pytest_redis_actions.facts.lifecycle import KINDS, OTHER, STATE_MACHINE, TASK, V2, check_kind, lifecycle, owners
from pytest_redis_actions.facts.releases import RELEASES

# Typed from the diagrams, not from the tables: E-LIFE-1, E-LIFE-2, E-LIFE-3, E-LIFE-5.
TASK_ARROWS = {
    "queued>starting", "starting>running", "running>completed", "running>failed",
    "queued>cancelled", "running>cancelling", "cancelling>cancelled",
}  # fmt: skip
ABORTED_ARROWS = {"starting>aborted", "running>aborted"}
STATE_MACHINE_ARROWS = {"pending>active", "active>completed", "active>failed"}
V2_ARROWS = {"queued>running", "running>completed", "running>failed"}


def arrows(kind: str, release: str, profile: str = "wire") -> set[str]:
    table = lifecycle(kind, release, profile).transitions
    return {f"{before}>{after}" for before, following in table.items() for after in following}


@pytest.mark.parametrize("release", RELEASES)
def test_the_tables_are_the_documented_diagrams(release: str) -> None:
    with_aborted = release in ("8.0", "8.2")

    assert arrows(TASK, release, "documented") == TASK_ARROWS | (ABORTED_ARROWS if with_aborted else set())
    assert arrows(STATE_MACHINE, release) == STATE_MACHINE_ARROWS
    assert arrows(V2, release) == arrows(OTHER, release) == V2_ARROWS


@pytest.mark.parametrize("release", RELEASES)  # E-SINCE-10: release notes have the word since 7.4
def test_clusters_abort_a_task_on_every_release(release: str) -> None:
    assert arrows(TASK, release) == TASK_ARROWS | ABORTED_ARROWS


# The diagram of the reference, release 8.0 (E-LIFE-2), as it is drawn there: Mermaid, one arrow a line.
DOCUMENTED = """
    queued --> starting
    starting --> running
    running --> completed
    running --> failed
    queued --> cancelled
    running --> cancelling
    cancelling --> cancelled
    starting --> aborted
    running --> aborted
"""


def test_the_table_drawn_as_mermaid_is_the_documented_diagram() -> None:
    drawn = lifecycle(TASK, "8.0").mermaid().splitlines()

    assert drawn[0] == "stateDiagram-v2"
    assert sorted(drawn[1:]) == sorted(DOCUMENTED.strip("\n").splitlines())


def test_what_nothing_follows_is_terminal() -> None:
    assert lifecycle(TASK, "7.22", "documented").terminal == ("completed", "failed", "cancelled")
    assert lifecycle(TASK, "7.22").terminal == ("completed", "failed", "cancelled", "aborted")
    assert lifecycle(STATE_MACHINE).terminal == lifecycle(V2).terminal == ("completed", "failed")


@pytest.mark.parametrize("kind", KINDS)
def test_a_status_may_stay_and_reaches_itself(kind: str) -> None:
    life = lifecycle(kind)

    for status in life.statuses:
        assert life.allows(status, status)
        assert life.path(status, status) == (status,)


def test_a_poller_may_miss_states_but_nothing_goes_back() -> None:
    life = lifecycle(TASK)

    assert life.reaches("queued", "running")
    assert not life.allows("queued", "running")
    assert not life.reaches("running", "queued")
    assert not life.reaches("completed", "failed")
    assert life.path("queued", "completed") == ("queued", "starting", "running", "completed")


def test_an_unknown_kind_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="write 'state-machine'") as caught:
        check_kind("state_machine")

    assert caught.value.value == "state_machine"


def test_the_owners_of_a_word_are_found() -> None:
    assert [life.kind for life in owners("active")] == [STATE_MACHINE]
    assert [life.kind for life in owners("failed")] == [TASK, STATE_MACHINE]
    assert lifecycle(TASK, profile="documented").since("aborted") == "8.0"
    assert lifecycle(TASK).since("aborted") == "7.2"
