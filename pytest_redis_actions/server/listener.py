"""The port: a socket that accepts, a thread for each connection, and a second socket that wakes it up to stop."""

from __future__ import annotations

import errno
import select
import selectors
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

from ..driving import OutsideThread
from ..errors import PortInUse, UsageError
from .connection import Connection

__all__ = ["Listener"]

__tracebackhide__ = True

_LISTEN, _SETTLE, _PARK, _HALT = b"l", b"s", b"p", b"."
_BACKLOG = 512


class Listener:
    """An open port.

    Args:
        host: a loopback address.
        port: a port number, 0 for a free one.
        connect: makes a connection of a socket and its number, from 1.

    Attributes:
        port: the port that was opened.

    Raises:
        PortInUse: another server has it.
        UsageError: it cannot be opened, with the reason.
    """

    def __init__(self, host: str, port: int, connect: Callable[[socket.socket, int], Connection]) -> None:
        self._connect = connect
        self._socket = _bound(host, port)
        self.port: int = self._socket.getsockname()[1]
        self._wake, self._woken = socket.socketpair()
        self._connections: dict[int, Connection] = {}
        self._threads: set[threading.Thread] = set()
        self._accepted = 0
        self._newest: Connection | None = None
        self._listens = self._accepts = False
        self._halted = threading.Event()
        self._lock = threading.Lock()

    def run(self) -> None:
        """Accept connections until halted."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._woken, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if self._socket in ready:
                    self._accepts = True
                    self._accept_waiting()
                    self._accepts = False
                    self._let_time_move()
                if self._woken in ready:
                    told = self._woken.recv(1)
                    if told in (_PARK, _HALT):
                        return
                    if told == _LISTEN:
                        self._listens = True
                        selector.register(self._socket, selectors.EVENT_READ)
                    else:
                        self._accept_waiting()
                        self._woken.send(_SETTLE)

    def _let_time_move(self) -> None:
        newest = self._newest
        if newest is not None:
            newest.let_time_move()  # its own thread may have asked too early

    def listen(self) -> None:
        """Take connections from now on; a client that tries the next moment is served."""
        self._socket.listen(_BACKLOG)
        self._wake.send(_LISTEN)

    def park(self) -> None:
        """Let `run` return and leave the port open: the kernel accepts later connections, which get no reply."""
        self._wake.send(_PARK)

    def halt(self) -> None:
        """Let `run` return, and every pause end."""
        self._halted.set()
        self._wake.send(_HALT)

    def close(self) -> None:
        """Close the port and every connection, and wait for the threads."""
        self._socket.close()
        self.close_connections()
        for thread in tuple(self._threads):
            if thread is not threading.current_thread():
                thread.join(timeout=5.0)
        self._wake.close()
        self._woken.close()

    def close_connections(self) -> None:
        """Hang up on every client; the threads that serve them end by themselves."""
        with self._lock:
            connections = tuple(self._connections.values())
        for connection in connections:
            connection.hang_up()

    def has_unread(self) -> bool:
        """Tell whether a client has sent something, or a connection has come, that was not taken yet."""
        with self._lock:
            connections = tuple(self._connections.values())
        if self._accepts or any(connection.has_unread() for connection in connections):
            return True
        with suppress(OSError, ValueError):
            return self._listens and bool(select.select([self._socket], [], [], 0)[0])
        return False

    def catch_up(self, seconds: float) -> None:
        """Accept every client that has come so far, in at most so many real seconds."""
        # By the socket: the waits of threading may be those of a client that is stopped while it is driven.
        self._wake.send(_SETTLE)
        self._wait_for_word(seconds)

    def settle(self, seconds: float) -> None:
        """Wait until no client waits for its connection or its handshake, at most so many real seconds."""
        self.catch_up(seconds)
        for _ in range(round(seconds / 0.005)):
            with self._lock:
                shaking = any(connection.is_shaking for connection in self._connections.values())
            if not shaking:
                return
            self._wait_for_word(0.005)

    def _wait_for_word(self, seconds: float) -> None:
        self._wake.settimeout(seconds)
        with suppress(TimeoutError):
            self._wake.recv(1)

    def pause(self, seconds: float) -> None:
        """Wait in real time, at most until the server is stopped."""
        self._halted.wait(seconds)

    def _accept_waiting(self) -> None:
        try:
            while True:
                self._accept(self._socket.accept()[0])
        except BlockingIOError:
            pass  # that was the last one
        except OSError:
            self._halted.wait(0.01)  # the client has gone, or no descriptor is left: the next try may do better

    def _accept(self, accepted: socket.socket) -> None:
        with self._lock:
            self._accepted += 1
            number = self._accepted
        connection = self._newest = self._connect(accepted, number)
        thread = OutsideThread(target=self._serve, args=(connection, number), daemon=True)
        thread.gone = connection.has_hung_up
        with self._lock:
            self._connections[number] = connection
            self._threads.add(thread)
        thread.start()

    def _serve(self, connection: Connection, number: int) -> None:
        try:
            connection.serve()
        finally:
            with self._lock:
                self._connections.pop(number, None)
                self._threads.discard(threading.current_thread())
                if self._newest is connection:
                    self._newest = None  # it knows the endpoint of a test
            connection.let_time_move()


def _bound(host: str, port: int) -> socket.socket:
    opened = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        if sys.platform != "win32":  # there it would take the port from another server
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((host, port))
        opened.setblocking(False)
        return opened
    except OSError as error:
        opened.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(port, host) from None
        raise UsageError(
            f"host={host!r}, port={port} cannot be opened: {error.strerror}"[:80],
            fix="use an address of this machine, '127.0.0.1', and a port above 1023 or none",
            value=(host, port),
        ) from None
