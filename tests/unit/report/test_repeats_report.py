# SPDX-License-Identifier: MIT
"""What repeats come to: distribution and one-sided bound, the same in terminal, page and Markdown."""

from dataclasses import replace

import pytest
import samples
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.history.repeats import repeats
from pytest_harehearse.history.summary import Verdict
from pytest_harehearse.report import html, markdown, terminal
from pytest_harehearse.report import repeats as report


def repeated(uppers, *, verdicts=None, asked=None):
    """A run in which one switchover was repeated, with these upper bounds; None: unsound."""
    plain = samples.run(samples.switchover())
    [one] = plain.rehearsals
    [service] = [each for each in one.services if each.mode == "write"][:1]
    count = asked or len(uppers)
    found = []
    for number, upper in enumerate(uppers, 1):
        watched = replace(service, total_upper=upper, total_lower=(upper or 1.0) / 2, valid=upper is not None)
        found.append(
            replace(
                one, id=f"r{number}", nodeid=f"t.py::test_failover_x[{one.cluster}-{number}of{count}]", services=(watched,),
                verdict=(verdicts or [Verdict.PASSED] * len(uppers))[number - 1], repeat=number, repeats=count,
            )
        )  # fmt: skip
    return replace(plain, rehearsals=tuple(found))


def sentence(run):
    [(what, told)] = report.lines(run)
    assert what.endswith(" test_failover_x")
    return told.partition("; ")


def test_the_distribution_and_what_it_proves():
    passed, _, told = sentence(repeated([2.0, 2.4, 3.0, 2.2, 2.1]))
    assert passed == "5 of 5 passed"
    assert told.partition(": ")[2] == (
        "median 2.20 s, worst 3.00 s, all 2.00 s, 2.10 s, 2.20 s, 2.40 s, 3.00 s; of further ones at most 45% take longer than "
        "that worst (95 % sure)"
    )


def test_one_that_was_not_measured_to_its_end_proves_nothing_of_the_next():
    _, _, told = sentence(repeated([2.0, None, 3.0]))
    assert told.endswith("; 1 of them not measured to the end, so nothing is known of the next one")
    _, _, told = sentence(repeated([2.0, 2.5], asked=3))
    assert told.endswith("; 1 of them not measured to the end, so nothing is known of the next one")


def test_what_is_not_known_is_told():
    verdicts = [Verdict.PASSED, Verdict.UNKNOWN, Verdict.FAILED]
    passed, _, _ = sentence(repeated([2.0, 2.1, 2.2], verdicts=verdicts))
    assert passed == "1 of 3 passed, 1 not known"


def test_many_are_shortened():
    _, _, told = sentence(repeated([float(number) for number in range(1, 21)]))
    assert "all 1.00 s, 2.00 s, 3.00 s, 4.00 s, … 17.0 s, 18.0 s, 19.0 s, 20.0 s" in told or "…" in told


@given(st.lists(st.floats(0.01, 100) | st.none(), min_size=1, max_size=12))
def test_the_bound_is_told_only_when_all_were_measured(uppers):
    [one] = repeats(repeated(uppers))
    assert (one.longer is not None) == (None not in uppers)
    assert one.measured == tuple(upper for upper in uppers if upper is not None)
    if one.longer is not None:
        assert one.longer == pytest.approx(1 - 0.05 ** (1 / len(uppers)))


def test_terminal_page_and_markdown_say_it():
    run = repeated([2.0, 3.0])
    [(_, told)] = report.lines(run)
    shown = " ".join(" ".join(text for text, _ in terminal.lines(run, "report.html")).split())
    assert "repeated, each at a random phase of the cluster's timers" in shown
    assert told in shown
    assert told in markdown.render(run)
    assert told in html.render(run)


def test_a_run_without_repeats_says_nothing_of_them():
    assert report.lines(samples.run(samples.switchover())) == []
