"""From a state to the body that an API version and release sends: the only home of wire words.

Two profiles. "wire" is what real clusters send; "documented" is what the official reference prints. Bodies are
compact JSON with sorted keys in both (E-SM-11).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping

from ..facts.lifecycle import OTHER, STATE_MACHINE, TASK
from ..facts.releases import has
from .operation import Operation, State

__all__ = ["Body", "encode", "error", "listed", "place", "started", "v1", "v1_envelope", "v2"]

Body = dict[str, object]

CONTENT_TYPE = "application/json"  # without charset: E-HTTP-10

_V2_STATUS: Mapping[str, str] = {  # E-ASSUMED-1
    "pending": "queued",
    "starting": "running",
    "active": "running",
    "cancelling": "running",
    "cancelled": "failed",
    "aborted": "failed",
}
_ACTIVE_STATE: Mapping[str, str] = {"SMDeleteBDB": "config_security", "SMUpdateBDB": "proxy_policy"}  # E-ASSUMED-21


_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"), sort_keys=True)  # dumps would build one each time


def encode(document: object) -> bytes:
    """Return a document as the wire spells it: compact, keys sorted. Source: E-SM-11."""
    return _ENCODER.encode(document).encode("ascii")


def v1(state: State, *, epoch: int, release: str, profile: str) -> Body:
    """Return the body of a task or state machine as `/v1/actions/{uid}` gives it.

    Shape of a task: {"action_uid": str, "creation_time": "<Unix seconds>", "name": str, "node_uid": str,
    "progress": "0".."100", "status": str, "task_id": str}.
    Shape of a state machine: {"action_uid": str, "heartbeat": int, "name": str, "object_name": str,
    "pending_ops": {}, "progress": float, "state": str, "status": str}; the last three but status only while active.
    Source: E-TASK-1 to E-TASK-10, E-SM-1 to E-SM-11.
    """
    if state.operation.kind == STATE_MACHINE:
        body = _state_machine(state, epoch, release, profile)
    else:
        body = _task(state, profile)
    body.update(state.fields)
    return body


def _task(state: State, profile: str) -> Body:
    operation = state.operation
    body: Body = {
        "action_uid": operation.uid,
        "name": operation.name,
        "progress": str(math.floor(state.progress)),  # E-TASK-5, E-C1: a string, in the documented samples too
        "status": state.status,
        "task_id": operation.uid,
    }
    if operation.node_uid is not None:
        body["node_uid"] = operation.node_uid
    if profile == "wire":
        body["creation_time"] = str(operation.creation_time)  # E-TASK-6, E-ASSUMED-16
    return body


def _state_machine(state: State, epoch: int, release: str, profile: str) -> Body:
    operation = state.operation
    body: Body = {
        "action_uid": operation.uid,
        "heartbeat": epoch + math.floor(state.heartbeat),
        "name": operation.name,
        "status": state.status,
    }
    if operation.object_name is not None:  # E-SM-12
        body["object_name"] = operation.object_name
    if profile == "documented":
        body["progress"] = state.progress  # E-C2: "always present"; as the script spells it, 100 or 50.0
        return body
    if state.status != "completed":  # E-SM-6
        body["progress"] = round(float(state.progress), 2)
    if state.status == "active":
        if has(release, "pending-ops"):  # E-SM-8
            body["pending_ops"] = {}
        if operation.name in _ACTIVE_STATE:
            body["state"] = _ACTIVE_STATE[operation.name]
    return body


def v1_envelope(rows: Iterable[tuple[str, Body]]) -> Body:
    """Return the body of `/v1/actions` from rows and their kinds.

    Shape: {"actions": [task, …], "state-machines": [state machine, …]}. Source: E-ROUTE-1, E-C5.
    """
    found: dict[str, list[Body]] = {TASK: [], STATE_MACHINE: []}
    for kind, body in rows:
        found[kind].append(body)
    return {"actions": found[TASK], "state-machines": found[STATE_MACHINE]}


def v2(state: State) -> Body:
    """Return the body of any operation as `/v2/actions/{uid}` gives it.

    Shape: {"action_type": "task" | "state-machine" | "other", "action_uid": str, "additional_info": {…},
    "creation_time": int, "name": str, "progress": float, "status": str}; additional_info only with at least one key.
    Source: E-V2-1 to E-V2-9, E-ASSUMED-1, E-ASSUMED-2.
    """
    operation = state.operation
    status = _V2_STATUS.get(state.status, state.status)
    body: Body = {
        "action_type": operation.kind,
        "action_uid": operation.uid,
        "creation_time": operation.creation_time,
        "name": operation.name,
        "progress": round(float(state.progress), 2),
        "status": status,
    }
    info = _additional_info(state, status)
    if info:
        body["additional_info"] = info
    return body


def _additional_info(state: State, status: str) -> Body:
    operation, fields = state.operation, dict(state.fields)
    if operation.kind == OTHER:
        info: Body = fields
    else:
        info = {key: fields[key] for key in ("description", "error", "pending_ops") if key in fields}
    if operation.node_uid is not None:
        info.setdefault("object_type", "node")
        info.setdefault("object_uid", operation.node_uid)
    elif operation.bdb_uid is not None:
        info.setdefault("object_type", "bdb")  # E-ASSUMED-3
        info.setdefault("object_uid", operation.bdb_uid)
    if status == "failed":
        reason = _reason(state, fields)
        if reason is not None:
            info.setdefault("error", reason)
    return info


def _reason(state: State, fields: Mapping[str, object]) -> object:
    """Return what v2 says of a failure: the v1 text, or the v1 status that v2 has no word for.

    Source: E-ASSUMED-1, E-ASSUMED-24.
    """
    if state.status != "failed":
        return state.status
    return fields.get("error_message", fields.get("error_code"))


def place(state: State) -> Body:
    """Return the body of one cluster action, or of one node action as its own route gives it.

    Shape for a node: {"status": str, "task_id": str}; for the cluster: {"name": str, "progress": float,
    "status": str}. Source: E-NCA-1 to E-NCA-7, E-NODE-2, E-NODE-7.
    """
    if state.operation.node_uid is not None:
        return {"status": state.status, "task_id": state.operation.uid, **_error_of(state)}
    return listed(state)


def listed(state: State) -> Body:
    """Return the row of a node's or the cluster's action in its list.

    Shape for a node: {"name": str, "node_uid": str, "progress": int, "status": str}; for the cluster as `place`.
    Source: E-NODE-1, E-NODE-6, E-NCA-1 to E-NCA-4.
    """
    operation = state.operation
    body: Body = {"name": operation.name, "status": state.status, **_error_of(state)}
    if operation.node_uid is None:
        return {**body, "progress": float(state.progress)}
    return {**body, "node_uid": operation.node_uid, "progress": math.floor(state.progress)}


def _error_of(state: State) -> Body:
    """Return the fields in which a failed task tells its error. Source: E-NCA-8, E-TASK-10."""
    return {name: value for name, value in state.fields if name in ("error_code", "error_message")}


def started(shape: str, operation: Operation, document: Mapping[str, object], *, description: str = "") -> Body | None:
    """Return the body of the reply to a request that started an operation, or None for an empty one.

    Args:
        shape: "action_uid", "description", "bdb", "module", "node" or "empty" (E-BODY-1).
        operation: what was started.
        document: for "bdb" and "module", the object's other fields.
        description: for "description", what was triggered.
    """
    if shape == "empty":
        return None
    if shape == "node":
        return {"status": operation.script.steps[0].status, "task_id": operation.uid}
    body: Body = {**document, "action_uid": operation.uid}
    if shape == "description":
        body["description"] = description
    return body


def error(code: str, description: str) -> Body:
    """Return the body of an error: {"description": str, "error_code": str}. Source: E-ERR-1, E-C8."""
    return {"description": description, "error_code": code}
