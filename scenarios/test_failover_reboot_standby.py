"""The standby reboots, as after its patches were installed."""

import pytest


@pytest.mark.rehearsal(interruption="500ms", lost_writes=0, redundancy="5min")
@pytest.mark.needs(capability="reboot")
def test_failover_reboot_standby(cluster, probes):
    """Users notice nothing when a standby reboots, and it is back in the cluster by itself."""
    before = cluster.active
    standby = cluster.nodes[cluster.standbys[0]]

    with probes.watch() as seen:
        standby.reboot(within="5min")
        cluster.until_redundant(within="3min")

    assert cluster.active == before
    assert seen.lost_writes == []
