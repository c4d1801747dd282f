# SPDX-License-Identifier: MIT
"""Which clusters a run is about."""

from pathlib import Path

import pytest

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.inventory.model import Cluster, Environment, Inventory, Node
from pytest_harehearse.inventory.select import select


def inventory(*ids, default=None):
    """An inventory of these clusters, in this order."""
    environments = {}
    for key in ids:
        environment, name = key.split("/")
        entry = environments.setdefault(environment, Environment(environment, "lab", "lxd", {}))
        if name:
            entry.clusters[name] = Cluster(environment, name, "lab", "pacemaker", (Node("a"),))
    return Inventory(Path.cwd() / "harehearse.toml", environments, default)


SEVERAL = inventory("lab/web", "lab/db", "demo/orders")


@pytest.mark.parametrize(
    ("environments", "clusters", "expected"),
    [
        (["lab"], [], ["lab/db", "lab/web"]),
        (["lab", "demo", "lab"], [], ["demo/orders", "lab/db", "lab/web"]),
        ([], ["lab/web", "demo/orders", "lab/web"], ["demo/orders", "lab/web"]),
        (["demo"], ["lab/web"], ["lab/web"]),
    ],
)
def test_what_is_named_is_taken(environments, clusters, expected):
    """Clusters win over environments; sorted, each once."""
    assert [cluster.id for cluster in select(SEVERAL, environments, clusters)] == expected


def test_the_default_environment_is_taken_when_nothing_is_named():
    """A plain pytest rehearses where the inventory says."""
    found = select(inventory("lab/web", "demo/orders", default="demo"), [], [])
    assert [cluster.id for cluster in found] == ["demo/orders"]


def test_the_only_environment_needs_no_name():
    """One environment is its own default."""
    assert [cluster.id for cluster in select(inventory("lab/web", "lab/db"), [], [])] == ["lab/db", "lab/web"]


def test_an_environment_without_clusters_selects_none():
    """It is known, and there is nothing in it."""
    assert select(inventory("lab/"), ["lab"], []) == []


@pytest.mark.parametrize(
    ("inventory", "environments", "clusters", "message"),
    [
        (
            SEVERAL,
            [],
            [],
            (
                "harehearse.toml: there are several environments and no default_environment; choose with --harehearse-env"
                " (demo, lab) or --harehearse-cluster (demo/orders, lab/db, lab/web), or set default_environment."
            ),
        ),
        (
            SEVERAL,
            ["lba", "x", "lba"],
            ["lab/wbe"],
            (
                "--harehearse-env 'lba': there is no such environment; valid are: demo, lab. Did you mean 'lab'?\n"
                "--harehearse-env 'x': there is no such environment; valid are: demo, lab.\n"
                "--harehearse-cluster 'lab/wbe': there is no such cluster; valid are: demo/orders, lab/db, lab/web."
                " Did you mean 'lab/web'?"
            ),
        ),
        (
            inventory("lab/"),
            [],
            ["lab/web"],
            "--harehearse-cluster 'lab/web': there is no such cluster; the inventory has none.",
        ),
        (
            inventory(),
            [],
            [],
            "harehearse.toml: there is no environment to rehearse in; add one, as 'harehearse init' shows.",
        ),
    ],
)
def test_what_cannot_be_selected_names_the_options(inventory, environments, clusters, message):
    """Every unknown name is told at once, with what is valid."""
    with pytest.raises(ConfigError) as caught:
        select(inventory, environments, clusters)
    assert str(caught.value) == message
