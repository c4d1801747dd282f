# SPDX-License-Identifier: MIT
"""What killed rehearsals left is found where it lies, with whatever is known of it, and undone by what lies beside it."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from pytest_harehearse.faults.dead_man import About, DeadMan, Place
from pytest_harehearse.rehearsal import leftovers
from pytest_harehearse.remote.base import Script, Unreachable
from pytest_harehearse.remote.local import LocalChannel

ABOUT = About("r-1", "lab/web", "net_partition", "n1", "drop packets", "delete the table", "ann@runner, pid 7", 1e9)


class Silent:
    """A node that does not answer."""

    def run(self, command, **options):
        return Unreachable("no route to host")


@pytest.fixture
def place(tmp_path):
    return Place("n1", LocalChannel("n1"), str(tmp_path / "undo"), as_root=False)


@pytest.fixture
def struck(place, tmp_path):
    """A fault whose runner is gone: its undo lies there, its timer would fire in ten minutes."""
    file = tmp_path / "struck"
    file.write_text("x")
    timer = DeadMan(
        "f1", lambda: (place,), Script('rm -f -- "$1"', (str(file),)),
        Script('[ ! -e "$1" ] || { echo "the file is there"; exit 1; }', (str(file),)), 600.0,
    )  # fmt: skip
    timer.arm(ABOUT)
    timer._over.set()
    yield file
    timer.disarm()


def test_it_is_found_with_all_that_is_known_of_it(place, struck):
    """What, where, by whom, since when, and how long until its timer."""
    (left,), unknown = leftovers.find([place])
    assert unknown == {}
    assert (left.kind, left.id, left.fault, left.target, left.undo) == (
        "undo", "f1", "net_partition", "n1", "delete the table",
    )  # fmt: skip
    assert 500 < left.timer <= 600
    said = left.describe()
    assert said.startswith("net_partition n1 on n1 by ann@runner, pid 7, run r-1 since 2001-09-0")


def test_it_is_undone_proved_and_forgotten(place, struck):
    """By what lies there alone; a second time there is nothing to do."""
    (left,), _ = leftovers.find([place])
    assert leftovers.undo(left) is None
    assert not struck.exists()
    assert leftovers.find([place]) == ([], {})
    assert leftovers.undo(left) is None


def test_what_cannot_be_undone_stays_and_says_why(place, struck):
    """An undo that fails, and one that is not proved: neither is forgotten."""
    folder = Path(place.root, "f1")
    (left,), _ = leftovers.find([place])
    (folder / "undone.sh").write_text("echo 'the table is still there'; exit 1\n")
    assert leftovers.undo(left) == "the table is still there"
    (folder / "undo.sh").write_text("echo 'nft is gone' >&2; exit 3\n")
    assert leftovers.undo(left) == "nft is gone"
    assert leftovers.find([place])[0] == [left] or leftovers.find([place])[0][0].id == "f1"


@pytest.mark.parametrize("about", [None, "", "{torn", "[1]", '{"at": "noon"}'])
def test_without_knowing_what_it_is_it_is_found_all_the_same(place, about):
    """A folder of ours with an undo in it is enough; what is written beside it may be torn."""
    folder = Path(place.root, "x9")
    folder.mkdir(parents=True)
    (folder / "undo.sh").write_text("true\n")
    if about is not None:
        (folder / "about.json").write_text(about)
    (left,), _ = leftovers.find([place])
    assert (left.id, left.fault, left.timer, left.at) == ("x9", "something", None, 0.0)
    assert left.undo == f"sh {place.root}/x9/undo.sh"
    assert left.describe() == "something on n1"
    assert leftovers.undo(left) is None
    assert not folder.exists()


def test_a_place_that_does_not_answer_is_not_clean(place):
    """Nothing found there is not the same as nothing there."""
    found, unknown = leftovers.find([place, Place("n2", Silent())])
    assert found == []
    assert unknown == {"n2": "no route to host"}
    assert leftovers.find([]) == ([], {})
    left = leftovers.Left(Place("n2", Silent()), "undo", "f1", "x", "n2")
    assert leftovers.undo(left) == "not known: no route to host"


def test_foreign_folders_are_left_alone(place):
    """What has no undo of ours is nobody's business."""
    folder = Path(place.root, "theirs")
    folder.mkdir(parents=True)
    (folder / "notes").write_text("mine")
    assert leftovers.find([place]) == ([], {})
    assert folder.exists()


def test_a_folder_of_ours_that_lost_its_undo_is_never_clean(place):
    """What it tells of may still be struck; it is told, with what to do, and stays."""
    folder = Path(place.root, "f2")
    folder.mkdir(parents=True)
    (folder / "about.json").write_text("{}")
    (left,), _ = leftovers.find([place])
    assert left.describe() == "the folder f2, without its undo, on n1"
    assert left.undo == f"look at {place.root}/f2/about.json, undo what it tells of, and remove the folder"
    assert leftovers.undo(left) == "its undo.sh is gone, so nothing here can tell whether it was undone"
    assert folder.exists()


@pytest.mark.parametrize("when", ["undo", "proof"])
def test_its_own_timer_undoes_it_at_the_same_instant(place, when):
    """Its timer removes the folder once it has proved that all is undone; what we cannot read any more is no failure."""
    folder = Path(place.root, "f4")
    folder.mkdir(parents=True)
    # As ``rm -r`` of the timer does: the proof first, the folder a little later.
    timer = f"rm {folder}/undone.sh; (sleep 0.5; rm -r {folder}) > /dev/null 2>&1 &"
    (folder / "undone.sh").write_text(f"{timer}\necho 'struck again?'; exit 1\n" if when == "proof" else "true\n")
    (folder / "undo.sh").write_text(f"{timer}\necho 'no such process'; exit 1\n" if when == "undo" else "true\n")
    left = leftovers.Left(place, "undo", "f4", "node_freeze", "n1")
    assert leftovers.undo(left) is None
    assert not folder.exists()


def test_a_folder_that_is_just_being_removed_is_undone(place):
    """Found without its undo, and a moment later not at all."""
    folder = Path(place.root, "f5")
    folder.mkdir(parents=True)
    (folder / "about.json").write_text("{}")
    (left,), _ = leftovers.find([place])
    assert left.kind == "empty"
    soon = threading.Timer(0.5, shutil.rmtree, [folder])
    soon.start()
    assert leftovers.undo(left) is None
    soon.join()


@pytest.mark.parametrize("text", ["", "12x", "noon"])
def test_a_deadline_that_is_none_is_no_obstacle(place, text):
    """Torn by a power failure, say: nothing is known of the timer, and the undo is found."""
    folder = Path(place.root, "f3")
    folder.mkdir(parents=True)
    (folder / "undo.sh").write_text("true\n")
    (folder / "deadline").write_text(text)
    (left,), unknown = leftovers.find([place])
    assert unknown == {}
    assert (left.id, left.timer) == ("f3", None)
