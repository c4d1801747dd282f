# SPDX-License-Identifier: MIT
"""The summary of a run is computed from its files alone, also of a run that was killed."""

from __future__ import annotations

import dataclasses
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_harehearse import events as e
from pytest_harehearse.history.build import build
from pytest_harehearse.history.summary import ShrunkSummary, Verdict
from pytest_harehearse.probes.measurement import measure

T = 1000.0


def one(summary):
    (rehearsal,) = summary.rehearsals
    return rehearsal


def without(stream, *kinds):
    return [event for event in stream if not isinstance(event, kinds)]


def changed(stream, kind, **changes):
    return [dataclasses.replace(event, **changes) if isinstance(event, kind) else event for event in stream]


def limits(summary):
    return {limit.name: (limit.verdict, limit.lower, limit.upper) for limit in one(summary).limits}


def test_where_its_seconds_went(run_of):
    """From the stream alone: what was done, the fall, the new primary, the first answer, redundancy."""
    rehearsal = one(build(run_of()))
    (found,) = rehearsal.phases
    assert found.label == "switchover n2"
    assert [phase.name for phase in found.phases] == ["served", "start", "answer", "redundancy"]
    assert found.phases[1].text == "n2 is primary"
    assert (found.service, found.marks, rehearsal.clocks) == ("write", (), ())


def test_what_the_cluster_recorded_is_told_with_the_clocks(run_of, stream):
    """The last clock of each node, and each record within its error."""
    mine = {"rehearsal": "r-1.1"}
    more = [
        e.ClockMeasured(t=T + 9.3, node="n2", offset=9.0, error=1.0, **mine),
        e.ClockMeasured(t=T + 9.3, node="n2", offset=0.2, error=0.001, **mine),
        e.ClusterRecorded(t=T + 9.3, node="n2", what="fenced", at=T + 3.5, error=0.01, text="reboot of n1", **mine),
    ]
    found = one(build(run_of([*stream[:-2], *more, *stream[-2:]])))
    assert [(clock.node, clock.offset, clock.error) for clock in found.clocks] == [("n2", 0.2, 0.001)]
    (phases,) = found.phases
    fence = next(phase for phase in phases.phases if phase.name == "fence")
    assert (fence.end.at, fence.end.early, fence.end.late) == pytest.approx((T + 3.5, T + 3.49, T + 3.51))
    assert [mark.text for mark in phases.marks] == ["reboot of n1"]


def test_a_run_that_passed(run_of):
    """Who ran what, when, on which cluster, and what it came to."""
    found = build(run_of())
    assert (found.run, found.verdict, found.problems) == ("r-2026w47-01", Verdict.PASSED, ())
    assert (found.started_at, found.finished_at) == ("2023-11-14T22:13:20.000Z", "2023-11-14T22:13:30.000Z")
    assert found.duration == 10.0
    (cluster,) = found.clusters
    assert (cluster.id, cluster.nodes, cluster.lab_up_s) == ("demo/orders", ("n1", "n2", "n3"), 8.5)
    assert cluster.notes == ("running as nobody",)
    rehearsal = one(found)
    assert (rehearsal.verdict, rehearsal.reason, rehearsal.kind) == (Verdict.PASSED, None, "lab")
    assert (rehearsal.name, rehearsal.title) == ("test_switchover[demo/orders]", "Switchover")
    assert (rehearsal.start, rehearsal.end, rehearsal.t0) == (T + 0.5, T + 9.5, T + 2.9)
    assert rehearsal.notes == ("now – jetzt",)


def test_its_numbers_are_those_of_its_attempts(run_of, asked):
    """The same words measured twice give the same."""
    write, read = one(build(run_of())).services
    for service, mode in ((write, "write"), (read, "read")):
        measured = measure(asked(mode=mode), every=0.05)
        assert service.mode == mode
        assert (service.valid, service.reason) == (measured.valid, measured.reason) == (True, None)
        assert service.outages == measured.outages
        assert (service.total_lower, service.total_upper) == (measured.total_lower, measured.total_upper)
        assert (service.attempts, service.not_sent) == (160, 0)
        assert service.errors == measured.errors == {"refused": 40}
    (outage,) = write.outages
    assert 1.8 < outage.lower <= 2.0 <= outage.upper < 2.2
    assert (write.began, write.ended) == (T + 1, T + 9)
    assert sum(bucket.count for bucket in write.latency) == 120
    assert (write.writes.acked, write.writes.lost, read.writes) == (120, (), None)


def test_its_limits_are_judged_again(run_of):
    """By the upper bound; redundancy from the first action until it was back."""
    found = limits(build(run_of()))
    assert set(found) == {
        "interruption of write",
        "interruption of read",
        "acknowledged writes lost",
        "redundancy back",
    }
    assert {verdict for verdict, _, _ in found.values()} == {Verdict.PASSED}
    assert found["redundancy back"][2] == pytest.approx(6.0)


def test_its_timeline(run_of):
    """Actions, waits and roles, with the uncertainty of each change."""
    rehearsal = one(build(run_of()))
    assert [(s.kind, s.label, s.start, s.end, s.outcome, s.detail) for s in rehearsal.actions] == [
        ("switchover", "switchover n2", T + 2.9, T + 5, "done", "POST; 200"),
        ("wait", "the cluster is redundant again", T + 5, T + 8.9, "done", "all fine"),
    ]
    assert [(r.node, r.role, r.start, r.end, r.uncertainty) for r in rehearsal.roles] == [
        ("n1", "primary", T + 0.6, T + 9.5, 0.0),
        ("n2", "replica", T + 0.6, T + 4, 0.0),
        ("n2", "primary", T + 4, T + 9.5, 0.25),
    ]


def test_the_commands_that_repeat_it(run_of):
    """As they are typed into a shell, with the inventory and store of the run."""
    found = build(run_of())
    assert found.again == (
        "pytest scenarios --harehearse-store '/a b/store' --harehearse-config=/etc/harehearse.toml -k 'one or two'"
    )
    assert one(found).again == (
        "pytest 'scenarios/test_a.py::test_switchover[demo/orders]' --harehearse-cluster demo/orders "
        "--harehearse-store '/a b/store' --harehearse-config=/etc/harehearse.toml"
    )


def test_a_run_that_failed(run_of, stream):
    """The verdict is that of the rehearsal, with its reason."""
    found = build(run_of(changed(stream, e.RehearsalFinished, outcome="failed", reason="over the limit")))
    assert (found.verdict, one(found).verdict, one(found).reason) == (
        Verdict.FAILED,
        Verdict.FAILED,
        "over the limit",
    )


def test_a_run_that_was_killed_midway(run_of, stream):
    """Unfinished; what was measured until then still counts."""
    found = build(run_of(stream[:8], end=False))
    assert (found.verdict, found.finished_at) == (Verdict.UNFINISHED, None)
    assert found.duration == pytest.approx(3.0)
    rehearsal = one(found)
    assert rehearsal.verdict is Verdict.UNFINISHED
    assert rehearsal.reason == "the run ended before this rehearsal did (killed, or the machine went down)"
    (span,) = rehearsal.actions
    assert (span.end, span.outcome) == (None, "unfinished")
    write = rehearsal.services[0]
    assert (write.valid, write.reason) == (
        False,
        "the meter did not end by itself, so what came after its last attempt is unknown",
    )
    assert write.outages
    assert write.writes.problem == "the run ended before the writes were looked up"
    assert {verdict for verdict, _, _ in limits(found).values()} == {Verdict.UNKNOWN}


def test_a_run_killed_after_its_last_rehearsal(run_of, stream):
    """The rehearsal passed, the run is unfinished."""
    found = build(run_of(stream[:-1]))
    assert (found.verdict, one(found).verdict) == (Verdict.UNFINISHED, Verdict.PASSED)
    assert found.duration == pytest.approx(9.5)


def test_a_run_without_a_rehearsal_proves_nothing(run_of, stream):
    """Unknown, not passed."""
    found = build(run_of([stream[0], stream[-1]]))
    assert (found.verdict, found.rehearsals, found.clusters) == (Verdict.UNKNOWN, (), ())


def test_a_missing_attempts_file_is_a_problem(run_of):
    """It is named; the rest of the run is shown."""
    found = build(run_of(files=("read",)))
    (problem,) = found.problems
    assert problem.startswith("write of r-1.1 could not be read: ")
    assert "r-1.1.1.write.jsonl" in problem
    assert [service.name for service in one(found).services] == ["read"]
    assert limits(found)["acknowledged writes lost"][0] is Verdict.UNKNOWN


def test_a_damaged_attempts_file_is_a_problem(run_of):
    """No number comes from it."""
    directory = run_of()
    path = directory / "attempts" / "r-1.1.1.write.jsonl"
    path.write_text(path.read_text().replace('"refused"', '"refus', 1))
    (problem,) = build(directory).problems
    assert "r-1.1.1.write.jsonl:" in problem


def test_a_skipped_rehearsal_is_left_out(run_of, stream):
    """Nothing was rehearsed."""
    found = build(run_of(changed(stream, e.RehearsalFinished, outcome="skipped")))
    assert (found.rehearsals, found.verdict) == ((), Verdict.UNKNOWN)


def test_a_lost_write_breaks_its_limit(run_of, stream):
    """One is one too many."""
    found = limits(build(run_of(changed(stream, e.WritesAudited, lost=[17]))))
    assert found["acknowledged writes lost"] == (Verdict.FAILED, 1.0, 1.0)


def test_each_of_two_watches_has_its_own_audit(run_of, stream):
    """One watch within another ends first; what it found is not what the outer one lost."""
    inner = {"file": "attempts/inner.jsonl", "lost": []}
    audits = [one for one in stream if isinstance(one, e.WritesAudited)]
    at = stream.index(audits[0])
    both = [
        dataclasses.replace(audits[0], **inner),
        dataclasses.replace(audits[0], file="attempts/r-1.1.1.write.jsonl", lost=[17]),
    ]
    found = limits(build(run_of([*stream[:at], *both, *stream[at + 1 :]])))
    assert found["acknowledged writes lost"] == (Verdict.FAILED, 1.0, 1.0)


def test_redundancy_that_nobody_waited_for_is_unknown(run_of, stream):
    """It may have been back; within its limit nobody can tell."""
    found = limits(build(run_of(without(stream, e.WaitStarted, e.WaitFinished))))
    assert found["redundancy back"][0] is Verdict.UNKNOWN


def test_redundancy_that_did_not_come_back_in_time_failed(run_of, stream):
    """Waited for longer than the limit."""
    late = changed(stream, e.WaitFinished, outcome="failed")
    late = changed(late, e.RehearsalStarted, limits={"redundancy": 3.0})
    verdict, lower, upper = limits(build(run_of(late)))["redundancy back"]
    assert (verdict, upper) == (Verdict.FAILED, None)
    assert lower == pytest.approx(6.6)


def test_redundancy_without_an_action_is_unknown(run_of, stream):
    """Nothing was done that could take it away."""
    found = limits(build(run_of(without(stream, e.ActionStarted, e.ActionFinished))))
    assert found["redundancy back"] == (Verdict.UNKNOWN, None, None)


def test_a_cluster_that_was_never_opened(run_of, stream):
    """Its kind is not known."""
    assert one(build(run_of(without(stream, e.ClusterOpened)))).kind == "unknown"


def test_a_stream_without_its_beginning_is_refused(run_of, stream):
    """Its times would mean nothing."""
    with pytest.raises(ValueError, match=r"events\.jsonl does not begin with RunStarted, so its times mean nothing$"):
        build(run_of(stream[1:]))


def test_the_same_files_give_the_same_summary(run_of):
    """Every report can be rebuilt."""
    directory = run_of()
    assert build(directory) == build(directory)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_run_killed_at_any_byte_is_summarised(whole_run, tmp_path_factory, data):
    """From the first event on, whatever byte a kill stopped at, in the events and in the attempts."""
    whole = (whole_run / "events.jsonl").read_bytes()
    cut = data.draw(st.integers(whole.index(b"\n"), len(whole)))
    directory = tmp_path_factory.mktemp("cut")
    shutil.copytree(whole_run / "attempts", directory / "attempts")
    (directory / "events.jsonl").write_bytes(whole[:cut])
    for path in sorted((directory / "attempts").iterdir()):
        size = path.stat().st_size
        path.write_bytes(path.read_bytes()[: data.draw(st.integers(0, size))])
    found = build(directory)
    assert found.run == "r-2026w47-01"
    ended = b'"RunFinished"' in whole[:cut] and cut >= len(whole) - 1
    assert (found.finished_at is not None) is ended
    if not ended:
        assert found.verdict is not Verdict.PASSED
    shutil.rmtree(directory)


def test_a_run_killed_at_every_event_is_summarised(run_of, stream):
    """After each event in turn; no limit is called passed before it was measured to its end."""
    for count in range(1, len(stream)):
        directory = run_of(stream[:count], end=count > 12)
        found = build(directory)
        assert found.verdict in {Verdict.UNFINISHED, Verdict.UNKNOWN}
        if count <= 12:
            judged = [limit for rehearsal in found.rehearsals for limit in rehearsal.limits]
            assert all(limit.verdict is not Verdict.PASSED for limit in judged if limit.name != "redundancy back")
        shutil.rmtree(directory)


@pytest.mark.parametrize(
    ("writes", "verdict", "number", "evidence"),
    [
        (False, Verdict.PASSED, 0.0, "no service of this cluster is written to, so none could be lost"),
        (True, Verdict.UNKNOWN, None, "no service that writes was watched, so it is not known"),
    ],
)
def test_lost_writes_where_nothing_is_written(run_of, stream, writes, verdict, number, evidence):
    """The limit stands in the summary either way; passed only where nothing could be lost."""
    read_only = [
        dataclasses.replace(event, services=[service for service in event.services if service["mode"] == "read"])
        if isinstance(event, e.MeterStarted)
        else event
        for event in without(stream, e.WritesAudited)
    ]
    found = build(run_of(changed(read_only, e.ClusterOpened, writes=writes)))
    (limit,) = [limit for limit in one(found).limits if limit.name == "acknowledged writes lost"]
    assert (limit.verdict, limit.lower, limit.upper, limit.evidence) == (verdict, number, number, evidence)
    assert [cluster.writes for cluster in found.clusters] == [writes]


def test_a_cluster_that_was_not_described(run_of, stream):
    """Its lost writes are not known to be none."""
    found = build(run_of(without(stream, e.ClusterOpened, e.WritesAudited)))
    assert limits(found)["acknowledged writes lost"][0] is Verdict.UNKNOWN


def test_the_course_of_a_fault_and_the_invariants(run_of, stream):
    """From the stream alone: its steps, what users felt, what the cluster made of it; and what was looked at after it."""
    mine = {"rehearsal": "r-1.1"}
    fault = {"target": "n1", "fault": "stack_kill", **mine}
    more = [
        e.ActionStarted(t=T + 2.95, action="f", name="fault stack_kill", expected="no_effect", asserted=True, **fault),
        e.ActionStep(t=T + 2.96, action="f", step="armed", detail="after 60 s", **mine),
        e.ActionStep(t=T + 2.97, action="f", step="struck", **mine),
        e.ActionStep(t=T + 2.98, action="f", step="proved", **mine),
        e.ActionFinished(t=T + 2.99, action="f", outcome="done", **mine),
        e.ActionStarted(t=T + 7, action="u", name="undo stack_kill", detail="start it", **fault),
        e.ActionStep(t=T + 7.5, action="u", step="undone", **mine),
        e.ActionStep(t=T + 7.6, action="u", step="verified", **mine),
        e.ActionFinished(t=T + 7.7, action="u", outcome="done", **mine),
        e.InvariantLooked(t=T + 9.3, name="every node is in again", verdict="failed", evidence="n1 is not", **mine),
        e.RehearsalStopped(t=T + 9.3, reason="the stop file is there", **mine),
    ]
    at = next(i for i, x in enumerate(stream) if isinstance(x, e.Noted))
    rehearsal = one(build(run_of([*stream[:at], *more, *stream[at:]])))
    (found,) = rehearsal.faults
    assert [step.name for step in found.steps] == ["armed", "struck", "proved", "undone", "verified"]
    assert (found.expected, found.observed, found.agrees, found.asserted) == (
        "no_effect", "recovers_on_peer", False, True,
    )  # fmt: skip
    assert (found.outcome, found.undone, found.end, found.undo_text) == ("done", "done", T + 7.6, "start it")
    assert found.service in {"write", "read"}
    assert found.outage.lower == pytest.approx(1.94, abs=0.02)
    assert [(x.name, x.verdict) for x in rehearsal.invariants] == [("every node is in again", Verdict.FAILED)]
    assert rehearsal.stopped == "the stop file is there"


def test_a_fault_whose_run_was_killed(run_of, stream):
    """Struck and never undone: it says so, and nothing is known of its outcome beyond what was seen."""
    mine = {"rehearsal": "r-1.1"}
    cut = [x for x in stream if x.t <= T + 2.9]
    more = e.ActionStarted(
        t=T + 2.95, action="f", name="fault stack_kill", target="n1", fault="stack_kill", expected="no_effect", **mine
    )
    (found,) = one(build(run_of([*cut, more], end=False))).faults
    assert (found.outcome, found.undone, found.end, found.observed) == ("unfinished", "none", None, "unknown")
    assert found.agrees is None


def shrinking(stream, *more):
    """The stream of a rehearsal whose plan is made smaller: one further run, and what else is given."""
    at = next(number for number, event in enumerate(stream) if isinstance(event, e.RehearsalFinished)) + 1
    begun = next(event for event in stream if isinstance(event, e.RehearsalStarted))
    t = stream[at - 1].t
    further = dataclasses.replace(begun, rehearsal=f"{begun.rehearsal}-2", shrinks=begun.rehearsal, t=t)
    ended = e.RehearsalFinished(rehearsal=further.rehearsal, outcome="failed", reason="alike", t=t)
    started = e.ShrinkStarted(rehearsal=begun.rehearsal, strikes=3, most=5, t=t)
    return [
        *stream[:at],
        started,
        further,
        ended,
        *(dataclasses.replace(one, rehearsal=begun.rehearsal, t=t) for one in more),
        *stream[at:],
    ]


def test_further_runs_of_a_plan_are_no_rehearsals_of_their_own(run_of, stream):
    """They are told with the one whose plan they made smaller, and change nothing else of it."""
    finished = e.ShrinkFinished(rehearsal="", strikes=1, alike=1, passed=2, why="", test="PLAN = []")
    found = build(run_of(shrinking(stream, finished)))
    assert (found.verdict, one(found).verdict) == (Verdict.PASSED, Verdict.PASSED)
    assert one(found).shrunk == ShrunkSummary(3, 1, 1, 0, 2, 0, "", "PLAN = []")
    assert one(found).shrunk.runs == 3


def test_a_plan_that_was_not_made_smaller(run_of):
    """Says nothing of it."""
    assert one(build(run_of())).shrunk is None


def test_a_run_that_was_killed_while_a_plan_was_made_smaller(run_of, stream):
    """Says that nothing is known of a smaller one."""
    assert one(build(run_of(shrinking(stream)))).shrunk == ShrunkSummary(
        3, 3, 0, 0, 0, 0, "the run ended meanwhile", ""
    )


@pytest.mark.parametrize(("test", "said"), [("test_x[lab/web-plan2]", True), ("test_x[lab/web]", False)])
def test_a_plan_by_chance_is_repeated_with_its_seed(run_of, stream, test, said):
    """Else another week would draw another plan."""
    plan = changed(stream, e.RehearsalStarted, nodeid=f"t.py::{test}", seed="2026w48")
    assert ("--harehearse-seed 2026w48" in one(build(run_of(plan))).again) is said
