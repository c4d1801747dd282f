# SPDX-License-Identifier: MIT
"""``harehearse gate``: its table, its contract, its exit status; a history that cannot be trusted is never GO."""

from __future__ import annotations

import dataclasses
import json
import shutil
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from tests.common.run_files import happened, write

from pytest_harehearse.cli import exits, gate, gate_hook
from pytest_harehearse.drift.snapshot import Snapshot
from pytest_harehearse.history.build import build
from pytest_harehearse.history.gate import drifted
from pytest_harehearse.history.gate import now as reading
from pytest_harehearse.history.gate.decision import Answer, Decision, Gate
from pytest_harehearse.history.index.history import FILE
from pytest_harehearse.history.rundir import write_json
from pytest_harehearse.managers.state import ClusterState, Member
from pytest_harehearse.rehearsal import reach
from pytest_harehearse.rehearsal.recovery import Recovery
from pytest_harehearse.report import gate as report

BEGAN = 1_700_000_000.0
THEN = datetime.fromtimestamp(BEGAN, UTC) + timedelta(days=4)
INVENTORY = """
[environments.demo]
kind = "lab"
provider = "embedded"
[environments.demo.clusters.orders]
manager = "patroni"
nodes = ["n1", "n2", "n3"]
windows = ["Sat 01:00-03:00 UTC"]
[environments.demo.clusters.orders.gates]
interruption = "5s"
rehearsals = 2
"""
WHOLE = ClusterState(
    (
        Member("n1", "primary", "running", 1, witness_primary=True),
        Member("n2", "replica", "running", 1, 0, streaming=True, witness_primary=False),
        Member("n3", "replica", "running", 1, 0, streaming=True, witness_primary=False),
    )
)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with two runs, whose cluster is read as it is told, at a time of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "harehearse.toml").write_text(INVENTORY)
    for number in (1, 2):
        name = f"r-2023w46-{number:02d}"
        directory = write(tmp_path / ".harehearse/runs" / name, happened(name, wall=BEGAN + number * 86400))
        write_json(build(directory), directory)

    @contextmanager
    def scene(found, cluster):
        yield cluster

    monkeypatch.setattr(reach, "scene", scene)
    monkeypatch.setattr(
        reading, "read", lambda _scene, _journal: reading.Now(("n1", "n2", "n3"), WHOLE, Recovery("demo/orders", "lab"))
    )
    monkeypatch.setattr(gate, "now", lambda: THEN)
    nodes = [Snapshot("demo/orders", name, THEN.isoformat(), {"kernel/release": "6.1"}) for name in ("n1", "n2", "n3")]
    monkeypatch.setattr(drifted, "read", lambda _scene: nodes)
    return tmp_path


def decided(harehearse, *words):
    said = harehearse("gate", "demo/orders", "--json", *words)
    found = json.loads(said.out)
    assert said.status == {"GO": exits.OK, "NO-GO": exits.NO, "UNKNOWN": exits.UNKNOWN}[found["answer"]]
    return found, {one["name"]: one for one in found["gates"]}


def test_the_help_is_golden(harehearse, snapshot):
    """Read it as a user does."""
    assert harehearse("gate", "--help").out == snapshot


def test_the_table_is_golden(harehearse, project, snapshot):
    """The answer, why, every gate with its evidence, and what would turn it to GO."""
    said = harehearse("gate", "demo/orders", "--window", "next")
    assert said.err == ""
    assert said.out == snapshot
    assert said.status == exits.NO


def test_markdown_is_golden(harehearse, project, snapshot):
    """As it stands in a ticket."""
    assert harehearse("gate", "demo/orders", "--format", "md").out == snapshot


def test_json_is_a_contract(harehearse, project):
    """Each gate with what was found, the limit, from where, how old, and the way to GO."""
    found, gates = decided(harehearse)
    assert (found["schema"], found["cluster"], found["kind"], found["answer"]) == (1, "demo/orders", "lab", "NO-GO")
    assert gates["interruption within the budget"]["answer"] == "GO"
    assert gates["the way back was rehearsed"]["answer"] == "NO-GO"
    assert gates["the way back was rehearsed"]["command"] == "pytest scenarios --harehearse-cluster demo/orders"
    assert gates["rehearsed lately and often enough"]["age"] == pytest.approx(2 * 86400, abs=60)
    assert gates["the cluster is whole"]["provenance"] == "read now"


def test_files_are_written_beside(harehearse, project):
    """The page carries the answer in its title; the ticket is the same as on standard output."""
    harehearse("gate", "demo/orders", "--html", "gate.html", "--md", "gate.md")
    assert "<title>✗ NO-GO · demo/orders · harehearse</title>" in (project / "gate.html").read_text()
    assert (project / "gate.md").read_text() == harehearse("gate", "demo/orders", "--format", "md").out


# -- a history that cannot be trusted ----------------------------------------------------------------------------------


def test_a_missing_history_is_unknown(harehearse, project):
    """Nothing was ever kept."""
    shutil.rmtree(project / ".harehearse")
    found, gates = decided(harehearse)
    assert found["answer"] == "UNKNOWN"
    assert gates["rehearsed lately and often enough"]["evidence"] == "none on demo/orders was ever kept"


def test_a_damaged_database_is_unknown(harehearse, project):
    """With the reason, and what makes it anew."""
    (project / ".harehearse" / FILE).write_text("no database, however long one looks at it " * 9)
    found, gates = decided(harehearse)
    assert found["answer"] == "UNKNOWN"
    assert "file is not a database" in gates["evidence is sound"]["evidence"]
    assert gates["evidence is sound"]["command"] == "harehearse history rebuild"


def damage(project, change):
    path = project / ".harehearse/runs/r-2023w46-02/run.json"
    path.write_text(change(path.read_text()))


@pytest.mark.parametrize("indexed", [True, False], ids=["known before", "not known before"])
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text[:-200], "damaged"),
        (lambda text: text.replace('"total_upper": ', '"total_upper": 0.1, "was": '), ""),
        (lambda text: json.dumps({**json.loads(text), "schema": 99}), "schema 99"),
    ],
    ids=["truncated", "hand-edited", "of a future schema"],
)
def test_a_damaged_run_is_never_go(harehearse, project, indexed, change, told):
    """Truncated, edited by hand or of a future schema: its evidence is unknown, with the reason."""
    edited = "what its events and attempts come to is not what its run.json says"
    if indexed:
        decided(harehearse)
        edited = "its run.json was changed after it was written"
    damage(project, change)
    _, gates = decided(harehearse)
    sound = gates["evidence is sound"]
    assert (sound["answer"], sound["value"]) == ("UNKNOWN", "1 damaged")
    assert "r-2023w46-02: " in sound["evidence"]
    assert (told or edited) in sound["evidence"]
    assert gates["rehearsed lately and often enough"]["answer"] == "UNKNOWN"


def test_a_killed_run_is_not_known(harehearse, project):
    """Until its report is written: it may have ended badly."""
    write(project / ".harehearse/runs/r-2023w46-03", happened("r-2023w46-03", wall=BEGAN + 3 * 86400), end=False)
    _, gates = decided(harehearse)
    assert "harehearse report r-2023w46-03" in gates["evidence is sound"]["evidence"]


def test_a_damaged_run_of_another_cluster_does_not_matter(harehearse, project):
    """It proves nothing for that one only."""
    name = "r-2023w46-03"
    directory = write(project / ".harehearse/runs" / name, happened(name, wall=BEGAN + 3 * 86400, cluster="lab/web"))
    (directory / "run.json").write_text("{")
    _, gates = decided(harehearse)
    assert gates["evidence is sound"]["answer"] == "GO"


def test_evidence_expires(harehearse, project, monkeypatch):
    """A month later nothing of it is GO."""
    monkeypatch.setattr(gate, "now", lambda: THEN + timedelta(days=31))
    _, gates = decided(harehearse)
    assert gates["rehearsed lately and often enough"]["answer"] == "NO-GO"
    assert gates["interruption within the budget"]["answer"] == "UNKNOWN"


# -- the cluster -------------------------------------------------------------------------------------------------------


def test_a_lab_that_is_not_up_is_not_known(harehearse, project, monkeypatch):
    """With the command."""

    @contextmanager
    def nothing(found, cluster):
        yield None

    monkeypatch.setattr(reach, "scene", nothing)
    _, gates = decided(harehearse)
    assert gates["the cluster is whole"]["answer"] == "UNKNOWN"
    assert gates["the cluster is whole"]["evidence"] == "its lab is not up; create it: harehearse lab up demo"


def test_an_unknown_cluster(harehearse, project):
    """Named, with those there are."""
    said = harehearse("gate", "demo/order")
    assert said.status == exits.USAGE
    assert (
        "There is no cluster 'demo/order' in harehearse.toml; there are demo/orders. Did you mean 'demo/orders'?"
        in said.err
    )


def test_a_window_that_is_none(harehearse, project):
    """With the ways to write one."""
    said = harehearse("gate", "demo/orders", "--window", "tomorrow")
    assert said.status == exits.USAGE
    assert "--window tomorrow: " in said.err
    assert "Or write: next, now, or a time with its zone" in said.err


# -- the project's own gates -------------------------------------------------------------------------------------------

OWN = """
from pytest_harehearse import Answer, Gate

def pytest_harehearse_gate(cluster, rehearsals):
    assert cluster.id == "demo/orders"
    return [Gate("no open incident", Answer.NO_GO, str(len(rehearsals)), "0", "INC-4711", "read now", remedy="close it")]
"""


def test_a_gate_of_the_project(harehearse, project):
    """Counts like the others; it knows the cluster and its rehearsals."""
    (project / "conftest.py").write_text(OWN)
    _, gates = decided(harehearse)
    mine = gates["no open incident"]
    assert (mine["answer"], mine["value"], mine["evidence"], mine["remedy"]) == ("NO-GO", "2", "INC-4711", "close it")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("    raise RuntimeError('the tracker is down')", "RuntimeError: the tracker is down"),
        ("    return 'GO'", "returned 'GO', which is no Gate"),
        (
            "    return Gate('x', 'GO', 1, '', '', '')",
            "'x' breaks the contract: value is 1, not a text; answer is 'GO', not an Answer",
        ),
    ],
)
def test_a_gate_that_breaks_is_not_known(harehearse, project, body, told):
    """Whatever it broke by; it is never GO."""
    head = "from pytest_harehearse import Gate\n\ndef pytest_harehearse_gate(cluster, rehearsals):\n"
    (project / "conftest.py").write_text(f"{head}{body}\n")
    _, gates = decided(harehearse)
    mine = gates["the project's own gates"]
    assert mine["answer"] == "UNKNOWN"
    assert told in mine["evidence"]


def test_a_project_that_cannot_be_loaded_is_not_known(harehearse, project):
    """With the last thing that pytest said."""
    (project / "conftest.py").write_text("import nothing_of_this_name\n")
    _, gates = decided(harehearse)
    assert "pytest could not load the project: " in gates["the project's own gates"]["evidence"]


def test_gates_that_do_not_end_are_not_known(project):
    """They are ended."""
    (project / "conftest.py").write_text(
        "import time\n\ndef pytest_harehearse_gate(cluster, rehearsals):\n    time.sleep(60)\n"
    )
    (mine,) = gate_hook.ask("demo/orders", project / "harehearse.toml", (), within=5.0)
    assert (mine.answer, mine.evidence) == (Answer.UNKNOWN, "they did not end within 5 s")


# -- hostile words -----------------------------------------------------------------------------------------------------


def test_what_nodes_say_is_shown_and_never_obeyed():
    """In the terminal, the page and the ticket."""
    evil = "<script>alert(1)</script>\x1b[31m|`rm -rf /`"
    decision = Decision(
        f"lab/{evil}", "lab", THEN, evil, (Gate(evil, Answer.NO_GO, evil, evil, evil, evil, 1.0, evil, evil),)
    )
    page, ticket, lines = report.html(decision), report.markdown(decision), report.lines(decision)
    assert "<script>alert" not in page
    assert ticket.count("<script>") == 1, "only in the block to copy from"
    assert "\x1b" not in page + ticket + "".join(lines)
    assert dataclasses.asdict(decision)["cluster"] == f"lab/{evil}"


def test_prometheus_gets_the_answer(harehearse, project):
    """With the last rehearsals; `harehearse history` writes those alone."""
    harehearse("gate", "demo/orders", "--prometheus", "gate.prom")
    text = (project / "gate.prom").read_text()
    assert 'harehearse_gate_go{cluster="demo/orders"} 0' in text
    assert (
        'harehearse_rehearsal_passed{cluster="demo/orders",scenario="scenarios/test_a.py::test_switchover"} 1' in text
    )
    harehearse("history", "show", "--prometheus", "history.prom")
    assert "harehearse_gate_go{" not in (project / "history.prom").read_text()
