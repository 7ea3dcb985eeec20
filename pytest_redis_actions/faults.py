"""What can go wrong between a poller and a cluster: values for `redis_actions.fault(…)` and for scripts.

    redis_actions.fault(faults.status(503, retry_after=7), on=action, after_polls=2, polls=2)
    redis_actions.add_action("migrate_shards", script=[running(polls=2), faults.reset(), completed()])

A fault that replaces, spoils or cuts off a reply does not advance the script; one that changes fields, delays the reply
or closes the connection after it does. Each is a poll. Source: the scenarios in which clients of this API were seen to
fail; assumed, where no row is cited.

May import: errors, operations.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from .errors import UsageError, advice, nearest, shown
from .errors.arguments import check_number, unknown_in_module, warn, with_example
from .operations import bodies as wire
from .operations.script import FIELDS, is_json, jump

__all__ = [
    "ABSENT",
    "CHAOS",
    "Fault",
    "HttpDate",
    "body",
    "closed",
    "conflict",
    "drawn_from",
    "drip",
    "empty",
    "expired_credentials",
    "forbidden",
    "hastened",
    "html",
    "jump",
    "not_found",
    "random_fault",
    "record",
    "redirect",
    "reset",
    "reset_in_body",
    "slow",
    "status",
    "takes",
    "truncated",
    "unauthorized",
    "wrong_shape",
]

__tracebackhide__ = True

LONGEST_REAL = 30.0  # seconds
_REDIRECTIONS = (301, 302, 303, 307, 308)
_JSON = wire.CONTENT_TYPE
_HTML = "text/html; charset=utf-8"


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Any = _Absent()
"""In `record(…)`: the field is left out of the body."""


@dataclass(frozen=True)
class HttpDate:
    """A Retry-After as a date: this many seconds after the instant of the reply, on the stub's clock."""

    seconds: float

    def __post_init__(self) -> None:
        check_number("seconds", self.seconds, least=-1e9, most=1e9, of="HttpDate")


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong. Made by the functions of this module.

    Attributes:
        name: as journals and reports show it, "503".
        code: the status code of the reply that is sent instead; None where the API answers.
        headers: of that reply; a value may be an HttpDate.
        content: its body.
        fields: values that replace those of the records in a reply; ABSENT leaves a field out.
        change: "truncated" or "wrong shape": what is done to the API's own body.
        delivery: "reset", "reset in the body", "slow", "drip" or "closed": what is done to the connection.
        seconds: real seconds that the delivery takes.
        takes: virtual seconds that the reply takes.
        renews: whether the administrator's password changes.
    """

    name: str
    code: int | None = None
    headers: tuple[tuple[str, str | HttpDate], ...] = ()
    content: bytes = b""
    fields: tuple[tuple[str, object], ...] = ()
    change: str = ""
    delivery: str = ""
    seconds: float = 0.0
    takes: float = 0.0
    renews: bool = field(default=False)

    def __repr__(self) -> str:
        return f"<fault: {self.name}>"

    @property
    def moves(self) -> bool:
        """Whether a poll with this fault advances the script: the API's own reply arrives whole."""
        return self.code is None and not self.change and self.delivery not in ("reset", "reset in the body")


@with_example("faults.status(503, retry_after=7)")
def status(
    code: int,
    content: object = None,
    *,
    retry_after: float | str | HttpDate | None = None,
    headers: Mapping[str, str] | None = None,
) -> Fault:
    """Another reply: any status code, with an error body of the API or with the given body.

    Args:
        code: 200 to 599.
        content: bytes or a text, sent unchanged, or a value that json.dumps can write.
        retry_after: seconds, a text that is sent unchanged, or an HttpDate.
        headers: further headers.
    """
    check_number("code", code, least=200, most=599, whole=True, of="status")
    if content is None and code < 300 and code != 204:
        warn(f"faults.status({code}) is an error body with a status of success; faults.body(…) sends another body")
    if code in _REDIRECTIONS and "location" not in {str(name).lower() for name in headers or {}}:
        warn(f'faults.status({code}) has no Location; faults.redirect("/v1/…", code={code}) has one')
    if not isinstance(headers or {}, Mapping):
        raise UsageError(
            f"headers={shown(headers, 30)} is not a mapping", fix='write headers={"X-A": "b"}', value=headers
        )
    for name, value in (headers or {}).items():
        _check_header(name, value)
    if content is None and code not in (204, 304):
        content = wire.error("internal_error" if code >= 500 else "error", f"this reply was asked for: {code}")
    given: tuple[tuple[str, str | HttpDate], ...] = tuple((headers or {}).items())
    if retry_after is not None:
        given = (("Retry-After", _retry_after(retry_after)), *given)
    told = f"{code} with Retry-After: {_told(retry_after)}" if retry_after is not None else str(code)
    return Fault(told, code, (("Content-Type", _JSON), *given), _encoded(content))


def _check_header(name: object, value: object) -> None:
    is_name = isinstance(name, str) and name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    if is_name and (isinstance(value, HttpDate) or (isinstance(value, str) and not {"\r", "\n", "\0"} & {*value})):
        return
    raise UsageError(
        f"header {shown(name, 24)}: {shown(value, 30)} cannot be sent", fix='write headers={"X-A": "b"}', value=value
    )


def _told(retry_after: object) -> str:
    return f"{retry_after.seconds:+g} s as a date" if isinstance(retry_after, HttpDate) else str(retry_after)[:20]


def _retry_after(value: object) -> str | HttpDate:
    if isinstance(value, (str, HttpDate)):
        return value
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
        raise UsageError(
            f"retry_after={shown(value, 30)} is not a Retry-After",
            fix="give seconds, a text, or faults.HttpDate(30) for a date that many seconds ahead",
            value=value,
        )
    return f"{value:.0f}" if value == int(value) else str(value)


def _encoded(content: object) -> bytes:
    if content is None:
        return b""
    if isinstance(content, bytes):
        return content
    if isinstance(content, str):
        return content.encode("utf-8")
    if not is_json(content):
        raise UsageError(f"{shown(content, 40)} is not JSON", fix="give bytes, a text, or JSON", value=content)
    return json.dumps(content).encode("utf-8")


@with_example('faults.body("{")')
def body(content: object, *, code: int = 200, content_type: str = _JSON) -> Fault:
    """Another body: bytes or a text, sent unchanged, or a value that json.dumps can write."""
    return replace(
        status(code, content if content is not None else b"null"),
        name=f"{code} with {shown(content, 20)}",
        headers=(("Content-Type", content_type),),
    )


@with_example("faults.html(502)")
def html(code: int = 502) -> Fault:
    """HTML where JSON is expected, as a proxy in between answers."""
    page = f"<html><head><title>{code}</title></head><body><h1>{code}</h1><hr>proxy</body></html>\n"
    return replace(body(page, code=code, content_type=_HTML), name=f"{code} in HTML")


@with_example('faults.redirect("/v1/elsewhere")')
def redirect(to: str, *, code: int = 302) -> Fault:
    """A redirection, to a path or to a whole URL."""
    if code not in _REDIRECTIONS:
        raise UsageError(
            f"redirect(code={shown(code, 20)}) is not a redirection", fix="give 301, 302, 303, 307 or 308", value=code
        )
    if not (isinstance(to, str) and (to.startswith("/") or "://" in to)):
        raise UsageError(
            f"redirect({shown(to, 40)}) needs a path or a URL", fix='write redirect("/v1/elsewhere")', value=to
        )
    return replace(status(code, b"", headers={"Location": to}), name=f"{code} to another place")


@with_example("faults.empty(204)")
def empty(code: int = 200) -> Fault:
    """A reply without a body."""
    return replace(status(code, b""), name=f"{code} without a body")


@with_example("faults.truncated()")
def truncated() -> Fault:
    """The API's reply with its JSON cut off in the middle; the HTTP message is whole."""
    return Fault("truncated JSON", change="truncated")


@with_example("faults.wrong_shape()")
def wrong_shape() -> Fault:
    """The API's reply with a list where an object is expected, or the reverse."""
    return Fault("a list for an object, or the reverse", change="wrong shape")


@with_example("faults.unauthorized()")
def unauthorized() -> Fault:
    """401 for every user."""
    found = status(401, wire.error("unauthorized", "credentials are missing or incorrect"))
    return replace(found, headers=(*found.headers, ("WWW-Authenticate", 'Basic realm="Redis Enterprise"')))


@with_example("faults.expired_credentials()")
def expired_credentials() -> Fault:
    """The administrator's password changes: the old one gets 401, and `redis_actions.auth` has the new one."""
    return Fault("the password was changed", renews=True)


@with_example("faults.forbidden()")
def forbidden() -> Fault:
    """403 for every user."""
    return status(403, wire.error("forbidden", "the role lacks the permission view_status_of_cluster_action"))


@with_example("faults.not_found()")
def not_found() -> Fault:
    """404, as for a record that does not exist yet, or no longer."""
    return status(404, wire.error("action_not_found", "the action does not exist"))


@with_example("faults.conflict()")
def conflict() -> Fault:
    """409, as while another operation is in progress."""
    return status(409, wire.error("conflict", "another operation is in progress"))


@with_example('faults.record(status="Completed")')
def record(**fields: object) -> Fault:
    """The API's reply with other fields in its records: `record(status="Completed", name=faults.ABSENT)`."""
    if not fields:
        raise UsageError("record() changes nothing", fix='name a field: record(status="Completed")')
    for name, value in fields.items():
        meant = nearest(name, FIELDS, cutoff=0.85)
        if meant not in (None, name):
            raise UsageError(
                f"record({name[:40]}=…): {name[:20]} is nearly {meant}", fix=f"write {meant}=…", value=name
            )
        if value is not ABSENT and not is_json(value):
            raise UsageError(
                f"record({name}={shown(value, 30)}) is not JSON",
                fix="a field is what json.dumps can write, or faults.ABSENT",
                value=value,
            )
    told = ", ".join(f"{name} {shown(value, 20)}" for name, value in fields.items())
    return Fault(told[:60], fields=tuple(fields.items()))


@with_example("faults.slow(0.3)")
def slow(seconds: float) -> Fault:
    """The API's reply after this many real seconds, for example longer than a client's read time-out."""
    return Fault(f"{seconds} real s late", delivery="slow", seconds=_real(seconds, "slow"))


@with_example("faults.drip(0.3)")
def drip(seconds: float) -> Fault:
    """The API's reply with its body sent in small pieces over this many real seconds."""
    return Fault(f"dripping for {seconds} real s", delivery="drip", seconds=_real(seconds, "drip"))


@with_example("faults.takes(300)")
def takes(seconds: float) -> Fault:
    """The API's reply after this many seconds on the stub's clock."""
    check_number("seconds", seconds, above=True, most=1e9, unit="virtual seconds", of="takes")
    return Fault(f"{seconds:g} virtual s late", takes=seconds)


def _real(seconds: float, name: str) -> float:
    check_number("seconds", seconds, above=True, most=LONGEST_REAL, unit="real seconds", of=name)
    return seconds


@with_example("faults.reset()")
def reset() -> Fault:
    """The connection is reset before any of the reply is sent."""
    return Fault("reset", delivery="reset")


@with_example("faults.reset_in_body()")
def reset_in_body() -> Fault:
    """The connection is reset after half of the body is sent."""
    return Fault("reset in the body", delivery="reset in the body")


@with_example("faults.closed()")
def closed() -> Fault:
    """The API's reply, after which the connection is closed: the next poll finds it dead."""
    return Fault("closed after the reply", delivery="closed")


def hastened(fault: Fault, seconds: int) -> Fault:
    """Return the fault with a Retry-After of at most this, for clients that wait in real time."""
    headers = tuple(
        (name, str(seconds) if name == "Retry-After" and _is_long(value, seconds) else value)
        for name, value in fault.headers
    )
    changed = headers != fault.headers
    return replace(fault, headers=headers, name=f"{fault.name}, shortened to {seconds}" if changed else fault.name)


def _is_long(value: str | HttpDate, seconds: int) -> bool:
    return isinstance(value, str) and value.isdigit() and seconds < int(value) < 1000


def _error(source: random.Random) -> Fault:
    return status(source.choice((500, 502, 503, 504)))


def _retry(source: random.Random) -> Fault:
    return status(source.choice((429, 503)), retry_after=source.choice((0, 1, 7, HttpDate(3))))


HONEST: Mapping[str, Callable[[random.Random], Fault]] = {
    "errors": _error,
    "retry_after": _retry,
    "html": lambda source: html(source.choice((502, 503, 504))),
    "empty": lambda _: empty(),
    "truncated": lambda _: truncated(),
    "reset": lambda _: reset(),
    "reset_in_body": lambda _: reset_in_body(),
    "closed": lambda _: closed(),
    "drip": lambda _: drip(0.02),
    "takes": lambda source: takes(source.choice((1, 30))),
    "fields": lambda _: record(description="completed", detail={"status": "completed"}),
}
"""What chaos draws from by default: a client that retries, and waits as long as Retry-After says, passes."""

CHAOS: Mapping[str, Callable[[random.Random], Fault]] = {
    **HONEST,
    "strange_retry_after": lambda source: status(503, retry_after=source.choice(("soon", -5, HttpDate(-3)))),
    "no_content": lambda _: empty(204),
    "strange_body": lambda source: body(source.choice(({}, [], None, "", "null", 7, "completed"))),
    "wrong_shape": lambda _: wrong_shape(),
    "status": lambda source: record(status=source.choice(("Running", "unknown", None, 7, "", [], ABSENT))),
    "progress": lambda source: record(progress=source.choice((0, 100, "100", 250, -1, None, ABSENT, "x"))),
    "action_uid": lambda source: record(action_uid=source.choice(("another", None, ABSENT))),
    "unauthorized": lambda _: unauthorized(),
    "forbidden": lambda _: forbidden(),
    "not_found": lambda _: not_found(),
    "refused": lambda source: status(source.choice((400, 409))),
}
"""All that chaos can draw from; none of it shows a known status that the script does not have."""


def drawn_from(only: Iterable[str] | None, never: Iterable[str]) -> tuple[str, ...]:
    """Return the names that chaos draws from: `only`, or those that an honest client passes, without `never`.

    Raises:
        UsageError: an unknown name, with the nearest one; or no name is left.
    """
    for what, names in (("only", only), ("never", never)):
        for name in [names] if isinstance(names, str) else names or ():
            if isinstance(names, str) or name not in CHAOS:
                fix = (
                    f"write {what}=[{names!r}]; " if isinstance(names, str) and names in CHAOS else advice(name, CHAOS)
                )
                raise UsageError(
                    f"{what}={shown(names, 40)} is not a list of faults of chaos",
                    fix=f"{fix}known are {', '.join(CHAOS)}",
                    value=name,
                )
    kept = tuple(name for name in (HONEST if only is None else CHAOS) if only is None or name in {*only})
    left = tuple(name for name in kept if name not in {*never})
    if not left:
        raise UsageError(
            "chaos() has no fault to draw from", fix="add one to only, or remove one from never", value=only
        )
    return left


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        raise unknown_in_module(__name__, name, __all__)


def random_fault(source: random.Random, names: Sequence[str]) -> Fault:
    """Draw one of these faults."""
    return CHAOS[source.choice(names)](source)
