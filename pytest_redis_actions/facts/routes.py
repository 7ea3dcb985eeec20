"""The routes of the actions API as a table: which release has them, and what each method needs.

Source: E-ROUTE-1 to E-ROUTE-6, E-NODE-1 to E-NODE-9, E-START-1 to E-START-19; the names of some operations are assumed
(E-ASSUMED-13).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cache, lru_cache
from urllib.parse import unquote

from ..errors import UsageError, advice, nearest, shown
from . import parameters
from .access import VIEW, VIEW_ALL_NODES, VIEW_NODE
from .lifecycle import OTHER, STATE_MACHINE, TASK
from .parameters import Carried
from .releases import has

__all__ = [
    "METHODS",
    "ROUTES",
    "Answering",
    "Match",
    "Read",
    "Route",
    "Start",
    "check_request",
    "difference",
    "find",
    "is_known",
    "is_segment",
    "matches",
    "split",
]

__tracebackhide__ = True

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

# Below /v1 and /v2: the other collections, of which a few requests at most are played. Source: E-ROUTE-18.
_UNPLAYED = (
    "bdb_groups", "bdbs", "bootstrap", "cluster", "cm_settings", "crdb_tasks", "crdbs", "debuginfo", "diagnostics",
    "endpoints", "job_scheduler", "jsonschema", "ldap_mappings", "license", "local", "logs", "metrics_config",
    "migrations", "modules",
    "nodes", "ocsp", "proxies", "redis_acls", "roles", "services", "shards", "suffix", "suffixes", "usage_report",
    "users",
)  # fmt: skip


class Answering(Enum):
    """How the endpoint answers a request that starts nothing."""

    V1_LIST = "v1_list"
    V1_ONE = "v1_one"
    V1_DATABASE = "v1_database"
    V2_LIST = "v2_list"
    V2_ONE = "v2_one"
    CLUSTER_LIST = "cluster_list"
    PLACE_ONE = "place_one"
    PLACE_CANCEL = "place_cancel"
    NODES_LIST = "nodes_list"
    NODE_LIST = "node_list"
    AUTHORIZE = "authorize"
    REFRESH = "refresh"


@dataclass(frozen=True)
class Read:
    """A request that reads, cancels, or says who one is.

    Attributes:
        answer: how the endpoint answers it.
        permission: what the caller must hold; None if anybody may ask.
    """

    answer: Answering
    permission: str | None = VIEW


@dataclass(frozen=True)
class Start:
    """A request that starts an operation.

    Attributes:
        permission: what the caller must hold.
        kind: the operation's kind.
        name: the operation's name; for node and cluster actions the last segment of the path tells.
        shape: of the reply, see wire.started.
        description: for the shape "description".
        vanishes: whether the record is gone in the end instead of completed.
        status: for the shape "bdb", the database's status in the reply.
        carried: what the request carries; of node and cluster actions the name tells.
    """

    permission: str
    kind: str
    name: str
    shape: str
    description: str = ""
    vanishes: bool = False
    status: str = "active-change-pending"
    carried: Carried = parameters.NOTHING


@dataclass(frozen=True)
class Route:
    """One path of the API.

    Attributes:
        template: "/v1/actions/{uid}".
        methods: method -> what it does.
        feature: the feature of releases.SINCE or UNTIL that a release needs to have the path; None if all have it.
        whole: whether `methods` is all that the API has there. Of databases, shards, modules and users only what
            starts an operation is played; another method there is no 405 but no route.
    """

    template: str
    methods: Mapping[str, Read | Start]
    feature: str | None = None
    whole: bool = True
    segments: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "segments", tuple(self.template.split("/")[1:]))

    def is_in(self, release: str, profile: str = "wire") -> bool:
        """Tell whether a release has the path."""
        return self.feature is None or has(release, self.feature, profile)

    @property
    def allow(self) -> str:
        """The value of the Allow header."""
        methods = {*self.methods, "OPTIONS", *(["HEAD"] if "GET" in self.methods else [])}
        return ", ".join(sorted(methods))


@dataclass(frozen=True)
class Match:
    """A path that met a route.

    Attributes:
        route: the route.
        values: placeholder -> the percent-decoded segment.
        segments: the path's, as sent.
    """

    route: Route
    values: Mapping[str, str]
    segments: tuple[str, ...]


def _database(
    method: str,
    tail: str,
    permission: str,
    name: str,
    shape: str,
    *,
    feature: str | None = None,
    kind: str = STATE_MACHINE,
    carried: Carried = parameters.NOTHING,
) -> Route:
    start = Start(permission, kind, name, shape, carried=carried)
    return Route(f"/v1/bdbs/{{bdb_uid}}/{tail}", {method: start}, feature, whole=False)


def _shards(
    verb: str, permission: str, kind: str, name: str, feature: str, *, several: Carried, one: Carried
) -> Iterator[Route]:
    start = Start(permission, kind, name, "description", f"{verb.capitalize()} was triggered", carried=several)
    yield Route(f"/v1/shards/actions/{verb}", {"POST": start}, feature, whole=False)
    start = replace(start, carried=one)
    yield Route(f"/v1/shards/{{shard_uid}}/actions/{verb}", {"POST": start}, feature, whole=False)


def _objects(collection: str, create: str, noun: str, deleted: Carried = parameters.NOTHING) -> Iterator[Route]:
    created, updated = parameters.OBJECTS[collection]
    start = Start(create, STATE_MACHINE, "SMRedisACL", "object", carried=created)
    yield Route(f"/v1/{collection}", {"POST": start}, whole=False)
    update = replace(start, permission=f"update_{noun}", carried=updated)
    delete = Start(f"delete_{noun}", STATE_MACHINE, "SMRedisACL", "deletion", carried=deleted)
    yield Route(f"/v1/{collection}/{{object_uid}}", {"PUT": update, "DELETE": delete}, whole=False)


_CREATE = Start("create_bdb", STATE_MACHINE, "SMCreateBDB", "bdb", status="pending", carried=parameters.CREATE)

ROUTES: tuple[Route, ...] = (
    # 1.1: the generic ones
    Route("/v1/actions", {"GET": Read(Answering.V1_LIST)}),
    Route("/v1/actions/{uid}", {"GET": Read(Answering.V1_ONE)}),
    Route("/v1/actions/bdb/{bdb_uid}", {"GET": Read(Answering.V1_DATABASE)}, "actions-of-a-database"),
    Route("/v2/actions", {"GET": Read(Answering.V2_LIST)}, "v2-actions"),
    Route("/v2/actions/{uid}", {"GET": Read(Answering.V2_ONE)}, "v2-actions"),
    # 1.2: of the cluster and its nodes
    Route("/v1/cluster/actions", {"GET": Read(Answering.CLUSTER_LIST)}),
    Route(
        "/v1/cluster/actions/{action}",
        {
            "GET": Read(Answering.PLACE_ONE),
            "POST": Start("start_cluster_action", TASK, "", "empty"),
            "DELETE": Read(Answering.PLACE_CANCEL, "cancel_cluster_action"),
        },
    ),
    Route("/v1/nodes/actions", {"GET": Read(Answering.NODES_LIST, VIEW_ALL_NODES)}),
    Route("/v1/nodes/{node_uid}/actions", {"GET": Read(Answering.NODE_LIST, VIEW_NODE)}),
    Route(
        "/v1/nodes/{node_uid}/actions/{action}",
        {
            "GET": Read(Answering.PLACE_ONE, VIEW_NODE),
            "POST": Start("start_node_action", TASK, "", "node"),
            "DELETE": Read(Answering.PLACE_CANCEL, "cancel_node_action"),
        },
    ),
    # 1.3: what starts an operation
    Route("/v1/bdbs", {"POST": _CREATE}, whole=False),
    Route("/v2/bdbs", {"POST": replace(_CREATE, carried=parameters.CREATE_V2)}, whole=False),
    Route(
        "/v1/bdbs/{bdb_uid}",
        {
            "PUT": Start("update_bdb", STATE_MACHINE, "SMUpdateBDB", "bdb", carried=parameters.UPDATE),
            "DELETE": Start(
                "delete_bdb", STATE_MACHINE, "SMDeleteBDB", "deleted-bdb", vanishes=True, status="delete-pending"
            ),
        },
        whole=False,
    ),
    _database("PUT", "flush", "update_bdb_with_action", "SMUpdateBDB", "bdb", carried=parameters.UPDATE),
    _database("PUT", "reset_admin_pass", "update_bdb_with_action", "SMUpdateBDB", "bdb", carried=parameters.UPDATE),
    _database("POST", "upgrade", "update_bdb_with_action", "SMUpgradeBDB", "bdb", carried=parameters.UPGRADE),
    _database(
        "POST",
        "modules/upgrade",
        "edit_bdb_module",
        "SMUpgradeBDB",
        "upgraded-module",
        carried=parameters.UPGRADE_MODULES,
    ),
    Route(
        "/v1/modules/upgrade/bdb/{bdb_uid}",
        {
            "POST": Start(
                "edit_bdb_module", STATE_MACHINE, "SMUpgradeBDB", "upgraded-module", carried=parameters.UPGRADE_MODULES
            )
        },
        "modules-upgrade",
        whole=False,
    ),
    _database("POST", "actions/recover", "start_bdb_recovery", "SMRecoverBDB", "action_uid"),
    _database("POST", "actions/export", "start_bdb_export", "export", "empty", kind=OTHER, carried=parameters.EXPORT),
    _database("POST", "actions/import", "start_bdb_import", "import", "empty", kind=OTHER, carried=parameters.IMPORT),
    _database(
        "PUT",
        "actions/rebalance",
        "view_bdb_info",  # E-C16
        "SMUpdateBDB",
        "action_uid",
        feature="rebalance",
        carried=parameters.REBALANCE,
    ),
    _database(
        "PUT",
        "actions/revamp",
        "update_bdb_with_action",
        "SMUpdateBDB",
        "action_uid",
        feature="revamp",
        carried=parameters.REVAMP,
    ),
    _database("POST", "actions/stop_traffic", "update_bdb_with_action", "SMUpdateBDB", "action_uid", feature="traffic"),
    _database(
        "POST", "actions/resume_traffic", "update_bdb_with_action", "SMUpdateBDB", "action_uid", feature="traffic"
    ),
    *_shards(
        "migrate",
        "migrate_shard",
        TASK,
        "migrate_shards",
        "shard-migrate",
        several=parameters.MIGRATE,
        one=parameters.MIGRATE_ONE,
    ),
    *_shards(
        "failover",
        "failover_shard",
        STATE_MACHINE,
        "SMRedisFailover",
        "shard-failover",
        several=parameters.FAILOVER,
        one=parameters.FAILOVER_ONE,
    ),
    Route(
        "/v2/modules",
        {"POST": Start("update_cluster", TASK, "module_installation", "module")},
        "modules-v2",
        whole=False,
    ),
    Route(
        "/v2/modules/{object_uid}",
        {"DELETE": Start("update_cluster", TASK, "module_removal", "action_uid")},
        "modules-v2",
        whole=False,
    ),
    *_objects("users", "create_new_user", "user"),
    *_objects("roles", "create_role", "role", parameters.DELETE_ROLE),
    *_objects("redis_acls", "create_redis_acl", "redis_acl"),
    *_objects("ldap_mappings", "create_ldap_mapping", "ldap_mapping"),
    # who one is
    Route("/v1/users/authorize", {"POST": Read(Answering.AUTHORIZE, None)}),
    Route("/v1/users/refresh_jwt", {"POST": Read(Answering.REFRESH, None)}),
)


def split(path: str) -> tuple[str, ...]:
    """Return the segments of a path as sent, percent-encoding and dots untouched: "%2f" never separates."""
    return tuple(path.split("/")[1:])


def is_segment(text: str) -> bool:
    """Tell whether a client can send a text as one segment of a path, and as it stands if it is ASCII."""
    return text not in ("", ".", "..") and not {*text} & {*"/?#%"}


def matches(template: tuple[str, ...], segments: tuple[str, ...]) -> bool:
    """Tell whether a path's segments meet a template's; a placeholder meets any segment that is not empty."""
    return len(template) == len(segments) and all(
        part == segment or (part.startswith("{") and segment != "")
        for part, segment in zip(template, segments, strict=True)
    )


@cache
def _by_length(length: int) -> tuple[Route, ...]:
    """Return the routes of this many segments, literal ones before placeholders."""
    found = [route for route in ROUTES if len(route.segments) == length]
    return tuple(sorted(found, key=lambda route: [part.startswith("{") for part in route.segments]))


@lru_cache(maxsize=128)  # clients poll the same few paths again and again
def find(path: str) -> Match | None:
    """Return the route that a path meets, on whatever release, or None."""
    segments = split(path)
    for route in _by_length(len(segments)):
        if matches(route.segments, segments):
            values = {
                part[1:-1]: unquote(segment)
                for part, segment in zip(route.segments, segments, strict=True)
                if part.startswith("{")
            }
            return Match(route, values, segments)
    return None


def check_request(method: object, path: object) -> None:
    """Refuse what no request can be: a method that does not exist, a path with a host or a query.

    Raises:
        UsageError: with the fix.
    """
    if method not in METHODS:
        fix = advice(method, METHODS)
        raise UsageError(
            f"method {shown(method, 30)} is unknown", fix=f"{fix}known are {', '.join(METHODS)}", value=method
        )
    if not (isinstance(path, str) and path.startswith("/")):
        raise UsageError(
            f"path {shown(path, 40)} must begin with a slash", fix='leave scheme and host out, "/v1/bdbs"', value=path
        )
    if "?" in path or "#" in path:
        raise UsageError(
            f"path {shown(path, 40)} must not have a query", fix=f"write {path.partition('?')[0]!r}"[:100], value=path
        )


def is_known(path: str) -> bool:
    """Tell whether the API has a path, or a template, on whatever release; the stub may not play it."""
    return find(path) is not None or _is_unplayed(path)


def _is_unplayed(path: str) -> bool:
    version, collection, *_ = *split(path), "", ""
    is_ours = version in ("v1", "v2") and collection in _UNPLAYED and "//" not in path and not path.endswith("/")
    return is_ours and _near(split(path), collection)[0] != (1, 0)


def difference(path: str) -> str:
    """Return the nearest route to a path that met none, and the one thing that differs."""
    if path.endswith("/"):
        trimmed = find(path.rstrip("/"))
        if trimmed is not None:
            return f"nearest {trimmed.route.template}: the trailing slash is too much"
    if "//" in path:
        single = find("/" + "/".join(part for part in path.split("/") if part))
        if single is not None:
            return f"nearest {single.route.template}: a slash is doubled"
    if _is_unplayed(path):
        return "the API has it, and this stub does not play it: serve it with redis_actions.httpserver"
    segments = split(path)
    score, route = _near(segments)
    if score[0] > 1:
        return _nearest_text(path)
    return f"nearest {route.template}: {_what_differs(route.segments, segments)}"


def _near(segments: tuple[str, ...], collection: str = "") -> tuple[tuple[float, float], Route]:
    """Return the nearest route, of one collection or of all, and how far it is: segments that differ, and those of
    them that are no typos.
    """
    near = [(_distance(route.segments, segments), route) for route in ROUTES if collection in ("", route.segments[1])]
    return min(near, key=lambda pair: pair[0], default=(_FAR, ROUTES[0]))


def _wrong(template: tuple[str, ...], segments: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return what differs between a template and as many segments: its part, and the segment in that place."""
    return [
        (part, segment)
        for part, segment in zip(template, segments, strict=True)
        if part != segment and not (part.startswith("{") and segment)
    ]


_FAR = math.inf, math.inf


def _distance(template: tuple[str, ...], segments: tuple[str, ...]) -> tuple[float, float]:
    if len(template) == len(segments):
        wrong = _wrong(template, segments)
        return len(wrong), sum(nearest(segment, [part]) is None for part, segment in wrong)
    shorter, longer = sorted((template, segments), key=len)
    if len(longer) - len(shorter) == 1 and any(
        matches(template, segments[:i] + segments[i + 1 :])
        if longer is segments
        else matches(template[:i] + template[i + 1 :], segments)
        for i in range(len(longer))
    ):
        return 1, 1
    return _FAR


def _what_differs(template: tuple[str, ...], segments: tuple[str, ...]) -> str:
    if len(template) < len(segments):
        extra = next(s for i, s in enumerate(segments) if matches(template, segments[:i] + segments[i + 1 :]))
        return f"{extra[:60]!r} is too much"
    if len(template) > len(segments):
        missing = next(p for i, p in enumerate(template) if matches(template[:i] + template[i + 1 :], segments))
        as_printed = ", as in the oldest reference (E-C19)" if segments[0] == "actions" else ""
        return f"{missing!r} is missing{as_printed}"
    (part, segment), *_ = _wrong(template, segments)
    return f"{segment[:60]!r} is not {part!r}" if segment else f"{part} is empty"


def _nearest_text(path: str) -> str:
    guess = nearest(path, [route.template for route in ROUTES])
    return f"nearest {guess}" if guess else "no route is near it"
