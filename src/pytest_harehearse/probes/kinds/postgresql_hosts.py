# SPDX-License-Identifier: MIT
"""A PostgreSQL URL as a list of hosts to try one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.kinds.urls import hide

#: What spans several hosts or bounds the time; the probe decides on both itself.
_OURS: Final = frozenset({"host", "hostaddr", "port", "target_session_attrs", "load_balance_hosts", "connect_timeout"})


@dataclass(frozen=True, slots=True)
class Host:
    """One host of the URL. ``label`` names it for people: the node when the inventory knows it."""

    host: str
    hostaddr: str
    port: str
    label: str


@dataclass(frozen=True, slots=True)
class Target:
    """Hosts and the parameters they have in common."""

    hosts: tuple[Host, ...]
    common: dict[str, str]

    @property
    def password(self) -> str:
        """The password of the URL; empty when it has none."""
        return self.common.get("password", "")

    def conninfo(self, host: Host, hostaddr: str = "", **more: str) -> str:
        """Return libpq's connection string for one host, with its resolved address where there is one."""
        from psycopg.conninfo import make_conninfo

        where = {"host": host.host, "port": host.port, "hostaddr": hostaddr or host.hostaddr}
        defaults = {"application_name": "harehearse", "gssencmode": "disable"}
        return make_conninfo("", **{**defaults, **self.common, **{k: v for k, v in where.items() if v}, **more})


def target(service: Service) -> Target:
    """Take the URL of a service apart.

    Raises:
        ConfigError: when libpq cannot read it, or hosts and ports do not go together.
    """
    from psycopg import Error
    from psycopg.conninfo import conninfo_to_dict

    shown = hide(service.url)
    try:
        found = {key: str(value) for key, value in conninfo_to_dict(service.url).items() if value is not None}
    except Error as error:
        # libpq quotes the URL it cannot read, with its password.
        text = str(error).strip().replace(service.url, shown)
        text = text if "***" not in shown else text.split('"', 1)[0].strip(" :")
        raise ConfigError(
            f"the URL {shown!r} cannot be read: {text}. Write postgresql://USER:PASSWORD@HOST1:PORT,HOST2:PORT/DATABASE."
        ) from error
    addresses = found.get("hostaddr", "").split(",")
    hosts = found.get("host", "").split(",") if "host" in found else addresses
    ports = found.get("port", "").split(",")
    count = len(hosts)
    if len(ports) not in {1, count} or len(addresses) not in {1, count}:
        raise ConfigError(
            f"the URL {shown!r} has {count} hosts, but {len(ports)} ports and {len(addresses)} addresses."
        )
    ports = ports * count if len(ports) == 1 else ports
    addresses = addresses * count if len(addresses) == 1 else addresses
    names = service.responders if len(service.responders) == count else hosts
    several = len(set(names)) < count
    labels = [f"{name}:{port}" if several and port else name for name, port in zip(names, ports, strict=True)]
    rows = zip(hosts, addresses, ports, labels, strict=True)
    return Target(tuple(Host(*row) for row in rows), {k: v for k, v in found.items() if k not in _OURS})
