"""The contract suite judges: the sound client bears everything, each unsound one fails what it deserves."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from mutants import MUTANTS, Mutant

from pytest_redis_actions.client_contract import SCENARIOS, ActionsClientContract
from pytest_redis_actions.client_contract.capabilities import capabilities_of
from pytest_redis_actions.client_contract.contract import judge
from pytest_redis_actions.client_contract.running import Client
from pytest_redis_actions.server import Authority

EXAMPLES = Path(__file__).parent / "examples" / "contract"
sys.path.insert(0, str(EXAMPLES))
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
    kind: type[ActionsClientContract], authority: Authority, only: Callable[[str], bool] = lambda _: True
) -> dict[str, str]:
    """Return the scenarios that a client fails, with the reasons."""
    can = capabilities_of(kind)
    client = Client(kind, tuple(kind.drive), (), bool(kind.tls), "8.2", __name__)
    found = {}
    for scenario in SCENARIOS:
        if only(scenario.id) and (not scenario.capability or can[scenario.capability]):
            wrong = list(judge(client, scenario, can, lambda: authority))
            if wrong:
                play, reason, _ = wrong[0]
                found[scenario.id] = f"{play.name}: {reason}" if play.name else reason
    return found


@pytest.mark.long
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_an_unsound_client_fails_what_it_deserves_and_nothing_else(mutant: Mutant, authority: Authority) -> None:
    found = failures(mutated(mutant), authority)

    assert sorted(found) == sorted(mutant.fails), found
    assert {name: reason for name, reason in found.items() if mutant.fails[name] not in reason} == {}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_an_unsound_client_fails_one_scenario_for_its_own_reason(mutant: Mutant, authority: Authority) -> None:
    name, words = min(mutant.fails.items(), key=lambda each: (each[1] == "", each[0]))

    assert words in failures(mutated(mutant), authority, lambda scenario: scenario == name)[name]


def test_each_scenario_is_failed_by_an_unsound_client_for_a_reason_of_its_own() -> None:
    told = {name for mutant in MUTANTS for name, words in mutant.fails.items() if words}

    assert [scenario.id for scenario in SCENARIOS if scenario.id not in told] == []
