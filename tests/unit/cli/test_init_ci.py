# SPDX-License-Identifier: MIT
"""``harehearse init --ci``: what it writes is what GitHub, GitLab, Jenkins and systemd read; it never overwrites."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from pytest_harehearse.cli import exits, init, init_ci, init_matrix

ROOT = Path(__file__).parents[3]


@pytest.fixture(params=list(init_ci.TARGETS))
def target(request):
    """Each of the four."""
    return request.param


def written(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_it_writes_them_and_says_what_is_next(tmp_path, monkeypatch, harehearse, target):
    """Nothing but them, each named, and the commands to type."""
    monkeypatch.chdir(tmp_path)
    said = harehearse("init", "--ci", target)
    known = init_ci.TARGETS[target]
    assert (said.status, said.err) == (exits.OK, "")
    assert said.out == "".join(
        [
            *(f"wrote {name}\n" for name in known.files), "Next:\n", *(f"  {line}\n" for line in known.next),
            "There is no harehearse.toml in this folder; write one: harehearse init\n",
        ]
    )  # fmt: skip
    assert written(tmp_path) == sorted(known.files)


def test_with_an_inventory_nothing_is_missing(project, harehearse, target):
    """So no word on it."""
    assert "There is no harehearse.toml" not in harehearse("init", "--ci", target).out


def test_it_never_overwrites(tmp_path, harehearse, target):
    """The file that is there is named, and stays; none is written beside it."""
    name = list(init_ci.TARGETS[target].files)[-1]
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("mine")
    said = harehearse("init", tmp_path, "--ci", target)
    beside = init_ci.BESIDE.get(Path(name).name, "harehearse init DIR")
    assert said == (
        exits.NO, "",
        (
            f"harehearse: {tmp_path / name} exists, and init never overwrites: nothing was written. "
            f"Choose another folder: {beside}\n"
        ),
    )  # fmt: skip
    assert written(tmp_path) == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_a_folder_that_cannot_be_made_leaves_nothing(tmp_path, harehearse):
    """A file stands where .github would be."""
    (tmp_path / ".github").write_text("mine")
    said = harehearse("init", tmp_path, "--ci", "github")
    assert said.status == exits.NO
    assert "cannot be written: " in said.err
    assert written(tmp_path) == [".github"]


def text_of(tmp_path, target):
    init.write(tmp_path, init_ci.TARGETS[target].files)
    return (tmp_path / next(iter(init_ci.TARGETS[target].files))).read_text()


def test_each_does_the_same(tmp_path, target):
    """One verb of ours, with a history that is kept, a deadline and JUnit; the logic is not in four languages."""
    text = " ".join(text_of(tmp_path, target).split())
    (command,) = re.findall(r"weekly --within 5h [^'`#]*?weekly-junit\.xml", text)
    assert re.search(r"--store (\.harehearse|%S/harehearse) ", command)
    assert ("--summary " in command) == (target != "systemd")
    assert "harehearse-arm" not in text


def test_github(tmp_path):
    """Kept and uploaded whatever comes of it, never two at a time, and the history is asked for in mid-week."""
    parsed = yaml.safe_load(text_of(tmp_path, "github"))
    triggers = parsed[True]  # YAML 1.1 reads "on" as a truth
    assert [each["cron"] for each in triggers["schedule"]] == ["17 3 * * 1", "17 3 * * 4"]
    assert parsed["permissions"] == {"contents": "read"}
    assert parsed["concurrency"]["cancel-in-progress"] is False
    jobs = parsed["jobs"]
    assert jobs["remember"]["if"] == "github.event.schedule == '17 3 * * 4'"
    assert jobs["weekly"]["if"] == "github.event.schedule != '17 3 * * 4'"
    steps = jobs["weekly"]["steps"]
    after = steps[[step.get("name") for step in steps].index("Drift, rehearsals, comparison, gate") + 1 :]
    assert [step["if"] for step in after] == ["always()", "always()"]
    cached = [step["with"] for step in steps if step.get("uses", "").startswith("actions/cache/")]
    assert {each["path"] for each in cached} == {".harehearse"}
    assert len({each["key"] for each in cached}) == 1
    uploaded = after[-1]["with"]
    assert uploaded["include-hidden-files"] is True
    assert uploaded["path"].split() == [".harehearse/runs/*/report.*", "weekly-junit.xml"]
    assert all(re.fullmatch(r"actions/[\w/-]+@v\d+", step["uses"]) for step in steps if "uses" in step)


def test_gitlab(tmp_path):
    """Kept and uploaded whatever comes of it, never two at a time."""
    (job,) = yaml.safe_load(text_of(tmp_path, "gitlab")).values()
    assert (job["cache"]["paths"], job["cache"]["when"]) == ([".harehearse/"], "always")
    assert job["artifacts"]["when"] == "always"
    assert job["artifacts"]["reports"] == {"junit": "weekly-junit.xml"}
    assert job["artifacts"]["paths"] == ["weekly.md", ".harehearse/runs/*/report.*"]
    assert job["resource_group"]
    assert "allow_failure" not in job


def test_jenkins(tmp_path):
    """Whatever comes of it the reports are archived; brackets and quotes are closed."""
    text = text_of(tmp_path, "jenkins")
    code = re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE)
    assert code.count("{") == code.count("}")
    assert code.count("'") % 2 == 0
    assert re.search(r"post \{\s+always \{\s+archiveArtifacts .*\n\s+junit testResults: 'weekly-junit.xml'", code)
    assert "disableConcurrentBuilds()" in code
    assert "returnStatus" not in code


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze")
def test_systemd_takes_the_units(tmp_path):
    """As systemd itself reads them, also in a folder with letters that mean something to it."""
    folder = tmp_path / "a 100% $HOME project"
    init.write(folder, init_ci.TARGETS["systemd"].files)
    for unit in init_ci.TARGETS["systemd"].files:
        said = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(folder / unit)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        mine = [line for line in (said.stdout + said.stderr).splitlines() if "harehearse" in line]
        assert mine == []
    timed = subprocess.run(
        ["systemd-analyze", "calendar", re.search("OnCalendar=(.*)", (folder / "harehearse-weekly.timer").read_text())[1]],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert timed.returncode == 0, timed.stderr


@pytest.mark.parametrize(
    ("python", "word"),
    [("/usr/bin/python3", "/usr/bin/python3"), ("/a b/py", '"/a b/py"'), ('/a"%$\\/py', '"/a\\"%%$$\\\\/py"')],
)
def test_the_interpreter_as_a_word_of_systemd(python, word):
    """Its own quoting: percent and dollar signs are doubled."""
    assert init_ci.fill("@PYTHON@ @PROJECT@", Path("/p 5%"), python) == f"{word} /p 5%%"


def test_a_line_break_cannot_stand_in_a_unit(tmp_path, harehearse):
    """It would be another setting."""
    said = harehearse("init", tmp_path / "a\nExecStart=b", "--ci", "systemd")
    assert said.status == exits.USAGE
    assert "has a line break in its name, which no unit of systemd can hold; choose another." in said.err
    assert written(tmp_path) == []


def test_the_project_s_own_week_is_the_template_s():
    """A job for each of its labs; the same steps, except for what is installed and rehearsed."""
    own = yaml.safe_load((ROOT / ".github/workflows/weekly.yml").read_text())
    jobs = [init_matrix.Job(name.replace("/", "-"), (name,)) for name in ("demo/orders", "demo-valkey/carts")]
    text = init_matrix.fill("github", init.template("weekly.matrix.github.yml"), "cluster", jobs)
    template = yaml.safe_load(text)
    # Its own package is installed from its own files, also for the report.
    checkout = own["jobs"]["report"]["steps"].pop(0)
    assert checkout == {"uses": "actions/checkout@v4"}
    for both in (own, template):
        for job in ("weekly", "report"):
            for step in both["jobs"][job]["steps"]:
                if step.get("name") in {"Install", "Drift, rehearsals, comparison, gate"}:
                    assert step.pop("run")
    assert own == template
