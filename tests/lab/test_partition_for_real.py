# SPDX-License-Identifier: MIT
"""Nodes cut off from each other: the cluster fences, the undo lies on the node, and a timer there needs nobody."""

from __future__ import annotations

import time

import pytest

from pytest_harehearse.errors import HarehearseError
from pytest_harehearse.faults import dead_man
from pytest_harehearse.faults.network import partition
from pytest_harehearse.remote.base import Done

ABOUT = dead_man.about(run="r", cluster="lab3/shop", fault="net_partition", target="n", strike="s", undo="u")
TABLES = "nft list tables | grep -c harehearse_ || true"


def tables(shop, node):
    return shop.run(node, "sh", "-c", TABLES).out


def test_a_node_that_is_cut_off_is_fenced(shop):
    """The two that still see each other have quorum: they fence the third, and another serves."""
    state = shop.manager.state()
    cut = state.active
    others = [node for node in shop.nodes if node != cut]
    before = shop.run(cut, "cat", "/proc/sys/kernel/random/boot_id").out
    fault = partition(shop.reached.channels, cut, others, keep=shop.manager.addresses())
    assert fault.limitation() is None
    fault.arm(ABOUT)
    fault.strike()
    assert fault.effect() is None
    shop.until(lambda seen: seen.active not in {None, cut}, within=60)
    # It was powered off and on: what was struck went with that, which is undone too.
    shop.until(lambda seen: seen.redundancy_limitation() is None, within=90)
    fault.undo()
    assert fault.undone() is None
    fault.disarm()
    # Fenced, as it should be: that is no early end.
    assert fault.ended_early is None
    assert tables(shop, cut) == "0"
    assert shop.run(cut, "cat", "/proc/sys/kernel/random/boot_id").out != before


class Nobody:
    """A host that is no member, so that the cluster does not notice when a node is cut off from it."""

    node = "nobody"

    def run(self, command, **options):
        return Done(0, b'[{"addr_info": [{"local": "198.18.0.250"}, {"local": "fd00::250"}]}]')


def test_what_nobody_undoes_the_node_undoes(shop):
    """The runner is gone: its timer on the node takes the table away by itself, and forgets itself."""
    standby = shop.manager.state().standbys[0]
    before = shop.run(standby, "cat", "/proc/sys/kernel/random/boot_id").out
    fault = partition({**shop.reached.channels, "nobody": Nobody()}, standby, ["nobody"], dead_man=8.0)
    assert fault.limitation() is None
    fault.arm(ABOUT)
    fault._timer.stop()
    fault.strike()
    assert tables(shop, standby) == "1"
    assert fault.id in shop.run(standby, "ls", "/run/harehearse").out
    deadline = time.monotonic() + 60
    while tables(shop, standby) != "0":
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert shop.run(standby, "sh", "-c", "sleep 3; ls /run/harehearse 2>/dev/null | wc -l").out == "0"
    assert shop.run(standby, "cat", "/proc/sys/kernel/random/boot_id").out == before
    fault.undo()
    assert fault.undone() is None
    fault.disarm()
    assert fault.ended_early.startswith(f"the timer on {standby} undid it")
    shop.healthy()


def test_a_runner_that_lives_puts_the_timer_off(shop):
    """Longer than its time the fault stays, and is undone when it is told to be."""
    standby = shop.manager.state().standbys[0]
    fault = partition({**shop.reached.channels, "nobody": Nobody()}, standby, ["nobody"], dead_man=6.0)
    assert fault.limitation() is None
    fault.arm(ABOUT)
    fault.strike()
    time.sleep(12)
    assert tables(shop, standby) == "1"
    fault.undo()
    assert fault.undone() is None
    assert fault.ended_early is None
    fault.disarm()
    assert tables(shop, standby) == "0"


def test_without_its_timer_nothing_is_struck(shop):
    """A node whose timer cannot be started is left alone."""
    standby = shop.manager.state().standbys[0]
    fault = partition(shop.reached.channels, standby, [node for node in shop.nodes if node != standby])
    assert fault.limitation() is None
    shop.run(standby, "sh", "-c", "mkdir -p /run/harehearse && mount -t tmpfs -o ro tmpfs /run/harehearse")
    try:
        with pytest.raises(HarehearseError, match=r"was not struck, for its timer is not armed: shop\d: "):
            fault.arm(ABOUT)
        with pytest.raises(HarehearseError, match=r"was not struck, for its timer on .* is not armed"):
            partition(shop.reached.channels, standby, [shop.manager.state().active]).strike()
        assert tables(shop, standby) == "0"
    finally:
        shop.run(standby, "umount", "/run/harehearse")
        shop.run(standby, "sh", "-c", "rmdir /run/harehearse 2>/dev/null; true")
    shop.healthy()
