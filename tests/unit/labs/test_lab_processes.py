# SPDX-License-Identifier: MIT
"""A lab's processes are found by where they work, and nobody else is ever signalled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_harehearse.labs import processes
from pytest_harehearse.labs.processes import Found


@pytest.fixture
def sleeper(tmp_path):
    """Start sleeping processes in a folder; they are gone afterwards."""
    children = []

    def start(folder, *command):
        folder.mkdir(parents=True, exist_ok=True)
        child = subprocess.Popen([*(command or ("sleep", "300"))], cwd=folder, start_new_session=True)
        children.append(child)
        return child

    yield start
    for child in children:
        child.kill()
        child.wait()


def wait_until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_those_below_a_folder_are_found(tmp_path, sleeper):
    """In it and deeper, with their folder and command; a neighbour whose name begins alike is none."""
    here, deep = sleeper(tmp_path / "lab"), sleeper(tmp_path / "lab" / "orders" / "n1")
    sleeper(tmp_path / "lab2")
    found = {process.pid: process for process in processes.below(tmp_path / "lab")}
    assert set(found) == {here.pid, deep.pid}
    assert found[deep.pid] == Found(deep.pid, tmp_path / "lab" / "orders" / "n1", "sleep 300")


def test_one_whose_folder_was_removed_is_still_found(tmp_path, sleeper):
    """The kernel marks the folder; the process is still the lab's."""
    child = sleeper(tmp_path / "lab" / "n1")
    (tmp_path / "lab" / "n1").rmdir()
    assert [process.pid for process in processes.below(tmp_path / "lab")] == [child.pid]
    assert processes.kill_all(tmp_path / "lab") == [child.pid]


def test_the_caller_is_never_among_them(tmp_path, monkeypatch):
    """A test that runs in the lab's folder must not end itself."""
    monkeypatch.chdir(tmp_path)
    assert processes.below(tmp_path) == []


def test_a_process_that_was_found_is_signalled(tmp_path, sleeper):
    """And the signal arrives."""
    child = sleeper(tmp_path / "lab")
    (found,) = processes.below(tmp_path / "lab")
    assert processes.send(found, signal.SIGTERM) is True
    assert child.wait(30) == -signal.SIGTERM


def test_a_pid_that_works_elsewhere_is_not_signalled(tmp_path, sleeper):
    """The pid was used again meanwhile."""
    child = sleeper(tmp_path / "elsewhere")
    assert processes.send(Found(child.pid, tmp_path / "lab", "sleep 300"), signal.SIGKILL) is False
    assert child.poll() is None


def test_a_pid_that_is_gone_is_not_signalled(tmp_path, sleeper):
    """Nor an error."""
    child = sleeper(tmp_path / "lab", "true")
    child.wait(30)
    assert processes.send(Found(child.pid, tmp_path / "lab", "true"), signal.SIGKILL) is False


def test_a_zombie_is_not_alive(tmp_path, sleeper):
    """Whatever ``kill -0`` says."""
    child = sleeper(tmp_path / "lab")
    assert processes.started(child.pid) is not None
    os.kill(child.pid, signal.SIGKILL)
    wait_until(lambda: processes.started(child.pid) is None)
    os.kill(child.pid, 0)
    assert processes.below(tmp_path / "lab") == []


def test_kill_all_ends_all_and_collects_its_children(tmp_path, sleeper):
    """Also a child that ignores SIGTERM, and what it started itself."""
    stubborn = (
        "import signal, subprocess; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "subprocess.run(['sleep', '300'], check=False)"
    )
    first, second = sleeper(tmp_path / "lab" / "n1"), sleeper(tmp_path / "lab" / "n2", sys.executable, "-c", stubborn)
    outsider = sleeper(tmp_path / "other")
    wait_until(lambda: len(processes.below(tmp_path / "lab")) == 3)
    ended = processes.kill_all(tmp_path / "lab", within=30)
    assert {first.pid, second.pid} <= set(ended)
    assert processes.below(tmp_path / "lab") == []
    assert outsider.poll() is None
    assert processes.kill_all(tmp_path / "lab") == []


def test_one_that_cannot_be_ended_is_named(tmp_path, sleeper, monkeypatch):
    """A wait never ends without saying what it waited for."""
    child = sleeper(tmp_path / "lab")
    monkeypatch.setattr(processes, "send", lambda *_: False)
    with pytest.raises(TimeoutError, match=rf"^still alive after 0 s: {child.pid} \(sleep 300\)$"):
        processes.kill_all(tmp_path / "lab", within=0.0)


def test_a_start_is_an_identity(tmp_path, sleeper):
    """The same for the same process as long as it lives, and None for what is none."""
    child = sleeper(tmp_path / "lab")
    begun = processes.started(child.pid)
    assert begun == processes.started(child.pid)
    assert begun >= processes.started(os.getpid())
    child.kill()
    child.wait(30)
    assert processes.started(child.pid) is None
    assert processes.started(2**30) is None


def test_a_command_with_brackets_in_its_name(tmp_path, sleeper):
    """The kernel writes the name between brackets, as the process likes it."""
    program = tmp_path / ") S 1 (x"
    program.symlink_to("/bin/sleep")
    child = sleeper(tmp_path / "lab", str(program), "300")
    wait_until(lambda: ") S 1 (x" in processes._command(child.pid))
    fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
    assert processes.started(child.pid) == int(fields[19])


def test_reaping_a_stranger_is_no_error():
    """Only own children can be collected."""
    processes.reap([1, 2**30])
