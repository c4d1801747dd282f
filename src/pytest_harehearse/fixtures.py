# SPDX-License-Identifier: MIT
"""The fixtures a rehearsal is written with. Imports nothing heavy: it is loaded by every pytest run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_harehearse.rehearsal.controller import Controller

KEY: pytest.StashKey[Controller] = pytest.StashKey()
#: The private parameter behind ``fault_plan``.
PLAN_NUMBER = "_harehearse_plan_number"
#: The plan that a test was given, and of a further run of it the part that is tried, with the number of that run.
DRAWN: pytest.StashKey[Any] = pytest.StashKey()
PART: pytest.StashKey[tuple[Any, int]] = pytest.StashKey()
#: Of the process that conducts xdist's workers, once rehearsals are among its tests.
CONDUCTOR: pytest.StashKey[Any] = pytest.StashKey()

#: The private parameter behind ``cluster``; a project's own ``cluster`` fixture does not carry it.
PARAMETER = "_harehearse_cluster_id"


@pytest.fixture(scope="session")
def _harehearse_cluster_id(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def cluster(_harehearse_cluster_id: str, pytestconfig: pytest.Config) -> Any:
    """The cluster under rehearsal: its state, its switchover, its waits. The test runs once per selected cluster."""
    return pytestconfig.stash[KEY].cluster(_harehearse_cluster_id)


def _current(config: pytest.Config, fixture: str) -> Any:
    controller = config.stash.get(KEY, None)
    if controller is None or controller.current is None:
        pytest.fail(
            f"The fixture {fixture!r} of pytest-harehearse needs its fixture 'cluster'; this project has one of its "
            "own by that name. Rename it, or let it ask for 'cluster' itself.",
            pytrace=False,
        )
    return controller.current


@pytest.fixture
def probes(cluster: Any, pytestconfig: pytest.Config) -> Any:  # noqa: ARG001 - opened first
    """Watches the cluster's services and measures how long each was interrupted: ``with probes.watch() as seen``."""
    return _current(pytestconfig, "probes").probes


@pytest.fixture
def faults(cluster: Any, pytestconfig: pytest.Config) -> Any:  # noqa: ARG001 - opened first
    """Faults as context managers, each undone at the end of its block: ``with faults.stack_kill(node)``."""
    return _current(pytestconfig, "faults").faults


@pytest.fixture
def patching(cluster: Any, pytestconfig: pytest.Config) -> Any:  # noqa: ARG001 - opened first
    """Patch day: ``patching.standby_first(patching.reboot())`` patches the standby first and keeps the way back."""
    return _current(pytestconfig, "patching").patching


@pytest.fixture
def drift(cluster: Any, pytestconfig: pytest.Config) -> Any:  # noqa: ARG001 - opened first
    """What is not alike: ``assert not drift.between_nodes().forbidden``, ``drift.against("lab/web")``."""
    return _current(pytestconfig, "drift").drift


@pytest.fixture
def _harehearse_plan_number(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def fault_plan(cluster: Any, _harehearse_plan_number: int, request: pytest.FixtureRequest) -> Any:
    """A fault plan by chance, for ``faults.play_through(fault_plan)``: drawn from --harehearse-seed, see the mark ``chance``."""
    from pytest_harehearse.chance.drawn import chance, drawn

    current, number = _current(request.config, "fault_plan"), _harehearse_plan_number
    if PART in request.node.stash:
        plan, run = request.node.stash[PART]
        current.note(f"a part of fault plan {number}, further run {run}: PLAN = {plan!r}")
        return plan
    controller = request.config.stash[KEY]
    wanted = chance((mark.args, mark.kwargs) for mark in request.node.iter_markers("chance"))
    test = request.node.nodeid.partition("[")[0].rpartition("/")[2]
    plan = drawn(controller.inventory.clusters[cluster.id], wanted, controller.seed, test, number)
    current.note(f"fault plan {number} of {wanted.plans}, --harehearse-seed {controller.seed}: PLAN = {plan!r}")
    request.node.stash[DRAWN] = plan
    return plan


@pytest.fixture
def rehearsal(cluster: Any, pytestconfig: pytest.Config) -> Any:  # noqa: ARG001 - opened first
    """The rehearsal itself: ``rehearsal.note("…")`` puts a note on the timeline."""
    return _current(pytestconfig, "rehearsal")
