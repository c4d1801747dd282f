# SPDX-License-Identifier: MIT
"""What a run does with a production: it is armed by name, or only planned for; and it is never taken for a lab."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

PRODUCTION = """
[environments.prod]
kind = "production"
[environments.prod.clusters.shop]
manager = "pacemaker"
nodes = [{ name = "s1", url = "ssh://192.0.2.1" }, { name = "s2", url = "ssh://192.0.2.2" }]
"""
TEST = '''
def test_switchover(cluster):
    """Moves on purpose."""
    assert cluster.switchover()
'''
EVERY_DAY = [f"{day} 00:00-23:59 UTC" for day in ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")]
REASON = (
    "prod/shop is production and not armed, so it was only planned and nothing was touched. To rehearse on it, in its "
    "window: --harehearse-arm prod --harehearse-change ID"
)


@pytest.fixture
def site(static):
    """A project with a lab in memory, and a production."""
    inventory = static.path / "harehearse.toml"
    inventory.write_text(inventory.read_text() + PRODUCTION)
    static.makepyfile(test_shop=TEST)
    return static


@pytest.fixture
def refused(site):
    """What a run that is a usage error says."""

    def run(*options):
        result = site.runpytest(*options)
        assert result.ret == 4
        assert not (site.path / ".harehearse").exists()
        return " ".join(line.removeprefix("ERROR: ") for line in result.errlines if line)

    return run


def test_a_lab_is_rehearsed_on_and_a_production_planned_for_in_one_run(site, summary):
    """Its plan is printed with what it is, its test skipped with the options that arm it; the lab's run is as ever."""
    result = site.runpytest("--harehearse-env", "lab", "--harehearse-env", "prod", "-rs")
    result.assert_outcomes(passed=1, skipped=1)
    said = result.stdout.str()
    assert "harehearse: clusters lab/web (lab), prod/shop (PRODUCTION, not armed: planned only)" in said
    assert "harehearse: store .harehearse" in said
    assert "  cluster    prod/shop (PRODUCTION)\n  action     switchover s1 → s2: pacemaker: move the service" in said
    assert said.count(REASON) == 2
    assert [one["cluster"] for one in summary()["rehearsals"]] == ["lab/web"]


def test_a_production_alone(site):
    """Nothing is kept, for nothing was done; and that is no failure."""
    result = site.runpytest("--harehearse-env", "prod")
    result.assert_outcomes(skipped=1)
    assert result.ret == 0
    assert "harehearse: plan only: nothing will be touched" in result.stdout.str()
    assert not (site.path / ".harehearse").exists()


def test_a_plan_that_was_asked_for_says_production_too(site):
    """And gives no advice about arming, also when it was armed: a plan is a plan."""
    result = site.runpytest(
        "--harehearse-env", "prod", "--harehearse-plan", "--harehearse-arm", "prod", "--harehearse-change", "CHG1"
    )
    assert "clusters prod/shop (PRODUCTION)\n" in result.stdout.str()
    assert "  cluster    prod/shop (PRODUCTION)\n" in result.stdout.str()
    assert "To rehearse on it" not in result.stdout.str()
    result.assert_outcomes(skipped=1)


def test_what_arms_nothing_is_a_usage_error(site, refused):
    """One option without the other, an environment that is unknown, a lab, or not selected; nothing was begun."""
    both = ("--harehearse-env", "prod", "--harehearse-change", "CHG1")
    assert "--harehearse-change arms nothing by itself" in refused(*both)
    assert "--harehearse-arm prod needs the change" in refused("--harehearse-env", "prod", "--harehearse-arm", "prod")
    assert "there is no such environment; valid are: prod. Did you mean 'prod'?" in refused(
        *both, "--harehearse-arm", "prd"
    )
    assert "lab is a lab, and only production is armed" in refused(
        "--harehearse-env", "lab", "--harehearse-arm", "lab", "--harehearse-change", "CHG1"
    )
    assert "this run selects no cluster of prod" in refused(
        "--harehearse-env", "lab", "--harehearse-arm", "prod", "--harehearse-change", "CHG1"
    )


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("", "prod/shop is production and its inventory allows nothing there, so nothing was done."),
        ('allow = ["switchover"]', "prod/shop is production and its inventory gives no window for it"),
    ],
)
def test_an_armed_production_without_what_it_needs_is_refused_at_once(site, refused, keys, said):
    """Before anything is connected: what may be done there, and when, is the inventory's to say."""
    inventory = site.path / "harehearse.toml"
    inventory.write_text(inventory.read_text() + keys + "\n")
    found = refused("--harehearse-env", "prod", "--harehearse-arm", "prod", "--harehearse-change", "CHG1")
    assert said in found


def test_an_armed_production_that_does_not_answer(site, summary):
    """Is unknown or failed, never skipped; kind and change stand in the header, the events and the report."""
    inventory = site.path / "harehearse.toml"
    nodes = '{ name = "s1", url = "ssh://127.0.0.1:1" }, { name = "s2", url = "ssh://127.0.0.2:1" }'
    text = inventory.read_text().replace(
        '{ name = "s1", url = "ssh://192.0.2.1" }, { name = "s2", url = "ssh://192.0.2.2" }', nodes
    )
    inventory.write_text(text + f'allow = ["switchover"]\nwindows = {EVERY_DAY}\n')
    result = site.runpytest_subprocess(
        "--harehearse-env", "prod", "--harehearse-arm", "prod", "--harehearse-change", "CHG-1"
    )
    assert result.ret == 1
    said = result.stdout.str()
    assert "harehearse: clusters prod/shop (PRODUCTION, armed for change CHG-1 by " in said
    assert "No node of prod answers, and harehearse does not create a PRODUCTION: its hosts are there already." in said
    (rehearsal,) = summary()["rehearsals"]
    assert (rehearsal["kind"], rehearsal["verdict"]) == ("production", "failed")
    assert rehearsal["again"].endswith("--harehearse-arm prod --harehearse-change CHG-1")
    (run,) = (site.path / ".harehearse" / "runs").iterdir()
    assert '"kind": "production", "change": "CHG-1", "armed_by": "' in (run / "events.jsonl").read_text()


def test_an_armed_production_outside_its_windows(site, summary):
    """Is unknown, for nothing was tried; not so much as a connection is made, and the next window is told."""
    then = datetime.now(UTC) + timedelta(hours=3)
    inventory = site.path / "harehearse.toml"
    window = f"{then:%a %H:%M}-{then + timedelta(hours=1):%H:%M} UTC"
    inventory.write_text(inventory.read_text() + f'allow = ["switchover"]\nwindows = ["{window}"]\n')
    result = site.runpytest("--harehearse-env", "prod", "--harehearse-arm", "prod", "--harehearse-change", "CHG-1")
    assert result.ret == 1
    said = " ".join(result.stdout.str().split())
    assert (
        f"prod/shop (PRODUCTION): nothing was started there: it is outside the windows of prod/shop ({window})." in said
    )
    assert "The next window is " in said
    (rehearsal,) = summary()["rehearsals"]
    assert (rehearsal["kind"], rehearsal["verdict"]) == ("production", "unknown")
    (run,) = (site.path / ".harehearse" / "runs").iterdir()
    assert "CommandStarted" not in (run / "events.jsonl").read_text()
