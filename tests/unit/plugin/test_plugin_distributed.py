# SPDX-License-Identifier: MIT
"""Rehearsals under xdist: a cluster on one worker, one run and one report, and nothing that is silently uncounted."""

import json
import re
import xml.etree.ElementTree as ET

import pytest

CLUSTERS = ("a", "b", "c")
INVENTORY = """
[environments.lab]
kind = "lab"
provider = "lxd"
""" + "".join(
    f"""
[environments.lab.clusters.{name}]
manager = "patroni"
nodes = ["{name}1", "{name}2"]
"""
    for name in CLUSTERS
)
CONFTEST = """
import static_lab

def pytest_configure(config):
    plugin = static_lab.Plugin(0)
    plugin.pytest_configure(serve=False)
    config.add_cleanup(plugin.pytest_unconfigure)
"""
TEST = """
import os

def note(name, cluster):
    with open("ran.txt", "a") as file:
        file.write(f"{cluster.id} {name} {os.environ.get('PYTEST_XDIST_WORKER')}\\n")

def test_failover_one(cluster):
    note("one", cluster)

def test_failover_two(cluster, faults):
    with faults.stack_kill(cluster.active):
        note("two", cluster)
        if cluster.id == os.environ.get("DIES"):
            os._exit(1)

def test_failover_three(cluster):
    note("three", cluster)

def test_plain():
    pass
"""


@pytest.fixture
def project(static):
    """Three clusters in memory, in each process its own; three rehearsals and one ordinary test."""
    static.path.joinpath("harehearse.toml").write_text(INVENTORY)
    static.makeconftest(CONFTEST)
    static.makepyfile(TEST)
    return static


def ran(project):
    return [line.split() for line in (project.path / "ran.txt").read_text().splitlines()]


def verdicts(summary):
    return {one["nodeid"].rpartition("::")[2]: one["verdict"] for one in summary["rehearsals"]}


@pytest.mark.parametrize(
    ("options", "workers"),
    [
        (("-n2",), "2 workers"),
        (("-n4", "--dist=loadfile"), "3 workers"),
        (("-n1",), "1 worker"),
        (("-n3", "--dist=loadgroup"), "3 workers"),
    ],
)
def test_a_cluster_stays_on_one_worker_and_all_stands_in_one_report(project, summary, options, workers):
    result = project.runpytest_subprocess(*options)
    result.assert_outcomes(passed=10)
    assert result.ret == 0
    for name in CLUSTERS:
        mine = [line for line in ran(project) if line[0] == f"lab/{name}"]
        assert [test for _, test, _ in mine] == ["one", "two", "three"]
        assert len({worker for _, _, worker in mine}) == 1
    assert len(list((project.path / ".harehearse" / "runs").iterdir())) == 1
    found = summary()
    assert found["verdict"] == "passed"
    assert set(verdicts(found).values()) == {"passed"}
    assert len(verdicts(found)) == 9
    assert len({one["id"] for one in found["rehearsals"]}) == 9
    assert [cluster["id"] for cluster in sorted(found["clusters"], key=lambda one: one["id"])] == [
        "lab/a",
        "lab/b",
        "lab/c",
    ]
    result.stdout.fnmatch_lines(
        [
            "harehearse: clusters lab/a (lab), lab/b (lab), lab/c (lab)",
            "harehearse: store .harehearse",
            f"harehearse: 3 clusters on {workers}, the longest first",
            "run r-* · 3 clusters · 9 rehearsals · *",
        ]
    )


def test_a_worker_that_dies_leaves_nothing_uncounted(project, summary, monkeypatch):
    monkeypatch.setenv("DIES", "lab/a")
    result = project.runpytest_subprocess("-n2", "--junitxml=j.xml")
    assert result.ret == 1
    assert result.parseoutcomes() == {"passed": 8, "unknown": 2}
    found = summary()
    assert verdicts(found) == {
        **{f"test_failover_{test}[lab/{name}]": "passed" for test in ("one", "two", "three") for name in "bc"},
        "test_failover_one[lab/a]": "passed",
        "test_failover_two[lab/a]": "unknown",
        "test_failover_three[lab/a]": "unknown",
    }
    reasons = {one["nodeid"].rpartition("::")[2]: one["reason"] for one in found["rehearsals"]}
    worker = next(line[2] for line in ran(project) if line[0] == "lab/a")
    # Its timer may have been quicker than we.
    healed = rf"worker {worker} died in it; (lab/a was healed: \d+ undone|nothing of it was left on lab/a)"
    assert re.fullmatch(healed, reasons["test_failover_two[lab/a]"])
    assert reasons["test_failover_three[lab/a]"] == (
        f"not run: lab/a is not settled, for worker {worker} died in test_failover_two[lab/a] there"
    )
    assert ("lab/a", "three") not in {(cluster, test) for cluster, test, _ in ran(project)}
    cases = {case.get("name"): case for case in ET.parse(project.path / "j.xml").getroot().iter("testcase")}
    assert len(cases) == 10
    assert "died in it" in cases["test_failover_two[lab/a]"].find("error").text
    assert cases["test_failover_three[lab/a]"].find("error").text == reasons["test_failover_three[lab/a]"]
    journal = (project.path / ".harehearse" / "journal.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in journal if line]
    assert {row["open"]["id"] for row in rows if "open" in row} == {row["close"] for row in rows if "close" in row}


def test_what_waited_when_no_worker_was_left_is_counted(project, summary, monkeypatch):
    monkeypatch.setenv("DIES", "lab/a")
    result = project.runpytest_subprocess("-n1", "--max-worker-restart=0", "-k", "failover")
    assert result.ret == 1
    assert sum(result.parseoutcomes().values()) == 9
    reasons = {one["reason"] for one in summary()["rehearsals"] if one["verdict"] == "unknown"}
    assert "not run: no worker was left to run it" in reasons


def test_after_the_first_failure_pytest_itself_says_that_it_stopped(project):
    project.makepyfile(TEST + "\ndef test_failover_zero(cluster):\n    assert 0\n")
    result = project.runpytest_subprocess("-n1", "-x", "-k", "zero")
    assert result.parseoutcomes() == {"failed": 1}
    result.stdout.fnmatch_lines(["*stopping after 1 failures*"])


@pytest.mark.parametrize("mode", ["each", "worksteal"])
def test_a_mode_that_would_break_the_rule_is_refused(project, mode):
    result = project.runpytest_subprocess("-n2", f"--dist={mode}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.stderr.str().startswith(f"ERROR: --dist={mode} ")
    assert "INTERNALERROR" not in result.stdout.str()
    assert not (project.path / ".harehearse").exists()
    assert not (project.path / "ran.txt").exists()


def test_ordinary_tests_keep_the_mode_that_was_asked_for(project):
    result = project.runpytest_subprocess("-n2", "--dist=each", "-k", "plain")
    result.assert_outcomes(passed=2)
    assert "harehearse:" not in result.stdout.str()
    assert not (project.path / ".harehearse").exists()


def test_plans_come_from_the_workers(project):
    def sections(*options):
        said = project.runpytest_subprocess("--harehearse-plan", *options).stdout.str()
        shown = said.partition("the plan, nothing was touched")[2].rpartition("\n=")[0]
        masked = re.sub(r"stackkill[0-9a-f]{8}", "stackkill", shown.partition("\n")[2])
        return sorted(text for block in masked.split("\n\n") if (text := block.strip()))

    alone = sections()
    assert len(alone) == 9
    assert sections("-n2") == alone
    assert not (project.path / ".harehearse").exists()


def test_a_site_without_a_runner_is_told_and_the_others_go_on(project, summary):
    text = INVENTORY.replace("clusters.a]", 'clusters.a]\nsite = "paris"').replace(
        "clusters.b]", 'clusters.b]\nsite = "oslo"'
    )
    project.path.joinpath("harehearse.toml").write_text(text)
    result = project.runpytest_subprocess(
        "--dist=load", "--tx", "popen//env:HAREHEARSE_SITE=oslo", "--tx", "popen", "-k", "one"
    )
    assert result.ret == 1
    assert result.parseoutcomes() == {"passed": 2, "unknown": 1}
    reasons = [one["reason"] for one in summary()["rehearsals"] if one["cluster"] == "lab/a"]
    assert reasons == [
        "not run: no runner for site paris, where lab/a is. Give it one: --tx ssh=HOST//env:HAREHEARSE_SITE=paris"
    ]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        (
            "version",
            "0.0.1",
            (
                "Worker gw0 has pytest-harehearse 0.1.0, and the process that conducts it 0.0.1, so nothing was started: what one "
                "writes the other may not read. Install the same version on both."
            ),
        ),
    ],
)
def test_a_worker_that_does_not_fit_is_refused(project, key, value, said):
    project.makeconftest(
        CONFTEST
        + f"""
import pytest

@pytest.hookimpl(trylast=True, optionalhook=True)
def pytest_configure_node(node):
    node.workerinput["harehearse"][{key!r}] = {value!r}
"""
    )
    result = project.runpytest_subprocess("-n1")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.stderr.str().strip() == f"ERROR: {said}"
    assert not (project.path / ".harehearse").exists()


#: Makes every worker believe that it is on another machine, in a folder of its own.
FAR = (
    CONFTEST
    + """
import os, pytest

@pytest.hookimpl(trylast=True, optionalhook=True)
def pytest_configure_node(node):
    node.workerinput["harehearse"]["boot"] = "another"
    {more}

def pytest_cmdline_main(config):
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker:
        config.option.harehearse_store = "far-" + worker
"""
)


def the_run(project, store=".harehearse"):
    [run] = (project.path / store / "runs").iterdir()
    return run


def test_runs_of_other_machines_are_brought_into_the_one_that_is_told(project):
    """Each is whole where it was made, with its own labs and clocks; here is one run, one report, one line in the history."""
    project.makeconftest(FAR.format(more=""))
    result = project.runpytest_subprocess("-n2")
    result.assert_outcomes(passed=10)
    run = the_run(project)
    assert sorted(path.name for path in (run / "parts").iterdir()) == ["gw0", "gw1"]
    found = json.loads((run / "run.json").read_text())
    assert (found["verdict"], found["problems"]) == ("passed", [])
    assert len(found["rehearsals"]) == 9
    assert len({one["id"] for one in found["rehearsals"]}) == 9
    assert {one["cluster"] for one in found["rehearsals"]} == {f"lab/{name}" for name in CLUSTERS}
    for one in found["rehearsals"]:
        assert re.fullmatch(r"run r-\d+w\d+-01 on .*", one["runner"])
        assert one["anchor"] is not None
    # What it made there, it removed there: no worker's lab is somebody else's.
    result.stdout.fnmatch_lines(["*9 rehearsals*"])
    for worker in ("gw0", "gw1"):
        assert (the_run(project, f"far-{worker}") / "events.jsonl").read_text().count("RunFinished") == 1


def test_a_far_worker_with_another_inventory_is_refused(project):
    project.makeconftest(FAR.format(more='node.workerinput["harehearse"]["inventory"] = "of another"'))
    result = project.runpytest_subprocess("-n1")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.stderr.str().strip() == (
        f"ERROR: Worker gw0 is on another machine, and its {project.path / 'harehearse.toml'} is not the inventory that conducts it, "
        "so nothing was started: what is a lab here must be one there. Bring the same file there, by --rsyncdir, say."
    )
    assert not (project.path / ".harehearse").exists()


def test_a_far_worker_that_dies_is_told(project, monkeypatch):
    """What it wrote is there and not here; its cluster is healed from here, and the rehearsal is unknown."""
    monkeypatch.setenv("DIES", "lab/b")
    project.makeconftest(FAR.format(more=""))
    result = project.runpytest_subprocess("-n3")
    assert result.ret == 1
    found = json.loads((the_run(project) / "run.json").read_text())
    verdicts = {one["nodeid"].rpartition("::")[2]: one["verdict"] for one in found["rehearsals"]}
    assert verdicts["test_failover_two[lab/b]"] == verdicts["test_failover_three[lab/b]"] == "unknown"
    assert {verdict for name, verdict in verdicts.items() if "lab/b" not in name} == {"passed"}
    assert found["verdict"] == "unknown"


def test_a_run_that_is_too_large_to_be_sent_is_told(project):
    project.makeconftest(FAR.format(more="") + "\nfrom pytest_harehearse.distributed import far\nfar.MOST = 10\n")
    result = project.runpytest_subprocess("-n1", "-k", "one and a]")
    said = "The run of worker gw0 is not in this one: it has 0 MiB, and at most 0 are sent. It lies on "
    then = "; bring it here, and: harehearse report --merge DIR RUN RUN"
    result.stdout.fnmatch_lines([f"{said}* in */far-gw0/runs/r-*{then}"])
    assert result.ret == 1
    found = json.loads((the_run(project) / "run.json").read_text())
    [problem] = found["problems"]
    assert problem.startswith(f"gw0 cannot be read, so nothing of it is here: {said}")
    assert found["verdict"] == "unknown"


def test_the_longest_cluster_is_begun_first(project):
    project.makepyfile(
        TEST.replace(
            '    note("one", cluster)',
            '    import time\n    time.sleep({"lab/a": 0, "lab/b": 0.2, "lab/c": 0.6}[cluster.id])\n    note("one", cluster)',
        )
    )
    project.runpytest_subprocess("-n1", "-k", "one").assert_outcomes(passed=3)
    assert [cluster for cluster, _, _ in ran(project)] == ["lab/a", "lab/b", "lab/c"]
    project.runpytest_subprocess("-n1", "-k", "one").assert_outcomes(passed=3)
    assert [cluster for cluster, _, _ in ran(project)][3:] == ["lab/c", "lab/b", "lab/a"]


def test_the_report_is_written_once_and_what_a_worker_could_not_give_back_is_told(project, monkeypatch):
    # The tests themselves may be run by a worker.
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    project.makeconftest(
        CONFTEST
        + """
import os
from pytest_harehearse.rehearsal.session import Session

def pytest_harehearse_run_finished(summary, directory):
    with open("finished.txt", "a") as file:
        file.write(f"{os.environ.get('PYTEST_XDIST_WORKER')} {len(summary.rehearsals)}\\n")

close = Session.close
Session.close = lambda self, status: [*close(self, status), f"left by {os.environ['PYTEST_XDIST_WORKER']}"]
"""
    )
    result = project.runpytest_subprocess("-n2", "-k", "one")
    assert (project.path / "finished.txt").read_text() == "None 3\n"
    result.stdout.fnmatch_lines_random(["left by gw0", "left by gw1"])


def test_repeats_stay_on_the_worker_of_their_cluster(project, summary):
    project.makeconftest(CONFTEST + "\nfrom pytest_harehearse.rehearsal import phase\nphase.PERIOD_S = 0.05\n")
    project.runpytest_subprocess("-n2", "--harehearse-repeat=3", "-k", "one").assert_outcomes(passed=9)
    for name in CLUSTERS:
        assert len({worker for cluster, _, worker in ran(project) if cluster == f"lab/{name}"}) == 1
        mine = [one for one in summary()["rehearsals"] if one["cluster"] == f"lab/{name}"]
        assert [one["repeat"] for one in mine] == [1, 2, 3]


SHRUNK = """
import pytest

@pytest.mark.chance(plans=1, steps=6, faults=["stack_kill"], targets=["one"])
def test_failover_chance(cluster, faults, fault_plan):
    assert len(fault_plan) < 1
"""


def test_a_worker_makes_a_failing_plan_smaller(project, summary):
    """Its further runs are reported by nobody, and stand on its stream."""
    project.makepyfile(SHRUNK)
    result = project.runpytest_subprocess("-n2", "-k", "chance", "--harehearse-shrink=20", "--harehearse-seed=s1")
    result.assert_outcomes(failed=3)
    found = summary()["rehearsals"]
    assert [one["verdict"] for one in found] == ["failed"] * 3
    assert {one["shrunk"]["left"] for one in found} == {1}
    assert {one["shrunk"]["why"] for one in found} == {""}
