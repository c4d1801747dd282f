# SPDX-License-Identifier: MIT
"""The timeline."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise

import pytest
import samples
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.history.summary import LatencyBucket, RoleSpan, Span
from pytest_harehearse.probes.interruption import Outage
from pytest_harehearse.report import svg
from pytest_harehearse.report.axis import Axis, Row, fit, text_width

instants = st.floats(-1e6, 1e9, allow_nan=False)
lengths = st.floats(0, 1e6)
words = st.text(max_size=40)
maybe_end = st.none() | instants


@st.composite
def outages(draw):
    start, lower, extra = draw(instants), draw(lengths), draw(lengths)
    if draw(st.booleans()):
        return Outage(start, start + lower + extra, lower, lower + extra, errors={draw(words): 1})
    return Outage(start, draw(st.none() | st.just(start + lower)), lower, None, open_end=True)


buckets = st.builds(LatencyBucket, instants, lengths, lengths, lengths, st.integers(0, 9))
spans = st.builds(
    Span, st.sampled_from(["switchover", "fault", "undo", "wait", "x"]), words, instants, maybe_end, words, words
)
role_spans = st.builds(RoleSpan, words, words, instants, instants, lengths)
services = st.builds(
    lambda name, valid, found, latency, began: samples.service(
        name, began=began, ended=began + 1, outages=found, valid=valid, reason="why", latency=tuple(latency)
    ),
    words,
    st.booleans(),
    st.lists(outages(), max_size=4),
    st.lists(buckets, max_size=6),
    instants,
)
rehearsals = st.builds(
    lambda start, end, actions, roles, found: samples.switchover(
        start=start, end=end, actions=tuple(actions), roles=tuple(roles), services=tuple(found)
    ),
    instants,
    instants,
    st.lists(spans, max_size=4),
    st.lists(role_spans, max_size=4),
    st.lists(services, max_size=3),
)


@given(rehearsals)
def test_timeline_of_anything_can_be_drawn(rehearsal):
    """Whatever the spans: well-formed, no NaN or infinity, no negative size, nothing outside the picture."""
    text = svg.timeline(rehearsal, samples.ANCHOR)
    drawing = ET.fromstring(text)
    places = [
        m.get(key, "") for m in drawing.iter() for key in ("x", "x1", "x2", "y", "y1", "y2", "width", "height", "d")
    ]
    assert not any(re.search("nan|inf|e[+-]", place) for place in places)
    _, _, width, height = map(float, drawing.get("viewBox").split())
    for mark in drawing.iter("rect"):
        assert float(mark.get("width")) >= 0
        assert float(mark.get("height")) >= 0
        if mark.get("x"):
            assert 0 <= float(mark.get("x")) <= width
            assert 0 <= float(mark.get("y")) <= height


@pytest.mark.parametrize("name", samples.every())
def test_timeline_marks_have_words_and_unique_ids(name):
    """Every mark with an id says what it is, and no id comes twice."""
    for rehearsal in samples.every()[name].rehearsals:
        drawing = ET.fromstring(svg.timeline(rehearsal, samples.ANCHOR))
        marks = [m for m in drawing.iter() if m.get("id") and not m.tag.endswith("pattern")]
        assert len({m.get("id") for m in marks}) == len(marks)
        assert all(m.find("title").text for m in marks)


def test_timeline_is_golden(golden):
    """The drawing looks as it was approved."""
    assert svg.timeline(samples.failed(), samples.ANCHOR).replace("><", ">\n<") == golden("svg")


@pytest.mark.parametrize("name", samples.every())
def test_timeline_texts_do_not_overlap(name):
    """No two texts on one line share a place."""
    for rehearsal in samples.every()[name].rehearsals:
        lines = {}
        for text in ET.fromstring(svg.timeline(rehearsal, samples.ANCHOR)).iter("text"):
            shown = "".join(text.itertext()) if text.find("title") is None else text.find("title").tail
            width, x = text_width(shown, 11) * 0.9, float(text.get("x"))
            left = {"start": x, "middle": x - width / 2, "end": x - width}[text.get("text-anchor", "start")]
            lines.setdefault(text.get("y"), []).append((left, left + width, shown))
        for texts in lines.values():
            texts.sort()
            for (_, end, one), (start, _, other) in pairwise(texts):
                assert end <= start, (one, other)


def test_timeline_shows_length_limit_and_zero():
    """The worst interruption, its limit and T₀ are named."""
    text = svg.timeline(samples.switchover(), samples.ANCHOR)
    assert "sql write down 2.44 s" in text
    assert "limit 5.00 s" in text
    assert 'class="t0"' in text


def test_timeline_without_room_for_the_limit_leaves_it_out():
    """A limit beyond the end of the axis is not drawn at a wrong place."""
    tight = samples.switchover(limits=(samples.limit(allowed=500.0),))
    assert 'class="limit"' not in svg.timeline(tight, samples.ANCHOR)


def test_timeline_of_an_unsound_service_draws_no_number():
    """What was not soundly measured is hatched and called unknown; no length of it is shown."""
    text = svg.timeline(samples.unknown(), samples.ANCHOR)
    assert "? UNKNOWN: the runner itself stalled" in text
    assert 'class="out' not in text
    assert 'class="band"' not in text


def test_timeline_ends_an_open_start_where_service_was_seen():
    """An interruption whose start was not seen still ends where it ended."""
    outage = Outage(1000.0, 1003.0, 2.9, None, open_start=True)
    rehearsal = samples.switchover(services=(samples.service(outages=(outage,)),))
    drawing = ET.fromstring(svg.timeline(rehearsal, samples.ANCHOR))
    band = next(m for m in drawing.iter("rect") if m.get("class") == "band")
    whole = Axis.over([1000.0, 1012.0], 1002.0, 190.0, 1006.0)
    assert float(band.get("x")) + float(band.get("width")) == pytest.approx(whole.x(1003.0), abs=0.5)


def test_timeline_draws_no_line_through_an_interruption():
    """Response times stop where nothing was answered."""
    text = svg.timeline(samples.switchover(), samples.ANCHOR)
    path = re.search(r'class="median" d="([^"]+)"', text)[1]
    assert path.count("M") == 2


def test_timeline_caps_what_nobody_could_read():
    """A thousand actions do not make a picture of a thousand rows."""
    many = tuple(Span("wait", f"w{i}", 1000.0 + i / 100, 1001.0, "done") for i in range(1000))
    text = svg.timeline(replace(samples.switchover(), actions=many), samples.ANCHOR)
    assert "and 960 more, listed below" in text


@pytest.mark.parametrize(
    ("reach", "expected"),
    [(0.02, "T+0.01 s"), (10, "T+2 s"), (100, "T+20 s"), (900, "T+10 min"), (86400, "T+12 h"), (1e7, "T+20 d")],
)
def test_ticks_use_units_people_count_in(reach, expected):
    """From milliseconds to months, a tick is a round number."""
    labels = [label for _, label in Axis.over([0.0, reach], 0.0, 0.0, 800.0).ticks()]
    assert "T₀" in labels
    assert expected in labels
    assert len(labels) <= 12


def test_fit_cuts_text_to_its_room():
    """Text is cut with an ellipsis; with no room at all, nothing is written."""
    assert fit("short", 200) == "short"
    assert fit("a very long name", 50).endswith("…")
    assert fit("long", 1) == ""


def test_row_places_text_inside_after_before_or_nowhere():
    """A label is inside its bar, else after it, else before it, else left out."""
    row = Row(0, 300)
    assert row.place(100, 200, 50) == (150, "middle")
    assert row.place(100, 110, 50) == (115, "start")
    assert row.place(106, 112, 50) == (101, "end")
    assert row.place(104, 114, 50) is None
