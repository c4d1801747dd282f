# SPDX-License-Identifier: MIT
"""A command in an LXD instance: the exec operation with its websockets, behaving like a program of this machine.

LXD starts the command when the last of the three data websockets is connected. So whatever fails before that was certainly
not run, and what fails from then on may have been.
"""

from __future__ import annotations

import contextlib
import json
import select
import signal
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

#: Longest time for one request or one websocket (seconds); the deadline of the command may be shorter.
REQUEST_S: Final = 10.0
#: How long telling the instance to kill the command may take (seconds).
_KILL_S: Final = 0.3
_CHUNK: Final = 1 << 16
_RUNNING: Final = 103
_FOUND: Final = 200


class NotSent(Exception):
    """The command was certainly not started; ``refused`` as in ``base.Unreachable``."""

    def __init__(self, reason: str, *, refused: bool = False) -> None:
        super().__init__(reason)
        self.refused = refused


def _socket_type(sink: Callable[[bytes], object]) -> Any:
    from ws4py.client import WebSocketBaseClient
    from ws4py.messaging import TextMessage

    class Output(WebSocketBaseClient):  # type: ignore[misc, unused-ignore]
        """One of the command's descriptors."""

        is_at_end = False

        def handshake_ok(self) -> None:
            """Nothing to begin."""

        def received_message(self, message: Any) -> None:
            """Hand on what arrived; an empty text ends it."""
            if message.data:
                sink(bytes(message.data))
            elif isinstance(message, TextMessage):
                self.is_at_end = True

        def unhandled_error(self, error: Exception) -> None:  # noqa: ARG002
            """Take a broken connection as its end: what the operation says decides."""
            self.is_at_end = True

    return Output


class LxdExec:
    """A running command. The same members as ``processes.Process`` has.

    Args:
        client: of pylxd.
        instance: its name.
        arguments: the command.
        until: monotonic; it must have been started by then.

    Raises:
        NotSent: before it can have been started.
        OSError: the last websocket broke while it was being connected; the command may have been started.
    """

    def __init__(
        self,
        client: Any,
        instance: str,
        arguments: Sequence[str],
        until: float,
        *,
        stdin: bytes = b"",
        keep_stdin: bool = False,
        on_stdout: Callable[[bytes], object],
        on_stderr: Callable[[bytes], object],
        ask: Callable[[Callable[..., Any], float], Any],
    ) -> None:
        self._client, self._ask = client, ask
        self.pid = 0
        self.rc: int | None = None
        #: Why the end of it will never be seen.
        self.lost: str | None = None
        self._sockets: dict[str, Any] = {}
        self._is_closed = False
        self._writing = threading.Lock()
        body = {
            "command": list(arguments), "environment": {}, "wait-for-websocket": True, "interactive": False,
        }  # fmt: skip
        answer = ask(lambda timeout: client.api.instances[instance].exec.post(json=body, timeout=timeout), until).json()
        self._operation = str(answer["operation"]).split("?", 1)[0].rpartition("/")[2]
        secrets = answer["metadata"]["metadata"]["fds"]
        sinks: dict[str, Callable[[bytes], object]] = {
            "control": _ignore, "0": _ignore, "1": on_stdout, "2": on_stderr,
        }  # fmt: skip
        for name, sink in sinks.items():
            self._connect(name, str(secrets[name]), sink, until, is_last=name == "2")
        if not keep_stdin:
            # Apart, because a command that first writes a lot and then reads would wait for us, and we for it.
            threading.Thread(target=self._feed, args=(stdin,), name=f"lxd-stdin-{instance}", daemon=True).start()

    def _connect(self, name: str, secret: str, sink: Callable[[bytes], object], until: float, *, is_last: bool) -> None:
        from ws4py.exc import WebSocketException

        socket = _socket_type(sink)(self._client.websocket_url, exclude_headers=["Origin"])
        socket.resource = f"/1.0/operations/{self._operation}/websocket?secret={secret}"
        try:
            socket.sock.settimeout(max(0.01, min(REQUEST_S, until - time.monotonic())))
            socket.connect()
        except (OSError, WebSocketException, ValueError) as error:
            _close(socket)
            self.close()
            if is_last:
                raise OSError(f"LXD broke off while the command was being started: {error}") from error
            raise NotSent(f"LXD did not take descriptor {name} of the command: {error}") from error
        socket.sock.settimeout(REQUEST_S)
        self._sockets[name] = socket

    @property
    def is_over(self) -> bool:
        """It ended, or its end will never be seen."""
        return self.rc is not None or self.lost is not None

    def pump(self, until: float, enough: Callable[[], bool] = lambda: False) -> bool:
        """Read until it is over or ``enough`` says so; False when monotonic ``until`` passed first."""
        while True:
            if self.is_over or enough():
                return True
            left = max(0.0, until - time.monotonic())
            open_ = {
                socket.sock.fileno(): socket
                for name, socket in self._sockets.items()
                if name in {"1", "2"} and not socket.is_at_end and socket.sock is not None
            }
            happened = self._read(open_, left) if open_ else self._finish(left)
            if self.is_over or enough():
                return True
            if time.monotonic() >= until and not happened:
                return False

    def _read(self, sockets: dict[int, Any], timeout: float) -> bool:
        poller = select.poll()
        for descriptor in sockets:
            poller.register(descriptor, select.POLLIN)
        happened = poller.poll(int(timeout * 1000) + (1 if timeout else 0))
        for descriptor, _ in happened:
            socket = sockets[descriptor]
            if not socket.once():
                socket.is_at_end = True
        return bool(happened)

    def _finish(self, timeout: float) -> bool:
        """Ask how it ended, both outputs being at their end."""
        try:
            operation = self._client.api.operations[self._operation]
            # LXD waits in whole seconds; the request's own time limit cuts that short.
            asked = (
                operation.wait.get(params={"timeout": int(timeout) + 1}, timeout=timeout + 0.05)
                if timeout
                else (operation.get(timeout=1.0))
            )
            found = asked.json()["metadata"]
        except Exception as error:  # noqa: BLE001 - pylxd, requests and urllib3 each have their own
            if "timed out" in str(error).lower():
                return False
            self.lost = f"LXD does not say how it ended: {error}"
            return True
        if found["status_code"] == _RUNNING:
            return False
        if found["status_code"] == _FOUND and "return" in (found["metadata"] or {}):
            self.rc = int(found["metadata"]["return"])
        else:
            self.lost = f"LXD ended it: {found.get('err') or found.get('status')}"
        return True

    def _feed(self, data: bytes) -> None:
        view = memoryview(data)
        with self._writing, contextlib.suppress(OSError, RuntimeError):
            # A command that has ended or reads no more closes its end; its exit status says what that means.
            for start in range(0, len(view), _CHUNK):
                self._sockets["0"].send(bytes(view[start : start + _CHUNK]), binary=True)
            self._sockets["0"].send(b"", binary=False)

    def send(self, data: bytes, until: float) -> bool:
        """Write to standard input; False when not all was taken by monotonic ``until``."""
        socket = self._sockets.get("0")
        if socket is None or socket.sock is None or self.is_over:
            return False
        with self._writing:
            try:
                socket.sock.settimeout(max(0.001, until - time.monotonic()))
                socket.send(data, binary=True)
            except (OSError, RuntimeError):
                return False
        return True

    def end_input(self) -> None:
        """Close standard input."""
        self.send_end()

    def send_end(self) -> None:
        """Say that no more input comes."""
        with contextlib.suppress(OSError, RuntimeError, KeyError):
            self._sockets["0"].send(b"", binary=False)

    def signal(self, number: signal.Signals) -> bool:
        """Have LXD signal the command; False when it could not be told."""
        socket = self._sockets.get("control")
        if socket is None or socket.sock is None or self.is_over:
            return False
        try:
            socket.sock.settimeout(_KILL_S)
            socket.send(json.dumps({"command": "signal", "signal": int(number)}).encode(), binary=False)
        except (OSError, RuntimeError):
            return False
        return True

    def close(self, *, kill: bool = True) -> bool:
        """Give everything back; a command that still runs is killed. False: it could not be told."""
        if self._is_closed:
            return True
        self._is_closed = True
        told = self.is_over or not kill or self.signal(signal.SIGKILL)
        for socket in self._sockets.values():
            _close(socket)
        return told


def _close(websocket: Any) -> None:
    """Close it; ws4py itself leaves the socket open where the other end is gone already."""
    raw = websocket.sock
    websocket.close_connection()
    if raw is not None:
        raw.close()


def _ignore(_: bytes) -> None:
    """Take nothing."""
