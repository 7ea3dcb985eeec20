"""The contract suite judges: the sound client bears everything, each unsound one fails what it deserves."""

from __future__ import annotations

import asyncio
import gc
import importlib
import itertools
import random
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
import raw_pollers
import requests
from mutants import MUTANTS, Mutant

from pytest_redis_actions import RedisActions, completed, failed, faults, gone, queued, running, starting
from pytest_redis_actions.client_contract import SCENARIOS, ActionsClientContract, Scenario, Target
from pytest_redis_actions.client_contract import running as running_clients
from pytest_redis_actions.client_contract.calls import Client
from pytest_redis_actions.client_contract.capabilities import capabilities_of, several
from pytest_redis_actions.client_contract.contract import client_of, judge
from pytest_redis_actions.client_contract.watch import DrivenClock
from pytest_redis_actions.client_contract.watch import Watch as PlayWatch
from pytest_redis_actions.clock import VirtualClock, Watched
from pytest_redis_actions.driving.block import Block
from pytest_redis_actions.driving.interruption import interruptible
from pytest_redis_actions.driving.ledger import OutsideThread
from pytest_redis_actions.errors import StandStill, explained
from pytest_redis_actions.server import StubServer
from pytest_redis_actions.server.certificates import Authority
from pytest_redis_actions.stub.options import Options

EXAMPLES = Path(__file__).parent / "examples" / "contract"
sys.path.insert(0, str(EXAMPLES))
import sound
import sound_async
import test_sound

SOURCE = (EXAMPLES / "sound.py").read_text(encoding="utf-8")
_numbers = itertools.count()


@pytest.fixture(scope="module")
def authority() -> Iterator[Authority]:
    authority = Authority()
    yield authority
    authority.close()


def mutated(mutant: Mutant) -> type[ActionsClientContract]:
    """Return the sound client's contract with one thing broken."""
    source = SOURCE
    for old, new in mutant.changes:
        assert source.count(old) == 1, f"{mutant.name}: {old!r} is there {source.count(old)} times"
        source = source.replace(old, new)
    module: Any = ModuleType(f"mutant_{next(_numbers)}")
    sys.modules[module.__name__] = module
    exec(compile(source, f"{mutant.name}.py", "exec"), vars(module))

    class Unsound(test_sound.Sound):
        drive = (module.__name__,)
        make = module.Poller

    return Unsound


def failures(
    kind: type[ActionsClientContract],
    authority: Authority,
    only: Callable[[str], bool] = lambda _: True,
    order: Sequence[Scenario] = SCENARIOS,
) -> dict[str, str]:
    """Return the scenarios that a client fails, with the reasons."""
    can, client = capabilities_of(kind), client_of(kind, "8.2")
    found = {}
    for scenario in order:
        if only(scenario.id) and is_asked(scenario, can):
            misses = list(judge(client, scenario, can, lambda: authority))
            if misses:
                found[scenario.id] = str(misses[0])
    return found


def is_asked(scenario: Scenario, can: dict[str, object]) -> bool:
    """Tell whether a scenario is for clients that can do this."""
    if scenario.waits_for and scenario.waits_for not in several(can["waits_for"]):
        return False
    return not scenario.capability or bool(can[scenario.capability])


@pytest.mark.long
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_an_unsound_client_fails_what_it_deserves_and_nothing_else(mutant: Mutant, authority: Authority) -> None:
    found = failures(mutated(mutant), authority)

    assert sorted(found) == sorted(mutant.fails), found
    assert {name: reason for name, reason in found.items() if mutant.fails[name] not in reason} == {}


@pytest.mark.parametrize("mutant", MUTANTS[::4], ids=lambda mutant: mutant.name)
def test_an_unsound_client_fails_one_scenario_for_its_own_reason(mutant: Mutant, authority: Authority) -> None:
    name, words = min(mutant.fails.items(), key=lambda each: (each[1] == "", each[0]))

    assert words in failures(mutated(mutant), authority, lambda scenario: scenario == name)[name]


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
def test_no_scenario_fails_the_sound_client_in_any_order(seed: int, authority: Authority) -> None:
    source = random.Random(seed)
    order = source.sample(SCENARIOS, len(SCENARIOS))
    kind = source.choice((test_sound.TestSound, test_sound.TestSoundAsync, test_sound.TestSoundOverTLS))

    assert failures(kind, authority, order=order) == {}


def test_only_what_hangs_on_real_time_outs_is_played_again_before_it_counts_as_failed(authority: Authority) -> None:
    asked: list[str] = []

    class Hasty(test_sound.TestSound):
        def wait(self, target: Target) -> Any:
            asked.append(target.scenario)
            return super().wait(target) if asked.count(target.scenario) > 2 else "completed"

    found = failures(Hasty, authority, lambda name: name in ("S17", "S41"))

    assert list(found) == ["S17"]
    assert asked.count("S41") == 3


def test_a_client_that_is_slow_and_endless_is_stopped_after_some_time(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running_clients, "_PATIENCE", 1)

    class Endless(ActionsClientContract):
        def wait(self, target: Target) -> Any:
            swallows = 1  # as a finalizer does, which may be what runs when it is stopped
            port = int(target.url.rpartition(":")[2])
            while True:
                try:
                    raw_pollers.poll(port, str(target.action_uid), target.auth, 0, 0, 1)
                    time.sleep(0.1)
                except BaseException:
                    swallows -= 1
                    if swallows < 0:
                        raise

    client = Client(Endless, ("sound",), (), False, "8.2", __name__, real_seconds=2)
    can = capabilities_of(Endless)
    (scenario,) = (each for each in SCENARIOS if each.id == "S44")

    (miss,) = judge(client, scenario, can, lambda: authority)

    assert re.fullmatch(r"slept about 0\.\d+ real s between polls, where drive does not see it", miss.wrong.text)


class Chaos(NamedTuple):
    """How often the sound client came to which end."""

    completed: int
    raised: int


ENDINGS = (
    [running(polls=3), completed()],
    [running(polls=3), failed(error_code="internal_error")],
    [running(polls=2), gone()],
    [running()],
    [queued(), starting(), running(), completed()],
)


def chaos(seeds: range) -> Chaos:
    """Let the sound client wait through chaos, once for each seed; it must end, and never report a false success."""
    server = StubServer()
    before = set(threading.enumerate())
    server.start()
    ends = []
    for seed in seeds:
        stub = RedisActions.on(server, Options(strict=False))
        script = ENDINGS[seed % len(ENDINGS)]
        action = stub.add_action("migrate_shards", script=script)
        stub.chaos(seed=seed, only=faults.CHAOS)
        poller = sound.Poller(stub.url, stub.auth, read_timeout=5)
        with stub.clock.drive("sound"):
            try:
                ends.append(poller.wait(action.uid, timeout=300) == "completed")
            except (sound.ActionError, requests.RequestException):
                ends.append(False)
            finally:
                poller.session.close()
        assert not ends[-1] or script[-1].status == "completed", f"seed {seed} reported a success that there is not"
        assert stub.clock.seconds <= 1000, f"seed {seed} ended at {stub.clock.seconds} s"
        stub.close()
    listener: Any = server._listener
    server.stop()
    # Clients that other tests have abandoned in this process have threads of their own.
    left = [each for each in threading.enumerate() if each not in before and not isinstance(each, OutsideThread)]
    assert (left, listener._threads) == ([], set())
    return Chaos(ends.count(True), ends.count(False))


def test_chaos_never_makes_the_sound_client_report_a_false_success() -> None:
    found = chaos(range(50))

    assert found.completed > 10
    assert found.raised > 10


def honest(seeds: range) -> None:
    """Let the sound clients wait through the chaos that they must pass; each must see how the operation ends."""
    for seed in seeds:
        with RedisActions() as stub, stub.clock.drive("sound", "sound_async"):
            stub.chaos(seed=seed)
            uids = [stub.add_action("x", script=[running(polls=4), completed()]).uid for _ in range(2)]
            poller = sound.Poller(stub.url, stub.auth, read_timeout=5)
            with poller.session:
                assert poller.wait(uids[0], timeout=600) == "completed", seed
            waiting = sound_async.AsyncPoller(stub.url, stub.auth, read_timeout=5).wait(uids[1], timeout=600)
            assert asyncio.run(waiting) == "completed", seed


def test_a_sound_client_passes_the_chaos_that_is_the_default() -> None:
    honest(range(25))


@pytest.mark.long
def test_a_sound_client_passes_it_for_two_thousand_seeds() -> None:
    honest(range(2_000))


@pytest.mark.long
@pytest.mark.parametrize("begins", range(0, 10_000, 2_500))
def test_chaos_of_ten_thousand_seeds(begins: int) -> None:
    found = chaos(range(begins, begins + 2_500))

    print(f"chaos of 2,500 seeds from {begins}: {found.completed} completed, {found.raised} raised")
    assert sum(found) == 2_500


def test_each_scenario_is_failed_by_an_unsound_client_for_a_reason_of_its_own() -> None:
    told = {name for mutant in MUTANTS for name, words in mutant.fails.items() if words}

    assert [scenario.id for scenario in SCENARIOS if scenario.id not in told] == []


def test_what_a_sound_client_does_is_a_sentence_that_begins_with_its_verb() -> None:
    begins = {scenario.id: scenario.sound.split()[0].rstrip(",;") for scenario in SCENARIOS}

    assert {name: word for name, word in begins.items() if not word.endswith("s")} == {}


def test_a_client_that_was_abandoned_interrupts_no_later_test() -> None:
    clock = DrivenClock(PlayWatch(past_end=50), max_virtual_seconds=1e6)
    clock.watch(Watched(requests=lambda: 100_000, report=lambda: ""))

    with interruptible() as later_test:
        clock.requested()

    assert (later_test.pending, later_test.raised) == (None, 0)


def test_whoever_judges_a_client_is_not_interrupted_by_what_stops_it() -> None:
    block, join, opened = Block(VirtualClock(), ("sound",), spares_opener=True), threading.Thread.join, threading.Lock()

    def stop() -> None:
        with opened:
            block.interrupt(explained(StandStill, "nothing has happened"))

    opened.acquire()
    watch = OutsideThread(target=stop)
    watch.start()
    with interruptible() as judging, block:
        opened.release()
        join(watch)
        stopped = block.ledger.error
        block.close()

    assert stopped is not None
    assert (judging.pending, judging.raised) == (None, 0)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_a_client_that_swallows_everything_interrupts_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, authority: Authority
) -> None:
    source = """
import time

def wait(poll):
    while True:
        try:
            poll()
            time.sleep(1)
        except:
            pass
"""
    (tmp_path / "swallows_all.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    swallows_all: Any = importlib.import_module("swallows_all")

    class Swallows(ActionsClientContract):
        def wait(self, target: Target) -> Any:
            port = int(target.url.rpartition(":")[2])
            swallows_all.wait(lambda: raw_pollers.poll(port, str(target.action_uid), target.auth, 0, 0, 1))

    client = Client(Swallows, ("swallows_all",), (), False, "8.2", __name__, real_seconds=2)
    (scenario,) = (each for each in SCENARIOS if each.id == "S08")

    with interruptible() as test:
        (miss, *_) = judge(client, scenario, capabilities_of(Swallows), lambda: authority)

    gc.collect()  # who is interrupted in mid-poll leaves a socket
    assert "polled on" in miss.wrong.text
    assert (test.pending, test.raised) == (None, 0)
