# SPDX-License-Identifier: MIT
"""The doctor's look at what an LXD lab needs of this machine; starts and installs nothing."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Final

from pytest_harehearse.cli.doctor import Check, Patient

if TYPE_CHECKING:
    from pytest_harehearse.inventory.model import Environment

#: An image, and three nodes of it.
LEAST_SPACE: Final = 6_000_000_000


def environments(patient: Patient) -> list[Environment]:
    """Return the LXD labs of the inventory."""
    found = patient.inventory.environments.values() if patient.inventory else ()
    return [environment for environment in found if environment.provider == "lxd"]


def lxd(patient: Patient) -> list[Check]:
    """Is there an LXD that may be used, or can one be started?"""
    if not environments(patient):
        return []
    return [_client(), _daemon(), _space(), _network(patient), _image()]


def _client() -> Check:
    from importlib.util import find_spec

    ok = find_spec("pylxd") is not None
    said = "pylxd is installed" if ok else "pylxd is not installed"
    return Check("lxd client", ok, said, None if ok else "pip install 'pytest-harehearse[lxd]'")


def _daemon() -> Check:
    from pytest_harehearse.errors import LabError
    from pytest_harehearse.labs.lxd import daemon

    try:
        found = daemon.existing()
    except LabError as error:
        return Check("lxd", ok=False, said=str(error), fix="sudo adduser $USER lxd, then log in anew")
    if found is not None:
        return Check(
            "lxd", ok=True, said=f"an LXD runs here ({found}); the lab gets a project and a bridge of its own in it"
        )
    if os.geteuid() != 0:
        return Check(
            "lxd", ok=False, said="no LXD runs here, and starting one needs root",
            fix="sudo apt-get install lxd && sudo lxd init --minimal && sudo adduser $USER lxd; or create the lab as root",
        )  # fmt: skip
    missing = sorted({package for program, package in daemon.NEEDED.items() if shutil.which(program) is None})
    if not missing:
        return Check("lxd", ok=True, said="no LXD runs here; one is started for the lab alone")
    can = shutil.which("apt-get") is not None
    said = f"no LXD runs here; for one of its own the lab needs {', '.join(missing)}"
    if can:
        return Check("lxd", ok=True, said=f"{said}, which it installs by apt-get")
    return Check("lxd", ok=False, said=said, fix="install them: this machine has no apt-get to do so by itself")


def _space() -> Check:
    from pytest_harehearse.labs.lxd import daemon, image

    places = {daemon.OWN, image.cache()}
    worst = min(places, key=_free)
    free = _free(worst)
    ok = free >= LEAST_SPACE
    said = f"{free / 1e9:.1f} GB free for images and nodes ({worst})"
    return Check("lxd disk", ok, said, None if ok else f"free space there: a lab needs {LEAST_SPACE / 1e9:.0f} GB")


def _free(place: os.PathLike[str]) -> int:
    path = os.fspath(place)
    while not os.path.lexists(path):
        path = os.path.dirname(path)  # noqa: PTH120 - walks up a text
    return shutil.disk_usage(path).free


def _network(patient: Patient) -> Check:
    from pytest_harehearse.labs.base import lab_of
    from pytest_harehearse.labs.lxd.plan import SUBNET
    from pytest_harehearse.labs.lxd.site import address_taken

    taken = address_taken()
    if taken is None:
        return Check("lxd network", ok=True, said=f"{SUBNET} is free for the lab's bridge")
    if patient.inventory is not None:
        for environment in environments(patient):
            if lab_of(patient.inventory, environment).report().up:
                return Check(
                    "lxd network", ok=True, said=f"{SUBNET} is used by the lab {environment.name}, which is up"
                )
    return Check(
        "lxd network", ok=False, said=f"the lab's network is {SUBNET}, of which this machine has {taken} already",
        fix="remove the other lab or interface that uses it",
    )  # fmt: skip


def _image() -> Check:
    from pytest_harehearse.labs.lxd import image

    found = image.built()
    if found is not None:
        return Check("lxd image", ok=True, said=f"the nodes' image is built ({found})")
    return Check(
        "lxd image", ok=True, said="the nodes' image is built when the lab is first created, in about a minute"
    )
