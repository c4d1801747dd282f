# SPDX-License-Identifier: MIT

"""A cluster whose manager says what the test's script says, and the events that come of it."""

from __future__ import annotations

import pytest

from pytest_harehearse.inventory.model import Cluster as Described
from pytest_harehearse.inventory.model import Node, Service
from pytest_harehearse.managers.state import PRIMARY, REPLICA, ClusterState, Member
from pytest_harehearse.rehearsal import cluster as module
from pytest_harehearse.rehearsal.cluster import Cluster
from pytest_harehearse.rehearsal.recorder import Recorder

DESCRIBED = Described(
    "lab", "web", "lab", "patroni", (Node("n1"), Node("n2")),
    services=(Service("page", "tcp", "tcp://127.0.0.1:1"), Service("api", "tcp", "tcp://127.0.0.1:2")),
)  # fmt: skip


def healthy(active: str | None) -> ClusterState:
    """Both nodes well, one of them active; None: none."""
    return ClusterState(
        tuple(
            Member(name, PRIMARY, "running", 1, witness_primary=True)
            if name == active
            else Member(name, REPLICA, "running", 1, 0, streaming=True, witness_primary=False)
            for name in ("n1", "n2")
        )
    )


class Scripted:
    """Its states come from ``script``, the last one for ever; ``answer`` is what a switchover gets."""

    name = "patroni"

    def __init__(self) -> None:
        self.script = [healthy("n1")]
        self.answer: object = "accepted"
        self.after: list[ClusterState] = [healthy("n2")]
        self.limitation: str | None = None
        self.asked = 0

    def state(self, deadline: float = 3.0) -> ClusterState:
        self.asked += 1
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]

    def roles(self, deadline: float = 1.0) -> dict[str, str]:
        return {member.name: member.role for member in self.state().members}

    def switchover_limitation(self, state, to):
        return self.limitation

    def choose_target(self, state):
        return next(iter(state.standbys), None)

    def describe_switchover(self, leader, to):
        return f"POST /switchover {leader} {to}"

    def switchover(self, state, to, deadline):
        self.script = list(self.after)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


@pytest.fixture
def events():
    return []


@pytest.fixture
def recorder(events):
    return Recorder(events.append, "r")


@pytest.fixture
def manager():
    return Scripted()


@pytest.fixture
def cluster(manager, recorder, monkeypatch):
    """The cluster under rehearsal, polled without much patience."""
    monkeypatch.setattr(module, "POLL_S", 0.001)
    made = Cluster(DESCRIBED, manager)
    made.attend(recorder)
    return made


@pytest.fixture
def described():
    return DESCRIBED


@pytest.fixture
def healthy_state():
    """``healthy_state("n1")`` is the cluster with n1 active."""
    return healthy
