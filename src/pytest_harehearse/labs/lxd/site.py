# SPDX-License-Identifier: MIT
"""What a lab has in an LXD: a project, a bridge, a storage pool where LXD is its own, and a certificate for fencing."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from pytest_harehearse.errors import LabError
from pytest_harehearse.labs import home as homes
from pytest_harehearse.labs import processes
from pytest_harehearse.labs.base import Say
from pytest_harehearse.labs.lxd import daemon
from pytest_harehearse.labs.lxd.api import Api
from pytest_harehearse.labs.lxd.plan import HOST, SUBNET

POOL_SIZE: Final = "12GiB"
PORT: Final = 8443


@dataclass(frozen=True, slots=True)
class Site:
    """Names by which everything of the lab is found again, also after its parent was killed."""

    socket: str
    #: Folder of the LXD that was started for this lab alone; None: it uses one that was there.
    own: str | None
    project: str
    bridge: str
    #: Fingerprint of the certificate for fencing.
    certificate: str
    #: Port of LXD's HTTPS API.
    port: int = PORT

    @classmethod
    def choose(cls, name: str, certificate: str) -> Site:
        """Return the site of a lab by its home's name: in the LXD that runs here, or in one of its own.

        Raises:
            LabError: an LXD runs that may not be used, or that nodes could not reach for fencing.
        """
        # An interface's name may have 15 characters; the home's name ends with a hash.
        bridge = f"hh-{name[-8:]}"
        project = f"harehearse-{name}"
        found = daemon.existing()
        if found is None:
            own = daemon.OWN / name
            return cls(str(own / "unix.socket"), str(own), project, bridge, certificate)
        return cls(str(found), None, project, bridge, certificate, _https_port(Api(found)))

    def api(self, *, project: bool = True) -> Api:
        """Return the API of the lab's project, or of the whole server."""
        return Api(Path(self.socket), self.project if project else None)

    def asdict(self) -> dict[str, Any]:
        """Return it for ``lab.json``."""
        return asdict(self)

    # -- made ------------------------------------------------------------------------------------------------------

    def prepare(self, certificate: bytes, say: Say) -> None:
        """Make pool, bridge, project and trust.

        Raises:
            LabError: one could not be made.
        """
        if self.own is not None:
            daemon.start(Path(self.own), say)
        server = self.api(project=False)
        pool = self._pool(server)
        self._network(server, say)
        if self.own is not None:
            # Only now: the bridge's address has to be there before LXD can listen on it.
            server.patch("", {"config": {"core.https_address": f"{HOST}:{self.port}"}})
        body = certificate.decode().replace("\n", "")
        body = body.removeprefix("-----BEGIN CERTIFICATE-----").removesuffix("-----END CERTIFICATE-----")
        base64.b64decode(body, validate=True)
        server.post("projects", {
            "name": self.project, "description": "pytest-harehearse lab",
            "config": {"features.images": "true", "features.profiles": "true", "features.storage.volumes": "true",
                       "features.networks": "false"},
        })  # fmt: skip
        server.post("certificates", {
            "type": "client", "name": self.project, "certificate": body, "restricted": True, "projects": [self.project],
        })  # fmt: skip
        self.api().put("profiles/default", {
            "description": "", "config": {"boot.autostart": "false"},
            "devices": {
                "root": {"type": "disk", "path": "/", "pool": pool},
                "eth0": {"type": "nic", "name": "eth0", "nictype": "bridged", "parent": self.bridge},
            },
        })  # fmt: skip

    def _pool(self, server: Api) -> str:
        pools = server.names("storage-pools")
        if self.own is None:
            if not pools:
                raise LabError("The LXD of this machine has no storage pool. Initialise it: sudo lxd init --minimal")
            default = server.get("profiles/default") or {}
            named = (default.get("devices", {}).get("root") or {}).get("pool")
            return str(named or pools[0])
        if "lab" not in pools:
            btrfs = shutil.which("mkfs.btrfs") and "btrfs" in Path("/proc/filesystems").read_text(encoding="ascii")
            config = {"size": POOL_SIZE} if btrfs else {}
            server.post("storage-pools", {"name": "lab", "driver": "btrfs" if btrfs else "dir", "config": config})
        return "lab"

    def _network(self, server: Api, say: Say) -> None:
        if self.bridge in server.names("networks"):
            return
        if address_taken() is not None:
            remove_dead(say)
        taken = address_taken()
        if taken is not None:
            raise LabError(
                f"The lab's network is {SUBNET}, of which this machine has {taken} already: another LXD lab is up, or "
                "something else uses it. Remove that first."
            )
        server.post("networks", {
            "name": self.bridge, "type": "bridge", "description": "pytest-harehearse lab",
            "config": {
                "ipv4.address": f"{HOST}/{SUBNET.prefixlen}", "ipv4.nat": "false", "ipv4.firewall": "false",
                "ipv4.routing": "false", "ipv4.dhcp": "false", "ipv6.address": "none", "ipv6.firewall": "false",
                "dns.mode": "none",
            },
        })  # fmt: skip

    # -- removed ---------------------------------------------------------------------------------------------------

    def remove(self, say: Say) -> None:
        """Remove everything that was made, and nothing else.

        Raises:
            LabError: something could not be removed; names it.
        """
        if self.own is not None:
            self._remove_own(say)
            return
        if not daemon.answering(Path(self.socket)):
            raise LabError(f"The LXD that has the lab's project {self.project} does not answer on {self.socket}.")
        self._clear()

    def _remove_own(self, say: Say) -> None:
        own = Path(str(self.own))
        if not own.exists():
            return
        if (own / "database").exists():
            # Its instances may outlive a killed daemon; only a daemon ends them well.
            daemon.start(own, say)
            self._clear()
            server = self.api(project=False)
            server.patch("", {"config": {"core.https_address": ""}})
            server.delete("storage-pools/lab")
        daemon.end(own)

    def _clear(self) -> None:
        server = self.api(project=False)
        if self.project in server.names("projects"):
            project = self.api()
            for instance in project.names("instances"):
                with contextlib.suppress(LabError):
                    # Stopped already, or just being fenced: what counts is that it can be deleted.
                    project.change_state(instance, "stop", force=True)
                project.delete(f"instances/{instance}")
            for image in project.names("images"):
                project.delete(f"images/{image}")
            project.put("profiles/default", {"description": "", "config": {}, "devices": {}})
            server.delete(f"projects/{self.project}")
        if self.certificate in server.names("certificates"):
            server.delete(f"certificates/{self.certificate}")
        server.delete(f"networks/{self.bridge}")


def _runs(folder: Path) -> bool:
    return bool(processes.below(folder) or processes.speaking_of(folder))


def remove_dead(say: Say) -> None:
    """Remove the own LXDs of labs of which nothing runs any more: their machine was restarted, or all of it was killed.

    A lab of which anything runs stays, also when its LXD does not answer.

    Raises:
        LabError: something could not be removed; names it.
    """
    for folder in sorted(daemon.OWN.glob("*-*")):
        name = folder.name
        site = Site(str(folder / "unix.socket"), str(folder), f"harehearse-{name}", f"hh-{name[-8:]}", "")
        if not (folder / "database").is_dir() or _runs(folder) or daemon.answering(Path(site.socket)):
            continue
        say(f"removing {folder}: a lab of which nothing runs any more")
        site.remove(say)
        home = homes.base() / name
        if home.exists():
            shutil.rmtree(home)


def _https_port(server: Api) -> int:
    """Return on which port an LXD that was there can be reached from the lab's bridge."""
    address = str(server.server.get("config", {}).get("core.https_address") or "")
    host, _, port = address.rpartition(":")
    if port.isdigit() and host in {"", "[::]", "0.0.0.0", "*"}:  # noqa: S104 - read, not bound
        return int(port)
    found = f"listens on {address} only" if address else "does not listen on the network"
    raise LabError(
        f"The LXD that runs here {found}, so that fencing could not reach it from the lab's bridge, and harehearse does not "
        "change its configuration. Allow it: sudo lxc config set core.https_address :8443"
    )


def address_taken() -> str | None:
    """Return the address of the lab's network that this machine has already, with its interface; None when it has none."""
    done = subprocess.run(
        [shutil.which("ip") or "/usr/sbin/ip", "-j", "-4", "addr"],
        capture_output=True,
        text=True,
        check=False,
        timeout=10,
        env={**os.environ, "LC_ALL": "C"},
    )
    if done.returncode != 0:
        raise LabError(f"The machine's addresses could not be read: ip -j -4 addr: {done.stderr.strip()}")
    for interface in json.loads(done.stdout or "[]"):
        for address in interface.get("addr_info", []):
            if "local" in address and ip_address(address["local"]) in SUBNET:
                return f"{address['local']} on {interface.get('ifname')}"
    return None
