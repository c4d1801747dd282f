# SPDX-License-Identifier: MIT
"""A production that is armed: hosts over SSH by their addresses; what the guard lets pass is done, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from urllib.parse import quote

import pytest

from pytest_harehearse.labs.lxd.lab import KEY

CLUSTER = """
[environments.{name}]
kind = "production"
[environments.{name}.clusters.shop]
manager = "pacemaker"
group = "vip"
allow = [{allow}]
windows = ["{window}"]
nodes = [
{nodes}
]
[[environments.{name}.clusters.shop.services]]
name = "page"
probe = "http"
url = "http://198.18.0.100/"
every = "10ms"
timeout = "60ms"
"""

SWITCHOVER = '''
import pytest

@pytest.mark.rehearsal(interruption="20s", redundancy="2min")
def test_switchover(cluster, probes):
    """The service moves on purpose."""
    with probes.watch():
        cluster.switchover(within="60s")
        cluster.until_redundant(within="60s")

def test_fault(cluster, faults):
    """A fault is struck."""
    with faults.service_kill(cluster.active):
        pass

def test_a_node_is_down(cluster):
    """Somebody takes a standby down while the rehearsal goes on."""
    node = cluster.nodes[cluster.standbys[-1]]
    node.run("systemctl", "stop", "pacemaker", within="60s")
    try:
        gone = lambda c: c.active is not None and len(c.standbys) == 1 and str(node) not in c.standbys
        cluster.until("the cluster knows that it is gone", gone, within="60s")
        cluster.switchover(within="60s")
    finally:
        node.run("systemctl", "start", "pacemaker", within="60s")
'''


def window(begins, ends):
    """One that begins and ends so many hours from now."""
    now = datetime.now(UTC)
    begin, end = now + timedelta(hours=begins), now + timedelta(hours=ends)
    return f"{begin:%a %H:%M}-{end:%H:%M} UTC"


@pytest.fixture
def production(shop, tmp_path):
    """The lab's nodes, declared as what an inventory of a site's has; each environment differs in what is allowed when."""
    state = shop.lab._state()
    nodes = "\n".join(
        f'  {{ name = "{node}", url = "ssh://root@{state.clusters[shop.cluster][node].address}'
        f"?key={quote(str(shop.lab.home / KEY))}&pin={quote(state.site['host_keys'][node], safe='')}"
        f'&agent=no" }},'
        for node in shop.nodes
    )
    environments = {
        "prod": ('"switchover", "fault"', window(-1, 2)),
        "late": ('"switchover", "fault"', window(3, 4)),
        "strict": ('"switchover"', window(-1, 2)),
    }
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "harehearse.toml").write_text(
        "".join(
            CLUSTER.format(name=name, allow=allow, window=when, nodes=nodes)
            for name, (allow, when) in environments.items()
        )
    )
    (folder / "test_shop.py").write_text(SWITCHOVER)
    (folder / "pytest.ini").write_text("[pytest]\n")

    def run(test, environment, *options):
        done = subprocess.run(
            [
                sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"test_shop.py::{test}",
                "--harehearse-env", environment, *options,
            ],
            cwd=folder, capture_output=True, text=True, timeout=170, check=False,
            env={**os.environ, "PYTEST_ADDOPTS": "-p no:hypothesispytest -p no:syrupy"},
        )  # fmt: skip
        runs = sorted((folder / ".harehearse" / "runs").glob("*"), key=lambda one: one.stat().st_mtime_ns)
        return SimpleNamespace(status=done.returncode, out=done.stdout + done.stderr, folder=runs[-1] if runs else None)

    shop.healthy()
    yield run
    shop.healthy()


def armed(environment):
    return ("--harehearse-arm", environment, "--harehearse-change", "CHG-4711")


def events(done):
    """What stands on the stream of a run."""
    return [json.loads(line) for line in (done.folder / "events.jsonl").read_text().splitlines()]


def seen(shop):
    """The active node, and the whole configuration."""
    active = shop.healthy().active
    return active, shop.run(shop.nodes[0], "cibadmin", "--query", "--scope", "configuration").out


def test_armed_in_its_window_a_switchover_is_done(production, shop):
    """It passes, is measured, and the change and who armed it stand in the events, in run.json and in the reports."""
    before = shop.manager.state().active
    done = production("test_switchover", "prod", *armed("prod"))
    assert done.status == 0, done.out
    assert "harehearse: clusters prod/shop (PRODUCTION, armed for change CHG-4711 by " in done.out
    assert "prod/shop (PRODUCTION, pacemaker, armed for change CHG-4711 by " in done.out
    assert shop.manager.state().active != before
    stream = events(done)
    (opened,) = [one for one in stream if one["event"] == "ClusterOpened"]
    (started,) = [one for one in stream if one["event"] == "RehearsalStarted"]
    for event in (opened, started):
        assert (event["kind"], event["change"]) == ("production", "CHG-4711")
        assert "@" in event["armed_by"]
    (asked,) = [one for one in stream if one["event"] == "GuardAsked"]
    assert asked["allowed"]
    assert {one["kind"] for one in stream if one["event"] in {"ActionStarted", "CommandStarted"}} == {"production"}
    (cluster,) = json.loads((done.folder / "run.json").read_text())["clusters"]
    assert (cluster["kind"], cluster["change"]) == ("production", "CHG-4711")
    for report in ("report.html", "report.md"):
        text = (done.folder / report).read_text()
        assert "CHG" in text
        assert "4711" in text


@pytest.mark.parametrize(
    ("environment", "test", "said", "asked"),
    [
        ("late", "test_switchover", "it is outside the windows of late/shop", []),
        ("strict", "test_fault", "the inventory does not allow it there: it is a fault", [False]),
        ("prod", "test_a_node_is_down", "the cluster is not whole: ", [False]),
    ],
)
def test_what_is_refused_changes_nothing(production, shop, environment, test, said, asked):
    """Outside the window (where nothing is even connected), not allowed, a node down: unknown, and no action was begun."""
    before = seen(shop)
    done = production(test, environment, *armed(environment))
    assert done.status == 1, done.out
    assert "1 unknown" in done.out
    text = " ".join(done.out.split())
    assert f"{environment}/shop (PRODUCTION):" in text
    assert said in text
    stream = events(done)
    assert not [one for one in stream if one["event"] == "ActionStarted"]
    assert [one["allowed"] for one in stream if one["event"] == "GuardAsked"] == asked
    assert ("CommandStarted" in {one["event"] for one in stream}) is bool(asked)
    assert seen(shop) == before


def test_another_environment_is_not_armed_with_it(production, shop):
    """A usage error; and a run that selects both strikes only what is armed."""
    before = seen(shop)
    done = production("test_switchover", "late", *armed("prod"))
    assert done.status == 4
    assert "--harehearse-arm prod: this run selects no cluster of prod" in done.out
    planned = production("test_switchover", "late")
    assert planned.status == 0
    assert "1 skipped" in planned.out
    assert "To rehearse on it, in its window: --harehearse-arm late --harehearse-change ID" in planned.out
    assert "action     switchover" in planned.out
    assert planned.folder is None
    assert seen(shop) == before
