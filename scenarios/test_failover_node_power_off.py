"""The active node loses its power: the others fence it, so that it cannot come back by surprise, and take over."""

import pytest


@pytest.mark.rehearsal(interruption="30s", lost_writes=0, dual_active="0s", redundancy="5min")
@pytest.mark.needs(fencing=True, capability="node_power_off")
def test_failover_node_power_off(cluster, probes, faults):
    """Another node serves once the lost one is fenced; at no time do two serve."""
    before = cluster.active

    with probes.watch() as seen, faults.node_power_off(before):
        cluster.until("another node is active", lambda c: c.active not in (None, before), within="60s")

    cluster.until_redundant(within="5min")
    assert seen.lost_writes == []
