# SPDX-License-Identifier: MIT
"""What a production was armed for outlives the run."""

from __future__ import annotations

import dataclasses

from pytest_harehearse import events as e
from pytest_harehearse.history.build import build


def armed(stream):
    """The run of a production: its events carry what it was armed for."""
    argv = ["test_shop.py", "--harehearse-arm", "prod", "--harehearse-change=CHG1", "-x"]
    for event in stream:
        if isinstance(event, e.ClusterOpened):
            yield dataclasses.replace(event, kind="production", change="CHG1", armed_by="ops@desk")
        elif isinstance(event, e.RunStarted):
            yield dataclasses.replace(event, argv=argv)
        else:
            yield event


def test_the_summary_has_the_change_and_who_armed_it(run_of, stream):
    """And the command that repeats a rehearsal arms it for the same change."""
    summary = build(run_of(list(armed(stream))))
    (cluster,) = summary.clusters
    assert (cluster.kind, cluster.change, cluster.armed_by) == ("production", "CHG1", "ops@desk")
    (rehearsal,) = summary.rehearsals
    assert rehearsal.kind == "production"
    assert rehearsal.again.endswith("--harehearse-arm prod --harehearse-change=CHG1")


def test_a_cluster_that_could_not_be_opened_keeps_its_kind(run_of, stream):
    """The beginning of the rehearsal carries it, too."""
    unopened = [
        dataclasses.replace(event, kind="production") if isinstance(event, e.RehearsalStarted) else event
        for event in stream
        if not isinstance(event, e.ClusterOpened)
    ]
    (rehearsal,) = build(run_of(unopened)).rehearsals
    assert rehearsal.kind == "production"


def test_what_the_guard_said_is_read_again():
    """As every event."""
    asked = e.GuardAsked(
        t=1.0, rehearsal="r", name="fence", target="n2", allowed=False, reason="x", kind="production", change="CHG1"
    )
    assert e.decode(e.encode(asked)) == asked
