# SPDX-License-Identifier: MIT
"""What earlier runs measured of a playbook: read from their events, whatever else is in the store."""

from __future__ import annotations

import dataclasses
import json

import pytest

from pytest_harehearse.events import PlaybookFixed, RehearsalStarted, RunStarted, StepFinished, StepStarted
from pytest_harehearse.history.playbooks import rehearsed, roles
from pytest_harehearse.rehearsal.patching import steps
from pytest_harehearse.rehearsal.patching.patches import reboot
from pytest_harehearse.rehearsal.patching.progress import same_test
from pytest_harehearse.streams import EventLog

STEPS = steps.standby_first(reboot(), "n1", ["n2"], drains=False, prove=False, switchback=False)
TEST = "scenarios/test_patch.py::test_patch[lab/web]"


@pytest.fixture
def run(tmp_path):
    """Write a run: each step takes a second; ``until`` of them end."""

    def write(name, until=99, *, nodeid=TEST, outages=(), resumes="", valid=True):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        log = EventLog(folder / "events.jsonl")
        log.write(RunStarted(t=0.0, run=name, version="1", wall=1e9, argv=[], python="3", host="h", store="s"))
        log.write(RehearsalStarted(t=1.0, rehearsal="r1", nodeid=nodeid, title="x", cluster="lab/web", kind="lab"))
        plain = [dataclasses.asdict(step) for step in STEPS]
        log.write(
            PlaybookFixed(
                t=1.0, rehearsal="r1", fingerprint="f", patch="reboot", original="n1", steps=plain, resumes=resumes
            )
        )
        for number, step in enumerate(STEPS):
            at = 10.0 + number
            log.write(
                StepStarted(t=at, rehearsal="r1", step=f"r1/{number}", name=step.name, title=step.title, node=step.node)
            )
            if number < until:
                log.write(StepFinished(t=at + 1, rehearsal="r1", step=f"r1/{number}", outcome="done"))
        log.close()
        services = [{"valid": valid, "outages": [{"upper": upper} for upper in outages]}]
        one = {"id": "r1", "verdict": "passed", "services": services}
        (folder / "run.json").write_text(json.dumps({"rehearsals": [one]}))
        return folder

    return write


def test_times_by_role(run, tmp_path):
    """Each step by its turn, the whole from the first to the last, and the longest interruption."""
    run("r-1", outages=(0.25, 1.5))
    (found,), problems = rehearsed(tmp_path, TEST)
    assert problems == []
    assert (found.whole, found.interruption, found.verdict, found.cluster) == (len(STEPS), 1.5, "passed", "lab/web")
    assert set(found.took.values()) == {1.0}
    assert list(found.took) == roles([dataclasses.asdict(step) for step in STEPS])


def test_what_was_not_measured_is_not_known(run, tmp_path):
    """A run that was broken off has no whole, an open or unsound interruption no length, a killed run no verdict."""
    run("r-1", until=3, outages=(None,))
    (run("r-2", valid=False) / "run.json").unlink()
    run("r-3", valid=False)
    found = {one.run: one for one in rehearsed(tmp_path, TEST)[0]}
    assert [(found[run].whole is None, found[run].interruption, found[run].verdict) for run in sorted(found)] == [
        (True, None, "passed"), (False, None, "unfinished"), (False, None, "passed"),
    ]  # fmt: skip
    assert len(found["r-1"].took) == 3


def test_only_this_test_and_whole_days_count(run, tmp_path):
    """Neither another test, nor half a day that went on with another; a damaged run is named."""
    run("r-1", nodeid="x/test_patch.py::test_patch[lab/other]")
    run("r-2", nodeid="scenarios/test_patch.py::test_other[lab/web]")
    run("r-3", resumes="r-0")
    (run("r-4") / "events.jsonl").write_text("{\n{\n")
    found, problems = rehearsed(tmp_path, TEST)
    assert [one.run for one in found] == ["r-1"]
    assert [problem[:4] for problem in problems] == ["r-4:"]
    assert rehearsed(tmp_path / "nowhere", TEST) == ([], [])


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a/test_x.py::test_a[lab/web]", "test_x.py::test_a[prod/web]", True),
        ("test_x.py::T::test_a[lab/web]", "test_x.py::test_a[lab/web]", False),
        ("test_y.py::test_a", "test_x.py::test_a", False),
    ],
)
def test_the_same_test(one, other, same):
    """Wherever pytest was started, whichever cluster it ran on."""
    assert same_test(one, other) is same
