# SPDX-License-Identifier: MIT
"""One SSH connection: made with the host's key checked before anything is said, then shared by several commands."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import paramiko
from paramiko.ssh_exception import IncompatiblePeer

from pytest_harehearse.remote.host_keys import HostKey, objection
from pytest_harehearse.remote.paramiko_guard import Guard
from pytest_harehearse.remote.paramiko_keys import authenticate
from pytest_harehearse.remote.paramiko_target import Target
from pytest_harehearse.remote.paramiko_wire import KEEPALIVE_S, ConnectError, Wire, by_program, connect

#: In known_hosts an RSA key has one name, in the protocol one for each hash it signs with.
_RSA = ("rsa-sha2-512", "rsa-sha2-256")


class _Through:
    """The way through a jump host, as a transport wants a socket: closing it never fails, also when the jump host is gone."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel
        self.send, self.recv, self.settimeout = channel.send, channel.recv, channel.settimeout

    def close(self) -> None:
        with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
            self._channel.close()


class Connection:
    """A connection that is ready for commands; its pool counts who uses it."""

    def __init__(self, wire: Wire, transport: paramiko.Transport) -> None:
        self._wire = wire
        self.transport = transport
        self.guard = Guard(self.cut)
        self.uid: int | None = None
        self.used = 0
        #: No new command: a deadline passed on it.
        self.is_retired = False
        #: The host takes no more sessions until one ends.
        self.is_full = False

    def failure(self, settle: float = 0.0) -> str | None:
        """Return why no command can be sent over it; None when nothing speaks against it.

        ``settle``: how long (seconds) an end that is just happening is waited for.
        """
        if settle and self.transport.is_active():
            self.transport.join(settle)
        if self._wire.is_cut:
            return "it was given up"
        if not self.transport.is_active():
            said = self.transport.get_exception()
            return f"it was lost ({said or 'the host closed it'})"
        return self._wire.silence()

    def cut(self) -> None:
        """End it at once."""
        self._wire.cut()
        self.guard.close()


def make(wire: Wire, target: Target, until: float) -> Connection:
    """Return a connection, logged in.

    Raises:
        ConnectError: there is none; the sentence says why.
    """
    return Connection(wire, _transport(wire, target, until))


def _left(until: float) -> float:
    return max(0.01, until - time.monotonic())


def _transport(wire: Wire, target: Target, until: float) -> paramiko.Transport:
    sock = _reach(wire, target, until)
    transport = wire.new_transport(sock)
    transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = _left(until)
    _prefer_known(transport, target)

    def seen() -> str:
        if not transport.remote_version:
            return f"{target.host}:{target.port} took the connection and did not say that it speaks SSH"
        return f"{target.host}:{target.port} said {transport.remote_version!r} and did not go on with the key exchange"

    wire.phase = seen
    try:
        transport.start_client(timeout=_left(until))
        key = transport.get_remote_server_key()
    except IncompatiblePeer as error:
        raise ConnectError(f"the host speaks no SSH that is secure enough today: {error}", refused=True) from None
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise ConnectError(f"{seen()} ({' '.join(str(error).split()) or 'it hung up'})") from None
    shown = HostKey(key.get_name(), key.asbytes())
    by = target.first_by
    reason = objection(
        shown, target.trusted, host=target.host, port=target.port, file=target.known_hosts, by=by
    )  # fmt: skip
    if reason is not None:
        raise ConnectError(reason, refused=True)
    try:
        authenticate(wire, transport, target)
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise ConnectError(f"{wire.seen} ({error or 'it hung up'})") from None
    transport.set_keepalive(KEEPALIVE_S)
    return transport


def _prefer_known(transport: paramiko.Transport, target: Target) -> None:
    """Ask for a kind of key that is known; a host has several, and shows the one that is asked for first."""
    options = transport.get_security_options()
    wanted = [name for key in target.trusted.keys for name in (_RSA if key.kind == "ssh-rsa" else (key.kind,))]
    known = [name for name in dict.fromkeys(wanted) if name in options.key_types]
    options.key_types = tuple(dict.fromkeys([*known, *options.key_types]))


def _reach(wire: Wire, target: Target, until: float) -> Any:
    if target.jump is None:
        if target.proxy_command is not None:
            return by_program(wire, target.proxy_command)
        return connect(wire, target.host, target.port, until)
    try:
        outer = _transport(wire, target.jump, until)
    except ConnectError as error:
        raise ConnectError(f"the jump host {target.jump.where}: {error}", refused=error.refused) from None
    wire.phase = f"the jump host {target.jump.where} did not reach {target.host}:{target.port}"
    try:
        return _Through(
            outer.open_channel("direct-tcpip", (target.host, target.port), ("127.0.0.1", 0), timeout=_left(until))
        )
    except (paramiko.SSHException, EOFError, OSError) as error:
        # A destination that is booting is refused by the jump host, too, so waiting may help.
        raise ConnectError(f"{wire.seen} ({error})") from None
