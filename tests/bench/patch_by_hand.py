# SPDX-License-Identifier: MIT
"""The bare steps of a patch day by hand: the commands that the workflow sends, and the same waits; no probes, checks or journal."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from pytest_harehearse.inventory.load import load
from pytest_harehearse.labs.base import Hosts, Reached, lab_of
from pytest_harehearse.managers.pacemaker import crm_mon
from pytest_harehearse.managers.state import ClusterState
from pytest_harehearse.rehearsal.node import BOOT_ID
from pytest_harehearse.remote.base import Done

#: As often as the workflow looks: at the cluster, and at a node that boots.
LOOK_S, BOOT_S = 0.2, 0.5
#: No step takes longer (seconds).
WITHIN_S = 300.0
ASK_S = 30.0


class ByHand:
    """One cluster of an LXD lab that is up, and a person with root's shell on each node."""

    def __init__(self, folder: str, environment: str) -> None:
        inventory = load(Path(folder) / "harehearse.toml")
        described = inventory.environments[environment]
        if described.provider != "lxd":
            raise SystemExit(f"{environment} is no LXD lab; only hosts can be rebooted.")
        self._lab = lab_of(inventory, described)
        (name,) = described.clusters
        self._reached: Reached = self._lab.reach(name)
        self.group = self._reached.cluster.group
        self.nodes = tuple(self._reached.channels)
        self.took: dict[str, float] = {}

    def close(self) -> None:
        """Give the connections back."""
        if isinstance(self._lab, Hosts):
            self._lab.close()

    def state(self) -> ClusterState:
        """The cluster now."""
        return self._reached.manager.state()

    def whole(self) -> None:
        """Wait until every node is in."""
        self._until("it is whole", lambda: self.state().redundancy_limitation() is None)

    def standby_first(self) -> dict[str, float]:
        """Do it; return step → seconds, the steps named as the workflow names them."""
        self.whole()
        self.took = {}
        state = self.state()
        original, standbys = state.active, state.standbys
        assert original is not None
        for node in standbys:
            self._one(node, original)
        self._timed(f"switchover {standbys[0]}", lambda: self._switchover(standbys[0]))
        self._one(original, standbys[0])
        self._timed("audit", self.whole)
        return self.took

    # -- steps -----------------------------------------------------------------------------------------------------

    def _one(self, node: str, by: str) -> None:
        self._timed(f"drain {node}", lambda: self._drain(node, by))
        self._timed(f"reboot {node}", lambda: self._reboot(node))
        self._timed(f"undrain {node}", lambda: self._undrain(node, by))
        self._timed(f"validate {node}", self.whole)

    def _drain(self, node: str, by: str) -> None:
        self._run(by, "crm_attribute", "--node", node, "--name", "standby", "--update", "on", "--lifetime", "forever")
        self._until(f"{node} is empty", lambda: self._empty(node, by))

    def _reboot(self, node: str) -> None:
        before = self._boot(node)
        self._reached.channels[node].run(["systemctl", "reboot"], deadline=10.0)
        self._until(f"{node} has booted", lambda: self._boot(node) not in {"", before}, BOOT_S)

    def _undrain(self, node: str, by: str) -> None:
        for lifetime in ("forever", "reboot"):
            self._run(
                by, "crm_attribute", "--node", node, "--name", "standby", "--delete", "--lifetime", lifetime, fine={6, 105}
            )  # fmt: skip
        self._until(f"{node} could take over", lambda: node in self.state().standbys)

    def _switchover(self, to: str) -> None:
        group = str(self.group)
        self._run(to, "crm_resource", "--resource", group, "--move", "--node", to, "--lifetime", "PT600S")
        self._run(to, "crm_resource", "--wait", "--timeout", "60", within=70.0)
        self._run(to, "crm_resource", "--resource", group, "--clear")
        self._until(f"{to} is active", lambda: self.state().active == to)
        self.whole()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _timed(self, name: str, step: Callable[[], None]) -> None:
        begun = time.monotonic()
        step()
        self.took[name] = time.monotonic() - begun

    def _run(self, node: str, *words: str, within: float = ASK_S, fine: set[int] | None = None) -> None:
        said = self._reached.channels[node].run(words, deadline=within)
        if not isinstance(said, Done) or said.rc not in {0, *(fine or ())}:
            raise RuntimeError(f"{node}: {' '.join(words)}: {said}")

    def _empty(self, node: str, by: str) -> bool:
        said = self._reached.channels[by].run(["crm_mon", "-1", "-r", "--output-as=xml"], deadline=ASK_S)
        mon = crm_mon.read(said.stdout) if isinstance(said, Done) else "not asked"
        if isinstance(mon, str):
            return False
        return mon.nodes[node].standby and not [one for one in mon.resources if node in one.nodes and not one.fences]

    def _boot(self, node: str) -> str:
        said = self._reached.channels[node].run(["cat", BOOT_ID], deadline=3.0, root=False)
        return said.out.strip() if isinstance(said, Done) and said.rc == 0 else ""

    def _until(self, what: str, reached: Callable[[], bool], every: float = LOOK_S) -> None:
        ends = time.monotonic() + WITHIN_S
        while not reached():
            if time.monotonic() > ends:
                raise TimeoutError(f"not within {WITHIN_S:.0f} s: {what}; seen last: {self.state().describe()}")
            time.sleep(every)
