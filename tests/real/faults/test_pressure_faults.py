# SPDX-License-Identifier: MIT
"""Memory and processor time taken on this machine, and a clock that only seems to step; nothing of them stays."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from pytest_harehearse.errors import HarehearseError
from pytest_harehearse.faults.base import Scene
from pytest_harehearse.faults.clock_jump import ClockJump
from pytest_harehearse.faults.dead_man import FLEETING, about
from pytest_harehearse.faults.pressure import cpu_pressure, memory_pressure
from pytest_harehearse.remote.local import LocalChannel

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="/run is root's")

CHANNELS = {"here": LocalChannel("here")}
MEMORY = {"size": "64MiB"}
SCENE = Scene(None, None, CHANNELS, dead_man=30.0)
KINDS = pytest.mark.parametrize(("build", "options"), [(memory_pressure, MEMORY), (cpu_pressure, {"workers": 1})])


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
        assert not own(fault).exists()


def own(fault):
    return Path(f"/run/harehearse_{fault.id}")


def pids(fault):
    return [int(line.split()[0]) for line in (own(fault) / "pids").read_text().splitlines()]


def runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def ours(fault):
    """Every process that has the fault's own folder in its arguments; its timer has another."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if f"harehearse_{fault.id}".encode() in path.read_bytes() and int(path.parent.name) != os.getpid():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def until(condition, within=40.0):
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def resident(pid):
    rows = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(row.split()[1]) for row in rows if row.startswith("VmRSS")), 0)


def test_memory_is_held(struck):
    """As much as was said, by processes that the kernel would kill first, until they are ended."""
    fault = memory_pressure(SCENE, "here", **MEMORY)
    said = struck(fault)
    held = pids(fault)
    assert 64 * 1024 <= sum(map(resident, held)) < 80 * 1024
    assert said.splitlines()[0].endswith(" MiB are held")
    assert fault.effect() is None
    largest = max(held, key=resident)
    assert Path(f"/proc/{largest}/oom_score_adj").read_text() == "1000\n"
    assert fault.undone().startswith("its processes still live: ")
    assert fault.strike().splitlines()[0] == "it is held already"
    fault.undo()
    assert fault.undone() is None
    assert not any(map(runs, held))
    until(lambda: ours(fault) == [])
    assert fault.ended_early is None


def test_beyond_what_is_free_ours_are_not_the_first_to_die(struck):
    """That is what it is asked for."""
    fault = memory_pressure(SCENE, "here", beyond=True, **MEMORY)
    struck(fault)
    largest = max(pids(fault), key=resident)
    assert Path(f"/proc/{largest}/oom_score_adj").read_text() == Path("/proc/self/oom_score_adj").read_text()


def test_processors_are_busy(struck):
    """Two processes, whose use of processor time is the proof."""
    fault = cpu_pressure(SCENE, "here", workers=2)
    assert struck(fault) == "2 processes that turn in circles"
    assert fault.effect() is None
    turning = pids(fault)
    assert len(turning) == 2
    assert fault.strike() == "they run already"
    assert pids(fault) == turning
    fault.undo()
    assert fault.undone() is None
    assert not any(map(runs, turning))


@KINDS
def test_what_ends_before_it_is_ended(build, options, struck):
    """Its effect is not proved any more, and the rehearsal is told why what it saw proves little."""
    fault = build(SCENE, "here", **options)
    struck(fault)
    victim = max(pids(fault), key=resident)
    os.kill(victim, signal.SIGKILL)
    until(lambda: not runs(victim))
    assert fault.effect() is not None
    fault.undo()
    assert fault.undone() is None
    assert fault.ended_early.startswith("on here its process ")
    assert fault.ended_early.endswith(" ended by itself or was killed")


@KINDS
def test_what_nobody_ends_the_timer_ends(build, options, struck):
    """Nobody has to be there."""
    fault = build(SCENE, "here", dead_man="4s", **options)
    struck(fault)
    held = pids(fault)
    fault._timer.stop()
    until(lambda: not own(fault).exists())
    assert not any(map(runs, held))
    until(lambda: not Path(FLEETING, fault.id).exists())
    assert fault.undone() is None


@KINDS
@pytest.mark.parametrize("gone", ["timer", "folder"])
def test_they_end_by_themselves(build, options, gone, struck):
    """Without their timer, or without the folder in which they are written down, nobody could find them."""
    fault = build(SCENE, "here", **options)
    struck(fault)
    held = pids(fault)
    assert all(map(runs, held))
    subprocess.run(["rm", "-rf", own(fault) if gone == "folder" else f"{FLEETING}/{fault.id}"], check=True)
    until(lambda: not any(map(runs, held)))


@KINDS
def test_a_process_with_a_number_of_ours_is_left_alone(build, options, struck):
    """Numbers are given again: what was started at another instant is somebody else's."""
    fault = build(SCENE, "here", **options)
    struck(fault)
    theirs = subprocess.Popen(["sleep", "60"])
    try:
        with (own(fault) / "pids").open("a") as file:
            file.write(f"{theirs.pid} 1\n")
        fault.undo()
        assert fault.undone() is None
        assert theirs.poll() is None
    finally:
        theirs.kill()
        theirs.wait(timeout=10)


@KINDS
def test_a_strike_that_comes_late_starts_nothing(build, options, struck):
    """All was undone meanwhile, so nothing would end it."""
    fault = build(SCENE, "here", **options)
    struck(fault)
    fault.undo()
    fault.disarm()
    with pytest.raises(HarehearseError, match=f"{fault.name} failed on here: its undo is not there"):
        fault.strike()
    assert not own(fault).exists()
    fault._struck = False


def test_an_effect_before_the_strike():
    """Is not claimed."""
    for fault in (memory_pressure(SCENE, "here", **MEMORY), cpu_pressure(SCENE, "here")):
        assert fault.limitation() is None
        assert fault.effect() == "nothing of it runs"
        assert fault.undone() is None


# -- a clock that seems to step: the real one is never set -------------------------------------------------------------

DATE = """#!/bin/sh
read -r off < "{off}"
case "$1" in
  -s) [ ! -e "{off}.stuck" ] || exit 0
    awk -v to="${{2#@}}" -v now="$({real} +%s.%N)" 'BEGIN {{ printf "%.3f\\n", to - now }}' > "{off}.new"
    mv "{off}.new" "{off}" ;;
  *) awk -v off="$off" -v now="$({real} +%s.%N)" 'BEGIN {{ printf "%.9f\\n", now + off }}' ;;
esac
"""
SYSTEMCTL = """#!/bin/sh
case "$1" in
  show) exit 0 ;;
  is-active) [ "$3" = chrony ] ;;
  *) echo "$*" >> "{log}"; [ ! -e "{log}.$1" ] ;;
esac
"""


@pytest.fixture
def clock(tmp_path, monkeypatch):
    """A ``date`` that keeps what it is set to in a file, and a systemd with chrony."""
    real = subprocess.run(["which", "date"], capture_output=True, text=True, check=True).stdout.strip()
    stub, off, log = tmp_path / "stub", tmp_path / "off", tmp_path / "log"
    stub.mkdir()
    off.write_text("0.25\n")
    for name, text in (("date", DATE.format(off=off, real=real)), ("systemctl", SYSTEMCTL.format(log=log))):
        (stub / name).write_text(text)
        (stub / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{stub}:{os.environ['PATH']}")
    assert CHANNELS["here"].run(["which", "date"], deadline=5).out == str(stub / "date")
    return off, log


def jump(tmp_path, by=120.0, **more):
    """With a needs of its own: this machine may be a container."""
    return ClockJump(CHANNELS, "here", by, marks=str(tmp_path), needs="true", **more)


@pytest.mark.parametrize("by", [120.0, -3600.0])
def test_a_clock_that_steps(by, tmp_path, struck, clock):
    """Forward and back; what keeps it right is stopped before, and started after it was set back."""
    off, log = clock
    fault = jump(tmp_path, by)
    assert struck(fault) == f"its clock was stepped by {by:g} s; stopped before: chrony "
    assert abs(float(off.read_text()) - by - 0.25) < 1.0
    assert log.read_text().splitlines() == ["stop chrony"]
    assert fault.effect() is None
    assert fault.undone() == (
        "its clock is not set back, or what keeps it right is not started "
        f"({tmp_path}/harehearse_{fault.id} is still there)"
    )
    # A second strike steps no further, and a second undo not further back.
    fault.strike()
    assert fault.effect() is None
    fault.undo()
    fault.undo()
    assert fault.undone() is None
    assert abs(float(off.read_text()) - 0.25) < 1.0
    assert log.read_text().splitlines()[-1] == "start chrony"
    assert not (tmp_path / f"harehearse_{fault.id}").exists()


def test_a_clock_that_the_timer_sets_back(tmp_path, struck, clock):
    """Its time is that of no wall clock, so the step does not bring it forward or put it off."""
    off, log = clock
    fault = jump(tmp_path, dead_man=3.0)
    struck(fault)
    fault._timer.stop()
    if Path("/run/systemd/system").is_dir():
        pytest.skip("the timer of systemd does not know this date")
    until(lambda: not Path(FLEETING, fault.id).exists())
    assert abs(float(off.read_text()) - 0.25) < 1.0
    assert log.read_text().splitlines() == ["stop chrony", "start chrony"]
    assert fault.undone() is None


def test_a_clock_that_something_else_sets(tmp_path, struck, clock):
    """The step did not last: not proved, on the node and by the runner's clock."""
    off, _ = clock
    fault = jump(tmp_path)
    assert fault.effect() == "its clock was not stepped by this fault"
    struck(fault)
    off.write_text("0.25\n")
    assert fault.effect() == "its clock does not show what it was set to: something else sets it"
    fault.undo()
    assert fault.undone() is None
    off.write_text("50\n")
    assert "has moved by 49." in fault.undone()
    off.write_text("0.25\n")


def test_a_clock_that_cannot_be_set_back(tmp_path, struck, clock):
    """Fails, says so, and keeps what it needs to try again."""
    off, _ = clock
    fault = jump(tmp_path)
    struck(fault)
    (tmp_path / "off.stuck").touch()
    with pytest.raises(
        HarehearseError, match=r"it could not be undone: here: its clock does not show what it was set to"
    ):
        fault.undo()
    assert fault.undone() is not None
    (tmp_path / "off.stuck").unlink()
    fault.undo()
    assert fault.undone() is None
    assert abs(float(off.read_text()) - 0.25) < 1.0


def test_a_time_service_that_does_not_stop(tmp_path, struck, clock):
    """Nothing is stepped beside it."""
    off, log = clock
    Path(f"{log}.stop").touch()
    fault = jump(tmp_path)
    with pytest.raises(HarehearseError, match="clock_jump failed on here"):
        struck(fault)
    assert off.read_text() == "0.25\n"
