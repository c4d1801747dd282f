# SPDX-License-Identifier: MIT
"""``harehearse recover``: what it shows, its JSON contract, its exit status, and whom it asks first."""

from __future__ import annotations

import errno
import json
import os
import sys
from contextlib import contextmanager

import click
import pytest

from pytest_harehearse.cli import exits
from pytest_harehearse.labs.base import LabReport
from pytest_harehearse.labs.embedded.lab import EmbeddedLab
from pytest_harehearse.rehearsal import reach, recovery
from pytest_harehearse.rehearsal.recovery import Finding, Recovery
from pytest_harehearse.safety.journal import Journal

WHAT = "net_partition n1 on n1 by ann@runner, pid 7, run r-1 since 2026-11-23 09:00:12 +0000"
HANDS = "delete the table: sh /run/harehearse/f1/undo.sh"
TO_DO = Finding(WHAT, HANDS, None, "not touched: dry run")
DONE = Finding(WHAT, HANDS, done=True, detail="undone and verified")

PRODUCTION = """
[environments.prod]
kind = "production"
[environments.prod.clusters.web]
manager = "pacemaker"
nodes = [{ name = "web1", url = "ssh://root@192.0.2.1" }, { name = "web2", url = "ssh://root@192.0.2.2" }]
group = "web"
"""


class World:
    """A cluster that can be reached, and what recovering it comes to."""

    def __init__(self):
        self.findings, self.unknown, self.held, self.error = [DONE], [], None, None
        #: Whether each try was a dry run.
        self.tries = []

    def recover(self, scene, journal, *, dry_run=False):
        self.tries.append(dry_run)
        if self.error is not None:
            raise self.error
        found = [TO_DO for _ in self.findings] if dry_run else list(self.findings)
        if not dry_run:
            for entry in journal.still_open(scene.id):
                journal.close(entry, "recovered")
        return Recovery(scene.id, scene.kind, found, list(self.unknown), self.held)


@pytest.fixture
def world(monkeypatch):
    """Every cluster is reached; what is done to it is only noted."""
    made = World()

    @contextmanager
    def scene(found, cluster):
        yield cluster

    monkeypatch.setattr(reach, "scene", scene)
    monkeypatch.setattr(recovery, "recover", made.recover)
    return made


@pytest.fixture
def production(project):
    """The project, with a production beside its lab."""
    file = project / "harehearse.toml"
    file.write_text(file.read_text() + PRODUCTION)
    return project


@pytest.fixture
def terminal(monkeypatch):
    """A person at a terminal; the list holds the answers, and afterwards what was asked."""
    asked, answers = [], [True]

    def confirm(text, **options):
        asked.append((text, options))
        return answers.pop(0)

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(click, "confirm", confirm)
    return asked, answers


def opened(project, cluster="demo/orders"):
    return Journal(project / ".harehearse").open(
        run="r-1", cluster=cluster, fault="stack_kill", target="n1", undo="start n1 again"
    )


def test_what_was_undone_is_shown(harehearse, project, world):
    """What, by what it was undone, and that this was proved; the default environment needs no name."""
    said = harehearse("recover")
    assert said.status == exits.OK
    assert said.out == (f"✓ demo/orders (lab) is clean; 1 undone\n  ✓ {WHAT}\n      by {HANDS}; undone and verified\n")
    assert world.tries == [False]


def test_a_dry_run_that_finds_something_is_not_clean(harehearse, project, world):
    """What it lists is there for certain, which is a no and not an unknown; nothing is touched."""
    said = harehearse("recover", "demo/orders", "--dry-run")
    assert said.status == exits.NO
    assert said.out == (
        "✗ demo/orders (lab) is NOT clean: 1 to undo, nothing was touched\n"
        f"  · {WHAT}\n      by hand: {HANDS}; not touched: dry run\n"
    )
    assert world.tries == [True]


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_nothing_was_left(harehearse, project, world, options):
    """The same in both ways."""
    world.findings = []
    assert harehearse("recover", *options) == (exits.OK, "✓ demo/orders (lab) is clean: nothing was left\n", "")


@pytest.mark.parametrize(
    ("findings", "unknown", "status"),
    [
        ([DONE], ["n2: no route to host"], exits.UNKNOWN),
        ([Finding("x", "y")], [], exits.UNKNOWN),
        ([Finding("x", "y", done=False)], ["n2: no route to host"], exits.NO),
    ],
)
def test_the_exit_status_is_never_better_than_what_is_known(harehearse, project, world, findings, unknown, status):
    """What could not be asked or undone is neither clean nor hidden."""
    world.findings, world.unknown = findings, unknown
    said = harehearse("recover")
    assert said.status == status
    assert all(f"  ? could not be asked: {text}\n" in said.out for text in unknown)


def test_somebody_at_work_is_named(harehearse, project, world):
    """And the status says that it is not clean."""
    world.held = "run r-9 of bob@ci, pid 4, since 09:00, until 09:01"
    said = harehearse("recover")
    assert said.status == exits.NO
    assert said.out == (
        "✗ demo/orders (lab) is being rehearsed on by run r-9 of bob@ci, pid 4, since 09:00, until 09:01; "
        "nothing was touched\n"
    )


def test_json_is_one_object(harehearse, project, world):
    """What other programs rely on; nothing else on standard output."""
    world.unknown = ["n2: no route to host"]
    said = harehearse("recover", "--json")
    assert json.loads(said.out) == {
        "schema": 1,
        "clusters": [
            {
                "cluster": "demo/orders", "kind": "lab", "outcome": "unknown", "held": None, "others": [],
                "unknown": ["n2: no route to host"], "dry_run": False,
                "findings": [{"what": WHAT, "undo": HANDS, "done": True, "detail": "undone and verified"}],
            }
        ],
    }  # fmt: skip
    assert said.status == exits.UNKNOWN
    dry = json.loads(harehearse("recover", "--json", "--dry-run").out)["clusters"][0]
    assert (dry["outcome"], dry["dry_run"], dry["findings"][0]["done"]) == ("not clean", True, None)


def test_a_lab_that_is_gone_takes_its_entries_with_it(harehearse, project):
    """Told, first by a dry run that closes nothing, then closed; after that there is nothing left."""
    entry = opened(project)
    journal = Journal(project / ".harehearse")
    what = "stack_kill n1, run r-1, in this store's journal"
    assert harehearse("recover", "--dry-run") == (
        exits.NO,
        (
            "✗ demo/orders (lab) is NOT clean: 1 to undo, nothing was touched\n"
            f"  · {what}\n      by hand: start n1 again; the lab it was struck in is gone; not closed: dry run\n"
        ),
        "",
    )
    assert journal.still_open() == [entry]
    assert harehearse("recover") == (
        exits.OK,
        (
            "✓ demo/orders (lab) is clean; 1 undone\n"
            f"  ✓ {what}\n      by start n1 again; closed: the lab it was struck in is gone\n"
        ),
        "",
    )
    assert journal.still_open() == []
    assert harehearse("recover").out == "✓ demo/orders (lab) is clean: nothing was left\n"


def test_another_store_is_named(harehearse, project, tmp_path):
    """Its entries are closed, and not those of the project's own."""
    opened(project)
    other = Journal(tmp_path / "other")
    other.open(run="r-2", cluster="demo/orders", fault="stack_kill", target="n2", undo="start n2 again")
    assert harehearse("recover", "--store", tmp_path / "other").status == exits.OK
    assert other.still_open() == []
    assert len(Journal(project / ".harehearse").still_open()) == 1


def test_a_journal_that_cannot_be_read_hides_nothing(harehearse, project, world):
    """The nodes are healed all the same, and what the journal has open is not known."""
    path = project / ".harehearse" / "journal.jsonl"
    path.mkdir(parents=True)
    said = harehearse("recover")
    assert world.tries == [False]
    assert said.status == exits.UNKNOWN
    assert said.out.splitlines()[:2] == ["? demo/orders (lab) is not known to be clean", f"  ✓ {WHAT}"]
    assert said.out.splitlines()[-1] == (
        f"  ? could not be asked: The undo journal {path} cannot be read ({os.strerror(errno.EISDIR)}), so whether a fault "
        "is still open is not known. Make it readable, or name another store."
    )


def test_a_foreign_line_of_the_journal_is_told(harehearse, project, world):
    """Once it is removed by hand, as the line says, the cluster is clean."""
    opened(project)
    path = project / ".harehearse" / "journal.jsonl"
    whole = path.read_text()
    path.write_text(whole + '{"open": {"fault": "x"}}\n')
    said = harehearse("recover")
    assert said.status == exits.UNKNOWN
    assert f"  ? could not be asked: line 3 of {path} is no entry that this version can read" in said.out
    path.write_text(whole)
    assert harehearse("recover").status == exits.OK


def test_a_journal_that_cannot_be_written_is_told(harehearse, project, world):
    """A full disk: never a traceback, and never clean."""
    world.error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/store/journal.jsonl")
    said = harehearse("recover")
    assert said.status == exits.UNKNOWN
    assert said.out == (
        "? demo/orders (lab) is not known to be clean\n"
        "  ? could not be asked: /store/journal.jsonl: No space left on device; what was undone by then is not in the "
        "journal. Make it writable, or name another store, and do it again\n"
    )


def test_a_lab_made_for_other_nodes_is_told(harehearse, project, monkeypatch):
    """With what removes it; it cannot be asked, so it is not clean."""
    report = LabReport("demo", exists=True, up=True, home="/h", processes=1)
    monkeypatch.setattr(EmbeddedLab, "report", lambda self: report)

    def reach(self, cluster):
        raise KeyError(cluster)

    monkeypatch.setattr(EmbeddedLab, "reach", reach)
    said = harehearse("recover")
    assert said.status == exits.UNKNOWN
    config = project / "harehearse.toml"
    assert said.out.splitlines()[1] == (
        "  ? could not be asked: its lab was made for other clusters or nodes than the inventory's; remove it: "
        f"harehearse lab down demo --config {config}"
    )


def test_a_production_nobody_answers_from_is_unknown(harehearse, production):
    """Never clean; its kind is in the first line."""
    said = harehearse("recover", "prod")
    assert said.status == exits.UNKNOWN
    assert said.out.splitlines() == [
        "? prod/web (PRODUCTION) is not known to be clean",
        "  ? could not be asked: web1: nobody is there",
        "  ? could not be asked: web2: nobody is there",
    ]


def test_a_person_is_asked_before_a_production_is_touched(harehearse, production, world, terminal):
    """Once, after what is to be undone was shown; on standard error, so that JSON stays pure."""
    asked, _ = terminal
    said = harehearse("recover", "prod", "--json")
    assert [text for text, _ in asked] == ["prod/web is PRODUCTION. Undo what rehearsals left there?"]
    assert asked[0][1] == {"default": False, "err": True}
    assert said.err.startswith("✗ prod/web (PRODUCTION) is NOT clean: 1 to undo, nothing was touched\n")
    assert world.tries == [True, False]
    assert json.loads(said.out)["clusters"][0]["outcome"] == "clean"


def test_a_person_who_says_no_is_obeyed(harehearse, production, world, terminal):
    """Nothing is touched, and it is not clean."""
    terminal[1][:] = [False]
    said = harehearse("recover", "prod")
    assert said.status == exits.NO
    assert world.tries == [True]


@pytest.mark.parametrize("left", [[DONE], []])
def test_nobody_is_asked_without_a_reason(harehearse, production, world, terminal, left):
    """Not with --yes, not for a dry run, not for a lab, and not where nothing was left."""
    world.findings = left
    words = [["demo"], ["prod", "--yes"], ["prod", "--dry-run"]] if left else [["prod"]]
    for each in words:
        harehearse("recover", *each)
    assert terminal[0] == []
    assert world.tries == ([False, False, True] if left else [True])


def test_without_a_terminal_nobody_can_be_asked(harehearse, production, world):
    """A job heals by itself; PRODUCTION is in what it prints."""
    said = harehearse("recover", "prod")
    assert world.tries == [False]
    assert said.out.startswith("✓ prod/web (PRODUCTION) is clean; 1 undone\n")


def test_several_clusters_end_with_the_worst(harehearse, production, world):
    """Each is told; one that is clean does not hide one that is not."""
    world.held = "run r-9"
    said = harehearse("recover", "demo", "prod")
    assert said.status == exits.NO
    assert [line.split()[1] for line in said.out.splitlines()] == ["demo/orders", "prod/web"]


def test_an_unknown_name_says_which_there_are(harehearse, project):
    """A wrong command line, not an unclean cluster."""
    said = harehearse("recover", "dmo")
    assert said.status == exits.USAGE
    assert "There is no cluster or environment 'dmo'" in said.err
    assert "Did you mean 'demo'?" in said.err
