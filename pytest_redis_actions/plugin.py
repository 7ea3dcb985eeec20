"""The pytest plugin: options, marker, fixtures. PYTEST_DONT_REWRITE

It imports pytest only; the rest is loaded when a test uses a fixture.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .pytest_glue.session import SessionServer
    from .stub.stub import RedisActions

__tracebackhide__ = True  # a failing fixture shows its message, not its source

_SETTINGS = {
    "release": "release of Redis Enterprise that the redis_actions fixture plays, several separated by commas, or all",
    "profile": "what the redis_actions fixture sends: wire or documented",
    "tls": "whether the redis_actions fixture serves HTTPS: true or false",
    "auth": "the administrator's USER:PASSWORD for the redis_actions fixture, or false to require no credentials",
    "strict": "whether requests that match no route fail a test: true or false",
    "guard": "real seconds for which a virtual clock may stand still in a test while nothing runs, or none",
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
        help="write which scenarios the clients pass, as JSON, or as Markdown for a name that ends in .md",
    )
    group.addoption(
        "--redis-actions-score-min",
        default=None,
        metavar="PERCENT",
        help="fail the session if less than this share of the scenarios passed, or if none was played",
    )
    group.addoption(
        "--redis-actions-coverage",
        action="store_true",
        help="print which statuses and transitions the suite's clients saw, and which they never saw",
    )
    group.addoption(
        "--redis-actions-coverage-min",
        default=None,
        metavar="PERCENT",
        help="fail the session if clients saw less than this share of the lifecycle, or polled no operation",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _marker(config))
    config.pluginmanager.register(_Score(config), "redis_actions_score")
    given = {
        name: config.getoption(f"redis_actions_{name}") or config.getini(f"redis_actions_{name}") for name in _SETTINGS
    }
    if any(given.values()):
        from .pytest_glue.session import check_settings

        check_settings({name: value for name, value in given.items() if value})
    if any(config.getoption(f"redis_actions_{name}") is not None for name in ("score", "score_min", "coverage_min")):
        from .pytest_glue.thresholds import check_thresholds

        check_thresholds(config)


def _marker(config: pytest.Config) -> str:
    """Return what `--markers` prints; the names are loaded for that alone."""
    names = "**options"
    if config.option.markers:
        from dataclasses import fields

        from .stub.options import Options

        names = "*, " + ", ".join(field.name for field in fields(Options))
    return f"redis_actions({names}): options of the redis_actions fixture; see `redis-actions help options`."


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "_redis_actions_release" in metafunc.fixturenames:
        from .errors import RedisActionsError
        from .pytest_glue.session import releases_of

        try:
            releases = releases_of(metafunc.definition)
        except RedisActionsError:
            return  # it is one test's mistake, so it is told when that test is set up, and the others run
        if len(releases) > 1:
            metafunc.parametrize("_redis_actions_release", releases, indirect=True, ids=releases)


class _Score:
    """Gathers what the scenarios of client contracts came to, and judges score and coverage of the session; with
    workers, in the process that leads them.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._rows: dict[tuple[str, ...], dict[str, Any]] = {}
        self._ran = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._ran = True
        for name, row in report.user_properties:
            if name == "redis_actions_scenario" and isinstance(row, dict):
                self._rows[row["client"], row["scenario"], row["release"]] = row

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        config = self._config
        if hasattr(config, "workeroutput"):
            if _wants_coverage(config):
                from .pytest_glue.session import coverage_of

                config.workeroutput["redis_actions_coverage"] = coverage_of(config).data()
            return
        if not self._ran or not (_wants_coverage(config) or _wants_score(config)):
            return
        from .pytest_glue.thresholds import misses, write_score

        write_score(config, self._rows.values())
        if misses(config, self._rows.values()) and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        config = self._config
        if self._rows:
            from .pytest_glue.thresholds import score_lines

            terminalreporter.section("redis_actions: which scenarios the clients pass")
            for line in score_lines(self._rows.values()):
                terminalreporter.line(line)
        if _wants_coverage(config):
            from .pytest_glue.session import coverage_of

            terminalreporter.section("redis_actions: coverage of the lifecycle")
            for line in coverage_of(config).lines():
                terminalreporter.line(line)
        if self._ran and (_wants_coverage(config) or _wants_score(config)):
            from .pytest_glue.thresholds import misses, notes

            for line in notes(config, self._rows.values()):
                terminalreporter.line(line)
            for line in misses(config, self._rows.values()):
                terminalreporter.line(f"FAILED: {line}", red=True)


def _wants_score(config: pytest.Config) -> bool:
    return any(config.getoption(f"redis_actions_{name}") is not None for name in ("score", "score_min"))


def _wants_coverage(config: pytest.Config) -> bool:
    return config.getoption("redis_actions_coverage") or config.getoption("redis_actions_coverage_min") is not None


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    if not _wants_coverage(node.config):
        return
    from .pytest_glue.session import coverage_of

    coverage_of(node.config).merge(getattr(node, "workeroutput", {}).get("redis_actions_coverage", ()))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    result = None
    try:
        result = yield
    finally:
        assertions = sys.modules.get("pytest_redis_actions.observed.trace_assertions")
        left = assertions.never_awaited() if assertions else ()
    if left:
        pytest.fail(f"wait_for(…) was never awaited\n  fix  write await wait_for(…)\n  at   {left[0]}", pytrace=False)
    if any(marker.name == "redis_actions" for marker in item.own_markers):
        from .pytest_glue.session import check_use

        check_use(item)
    return result


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    # Whatever runs a test a second time comes through here, too: nothing is left of the first run.
    if session := _session():
        session.begin(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.when != "teardown" and call.excinfo is not None and (session := _session()):
        session.note_failure(item, report, call.excinfo.value)
    return report


def _session() -> Any:
    """Return the module of that name once a fixture has loaded it; a test may have asked for one while it ran."""
    return sys.modules.get("pytest_redis_actions.pytest_glue.session")


@pytest.fixture(scope="session")
def redis_actions_server(pytestconfig: pytest.Config) -> Iterator[SessionServer]:
    """The port of the fixture `redis_actions`, open during the whole session.

    It has `.url`, `.ca_file` and `.auth`, as the settings of the session set them, for applications that are configured
    once. Between two tests it answers 503, and so it does during a test whose marker puts the stub on another port.
    """
    from .pytest_glue.session import SessionServer

    server = SessionServer(pytestconfig)
    yield server
    server.close()


@pytest.fixture(scope="session")
def redis_actions_factory(redis_actions_server: SessionServer) -> Callable[..., RedisActions]:
    """Return a function that makes stubs for fixtures of a wider scope, each with its own port and clock.

    It takes the options of the marker; the settings of the session apply, too:

        @pytest.fixture(scope="module")
        def cluster(redis_actions_factory):
            with redis_actions_factory(release="7.4") as stub:
                yield stub

    At the end of the block the stub is checked as at the end of a test.
    """
    return redis_actions_server.make


@pytest.fixture
def _redis_actions_release(request: pytest.FixtureRequest) -> str:
    from .pytest_glue.session import release_for

    return release_for(request)


@pytest.fixture
def redis_actions(
    request: pytest.FixtureRequest, redis_actions_server: SessionServer, _redis_actions_release: str
) -> Iterator[RedisActions]:
    """The stub of one Redis Enterprise cluster, empty and at 0 seconds.

    Write the script of an operation, and let your client poll it:

        def test_it_waits(redis_actions):
            action = redis_actions.add_action("migrate_shards", script=[running(polls=3), completed()])
            assert MyClient(redis_actions.url, auth=redis_actions.auth).wait(action.uid) == "completed"

    At the end of the test, requests that matched no route fail it, unless it has already failed or is marked with
    `@pytest.mark.redis_actions(strict=False)`. The guides: `redis-actions help`.
    """
    yield from redis_actions_server.stub_for(request.node, _redis_actions_release)


@pytest.fixture
def make_redis_actions(
    request: pytest.FixtureRequest, redis_actions_server: SessionServer, _redis_actions_release: str
) -> Iterator[Callable[..., RedisActions]]:
    """Return a function that makes further stubs, of other clusters, each with its own port and clock.

    It takes the options of the marker; `clock=redis_actions.clock` shares a clock.
    """
    yield from redis_actions_server.maker_for(request.node, _redis_actions_release)
