# SPDX-License-Identifier: MIT
"""The life of an LXD lab: real hosts, real quorum, real fencing; see :class:`~..base.Lab`."""

from __future__ import annotations

import dataclasses
import os
import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pytest_harehearse.errors import HarehearseError, LabError
from pytest_harehearse.events import Event
from pytest_harehearse.inventory.model import Environment, Inventory
from pytest_harehearse.labs import home as homes
from pytest_harehearse.labs.base import LabReport, Reached, Say
from pytest_harehearse.labs.healthy import held, state_of, until_healthy
from pytest_harehearse.labs.home import LabState, NodePlace, Owner
from pytest_harehearse.labs.leftovers import sweep
from pytest_harehearse.labs.lxd import daemon, image, keys, nodes
from pytest_harehearse.labs.lxd.api import Api
from pytest_harehearse.labs.lxd.node_files import ClusterSecrets, node_files
from pytest_harehearse.labs.lxd.plan import PlannedCluster, plan
from pytest_harehearse.labs.lxd.site import Site
from pytest_harehearse.remote.base import Channel
from pytest_harehearse.safety.lock import FileLock

KEY: Final = "id_ed25519"
_POWER: Final = {"Running": "on", "Stopped": "off", "Frozen": "frozen"}


class LxdLab:
    """The LXD lab of one environment."""

    def __init__(self, inventory: Inventory, environment: Environment) -> None:
        self.environment = environment
        self.inventory = inventory.path
        self.home = homes.home_of(inventory.path, environment.name)
        self._channels: dict[str, Channel] = {}
        self._write: Callable[[Event], None] | None = None

    @property
    def undo_folder(self) -> Path:
        """Where undos lie that no node can carry."""
        return self.home / "undo"

    # -- life ------------------------------------------------------------------------------------------------------

    def up(self, say: Say, *, keep: bool, within: float = 90.0) -> bool:
        """Create the lab and wait until every cluster is healthy; return False when it already was up.

        ``within`` counts from the start of the nodes: what an image takes depends on the network.

        Raises:
            ConfigError: the inventory asks for what cannot be laid out.
            LabError: no LXD can be used or started, the image cannot be built, a cluster was not healthy in time; nothing
                is left behind then.
        """
        planned = plan(self.environment)
        try:
            with self._lock():
                sweep(self.home, say)
                return self._up(planned, say, keep=keep, within=within)
        finally:
            homes.tidy()

    def _up(self, planned: dict[str, PlannedCluster], say: Say, *, keep: bool, within: float) -> bool:
        state = homes.read(self.home)
        if state is not None and self._usable(state, planned):
            if keep and not state.keep:
                homes.save(self.home, dataclasses.replace(state, keep=True))
            return False
        if self.home.exists() or (daemon.OWN / self.home.name).exists():
            say(f"removing what is left of an earlier {self.environment.name}")
            self._remove(say)
        began = time.monotonic()
        try:
            state = self._create(planned, say, keep=keep, within=within)
        except BaseException:
            self._remove(say)
            raise
        took = time.monotonic() - began
        say(f"{self.environment.name} is up after {took:.1f} s")
        homes.save(self.home, dataclasses.replace(state, phase="up", up_s=round(took, 2)))
        return True

    def down(self, say: Say) -> bool:
        """Remove every instance, bridge, project, process and file of the lab; return False when there was nothing."""
        with self._lock():
            sweep(self.home, say)
            existed = self.home.exists() or (daemon.OWN / self.home.name).exists()
            if existed:
                self._remove(say)
        homes.tidy()
        return existed

    def reset(self, say: Say, within: float = 90.0) -> None:
        """Bring every node back to how it was made, boot it, and wait until every cluster is healthy.

        Raises:
            LabError: the lab is not up, or not healthy in time.
        """
        with self._lock():
            state = self._state()
            api = self._site(state).api()
            say("restoring every node from its snapshot")
            self.close()
            names = self._names(state)
            nodes.each(names, lambda node: nodes.restore(api, node))
            self._start(api, names, say)
            self._wait_healthy(state, time.monotonic() + within, say)

    def report(self) -> LabReport:
        """Return what the lab is now."""
        state = homes.read(self.home)
        power = self._power(state) if state is not None else {}
        exists = self.home.exists() or (daemon.OWN / self.home.name).exists()
        return LabReport(
            environment=self.environment.name,
            exists=exists,
            up=state is not None and state.phase == "up" and bool(power) and "missing" not in power.values(),
            home=str(self.home),
            processes=sum(word == "on" for word in power.values()),
            created_at=state.created_at if state else None,
            keep=bool(state and state.keep),
            up_s=state.up_s if state else None,
            notes=state.notes if state else (),
            holds=", ".join(f"{node} {word}" for node, word in power.items()) or "no node",
        )

    def _lock(self) -> FileLock:
        return held(self.environment.name, self.home, within=300.0)

    def _usable(self, state: LabState, planned: dict[str, PlannedCluster]) -> bool:
        wanted = {cluster.name: dict(cluster.nodes) for cluster in planned.values()}
        found = {
            name: {node: place.address for node, place in places.items()} for name, places in state.clusters.items()
        }
        if state.provider != "lxd" or state.phase != "up" or state.abandoned or found != wanted:
            return False
        return set(self._power(state).values()) == {"on"}

    # -- making ----------------------------------------------------------------------------------------------------

    def _create(self, planned: dict[str, PlannedCluster], say: Say, *, keep: bool, within: float) -> LabState:
        name = self.home.name
        certificate, certificate_key = keys.certificate(f"harehearse-{name}")
        site = Site.choose(name, keys.fingerprint(certificate))
        if site.own is not None:
            daemon.require(say)
        private, public = keys.ssh_key()
        host_keys = {node: keys.ssh_key() for cluster in planned.values() for node in cluster.nodes}
        notes = (
            f"in an LXD of its own, in {site.own}"
            if site.own
            else f"in the LXD that was there, project {site.project}",
        )
        state = LabState(
            environment=self.environment.name,
            inventory=str(self.inventory.resolve()),
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            owner=Owner.me(),
            keep=keep,
            phase="starting",
            clusters={
                c.name: {node: NodePlace(address) for node, address in c.nodes.items()} for c in planned.values()
            },
            secrets={},
            notes=notes,
            provider="lxd",
            site={**site.asdict(), "host_keys": {node: key[1] for node, key in host_keys.items()}},
        )
        self.home.mkdir(mode=0o700)
        # On disk before anything of it exists: whoever comes after a kill finds and removes it.
        homes.save(self.home, state)
        self._write_key(private)
        built = image.image(say)
        site.prepare(certificate, say)
        api = site.api()
        say("importing the image")
        nodes.import_image(api, built)
        server = str(api.server["environment"]["certificate"]).encode()
        shared = ClusterSecrets(secrets.token_bytes(256), certificate, certificate_key, server, public)
        say(f"creating {', '.join(host_keys)}")
        files = {
            node: node_files(cluster, node, shared, project=site.project, port=site.port, host_key=host_keys[node])
            for cluster in planned.values()
            for node in cluster.nodes
        }
        nodes.each(files, lambda node: nodes.create(api, node, files[node]))
        self._start(api, list(files), say)
        self._wait_healthy(state, time.monotonic() + within, say)
        return state

    def _write_key(self, private: bytes) -> None:
        descriptor = os.open(self.home / KEY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(private)

    def _start(self, api: Api, names: list[str], say: Say) -> None:
        say("booting the nodes")
        nodes.each(names, lambda node: api.change_state(node, "start"))

    def _wait_healthy(self, state: LabState, until: float, say: Say) -> None:
        until_healthy(
            self.environment.name, state.clusters, lambda name: self._reach(state, name).manager, until, say=say
        )

    def _remove(self, say: Say) -> None:
        self.close()
        state = homes.read(self.home)
        site = self._site(state) if state is not None else None
        if site is None and (daemon.OWN / self.home.name).exists():
            # Its home is gone (a cleaned /tmp, say), its LXD is not.
            own = daemon.OWN / self.home.name
            site = Site(
                str(own / "unix.socket"), str(own), f"harehearse-{self.home.name}", f"hh-{self.home.name[-8:]}", ""
            )
        if site is not None:
            site.remove(say)
        if self.home.exists():
            shutil.rmtree(self.home)

    # -- clusters --------------------------------------------------------------------------------------------------

    def reach(self, cluster: str) -> Reached:
        """Return a cluster of the lab with its services, its manager and the channels to its nodes.

        Raises:
            LabError: when the lab is not up.
        """
        return self._reach(self._state(), cluster)

    def _reach(self, state: LabState, name: str) -> Reached:
        from pytest_harehearse.managers.pacemaker import PacemakerManager

        cluster = self.environment.clusters[name]
        planned = plan(self.environment)[name]
        described = dataclasses.replace(cluster, group=planned.resource)
        channels = self.channels(state, name)
        return Reached(described, PacemakerManager(described, channels), channels)

    def channels(self, state: LabState, cluster: str) -> Mapping[str, Channel]:
        """Return the channels to a cluster's nodes; the same as long as this object lives."""
        from pytest_harehearse.remote.paramiko_channel import ParamikoChannel
        from pytest_harehearse.remote.recorded import Recorded
        from pytest_harehearse.remote.redact import Redactor

        for node, place in state.clusters[cluster].items():
            if node not in self._channels:
                channel: Channel = ParamikoChannel(
                    node, place.address, user="root", keys=(self.home / KEY,), pinned=state.site["host_keys"][node],
                    agent=False, config=None,
                )  # fmt: skip
                self._channels[node] = channel if self._write is None else Recorded(channel, self._write, Redactor())
        return {node: self._channels[node] for node in state.clusters[cluster]}

    def record_to(self, write: Callable[[Event], None]) -> None:
        """Let every command on a node be an event from now on."""
        if write != self._write:
            self.close()
            self._write = write

    def close(self) -> None:
        """Give the connections back."""
        for channel in self._channels.values():
            channel.close()
        self._channels.clear()

    def ssh(self, node: str) -> list[str]:
        """Return the command that a person connects to a node with.

        Raises:
            LabError: the lab is not up, or has no such node.
        """
        state = self._state()
        address = next((p[node].address for p in state.clusters.values() if node in p), None)
        if address is None:
            raise LabError(
                f"The lab {self.environment.name} has no node {node!r}; it has {', '.join(self._names(state))}."
            )
        known = self.home / "known_hosts"
        known.write_text(f"{address} {state.site['host_keys'][node]}\n", encoding="ascii")
        return [
            "ssh", "-i", str(self.home / KEY), "-o", "IdentitiesOnly=yes", "-o", f"UserKnownHostsFile={known}",
            "-o", "StrictHostKeyChecking=yes", f"root@{address}",
        ]  # fmt: skip

    def _state(self) -> LabState:
        return state_of(self.environment.name, self.home)

    def _site(self, state: LabState) -> Site:
        return Site(**{field.name: state.site[field.name] for field in dataclasses.fields(Site)})

    @staticmethod
    def _names(state: LabState) -> list[str]:
        return [node for places in state.clusters.values() for node in places]

    # -- PowerControl ----------------------------------------------------------------------------------------------

    def _power(self, state: LabState) -> dict[str, str]:
        site = self._site(state)
        names = self._names(state)
        try:
            if not daemon.answering(Path(site.socket)):
                return dict.fromkeys(names, "missing")
            api = site.api()
            return {node: _POWER.get(found := api.state(node), found) for node in names}
        except HarehearseError:
            return dict.fromkeys(names, "missing")

    def _api(self) -> Api:
        return self._site(self._state()).api()

    def power_state(self, node: str) -> str:
        """Return ``on``, ``off``, ``frozen`` or ``missing``."""
        found = self._api().state(node)
        return _POWER.get(found, found)

    def power_off(self, node: str, deadline: float = 30.0) -> None:
        """Take the power away."""
        self._api().change_state(node, "stop", force=True, within=deadline)

    def power_on(self, node: str, deadline: float = 30.0) -> None:
        """Give the power back; does nothing while it is on."""
        if self.power_state(node) != "on":
            self._api().change_state(node, "start", within=deadline)

    def freeze(self, node: str, deadline: float = 30.0) -> None:
        """Stop every process of the node where it is."""
        self._api().change_state(node, "freeze", within=deadline)

    def thaw(self, node: str, deadline: float = 30.0) -> None:
        """Let them go on; does nothing while they run."""
        if self.power_state(node) == "frozen":
            self._api().change_state(node, "unfreeze", within=deadline)


def forget(site: dict[str, Any], say: Say) -> None:
    """Remove a lab that only its ``lab.json`` knows: its parent was killed."""
    Site(**{field.name: site[field.name] for field in dataclasses.fields(Site)}).remove(say)
