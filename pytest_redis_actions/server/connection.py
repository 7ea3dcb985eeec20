"""One TCP connection: bytes become requests, replies become bytes, and faults happen to those."""

from __future__ import annotations

import os
import select
import socket
import ssl
import struct
import threading
from collections.abc import Iterable
from http import HTTPStatus
from typing import Protocol

from ..api.endpoint import Endpoint
from ..api.http import Reply
from ..api.incidents import Incident
from ..clock import WallClock
from ..faults import Fault
from .framing import Received, Refusal, RequestReader
from .handshake import PLAIN_ON_TLS, TLS_ON_PLAIN, HandshakeFailed, is_tls, refusal_of, secured

__all__ = ["Answering", "Connection"]

_PIECE = 1 << 16  # bytes read at once
_DROPS = 6  # pieces of a body that drips
_DRAIN_SECONDS = 0.5  # real time for what a refused client still sends


class Answering(Protocol):
    """What a connection needs of its server.

    Attributes:
        endpoint: who answers; None between two tests.
        ssl_context: for HTTPS.
        read_seconds: real time that a request may take to arrive, from its first byte on.
    """

    endpoint: Endpoint | None
    read_seconds: float

    @property
    def ssl_context(self) -> ssl.SSLContext | None: ...

    def respond(self, received: Received, endpoint: Endpoint | None, connection: socket.socket) -> Reply: ...

    def refuse(self, refusal: Refusal, endpoint: Endpoint | None) -> Reply: ...

    def note(self, incident: Incident, endpoint: Endpoint | None) -> None: ...

    def pause(self, seconds: float) -> None: ...


class Connection:
    """Serves one client until one of the two hangs up.

    Args:
        accepted: the socket.
        number: the number of the connection, from 1.
        server: who answers.

    Attributes:
        is_shaking: whether its TLS handshake is under way.
    """

    def __init__(self, accepted: socket.socket, number: int, server: Answering) -> None:
        accepted.settimeout(None)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.is_shaking = server.ssl_context is not None
        self._socket = accepted
        self._number = number
        self._server = server
        self._first = server.endpoint  # whose test has the handshake; by its end, that test may have ended
        self._reader = RequestReader(number)
        self._real = WallClock()
        self._began: float | None = None  # when the request that is under way did, in real time
        self._closes = False
        self._owes = False
        self._is_new = True
        self._lock = threading.Lock()

    def serve(self) -> None:
        """Answer requests, in this thread."""
        self.let_time_move()  # it was accepted, and nothing is asked on it yet
        try:
            if self._secure():
                while self._serve_what_arrives():
                    pass
        except OSError:
            pass  # the client has hung up
        finally:
            self.hang_up(close=True)

    def hang_up(self, *, close: bool = False) -> None:
        """End the connection, from any thread; its own thread also closes the socket."""
        with self._lock:
            try:
                # Of the plain socket: SSLSocket.shutdown would take the TLS object from the thread that reads from it.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
            except OSError:
                pass  # it was closed already
            if close:
                self._socket.close()

    def has_hung_up(self) -> bool:
        """Tell whether a client that waits for a reply has gone: then its end can be read, and no further request.

        With TLS the two cannot be told apart; there a client that sends its next request early counts as gone.
        """
        try:
            if not self._is_readable(0):
                return False
            return isinstance(self._socket, ssl.SSLSocket) or not self._socket.recv(1, socket.MSG_PEEK)
        except (OSError, ValueError):
            return True

    def has_unread(self) -> bool:
        """Tell whether the client has sent something that was not read yet."""
        try:
            return not self._owes and self._is_readable(0)
        except (OSError, ValueError):
            return True

    def _is_readable(self, seconds: float) -> bool:
        """Wait at most so many real seconds until there is something to read, or the end."""
        if not hasattr(select, "poll"):  # Windows, whose select takes any socket
            return bool(select.select([self._socket], [], [], seconds)[0])
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    # From bytes to requests

    def _secure(self) -> bool:
        """Do the handshake, if there is one to do; return whether requests may follow."""
        if self._server.ssl_context is None:
            return True
        # In this thread: a client that never begins its handshake must not keep others waiting.
        try:
            self._socket = secured(self._socket, self._server.ssl_context, self._server.read_seconds)
        except HandshakeFailed as failed:
            if failed.incident is not None:
                self._server.note(failed.incident, self._first)
            if failed.incident is PLAIN_ON_TLS:
                refusal = Refusal(400, "bad_request", "a plain HTTP request came to the port for HTTPS")
                self._send_last(refusal, self._first)
            return False
        finally:
            self.is_shaking = False
        return True

    def _serve_what_arrives(self) -> bool:
        """Wait for bytes, read once, and answer what is whole; return whether the connection goes on."""
        self._await_bytes()
        endpoint = self._server.endpoint
        if endpoint is not None:
            endpoint.clock.owe(self.has_hung_up)
        self._owes = True
        try:
            return self._serve_arrived()
        finally:
            self._owes = False
            if endpoint is not None:
                endpoint.clock.repay(self.has_hung_up)

    def _await_bytes(self) -> None:
        """Wait for what the client sends, and read nothing of it: what is read, virtual time waits for already."""
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return
        if self._began is not None:
            self._is_readable(max(0, self._began + self._server.read_seconds - self._real.seconds))
            return
        if self._socket.gettimeout() is not None:
            self._socket.settimeout(None)
        socket.socket.recv(self._socket, 1, socket.MSG_PEEK)  # of the plain socket; cheaper than select

    def let_time_move(self) -> None:
        """Let virtual time move again if this connection has kept it."""
        endpoint = self._server.endpoint
        if endpoint is not None:
            endpoint.clock.settle()

    def _serve_arrived(self) -> bool:
        try:
            data = self._receive()
        except TimeoutError:
            seconds = f"{self._server.read_seconds:g} seconds"
            return self._refuse(Refusal(408, "request_timeout", f"the request did not arrive in {seconds}"))
        if data:
            self._reader.feed(data)
        else:
            self._reader.end()
        while (received := self._reader.next()) is not None:
            self._began = None
            self._answer(received)
            if self._closes:
                if self._reader.refusal is not None:
                    self._drain()
                return False
        if self._reader.refusal is not None:
            return self._refuse(self._reader.refusal)
        if self._reader.is_under_way and self._began is None:
            self._began = self._real.seconds
        if self._reader.awaits_continue():
            self._socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return bool(data)

    def _receive(self) -> bytes:
        """Return what the client sends next: at any time between requests, in the time that is left within one."""
        if self._began is not None:
            left = self._began + self._server.read_seconds - self._real.seconds
            if left <= 0:
                raise TimeoutError
            self._socket.settimeout(left)
        data = self._received()
        if self._is_new:
            self._is_new = False
            if is_tls(data):
                self._server.note(TLS_ON_PLAIN, self._first)
        return data

    def _received(self) -> bytes:
        try:
            return self._socket.recv(_PIECE)
        except ssl.SSLError as error:
            if self._is_new and not isinstance(error, ssl.SSLEOFError):
                self._server.note(refusal_of(error), self._first)
            raise

    # From replies to bytes

    def _answer(self, received: Received) -> None:
        self._closes = not received.keeps
        # One look: it may be taken away at any time, by the end of the test.
        endpoint = self._server.endpoint
        try:
            reply = self._server.respond(received, endpoint, self._socket)
            if self._socket.gettimeout() is not None:
                self._socket.settimeout(None)
            method = received.request.method
            if reply.fault is None:
                self._send(reply, method)
            else:
                self._send_with(reply.fault, reply, method, endpoint)
        finally:
            if endpoint is not None:
                endpoint.sent(self._number)

    def _send(self, reply: Reply, method: str) -> None:
        head = self._head(reply)
        self._socket.sendall(head if method == "HEAD" or _is_bodiless(reply) else head + reply.body)

    def _head(self, reply: Reply) -> bytes:
        lines = [_status_line(reply.code), *_safe_lines(reply.headers)]
        if not _is_bodiless(reply):
            lines.append(f"Content-Length: {len(reply.body)}")
        lines.append("Connection: close\r\n\r\n" if self._closes else "Connection: keep-alive\r\n\r\n")
        return "\r\n".join(lines).encode("latin-1", "replace")

    def _refuse(self, refusal: Refusal) -> bool:
        endpoint = self._server.endpoint
        self._server.note(Incident("request", f"refused: {refusal.code} {refusal.description}"), endpoint)
        self._send_last(refusal, endpoint)
        return False

    def _send_last(self, refusal: Refusal, endpoint: Endpoint | None) -> None:
        self._closes = True
        self._socket.settimeout(self._server.read_seconds)
        self._send(self._server.refuse(refusal, endpoint), self._reader.method)
        self._drain()

    def _drain(self) -> None:
        """Read what is still on its way, for a moment, so that the client sees the reply and no reset."""
        ends = self._real.seconds + _DRAIN_SECONDS
        try:
            self._socket.shutdown(socket.SHUT_WR)
            while (left := ends - self._real.seconds) > 0:
                self._socket.settimeout(left)
                if not self._socket.recv(_PIECE):
                    return
        except (OSError, ValueError):
            pass  # it has hung up

    # Faults

    def _send_with(self, fault: Fault, reply: Reply, method: str, endpoint: Endpoint | None) -> None:
        if fault.takes and endpoint is not None:
            endpoint.clock.sleep(fault.takes)
        if fault.delivery == "slow":
            self._server.pause(fault.seconds)
        if fault.delivery == "reset":
            return self._reset()
        head = self._head(reply)
        if fault.delivery == "reset in the body":
            self._socket.sendall(head + reply.body[: len(reply.body) // 2])
            return self._reset()
        if fault.delivery == "drip":
            self._drip(head, reply.body, fault.seconds)
        else:
            self._send(reply, method)
        self._closes = self._closes or fault.delivery == "closed"

    def _drip(self, head: bytes, body: bytes, seconds: float) -> None:
        self._socket.sendall(head)
        size = max(1, len(body) // _DROPS)
        for start in range(0, len(body), size):
            self._server.pause(seconds / _DROPS)
            self._socket.sendall(body[start : start + size])

    def _reset(self) -> None:
        """Hang up without a goodbye: what the client reads next is a reset."""
        self._closes = True
        linger = struct.pack("ii", 1, 0)
        socket.socket.setsockopt(self._socket, socket.SOL_SOCKET, socket.SO_LINGER, linger)
        os.close(socket.socket.detach(self._socket))


def _is_bodiless(reply: Reply) -> bool:
    return reply.code in (204, 304) or reply.code < 200


_PHRASES = {int(status): status.phrase for status in HTTPStatus}


def _status_line(code: int) -> str:
    return f"HTTP/1.1 {code} {_PHRASES.get(code, 'Unknown')}"


def _safe_lines(headers: Iterable[tuple[str, str]]) -> Iterable[str]:
    for name, value in headers:
        # What a test registers may hold anything; a line break would begin a header, or a body, of its own.
        yield f"{name}: {value}".replace("\r", " ").replace("\n", " ")
