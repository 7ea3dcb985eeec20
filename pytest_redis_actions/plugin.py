"""The pytest plugin: options, marker, fixtures. PYTEST_DONT_REWRITE

It imports pytest only; whatever else a test needs is loaded when its fixture is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .session import SessionServer
    from .stub import RedisActions

__tracebackhide__ = True  # of a fixture that fails the message is wanted, not its source

_MARKER = (
    "redis_actions(*, release, profile, tls, host, port, auth, strict, clock, rate, epoch, drive, max_polls, "
    "max_virtual_seconds, scenario, refuses, bdb_envelope): "
    "options of the redis_actions fixture, see its documentation."
)
_SETTINGS = {
    "release": "release of Redis Enterprise that the redis_actions fixture plays, several separated by commas, or all",
    "profile": "what the redis_actions fixture sends: wire or documented",
    "tls": "whether the redis_actions fixture serves HTTPS: true or false",
    "strict": "whether requests that met no route fail a test: true or false",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("redis-actions", "stub of the Redis Enterprise actions API")
    for name, text in _SETTINGS.items():
        group.addoption(f"--redis-actions-{name}", default=None, metavar=name.upper(), help=text)
        parser.addini(f"redis_actions_{name}", text, default=None)
    group.addoption(
        "--redis-actions-score",
        default=None,
        metavar="FILE",
        help="write which scenarios the clients under contract bear, as JSON, or as Markdown if it ends in .md",
    )
    group.addoption(
        "--redis-actions-score-min",
        type=float,
        default=None,
        metavar="PERCENT",
        help="fail the session if a client bears less of the scenarios that were played",
    )
    group.addoption(
        "--redis-actions-coverage",
        action="store_true",
        help="print which statuses and transitions of the lifecycle the suite's clients met, and which never",
    )
    group.addoption(
        "--redis-actions-coverage-min",
        type=float,
        default=None,
        metavar="PERCENT",
        help="fail the session if less of the lifecycle was met",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _MARKER)
    config.pluginmanager.register(_Score(config), "redis_actions_score")
    given = {
        name: config.getoption(f"redis_actions_{name}") or config.getini(f"redis_actions_{name}") for name in _SETTINGS
    }
    if any(given.values()):
        from .session import check_settings

        check_settings({name: value for name, value in given.items() if value})


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "_redis_actions_release" in metafunc.fixturenames:
        from .errors import RedisActionsError
        from .session import releases_of

        try:
            releases = releases_of(metafunc.definition)
        except RedisActionsError:
            return  # it is one test's mistake, so it is told when that test is set up, and the others run
        if len(releases) > 1:
            metafunc.parametrize("_redis_actions_release", releases, indirect=True, ids=releases)


class _Score:
    """Gathers what the scenarios of client contracts came to; with workers, in the process that leads them."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._rows: dict[tuple[str, ...], dict[str, str]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, row in report.user_properties:
            if name == "redis_actions_scenario" and isinstance(row, dict):
                self._rows[row["client"], row["scenario"], row["release"]] = row

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        option = self._config.getoption
        asked = option("redis_actions_score") is not None or option("redis_actions_score_min") is not None
        if not asked or hasattr(self._config, "workerinput"):
            return
        from .session import score_of_session

        if score_of_session(self._config, self._rows.values()) and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._rows:
            from .session import score_lines

            terminalreporter.section("redis_actions: which scenarios the clients bear")
            for line in score_lines(self._config, self._rows.values()):
                terminalreporter.line(line)


def _wants_coverage(config: pytest.Config) -> bool:
    return config.getoption("redis_actions_coverage") or config.getoption("redis_actions_coverage_min") is not None


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    config = session.config
    if not _wants_coverage(config):
        return
    from .session import coverage_of

    if hasattr(config, "workeroutput"):
        config.workeroutput["redis_actions_coverage"] = coverage_of(config).data()
        return
    wanted = config.getoption("redis_actions_coverage_min")
    if wanted is not None and coverage_of(config).percent < wanted and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    if not _wants_coverage(node.config):
        return
    from .session import coverage_of

    coverage_of(node.config).merge(getattr(node, "workeroutput", {}).get("redis_actions_coverage", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if not _wants_coverage(config):
        return
    from .session import coverage_of

    coverage = coverage_of(config)
    terminalreporter.section("redis_actions: coverage of the lifecycle")
    for line in coverage.lines():
        terminalreporter.line(line)
    wanted = config.getoption("redis_actions_coverage_min")
    if wanted is not None and coverage.percent < wanted:
        terminalreporter.line(f"FAILED: {coverage.percent:.0f} % met, {wanted:g} % wanted", red=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if (
        call.when != "teardown"
        and call.excinfo is not None
        and "_redis_actions_release" in getattr(item, "fixturenames", ())
    ):
        from .session import note_failure

        note_failure(item, report)
    return report


@pytest.fixture(scope="session")
def redis_actions_server(pytestconfig: pytest.Config) -> Iterator[SessionServer]:
    """The port that the fixture `redis_actions` answers on, open as long as the session.

    It has `.url`, `.ca_file` and `.auth`, for applications that are configured once. Between two tests it answers 503.
    """
    from .session import SessionServer

    server = SessionServer(pytestconfig)
    yield server
    server.close()


@pytest.fixture
def _redis_actions_release(request: pytest.FixtureRequest) -> str:
    from .session import releases_of

    release: str = getattr(request, "param", None) or releases_of(request.node)[0]
    return release


@pytest.fixture
def redis_actions(
    request: pytest.FixtureRequest, redis_actions_server: SessionServer, _redis_actions_release: str
) -> Iterator[RedisActions]:
    """The stub of one Redis Enterprise cluster, empty and at 0 seconds.

    Script what an operation goes through, and let your client poll it:

        def test_it_waits(redis_actions):
            action = redis_actions.add_action("migrate_shards", script=[running(polls=3), completed()])
            assert MyClient(redis_actions.url, auth=redis_actions.auth).wait(action.uid) == "completed"

    At the end of the test, requests that met no route fail it, unless it failed already or is marked with
    `@pytest.mark.redis_actions(strict=False)`.
    """
    yield from redis_actions_server.stub_for(request.node, _redis_actions_release)


@pytest.fixture
def make_redis_actions(
    request: pytest.FixtureRequest, redis_actions_server: SessionServer, _redis_actions_release: str
) -> Iterator[Callable[..., RedisActions]]:
    """Return a function that makes further stubs (of other clusters), each with a port and a clock of its own.

    It takes the options of the marker; `clock=redis_actions.clock` shares a clock.
    """
    yield from redis_actions_server.maker_for(request.node, _redis_actions_release)
