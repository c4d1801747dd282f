# SPDX-License-Identifier: MIT
"""xdist's scheduler for runs with rehearsals; a run without any keeps the scheduler that xdist chose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import pytest

from pytest_harehearse.distributed.queue import Lost, Queue, Unit

if TYPE_CHECKING:
    from xdist.scheduler import Scheduling
    from xdist.workermanage import WorkerController

#: Modes under which one cluster would be touched by several workers.
_BREAKING = {
    "each": "runs every test on every worker",
    "worksteal": "takes tests away from the worker that has their cluster",
}


class Conductor(Protocol):
    """What the scheduler asks of whoever knows clusters."""

    def units(self, nodeids: Sequence[str]) -> list[Unit]:
        """Return what each worker may be given; empty: there is no rehearsal among the tests."""
        ...

    def begin(self, nodeids: Sequence[str], queue: Queue, workers: int) -> None:
        """Make ready before the first test: the run, and what is said of it."""
        ...

    def lost(self, lost: Lost, worker: str) -> None:
        """Take note of tests that are not run any more since their worker died."""
        ...

    def stranded(self, units: Sequence[Unit]) -> None:
        """Take note of tests that no worker may run."""
        ...


def site_of(node: WorkerController) -> str:
    """Return the site that a worker was started for: ``--tx ssh=HOST//env:HAREHEARSE_SITE=NAME``; empty: none."""
    return str((getattr(node.gateway.spec, "env", None) or {}).get("HAREHEARSE_SITE", ""))


class ClusterScheduling:
    """Stands before the scheduler of xdist's choice until the tests are known, and takes over if rehearsals are among them."""

    def __init__(
        self, inner: Scheduling, config: pytest.Config, conductor: Conductor, log: Callable[..., None]
    ) -> None:
        self._inner = inner
        self._config = config
        self._conductor = conductor
        self._log = log
        self._nodes: dict[str, WorkerController] = {}
        self._collections: dict[str, list[str]] = {}
        self._agreed: list[str] = []
        self._queue: Queue | None = None
        self._decided = False

    # -- while it is not known whether there are rehearsals, and when there are none ----------------------------------

    @property
    def nodes(self) -> list[WorkerController]:
        """Every worker that is there."""
        return list(self._nodes.values()) if self._queue is not None else self._inner.nodes

    @property
    def collection_is_completed(self) -> bool:
        """Whether every worker that was there at the beginning has collected."""
        return self._decided or bool(self._inner.collection_is_completed)

    def add_node(self, node: WorkerController) -> None:
        """A worker is there."""
        self._nodes[node.gateway.id] = node
        if self._queue is None:
            self._inner.add_node(node)
        else:
            self._queue.join(node.gateway.id, site_of(node))

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        """A worker has collected."""
        name = node.gateway.id
        if self._queue is None:
            self._inner.add_node_collection(node, collection)
        elif list(collection) != self._agreed:
            # It takes the place of one that died, and the others go on without it.
            self._log(f"{name} collected other tests than the others, and is given none")
            node.shutdown()
            return
        self._collections[name] = list(collection)

    def mark_test_pending(self, item: str) -> None:
        """Only xdist's own modes know this."""
        self._inner.mark_test_pending(item)

    def remove_pending_tests_from_node(self, node: WorkerController, indices: Sequence[int]) -> None:
        """Only xdist's own modes know this."""
        self._inner.remove_pending_tests_from_node(node, indices)

    # -- with rehearsals ---------------------------------------------------------------------------------------------

    @property
    def tests_finished(self) -> bool:
        """Whether nothing is left to be given away, and every worker has its last test."""
        if self._queue is None:
            return bool(self._inner.tests_finished)
        # A worker begins its last test only when it is told that no other follows.
        return not self._queue.waiting and all(self._queue.pending(name) <= 1 for name in self._nodes)

    @property
    def has_pending(self) -> bool:
        """Whether a test has not ended."""
        if self._queue is None:
            return bool(self._inner.has_pending)
        return bool(self._queue.waiting) or self._queue.busy

    def schedule(self) -> None:
        """Give every worker something to do; called when all have collected, and for each that comes later.

        Raises:
            pytest.UsageError: the mode would let two workers touch one cluster, or the workers collected different tests.
        """
        if self._queue is not None:
            self._fill()
            return
        collected = list(next(iter(self._collections.values()), []))
        units = [] if self._decided else self._conductor.units(collected)
        self._decided = True
        if not units:
            self._inner.schedule()
            return
        self._refuse_modes()
        self._compare(collected)
        queue = Queue(units)
        for name, node in self._nodes.items():
            queue.join(name, site_of(node))
        if not any(site_of(node) for node in self._nodes.values()):
            queue = Queue([Unit(u.name, u.items, u.cluster, "", u.expected) for u in units])
            for name in self._nodes:
                queue.join(name)
        self._queue, self._agreed = queue, collected
        self._conductor.begin(collected, queue, min(len(self._nodes), len(units)))
        if stranded := queue.stranded():
            queue.drop(stranded)
            self._conductor.stranded(stranded)
        self._fill()

    def _refuse_modes(self) -> None:
        mode = self._config.getoption("dist")
        if mode in _BREAKING:
            raise pytest.UsageError(
                f"--dist={mode} {_BREAKING[mode]}, and a cluster belongs to one worker, so nothing was started. Leave --dist "
                "out: rehearsals are kept together by cluster, the clusters are worked on at once."
            )

    def _compare(self, collected: list[str]) -> None:
        for name, other in self._collections.items():
            if other != collected:
                differ = sorted(set(other) ^ set(collected))
                what = f"of {', '.join(differ[:3])}" if differ else "in another order"
                raise pytest.UsageError(
                    f"Worker {name} collected other tests than the others ({what}), so which test is which is not known, and "
                    "nothing was started. Do the tests or the inventory differ between the machines, or at each collection?"
                )

    def _fill(self) -> None:
        """Let every worker have a test that follows the one it is at: without it, it does not begin."""
        queue = self._queue
        if queue is None:
            return
        ready = [name for name, node in self._nodes.items() if name in self._collections and not node.shutting_down]
        # Nobody gets a second cluster while another has none.
        for fewer in (1, 2):
            for name in ready:
                while queue.pending(name) < fewer and (unit := queue.give(name)) is not None:
                    index = {nodeid: number for number, nodeid in enumerate(self._agreed)}
                    self._nodes[name].send_runtest_some([index[item] for item in unit.items])
        for name in ready:
            if queue.pending(name) < 2:
                self._nodes[name].shutdown()

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:
        """A test has ended."""
        if self._queue is None:
            self._inner.mark_test_complete(node, item_index, duration)
            return
        self._queue.finished(node.gateway.id, self._collections[node.gateway.id][item_index])
        self._fill()

    def remove_node(self, node: WorkerController) -> str | None:
        """A worker has ended, or died; return the test that it died in."""
        name = node.gateway.id
        self._nodes.pop(name, None)
        if self._queue is None:
            self._collections.pop(name, None)
            crashed: str | None = self._inner.remove_node(node)
            return crashed
        lost = self._queue.lose(name)
        if lost.crashed is not None:
            self._conductor.lost(lost, name)
            self._fill()
        return lost.crashed
