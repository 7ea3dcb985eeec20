"""Requests that start an operation: those of the API, and those that a test has announced.

Of `Starting` the endpoint's methods alone know, and they hold its lock.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count

from ..errors import UsageError, shown
from ..errors.arguments import caller
from ..facts.access import ANYBODY
from ..facts.lifecycle import OTHER, STATE_MACHINE, TASK
from ..facts.parameters import CLUSTER_ACTIONS, NODE_ACTIONS, NOTHING, UNDOCUMENTED, Carried
from ..facts.releases import has
from ..facts.routes import ROUTES, Route, Start, find, is_segment, matches, split
from ..observed.redaction import blank
from ..operations import bodies as wire
from ..operations.operation import Operation, Place
from ..operations.script import Script, Step, default_script, kind_of
from ..operations.store import Records
from .fault_schedule import Injected, Injection
from .http import Answer, Call, Refused, document_of, refusal

__all__ = ["NAMES", "Planned", "Starting", "outside", "place_of", "script_of"]

__tracebackhide__ = True

NAMES: Mapping[str, str] = {
    **dict.fromkeys((*NODE_ACTIONS, *CLUSTER_ACTIONS, "remove_node", "retry_bdb"), TASK),
    **dict.fromkeys(("SMBindEndpoint", "SMStandaloneRedisMigrate"), STATE_MACHINE),
    "backup": OTHER,
    **{
        start.name: start.kind
        for route in ROUTES
        for start in route.methods.values()
        if isinstance(start, Start) and start.name
    },
}
"""The names of operations that clusters are known to use -> their kinds."""
_LISTED_NODE_NAME = {"remove": "remove_node"}  # E-C11
_NEVER_START = ("GET", "HEAD", "OPTIONS")
_BDB_UID = re.compile("[1-9][0-9]{0,8}")


Document = Mapping[str, object]


@dataclass
class Planned:
    """What the next request of a method and path starts, and where a test said so: see `Starting.plan`."""

    method: str
    template: tuple[str, ...]
    uid: str
    kind: str
    script: Script | None
    faults: tuple[Injected, ...] = ()
    optional: bool = False
    place: str = field(default_factory=caller)

    @property
    def path(self) -> str:
        """The template, as a path."""
        return f"/{'/'.join(self.template)}"


class Starting:
    """What starts operations in the records of one cluster.

    Args:
        records: where they go.
        injection: where the faults of their scripts go.
        release: "8.2".
        profile: "wire" or "documented".
    """

    def __init__(self, records: Records, injection: Injection, *, release: str, profile: str) -> None:
        self._records = records
        self._injection = injection
        self._release = release
        self._profile = profile
        self._planned: list[Planned] = []
        self._uids = count(100)

    # What a test announces

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
        """Let the next request of this method and path start an operation with this script; return its uid.

        The path may be a template, "/v1/bdbs/{uid}". A path that the API lacks is served for that one request.
        """
        start = _start_of(method, path)
        kind = start.kind if start else kind_of(script) if script is not None else TASK
        checked = None if script is None else script_of(kind, script, self._release, self._profile)
        planned = Planned(method, split(path), self.new_uid(uid or None), kind, checked, tuple(faults), optional)
        self._planned.append(planned)
        return planned.uid

    def new_uid(self, uid: str | None) -> str:
        """Return a uid that nothing has yet: the given one, or a fresh one."""
        if uid is None:
            return str(uuid.uuid4())
        if not (isinstance(uid, str) and is_segment(uid)):
            raise UsageError(
                f"uid must be a text without / ? # %, not {shown(uid, 30)}", fix="give one such as a UUID", value=uid
            )
        self._records.check_new(uid)
        for planned in self._planned:
            if planned.uid == uid:
                raise UsageError(
                    f"uid {shown(uid, 40)} is already in use",
                    fix=f"the operation of {planned.method} {planned.path} has it; leave uid out",
                    value=uid,
                )
        return uid

    def knows(self, uid: str) -> bool:
        """Tell whether there is an operation of this uid, or one is announced."""
        return uid in self._records or any(planned.uid == uid for planned in self._planned)

    @property
    def unmet(self) -> tuple[Planned, ...]:
        """What a test has announced and no request has started."""
        return tuple(planned for planned in self._planned if not planned.optional)

    def planned_for(self, call: Call) -> Planned | None:
        """Return what a test has announced of a request."""
        for planned in self._planned:
            if planned.method == call.request.method and matches(planned.template, call.segments):
                return planned
        return None

    # What a client starts

    def start(self, call: Call, start: Start, planned: Planned | None, creation_time: int) -> Answer:
        """Start what a request asks for, and return the reply that tells its uid."""
        place = place_of(call) if "action" in call.values else None
        carried = start.carried if place is None else self._check_place(place, planned, call)
        document = {} if start.shape == "module" else _checked(call, carried)
        bdb_uid = self._database_of(call, start, document)
        if self._has_dry_run(carried) and carried.asks_only(document, call.parameters):
            return self._dry_run(call, start, bdb_uid, document)
        operation = Operation(
            uid=planned.uid if planned else str(uuid.uuid4()),
            kind=start.kind,
            name=start.name or _place_name(place),
            script=(planned.script if planned else None)
            or default_script(start.kind, self._release, vanishes=start.vanishes),
            started=call.now,
            creation_time=creation_time,
            node_uid=call.values.get("node_uid"),
            object_name=f"bdb:{bdb_uid}" if bdb_uid else None,
            place=place,
        )
        self._records.add(operation)
        if planned is not None:
            self._planned.remove(planned)
            self._injection.arm(planned.faults, operation.uid, call.now)
        code = 202 if start.shape == "module" and self._profile == "wire" else 200  # E-C9
        reply = self._started(call, start, operation, document)
        return Answer(code, reply, aimed=(operation.uid,), kept=_kept(reply, document))

    def _has_dry_run(self, carried: Carried) -> bool:
        since = carried.dry_run_since
        return carried.has_dry_run and (since is None or has(self._release, since, self._profile))

    def _dry_run(self, call: Call, start: Start, bdb_uid: str | None, document: Document) -> Answer:
        """Answer what would be done. It starts nothing. Source: E-PARAM-1, E-ASSUMED-27."""
        if start.shape == "action_uid":
            return Answer(200, [{"nodes": [{"node_uid": "1", "role": "master"}], "slot_range": "0-16383"}])
        body: wire.Body | None = None
        if start.shape == "bdb":
            body = _bdb(start, bdb_uid, document)
            del body["status"]
        elif start.shape == "object":
            body = self._object(call, document)
        return Answer(200, body, kept=_kept(body, document))

    def _database_of(self, call: Call, start: Start, document: Document) -> str | None:
        if "bdb_uid" in call.values:
            bdb_uid = call.values["bdb_uid"]
            if not _BDB_UID.fullmatch(bdb_uid) or self._records.is_deleted(bdb_uid, call.now):
                raise Refused(refusal(404, "db_not_found", f"bdb {bdb_uid[:100]} does not exist"))
            return bdb_uid
        if start.name == "SMCreateBDB":
            wanted = document.get("uid")
            return str(wanted) if type(wanted) is int and 0 < wanted < 10**9 else str(self._records.next_database())
        return "1" if start.name == "SMRedisFailover" else None  # E-ASSUMED-23, E-ASSUMED-28

    def _check_place(self, place: Place, planned: Planned | None, call: Call) -> Carried:
        """Return what the request carries that starts this action; refuse one that cannot be started now."""
        known = CLUSTER_ACTIONS if place.node_uid is None else NODE_ACTIONS
        if self._profile == "documented":
            known = {name: carried for name, carried in known.items() if name not in UNDOCUMENTED}
        if planned is None and place.action not in known:  # E-ASSUMED-22
            text = f"no such action: {place.action[:100]}; known are {', '.join(known)}"
            raise Refused(refusal(400 if place.node_uid is None else 404, "invalid_action", text))
        earlier = self._records.at_place(place)
        if earlier is not None and self._records.is_running(earlier, call.now):  # E-LIFE-10, E-ASSUMED-8
            raise Refused(refusal(409, "action_already_running", f"{place.action[:100]} is already running"))
        return known.get(place.action, NOTHING)

    def _object(self, call: Call, document: Document) -> wire.Body:
        """Return the user, role, ACL or LDAP mapping that a request creates or changes. Source: E-START-24."""
        known = {name: value for name, value in document.items() if name != "password"}
        given = call.values.get("object_uid")
        if given is None:
            return {**known, "uid": next(self._uids)}
        if not _BDB_UID.fullmatch(given):
            raise Refused(refusal(404, "not_exist", f"{given[:100]} does not exist"))
        return {**known, "uid": int(given)}

    def _started(self, call: Call, start: Start, operation: Operation, document: Document) -> wire.Body | None:
        shape = start.shape
        if shape == "deleted-bdb":
            shape = "empty" if self._profile == "documented" else "bdb"  # E-C7
        elif shape == "deletion":
            shape = "action_uid" if has(self._release, "deletion-tells-action") else "empty"  # E-C10
        if shape == "bdb":
            document = _bdb(start, operation.bdb_uid, document)
            if start.vanishes:  # E-BODY-2
                document = {**document, "background_op": [{"name": operation.name, "progress": 0, "status": "pending"}]}
        elif shape == "object":
            document = self._object(call, document)
        elif shape == "upgraded-module":
            return _upgraded_module(operation, document)
        elif shape == "module":
            document = {"uid": operation.uid.replace("-", "")}
        else:
            document = {}
        return wire.started(shape, operation, document, description=start.description)


def _start_of(method: str, path: str) -> Start | None:
    """Return what the API starts at such a request; None for a path that it lacks.

    Raises:
        UsageError: a request that starts nothing, or a template that matches several routes.
    """
    match = find(path)
    start = match.route.methods.get(method) if match else None
    if match is not None and isinstance(start, Start):
        for name in ("bdb_uid", "object_uid"):
            given = match.values.get(name, "{")
            if not (given.startswith("{") or _BDB_UID.fullmatch(given)):
                raise UsageError(
                    f"{method} {shown(path, 40)} can start nothing: {shown(given, 20)} is not a uid",
                    fix=f"write {match.route.template!r}, or a number from 1",
                    value=path,
                )
        return start
    if match is not None or method in _NEVER_START:
        starting = [name for name, what in match.route.methods.items() if isinstance(what, Start)] if match else []
        raise UsageError(
            f"{method} {shown(path, 40)} starts no operation",
            fix=f"write {starting[0]!r}" if starting else "name a request that starts one, such as POST /v1/bdbs",
            value=(method, path),
        )
    several = [route.template for route in ROUTES if matches(split(path), route.segments)]
    if several:
        raise UsageError(
            f"path {shown(path, 40)} matches several routes", fix=f"write {several[0]!r}, or another", value=path
        )
    return None


def _kept(reply: wire.Body | None, document: Mapping[str, object]) -> bytes | None:
    """Return a reply without what it repeats of a client's document, which may be a password."""
    if reply is None or not document:
        return None
    told = {*document} - {"action_uid", "uid", "status", "background_op"}  # these are the stub's own
    return wire.encode({name: blank(value) if name in told else value for name, value in reply.items()})


def script_of(kind: str, steps: Iterable[Step] | None, release: str, profile: str) -> Script:
    """Return the script of these steps, checked; without any the happy path."""
    if steps is None:
        return default_script(kind, release)
    return Script.of(kind, steps, release=release, profile=profile)


def outside(call: Call, planned: Planned) -> Route:
    """Return a route for a planned request that the API lacks."""
    start = Start(ANYBODY, planned.kind, call.segments[-1] or "operation", "action_uid")
    return Route(call.path, {planned.method: start})


def place_of(call: Call) -> Place:
    """Return the place that a request names."""
    return Place(call.values["action"], call.values.get("node_uid"))


def _place_name(place: Place | None) -> str:
    return _LISTED_NODE_NAME.get(place.action, place.action) if place else ""


def _checked(call: Call, carried: Carried) -> Document:
    """Return the fields that a request carries, or refuse it. Source: E-PARAM-1 to E-PARAM-7."""
    document = document_of(call.request)
    if carried.below:
        below = document.get(carried.below, {})
        if not isinstance(below, dict):
            raise Refused(refusal(400, "invalid_schema", f"{carried.below} must be an object"))
        document = below
    refused = carried.refused(document, call.parameters)
    if refused is not None:
        raise Refused(refusal(*refused))
    return document


def _bdb(start: Start, bdb_uid: str | None, document: Document) -> wire.Body:
    uid = int(bdb_uid or 1)
    return {"name": f"db{uid}", "type": "redis", **document, "uid": uid, "status": start.status}


def _upgraded_module(operation: Operation, document: Document) -> wire.Body:
    """Return the module object that an upgrade of modules answers with; it has no action_uid. Source: E-START-6."""
    modules = document.get("modules")
    asked = modules[0] if isinstance(modules, list) and modules and isinstance(modules[0], dict) else {}
    uid = int(operation.bdb_uid or 1)
    return {
        "uid": uid,
        "name": f"db{uid}",
        "module_id": asked.get("new_module", operation.uid.replace("-", "")),
        "module_name": asked.get("module_name", "ReJSON"),
        "semantic_version": "2.2.2",
    }
