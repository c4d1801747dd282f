# SPDX-License-Identifier: MIT
"""Nodes that are hosts: testinfra over our channel, reboots proved by the boot id, LXD's own way in."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_harehearse.errors import DeadlineExceeded, Unreachable
from pytest_harehearse.rehearsal.node import Node
from pytest_harehearse.rehearsal.recorder import Recorder
from pytest_harehearse.remote.base import Done
from pytest_harehearse.remote.base import Unreachable as NotSent
from pytest_harehearse.remote.lxd import LxdChannel


def node(web, name, events=None):
    """A node as the ``cluster`` fixture gives it."""
    recorder = Recorder((events if events is not None else []).append, "test", live=False)
    return Node(name, web.reached.channels[name], lambda: recorder)


def test_testinfra_asks_the_node(web):
    """Its modules work over our channel."""
    active = web.manager.state().active
    host = node(web, active).host
    assert host.service("nginx").is_running
    assert host.service("corosync").is_enabled
    assert host.package("pacemaker").is_installed
    assert host.file("/etc/corosync/authkey").mode == 0o400
    assert host.interface("eth0").exists
    assert "198.18.0.100" in " ".join(host.interface("eth0").addresses)
    assert host.process.filter(comm="corosync")
    assert host.check_output("echo %s", "a b; $(id)") == "a b; $(id)"


def test_a_reboot_is_proved_by_its_boot_id(web):
    """Another boot, the same kernel, and the event says both."""
    events = []
    standby = node(web, web.manager.state().standbys[0], events)
    before, kernel = standby.boot_id, standby.kernel
    took = standby.reboot(within="2min")
    assert standby.boot_id != before
    assert standby.kernel == kernel
    assert took > 0
    assert [event.outcome for event in events if type(event).__name__ == "ActionFinished"] == ["done"]
    web.healthy()


def test_a_host_that_does_not_reboot_is_told(web):
    """A host that goes on as it was never counts as rebooted."""
    standby = node(web, web.manager.state().standbys[0])
    with pytest.raises(DeadlineExceeded, match="seen last: it answers with the same boot id"):
        standby.until_booted(standby.boot_id, within=2.0)


def test_a_host_that_is_off_cannot_be_rebooted(web):
    """Unreachable, never done; and the clock says how far it is off only while somebody answers."""
    standby = node(web, web.manager.state().standbys[0])
    clock = standby.clock()
    assert abs(clock.offset) < 1.0
    assert 0 < clock.error < 0.5
    web.lab.power_off(standby.name)
    try:
        with pytest.raises(Unreachable, match=standby.name):
            standby.reboot(within="10s")
    finally:
        web.lab.power_on(standby.name)
        web.healthy()


def test_lxd_is_a_way_in_of_its_own(web):
    """Commands, files and their outcomes over LXD's API; a node that is off is unreachable."""
    site = web.lab._site(web.lab._state())
    standby = web.manager.state().standbys[0]
    channel = LxdChannel(standby, standby, endpoint=Path(site.socket), project=site.project)
    try:
        done = channel.run(["sh", "-c", "echo out; echo err >&2; exit 7"], deadline=10)
        assert isinstance(done, Done)
        assert (done.rc, done.out, done.err) == (7, "out", "err")
        assert channel.put(b"\0data\n", "/root/put", deadline=10).rc == 0
        assert channel.get("/root/put", deadline=10).stdout == b"\0data\n"
        web.lab.power_off(standby)
        assert isinstance(channel.run(["true"], deadline=10), NotSent)
    finally:
        channel.close()
        web.lab.power_on(standby)
        web.healthy()
