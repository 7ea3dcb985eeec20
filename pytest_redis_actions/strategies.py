"""Hypothesis strategies: documents that keep the contract, documents that break one named rule, and legal traces.

Needs the extra "hypothesis". Written by hand, not derived from the schemas, so that the two test each other.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

try:
    from hypothesis import strategies as st
except ImportError:
    from .errors import MissingExtra

    raise MissingExtra("pytest_redis_actions.strategies", extra="hypothesis", missing="hypothesis") from None

from .errors import UsageError, advice, shown
from .errors.arguments import unknown_in_module, with_example
from .facts.lifecycle import STATE_MACHINE, TASK, V2, check_kind, lifecycle
from .facts.releases import NEWEST, check_profile, check_release, not_before

__all__ = [
    "RULES",
    "action_lists",
    "actions",
    "actions_v2",
    "breaking",
    "errors",
    "pending_operations",
    "state_machines",
    "traces",
]

__tracebackhide__ = True

Document = dict[str, Any]

_LATEST = 253_402_300_799  # the last second of the year 9999

_texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
_uids = st.uuids(version=4).map(str)
_numbers = st.integers(1, 999).map(str)
_seconds = st.integers(0, _LATEST)
_percents = st.one_of(st.integers(0, 100), st.floats(0, 100))


def _some(
    required: Mapping[str, st.SearchStrategy[Any]], optional: Mapping[str, st.SearchStrategy[Any]]
) -> st.SearchStrategy[Document]:
    return st.fixed_dictionaries(dict(required), optional=dict(optional))


def _task_progress(release: str) -> st.SearchStrategy[Any]:
    whole = st.integers(0, 100)
    if release == "7.2":
        return st.one_of(whole, whole.map(str))
    return st.one_of(_percents, whole.map(str), st.floats(0, 100).map("{:.2f}".format))


@with_example("pending_operations()")
def pending_operations(*, profile: str = "wire") -> st.SearchStrategy[Document]:
    """Return pending operations of a shard (E-OPS-1): the reference has their progress begin at 1."""
    least = 1 if check_profile(profile) == "documented" else 0
    return _some(
        {},
        {
            "heartbeat": _seconds,
            "snapshot": st.dictionaries(_texts, st.integers(), max_size=2),
            "last_sample_time": _seconds,
            "op_name": _texts,
            "status_code": _numbers,
            "status_description": _texts,
            "progress": st.one_of(st.integers(least, 100), st.floats(least, 100)),
        },
    )


def _pending_ops(profile: str) -> st.SearchStrategy[Document]:
    return st.dictionaries(_numbers, pending_operations(profile=profile), max_size=2)


@with_example('actions(release="8.2")')
def actions(*, release: str | None = None, profile: str = "wire") -> st.SearchStrategy[Document]:
    """Return tasks of v1 that keep the contract of a release and profile."""
    release = NEWEST if release is None else check_release(release)
    optional: dict[str, st.SearchStrategy[Any]] = {
        "task_id": _uids,
        "node_uid": _numbers,
        "error_code": _texts,
        "error_message": st.text(max_size=20),
        "module_uid": _texts,
    }
    if not_before(release, "7.8"):
        optional |= {
            "object_name": _numbers.map("bdb:{}".format),
            "state": _texts,
            "pending_ops": _pending_ops(profile),
        }
    if profile == "wire":
        optional["creation_time"] = _seconds.map(str)
    required = {
        "action_uid": _uids,
        "name": _texts,
        "status": st.sampled_from(lifecycle(TASK, release, profile).statuses),
        "progress": _task_progress(release),
    }
    return _some(required, optional)


@st.composite
def _state_machine(draw: st.DrawFn, release: str, profile: str) -> Document:
    status = draw(st.sampled_from(lifecycle(STATE_MACHINE, release).statuses))
    optional: dict[str, st.SearchStrategy[Any]] = {
        "heartbeat": _seconds,
        "state": _texts,
        "error": st.text(max_size=20),
        "object_name": _numbers.map("bdb:{}".format),
    }
    if not_before(release, "7.8"):
        optional |= {"pending_ops": _pending_ops(profile), "node_uid": _numbers}
    elif not_before(release, "7.4"):
        optional["pending_ops"] = st.just({})
    required: dict[str, st.SearchStrategy[Any]] = {
        "action_uid": _uids,
        "name": _texts,
        "status": st.just(status),
    }
    (optional if profile == "wire" and status == "completed" else required)["progress"] = _percents
    return draw(_some(required, optional))


@with_example('state_machines(release="8.2")')
def state_machines(*, release: str | None = None, profile: str = "wire") -> st.SearchStrategy[Document]:
    """Return state machines of v1 that keep the contract of a release and profile."""
    return _state_machine(NEWEST if release is None else check_release(release), profile)


@with_example('actions_v2(release="8.2")')
def actions_v2(*, release: str | None = None, profile: str = "wire") -> st.SearchStrategy[Document]:
    """Return actions of v2 that keep the contract of a profile; it is the same since 7.22."""
    check_release(NEWEST if release is None else release)
    info = _some(
        {},
        {
            "description": _texts,
            "error": _texts,
            "object_type": st.sampled_from(["node", "bdb"]),
            "object_uid": _numbers,
            "pending_ops": _pending_ops(profile),
        },
    ).filter(bool)
    required = {
        "action_uid": _uids,
        "creation_time": _seconds,
        "name": _texts,
        "progress": _percents,
        "status": st.sampled_from(lifecycle(V2).statuses),
    }
    kinds = st.sampled_from(["task", "state-machine", "other"])
    return _some(required, {"action_type": kinds, "additional_info": info})


@with_example('action_lists(release="8.2")')
def action_lists(*, release: str | None = None, profile: str = "wire") -> st.SearchStrategy[Document]:
    """Return replies to `GET /v1/actions` that keep the contract of a release and profile."""
    return st.fixed_dictionaries(
        {
            "actions": st.lists(actions(release=release, profile=profile), max_size=4),
            "state-machines": st.lists(state_machines(release=release, profile=profile), max_size=4),
        }
    )


@with_example("errors()")
def errors() -> st.SearchStrategy[Document]:
    """Return error bodies as clusters send them (E-ERR-1)."""
    return _some({"description": st.text(max_size=40), "error_code": st.text(string.ascii_lowercase, min_size=1)}, {})


def _replaced(name: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Document]:
    return st.builds(lambda task, value: {**task, name: value}, actions(), values)


def _removed(name: str) -> st.SearchStrategy[Document]:
    return actions().map(lambda task: {key: value for key, value in task.items() if key != name})


_beyond = st.one_of(st.integers(max_value=-1), st.integers(101), st.integers(101).map(str))
_no_numbers: st.SearchStrategy[Any] = st.sampled_from([None, "", "half", True, "50%", []])
_known = set(lifecycle(TASK).statuses)
_strangers = st.one_of(st.none(), st.booleans(), st.integers(), st.lists(st.integers(), max_size=2))

_BREAKING: Mapping[str, tuple[str, str, st.SearchStrategy[Document]]] = {
    "action_uid missing": ("required", "", _removed("action_uid")),
    "name missing": ("required", "", _removed("name")),
    "status missing": ("required", "", _removed("status")),
    "progress missing": ("required", "", _removed("progress")),
    "status unknown": ("enum", "/status", _replaced("status", _texts.filter(lambda word: word not in _known))),
    "status no text": ("enum", "/status", _replaced("status", _strangers)),
    "action_uid no text": ("type", "/action_uid", _replaced("action_uid", _strangers)),
    "action_uid empty": ("minLength", "/action_uid", _replaced("action_uid", st.just(""))),
    "node_uid no text": ("type", "/node_uid", _replaced("node_uid", _strangers)),
    "creation_time no text": ("type", "/creation_time", _replaced("creation_time", _seconds)),
    "creation_time no digits": ("not", "/creation_time", _replaced("creation_time", _seconds.map("{}s".format))),
    "progress out of range": (
        "anyOf", "/progress", _replaced("progress", _beyond),
    ),
    "progress no number": ("anyOf", "/progress", _replaced("progress", _no_numbers)),
    "a field of v2": ("not", "/action_type", _replaced("action_type", st.just("task"))),
    "no object": ("type", "", st.one_of(st.lists(actions(), max_size=2), st.text(max_size=5), st.none())),
}  # fmt: skip

RULES: tuple[str, ...] = tuple(_BREAKING)
"""The rules of a task of the newest release that `breaking` can break."""


@with_example('breaking("status missing")')
def breaking(rule: str) -> st.SearchStrategy[tuple[Any, str, str]]:
    """Return what breaks exactly one rule of a task: (document, keyword, JSON Pointer), as a Violation reports it.

    Raises:
        UsageError: no such rule; the message names the nearest.
    """
    if rule not in _BREAKING:
        raise UsageError(
            f"unknown rule {shown(rule, 40)}",
            fix=advice(rule, RULES) + f"known are {', '.join(RULES)}",
            value=rule,
        )
    keyword, pointer, documents = _BREAKING[rule]
    return documents.map(lambda document: (document, keyword, pointer))


@st.composite
def _trace(draw: st.DrawFn, kind: str, release: str, profile: str) -> list[str]:
    life = lifecycle(kind, release, profile)
    seen = [draw(st.sampled_from(life.statuses))]
    for _ in range(draw(st.integers(0, 10))):
        reachable = [status for status in life.statuses if life.reaches(seen[-1], status)]
        seen.append(draw(st.sampled_from(reachable)))
    return seen


@with_example('traces("task", release="8.2")')
def traces(kind: str = TASK, *, release: str | None = None, profile: str = "wire") -> st.SearchStrategy[list[str]]:
    """Return the statuses that a poller may see of one operation, in order; polls may miss states.

    Args:
        kind: "task", "state-machine" or "v2".
        release: None for the newest.
        profile: "documented" for the statuses that the reference of that release has.
    """
    return _trace(check_kind(kind), NEWEST if release is None else check_release(release), check_profile(profile))


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        raise unknown_in_module(__name__, name, __all__)
