"""The way back of a patch day, taken on purpose: the service returns to the node that is not patched yet."""

import pytest


@pytest.mark.rehearsal(interruption="60s", lost_writes=0, redundancy="10min")
@pytest.mark.needs(capability="switchover")
def test_failover_patch_rollback(cluster, probes, patching):
    """Gate B is red on purpose: the unpatched original serves again, and users feel one switchover more."""
    with probes.watch() as seen:
        day = patching.rehearse_rollback(patching.reboot())

    assert cluster.active == day.original
    assert day.gates == {"A": "GO", "B": "NO-GO"}
    assert seen.lost_writes == []
