# SPDX-License-Identifier: MIT
"""Arming: one production environment, for one change, by one person. Pure; nothing else makes a production writable."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.inventory.model import Cluster, Inventory
from pytest_harehearse.inventory.wording import choice, shown

ARM: Final = "--harehearse-arm"
CHANGE: Final = "--harehearse-change"
PRODUCTION: Final = "production"


@dataclass(frozen=True, slots=True)
class Arming:
    """Who may act on which production, and for what."""

    environment: str
    change: str
    #: user@host.
    by: str

    def told(self) -> str:
        """Return it as it stands in headers and reports."""
        return f"armed for change {self.change} by {self.by}"


def arm(
    environment: str | None, change: str | None, *, inventory: Inventory, selected: Collection[str], by: str
) -> Arming | None:
    """Return what the two options mean; None: neither is given.

    Args:
        environment: of ``--harehearse-arm``.
        change: of ``--harehearse-change``.
        inventory: says which environments are production.
        selected: names of the environments that this run rehearses in.
        by: who runs it.

    Raises:
        ConfigError: one without the other, or an environment that cannot be armed.
    """
    if environment is None and change is None:
        return None
    if environment is None:
        raise ConfigError(f"{CHANGE} arms nothing by itself; name the environment as well: {ARM} ENV")
    if change is None or not change.strip() or not change.isprintable():
        raise ConfigError(
            f"{ARM} {environment} needs the change that it is for, since what is done to a production must be traced to "
            f"one: {CHANGE} ID"
        )
    known = inventory.environments
    if environment not in known:
        productions = sorted(name for name, one in known.items() if one.kind == PRODUCTION)
        valid = choice(environment, productions) if productions else "the inventory has no production."
        raise ConfigError(f"{ARM} {shown(environment)}: there is no such environment; {valid}")
    if known[environment].kind != PRODUCTION:
        raise ConfigError(
            f"{ARM} {environment}: {environment} is a {known[environment].kind}, and only production is armed; leave "
            f"{ARM} and {CHANGE} out to rehearse in it"
        )
    if environment not in selected:
        raise ConfigError(
            f"{ARM} {environment}: this run selects no cluster of {environment}, so nothing would be done there; select it "
            f"as well: --harehearse-env {environment}"
        )
    return Arming(environment, change.strip(), by)


def planned_only(cluster: Cluster, arming: Arming | None) -> str | None:
    """Return why a cluster is only planned for; None: it may be acted on as far as its kind is concerned."""
    if cluster.kind != PRODUCTION or (arming is not None and arming.environment == cluster.environment):
        return None
    return (
        f"{cluster.id} is production and not armed, so it was only planned and nothing was touched. To rehearse on it, in "
        f"its window: {ARM} {cluster.environment} {CHANGE} ID"
    )
