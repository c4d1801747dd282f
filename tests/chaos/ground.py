# SPDX-License-Identifier: MIT
"""The labs that rounds are played on: kept up over all rounds, made anew when a round left one broken."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from pytest_harehearse.faults.base import Scene
from pytest_harehearse.inventory.load import load
from pytest_harehearse.labs.base import Hosts, Resets, lab_of
from pytest_harehearse.managers.state import ClusterState
from pytest_harehearse.rehearsal.cluster import Cluster
from pytest_harehearse.rehearsal.scene import lease_places, scene_of
from pytest_harehearse.safety import lease

INVENTORY: Final = """
[environments.valkey]
kind = "lab"
provider = "embedded"
[environments.valkey.clusters.carts]
manager = "sentinel"
nodes = ["c1", "c2", "c3"]

[environments.patroni]
kind = "lab"
provider = "embedded"
[environments.patroni.clusters.orders]
manager = "patroni"
nodes = ["n1", "n2", "n3"]

[environments.lxd]
kind = "lab"
provider = "lxd"
[environments.lxd.clusters.shop]
manager = "pacemaker"
nodes = ["shop1", "shop2", "shop3"]
group = "vip"
"""
NAMES: Final = ("valkey", "patroni", "lxd")


class Ground:
    """One environment with one cluster."""

    def __init__(self, inventory: Path, environment: str, *, theirs: bool = False) -> None:
        self.inventory = inventory
        self.environment = environment
        #: True: it is up already and is left up.
        self.theirs = theirs
        self._loaded = load(inventory)
        described = self._loaded.environments[environment]
        self.lab = lab_of(self._loaded, described)
        (self.cluster,) = described.clusters
        self.identity = f"{environment}/{self.cluster}"

    @classmethod
    def make(cls, name: str, folder: Path) -> Ground:
        """Return one whose inventory lies in ``folder``; it is not up yet."""
        inventory = folder / "harehearse.toml"
        inventory.write_text(INVENTORY)
        return cls(inventory, name)

    def command(self, *words: str, cwd: Path, within: float = 600.0) -> subprocess.CompletedProcess[str]:
        """Run ``harehearse`` as a user does."""
        return subprocess.run(
            [sys.executable, "-m", "pytest_harehearse.cli", *words], cwd=cwd, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=within, check=False,
        )  # fmt: skip

    def _lab(self, *words: str) -> None:
        said = self.command("lab", *words, self.environment, cwd=self.inventory.parent)
        if said.returncode != 0:
            raise RuntimeError(f"harehearse lab {' '.join(words)} {self.environment}: {said.stdout}{said.stderr}")

    def up(self) -> None:
        """Bring it up, unless it is."""
        if not self.theirs:
            self._lab("up")

    def down(self) -> None:
        """Remove it."""
        self.close()
        if not self.theirs:
            self._lab("down")

    def anew(self) -> None:
        """Heal it whatever a round left: by its snapshot, or made anew."""
        self.close()
        if isinstance(self.lab, Resets):
            self._lab("reset")
        else:
            self._lab("down")
            self._lab("up")

    def close(self) -> None:
        """Give connections back."""
        if isinstance(self.lab, Hosts):
            self.lab.close()

    def scene(self) -> Scene:
        """Return what faults may work with here, as it is now."""
        reached = self.lab.reach(self.cluster)
        return scene_of(Cluster(reached.cluster, reached.manager, reached.channels), self.lab)

    def state(self) -> ClusterState:
        """Return what the cluster says."""
        return self.lab.reach(self.cluster).manager.state()

    def until_redundant(self, within: float) -> str | None:
        """Wait until it is whole; return what it lacked at the end."""
        deadline = time.monotonic() + within
        while (lacking := self.state().redundancy_limitation()) is not None:
            if time.monotonic() > deadline:
                return lacking
            time.sleep(0.2)
        return None

    def free(self) -> None:
        """Take the lease of a run that was killed away, so that the next round need not wait for its end."""
        places = lease_places(self.scene())
        found, _ = lease.read(places)
        if found is not None and found.owner_died:
            lease.take_away(places, found)
