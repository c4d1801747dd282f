# SPDX-License-Identifier: MIT
"""The doctor's look at what an LXD lab needs: each answer with its fix, on a machine that the test describes."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from pytest_harehearse.cli import doctor_lxd
from pytest_harehearse.cli.doctor import Patient, attempt
from pytest_harehearse.errors import LabError
from pytest_harehearse.inventory.model import Cluster, Environment, Inventory, Node
from pytest_harehearse.labs import base
from pytest_harehearse.labs.base import LabReport
from pytest_harehearse.labs.lxd import daemon, image, site

ROOMY = 50_000_000_000


class Machine:
    """What the checks find; a test changes it."""

    def __init__(self):
        self.pylxd, self.uid, self.missing = True, 0, set()
        self.socket: object = Path("/var/lib/lxd/unix.socket")
        self.free = {}
        self.taken: str | None = None
        self.image: Path | None = None
        self.up = False


@pytest.fixture
def machine(monkeypatch, tmp_path):
    made = Machine()
    found = importlib.util.find_spec

    def existing():
        if isinstance(made.socket, Exception):
            raise made.socket
        return made.socket

    class Lab:
        def __init__(self, inventory, environment):
            self.environment = environment

        def report(self):
            return LabReport("lab", made.up, made.up, "/h", 2)

    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: found(name) if name != "pylxd" else made.pylxd or None
    )
    monkeypatch.setattr(daemon, "existing", existing)
    monkeypatch.setattr(daemon, "OWN", tmp_path / "own" / "labs")
    monkeypatch.setattr(image, "cache", lambda: tmp_path)
    monkeypatch.setattr(image, "built", lambda: made.image)
    monkeypatch.setattr(site, "address_taken", lambda: made.taken)
    monkeypatch.setattr(os, "geteuid", lambda: made.uid)
    monkeypatch.setattr(shutil, "which", lambda name, **_: None if name in made.missing else f"/usr/bin/{name}")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=made.free.get(Path(path), ROOMY)))
    monkeypatch.setitem(base.PROVIDERS, "lxd", "lxd_lab_of_this_test:Lab")
    monkeypatch.setitem(__import__("sys").modules, "lxd_lab_of_this_test", SimpleNamespace(Lab=Lab))
    return made


def patient(provider="lxd"):
    cluster = Cluster("lab", "web", "lab", "pacemaker", (Node("web1"), Node("web2")), provider=provider, group="web")
    environment = Environment("lab", "lab", provider, {"web": cluster})
    return Patient(Inventory(Path("/p/harehearse.toml"), {"lab": environment}), None)


def looked(who=None):
    """Each check by its name."""
    found = attempt("lxd", doctor_lxd.lxd, who or patient())
    assert len({check.name for check in found}) == len(found)
    assert all((check.fix is None) == check.ok for check in found)
    return {check.name: check for check in found}


def test_all_is_well(machine):
    """What is there is used, in a project of its own."""
    found = looked()
    assert all(check.ok for check in found.values())
    assert {name: check.said for name, check in found.items() if name != "lxd disk"} == {
        "lxd client": "pylxd is installed",
        "lxd": (
            "an LXD runs here (/var/lib/lxd/unix.socket); the lab gets a project and a bridge of its own in it"
        ),
        "lxd network": "198.18.0.0/24 is free for the lab's bridge",
        "lxd image": "the nodes' image is built when the lab is first created, in about a minute",
    }  # fmt: skip
    assert found["lxd disk"].said.startswith("50.0 GB free for images and nodes (")


@pytest.mark.parametrize("provider", ["embedded", "hosts", "vagrant"])
def test_without_an_lxd_lab_its_needs_are_none(machine, provider):
    """Nobody must install LXD for another lab, nor without an inventory."""
    machine.socket = AssertionError("looked at")
    assert looked(patient(provider)) == {}
    assert looked(Patient(None, None)) == {}


def test_a_client_that_is_missing(machine):
    """Says how it is installed."""
    machine.pylxd = False
    check = looked()["lxd client"]
    assert (check.said, check.fix) == ("pylxd is not installed", "pip install 'pytest-harehearse[lxd]'")


def test_an_lxd_that_may_not_be_used(machine):
    """Its group is what is lacking."""
    machine.socket = LabError("LXD runs here, but may not be used: permission denied")
    check = looked()["lxd"]
    assert check.said == "LXD runs here, but may not be used: permission denied"
    assert check.fix == "sudo adduser $USER lxd, then log in anew"


def test_no_lxd_and_not_root(machine):
    """Nothing can be started then."""
    machine.socket, machine.uid = None, 1000
    check = looked()["lxd"]
    assert check.said == "no LXD runs here, and starting one needs root"
    assert "sudo apt-get install lxd" in check.fix


@pytest.mark.parametrize(
    ("missing", "ok", "said", "fix"),
    [
        (set(), True, "no LXD runs here; one is started for the lab alone", None),
        (
            {"lxd", "mkfs.btrfs"},
            True,
            "no LXD runs here; for one of its own the lab needs btrfs-progs, lxd, which it installs by apt-get",
            None,
        ),
        (
            {"nft", "apt-get"},
            False,
            "no LXD runs here; for one of its own the lab needs nftables",
            "install them: this machine has no apt-get to do so by itself",
        ),
    ],
)
def test_no_lxd_and_root(machine, missing, ok, said, fix):
    """One of its own is started; what it needs is installed where that is possible."""
    machine.socket, machine.missing = None, missing
    check = looked()["lxd"]
    assert (check.ok, check.said, check.fix) == (ok, said, fix)


def test_a_full_disk(machine, tmp_path):
    """The scarcer of the two places counts; one that is not there yet is asked for where it would be."""
    machine.free = {tmp_path: 1_000_000_000}
    check = looked()["lxd disk"]
    assert check.said.startswith("1.0 GB free for images and nodes (")
    assert check.fix == "free space there: a lab needs 6 GB"


def test_a_network_that_is_taken(machine):
    """By another; unless it is the lab itself that is up."""
    machine.taken = "198.18.0.1 (eth1)"
    check = looked()["lxd network"]
    assert (check.said, check.fix) == (
        "the lab's network is 198.18.0.0/24, of which this machine has 198.18.0.1 (eth1) already",
        "remove the other lab or interface that uses it",
    )
    machine.up = True
    check = looked()["lxd network"]
    assert (check.ok, check.said) == (True, "198.18.0.0/24 is used by the lab lab, which is up")


def test_an_image_that_is_built(machine):
    """Says where."""
    machine.image = Path("/cache/image.tar.zst")
    assert looked()["lxd image"].said == "the nodes' image is built (/cache/image.tar.zst)"


def test_a_check_that_raises(machine, monkeypatch):
    """Is what it found."""

    def torn():
        raise LabError("The machine's addresses could not be read")

    monkeypatch.setattr(site, "address_taken", torn)
    (check,) = attempt("lxd", doctor_lxd.lxd, patient())
    assert (check.name, check.ok, check.said) == ("lxd", False, "The machine's addresses could not be read")
