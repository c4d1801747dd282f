"""The same patch the other way: in place, with the workload going down, as when only virtual machines are clustered."""

import pytest


@pytest.mark.rehearsal(lost_writes=0, redundancy="10min")
@pytest.mark.needs(capability="maintenance")
def test_failover_patch_in_place(cluster, probes, patching):
    """What users would feel if the active node were patched where it is: compare it with standby first."""
    with probes.watch() as seen:
        patching.in_place(patching.reboot())

    assert cluster.active is not None
    assert seen.lost_writes == []
