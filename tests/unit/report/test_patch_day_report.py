# SPDX-License-Identifier: MIT
"""What a report says of a patch day: computed from any prefix of its events, and compared only as far as the bounds tell."""

from __future__ import annotations

import dataclasses

import pytest
import samples
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.events import GateReached, PlaybookFixed, StepFinished, StepStarted
from pytest_harehearse.history.patch_day import IN_PLACE, STANDBY_FIRST, patch_days
from pytest_harehearse.rehearsal.patching import steps
from pytest_harehearse.rehearsal.patching.patches import reboot
from pytest_harehearse.report import patch_day

STEPS = steps.standby_first(reboot(), "n1", ["n2", "n3"], drains=True, prove=True, switchback=True)


def stream(found=STEPS, *, verdicts=None, resumes=""):
    """The events of a workflow that goes through: each step takes a second, gates are decided in the middle of theirs."""
    plain = [dataclasses.asdict(step) for step in found]
    events = [
        PlaybookFixed(
            t=0.0, rehearsal="r", fingerprint="f", patch="reboot", original="n1", steps=plain, resumes=resumes
        )
    ]
    for number, step in enumerate(found):
        events.append(
            StepStarted(t=number, rehearsal="r", step=f"r/{number}", name=step.name, title=step.title, node=step.node)
        )
        if step.gate:
            verdict = (verdicts or {}).get(step.gate, ("GO", True))
            row = {"name": "member", "node": "n2", "ok": verdict[1], "detail": "d"}
            events.append(
                GateReached(t=number + 0.5, rehearsal="r", gate=step.gate, verdict=verdict[0], evidence=[row])
            )
        events.append(StepFinished(t=number + 1, rehearsal="r", step=f"r/{number}", outcome="done"))
    return events


def at(step_id):
    return float([step.id for step in STEPS].index(step_id))


def test_a_patch_day_that_went_through():
    """Side by side from the first patch until the last look; the cheap way back until the original is patched."""
    (found,) = patch_days(stream(), 99.0)
    assert (found.way, found.went_through, [gate.verdict for gate in found.gates]) == (STANDBY_FIRST, True, ["GO"] * 3)
    assert (found.mixed_start, found.mixed_end) == (at("patch n2"), at("validate n1") + 1)
    assert found.cheap_until == at("patch n1")
    assert patch_day.back(found, 0.0) == [
        f"Two versions were side by side for {found.mixed_end - found.mixed_start:.2f} s.",
        f"The cheap way back existed until gate B (T+{found.cheap_until:.2f} s): n1 was not patched.",
    ]


def test_a_red_gate_has_its_way_back():
    """From the verdict until the end of the gate's step."""
    events = stream(verdicts={"B": ("NO-GO", False)})
    last = next(n for n, x in enumerate(events) if isinstance(x, GateReached) and x.gate == "B")
    (found,) = patch_days(events[: last + 2], 99.0)
    assert found.gates[-1].way_back == 0.5
    assert patch_day.gate_line(found.gates[-1]) == (
        "gate B: NO-GO, 1 check; member of n2: d; after 500 ms the way back was taken"
    )
    assert patch_day.back(found, 0.0) == [
        f"Two versions are side by side since T+{found.mixed_start:.2f} s.",
        "The cheap way back still exists: n1 is not patched.",
    ]


def test_who_stops_takes_no_way_back():
    """Nothing was undone, so no time is told."""
    events = [
        dataclasses.replace(event, verdict="UNKNOWN", evidence=[{"name": "whoever decides", "ok": None, "detail": "stop here"}])
        if isinstance(event, GateReached) and event.gate == "A" else event
        for event in stream()
    ]  # fmt: skip
    assert patch_day.gate_line(patch_days(events, 99.0)[0].gates[0]) == (
        "gate A: UNKNOWN, 1 check; whoever decides: stop here"
    )


def test_in_place_has_no_cheap_way_back():
    """And no two versions in a workflow of one node."""
    (found,) = patch_days(stream(steps.in_place(reboot(), "n1")), 99.0)
    assert (found.way, found.mixed_start) == (IN_PLACE, None)
    assert patch_day.back(found, 0.0) == ["There was no cheap way back: the service went down with its node."]


@given(st.integers(0, len(stream())), st.sampled_from(["", "r-0"]))
def test_any_prefix_is_a_patch_day(count, resumes):
    """A run that was killed anywhere is told as far as it came: in order, nothing ends that has no end, no gate is invented."""
    events = stream(resumes=resumes)[:count]
    found = patch_days(events, 1000.0)
    assert len(found) == (1 if count else 0)
    for day in found:
        assert [step.title for step in day.steps] == [x.title for x in events if isinstance(x, StepStarted)]
        assert [gate.gate for gate in day.gates] == [x.gate for x in events if isinstance(x, GateReached)]
        assert sum(step.outcome == "unfinished" for step in day.steps) <= 1
        assert all((step.end is None) is (step.outcome == "unfinished") for step in day.steps)
        assert day.mixed_end is None or day.mixed_start is not None
        assert day.cheap_until is None or "GO" in {gate.verdict for gate in day.gates if gate.gate == "B"}
        assert all(isinstance(line, str) for line in patch_day.back(day, 0.0))


@pytest.mark.parametrize(
    ("first", "in_place", "said"),
    [
        ((2.0, 2.5), (6.0, 7.0), "in place 2.4 to 3.5 times as long"),
        ((0.0, 0.1), (6.0, 7.0), "in place at least 60.0 times as long"),
        ((1.0, 2.0), (6.0, None), "in place at least 3.0 times as long"),
        ((1.0, None), (6.0, 7.0), "unknown: it was not seen for how long standby first interrupted it"),
        (None, (6.0, 7.0), "unknown"),
        ((1.0, 2.0), None, "unknown"),
        ((0.0, 0.0), (6.0, 7.0), "standby first did not interrupt it"),
        ((0.0, 0.0), (0.0, 0.0), "neither interrupted it"),
    ],
)
def test_the_ratio_in_words(first, in_place, said):
    """Only as much as the bounds prove."""
    assert patch_day.ratio(first, in_place) == said


bound = st.floats(0.001, 1e4)


@given(bound, bound, bound, bound)
def test_the_true_ratio_lies_within(a, b, c, d):
    """Whatever the true lengths are within their bounds, the ratio told holds for them."""
    (low, high), (lower, upper) = sorted((a, b)), sorted((c, d))
    words = patch_day.ratio((low, high), (lower, upper)).split()
    assert float(words[2]) <= lower / high + 1e-9
    assert float(words[4]) >= upper / low - 1e-9


def test_only_the_same_patch_is_compared():
    """The last of each way that went through, on one cluster; a soak's own watch is not taken for the whole."""
    (write, read) = patch_day.side_by_side(samples.patched())
    assert (write.service, write.first, write.in_place) == (
        "sql write", "2.38 – 2.44 s in 1 interruption", "6.20 – 6.50 s in 1 interruption",
    )  # fmt: skip
    assert write.ratio == "in place 2.5 to 2.8 times as long"
    assert read.ratio == "standby first did not interrupt it"
    other = samples.switchover(patch_days=(samples.patch_day(IN_PLACE, words="packages openssl"),))
    assert patch_day.side_by_side(samples.run(samples.patched().rehearsals[0], other)) == []
