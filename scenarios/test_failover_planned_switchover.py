"""A planned switchover, as in every patch window."""

import pytest


@pytest.mark.rehearsal(interruption="15s", lost_writes=0, redundancy="2min")
def test_failover_planned_switchover(cluster, probes):
    """The service moves to the standby while clients use it."""
    before = cluster.active

    with probes.watch() as seen:
        cluster.switchover(within="60s")

    assert cluster.active != before
    assert seen.interruption <= "15s"
    assert seen.lost_writes == []
