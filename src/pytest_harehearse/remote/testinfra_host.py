# SPDX-License-Identifier: MIT
"""testinfra's ``Host`` over one of our channels: all of its modules, with our deadlines and records.

testinfra itself waits for ever for a host that died (its ``timeout`` is for connecting only), and takes no notice of what
was not answered. Here both are errors, never a result.
"""

from __future__ import annotations

from typing import Any, Final

from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host

from pytest_harehearse import errors
from pytest_harehearse.remote.base import Channel, Done, Script, Unreachable
from pytest_harehearse.units import show

_AS_ROOT: Final = (
    'if [ "$(id -u)" = 0 ]; then exec /bin/sh -c %s; else exec env LANGUAGE=en sudo -n -- /bin/sh -c %s; fi'
)
_AS_USER: Final = (
    "if command -v sudo > /dev/null; then exec env LANGUAGE=en sudo -n -u %s -- /bin/sh -c %s; "
    "else exec runuser -u %s -- /bin/sh -c %s; fi"
)


class ChannelBackend(BaseBackend):  # type: ignore[misc, unused-ignore]
    """testinfra's way to run a command, by a channel."""

    NAME = "harehearse"

    def __init__(self, channel: Channel, deadline: float) -> None:
        super().__init__(channel.node)
        self._channel = channel
        self._deadline = deadline

    def get_pytest_id(self) -> str:
        """Return the name of the host in test ids."""
        return f"{self.NAME}://{self._channel.node}"

    def get_sudo_command(self, command: str, sudo_user: str | None) -> str:
        """Return a command run as another user; never asks for a password, and needs no sudo where we are root."""
        if sudo_user is None:
            return str(self.quote(_AS_ROOT, command, command))
        return str(self.quote(_AS_USER, sudo_user, command, sudo_user, command))

    def get_encoding(self) -> str:
        """Return UTF-8; testinfra would run Python on the node to ask, and fail where a name is in another encoding."""
        return "utf-8"

    def decode(self, data: bytes) -> str:
        """Return text; what is no UTF-8 is replaced, for half an answer is better than a broken test."""
        return data.decode("utf-8", errors="replace")

    def run(self, command: str, *args: str, **kwargs: Any) -> CommandResult:  # noqa: ARG002 - testinfra's signature
        """Run a command line of testinfra, its arguments quoted into it.

        Raises:
            errors.Unreachable: it was not sent.
            errors.Indeterminate: it was sent, and no answer came.
        """
        line = self.get_command(command, *args)
        # As the user of the channel: testinfra's own host.sudo() says when it is to be root.
        outcome = self._channel.run(Script(line), deadline=self._deadline, root=False)
        if isinstance(outcome, Done):
            return self.result(outcome.rc, self.encode(line), outcome.stdout, outcome.stderr)
        node, shown, within = self._channel.node, _short(line), show(self._deadline)
        if isinstance(outcome, Unreachable):
            raise errors.Unreachable(f"{node}: `{shown}` was not run (deadline {within}): {outcome.reason}")
        raise errors.Indeterminate(
            f"{node}: `{shown}` was sent and its end not seen (deadline {within}), so it may have run: {outcome.reason}"
        )


def _short(line: str) -> str:
    text = " ".join(line.split())
    return text if len(text) <= 200 else f"{text[:199]}…"


def host(channel: Channel, deadline: float = 30.0) -> Host:
    """Return testinfra's host over this channel.

    Args:
        channel: reaches the node.
        deadline: for each command that a module of testinfra runs (seconds).
    """
    backend = ChannelBackend(channel, deadline)
    found = Host(backend)
    backend.set_host(found)
    return found
