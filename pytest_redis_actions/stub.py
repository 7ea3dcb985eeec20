"""What a test holds: the stub of one cluster, and a handle on each operation in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import polling, timeline
from .access import Access
from .clock import Clock, Watched
from .coverage import Coverage
from .endpoint import NODE_ACTIONS, Endpoint
from .errors import UnfiredFaults, UnroutedRequests, UsageError, shown
from .faults import Fault
from .injection import Injected, separate
from .journal import Exchange, Journal
from .lifecycle import GONE, OTHER, STATE_MACHINE, TASK
from .model import Place
from .options import Options
from .routes import split
from .script import Step, is_json
from .timeline import exchange_lines

if TYPE_CHECKING:
    from pytest_httpserver import HTTPServer

    from .server import StubServer

__all__ = ["Action", "RedisActions"]

__tracebackhide__ = True

_REPORTED = 5
_NODE_ACTIONS = (*NODE_ACTIONS, "remove_node")  # E-C11


class Action:
    """A handle on one operation: a task, a state machine, or an import, export or backup.

    Attributes:
        uid: its action_uid.
        name: its name on the API, or the request that will start it.
    """

    def __init__(self, endpoint: Endpoint, uid: str, name: str) -> None:
        self._endpoint = endpoint
        self.uid = uid
        self.name = name

    def __repr__(self) -> str:
        return f"<{self.name} {self.uid} {self.status}>"

    @property
    def status(self) -> str:
        """The status now: "gone" for a record that has vanished, "not started" for one that `when` waits for.

        Reading it is no poll. A script of polls stands where the last poll saw it, before the first one at its first
        step; a script of seconds stands where the clock is.
        """
        state = self._endpoint.state(self.uid)
        if state is not None:
            return state.status
        return "gone" if self._endpoint.operation(self.uid) else "not started"

    @property
    def polls(self) -> tuple[Exchange, ...]:
        """Every exchange that asked for the operation or showed it, oldest first."""
        return self._endpoint.journal.of(self.uid)

    @property
    def trace(self) -> tuple[tuple[float, Mapping[str, object]], ...]:
        """What clients saw of it: seconds on the clock, and the body."""
        return tuple((poll.seconds, poll.shown[self.uid]) for poll in self.polls if self.uid in poll.shown)

    def assert_polled(
        self, *, at_least: int | None = None, at_most: int | None = None, no_faster_than: float | None = None
    ) -> None:
        """Fail unless clients polled the operation so often, and no two polls were closer together.

        Args:
            at_least, at_most: polls; every GET that asked for the operation or showed it counts.
            no_faster_than: seconds between two polls, on the stub's clock.

        Raises:
            PollingError: with the poll timeline.
        """
        polls = [poll for poll in self.polls if poll.method == "GET"]
        polling.assert_polled(polls, self.uid, at_least=at_least, at_most=at_most, no_faster_than=no_faster_than)

    def assert_not_polled_after_terminal(self) -> None:
        """Fail if a client polled the operation again after it had seen how it ended.

        Raises:
            PollingError: with the poll timeline.
        """
        operation = self._endpoint.operation(self.uid)
        if operation is not None:
            polls = [poll for poll in self.polls if poll.method == "GET"]
            release = self._endpoint.release
            polling.assert_not_polled_after_terminal(polls, self.uid, kind=operation.kind, release=release)

    def cancel(self) -> bool:
        """Cancel a task, as an administrator would: queued ones at once, others by way of "cancelling".

        Returns:
            Whether it will be cancelled. False is too late: it had ended, and nothing has changed.

        Raises:
            UsageError: a state machine, import, export or backup: those cannot be cancelled (E-LIFE-11).
        """
        if self._endpoint.operation(self.uid) is None:
            raise UsageError(f"{self.name} has not been started yet", fix="let the client send its request first")
        return self._endpoint.cancel(self.uid)


class RedisActions:
    """The stub of one Redis Enterprise cluster: what the fixture `redis_actions` gives a test.

    Attributes:
        clock: the only source of time; virtual unless asked otherwise.
        journal: every request and its reply.
        played: the operation of the scenario that the marker names, or that `play` was called with.
    """

    def __init__(self, options: Options, server: StubServer, *, forgotten: Mapping[str, str] | None = None) -> None:
        self._options = options
        self._server = server
        self._access = Access(options.auth)
        self.clock: Clock = options.make_clock()
        self._endpoint = Endpoint(
            release=options.release,
            profile=options.profile,
            clock=self.clock,
            access=self._access,
            bdb_envelope=options.bdb_envelope,
            forgotten=forgotten,
        )
        self.journal: Journal = self._endpoint.journal
        self.clock.watch(Watched(polls=self.journal.__len__, report=self.report))
        self.played: Action | None = None
        server.endpoint = self._endpoint

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
        """What a client has to trust to talk TLS with the stub; None without TLS."""
        return self._server.ca_file

    @property
    def auth(self) -> tuple[str, str]:
        """The administrator's user name and password."""
        return self.auth_for("admin")

    def auth_for(self, role: str) -> tuple[str, str]:
        """Return the user name and password of a user with this role: admin, cluster_member, cluster_viewer,
        db_member, db_viewer or user_manager. Source: E-ROUTE-7, E-PERM-1.
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
        """Whether its clock was made for it, and is not another stub's."""
        return isinstance(self._options.clock, str)

    @property
    def httpserver(self) -> HTTPServer:
        """The pytest-httpserver below, on the same port: what a test registers here wins over the API."""
        return self._server

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
        """Add a task, as if somebody had started it now.

        Args:
            name: the API's name, "migrate_shards". A node action ("remove", "maintenance_on", …) that has a node_uid
                is read under `/v1/nodes/{uid}/actions` too.
            script: what it goes through, faults among it; the happy path, one poll a step, if left out.
            uid: its action_uid; a new one if left out.
            node_uid: the node it runs on, "1".
            creation_time: Unix seconds; now on the stub's clock if left out.
            fields: further fields of its body.

        Raises:
            ScriptError: the lifecycle of tasks has no such script on this release.
            UsageError: a uid that is in use, a name or node_uid that is no text.
        """
        _check_text("name", name)
        _check_fields(fields)
        node_uid = None if node_uid is None else _check_text("node_uid", node_uid)
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

    def add_state_machine(
        self, name: str, *, object_name: str, script: Iterable[Step | Fault] | None = None, uid: str | None = None
    ) -> Action:
        """Add a state machine, as if somebody had started it now.

        Args:
            name: the API's name, "SMUpdateBDB".
            object_name: what it works on, "bdb:1".
            script: what it goes through; the happy path, one poll a step, if left out.
            uid: its action_uid; a new one if left out.

        Raises:
            ScriptError: the lifecycle of state machines has no such script.
            UsageError: a uid that is in use, a name or object_name that is no text.
        """
        _check_text("name", name)
        _check_text("object_name", object_name)
        uid = self._add(STATE_MACHINE, name, script, uid, object_name=object_name)
        return Action(self._endpoint, uid, name)

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
            script: what it goes through; the happy path, one poll a step, if left out.
            uid: its action_uid; a new one if left out.
            additional_info: what stands in the body's additional_info.
        """
        _check_text("name", name)
        _check_fields(additional_info)
        fields = tuple(additional_info.items())
        uid = self._add(OTHER, name, script, uid, fields=fields)
        return Action(self._endpoint, uid, name)

    def when(
        self, method: str, path: str, *, script: Iterable[Step | Fault] | None = None, uid: str | None = None
    ) -> Action:
        """Say what the next such request starts; return a handle on it, whose uid is known already.

        Args:
            method: "POST".
            path: as the client will send it, or a template, "/v1/bdbs/{uid}"; also one that the API lacks, which is
                then served for that one request with {"action_uid": …}.
            script: what the operation goes through; the happy path, one poll a step, if left out.
            uid: its action_uid; a new one if left out.

        Raises:
            ScriptError: the operation that this request starts cannot go through this script.
            UsageError: a request that starts nothing, a path without a leading slash.
        """
        if not (isinstance(method, str) and method.isalpha() and method.isupper()):
            raise UsageError(
                f"method {shown(method, 30)} is no method", fix='write it in capitals, "POST"', value=method
            )
        if not (isinstance(path, str) and path.startswith("/")):
            raise UsageError(
                f"path {shown(path, 40)} is no path",
                fix='begin it with a slash and leave the host out, "/v1/bdbs"',
                value=path,
            )
        steps, faults = separate(script, self.clock.seconds)
        uid = self._endpoint.plan(method, path, steps, uid)
        self._inject(faults, uid)
        return Action(self._endpoint, uid, f"{method} {path}")

    def _add(self, kind: str, name: str, script: Iterable[Step | Fault] | None, uid: str | None, **more: Any) -> str:
        steps, faults = separate(script, self.clock.seconds)
        uid = self._endpoint.add(kind, name, script=steps, uid=uid, **more)
        self._inject(faults, uid)
        return uid

    def _inject(self, faults: Iterable[Injected], uid: str) -> None:
        for each in faults:
            self._endpoint.injection.add(replace(each, uid=uid))

    def fault(
        self,
        fault: Fault,
        *,
        on: Action | str | None = None,
        after_polls: int = 0,
        polls: int | None = None,
        at: float | None = None,
        seconds: float | None = None,
    ) -> None:
        """Let something go wrong: for a number of requests, or for a while on the stub's clock.

        Args:
            fault: made by the functions of `pytest_redis_actions.faults`.
            on: an operation (its handle or uid), whose polls meet it, lists included; a route, "GET /v1/actions/{uid}";
                or None for every request.
            after_polls: how many such requests are answered from the record before; of two faults the one that was
                asked for first comes first.
            polls: how many meet it then; 1 if left out, all of them for a fault that is timed.
            at: seconds on the clock at which it begins.
            seconds: how long it lasts; for ever if left out.

        Raises:
            UsageError: no fault, a bound that is none, a route that the API lacks.
            UnfiredFaults: at the end of the test, if no request has met it and the stub is strict.
        """
        if not isinstance(fault, Fault):
            raise UsageError(
                f"{shown(fault, 40)} is no fault", fix="make one: faults.status(503), faults.reset(), …", value=fault
            )
        for name, bound in (("after_polls", after_polls), ("polls", polls)):
            if bound is not None and (type(bound) is not int or bound < (name == "polls")):
                raise UsageError(f"{name}={shown(bound, 20)} is no number of polls", fix="give a whole number")
        for name, instant in (("at", at), ("seconds", seconds)):
            if instant is not None and not (type(instant) in (int, float) and 0 <= instant <= 1e9):
                raise UsageError(f"{name}={shown(instant, 20)} is no time", fix="give seconds from 0")
        if seconds is not None and at is None:
            at = self.clock.seconds
        timed = at is not None
        uid, method, template = self._target(on)
        self.inject(
            Injected(
                fault,
                uid=uid,
                method=method,
                template=template,
                after=after_polls,
                count=polls if polls is not None or timed else 1,
                begins=at,
                ends=float("inf") if at is None or seconds is None else at + seconds,
            )
        )

    def inject(self, injected: Injected) -> None:
        """Let a fault happen, as it stands: what `fault` does with what it is given."""
        self._endpoint.injection.add(injected)

    def _target(self, on: Action | str | None) -> tuple[str | None, str | None, tuple[str, ...]]:
        if on is None:
            return None, None, ()
        if isinstance(on, Action):
            return on.uid, None, ()
        if not isinstance(on, str):
            raise UsageError(
                f"on={shown(on, 40)} is no target", fix='give a handle, a uid, or "GET /v1/actions/{uid}"', value=on
            )
        method, _, path = on.partition(" ")
        if not path:
            return on, None, ()
        if not (method.isupper() and path.startswith("/")):
            raise UsageError(f"on={shown(on, 40)} is no route", fix='write "GET /v1/actions/{uid}"', value=on)
        return None, method, split(path)

    def play(self, scenario: str) -> Action | None:
        """Set the stage for a scenario of the catalogue: "S18", or "S42:reset" for a play of that name.

        Its faults are those of this stub from now on, and need not all be met. What a play asks of the stub itself,
        such as a bad certificate, is for the marker to give: `redis-actions scenarios S47` tells it.

        Returns:
            The operation to wait for; None where the play has none, or has several.

        Raises:
            UsageError: an unknown scenario or play; the nearest is named. One that this release cannot play.
        """
        from .client_contract.scenarios import Stage, find_play

        play = find_play(scenario)
        if not play.is_in(self.release):
            raise UsageError(
                f"release {self.release} cannot play {scenario}", fix="use a newer release", value=scenario
            )
        self._endpoint.injection.is_a_play = True
        self.played = play.setting(Stage(self, self._elsewhere))
        return self.played

    def _elsewhere(self) -> RedisActions:
        raise UsageError(
            "this play needs a second host", fix="let the client contract play it, or use make_redis_actions()"
        )

    def chaos(self, *, seed: int) -> None:
        """Let any of the faults happen to any poll, at random; the same ones for the same seed.

        At most two in a row; none of them shows a success that the script does not have. A failing test's report names
        the seed.
        """
        if type(seed) is not int:
            raise UsageError(f"seed={shown(seed, 30)} is no seed", fix="give a whole number", value=seed)
        self._endpoint.injection.chaos(seed)

    def assert_never_requested(self, method: str, path: str) -> None:
        """Fail if a client has sent a request of this method and path, such as ("DELETE", "/v1/actions/{uid}")."""
        polling.assert_never_requested(self.journal, method, path)

    def assert_header(self, name: str, value: str | None = None) -> None:
        """Fail unless every request had a header, and with this value if one is given."""
        polling.assert_header(self.journal, name, value)

    def assert_one_connection(self) -> None:
        """Fail if the requests came on more than one TCP connection."""
        polling.assert_one_connection(self.journal)

    def assert_retry_after_honoured(self) -> None:
        """Fail if a client came back sooner, on the stub's clock, than a Retry-After had told it."""
        polling.assert_retry_after_honoured(self.journal)

    def assert_no_overlapping_polls(self) -> None:
        """Fail if a request about an operation came while another about the same one was not answered yet."""
        polling.assert_no_overlapping_polls(self.journal)

    def report(self) -> str:
        """Return what clients saw: each operation with its statuses over time and its polls, at most a few screens."""
        return "\n".join(self._report_lines())

    def _report_lines(self) -> Iterator[str]:
        count = f"{len(self.journal)} request{'' if len(self.journal) == 1 else 's'}"
        yield f"Redis Enterprise {self.release} at {self.url}, clock at {self.clock.seconds:g} s, {count}"
        if self._endpoint.injection.seed is not None:
            yield f"redis_actions.chaos(seed={self._endpoint.injection.seed}) reproduces the faults"
        asked = [uid for uid in self._endpoint.uids if self.journal.of(uid)]
        for uid in asked[:_REPORTED]:
            yield from self._operation_lines(uid)
        if len(asked) > _REPORTED:
            yield f"… and {len(asked) - _REPORTED} more operations"
        known = set(asked)
        others = [each for each in self.journal if not known & {*each.aimed, *each.shown}]
        if others:
            yield "other requests"
            yield from (f"  {each}"[:80] for each in others[:_REPORTED])
            if len(others) > _REPORTED:
                yield f"  … and {len(others) - _REPORTED} more"

    def _operation_lines(self, uid: str) -> Iterator[str]:
        operation = self._endpoint.operation(uid)
        exchanges = self.journal.of(uid)
        seen = [(each.seconds, status) for each in exchanges if (status := self._seen(each, uid))]
        yield f"{operation.name if operation else 'operation'} {uid}"
        if seen:
            yield f"  |{timeline.bar(seen, self.clock.seconds)}|"
        yield from exchange_lines(exchanges, uid)
        if operation and operation.script.unit == "seconds" and self.clock.seconds == 0 and len(exchanges) > 1:
            yield "  its script counts in seconds, and the clock has not moved: see redis_actions.clock"

    def coverage(self) -> Coverage:
        """Return which statuses and steps clients have seen."""
        found = Coverage()
        for uid in self._endpoint.uids:
            operation = self._endpoint.operation(uid)
            seen = [self._seen(each, uid) for each in self.journal.of(uid)]
            if operation is not None:
                found.add(operation.kind, [status for status in seen if status])
        return found

    def _seen(self, exchange: Exchange, uid: str) -> str:
        if uid in exchange.shown:
            return str(exchange.shown[uid].get("status", ""))
        return GONE if exchange.method == "GET" and exchange.error_code == "action_not_found" else ""

    def validate(self) -> None:
        """Fail if a body that the stub has sent departs from the contract.

        Raises:
            ContractError: of the first such reply in the journal.
        """
        from .contract import validate_exchanges

        validate_exchanges(self.journal, release=self.release, profile=self.profile)

    def close(self) -> tuple[str, ...]:
        """Hang up on every client and forget the test's handlers; return the uids that later tests call left over."""
        self._server.endpoint = None
        self._server.close_connections()
        self._server.clear()
        return self._endpoint.uids

    def check(self) -> None:
        """Fail if requests met no route, or if a handler of the test's own failed.

        Raises:
            UnroutedRequests: requests met no route, and the stub is strict.
            UnfiredFaults: faults met no request, and it is.
        """
        if self._options.strict and self._endpoint.unrouted:
            raise UnroutedRequests(
                tuple(self._endpoint.unrouted),
                "  fix  register what the client needs on redis_actions.httpserver, or use\n"
                "       @pytest.mark.redis_actions(strict=False)",
            )
        if self._options.strict and self._endpoint.injection.unfired and not self._endpoint.injection.is_a_play:
            raise UnfiredFaults(tuple(fault.name for fault in self._endpoint.injection.unfired))
        self._server.check()


def _check_text(what: str, value: object) -> str:
    if isinstance(value, str) and value:
        return value
    raise UsageError(f"{what}={shown(value, 40)} is no text", fix=f'write {what}="…", as the API does', value=value)


def _check_fields(fields: Mapping[str, object]) -> None:
    for name, value in fields.items():
        several = value if isinstance(value, (list, tuple)) else [value]
        if any(isinstance(each, Step) for each in several):
            text = f"{name}={shown(value, 40)} holds steps, and is no script"
            raise UsageError(text, fix="write script=[…]", value=value)
        if not is_json(value):
            raise UsageError(
                f"{name}={shown(value, 40)} is no JSON",
                fix="a field is what json.dumps can write: a text, a number, a list, a dict with text keys",
                value=value,
            )


def _check_time(value: int | None) -> int | None:
    if value is None or (type(value) is int and value >= 0):
        return value
    raise UsageError(
        f"creation_time={shown(value, 30)} is no instant", fix="give Unix seconds as a whole number", value=value
    )
