# SPDX-License-Identifier: MIT
"""The fault ``stack_kill`` proves its effect and its undo, and says where it cannot be done."""

from __future__ import annotations

import pytest

from pytest_harehearse.errors import Unsupported
from pytest_harehearse.faults.base import Expected, Scene
from pytest_harehearse.faults.stack import StackKill, stack_kill
from pytest_harehearse.inventory.model import Cluster, Node


class Nodes:
    """A lab of one node with three processes; one may refuse to die."""

    def __init__(self):
        self.alive = [11, 12, 13]
        self.immortal = []
        self.calls = []

    def kill_stack(self, cluster, node):
        self.calls.append(("kill", cluster, node))
        killed, self.alive = self.alive, list(self.immortal)
        return killed

    def stack_processes(self, cluster, node):
        self.calls.append(("look", cluster, node))
        return list(self.alive)

    def start_stack(self, cluster, node):
        self.calls.append(("start", cluster, node))
        self.alive = [21]


def test_strike_effect_undo():
    """The whole life of the fault."""
    lab = Nodes()
    fault = StackKill(lab, "orders", "n1")
    assert fault.limitation() is None
    assert fault.effect() == "nothing was running on n1, so nothing was killed"
    assert fault.strike() == "killed 3 processes"
    assert fault.effect() is None
    assert fault.undone() == "nothing runs on n1"
    fault.undo()
    assert fault.undone() is None
    assert [call for call in lab.calls if call[0] != "look"] == [("kill", "orders", "n1"), ("start", "orders", "n1")]
    assert ("look", "orders", "n1") in lab.calls


def test_a_part_of_a_node_is_not_the_node():
    """Who was killed while starting it leaves a part running: where the lab can tell, that is not taken for undone."""
    lab = Nodes()
    lab.lacks = "not running on n1: Valkey"
    lab.stack_limitation = lambda cluster, node: lab.lacks
    fault = StackKill(lab, "orders", "n1")
    assert fault.undone() == "not running on n1: Valkey"
    lab.lacks = None
    assert fault.undone() is None


def test_a_survivor_is_named():
    """An effect that is not proved is said, not assumed."""
    lab = Nodes()
    lab.immortal = [12]
    fault = StackKill(lab, "orders", "n1")
    fault.strike()
    assert fault.effect() == "still alive on n1: pids [12]"


def test_nothing_to_kill_is_no_effect():
    """A strike on a dead node proves nothing."""
    lab = Nodes()
    lab.alive = []
    fault = StackKill(lab, "orders", "n1")
    assert fault.strike() == "killed 0 processes"
    assert fault.effect() == "nothing was running on n1, so nothing was killed"


def test_an_environment_without_control_is_named_before_anything_is_touched():
    """And a strike there is a mistake of the caller."""
    fault = StackKill(object(), "orders", "n1")
    assert fault.limitation() == "this environment gives no control over the processes of its nodes"
    with pytest.raises(TypeError, match="gives no control"):
        fault.strike()


def test_its_words():
    """What a person would do by hand."""
    fault = StackKill(Nodes(), "orders", "n1")
    assert (fault.name, fault.target) == ("stack_kill", "n1")
    assert fault.strike_text == "SIGKILL the cluster manager of n1, its servers and all their children"
    assert fault.undo_text == "start the cluster manager of n1 again"


def scene(provider, lab=None):
    cluster = Cluster("demo", "orders", "lab", "pacemaker", (Node("n1"),), provider=provider)
    return Scene(cluster, None, lab=lab, planned=lab is None)


def test_on_hosts_it_is_their_units():
    """A lab of processes kills what it started; a host's cluster manager is a unit, of which a part is named."""
    fault = stack_kill(scene("lxd"), "n1", part="pacemaker", dead_man="9s")
    assert (fault.strike_text, fault.expected) == ("on n1, SIGKILL every process of pacemaker", Expected.FENCED)
    assert fault.dead_man == 9.0
    assert stack_kill(scene("lxd"), "n1").strike_text == "on n1, SIGKILL every process of corosync"
    assert isinstance(stack_kill(scene("embedded"), "n1"), StackKill)
    assert isinstance(stack_kill(scene("lxd", Nodes()), "n1"), StackKill)


def test_a_part_that_there_is_not():
    """Is a mistake of the test's, told with what there is."""
    with pytest.raises(Unsupported, match=r"^stack_kill has no part 'sbd'; there are corosync and pacemaker\.$"):
        stack_kill(scene("hosts"), "n1", part="sbd")
