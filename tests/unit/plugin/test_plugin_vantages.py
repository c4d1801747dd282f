# SPDX-License-Identifier: MIT
"""A rehearsal whose service is asked from two places: each has its interruption, its limit and its line."""

import json
import sys

TEST = """
def test_failover_x(cluster, probes):
    with probes.watch() as seen:
        cluster.switchover()
    assert set(seen) == {"door", "door@branch"}
    assert seen["door@branch"].valid, seen["door@branch"].reason
"""


def project(static, via, more=""):
    path = static.path / "harehearse.toml"
    text = path.read_text() + f'interruption = "9s"\nvantages = ["here", "branch"]\n{more}'
    path.write_text(
        text.replace("[environments.lab.clusters.web]", f"vantages.branch = '{via}'\n[environments.lab.clusters.web]")
    )
    static.makepyfile(TEST)


def summary(static):
    [run] = (static.path / ".harehearse" / "runs").iterdir()
    return json.loads((run / "run.json").read_text()), (run / "report.md").read_text()


def test_each_place_has_its_line(static):
    project(static, f"popen//python={sys.executable}")
    result = static.runpytest("-v")
    result.assert_outcomes(passed=1)
    found, markdown = summary(static)
    [rehearsal] = found["rehearsals"]
    assert sorted(one["name"] for one in rehearsal["services"]) == ["door", "door@branch"]
    assert {limit["name"] for limit in rehearsal["limits"]} >= {"interruption of door", "interruption of door@branch"}
    assert "- door\\@branch: asked from branch; its clock is known within ± 0." in markdown
    result.stdout.fnmatch_lines(["*door@branch: * asked from branch; its clock is known within ±*"])


def test_a_place_that_cannot_be_used_makes_it_unknown_and_nothing_is_done(static):
    project(static, "popen//python=/no/such/python")
    result = static.runpytest()
    result.stdout.fnmatch_lines(["*= 1 unknown in *"])
    found, markdown = summary(static)
    [rehearsal] = found["rehearsals"]
    assert rehearsal["verdict"] == "unknown"
    assert rehearsal["actions"] == []
    why = (
        "The vantage branch cannot be used: it cannot be reached: /no/such/python is not installed here. Nothing was "
        "measured from there."
    )
    assert why in rehearsal["reason"]
    assert "/no/such/python" in markdown


def test_a_plan_reaches_no_other_place(static):
    project(static, "popen//python=/no/such/python")
    result = static.runpytest("--harehearse-plan")
    result.stdout.fnmatch_lines(["*watch      door (tcp read every *), door@branch (tcp read every *)"])
