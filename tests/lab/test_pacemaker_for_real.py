# SPDX-License-Identifier: MIT
"""The manager against a real cluster, whole and broken: what it says, what it refuses, what it leaves behind."""

from __future__ import annotations

import time

import pytest

from pytest_harehearse.errors import Refused


def constraints(web):
    return web.run("web1", "cibadmin", "--query", "--scope=constraints").out


def test_a_switchover_there_and_back_leaves_nothing_behind(web):
    """The service moves, and no constraint stays that would bind it."""
    state = web.manager.state()
    home, away = state.active, state.standbys[0]
    for to in (away, home):
        assert web.manager.switchover_limitation(web.manager.state(), to) is None
        web.manager.switchover(web.manager.state(), to, 60.0)
        assert web.until(lambda seen, to=to: seen.active == to).active == to
        assert "cli-" not in constraints(web)
        web.healthy()


def test_what_was_predicted_is_what_came(web):
    """crm_simulate as oracle: the same node for the group."""
    state = web.manager.state()
    target = state.standbys[0]
    predicted = web.manager.predict_switchover(target).resources
    assert predicted["web"] == (target,)
    lost = web.manager.predict_node_fail(state.active).resources
    assert lost["web"] == (target,)


def test_drain_and_maintenance_are_told_and_undone(web):
    """A drained node could not take over, a cluster in maintenance is not redundant; both are whole again after."""
    standby = web.manager.state().standbys[0]
    web.manager.drain(standby)
    state = web.manager.state()
    assert standby not in state.standbys
    assert "standby" in state.redundancy_limitation()
    # Its device of two nodes' fencing has nowhere to run, which weighs more than the drained target.
    assert "no fencing device for" in web.manager.switchover_limitation(state, standby)
    web.manager.undrain(standby)
    web.healthy()
    web.manager.maintenance(True)
    assert "maintenance" in web.manager.state().redundancy_limitation()
    assert "maintenance" in web.manager.switchover_limitation(web.manager.state(), None)
    web.manager.maintenance(False)
    web.healthy()


def test_a_fenced_node_comes_back_and_the_history_tells(web):
    """The cluster shoots it, it boots, it joins; another boot id proves it."""
    state = web.manager.state()
    standby = state.standbys[0]
    before = web.run(standby, "cat", "/proc/sys/kernel/random/boot_id").out
    web.manager.fence(standby)
    # The node that is asked may hear of the end a moment after the one that carried it out.
    deadline = time.monotonic() + 30
    while (newest := web.manager.fencing_history()[0]).status == "pending":
        assert time.monotonic() < deadline, newest
        time.sleep(0.2)
    assert (newest.node, newest.action, newest.status) == (standby, "reboot", "success")
    web.until(lambda seen: standby not in seen.standbys, within=30)
    web.healthy()
    assert web.run(standby, "cat", "/proc/sys/kernel/random/boot_id").out != before
    assert web.manager.state().active == state.active


def test_fencing_that_is_off_stops_a_switchover(web):
    """A cluster that cannot fence cannot be trusted to fail over."""
    web.run("web1", "crm_attribute", "--name", "stonith-enabled", "--update", "false")
    try:
        state = web.until(lambda seen: seen.redundancy_limitation() is not None)
        assert "fencing" in state.redundancy_limitation()
        assert "fencing" in web.manager.switchover_limitation(state, None)
    finally:
        web.run("web1", "crm_attribute", "--name", "stonith-enabled", "--update", "true")
    web.healthy()


def test_a_constraint_that_somebody_left_is_told(web):
    """It would bind the group to a node; nobody has to find that out at two in the morning."""
    standby = web.manager.state().standbys[0]
    web.run("web1", "crm_resource", "--resource", "web", "--ban", "--node", standby)
    try:
        state = web.until(lambda seen: seen.redundancy_limitation() is not None)
        assert "cli-ban-web-on-" in state.describe()
        assert web.manager.switchover_limitation(state, standby) is not None
    finally:
        web.run("web1", "crm_resource", "--resource", "web", "--clear")
    web.healthy()


def test_a_manager_that_is_stopped_is_told(web):
    """One node's is: the node could not take over. All nodes' are: nothing is known, and in those words."""
    state = web.manager.state()
    standby = state.standbys[0]
    web.run(standby, "systemctl", "stop", "pacemaker")
    try:
        seen = web.until(lambda seen: standby not in seen.standbys)
        assert seen.active == state.active
        assert standby in seen.redundancy_limitation()
        with pytest.raises(Refused):
            web.manager.switchover(seen, standby, 10.0)
        web.run(state.active, "systemctl", "stop", "pacemaker")
        seen = web.manager.state()
        assert seen.active is None
        assert "not running" in seen.describe()
    finally:
        for node in web.nodes:
            web.run(node, "systemctl", "start", "pacemaker")
    web.healthy()


def test_a_cluster_that_fails_already_is_not_rehearsed_on(web):
    """The rehearsal is unknown, with the reason, and nothing was started; the lab stays as it is."""
    (web.labs.folder / "test_failover_first.py").write_text(
        "def test_failover(cluster, probes):\n    with probes.watch():\n        cluster.switchover()\n"
    )
    standby = web.manager.state().standbys[0]
    web.run("web1", "crm_standby", "--node", standby, "--update", "on")
    try:
        web.until(lambda seen: standby not in seen.standbys)
        done = rehearse(web, "test_failover_first.py")
        assert done.returncode == 1
        assert "was not healthy before the rehearsal, so nothing was started" in done.stdout
        assert "1 unknown" in done.stdout
    finally:
        web.run("web1", "crm_standby", "--node", standby, "--update", "off")
    web.healthy()


def test_a_frozen_active_is_fenced(web, tmp_path):
    """The zombie: everything stands still and nothing is closed. It is shot, and comes back."""
    state = web.manager.state()
    web.lab.freeze(state.active)
    web.until(lambda seen: seen.active not in {None, state.active}, within=60)
    deadline = time.monotonic() + 60
    while web.lab.power_state(state.active) != "on":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    web.healthy(120)


def rehearse(web, *words):
    """Run pytest in the labs' folder, as a user does."""
    import subprocess
    import sys

    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--harehearse-env", web.environment.name, *words],
        cwd=web.labs.folder, capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
