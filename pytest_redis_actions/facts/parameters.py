"""What requests that start an operation carry: the fields of their body and query, their types, and what they need.

Source: E-PARAM-1 to E-PARAM-7. What the reference has no table for (databases, users, node actions) lists the fields
of its objects, samples and prose that clients of actions send; any other field is accepted as it comes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

__all__ = ["CLUSTER_ACTIONS", "NODE_ACTIONS", "NOTHING", "OBJECTS", "UNDOCUMENTED", "WORDS", "Carried", "Needed"]

WORDS: Mapping[str, bool] = {"true": True, "1": True, "yes": True, "": True, "false": False, "0": False, "no": False}
"""What a yes or no of a query may be, in lower case: `?dry_run` alone is a yes. Source: E-PARAM-2, E-ASSUMED-26."""


@dataclass(frozen=True)
class Needed:
    """What a body must have: one of these fields, or the request is refused with this code."""

    names: tuple[str, ...]
    code: int
    error_code: str


@dataclass(frozen=True)
class Carried:
    """What a request carries.

    Attributes:
        body: field -> "string", "integer", "boolean", "object", "array", "array of strings", "array of integers".
        needs: what the body must have.
        query: parameter -> "boolean" or "integer".
        below: the field of the body that the fields lie below, "bdb", or "".
        dry_run_since: the feature of releases.SINCE that lets it be asked what would be done only; None if each
            release does.
    """

    body: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[Needed, ...] = ()
    query: Mapping[str, str] = field(default_factory=dict)
    below: str = ""
    dry_run_since: str | None = None

    @property
    def has_dry_run(self) -> bool:
        """Whether it can be asked what would be done only."""
        return "dry_run" in self.body or "dry_run" in self.query

    def refused(self, document: Mapping[str, object], query: Mapping[str, list[str]]) -> tuple[int, str, str] | None:
        """Return status code, error code and description of what is wrong with a request, or None. See E-ASSUMED-26."""
        for name, kind in self.query.items():
            if name in query and not _QUERY[kind](query[name][-1]):
                return 400, "invalid_schema", f"the query parameter {name} must be {_noun(kind)}"
        for name, kind in self.body.items():
            if name in document and not _BODY[kind](document[name]):
                return 400, "invalid_schema", f"{name} must be {_noun(kind)}"
        for needed in self.needs:
            if not any(name in document for name in needed.names):
                return needed.code, needed.error_code, f"{' or '.join(needed.names)} is required and not given"
        return None

    def asks_only(self, document: Mapping[str, object], query: Mapping[str, list[str]]) -> bool:
        """Tell whether a request asks what would be done only. Source: E-PARAM-1."""
        if "dry_run" in self.query and "dry_run" in query:
            return WORDS[query["dry_run"][-1].lower()]
        return "dry_run" in self.body and document.get("dry_run") is True


def _noun(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aio" else f"a {kind}"


def _is_integer(value: object) -> bool:
    # 3.0 is a whole number in JSON.
    return type(value) is int or (type(value) is float and value.is_integer())


def _list_of(check: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _is_string(value: object) -> bool:
    return isinstance(value, str)


_BODY: Mapping[str, Callable[[object], bool]] = {
    "string": _is_string,
    "integer": _is_integer,
    "boolean": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "array of strings": _list_of(_is_string),
    "array of integers": _list_of(_is_integer),
}
_QUERY: Mapping[str, Callable[[str], bool]] = {
    "boolean": lambda text: text.lower() in WORDS,
    "integer": lambda text: re.fullmatch("-?[0-9]+", text) is not None,
}

_DRY_RUN = {"dry_run": "boolean"}
_BDB = {
    "name": "string", "type": "string", "memory_size": "integer", "replication": "boolean",
    "data_persistence": "string", "shards_count": "integer",
}  # fmt: skip
_SIZED = (Needed(("name",), 406, "missing_db_name"), Needed(("memory_size",), 406, "missing_memory_size"))
_MODULES = {"modules": "array", "preserve_roles": "boolean", "may_discard_data": "boolean"}
_SHARDS = Needed(("shard_uids",), 404, "shard_uids_required")
_NODE = Needed(("target_node_uid",), 404, "node_uid_required")
_MIGRATE = {
    "target_node_uid": "integer", "override_rack_policy": "boolean", "dry_run": "boolean", "preserve_roles": "boolean",
}  # fmt: skip
_FAILOVER = {
    "dead_nodes": "array of strings", "dry_run": "boolean", "force_rebind": "boolean",
    "redis_version_upgrade": "string",
}  # fmt: skip
_ALERTS = {"email": "string", "email_alerts": "boolean", "cluster_email_alerts": "boolean"}
_MISSING = "missing_field"

NOTHING = Carried()
CREATE = Carried({**_BDB, "uid": "integer"}, _SIZED, _DRY_RUN)
CREATE_V2 = Carried({**_BDB, "uid": "integer"}, _SIZED, _DRY_RUN, below="bdb")
UPDATE = Carried(_BDB, query=_DRY_RUN)
UPGRADE = Carried(
    {
        "force_restart": "boolean", "keep_redis_version": "boolean", "keep_crdt_protocol_version": "boolean",
        "may_discard_data": "boolean", "force_discard": "boolean", "preserve_roles": "boolean",
        "parallel_shards_upgrade": "integer", "modules": "array", "redis_version": "string",
        "latest_with_modules": "boolean",
    }
)  # fmt: skip
UPGRADE_MODULES = Carried(_MODULES)
EXPORT = Carried({"export_location": "object", "email_notification": "boolean"})
IMPORT = Carried({"dataset_import_sources": "array", "email_notification": "boolean"})
REBALANCE = Carried(query={**_DRY_RUN, "only_failovers": "boolean", "max_operations": "integer"})
REVAMP = Carried(
    {
        "avoid_nodes": "array of strings", "bigstore_ram_size": "integer", "memory_size": "integer",
        "replication": "boolean", "shards_count": "integer", "shards_placement": "string",
    },
    query={**_DRY_RUN, "pause_persistence": "boolean"},
)  # fmt: skip
MIGRATE_ONE = Carried(_MIGRATE, (_NODE,))
MIGRATE = Carried(
    {**_MIGRATE, "shard_uids": "array of strings", "max_concurrent_bdb_migrations": "integer"}, (_SHARDS, _NODE)
)
FAILOVER_ONE = Carried({**_FAILOVER, "dead_uid": "string"})
FAILOVER = Carried({**_FAILOVER, "shard_uids": "array of strings", "dead_uids": "array of strings"}, (_SHARDS,))
_USER = {
    **_ALERTS, "name": "string", "password": "string", "role": "string", "role_uids": "array of integers",
    "auth_method": "string",
}  # fmt: skip
_ROLE = {"name": "string", "management": "string", "resources": "array"}
_ACL = {"name": "string", "acl": "string"}
_LDAP = {**_ALERTS, "name": "string", "dn": "string", "role_uids": "array of integers"}


def _needs(*names: str) -> tuple[Needed, ...]:
    return tuple(Needed((name,), 400, _MISSING) for name in names)


_EITHER = (Needed(("role", "role_uids"), 400, _MISSING),)
OBJECTS: Mapping[str, tuple[Carried, Carried]] = {
    "users": (
        Carried(_USER, _needs("email", "password") + _EITHER, _DRY_RUN, dry_run_since="dry-run-of-access"),
        Carried(_USER, query=_DRY_RUN, dry_run_since="dry-run-of-access"),
    ),
    "roles": (
        Carried(_ROLE, _needs("name", "management"), _DRY_RUN, dry_run_since="dry-run-of-access"),
        Carried(_ROLE, query=_DRY_RUN, dry_run_since="dry-run-of-access"),
    ),
    "redis_acls": (
        Carried(_ACL, _needs("name", "acl"), _DRY_RUN, dry_run_since="dry-run-of-access"),
        Carried(_ACL, query=_DRY_RUN, dry_run_since="dry-run-of-access"),
    ),
    "ldap_mappings": (Carried(_LDAP, _needs("name", "dn")), Carried(_LDAP)),
}
"""collection -> what POST and PUT carry; what roles, ACLs and LDAP mappings need is assumed: E-ASSUMED-29."""
DELETE_ROLE = Carried(query=_DRY_RUN, dry_run_since="dry-run-of-deletion")

NODE_ACTIONS: Mapping[str, Carried] = {
    "remove": Carried({"wait_for_persistence": "boolean"}),
    "maintenance_on": Carried(
        {
            "overwrite_snapshot": "boolean", "evict_ha_replica": "boolean", "evict_active_active_replica": "boolean",
            "evict_dbs": "array of strings", "keep_slave_shards": "boolean", "demote_node": "boolean",
        }
    ),
    "maintenance_off": Carried({"snapshot_name": "string", "skip_shards_restore": "boolean"}),
    "enslave_node": Carried({"demote_node": "boolean", "endpoints_only": "boolean", "shards_only": "boolean"}),
    "clone_node_settings": Carried({"source_node_uid": "string"}),
}  # fmt: skip
"""The actions of nodes. Source: E-NODE-10; clone_node_settings is not in the reference: E-NODE-11."""
UNDOCUMENTED = ("clone_node_settings",)
CLUSTER_ACTIONS: Mapping[str, Carried] = {"change_master": Carried({"node_uid": "string"})}  # E-NODE-3
