"""The API without a socket: a request goes in, a reply comes out.

Under one lock the clock is read once, so that the reply and the journal agree on the instant. The exchange is in the
journal before the reply leaves, so that whoever has the reply finds it there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from email.utils import formatdate
from functools import lru_cache
from typing import cast

from ..clock import Clock
from ..facts.access import Access, may
from ..facts.lifecycle import OTHER, STATE_MACHINE, TASK
from ..facts.routes import Answering, Read, Route, Start, difference, find, is_known, matches, split
from ..faults import ABSENT, Fault, HttpDate
from ..observed.journal import Exchange, Journal, error_code_of
from ..observed.past_end import PAST_END, PastEnd, PolledOn
from ..observed.redaction import HIDDEN, Headers, safe_target, secrets_of
from ..operations import bodies as wire
from ..operations.operation import Operation, State
from ..operations.script import Step
from ..operations.store import Records
from .fault_schedule import Injected, Injection
from .http import (
    Answer,
    Call,
    Refused,
    Reply,
    Request,
    document_of,
    parsed_query,
    refusal,
    retry_after_of,
    split_target,
    ttl_of,
)
from .incidents import Incidents
from .starting import Planned, Starting, outside, place_of, script_of

__all__ = ["Endpoint", "Reply", "Request"]

__tracebackhide__ = True

_V1_KINDS = (TASK, STATE_MACHINE)
_ALL_KINDS = (TASK, STATE_MACHINE, OTHER)
_PLACES = (Answering.CLUSTER_LIST, Answering.NODES_LIST, Answering.NODE_LIST)
_LISTS: Mapping[Answering, tuple[str, ...]] = {
    Answering.V1_LIST: _V1_KINDS,
    Answering.V1_DATABASE: (STATE_MACHINE,),
    Answering.V2_LIST: _ALL_KINDS,
    **dict.fromkeys(_PLACES, (TASK,)),
}
"""What each list shows: the kinds."""
_ALLOW = "DELETE, GET, HEAD, OPTIONS, POST, PUT"


class Endpoint:
    """The actions API of one cluster.

    Args:
        release: "8.2".
        profile: "wire" or "documented".
        clock: the only source of time.
        access: who may come in.
        bdb_envelope: what `/v1/actions/bdb/{bdb_uid}` answers with, "array" or "wrapper" (E-C6).
        forgotten: uid -> the id of the earlier test that it belonged to.
        past_end: polls in a row after which a client that polls on is stopped: see `PastEnd`.
    """

    def __init__(
        self,
        *,
        release: str,
        profile: str,
        clock: Clock,
        access: Access,
        bdb_envelope: str = "array",
        forgotten: Mapping[str, str] | None = None,
        past_end: int | None = PAST_END,
    ) -> None:
        self.release = release
        self.profile = profile
        self.clock = clock
        self.access = access
        self.incidents = Incidents()
        self._unrouted: list[str] = []
        self._bdb_envelope = bdb_envelope
        self._forgotten = forgotten or {}
        self._records = Records(release)
        self._injection = Injection()
        self.on_past_end: Callable[[PolledOn], object] = lambda polled_on: None
        """Called, without the lock, when a client has to be stopped."""
        self._starting = Starting(self._records, self._injection, release=release, profile=profile)
        self._under_way: dict[int, tuple[int, tuple[str, ...]]] = {}
        self._last: Exchange | None = None
        self._headers: tuple[Mapping[str, str], Headers] = ({}, Headers({}))  # the last request's; as they are kept
        self._lock = threading.Lock()
        self.journal = Journal(_locked(self._lock, self._starting.knows))
        self._past_end = PastEnd(past_end, self.journal)

    # What a test does

    def add(
        self,
        kind: str,
        name: str,
        *,
        script: Iterable[Step] | None,
        uid: str | None,
        faults: Iterable[Injected] = (),
        creation_time: int | None = None,
        **more: object,
    ) -> str:
        """Add an operation and return its uid. Its script starts now, and no client sees it before its faults are set.

        Args:
            faults: those of its script: see `separate`.
        """
        checked = script_of(kind, script, self.release, self.profile)
        with self._lock:
            uid = self._starting.new_uid(uid)
            now = self.clock.seconds
            created = self._unix(now) if creation_time is None else creation_time
            self._records.add(Operation(uid, kind, name, checked, now, created, **more))  # type: ignore[arg-type]  # the stub passes Operation's own fields
            self._injection.arm(faults, uid, now)
        return uid

    def plan(
        self,
        method: str,
        path: str,
        script: Iterable[Step] | None,
        uid: str | None,
        faults: Iterable[Injected] = (),
        *,
        optional: bool = False,
    ) -> str:
        """Announce what the next request of this method and path starts; return its uid. See Starting.plan."""
        with self._lock:
            return self._starting.plan(method, path, script, uid, faults, optional=optional)

    @property
    def unmet(self) -> tuple[str, ...]:
        """What was announced and not started, a line each, with the requests that came and were refused."""
        with self._lock:
            return tuple(self._told(planned) for planned in self._starting.unmet)

    def _told(self, planned: Planned) -> str:
        came = [
            f"#{each.number} -> {each.code}"
            for each in self.journal
            if each.method == planned.method and matches(planned.template, split(split_target(each.target)[0]))
        ]
        known = f"\n    {difference(planned.path)}" if find(planned.path) is None else ""
        what = f"came, and started nothing: {came[-1]}" if came else "none came"
        return f"{planned.method} {planned.path}: {what}{known}\n    at {planned.place}"

    def inject(self, injected: Injected) -> None:
        """Let a fault happen."""
        with self._lock:
            self._injection.add(injected)

    def chaos(self, seed: int, names: tuple[str, ...], call: str) -> None:
        """Let any of these faults happen to any GET, at random. See Injection.chaos."""
        with self._lock:
            self._injection.chaos(seed, names, call)

    @property
    def chaos_call(self) -> str:
        """How chaos was asked for; "" without."""
        with self._lock:
            return self._injection.chaos_call

    @property
    def unfired(self) -> tuple[str, ...]:
        """The faults that no request has met, and why."""
        with self._lock:
            return self._injection.unfired(self._starting.knows)

    @property
    def polled_on(self) -> PolledOn | None:
        """The client that was stopped because it polled on after the end; None without."""
        with self._lock:
            return self._past_end.polled_on

    @property
    def ignored(self) -> PolledOn | None:
        """The same, if the client went on although it was stopped."""
        with self._lock:
            return self._past_end.polled_on if self._past_end.was_ignored else None

    @property
    def unrouted(self) -> tuple[str, ...]:
        """The requests that matched no route, a line each."""
        with self._lock:
            return tuple(self._unrouted)

    def cancel(self, uid: str) -> bool:
        """Cancel a task; False if it is too late. See Records.cancel."""
        with self._lock:
            return self._records.cancel(uid, self.clock.seconds)

    def state(self, uid: str) -> State | None:
        """Return the state of an operation, without moving its script; None for none, or one that has vanished."""
        with self._lock:
            return self._records.peek(uid, self.clock.seconds)

    def operation(self, uid: str) -> Operation | None:
        """Return an operation, vanished ones included, or None for one that was not started yet."""
        with self._lock:
            return self._records.operation(uid) if uid in self._records else None

    @property
    def uids(self) -> tuple[str, ...]:
        """The uid of every operation that was started, vanished ones included."""
        with self._lock:
            return tuple(self._records)

    # What a client does

    def handle(self, request: Request) -> Reply:
        """Answer a request; it is in the journal when this returns."""
        with self._lock:
            call = Call.at(self.clock.seconds, request)
            fault = self._fault_for(call)
            answer = self._answer_with(fault, call)
            body = answer.body
            polled_on = self._journalled(call, answer, body, fault=fault.name if fault else "")
            reply = Reply(answer.code, self._headers_of(answer, call.now), body, fault)
        awaited = [state.awaits for state in answer.states]
        waits = tuple(state.operation.uid for state in answer.states) if "seconds" in awaited else ()
        self._tell(reply, request, polled_on, waits, moves="polls" in awaited)
        return reply

    def _tell(
        self, reply: Reply, request: Request, polled_on: PolledOn | None, waits: tuple[str, ...], *, moves: bool
    ) -> None:
        """Let the clock know of a reply, and the test of a client that polled on; without the lock."""
        key = hash((request.method, request.target, reply.code, reply.body))  # two of one key tell the client the same
        self.clock.replied(waits, key, moves=moves)
        self.clock.requested()
        if polled_on is not None:
            self.on_past_end(polled_on)

    def _fault_for(self, call: Call) -> Fault | None:
        fault, method = None, call.request.method
        if self._injection:
            uids, is_routed = self._polled(call), call.match is not None
            fault = self._injection.fault_for(method, call.segments, uids, call.now, is_routed=is_routed)
        if self._past_end.polled_on and method == "GET":
            return self._past_end.fault_for(self._polled(call)) or fault
        return fault

    def _aimed(self, call: Call) -> tuple[str, ...]:
        """Return the operation that the path names, by its uid or by its place."""
        values = call.values
        if "action" in values:
            uid = self._records.at_place(place_of(call))
            return (uid,) if uid else ()
        return (values["uid"],) if "uid" in values else ()

    def _polled(self, call: Call) -> tuple[str, ...]:
        """Return the operations that a GET of this path polls: the one that it names, or all that the list shows."""
        return self._aimed(call) or self._listed(call)

    def _listed(self, call: Call) -> tuple[str, ...]:
        """Return the operations that a list shows, or would show if the request were answered."""
        if call.match is None or not call.match.route.is_in(self.release, self.profile):
            return ()
        return tuple(uid for uid in self._rows(call) if self._records.preview(uid, call.now) is not None)

    def _rows(self, call: Call) -> list[str]:
        """Return the operations that a list is about, those that have vanished included; none for another path."""
        read = call.match.route.methods.get("GET") if call.match else None
        if not isinstance(read, Read) or read.answer not in _LISTS:
            return []
        uids: Iterable[str] = self._records
        if read.answer is Answering.V1_DATABASE:
            uids = self._records.of_database(call.values["bdb_uid"])
        elif read.answer in _PLACES:
            every = read.answer is Answering.NODES_LIST
            uids = self._records.places(call.values.get("node_uid"), all_nodes=every)
        return [uid for uid in uids if self._records.operation(uid).kind in _LISTS[read.answer]]

    def _answer_with(self, fault: Fault | None, call: Call) -> Answer:
        if fault is None:
            return self._answer(call)
        if fault.renews:
            self.access.renew()
        if fault.code is not None:
            return Answer(fault.code, raw=fault.content, headers=self._dated(fault, call.now))
        answer = self._answer(call if fault.moves else call._replace(moves=False))
        return answer if answer.code != 200 else _changed(answer, fault)

    def _dated(self, fault: Fault, now: float) -> tuple[tuple[str, str], ...]:
        return tuple(
            (name, _http_date(self._unix(now + value.seconds)) if isinstance(value, HttpDate) else value)
            for name, value in fault.headers
        )

    def note(self, request: Request, reply: Reply) -> None:
        """Write down what a handler of the test's own has answered in place of the API. It moves no script."""
        with self._lock:
            call = Call.at(self.clock.seconds, request)
            polled_on = self._journalled(call, Answer(reply.code, headers=reply.headers), b"", by_handler=True)
        self._tell(reply, request, polled_on, (), moves=False)

    def sent(self, connection: int) -> None:
        """Take note that a connection has got its reply."""
        with self._lock:
            self._under_way.pop(connection, None)

    def _journalled(
        self, call: Call, answer: Answer, body: bytes, *, by_handler: bool = False, fault: str = ""
    ) -> PolledOn | None:
        """Write an exchange down; return what its client has to be stopped for now."""
        request = call.request
        aimed = answer.aimed or self._aimed(call)
        target, is_plain = self._printed(call)
        kept = body if answer.kept is None else answer.kept
        if not is_plain:
            aimed = tuple(uid for uid in aimed if uid in self._records)
            if answer.code >= 400 and answer.document is not None:
                kept = wire.encode(wire.error(error_code_of(answer.code, body), HIDDEN))
        shown, last = answer.shown, self._last
        if last and last.target == target and last.body == kept and last.shown.keys() == shown.keys():
            shown, kept = last.shown, last.body  # the same once more: a long poll would fill the memory with copies
        exchange = self._last = Exchange(
            len(self.journal) + 1,
            call.now,
            request.method[:20],
            target,
            call.match.route.template if call.match else None,
            answer.code,
            aimed,
            shown,
            self._kept(request.headers),
            kept,
            request.connection,
            answer.left_over,
            retry_after_of(answer.headers, self.clock.epoch + call.now),
            self._overlapped(request.connection, aimed),
            by_handler,
            fault,
            () if shown or aimed or request.method != "GET" else self._listed(call),
            error_code_of(answer.code, kept),
        )
        self.journal.add(exchange)
        if request.connection:
            self._under_way[request.connection] = exchange.number, aimed
        return self._past_end.polled_on if self._past_end.note(exchange) else None

    def _overlapped(self, connection: int, aimed: tuple[str, ...]) -> int | None:
        """Return the number of an exchange about the same operation whose reply is under way on another connection."""
        for other, (number, uids) in self._under_way.items():
            if other != connection and {*uids} & {*aimed}:
                return number
        return None

    def _kept(self, headers: Mapping[str, str]) -> Headers:
        """Return what may be kept of a request's headers; a client sends the same ones with each poll."""
        if headers != self._headers[0]:
            self._headers = headers, Headers(headers)
        return self._headers[1]

    def _printed(self, call: Call) -> tuple[str, bool]:
        """Return the target as it can be printed, and whether that shows the whole path."""
        if call.match and not call.query and self._records.keys() >= {*call.match.values.values()}:
            return call.path, True
        target = self._safe_target(call.request, call.path, call.query)
        return target, target.startswith(call.path)

    def _safe_target(self, request: Request, path: str, query: str = "") -> str:
        return safe_target(path, query, self.access.passwords | secrets_of(request.headers))

    def refuse(self, code: int, error_code: str, description: str) -> Reply:
        """Return the reply to bytes that are no request of the API. It is not in the journal."""
        answer = refusal(code, error_code, description)
        return Reply(code, self._headers_of(answer, self.clock.seconds), answer.body)

    def _headers_of(self, answer: Answer, now: float) -> tuple[tuple[str, str], ...]:
        fields = _common_headers(self._unix(now), self._records.changes, is_json=answer.document is not None)
        return fields + answer.headers if answer.headers else fields

    def _answer(self, call: Call) -> Answer:
        request = call.request
        if (request.method, call.path) == ("OPTIONS", "*"):  # of the server as a whole: E-ASSUMED-32
            return Answer(200, headers=(("Allow", _ALLOW),))
        try:
            planned = self._starting.planned_for(call)
            if planned is None or (call.match is not None and request.method in call.match.route.methods):
                route = self._route(call, planned)
            else:
                route, call = outside(call, planned), call._replace(match=None)
            if request.method == "OPTIONS":
                return Answer(200, headers=(("Allow", route.allow),))
            handling = route.methods.get("GET" if request.method == "HEAD" else request.method)
            if handling is None:
                return self._no_method(call, route)
            self._check_role(request, handling, call.now)
            if call.query:
                call = call._replace(parameters=parsed_query(call.query))
            if isinstance(handling, Start):
                return self._starting.start(call, handling, planned, self._unix(call.now))
            return _ANSWERS[handling.answer](self, call)
        except Refused as refused:
            return refused.answer

    def _route(self, call: Call, planned: Planned | None) -> Route:
        if call.match is None:
            safe = self._safe_target(call.request, call.path)
            self._note_unrouted(call, difference(safe))
            what = "not played by this stub" if is_known(call.path) else "not a path of this API"
            raise Refused(refusal(404, "not_found", f"{safe} is {what}"))
        route = call.match.route
        if planned is None and not route.is_in(self.release, self.profile):
            text = f"release {self.release} has no {route.template}"
            raise Refused(refusal(404, "not_found", text))  # E-ROUTE-13, E-ASSUMED-7
        return route

    def _note_unrouted(self, call: Call, why: str) -> None:
        target = self._safe_target(call.request, call.path, call.query)
        self._unrouted.append(f"  {call.request.method[:20]} {target}  ({why})")

    def _no_method(self, call: Call, route: Route) -> Answer:
        method = call.request.method[:20]
        if route.whole:
            text = f"{method} is not allowed on {route.template}"
            return refusal(405, "method_not_allowed", text, ("Allow", route.allow))  # E-C13, E-ASSUMED-6
        played = " and ".join(route.methods)
        self._note_unrouted(call, f"{route.template} is played for {played} only")
        text = f"{method} {self._safe_target(call.request, call.path)} is not played by this stub"
        return refusal(404, "not_found", text)

    def _check_role(self, request: Request, handling: Read | Start, now: float) -> None:
        if handling.permission is None:
            return
        role = self.access.role_of(request.headers.get("authorization"), now)
        if role is None:  # E-ASSUMED-4
            text = "credentials are missing or incorrect"
            raise Refused(refusal(401, "unauthorized", text, ("WWW-Authenticate", 'Basic realm="Redis Enterprise"')))
        if self.access.required and not may(role, handling.permission, self.release):  # E-ASSUMED-5
            raise Refused(refusal(403, "forbidden", f"role {role} lacks the permission {handling.permission}"))

    # Reading

    def _see(self, call: Call, uid: str) -> State | None:
        return self._records.read(uid, call.now) if call.moves else self._records.preview(uid, call.now)

    def _see_all(self, call: Call) -> list[State]:
        return [state for uid in self._rows(call) if (state := self._see(call, uid)) is not None]

    def _v1(self, state: State) -> wire.Body:
        return wire.v1(state, epoch=self.clock.epoch, release=self.release, profile=self.profile)

    def _v1_list(self, call: Call) -> Answer:
        return self._v1_rows(self._see_all(call), wrapped=True)

    def _v1_rows(self, states: list[State], *, wrapped: bool) -> Answer:
        rows = {state.operation.uid: self._v1(state) for state in states}
        kinds = [state.operation.kind for state in states]
        document = wire.v1_envelope(zip(kinds, rows.values(), strict=True)) if wrapped else list(rows.values())
        return Answer(200, document, shown=rows, states=states)

    def _v1_one(self, call: Call) -> Answer:
        return self._one(call, _V1_KINDS, self._v1)

    def _v1_database(self, call: Call) -> Answer:
        if not self._is_database(call.values["bdb_uid"], call.now):
            return refusal(404, "db_not_found", "bdb not found")  # E-ROUTE-3, E-ASSUMED-12
        return self._v1_rows(self._see_all(call), wrapped=self._bdb_envelope == "wrapper")

    def _v2_list(self, call: Call) -> Answer:
        states = self._see_all(call)
        rows = {state.operation.uid: wire.v2(state) for state in states}
        return Answer(200, list(rows.values()), shown=rows, states=states)

    def _v2_one(self, call: Call) -> Answer:
        return self._one(call, _ALL_KINDS, wire.v2)

    def _one(self, call: Call, kinds: tuple[str, ...], render: Callable[[State], wire.Body]) -> Answer:
        uid = call.values["uid"]
        is_here = uid in self._records
        state = self._see(call, uid) if is_here and self._records.operation(uid).kind in kinds else None
        if state is not None:
            body = render(state)
            return Answer(200, body, (uid,), {uid: body}, states=(state,))
        return Answer(
            404,
            wire.error("action_not_found", f"Action {uid[:100]} does not exist"),  # E-ERR-1
            aimed=(uid,),
            left_over=None if is_here else self._forgotten.get(uid),
        )

    def _is_database(self, bdb_uid: str, now: float) -> bool:
        named = tuple(self._records.of_database(bdb_uid))
        return bool(named) and not self._records.is_deleted(bdb_uid, now)

    # Node and cluster actions

    def _places(self, call: Call) -> Answer:  # E-ASSUMED-11
        states = self._see_all(call)
        rows = {state.operation.uid: wire.listed(state) for state in states}
        return Answer(200, {"actions": list(rows.values())}, shown=rows, states=states)

    def _place_one(self, call: Call) -> Answer:
        uid = self._records.at_place(place_of(call))
        state = self._see(call, uid) if uid else None
        if uid is None or state is None:
            return self._no_place(call)
        body = wire.place(state)
        return Answer(200, body, aimed=(uid,), shown={uid: body}, states=(state,))

    def _no_place(self, call: Call) -> Answer:
        text = "not currently running and no available status of last run"  # E-ROUTE-1
        return refusal(404, "action_not_found", f"{call.values['action'][:100]}: {text}")

    def _place_cancel(self, call: Call) -> Answer:
        place = place_of(call)
        uid = self._records.at_place(place)
        if uid is None or self._records.peek(uid, call.now) is None:
            return self._no_place(call)
        if not self._records.cancel(uid, call.now):
            if place.node_uid is None:
                return self._no_place(call)  # E-NODE-4: "unknown/not running"
            self._records.remove(uid)  # E-NODE-9: "or remove the status of a previously executed … action"
        return Answer(200, aimed=(uid,))

    # Who one is

    def _authorize(self, call: Call) -> Answer:
        document = document_of(call.request)
        ttl = ttl_of(document)
        user, password = document.get("username"), document.get("password")
        header = call.request.headers.get("authorization", "")
        role = None
        if isinstance(user, str) and isinstance(password, str):
            role = self.access.role_of_user(user, password)
        elif user is None and password is None and header.lower().startswith("basic "):  # E-HTTP-18
            role = self.access.role_of(header, call.now)
        if role is None:
            return refusal(401, "unauthorized", "username or password is missing or incorrect")
        return self._token(role, ttl, call.now)

    def _refresh(self, call: Call) -> Answer:
        header = call.request.headers.get("authorization", "")
        role = self.access.role_of(header, call.now) if header.lower().startswith("jwt ") else None
        if role is None:
            return refusal(401, "unauthorized", "the token is missing, unknown or has expired")
        return self._token(role, ttl_of(document_of(call.request)), call.now)

    def _token(self, role: str, ttl: int, now: float) -> Answer:
        token = self.access.token(role, ttl=ttl, now=now, epoch=self.clock.epoch)
        return Answer(200, {"access_token": token}, kept=b"")

    # Small things

    def _unix(self, now: float) -> int:
        return int(self.clock.epoch + now)


_ANSWERS: Mapping[Answering, Callable[[Endpoint, Call], Answer]] = {
    Answering.V1_LIST: Endpoint._v1_list,
    Answering.V1_ONE: Endpoint._v1_one,
    Answering.V1_DATABASE: Endpoint._v1_database,
    Answering.V2_LIST: Endpoint._v2_list,
    Answering.V2_ONE: Endpoint._v2_one,
    **dict.fromkeys(_PLACES, Endpoint._places),
    Answering.PLACE_ONE: Endpoint._place_one,
    Answering.PLACE_CANCEL: Endpoint._place_cancel,
    Answering.AUTHORIZE: Endpoint._authorize,
    Answering.REFRESH: Endpoint._refresh,
}


@lru_cache(maxsize=16)
def _common_headers(unix: int, changes: int, *, is_json: bool) -> tuple[tuple[str, str], ...]:
    kind = (("Content-Type", wire.CONTENT_TYPE),) if is_json else ()
    return ("Date", _http_date(unix)), *kind, ("cluster-state-id", str(changes))


@lru_cache(maxsize=16)
def _http_date(unix: int) -> str:
    return formatdate(unix, usegmt=True)


def _changed(answer: Answer, fault: Fault) -> Answer:
    """Return the API's answer with what a fault does to it; the records in it were made for this answer alone."""
    for body in answer.shown.values():
        for name, value in fault.fields:
            if value is ABSENT:
                cast(wire.Body, body).pop(name, None)
            else:
                cast(wire.Body, body)[name] = value
    if fault.moves:
        return answer
    document = answer.document
    if fault.change == "wrong shape":
        document = [document] if isinstance(document, dict) else {"actions": document}
    whole = wire.encode(document)
    raw = whole[: len(whole) // 2] if fault.change == "truncated" else whole
    return answer._replace(shown={}, states=(), raw=raw)


def _locked(lock: threading.Lock, knows: Callable[[str], bool]) -> Callable[[str], bool]:
    """Return `knows`, asked under a lock; it holds no endpoint, so that this one is freed as soon as it is left."""

    def ask(uid: str) -> bool:
        with lock:
            return knows(uid)

    return ask
