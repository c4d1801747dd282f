# SPDX-License-Identifier: MIT
"""What the inventory, the arming and the clock forbid on a production; each with the sentence that says what to do."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import pytest

from pytest_harehearse.inventory.model import Cluster, Node
from pytest_harehearse.safety.arming import Arming
from pytest_harehearse.safety.guard import Wanted, forbidden, unready

WEB = Cluster(
    "production", "web", "production", "pacemaker", (Node("n1"), Node("n2")), allow=("switchover", "patch"),
    windows=("Tue 01:00-03:00 Europe/Berlin",),
)  # fmt: skip
ARMING = Arming("production", "CHG1", "ops@desk")
MOVE = Wanted("switchover", "switchover", "n2", 60.0)
INSIDE = datetime(2026, 11, 24, 0, 30, tzinfo=UTC)


def test_armed_allowed_and_in_the_window():
    """Nothing is against it."""
    assert unready(WEB) is None
    assert forbidden(WEB, ARMING, MOVE, INSIDE) is None


def test_a_lab_is_not_guarded():
    """It has neither windows nor a list of what is allowed."""
    lab = Cluster("lab", "web", "lab", "pacemaker", (Node("n1"),))
    assert unready(lab) is None
    assert forbidden(lab, None, dataclasses.replace(MOVE, action="fault"), INSIDE) is None


@pytest.mark.parametrize("arming", [None, Arming("other", "CHG1", "ops@desk")])
def test_it_is_armed_for_this_environment(arming):
    """Another one's arming is none."""
    assert forbidden(WEB, arming, MOVE, INSIDE) == (
        "production/web is production and not armed for this run; it is armed by --harehearse-arm production "
        "--harehearse-change ID"
    )


def test_without_a_list_of_what_is_allowed_nothing_is():
    """And the sentence says what to write, where, and what each word means."""
    found = forbidden(dataclasses.replace(WEB, allow=()), ARMING, MOVE, INSIDE)
    assert found == (
        "production/web is production and its inventory allows nothing there, so nothing was done. Write in "
        '[environments.production.clusters.web] what may be done, of "switchover" (planned switchovers), "patch" (drain, '
        'reboot, maintenance, cleanup) and "fault" (every fault, and fencing): allow = ["switchover"]'
    )


def test_without_a_window_now_is_never_the_time():
    """None given is not "always"."""
    assert forbidden(dataclasses.replace(WEB, windows=()), ARMING, MOVE, INSIDE) == (
        "production/web is production and its inventory gives no window for it, so nothing was done: without one, now is "
        'never the time. Write in [environments.production.clusters.web] when it may be done: windows = ["Tue 01:00-03:00 '
        'Europe/Berlin"]'
    )


def test_the_action_is_among_those_allowed():
    """The sentence names the kind of action, what is allowed, and what to add."""
    assert forbidden(WEB, ARMING, Wanted("fence", "fault", "n2", 60.0), INSIDE) == (
        "the inventory does not allow it there: it is a fault (every fault, and fencing), and allowed is switchover, patch. "
        "If it should be, add 'fault' to allow of production/web"
    )


def test_outside_the_window():
    """The next one is told by its own clock."""
    assert forbidden(WEB, ARMING, MOVE, datetime(2026, 11, 24, 2, 0, tzinfo=UTC)) == (
        "it is outside the windows of production/web (Tue 01:00-03:00 Europe/Berlin). The next window is Tue 2026-12-01 "
        "01:00 to 03:00 Europe/Berlin"
    )


@pytest.mark.parametrize(
    ("seconds", "said"), [(60, None), (59, "the window Tue 2026-11-24 01:00 to 03:00 Europe/Berlin")]
)
def test_what_could_outlast_the_window_is_not_begun(seconds, said):
    """It must be over in any case before the window's end, to the second."""
    at = datetime.fromtimestamp(datetime(2026, 11, 24, 2, 0, tzinfo=UTC).timestamp() - seconds, UTC)
    found = forbidden(WEB, ARMING, MOVE, at)
    if said is None:
        assert found is None
    else:
        assert found == (
            f"{said} ends in 59.00 s, and it may take 1 min 00 s, so it might not be over by then. Give it less time, or "
            "wait. The next window is Tue 2026-12-01 01:00 to 03:00 Europe/Berlin"
        )
