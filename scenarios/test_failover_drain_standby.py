"""The standby is taken out of service, as before it is patched, and put back."""

import pytest


@pytest.mark.rehearsal(interruption="500ms", lost_writes=0, redundancy="2min")
@pytest.mark.needs(capability="drain")
def test_failover_drain_standby(cluster, probes):
    """Users notice nothing when a standby is drained, and nothing when it comes back."""
    before = cluster.active
    standby = cluster.standbys[0]

    with probes.watch() as seen:
        cluster.drain(standby, within="60s")
        assert standby not in cluster.standbys
        cluster.undrain(standby)

    assert cluster.active == before
    assert seen.lost_writes == []
