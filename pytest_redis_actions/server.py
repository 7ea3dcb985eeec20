"""The endpoint on a pytest-httpserver: real sockets, kept open between requests, many threads, stopped at once.

The listener and the request handler are our own, because werkzeug's closes every connection and drains it for 10 ms
(its handler says so itself), and stopping it takes up to half a second. What a test registers on the HTTPServer is
still matched, answered and logged by pytest-httpserver.
"""

from __future__ import annotations

import errno
import io
import ipaddress
import os
import select
import selectors
import socket
import socketserver
import ssl
import struct
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, cast

from pytest_httpserver import Error as HTTPServerPackageError
from pytest_httpserver import HTTPServer, RequestHandler
from werkzeug.exceptions import HTTPException
from werkzeug.serving import DechunkedInput, WSGIRequestHandler
from werkzeug.wrappers import Request as WerkzeugRequest
from werkzeug.wrappers import Response as WerkzeugResponse

from . import wire
from .authority import Authority
from .driving.ledger import OutsideThread
from .endpoint import Endpoint, Reply, Request
from .errors import PortInUse, UsageError, shown
from .faults import Fault

if TYPE_CHECKING:
    pass

__all__ = ["StubServer", "check_host", "check_port"]

__tracebackhide__ = True

LARGEST_BODY = 64 << 20  # bytes; more is refused unread
READ_SECONDS = 10.0  # real time that a started request may take to arrive
_LISTEN, _HALT = b"l", b"."
_FOR_EVER = 1e6  # real seconds
_DROPS = 6  # pieces of a body that drips


def check_host(host: object) -> str:
    """Return `host` if it is a loopback address.

    Raises:
        UsageError: it is not: a stub is reachable from this machine only.
    """
    if host == "localhost":
        return "127.0.0.1"
    try:
        if isinstance(host, str) and ipaddress.ip_address(host).is_loopback:
            return host
    except ValueError:
        pass
    raise UsageError(
        f"host={shown(host, 40)} is no loopback address",
        fix="use '127.0.0.1' or '::1': a stub is reachable from this machine only",
        value=host,
    )


def check_port(port: object) -> int:
    """Return `port` if it is a port number, 0 for a free one."""
    if type(port) is int and 0 <= port <= 65535:
        return port
    raise UsageError(f"port={shown(port, 30)} is no port", fix="give a whole number, 1 to 65535", value=port)


class StubServer(HTTPServer):
    """A pytest-httpserver that answers for an endpoint where no handler of the test's own does.

    Attributes:
        endpoint: who answers; None between two tests.
        ca_file: what a client has to trust; None without TLS.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        authority: Authority | None = None,
        certificate: str = "good",
    ) -> None:
        context = authority.context(certificate) if authority else None
        super().__init__(host=check_host(host), port=check_port(port), ssl_context=context, threaded=True)
        self.ca_file = authority.ca_file if authority else None
        self.endpoint: Endpoint | None = None
        self._listener: _Listener | None = None
        self._taking = threading.RLock()
        self._is_parked = False

    @property
    def url(self) -> str:
        """The base URL, without a trailing slash."""
        return self.url_for("").rstrip("/")

    def start(self, *, refusing: bool = False) -> None:
        """Open the port and answer from now on; or take it, and refuse connections until `listen` is called.

        Raises:
            PortInUse: another server has it.
        """
        self._listener = _Listener(self)
        self.port = self._listener.server_address[1]
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

    def park(self) -> None:
        """Answer nobody any more, and hang up on nobody: for a client that cannot be stopped."""
        self._is_parked = True

    def close_connections(self) -> None:
        """Close what clients have left open."""
        if self._listener is not None:
            self._listener.close_connections()

    def respond(self, request: Request, environ: Callable[[], dict[str, Any]], endpoint: Endpoint | None) -> Reply:
        """Answer one request: by a handler of the test's own if one matches, otherwise by the endpoint.

        Args:
            endpoint: the one that was there when the request arrived, whatever becomes of the test meanwhile.
        """
        if self._is_parked and self._listener is not None:
            self._listener.pause(_FOR_EVER)
        if self.ordered_handlers or self.oneshot_handlers or self.handlers:
            reply = self._respond_by_handler(WerkzeugRequest(environ()))
            if reply is not None:
                if endpoint is not None:
                    endpoint.note(request, reply)
                return reply
        return _between_tests() if endpoint is None else endpoint.handle(request)

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
            response = self.application(request)
        except HTTPException as error:
            response = error.get_response(request.environ)
        except Exception as error:
            # pytest-httpserver keeps errors for the end of the test, all but its own: those are kept here.
            if isinstance(error, HTTPServerPackageError):
                self.handler_errors.append(error)
            return Reply(500, (("Content-Type", "text/plain"),), b"a handler of the test raised; see the test's report")
        headers = tuple((name, value) for name, value in response.headers if name.lower() not in _OURS)
        body = response.get_data()
        response.close()
        return Reply(response.status_code, headers, body)


_OURS = ("content-length", "connection", "transfer-encoding", "keep-alive")


def _between_tests() -> Reply:
    body = wire.encode(wire.error("no_test_running", "no test uses this stub at the moment"))
    return Reply(503, (("Content-Type", wire.CONTENT_TYPE),), body)


class _Listener(socketserver.TCPServer):
    """The socket that accepts, a thread for each connection, and a second socket that wakes it up to stop."""

    allow_reuse_address = sys.platform != "win32"
    request_queue_size = 512

    def __init__(self, server: StubServer) -> None:
        self.address_family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
        self.stub = server
        self._context = server.ssl_context
        self._wake, self._woken = socket.socketpair()
        self._connections: dict[int, socket.socket] = {}
        self._threads: set[threading.Thread] = set()
        self._accepted = 0
        self._halted = threading.Event()
        self._lock = threading.Lock()
        try:
            super().__init__((server.host, server.port), _Handler, bind_and_activate=False)
            self.server_bind()
        except OSError as error:
            self.server_close()
            self._wake.close()
            self._woken.close()
            if error.errno == errno.EADDRINUSE:
                raise PortInUse(server.port, server.host) from None
            raise

    def run(self) -> None:
        """Accept connections until halted."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._woken, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if self._woken in ready:
                    if self._woken.recv(1) != _LISTEN:
                        return
                    selector.register(self.socket, selectors.EVENT_READ)
                if self.socket in ready:
                    self._handle_request_noblock()  # type: ignore[attr-defined]  # socketserver's, not in the stubs

    def listen(self) -> None:
        """Take connections from now on; who tries the next moment gets in."""
        self.server_activate()
        self._wake.send(_LISTEN)

    def halt(self) -> None:
        """Let `run` return, and whoever pauses go on."""
        self._halted.set()
        self._wake.send(_HALT)

    def close(self) -> None:
        """Close the port and every connection, and wait for the threads."""
        self.server_close()
        self.close_connections()
        for thread in tuple(self._threads):
            if thread is not threading.current_thread():
                thread.join(timeout=5.0)
        self._wake.close()
        self._woken.close()

    def close_connections(self) -> None:
        """Hang up on every client; the threads that serve them end by themselves."""
        with self._lock:
            for connection in self._connections.values():
                _hang_up(connection)

    def pause(self, seconds: float) -> None:
        """Wait in real time, at most until the server is stopped."""
        self._halted.wait(seconds)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own."""
        with self._lock:
            self._accepted += 1
            number = self._accepted
            self._connections[number] = request
        thread = OutsideThread(target=self._serve, args=(request, client_address, number), daemon=True)
        thread.gone = lambda: self._has_hung_up(number)
        self._threads.add(thread)
        thread.start()

    def _serve(self, connection: socket.socket, address: Any, number: int) -> None:
        try:
            if self._context is not None:
                connection = self._shaken(connection, self._context)
                with self._lock:
                    self._connections[number] = connection
            _Handler(connection, address, self, number)
        except (OSError, ValueError):
            pass  # a client that hangs up or speaks no TLS is no concern of the test
        finally:
            with self._lock:
                self._connections.pop(number, None)
                _hang_up(connection)
                connection.close()
            self._threads.discard(threading.current_thread())

    def _has_hung_up(self, number: int) -> bool:
        """Whether a client that waits for a reply has gone: it sends nothing, so what can be read is the end."""
        # By its number: with TLS the socket that was accepted is another one than the socket that is spoken through.
        connection = self._connections.get(number)
        try:
            return connection is None or bool(select.select([connection], [], [], 0)[0])
        except (OSError, ValueError):
            return True

    def _shaken(self, connection: socket.socket, context: ssl.SSLContext) -> socket.socket:
        # In the connection's own thread: a client that never shakes hands must not keep others waiting.
        connection.settimeout(READ_SECONDS)
        return context.wrap_socket(connection, server_side=True)


def _hang_up(connection: socket.socket) -> None:
    try:
        # Of the plain socket: SSLSocket.shutdown would pull the TLS object from under the thread that reads from it.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:
        pass  # it was closed already


class _Refusal(Exception):
    def __init__(self, code: int, error_code: str, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.error_code = error_code
        self.description = description


class _Handler(BaseHTTPRequestHandler):
    """One connection: requests are read whole, answered in one write, and the connection is kept."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 0  # every reply is one write of our own
    server: _Listener

    def __init__(self, connection: socket.socket, address: Any, listener: _Listener, number: int = 0) -> None:
        self.number = number
        super().__init__(connection, address, cast(Any, listener))

    def setup(self) -> None:
        """Wait for a request as long as the client likes."""
        super().setup()
        self.connection.settimeout(None)

    def handle_one_request(self) -> None:
        """Read a request and answer it."""
        self.close_connection = True
        self.command = ""
        if not self.rfile.peek(1):  # type: ignore[attr-defined]  # a BufferedReader
            return
        self.connection.settimeout(READ_SECONDS)
        try:
            self.raw_requestline = self.rfile.readline(65537)
            if len(self.raw_requestline) > 65536:
                raise _Refusal(414, "uri_too_long", "the request line is longer than 65536 bytes")
            if not self.raw_requestline.strip():
                self.close_connection = False  # an empty line before a request is no harm (RFC 9112, 2.2)
                return
            if not self.parse_request():
                return
            if self.request_version == "HTTP/0.9":
                raise _Refusal(400, "bad_request", "the request names no version of HTTP")
            body = self._read_body()
        except _Refusal as refusal:
            self._refuse(refusal)
            return
        except TimeoutError:
            self._refuse(_Refusal(408, "request_timeout", f"the request did not arrive in {READ_SECONDS:g} seconds"))
            return
        self.connection.settimeout(None)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, body, self.number)
        endpoint = self.server.stub.endpoint
        try:
            reply = self.server.stub.respond(request, lambda: self._environ(body), endpoint)
            if reply.fault is None:
                self._send(reply)
            else:
                self._send_with(reply.fault, reply, endpoint)
        finally:
            if endpoint is not None:
                endpoint.sent(self.number)

    def _send_with(self, fault: Fault, reply: Reply, endpoint: Endpoint | None) -> None:
        if fault.takes and endpoint is not None:
            endpoint.clock.sleep(fault.takes)
        if fault.delivery == "slow":
            self.server.pause(fault.seconds)
        if fault.delivery == "reset":
            return self._reset()
        head = self._head(reply)
        if fault.delivery == "reset in the body":
            self.wfile.write(head + reply.body[: len(reply.body) // 2])
            return self._reset()
        if fault.delivery == "drip":
            self._drip(head, reply.body, fault.seconds)
        else:
            self._send(reply)
        self.close_connection = self.close_connection or fault.delivery == "closed"

    def _drip(self, head: bytes, body: bytes, seconds: float) -> None:
        self.wfile.write(head)
        size = max(1, len(body) // _DROPS)
        for start in range(0, len(body), size):
            self.server.pause(seconds / _DROPS)
            self.wfile.write(body[start : start + size])

    def _reset(self) -> None:
        """Hang up without a goodbye: what the client reads next is a reset."""
        self.close_connection = True
        linger = struct.pack("ii", 1, 0)
        socket.socket.setsockopt(self.connection, socket.SOL_SOCKET, socket.SO_LINGER, linger)
        os.close(socket.socket.detach(self.connection))

    def _read_body(self) -> bytes:
        lengths = self.headers.get_all("Content-Length", [])
        encoding = self.headers.get("Transfer-Encoding")
        if encoding is not None:
            if lengths or self.request_version == "HTTP/1.0":
                raise _Refusal(400, "bad_request", "Transfer-Encoding and Content-Length cannot both say the length")
            if encoding.strip().lower() != "chunked":
                raise _Refusal(501, "not_implemented", "of transfer encodings only chunked is known")
            return self._read_chunked()
        if not lengths:
            return b""
        length = lengths[0].strip()
        if len(set(lengths)) > 1 or not (length.isascii() and length.isdigit() and len(length) < 16):
            raise _Refusal(400, "bad_request", "Content-Length is no number, or there are several")
        if int(length) > LARGEST_BODY:
            raise _Refusal(413, "body_too_large", f"the body has {length} bytes; at most {LARGEST_BODY} are read")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise _Refusal(400, "bad_request", f"Content-Length says {length} bytes; {len(body)} came")
        return body

    def _read_chunked(self) -> bytes:
        parts = io.BytesIO()
        source = io.BufferedReader(cast(Any, DechunkedInput(cast(Any, self.rfile))))
        try:
            while part := source.read1(65536):
                parts.write(part)
                if parts.tell() > LARGEST_BODY:
                    raise _Refusal(413, "body_too_large", f"at most {LARGEST_BODY} bytes are read")
        except TimeoutError:
            raise
        except OSError:
            raise _Refusal(400, "bad_request", "the chunks of the body are malformed") from None
        return parts.getvalue()

    def _environ(self, body: bytes) -> dict[str, Any]:
        environ = _make_environ(self)
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        environ.update({"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))})
        return environ

    def _send(self, reply: Reply) -> None:
        head = self._head(reply)
        self.wfile.write(head if self.command == "HEAD" or _is_bodiless(reply) else head + reply.body)

    def _head(self, reply: Reply) -> bytes:
        lines = [f"HTTP/1.1 {reply.code} {_phrase(reply.code)}", *_safe_lines(reply.headers)]
        if not _is_bodiless(reply):
            lines.append(f"Content-Length: {len(reply.body)}")
        lines.append("Connection: " + ("close" if self.close_connection else "keep-alive"))
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")

    def _refuse(self, refusal: _Refusal) -> None:
        self.close_connection = True
        endpoint = self.server.stub.endpoint
        if endpoint is None:
            self._send(_between_tests())
        else:
            self._send(endpoint.refuse(refusal.code, refusal.error_code, refusal.description))
        self._drain()

    def _drain(self) -> None:
        """Read what is still on its way, for a moment, so that the client sees the reply and no reset."""
        self.connection.settimeout(0.2)
        try:
            self.connection.shutdown(socket.SHUT_WR)
            for _ in range(2048):
                if not self.connection.recv(65536):
                    break
        except (OSError, ValueError):
            pass  # it has hung up, or sends for ever

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what http.server refuses (a bad request line, too many headers) as the API does: in JSON."""
        self._refuse(_Refusal(int(code), "bad_request", (message or HTTPStatus(code).phrase)[:200]))

    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet: the journal is the log."""


def _is_bodiless(reply: Reply) -> bool:
    return reply.code in (204, 304) or reply.code < 200


def _make_environ(handler: _Handler) -> dict[str, Any]:
    """Return the WSGI environment of a request, made by werkzeug's own code."""
    maker = cast(Any, _Environ(handler))
    return WSGIRequestHandler.make_environ(maker)


class _Environ:
    """What werkzeug's make_environ looks at."""

    def __init__(self, handler: _Handler) -> None:
        self.path = handler.path
        self.command = handler.command
        self.headers = handler.headers
        self.rfile = handler.rfile
        self.connection = handler.connection
        self.client_address = handler.client_address
        self.request_version = handler.request_version
        self.server_version = "pytest-redis-actions"
        self.server = self
        self.ssl_context = handler.server.stub.ssl_context
        self.multithread = True
        self.multiprocess = False
        self.server_address = handler.server.server_address

    def address_string(self) -> str:
        return str(self.client_address[0])

    def port_integer(self) -> int:
        return int(self.client_address[1])

    def log(self, *_: object) -> None:
        """Stay quiet."""


def _phrase(code: int) -> str:
    try:
        return HTTPStatus(code).phrase
    except ValueError:
        return "Unknown"


def _safe_lines(headers: Iterable[tuple[str, str]]) -> Iterable[str]:
    for name, value in headers:
        # What a test registers may hold anything; a line break would begin a header, or a body, of its own.
        yield f"{name}: {value}".replace("\r", " ").replace("\n", " ")
