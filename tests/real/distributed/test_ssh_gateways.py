# SPDX-License-Identifier: MIT
"""Workers behind real SSH: each at its site, one run for both; a machine that does not answer is told, the others go on."""

import json
import os
import subprocess
import sys

import pytest
from tests.real.remote import sshd as servers

from pytest_harehearse.events import Noted, RehearsalStarted
from pytest_harehearse.streams import read_run

INVENTORY = """
[environments.demo]
kind = "lab"
provider = "embedded"
[environments.demo.clusters.carts]
manager = "sentinel"
nodes = ["c1", "c2"]
site = "paris"
[environments.demo.clusters.users]
manager = "sentinel"
nodes = ["u1", "u2"]
site = "oslo"
"""
TEST = """
import os

def test_failover_switchover(cluster, rehearsal):
    cluster.switchover(within="60s")
    rehearsal.note("at " + os.environ["HAREHEARSE_SITE"])
"""


@pytest.fixture
def project(tmp_path):
    """Two clusters at two sites, and how this machine is reached by SSH under three names, one of which is dead."""
    reason = servers.limitation()
    if reason is not None:
        pytest.skip(f"no real SSH server here: {reason}")
    server = servers.Sshd(tmp_path / "sshd")
    (tmp_path / "ssh_config").write_text(
        f"Host runner.*\n  HostName 127.0.0.1\n  Port {server.port}\n  User {server.user}\n  IdentityFile {server.key}\n"
        f"  IdentitiesOnly yes\n  UserKnownHostsFile {server.known_hosts}\n  StrictHostKeyChecking yes\n"
        f"  HostKeyAlias [127.0.0.1]:{server.port}\nHost dead.*\n  HostName 127.0.0.1\n  Port 1\n"
    )
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "harehearse.toml").write_text(INVENTORY)
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_failover.py").write_text(TEST)
    try:
        yield folder
    finally:
        server.kill()


def rehearsed(folder, *sites):
    config = folder.parent / "ssh_config"
    # Not in the home of whoever runs the tests.
    cache = folder.parent / "cache"
    gateways = [
        f"--tx=ssh={name}//ssh_config={config}//python={sys.executable}//chdir={cache}-{site}//env:HAREHEARSE_SITE={site}"
        for name, site in sites
    ]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    return subprocess.run(
        [
            sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:syrupy", "--dist=load", f"--rsyncdir={folder}",
            f"--harehearse-config={folder / 'harehearse.toml'}", f"--harehearse-store={folder.parent / 'store'}", *gateways,
        ],
        cwd=folder, env=kept, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def run_of(folder):
    [run] = (folder.parent / "store" / "runs").iterdir()
    return json.loads((run / "run.json").read_text())["rehearsals"]


def test_each_site_rehearses_its_own_cluster_in_one_run(project):
    done = rehearsed(project, ("runner.paris", "paris"), ("runner.oslo", "oslo"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert {one["cluster"]: one["verdict"] for one in run_of(project)} == {
        "demo/carts": "passed",
        "demo/users": "passed",
    }
    [run] = (project.parent / "store" / "runs").iterdir()
    events = read_run(run)
    clusters = {event.rehearsal: event.cluster for event in events if isinstance(event, RehearsalStarted)}
    notes = {(clusters[event.rehearsal], event.text) for event in events if isinstance(event, Noted)}
    assert notes >= {("demo/carts", "at paris"), ("demo/users", "at oslo")}


def test_a_gateway_that_does_not_answer_is_told_and_the_others_go_on(project):
    done = rehearsed(project, ("runner.paris", "paris"), ("dead.oslo", "oslo"))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "The gateway ssh=dead.oslo//" in done.stdout
    assert " does not answer: ssh: connect to host 127.0.0.1 port 1: Connection refused." in done.stdout
    verdicts = {one["cluster"]: (one["verdict"], one["reason"]) for one in run_of(project)}
    assert verdicts == {
        "demo/carts": ("passed", None),
        "demo/users": (
            "unknown",
            "not run: no runner for site oslo, where demo/users is. Give it one: --tx ssh=HOST//env:HAREHEARSE_SITE=oslo",
        ),
    }


def test_without_any_gateway_nothing_is_started(project):
    done = rehearsed(project, ("dead.paris", "paris"))
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, done.stdout + done.stderr
    assert done.stderr.rstrip().endswith("No other was named, so nothing was started.")
    assert not (project.parent / "store").exists()
