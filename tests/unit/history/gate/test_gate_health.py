# SPDX-License-Identifier: MIT
"""The gates that the cluster itself decides: whole, clean, fencing, room; and the user's backup."""

from __future__ import annotations

import dataclasses
import sys
from datetime import timedelta

import pytest
from gate_samples import NOW, PRODUCTION, measured
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.history.gate import backup, health, room
from pytest_harehearse.history.gate.decision import Answer
from pytest_harehearse.history.gate.now import Fencing, Now
from pytest_harehearse.history.gate.room import Room
from pytest_harehearse.inventory.model import Gates
from pytest_harehearse.managers.state import ClusterState, Member
from pytest_harehearse.rehearsal.recovery import Finding, Recovery

WHOLE = ClusterState(
    (
        Member("web1", "active", "running", witness_primary=True),
        Member("web2", "standby", ready=True, witness_primary=False),
    )
)
GIB = 1024**3
ROOM = Room({"/": 0.6, "/var": 0.3}, 4 * GIB, 3 * GIB)
FENCED = {"web1": NOW - timedelta(days=3), "web2": NOW - timedelta(days=80)}


def found(**changes):
    base = Now(
        ("web1", "web2"), WHOLE, Recovery("production/web", "production"), Fencing({"web1": None, "web2": None}, FENCED),
        {"web1": ROOM, "web2": ROOM},
    )  # fmt: skip
    return dataclasses.replace(base, **changes)


def gates(*rehearsals, **changes):
    return {gate.name: gate for gate in health.gates(PRODUCTION, found(**changes), rehearsals, NOW)}


CLUSTER, LEFT, FENCING = "the cluster is whole", "nothing is left over", "fencing works, and was seen to"
DISK, MEMORY = "room on every disk", "memory for one node less"


def test_a_good_cluster_says_go():
    """Five gates, all read now."""
    judged = gates()
    assert list(judged) == [CLUSTER, LEFT, FENCING, DISK, MEMORY]
    assert {gate.answer for gate in judged.values()} == {Answer.GO}
    assert {gate.provenance for gate in judged.values()} == {"read now"}
    assert judged[FENCING].evidence == "web1 fenced 3.0 d ago; web2 fenced 80.0 d ago"
    assert judged[DISK].evidence == "the least: /var of web1"
    assert judged[MEMORY].evidence == "web2 uses 1.0 GiB, the others have 3.0 GiB available"


def test_a_standby_that_could_not_take_over_is_a_no():
    """With what the manager says of it."""
    state = ClusterState((WHOLE.members[0], Member("web2", "standby", ready=False, witness_primary=False)))
    gate = gates(state=state)[CLUSTER]
    assert gate.answer is Answer.NO_GO
    assert "web2 could not take over" in gate.evidence
    assert gate.command == "harehearse status production/web"


def test_maintenance_is_a_no():
    """Nothing would fail over."""
    gate = gates(state=dataclasses.replace(WHOLE, maintenance=True))[CLUSTER]
    assert (gate.answer, gate.evidence) == (Answer.NO_GO, "it is in maintenance, so nothing would fail over")


def test_what_could_not_be_asked_is_not_known():
    """Each with why; nothing of it is GO."""
    problems = {"whole": "nobody answers", "left": "no channel", "fencing": "timed out"}
    judged = gates(
        state=None,
        left=None,
        fencing=None,
        rooms={"web1": Room(problem="could not be reached: no route")},
        problems=problems,
    )
    assert {gate.answer for gate in judged.values()} == {Answer.UNKNOWN}
    assert [judged[name].evidence for name in (CLUSTER, LEFT, FENCING)] == ["nobody answers", "no channel", "timed out"]
    assert judged[DISK].evidence == "web1 could not be reached: no route; web2 no way leads to it"


def test_what_is_left_over_is_a_no():
    """Named, with what undoes it; one that is being rehearsed on, too."""
    left = Recovery("production/web", "production", [Finding("net_partition on web1, run r-1", "drop the table")])
    gate = gates(left=left)[LEFT]
    assert (gate.answer, gate.value, gate.evidence) == (Answer.NO_GO, "1 found", "net_partition on web1, run r-1")
    assert gate.command == "harehearse recover production/web"
    assert gates(left=Recovery("c", "lab", held="ops@host since 12:00"))[LEFT].answer is Answer.NO_GO
    assert gates(left=Recovery("c", "lab", unknown=["web2: silent"]))[LEFT].answer is Answer.UNKNOWN


def test_fencing_must_have_been_seen():
    """Of every node, lately; by the cluster's own memory or by a rehearsal."""
    gate = gates(fencing=Fencing({}, {"web1": NOW}))[FENCING]
    assert (gate.answer, gate.value) == (Answer.NO_GO, "not proved of web2")
    assert gate.evidence == "web1 fenced 0.0 d ago; web2 never seen to be fenced"
    assert gates(fencing=Fencing({}, {"web1": NOW, "web2": NOW - timedelta(days=91)}))[FENCING].answer is Answer.NO_GO
    proved = measured(1, cluster=PRODUCTION, fenced=("web2",))
    assert gates(proved, fencing=Fencing({}, {"web1": NOW}))[FENCING].answer is Answer.GO


def test_a_node_that_cannot_be_fenced_is_a_no():
    """Whatever was seen before."""
    gate = gates(fencing=Fencing({"web1": None, "web2": "its device does not answer"}, FENCED))[FENCING]
    assert (gate.answer, gate.evidence) == (Answer.NO_GO, "web2: its device does not answer")


def test_a_manager_that_does_not_fence_has_no_such_gate():
    """And nodes that are no hosts have none on room."""
    assert list(gates(fencing=None, rooms={})) == [CLUSTER, LEFT]


def test_a_full_disk_is_a_no():
    """Known to be full weighs more than another one that is not known."""
    gate = gates(rooms={"web1": Room({"/": 0.04}, GIB, GIB)})[DISK]
    assert (gate.answer, gate.value, gate.evidence) == (Answer.NO_GO, "4.0%", "/ of web1 has 4.0% free")


def test_no_memory_to_take_over_is_a_no():
    """What the busiest node uses must fit into the others, with a tenth to spare."""
    gate = gates(rooms={"web1": Room({"/": 0.5}, 8 * GIB, GIB), "web2": Room({"/": 0.5}, 4 * GIB, 3 * GIB)})[MEMORY]
    assert (gate.answer, gate.value) == (Answer.NO_GO, "233%")
    assert gate.evidence == "web1 uses 7.0 GiB, the others have 3.0 GiB available"


# -- what nodes answer -------------------------------------------------------------------------------------------------

ANSWER = """Filesystem     1024-blocks    Used Available Capacity Mounted on
/dev/sda1          1000000  700000    300000      70% /
/dev/sdb1           500000       0    500000       0% /mnt/with a space
--
Filesystem      Inodes  IUsed   IFree IUse% Mounted on
/dev/sda1          100     95       5   95% /
--
MemTotal:        4194304 kB
MemAvailable:    1048576 kB"""


def test_an_answer_is_read():
    """Blocks or inodes, whichever is less free; memory in bytes."""
    read = room.parse(ANSWER)
    assert read.problem is None
    assert read.free == {"/": 0.05, "/mnt/with a space": 1.0}
    assert (read.memory, read.available) == (4 * GIB, GIB)


@given(st.text() | st.builds("\n--\n".join, st.lists(st.text(), min_size=3, max_size=3)))
def test_any_answer_is_read_or_a_problem(text):
    """Never an exception, never room without a filesystem."""
    read = room.parse(text)
    assert (read.problem is None) == bool(read.free)


# -- backup ------------------------------------------------------------------------------------------------------------


def judged(tmp_path, text, *, status=0, within=10.0):
    program = tmp_path / "backup_age.py"
    program.write_text(f"import sys, time\n{text}\nsys.exit({status})\n")
    cluster = dataclasses.replace(PRODUCTION, gates=Gates(backup=(sys.executable, str(program))))
    return backup.gate(cluster, NOW, tmp_path, within)


def test_a_cluster_without_such_a_program_has_no_such_gate(tmp_path):
    """Nobody is asked for one."""
    assert backup.gate(PRODUCTION, NOW, tmp_path) is None


@pytest.mark.parametrize("text", ["print(7200)", "print('2026-11-23T11:00+01:00')"])
def test_a_fresh_backup(tmp_path, text):
    """Two hours old, told as seconds or as a time."""
    gate = judged(tmp_path, text)
    assert (gate.answer, gate.value, gate.limit, gate.age) == (Answer.GO, "2.0 h old", "≤ 24 h old", 7200.0)


def test_an_old_backup(tmp_path):
    """A no."""
    gate = judged(tmp_path, "print('2026-11-20T12:00Z')")
    assert (gate.answer, gate.value) == (Answer.NO_GO, "72.0 h old")
    assert "the last good one: 2026-11-20 12:00:00 UTC" in gate.evidence


@pytest.mark.parametrize(
    ("text", "status", "told"),
    [
        ("print('yesterday')", 0, "printed 'yesterday', neither a time with its zone nor seconds"),
        ("print('2026-11-23T11:00')", 0, "neither a time with its zone nor seconds"),
        ("", 0, "printed '', neither"),
        ("print('2026-11-24T12:00Z')", 0, "which is yet to come"),
        ("print(5); print('no catalog', file=sys.stderr)", 3, "ended with 3: no catalog"),
        ("time.sleep(60)", 0, "did not end within 2 s"),
    ],
)
def test_a_backup_that_cannot_be_told(tmp_path, text, status, told):
    """Is not known, and never GO."""
    gate = judged(tmp_path, text, status=status, within=2.0 if "sleep" in text else 30.0)
    assert gate.answer is Answer.UNKNOWN
    assert told in gate.evidence


def test_a_program_that_is_not_there(tmp_path):
    """With why."""
    cluster = dataclasses.replace(PRODUCTION, gates=Gates(backup=(str(tmp_path / "none"),)))
    assert backup.gate(cluster, NOW, tmp_path).evidence.endswith("could not be run: No such file or directory")
