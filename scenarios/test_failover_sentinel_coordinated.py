"""Valkey: the sentinels let the primary hand over by itself, so that it loses nothing."""

import pytest


@pytest.mark.rehearsal(interruption="10s", lost_writes=0, dual_active="0s", redundancy="1min")
@pytest.mark.needs(manager="sentinel")
def test_failover_sentinel_coordinated(cluster, probes):
    """The default way, a coordinated failover: no acknowledged write is lost, and at no time are there two primaries."""
    before = cluster.primary

    with probes.watch() as seen:
        cluster.switchover(within="60s")

    assert cluster.primary != before
    assert seen.lost_writes == []
