"""The endpoint on a pytest-httpserver.

The sockets are our own, because werkzeug's handler closes every connection and drains it for 10 ms (its handler says so
itself), and stopping it takes up to half a second. What a test registers on the HTTPServer is still matched, answered
and logged by pytest-httpserver.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections import deque
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, NoReturn, cast

from pytest_httpserver import Error as HTTPServerPackageError
from pytest_httpserver import HTTPServer, RequestHandler
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request as WerkzeugRequest
from werkzeug.wrappers import Response as WerkzeugResponse

from ..api.endpoint import Endpoint
from ..api.http import Reply, Request, authority_of
from ..api.incidents import Incident
from ..driving import OutsideThread
from ..errors import UsageError, shown
from ..operations import bodies as wire
from .certificates import Authority
from .connection import Connection
from .framing import Received, Refusal
from .handshake import TRUST
from .listener import Listener
from .wsgi import environ, reply_of

__all__ = ["StubServer", "check_host", "check_port"]

__tracebackhide__ = True

READ_SECONDS = 10.0  # real time that a request may take to arrive, from its first byte on
_parked: list[StubServer] = []  # kept: a port that is closed refuses, and a client would poll that without a pause


def check_host(host: object) -> str:
    """Return `host` if it is a loopback address.

    Raises:
        UsageError: it is not: a stub is reachable from this machine only.
    """
    if host == "localhost":
        return "127.0.0.1"
    if isinstance(host, str) and _is_loopback(host):
        return host
    raise UsageError(
        f"host={shown(host, 40)} is not a loopback address",
        fix="use '127.0.0.1' or '::1': a stub is reachable from this machine only",
        value=host,
    )


def _is_loopback(host: str) -> bool:
    """Tell whether a host is 127.x.y.z or ::1, without a zone."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback and "%" not in host and getattr(address, "ipv4_mapped", None) is None


def check_port(port: object) -> int:
    """Return `port` if it is a port number, 0 for a free one."""
    if type(port) is int and 0 <= port <= 65535:
        return port
    raise UsageError(
        f"port must be a whole number from 0 to 65535, not {shown(port, 24)}", fix="leave it out", value=port
    )


class StubServer(HTTPServer):
    """A pytest-httpserver that answers for an endpoint where no handler of the test's own does.

    Attributes:
        endpoint: who answers; None between two tests.
        elsewhere: where the stub of the running test is, if not here; told to those who ask here.
        strays: how many have.
        ca_file: what a client has to trust; None without TLS.
        read_seconds: real time that a request may take to arrive, from its first byte on.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        authority: Authority | None = None,
        certificate: str = "good",
    ) -> None:
        host = check_host(host)
        context = authority.context(certificate, host=host) if authority else None
        super().__init__(host=host, port=check_port(port), ssl_context=context, threaded=True)
        self.ca_file = authority.ca_file if authority else None
        self.endpoint: Endpoint | None = None
        self.elsewhere = ""
        self.strays = 0
        self.read_seconds = READ_SECONDS
        self._certificate = certificate
        self._listener: Listener | None = None
        self._taking = threading.RLock()
        self._is_parked = False
        self._hung_up: Endpoint | None = None

    @property
    def log(self) -> list[tuple[WerkzeugRequest, WerkzeugResponse]]:
        """Every request and its response, those included that the API has answered: they are built when it is read."""
        with self._building:
            while self._answered:
                received, reply = self._answered.popleft()
                response = WerkzeugResponse(reply.body, reply.code, reply.headers)
                self._log.append((self._werkzeug_request(received, (self.host, 0)), response))
            return self._log

    @log.setter
    def log(self, log: list[tuple[WerkzeugRequest, WerkzeugResponse]]) -> None:
        self._log = log
        self._answered = deque[tuple[Received, Reply]]()
        self._building = threading.Lock()

    @property
    def url(self) -> str:
        """The base URL, without a trailing slash."""
        return self.url_for("").rstrip("/")

    def start(self, *, refusing: bool = False) -> None:
        """Open the port and answer from now on; or take it, and refuse connections until `listen` is called.

        Raises:
            PortInUse: another server has it.
            UsageError: it cannot be opened.
        """
        self._listener = Listener(self.host, self.port, lambda accepted, number: Connection(accepted, number, self))
        self.port = self._listener.port
        # The base class takes its `server` for a werkzeug one; of that it needs only that it is there.
        self.server = cast(Any, self._listener)
        self.server_thread = OutsideThread(target=self._listener.run, name="redis-actions", daemon=True)
        self.server_thread.start()
        if not refusing:
            self.listen()

    def listen(self) -> None:
        """Answer from now on."""
        if self._listener is not None:
            self._listener.listen()

    def stop(self) -> None:
        """Close the port and every connection, and wait until no thread is left."""
        if self._listener is None or self.server_thread is None:
            return
        self._listener.halt()
        self.server_thread.join()
        self._listener.close()
        self._listener = self.server = self.server_thread = None

    def unread(self) -> bool:
        """Tell whether a client has sent something that was not read yet."""
        return self._listener is not None and self._listener.has_unread()

    def park(self) -> None:
        """Answer nobody any more, and hang up on nobody: a client that cannot be stopped waits, and costs no thread."""
        self._is_parked = True
        _parked.append(self)
        if self._listener is not None and self.server_thread is not None:
            self._listener.park()
            self.server_thread.join()

    def hang_up(self, endpoint: Endpoint) -> None:
        """End every connection, and each new one that would be answered for this endpoint."""
        self._hung_up = endpoint
        if self._listener is not None:
            self._listener.close_connections()

    def detach(self) -> None:
        """End the service of the endpoint: what comes from now on belongs to the next one, or to none."""
        if self._listener is not None:
            self._listener.catch_up(0.5)
        self.endpoint = self._hung_up = None
        if self._listener is not None:
            self._listener.close_connections()

    def settle(self) -> None:
        """Wait for a moment until handshakes have come to their end, so that a report knows how."""
        if self._listener is not None:
            self._listener.settle(0.5)

    def pause(self, seconds: float) -> None:
        """Wait in real time, at most until the server is stopped."""
        if self._listener is not None:
            self._listener.pause(seconds)

    def note(self, incident: Incident, endpoint: Endpoint | None) -> None:
        """Take note of what the report of the endpoint's test should say."""
        if endpoint is not None:
            if self._certificate != "good" and incident.fix == TRUST:
                fix = f"none if the client has to refuse it: tls={self._certificate!r} asks for that"
                incident = replace(incident, fix=fix)
            endpoint.incidents.add(incident, endpoint.clock.seconds)

    def refuse(self, refusal: Refusal, endpoint: Endpoint | None) -> Reply:
        """Return the reply to bytes that are not a request of the API."""
        if endpoint is None:
            return _between_tests()
        return endpoint.refuse(refusal.code, refusal.error_code, refusal.description)

    def respond(self, received: Received, endpoint: Endpoint | None, connection: socket.socket) -> Reply:
        """Answer one request: by a handler of the test's own if one matches, otherwise by the endpoint.

        Args:
            received: the request.
            endpoint: the one that was there when it arrived, whatever becomes of the test meanwhile.
            connection: where it came from.
        """
        if self._is_parked:
            _outlast(connection)
        if endpoint is not None and endpoint is self._hung_up:
            raise ConnectionAbortedError
        try:
            reply = self._handled(received, endpoint, connection)
            if reply is not None:
                return reply
            if endpoint is None:
                self.strays += 1
                return _between_tests(self.elsewhere)
            reply = self._respond_by_endpoint(received.request, endpoint)
            if endpoint is self.endpoint:
                self._answered.append((received, reply))
            return reply
        except Exception as error:
            self.handler_errors.append(error)  # raised at the end of the test
            return _failed()

    def _handled(self, received: Received, endpoint: Endpoint | None, connection: socket.socket) -> Reply | None:
        """Answer by a handler of the test's own, if one matches."""
        if not (self.ordered_handlers or self.oneshot_handlers or self.handlers):
            return None
        if received.request.target.startswith("//"):
            return None  # werkzeug would take it for a path with one slash
        reply = self._respond_by_handler(self._werkzeug_request(received, connection.getpeername()[:2]))
        if reply is not None and endpoint is not None:
            endpoint.note(received.request, reply)
        return reply

    def _respond_by_endpoint(self, request: Request, endpoint: Endpoint) -> Reply:
        if endpoint.access.required or self._is_addressed(request):
            return endpoint.handle(request)
        # A web page whose name was made to point here could ask everything, were it not for its Host: E-ASSUMED-30.
        refusal = Refusal(421, "misdirected_request", f"with auth=False, Host must be {self.host}:{self.port}")
        self.note(Incident("request", f"refused: {refusal.code} {refusal.description}"), endpoint)
        return endpoint.refuse(refusal.code, refusal.error_code, refusal.description)

    def _is_addressed(self, request: Request) -> bool:
        authority = authority_of(request)
        if authority is None:
            return True
        host, port = authority
        default = 80 if self.ssl_context is None else 443
        return (host == "localhost" or _is_loopback(host)) and (port or default) == self.port

    def _werkzeug_request(self, received: Received, client: tuple[str, int]) -> WerkzeugRequest:
        scheme = "http" if self.ssl_context is None else "https"
        return WerkzeugRequest(environ(received, scheme=scheme, server=(self.host, self.port), client=client))

    def _respond_by_handler(self, request: WerkzeugRequest) -> Reply | None:
        with ExitStack() as taking:
            taking.enter_context(self._taking)
            once = self._once_for(request)
            if once is None and not self.handlers.match(request):
                return None
            answer = once.request_handler if once else None
            if once is None or answer is None:
                taking.close()
                return self._dispatched(request)

            def taken(request: WerkzeugRequest) -> WerkzeugResponse:
                taking.close()  # it has been taken out by now, so that nobody else meets it
                return answer(request)

            once.request_handler = taken
            return self._dispatched(request)

    def _once_for(self, request: WerkzeugRequest) -> RequestHandler | None:
        """Return the handler that answers this request, and no other one after it."""
        if self.ordered_handlers and self.ordered_handlers[0].matcher.match(request):
            return self.ordered_handlers[0]
        return self.oneshot_handlers.match(request)

    def _dispatched(self, request: WerkzeugRequest) -> Reply:
        try:
            return reply_of(self.application(request))
        except HTTPException as error:
            return reply_of(error.get_response(request.environ))
        except Exception as error:
            # pytest-httpserver keeps errors for the end of the test, all but its own: those are kept here.
            if isinstance(error, HTTPServerPackageError):
                self.handler_errors.append(error)
            return _failed()


def _between_tests(elsewhere: str = "") -> Reply:
    body = wire.encode(wire.error("no_test_running", elsewhere or "no test uses this stub at the moment"))
    return Reply(503, (("Content-Type", wire.CONTENT_TYPE),), body)


def _failed() -> Reply:
    return Reply(500, (("Content-Type", "text/plain"),), b"a handler raised an error; see the test's report")


def _outlast(connection: socket.socket) -> NoReturn:
    """Read what a client sends until it hangs up, and end its connection then."""
    connection.settimeout(None)
    while connection.recv(4096):
        pass
    raise ConnectionAbortedError
