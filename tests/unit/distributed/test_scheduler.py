# SPDX-License-Identifier: MIT
"""xdist's scheduler: every test ends somewhere, a cluster stays on one worker, and a run without rehearsals is left alone."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.distributed.names import together
from pytest_harehearse.distributed.queue import Unit
from pytest_harehearse.distributed.scheduler import ClusterScheduling

CLUSTERS = ["lab/a", "lab/b", "lab/c", "lab/d"]


class Worker:
    """As xdist's: it begins a test once it knows the next one, or that there is none."""

    def __init__(self, number, site=""):
        self.gateway = SimpleNamespace(
            id=f"gw{number}", spec=SimpleNamespace(env={"HAREHEARSE_SITE": site} if site else {})
        )
        self.todo = []
        self.shutting_down = False

    def send_runtest_some(self, indices):
        assert not self.shutting_down
        self.todo += indices

    def shutdown(self):
        self.shutting_down = True

    @property
    def may_begin(self):
        return len(self.todo) > 1 or (bool(self.todo) and self.shutting_down)


class Inner:
    """The scheduler of xdist's choice."""

    def __init__(self, expected):
        self.expected = expected
        self.calls = []
        self.nodes = []
        self.collected = 0
        self.tests_finished = self.has_pending = False

    @property
    def collection_is_completed(self):
        return self.collected >= self.expected

    def add_node(self, node):
        self.nodes.append(node)

    def add_node_collection(self, node, collection):
        self.collected += 1

    def schedule(self):
        self.calls.append("schedule")

    def mark_test_complete(self, node, index, duration):
        self.calls.append(("complete", index))

    def remove_node(self, node):
        self.calls.append("remove")


class Conductor:
    def __init__(self, sites=None):
        self.sites = sites or {}
        self.begun = []
        self.not_run = []
        self.alone = []

    def units(self, nodeids):
        found = together(nodeids, CLUSTERS)
        if not found:
            return []
        rest = [n for n in nodeids if not any(n in items for items in found.values())]
        return [
            *(Unit(name, tuple(items), name, self.sites.get(name, "")) for name, items in found.items()),
            *(Unit(n, (n,), expected=0.0) for n in rest),
        ]

    def begin(self, nodeids, queue, workers):
        self.begun.append(workers)

    def lost(self, lost, worker):
        self.not_run += lost.not_run

    def stranded(self, units):
        self.alone += [item for unit in units for item in unit.items]


def made(nodeids, workers, dist="load", sites=None):
    conductor = Conductor(sites)
    config = SimpleNamespace(getoption=lambda name: dist)
    scheduler = ClusterScheduling(Inner(len(workers)), config, conductor, lambda *words: None)
    for worker in workers:
        scheduler.add_node(worker)
    for worker in workers:
        scheduler.add_node_collection(worker, nodeids)
    assert scheduler.collection_is_completed
    return scheduler, conductor


def drawn(draw):
    found = []
    for number in range(draw(st.integers(1, 12))):
        cluster = draw(st.sampled_from([*CLUSTERS, ""]))
        found.append(f"t.py::t{number}[{cluster}]" if cluster else f"t.py::t{number}")
    return found


@given(st.data(), st.integers(1, 5), st.integers(0, 3))
def test_every_test_ends_and_a_cluster_stays_on_its_worker(data, count, deaths):
    nodeids = drawn(data.draw)
    if not together(nodeids, CLUSTERS):
        nodeids.append("t.py::more[lab/a]")
    workers = [Worker(number) for number in range(count)]
    scheduler, conductor = made(nodeids, workers)
    scheduler.schedule()
    ran, crashed, born = [], [], count
    while not scheduler.tests_finished or any(worker.todo for worker in workers):
        if scheduler.tests_finished:
            for worker in workers:
                worker.shutdown()
        ready = [worker for worker in workers if worker.may_begin]
        # Otherwise everybody waits for ever.
        assert ready
        worker = data.draw(st.sampled_from(ready))
        index = worker.todo.pop(0)
        if deaths and data.draw(st.booleans()):
            deaths -= 1
            workers.remove(worker)
            assert scheduler.remove_node(worker) == nodeids[index]
            crashed.append(nodeids[index])
            clone = Worker(born)
            born += 1
            workers.append(clone)
            scheduler.add_node(clone)
            scheduler.add_node_collection(clone, nodeids)
            scheduler.schedule()
        else:
            ran.append((worker.gateway.id, nodeids[index]))
            scheduler.mark_test_complete(worker, index)
    assert sorted([*(test for _, test in ran), *crashed, *conductor.not_run]) == sorted(nodeids)
    assert conductor.begun == [min(count, len(conductor.units(nodeids)))]
    for cluster in CLUSTERS:
        assert len({worker for worker, test in ran if f"[{cluster}]" in test}) <= 1
    for worker in workers:
        assert scheduler.remove_node(worker) is None


def test_nobody_gets_a_second_cluster_while_another_has_none():
    workers = [Worker(number) for number in range(3)]
    scheduler, _ = made([f"t.py::t[{cluster}]" for cluster in CLUSTERS[:3]], workers)
    scheduler.schedule()
    assert [worker.todo for worker in workers] == [[0], [1], [2]]
    assert all(worker.shutting_down for worker in workers)


def test_more_workers_than_clusters_end_at_once():
    workers = [Worker(number) for number in range(3)]
    scheduler, conductor = made(["t.py::t[lab/a]"], workers)
    scheduler.schedule()
    assert [worker.todo for worker in workers] == [[0], [], []]
    assert all(worker.shutting_down for worker in workers)
    assert conductor.begun == [1]


def test_without_rehearsals_the_mode_of_xdist_stays():
    worker = Worker(0)
    scheduler, conductor = made(["t.py::t[x]"], [worker], dist="worksteal")
    scheduler.schedule()
    scheduler.mark_test_complete(worker, 0)
    scheduler.schedule()
    scheduler.remove_node(worker)
    assert scheduler._inner.calls == ["schedule", ("complete", 0), "schedule", "remove"]
    assert conductor.begun == []


@pytest.mark.parametrize(
    ("mode", "why"),
    [
        ("each", "--dist=each runs every test on every worker"),
        ("worksteal", "--dist=worksteal takes tests away from the worker that has their cluster"),
    ],
)
def test_modes_that_would_break_the_rule_are_refused(mode, why):
    worker = Worker(0)
    scheduler, _ = made(["t.py::t[lab/a]"], [worker], dist=mode)
    with pytest.raises(pytest.UsageError) as refused:
        scheduler.schedule()
    assert str(refused.value) == (
        f"{why}, and a cluster belongs to one worker, so nothing was started. Leave --dist out: rehearsals are kept together "
        "by cluster, the clusters are worked on at once."
    )
    assert worker.todo == []


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (["t.py::t[lab/a]", "t.py::u[lab/a]"], "of t.py::u[lab/a]"),
        (["t.py::v[lab/a]", "t.py::t[lab/a]"], "in another order"),
    ],
)
def test_workers_that_collected_other_tests_are_refused(other, what):
    first = ["t.py::t[lab/a]"] if len(other) == 2 and "u[" in other[1] else ["t.py::t[lab/a]", "t.py::v[lab/a]"]
    workers = [Worker(0), Worker(1)]
    scheduler, _ = made(first, workers[:1])
    scheduler.add_node(workers[1])
    scheduler.add_node_collection(workers[1], other)
    with pytest.raises(pytest.UsageError, match=rf"^Worker gw1 collected other tests than the others \({what[:8]}"):
        scheduler.schedule()
    assert [worker.todo for worker in workers] == [[], []]


def test_a_worker_at_a_site_rehearses_there_alone_and_a_site_without_one_is_told():
    sites = {"lab/a": "paris", "lab/b": "oslo", "lab/c": "rome"}
    workers = [Worker(0, "oslo"), Worker(1, "paris")]
    scheduler, conductor = made([f"t.py::t[{cluster}]" for cluster in CLUSTERS[:3]], workers, sites=sites)
    scheduler.schedule()
    assert [worker.todo for worker in workers] == [[1], [0]]
    assert conductor.alone == ["t.py::t[lab/c]"]


def test_without_sites_at_the_workers_those_of_clusters_say_nothing():
    worker = Worker(0)
    scheduler, conductor = made(["t.py::t[lab/a]"], [worker], sites={"lab/a": "paris"})
    scheduler.schedule()
    assert (worker.todo, conductor.alone) == ([0], [])


def test_who_takes_the_place_of_a_dead_one_and_collected_otherwise_is_given_nothing():
    workers = [Worker(0), Worker(1)]
    scheduler, _ = made(["t.py::t[lab/a]"], workers[:1])
    scheduler.schedule()
    scheduler.add_node(workers[1])
    scheduler.add_node_collection(workers[1], ["t.py::other[lab/a]"])
    scheduler.schedule()
    assert workers[1].shutting_down
    assert workers[1].todo == []
