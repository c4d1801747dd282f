# SPDX-License-Identifier: MIT
"""Where the seconds went, as words and as a bar."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
import samples
from hypothesis import given
from hypothesis import strategies as st
from page import Page

from pytest_harehearse.history.phases import Attribution, Instant, Mark, Phase
from pytest_harehearse.history.summary import ClockSummary
from pytest_harehearse.report import html, markdown, seconds, strip, terminal

FAULT, BACK = samples.fenced().phases

instants = st.none() | st.tuples(st.floats(-1e6, 1e9), st.floats(0, 1e4)).map(
    lambda pair: Instant(pair[0], pair[0] - pair[1], pair[0] + pair[1])
)
words = st.text(max_size=30)
phases = st.builds(Phase, st.sampled_from([*seconds.NAMES, "odd"]) | words, instants, instants, words, words)
marks = st.builds(Mark, words, st.sampled_from([*seconds.RECORDS, "odd"]), instants.filter(bool), words)
attributions = st.builds(
    Attribution,
    words,
    st.floats(-1e6, 1e9),
    st.lists(phases, max_size=7).map(tuple),
    st.none() | words,
    st.none() | st.floats(0, 1e4),
    st.none() | st.floats(0, 1e4),
    st.just(()),
    st.lists(marks, max_size=6).map(tuple),
)


def phase(name, begin, end, error=0.0):
    """A phase between two instants, both as uncertain."""
    return Phase(name, Instant(begin, begin - error, begin + error), Instant(end, end - error, end + error))


def test_a_bar_is_golden(golden):
    """It looks as it was approved."""
    assert strip.strip(FAULT, samples.ANCHOR, "r").replace("><", ">\n<") == golden("svg")


@given(attributions)
def test_any_bar_can_be_drawn(found):
    """Whatever the phases: well-formed, no NaN or infinity, no negative size, nothing outside, words everywhere."""
    drawing = ET.fromstring(strip.strip(found, samples.ANCHOR, "r"))
    places = [m.get(key, "") for m in drawing.iter() for key in ("x", "y", "width", "height", "d")]
    assert not any(re.search("nan|inf|e[+-]", place) for place in places)
    _, _, width, height = map(float, drawing.get("viewBox").split())
    for mark in drawing.iter("rect"):
        assert float(mark.get("width")) >= 0
        if mark.get("x"):
            assert 0 <= float(mark.get("x")) <= width
            assert 0 <= float(mark.get("y")) <= height
    named = [m for m in drawing.iter() if m.get("id") and not m.tag.endswith("pattern")]
    assert len({m.get("id") for m in named}) == len(named)
    assert all(m.find("title").text for m in named)


@given(attributions)
def test_any_phases_can_be_told(found):
    """As a line and as a sentence; what has no length is unknown, never a number."""
    line = seconds.story(found, labelled=True)
    assert line.count(" ▏") >= len(found.phases)
    assert seconds.interruption(found)
    for one in found.phases:
        assert (seconds.length(one) == "unknown") is (one.length is None)


def test_a_length_has_its_error():
    """A sharp one is a number, an uncertain one has its sign, one that is all error only its bound."""
    assert seconds.length(phase("fence", 1.0, 5.0, 0.002)) == "4.00 s"
    assert seconds.length(phase("fence", 1.0, 5.0, 0.02)) == "4.00 ± 0.04 s"
    assert seconds.length(phase("fence", 1.0, 1.1, 0.1)) == "≤ 0.30 s"
    assert seconds.length(Phase("fence", None, Instant(1, 1, 1))) == "unknown"


def test_an_instant_has_its_error():
    """Counted from what was done; T₀ itself is not lost when it is uncertain."""
    assert seconds.since(Instant(1003.0, 1002.999, 1003.001), 1000.0) == "T+3.00 s"
    assert seconds.since(Instant(1003.0, 1002.5, 1003.1), 1000.0) == "T+3.00 ± 0.50 s"
    assert seconds.since(Instant(1000.0, 999.9, 1000.1), 1000.0) == "T+0.00 ± 0.10 s"


def test_the_largest_phase_is_named():
    """Of the interruption: neither what came before it nor the way back to redundancy; nothing where one is unknown."""
    assert seconds.interruption(FAULT) == "page was interrupted for 5.79 – 5.85 s, most of it: decide."
    assert seconds.interruption(BACK) == "page was interrupted for 0.18 – 0.22 s."
    assert seconds.interruption(replace(FAULT, service=None)) == "No service was interrupted."


def test_the_clocks_are_told_with_their_errors():
    """Ahead or behind, in milliseconds or seconds."""
    clocks = (ClockSummary("web1", 0.00012, 0.0009), ClockSummary("web2", -2.4, 0.001))
    assert seconds.clocks(samples.fenced(clocks=clocks)) == (
        "Clocks of the nodes against the runner's: web1 +0.1 ms ± 0.9 ms, web2 −2.40 s ± 1.0 ms."
    )
    assert seconds.clocks(samples.switchover()) == ""


@pytest.mark.parametrize("width", [60, 80, 100, 140])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_the_line_keeps_to_the_screen(width, ascii_only):
    """It is wrapped, never cut."""
    found = terminal.lines(samples.every()["fenced"], "r.html", width=width, ascii_only=ascii_only)
    assert all(len(text) <= width or "pytest " in text for text, _ in found)
    flat = " ".join(" ".join(text.split()) for text, _ in found)
    assert "detect 1.94 s" in flat
    assert "start unknown" in flat


def test_what_the_cluster_did_not_record_and_nobody_felt_is_no_line():
    """A rehearsal in which no service fell has nothing to tell on the screen; the page has its table."""
    quiet = replace(FAULT, service=None, marks=())
    run = samples.run(samples.fenced(phases=(quiet,)))
    assert not any("▏" in text for text, _ in terminal.lines(run, "r.html"))
    assert "Where the seconds went" in html.render(run)


def test_the_page_tells_every_phase_and_record():
    """With bounds, node and words; its bar is drawn for each thing that was done."""
    text = html.render(samples.every()["fenced"])
    page = Page(text)
    assert text.count('aria-label="Phases after') == 2
    assert page.faults == []
    for found in (FAULT, BACK):
        for one in found.phases:
            assert seconds.bounds(one) in page.text
            assert seconds.name(one) in page.text
        for mark in found.marks:
            assert mark.text in page.text
    assert "First answer of page T+5.82 ± 0.04 s, ping T+5.71 ± 0.03 s." in page.text


def test_a_page_without_room_still_has_the_table(monkeypatch):
    """The drawings go first."""
    run = samples.run(samples.fenced())
    monkeypatch.setattr(html, "PAGE_LIMIT", len(html.render(run).encode()) - 500)
    text = html.render(run)
    assert "<svg" not in text
    assert "until the lost node was fenced" in text


def test_hostile_words_of_a_node_are_text():
    """What a node wrote in its journal is never markup."""
    bad = Mark("n<b>", "vip", Instant(1003, 1003, 1003), samples.HOSTILE)
    found = replace(
        FAULT,
        label=samples.HOSTILE,
        marks=(bad,),
        phases=(*FAULT.phases[:2], Phase("fence", None, None, "<i>", samples.HOSTILE)),
    )
    run = samples.run(samples.fenced(phases=(found,)))
    text = html.render(run)
    assert "<script" not in text
    assert "<i>" not in text.replace("<i></i>", "")
    assert Page(text).faults == []
    assert "<script" not in markdown.render(run)
