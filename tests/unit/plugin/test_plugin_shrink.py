# SPDX-License-Identifier: MIT
"""A failing plan by chance is made smaller by further runs of its test, in a lab only."""

import json
import xml.etree.ElementTree as ET

import pytest

from pytest_harehearse.chance.drawn import Chance, drawn
from pytest_harehearse.inventory.load import load

TEST = """
import pytest

LOG = "log.txt"

def say(text):
    with open(LOG, "a") as log:
        log.write(text + "\\n")

@pytest.fixture
def table():
    say("begin")
    yield
    say("end")

@pytest.mark.chance(plans=1, steps=6, faults=["stack_kill"], targets=["n1", "n2"])
def test_failover_chance(cluster, faults, table, fault_plan):
    nodes = [strike["node"] for strike in fault_plan]
    say(" ".join(nodes))
    cluster.switchover()
    {check}

def test_failover_after(cluster):
    cluster.switchover()
"""
WANTED = Chance(plans=1, steps=6, faults=("stack_kill",), targets=("n1", "n2"))


@pytest.fixture
def shrinking(static):
    """``shrinking(check, *options)`` runs a test whose plan has four strikes, on n1 and on n2."""

    def run(check, *options):
        file = static.makepyfile(TEST.replace("{check}", check))
        cluster = load(static.path / "harehearse.toml").clusters["lab/web"]
        test = f"{file.name}::test_failover_chance"
        seeds = (f"s{number}" for number in range(500))
        plans = ((seed, drawn(cluster, WANTED, seed, test, 1)) for seed in seeds)
        seed = next(
            seed for seed, plan in plans if len(plan) == 4 and [table["node"] for table in plan].count("n2") == 1
        )
        return static.runpytest(f"--harehearse-seed={seed}", *options)

    return run


def log(static):
    return (static.path / "log.txt").read_text().splitlines()


def events(static, kind):
    [run] = (static.path / ".harehearse" / "runs").iterdir()
    found = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    return [event for event in found if event["event"] == kind]


def test_the_smallest_plan_is_shown_as_a_test(shrinking, static, summary):
    result = shrinking('assert "n2" not in nodes', "--harehearse-shrink=20")
    # The further runs are counted nowhere: what failed, failed once.
    result.assert_outcomes(failed=1, passed=1)
    said = log(static)
    assert said[1].split().count("n2") == 1
    assert len(said[1].split()) == 4
    # Each run has its fixtures anew.
    assert said[0::3] == ["begin"] * (len(said) // 3)
    assert said[2::3] == ["end"] * (len(said) // 3)
    assert "n2" in said[1::3]

    chance, after = summary()["rehearsals"]
    assert (chance["verdict"], after["verdict"]) == ("failed", "passed")
    shrunk = chance["shrunk"]
    assert (shrunk["strikes"], shrunk["left"], shrunk["why"], shrunk["otherwise"], shrunk["unknown"]) == (
        4,
        1,
        "",
        0,
        0,
    )
    assert shrunk["alike"] + shrunk["passed"] == len(said) // 3 - 1
    # A rehearsal of its own for each on the stream, ended, and said whose.
    begun = [event for event in events(static, "RehearsalStarted") if event["shrinks"]]
    assert {event["shrinks"] for event in begun} == {chance["id"]}
    assert len({event["rehearsal"] for event in begun}) == len(begun) == len(said) // 3 - 1
    ended = {event["rehearsal"] for event in events(static, "RehearsalFinished")}
    assert {event["rehearsal"] for event in begun} < ended

    told = result.stdout.str()
    assert (
        "test_failover_chance[lab/web-plan1] failed; its plan of 4 strikes is made smaller, by at most 20 further runs"
        in told
    )
    assert "harehearse: further run 1 of at most 20, with 2 strikes: " in told
    flat = " ".join(told.split())
    assert "Of the 4 strikes of its fault plan 1 is enough to fail alike; " in flat
    assert "Leave out any one more, and it did not fail alike; each part was tried once." in flat
    assert "The smallest plan that still fails. As a test, to be pasted into the file of the test that failed:" in flat
    for report in ("report.md", "report.html"):
        [run] = (static.path / ".harehearse" / "runs").iterdir()
        assert "def test_failover_chance_smallest(cluster, faults, table):" in (run / report).read_text()


def test_the_pasted_test_fails_alike(shrinking, static, summary):
    shrinking('assert "n2" not in nodes', "--harehearse-shrink=20")
    text = summary()["rehearsals"][0]["shrunk"]["test"]
    [file] = static.path.glob("test_*.py")
    file.write_text(f"{file.read_text()}\n\n{text}")
    result = static.runpytest("-k", "smallest")
    result.assert_outcomes(failed=1, deselected=2)
    assert log(static)[-2] == "n2"


def test_only_a_failure_alike_counts(shrinking, summary):
    """Another error, another line: that is another finding."""
    check = 'assert len(nodes) < 4\n    assert "n2" not in nodes'
    shrinking(check, "--harehearse-shrink=20").assert_outcomes(failed=1, passed=1)
    shrunk = summary()["rehearsals"][0]["shrunk"]
    assert (shrunk["left"], shrunk["alike"]) == (4, 0)
    assert shrunk["otherwise"] > 0
    assert shrunk["passed"] > 0


def test_what_is_unknown_is_no_failure(shrinking, summary):
    check = (
        'from pytest_harehearse.errors import Indeterminate\n    if len(nodes) < 4:\n        raise Indeterminate("nobody knows")\n'
        '    assert "n2" not in nodes'
    )
    result = shrinking(check, "--harehearse-shrink=20")
    result.assert_outcomes(failed=1, passed=1)
    shrunk = summary()["rehearsals"][0]["shrunk"]
    assert (shrunk["left"], shrunk["unknown"], shrunk["alike"]) == (4, 2, 0)
    flat = " ".join(result.stdout.str().split())
    assert "No part of its fault plan of 4 strikes was seen to fail alike; 2 further runs: 2 unknown." in flat
    assert "It may not be the smallest: 2 runs, one after the other, came to nothing known." in flat
    assert "A plan that fails, and may not be the smallest. As a test, to be pasted into" in flat


def test_no_more_runs_than_were_asked_for(shrinking, static, summary):
    shrinking('assert "n2" not in nodes', "--harehearse-shrink=1")
    assert log(static).count("begin") == 2
    assert summary()["rehearsals"][0]["shrunk"]["why"] == "the further run was used up"


def test_without_the_option_a_failing_plan_is_not_run_again(shrinking, static, summary):
    shrinking('assert "n2" not in nodes').assert_outcomes(failed=1, passed=1)
    assert log(static).count("begin") == 1
    assert summary()["rehearsals"][0]["shrunk"] is None


@pytest.mark.parametrize(
    "check", ["pass", "from pytest_harehearse.errors import Indeterminate\n    raise Indeterminate('x')"]
)
def test_what_did_not_fail_is_not_made_smaller(shrinking, static, summary, check):
    shrinking(check, "--harehearse-shrink=5")
    assert log(static).count("begin") == 1
    assert summary()["rehearsals"][0]["shrunk"] is None


def test_the_first_that_fails_ends_the_run_after_its_plan_was_made_smaller(shrinking, summary):
    shrinking('assert "n2" not in nodes', "--harehearse-shrink=20", "-x").assert_outcomes(failed=1)
    assert summary()["rehearsals"][0]["shrunk"]["left"] == 1


def test_junit_has_the_test_that_failed_and_no_further_run(shrinking, static):
    shrinking('assert "n2" not in nodes', "--harehearse-shrink=20", "--junitxml=out.xml")
    cases = list(ET.parse(static.path / "out.xml").iter("testcase"))
    assert [case.get("name") for case in cases] == [
        "test_failover_chance[lab/web-plan1]",
        "test_failover_after[lab/web]",
    ]


def test_allure_has_the_test_that_failed_and_no_further_run(shrinking, static):
    pytest.importorskip("allure_pytest")
    shrinking('assert "n2" not in nodes', "--harehearse-shrink=20", "--alluredir=allure")
    found = [json.loads(path.read_text()) for path in (static.path / "allure").glob("*-result.json")]
    assert sorted(one["status"] for one in found) == ["failed", "passed"]


@pytest.mark.parametrize("text", ["0", "101", "few", "-1"])
def test_a_number_that_is_none(shrinking, static, text):
    result = shrinking("pass", f"--harehearse-shrink={text}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.stderr.str().startswith(f"ERROR: --harehearse-shrink {text}: write a whole number from 1 to 100")
    assert not (static.path / ".harehearse").exists()


PRODUCTION = """
[environments.production]
kind = "production"
[environments.production.clusters.web]
manager = "pacemaker"
twin = "lab/web"
group = "web"
allow = ["fault"]
windows = ["Tue 01:00-03:00 UTC"]
nodes = [
  {{ name = "web1", url = "ssh://ops@127.0.0.1:{port}" }},
  {{ name = "web2", url = "ssh://ops@127.0.0.1:{port}" }},
]
"""


@pytest.mark.parametrize("armed", [[], ["--harehearse-arm=production", "--harehearse-change=CHG-1"]])
def test_never_on_a_production(static, armed):
    toml = static.path / "harehearse.toml"
    toml.write_text(toml.read_text() + PRODUCTION.format(port=1))
    static.makepyfile(TEST.replace("{check}", "pass"))
    result = static.runpytest("--harehearse-env=production", "--harehearse-shrink=5", *armed)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert (
        "--harehearse-shrink: production/web is PRODUCTION, armed or not. To make a failing plan smaller is to strike what "
        "failed again and again, which is never done there. Do it on its twin, lab/web, or leave the option out."
    ) in result.stderr.str()
    assert not (static.path / ".harehearse").exists()
