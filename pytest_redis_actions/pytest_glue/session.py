"""The plugin's work on pytest's objects: options and markers become Options, fixtures become stubs."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, ClassVar, cast

import pytest

from ..clock import VirtualClock
from ..driving import interruptible
from ..errors import (
    EndlessWait,
    OptionError,
    RedisActionsError,
    RedisActionsWarning,
    StandStill,
    UsageError,
    nearest,
    shown,
)
from ..errors.arguments import Suggesting, with_example
from ..facts.access import Access
from ..facts.releases import RELEASES, check_release
from ..observed.coverage import Coverage
from ..server import StubServer
from ..server.certificates import Authority
from ..stub.options import Options
from ..stub.stub import RedisActions, open_server, start_server

if TYPE_CHECKING:
    from ..driving import Block

__all__ = [
    "SessionServer",
    "begin",
    "check_settings",
    "check_use",
    "coverage_of",
    "note_failure",
    "release_for",
    "releases_of",
]

__tracebackhide__ = True

_FAILED: pytest.StashKey[bool] = pytest.StashKey()
_STUBS: pytest.StashKey[list[RedisActions]] = pytest.StashKey()
_SERVER: pytest.StashKey[SessionServer] = pytest.StashKey()
_USED: pytest.StashKey[bool] = pytest.StashKey()
_FIXTURES = ("redis_actions", "make_redis_actions", "redis_actions_server")
_COVERAGE: pytest.StashKey[Coverage] = pytest.StashKey()
_REMEMBERED = 1_000
"""How many uids of earlier tests are known as left over."""

_SETTINGS = ("release", "profile", "tls", "auth", "strict", "guard")
_TRUTH = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}


def check_settings(given: Mapping[str, str]) -> None:
    """Refuse bad command-line options and ini values before the first test.

    Raises:
        pytest.UsageError: naming the value and the fix.
    """
    try:
        for name, value in given.items():
            if name == "release":
                for release in _releases(value):
                    Options.of({"release": release})
            else:
                Options.of({name: _parsed(name, value)})
    except RedisActionsError as error:
        raise pytest.UsageError(f"--redis-actions-{name} / redis_actions_{name}: {error}") from None


def releases_of(node: pytest.Item | pytest.Function) -> list[str]:
    """Return the releases that a test runs on: the marker's, else the command line's, else the ini file's."""
    given = _given(node).get("release")
    return [RELEASES[-1]] if given is None else _releases(given)


def begin(item: pytest.Item) -> None:
    """Begin a run of a test, the first or a further one: it has not failed, and has no stubs yet."""
    item.stash[_FAILED] = False
    item.stash[_STUBS] = []
    item.stash[_USED] = False


def note_failure(item: pytest.Item, report: pytest.TestReport, error: BaseException) -> None:
    """Remember that a test has failed, so that its teardown stays silent, and tell in its report what clients saw."""
    item.stash[_FAILED] = True
    server = item.config.stash.get(_SERVER, None)
    wider = server.made if server and "redis_actions_factory" in getattr(item, "fixturenames", ()) else ()
    told = str(error.args[0]) if isinstance(error, (StandStill, EndlessWait)) else ""
    for stub in (*item.stash.get(_STUBS, []), *wider):
        if stub.was_reached():
            if f" at {stub.url}, clock at " not in told:  # such an error shows the report itself
                report.sections.append(("redis_actions", stub.report()))
        elif isinstance(error, OSError):  # a connection, most likely
            report.sections.append(("redis_actions", f"no request came to redis_actions.url, {stub.url}"))
    if server and (strays := server.strays()):
        report.sections.append(("redis_actions", strays))


def coverage_of(config: pytest.Config) -> Coverage:
    """Return what the suite's clients saw so far."""
    return config.stash.setdefault(_COVERAGE, Coverage())


def release_for(request: pytest.FixtureRequest) -> str:
    """Return the release that a test runs on, and remember that it uses a stub.

    Raises:
        UsageError: a fixture of the plugin was parametrised.
    """
    node = request.node
    node.stash[_USED] = True
    callspec = getattr(node, "callspec", None)
    for name in _FIXTURES:
        if callspec is not None and name in callspec.params:
            fix = "write @pytest.mark.redis_actions(release=['7.4', '8.2']), or parametrize a name of your own"
            raise _misuse(node, UsageError(f"the fixture {name} takes no parameters", fix=fix))
    with _AtTheLineOf(node):
        release: str = getattr(request, "param", None) or releases_of(node)[0]
    return release


def check_use(item: pytest.Item) -> None:
    """Warn of a test whose own marker has options for a stub, and that has used none."""
    if not item.stash.get(_USED, False):
        item.warn(
            RedisActionsWarning(
                f"{item.name} is marked with redis_actions and uses no stub: ask for the fixture redis_actions"
            )
        )


def _misuse(node: pytest.Item | pytest.Function, error: RedisActionsError) -> BaseException:
    """Return what fails a test that has no frame of its own yet: its line stands where a traceback would."""
    path, line, _ = node.location
    return pytest.fail.Exception(f"{error}\n  at   {path}:{(line or 0) + 1}, options of {node.name}", pytrace=False)


class _AtTheLineOf:
    """Tells what is wrong with the options of a test at the test's line."""

    def __init__(self, node: pytest.Item | pytest.Function) -> None:
        self._node = node

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, RedisActionsError):
            raise _misuse(self._node, error) from None


class SessionServer(Suggesting):
    """The ports of one session and worker, opened when first used: one for HTTP, one for HTTPS."""

    _meant: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("add_action", "add_state_machine", "when", "fault", "clock", "journal", "release"),
        "a test with the fixture redis_actions: this one is the port alone",
    )

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._open = ExitStack()
        self._servers: dict[bool | str, StubServer] = {}
        self._authority: Authority | None = None
        self._forgotten: dict[str, str] = {}
        self._made: list[RedisActions] = []
        self._elsewhere = ""
        self._running: RedisActions | None = None
        config.stash[_SERVER] = self

    def __repr__(self) -> str:
        return f"<redis_actions_server at {self.url}>"

    @property
    def url(self) -> str:
        """The base URL, without a trailing slash."""
        return self._default.url

    @property
    def ca_file(self) -> Path | None:
        """The certificate file that a client must trust; None unless the session's setting is tls."""
        return self._default.ca_file

    @property
    def auth(self) -> tuple[str, str]:
        """The administrator's user name and password, as the running test has them."""
        if self._running is not None:
            return self._running.auth
        return Access(self._settings.auth, self._settings.release).auth_for("admin")

    @property
    def _default(self) -> StubServer:
        return self._server(tls=self._settings.tls)

    @property
    def _settings(self) -> Options:
        """The options that hold where no marker says otherwise; of several releases the first one."""
        given = _settings(self._config)
        return Options.of({**given, **({"release": _releases(given["release"])[0]} if "release" in given else {})})

    @with_example('redis_actions_factory(release="7.4")')
    def make(self, **options: object) -> RedisActions:
        """Return a stub that ends with its `with` block, or with the session.

        Raises:
            UsageError: the session has several releases, and the options name none.
        """
        given = {**_settings(self._config), **options}
        if "release" not in options and len(_releases(given.get("release", RELEASES[-1]))) > 1:
            raise UsageError("the session has several releases", fix='name one: redis_actions_factory(release="8.2")')
        checked, opened = Options.of(given), ExitStack()
        stub = RedisActions.on(open_server(checked, opened, self._trusted), checked, opened=opened)
        self._made.append(stub)
        opened.callback(lambda: self._made.remove(stub))
        opened.callback(lambda: coverage_of(self._config).merge(stub.coverage().data()))
        return stub

    @property
    def made(self) -> tuple[RedisActions, ...]:
        """The stubs of a wider scope that are open."""
        return tuple(self._made)

    def strays(self) -> str:
        """Return what to say of requests that were sent to a port of the session at which the test has no stub."""
        found = [each for each in self._servers.values() if each.elsewhere and each.strays]
        return f"{found[0].strays} requests went to {found[0].url}: {found[0].elsewhere}" if found else ""

    def close(self) -> None:
        """Close the ports, and remove the certificate."""
        for stub in self.made:
            stub.close()
        self._open.close()

    def stub_for(self, node: pytest.Item, release: str) -> Iterator[RedisActions]:
        """Yield the stub of one test; close and check it afterwards."""
        with _AtTheLineOf(node):
            options = _options(node, release)
        with ExitStack() as opened:
            with _AtTheLineOf(node):
                is_own = options.port or options.refuses or options.host != "127.0.0.1"
                server = self._own_server(options, opened) if is_own else self._server(tls=options.tls)
            yield from self._play(node, options, server)

    def maker_for(self, node: pytest.Item, release: str) -> Iterator[Callable[..., RedisActions]]:
        """Yield the function that makes further stubs; close and check them afterwards, the last one first."""
        base = {name: value for name, value in _given(node).items() if name in _SETTINGS}

        @with_example('make_redis_actions(release="7.4")')
        def make_redis_actions(**given: object) -> RedisActions:
            options = Options.of({**base, "release": release, **given})
            stub = RedisActions.on(self._own_server(options, opened), options, forgotten=self._forgotten)
            node.stash.setdefault(_STUBS, []).append(stub)
            opened.enter_context(self._finishing(node, stub))
            opened.enter_context(self._driving(node, _block(node, options, stub)))
            return stub

        with ExitStack() as opened:
            yield make_redis_actions

    def _play(self, node: pytest.Item, options: Options, server: StubServer) -> Iterator[RedisActions]:
        with _AtTheLineOf(node):
            stub = RedisActions.on(server, options, forgotten=self._forgotten)
            block = _block(node, options, stub)
        node.stash.setdefault(_STUBS, []).append(stub)
        self._running = stub
        self._elsewhere = f"the stub of the running test is at {stub.url}, as its options say"
        for idle in {*self._servers.values()} - {server}:
            idle.strays, idle.elsewhere = 0, self._elsewhere
        try:
            with self._finishing(node, stub):
                with self._driving(node, block):
                    yield stub
                if not node.stash.get(_FAILED, False) and (strays := self.strays()):
                    node.warn(RedisActionsWarning(strays))
        finally:
            self._elsewhere, self._running = "", None
            for idle in self._servers.values():
                idle.elsewhere = ""

    @contextmanager
    def _finishing(self, node: pytest.Item, stub: RedisActions) -> Iterator[None]:
        """Watch over a stub, and close and check it at the end."""
        clock = stub.clock
        with ExitStack() as watch:
            test = watch.enter_context(interruptible(_dressed))
            if self._config.getoption("usepdb", False) or self._config.getoption("trace", False):
                clock.guard = None
            account = watch.enter_context(clock.watching())
            try:
                yield
            finally:
                self._finish(node, stub, test.pending)
                if account is not None and account.warning is not None and not node.stash.get(_FAILED, False):
                    text, waiting = account.warning
                    warnings.warn_explicit(text, RedisActionsWarning, waiting.line.path, waiting.line.number)

    @contextmanager
    def _driving(self, node: pytest.Item, block: Block | None) -> Iterator[None]:
        """Drive what the marker names; what has stopped the test is told once."""
        if block is None:
            yield
            return
        with block:
            yield
            if node.stash[_FAILED]:
                block.close()

    def _finish(self, node: pytest.Item, stub: RedisActions, pending: type[BaseException] | None) -> None:
        failed = node.stash[_FAILED]
        try:
            if pending is not None and not failed:
                raise _as_outcome(pending)  # it could not be raised where the test stood
            stub.end_block()
            if not failed:
                stub.clock.check()
                stub.check()
        finally:
            coverage_of(self._config).merge(stub.coverage().data())
            self._forget(stub.release_port(), node.nodeid)
            node.stash[_STUBS].remove(stub)  # the session keeps the node: a stub is freed with its test

    def _forget(self, uids: Iterable[str], test: str) -> None:
        self._forgotten.update(dict.fromkeys(uids, test))
        while len(self._forgotten) > _REMEMBERED:
            del self._forgotten[next(iter(self._forgotten))]

    def _server(self, *, tls: bool | str) -> StubServer:
        if tls not in self._servers:
            server = StubServer(authority=self._trusted() if tls else None, certificate=_certificate(tls))
            start_server(server)
            self._open.callback(server.stop)
            server.elsewhere = self._elsewhere
            self._servers[tls] = server
        return self._servers[tls]

    def _own_server(self, options: Options, opened: ExitStack) -> StubServer:
        return open_server(options, opened, self._trusted)

    @property
    def authority(self) -> Authority:
        """The authority that signs the session's certificates."""
        return self._trusted()

    def _trusted(self) -> Authority:
        if self._authority is None:
            self._authority = Authority()
            self._open.callback(self._authority.close)
        return self._authority


_OUTCOME: type[BaseException] = pytest.fail.Exception.__mro__[1]  # caught by pytest at every finalizer
_NOT_USERS = ("_pytest", "pluggy", "pytest_redis_actions")
_RUNS_USERS_CODE = {"pytest_runtest_call", "pytest_fixture_setup", "teardown_exact"}


def _dressed(error: type[BaseException], frame: FrameType | None) -> type[BaseException] | None:
    """Return what to raise in a test that stands in this frame; None within pytest itself, which must not meet it."""
    is_users = False
    while frame is not None:
        package = frame.f_globals.get("__name__", "").partition(".")[0]
        if package == "_pytest" and frame.f_code.co_name in _RUNS_USERS_CODE:
            return _as_outcome(error) if is_users else None
        if package == "_pytest" and frame.f_code.co_name == "runtestprotocol":
            return None  # between two phases of a test; what lies further out is another test, which runs this suite
        is_users = is_users or not (package in _NOT_USERS or package in sys.stdlib_module_names)
        frame = frame.f_back
    return None


def _as_outcome(error: type[BaseException]) -> type[BaseException]:
    """Return an error as one that does not keep pytest from tearing the test down."""

    def explain(self: Any, *_: object) -> None:
        error.__init__(self)
        self.msg, self.pytrace = str(self.args[0]), True

    return type(error.__name__, (error, _OUTCOME), {"__init__": explain, "__module__": error.__module__})


def _block(node: pytest.Item, options: Options, stub: RedisActions) -> Block | None:
    if not options.drive:
        return None
    from ..driving import Block

    home, held = "", list[Any]()
    if isinstance(node, pytest.Function):
        home = node.module.__name__
        held = [node.instance, *node.funcargs.values(), *vars(node.module).values()]
    return Block(cast(VirtualClock, stub.clock), options.drive, home=home, held=held, where=node.nodeid)


def _certificate(tls: bool | str) -> str:
    return tls if isinstance(tls, str) else "good"


def _options(node: pytest.Item, release: str) -> Options:
    return Options.of({**_given(node), "release": release})


def _given(node: pytest.Item | pytest.Function) -> dict[str, object]:
    """Return the options given for a test: settings, and markers over them, the nearest last."""
    given = _settings(node.config)
    for marker in reversed(list(node.iter_markers("redis_actions"))):
        if marker.args:
            raise OptionError(
                f"the marker redis_actions takes no positional {shown(marker.args[0], 30)}",
                fix=f"name each option: @pytest.mark.redis_actions(release={_release_near(marker.args[0])!r})",
                value=marker.args[0],
            )
        given.update(marker.kwargs)
    return given


def _release_near(word: object) -> str:
    return word if isinstance(word, str) and word in RELEASES else RELEASES[-1]


def _settings(config: pytest.Config) -> dict[str, object]:
    """Return what command line and ini file say; releases as they are written there."""
    given = {name: _setting(config, name) for name in _SETTINGS}
    return {name: value if name == "release" else _parsed(name, value) for name, value in given.items() if value}


def _setting(config: pytest.Config, name: str) -> str | None:
    return config.getoption(f"redis_actions_{name}") or config.getini(f"redis_actions_{name}") or None


def _parsed(name: str, value: str) -> object:
    if name == "guard":
        return _seconds(value)
    if name == "auth" and (pair := value.split(":", 1))[1:]:
        return tuple(pair)
    if name not in ("tls", "strict", "auth"):
        return value
    if value.lower() in _TRUTH:
        return _TRUTH[value.lower()]
    if name == "auth":
        raise OptionError("auth needs a user name and a password", fix="write USER:PASSWORD, or false for no auth")
    guess = nearest(value, ("true", "false"))
    raise OptionError(f"{name}={shown(value, 30)} is not known", fix=f"write {guess or 'true or false'}", value=value)


def _seconds(value: str) -> float | None:
    try:
        return None if value.lower() == "none" else float(value)
    except ValueError:
        raise OptionError(
            f"guard must be seconds or none, not {shown(value, 30)}", fix="write 20, or none", value=value
        ) from None


def _releases(given: object) -> list[str]:
    if given == "all":
        return list(RELEASES)
    several = [part.strip() for part in given.split(",")] if isinstance(given, str) else given
    if isinstance(several, (list, tuple)) and several:
        return [check_release(release) for release in dict.fromkeys(several)]
    return [check_release(given)]
