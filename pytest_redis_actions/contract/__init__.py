"""Validation: whether a document keeps the contract of a release; if not, where (RA101 and so on), and who says so.

It takes documents and does not depend on a server. jsonschema and jsonschema-rs are imported with the first document.

May import: errors, facts.
Public: catalogue, documents.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from ..errors import UsageError, exact, shown
from ..errors.arguments import with_example
from ..facts.releases import NEWEST
from .violation import CODES, ContractError, Violation

__all__ = [
    "CODES",
    "ContractError",
    "Violation",
    "validate",
    "validate_action",
    "validate_actions",
    "validate_exchanges",
    "validate_state_machine",
    "violations",
]

__tracebackhide__ = True

_APIS = ("v1", "v2")


@with_example('violations(document, "action", release="8.2")')
def violations(document: object, kind: str, *, release: str | None = None, profile: str = "wire") -> list[Violation]:
    """Return every violation of the contract by a document, in the order of the document.

    Args:
        document: what json.loads returns.
        kind: an object ("action", "state-machine", "action-v2", "pending-op", "node-action", "cluster-action",
            "started", "error") or a response named by its request ("GET /v1/actions", "GET /v1/actions/{uid}", …).
        release: "7.2", "7.4", "7.8", "7.22", "8.0" or "8.2"; None for the newest.
        profile: "wire", what clusters send, or "documented", what the reference says.

    In a list with more than 1,000 invalid rows, the first 1,000 are explained.

    Raises:
        UsageError: an unknown kind or profile, a kind without a body, or an object that is not JSON.
        ReleaseError: an unknown release, or one that lacks this kind.
    """
    from .engine import find

    return find(document, kind, release, profile)


@with_example('validate(document, "action", release="8.2")')
def validate(document: object, kind: str, *, release: str | None = None, profile: str = "wire") -> None:
    """Fail if a document violates the contract. Takes the arguments of `violations`.

    Raises:
        ContractError: it does; `.violations` has every violation.
        UsageError, ReleaseError: as `violations`.
    """
    found = violations(document, kind, release=release, profile=profile)
    if found:
        raise ContractError(found, kind=kind, release=release or NEWEST, profile=profile)


@with_example('validate_action(document, release="8.2")')
def validate_action(document: object, *, api: str = "v1", release: str | None = None, profile: str = "wire") -> None:
    """Fail unless a document is a task of v1, or an action of v2, that keeps the contract. Raises as `validate`."""
    validate(document, "action" if _checked_api(api) == "v1" else "action-v2", release=release, profile=profile)


@with_example('validate_state_machine(document, release="8.2")')
def validate_state_machine(document: object, *, release: str | None = None, profile: str = "wire") -> None:
    """Fail unless a document is a state machine of v1 that keeps the contract. Raises as `validate`."""
    validate(document, "state-machine", release=release, profile=profile)


@with_example('validate_actions(document, release="8.2")')
def validate_actions(document: object, *, api: str = "v1", release: str | None = None, profile: str = "wire") -> None:
    """Fail unless a document is a reply to `GET /v1/actions`, or to `GET /v2/actions`. Raises as `validate`."""
    validate(document, f"GET /{_checked_api(api)}/actions", release=release, profile=profile)


class _Exchange(Protocol):
    @property
    def method(self) -> str: ...
    @property
    def route(self) -> str | None: ...
    @property
    def code(self) -> int: ...
    @property
    def body(self) -> bytes: ...
    @property
    def by_handler(self) -> bool: ...
    @property
    def fault(self) -> str: ...


def validate_exchanges(exchanges: Iterable[_Exchange], *, release: str | None = None, profile: str = "wire") -> None:
    """Fail if the body of one of these exchanges violates the contract; the first such body is reported.

    Args:
        exchanges: what has a method, the route's template, the status code and the body: a journal, for example.
            Those without a route or a body, those that a handler of the test's own has answered, and those that met
            a fault are passed over.

    Raises:
        ContractError: one does.
        UsageError: none of them could be judged.
    """
    from . import documents

    has_looked = False
    for exchange in exchanges:
        if exchange.route is None or not exchange.body or exchange.by_handler or exchange.fault:
            continue
        kind = "error" if exchange.code >= 400 else f"{exchange.method} {exchange.route}".replace("HEAD ", "GET ")
        document, unreadable = documents.parse(exchange.body)
        found = unreadable or violations(document, kind, release=release, profile=profile)
        has_looked = True
        if found:
            raise ContractError(found, kind=kind, release=release or NEWEST, profile=profile)
    if not has_looked:
        raise UsageError("no reply of the API to validate", fix="let a client send a request before this line")


def _checked_api(api: object) -> str:
    known = exact(api)
    if isinstance(known, str) and known in _APIS:
        return known
    raise UsageError(f"unknown api {shown(api, 30)}", fix="write 'v1' or 'v2'", value=api)
