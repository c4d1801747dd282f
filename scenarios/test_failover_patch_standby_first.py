"""Patch day: the standby first, then a switchover, then the original; users feel the switchovers and nothing else."""

import pytest


@pytest.mark.rehearsal(interruption="60s", lost_writes=0, redundancy="10min")
@pytest.mark.needs(capability="switchover")
def test_failover_patch_standby_first(cluster, probes, patching):
    """Patch the standby, validate, switch over, patch the original, keep the way back until the end."""
    with probes.watch() as seen:
        day = patching.standby_first(patching.reboot())

    assert cluster.active != day.original
    assert day.gates == {"A": "GO", "B": "GO", "C": "GO"}
    assert seen.lost_writes == []
