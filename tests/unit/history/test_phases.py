# SPDX-License-Identifier: MIT
"""Where the seconds went: ordered phases with honest bounds, whatever was recorded."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_harehearse import events as e
from pytest_harehearse.history.milestones import RECORDED
from pytest_harehearse.history.phases import PHASES, Felt, Instant, attributions
from pytest_harehearse.probes.interruption import Outage
from pytest_harehearse.rehearsal.recorder import REDUNDANT

T = 1000.0
END = T + 60
R = {"rehearsal": "r-1"}


def acted(name="fault power_off", target="web1", at=T, number=1):
    return e.ActionStarted(t=at, action=f"r-1#{number}", name=name, target=target, **R)


def recorded(what, at, error=0.003, node="web2", text=""):
    return e.ClusterRecorded(t=END, node=node, what=what, at=T + at, error=error, text=text or what, **R)


def redundant(begun, over=None, outcome="done", wait="r-1#w"):
    found = [e.WaitStarted(t=T + begun, wait=wait, what=REDUNDANT, within=60, **R)]
    if over is not None:
        found.append(e.WaitFinished(t=T + over, wait=wait, outcome=outcome, last_seen="", **R))
    return found


def role(node, role, at, after):
    return e.RoleSeen(t=T + at, node=node, role=role, after=T + after, **R)


def outage(start, end, slack=0.04, **more):
    return Outage(T + start, T + end, end - start - slack, end - start, **more)


def felt(*outages, service="page", ended=END):
    return Felt(service, outages, ended)


def names(found):
    return [phase.name for phase in found.phases]


def lengths(found):
    return [None if phase.length is None else round(phase.length, 2) for phase in found.phases]


POWER_OFF = [
    acted(),
    recorded("detected", 2.74, text="token lost"),
    recorded("detected", 6.34, text="membership without node 1"),
    recorded("fencing", 7.59, text="reboot of web1 asked for"),
    recorded("fenced", 7.68, text="reboot of web1 by web2"),
    recorded("starting", 7.69),
    recorded("vip", 7.76, text="web-ip announced on the network"),
    recorded("starting", 7.79),
    recorded("started", 9.96, text="start of web-nginx on web2"),
    *redundant(8.0, 11.9),
]


def test_a_power_off_is_told_phase_by_phase():
    """From the real journal of one: noticed, decided, fenced, address moved, answered, redundant again."""
    (found,) = attributions(POWER_OFF, [felt(outage(-0.01, 7.98))], END)
    assert names(found) == ["detect", "decide", "fence", "vip", "answer", "redundancy"]
    assert lengths(found) == [2.74, 4.85, 0.09, 0.08, 0.21, 3.93]
    assert found.label == "fault power_off web1"
    assert (found.service, round(found.lower, 2), round(found.upper, 2)) == ("page", 7.95, 7.99)
    assert [phase.text for phase in found.phases[:4]] == [
        "token lost",
        "reboot of web1 asked for",
        "reboot of web1 by web2",
        "web-ip announced on the network",
    ]
    assert found.phases[4].text == "before the start of web-nginx on web2 was recorded as done"
    assert len(found.marks) == 8


def test_a_service_that_went_on_for_a_while_was_still_served():
    """What was done takes a moment to be felt; those seconds are no interruption."""
    (found,) = attributions(POWER_OFF, [felt(outage(0.4, 7.98))], END)
    assert names(found)[:2] == ["served", "detect"]
    within = [phase for phase in found.phases if phase.name not in {"served", "redundancy"}]
    assert sum(phase.length for phase in within) == pytest.approx((found.lower + found.upper) / 2)


def test_a_planned_switchover_has_no_detection_and_no_fencing():
    """Asked, stopped, address moved, answered."""
    stream = [
        acted("switchover", "web2 → web1"),
        recorded("stopping", 0.55, node="web2"),
        recorded("stopped", 2.53, node="web2", text="stop of web-nginx on web2"),
        recorded("stopped", 2.60, node="web2", text="stop of web-ip on web2"),
        recorded("starting", 2.601, node="web1"),
        recorded("vip", 2.67, node="web1"),
        recorded("started", 4.84, node="web1"),
        *redundant(3.1, 3.6),
    ]
    (found,) = attributions(stream, [felt(outage(0.5, 2.87))], END)
    assert names(found) == ["served", "stop", "vip", "answer", "redundancy"]
    assert found.phases[1].text == "stop of web-ip on web2"
    assert "unknown" not in str(found)


def test_a_hand_over_whose_old_node_does_not_tell():
    """It reboots and has no records to give: the start at the new place says when the old one was done."""
    stream = [acted("reboot"), recorded("starting", 2.6, text="start of web-ip on web2 begun"), recorded("vip", 2.65)]
    (found,) = attributions(stream, [felt(outage(0.5, 2.88))], END)
    assert names(found) == ["served", "stop", "vip", "answer"]
    assert lengths(found)[2] == 0.05
    assert found.phases[1].text == "start of web-ip on web2 begun"


def test_the_stream_alone_tells_of_a_switchover():
    """A manager without records: what was done, the roles, the first answer, redundancy."""
    stream = [
        role("n1", "primary", -0.5, -0.5),
        role("n2", "replica", -0.5, -0.5),
        acted("switchover", "n1 → n2"),
        role("n1", "stopping", 0.75, 0.5),
        role("n2", "primary", 1.5, 1.25),
        role("n1", "replica", 4.0, 3.75),
        *redundant(2.5, 4.2),
    ]
    (found,) = attributions(stream, [felt(outage(0.3, 2.0))], END)
    assert names(found) == ["served", "stop", "start", "answer", "redundancy"]
    start = found.phases[2]
    assert (start.node, start.text) == ("n2", "n2 is primary")
    assert (start.lower, start.upper) == pytest.approx((0.5, 1.0))
    back = found.phases[-1].end
    assert (back.early, back.at, back.late) == (T + 3.75, T + 4.2, T + 4.2)


def test_fencing_without_an_end_is_unknown():
    """Asked for, never recorded as done: neither that phase nor the next has a length."""
    stream = [acted(), recorded("detected", 2.0), recorded("fencing", 3.0), recorded("vip", 7.0)]
    (found,) = attributions(stream, [felt(outage(-0.01, 7.5))], END)
    assert names(found) == ["detect", "decide", "fence", "vip", "answer"]
    assert [phase.length is None for phase in found.phases] == [False, False, True, True, False]
    assert found.phases[2].upper is found.phases[3].lower is None


def test_fencing_out_of_nothing_means_a_detection_nobody_recorded():
    """A node does not get fenced before it is missed."""
    (found,) = attributions([acted(), recorded("fenced", 5.0)], [felt(outage(-0.01, 7.5))], END)
    assert names(found) == ["detect", "fence", "answer"]
    assert lengths(found) == [None, None, 2.49]


def test_who_asks_for_fencing_has_noticed():
    """Then noticing and deciding are one phase."""
    stream = [acted(), recorded("fencing", 3.0), recorded("fenced", 5.0)]
    (found,) = attributions(stream, [felt(outage(-0.01, 7.5))], END)
    assert names(found) == ["detect", "fence", "answer"]
    assert lengths(found)[:2] == [3.0, 2.0]


def test_a_start_without_an_end_is_unknown():
    """It was begun, and no node recorded its end at any time."""
    stream = [acted(), recorded("detected", 2.0), recorded("starting", 3.0)]
    (found,) = attributions(stream, [felt(outage(-0.01, 7.5))], END)
    assert [(phase.name, phase.length is None) for phase in found.phases] == [
        ("detect", False),
        ("start", True),
        ("answer", True),
    ]


def test_an_interruption_without_an_end_has_no_first_answer():
    """What came before it is known all the same."""
    stream = [acted(), recorded("detected", 2.0)]
    still = Outage(T - 0.01, None, 50.0, None, open_end=True)
    (found,) = attributions(stream, [felt(still)], END)
    assert [(phase.name, phase.length is None) for phase in found.phases] == [("detect", False), ("answer", True)]
    assert (found.upper, found.answers[0].instant) == (None, None)


def test_redundancy_that_was_waited_for_in_vain_is_unknown():
    """And where nobody waited, nothing is said."""
    vain = attributions([*POWER_OFF[:-2], *redundant(8, 60, "failed")], [felt(outage(-0.01, 7.98))], END)
    none = attributions(POWER_OFF[:-2], [felt(outage(-0.01, 7.98))], END)
    assert (vain[0].phases[-1].name, vain[0].phases[-1].length) == ("redundancy", None)
    assert names(none[0])[-1] == "answer"


def test_an_undo_belongs_to_its_fault():
    """Redundancy is back after it, not when a wait before it ended."""
    stream = [*POWER_OFF, acted("undo power_off", "web1", T + 15, 2), *redundant(16, 20, wait="r-1#x")]
    (found,) = attributions(stream, [felt(outage(-0.01, 7.98))], END)
    assert found.phases[-1].end.late == T + 20


def test_two_things_done_are_told_apart():
    """Each with what followed it, up to the next."""
    stream = [
        acted("switchover", "web1 → web2", T, 1),
        recorded("vip", 1.0),
        acted("switchover", "web2 → web1", T + 20, 2),
        recorded("vip", 22.0),
    ]
    there, back = attributions(stream, [felt(outage(0.1, 1.5), outage(20.1, 22.5))], END)
    assert (there.label, back.label) == ("switchover web1 → web2", "switchover web2 → web1")
    assert [phase.end.at - T for phase in there.phases][1] == pytest.approx(1.0)
    assert [phase.end.at - T for phase in back.phases][1] == pytest.approx(22.0)
    assert (len(there.marks), len(back.marks)) == (1, 1)


def test_a_standby_that_fails_interrupts_nobody():
    """Then the phases run to redundancy."""
    stream = [acted(target="web2"), *POWER_OFF[1:5], *redundant(1.0, 20.0)]
    (found,) = attributions(stream, [felt()], END)
    assert names(found) == ["detect", "decide", "fence", "redundancy"]
    assert found.service is None


def test_each_service_has_its_first_answer():
    """The chain is that of the one down for longest."""
    services = [felt(outage(-0.01, 6.0), service="ping"), felt(outage(-0.01, 7.98)), felt(service="other")]
    (found,) = attributions(POWER_OFF, services, END)
    assert found.service == "page"
    assert {one.service: round(one.instant.late - T, 2) for one in found.answers} == {"ping": 6.0, "page": 7.98}


def test_nothing_done_has_no_phases():
    """Nor has something that nothing followed."""
    assert attributions([], [felt(outage(1, 2))], END) == ()
    assert attributions([acted()], [felt()], END) == ()


# -- whatever is recorded ----------------------------------------------------------------------------------------------

offsets = st.floats(-20, 80)
records = st.builds(
    recorded, st.sampled_from([*RECORDED, "something new"]), offsets, st.floats(0, 30), st.sampled_from(["a", "b"])
)
role_changes = st.builds(
    lambda node, word, at, ago: role(node, word, at, at - ago),
    st.sampled_from(["a", "b"]),
    st.sampled_from(["active", "standby", "primary", "unreachable", ""]),
    offsets,
    st.floats(0, 5),
)
actions = st.builds(
    acted,
    st.sampled_from(["fault power_off", "undo power_off", "switchover", "drain"]),
    st.just("a"),
    st.floats(T, END),
    st.integers(1, 9),
)
waits = st.builds(
    lambda begun, took, outcome, n: redundant(begun, None if took is None else begun + took, outcome, f"w{n}"),
    st.floats(0, 60),
    st.none() | st.floats(0, 10),
    st.sampled_from(["done", "failed", "unknown"]),
    st.integers(),
)


@st.composite
def interruptions(draw):
    start, lower, extra = draw(st.floats(-5, 60)), draw(st.floats(0, 30)), draw(st.floats(0, 3))
    kind = draw(st.sampled_from(["whole", "open start", "open end"]))
    if kind == "open end":
        return Outage(T + start, None, min(lower, max(0.0, 60 - start)), None, open_end=True)
    whole = Outage(T + start, T + start + lower + extra, lower, lower + extra)
    if kind == "open start":
        return Outage(whole.start, whole.end, lower, None, open_start=True)
    return whole


streams = st.tuples(
    st.lists(actions, max_size=4),
    st.lists(records, max_size=14),
    st.lists(role_changes, max_size=6),
    st.lists(waits, max_size=2).map(lambda found: list(itertools.chain(*found))),
).map(lambda parts: [x for part in parts for x in part])
services = st.lists(
    st.builds(
        lambda found, name: felt(*found, service=name), st.lists(interruptions(), max_size=3), st.text(max_size=3)
    ),
    max_size=3,
)


@settings(deadline=None)
@given(streams, services, st.randoms())
def test_phases_are_ordered_and_within_the_rehearsal(stream, watched, chance):
    """Whatever was recorded, in whatever order it is read, with whatever errors."""
    found = attributions(stream, watched, END)
    shuffled = list(stream)
    chance.shuffle(shuffled)
    for one in found:
        instants = [x for phase in one.phases for x in (phase.begin, phase.end) if x is not None]
        assert all(T <= x.at <= END + 100 for x in instants)
        assert all(x.early <= x.at <= x.late for x in instants)
        assert [x.at for x in instants] == sorted(x.at for x in instants)
        for phase in one.phases:
            assert phase.name in PHASES.values()
            known = phase.begin is not None and phase.end is not None
            assert (phase.length is not None) is known
            if known:
                assert 0 <= phase.lower <= phase.upper
                assert phase.lower - 1e-6 <= phase.length <= phase.upper + 1e-6
        for earlier, later in itertools.pairwise(one.phases):
            assert earlier.end is later.begin
    assert attributions(shuffled, watched, END) == found


@settings(deadline=None)
@given(streams, services)
def test_no_error_is_narrowed(stream, watched):
    """A milestone that was recorded is at least as uncertain as the record it comes from."""
    for one in attributions(stream, watched, END):
        told = [mark.instant for mark in one.marks]
        for phase in one.phases:
            if phase.end is None or not phase.node or phase.text.startswith(f"{phase.node} is "):
                continue
            assert any(x.early >= phase.end.early and x.late <= phase.end.late for x in told)
        for mark in one.marks:
            source = [
                x
                for x in stream
                if isinstance(x, e.ClusterRecorded)
                and (x.at - x.error, x.at + x.error) == (mark.instant.early, mark.instant.late)
            ]
            assert source


@settings(deadline=None)
@given(streams, interruptions())
def test_the_phases_of_an_interruption_add_up_to_it(stream, hit):
    """From its fall to the first answer, their lengths are what was measured, between its two bounds."""
    for one in attributions(stream, [felt(hit)], END):
        if one.upper is None or any(phase.length is None for phase in one.phases if phase.name != "redundancy"):
            continue
        ends = {phase.name: phase.end for phase in one.phases}
        answer = ends.get("answer")
        begin = ends.get("served") or one.phases[0].begin
        whole = Instant(answer.at - begin.at, answer.early - begin.late, answer.late - begin.early)
        assert whole.early - 1e-6 <= one.lower
        assert whole.late + 1e-6 >= one.upper
        assert whole.at <= one.upper + 1e-6
