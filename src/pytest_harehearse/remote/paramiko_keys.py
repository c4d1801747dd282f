# SPDX-License-Identifier: MIT
"""Proving who we are: certificates and keys that were named, then the agent's, then those that lie where keys usually lie."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm

from pytest_harehearse.remote.paramiko_target import Target
from pytest_harehearse.remote.paramiko_wire import ConnectError, Wire

#: sshd counts every key that is offered; its usual limit is 6.
_MOST_TRIES: Final = 6
#: What a host says that starts or ends: it refuses users for now, and will take them in a minute.
_FOR_NOW: Final = re.compile(
    r"boot|shut|nologin|going down|not permitted to log in yet|unprivileged users", re.IGNORECASE
)


class _Keys:
    """The keys to offer; remembers which could not be read, and why."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.notes: list[str] = []

    def __iter__(self) -> Iterator[tuple[str, paramiko.PKey]]:
        for path in self._target.keys:
            yield from self._of(path, must_exist=True)
        if self._target.agent:
            yield from self._of_the_agent()
        for path in self._target.usual_keys:
            yield from self._of(path, must_exist=False)

    def _of(self, path: Path, *, must_exist: bool) -> Iterator[tuple[str, paramiko.PKey]]:
        if not path.exists() and not must_exist:
            return
        try:
            key = paramiko.PKey.from_path(path)
        except FileNotFoundError:
            self.notes.append(f"the key {path} is not there")
        except (paramiko.PasswordRequiredException, TypeError):
            # cryptography says "Password was not given but private key is encrypted" by a TypeError.
            self.notes.append(f"the key {path} is encrypted: give it to an agent by `ssh-add {shlex.quote(str(path))}`")
        except (OSError, ValueError, UnsupportedAlgorithm, paramiko.SSHException) as error:
            self.notes.append(f"the key {path} cannot be read: {error}")
        else:
            if key.public_blob is not None:
                yield f"the certificate of {path}", key
                key = paramiko.PKey.from_path(path)
                key.public_blob = None
            yield f"{path}", key

    def _of_the_agent(self) -> Iterator[tuple[str, paramiko.PKey]]:
        try:
            agent = paramiko.Agent()
        except (OSError, paramiko.SSHException) as error:
            self.notes.append(f"the agent could not be asked: {error}")
            return
        try:
            for key in agent.get_keys():
                yield f"the agent's {key.comment or key.get_name()}", key
        finally:
            agent.close()


def authenticate(wire: Wire, transport: paramiko.Transport, target: Target) -> None:
    """Log in.

    Raises:
        ConnectError: no key was accepted; the sentence names those that were offered.
    """
    offered: list[str] = []
    keys = _Keys(target)
    for name, key in keys:
        if len(offered) == _MOST_TRIES:
            keys.notes.append(f"more keys were not offered, as hosts hang up after {_MOST_TRIES}; name the right one")
            break
        wire.phase = f"the host had not said whether it accepts {name}"
        offered.append(name)
        try:
            more = transport.auth_publickey(target.user, key)
        except paramiko.BadAuthenticationType as error:
            raise _refusal(
                transport, target, offered, [*keys.notes, f"it takes only: {', '.join(error.allowed_types)}"]
            ) from None
        except paramiko.AuthenticationException as error:
            if not transport.is_active():
                raise ConnectError(f"the host hung up while it was offered: {', '.join(offered)} ({error})") from None
            continue
        if not more:
            return
        keys.notes.append(f"it wants also: {', '.join(more)}, which cannot be given here")
        break
    raise _refusal(transport, target, offered, keys.notes)


def _refusal(transport: paramiko.Transport, target: Target, offered: list[str], notes: list[str]) -> ConnectError:
    banner = " ".join((transport.get_banner() or b"").decode(errors="replace").split())
    said = f"; it says: {banner[:200]}" if banner else ""
    tried = f"offered: {', '.join(offered)}" if offered else "there was no key to offer"
    rest = f" ({'; '.join(notes)})" if notes else ""
    return ConnectError(
        f"the host accepts no key of ours for {target.user}; {tried}{rest}{said}. Put the public key into "
        f"{target.user}'s authorized_keys there, or name the right user and key",
        refused=_FOR_NOW.search(banner) is None,
    )
