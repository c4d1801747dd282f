# SPDX-License-Identifier: MIT
"""How many workers -n auto means, and how long a cluster is expected to take."""

import os
from types import SimpleNamespace

import pytest
from tests.common.run_files import happened, write

from pytest_harehearse.distributed import workers
from pytest_harehearse.errors import ConfigError
from pytest_harehearse.history import durations
from pytest_harehearse.history.build import build
from pytest_harehearse.history.rundir import write_json
from pytest_harehearse.inventory.model import Inventory

ROOM = workers._room


def config(plan=False):
    return SimpleNamespace(getoption=lambda name: plan)


@pytest.fixture(autouse=True)
def two_processors(monkeypatch):
    monkeypatch.delenv("PYTEST_XDIST_AUTO_NUM_WORKERS", raising=False)
    monkeypatch.setattr(workers.os, "sched_getaffinity", lambda pid: {0, 1})
    monkeypatch.setattr(workers, "_room", lambda: 10 * workers.WORKER_BYTES)


@pytest.mark.parametrize(("clusters", "wanted"), [(1, None), (2, None), (3, 3), (10, 10), (100, 10)])
def test_one_a_cluster_where_there_are_more_than_processors_as_far_as_memory_goes(clusters, wanted):
    assert workers.wanted(config(), lambda: clusters) == wanted


def test_without_an_inventory_in_a_plan_and_where_the_user_said_it_xdist_knows_best(monkeypatch):
    def none():
        raise ConfigError("no inventory")

    assert workers.wanted(config(), none) is None
    assert workers.wanted(config(plan=True), lambda: 50) is None
    monkeypatch.setenv("PYTEST_XDIST_AUTO_NUM_WORKERS", "7")
    assert workers.wanted(config(), lambda: 50) is None


def test_half_of_what_is_free_is_room():
    assert 0 < ROOM() < os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_the_last_time_counts_and_one_that_never_ran_is_not_known(tmp_path):
    for number in (1, 2):
        name = f"r-2026w40-{number:02d}"
        directory = write(tmp_path / "runs" / name, happened(name, wall=1_700_000_000.0 + number))
        summary = build(directory)
        write_json(summary, directory)
    seen, never = "elsewhere/test_a.py::test_switchover[demo/orders]", "test_a.py::test_more[demo/orders]"
    found = durations.expected(
        Inventory(tmp_path / "harehearse.toml", {}), tmp_path,
        {"demo/orders": [seen], "demo/both": [seen, never], "demo/none": [never]},
    )  # fmt: skip
    took = summary.rehearsals[0].end - summary.rehearsals[0].start
    assert found == {"demo/orders": pytest.approx(took), "demo/both": None, "demo/none": None}
