# SPDX-License-Identifier: MIT
"""Where labs live: found again by any later command, private, and cleared when nobody will come back."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.errors import LabError
from pytest_harehearse.labs import home
from pytest_harehearse.labs.home import LabState, NodePlace, Owner
from pytest_harehearse.safety.lock import FileLock

GONE = Owner(2**30, 1)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """All labs of this user live below ``tmp_path``."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(home.tempfile, "gettempdir", lambda: str(tmp_path))
    return tmp_path / f"harehearse-{os.geteuid()}"


def state(**changes):
    made = LabState(
        environment="demo",
        inventory="/x/harehearse.toml",
        created_at="2026-11-22T10:00:00+00:00",
        owner=Owner.me(),
        keep=False,
        phase="up",
        clusters={
            "orders": {
                "n1": NodePlace("127.30.40.11"),
                "n2": NodePlace("127.30.40.12", {"valkey": 6379, "sentinel": 26379}),
            }
        },
        etcd=("127.30.40.1", "127.30.40.2", "127.30.40.3"),
        sentinels={"carts": ("127.30.40.11",)},
        secrets={"postgres": "s3cret"},
        notes=("running as nobody",),
        up_s=8.5,
    )
    return dataclasses.replace(made, **changes)


def test_the_home_follows_from_inventory_and_environment(elsewhere, tmp_path, monkeypatch):
    """Whatever the folder the command is run in; another inventory or environment has another."""
    inventory = tmp_path / "harehearse.toml"
    first = home.home_of(inventory, "demo")
    monkeypatch.chdir(tmp_path)
    assert home.home_of(Path("harehearse.toml"), "demo") == first
    assert first.parent == elsewhere
    assert first.name.startswith("demo-")
    assert len({first, home.home_of(inventory, "other"), home.home_of(tmp_path / "other.toml", "demo")}) == 3


def test_a_home_is_short_and_safe(elsewhere, tmp_path):
    """A socket's path has 107 bytes at most, and a name is no path."""
    found = home.home_of(tmp_path / "harehearse.toml", "../ä b/" + "x" * 200)
    assert found.parent == elsewhere
    assert len(found.name) <= 33
    assert all(letter.isascii() and (letter.isalnum() or letter in "_-") for letter in found.name)


def test_homes_are_below_tmp_of_this_user():
    """Not TMPDIR, which may be too long for a socket, or change."""
    assert home.home_of(Path("/nowhere/harehearse.toml"), "demo").parent == Path(f"/tmp/harehearse-{os.geteuid()}")
    home.tidy()


def test_what_was_saved_is_read(tmp_path):
    """All of it, as the same types."""
    home.save(tmp_path, state())
    assert home.read(tmp_path) == state()
    assert [path.name for path in tmp_path.iterdir()] == ["lab.json"]


def test_only_its_owner_reads_it(tmp_path):
    """It holds the lab's passwords, which no text of it shows."""
    home.save(tmp_path, state())
    home.save(tmp_path, state(phase="starting"))
    assert stat.S_IMODE((tmp_path / "lab.json").stat().st_mode) == 0o600
    assert "s3cret" not in repr(state())


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "{}", '{"owner": 1}', '{"owner": {"pid": 1, "started": 2}, "etcd": [], "notes": [], "clusters": []}', "\x00"],
)  # fmt: skip
def test_what_cannot_be_read_is_nothing(tmp_path, text):
    """Killed while being made, or written by another version."""
    (tmp_path / "lab.json").write_text(text)
    assert home.read(tmp_path) is None


def test_nothing_written_is_nothing(tmp_path):
    """No file, no folder."""
    assert home.read(tmp_path) is None
    assert home.read(tmp_path / "none") is None


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from([f.name for f in dataclasses.fields(LabState)]), values)
def test_any_damage_is_read_or_nothing(tmp_path_factory, name, value):
    """Never an error, whatever stands there."""
    folder = tmp_path_factory.mktemp("damage")
    home.save(folder, state())
    data = json.loads((folder / "lab.json").read_text())
    (folder / "lab.json").write_text(json.dumps({**data, name: value}))
    found = home.read(folder)
    assert found is None or isinstance(found, LabState)


@pytest.mark.parametrize(
    ("owner", "keep", "phase", "abandoned"),
    [
        (None, False, "up", False),
        (None, False, "starting", False),
        (None, True, "up", False),
        (GONE, False, "up", True),
        (GONE, False, "starting", True),
        (GONE, True, "starting", True),
        (GONE, True, "up", False),
    ],
)
def test_abandoned(owner, keep, phase, abandoned):
    """Its owner is dead, and it was neither kept nor ever up."""
    assert state(owner=owner or Owner.me(), keep=keep, phase=phase).abandoned is abandoned


def test_a_pid_used_again_is_not_the_owner():
    """The start tells them apart."""
    assert Owner.me().alive
    assert not Owner(os.getpid(), Owner.me().started + 1).alive


def test_a_half_made_home_is_forsaken(tmp_path):
    """Its maker was killed before it wrote a word; what cannot be read may be a later version's, and stays."""
    assert not home.forsaken(tmp_path / "none")
    assert home.forsaken(tmp_path)
    (tmp_path / "lab.json").write_text("{}")
    assert not home.forsaken(tmp_path)
    home.save(tmp_path, state(owner=GONE))
    assert home.forsaken(tmp_path)
    home.save(tmp_path, state())
    assert not home.forsaken(tmp_path)


def test_the_base_is_made(elsewhere):
    """Others may pass through it, not list it."""
    assert home.base() == elsewhere
    assert home.base() == elsewhere
    assert stat.S_IMODE(elsewhere.stat().st_mode) & 0o077 in {0o011, 0o001, 0o010, 0}


def test_a_planted_link_is_refused(elsewhere, tmp_path):
    """A folder of all users invites it."""
    (tmp_path / "theirs").mkdir()
    elsewhere.symlink_to(tmp_path / "theirs")
    with pytest.raises(LabError, match=f"^Labs live in {elsewhere}, but that is not a folder of yours. Remove it"):
        home.base()


@pytest.mark.parametrize("plant", [lambda path: path.symlink_to("/nonexistent/x"), lambda path: path.write_text("")])
def test_what_is_no_folder_is_refused(elsewhere, plant):
    """A dangling link or a file."""
    plant(elsewhere)
    with pytest.raises(LabError, match=f"^Labs live in {elsewhere}, which cannot be made: File exists"):
        home.base()


def test_a_folder_of_somebody_else_is_refused(elsewhere, tmp_path, monkeypatch):
    """Who owns it could read the passwords, or swap the sockets."""
    stranger = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: stranger)
    (tmp_path / f"harehearse-{stranger}").mkdir()
    with pytest.raises(LabError, match="is not a folder of yours"):
        home.base()


def test_homes_are_folders_only(elsewhere, tmp_path):
    """Locks stand beside them."""
    made = [home.base() / "a-1", home.base() / "b-2"]
    for path in made:
        path.mkdir()
    (elsewhere / "a-1.lock").write_text("pid 1")
    assert home.homes() == made


def test_tidying_removes_dead_locks_and_the_empty_base(elsewhere):
    """Nothing is left of all labs."""
    (home.base() / "a-1.lock").write_text("pid 1, killed")
    home.tidy()
    assert not elsewhere.exists()


def test_tidying_leaves_what_is_in_use(elsewhere):
    """A held lock, and another lab."""
    hold = (
        "import sys; from pathlib import Path; from pytest_harehearse.safety.lock import FileLock; "
        "lock = FileLock(Path(sys.argv[1]), 'x').acquire(within=30.0); print('held', flush=True); sys.stdin.read()"
    )
    lock = home.base() / "a-1.lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    home.tidy()
    assert lock.exists()
    holder.kill()
    holder.communicate()
    (elsewhere / "b-2").mkdir()
    home.tidy()
    assert [path.name for path in elsewhere.iterdir()] == ["b-2"]


def test_the_lock_of_a_lab_stands_beside_it(elsewhere):
    """It outlives the home, which goes while it is held."""
    lock = home.lock_of(home.base() / "a-1")
    assert isinstance(lock, FileLock)
    assert (lock.path, lock.owner) == (elsewhere / "a-1.lock", f"pid {os.getpid()}")
