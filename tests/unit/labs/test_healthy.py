# SPDX-License-Identifier: MIT
"""Waiting for a lab's clusters: in time, too late, or with nothing left to wait for."""

from __future__ import annotations

import time

import pytest

from pytest_harehearse.errors import LabError
from pytest_harehearse.labs.healthy import until_healthy
from pytest_harehearse.managers.state import ClusterState, Member

ACTIVE = Member("web1", "active", witness_primary=True)
WHOLE = ClusterState((ACTIVE, Member("web2", "standby", ready=True)))
BROKEN = ClusterState((ACTIVE, Member("web2", "offline")))


class Manager:
    """Says these states one after the other, the last for ever."""

    def __init__(self, *states):
        self.states = list(states)

    def state(self):
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]


def test_it_waits_for_every_cluster_and_tells():
    """Each is told when it is healthy, and what is waited for once."""
    managers = {"web": Manager(BROKEN, BROKEN, WHOLE), "shop": Manager(WHOLE)}
    said = []
    until_healthy("lab", managers, managers.__getitem__, time.monotonic() + 10, say=said.append)
    assert [line.split(":")[0] for line in said] == ["shop is healthy", "waiting for web", "web is healthy"]


def test_too_late_names_what_was_seen_last():
    """The cluster, what it lacks, and its whole state."""
    managers = {"web": Manager(BROKEN), "shop": Manager(WHOLE)}
    with pytest.raises(LabError) as caught:
        until_healthy("lab", managers, managers.__getitem__, time.monotonic() + 0.3)
    assert str(caught.value) == (
        "The lab lab was not healthy in time; seen last: web: web2 could not take over: web2 offline (web1 active; "
        "web2 offline)"
    )


def test_what_is_lost_is_not_waited_for():
    """A lab whose processes are all dead never becomes healthy."""
    managers = {"web": Manager(BROKEN)}
    began = time.monotonic()
    with pytest.raises(LabError, match="was not healthy in time"):
        until_healthy("lab", managers, managers.__getitem__, began + 60, lost=lambda: True)
    assert time.monotonic() - began < 30
