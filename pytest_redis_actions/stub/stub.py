"""The stub of one cluster, as a test uses it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import TYPE_CHECKING, Any, ClassVar

from ..api.endpoint import Endpoint
from ..api.fault_schedule import Injected, aimed, separate
from ..api.starting import NAMES
from ..clock import Clock, VirtualClock, Watched
from ..driving import interruptible, modules_of
from ..errors import EndlessWait, UnfiredFaults, UnmetStarts, UnroutedRequests, UsageError, explained, nearest, shown
from ..errors.arguments import Suggesting, check_options, warn, with_example
from ..facts.access import Access
from ..facts.lifecycle import OTHER, STATE_MACHINE, TASK
from ..facts.parameters import NODE_ACTIONS
from ..facts.routes import check_request
from ..faults import Fault, drawn_from
from ..observed import journal_assertions as polling
from ..observed.coverage import Coverage
from ..observed.journal import Journal
from ..observed.past_end import PolledOn
from ..operations.operation import Place
from ..operations.script import FIELDS, Step, is_json
from ..server.certificates import Authority
from .action import Action
from .options import Options
from .report import coverage, report_lines

if TYPE_CHECKING:
    from pytest_httpserver import HTTPServer

    from ..server import StubServer

__all__ = ["Action", "RedisActions", "open_server", "start_server"]

__tracebackhide__ = True

_NODE_ACTIONS = (*NODE_ACTIONS, "remove_node")  # E-C11


class RedisActions(Suggesting):
    """The stub of one Redis Enterprise cluster: what the fixture `redis_actions` gives a test.

    Outside pytest it opens its own port and takes the options of the marker. Its `with` block checks as much as the
    fixture does, unless an exception is raised in the block:

        with RedisActions(release="7.4") as stub:
            action = stub.add_action("migrate_shards")

    Attributes:
        clock: the only source of time; virtual by default.
        journal: every request and its reply.
        played: the operation of the scenario that the marker names, or that `play` was called with.

    Raises:
        OptionError: an unknown option, or an invalid value.
        PortInUse: the fixed port is taken.
        MissingExtra: `tls` without the extra.
    """

    _meant: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("base_url", "host", "address"), "url"),
        **dict.fromkeys(("user", "username", "password", "credentials"), "auth"),
        **dict.fromkeys(("requests", "polls", "history"), "journal"),
        **dict.fromkeys(("add_task", "add_job", "start"), "add_action"),
        "wait_for": "wait_for(poll, …), imported from pytest_redis_actions",
        **{name: f"clock.{name}" for name in ("advance", "asleep", "drive", "sleep", "time")},
    }

    if not TYPE_CHECKING:

        def __setattr__(self, name: str, value: object) -> None:
            own = getattr(type(self), name, None)
            if not name.startswith("_") and name not in ("clock", "journal", "played") and not callable(own):
                raise UsageError(
                    f"redis_actions.{name} = {shown(value, 24)} sets nothing"[:80],
                    fix=f"options go on the marker, @pytest.mark.redis_actions({name}=…), and scripts to add_action",
                    value=value,
                )
            object.__setattr__(self, name, value)

    @with_example('RedisActions(release="7.4")')
    def __init__(self, **options: Any) -> None:
        given = Options.of(options)
        for each in given.drive:
            modules_of(each)
        with ExitStack() as opened:
            self._set_up(given, open_server(given, opened, lambda: _own_authority(opened)), None)
            self._begin()
            self._opened = opened.pop_all()

    @classmethod
    def on(
        cls,
        server: StubServer,
        options: Options | None = None,
        *,
        forgotten: Mapping[str, str] | None = None,
        opened: ExitStack | None = None,
    ) -> RedisActions:
        """Return a stub on a server that is already open, as the fixtures do.

        Args:
            opened: what `close` closes.
        """
        stub = cls.__new__(cls)
        stub._set_up(options or Options(), server, forgotten)
        stub._opened = opened or ExitStack()
        stub._begin()
        return stub

    def _set_up(self, options: Options, server: StubServer, forgotten: Mapping[str, str] | None) -> None:
        self._options = options
        self._server = server
        self._access = Access(options.auth, options.release)
        self.clock: Clock = options.make_clock()
        self._endpoint = Endpoint(
            release=options.release,
            profile=options.profile,
            clock=self.clock,
            access=self._access,
            bdb_envelope=options.bdb_envelope,
            forgotten=forgotten,
            past_end=options.past_end,
        )
        self._endpoint.on_past_end = self._stop_client
        self.journal: Journal = self._endpoint.journal
        self._watched: Watched | None = Watched(
            self.journal.__len__, self.report, unread=server.unread, hang_up=partial(server.hang_up, self._endpoint)
        )
        self.clock.watch(self._watched)
        self.played: Action | None = None
        self._is_a_play = False
        self._opened = ExitStack()
        self._entered = ExitStack()
        server.endpoint = self._endpoint

    def _begin(self) -> None:
        if self._options.scenario is not None:
            self.play(self._options.scenario)
        if self._options.refuses:
            self.clock.call_after(self._options.refuses, self._server.listen)

    def __enter__(self) -> RedisActions:
        self._running = self._entered.enter_context(interruptible())
        self._entered.enter_context(self.clock.watching())
        if self._options.drive:
            self._entered.enter_context(self.clock.drive(*self._options.drive))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._entered.__exit__(kind, error, trace)
            if error is None:
                if self._running.pending is not None:
                    raise self._running.pending
                self.end_block()
                self.clock.check()
                self.check()
            elif self.was_reached() and hasattr(error, "add_note"):
                error.add_note(self.report())
        finally:
            self.close()

    def __repr__(self) -> str:
        return f"<stub of Redis Enterprise {self.release} at {self.url}>"

    @property
    def url(self) -> str:
        """The base URL, without a trailing slash."""
        return self._server.url

    @property
    def port(self) -> int:
        """The port."""
        return self._server.port

    @property
    def ca_file(self) -> Path | None:
        """The certificate file that a client must trust; None without TLS."""
        return self._server.ca_file

    @property
    def auth(self) -> tuple[str, str]:
        """The administrator's user name and password."""
        return self.auth_for("admin")

    @with_example('auth_for("db_viewer")')
    def auth_for(self, role: str) -> tuple[str, str]:
        """Return the user name and password of a user with this role: admin, cluster_member, cluster_viewer,
        db_member, db_viewer, user_manager (since 7.8) or none. Source: E-PERM-2, E-PERM-3.
        """
        return self._access.auth_for(role)

    @property
    def release(self) -> str:
        """The release that it plays."""
        return self._options.release

    @property
    def profile(self) -> str:
        """ "wire" or "documented"."""
        return self._options.profile

    @property
    def has_own_clock(self) -> bool:
        """Whether its clock was made for it, rather than shared with another stub."""
        return isinstance(self._options.clock, str)

    @property
    def httpserver(self) -> HTTPServer:
        """The pytest-httpserver below, on the same port: what a test registers here wins over the API."""
        return self._server

    @with_example('add_action("migrate_shards", script=[…])')
    def add_action(
        self,
        name: str,
        *,
        script: Iterable[Step | Fault] | None = None,
        uid: str | None = None,
        node_uid: str | None = None,
        creation_time: int | None = None,
        **fields: object,
    ) -> Action:
        """Add a task, as if it had been started now.

        Args:
            name: the API's name, "migrate_shards". A node action ("remove", "maintenance_on", …) that has a node_uid
                is read under `/v1/nodes/{uid}/actions` too.
            script: its steps, with faults between them; by default the happy path, one poll a step.
            uid: its action_uid; by default a new one.
            node_uid: the node it runs on, "1".
            creation_time: Unix seconds; by default now, on the stub's clock.
            fields: further fields of its body.

        Raises:
            ScriptError: the lifecycle of tasks does not allow this script on this release.
            UsageError: a uid that is in use, a name or node_uid that is not a text, a status or progress.
        """
        _check_text("name", name)
        _check_name(name, TASK)
        check_options(
            "add_action", fields, ("script", "node_uid", "creation_time", *FIELDS), meant={"action_uid": "uid"}
        )
        _check_fields(fields)
        _check_scripted(fields)
        if node_uid is not None:
            _check_form("node_uid", _check_text("node_uid", node_uid), "{}")
        listed = "remove_node" if name == "remove" and node_uid else name
        place = (
            Place("remove" if name == "remove_node" else name, node_uid) if node_uid and name in _NODE_ACTIONS else None
        )
        uid = self._add(
            TASK,
            listed,
            script,
            uid,
            creation_time=_check_time(creation_time),
            node_uid=node_uid,
            place=place,
            fields=tuple(fields.items()),
        )
        return Action(self._endpoint, uid, name)

    @with_example('add_state_machine("SMUpdateBDB", object_name="bdb:1")')
    def add_state_machine(
        self, name: str, *, object_name: str, script: Iterable[Step | Fault] | None = None, uid: str | None = None
    ) -> Action:
        """Add a state machine, as if it had been started now.

        Args:
            name: the API's name, "SMUpdateBDB".
            object_name: what it works on, "bdb:1".
            script: its steps; by default the happy path, one poll a step.
            uid: its action_uid; by default a new one.

        Raises:
            ScriptError: the lifecycle of state machines does not allow this script.
            UsageError: a uid that is in use, a name or object_name that is not a text.
        """
        _check_text("name", name)
        _check_name(name, STATE_MACHINE)
        _check_form("object_name", _check_text("object_name", object_name), "bdb:{}")
        uid = self._add(STATE_MACHINE, name, script, uid, object_name=object_name)
        return Action(self._endpoint, uid, name)

    @with_example('add_other("export", script=[…])')
    def add_other(
        self,
        name: str,
        *,
        script: Iterable[Step | Fault] | None = None,
        uid: str | None = None,
        **additional_info: object,
    ) -> Action:
        """Add an import, export or backup: listed by `/v2/actions` only (E-ROUTE-11).

        Args:
            name: "export".
            script: its steps; by default the happy path, one poll a step.
            uid: its action_uid; by default a new one.
            additional_info: the fields of the body's additional_info.
        """
        _check_text("name", name)
        _check_name(name, OTHER)
        check_options("add_other", additional_info, ("script",), meant={"action_uid": "uid"})
        _check_fields(additional_info)
        fields = tuple(additional_info.items())
        uid = self._add(OTHER, name, script, uid, fields=fields)
        return Action(self._endpoint, uid, name)

    @with_example('when("POST", "/v1/bdbs", script=[…])')
    def when(
        self,
        method: str,
        path: str,
        *,
        script: Iterable[Step | Fault] | None = None,
        uid: str | None = None,
        optional: bool = False,
    ) -> Action:
        """Set what the next such request starts; return its handle, which already has a uid.

        Args:
            method: "POST".
            path: as the client will send it, or a template, "/v1/bdbs/{uid}"; also one that the API lacks, which is
                then served for that one request with {"action_uid": …}.
            script: the steps of the operation; by default the happy path, one poll a step.
            uid: its action_uid; by default a new one.
            optional: whether the test passes even if no such request comes.

        Raises:
            ScriptError: the lifecycle of that operation does not allow this script.
            UsageError: a request that starts nothing, or a path without a leading slash or with a query.
            UnmetStarts: at the end of the test, if no such request came and the stub is strict.
        """
        check_request(method, path)
        _check_flag("optional", optional)
        steps, faults = separate(script)
        uid = self._endpoint.plan(method, path, steps, uid, faults, optional=optional)
        return Action(self._endpoint, uid, f"{method} {path}")

    def _add(self, kind: str, name: str, script: Iterable[Step | Fault] | None, uid: str | None, **more: Any) -> str:
        steps, faults = separate(script)
        return self._endpoint.add(kind, name, script=steps, uid=uid, faults=faults, **more)

    @with_example("fault(faults.status(503), on=action, after_polls=2)")
    def fault(
        self,
        fault: Fault,
        *,
        on: Action | str | None = None,
        after_polls: int = 0,
        polls: int | None = None,
        at: float | None = None,
        seconds: float | None = None,
        optional: bool = False,
    ) -> None:
        """Inject a fault: into a number of requests, or during a window of time on the stub's clock.

        Args:
            fault: made by the functions of `pytest_redis_actions.faults`.
            on: an operation (its handle or uid), for its polls, including those of lists; a route,
                "GET /v1/actions/{uid}"; or None for every request.
            after_polls: how many such requests are answered from the record first; of two faults, the one that was
                injected first applies first.
            polls: how many requests it then applies to; by default 1, or all of them for a fault with `at`.
            at: seconds on the clock at which it begins.
            seconds: how long it lasts; for ever by default.
            optional: whether the test passes even if it applies to no request.

        Raises:
            UsageError: a wrong fault, bound or target.
            UnfiredFaults: at the end of the test, if it applied to no request and the stub is strict.
        """
        if isinstance(on, Action) and on._endpoint is not self._endpoint:
            raise UsageError(f"on={on!r}"[:60] + " belongs to another stub", fix="call fault() of that stub", value=on)
        _check_flag("optional", optional)
        target = on.uid if isinstance(on, Action) else on
        now = self.clock.seconds
        injected = aimed(fault, target, after_polls=after_polls, polls=polls, at=at, seconds=seconds, now=now)
        injected.optional = optional
        self.inject(injected)

    def inject(self, injected: Injected) -> None:
        """Add a prepared fault, as `fault` does."""
        self._endpoint.inject(injected)

    @with_example('play("S18")')
    def play(self, scenario: str) -> Action | None:
        """Play a scenario of the catalogue: "S18", or "S42:reset" for one of its plays.

        Its faults are added to this stub; not all of them have to be used. Options of the stub that a play needs, such
        as a bad certificate, go on the marker; `redis-actions scenarios S47` names them.

        Returns:
            The operation to wait for; None where the play has none, or has several.

        Raises:
            UsageError: an unknown scenario or play, with the nearest one; or one that this release cannot play.
        """
        from ..scenarios.catalogue import Stage, find_play

        play = find_play(scenario)
        if not play.is_in(self.release):
            raise UsageError(
                f"release {self.release} cannot play {scenario}", fix="use a newer release", value=scenario
            )
        self._is_a_play = True
        self.played = play.setting(Stage(self, self._elsewhere))
        return self.played

    def _elsewhere(self) -> RedisActions:
        raise UsageError(
            "this play needs a second host", fix="let the client contract play it, or use make_redis_actions()"
        )

    @with_example("chaos(seed=7)")
    def chaos(self, *, seed: int, only: Iterable[str] | None = None, never: Iterable[str] = ()) -> None:
        """Inject random faults into any GET, the same ones for the same seed, at most two in a row.

        A client that retries after server errors, broken bodies and broken connections, and that waits as long as
        Retry-After says, passes with every seed. Faults on which a client may give up (401, 403, 404, a missing status,
        `Retry-After: -5`) occur only if `only` names them. No fault shows a success that the script does not have. The
        report of a failing test names the call.

        Args:
            seed: any whole number.
            only: names of `faults.CHAOS` to draw from; `only=faults.CHAOS` draws from all of them.
            never: names to leave out.

        Raises:
            UsageError: an unknown name, with the nearest one.
            UnfiredFaults: at the end of the test, if no GET came and the stub is strict.
        """
        if type(seed) is not int:
            raise UsageError(f"seed must be a whole number, not {shown(seed, 30)}", fix="write seed=7", value=seed)
        names = drawn_from(only, never)
        given = {"only": None if only is None else [*only], "never": [*never] or None}
        told = "".join(f", {name}={value!r}" for name, value in given.items() if value is not None)
        self._endpoint.chaos(seed, names, f"chaos(seed={seed}{told})")

    @with_example('assert_never_requested("DELETE", "/v1/actions/{uid}")')
    def assert_never_requested(self, method: str, path: str) -> None:
        """Fail if a client sent a request of this method and path, such as ("DELETE", "/v1/actions/{uid}").

        Raises:
            PollingError: a client did.
            UsageError: neither the API nor a handler of the test has the path; the message names the nearest one.
        """
        polling.assert_never_requested(self.journal, method, path, is_served=self._is_served)

    def _is_served(self, path: str) -> bool:
        """Tell whether a handler of the test's own serves a path."""
        server = self._server
        matchers = [each.matcher for each in (*server.ordered_handlers, *server.oneshot_handlers, *server.handlers)]
        return any(matcher.match_uri(SimpleNamespace(path=path)) for matcher in matchers)

    @with_example('assert_header("X-Team")')
    def assert_header(self, name: str, value: str | None = None) -> None:
        """Fail unless every request had this header, with this value if one is given; also if there was no request."""
        polling.assert_header(self.journal, name, value)

    def assert_one_connection(self) -> None:
        """Fail unless all requests came on one TCP connection."""
        polling.assert_one_connection(self.journal)

    def assert_retry_after_honoured(self) -> None:
        """Fail if a client sent a request sooner, on the stub's clock, than a Retry-After allowed; also if no request
        followed a Retry-After.
        """
        polling.assert_retry_after_honoured(self.journal)

    def assert_no_overlapping_polls(self) -> None:
        """Fail if a request about an operation came while another one about it was not answered yet; also if none
        came.
        """
        polling.assert_no_overlapping_polls(self.journal)

    def was_reached(self) -> bool:
        """Whether anything reached its port, including failed handshakes, which get a moment to fail."""
        self._server.settle()
        return len(self.journal) > 0 or bool(self._endpoint.incidents)

    def report(self) -> str:
        """Return what clients saw, in a few screens at most: each operation, its statuses over time and its polls."""
        return "\n".join(report_lines(self._endpoint, self.url))

    def coverage(self) -> Coverage:
        """Return which statuses and transitions clients saw."""
        return coverage(self._endpoint)

    @with_example("pytest_redis_actions.validate(document, kind) for a document of your own")
    def validate(self) -> None:
        """Fail if a body that the stub sent violates the contract.

        Raises:
            ContractError: of the first such reply in the journal.
        """
        from ..contract import validate_exchanges

        validate_exchanges(self.journal, release=self.release, profile=self.profile)

    def release_port(self) -> tuple[str, ...]:
        """Close every connection and forget the test's handlers; return the uids, which later tests call left over."""
        self._server.detach()
        if self._watched is not None:
            self.clock.unwatch(self._watched)
        self._watched = None  # it knows the stub, which is freed at once if nothing else does
        self._endpoint.on_past_end = lambda polled_on: None
        self._server.clear()
        return self._endpoint.uids

    def close(self) -> None:
        """Close every connection, and the port if it is the stub's own; `with` and the fixtures do this."""
        self.release_port()
        self._opened.close()

    def end_block(self) -> None:
        """End a block of `clock.drive` that was entered and not left.

        Raises:
            UsageError: there was one; the message names the line where it began.
        """
        block = self.clock.block if isinstance(self.clock, VirtualClock) and self.has_own_clock else None
        if block is not None:
            block.close()
            raise UsageError(
                "clock.drive(…) was entered and never left",
                fix=f"write `with redis_actions.clock.drive(…):`; it was entered at {block.where}",
            )

    @property
    def polled_on(self) -> PolledOn | None:
        """The client that was stopped because it polled on after it was shown an end; None without: see `past_end`."""
        return self._endpoint.polled_on

    def _stop_client(self, polled_on: PolledOn) -> None:
        text = f"{polled_on}\n{self.report()}"
        self.clock.interrupt(explained(EndlessWait, text, bound="past_end", polled_on=polled_on))

    def check(self) -> None:
        """Fail if requests matched no route, or if a handler of the test failed.

        Raises:
            PollingError: a client polled on after the end, although it was stopped.
            UnroutedRequests: requests matched no route, and the stub is strict.
            UnfiredFaults: a fault applied to no request, and the stub is strict.
            UnmetStarts: a request that `when` announced did not come, and the stub is strict.
        """
        if ignored := self._endpoint.ignored:
            headline, *lines = str(ignored).splitlines()
            raise polling.PollingError(headline, self.journal.polls_of(ignored.uid), [line[2:] for line in lines])
        if self._options.strict and (unrouted := self._endpoint.unrouted):
            raise UnroutedRequests(
                unrouted,
                "  fix  register what the client needs on redis_actions.httpserver, such as\n"
                '       redis_actions.httpserver.expect_request("/v1/nodes").respond_with_json([]),\n'
                "       or use @pytest.mark.redis_actions(strict=False)",
            )
        if self._options.strict and not self._is_a_play and (unfired := self._endpoint.unfired):
            raise UnfiredFaults(unfired)
        if self._options.strict and not self._is_a_play and (unmet := self._endpoint.unmet):
            raise UnmetStarts(unmet)
        self._server.check()


def open_server(options: Options, opened: ExitStack, authority: Callable[[], Authority]) -> StubServer:
    """Open a port for a stub with these options; closed with `opened`."""
    from ..server import StubServer

    certificate = options.tls if isinstance(options.tls, str) else "good"
    signing = authority() if options.tls else None
    server = StubServer(host=options.host, port=options.port, authority=signing, certificate=certificate)
    start_server(server, refusing=options.refuses > 0)
    opened.callback(server.stop)
    return server


def start_server(server: StubServer, *, refusing: bool = False) -> None:
    """Open the port of a server, or say what keeps it closed."""
    try:
        socket.socket().close()
    except Exception as error:
        # pytest-socket's error, or its warning where warnings are errors.
        if "A test tried to use socket.socket" not in str(error):
            raise
        raise UsageError(
            "pytest-socket blocks the port of the stub",
            fix=f"allow it: --disable-socket --allow-hosts={server.host}, or @pytest.mark.enable_socket on the test",
        ) from None
    server.start(refusing=refusing)


def _own_authority(opened: ExitStack) -> Authority:
    authority = Authority()
    opened.callback(authority.close)
    return authority


_ADDS = {TASK: "add_action", STATE_MACHINE: "add_state_machine", OTHER: "add_other"}


def _check_name(name: str, kind: str) -> None:
    """Warn of a name that is nearly one that clusters use, or one that another kind of operation has."""
    guess = None if name in NAMES else nearest(name, NAMES, cutoff=0.9)
    if guess:
        warn(f"{shown(name, 40)} is not a name that clusters use; {guess!r} is")
    elif " /" in name:
        method, _, path = name.partition(" ")
        warn(f"{shown(name, 40)} is a request; use when({shown(method, 10)}, {shown(path, 40)}, …)")
    elif NAMES.get(name, kind) != kind:
        warn(f"{name!r} is not added by {_ADDS[kind]}; use {_ADDS[NAMES[name]]}({name!r}, …)")


def _check_form(what: str, value: str, form: str) -> None:
    """Warn of a text that clusters were never seen to send. Source: E-TASK-7, E-NAME-5."""
    uid = value.removeprefix(form.format(""))
    if not (value == form.format(uid) and uid.isascii() and uid.isdigit() and uid[0] != "0"):
        number = "".join(filter(str.isdigit, value)).lstrip("0") or "1"
        warn(f"{what}={shown(value, 30)} is not of the form that clusters use: {form.format(number)!r}")


def _check_text(what: str, value: object) -> str:
    if isinstance(value, str) and value:
        return value
    raise UsageError(
        f"{what} must be a non-empty text, not {shown(value, 30)}",
        fix=f'write {what}="…", as the API does',
        value=value,
    )


def _check_fields(fields: Mapping[str, object]) -> None:
    for name, value in fields.items():
        several = value if isinstance(value, (list, tuple)) else [value]
        if any(isinstance(each, Step) for each in several):
            text = f"{name}={shown(value, 40)} holds steps: the option is script"
            raise UsageError(text, fix="write script=[…]", value=value)
        if not is_json(value):
            raise UsageError(
                f"{name}={shown(value, 40)} is not JSON",
                fix="a field is what json.dumps can write: a text, a number, a list, a dict with text keys",
                value=value,
            )


def _check_scripted(fields: Mapping[str, object]) -> None:
    for name in ("status", "progress"):
        if name in fields:
            raise UsageError(
                f"add_action({name}={shown(fields[name], 24)}): the script decides on the {name}",
                fix="write script=[running(progress=50)]",
                value=fields[name],
            )


def _check_flag(name: str, value: object) -> None:
    """Refuse what is neither True nor False."""
    if not isinstance(value, bool):
        raise UsageError(f"{name} must be True or False, not {shown(value, 30)}", fix=f"write {name}=True", value=value)


def _check_time(value: int | None) -> int | None:
    if value is None or (type(value) is int and value >= 0):
        return value
    raise UsageError(
        f"creation_time must be a whole number from 0, not {shown(value, 24)}", fix="give Unix seconds", value=value
    )
