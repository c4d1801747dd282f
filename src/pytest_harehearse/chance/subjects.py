# SPDX-License-Identifier: MIT
"""What a state machine works on: a model of a cluster in memory, or a cluster of a lab."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Final, Protocol

from pytest_harehearse.chance.layout import OPTIONS
from pytest_harehearse.errors import ConfigError, Refused, Unsupported
from pytest_harehearse.faults.catalogue import CATALOGUE
from pytest_harehearse.inventory.model import Cluster as Described
from pytest_harehearse.inventory.model import Node
from pytest_harehearse.managers.state import ClusterState
from pytest_harehearse.rehearsal.plan import ModelManager

if TYPE_CHECKING:
    from pytest_harehearse.rehearsal.cluster import Cluster
    from pytest_harehearse.rehearsal.faults import Faults

#: A lab is whole again within this, before a sequence and after it.
WHOLE: Final = "5min"


class Subject(Protocol):
    """A cluster, or a model of one."""

    def state(self) -> ClusterState:
        """Return what it looks like now."""
        ...

    def begin(self) -> None:
        """Be whole, before a sequence of steps."""
        ...

    def end(self) -> None:
        """Take back what is struck, after a sequence, whatever became of it."""
        ...

    def strike(self, fault: str, node: str) -> None:
        """Strike a fault, which lasts until it is healed."""
        ...

    def heal(self, fault: str, node: str) -> None:
        """Undo a fault that was struck."""
        ...

    def switchover(self) -> None:
        """Move the service to another node."""
        ...

    def wait(self, seconds: int) -> None:
        """Let time pass."""
        ...


class Model:
    """A cluster in memory that always does what it should; a subclass says where it does not.

    Args:
        nodes: their names; the first one is active at the beginning.

    Raises:
        ConfigError: there is no node.
    """

    def __init__(self, nodes: Sequence[str] = ("n1", "n2", "n3")) -> None:
        if not nodes:
            raise ConfigError("A model of a cluster needs a node: Model(['n1', 'n2', 'n3']).")
        self.manager = ModelManager(Described("model", "model", "lab", "patroni", tuple(Node(name) for name in nodes)))
        #: Seconds since the sequence began.
        self.at = 0

    def state(self) -> ClusterState:
        """Return what it looks like now."""
        return self.manager.state()

    def begin(self) -> None:
        """Be as at the beginning."""
        self.manager.begin()
        self.at = 0

    def end(self) -> None:
        """Nothing stays of a model."""

    def strike(self, fault: str, node: str) -> None:
        """Lose the node, if the fault takes it away."""
        if CATALOGUE[fault].loses:
            self.manager.lose(node)

    def heal(self, fault: str, node: str) -> None:
        """Let the node come back."""
        if CATALOGUE[fault].loses:
            self.manager.lost.discard(node)
            self.manager.settle()

    def switchover(self) -> None:
        """Move the service to the first standby."""
        state = self.state()
        if (to := self.manager.choose_target(state)) is not None:
            self.manager.switchover(state, to, 60.0)

    def wait(self, seconds: int) -> None:
        """Let the model's time pass."""
        self.at += seconds


class Lab:
    """A cluster of a lab under rehearsal.

    Args:
        cluster: of the test.
        faults: of the test.
        sleep: lets time pass.

    Raises:
        Unsupported: it is no lab; nothing was touched.
    """

    def __init__(self, cluster: Cluster, faults: Faults, sleep: Callable[[float], None] = time.sleep) -> None:
        if cluster.kind != "lab":
            raise Unsupported(
                f"{cluster.id} (PRODUCTION): a state machine strikes what nobody has planned, so it is never run there, armed or "
                "not. Run it on a lab, or on a model: run_machine(…, Model(['n1', 'n2', 'n3'])). Nothing was touched."
            )
        self.cluster = cluster
        self.faults = faults
        self._sleep = sleep
        self._open: list[tuple[str, str, AbstractContextManager[object]]] = []

    def state(self) -> ClusterState:
        """Return what the manager and the witnesses say now."""
        return self.cluster.state()

    def begin(self) -> None:
        """Wait until every node is in."""
        self.cluster.until_redundant(within=WHOLE)

    def end(self) -> None:
        """Undo what is struck, the last first, every one."""
        with ExitStack() as ending:
            while self._open:
                ending.callback(self._open.pop(0)[2].__exit__, None, None, None)

    def strike(self, fault: str, node: str) -> None:
        """Strike a fault as ``faults.NAME(node)`` does."""
        struck: AbstractContextManager[object] = getattr(self.faults, fault)(node, **OPTIONS.get(fault, {}))
        struck.__enter__()
        self._open.append((fault, node, struck))

    def heal(self, fault: str, node: str) -> None:
        """Undo the fault."""
        found = next((one for one in self._open if one[:2] == (fault, node)), None)
        if found is not None:
            self._open.remove(found)
            found[2].__exit__(None, None, None)

    def switchover(self) -> None:
        """Move the service, if the manager lets it be moved now."""
        try:
            self.cluster.switchover()
        except Refused:
            # It said no, and nothing changed: that is an answer, too.
            return

    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self._sleep(seconds)
