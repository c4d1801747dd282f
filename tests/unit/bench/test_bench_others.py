# SPDX-License-Identifier: MIT
"""What the other tools print is read as their users read it."""

import pytest
from tests.bench.others import blackbox, curl, fping, k6
from tests.bench.others.samples import Sample, counted, last_to_first, readings
from tests.bench.truth import Span, Truth

FPING = """[100.00000] 127.0.0.1 : [0], 64 bytes, 0.041 ms (0.041 avg, 0% loss)
[100.01018] 127.0.0.1 : [1], 64 bytes, 0.042 ms (0.059 avg, 0% loss)
[100.05000] 127.0.0.1 : [4], 64 bytes, 0.056 ms (0.052 avg, 36% loss)
[100.03050] 127.0.0.1 : [2], timed out (0.052 avg, 3% loss)
[100.05100] 127.0.0.1 : [3], timed out (0.052 avg, 6% loss)

127.0.0.1 : xmt/rcv/%loss = 79/59/25%, outage(ms) = 20, min/avg/max = 0.009/0.056/0.283
"""
K6 = """metric_name,timestamp,metric_value,check,error
http_reqs,100000000,1.000000,,
http_req_failed,100020000,1.000000,,request timeout
http_req_failed,100010000,0.000000,,
dropped_iterations,100030000,3.000000,,
"""


def test_fping_lines_give_losses_in_order_and_its_own_total():
    """A late line of a lost ping is put where it belongs, and -o's number is read."""
    samples, total = fping.parse(FPING, 5.0)
    assert [sample.good for sample in samples] == [True, True, False, True, False]
    assert samples[0].at == pytest.approx(105.0)
    assert total == 0.02


def test_fping_that_said_nothing_states_no_total():
    """Broken output is no zero."""
    assert fping.parse("fping: can't create socket\n", 0.0) == ([], None)


def test_curl_loop_is_read_in_pairs_and_a_torn_end_is_left_out():
    """000 is no answer, 503 a wrong one, and the line that was being written does not count."""
    text = "100.1\n200\n100.2\n000\n100.3\n503\n100.4\n302\n100.5\n"
    assert [sample.good for sample in curl.parse(text, 0.0)] == [True, False, False, True]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# HELP probe_success x\nprobe_duration_seconds 0.1\nprobe_success 1\n", True),
        ("probe_success 0\n", False),
        ("<html>not found</html>", None),
    ],
)
def test_a_scrape_says_up_down_or_nothing(text, expected):
    """A scrape without the metric proves nothing."""
    assert blackbox.success(text) is expected


def test_k6_failures_and_dropped_iterations_are_read():
    """What k6 could not send is told apart from what failed."""
    samples, dropped = k6.parse(K6, 0.0)
    assert [(sample.at, sample.good) for sample in samples] == [(100.01, True), (100.02, False)]
    assert dropped == 3


def test_both_ways_of_reading_an_outage():
    """Failures × period, and last good to first good."""
    samples = [Sample(n / 10, not 3 <= n < 6) for n in range(10)]
    assert counted(samples, 0.1) == pytest.approx(0.3)
    assert last_to_first(samples) == pytest.approx(0.4)
    assert last_to_first(samples[3:]) == 0.0


def test_uncertain_truths_are_left_out_of_the_comparison_too():
    """The same rule holds for all tools."""
    samples = [Sample(n / 10, not 100 <= n < 110) for n in range(200)]
    sure = Truth(0, "a", "refuse", (Span(10.0, 10.0, 11.0, 11.0),))
    unsure = Truth(1, "a", "refuse", (Span(15.0, 15.0, 16.0, 16.0),), uncertain="the server stalled")
    found = readings(samples, [unsure, sure], 0.1)
    ((truth, value),) = found["failures × period"]
    assert truth is sure
    assert value == pytest.approx(1.0)
