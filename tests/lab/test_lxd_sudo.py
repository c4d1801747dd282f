# SPDX-License-Identifier: MIT
"""A user who is not root, on a real host with a real sudo: commands run as root, or it is said why they cannot."""

from __future__ import annotations

import pytest

from pytest_harehearse.labs.lxd.lab import KEY
from pytest_harehearse.managers.pacemaker import PacemakerManager
from pytest_harehearse.remote.base import Done, Unreachable
from pytest_harehearse.remote.paramiko_channel import ParamikoChannel

SETUP = """set -e
id ops >/dev/null 2>&1 || useradd --create-home --shell /bin/sh ops
install -d -m 700 -o ops /home/ops/.ssh
install -m 600 -o ops /root/.ssh/authorized_keys /home/ops/.ssh/authorized_keys
echo 'ops ALL=(root) NOPASSWD: ALL' > /etc/sudoers.d/harehearse
"""


@pytest.fixture
def as_ops(web):
    """Channels of the user ops, who may become root on every node."""
    state = web.lab._state()
    for node in web.nodes:
        web.run(node, "sh", "-c", SETUP)
    channels = {
        node: ParamikoChannel(
            node, state.clusters[web.cluster][node].address, user="ops", keys=(web.lab.home / KEY,),
            pinned=state.site["host_keys"][node], agent=False, config=None,
        )
        for node in web.nodes
    }  # fmt: skip
    yield channels
    for channel in channels.values():
        channel.close()
    for node in web.nodes:
        web.run(node, "sh", "-c", "rm -f /etc/sudoers.d/harehearse; userdel --remove ops 2>/dev/null; true")


def test_commands_and_files_are_roots(as_ops, web):
    """Unless a command is to run as the user; arguments arrive as they were through sudo, too."""
    node = web.nodes[0]
    assert as_ops[node].run(["id", "-u"], deadline=10).out == "0"
    assert as_ops[node].run(["id", "-un"], deadline=10, root=False).out == "ops"
    assert as_ops[node].run(["printf", "%s", "a b; $(id) 'x'"], deadline=10).out == "a b; $(id) 'x'"
    assert as_ops[node].put(b"secret", "/root/by-ops", deadline=10).rc == 0
    assert web.run(node, "stat", "-c", "%U %a", "/root/by-ops").out == "root 600"
    assert as_ops[node].get("/root/by-ops", deadline=10).stdout == b"secret"
    web.run(node, "rm", "/root/by-ops")


def test_the_manager_works_for_such_a_user(as_ops, web):
    """What a site has: an ops user and sudo."""
    cluster = web.reached.cluster
    state = PacemakerManager(cluster, as_ops).state(10.0)
    assert state.redundancy_limitation() is None
    assert state.active == web.manager.state().active


def test_without_the_right_it_is_said_and_nothing_runs(as_ops, web):
    """Not the command's own exit status: the command was never run."""
    node = web.nodes[0]
    web.run(node, "rm", "/etc/sudoers.d/harehearse")
    refused = as_ops[node].run(["touch", "/root/was-run"], deadline=10)
    assert isinstance(refused, Unreachable)
    assert refused.refused
    assert "sudo wants a password" in refused.reason
    assert "NOPASSWD" in refused.reason
    assert web.run(node, "test", "-e", "/root/was-run", ok=False).rc == 1
    assert isinstance(as_ops[node].run(["id", "-u"], deadline=10, root=False), Done)
