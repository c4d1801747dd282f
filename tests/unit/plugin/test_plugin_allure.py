# SPDX-License-Identifier: MIT
"""Allure's own results directory: steps in their order, attachments, and a history that does not change with the run."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest

TESTS = '''
import pytest

def test_failover(cluster, probes):
    """The service moves."""
    with probes.watch():
        cluster.switchover()
        cluster.until_redundant(within="20s")

@pytest.mark.rehearsal(interruption="1ms")
def test_too_slow(cluster, probes):
    with probes.watch():
        cluster.switchover()

def test_unknown(cluster, probes):
    from pytest_harehearse import Indeterminate
    raise Indeterminate("nobody can tell")

def test_ordinary():
    pass
'''


@pytest.fixture
def results(static, monkeypatch):
    """Run the tests; return the results by the test's name."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:cacheprovider -p no:hypothesispytest -p no:syrupy")

    def run(folder):
        static.makepyfile(TESTS)
        static.runpytest_subprocess(f"--alluredir={folder}", timeout=120)
        found = [json.loads(path.read_text()) for path in (static.path / folder).glob("*-result.json")]
        return {one["name"].partition("[")[0]: one for one in found}

    return run


def test_steps_attachments_and_statuses(static, results):
    """What was done, what it came to, and what belongs to it; an ordinary test is left alone."""
    found = results("allure")
    good = found["test_failover"]
    assert [step["status"] for step in good["steps"]] == ["passed"] * len(good["steps"])
    names = [step["name"] for step in good["steps"]]
    assert names[0] == "switchover n1 → n2: move from n1 to n2"
    assert any(name.startswith("wait until ") for name in names)
    statuses = {name: one["status"] for name, one in found.items()}
    assert statuses == {
        "test_failover": "passed",
        "test_too_slow": "failed",
        "test_unknown": "broken",
        "test_ordinary": "passed",
    }
    assert {"name": "epic", "value": "lab/web"} in good["labels"]
    assert "attachments" not in found["test_ordinary"] or not found["test_ordinary"]["attachments"]

    attached = {one["name"]: static.path / "allure" / one["source"] for one in good["attachments"]}
    assert attached.keys() >= {"timeline", "events", "report"}
    drawing = ET.fromstring(attached["timeline"].read_text())
    assert drawing.tag == "{http://www.w3.org/2000/svg}svg"
    events = [json.loads(line) for line in attached["events"].read_text().splitlines()]
    assert {event["rehearsal"] for event in events} == {"test_failover-lab-web"}
    assert "The service moves" in attached["report"].read_text()


def test_the_history_does_not_change_with_the_run(results):
    """The same test has the same history, though its run has another name."""
    one, other = results("first"), results("second")
    for name in ("test_failover", "test_too_slow"):
        assert one[name]["historyId"] == other[name]["historyId"]


def test_without_allure_nothing_of_it_is_loaded(static):
    """Nor is it needed."""
    static.makepyfile(TESTS)
    static.makeconftest(
        (static.path / "conftest.py").read_text()
        + "\ndef pytest_unconfigure(config):\n    import sys\n    assert 'pytest_harehearse.report.allure' not in sys.modules\n"
    )
    result = static.runpytest_subprocess("-p", "no:allure_pytest", timeout=120)
    assert "AssertionError" not in result.stderr.str()
