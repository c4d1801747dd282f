# SPDX-License-Identifier: MIT
"""What cannot be done with a node's disks is told before anything is touched, by what is mounted there."""

from __future__ import annotations

import json

import pytest

from pytest_harehearse.errors import HarehearseError, Indeterminate, Unsupported
from pytest_harehearse.faults import disk_full as module
from pytest_harehearse.faults.base import Expected, Scene
from pytest_harehearse.faults.catalogue import CATALOGUE
from pytest_harehearse.faults.dead_man import about
from pytest_harehearse.faults.disk_freeze import DiskFreeze
from pytest_harehearse.faults.disk_full import DiskFull
from pytest_harehearse.faults.disk_read_only import DiskReadOnly
from pytest_harehearse.faults.mounts import mounts
from pytest_harehearse.remote.base import Done, Unknown, Unreachable

HOST, CONTAINER = "0 0 4294967295", "0 100000 65536"


def row(target, kind="ext4", device="8:1", part="/", options="rw,relatime", own="rw", number=22):
    return {
        "id": number, "target": target, "source": f"/dev/{device}", "fstype": kind, "fsroot": part, "maj:min": device,
        "vfs-options": options, "fs-options": own,
    }  # fmt: skip


ROOT, RUN = row("/", device="8:0"), row("/run", "tmpfs", "0:20")


class Node:
    """Says what is mounted, and what the shell of the fault says; ``seen`` is what was run after that."""

    url, node = "ssh://n1", "n1"

    def __init__(self, *rows, ids=HOST, answers=()):
        self.text = f"{ids}\n{json.dumps({'filesystems': list(rows)})}"
        self.answers = list(answers)
        self.seen = []

    def run(self, command, *, deadline, stdin=b"", root=True):
        if "findmnt --json" in command.text:
            return Done(0, self.text.encode())
        self.seen.append(command)
        return self.answers.pop(0) if self.answers else Done(0)


def limitation(kind, path, *rows, **more):
    return kind({"n1": Node(*rows, **more)}, "n1", path).limitation()


DATA = row("/data", device="8:3")


@pytest.mark.parametrize("kind", [DiskReadOnly, DiskFreeze])
def test_a_mount_of_its_own(kind):
    """Is what can be struck; a slash at its end does not matter."""
    assert limitation(kind, "/data/", ROOT, RUN, DATA) is None


@pytest.mark.parametrize("kind", [DiskReadOnly, DiskFreeze])
@pytest.mark.parametrize(
    ("path", "extra", "text"),
    [
        ("/data/pg", DATA, "/data/pg on n1 is no mount point of its own; what is done there would strike more than it"),
        (
            "/data", row("/data", device="8:3", part="/srv/data"),
            "/data on n1 is only a part of a file system, /srv/data of /dev/8:3",
        ),
    ],
)  # fmt: skip
def test_what_is_not_all_of_a_file_system(kind, path, extra, text):
    """More than what was named would be struck."""
    assert limitation(kind, path, ROOT, RUN, extra) == text


@pytest.mark.parametrize("kind", [DiskReadOnly, DiskFreeze])
def test_what_is_mounted_twice(kind):
    """Names the other place."""
    assert limitation(kind, "/data", ROOT, RUN, DATA, row("/srv", device="8:3")) == (
        "the file system of /data on n1 is also mounted at /srv, which would be struck"
    )


def test_the_file_system_of_the_timer_is_never_struck():
    """Neither /run, nor what else must be written or read to undo it."""
    assert limitation(DiskReadOnly, "/run", ROOT, RUN) == (
        "/run holds /run/harehearse on n1, where the undo and its timer write"
    )
    for path, place in (("/", "/"), ("/run", "/run"), ("/var", "/var"), ("/var/log", "/var/log"), ("/usr", "/usr")):
        extra = [] if path in {"/", "/run"} else [row(path, device="8:7")]
        assert limitation(DiskFreeze, path, ROOT, RUN, *extra) == (
            f"{path} on n1 holds {place}: what has to thaw it, and every login there, would wait for itself"
        )


def test_a_container():
    """May remount what it mounted itself, and freeze nothing."""
    pool = row("/data", "btrfs", "0:44")
    assert limitation(DiskReadOnly, "/data", ROOT, RUN, pool, ids=CONTAINER) == (
        "n1 is a container, and /data a file system (btrfs) of its host, which alone may make it read-only"
    )
    assert limitation(DiskReadOnly, "/data", ROOT, RUN, row("/data", "tmpfs", "0:45"), ids=CONTAINER) is None
    assert limitation(DiskFreeze, "/data", ROOT, RUN, DATA, ids=CONTAINER) == (
        "n1 is a container: its file systems are its host's, which alone may freeze them"
    )


def test_what_is_read_only_already():
    """Would prove nothing; whether the mount or the file system is does not matter."""
    for one in (row("/data", device="8:3", options="ro"), row("/data", device="8:3", own="ro,errors=remount-ro")):
        assert limitation(DiskReadOnly, "/data", ROOT, RUN, one) == "/data on n1 is read-only already"
        assert limitation(DiskFreeze, "/data", ROOT, RUN, one) == (
            "/data on n1 is read-only: no write could wait there"
        )


def test_what_cannot_be_frozen():
    """Is named with its kind."""
    assert limitation(DiskFreeze, "/data", ROOT, RUN, row("/data", "nfs4", "0:50")) == (
        "/data on n1 is nfs4, which no kernel can freeze"
    )


def test_what_the_node_says_of_it():
    """Its own words."""
    refused = Done(1, b"", b"files on it are open for writing")
    assert (
        limitation(DiskReadOnly, "/data", ROOT, RUN, DATA, answers=[refused]) == "n1: files on it are open for writing"
    )


def test_options_are_said_again():
    """A remount takes away what is not said; those of the file system's own that stay by themselves are not."""
    (found,) = mounts(Node(row("/data", options="rw,nosuid,relatime", own="rw,lazytime,errors=remount-ro"))).all
    assert found.kept == "nosuid,relatime,lazytime"
    assert found.writable


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (Done(127, b"", b"findmnt: not found"), "what is mounted on n1 could not be read: findmnt: not found"),
        (Unreachable("no route"), "what is mounted on n1 could not be read: no route"),
        (Done(0, b"0 0 4294967295\nno json"), "what is mounted on n1 could not be read: JSONDecodeError"),
        (Done(0, b'0 0 1\n{"filesystems": [{"id": 1}]}'), "what is mounted on n1 could not be read: KeyError"),
    ],
)
def test_a_node_that_does_not_tell(answer, text):
    """Nothing is struck on a guess."""
    node = Node()
    node.run = lambda command, **options: answer
    with pytest.raises(Unsupported) as caught:
        mounts(node)
    assert str(caught.value).startswith(text)


def test_words_and_classes():
    """What a person does by hand, after a reboot too; a plan that has no channels builds them all."""
    scene = Scene(None, None, planned=True)
    full = CATALOGUE["disk_full"].builder(scene, "n1", leave="100MiB")
    assert full.strike_text == (
        "on n1, fill the file system of /var/lib with a ballast file of our own, until 100 MiB are left"
    )
    assert full.undo_text == (
        f"on n1, remove that file: sh /run/harehearse/{full.id}/undo.sh "
        f"(after a reboot: sh /var/lib/harehearse/undo/{full.id}/undo.sh)"
    )
    only = CATALOGUE["disk_read_only"].builder(scene, "n1", path="/data", dead_man="20s")
    assert only.strike_text == "on n1, remount /data read-only"
    assert only.undo_text == f"on n1, remount /data read-write: sh /run/harehearse/{only.id}/undo.sh"
    assert only.dead_man == 20.0
    frozen = CATALOGUE["disk_freeze"].builder(scene, "n1", path="/data")
    assert frozen.strike_text == "on n1, freeze /data: every write to it waits"
    assert frozen.undo_text == f"on n1, thaw /data (fsfreeze -u /data): sh /run/harehearse/{frozen.id}/undo.sh"
    assert [one.expected for one in (full, only, frozen)] == [Expected.DEGRADED, Expected.DEGRADED, Expected.ON_PEER]
    assert [one.limitation() for one in (full, only, frozen)] == ["n1 is no host that commands can be run on"] * 3


# -- the copy of the undo that survives a reboot ----------------------------------------------------------------------


def a_full_disk(**fails):
    """One that is struck on a node that says nothing, but of the steps named in ``fails``."""
    node = Node()
    scripts = {"keep": module._KEEP, "undo": module._UNDO, "forget": module._FORGET}

    def run(command, **options):
        name = next((name for name, text in scripts.items() if text in command.text), "")
        node.seen.append(name or command.text.partition("\n")[0])
        return fails.get(name, Done(0))

    node.run = run
    return node, DiskFull({"n1": node}, "n1", "/data", dead_man=600.0)


def armed(fault):
    fault.arm(about(run="r", cluster="c", fault=fault.name, target=fault.target, strike="", undo=""))
    return fault


def test_the_copy_is_laid_before_the_strike_and_removed_at_the_end():
    """Timer first, copy second; and the ballast is removed without the timer too."""
    node, fault = a_full_disk()
    armed(fault).undo()
    fault.disarm()
    assert [name for name in node.seen if name in {"keep", "undo", "forget"}] == ["keep", "undo", "forget"]


@pytest.mark.parametrize("answer", [Done(1, b"", b"disk full"), Unknown("disk full")])
def test_without_the_copy_nothing_is_struck(answer):
    """And the timer is taken back."""
    node, fault = a_full_disk(keep=answer)
    with pytest.raises(HarehearseError) as caught:
        armed(fault)
    assert str(caught.value) == (
        "disk_full was not struck, for its undo could not be laid on n1 where a reboot leaves it: disk full"
    )
    assert node.seen[-1] == "forget"


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (Done(1, b"", b"I/O error"), HarehearseError, "disk_full on n1 could not be undone: I/O error"),
        (Unreachable("no route"), Indeterminate, "Whether disk_full on n1 is undone is not known: no route"),
    ],
)
def test_an_undo_that_fails(answer, error, text):
    """Failed and unknown are told apart."""
    _, fault = a_full_disk(undo=answer)
    with pytest.raises(error) as caught:
        armed(fault).undo()
    assert type(caught.value) is error
    assert str(caught.value) == text


def test_an_undo_that_was_never_armed():
    """Has nothing to take back."""
    node, fault = a_full_disk()
    fault.undo()
    assert node.seen == []


def test_a_copy_that_cannot_be_removed():
    """Is told."""
    _, fault = a_full_disk(forget=Done(1, b"", b"its folder x cannot be removed"))
    armed(fault)
    with pytest.raises(
        HarehearseError, match=r"^disk_full on n1 left its undo behind: its folder x cannot be removed$"
    ):
        fault.disarm()
