# SPDX-License-Identifier: MIT
"""Which clusters a run is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.inventory.model import Cluster, Inventory
from pytest_harehearse.inventory.wording import choice, file_label, shown


def select(inventory: Inventory, environments: Sequence[str], clusters: Sequence[str]) -> list[Cluster]:
    """Return the clusters that were asked for, sorted by id, each once.

    Ids of clusters win over names of environments; without either, the default environment is taken, or else the only
    environment there is.

    Raises:
        ConfigError: a name is unknown (all such names are listed), or nothing was named and nothing is the default.
    """
    known = inventory.clusters
    problems = [
        *_unknown("--harehearse-env", "environment", environments, inventory.environments),
        *_unknown("--harehearse-cluster", "cluster", clusters, known),
    ]
    if problems:
        raise ConfigError(problems)
    if clusters:
        return [cluster for key, cluster in known.items() if key in clusters]
    wanted = environments or _default(inventory)
    return [cluster for cluster in known.values() if cluster.environment in wanted]


def _unknown(option: str, noun: str, names: Sequence[str], valid: Iterable[str]) -> list[str]:
    words = sorted(valid)
    return [
        f"{option} {shown(name)}: there is no such {noun}; {choice(name, words) if words else 'the inventory has none.'}"
        for name in dict.fromkeys(names)
        if name not in words
    ]


def _default(inventory: Inventory) -> list[str]:
    if inventory.default_environment is not None:
        return [inventory.default_environment]
    names = sorted(inventory.environments)
    if len(names) == 1:
        return names
    file = file_label(inventory.path)
    if not names:
        raise ConfigError(f"{file}: there is no environment to rehearse in; add one, as 'harehearse init' shows.")
    raise ConfigError(
        f"{file}: there are several environments and no default_environment; choose with --harehearse-env"
        f" ({', '.join(names)}) or --harehearse-cluster ({', '.join(inventory.clusters)}), or set default_environment."
    )
