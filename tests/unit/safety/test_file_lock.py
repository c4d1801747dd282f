# SPDX-License-Identifier: MIT
"""The lock between processes: exclusive, freed by any death of its holder, named, and without a file left."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from pytest_harehearse.safety.lock import FileLock, Held

HOLD = """
import sys, time
from pathlib import Path
from pytest_harehearse.safety.lock import FileLock
lock = FileLock(Path(sys.argv[1]), "pid of the other").acquire(within=30.0)
print("held", flush=True)
sys.stdin.readline()
lock.release()
print("freed", flush=True)
"""

CONTEND = """
import os, sys
from pathlib import Path
from pytest_harehearse.safety.lock import FileLock
path, inside = Path(sys.argv[1]), Path(sys.argv[2])
for _ in range(int(sys.argv[3])):
    with FileLock(path, f"pid {os.getpid()}").acquire(within=120.0):
        os.close(os.open(inside, os.O_CREAT | os.O_EXCL))  # raises when another one is inside
        os.sched_yield()
        inside.unlink()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds ``x.lock`` until told."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "x.lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "held\n"
    yield child
    child.kill()
    child.communicate()


def test_the_second_comer_is_told_who_holds_it(tmp_path, holder):
    """Its text names the lock, the holder and how long was waited."""
    with pytest.raises(Held, match=r"^x\.lock is held by pid of the other \(waited 0 s\)$") as caught:
        FileLock(tmp_path / "x.lock", "me").acquire(within=0.0)
    assert caught.value.holder == "pid of the other"


def test_it_is_free_after_release(tmp_path, holder):
    """By the other process, in order."""
    holder.stdin.write("\n")
    holder.stdin.flush()
    assert holder.stdout.readline() == "freed\n"
    with FileLock(tmp_path / "x.lock", "me").acquire(within=0.0):
        assert (tmp_path / "x.lock").read_text() == "me"
    assert list(tmp_path.iterdir()) == []


def test_a_kill_of_the_holder_frees_it(tmp_path, holder):
    """However it dies; the file it left is taken over, and goes with the next release."""
    holder.send_signal(signal.SIGKILL)
    holder.wait(30)
    FileLock(tmp_path / "x.lock", "me").acquire(within=30.0).release()
    assert list(tmp_path.iterdir()) == []


def test_a_waiting_comer_gets_it_when_it_is_freed(tmp_path, holder):
    """It waits for the deadline it was given, not less."""
    waiting = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "x.lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    holder.communicate("\n", timeout=60)
    assert waiting.communicate("\n", timeout=60)[0] == "held\nfreed\n"
    assert list(tmp_path.iterdir()) == []


def test_within_one_process_it_is_exclusive_too(tmp_path):
    """Two objects are two holders."""
    with FileLock(tmp_path / "x.lock", "first"), pytest.raises(Held, match="held by first"):
        FileLock(tmp_path / "x.lock", "second").acquire(within=0.1)


def test_a_second_release_does_nothing(tmp_path):
    """And does not take the file of whoever holds it by then."""
    lock = FileLock(tmp_path / "x.lock", "first").acquire(within=0.0)
    lock.release()
    with FileLock(tmp_path / "x.lock", "second"):
        lock.release()
        assert (tmp_path / "x.lock").read_text() == "second"


def test_a_shorter_owner_leaves_nothing_of_a_longer_one(tmp_path):
    """What a killed holder wrote is overwritten whole."""
    (tmp_path / "x.lock").write_text("pid 123456789 that was killed")
    with FileLock(tmp_path / "x.lock", "me"):
        assert (tmp_path / "x.lock").read_text() == "me"


def test_a_nameless_holder():
    """When it has not written its name yet."""
    from pathlib import Path

    assert str(Held(Path("/a/x.lock"), "", 3.4)) == "x.lock is held by another process (waited 3 s)"


def test_a_link_is_not_followed(tmp_path):
    """In a folder of many users a planted link must not empty somebody's file."""
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "x.lock").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="symbolic link"):
        FileLock(tmp_path / "x.lock", "me").acquire(within=0.0)
    assert (tmp_path / "precious").read_text() == "precious"


def test_the_folder_is_made_again(tmp_path):
    """It goes with the last lab, perhaps just before."""
    with FileLock(tmp_path / "gone" / "x.lock", "me"):
        assert (tmp_path / "gone" / "x.lock").exists()


def test_many_contenders_are_never_two_inside(tmp_path):
    """Though each removes the file that others wait on."""
    command = [sys.executable, "-c", CONTEND, str(tmp_path / "x.lock"), str(tmp_path / "inside"), "15"]
    contenders = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(6)]
    for contender in contenders:
        _, said = contender.communicate(timeout=120)
        assert (contender.returncode, said) == (0, "")
    assert list(tmp_path.iterdir()) == []
