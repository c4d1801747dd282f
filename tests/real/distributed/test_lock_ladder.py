# SPDX-License-Identifier: MIT
"""One rehearsal at a time on a cluster: scheduler, file lock and lease, each disabled in turn, in 1 000 seeded schedules."""

import itertools
import random
from collections import Counter

import pytest

from pytest_harehearse.distributed.queue import Queue, Unit
from pytest_harehearse.remote.local import LocalChannel
from pytest_harehearse.safety.lease import Holder, Leased, LeasePlace
from pytest_harehearse.safety.lock import FileLock, Held

LAYERS = ("scheduler", "file lock", "lease")
SEEDS = 1000


class Site:
    """Clusters with their tests, and what holds them."""

    def __init__(self, folder, channel, chance, layers):
        self.folder = folder
        self.channel = channel
        self.layers = layers
        self.inside = Counter()
        self.overlaps = 0
        self.ran = 0
        self.refused = 0
        self.tests = {
            f"lab/c{n}": [f"c{n}::t{i}" for i in range(chance.randint(1, 3))] for n in range(chance.randint(1, 2))
        }
        self.workers = chance.randint(2, 3)

    def hands(self, chance):
        """Return each worker's tests: by the scheduler, or dealt out as chance will have it."""
        if "scheduler" not in self.layers:
            dealt = [[] for _ in range(self.workers)]
            for cluster, tests in self.tests.items():
                for test in tests:
                    chance.choice(dealt).append((cluster, test))
            return [iter(hand) for hand in dealt]
        queue = Queue([Unit(cluster, tuple(tests), cluster) for cluster, tests in self.tests.items()])
        for worker in range(self.workers):
            queue.join(f"w{worker}")
        return [self._drawn(queue, f"w{worker}") for worker in range(self.workers)]

    def _drawn(self, queue, worker):
        while (unit := queue.give(worker)) is not None:
            for test in unit.items:
                yield unit.cluster, test
                queue.finished(worker, test)

    def worker(self, hand):
        """Run tests one after the other; each yield is an instant at which another worker may go on."""
        for cluster, _ in hand:
            held = []
            try:
                if "file lock" in self.layers:
                    held.append(
                        FileLock(self.folder / f"{cluster.replace('/', '-')}.lock", "w").acquire(within=0.0).release
                    )
                    yield
                if "lease" in self.layers:
                    node = self.folder / cluster.replace("/", "-")
                    node.mkdir(exist_ok=True)
                    place = LeasePlace("n1", self.channel, str(node / "harehearse" / "lease"), as_root=False)
                    held.append(Holder([place], cluster=cluster, run="r", owner="w", seconds=60).take().give_back)
                    yield
            except (Held, Leased):
                self.refused += 1
            else:
                self.inside[cluster] += 1
                self.overlaps += self.inside[cluster] > 1
                self.ran += 1
                yield
                yield
                self.inside[cluster] -= 1
            finally:
                for give_back in reversed(held):
                    give_back()
            yield


def play(seed, folder, channel, layers):
    chance = random.Random(seed)
    folder.mkdir()
    site = Site(folder, channel, chance, layers)
    alive = [site.worker(hand) for hand in site.hands(chance)]
    for _ in itertools.takewhile(lambda _: alive, itertools.count()):
        one = chance.choice(alive)
        if next(one, alive) is alive:
            alive.remove(one)
    assert site.ran + site.refused == sum(map(len, site.tests.values()))
    return site


@pytest.fixture(scope="module")
def channel():
    return LocalChannel("here")


@pytest.mark.parametrize("disabled", LAYERS)
def test_two_never_overlap_whichever_is_disabled(disabled, tmp_path, channel):
    layers = [layer for layer in LAYERS if layer != disabled]
    mine = range(LAYERS.index(disabled), SEEDS, len(LAYERS))
    played = [play(seed, tmp_path / str(seed), channel, layers) for seed in mine]
    assert [site.overlaps for site in played] == [0] * len(played)
    # With the scheduler nobody ever comes second; without it the others refuse, in most of the schedules not at all.
    refused = sum(site.refused for site in played)
    assert (refused == 0) == (disabled != "scheduler")
    assert sum(site.ran for site in played) > 500


@pytest.mark.parametrize("alone", LAYERS)
def test_each_holds_alone(alone, tmp_path, channel):
    played = [play(seed, tmp_path / str(seed), channel, [alone]) for seed in range(60)]
    assert [site.overlaps for site in played] == [0] * len(played)


def test_without_any_of_them_they_do_overlap(tmp_path, channel):
    assert sum(play(seed, tmp_path / str(seed), channel, []).overlaps for seed in range(60)) > 10
