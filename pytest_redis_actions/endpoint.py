"""The API without a socket: a request goes in, a reply comes out.

Under one lock the clock is read once, so that the reply and the journal agree on the instant. The exchange is in the
journal before the reply leaves, so that whoever has the reply finds it there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from email.utils import formatdate
from functools import lru_cache, partial
from typing import cast

from . import wire
from .access import Access, may
from .clock import Clock
from .faults import ABSENT, Fault, HttpDate
from .incidents import Incidents
from .injection import Injected, Injection
from .journal import Exchange, Journal
from .lifecycle import OTHER, STATE_MACHINE, TASK
from .messages import (
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
from .model import Operation, Place, State
from .past_end import PAST_END, PastEnd, PolledOn
from .records import Records
from .redaction import HIDDEN, Headers, safe_target, secrets_of
from .routes import Match, Read, Route, Start, difference, find, is_known, matches, split
from .script import Step
from .starts import Planned, Starting, outside, place_of, script_of

__all__ = ["Endpoint", "Reply", "Request"]

__tracebackhide__ = True

_V1_KINDS = (TASK, STATE_MACHINE)
_ALL_KINDS = (TASK, STATE_MACHINE, OTHER)
_PLACES: Mapping[str, tuple[str, ...]] = dict.fromkeys(("cluster_list", "nodes_list", "node_list"), (TASK,))
_LISTS = {"v1_list": _V1_KINDS, "v1_database": (STATE_MACHINE,), "v2_list": _ALL_KINDS, **_PLACES}
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
        """The requests that met no route, a line each."""
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
        path, query = split_target(request.target)
        with self._lock:
            now = self.clock.seconds
            match = find(path)
            uids = self._polled(match, now) if self._injection else ()
            fault = self._injection.fault_for(request.method, split(path), match, uids, now)
            if self._past_end.polled_on and request.method == "GET":
                fault = self._past_end.fault_for(self._polled(match, now)) or fault
            answer = self._answer_with(fault, request, path, query, match, now)
            body = answer.raw if answer.raw is not None else _encoded(answer.document)
            exchange = self._note(request, match, now, answer, body, fault=fault.name if fault else "")
            polled_on = self._past_end.polled_on if self._past_end.note(exchange) else None
            reply = Reply(answer.code, self._headers(answer, now), body, fault)
            awaited = {uid: self._records.awaits(uid, now) for uid in answer.shown}
        waits = tuple(uid for uid, what in awaited.items() if what == "seconds")
        self.clock.replied(waits, _key(request, reply), moves="polls" in awaited.values())
        self.clock.requested()
        if polled_on is not None:
            self.on_past_end(polled_on)
        return reply

    def _aimed(self, match: Match | None) -> tuple[str, ...]:
        """Return the operation that the path names, by its uid or by its place."""
        if match is None:
            return ()
        if "action" in match.values:
            uid = self._records.at_place(Place(match.values["action"], match.values.get("node_uid")))
            return (uid,) if uid else ()
        return (match.values["uid"],) if "uid" in match.values else ()

    def _polled(self, match: Match | None, now: float) -> tuple[str, ...]:
        """Return the operations that a GET of this path polls: the one that it names, or all that the list shows."""
        return self._aimed(match) or self._listed(match, now)

    def _listed(self, match: Match | None, now: float) -> tuple[str, ...]:
        """Return the operations that a list shows, or would show if the request were answered."""
        read = match.route.methods.get("GET") if match and match.route.is_in(self.release, self.profile) else None
        if match is None or not isinstance(read, Read) or read.answer not in _LISTS:
            return ()
        uids = self._rows(read.answer, match.values)
        return tuple(uid for uid in uids if self._records.preview(uid, now) is not None)

    def _rows(self, answer: str, values: Mapping[str, str]) -> list[str]:
        """Return the operations that a list is about, those that have vanished included."""
        uids: Iterable[str] = self._records
        if answer == "v1_database":
            uids = self._records.of_database(values["bdb_uid"])
        elif answer in _PLACES:
            uids = self._records.places(values.get("node_uid"), all_nodes=answer == "nodes_list")
        return [uid for uid in uids if self._records.operation(uid).kind in _LISTS[answer]]

    def _answer_with(
        self, fault: Fault | None, request: Request, path: str, query: str, match: Match | None, now: float
    ) -> Answer:
        if fault is None:
            return self._answer(request, path, query, match, now)
        if fault.renews:
            self.access.renew()
        if fault.code is not None:
            return Answer(fault.code, raw=fault.content, headers=self._dated(fault, now))
        answer = self._answer(request, path, query, match, now, moves=fault.moves)
        return answer if answer.code != 200 else _changed(answer, fault)

    def _dated(self, fault: Fault, now: float) -> tuple[tuple[str, str], ...]:
        return tuple(
            (name, _http_date(self._unix(now + value.seconds)) if isinstance(value, HttpDate) else value)
            for name, value in fault.headers
        )

    def note(self, request: Request, reply: Reply) -> None:
        """Write down what a handler of the test's own has answered in place of the API. It moves no script."""
        match = find(split_target(request.target)[0])
        with self._lock:
            answer = Answer(reply.code, headers=reply.headers)
            exchange = self._note(request, match, self.clock.seconds, answer, b"", by_handler=True)
            polled_on = self._past_end.polled_on if self._past_end.note(exchange) else None
        self.clock.replied((), _key(request, reply), moves=False)
        self.clock.requested()
        if polled_on is not None:
            self.on_past_end(polled_on)

    def sent(self, connection: int) -> None:
        """Take note that a connection has got its reply."""
        with self._lock:
            self._under_way.pop(connection, None)

    def _note(
        self,
        request: Request,
        match: Match | None,
        now: float,
        answer: Answer,
        body: bytes,
        *,
        by_handler: bool = False,
        fault: str = "",
    ) -> Exchange:
        aimed = answer.aimed or self._aimed(match)
        target, is_plain = self._printed(request, match)
        if not is_plain:
            aimed = tuple(uid for uid in aimed if uid in self._records)
            if answer.code >= 400 and answer.document is not None:
                code = cast(wire.Body, answer.document)["error_code"]
                answer = replace(answer, kept=wire.encode(wire.error(str(code), HIDDEN)))
        unshown = () if answer.shown or aimed or request.method != "GET" else self._listed(match, now)
        overlaps = None
        for connection, (number, uids) in self._under_way.items():
            if connection != request.connection and {*uids} & {*aimed}:
                overlaps = number
        exchange = self.journal.add(
            partial(
                Exchange,
                seconds=now,
                method=request.method[:20],
                target=target,
                route=match.route.template if match else None,
                code=answer.code,
                aimed=aimed,
                shown=answer.shown,
                unshown=unshown,
                headers=Headers(request.headers),
                body=body if answer.kept is None else answer.kept,
                connection=request.connection,
                left_over=answer.left_over,
                retry_after=retry_after_of(answer.headers, self.clock.epoch + now),
                overlaps=overlaps,
                by_handler=by_handler,
                fault=fault,
            )
        )
        if request.connection:
            self._under_way[request.connection] = exchange.number, exchange.aimed
        return exchange

    def _printed(self, request: Request, match: Match | None) -> tuple[str, bool]:
        """Return the target as it can be printed, and whether that shows the whole path."""
        path, query = split_target(request.target)
        if match and not query and all(value in self._records for value in match.values.values()):
            return path, True
        target = self._safe_target(request, path, query)
        return target, target.startswith(path)

    def _safe_target(self, request: Request, path: str, query: str = "") -> str:
        return safe_target(path, query, self.access.passwords | secrets_of(request.headers))

    def refuse(self, code: int, error_code: str, description: str) -> Reply:
        """Return the reply to bytes that are no request of the API. It is not in the journal."""
        return Reply(
            code, self._headers(Answer(code, ""), self.clock.seconds), wire.encode(wire.error(error_code, description))
        )

    def _headers(self, answer: Answer, now: float) -> tuple[tuple[str, str], ...]:
        content = () if answer.document is None else (("Content-Type", wire.CONTENT_TYPE),)
        content = (
            () if answer.raw is not None and any(name == "Content-Type" for name, _ in answer.headers) else content
        )
        return (
            ("Date", _http_date(self._unix(now))),
            *content,
            ("cluster-state-id", str(self._records.changes)),
            *answer.headers,
        )

    def _answer(
        self, request: Request, path: str, query: str, match: Match | None, now: float, *, moves: bool = True
    ) -> Answer:
        if (request.method, path) == ("OPTIONS", "*"):  # of the server as a whole: E-ASSUMED-32
            return Answer(200, headers=(("Allow", _ALLOW),))
        try:
            planned = self._starting.planned_for(request.method, path)
            if planned is None or (match is not None and request.method in match.route.methods):
                route, values = self._route(request, path, match, planned)
            else:
                route, values = outside(path, planned), {}
            if request.method == "OPTIONS":
                return Answer(200, headers=(("Allow", route.allow),))
            handling = route.methods.get("GET" if request.method == "HEAD" else request.method)
            if handling is None:
                return self._no_method(request, path, route)
            self._check_role(request, handling, now)
            call = Call(
                request, values, parsed_query(query), now, moves=moves and request.method != "HEAD"
            )  # E-ASSUMED-18
            if isinstance(handling, Start):
                return self._starting.start(call, handling, planned, self._unix(now))
            answer: Callable[[Call], Answer] = getattr(self, f"_{handling.answer}")
            return answer(call)
        except Refused as refused:
            return refused.answer

    def _route(
        self, request: Request, path: str, match: Match | None, planned: Planned | None
    ) -> tuple[Route, Mapping[str, str]]:
        if match is None:
            safe = self._safe_target(request, path)
            self._note_unrouted(request, difference(safe))
            what = "not played by this stub" if is_known(path) else "not a path of this API"
            raise Refused(refusal(404, "not_found", f"{safe} is {what}"))
        if planned is None and not match.route.is_in(self.release, self.profile):
            text = f"release {self.release} has no {match.route.template}"
            raise Refused(refusal(404, "not_found", text))  # E-ROUTE-13, E-ASSUMED-7
        return match.route, match.values

    def _note_unrouted(self, request: Request, why: str) -> None:
        target = self._safe_target(request, *split_target(request.target))
        self._unrouted.append(f"  {request.method[:20]} {target}  ({why})")

    def _no_method(self, request: Request, path: str, route: Route) -> Answer:
        if route.whole:
            text = f"{request.method[:20]} is not allowed on {route.template}"
            return refusal(405, "method_not_allowed", text, ("Allow", route.allow))  # E-C13, E-ASSUMED-6
        played = " and ".join(route.methods)
        self._note_unrouted(request, f"{route.template} is played for {played} only")
        text = f"{request.method[:20]} {self._safe_target(request, path)} is not played by this stub"
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

    def _see_all(self, call: Call, answer: str) -> list[State]:
        return [state for uid in self._rows(answer, call.values) if (state := self._see(call, uid)) is not None]

    def _v1(self, state: State) -> wire.Body:
        return wire.v1(state, epoch=self.clock.epoch, release=self.release, profile=self.profile)

    def _v1_list(self, call: Call) -> Answer:
        return self._v1_rows(self._see_all(call, "v1_list"), wrapped=True)

    def _v1_rows(self, states: list[State], *, wrapped: bool) -> Answer:
        rows = {state.operation.uid: self._v1(state) for state in states}
        kinds = [state.operation.kind for state in states]
        document = wire.v1_envelope(zip(kinds, rows.values(), strict=True)) if wrapped else list(rows.values())
        return Answer(200, document, shown=rows)

    def _v1_one(self, call: Call) -> Answer:
        return self._one(call, call.values["uid"], _V1_KINDS, self._v1)

    def _v1_database(self, call: Call) -> Answer:
        bdb_uid = call.values["bdb_uid"]
        if not self._is_database(bdb_uid, call.now):
            return refusal(404, "db_not_found", "bdb not found")  # E-ROUTE-3, E-ASSUMED-12
        states = self._see_all(call, "v1_database")
        return self._v1_rows(states, wrapped=self._bdb_envelope == "wrapper")

    def _v2_list(self, call: Call) -> Answer:
        rows = {state.operation.uid: wire.v2(state) for state in self._see_all(call, "v2_list")}
        return Answer(200, list(rows.values()), shown=rows)

    def _v2_one(self, call: Call) -> Answer:
        return self._one(call, call.values["uid"], _ALL_KINDS, wire.v2)

    def _one(self, call: Call, uid: str, kinds: tuple[str, ...], render: Callable[[State], wire.Body]) -> Answer:
        state = None
        if uid in self._records and self._records.operation(uid).kind in kinds:
            state = self._see(call, uid)
        if state is None:
            return Answer(
                404,
                wire.error("action_not_found", f"Action {uid[:100]} does not exist"),  # E-ERR-1
                aimed=(uid,),
                left_over=None if uid in self._records else self._forgotten.get(uid),
            )
        body = render(state)
        return Answer(200, body, aimed=(uid,), shown={uid: body})

    def _is_database(self, bdb_uid: str, now: float) -> bool:
        named = tuple(self._records.of_database(bdb_uid))
        return bool(named) and not self._records.is_deleted(bdb_uid, now)

    # Node and cluster actions

    def _cluster_list(self, call: Call) -> Answer:
        return self._places(call, "cluster_list")

    def _nodes_list(self, call: Call) -> Answer:  # E-ASSUMED-11
        return self._places(call, "nodes_list")

    def _node_list(self, call: Call) -> Answer:
        return self._places(call, "node_list")

    def _places(self, call: Call, answer: str) -> Answer:
        rows = {state.operation.uid: wire.listed(state) for state in self._see_all(call, answer)}
        return Answer(200, {"actions": list(rows.values())}, shown=rows)

    def _place_one(self, call: Call) -> Answer:
        uid = self._records.at_place(place_of(call))
        state = self._see(call, uid) if uid else None
        if uid is None or state is None:
            return self._no_place(call)
        body = wire.place(state)
        return Answer(200, body, aimed=(uid,), shown={uid: body})

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


@lru_cache(maxsize=16)
def _http_date(unix: int) -> str:
    return formatdate(unix, usegmt=True)


def _encoded(document: object) -> bytes:
    return b"" if document is None else wire.encode(document)


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
    return replace(answer, shown={}, raw=raw)


def _key(request: Request, reply: Reply) -> int:
    """Return what stands for a request and its reply: the same for two that tell the client the same."""
    return hash((request.method, request.target, reply.code, reply.body))


def _locked(lock: threading.Lock, knows: Callable[[str], bool]) -> Callable[[str], bool]:
    """Return `knows`, asked under a lock; it holds no endpoint, so that this one is freed as soon as it is left."""

    def ask(uid: str) -> bool:
        with lock:
            return knows(uid)

    return ask
