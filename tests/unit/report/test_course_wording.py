# SPDX-License-Identifier: MIT
"""The words for how a disturbance went, for two actives, and for what was not watched."""

from __future__ import annotations

import pytest
import samples

from pytest_harehearse.history.summary import DualSummary
from pytest_harehearse.probes.course import Disturbance, Ramp
from pytest_harehearse.probes.dual import Dual
from pytest_harehearse.probes.interruption import Outage
from pytest_harehearse.probes.measurement import Lag, Slow
from pytest_harehearse.report import course, markdown, terminal

FLAPPED = Disturbance(count=5, longest_lower=0.4, longest_upper=0.42, start=1002.0, end=1004.0, error_ratio=0.314)


def test_services_stand_from_the_lowest_layer_to_the_highest():
    """As one looks for a cause; those without a layer come last, in their order."""
    names = ["page", "sql", "other", "ping", "name"]
    layers = ["application", "database", "", "network", "name"]
    services = [samples.service(n, layer=layer) for n, layer in zip(names, layers, strict=True)]
    assert [s.name for s in course.by_layer(services)] == ["ping", "name", "sql", "page", "other"]


def test_how_a_service_was_asked():
    """Kind, mode, session and interval."""
    assert course.how(samples.service()) == "postgresql write, every 20 ms"
    assert course.how(samples.service(session="held", mode="read")) == "postgresql read, held session, every 20 ms"


@pytest.mark.parametrize(
    ("changes", "notes"),
    [
        ({}, []),
        ({"disturbance": FLAPPED}, ["flapped 5 times, the longest at most 0.42 s; 31% of the asks in between failed"]),
        (
            {"disturbance": Disturbance(2, 0.4, None, 1, 2, 0.5)},
            ["flapped 2 times, the longest at least 0.40 s; 50% of the asks in between failed"],
        ),
        ({"disturbance": Disturbance(1, 0.4, 0.42, 1, 2, 1.0)}, []),
        ({"slow": Slow(12, 0.3, 0.4)}, ["served, but slowly: 0.30 – 0.40 s (12 answers)"]),
        ({"slow": Slow(1, 0.3, None)}, ["served, but slowly: ≥ 0.30 s (1 answer)"]),
        ({"ramp": Ramp(1.25, 5.0, 0.4, 1.0)}, ["back at 95 % of its throughput 1.25 s after the first answer"]),
        ({"ramp": Ramp(0.0, 5.0, 0.4, 1.0)}, []),
        ({"ramp": Ramp(None, 5.0, 0.4, 1.0)}, ["not back at 95 % of its throughput 5.00 s after the first answer"]),
        ({"valid": False, "reason": "no", "slow": Slow(12, 0.3, 0.4)}, []),
    ],
)
def test_notes_on_a_service(changes, notes):
    """A sentence each; none about what was not soundly measured."""
    assert course.notes(samples.service(**changes)) == notes


def test_the_lag_of_the_meter():
    """Median and 99th percentile; nothing where it is not known."""
    assert course.lag(samples.service(lag=Lag(0.0004, 0.0012, 0.3))) == (
        "sent <1 ms late (median), 1 ms at the 99th percentile"
    )
    assert course.lag(samples.service(lag=None)) == ""


SPANS = (Dual(("n1", "n2"), 1002.5, 1012.5, 9.5), Dual(("n1", "n3"), 1003.0, 1004.0, 0.0))


@pytest.mark.parametrize(
    ("dual", "sign", "text"),
    [
        (None, "?", ""),
        (DualSummary(0.0, 0.0), "✓", "Never were two nodes active at once."),
        (
            DualSummary(0.0, 0.0, problem="the runner itself stalled for 2.00 s"),
            "?",
            "Whether two nodes were active at once is unknown: the runner itself stalled for 2.00 s.",
        ),
        (
            DualSummary(9.5, 10.0, SPANS),
            "✗",
            "Two nodes were active at once (n1 and n2, n1 and n3): 9.50 – 10.00 s, from T+0.50 s on.",
        ),
    ],
)
def test_two_actives(dual, sign, text):
    """A sentence with who, how long and from when; unknown is said, too."""
    rehearsal = samples.switchover(dual=dual)
    assert (course.dual_sign(rehearsal), course.dual(rehearsal)) == (sign, text)


def test_the_terminal_always_tells_of_two_actives_and_of_what_was_not_watched():
    """Also when the rehearsal passed: nobody may miss it."""
    rehearsal = samples.switchover(dual=DualSummary(9.5, 10.0, SPANS), skipped={"ping": "no right to send"})
    lines = [text for text, _ in terminal.lines(samples.run(rehearsal), "report.html", width=120)]
    assert "      ✗ Two nodes were active at once (n1 and n2, n1 and n3): 9.50 – 10.00 s, from T+0.50 s on." in lines
    assert "      ? ping was not watched: no right to send" in lines


def test_markdown_has_the_layer_and_the_notes():
    """A ticket shows the same as the page."""
    outage = Outage(1002.31, 1004.75, 2.38, 2.44, errors={"refused": 96})
    service = samples.service(outages=(outage,), layer="database", disturbance=FLAPPED)
    text = markdown.render(samples.run(samples.switchover(services=(service,), dual=DualSummary(0.0, 0.0))))
    assert "| database | sql write | 2.38 – 2.44 s | T+0.31 s | refused 96 |" in text
    assert "- sql write: flapped 5 times, the longest at most 0.42 s; 31% of the asks in between failed" in text
    assert "- ✓ Never were two nodes active at once." in text
