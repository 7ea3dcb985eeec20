"""Verdicts are just: at any interval, on virtual and on real time, and each blames what the client did."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
import sleeper_of_tests as sleeper
from test_client_contract import is_asked

from pytest_redis_actions.client_contract import SCENARIOS, ActionsClientContract, Scenario, Target
from pytest_redis_actions.client_contract.capabilities import capabilities_of
from pytest_redis_actions.client_contract.contract import Miss, client_of, judge
from pytest_redis_actions.scenarios.catalogue import find_scenario
from pytest_redis_actions.scenarios.verdicts import Kind
from pytest_redis_actions.server.certificates import Authority

import test_sound  # isort: skip  # its folder is put on the path by test_client_contract

EXAMPLES = Path(__file__).parent / "examples" / "contract"
EVIDENCE = (Path(__file__).parent.parent / "schemas" / "evidence.md").read_text(encoding="utf-8")
ALONE = ("S44", "S47")  # one looks for threads that are left, the other needs an authority of its own


@pytest.fixture(scope="module")
def authority() -> Iterator[Authority]:
    authority = Authority()
    yield authority
    authority.close()


@pytest.fixture
def shell() -> None:
    for program in ("bash", "curl"):
        if shutil.which(program) is None:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(f"not run: no {program}")


def misses_of(kind: type[ActionsClientContract], name: str, authority: Authority) -> list[Miss]:
    return list(judge(client_of(kind, "8.2"), find_scenario(name), capabilities_of(kind), lambda: authority))


def all_misses(
    kind: type[ActionsClientContract],
    authority: Authority,
    only: Callable[[str], bool] = lambda _: True,
    *,
    workers: int = 1,
) -> dict[str, str]:
    """Return what a client fails, scenario by scenario; several at once for one that mostly sleeps in reality."""
    can = capabilities_of(kind)
    asked = [scenario.id for scenario in SCENARIOS if only(scenario.id) and is_played(scenario, can)]

    def told(name: str) -> str:
        return "; ".join(map(str, misses_of(kind, name, authority)))

    with ThreadPoolExecutor(workers) as pool:
        found = dict(zip(asked, pool.map(lambda name: "" if name in ALONE else told(name), asked), strict=True))
    found |= {name: told(name) for name in asked if name in ALONE}
    return {name: text for name, text in found.items() if text}


def is_played(scenario: Scenario, can: dict[str, Any]) -> bool:
    not_for_commands = can["command"] and scenario.capability == "concurrent"
    return (
        is_asked(scenario, can)
        and not not_for_commands
        and bool(scenario.played_in("8.2", is_driven=bool(can["drive"])))
    )


def sound(every: float, *, is_driven: bool) -> type[ActionsClientContract]:
    class Paced(test_sound.Sound):
        drive = ("sound",) if is_driven else ()

        def poller(self, target: Target) -> Any:
            poller = super().poller(target)
            poller.every = every
            return poller

    return Paced


# Any interval


@pytest.mark.parametrize("every", [0.5, 60])
def test_scenarios_that_count_or_end_late_are_just_at_any_interval(every: float, authority: Authority) -> None:
    counted = ("S03", "S21", "S22", "S26", "S29", "S34", "S44", "S46", "S52")

    assert all_misses(sound(every, is_driven=True), authority, counted.__contains__) == {}


@pytest.mark.long
@pytest.mark.parametrize("every", [0.1, 0.5, 1, 5, 30, 60])
def test_the_sound_client_passes_at_any_interval(every: float, authority: Authority) -> None:
    assert all_misses(sound(every, is_driven=True), authority) == {}


def test_a_client_that_waits_in_reality_is_told_deadlines_that_it_can_keep(authority: Authority) -> None:
    short = ("S21", "S26", "S29", "S44")

    assert all_misses(sound(1, is_driven=False), authority, short.__contains__, workers=6) == {}


@pytest.mark.long
@pytest.mark.parametrize("every", [1, 5])
def test_the_sound_client_passes_in_real_time(every: float, authority: Authority) -> None:
    assert all_misses(sound(every, is_driven=False), authority, workers=24) == {}


# Commands


def loop(*, every: float, real_seconds: float = 20.0) -> type[ActionsClientContract]:
    class Loop(ActionsClientContract):
        command = (
            str(EXAMPLES / "loop.sh"), "{url}", "{action_uid}", "{user}", "{password}", "{timeout}", str(every),
        )  # fmt: skip

    Loop.real_seconds = real_seconds
    return Loop


def script(text: str, *, real_seconds: float = 20.0) -> type[ActionsClientContract]:
    class Script(ActionsClientContract):
        command = ("bash", "-c", text, "bash", "{url}/v1/actions/{action_uid}", "{user}:{password}")

    Script.real_seconds = real_seconds
    return Script


@pytest.mark.usefixtures("shell")
def test_a_command_gets_the_time_that_its_interval_needs(authority: Authority) -> None:
    began = time.monotonic()

    assert misses_of(loop(every=0.2, real_seconds=2), "S03", authority) == []

    assert time.monotonic() - began > 4


@pytest.mark.usefixtures("shell")
def test_a_command_that_is_silent_for_too_long_is_stopped_and_told_what_to_set(authority: Authority) -> None:
    (miss,) = misses_of(script("curl -s -u $2 $1; sleep 60", real_seconds=1), "S01", authority)

    assert miss.wrong.text == "sent no request for 1 real s, so the contract stopped it"
    assert miss.wrong.advice == "set real_seconds = 10, if it waits so long between two polls"


@pytest.mark.usefixtures("shell")
def test_a_command_that_polls_on_after_the_end_is_stopped_soon(authority: Authority) -> None:
    (miss,) = misses_of(script("while :; do curl -s -u $2 $1; sleep 0.2; done"), "S05", authority)

    assert miss.wrong.kind is Kind.POLLS_ON
    assert re.fullmatch(
        r"saw 'completed' at poll \d and polled on (9|10|11) times",
        miss.wrong.text,
    )


@pytest.mark.usefixtures("shell")
def test_a_command_that_does_not_end_is_stopped_with_an_estimate(authority: Authority) -> None:
    text = "while :; do curl -s -u $2 ${{1%/*}}/another; sleep 0.3; done"

    (miss,) = misses_of(script(text, real_seconds=1), "S01", authority)

    assert miss.wrong.kind is Kind.HARNESS
    assert re.fullmatch(
        r"had not ended after \d real s, so the contract stopped it: \d+ polls, at most 0.\d+ s apart", miss.wrong.text
    )
    assert re.fullmatch(r"set real_seconds = \d+, if it needs so long on purpose", miss.wrong.advice)


@pytest.mark.usefixtures("shell")
def test_a_command_that_knows_no_deadline_never_gives_up(authority: Authority) -> None:
    (miss,) = misses_of(script("while :; do curl -s -u $2 $1; sleep 0.2; done", real_seconds=1), "S44", authority)

    assert miss.wrong.kind is Kind.NO_DEADLINE
    assert miss.wrong.text.endswith("its deadline was 2 real s")


@pytest.mark.usefixtures("shell")
def test_credentials_may_follow_to_a_node_of_the_cluster_but_not_to_a_stranger(authority: Authority) -> None:
    text = """
        while :; do
          body=$(curl -sSL --max-redirs 5 --location-trusted -u "$2" "$1") || exit 1
          grep -q '"status": *"completed"' <<<"$body" && exit 0
          sleep 0.1
        done
    """

    misses = misses_of(script(text), "S43", authority)

    assert [miss.play.name for miss in misses] == ["redirected to a stranger"]
    assert misses[0].wrong.text == "sent its credentials to another host"
    assert misses[0].play.assumed


@pytest.mark.usefixtures("shell")
@pytest.mark.parametrize(
    ("scenario", "reason"),
    [
        ("S02", ""),
        ("S08", "ended with exit status 1, which does not say 'insufficient_resources'"),
        ("S18", "503 with Retry-After: 20: was told to wait 2 s and came back after 1.* real s"),
    ],
)
def test_the_bash_loop_that_everybody_writes_first(scenario: str, reason: str, authority: Authority) -> None:
    misses = misses_of(loop(every=1), scenario, authority)

    told = "; ".join(map(str, misses))
    assert [miss.wrong.raised for miss in misses if miss.wrong.raised] in ([], ["exit status 1: {action_uid} failed"])
    head, _, tail = reason.partition("*")
    assert told.startswith(head)
    assert told.endswith(tail)


LOOP = ["S08", "S11", "S13", "S14", "S15", "S21", "S23", "S24", "S26", "S27", "S36", "S40", "S43"]
IMPATIENT = ["S18", "S19", "S31"]  # a second is shorter than the two that Retry-After says


@pytest.mark.long
@pytest.mark.usefixtures("shell")
@pytest.mark.parametrize(("every", "fails"), [(1, LOOP + IMPATIENT), (5, LOOP)])
def test_the_whole_table_of_the_bash_loop(every: float, fails: list[str], authority: Authority) -> None:
    found = all_misses(loop(every=every), authority, workers=24)

    assert sorted(found) == sorted(fails), found


@pytest.mark.usefixtures("shell")
def test_the_words_exit_status_are_not_what_a_command_said(authority: Authority) -> None:
    misses = misses_of(loop(every=0.2, real_seconds=1), "S36", authority)

    assert misses[0].wrong.text == "ended with exit status 1, which does not say status"


@pytest.mark.usefixtures("shell")
def test_a_command_that_no_request_of_gets_through_may_wait_until_its_deadline(authority: Authority) -> None:
    assert misses_of(loop(every=0.5, real_seconds=2), "S47", authority) == []


# Who did it


def status_of(target: Target) -> Any:
    url = f"{target.url}/v1/actions/{target.action_uid}"
    return requests.get(url, auth=target.auth, timeout=5).json()["status"]


def test_of_many_the_one_that_never_sleeps_is_blamed(authority: Authority) -> None:
    class Spins(ActionsClientContract):
        drive = ("sleeper_of_tests",)

        def wait(self, target: Target) -> Any:
            while (status := status_of(target)) not in ("completed", "cancelled"):
                if status != "failed":
                    sleeper.nap(5)
            return status

    (miss,) = misses_of(Spins, "S46", authority)

    assert miss.outcome.wanted == "failed"
    assert re.fullmatch(r"saw 'failed' at poll \d and polled on \d+ times without sleeping", miss.wrong.text)


@pytest.mark.long
def test_many_that_poll_on_are_stopped_as_soon_as_one_would_be(authority: Authority) -> None:
    class PollsOn(ActionsClientContract):
        drive = ("sleeper_of_tests",)

        def wait(self, target: Target) -> Any:
            while (status := status_of(target)) != "completed":
                sleeper.nap(5)
            return status

    (miss,) = misses_of(PollsOn, "S46", authority)

    assert re.match(r"saw '(failed|cancelled)' at poll \d and polled on", miss.wrong.text)
    assert miss.outcome.seconds < 300


def test_a_request_that_met_no_route_is_named_and_is_not_a_poll(authority: Authority) -> None:
    class Databases(ActionsClientContract):
        drive = ("sleeper_of_tests",)

        def wait(self, target: Target) -> Any:
            sleeper.nap(0)
            reply = requests.get(f"{target.url}/v1/elsewhere/1", auth=target.auth, timeout=5)
            reply.raise_for_status()

    (miss,) = misses_of(Databases, "S02", authority)

    assert miss.wrong.text.startswith("asked for GET /v1/elsewhere/1, which the stub does not play, and gave up with")
    assert miss.outcome.polls == ()


class Deletes(ActionsClientContract):
    drive = ("sleeper_of_tests",)
    waits_for = "deletion"
    ends: tuple[object, ...] = ()

    def wait(self, target: Target) -> Any:
        assert target.waits_for == "deletion"
        while True:
            url = f"{target.url}/v1/actions/{target.action_uid}"
            reply = requests.get(url, auth=target.auth, timeout=5)
            end = 404 if reply.status_code == 404 else reply.json()["status"]
            if end in self.ends:
                return "completed"
            if end == 404:
                raise LookupError("the record is gone")
            sleeper.nap(5)


@pytest.mark.parametrize(
    ("ends", "fails"),
    [
        (("completed", 404), []),
        ((404,), []),  # it may wait until the record is gone, although it says completed
        (("completed",), ["gone without completed"]),
    ],
)
def test_a_delete_is_over_when_it_says_so_or_when_it_is_gone(
    ends: tuple[object, ...], fails: list[str], authority: Authority
) -> None:
    class Client(Deletes):
        pass

    Client.ends = ends

    misses = misses_of(Client, "S50", authority)

    assert [miss.play.name for miss in misses] == fails
    assert all(miss.wrong.advice.startswith("take the 404") for miss in misses)


@pytest.mark.parametrize(
    ("waits_for", "asked"), [("action", ["S29"]), ("deletion", ["S50"]), (["action", "deletion"], ["S29", "S50"])]
)
def test_a_client_is_asked_for_what_it_waits_for(waits_for: object, asked: list[str]) -> None:
    class Client(Deletes):
        pass

    Client.waits_for = waits_for  # type: ignore[assignment]

    can = capabilities_of(Client)
    assert [name for name in ("S29", "S50") if is_asked(find_scenario(name), can)] == asked


# The catalogue


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.id)
def test_a_scenario_rests_on_evidence_or_says_why_it_is_assumed(scenario: Scenario) -> None:
    assert bool(scenario.evidence) != bool(scenario.assumed)
    assert [row for row in scenario.evidence if row not in EVIDENCE] == []
    assert [play.name for play in scenario.plays if play.assumed and scenario.assumed] == []
    assert not all(play.assumed for play in scenario.plays)


def test_plays_of_one_scenario_have_names_of_their_own() -> None:
    for scenario in SCENARIOS:
        names = [play.name for play in scenario.plays]
        assert len(set(names)) == len(names), scenario
        assert all(names) or len(names) == 1, scenario


def test_what_a_play_of_a_client_that_waits_in_reality_says_has_real_seconds(authority: Authority) -> None:
    outcome = misses_of(loop(every=1), "S08", authority)[0].outcome

    assert not outcome.is_driven
    assert str(replace(outcome, error=None, returned="x")).endswith("real s")
    assert outcome.exchanges[1].seconds - outcome.exchanges[0].seconds == pytest.approx(1, abs=0.9)
