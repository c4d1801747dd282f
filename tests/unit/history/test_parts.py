# SPDX-License-Identifier: MIT
"""Runs of several machines in one: each rehearsal keeps its clocks, nothing is lost, and nothing gets better."""

import json
import shutil
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.common.run_files import T, happened, write

from pytest_harehearse.clock import Anchor
from pytest_harehearse.events import RunFinished
from pytest_harehearse.history.build import build
from pytest_harehearse.history.index.history import History
from pytest_harehearse.history.index.project import project
from pytest_harehearse.history.merge import merge
from pytest_harehearse.history.parts import joined
from pytest_harehearse.history.rundir import as_json, write_json
from pytest_harehearse.history.summary import Verdict, worst

#: Two machines whose monotonic clocks tell the same number at other times.
PARIS, OSLO = 1_700_000_000.0, 1_700_000_100.0


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """The summary of a whole run."""
    return build(write(tmp_path_factory.mktemp("one") / "r-1", happened("r-1", wall=PARIS, host="paris")))


@pytest.fixture
def runs(tmp_path):
    """Two runs of the same name of two machines, 100 s apart."""
    paris = write(tmp_path / "a" / "r-1", happened("r-1", wall=PARIS, host="paris", cluster="demo/orders"))
    oslo = write(
        tmp_path / "b" / "r-1", happened("r-1", wall=OSLO, host="oslo", cluster="demo/carts", outcome="failed")
    )
    return paris, oslo


def test_each_keeps_its_clocks(runs, tmp_path):
    target = tmp_path / "all"
    assert merge(runs, target).parts == ["r-1", "r-1-2"]
    found = build(target)
    assert (found.run, found.verdict, found.problems) == ("all", Verdict.FAILED, ())
    assert [(r.cluster, r.verdict, r.runner, found.clocks(r).at(r.start).timestamp()) for r in found.rehearsals] == [
        ("demo/orders", Verdict.PASSED, "run r-1 on paris", PARIS + 0.5),
        ("demo/carts", Verdict.FAILED, "run r-1 on oslo", OSLO + 0.5),
    ]
    assert found.started_at == "2023-11-14T22:13:20.000Z"
    assert found.finished_at == "2023-11-14T22:15:10.000Z"
    assert found.duration == 110.0
    assert [cluster.id for cluster in found.clusters] == ["demo/orders", "demo/carts"]
    assert len({r.id for r in found.rehearsals}) == 2
    for rehearsal in found.rehearsals:
        assert [service.attempts for service in rehearsal.services] == [160, 160]
        assert all((target / service.file).is_file() for service in rehearsal.services)


def test_the_history_takes_each_at_its_own_time(runs, tmp_path):
    merge(runs, tmp_path / "all")
    found = project(as_json(build(tmp_path / "all")))
    assert [one.at.timestamp() for one in found.rehearsals] == [PARIS + 0.5, OSLO + 0.5]


def test_what_was_merged_can_be_merged_again(runs, tmp_path):
    merge(runs, tmp_path / "two")
    third = write(tmp_path / "c" / "r-1", happened("r-1", wall=OSLO + 100, host="rome"))
    assert merge([tmp_path / "two", third, runs[0]], tmp_path / "all").parts == ["r-1", "r-1-2", "r-1-3"]
    assert [r.runner for r in build(tmp_path / "all").rehearsals] == [
        f"run r-1 on {host}" for host in ("paris", "oslo", "rome")
    ]


def test_a_run_that_was_killed_has_its_own_end(runs, tmp_path):
    """The end of what is unfinished is the last instant of its own machine, not of another whose clock stands elsewhere."""
    late = [replace(event, t=event.t + 5000) for event in happened("r-2", wall=PARIS + 5000, host="rome")]
    long_up = write(tmp_path / "c" / "r-2", late)
    cut = write(tmp_path / "d" / "r-3", happened("r-3", wall=PARIS, host="oslo")[:7])
    merge([long_up, cut], tmp_path / "all")
    found = build(tmp_path / "all")
    [open_] = [r for r in found.rehearsals if r.verdict is Verdict.UNFINISHED]
    assert open_.end == T + 2.9
    assert (found.verdict, found.finished_at) == (Verdict.UNFINISHED, None)


def test_a_part_that_cannot_be_read_is_told_and_makes_it_unknown(runs, tmp_path):
    merge(runs[:1], tmp_path / "all")
    broken = tmp_path / "all" / "parts" / "r-9"
    write(broken, happened("r-9"))
    (broken / "events.jsonl").write_text("this is no event\n" * 3)
    found = build(tmp_path / "all")
    assert found.verdict is Verdict.UNKNOWN
    [problem] = found.problems
    assert problem.startswith("r-9 cannot be read, so nothing of it is here: ")
    assert len(found.rehearsals) == 1


def test_one_cluster_on_two_runners_at_once_is_told(tmp_path):
    a = write(tmp_path / "a" / "r-1", happened("r-1", wall=PARIS, host="paris"))
    b = write(tmp_path / "b" / "r-1", happened("r-1", wall=PARIS + 5, host="oslo"))
    c = write(tmp_path / "c" / "r-1", happened("r-1", wall=PARIS + 500, host="rome"))
    merge([a, b, c], tmp_path / "all")
    name = "test_switchover[demo/orders]"
    assert build(tmp_path / "all").problems == (
        f"demo/orders was rehearsed on by two runners at once, by their clocks: {name} of run r-1 on paris, and {name} of run r-1 on oslo",
    )


def test_nothing_was_rehearsed_by_a_part(runs, tmp_path):
    empty = write(
        tmp_path / "c" / "r-1",
        [happened("r-1", wall=PARIS, host="rome")[0], RunFinished(t=T + 1, exit_status=5)],
        files=(),
    )
    merge([runs[0], empty], tmp_path / "all")
    assert build(tmp_path / "all").verdict is Verdict.UNKNOWN


@given(
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(0, 1e6), st.sampled_from(Verdict)), min_size=1, max_size=6),
    st.randoms(),
)
def test_the_order_does_not_matter_and_nothing_is_lost(one, machines, dice):
    own = replace(one, rehearsals=(), clusters=(), run="all")
    parts = {
        f"p{number}": replace(
            one,
            anchor=Anchor(PARIS + later, uptime),
            verdict=verdict,
            rehearsals=(replace(one.rehearsals[0], verdict=verdict),),
        )
        for number, (later, uptime, verdict) in enumerate(machines)
    }
    shuffled = list(parts.items())
    dice.shuffle(shuffled)
    found, again = joined(own, parts, {}), joined(own, dict(shuffled), {})
    assert sorted(r.id for r in found.rehearsals) == sorted(f"{name}-{one.rehearsals[0].id}" for name in parts)
    assert {r.id: r for r in found.rehearsals} == {r.id: r for r in again.rehearsals}
    assert found.verdict == again.verdict == worst([part.verdict for part in parts.values()])
    assert (found.started_at, found.finished_at, found.duration) == (
        again.started_at,
        again.finished_at,
        again.duration,
    )
    instants = [found.clocks(r).at(r.start) for r in found.rehearsals]
    assert instants == sorted(instants)


def test_a_copied_run_is_held_against_its_own_files(runs, tmp_path):
    """Two runners count alike: in one store the second lies under another name than its own."""
    store = tmp_path / "store"
    for number, run in enumerate(runs):
        shutil.copytree(run, store / "runs" / ("r-1" if number == 0 else "r-1-of-oslo"))
    with History(store, None) as known:
        keys = []
        for folder in sorted((store / "runs").iterdir()):
            write_json(build(folder), folder)
            known.put(folder)
            keys.append(project(json.loads((folder / "run.json").read_text())).key)
        assert known.damaged(keys) == {}
        # Of which the files are changed is told, under its own name.
        (store / "runs" / "r-1-of-oslo" / "run.json").write_text("{}")
        assert list(known.damaged(keys[1:])) == ["r-1"]
        assert known.damaged(keys[:1]) == {}
