"""There and back: the way back is what makes a patch window safe."""

import pytest


@pytest.mark.rehearsal(interruption="15s", lost_writes=0, redundancy="2min")
def test_failover_switchback(cluster, probes):
    """The service moves to the standby, and back to where it was."""
    home = cluster.active

    with probes.watch():
        away = cluster.switchover(within="60s")
    cluster.until_redundant(within="2min")

    with probes.watch():
        cluster.switchover(to=home, within="60s")

    assert cluster.active == home != away
