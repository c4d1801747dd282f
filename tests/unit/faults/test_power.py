# SPDX-License-Identifier: MIT
"""The faults ``node_power_off`` and ``node_freeze`` prove their effect and their undo by the lab's word."""

from __future__ import annotations

import pytest

from pytest_harehearse.errors import LabError
from pytest_harehearse.faults import power
from pytest_harehearse.faults.power import NodeFreeze, NodePowerOff
from pytest_harehearse.labs.base import PowerControl


class Lab:
    """One node with power; ``slow``: so many times it still tells the old state."""

    def __init__(self):
        self.state = "on"
        self.slow: list[str] = []
        self.calls: list[str] = []
        self.broken: set[str] = set()

    def power_state(self, node):
        assert node == "n1"
        return self.slow.pop(0) if self.slow else self.state

    def _do(self, what, state):
        self.calls.append(what)
        if what in self.broken:
            raise LabError(f"{what} failed")
        self.state = state

    def power_off(self, node, deadline=30.0):
        self._do("off", "off")

    def power_on(self, node, deadline=30.0):
        if self.state != "on":
            self._do("on", "on")

    def freeze(self, node, deadline=30.0):
        self._do("freeze", "frozen")

    def thaw(self, node, deadline=30.0):
        if self.state == "frozen":
            self._do("thaw", "on")


@pytest.fixture
def lab(monkeypatch):
    monkeypatch.setattr(power, "PROOF_S", 0.05)
    made = Lab()
    assert isinstance(made, PowerControl)
    return made


KINDS = pytest.mark.parametrize(
    ("kind", "state", "said", "calls"),
    [(NodePowerOff, "off", "off", ["off", "on"]), (NodeFreeze, "frozen", "frozen", ["freeze", "thaw"])],
)


@KINDS
def test_strike_effect_undo(lab, kind, state, said, calls):
    """The whole life of the fault; before the strike its effect is not proved."""
    fault = kind(lab, "n1")
    assert fault.limitation() is None
    assert fault.effect() == "n1 is on"
    assert fault.strike() == said
    assert lab.state == state
    assert fault.effect() is None
    assert fault.undone() == f"n1 is {state}"
    fault.undo()
    assert fault.undone() is None
    assert lab.calls == calls


@KINDS
def test_the_clusters_fencing_was_faster(lab, kind, state, said, calls):
    """A node that was fenced is on again: the strike had its effect, and the undo does no harm."""
    fault = kind(lab, "n1")
    fault.strike()
    lab.state = "on"
    assert fault.effect() is None
    fault.undo()
    assert fault.undone() is None
    assert lab.calls == calls[:1]


def test_a_frozen_node_that_was_fenced_and_stayed_off(lab):
    """It is powered on."""
    fault = NodeFreeze(lab, "n1")
    fault.strike()
    lab.state = "off"
    fault.undo()
    assert lab.calls == ["freeze", "on"]
    assert fault.undone() is None


@KINDS
def test_the_undo_may_take_a_moment(lab, kind, state, said, calls, monkeypatch):
    """The new state is waited for."""
    monkeypatch.setattr(power, "PROOF_S", 30.0)
    fault = kind(lab, "n1")
    fault.strike()
    fault.undo()
    lab.slow = [state, state]
    assert fault.undone() is None
    assert lab.slow == []


@KINDS
def test_a_strike_that_fails_has_no_effect(lab, kind, state, said, calls):
    """The lab's error goes on, and nothing is claimed."""
    fault = kind(lab, "n1")
    lab.broken = {calls[0]}
    with pytest.raises(LabError, match=f"{calls[0]} failed"):
        fault.strike()
    assert fault.effect() == "n1 is on"


@KINDS
def test_an_undo_that_fails(lab, kind, state, said, calls):
    """The lab's error goes on, and it is not undone."""
    fault = kind(lab, "n1")
    fault.strike()
    lab.broken = {calls[1]}
    with pytest.raises(LabError, match=f"{calls[1]} failed"):
        fault.undo()
    assert fault.undone() == f"n1 is {state}"


@KINDS
def test_a_node_that_is_gone(lab, kind, state, said, calls):
    """Is not undone, and the wait for it ends."""
    fault = kind(lab, "n1")
    lab.state = "missing"
    assert fault.undone() == "n1 is missing"


@KINDS
def test_an_environment_without_control(kind, state, said, calls):
    """Is named before anything is touched, and a strike there is a mistake of the caller."""
    fault = kind(object(), "n1")
    assert fault.limitation() == "this environment gives no control over the power of its nodes"
    for act in (fault.strike, fault.effect, fault.undo, fault.undone):
        with pytest.raises(TypeError, match="gives no control over the power"):
            act()


def test_their_words():
    """What a person would do by hand."""
    off, freeze = NodePowerOff(None, "n1"), NodeFreeze(None, "n1")
    assert (off.name, off.strike_text, off.undo_text) == (
        "node_power_off", "take the power of n1 away: no shutdown, no goodbye", "power n1 on again",
    )  # fmt: skip
    assert (freeze.name, freeze.strike_text, freeze.undo_text) == (
        "node_freeze", "freeze n1: every process stops where it is, and nothing is closed",
        "thaw n1, or power it on when it was fenced",
    )  # fmt: skip
