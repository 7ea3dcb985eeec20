"""Tables 2.1 to 2.7 of the evidence, and the conflict register, row by row: typed from the page, not the schemas."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_redis_actions import violations

UID = "8fc32a11-4688-4057-9237-cd77fccd726f"
TASK = {"action_uid": UID, "name": "retry_bdb", "progress": "100", "status": "completed"}
MACHINE = {"action_uid": UID, "name": "SMDeleteBDB", "object_name": "bdb:2", "progress": 14.29, "status": "active"}
V2 = {"action_uid": UID, "creation_time": 1742595918, "name": "retry_bdb", "progress": 100.0, "status": "completed"}
DONE = {"action_uid": UID, "name": "SMCreateBDB", "object_name": "bdb:1", "status": "completed"}
NODE = {"name": "remove_node", "node_uid": "1", "progress": 10, "status": "running"}
NONE = object()

# (fact, kind, release, profile, field, value, whether it keeps the contract); NONE takes the field away
ROWS: list[tuple[str, str, str, str, str, Any, bool]] = [
    # 2.1: tasks
    ("E-TASK-1", "action", "8.2", "wire", "action_uid", UID, True),
    ("E-TASK-1", "action", "8.2", "wire", "action_uid", NONE, False),
    ("E-TASK-2", "action", "8.2", "wire", "task_id", UID, True),
    ("E-TASK-2", "action", "8.2", "wire", "task_id", NONE, True),
    ("E-TASK-3", "action", "8.2", "wire", "name", "module_installation", True),
    ("E-TASK-3", "action", "8.2", "wire", "name", NONE, False),
    ("E-TASK-4", "action", "8.2", "documented", "status", "cancelling", True),
    ("E-TASK-5", "action", "7.2", "documented", "progress", 100, True),
    ("E-TASK-5", "action", "7.2", "documented", "progress", 14.29, False),
    ("E-TASK-5", "action", "7.4", "documented", "progress", 14.29, True),
    ("E-TASK-5", "action", "8.2", "wire", "progress", "100", True),
    ("E-TASK-5", "action", "8.2", "wire", "progress", NONE, False),
    ("E-TASK-6", "action", "8.2", "wire", "creation_time", "1760400087", True),
    ("E-TASK-6", "action", "8.2", "wire", "creation_time", 1760400087, False),
    ("E-TASK-6", "action", "8.2", "documented", "creation_time", "1760400087", False),
    ("E-TASK-7", "action", "8.2", "wire", "node_uid", "1", True),
    ("E-TASK-7", "action", "8.2", "wire", "node_uid", 1, False),
    ("E-TASK-8", "action", "8.2", "documented", "module_uid", "9f52147d", True),
    ("E-TASK-9", "action", "7.8", "documented", "pending_ops", {}, True),
    ("E-TASK-9", "action", "7.8", "documented", "state", 3, False),
    ("E-TASK-10", "action", "8.2", "wire", "error_code", "internal_error", True),
    ("E-TASK-10", "action", "8.2", "wire", "error_message", "no", True),
    # 2.2: state machines
    ("E-SM-1", "state-machine", "7.8", "wire", "action_uid", NONE, False),
    ("E-SM-2", "state-machine", "7.8", "wire", "name", "SMCreateBDB", True),
    ("E-SM-12", "state-machine", "7.8", "wire", "object_name", NONE, True),
    ("E-SM-12", "state-machine", "7.8", "documented", "object_name", NONE, True),
    ("E-SM-12", "state-machine", "7.8", "documented", "node_uid", "1", True),
    ("E-SM-3", "state-machine", "7.8", "wire", "object_name", 3, False),
    ("E-SM-4", "state-machine", "7.8", "wire", "status", "pending", True),
    ("E-SM-4", "state-machine", "7.8", "wire", "status", "running", False),
    ("E-SM-5", "state-machine", "7.8", "wire", "heartbeat", 1747780298, True),
    ("E-SM-5", "state-machine", "7.8", "documented", "heartbeat", 1650378874, True),
    ("E-SM-5", "state-machine", "7.8", "wire", "heartbeat", "1747780298", False),
    ("E-SM-6", "state-machine", "7.8", "wire", "progress", NONE, False),
    ("E-SM-6", "state-machine", "7.8", "documented", "progress", 100, True),
    ("E-SM-6", "state-machine", "7.8", "wire", "progress", "14.29", False),
    ("E-SM-7", "state-machine", "7.8", "wire", "state", "config_security", True),
    ("E-SM-8", "state-machine", "7.8", "wire", "pending_ops", {}, True),
    ("E-SM-8", "state-machine", "7.4", "documented", "pending_ops", {}, True),
    ("E-SM-8", "state-machine", "7.2", "documented", "pending_ops", {}, False),
    ("E-SM-9", "state-machine", "7.8", "documented", "error", "no available nodes in cluster!", True),
    ("E-SM-10", "state-machine", "7.8", "documented", "task_id", UID, False),
    # 2.3: v2
    ("E-V2-1", "action-v2", "7.22", "wire", "action_uid", NONE, False),
    ("E-V2-2", "action-v2", "7.22", "wire", "action_type", "other", True),
    ("E-V2-2", "action-v2", "7.22", "wire", "action_type", NONE, True),
    ("E-V2-2", "action-v2", "7.22", "wire", "action_type", "sm", False),
    ("E-V2-3", "action-v2", "7.22", "wire", "creation_time", "1742595918", False),
    ("E-V2-4", "action-v2", "7.22", "wire", "name", NONE, False),
    ("E-V2-5", "action-v2", "7.22", "wire", "progress", "100", False),
    ("E-V2-5", "action-v2", "7.22", "wire", "progress", 100.5, False),
    ("E-V2-6", "action-v2", "7.22", "wire", "status", "queued", True),
    ("E-V2-6", "action-v2", "7.22", "wire", "status", "cancelled", False),
    ("E-V2-7", "action-v2", "7.22", "wire", "additional_info", {}, False),
    ("E-V2-8", "action-v2", "7.22", "wire", "additional_info", {"object_type": "node", "object_uid": "1"}, True),
    ("E-V2-8", "action-v2", "7.22", "wire", "additional_info", {"object_uid": 1}, False),
    *[("E-V2-9", "action-v2", "7.22", "wire", field, "x", False) for field in
      ("object_name", "node_uid", "task_id", "heartbeat", "state", "error_code", "error_message")],
    # 2.4: pending operations
    ("E-OPS-1", "action", "7.8", "documented", "pending_ops", {"3": {"op_name": "update_config", "progress": 1}}, True),
    ("E-OPS-1", "action", "7.8", "documented", "pending_ops", {"3": {"status_code": 0}}, False),
    ("E-OPS-1", "action", "7.8", "documented", "pending_ops", {"3": {"progress": 0}}, False),
    ("E-OPS-1", "action", "7.8", "wire", "pending_ops", {"3": {"progress": 0}}, True),
    # 2.5: actions of nodes and of the cluster
    ("E-NCA-1", "node-action", "8.2", "documented", "name", NONE, False),
    ("E-NCA-2", "node-action", "8.2", "documented", "node_uid", 1, False),
    ("E-NCA-3", "node-action", "8.2", "documented", "status", "queued", True),
    ("E-NCA-4", "node-action", "8.2", "documented", "progress", 0.0, True),
    ("E-NCA-5", "node-action", "8.2", "documented", "task_id", UID, True),
    ("E-NCA-6", "node-action", "8.2", "documented", "action_uid", UID, False),
    ("E-NCA-8", "node-action", "8.2", "documented", "error_code", "internal_error", True),
    ("E-NCA-8", "node-action", "7.4", "documented", "error_message", "no", True),
]  # fmt: skip
BASES: dict[str, dict[str, Any]] = {"action": TASK, "state-machine": MACHINE, "action-v2": V2, "node-action": NODE}


@pytest.mark.parametrize(
    "row", ROWS, ids=lambda row: f"{row[0]}-{row[1]}-{row[2]}-{row[3]}-{row[4]}-{str(row[5])[:20]}"
)
def test_a_row_of_the_tables_of_fields(row: tuple[str, str, str, str, str, Any, bool]) -> None:
    _, kind, release, profile, field, value, keeps = row
    document = {**BASES[kind], field: value}
    if value is NONE:
        del document[field]

    assert (violations(document, kind, release=release, profile=profile) == []) is keeps


# 2.6, 2.7 and the conflict register: (fact, kind, release, document, what wire says, what documented says)
FORMS: list[tuple[str, str, str, Any, bool, bool]] = [
    ("E-ERR-1", "error", "8.2", {"description": "no", "error_code": "action_not_found"}, True, True),
    ("E-ERR-2", "error", "8.2", {"error_code": "bdb_unavailable", "description": "no"}, True, True),
    ("E-ERR-3", "error", "8.2", {"error_code": "x", "description": "y"}, True, True),
    ("E-ERR-4", "error", "8.2", {"error_code": "x", "message": "y"}, False, True),
    ("E-ERR-5", "error", "8.2", {"error_code": "x", "error_message": "y"}, False, False),
    ("E-ERR-6", "error", "8.2", {"error": "x", "code": "y"}, False, False),
    ("E-BODY-1", "started", "8.2", {"action_uid": UID}, True, True),
    ("E-BODY-1", "started", "8.2", {"action_uid": UID, "description": "Migrate was triggered"}, True, True),
    ("E-BODY-1", "started", "8.2", {"status": "queued", "task_id": UID}, True, True),
    ("E-BODY-1", "started", "8.2", {"action_uid": None}, False, False),
    ("E-BODY-2", "POST /v1/bdbs", "8.2", {"action_uid": UID, "uid": 1, "status": "pending",
                                          "background_op": [{"status": "idle"}]}, True, True),
    ("E-C1", "action", "8.2", {**TASK, "progress": "100"}, True, True),
    ("E-C2", "state-machine", "8.2", DONE, True, False),
    ("E-C3", "action", "8.2", {**TASK, "creation_time": "1760400087"}, True, False),
    ("E-C4", "action", "8.2", {**TASK, "node_uid": 1}, False, False),
    ("E-C5", "GET /v1/actions", "8.2", [TASK], False, False),
    ("E-C5", "GET /v1/actions", "8.2", {"actions": [TASK], "state-machines": []}, True, True),
    ("E-C6", "GET /v1/actions/bdb/{bdb_uid}", "8.2", [MACHINE], True, True),
    ("E-C6", "GET /v1/actions/bdb/{bdb_uid}", "8.2", {"actions": [], "state-machines": [MACHINE]}, True, False),
    ("E-C8", "error", "8.2", {"error_code": "x", "message": "y"}, False, True),
    ("E-C11", "node-action", "8.2", {**NODE, "name": "remove"}, True, True),
    ("E-C11", "node-action", "8.2", {**NODE, "name": "remove_node"}, True, True),
    ("E-C12", "action", "8.2", {**TASK, "status": "pending"}, False, False),
    ("E-C12", "action", "8.2", {**TASK, "status": "queued"}, True, True),
    ("E-C14", "POST /v1/nodes/{node_uid}/actions/{action}", "8.2", {"status": "queued", "task_id": UID}, True, True),
]  # fmt: skip


@pytest.mark.parametrize("row", FORMS, ids=lambda row: f"{row[0]}-{row[1]}")
def test_a_form_of_the_tables_of_bodies_and_of_the_conflict_register(
    row: tuple[str, str, str, Any, bool, bool],
) -> None:
    _, kind, release, document, wire, documented = row

    assert (violations(document, kind, release=release) == []) is wire
    assert (violations(document, kind, release=release, profile="documented") == []) is documented
