# SPDX-License-Identifier: MIT
"""Two clusters side by side: how many times slower, never a claim of too few, and what explains it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from pytest_harehearse.history.compare import AT_LEAST, Answer, compare
from pytest_harehearse.history.index.measured import Measured, ServiceMeasured
from pytest_harehearse.report import compare as report

NAMES = ("lab/web", "production/web")
SCENARIO = "scenarios/test_x.py::test_failover_planned_switchover"


def measured(uppers, cluster="lab/web", *, phases=None, scenario=SCENARIO, valid=True, width=0.1, verdict="passed"):
    return [
        Measured(
            f"r-{number:02d}", "t", f"{scenario}[{cluster}]", scenario, cluster, "lab",
            datetime(2026, 11, 1, tzinfo=UTC) + timedelta(days=number), verdict, None, 30.0,
            (ServiceMeasured("page", "http", "read", "new", valid, max(0.0, (upper or 0.0) - width), upper, 1),), phases or {},
        )
        for number, upper in enumerate(uppers)
    ]  # fmt: skip


def row(path, acts_on, severity="forbidden"):
    return SimpleNamespace(
        path=path,
        acts_on=acts_on,
        severity=severity,
        values={"lab/web": "1000", "production/web": "3000"},
        reason="it lasts so long",
    )


LAB = [2.2, 2.3, 2.4, 2.3, 2.25, 2.35]
LIVE = [4.6, 5.0, 5.2, 4.9, 4.7, 5.1]
TOKEN, NICE = row("corosync-conf/totem.token", ("detect",)), row("sysctl/net.ipv4.tcp_retries2", ("answer",))


def slower():
    return compare(
        measured(LAB, phases={"detect": 1.0, "start": 0.8}), measured(LIVE, "production/web", phases={"detect": 3.4, "start": 0.9}),
        NAMES, [NICE, row("cib/constraint x", ("start",), "watch"), TOKEN],
    )  # fmt: skip


def test_slower_says_how_much():
    """In plain words, with an interval."""
    (pair,) = slower().pairs
    assert pair.answer is Answer.SLOWER
    assert pair.sentence == "production/web is 2.0 to 2.4 times slower"
    assert pair.ratio[0] < median(LIVE) / median(LAB) < pair.ratio[1]


def median(values):
    return sorted(values)[len(values) // 2]


def test_the_largest_deviation_and_what_explains_it():
    """The setting that acts on it comes first; one that acts on no phase that deviates is left out."""
    (pair,) = slower().pairs
    assert (pair.largest.name, pair.largest.deviation) == ("detect", pytest.approx(2.4))
    assert [cause.path for cause in pair.causes] == ["corosync-conf/totem.token", "cib/constraint x"]


def test_alike_is_said_so():
    """When the interval holds one."""
    (pair,) = compare(measured(LAB), measured(LAB[::-1], "production/web"), NAMES).pairs
    assert pair.answer is Answer.ALIKE
    assert pair.sentence.startswith("no difference to be seen: production/web takes 0.9")


@pytest.mark.parametrize("count", range(AT_LEAST))
def test_too_few_is_no_claim(count):
    """However different they look."""
    (*_, pair) = compare(measured(LAB), measured([50.0] * count or [None], "production/web"), NAMES).pairs
    assert pair.answer is Answer.UNKNOWN
    assert pair.sentence.startswith(f"too few rehearsals to tell: {count} of at least 5 on production/web")


def test_what_is_not_soundly_measured_is_counted_apart():
    """Neither in a median nor forgotten."""
    bad = measured([9.0, 9.0], "production/web", valid=False) + measured([None], "production/web")
    (pair,) = compare(measured(LAB), measured(LIVE[:4], "production/web") + bad, NAMES).pairs
    assert pair.other.not_known == 3
    assert pair.sentence == "too few rehearsals to tell: 4 of at least 5 on production/web, 3 more not soundly measured"


def test_nothing_felt_has_no_ratio():
    """Nought against something is told in words."""
    (pair,) = compare(measured([0.0] * 6), measured(LIVE, "production/web"), NAMES).pairs
    assert (pair.answer, pair.sentence) == (
        Answer.SLOWER,
        "production/web is interrupted, lab/web is not, most of the time",
    )
    (quiet,) = compare(measured([0.0] * 6), measured([0.0] * 6, "production/web"), NAMES).pairs
    assert quiet.answer is Answer.ALIKE


def test_a_single_failed_attempt_has_no_lower_bound():
    """At least nought seconds: a ratio to it has no end, and is none the less a claim."""
    blip = measured([0.04] * 6, width=1.0)
    (slower,) = compare(blip, measured(LIVE, "production/web"), NAMES).pairs
    assert (slower.answer, slower.sentence) == (Answer.SLOWER, "production/web is at least 113.8 times slower")
    (faster,) = compare(measured(LIVE), measured([0.04] * 6, "production/web", width=1.0), NAMES).pairs
    assert (faster.answer, faster.sentence) == (Answer.FASTER, "production/web is at least 113.8 times faster")
    (alike,) = compare(blip, measured([0.05] * 6, "production/web", width=1.0), NAMES).pairs
    assert alike.sentence == "no difference to be seen: production/web takes 40 ms less to 50 ms more than lab/web"
    assert json.loads(json.dumps(report.document(compare(blip, blip, NAMES))))["pairs"][0]["ratio"] == [0.0, None]


def test_half_of_them_felt_is_no_difference():
    """That the medians lie on both sides of nought is chance."""
    few, more = [0.0, 0.0, 0.0, 0.04, 0.04], [0.0, 0.0, 0.04, 0.04, 0.04]
    (pair,) = compare(measured(few), measured(more, "production/web"), NAMES).pairs
    assert pair.answer is Answer.ALIKE


def cut_off(count, seconds, cluster="production/web"):
    """Interruptions that were seen for so long at least, in a run that was killed."""
    return measured([seconds] * count, cluster, verdict="unfinished", width=0.0)


def test_what_was_cut_off_is_not_taken_for_short():
    """Five short ones and fifteen that lasted for a minute at least are slower, not alike."""
    (pair,) = compare(measured(LAB), measured(LAB[:5], "production/web") + cut_off(15, 60.0), NAMES).pairs
    assert (pair.answer, pair.sentence) == (Answer.SLOWER, "production/web is at least 25.0 times slower")
    assert (pair.other.not_known, len(pair.other.points)) == (15, 5)


def test_what_is_not_known_leaves_no_claim_where_it_could_change_it():
    """Half of them may have been anything."""
    unsound = measured([2.3] * 5, "production/web", valid=False)
    found = compare(measured(LAB), measured(LAB, "production/web") + unsound, NAMES)
    assert found.answer is Answer.UNKNOWN
    assert found.pairs[0].sentence == (
        "not known: not soundly measured, or still interrupted at the end, were 5 of 11 on production/web"
    )
    (one,) = compare(measured(LAB * 4), measured(LAB * 4, "production/web") + unsound[:1], NAMES).pairs
    assert one.answer is Answer.ALIKE


def test_redundancy_is_no_part_of_the_interruption():
    """It takes the longest and varies the most, and users do not feel it."""
    rows = [row("enabled/x", ("redundancy",)), TOKEN]
    (pair,) = compare(
        measured(LAB, phases={"detect": 1.0, "redundancy": 40.0}), measured(LIVE, "production/web", phases={"detect": 3.4, "redundancy": 47.0}),
        NAMES, rows,
    ).pairs  # fmt: skip
    assert pair.largest.name == "detect"
    assert [cause.path for cause in pair.causes] == ["corosync-conf/totem.token", "enabled/x"]


def test_phases_come_as_they_follow_each_other():
    """Whatever order the history keeps them in; one of another version comes last."""
    phases = dict.fromkeys(("answer", "detect", "start", "fence", "zz"), 1.0)
    (pair,) = compare(measured(LAB, phases=phases), measured(LIVE, "production/web", phases=phases), NAMES).pairs
    assert [phase.name for phase in pair.phases] == ["detect", "fence", "start", "answer", "zz"]


def test_a_claim_never_reads_as_none():
    """A small difference is told with as many digits as it takes, never as 1.0 times."""
    level = [10.0, 10.01, 10.02, 10.03, 10.04]
    (pair,) = compare(
        measured(level, width=0.01), measured([x * 1.03 for x in level], "production/web", width=0.01), NAMES
    ).pairs
    assert pair.sentence == "production/web is 1.026 to 1.034 times slower"


def test_a_scenario_of_one_side_only():
    """Is told, and makes nothing alike."""
    found = compare(measured(LAB, scenario="a::test_only_here"), [], NAMES)
    assert found.lonely == {"a::test_only_here": "lab/web"}
    assert found.answer is Answer.UNKNOWN


# -- shown -------------------------------------------------------------------------------------------------------------


def test_the_screen_is_golden(snapshot):
    """Both on one scale, the phases, the cause."""
    assert "\n".join(report.lines(slower(), "settings as of then")) == snapshot


def test_markdown_is_golden(snapshot):
    """As in a ticket."""
    assert report.markdown(slower()) == snapshot


def test_the_page_has_every_point():
    """With its run; both drawn on one scale."""
    page = report.html(slower())
    assert page.count('class="point"') == len(LAB) + len(LIVE)
    assert "the largest deviation" in page
    assert "corosync-conf/totem.token" in page
    json.dumps(report.document(slower()))


def test_what_nodes_say_is_shown_and_never_obeyed():
    """In names and values."""
    evil = "<script>alert(1)</script>\x1b[2J"
    found = compare(measured(LAB, evil), measured(LIVE, "p"), (evil, "p"), [row(evil, ("detect",))])
    page, ticket, screen = report.html(found), report.markdown(found), "\n".join(report.lines(found))
    assert "<script>alert" not in page + ticket
    assert "\x1b" not in page + ticket + screen
