# SPDX-License-Identifier: MIT
"""A fault on a host, here this machine: undo and timer are there before the strike, and the timer needs nobody."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_harehearse.errors import HarehearseError, Indeterminate
from pytest_harehearse.faults.dead_man import about
from pytest_harehearse.faults.on_node import FOLDER, OnNode, Scripts
from pytest_harehearse.remote.base import Unknown
from pytest_harehearse.remote.local import LocalChannel

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="/run is root's")

STRIKE = '[ -e "/run/harehearse/$2/undo.sh" ] || exit 9; echo struck > "$1"'


ABOUT = about(run="r-1", cluster="lab/web", fault="test_fault", target="here", strike="strike", undo="undo")


def a_fault(file, dead_man=20.0, strike=STRIKE, channel=None, needs="true"):
    """Makes a file and removes it; $1 the file, $2 the fault's id."""
    scripts = Scripts(
        strike, '[ -e "$1" ] || { echo "no file"; exit 1; }', 'rm -f "$1"',
        '[ ! -e "$1" ] || { echo "the file is there"; exit 1; }', (str(file),),
    )  # fmt: skip
    channels = {"here": channel or LocalChannel("here")}
    return OnNode("test_fault", channels, "here", lambda: scripts, needs=needs, strike_text="strike", undo_text="undo",
                  dead_man=dead_man)  # fmt: skip


def until(condition, within=30.0):
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_strike_effect_undo(tmp_path):
    """The undo lies there before the strike (which would fail without it), and nothing stays."""
    file = tmp_path / "it's here"
    fault = a_fault(file)
    assert fault.limitation() is None
    assert fault.effect() == "no file"
    with pytest.raises(HarehearseError, match=r"test_fault was not struck, for its timer on here is not armed"):
        fault.strike()
    fault.arm(ABOUT)
    fault.strike()
    assert file.read_text() == "struck\n"
    assert fault.effect() is None
    assert fault.undone() == "the file is there"
    fault.undo()
    assert fault.undone() is None
    assert not file.exists()
    assert Path(FOLDER, fault.id).exists()
    fault.disarm()
    assert not Path(FOLDER, fault.id).exists()
    fault.undo()


def test_the_timer_undoes_it_when_the_runner_is_killed(tmp_path):
    """A runner that is killed takes nothing back; the timer does, and leaves nothing of itself."""
    file = tmp_path / "file"
    code = (
        "import sys, time; sys.path.insert(0, sys.argv[2]); from test_on_node import ABOUT, a_fault\n"
        "fault = a_fault(sys.argv[1], dead_man=4.0); fault.arm(ABOUT); fault.strike(); print(fault.id, flush=True); time.sleep(60)"
    )
    runner = subprocess.Popen(
        [sys.executable, "-c", code, str(file), str(Path(__file__).parent)], stdout=subprocess.PIPE, text=True
    )
    identity = runner.stdout.readline().strip()
    assert Path(FOLDER, identity, "undo.sh").exists()
    time.sleep(6)
    # It lives, so the timer was put off.
    assert file.exists()
    runner.kill()
    runner.wait(timeout=10)
    runner.stdout.close()
    until(lambda: not file.exists())
    until(lambda: not Path(FOLDER, identity).exists())


def test_what_somebody_undid_is_told(tmp_path):
    """A fault that was over before its time proves little, and the undo afterwards is no error."""
    fault = a_fault(tmp_path / "file", dead_man=2.0)
    fault.arm(ABOUT)
    fault.strike()
    subprocess.run(["rm", "-rf", f"{FOLDER}/{fault.id}"], check=True)
    until(lambda: fault.ended_early is not None)
    assert fault.ended_early == "the timer on here undid it, or somebody by hand, or here was rebooted"
    (tmp_path / "file").unlink()
    fault.undo()
    assert fault.undone() is None
    fault.disarm()


def test_a_strike_that_fails_is_told_and_undone(tmp_path):
    """With what the node said; the undo works all the same."""
    fault = a_fault(tmp_path / "file", strike="echo no right to >&2; exit 3")
    fault.arm(ABOUT)
    with pytest.raises(HarehearseError, match="test_fault failed on here: no right to"):
        fault.strike()
    fault.undo()
    assert fault.undone() is None
    fault.disarm()


def test_a_timer_that_cannot_be_armed_stops_the_strike(tmp_path, monkeypatch):
    """Nothing is struck whose undo is not there."""
    fault = a_fault(tmp_path / "file")
    Path(FOLDER).mkdir(exist_ok=True)
    Path(FOLDER, fault.id).write_text("somebody's")
    try:
        with pytest.raises(HarehearseError, match=r"test_fault was not struck, for its timer is not armed: here: "):
            fault.arm(ABOUT)
        assert not (tmp_path / "file").exists()
    finally:
        Path(FOLDER, fault.id).unlink(missing_ok=True)


def test_a_strike_without_an_answer_is_unknown(tmp_path):
    """It may have been struck: the error says unknown, never done."""

    class Silent(LocalChannel):
        def run(self, command, **options):
            if command.text.startswith("STRIKE"):
                return Unknown("the connection was lost")
            return super().run(command, **options)

    fault = a_fault(tmp_path / "file", strike="STRIKE", channel=Silent("here"))
    fault.arm(ABOUT)
    with pytest.raises(
        Indeterminate, match="Whether test_fault was struck on here is not known: the connection was lost"
    ):
        fault.strike()
    fault.undo()
    fault.disarm()


def test_what_the_node_lacks_is_the_limitation(tmp_path):
    """In the node's own words."""
    fault = a_fault(tmp_path / "file", needs="echo 'nft is not installed there' >&2; exit 1")
    assert fault.limitation() == "here: nft is not installed there"
