"""The class that a downstream suite subclasses: a test for each scenario."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from ..errors import UsageError
from ..timeline import exchange_lines
from .capabilities import CAPABILITIES, capabilities_of, check_class, releases_of
from .outcome import Outcome
from .running import RATE, Client, run_play
from .scenarios import SCENARIOS, Play, Scenario, find_scenario
from .verdicts import completes, ends_in, stopped, usual

if TYPE_CHECKING:
    from ..server.certificates import Authority
    from ..session import SessionServer
    from .target import Target

__all__ = ["ActionsClientContract", "ScenarioFailed", "judge"]

__tracebackhide__ = True

SCORED = "redis_actions_scenario"
"""The name of the property of a report that holds what the score is made of."""


class ScenarioFailed(AssertionError):
    """A client does not bear a scenario.

    Attributes:
        scenario: the scenario.
        reason: what is wrong, in one line.
    """

    def __init__(self, scenario: Scenario, reason: str, text: str) -> None:
        super().__init__(text)
        self.scenario = scenario
        self.reason = reason


class ActionsClientContract:
    """Subclass it as `Test…`, and write `wait`; each scenario of the catalogue is then a test.

    Attributes:
        drive: the modules whose time is driven, as for `clock.drive`; without it the plays run on a fast wall clock.
        command: a command line instead of `wait`, of a client that is no Python; it succeeds with exit status 0.
        releases: what the stub plays: one release, several, or "all".
        tls: whether the client is spoken to over HTTPS.
        retries_server_errors, honours_retry_after, concurrent: what everybody should do; False skips its scenarios.
        refreshes_credentials, tolerates_early_404, delete_succeeds_when_gone, sends_headers, reads_v2, starts: what
            only some do; True plays its scenarios.
        real_seconds: after so long without a poll or a sleep a driven client is stopped, or when a play takes ten times
            as long; another client when a play takes so long.
        reports_failure: whether `wait` must "raise" or "return" when the operation did not complete, or "either".
    """

    drive: Any = CAPABILITIES["drive"]
    command: Any = CAPABILITIES["command"]
    releases: Any = CAPABILITIES["releases"]
    tls: Any = CAPABILITIES["tls"]
    retries_server_errors: Any = True
    honours_retry_after: Any = True
    concurrent: Any = True
    refreshes_credentials: Any = False
    tolerates_early_404: Any = False
    delete_succeeds_when_gone: Any = False
    sends_headers: Any = False
    reads_v2: Any = False
    starts: Any = False
    reports_failure: Any = "either"
    real_seconds: Any = CAPABILITIES["real_seconds"]

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
        check_class(metafunc.cls, ActionsClientContract)
        releases = releases_of(capabilities_of(metafunc.cls))
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
        where = f"{request.node.nodeid.split('::test_scenario')[0]}"
        skipped = _why_not(scenario, can, release)
        if skipped:
            _score(request, where, scenario, release, "skipped", skipped)
            pytest.skip(skipped)
        client = Client(
            make=type(self),
            drive=_listed(can["drive"]),
            command=_command(type(self), can["command"]),
            tls=bool(can["tls"]),
            release=release,
            home=type(self).__module__,
            real_seconds=float(can["real_seconds"]),  # type: ignore[arg-type]  # checked when it was collected
        )
        found = list(judge(client, scenario, can, lambda: redis_actions_server.authority))
        if not found:
            _score(request, where, scenario, release, "passed", "")
            return
        play, wrong, _ = found[0]
        reason = f"{play.name}: {wrong}" if play.name else wrong
        _score(request, where, scenario, release, "failed", reason)
        raise ScenarioFailed(scenario, reason, "\n".join(_told(scenario, release, found)))


Wrong = tuple[Play, str, Outcome]


def judge(
    client: Client, scenario: Scenario, can: dict[str, object], authority: Callable[[], Authority]
) -> Iterator[Wrong]:
    """Yield the plays of a scenario that a client does not bear, each with what is wrong and how it ended."""
    for play in scenario.played_in(client.release, is_driven=bool(client.drive)):
        found = None
        for _ in range(play.tries):
            found = _played(client, scenario, play, can, authority)
            if found is None:
                break
        if found is not None:
            yield found


def _played(
    client: Client, scenario: Scenario, play: Play, can: dict[str, object], authority: Callable[[], Authority]
) -> Wrong | None:
    outcomes, _, wanted = run_play(client, scenario, play, authority)
    judged = ((play, _verdict(play, outcome, can, wanted), outcome) for outcome in outcomes)
    return next((each for each in judged if each[1]), None)


def _verdict(play: Play, outcome: Outcome, can: dict[str, object], wanted: dict[str, str]) -> str:
    if wanted:
        status = wanted[str(outcome.uid)]
        demand = completes if status == "completed" else ends_in(status)
        return demand(outcome, can) or usual(outcome, can)
    if outcome.stopped:
        return stopped(outcome)
    return play.demand(outcome, can) or usual(outcome, can, again=play.again)


def _told(scenario: Scenario, release: str, found: list[Wrong]) -> Iterator[str]:
    play, wrong, outcome = found[0]
    yield f"{scenario.id} {wrong}"[:80]
    yield f"  the stub    {scenario.title}  [{release}]"
    if play.name:
        yield f"  the play    {play.name}"
    yield f"  the client  {outcome}"
    yield f"  a sound one {scenario.sound}"
    for each, other, _ in found[1:6]:
        yield f"  also        {each.name}: {other}"
    if outcome.exchanges:
        yield "  its requests"
        yield from (f"  {line}" for line in exchange_lines(outcome.exchanges, str(outcome.uid)))
    if outcome.error is not None:
        yield f"  its error   {type(outcome.error).__name__}: {outcome.error}"[:200]


def _why_not(scenario: Scenario, can: dict[str, object], release: str) -> str:
    if scenario.capability and not can[scenario.capability]:
        return f"{scenario.capability} is False"
    if not scenario.played_in(release):
        return f"release {release} has no such thing"
    if not can["drive"] and not scenario.played_in(release, is_driven=False):
        return "needs a client whose time is driven"
    if scenario.tls and find_spec("trustme") is None:
        return "needs trustme: pip install 'pytest-redis-actions[tls]'"
    if can["command"] and scenario.capability in ("concurrent", "starts", "sends_headers", "refreshes_credentials"):
        return "not played for a command"
    return ""


def _listed(drive: Any) -> tuple[Any, ...]:
    return tuple(drive) if isinstance(drive, (list, tuple)) else (drive,)


def _command(kind: type, command: Any) -> tuple[str, ...]:
    if command and shutil.which(command[0]) is None:
        raise UsageError(
            f"{kind.__name__}.command: there is no {command[0]}",
            fix="write the path of a program that can be run, as seen from the working directory",
            value=command[0],
        )
    return tuple(command)


def _score(
    request: pytest.FixtureRequest, where: str, scenario: Scenario, release: str, outcome: str, reason: str
) -> None:
    row = {"client": where, "scenario": scenario.id, "release": release, "outcome": outcome, "reason": reason}
    row["clock"] = "driven" if request.cls.drive else f"a wall clock, {RATE:g} times as fast"
    if not (request.cls.drive or request.cls.command):
        row["clock"] += ": name the modules that wait in drive = […] for virtual time"
    request.node.user_properties.append((SCORED, row))
