# SPDX-License-Identifier: MIT
"""The fault plan of one test on one cluster, as its mark ``chance(...)`` asks for it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pytest_harehearse.chance.plans import fault_plans, sample
from pytest_harehearse.errors import ConfigError
from pytest_harehearse.faults.catalogue import CATALOGUE
from pytest_harehearse.inventory.model import Cluster
from pytest_harehearse.rehearsal.abilities import capabilities
from pytest_harehearse.rehearsal.targets import WORDS

#: What is drawn from when the mark names no faults: those that every kernel has, and that need no more than a node.
USUAL: Final = (
    "service_kill", "stack_kill", "stack_hang", "process_hang", "node_power_off", "node_freeze", "net_partition",
    "net_isolate_from_clients", "net_degrade", "cpu_pressure",
)  # fmt: skip
_MOST: Final = 100


class DrawnPlan(list[dict[str, Any]]):
    """A plan that carries the seed by which its target words choose nodes."""

    def __init__(self, tables: Iterable[dict[str, Any]], seed: int) -> None:
        super().__init__(tables)
        self.seed = seed


@dataclass(frozen=True, slots=True)
class Chance:
    """What the mark says."""

    plans: int = 3
    steps: int = 4
    #: Empty: the usual ones that the cluster can take.
    faults: tuple[str, ...] = ()
    quorum_lost: bool = False
    #: Nodes and target words; empty: every one.
    targets: tuple[str, ...] = ()


def chance(marks: Iterable[tuple[tuple[Any, ...], Mapping[str, Any]]]) -> Chance:
    """Return what the nearest mark says; without a mark, the usual.

    Raises:
        ConfigError: an unknown keyword, or a value that cannot be meant.
    """
    found = next(iter(marks), None)
    if found is None:
        return Chance()
    args, kwargs = found
    known = ("plans", "steps", "faults", "quorum_lost", "targets")
    strange = [name for name in kwargs if name not in known]
    if args or strange:
        raise ConfigError(
            f"The mark chance takes keywords only ({', '.join(f'{k}=' for k in known)}), not {args[0] if args else strange[0]!r}."
        )
    for name in ("plans", "steps"):
        value = kwargs.get(name, 1)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST:
            raise ConfigError(f"chance({name}={value!r}): a number from 1 to {_MOST} is wanted.")
    faults = kwargs.get("faults", ())
    if isinstance(faults, str) or not all(fault in CATALOGUE for fault in faults):
        raise ConfigError(f"chance(faults={faults!r}): a list of faults is wanted, of {', '.join(CATALOGUE)}.")
    targets = kwargs.get("targets", ())
    if not isinstance(targets, list | tuple) or not all(isinstance(one, str) for one in targets):
        raise ConfigError(f"chance(targets={targets!r}): a list of nodes and of {', '.join(WORDS)} is wanted.")
    return Chance(
        kwargs.get("plans", 3), kwargs.get("steps", 4), tuple(faults), bool(kwargs.get("quorum_lost", False)),
        tuple(targets),
    )  # fmt: skip


def drawn(cluster: Cluster, wanted: Chance, seed: str, test: str, number: int) -> DrawnPlan:
    """Return the plan of this number (from 1): the same for the same seed, cluster and test.

    Raises:
        ConfigError: the cluster can take none of the faults, or Hypothesis is not installed.
    """
    able = capabilities(cluster)
    faults = [fault for fault in wanted.faults or USUAL if fault in able]
    if not faults:
        raise ConfigError(
            f"No fault plan can be drawn for {cluster.id}: of {', '.join(wanted.faults or USUAL)} it can take none."
        )
    strategy = fault_plans(
        [node.name for node in cluster.nodes], faults, steps=wanted.steps, quorum_lost=wanted.quorum_lost,
        targets=wanted.targets,
    )  # fmt: skip
    text = f"{seed}\n{cluster.id}\n{test}"
    plan = sample(strategy, text, wanted.plans)[number - 1]
    return DrawnPlan(plan, int.from_bytes(hashlib.sha256(f"{text}\n{number}".encode()).digest()[:4]))
