"""The primary dies without a goodbye."""

import pytest


@pytest.mark.rehearsal(interruption="60s", lost_writes=0, redundancy="3min")
@pytest.mark.needs(capability="stack_kill")
def test_failover_primary_crash(cluster, probes, faults):
    """The primary's servers and its cluster manager are killed while clients write."""
    before = cluster.active

    with probes.watch() as seen, faults.stack_kill(before):
        cluster.until("another node is primary", lambda c: c.active not in (None, before), within="90s")

    cluster.until_redundant(within="2min")
    assert seen.lost_writes == []
