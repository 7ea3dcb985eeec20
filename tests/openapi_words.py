"""What people read in the OpenAPI description: names, summaries and descriptions of operations and fields."""

from __future__ import annotations

from typing import Any, NamedTuple


class Operation(NamedTuple):
    """How an operation is called, where it is listed, and what it does."""

    id: str
    tag: str
    summary: str


TAGS = {
    "Actions": "Read the operations of the cluster, in version 1 (tasks and state machines) and 2 (one shape for all).",
    "Cluster": "Actions of the cluster itself.",
    "Nodes": "Actions of one node.",
    "Databases": "Requests that start a state machine on a database.",
    "Shards": "Requests that move shards.",
    "Access": "Users, roles, ACLs and LDAP mappings, whose changes are carried to the databases; and tokens.",
}


def _objects(collection: str, one: str, noun: str) -> dict[str, Operation]:
    return {
        f"POST /v1/{collection}": Operation(f"create_{one}", "Access", f"Create {noun}"),
        f"PUT /v1/{collection}/{{object_uid}}": Operation(f"update_{one}", "Access", f"Change {noun}"),
        f"DELETE /v1/{collection}/{{object_uid}}": Operation(f"delete_{one}", "Access", f"Delete {noun}"),
    }


_BDB, _SHARD, _NODE = "/v1/bdbs/{bdb_uid}", "/v1/shards/{shard_uid}/actions", "/v1/nodes/{node_uid}/actions"
OPERATIONS = {
    "GET /v1/actions": Operation("list_actions", "Actions", "List the tasks and the state machines"),
    "GET /v1/actions/{uid}": Operation("get_action", "Actions", "Get a task or a state machine"),
    "GET /v1/actions/bdb/{bdb_uid}": Operation("list_bdb_actions", "Actions", "List the state machines of a database"),
    "GET /v2/actions": Operation("list_actions_v2", "Actions", "List all actions"),
    "GET /v2/actions/{uid}": Operation("get_action_v2", "Actions", "Get an action"),
    "GET /v1/cluster/actions": Operation("list_cluster_actions", "Cluster", "List the actions of the cluster"),
    "GET /v1/cluster/actions/{action}": Operation("get_cluster_action", "Cluster", "Get an action of the cluster"),
    "POST /v1/cluster/actions/{action}": Operation("start_cluster_action", "Cluster", "Start an action of the cluster"),
    "DELETE /v1/cluster/actions/{action}": Operation(
        "cancel_cluster_action", "Cluster", "Cancel an action of the cluster, or remove its result"
    ),
    "GET /v1/nodes/actions": Operation("list_all_node_actions", "Nodes", "List the actions of all nodes"),
    f"GET {_NODE}": Operation("list_node_actions", "Nodes", "List the actions of a node"),
    f"GET {_NODE}/{{action}}": Operation("get_node_action", "Nodes", "Get an action of a node"),
    f"POST {_NODE}/{{action}}": Operation("start_node_action", "Nodes", "Start an action of a node"),
    f"DELETE {_NODE}/{{action}}": Operation(
        "cancel_node_action", "Nodes", "Cancel an action of a node, or remove its result"
    ),
    "POST /v1/bdbs": Operation("create_bdb", "Databases", "Create a database"),
    "POST /v2/bdbs": Operation("create_bdb_v2", "Databases", "Create a database, with recovery options"),
    f"PUT {_BDB}": Operation("update_bdb", "Databases", "Change a database"),
    f"DELETE {_BDB}": Operation("delete_bdb", "Databases", "Delete a database"),
    f"PUT {_BDB}/flush": Operation("flush_bdb", "Databases", "Change a database and delete its data"),
    f"PUT {_BDB}/reset_admin_pass": Operation(
        "reset_bdb_admin_pass", "Databases", "Change a database and reset its internal password"
    ),
    f"POST {_BDB}/upgrade": Operation("upgrade_bdb", "Databases", "Upgrade a database"),
    f"POST {_BDB}/modules/upgrade": Operation("upgrade_bdb_modules", "Databases", "Upgrade the modules of a database"),
    f"POST {_BDB}/actions/recover": Operation("recover_bdb", "Databases", "Recover a database"),
    f"POST {_BDB}/actions/export": Operation("export_bdb", "Databases", "Export a database"),
    f"POST {_BDB}/actions/import": Operation("import_bdb", "Databases", "Import data into a database"),
    f"PUT {_BDB}/actions/rebalance": Operation("rebalance_bdb", "Databases", "Move the shards of a database"),
    f"PUT {_BDB}/actions/revamp": Operation(
        "revamp_bdb", "Databases", "Change the topology of a database and move its shards"
    ),
    f"POST {_BDB}/actions/stop_traffic": Operation("stop_bdb_traffic", "Databases", "Stop traffic to a database"),
    f"POST {_BDB}/actions/resume_traffic": Operation("resume_bdb_traffic", "Databases", "Resume traffic to a database"),
    "POST /v1/shards/actions/migrate": Operation("migrate_shards", "Shards", "Move shards to another node"),
    f"POST {_SHARD}/migrate": Operation("migrate_shard", "Shards", "Move one shard to another node"),
    "POST /v1/shards/actions/failover": Operation("failover_shards", "Shards", "Fail over shards"),
    f"POST {_SHARD}/failover": Operation("failover_shard", "Shards", "Fail over one shard"),
    **_objects("users", "user", "a user"),
    **_objects("roles", "role", "a role"),
    **_objects("redis_acls", "redis_acl", "an ACL"),
    **_objects("ldap_mappings", "ldap_mapping", "an LDAP mapping"),
    "POST /v1/users/authorize": Operation("authorize", "Access", "Get a token"),
    "POST /v1/users/refresh_jwt": Operation("refresh_jwt", "Access", "Get a fresh token"),
}

PLACEHOLDERS: dict[str, tuple[str, Any]] = {
    "uid": (
        "The uid of the action: action_uid, or task_id of a node's action.",
        "159ca2f8-7bf3-4cda-97e8-4eb560665c28",
    ),
    "bdb_uid": ("The uid of the database.", 1),
    "node_uid": ("The uid of the node.", "1"),
    "shard_uid": ("The uid of the shard.", "1"),
    "object_uid": ("The uid of the object.", 17),
    "action": ("The name of the action.", ""),
}

FIELDS: dict[str, tuple[str, Any]] = {
    "acl": ("The rules of the ACL.", "~* +@geo"),
    "auth_method": ("How the user signs in, such as regular or certificate.", "regular"),
    "avoid_nodes": ("The uids of nodes that get no shard.", ["1"]),
    "bdb": ("The configuration of the database.", {"name": "db1", "memory_size": 1073741824}),
    "bigstore_ram_size": ("RAM for a database that extends to flash, in bytes.", 536870912),
    "cluster_email_alerts": ("Whether alerts of the cluster are sent by email.", False),
    "data_persistence": ("How data is kept: disabled, snapshot or aof.", "disabled"),
    "dataset_import_sources": ("Where the data to import is.", [{"type": "url", "url": "https://example.com/db1.rdb"}]),
    "dead_nodes": ("The uids of nodes that are known to be down.", ["2"]),
    "dead_uid": ("The uid of a shard that is known to be down.", "3"),
    "dead_uids": ("The uids of shards that are known to be down.", ["3"]),
    "demote_node": ("Whether the node becomes a replica if it is the master.", False),
    "dn": ("The distinguished name of the group.", "OU=ops.group,DC=example,DC=com"),
    "dry_run": ("Whether only to tell what would be done; nothing is started then.", False),
    "email": ("The email address.", "user@example.com"),
    "email_alerts": ("Whether alerts are sent by email.", True),
    "email_notification": ("Whether the end is told by email.", True),
    "endpoints_only": ("Whether endpoints alone are demoted.", False),
    "evict_active_active_replica": ("Whether replicas of Active-Active databases leave the node.", True),
    "evict_dbs": ("The uids of databases whose shards leave the node.", ["1"]),
    "evict_ha_replica": ("Whether replicas of databases with high availability leave the node.", True),
    "export_location": ("Where the data goes.", {"type": "url", "url": "https://example.com/exports"}),
    "force_discard": ("Whether data that cannot be replicated may be lost.", False),
    "force_rebind": ("Whether the endpoint is bound again even if nothing changed.", False),
    "force_restart": ("Whether shards restart even if the version is the same.", False),
    "keep_crdt_protocol_version": ("Whether the Active-Active protocol version stays.", False),
    "keep_redis_version": ("Whether the Redis version stays.", False),
    "keep_slave_shards": ("Whether replica shards stay on the node.", False),
    "latest_with_modules": ("Whether to upgrade to the newest version, modules included.", True),
    "management": ("The management role: admin, db_member, db_viewer, …", "db_viewer"),
    "max_concurrent_bdb_migrations": ("How many databases are moved at a time.", 2),
    "max_operations": ("How many shards may move; fewer mean a worse balance.", 2),
    "may_discard_data": ("Whether data may be lost.", False),
    "memory_size": ("The memory limit, in bytes.", 1073741824),
    "modules": ("The modules, an object for each.", [{"current_module": "aa3648d79bd4082d414587c42ea0b234"}]),
    "name": ("The name.", "db1"),
    "node_uid": ("The uid of the node.", "2"),
    "only_failovers": ("Whether roles may change, but no shard may move.", False),
    "override_rack_policy": ("Whether the rack awareness of the database may be violated.", False),
    "overwrite_snapshot": ("Whether the snapshot of the node is written anew.", True),
    "parallel_shards_upgrade": ("How many shards are upgraded at a time; 0 means all.", 0),
    "password": ("The password.", "correct horse battery staple"),
    "pause_persistence": ("Whether persistence is paused meanwhile.", False),
    "preserve_roles": ("Whether masters stay masters.", True),
    "redis_version": ("The Redis version to upgrade to.", "7.4"),
    "redis_version_upgrade": ("The Redis version to upgrade to in passing.", "7.4"),
    "replication": ("Whether each master shard has a replica.", False),
    "resources": ("What the role applies to.", []),
    "role": ("The role.", "db_viewer"),
    "role_uids": ("The uids of roles.", [3]),
    "shard_uids": ("The uids of shards.", ["2", "4"]),
    "shards_count": ("How many master shards there are, 1 to 512.", 1),
    "shards_only": ("Whether shards alone are demoted.", False),
    "shards_placement": ("Whether shards lie dense or sparse.", "dense"),
    "skip_shards_restore": ("Whether shards stay where they are now.", False),
    "snapshot_name": ("The name of the node's snapshot.", "before-maintenance"),
    "target_node_uid": ("The uid of the node that gets the shards.", 2),
    "ttl": ("How long the token is valid, in seconds.", 300),
    "type": ("The kind of database: redis or memcached.", "redis"),
    "uid": ("The uid that the object gets; the next free one if left out.", 1),
    "wait_for_persistence": ("Whether to wait until data is on disk.", False),
}

REPLY_FIELDS = {
    "account_id": "The account that the object belongs to.",
    "bdbs_email_alerts": "The uids of the databases whose alerts are sent by email.",
    "certificate_subject_line": "The subject of the certificate that the user signs in with.",
    "last_login": "When the user signed in last, in Unix seconds.",
    "max_version": "The newest Redis version that the ACL is for.",
    "min_version": "The oldest Redis version that the ACL is for.",
    "password_hash_method": "How the password is hashed.",
    "password_issue_date": "When the password was set.",
    "status": "Whether the user may sign in: active, locked or password_expired.",
}
