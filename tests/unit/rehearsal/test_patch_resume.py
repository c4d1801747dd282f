# SPDX-License-Identifier: MIT
"""A patch day that was broken off anywhere is gone on with: each node is patched once, and no gate is passed by old evidence."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.errors import ConfigError, Refused
from pytest_harehearse.events import GateReached, PlaybookFixed, RehearsalStarted, RunStarted, StepFinished, StepStarted
from pytest_harehearse.rehearsal.patching import steps
from pytest_harehearse.rehearsal.patching.errors import Stopped
from pytest_harehearse.rehearsal.patching.facade import Conduct, Patching
from pytest_harehearse.rehearsal.patching.patches import command, reboot
from pytest_harehearse.rehearsal.patching.progress import of, read, skipped
from pytest_harehearse.streams import EventLog
from unit.rehearsal.test_patching import PATCH, QUICK, hosts, journal, patched  # noqa: F401 - fixtures

TEST, CLUSTER = "test_x.py::test_x", "lab/web"


class Killed(BaseException):
    """The end of the runner."""


def broken_off(events):
    """Return how far the workflows in a stream came, as another run reads it."""
    first = [
        RunStarted(run="r-1", version="1", wall=1.0, argv=[], python="3", host="h", store="s"),
        RehearsalStarted(rehearsal="r1", nodeid=TEST, title="x", cluster=CLUSTER),
    ]
    return of([*first, *(dataclasses.replace(event, rehearsal="r1") if hasattr(event, "rehearsal") else event for event in events)],
              TEST, CLUSTER)  # fmt: skip


def stop_at(count):
    """Return what kills the runner when step number ``count`` begins."""
    seen = iter(range(1000))

    def look(event):
        if isinstance(event, StepStarted) and next(seen) == count:
            raise Killed

    return look


NUMBER = len(steps.standby_first(PATCH, "n1", ["n2"], drains=True, prove=True, switchback=False))


def test_killed_between_there_and_back(patched, hosts, events):  # noqa: F811 - fixtures
    """The service is on the standby still: it goes back first, and then the proof is made anew."""
    cluster, patching = patched()
    move = hosts.switchover

    def dying(state, to, deadline):
        if to == "n1":
            raise Killed
        return move(state, to, deadline)

    hosts.switchover = dying
    with pytest.raises(Killed):
        patching.standby_first(PATCH, **QUICK)
    hosts.switchover = move
    assert hosts.active == "n2"
    day = Patching(cluster, conduct=Conduct(run="r-2", resume=broken_off(events))).standby_first(PATCH, **QUICK)
    assert day.gates == {"A": "GO", "B": "GO", "C": "GO"}
    moves = [did for did in hosts.did if did.startswith("switchover")]
    assert moves == ["switchover n2", "switchover n1", "switchover n2", "switchover n1", "switchover n2"]


@pytest.mark.parametrize("count", range(NUMBER))
def test_killed_at_every_step(patched, hosts, events, recorder, count):  # noqa: F811 - fixtures
    """Whatever the step: healed and gone on with, every node is patched and rebooted once, and every gate is green at the end."""
    cluster, patching = patched()
    kill, sink = stop_at(count), recorder.sink

    def dying(event):
        sink(event)
        kill(event)

    recorder.sink = dying
    with pytest.raises(Killed):
        patching.standby_first(PATCH, **QUICK)
    recorder.sink = sink
    # What `harehearse recover` does.
    hosts.drained.clear()
    found = broken_off(events)
    assert len(found) == 1
    day = Patching(cluster, conduct=Conduct(run="r-2", resume=found)).standby_first(PATCH, **QUICK)
    assert day.gates == {"A": "GO", "B": "GO", "C": "GO"}
    assert [did for did in hosts.did if did.startswith("patch-it")] == ["patch-it n2", "patch-it n1"]
    assert [did for did in hosts.did if did.startswith("reboot")] == ["reboot n2", "reboot n1"]
    assert (hosts.active, hosts.drained) == ("n2", set())
    again = broken_off(events[next(n for n, e in enumerate(events) if isinstance(e, PlaybookFixed) and e.resumes) :])
    assert {"gate A", "gate B", "gate C", "patch n1", "patch n2"} <= again[-1].done


def test_stopped_at_a_gate_and_gone_on_with(patched, hosts, events):  # noqa: F811 - fixtures
    """A stop undoes nothing and says how to go on; the next run begins behind the gates that were passed, and looks anew."""
    cluster, patching = patched(conduct=Conduct(run="r-1", ask=lambda step, _: "stop" if step.gate == "B" else "go"))
    with pytest.raises(
        Stopped,
        match=r"stopped at gate B, which is green; n2 serves\. Nothing was undone\. Go on with it: the same command, with "
        r"--harehearse-resume r-1",
    ):
        patching.standby_first(PATCH, prove_switchover=False, **QUICK)
    (gate,) = [event for event in events if isinstance(event, GateReached) and event.gate == "B"]
    assert gate.verdict == "UNKNOWN"
    assert gate.evidence[-1] == {"name": "whoever decides", "node": "", "ok": None, "detail": "stop here"}
    assert cluster.active == "n2"
    hosts.did.clear()
    # The cluster is asked anew, now from the other node's side: the steps are still those of the first run.
    day = Patching(cluster, conduct=Conduct(run="r-2", resume=broken_off(events))).standby_first(
        PATCH, prove_switchover=False, **QUICK
    )
    assert hosts.did == ["drain n1", "patch-it n1", "reboot n1", "undrain n1"]
    assert day.gates == {"A": "GO", "B": "GO", "C": "GO"}
    assert day.mixed is not None
    told = [event.outcome for event in events if isinstance(event, StepFinished)]
    assert told.count("skipped") == 6


def test_another_playbook_is_not_gone_on_with(patched, hosts, events):  # noqa: F811 - fixtures
    """Another patch, or another text of the test: nothing is done, and what differs is named."""
    cluster, patching = patched(conduct=Conduct(scenario="1", ask=lambda *_: "stop"))
    with pytest.raises(Stopped):
        patching.standby_first(PATCH, prove_switchover=False, **QUICK)
    found, done = broken_off(events), list(hosts.did)
    again = Patching(cluster, conduct=Conduct(scenario="2", resume=found))
    with pytest.raises(
        Refused,
        match=r"r-1 cannot be gone on with, for it is another playbook now: the test's own text and the patch changed",
    ):
        again.standby_first(command("patch-it", "--other", reboots=True), prove_switchover=False, **QUICK)
    assert hosts.did == done


def test_a_run_without_a_patch_day(tmp_path):
    """Neither what cannot be read, nor what holds nothing of this test."""
    with pytest.raises(ConfigError, match=r"The run in .* cannot be gone on with: .*No such file"):
        read(tmp_path, TEST, CLUSTER)
    log = EventLog(tmp_path / "events.jsonl")
    log.write(RunStarted(run="r-1", version="1", wall=1.0, argv=[], python="3", host="h", store="s"))
    log.write(RehearsalStarted(rehearsal="r1", nodeid=TEST, title="x", cluster="lab/other"))
    log.close()
    with pytest.raises(
        ConfigError, match=r"holds no patch day of test_x\.py::test_x on lab/web, so there is nothing to go on"
    ):
        read(tmp_path, TEST, CLUSTER)


NODES = ("n1", "n2", "n3")


@given(
    st.integers(2, 3), st.booleans(), st.booleans(), st.booleans(), st.data()
)  # fmt: skip
def test_what_is_skipped_was_done(number, drains, prove, reboots, data):
    """Of any prefix: nothing is skipped that was not done, nothing is installed twice, and evidence is always of now."""
    patch = reboot() if reboots else command("x")
    found = steps.standby_first(patch, "n1", NODES[1:number], drains=drains, prove=prove, switchback=True)
    came = data.draw(st.integers(0, len(found)))
    done = frozenset(step.id for step in found[:came])
    left = skipped(found, done)
    acts = {step.id for step in found if step.name in {"patch", "reboot", "prove_switchover"}}
    assert left <= done | {step.id for step in found if step.name in {"drain", "undrain"}}
    assert not (acts & done) - left
    assert "preflight" not in left
    passed = max((n for n, step in enumerate(found) if step.gate and step.id in done), default=-1)
    assert not {step.id for step in found[passed + 1 :] if step.name in {"validate", "gate", "soak", "audit"}} & (
        left - {step.id for step in found[: passed + 1]}
    )
