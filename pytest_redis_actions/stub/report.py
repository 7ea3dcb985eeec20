"""What a stub says at the end of a test: each operation with its statuses over time, and who polled it when."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ..api.endpoint import Endpoint
from ..errors import safe
from ..facts.lifecycle import GONE
from ..observed import timeline
from ..observed.coverage import Coverage
from ..observed.journal import Exchange
from ..observed.timeline import exchange_lines

__all__ = ["coverage", "report_lines"]

_REPORTED = 5
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def report_lines(endpoint: Endpoint, url: str) -> Iterator[str]:
    """Yield the lines of `RedisActions.report`: a few screens, however much has happened."""
    return map(safe, _lines(endpoint, url))


def _lines(endpoint: Endpoint, url: str) -> Iterator[str]:
    journal, clock = endpoint.journal, endpoint.clock
    count = f"{len(journal)} request{'' if len(journal) == 1 else 's'}"
    yield f"Redis Enterprise {endpoint.release} at {url}, clock at {clock.seconds:g} s, {count}"
    if endpoint.chaos_call:
        yield f"redis_actions.{endpoint.chaos_call} reproduces the faults"
    yield from _incident_lines(endpoint)
    refused = [each for each in journal if each.code == 401 and not (each.fault or each.by_handler)]
    if refused:
        yield f"{len(refused)} answered 401: use redis_actions.auth, or auth=False on the marker"
    yield from (f"matched no route:{line}"[:150] for line in endpoint.unrouted[:_REPORTED])
    yield from _unknown_lines(endpoint)
    asked = [uid for uid in endpoint.uids if journal.of(uid)]
    for uid in asked[:_REPORTED]:
        yield from _operation_lines(endpoint, uid)
    if len(asked) > _REPORTED:
        yield f"… and {len(asked) - _REPORTED} more operations"
    known = set(asked)
    others = [each for each in journal if known.isdisjoint(each.uids)]
    if others:
        yield "other requests"
        yield from (f"  {each}"[:80] for each in others[:_REPORTED])
        if len(others) > _REPORTED:
            yield f"  … and {len(others) - _REPORTED} more"


def _unknown_lines(endpoint: Endpoint) -> Iterator[str]:
    known = endpoint.uids
    missed = [each for each in endpoint.journal if each.error_code == "action_not_found" and not each.fault]
    count = sum(not {*known} & {*each.aimed} for each in missed)
    if count and known:
        yield f"{count} asked for an unknown operation: use the uid of a handle, such as {known[-1]}"


def _incident_lines(endpoint: Endpoint) -> Iterator[str]:
    lines = tuple(endpoint.incidents.lines())
    yield from lines
    bundle = next((name for name in _CA_VARIABLES if name in os.environ), None)
    if bundle and any("TLS handshake" in line for line in lines):
        yield f"           {bundle} is set in the environment: it overrides Session.verify of requests"


def _operation_lines(endpoint: Endpoint, uid: str) -> Iterator[str]:
    operation, now = endpoint.operation(uid), endpoint.clock.seconds
    exchanges = endpoint.journal.of(uid)
    seen = [(each.seconds, status) for each in exchanges if (status := _seen(each, uid))]
    yield f"{operation.name if operation else 'operation'} {uid}"
    if seen:
        yield f"  |{timeline.bar(seen, now)}|"
    yield from exchange_lines(exchanges, uid)
    if operation and operation.script.unit == "seconds" and now == 0 and len(exchanges) > 1:
        yield "  its script counts in seconds, and the clock has not moved: redis-actions help virtual-time"


def coverage(endpoint: Endpoint) -> Coverage:
    """Return which statuses and steps clients have seen."""
    found = Coverage()
    for uid in endpoint.uids:
        operation = endpoint.operation(uid)
        seen = [_seen(each, uid) for each in endpoint.journal.of(uid)]
        if operation is not None:
            found.add(operation.kind, [status for status in seen if status])
    return found


def _seen(exchange: Exchange, uid: str) -> str:
    if uid in exchange.shown and exchange.is_poll:
        return str(exchange.shown[uid].get("status", ""))
    return GONE if exchange.is_poll and exchange.error_code == "action_not_found" else ""
