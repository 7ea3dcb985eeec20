"""The class that a downstream suite subclasses: a test for each scenario."""

from __future__ import annotations

import inspect
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from ..errors import RedisActionsError, UsageError
from ..observed.timeline import exchange_lines
from ..scenarios.catalogue import SCENARIOS, Play, Scenario, find_scenario
from ..scenarios.outcome import Outcome
from ..scenarios.verdicts import Kind, Wrong, completes, ends_in, verdict
from .calls import Client
from .capabilities import Capabilities, capabilities_of, check_class, releases_of, several
from .running import run_play
from .watch import RATE

if TYPE_CHECKING:
    from ..pytest_glue.session import SessionServer
    from ..server.certificates import Authority
    from .target import Target

__all__ = ["ActionsClientContract", "Miss", "ScenarioFailed", "judge"]

__tracebackhide__ = True

SCORED = "redis_actions_scenario"
"""The name of the property of a report that holds what the score is made of."""


class ScenarioFailed(AssertionError):
    """A client failed a scenario.

    Attributes:
        scenario: the scenario.
        misses: the plays that it failed.
    """

    def __init__(self, scenario: Scenario, misses: Sequence[Miss], text: str) -> None:
        super().__init__(text)
        self.scenario = scenario
        self.misses = tuple(misses)


@dataclass(frozen=True)
class Miss:
    """A play that a client failed.

    Attributes:
        play: the play.
        wrong: what is wrong.
        outcome: what the client did.
    """

    play: Play
    wrong: Wrong
    outcome: Outcome

    def __str__(self) -> str:
        return f"{self.play.name}: {self.wrong.text}" if self.play.name else self.wrong.text


class ActionsClientContract(Capabilities):
    """Subclass it as `Test…`, and write `wait`; each scenario of the catalogue is then a test.

    `Capabilities` lists the attributes that describe the client.
    """

    def wait(self, target: Target) -> Any:
        """Wait with your client for `target.action_uid`; return the final status, or raise. May be `async`."""
        raise NotImplementedError

    def start(self, target: Target) -> Any:
        """Start an operation with your client, and return the action_uid of the reply. May be `async`."""
        raise NotImplementedError

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Make a test of each scenario and release."""
        if "redis_actions_scenario" not in metafunc.fixturenames or metafunc.cls is None:
            return
        try:
            check_class(metafunc.cls, ActionsClientContract)
            releases = releases_of(capabilities_of(metafunc.cls))
        except RedisActionsError as error:
            raise pytest.Collector.CollectError(f"{error}\n  at   {_line_of(metafunc.cls)}") from None
        cases = [(scenario.id, release) for scenario in SCENARIOS for release in releases]
        ids = [scenario if len(releases) == 1 else f"{scenario}-{release}" for scenario, release in cases]
        metafunc.parametrize("redis_actions_scenario", cases, ids=ids)

    def test_scenario(
        self,
        request: pytest.FixtureRequest,
        redis_actions_server: SessionServer,
        redis_actions_scenario: tuple[str, str],
    ) -> None:
        """Play one scenario on one release, and judge what the client did."""
        name, release = redis_actions_scenario
        scenario = find_scenario(name)
        can = capabilities_of(type(self))
        skipped = _why_not(scenario, can, release)
        if skipped:
            _score(request, scenario, release, skipped=skipped)
            pytest.skip(skipped)
        client = client_of(type(self), release)
        misses = list(judge(client, scenario, can, lambda: redis_actions_server.authority))
        _score(request, scenario, release, misses=misses)
        if misses:
            raise ScenarioFailed(scenario, misses, "\n".join(_told(scenario, release, misses)))


def client_of(kind: type[ActionsClientContract], release: str) -> Client:
    """Return the client that a class describes."""
    can: dict[str, Any] = capabilities_of(kind)
    return Client(
        make=kind,
        drive=several(can["drive"]),
        command=_command(kind, can["command"]),
        tls=can["tls"],
        release=release,
        home=kind.__module__,
        real_seconds=float(can["real_seconds"]),
        waits_for=several(can["waits_for"])[0],
    )


def judge(
    client: Client, scenario: Scenario, can: dict[str, object], authority: Callable[[], Authority]
) -> Iterator[Miss]:
    """Yield the plays of a scenario that a client fails."""
    for play in scenario.played_in(client.release, is_driven=bool(client.drive)):
        miss = None
        for _ in range(play.tries):
            miss = _played(client, scenario, play, can, authority)
            if miss is None:
                break
        if miss is not None:
            yield miss


def _played(
    client: Client, scenario: Scenario, play: Play, can: dict[str, object], authority: Callable[[], Authority]
) -> Miss | None:
    outcomes = run_play(client, scenario, play, authority)
    judged = ((outcome, _verdict(play, outcome, can)) for outcome in outcomes)
    misses = [Miss(play, wrong, outcome) for outcome, wrong in judged if wrong]
    return min(misses, key=_innocence, default=None)


def _innocence(miss: Miss) -> int:
    """Return how little a call has to do with the end of its play: one that is at fault stops the others, too."""
    kind, was_stopped = miss.wrong.kind, miss.outcome.stopped is not None
    if kind is Kind.OTHER_OPERATION or (was_stopped and kind in (Kind.POLLS_ON, Kind.NEVER_SLEEPS)):
        return 0
    # Polls after the end may be those of another call that asks for the wrong operation.
    return 3 if was_stopped else 2 if kind is Kind.POLLS_ON else 1


def _verdict(play: Play, outcome: Outcome, can: dict[str, object]) -> Wrong | None:
    demand = play.demand
    if outcome.wanted:
        demand = completes if outcome.wanted == "completed" else ends_in(outcome.wanted)
    return verdict(outcome, can, demand, polls_on=play.polls_on or play.again)


def _told(scenario: Scenario, release: str, misses: Sequence[Miss]) -> Iterator[str]:
    miss = misses[0]
    outcome = miss.outcome
    yield f"{scenario.id} {miss.wrong.text}"[:80]
    yield f"  the stub    {scenario.title}  [{release}]"
    if miss.play.name:
        yield f"  the play    {miss.play.name}"
    yield f"  the client  {outcome}"
    yield f"  a sound one {scenario.sound}"
    yield f"  to change   {miss.wrong.advice}"
    yield f"  source      {_source(scenario, miss.play)}"
    yield from (f"  also        {other}" for other in misses[1:6])
    if outcome.exchanges:
        yield f"  its requests, in {outcome.unit}"
        yield from (f"  {line}" for line in exchange_lines(outcome.exchanges, str(outcome.uid)))
    if outcome.error is not None:
        yield f"  its error   {type(outcome.error).__name__}: {outcome.error}"[:200]
    if outcome.place:
        yield f"  raised at   {outcome.place}  {outcome.source}"[:120]


def _source(scenario: Scenario, play: Play) -> str:
    assumed = scenario.why_assumed(play)
    return f"assumed: {assumed}" if assumed else ", ".join(scenario.evidence)


def _line_of(kind: type) -> str:
    try:
        path, (_, line) = inspect.getsourcefile(kind) or "", inspect.getsourcelines(kind)
    except (OSError, TypeError):
        return kind.__qualname__
    return f"{os.path.relpath(path)}:{line}, class {kind.__name__}"


def _why_not(scenario: Scenario, can: dict[str, object], release: str) -> str:
    if scenario.capability and not can[scenario.capability]:
        return f"{scenario.capability} is False"
    if scenario.waits_for and scenario.waits_for not in several(can["waits_for"]):
        return f"waits_for is {can['waits_for']!r}"
    if not scenario.played_in(release):
        return f"release {release} has no such thing"
    if not can["drive"] and not scenario.played_in(release, is_driven=False):
        return "needs a client whose time is driven"
    if scenario.tls and find_spec("trustme") is None:
        return "needs trustme: pip install 'pytest-redis-actions[tls]'"
    if can["command"] and scenario.capability in ("concurrent", "starts", "sends_headers", "refreshes_credentials"):
        return "not played for a command"
    return ""


def _command(kind: type, command: Any) -> tuple[str, ...]:
    if command and shutil.which(command[0]) is None:
        raise UsageError(
            f"{kind.__name__}.command: {command[0]} was not found",
            fix="write the path of an executable, relative to the working directory",
            value=command[0],
        )
    return tuple(command)


def _score(
    request: pytest.FixtureRequest,
    scenario: Scenario,
    release: str,
    *,
    misses: Sequence[Miss] = (),
    skipped: str = "",
) -> None:
    """Attach to the test's report what the score is made of. With workers it travels as JSON."""
    kind = request.cls
    row = {
        "client": request.node.nodeid.split("::test_scenario")[0],
        "scenario": scenario.id,
        "release": release,
        "outcome": "skipped" if skipped else "failed" if misses else "passed",
        "reason": skipped or (str(misses[0]) if misses else ""),
        "misses": [_row(scenario, miss) for miss in misses],
        "clock": "driven" if kind.drive else f"a wall clock, {RATE:g} times as fast; Retry-After is shortened to 2 s",
    }
    if not (kind.drive or kind.command):
        row["clock"] += ": name the modules that wait in drive = […] for virtual time"
    request.node.user_properties.append((SCORED, row))


def _row(scenario: Scenario, miss: Miss) -> dict[str, str]:
    return {
        "play": miss.play.name,
        "text": miss.wrong.text,
        "cause": miss.wrong.cause,
        "source": miss.outcome.source if miss.wrong.raised else "",
        "raised": miss.wrong.raised,
        "change": miss.wrong.advice,
        "assumed": scenario.why_assumed(miss.play),
    }
