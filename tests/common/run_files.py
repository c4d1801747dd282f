# SPDX-License-Identifier: MIT
"""Runs, written by the product's own writers: a switchover of demo/orders that two services felt for 2 s."""

from __future__ import annotations

from importlib.metadata import version

from pytest_harehearse import events as e
from pytest_harehearse import streams
from pytest_harehearse.probes.attempts import Attempt, Outcome, Write
from pytest_harehearse.probes.recorder import Recorder
from pytest_harehearse.rehearsal.recorder import REDUNDANT

T = 1000.0
ARGV = ["scenarios", "--harehearse-store", "/a b/store", "--harehearse-config=/etc/harehearse.toml", "-k", "one or two"]
REHEARSAL = "r-1.1"


def attempts(*, mode="write"):
    """Every 50 ms from T+1 to T+9; refused from T+3 to T+5."""
    found = []
    for n in range(160):
        due = T + 1 + n * 0.05
        down = T + 3 <= due < T + 5
        write = None if mode == "read" else Write.FAILED if down else Write.ACKED
        found.append(
            Attempt(n, due, due, due + 0.01, Outcome.REFUSED if down else Outcome.OK, "" if down else "n1", "", write)
        )
    return found


def service(name, mode, **more):
    return {
        "name": name,
        "probe": "postgresql",
        "mode": mode,
        "target": "postgresql://n1,n2/postgres",
        "every": 0.05,
        "timeout": 0.5,
        "interruption": None,
        "file": f"attempts/{REHEARSAL}.1.{name}.jsonl",
        **more,
    }


def happened(
    run="r-2026w47-01", *, wall=1_700_000_000.0, cluster="demo/orders", kind="lab", outcome="passed", host="h"
):
    """One rehearsal: a switchover, two services watched, redundancy back after 6 s.

    Args:
        run: its name.
        wall: when it began, in Unix seconds.
        cluster: on which one.
        kind: lab or production.
        outcome: passed, failed or unknown.
        host: the machine.
    """
    mine = {"rehearsal": REHEARSAL}
    return [
        e.RunStarted(
            t=T, run=run, version=version("pytest-harehearse"), wall=wall, argv=ARGV, python="3.11.7", host=host,
            store="/a b/store",
        ),
        e.ClusterOpened(
            t=T + 0.1, cluster=cluster, kind=kind, manager="patroni", provider="embedded",
            nodes=["n1", "n2", "n3"], lab_up_s=8.5, notes=["running as nobody"],
        ),
        e.RehearsalStarted(
            t=T + 0.5, nodeid=f"scenarios/test_a.py::test_switchover[{cluster}]", title="Switchover",
            cluster=cluster, kind="" if kind == "lab" else kind, limits={"interruption": 5.0, "lost_writes": 0.0, "redundancy": 30.0}, **mine,
        ),
        e.RoleSeen(t=T + 0.6, node="n1", role="primary", after=T + 0.6, **mine),
        e.RoleSeen(t=T + 0.6, node="n2", role="replica", after=T + 0.6, **mine),
        e.MeterStarted(t=T + 1, meter="r-1.1.1", services=[service("write", "write"), service("read", "read")], **mine),
        e.ActionStarted(t=T + 2.9, action="r-1.1#1", name="switchover", target="n2", detail="POST", **mine),
        e.Noted(t=T + 3, text="now – jetzt", **mine),
        e.RoleSeen(t=T + 4, node="n2", role="primary", after=T + 3.75, **mine),
        e.ActionFinished(t=T + 5, action="r-1.1#1", outcome="done", detail="200", **mine),
        e.WaitStarted(t=T + 5, wait="r-1.1#2", what=REDUNDANT, within=30.0, **mine),
        e.WaitFinished(t=T + 8.9, wait="r-1.1#2", outcome="done", last_seen="all fine", **mine),
        e.MeterFinished(t=T + 9, meter="r-1.1.1", **mine),
        e.WritesAudited(
            t=T + 9.2, service="write", acked=120, failed=40, unknown=0, lost=[], unknown_present=0, duplicates=0,
            largest_hole_s=0.0, **mine,
        ),
        e.RehearsalFinished(t=T + 9.5, outcome=outcome, **mine),
        e.RunFinished(t=T + 10, exit_status=0),
    ]  # fmt: skip


def write(directory, stream, *, files=("write", "read"), end=True):
    (directory / "attempts").mkdir(parents=True, exist_ok=True)
    log = streams.EventLog(directory / "events.jsonl")
    for event in stream:
        log.write(event)
    log.close()
    for name in files:
        recorder = Recorder(directory / service(name, name)["file"], {"name": name, "every": 0.05})
        for attempt in attempts(mode=name):
            recorder.add(attempt)
        if end:
            recorder.end(T + 9)
        else:
            recorder.flush()
    return directory
