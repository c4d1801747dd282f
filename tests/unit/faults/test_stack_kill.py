# SPDX-License-Identifier: MIT
"""The fault ``stack_kill`` proves its effect and its undo, and says where it cannot be done."""

from __future__ import annotations

import pytest

from pytest_harehearse.faults.stack import StackKill


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
