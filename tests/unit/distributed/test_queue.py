# SPDX-License-Identifier: MIT
"""Who runs what: a cluster belongs to one worker, in order, whatever ends when and whoever dies."""

from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.distributed.queue import Lost, Queue, Unit

SITES = ("", "paris", "oslo")


@st.composite
def units(draw):
    found = []
    for number in range(draw(st.integers(1, 8))):
        cluster = draw(st.booleans())
        found.append(
            Unit(
                f"u{number}",
                tuple(f"u{number}::t{test}" for test in range(draw(st.integers(1, 4)))),
                f"lab/c{number}" if cluster else "",
                draw(st.sampled_from(SITES)) if cluster else "",
                draw(st.none() | st.floats(0, 100)),
            )
        )
    return found


def play(queue, planned, data, *, deaths=0):
    """Let workers take, end and die in any order; return what was run where, and what was not."""
    ran, not_run, born, alive = [], [], 0, {}
    for site in SITES:
        queue.join(f"w{born}", site)
        alive[f"w{born}"] = []
        born += 1
    while True:
        for worker in alive:
            if queue.pending(worker) == 0 and (unit := queue.give(worker)) is not None:
                alive[worker] += unit.items
        busy = sorted(worker for worker, todo in alive.items() if todo)
        if not busy:
            return ran, not_run
        worker = data.draw(st.sampled_from(busy))
        if deaths and data.draw(st.booleans()):
            deaths -= 1
            lost = queue.lose(worker)
            assert lost.crashed == alive[worker][0]
            del alive[worker]
            not_run += [lost.crashed, *lost.not_run]
            for site in SITES:
                queue.join(f"w{born}", site)
                alive[f"w{born}"] = []
                born += 1
        else:
            item = alive[worker].pop(0)
            ran.append((worker, item))
            queue.finished(worker, item)


@given(units(), st.data())
def test_each_test_runs_once_a_cluster_on_one_worker_and_in_order(planned, data):
    queue = Queue(planned)
    ran, not_run = play(queue, planned, data)
    assert not_run == []
    assert sorted(item for _, item in ran) == sorted(item for unit in planned for item in unit.items)
    for unit in planned:
        if unit.cluster:
            assert len({worker for worker, item in ran if item in unit.items}) == 1
            assert [item for _, item in ran if item in unit.items] == list(unit.items)


@given(units(), st.data(), st.integers(1, 4))
def test_nothing_is_lost_when_workers_die_and_no_cluster_is_gone_on_with(planned, data, deaths):
    queue = Queue(planned)
    ran, not_run = play(queue, planned, data, deaths=deaths)
    done = [item for _, item in ran]
    assert sorted([*done, *not_run]) == sorted(item for unit in planned for item in unit.items)
    for unit in planned:
        if unit.cluster:
            mine = [item for item in done if item in unit.items]
            # What is not run of a cluster is its end: nothing follows a test that its worker died in.
            assert mine == list(unit.items[: len(mine)])


@given(units())
def test_the_longest_comes_first_and_what_was_never_seen_before_all(planned):
    queue = Queue(planned)
    queue.join("w")
    order = []
    while (unit := queue.give("w")) is not None:
        order.append(unit.expected)
    unseen = [one for one in order if one is None]
    assert order[: len(unseen)] == unseen
    assert order[len(unseen) :] == sorted(order[len(unseen) :], reverse=True)


def test_a_worker_of_a_site_takes_no_cluster_of_another():
    paris, oslo, anywhere = (Unit(n, (n,), n, s) for n, s in (("a/p", "paris"), ("a/o", "oslo"), ("a/x", "")))
    queue = Queue([paris, oslo, anywhere])
    queue.join("w", "oslo")
    assert [queue.give("w"), queue.give("w"), queue.give("w")] == [oslo, anywhere, None]
    assert queue.stranded() == [paris]
    queue.drop([paris])
    assert queue.waiting == []


def test_a_worker_that_had_nothing_to_do_takes_nothing_along():
    queue = Queue([Unit("a", ("t",), "lab/a")])
    queue.join("w")
    assert queue.lose("w") == Lost(None)
    assert [unit.name for unit in queue.waiting] == ["a"]


def test_the_cluster_that_it_had_not_begun_goes_to_another():
    first, second = Unit("a", ("a1", "a2"), "lab/a", "", 9.0), Unit("b", ("b1",), "lab/b", "", 1.0)
    queue = Queue([first, second])
    queue.join("w")
    queue.give("w")
    queue.give("w")
    queue.finished("w", "a1")
    assert queue.lose("w") == Lost("a2")
    queue.join("v")
    assert queue.give("v") == second
