# SPDX-License-Identifier: MIT
"""``harehearse weekly``: the order of its steps, what each end means, and what it never does; nothing is run here."""

from __future__ import annotations

import itertools
import json
import os
import signal
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.common.run_files import happened, write

from pytest_harehearse.cli import exits, weekly, weekly_hook, weekly_run
from pytest_harehearse.cli import weekly_plan as plans
from pytest_harehearse.cli.weekly_plan import Ended, Rehearsed
from pytest_harehearse.history.summary import Verdict
from pytest_harehearse.report import weekly as report

PROJECT = """
default_environment = "lab"

[environments.lab]
kind = "lab"
provider = "embedded"

[environments.lab.clusters.web]
manager = "patroni"
nodes = ["n1", "n2"]

[environments.production]
kind = "production"

[environments.production.clusters.web]
manager = "pacemaker"
group = "web"
twin = "lab/web"
nodes = [{ name = "web1", url = "ssh://web1.example" }, { name = "web2", url = "ssh://web2.example" }]

[environments.production.clusters.shop]
manager = "pacemaker"
group = "shop"
nodes = [{ name = "s1", url = "ssh://s1.example" }, { name = "s2", url = "ssh://s2.example" }]
"""


class Stage:
    """Stands in for what runs commands: each step's end is what a test says, else good."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self.ran = []
        self.ends = {"lab status": Ended(1)}
        self.rehearsals = None
        self.within = []

    def __call__(self, command, *, within, capture, environ):
        words = list(command)
        self.within.append(within)
        if words[1] == "pytest":
            self.ran.append(" ".join(["pytest", *words[2:]]))
            clusters = [word for before, word in itertools.pairwise(words) if before == "--harehearse-cluster"]
            rehearsals = {name: ["passed"] for name in clusters} if self.rehearsals is None else self.rehearsals
            self._finish(Path(environ[weekly_hook.TO]), rehearsals)
            return self._end("pytest")
        shown = " ".join(words[2:])
        self.ran.append(shown)
        found = self._end(" ".join(words[2:4]), self._end(words[2]))
        return found if found.out or words[2] == "lab" else Ended(found.status, f"# {shown}\n", found.err, found.why)

    def _end(self, key, usual=None):
        end = self.ends.get(key, usual or Ended(0))
        if isinstance(end, BaseException):
            raise end
        return end

    def _finish(self, to, rehearsals):
        if not rehearsals:
            return
        (self.folder / "report.md").write_text("# the run\n")
        each = [{"cluster": name, "verdict": verdict} for name, found in rehearsals.items() for verdict in found]
        worst = max((one["verdict"] for one in each), key=[*map(str, Verdict)].index)
        to.write_text(json.dumps({"directory": str(self.folder), "verdict": worst, "rehearsals": each}) + "\n")


@pytest.fixture
def stage(tmp_path, monkeypatch):
    """The stand-in, in a project of a lab, its production, and a production without a lab."""
    (tmp_path / "harehearse.toml").write_text(PROJECT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    made = Stage(tmp_path)
    monkeypatch.setattr(weekly, "runner", lambda: made)
    return made


ALL = [
    "lab status lab --json --config harehearse.toml",
    "lab up lab --config harehearse.toml",
    "drift production/web --format md --config harehearse.toml",
    "drift lab/web --format md --config harehearse.toml",
    "drift production/web --against lab/web --format md --config harehearse.toml",
    "pytest --harehearse-config harehearse.toml --harehearse-cluster lab/web",
    "compare lab/web production/web --format md --config harehearse.toml",
    "gate production/web --format md --config harehearse.toml",
    "lab down lab --config harehearse.toml",
]


def test_the_help_is_golden(harehearse, snapshot):
    """Read it as a user does."""
    assert harehearse("weekly", "--help").out == snapshot


def test_its_runs_are_put_together_for_a_report_with_others(stage, harehearse):
    """What a job brings to the one that makes the report of all."""
    write(stage.folder, happened("r-7"))
    said = harehearse("weekly", "--merge", "runs")
    assert said.status == exits.OK
    assert "✓ merge runs: 1 run (" in said.out
    assert (stage.folder / "runs" / "parts" / "r-7" / "events.jsonl").is_file()


@pytest.mark.parametrize("rehearsals", [{}, None])
def test_runs_that_cannot_be_put_together_are_unknown(stage, harehearse, rehearsals):
    """None was finished, or what was is none."""
    stage.rehearsals = rehearsals
    said = harehearse("weekly", "--merge", "runs")
    assert said.status == exits.UNKNOWN
    why = "pytest finished no run" if rehearsals == {} else f"The run {stage.folder} cannot be merged: "
    assert f"? merge runs: could not be done: {why}" in said.out
    assert not (stage.folder / "runs").exists()


def test_the_steps_in_their_order(stage, harehearse):
    """The productions that have a twin are judged, and rehearsed for in the lab, which comes and goes."""
    said = harehearse("weekly")
    assert said.status == exits.OK
    assert stage.ran == ALL
    assert said.out.splitlines()[-1] == "✓ PASSED: every rehearsal passed, and every gate says GO"
    assert "$ harehearse gate production/web --format md --config harehearse.toml" in said.out
    assert "# gate production/web" in said.out


def test_every_option_arrives(stage, harehearse):
    """The store, the window, JUnit, and what is for pytest."""
    harehearse(
        "weekly",
        "lab/web",
        "--store",
        "kept",
        "--window",
        "next",
        "--junit",
        "j.xml",
        "--",
        "scenarios",
        "-k",
        "a or b",
    )
    assert stage.ran[3] == (
        "pytest --harehearse-config harehearse.toml --harehearse-store kept --harehearse-cluster lab/web --junitxml=j.xml "
        "scenarios -k a or b"
    )
    assert stage.ran[4] == "gate lab/web --window next --format md --config harehearse.toml --store kept"
    assert stage.ran[5] == "lab down lab --config harehearse.toml --store kept"


def test_a_lab_that_was_up_is_left_up(stage, harehearse):
    """It is somebody's."""
    stage.ends["lab status"] = Ended(0)
    assert harehearse("weekly").status == exits.OK
    assert not [ran for ran in stage.ran if ran.startswith(("lab up", "lab down"))]


def test_what_has_no_twin_is_told(stage, harehearse):
    """Not to compare is said, never left out silently."""
    stage.ends["lab status"] = Ended(0)
    said = harehearse("weekly", "lab/web", "--summary", "s.md")
    sentence = "lab/web has no twin, so there is nothing to compare it with."
    assert sentence in said.out
    assert f"- {sentence}" in Path("s.md").read_text()
    assert not [ran for ran in stage.ran if ran.startswith("compare")]


@pytest.mark.parametrize(
    ("step", "end", "status"),
    [
        ("drift", Ended(1), exits.OK),
        ("drift", Ended(2), exits.UNKNOWN),
        ("drift", Ended(64), exits.UNKNOWN),
        ("drift", Ended(1, " "), exits.UNKNOWN),
        ("compare", Ended(1, " "), exits.UNKNOWN),
        ("gate", Ended(1, " "), exits.UNKNOWN),
        ("compare", Ended(1), exits.OK),
        ("compare", Ended(2), exits.OK),
        ("compare", Ended(70), exits.UNKNOWN),
        ("gate", Ended(1), exits.NO),
        ("gate", Ended(2), exits.UNKNOWN),
        ("gate", Ended(64), exits.UNKNOWN),
        ("gate", Ended(None, why="was stopped: it had not ended within 6 h"), exits.UNKNOWN),
        ("gate", Ended(-9), exits.UNKNOWN),
        ("lab up", Ended(1), exits.UNKNOWN),
        ("lab down", Ended(1), exits.UNKNOWN),
        ("pytest", Ended(1), exits.NO),
        ("pytest", Ended(4), exits.UNKNOWN),
        ("pytest", Ended(-11), exits.UNKNOWN),
    ],
)
def test_each_end_of_each_step(stage, harehearse, step, end, status):
    """Whatever one comes to, every other is gone through."""
    stage.ends[step] = end
    said = harehearse("weekly")
    assert said.status == status
    assert stage.ran == ALL


@pytest.mark.parametrize(
    ("rehearsals", "end", "status", "told"),
    [
        ({"lab/web": ["passed", "passed"]}, 0, exits.OK, "✓ rehearse lab/web: 2 passed"),
        ({"lab/web": ["passed", "failed"]}, 1, exits.NO, "✗ rehearse lab/web: 1 passed; 1 failed"),
        ({"lab/web": ["passed", "unknown"]}, 1, exits.UNKNOWN, "? rehearse lab/web: 1 passed; 1 unknown"),
        ({"lab/web": ["unfinished"]}, 1, exits.UNKNOWN, "? rehearse lab/web: 1 unfinished"),
        ({"lab/web": ["failed"]}, 2, exits.NO, "✗ rehearse lab/web: 1 failed"),
        ({}, 0, exits.UNKNOWN, "? rehearse lab/web: nothing was rehearsed on lab/web"),
        ({}, 5, exits.UNKNOWN, "? rehearse lab/web: pytest found no test"),
        ({"lab/web": ["passed"]}, 2, exits.UNKNOWN, "? rehearse lab/web: pytest was interrupted"),
        ({"lab/web": ["passed"]}, 3, exits.UNKNOWN, "? rehearse lab/web: pytest broke by an error of its own"),
        ({"lab/web": ["passed"]}, 4, exits.UNKNOWN, "? rehearse lab/web: pytest was called wrongly"),
        ({"lab/web": ["passed"]}, -9, exits.UNKNOWN, "? rehearse lab/web: pytest could not be run: ended by signal 9"),
        (
            {"lab/web": ["passed"]},
            1,
            exits.NO,
            "✗ rehearse lab/web: 1 passed; pytest had failures or errors outside of",
        ),
        ({}, 1, exits.UNKNOWN, "? rehearse lab/web: nothing was rehearsed on lab/web; pytest had failures or errors"),
        ({"lab/other": ["passed"]}, 0, exits.UNKNOWN, "? rehearse lab/web: 1 passed; nothing was rehearsed on lab/web"),
    ],
)
def test_what_the_rehearsals_come_to(stage, harehearse, rehearsals, end, status, told):
    """By the verdicts of the runs, because pytest ends alike after a failed and an unknown one."""
    stage.rehearsals, stage.ends["pytest"] = rehearsals, Ended(end)
    said = harehearse("weekly")
    assert said.status == status
    assert told in said.out
    assert stage.ran == ALL


ends = st.one_of(st.none(), st.integers(-20, 80))


@given(st.sampled_from([plans.DRIFT, plans.COMPARE, plans.GATE, plans.LAB_UP, plans.LAB_DOWN]), ends)
def test_nothing_that_could_not_be_carried_out_is_good(kind, end):
    """Whatever the exit status: good only for those that are promised."""
    verdict, said = plans.judge(kind, Ended(end, "# shown", why="was stopped"))
    good = {plans.DRIFT: {0, 1}, plans.COMPARE: {0, 1, 2}}.get(kind, {0})
    assert (verdict is Verdict.PASSED) == (end in good)
    assert (verdict is Verdict.FAILED) == (kind == plans.GATE and end == 1)
    assert said


@given(
    ends, st.lists(st.sampled_from(list(Verdict)), max_size=4), st.lists(st.sampled_from(["a/b", "c/d"]), unique=True)
)
def test_rehearsals_are_good_only_if_all_are(end, verdicts, wanted):
    """Exit 0, each passed, and none of the clusters left out."""
    each = tuple(("a/b", verdict) for verdict in verdicts)
    runs = [Rehearsed("d", max(verdicts, key=list(Verdict).index), each)] if verdicts else []
    verdict, said = plans.judge_rehearsals(Ended(end, why="was stopped"), runs, wanted)
    all_there = "c/d" not in wanted and bool(verdicts)
    assert (verdict is Verdict.PASSED) == (end == 0 and set(verdicts) == {Verdict.PASSED} and all_there)
    assert verdict is not Verdict.UNFINISHED
    assert said or verdict is Verdict.UNKNOWN


@given(st.lists(st.sampled_from([Verdict.PASSED, Verdict.FAILED, Verdict.UNKNOWN])))
def test_the_worst_is_the_exit_status(verdicts):
    """Failed over unknown over passed; nothing at all is unknown."""
    expected = 1 if Verdict.FAILED in verdicts else 2 if Verdict.UNKNOWN in verdicts or not verdicts else 0
    assert plans.status(verdicts) == expected


# -- productions are only read -------------------------------------------------------------------------------------


def test_a_production_without_a_lab_is_refused(stage, harehearse):
    """Nothing is begun, and both ways out are named."""
    said = harehearse("weekly", "production/shop")
    assert (said.status, stage.ran) == (exits.USAGE, [])
    assert said.err == (
        "harehearse: production/shop is a production without a lab as its twin, and weekly never arms one, so nothing can be "
        'rehearsed for it. Name its lab in the inventory: twin = "ENV/NAME". Or arm it yourself, in its window: '
        "harehearse weekly production/shop -- --harehearse-arm production --harehearse-change ID\n"
    )


@pytest.mark.parametrize("words", [["--harehearse-arm", "production"], ["--harehearse-arm=production"]])
def test_who_arms_it_himself_rehearses_on_it(stage, harehearse, words):
    """The words stand where a person typed them."""
    harehearse("weekly", "production/shop", "--", *words, "--harehearse-change", "CHG-1")
    (ran,) = [ran for ran in stage.ran if ran.startswith("pytest")]
    assert ran == (
        "pytest --harehearse-config harehearse.toml --harehearse-cluster production/shop "
        f"{' '.join(words)} --harehearse-change CHG-1"
    )
    assert not [ran for ran in stage.ran if ran.startswith("lab")]


def test_never_by_the_environment(stage, harehearse, monkeypatch):
    """A job's variables arm nothing."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "--harehearse-arm production --harehearse-change X")
    said = harehearse("weekly")
    assert (said.status, stage.ran) == (exits.USAGE, [])
    assert said.err.startswith(
        "harehearse: PYTEST_ADDOPTS has --harehearse-arm: a production is never armed by what lies in "
    )


@pytest.mark.parametrize("word", ["--harehearse-cluster", "--harehearse-env=lab", "--junitxml=x", "--harehearse-store"])
def test_what_it_sets_itself_is_not_taken(stage, harehearse, word):
    """Else it would not know what was rehearsed."""
    said = harehearse("weekly", "--", word, "x")
    assert (said.status, stage.ran) == (exits.USAGE, [])
    assert said.err == (
        f"harehearse: {word} is set by weekly itself, so it cannot be passed on to pytest. "
        "Name clusters before the --, and use --config, --store and --junit.\n"
    )


# -- the summary ---------------------------------------------------------------------------------------------------


def test_the_summary(stage, harehearse):
    """Appended, as GitHub's is: the gate first, each step in a row, headings below the first."""
    Path("s.md").write_text("before\n")
    stage.ends["gate"] = Ended(1, "# ✗ NO-GO: production/web\n")
    stage.ends["drift"] = Ended(64, "", "no such | thing\n")
    said = harehearse("weekly", "--summary", "s.md")
    assert "# ✗ NO-GO" not in said.out
    text = Path("s.md").read_text()
    assert text.startswith(
        "before\n# ✗ FAILED: gate production/web: NO-GO; not known: drift production/web, drift lab/web, "
        "drift production/web against lab/web\n"
    )
    assert "| ✗ gate | production/web | NO-GO | " in text
    assert "could not be done: exit status 64; it said: no such \\| thing" in text
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings[:3] == [
        "## ✗ NO-GO: production/web",
        "## the run",
        "## compare lab/web production/web --format md --config harehearse.toml",
    ]
    assert text.count("\nno such | thing\n") == 0 or "```" in text


def test_it_is_written_although_a_step_is_stopped(stage, harehearse):
    """Ctrl-C, or a job that is cancelled: the lab goes, the summary says how far it came, and it is no success."""
    stage.ends["pytest"] = KeyboardInterrupt()
    said = harehearse("weekly", "--summary", "s.md")
    assert said.status == exits.INTERRUPTED
    assert stage.ran[-1] == "lab down lab --config harehearse.toml"
    assert not [ran for ran in stage.ran if ran.startswith("gate")]
    assert Path("s.md").read_text().startswith("# ? UNKNOWN: not known: rehearse lab/web\n")
    assert "was stopped from outside" in said.out


def test_a_summary_that_cannot_be_written_is_told(stage, harehearse):
    """Not a success that nobody can read of."""
    said = harehearse("weekly", "--summary", "none/s.md")
    assert said.status == exits.NO
    assert said.err == "harehearse: The summary cannot be written to none/s.md: No such file or directory.\n"


def test_what_is_too_long_is_left_out_by_sections():
    """GitHub refuses a long summary as a whole; the gate is kept longest."""
    done = [
        report.StepDone(kind, "lab/web", "harehearse", Verdict.PASSED, "done", 1.0, f"# {kind}\n" + "x" * size)
        for kind, size in (("drift", 900), ("gate", 500))
    ]
    text = report.render(done, (), weekly.ORDER, most=1500)
    assert len(text.encode()) <= 1500
    assert "## gate" in text
    assert "- The report of drift lab/web is too long to be shown here." in text
    assert "## drift" not in text


def test_headings_go_down_and_code_stays():
    """A comment in a block of code is no heading."""
    assert report.lower("# a\n```\n# b\n```\n## c\n````\n```\n# d\n````\n# e") == (
        "## a\n```\n# b\n```\n### c\n````\n```\n# d\n````\n## e"
    )


def test_time_that_is_over_leaves_steps_unknown(stage, harehearse, monkeypatch):
    """Each is named; the lab is removed all the same."""
    clock = itertools.count(step=3600.0)
    monkeypatch.setattr(weekly.time, "monotonic", lambda: next(clock))
    said = harehearse("weekly", "--within", "4h")
    assert said.status == exits.UNKNOWN
    assert "? gate production/web: not begun: the time given by --within was over" in said.out
    assert stage.ran[-1] == "lab down lab --config harehearse.toml"
    assert stage.within[-1] == weekly.DOWN_S


@pytest.mark.parametrize("within", ["0s", "5"])
def test_a_wrong_length_is_wrong_usage(stage, harehearse, within):
    """A bare number is none, and nothing can be done in no time."""
    said = harehearse("weekly", "--within", within)
    assert (said.status, stage.ran) == (exits.USAGE, [])


# -- the hook, and running for real --------------------------------------------------------------------------------


def test_the_hook_is_named_beside_others(monkeypatch, tmp_path):
    """By the environment, so that no command that repeats a run has it."""
    monkeypatch.setenv("PYTEST_PLUGINS", "theirs")
    assert weekly_hook.environ(tmp_path)["PYTEST_PLUGINS"] == "theirs,pytest_harehearse.cli.weekly_hook"


def test_a_command_says_and_ends():
    """Captured apart, with its status."""
    program = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    ended = weekly_run.run(["-c", program], within=60, capture=True, environ={})
    assert ended == Ended(3, "out\n", "err\n")


def test_a_command_is_given_the_environment():
    """That of its own beside ours."""
    program = "import os; print(os.environ['A'], 'PATH' in os.environ)"
    assert weekly_run.run(["-c", program], within=60, capture=True, environ={"A": "b"}).out == "b True\n"


def test_one_that_does_not_end_is_asked_to_first(monkeypatch):
    """Ctrl-C comes first, so that a rehearsal undoes what it did; what it said is kept."""
    program = (
        "import time\ntry:\n    print('begun', flush=True)\n    time.sleep(120)\n"
        "except KeyboardInterrupt:\n    print('undone', flush=True)"
    )
    ended = weekly_run.run(["-c", program], within=3, capture=True, environ={})
    assert ended.status is None
    assert ended.out == "begun\nundone\n"
    assert ended.why == "was stopped: it had not ended within 3.00 s"


def test_one_that_will_not_end_is_killed(monkeypatch, tmp_path):
    """With every process that it began."""
    monkeypatch.setattr(weekly_run, "GRACE", ((signal.SIGINT, 0.2), (signal.SIGTERM, 0.2), (signal.SIGKILL, 30.0)))
    program = (
        "import os, signal, subprocess, sys, time\n"
        "for number in (signal.SIGINT, signal.SIGTERM): signal.signal(number, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(120)'])\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid)); time.sleep(120)"
    )
    ended = weekly_run.run(["-c", program], within=3, capture=True, environ={})
    assert ended.status is None
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 30
    while _runs(pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_signal_to_the_job_is_taken_as_ctrl_c():
    """What a CI system sends when a job is cancelled; afterwards the signal is what it was."""
    before = signal.getsignal(signal.SIGTERM)

    def wait():
        with weekly_run.stoppable():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(30)

    with pytest.raises(KeyboardInterrupt):
        wait()
    assert signal.getsignal(signal.SIGTERM) is before
