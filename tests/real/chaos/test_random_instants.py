# SPDX-License-Identifier: MIT
"""Rehearsals killed at random instants leave nothing: a few here, hundreds by ``tox -e chaos``."""

from __future__ import annotations

from tests.chaos.series import play_series, summary


def test_killed_rehearsals_leave_nothing(ground, capsys):
    """SIGKILL of the whole group, every third time ``harehearse recover`` at once, else the timers alone."""
    told = []
    series = play_series(ground, "valkey", seed=5, rounds=8, say=told.append)
    said = "\n".join([*told, summary([series])])
    with capsys.disabled():
        print(f"\n{summary([series])}")
    assert series.bad == [], said
    assert series.killed >= 8, said
    assert any(result.struck for result in series.results), said
