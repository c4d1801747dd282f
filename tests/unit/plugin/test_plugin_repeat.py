# SPDX-License-Identifier: MIT
"""--harehearse-repeat: each rehearsal N times, each at a random phase, one scenario in the history."""

import re

import pytest

from pytest_harehearse.history.index.history import History
from pytest_harehearse.rehearsal import phase

TEST = """
def test_failover_switchover(cluster, probes):
    with probes.watch(settle="0s"):
        cluster.switchover()
"""


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(phase, "PERIOD_S", 0.05)


def test_each_is_done_so_often_and_they_are_one_scenario(static, summary):
    static.makepyfile(TEST)
    result = static.runpytest("--harehearse-repeat=3", "--harehearse-seed=s1")
    result.assert_outcomes(passed=3)
    found = summary()["rehearsals"]
    assert [one["nodeid"].rpartition("::")[2] for one in found] == [
        f"test_failover_switchover[lab/web-{number}of3]" for number in (1, 2, 3)
    ]
    assert [(one["repeat"], one["repeats"]) for one in found] == [(1, 3), (2, 3), (3, 3)]
    assert all("random phase: begun 0.0" in one["notes"][0] for one in found)
    assert found[1]["again"].endswith("--harehearse-cluster lab/web --harehearse-repeat 3 --harehearse-seed s1")
    with History(static.path / ".harehearse", None) as history:
        scenarios = {one.scenario.rpartition("::")[2] for one in history.rehearsals(cluster="lab/web")}
    assert scenarios == {"test_failover_switchover"}
    result.stdout.fnmatch_lines(
        [
            "repeated, each at a random phase of the cluster's timers",
            "  lab/web test_failover_switchover: 3 of 3 passed; door: *",
        ]
    )


def test_one_of_them_is_repeated_by_its_id(static):
    file = static.makepyfile(TEST)
    result = static.runpytest(f"{file.name}::test_failover_switchover[lab/web-2of3]", "--harehearse-repeat=3")
    result.assert_outcomes(passed=1)


def test_once_is_as_without_it(static, summary):
    static.makepyfile(TEST)
    static.runpytest("--harehearse-repeat=1").assert_outcomes(passed=1)
    [one] = summary()["rehearsals"]
    assert one["nodeid"].endswith("[lab/web]")
    assert (one["repeat"], one["notes"]) == (0, [])


@pytest.mark.parametrize("number", ["0", "many"])
def test_a_wrong_number_is_refused(static, number):
    static.makepyfile(TEST)
    result = static.runpytest(f"--harehearse-repeat={number}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.stderr.str().strip() == (f"ERROR: --harehearse-repeat {number}: write a whole number from 1 to 1000")
    assert not (static.path / ".harehearse").exists()


def test_a_plan_shows_each(static):
    static.makepyfile(TEST)
    result = static.runpytest("--harehearse-repeat=2", "--harehearse-plan")
    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(
        ["*test_failover_switchover[[]lab/web-1of2[]]", "*test_failover_switchover[[]lab/web-2of2[]]"]
    )


def phases(summary, number=0):
    return [one["notes"][0] for one in summary(number)["rehearsals"]]


def test_a_run_is_replayed(static, summary):
    static.makepyfile(TEST)
    static.runpytest("--harehearse-repeat=2", "--harehearse-seed=s1").assert_outcomes(passed=2)
    static.runpytest("--harehearse-replay=latest").assert_outcomes(passed=2)
    static.runpytest("--harehearse-repeat=2", "--harehearse-seed=s2").assert_outcomes(passed=2)
    assert phases(summary, 0) == phases(summary, 1)
    assert phases(summary, 0) != phases(summary, 2)


def test_a_run_that_is_not_there_or_has_no_seed_is_not_replayed(static):
    static.makepyfile(TEST)
    result = static.runpytest("--harehearse-replay=r-2020w01-01")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.stderr.str().startswith("ERROR: ")
    static.runpytest("-k", "switchover").assert_outcomes(passed=1)
    [run] = (static.path / ".harehearse" / "runs").iterdir()
    events = run / "events.jsonl"
    events.write_text(re.sub(r'"seed": "[^"]*"', '"seed": ""', events.read_text()))
    result = static.runpytest(f"--harehearse-replay={run.name}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "has no seed, so nothing of it was drawn by chance, or an older version made it." in result.stderr.str()
