"""The active node reboots without a switchover first: an orderly shutdown hands the service over."""

import pytest


@pytest.mark.rehearsal(interruption="20s", lost_writes=0, redundancy="5min")
@pytest.mark.needs(capability="reboot")
def test_failover_reboot_active(cluster, probes):
    """Another node serves before the old one is down, and the old one is back in the cluster by itself."""
    before = cluster.active

    with probes.watch() as seen:
        cluster.nodes[before].reboot(within="5min")
        cluster.until("another node is active", lambda c: c.active not in (None, before), within="60s")

    cluster.until_redundant(within="3min")
    assert seen.lost_writes == []
