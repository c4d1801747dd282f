# SPDX-License-Identifier: MIT
"""Clusters on hosts that are there already: production, or a lab that nobody creates. Reached node by node, by its URL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Final

from pytest_harehearse.errors import ConfigError, LabError, Unsupported
from pytest_harehearse.events import Event
from pytest_harehearse.inventory.model import Cluster, Environment, Inventory
from pytest_harehearse.labs.base import LabReport, Reached, Say
from pytest_harehearse.remote.base import Channel, Done

ASK_S: Final = 5.0


@contextmanager
def reach_hosts(
    inventory: Inventory, cluster: Cluster, write: Callable[[Event], None] | None = None
) -> Iterator[Reached]:
    """Give a cluster that can be talked to, for as long as the block lasts; nothing is connected before it is used.

    Raises:
        ConfigError: a node has no URL, or one that cannot be used.
        Unsupported: this version cannot talk to its manager on hosts.
    """
    from pytest_harehearse.remote.open import Defaults, open_channel
    from pytest_harehearse.remote.recorded import Recorded
    from pytest_harehearse.remote.redact import Redactor

    if cluster.manager != "pacemaker":
        raise Unsupported(
            f"{cluster.id} is run by {cluster.manager}, which this version can only talk to in an embedded lab; on hosts it "
            "talks to pacemaker."
        )
    missing = [node.name for node in cluster.nodes if node.url is None]
    if missing:
        raise ConfigError(
            f"{inventory.path.name}: {cluster.id} does not say how {', '.join(missing)} can be reached. Name a URL for each: "
            '{ name = "' + missing[0] + '", url = "ssh://root@ADDRESS" }'
        )
    with ExitStack() as stack:
        channels: dict[str, Channel] = {}
        for node in cluster.nodes:
            channel = open_channel(node, Defaults(folder=inventory.path.parent))
            stack.callback(channel.close)
            channels[node.name] = channel if write is None else Recorded(channel, write, Redactor())
        from pytest_harehearse.managers.pacemaker import PacemakerManager

        yield Reached(cluster, PacemakerManager(cluster, channels), channels)


class HostsLab:
    """A lab on hosts that are there already: nothing of it is made or removed; see :class:`~.base.Lab`."""

    def __init__(self, inventory: Inventory, environment: Environment) -> None:
        self._inventory = inventory
        self.environment = environment
        self._open = ExitStack()
        self._reached: dict[str, Reached] = {}
        self._write: Callable[[Event], None] | None = None

    def up(self, say: Say, *, keep: bool, within: float = 90.0) -> bool:  # noqa: ARG002 - the protocol's
        """Return False: it is up, or not, without us.

        Raises:
            LabError: not one of its nodes answers.
        """
        answers = self._answers()
        if not any(said is None for said in answers.values()):
            each = "; ".join(f"{node}: {said}" for node, said in answers.items())
            raise LabError(
                f"No node of {self.environment.name} answers, and harehearse does not create {self._kind}: its hosts are "
                f"there already{self._provider}. {each}"
            )
        return False

    @property
    def _kind(self) -> str:
        return "a PRODUCTION" if self.environment.kind == "production" else "this lab"

    @property
    def _provider(self) -> str:
        return "" if self.environment.provider is None else f' (provider = "{self.environment.provider}")'

    def down(self, say: Say) -> bool:  # noqa: ARG002 - the protocol's
        """Refuse.

        Raises:
            LabError: always: what was not made here is not removed here.
        """
        raise LabError(f"The hosts of {self.environment.name} were not made by harehearse, so it does not remove them.")

    def report(self) -> LabReport:
        """Return which nodes answer now."""
        answers = self._answers()
        alive = sum(said is None for said in answers.values())
        return LabReport(
            environment=self.environment.name, exists=True, up=alive > 0, home="hosts that are there already",
            processes=alive, keep=True,
            holds=", ".join(f"{node} {'on' if said is None else 'silent'}" for node, said in answers.items()),
        )  # fmt: skip

    def reach(self, cluster: str) -> Reached:
        """Return one of its clusters; the same as long as this object lives."""
        if cluster not in self._reached:
            described = self.environment.clusters[cluster]
            self._reached[cluster] = self._open.enter_context(reach_hosts(self._inventory, described, self._write))
        return self._reached[cluster]

    def record_to(self, write: Callable[[Event], None]) -> None:
        """Let every command on a node be an event from now on."""
        if write != self._write:
            self.close()
            self._write = write

    def close(self) -> None:
        """Give the connections back."""
        self._reached.clear()
        self._open.close()

    def _answers(self) -> dict[str, str | None]:
        """Return node → why it does not answer; None when it does."""
        channels = {
            node: channel
            for cluster in self.environment.clusters
            for node, channel in self.reach(cluster).channels.items()
        }
        with ThreadPoolExecutor(max_workers=16) as pool:
            asked = {
                node: pool.submit(channel.run, ["true"], deadline=ASK_S, root=False)
                for node, channel in channels.items()
            }
            found = {node: future.result() for node, future in asked.items()}
        return {node: None if isinstance(outcome, Done) else outcome.reason for node, outcome in found.items()}
