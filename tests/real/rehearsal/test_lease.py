# SPDX-License-Identifier: MIT
"""The lease: exactly one of many holds it, it outlives a crash until it ends, and nothing of it stays."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from pytest_harehearse.errors import Indeterminate
from pytest_harehearse.remote.base import Unreachable
from pytest_harehearse.remote.local import LocalChannel
from pytest_harehearse.safety import lease
from pytest_harehearse.safety.lease import Holder, Leased, LeasePlace


class Silent:
    """A node that does not answer."""

    def run(self, command, **options):
        return Unreachable("no route to host")


@pytest.fixture
def places(tmp_path):
    """Three places on this machine, each with a folder above it as /var/lib is on a node."""
    found = []
    for number in range(3):
        (tmp_path / f"n{number}").mkdir()
        path = tmp_path / f"n{number}" / "harehearse" / "lease"
        found.append(LeasePlace(f"n{number}", LocalChannel(f"n{number}"), str(path), as_root=False))
    return found


def holder(places, run="run-1", seconds=20.0):
    return Holder(places, cluster="lab/web", run=run, owner="ann@runner, pid 1", seconds=seconds)


def until(condition, within=30.0):
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_it_is_taken_shown_and_given_back(places, tmp_path):
    """The second comer is told who, since when and until when; then nothing of it is left."""
    mine = holder(places).take()
    with pytest.raises(Leased) as refused:
        holder(places, "run-2").take()
    said = str(refused.value)
    assert "lab/web is being rehearsed on by run run-1 of ann@runner, pid 1, since 2" in said
    assert ", until 2" in said
    assert said.endswith("Should that run be dead: harehearse recover lab/web, once the lease has ended.")
    assert lease.read(places)[0].run == "run-1"
    assert mine.lost is None
    assert mine.give_back() == []
    assert list(tmp_path.glob("*/*")) == []
    assert lease.read(places) == (None, {})
    assert holder(places, "run-2").take().give_back() == []


def test_of_many_at_once_exactly_one_wins(places):
    """Eight try at the same instant, ten times."""
    for _ in range(10):
        go, won, lost = threading.Barrier(8), [], []

        def attempt(go=go, won=won, lost=lost):
            mine = holder(places)
            go.wait()
            try:
                won.append(mine.take())
            except Leased as error:
                lost.append(error)

        threads = [threading.Thread(target=attempt) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        for one in won:
            one.give_back()
        assert len(won) == 1
        assert len(lost) == 7


def test_a_place_that_is_silent_is_no_obstacle_a_majority_is_needed(places):
    """One of three may be off; with two, nobody can know who else holds it."""
    one_off = [LeasePlace("n0", Silent()), *places[1:]]
    mine = holder(one_off).take()
    with pytest.raises(Leased):
        holder(places, "run-2").take()
    mine.give_back()
    two_off = [LeasePlace("n0", Silent()), LeasePlace("n1", Silent()), places[2]]
    with pytest.raises(
        Indeterminate, match=r"1 of 3 places could be written, 2 are needed. n0: no route to host; n1: no"
    ):
        holder(two_off).take()
    assert lease.read(places) == (None, {})


CRASH = """
    import os, signal, sys
    from pytest_harehearse.remote.local import LocalChannel
    from pytest_harehearse.safety.lease import Holder, LeasePlace
    places = [LeasePlace(path, LocalChannel(path), path, as_root=False) for path in sys.argv[1:]]
    Holder(places, cluster="lab/web", run="run-1", owner="ann", seconds=4).take()
    print("taken", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_it_outlives_a_crash_until_its_end(places):
    """Held for somebody who may come back, known to be dead only here, and free once it has ended."""
    crashed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CRASH), *(place.path for place in places)],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ},
    )  # fmt: skip
    assert crashed.stdout == "taken\n", crashed.stderr
    with pytest.raises(Leased, match=r"that process has died.* Give it back: harehearse recover lab/web$"):
        holder(places, "run-2").take()
    found, unknown = lease.read(places)
    assert (found.owner, found.owner_died, found.expired, unknown) == ("ann", True, False, {})
    until(lambda: lease.read(places)[0].expired)
    mine = holder(places, "run-2").take()
    assert lease.read(places)[0].run == "run-2"
    mine.give_back()


def test_whose_holder_died_can_be_taken_away_and_nobody_elses(places):
    """By its id: one that was taken over meanwhile stays."""
    mine = holder(places).take()
    found, _ = lease.read(places)
    assert lease.take_away(places, lease.replace(found, id="another")) == {}
    assert lease.read(places)[0].id == mine.id
    assert lease.take_away(places, found) == {}
    assert lease.read(places) == (None, {})
    mine.give_back()


def test_it_is_renewed_while_we_live_and_a_thief_is_noticed(places):
    """Longer than it lasts by itself; whoever took it over by force is named."""
    mine = holder(places, seconds=2.0).take()
    time.sleep(4)
    assert mine.lost is None
    assert lease.read(places)[0].expired is False
    lease.take_away(places, lease.read(places)[0])
    thief = holder(places, "run-2")
    until(lambda: taken(thief))
    until(lambda: mine.lost is not None)
    assert "was taken over by run run-2 of ann@runner" in mine.lost or "could not be renewed" in mine.lost
    mine.give_back()
    assert lease.read(places)[0].run == "run-2"
    thief.give_back()


def taken(thief):
    try:
        thief.take()
    except Leased:
        lease.take_away(thief._places, lease.read(thief._places)[0])
        return False
    return True


def test_what_cannot_be_renewed_is_lost(places):
    """A runner that lost its network may not go on striking."""
    mine = holder(places, seconds=2.0).take()
    mine._places = tuple(LeasePlace(place.name, Silent()) for place in places)
    until(lambda: mine.lost is not None)
    assert "the lease on lab/web could not be renewed for" in mine.lost
    mine._places = tuple(places)
    assert mine.give_back() == []


def test_a_file_that_cannot_be_read_is_somebodys(places):
    """Torn or foreign, it is not taken for nobody's; without an end it counts as ended."""
    path = Path(places[0].path)
    path.parent.mkdir()
    path.write_text("other\nno-boot\n1\n99999999999\n{torn\n")
    with pytest.raises(Leased, match=r"being rehearsed on by run [?] of somebody"):
        holder(places).take()
    assert lease.read(places[1:]) == (None, {})
