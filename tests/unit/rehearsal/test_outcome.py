# SPDX-License-Identifier: MIT
"""What a cluster made of a fault, told from events and attempts alone."""

from __future__ import annotations

import pytest

from pytest_harehearse import events as e
from pytest_harehearse.faults.base import Expected
from pytest_harehearse.probes.attempts import Attempt, Outcome
from pytest_harehearse.probes.measurement import measure
from pytest_harehearse.rehearsal.outcome import Observed, Watched, observe, strikes

T = 100.0
R = {"rehearsal": "r"}


def service(name="page", *, down=(), slow=0.0, until=T + 60, valid=True):
    """Asked every 100 ms from 5 s before the strike; down in spans after it; slower by ``slow`` while it is struck."""
    found = []
    for n in range(int((until - T + 5) * 10)):
        at = T - 5 + n * 0.1
        failed = any(T + start <= at < T + end for start, end in down)
        late = slow if T <= at < T + 20 else 0.0
        found.append(Attempt(n, at, at, at + 0.002 + late, Outcome.REFUSED if failed else Outcome.OK))
    measured = measure(found, every=0.1, complete=valid)
    return Watched(name, measured, found)


def struck(*, undo=20.0, armed=True, outcome="done", fault="net_partition", target="n1", at=0.0, action="a1"):
    """A strike that is proved at once, and undone after so many seconds; None: never."""
    t = T + at
    found = [
        e.ActionStarted(t=t, action=action, name=f"fault {fault}", target=target, fault=fault, expected="fenced", **R)
    ]
    if armed:
        found.append(e.ActionStep(t=t + 0.1, action=action, step="armed", **R))
    if outcome == "done":
        found.append(e.ActionStep(t=t + 0.2, action=action, step="struck", **R))
    found.append(e.ActionFinished(t=t + 0.3, action=action, outcome=outcome, **R))
    if undo is not None:
        other = f"{action}u"
        found += [
            e.ActionStarted(t=T + undo, action=other, name=f"undo {fault}", target=target, fault=fault, **R),
            e.ActionStep(t=T + undo + 0.1, action=other, step="undone", **R),
            e.ActionStep(t=T + undo + 0.2, action=other, step="verified", **R),
            e.ActionFinished(t=T + undo + 0.2, action=other, outcome="done", **R),
        ]
    return found


def roles(*changes):
    """Before the strike n1 is primary and n2 is not; then ``(after, node, role)``."""
    first = [e.RoleSeen(t=T - 4, node="n1", role="primary", after=T - 4, **R),
             e.RoleSeen(t=T - 4, node="n2", role="replica", after=T - 4, **R)]  # fmt: skip
    return first + [e.RoleSeen(t=T + at, node=node, role=role, after=T + at - 0.2, **R) for at, node, role in changes]


def fenced(at=4.0):
    return e.ClusterRecorded(t=T + 50, node="n2", what="fenced", at=T + at, error=0.01, text="reboot of n1 by n2", **R)


def seen(stream, *watched) -> Observed:
    (one,) = strikes(sorted(stream, key=lambda x: x.t), T + 60)
    return observe(one, stream, watched)


TAKEN = [*roles((5, "n1", "unreachable"), (6, "n2", "primary"))]


@pytest.mark.parametrize(
    ("stream", "watched", "outcome", "why"),
    [
        ([*struck(), *TAKEN], [service(down=[(1, 6)])], Expected.ON_PEER, "n2 was primary 6.00 s after the strike"),
        ([*struck(), *TAKEN], [], Expected.ON_PEER, "n2 was primary"),
        ([*struck(), *TAKEN, fenced()], [service(down=[(1, 6)])], Expected.FENCED, "reboot of n1 by n2 was recorded"),
        ([*struck(), *roles()], [service(down=[(1, 3)])], Expected.IN_PLACE, "no other node took over; page was down"),
        ([*struck(), *roles()], [service()], Expected.NO_EFFECT, "page was not interrupted"),
        ([*struck(), *roles()], [service(slow=0.2)], Expected.DEGRADED, "page answered in 202 ms instead of 2 ms"),
        ([*struck(), *roles()], [service(down=[(1, 2), (4, 5)])], Expected.DEGRADED, "page was down 2 times"),
        ([*struck(), *roles()], [service(down=[(1, 25)])], Expected.STAYS_DOWN, "page was not served from the strike"),
        ([*struck(), *roles()], [service(down=[(1, 25)]), service("read")], Expected.DEGRADED, "read was served"),
        (
            [*struck(), *roles((26, "n2", "primary")), fenced(24)], [service(down=[(1, 26)])],
            Expected.STAYS_DOWN, "page was not served from the strike to the undo",
        ),
        ([*struck(undo=2), *roles()], [service(down=[(1, 3)])], None, "it was undone 2.00 s after the strike, before"),
        ([*struck(undo=2), *roles((3, "n2", "primary"))], [service(down=[(1, 4)])], Expected.ON_PEER, "n2 was primary"),
        ([*struck(undo=1, armed=False), *roles()], [service(down=[(0.5, 3)])], Expected.IN_PLACE, "no other node"),
        ([*struck(), *roles()], [], None, "no service was soundly watched"),
        ([*struck(), *roles()], [service(valid=False)], None, "no service was soundly watched"),
        ([*struck(outcome="unknown"), *TAKEN], [service()], None, "that it was struck and took effect is not certain"),
        (
            [*struck(), *roles(), e.ActionStarted(t=T + 3, action="s", name="switchover", target="n1 → n2", **R),
             e.ActionFinished(t=T + 4, action="s", outcome="failed", **R)], [service()],
            Expected.REFUSES, "the switchover n1 → n2 did not come about",
        ),
    ],
    ids=["peer", "peer by roles", "fenced", "in place", "none", "slower", "flaps", "down", "one of two", "fenced after undo",
         "undone early", "moved after undo", "leaves nothing", "not watched", "unsound", "not struck", "refused"],
)  # fmt: skip
def test_each_outcome(stream, watched, outcome, why):
    """Every class, each from what proves it; and unknown where nothing does."""
    found = seen(stream, *watched)
    assert found.outcome == outcome
    assert why in found.why


def test_a_node_that_is_fenced_may_be_what_recovers_on_a_peer():
    """Fenced and taken over agrees with both; fenced alone does not."""
    both = seen([*struck(), *TAKEN, fenced()], service(down=[(1, 6)]))
    assert (both.agrees("fenced"), both.agrees("recovers_on_peer"), both.agrees("no_effect")) == (True, True, False)
    alone = seen([*struck(), *roles(), fenced()], service())
    assert (alone.agrees("fenced"), alone.agrees("recovers_on_peer")) == (True, False)
    assert Observed(None, "").agrees("fenced") is None


def test_strikes_are_paired_with_their_undos():
    """Of the same fault twice each undo belongs to its own strike, and a drain is no fault."""
    stream = [
        *struck(undo=5), *struck(undo=12, at=8.0, action="a2"),
        e.ActionStarted(t=T + 14, action="d", name="drain", target="n2", fault="drain", expected="no_effect", **R),
    ]  # fmt: skip
    first, second = strikes(stream, T + 20)
    assert (first.at("verified"), second.at("verified")) == (T + 5.2, T + 12.2)
    assert (first.until, second.until) == (T + 8, T + 20)
    (open_end,) = strikes(struck(undo=None), T + 20)
    assert (open_end.undo, open_end.undone, open_end.at("verified")) == (None, None, None)
