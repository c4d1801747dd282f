"""Before anything is patched: the service moves to the standby and back."""

import pytest


@pytest.mark.rehearsal(interruption="30s", lost_writes=0, redundancy="5min")
@pytest.mark.needs(capability="switchover")
def test_failover_prepatch_switchover(cluster, probes):
    """A switchover that does not work is found before the window, not in it."""
    before = cluster.active

    with probes.watch() as seen:
        cluster.switchover(within="60s")
        cluster.until_redundant(within="3min")
        cluster.switchover(to=before, within="60s")

    assert cluster.active == before
    assert seen.lost_writes == []
