# SPDX-License-Identifier: MIT
"""``service_kill``: SIGKILL of what serves users on a node, which the cluster should notice and restart in place."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

from pytest_harehearse.errors import Indeterminate, Unsupported
from pytest_harehearse.faults.base import Armed, Expected, Fault, Scene
from pytest_harehearse.labs.base import ServiceControl
from pytest_harehearse.managers.capabilities import ManagesUnits
from pytest_harehearse.remote.base import Channel, Done, Script, Unreachable

ASK_S: Final = 10.0
#: A process that is killed lives on until the kernel has given back what it held.
DEATH_S: Final = 5.0
#: Prints the unit's main process and how it was started; 3: it does not run.
_MAIN: Final = """pid=$(systemctl show --property=MainPID --value -- "$1") || exit 1
[ "$pid" != 0 ] || exit 3
echo "$pid"
"""


class UnitKill(Armed):
    """A systemd unit of a host; see :class:`~.base.Fault`."""

    name = "service_kill"
    expected = Expected.IN_PLACE

    def __init__(self, channels: Mapping[str, Channel], target: str, unit: str) -> None:
        self._channels = channels
        self._killed = ""
        self.target = target
        self.unit = unit
        self.strike_text = f"SIGKILL every process of {unit} on {target}"
        self.undo_text = f"none needed where the cluster restarts {unit} on {target}; else: systemctl start {unit}"

    def limitation(self) -> str | None:
        """The node has to be a host with systemd."""
        channel = self._channels.get(self.target)
        if channel is None:
            return f"{self.target} is no host that commands can be run on"
        asked = channel.run(Script(_MAIN, (self.unit,)), deadline=ASK_S)
        if isinstance(asked, Done) and asked.rc == 0:
            return None
        if isinstance(asked, Done):
            return f"{self.unit} does not run on {self.target} under systemd{': ' + asked.err if asked.err else ''}"
        return f"{self.target} could not be asked: {asked.reason}"

    def strike(self) -> str:
        """Kill the unit's whole control group.

        Raises:
            Indeterminate: it is not known whether they were killed.
        """
        before = self._main()
        done = self._channels[self.target].run(
            ["systemctl", "kill", "--signal=SIGKILL", "--kill-who=all", "--", self.unit], deadline=ASK_S
        )
        if isinstance(done, Unreachable):
            raise Indeterminate(f"{self.unit} was not killed: {self.target} could not be reached: {done.reason}")
        if not isinstance(done, Done) or done.rc != 0:
            why = done.err if isinstance(done, Done) else done.reason
            raise Indeterminate(f"Whether {self.unit} was killed on {self.target} is not known: {why}")
        self._killed = before
        return f"killed process {before} and its children"

    def effect(self) -> str | None:
        """Proved when the process that ran is not the unit's main process any more."""
        if not self._killed:
            return f"nothing of {self.unit} ran on {self.target}"
        until = time.monotonic() + DEATH_S
        while self._main() == self._killed:
            if time.monotonic() > until:
                return f"process {self._killed} of {self.unit} still runs"
            time.sleep(0.1)
        return None

    def undo(self) -> None:
        """Nothing to take back: restarting it is the cluster's task, and doing it here would hide that it did not."""

    def undone(self) -> str | None:
        """Nothing stays."""
        return None

    def _main(self) -> str:
        asked = self._channels[self.target].run(Script(_MAIN, (self.unit,)), deadline=ASK_S)
        if isinstance(asked, Done) and asked.rc in {0, 3}:
            return asked.out.strip()
        why = asked.err if isinstance(asked, Done) else asked.reason
        raise Indeterminate(f"{self.target} could not be asked for the processes of {self.unit}: {why}")


class ProcessKill(Armed):
    """Processes of an embedded lab; see :class:`~.base.Fault`."""

    name = "service_kill"
    expected = Expected.IN_PLACE

    def __init__(self, lab: object, cluster: str, target: str) -> None:
        self._lab = lab
        self._cluster = cluster
        self._killed: list[int] = []
        self.target = target
        self.strike_text = f"SIGKILL what serves users on {target}"
        self.undo_text = f"none needed: the cluster manager of {target} restarts it"

    def limitation(self) -> str | None:
        """Something has to serve there, and somebody to restart it."""
        if not isinstance(self._lab, ServiceControl):
            return 'this environment gives no control over what serves users; name a systemd unit: unit="…"'
        if not self._lab.service_processes(self._cluster, self.target):
            return f"nothing on {self.target} serves users that its cluster manager would restart"
        return None

    @property
    def _control(self) -> ServiceControl:
        if not isinstance(self._lab, ServiceControl):
            raise TypeError(self.limitation())
        return self._lab

    def strike(self) -> str:
        """Kill them."""
        self._killed = self._control.kill_service(self._cluster, self.target)
        return f"killed {', '.join(map(str, self._killed)) or 'nothing'}"

    def effect(self) -> str | None:
        """Proved when what was killed does not serve any more."""
        if not self._killed:
            return f"nothing was running on {self.target}, so nothing was killed"
        until = time.monotonic() + DEATH_S
        while left := sorted(set(self._killed) & set(self._control.service_processes(self._cluster, self.target))):
            if time.monotonic() > until:
                return f"still alive on {self.target}: pids {left}"
            time.sleep(0.02)
        return None

    def undo(self) -> None:
        """Nothing to take back: restarting it is the cluster's task, and doing it here would hide that it did not."""

    def undone(self) -> str | None:
        """Nothing stays."""
        return None


def service_kill(scene: Scene, node: str, *, unit: str | None = None) -> Fault:
    """SIGKILL what serves users on a node; restarting it is the cluster's own task.

    Args:
        scene: where.
        node: on which node.
        unit: the systemd unit, as ``nginx``; default: the one that the cluster manages, or the embedded lab's server.

    Raises:
        Unsupported: it is not clear what is meant; nothing was touched.
    """
    if unit is None and isinstance(scene.manager, ManagesUnits):
        units = scene.manager.units()
        if len(units) != 1:
            there = f"manages {', '.join(units)}" if units else "manages no systemd unit"
            raise Unsupported(f'{scene.cluster.id} {there}: name what is to be killed, as in unit="nginx".')
        unit = units[0]
    if unit is not None:
        return UnitKill(scene.channels, node, unit)
    return ProcessKill(scene.lab, scene.cluster.name, node)
