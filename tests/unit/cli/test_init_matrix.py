# SPDX-License-Identifier: MIT
"""``harehearse init --ci … --matrix``: a job for each site or cluster, and one report of all."""

import pytest
import yaml

from pytest_harehearse.cli import exits

INVENTORY = """
[environments.lab]
kind = "lab"
provider = "hosts"
[environments.lab.clusters.web]
manager = "pacemaker"
nodes = ["w"]
[environments.lab.clusters.shop]
manager = "pacemaker"
nodes = ["s"]
[environments.production]
kind = "production"
{site}
[environments.production.clusters.web]
manager = "pacemaker"
nodes = ["a"]
twin = "lab/web"
[environments.production.clusters.shop]
manager = "pacemaker"
nodes = ["b"]
twin = "lab/shop"
{other}
[environments.production.clusters.ledger]
manager = "pacemaker"
nodes = ["c"]
twin = "lab/web"
"""
FILES = {"github": ".github/workflows/weekly.yml", "gitlab": ".gitlab-ci.yml"}


@pytest.fixture
def init(tmp_path, monkeypatch, harehearse):
    """Write the files in a project whose productions are at two sites, or nowhere in particular."""
    monkeypatch.chdir(tmp_path)

    def run(ci, by, *, site='site = "paris"', other='site = "oslo"'):
        (tmp_path / "harehearse.toml").write_text(INVENTORY.format(site=site, other=other))
        said = harehearse("init", "--ci", ci, "--matrix", by)
        file = tmp_path / FILES.get(ci, "none")
        return said, yaml.safe_load(file.read_text()) if file.is_file() else None

    return run


def jobs_of(parsed):
    return {one["name"]: one for one in parsed["jobs"]["weekly"]["strategy"]["matrix"]["include"]}


def step(job, name):
    return next(step for step in job["steps"] if step.get("name") == name)


def test_github_by_site(init):
    said, parsed = init("github", "site")
    assert (said.status, said.err) == (exits.OK, "")
    found = jobs_of(parsed)
    assert {name: (set(one["clusters"].split()), one["runner"]) for name, one in found.items()} == {
        "paris": ({"production/web", "production/ledger"}, ["self-hosted", "paris"]),
        "oslo": ({"production/shop"}, ["self-hosted", "oslo"]),
    }
    jobs = parsed["jobs"]
    assert jobs["weekly"]["strategy"]["fail-fast"] is False
    assert jobs["weekly"]["runs-on"] == "${{ matrix.runner }}"
    assert set(jobs["remember"]["strategy"]["matrix"]["name"]) == set(found)
    # One history a runner, kept and asked for under the same name.
    keys = [
        one["with"]["key"]
        for job in ("remember", "weekly")
        for one in jobs[job]["steps"]
        if "cache" in one.get("uses", "")
    ]
    assert all(key.startswith("harehearse-${{ matrix.name }}-") for key in keys)
    assert " weekly ${{ matrix.clusters }} " in step(jobs["weekly"], "Drift, rehearsals, comparison, gate")["run"]
    kept = step(jobs["weekly"], "Keep the runs")
    assert (kept["if"], kept["with"]["name"], kept["with"]["path"].split()) == (
        "always()", "weekly-${{ matrix.name }}", ["weekly-runs", "weekly-junit.xml"],
    )  # fmt: skip


def test_github_makes_one_report_of_all(init):
    """Also after a job that failed; each is named, so that one which brought nothing is missed."""
    _, parsed = init("github", "site")
    report = parsed["jobs"]["report"]
    assert (report["needs"], report["if"].split()[0]) == ("weekly", "always()")
    assert step(report, "Take the runs of all")["with"] == {"path": "from", "pattern": "weekly-*"}
    made = step(report, "One report of all")
    # Of this shell GitHub lets a pipe fail with its first command.
    assert made["shell"] == "bash"
    assert set(made["run"].partition("--format md ")[2].partition(" |")[0].split()) == {
        f"from/weekly-{name}/weekly-runs" for name in ("paris", "oslo")
    }
    assert all(one["uses"].startswith("actions/") for one in report["steps"] if "uses" in one)


def test_by_cluster(init):
    """Each for itself, on any runner where no site is named."""
    _, parsed = init("github", "cluster", other="")
    found = jobs_of(parsed)
    assert {name: (one["clusters"], one["runner"]) for name, one in found.items()} == {
        f"production-{name}": (f"production/{name}", ["self-hosted", "paris"]) for name in ("web", "shop", "ledger")
    }


def test_clusters_without_a_site_go_anywhere(init):
    _, parsed = init("github", "site", site="")
    assert {name: one["runner"] for name, one in jobs_of(parsed).items()} == {
        "oslo": ["self-hosted", "oslo"],
        "anywhere": "ubuntu-latest",
    }


@pytest.mark.parametrize("site", ['site = "paris"', ""])
def test_gitlab(init, site):
    _, parsed = init("gitlab", "cluster" if not site else "site", site=site, other=site and 'site = "oslo"')
    rehearse, report = parsed["weekly rehearsal"], parsed["one report of all"]
    found = {one["NAME"]: one for one in rehearse["parallel"]["matrix"]}
    if site:
        assert {name: one["SITE"] for name, one in found.items()} == {"paris": "paris", "oslo": "oslo"}
        assert rehearse["tags"] == ["$SITE"]
    else:
        assert set(found) == {"production-web", "production-shop", "production-ledger"}
        assert "tags" not in rehearse
    assert parsed["stages"] == [rehearse["stage"], report["stage"]]
    assert (rehearse["resource_group"], rehearse["cache"]["key"]) == ("harehearse-$NAME", "harehearse-$NAME")
    assert " weekly $CLUSTERS " in rehearse["script"][-1]
    assert rehearse["script"][-1].endswith(" --merge from/$NAME")
    assert "from/$NAME" in rehearse["artifacts"]["paths"]
    assert [one["when"] for one in report["rules"]] == ["always", "always"]
    command = report["script"][-1].split()
    assert command[:4] == ["harehearse", "report", "--merge", "weekly"]
    assert set(command[4:]) == {f"from/{name}" for name in found}


NOWHERE = (
    "harehearse: No cluster of production/ledger, production/shop, production/web says where it is. Name it in the inventory "
    '(site = "paris", of a cluster or of a whole environment), or divide them by cluster: --matrix cluster\n'
)


@pytest.mark.parametrize(
    ("ci", "by", "sites", "expected"),
    [
        ("jenkins", "site", {}, "harehearse: --matrix site: only with --ci github or --ci gitlab\n"),
        ("github", "site", {"site": "", "other": ""}, NOWHERE),
    ],
)
def test_what_cannot_be_divided_is_told(init, tmp_path, ci, by, sites, expected):
    said, _ = init(ci, by, **sites)
    assert (said.status, said.out) == (exits.USAGE, "")
    assert said.err == expected
    assert [path.name for path in tmp_path.iterdir()] == ["harehearse.toml"]


def test_the_last_command_does_what_it_says(init, tmp_path, harehearse):
    """With what two runners bring, as the files name it."""
    from tests.common.run_files import happened, write

    _, parsed = init("github", "site")
    for name, host in (("paris", "p"), ("oslo", "o")):
        write(tmp_path / "made" / name, happened("r-1", host=host))
        harehearse("report", "--merge", f"from/weekly-{name}/weekly-runs", f"made/{name}")
    line = step(parsed["jobs"]["report"], "One report of all")["run"].partition("|")[0].split()
    said = harehearse(*line[1:])
    assert said.status == exits.OK
    assert said.out.startswith("# ✓ PASSED: run weekly · 1 cluster · 2 rehearsals")
