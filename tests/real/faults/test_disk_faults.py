# SPDX-License-Identifier: MIT
"""Full, read-only and frozen disks on this machine, each on a small tmpfs of the test's own; nothing of them stays."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from pytest_harehearse.errors import HarehearseError
from pytest_harehearse.faults import disk_freeze
from pytest_harehearse.faults.dead_man import FLEETING, about
from pytest_harehearse.faults.disk_freeze import DiskFreeze
from pytest_harehearse.faults.disk_full import DiskFull
from pytest_harehearse.faults.disk_read_only import DiskReadOnly
from pytest_harehearse.remote.local import LocalChannel

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")

CHANNELS = {"here": LocalChannel("here")}
MIB = 2**20


@pytest.fixture
def disk(tmp_path):
    """8 MiB of their own, in a folder with a blank and a quote in its name."""
    path = tmp_path / "it's a disk"
    path.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m,nosuid", "harehearse-test", path], capture_output=True, check=False
    )
    if made.returncode != 0:
        pytest.skip(f"nothing can be mounted here: {made.stderr.decode()}")
    yield path
    subprocess.run(["umount", path], check=True)


@pytest.fixture
def struck(monkeypatch):
    """Arm a fault and strike; whatever the test does, it is undone and forgotten afterwards."""
    faults = []

    def strike(fault):
        assert fault.limitation() is None
        faults.append(fault)
        fault.arm(about(run="r", cluster="c", fault=fault.name, target="here", strike="", undo=fault.undo_text))
        return fault.strike()

    yield strike
    for fault in faults:
        fault.undo()
        assert fault.undone() is None
        fault.disarm()
        assert not Path(FLEETING, fault.id).exists()


def until(condition, within=40.0):
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def full(disk, tmp_path, **more):
    return DiskFull(CHANNELS, "here", str(disk), lasting=str(tmp_path / "node" / "undo"), **more)


def free(disk):
    told = os.statvfs(disk)
    return told.f_bfree * told.f_frsize


def test_a_full_disk(disk, tmp_path, struck):
    """Nothing can be written until the ballast is gone; nothing else is touched, and both undos lie there meanwhile."""
    (disk / "theirs").write_text("kept")
    fault = full(disk, tmp_path)
    said = struck(fault)
    ballast = disk / f"harehearse_{fault.id}"
    assert said == f"{ballast} takes {ballast.stat().st_size} bytes; 0 bytes are free"
    assert fault.effect() is None
    with pytest.raises(OSError, match="No space left"):
        (disk / "more").write_bytes(b"x" * 8192)
    assert Path(FLEETING, fault.id, "undo.sh").exists()
    assert (tmp_path / "node" / "undo" / fault.id / "undo.sh").exists()
    assert fault.undone() == f"its ballast {ballast} is still there"
    (disk / "more").unlink()
    fault.undo()
    assert fault.undone() is None
    assert sorted(path.name for path in disk.iterdir()) == ["theirs"]
    fault.disarm()
    assert [path.name for path in tmp_path.iterdir()] == [disk.name]
    assert fault.ended_early is None
    fault.undo()


def test_some_room_is_left(disk, tmp_path, struck):
    """As much as was said; a second strike takes no more."""
    fault = full(disk, tmp_path, leave=3 * MIB)
    struck(fault)
    assert 3 * MIB - 65536 <= free(disk) <= 3 * MIB
    assert fault.effect() is None
    fault.strike()
    assert 3 * MIB - 65536 <= free(disk) <= 3 * MIB
    fault.undo()
    assert free(disk) > 7 * MIB


def test_a_file_system_that_reserves_no_room(disk, tmp_path, struck, monkeypatch):
    """Is filled by writing."""
    stub = tmp_path / "stub"
    stub.mkdir()
    (stub / "fallocate").write_text("#!/bin/sh\nexit 1\n")
    (stub / "fallocate").chmod(0o755)
    monkeypatch.setenv("PATH", f"{stub}:{os.environ['PATH']}")
    fault = full(disk, tmp_path)
    struck(fault)
    assert fault.effect() is None
    assert free(disk) == 0


def test_an_effect_that_is_not_there(disk, tmp_path, struck):
    """Somebody removed the ballast, or room was made beside it: not proved."""
    fault = full(disk, tmp_path)
    assert fault.effect() == f"its ballast {disk}/harehearse_{fault.id} is not there"
    (disk / "theirs").write_bytes(b"x" * 3 * MIB)
    struck(fault)
    (disk / "theirs").unlink()
    assert fault.effect() == f"1 MiB could still be written to {disk}"
    left = full(disk, tmp_path, leave=MIB)
    left._made = None
    (disk / f"harehearse_{left.id}").touch()
    assert left.effect() == f"{free(disk)} bytes are free in {disk}, more than the {MIB} to be left"
    (disk / f"harehearse_{left.id}").unlink()


def test_after_a_reboot_the_ballast_is_found(disk, tmp_path, struck):
    """A reboot empties /run: what is left says by itself how it is undone, and the runner that lives undoes it too."""
    fault, other = full(disk, tmp_path, leave=4 * MIB), full(disk, tmp_path, leave=2 * MIB)
    for one in (fault, other):
        struck(one)
        subprocess.run(["rm", "-rf", f"{FLEETING}/{one.id}"], check=True)
    kept = tmp_path / "node" / "undo" / fault.id
    assert sorted(path.name for path in kept.iterdir()) == ["about.json", "undo.sh", "undone.sh"]
    assert subprocess.run(["sh", kept / "undone.sh"], check=False, capture_output=True).returncode == 1
    subprocess.run(["sh", kept / "undo.sh"], check=True)
    subprocess.run(["sh", kept / "undone.sh"], check=True)
    # Whoever ran it removes it, once it is proved.
    assert kept.exists()
    assert not (disk / f"harehearse_{fault.id}").exists()
    assert fault.undone() == f"the copy of its undo in {kept} is still there"
    assert other.undone() == f"its ballast {disk}/harehearse_{other.id} is still there"
    other.undo()
    assert other.undone() is None
    assert other.ended_early is not None
    assert list(disk.iterdir()) == []


def test_what_nobody_undoes_the_timer_undoes(disk, tmp_path, struck):
    """The copy goes with it, so that nothing is found that is not there."""
    fault = full(disk, tmp_path, dead_man=2.0)
    struck(fault)
    fault._timer.stop()
    until(lambda: not Path(FLEETING, fault.id).exists())
    assert list(disk.iterdir()) == []
    assert not (tmp_path / "node").exists()
    assert fault.undone() is None


def test_without_its_undo_nothing_is_filled(disk, tmp_path, struck):
    """Also when a strike arrives late, after all was undone."""
    fault = full(disk, tmp_path)
    struck(fault)
    fault.undo()
    fault.disarm()
    with pytest.raises(HarehearseError, match="disk_full failed on here: its undo is not there"):
        fault.strike()
    assert list(disk.iterdir()) == []


def test_a_strike_that_its_undo_has_overtaken(disk, tmp_path, monkeypatch):
    """The strike was slow, and all was undone meanwhile: it takes back what it did, for nobody else would."""
    fault = full(disk, tmp_path)
    stub = tmp_path / "stub"
    stub.mkdir()
    (stub / "sync").write_text(f'#!/bin/sh\nrm -rf "{FLEETING}/{fault.id}"\n')
    assert fault.limitation() is None
    fault.arm(about(run="r", cluster="c", fault=fault.name, target="here", strike="", undo=""))
    (stub / "sync").chmod(0o755)
    monkeypatch.setenv("PATH", f"{stub}:{os.environ['PATH']}")
    with pytest.raises(HarehearseError) as caught:
        fault.strike()
    assert str(caught.value) == ("disk_full failed on here: it was undone before it was struck, so it was taken back")
    assert list(disk.iterdir()) == []
    fault.undo()
    assert fault.undone() is None
    fault.disarm()


def test_after_its_undo_nothing_is_struck(disk, tmp_path):
    """The undo comes first, and the strike after it: it is refused, while the timer is still there too."""
    for fault in (full(disk, tmp_path), DiskReadOnly(CHANNELS, "here", str(disk))):
        assert fault.limitation() is None
        fault.arm(about(run="r", cluster="c", fault=fault.name, target="here", strike="", undo=""))
        fault.undo()
        assert Path(FLEETING, fault.id, "over").exists()
        with pytest.raises(HarehearseError, match=f"{fault.name} failed on here: its undo is not there"):
            fault.strike()
        assert fault.undone() is None
        fault.disarm()
        assert list(disk.iterdir()) == []


def test_what_cannot_be_filled(disk, tmp_path):
    """Is said before anything is touched."""
    for path, text in [
        ("relative", "here: relative is no absolute path"),
        ("/nowhere/at/all", "here: /nowhere/at/all is no folder there"),
        (
            "/run",
            "here: /run is on the file system of /run/harehearse, where its undo and timer lie; name one of its own",
        ),
    ]:
        assert DiskFull(CHANNELS, "here", path).limitation() == text
    said = full(disk, tmp_path, leave=64 * MIB).limitation()
    assert said == (
        f"here: only {free(disk)} bytes are free in {disk}, which is not more than the {64 * MIB} to be left"
    )
    subprocess.run(["mount", "-o", "remount,ro,nosuid", disk], check=True)
    assert full(disk, tmp_path).limitation() == f"here: nothing can be written to {disk}"
    assert list(tmp_path.iterdir()) == [disk]


def test_a_tmpfs_that_is_larger_than_the_memory(disk, tmp_path):
    """To fill it would take the node's memory, which is another fault."""
    subprocess.run(["mount", "-o", "remount,size=4t,nosuid", disk], check=True)
    said = full(disk, tmp_path).limitation()
    assert said.startswith(f"here: {disk} is a tmpfs: to fill it takes {4 * MIB} MiB of memory, and only "), said
    assert said.endswith(" MiB are available; leave more of it")


def options(disk):
    """The line of the mount table; how it writes the path does not matter."""
    return next(line for line in Path("/proc/self/mountinfo").read_text().splitlines() if "harehearse-test" in line)


def test_a_read_only_disk(disk, struck):
    """Can be read, not written; afterwards it is mounted exactly as before."""
    (disk / "theirs").write_text("kept")
    before = options(disk)
    assert "nosuid" in before
    fault = DiskReadOnly(CHANNELS, "here", str(disk))
    assert struck(fault) == f"{disk} is read-only"
    assert fault.effect() is None
    with pytest.raises(OSError, match="Read-only"):
        (disk / "theirs").write_text("more")
    assert (disk / "theirs").read_text() == "kept"
    assert fault.undone().startswith(f"{disk} cannot be written to: ")
    fault.undo()
    assert fault.undone() is None
    assert options(disk) == before
    assert fault.effect() == f"a file could still be written to {disk}"
    assert [path.name for path in disk.iterdir()] == ["theirs"]


def test_a_read_only_disk_that_the_timer_gives_back(disk, struck):
    """Nobody has to be there."""
    fault = DiskReadOnly(CHANNELS, "here", str(disk), dead_man=2.0)
    struck(fault)
    fault._timer.stop()
    until(lambda: not Path(FLEETING, fault.id).exists())
    (disk / "theirs").write_text("written")
    assert fault.undone() is None


def test_a_file_that_is_open_for_writing(disk, struck):
    """The kernel refuses: said before, and an error when it was opened since."""
    fault = DiskReadOnly(CHANNELS, "here", str(disk))
    assert fault.limitation() is None
    with (disk / "theirs").open("w"):
        assert DiskReadOnly(CHANNELS, "here", str(disk)).limitation() == (
            "here: the kernel makes no file system read-only while files on it are open for writing; "
            f"on {disk} they are, of {Path('/proc/self/comm').read_text().strip()} ({os.getpid()})"
        )
        fault.arm(about(run="r", cluster="c", fault=fault.name, target="here", strike="", undo=""))
        with pytest.raises(HarehearseError, match=r"disk_read_only failed on here: .*busy"):
            fault.strike()
        fault.undo()
        fault.disarm()
    with (disk / "theirs").open():
        assert DiskReadOnly(CHANNELS, "here", str(disk)).limitation() is None


def test_a_disk_that_was_taken_away_is_read_only_no_longer(disk, tmp_path):
    """As when the cluster takes it to another node; there is nothing to undo."""
    inner = tmp_path / "inner"
    inner.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "harehearse-test", inner], check=True)
    fault = DiskReadOnly(CHANNELS, "here", str(inner))
    try:
        assert fault.limitation() is None
        fault.arm(about(run="r", cluster="c", fault=fault.name, target="here", strike="", undo=""))
        fault.strike()
    finally:
        subprocess.run(["umount", inner], check=True)
    fault.undo()
    assert fault.undone() is None
    fault.disarm()


FSFREEZE = """#!/bin/sh
echo "$*" >> "{log}"
for mark in "{marks}"/harehearse_*; do
  probe=$2/${{mark##*/}}.probe
  case "$1" in
    -f) [ ! -e "{busy}" ] || {{ echo "fsfreeze: $2: freeze failed: Device or resource busy" >&2; exit 1; }}
      [ -e "{busy}.none" ] || mkfifo "$probe" ;;
    -u) [ ! -e "{busy}.thawed" ] || {{ echo "fsfreeze: $2: unfreeze failed: Invalid argument" >&2; exit 1; }}
      [ ! -p "$probe" ] || cat "$probe" > /dev/null ;;
  esac
done
"""


@pytest.fixture
def freezer(tmp_path, monkeypatch):
    """A fsfreeze that lets writes wait at a named pipe: no file system of this machine is frozen by a test."""
    stub, marks = tmp_path / "stub", tmp_path / "marks"
    stub.mkdir()
    marks.mkdir()
    log = tmp_path / "log"
    (stub / "fsfreeze").write_text(FSFREEZE.format(log=log, marks=marks, busy=tmp_path / "busy"))
    (stub / "fsfreeze").chmod(0o755)
    monkeypatch.setenv("PATH", f"{stub}:{os.environ['PATH']}")
    monkeypatch.setattr(disk_freeze, "FREEZABLE", {"tmpfs"})
    assert CHANNELS["here"].run(["which", "fsfreeze"], deadline=5).out == str(stub / "fsfreeze")
    return log


def frozen(disk, tmp_path, **more):
    return DiskFreeze(CHANNELS, "here", str(disk), marks=str(tmp_path / "marks"), **more)


def test_a_frozen_disk(disk, tmp_path, struck, freezer):
    """Frozen once, proved by a write that waits, thawed once; the write that waited is done then."""
    fault = frozen(disk, tmp_path)
    assert struck(fault) == f"{disk} is frozen"
    assert fault.strike() == f"{disk} is frozen"
    assert fault.effect() is None
    assert fault.undone() == "it is still frozen by this fault"
    fault.undo()
    assert fault.undone() is None
    fault.undo()
    assert freezer.read_text().splitlines() == [f"-f {disk}", f"-u {disk}"]
    assert list(disk.iterdir()) == []
    assert list((tmp_path / "marks").iterdir()) == []


def test_a_freeze_without_effect(disk, tmp_path, struck, freezer):
    """A write that does not wait disproves it; before the strike nothing is claimed either."""
    (tmp_path / "busy.none").touch()
    fault = frozen(disk, tmp_path)
    assert fault.effect() == "it was not frozen by this fault"
    struck(fault)
    assert fault.effect() == f"a write to {disk} did not wait"


def test_what_somebody_else_froze_is_not_thawed(disk, tmp_path, freezer):
    """The strike fails, and the undo leaves it alone."""
    (tmp_path / "busy").touch()
    fault = frozen(disk, tmp_path)
    assert fault.limitation() is None
    fault.arm(about(run="r", cluster="c", fault=fault.name, target="here", strike="", undo=""))
    with pytest.raises(HarehearseError, match=r"disk_freeze failed on here: .*Device or resource busy"):
        fault.strike()
    fault.undo()
    fault.disarm()
    assert freezer.read_text().splitlines() == [f"-f {disk}"]


def test_what_was_thawed_by_hand_is_undone(disk, tmp_path, struck, freezer):
    """That it is not frozen any more is no error."""
    (tmp_path / "busy.none").touch()
    fault = frozen(disk, tmp_path)
    struck(fault)
    (tmp_path / "busy.thawed").touch()
    fault.undo()
    assert fault.undone() is None


def test_what_cannot_be_frozen_is_said(disk):
    """By its kind, on this machine."""
    assert (
        DiskFreeze(CHANNELS, "here", str(disk)).limitation() == f"{disk} on here is tmpfs, which no kernel can freeze"
    )
