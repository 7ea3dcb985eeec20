"""Requests, replies and their instants, with queries. Secrets are kept out: see `redaction`."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar, NamedTuple, overload

from ..errors import UsageError, advice, shown
from ..errors.arguments import Suggesting, check_number, with_example
from ..facts.lifecycle import STATUSES
from ..facts.routes import ROUTES, check_request, difference, find
from .redaction import Headers

__all__ = ["Exchange", "Journal", "error_code_of"]

__tracebackhide__ = True


class Exchange(NamedTuple):
    """One request and its reply.

    Attributes:
        number: from 1, in the order in which the requests were answered.
        seconds: on the stub's clock, when the request was answered.
        method: "GET".
        target: path and query, without secrets.
        route: the route's template, "/v1/actions/{uid}", or None if none matched.
        code: the reply's HTTP status code.
        aimed: the uids that the request asked for, whether the reply showed them or not.
        unshown: the uids that the list would have shown, had it been answered.
        shown: uid -> the body of each operation that the reply showed; read-only.
        headers: the request's, lower-case names, without secrets: see `has_header`.
        body: the reply's, as sent; with blanks for what a client sent and the reply repeats; empty for tokens and for
            what a handler of the test's own has answered.
        connection: the number of the TCP connection it came on, from 1; 0 without a socket.
        left_over: the id of the earlier test that its uid belonged to, or None.
        retry_after: seconds of the reply's Retry-After, on the stub's clock, or None.
        overlaps: the number of an exchange about the same operation that was not answered yet, or None.
        by_handler: whether a handler of the test answered instead of the API.
        fault: the name of the fault that applied, or "".
        error_code: the error's short name, such as "action_not_found"; "" for a reply that is not an error of the API.
    """

    number: int
    seconds: float
    method: str
    target: str
    route: str | None
    code: int
    aimed: tuple[str, ...]
    shown: Mapping[str, Mapping[str, object]]
    headers: Headers
    body: bytes
    connection: int = 0
    left_over: str | None = None
    retry_after: float | None = None
    overlaps: int | None = None
    by_handler: bool = False
    fault: str = ""
    unshown: tuple[str, ...] = ()
    error_code: str = ""

    @property
    def uids(self) -> tuple[str, ...]:
        """The operations that the request is about: asked for, shown, or missing from a list that was not answered."""
        return tuple(dict.fromkeys((*self.aimed, *self.shown, *self.unshown)))

    @property
    def is_poll(self) -> bool:
        """Whether it polls operations, those of `uids`: a GET of one, or of a list."""
        return self.method == "GET" and bool(self.aimed or self.shown or self.unshown)

    def statuses(self, uid: str | None = None) -> tuple[object, ...]:
        """Return the statuses that the reply showed: of one operation, or of all."""
        return tuple(body.get("status") for key, body in self.shown.items() if uid in (None, key))

    def has_header(self, name: str, value: str | None = None) -> bool:
        """Tell whether the request had a header, and with this value, which may be a secret, if one is given."""
        return self.headers.has(name, value)

    def __repr__(self) -> str:
        return f"<{self}>"

    def __str__(self) -> str:
        line = f"#{self.number} {self.seconds:.1f}s {self.method} {self.target} -> {self.code}"
        if len(self.shown) == 1:
            (body,) = self.shown.values()
            words = [str(body.get("status", "")), str(body.get("progress", ""))]
            line += "  " + " ".join(word[:40] for word in words if word)
        elif self.shown:
            line += f"  {len(self.shown)} operations"
        elif self.error_code:
            line += f"  {self.error_code[:40]}"
        line += f"  (fault: {self.fault})" if self.fault else ""
        return f"{line}  (left over from {self.left_over})" if self.left_over else line


class Journal(Suggesting, Sequence[Exchange]):
    """Every exchange of one stub, in order: a sequence that only the stub adds to.

    Args:
        knows: whether there is an operation of a uid; without it every uid may be asked for.
    """

    _meant: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("polls", "polled"), "polls_of(uid)"),
        **dict.fromkeys(("requests", "filter", "find"), "where(…)"),
        **dict.fromkeys(("first", "last", "all"), "journal[0], journal[-1], list(journal)"),
    }

    def __init__(self, knows: Callable[[str], bool] | None = None) -> None:
        self._knows = knows or (lambda uid: True)
        self._exchanges: list[Exchange] = []
        self._by_uid: defaultdict[str, list[Exchange]] = defaultdict(list)

    @overload
    def __getitem__(self, index: int) -> Exchange: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Exchange]: ...
    def __getitem__(self, index: int | slice) -> Exchange | Sequence[Exchange]:
        return self._exchanges[index]

    def __len__(self) -> int:
        return len(self._exchanges)

    def __iter__(self) -> Iterator[Exchange]:
        return iter(tuple(self._exchanges))

    def __repr__(self) -> str:
        return f"<journal of {len(self)} exchanges>"

    def __str__(self) -> str:
        """Return the last 40 exchanges, a line each."""
        last = self._exchanges[-40:]
        earlier = len(self) - len(last)
        lines = [f"… {earlier} earlier exchanges"] if earlier else []
        return "\n".join([*lines, *map(str, last)])

    def add(self, exchange: Exchange) -> None:
        """Add an exchange, whose number is one more than there are. Called under the endpoint's lock."""
        self._exchanges.append(exchange)
        for uid in exchange.uids:
            self._by_uid[uid].append(exchange)

    def of(self, uid: str) -> tuple[Exchange, ...]:
        """Return every request about an operation: polls, and what starts, cancels or merely asks for it.

        Raises:
            UsageError: no operation, and no request, has this uid.
        """
        if not isinstance(uid, str):
            raise UsageError(f"uid must be a text, not {shown(uid, 30)}", fix="write action.uid", value=uid)
        if uid not in self._by_uid and not self._knows(uid):
            fix = f"{advice(uid, self._by_uid)}requests were about {', '.join([*self._by_uid][:3]) or 'none'}"
            raise UsageError(f"unknown operation {shown(uid, 40)}", fix=fix, value=uid)
        return tuple(self._by_uid.get(uid, ()))

    def polls_of(self, uid: str) -> tuple[Exchange, ...]:
        """Return the polls of an operation: GETs of it, and of lists that showed it or would have shown it."""
        return tuple(exchange for exchange in self.of(uid) if exchange.is_poll)

    @with_example('where(method="GET", route="/v1/actions/{uid}")')
    def where(
        self,
        *,
        method: str | None = None,
        route: str | None = None,
        code: int | None = None,
        uid: str | None = None,
        status: str | None = None,
        since: float | None = None,
        until: float | None = None,
    ) -> tuple[Exchange, ...]:
        """Return the exchanges that match everything given.

        Args:
            method: "GET".
            route: the template, "/v1/actions/{uid}".
            code: the reply's HTTP status code.
            uid: of an operation that the request is about.
            status: of an operation that was shown: of `uid` if that is given, else of any.
            since: seconds on the stub's clock, included.
            until: seconds on the stub's clock, not included.

        Raises:
            UsageError: what no exchange can have, such as a method in lower case or a route that there is not; a status
                that is none of the API's, unless a reply showed it.
        """
        if method is not None or route is not None:
            check_request(method or "GET", route or "/")
        if route is not None and route not in {each.template for each in ROUTES}:
            raise UsageError(f"route {shown(route, 40)} is not a route's template", fix=_template(route), value=route)
        if code is not None:
            check_number("code", code, least=100, most=599, whole=True)
        for name, instant in (("since", since), ("until", until)):
            if instant is not None:
                check_number(name, instant)
        if since is not None and until is not None and since >= until:
            text = f"since={shown(since, 20)} is not before until={shown(until, 20)}"
            raise UsageError(text, fix="swap the two", value=since)
        self._check_status(status)
        return tuple(
            exchange
            for exchange in (self if uid is None else self.of(uid))
            if (method is None or exchange.method == method)
            and (route is None or exchange.route == route)
            and (code is None or exchange.code == code)
            and (status is None or status in exchange.statuses(uid))
            and (since is None or exchange.seconds >= since)
            and (until is None or exchange.seconds < until)
        )

    def _check_status(self, status: object) -> None:
        if status is None or status in STATUSES or any(status in exchange.statuses() for exchange in self):
            return
        raise UsageError(
            f"status {shown(status, 40)} is not one of the API's, and was never shown",
            fix=f"{advice(status, STATUSES)}known are {', '.join(STATUSES)}",
            value=status,
        )


def error_code_of(code: int, body: bytes) -> str:
    """Return the error's short name in a reply; "" for one that is not an error of the API."""
    if code < 400 or len(body) > 10_000:
        return ""
    try:
        document = json.loads(body)
    except ValueError:
        return ""
    return str(document.get("error_code", "")) if isinstance(document, dict) else ""


def _template(path: str) -> str:
    """Return the advice on a route that is none: the template that it meets, or the nearest."""
    match = find(path)
    return f"write {match.route.template!r}" if match else difference(path)
