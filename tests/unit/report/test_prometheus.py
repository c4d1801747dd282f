# SPDX-License-Identifier: MIT
"""The export to Prometheus, read back by Prometheus' own client."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from pytest_harehearse.history.index.measured import Measured, ServiceMeasured
from pytest_harehearse.report import prometheus
from pytest_harehearse.report.wording import plain

AT = datetime(2026, 11, 16, 3, 17, tzinfo=UTC)


def service(name="page", **changes):
    """A service that was interrupted for 2.4 s."""
    facts = {"valid": True, "lower": 2.38, "upper": 2.44, "outages": 1, "mode": "read"} | changes
    return ServiceMeasured(name, "http", session="new", **facts)


def measured(**changes):
    """A rehearsal that passed."""
    facts = {
        "run": "r-1", "rehearsal": "a", "nodeid": "t.py::t[lab/web]", "scenario": "t.py::t", "cluster": "lab/web", "kind": "lab",
        "at": AT, "verdict": "passed", "reason": None, "duration": 12.5, "services": (service(),),
    } | changes  # fmt: skip
    return Measured(**facts)


def read(text):
    """Return each sample by its name and labels."""
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.type == "gauge"
        assert family.documentation == prometheus.FAMILIES[family.name]
        for sample in family.samples:
            key = (sample.name, *sorted(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def value(text, name, **labels):
    return read(text)[(f"harehearse_{name}", *sorted(labels.items()))]


WEB = {"cluster": "lab/web", "scenario": "t.py::t"}


def test_as_it_is_written(golden):
    """The whole text, with a service that was not measured, one still down, and each answer of a gate."""
    services = (
        service(), service("api", upper=None), service("db", valid=False, mode="write"),
        service("shop", mode="write", lost=0),
    )  # fmt: skip
    gates = {"production/web": "NO-GO", "lab/web": "GO", "production/db": "UNKNOWN"}
    assert golden("prom") == prometheus.render([measured(services=services)], gates)


def test_the_last_rehearsal_counts():
    """Whatever the order they come in."""
    old = measured(verdict="failed", services=(service(upper=9.0),))
    new = measured(at=AT + timedelta(days=7))
    for both in ([old, new], [new, old]):
        text = prometheus.render(both)
        assert value(text, "rehearsal_passed", **WEB) == 1
        assert value(text, "last_rehearsal_timestamp_seconds", **WEB) == new.at.timestamp()
        assert value(text, "interruption_upper_seconds", service="page", **WEB) == 2.44


@pytest.mark.parametrize(("verdict", "number"), [("passed", 1), ("failed", 0), ("unknown", None), ("unfinished", None)])
def test_a_verdict_is_one_nought_or_not_known(verdict, number):
    """Unknown is no 0, which would be a failure, and no 1."""
    got = value(prometheus.render([measured(verdict=verdict)]), "rehearsal_passed", **WEB)
    assert math.isnan(got) if number is None else got == number


@pytest.mark.parametrize(("answer", "number"), [("GO", 1), ("NO-GO", 0), ("UNKNOWN", None), ("whatever", None)])
def test_a_gate_is_one_nought_or_not_known(answer, number):
    """What is no answer is not known either."""
    got = value(prometheus.render([], {"production/web": answer}), "gate_go", cluster="production/web")
    assert math.isnan(got) if number is None else got == number


def test_what_was_not_measured_is_never_zero():
    """NaN for unsound, +Inf for still down, NaN for writes that nobody looked up."""
    services = (service("a", valid=False, lower=0.0, upper=0.0), service("b", upper=None), service("c", mode="write"))
    text = prometheus.render([measured(services=services)])
    assert math.isnan(value(text, "interruption_upper_seconds", service="a", **WEB))
    assert math.isnan(value(text, "interruption_lower_seconds", service="a", **WEB))
    assert value(text, "interruption_upper_seconds", service="b", **WEB) == math.inf
    assert math.isnan(value(text, "lost_writes", service="c", **WEB))


def test_two_watches_of_a_service_are_one_sample_the_worst():
    """The same labels twice would make the collector refuse the file."""
    text = prometheus.render([measured(services=(service(upper=1.0), service(upper=3.0)))])
    assert value(text, "interruption_upper_seconds", service="page", **WEB) == 3.0
    text = prometheus.render([measured(services=(service(), service(valid=False)))])
    assert math.isnan(value(text, "interruption_upper_seconds", service="page", **WEB))


def test_nothing_rehearsed_is_an_empty_text():
    """No family without a sample."""
    assert not prometheus.render([])


words = st.text(st.one_of(st.characters(), st.sampled_from('\\"\n\t{},= \u202e\ud800')), max_size=12)


@given(words, words, words)
def test_hostile_names_are_read_back_as_they_are_shown(cluster, scenario, name):
    """Whatever a name holds, it is one label's value, in UTF-8."""
    text = prometheus.render([measured(cluster=cluster, scenario=scenario, services=(service(name),))], {cluster: "GO"})
    labels = {"cluster": plain(cluster), "scenario": plain(scenario)}
    assert value(text.encode().decode(), "interruption_upper_seconds", service=plain(name), **labels) == 2.44
    assert value(text, "gate_go", cluster=plain(cluster)) == 1


def test_it_is_written_whole_or_not_at_all(tmp_path):
    """The collector never reads half of it, and no file of another name that it would read is left."""
    target = tmp_path / "harehearse.prom"
    prometheus.write(target, "one 1\n")
    prometheus.write(target, "two 2\n")
    assert target.read_text() == "two 2\n"
    assert target.stat().st_mode & 0o444
    with pytest.raises(FileNotFoundError):
        prometheus.write(tmp_path / "none" / "harehearse.prom", "three 3\n")
    assert [path.name for path in tmp_path.iterdir()] == ["harehearse.prom"]
