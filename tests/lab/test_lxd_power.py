# SPDX-License-Identifier: MIT
"""Fifty times the power goes away in mid-command: never does a call outlast its deadline, never is it a success."""

from __future__ import annotations

import random
import threading
import time

import pytest

from pytest_harehearse.labs.lxd import keys, nodes
from pytest_harehearse.labs.lxd.node_files import File
from pytest_harehearse.labs.lxd.plan import HOST, SUBNET
from pytest_harehearse.remote.base import Done
from pytest_harehearse.remote.paramiko_channel import ParamikoChannel

NAME, ADDRESS = "spare", str(SUBNET[50])
DEADLINE_S = 2.0


@pytest.fixture
def spare(web, tmp_path):
    """A host beside the cluster, so that nobody fences it."""
    api = web.lab._api()
    private, public = keys.ssh_key()
    host_private, host_public = keys.ssh_key()
    key = tmp_path / "key"
    key.touch(0o600)
    key.write_bytes(private)
    network = f"[Match]\nName=eth0\n[Network]\nAddress={ADDRESS}/24\nGateway={HOST}\nLinkLocalAddressing=no\n"
    nodes.create(api, NAME, {
        "/etc/systemd/network/10-eth0.network": File(network.encode()),
        "/root/.ssh/authorized_keys": File(public.encode(), 0o600),
        "/etc/ssh/ssh_host_ed25519_key": File(host_private, 0o600),
        "/etc/ssh/ssh_host_ed25519_key.pub": File(host_public.encode()),
    })  # fmt: skip
    channel = ParamikoChannel(NAME, ADDRESS, user="root", keys=(key,), pinned=host_public, agent=False)
    yield api, channel
    channel.close()
    if api.state(NAME) != "Stopped":
        api.change_state(NAME, "stop", force=True)
    api.delete(f"instances/{NAME}")


def answers(channel, within=30.0):
    """Wait until the host is up."""
    deadline = time.monotonic() + within
    while not isinstance(seen := channel.run(["true"], deadline=2.0), Done):
        assert time.monotonic() < deadline, seen
        time.sleep(0.05)


def test_a_power_off_in_mid_command_never_hangs(spare):
    """50 times, at random instants of the command; afterwards the same channel works again after the boot."""
    api, channel = spare
    dice = random.Random(20261123)
    began_with = threading.active_count()
    for round_ in range(50):
        api.change_state(NAME, "start")
        answers(channel)
        wait = dice.uniform(0.0, 0.4)
        cut = threading.Timer(wait, api.change_state, (NAME, "stop"), {"force": True})
        cut.start()
        began = time.monotonic()
        outcome = channel.run(["sh", "-c", "while :; do echo x; sleep 0.05; done"], deadline=DEADLINE_S)
        took = time.monotonic() - began
        cut.join(timeout=30)
        assert took <= DEADLINE_S + 1.0, f"round {round_}: {took:.2f} s"
        # The shell may fail and say so while the host dies around it; what it never does is end well.
        assert not (isinstance(outcome, Done) and outcome.rc == 0), f"round {round_}: {outcome}"
    assert threading.active_count() <= began_with + 8
