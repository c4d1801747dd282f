"""What serves users dies on the active node, and is restarted there."""

import pytest


@pytest.mark.rehearsal(interruption="20s", lost_writes=0, redundancy="2min")
@pytest.mark.needs(capability="service_kill")
def test_failover_service_killed(cluster, probes, faults):
    """The cluster notices that the process is gone and restarts it, or lets another node serve."""
    with probes.watch() as seen, faults.service_kill(cluster.active):
        cluster.until("a node is active", lambda c: c.active is not None, within="60s")

    cluster.until_redundant(within="2min")
    assert seen.lost_writes == []
