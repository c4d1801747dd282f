# SPDX-License-Identifier: MIT
"""Processes of an embedded lab that are stopped: the effect and the undo are proved by the kernel's word on each."""

from __future__ import annotations

import pytest

from pytest_harehearse.errors import Unsupported
from pytest_harehearse.faults import embedded_hang
from pytest_harehearse.faults.base import Expected, Scene
from pytest_harehearse.faults.embedded_hang import dcs_loss, hang, node_hang
from pytest_harehearse.inventory.model import Cluster, Node
from pytest_harehearse.labs.base import HangControl

NODES = (Node("n1"), Node("n2"), Node("n3"))
ORDERS = Cluster("demo", "orders", "lab", "patroni", NODES, provider="embedded")
CARTS = Cluster("demo", "carts", "lab", "sentinel", NODES, provider="embedded")


class Lab:
    """Three processes a part; what is asked of it."""

    def __init__(self):
        self.running, self.stopped, self.asked, self.limit = [11, 12, 13], [], [], None
        #: These take no signal.
        self.deaf = set()

    def hang_limitation(self, cluster, node, part):
        return self.limit

    def hang(self, cluster, node, part):
        self.asked.append(("hang", cluster, node, part))
        self.stopped = [pid for pid in self.running if pid not in self.deaf]
        return list(self.running)

    def go_on(self, cluster, node, part):
        self.asked.append(("go on", cluster, node, part))
        self.stopped = [pid for pid in self.stopped if pid in self.deaf]

    def hung(self, cluster, node, part):
        return list(self.stopped)


@pytest.fixture
def lab(monkeypatch):
    monkeypatch.setattr(embedded_hang, "PROOF_S", 0.02)
    made = Lab()
    assert isinstance(made, HangControl)
    return made


def test_strike_effect_undo(lab):
    """The whole life of the fault."""
    fault = hang(Scene(ORDERS, None, lab=lab), "n2")
    assert fault.limitation() is None
    assert fault.strike() == "stopped 11, 12, 13"
    assert fault.effect() is None
    assert fault.undone() == "still stopped on n2: pids [11, 12, 13]"
    fault.undo()
    assert fault.undone() is None
    assert lab.asked == [("hang", "orders", "n2", "server"), ("go on", "orders", "n2", "server")]


def test_one_that_goes_on_is_no_effect(lab):
    """It is named."""
    lab.deaf = {12}
    fault = hang(Scene(ORDERS, None, lab=lab), "n2")
    fault.strike()
    assert fault.effect() == "not stopped, or gone: pids [12]"


def test_nothing_to_stop_is_no_effect(lab):
    """A strike on a node that is down proves nothing."""
    lab.running = []
    fault = hang(Scene(ORDERS, None, lab=lab), "n2")
    assert fault.strike() == "stopped nothing"
    assert fault.effect() == "nothing of the kind ran on n2, so nothing was stopped"


def test_where_it_cannot_be_done(lab):
    """Is said before anything is touched: by the environment, or by the lab for this node."""
    fault = dcs_loss(Scene(ORDERS, None, lab=object()), "n1")
    assert fault.limitation() == "this environment gives no control over the processes of its nodes"
    with pytest.raises(TypeError, match="gives no control over the processes"):
        fault.strike()
    lab.limit = "there is no member beside n1"
    assert dcs_loss(Scene(ORDERS, None, lab=lab), "n1").limitation() == "there is no member beside n1"
    assert lab.asked == []


@pytest.mark.parametrize(
    ("cluster", "build", "options", "name", "what", "expected"),
    [
        (ORDERS, hang, {}, "process_hang", "what serves users on n1", Expected.ON_PEER),
        (CARTS, hang, {}, "process_hang", "what serves users on n1", Expected.ON_PEER),
        (ORDERS, hang, {"part": "manager"}, "process_hang", "the cluster manager of n1", Expected.ON_PEER),
        (CARTS, hang, {"part": "manager"}, "process_hang", "the cluster manager of n1", Expected.NO_EFFECT),
        (ORDERS, node_hang, {}, "node_freeze", "every process of n1", Expected.ON_PEER),
        (ORDERS, dcs_loss, {}, "dcs_loss", "the member beside n1", Expected.NO_EFFECT),
        (CARTS, dcs_loss, {}, "dcs_loss", "the member beside n1", Expected.NO_EFFECT),
        (ORDERS, dcs_loss, {"majority": True}, "dcs_loss", "a majority of the members", Expected.STAYS_DOWN),
        (CARTS, dcs_loss, {"majority": True}, "dcs_loss", "a majority of the members", Expected.NO_EFFECT),
    ],
)
def test_their_words(cluster, build, options, name, what, expected):
    """What a person would do by hand, and what the cluster should make of it; a plan needs no lab for that."""
    fault = build(Scene(cluster, None, planned=True), "n1", dead_man="9s", **options)
    assert (fault.name, fault.target, fault.expected, fault.dead_man) == (name, "n1", expected, 9.0)
    assert fault.strike_text == f"stop {what} where it is (SIGSTOP)"
    assert fault.undo_text == f"let {what} go on (SIGCONT)"


def test_a_part_that_there_is_not():
    """Is a mistake of the test's, told with what there is."""
    with pytest.raises(Unsupported, match=r"^process_hang has no part 'dcs'; there are server and manager\.$"):
        hang(Scene(ORDERS, None, planned=True), "n1", part="dcs")
