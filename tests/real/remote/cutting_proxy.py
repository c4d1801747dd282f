# SPDX-License-Identifier: MIT
"""A TCP proxy on loopback that does to a connection what a network does: cut it off without a word, or reset it."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading


class CuttingProxy:
    """Forwards to a port until it is told otherwise; ``port`` is where it listens."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self.accepted = 0
        self._is_hole = False
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._lock = threading.RLock()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._is_closed = False
        self._thread = threading.Thread(target=self._forward, name="cutting-proxy", daemon=True)
        self._thread.start()

    def _forward(self) -> None:
        while not self._is_closed:
            for key, _ in self._selector.select(0.02):
                with self._lock:
                    if key.fileobj is self._listener:
                        self._accept()
                    elif key.fileobj in self._pairs and not self._is_hole:
                        self._pass_on(key.fileobj)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        self.accepted += 1
        try:
            server = socket.create_connection(("127.0.0.1", self._to), 5)
        except OSError:
            client.close()
            return
        for sock, other in ((client, server), (server, client)):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._pairs[sock] = other
            if not self._is_hole:
                self._selector.register(sock, selectors.EVENT_READ)

    def _pass_on(self, sock: socket.socket) -> None:
        try:
            data = sock.recv(1 << 16)
            if data:
                self._pairs[sock].sendall(data)
                return
        except OSError:
            pass
        self._end(sock)

    def _end(self, sock: socket.socket) -> None:
        other = self._pairs.pop(sock)
        self._pairs.pop(other)
        for end in (sock, other):
            with contextlib.suppress(KeyError):
                self._selector.unregister(end)
            end.close()

    def cut_off(self) -> None:
        """Forward nothing any more, and say nothing: a host that lost its power."""
        with self._lock:
            self._is_hole = True
            for sock in self._pairs:
                with contextlib.suppress(KeyError):
                    self._selector.unregister(sock)

    def heal(self) -> None:
        """Forward again; what was cut off is gone for good, as after a power-off."""
        with self._lock:
            for sock in list(self._pairs):
                if sock in self._pairs:
                    self._end(sock)
            self._is_hole = False

    def reset(self) -> None:
        """Reset every connection."""
        with self._lock:
            for sock in list(self._pairs):
                if sock in self._pairs:
                    other = self._pairs[sock]
                    for end in (sock, other):
                        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self._end(sock)

    def close(self) -> None:
        self._is_closed = True
        self._thread.join(10)
        self.reset()
        self._selector.close()
        self._listener.close()
