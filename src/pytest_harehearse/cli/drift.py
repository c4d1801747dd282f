# SPDX-License-Identifier: MIT
"""``harehearse drift``: node to node, the cluster to its twin, now to then; reads and changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from pytest_harehearse.cli import common, exits
from pytest_harehearse.cli.common import config_option, say, store_option
from pytest_harehearse.errors import ConfigError, HarehearseError, LabError

if TYPE_CHECKING:
    from pytest_harehearse.drift.compare import Drift
    from pytest_harehearse.drift.snapshot import Snapshot
    from pytest_harehearse.inventory.model import Cluster, Inventory
    from pytest_harehearse.report.drift import Part

#: Holds against the last snapshot that was kept.
_LAST: Final = "last"


@click.command()
@click.argument("cluster", metavar="CLUSTER")
@click.option(
    "--against", metavar="CLUSTER|RUN|last",
    help="Also hold it against another cluster (default: its twin), a run's snapshot, or the last one kept.",
)  # fmt: skip
@click.option("--all", "everything", is_flag=True, help="Show notes, too, and where values may differ.")
@click.option(
    "--format", "form", type=click.Choice(["text", "html", "md", "json"]), default="text", show_default=True,
    help="How it is written to standard output.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option(
    "--html", "page", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Also write the page."
)
@config_option
@store_option
def command(
    cluster: str, against: str | None, everything: bool, form: str, as_json: bool, page: Path | None, config: Path | None,
    store: Path | None,
) -> int:  # fmt: skip
    """Find what is not alike: between the nodes of CLUSTER, and against its twin or what it was.

    Kernel, packages, drivers, sysctl, mounts, units, the cluster's configuration on disk and at run time, fencing, names,
    clocks, users. What belongs to one node alone is masked. Each difference says what it does to a failover. The snapshot
    is kept, to be held against later ones.

    \b
    Exit status: 0 none · 1 some · 2 something is not known · 64 a wrong option, inventory or cluster
    """  # noqa: D301 - \b is click's
    from pytest_harehearse.drift import kept
    from pytest_harehearse.drift.compare import between_nodes
    from pytest_harehearse.report import drift as report

    found = common.inventory(config)
    described = common.clusters(found, (cluster,))
    if len(described) != 1:
        raise ConfigError(
            f"{cluster!r} names {len(described)} clusters; name one: {', '.join(one.id for one in described)}."
        )
    (one,) = described
    place = common.store_of(found, store)
    # Before anything is read: a wrong word must not cost a minute.
    before = _before(found, one, against, place)
    nodes = read(found, one)
    parts = [report.Part(f"{one.id}: node to node", between_nodes(nodes, one.drift))]
    parts += _against(found, one, against, nodes, before, place)
    kept.write(place, one.id, nodes)
    if page is not None:
        page.write_text(report.html(one, parts, everything=everything), encoding="utf-8")
    form = "json" if as_json else form
    if form == "json":
        click.echo(json.dumps(report.document(one, parts)))
    elif form == "html":
        click.echo(report.html(one, parts, everything=everything))
    elif form == "md":
        say(report.markdown(one, parts, everything=everything).rstrip("\n"))
    else:
        for line in report.lines(parts, everything=everything):
            say(line)
    return status([part.drift for part in parts])


def status(found: list[Drift]) -> int:
    """Return the exit status: what differs weighs more than what is not known."""
    from pytest_harehearse.drift.compare import Verdict

    verdicts = {one.verdict for one in found}
    return exits.NO if Verdict.SOME in verdicts else exits.UNKNOWN if Verdict.UNKNOWN in verdicts else exits.OK


def read(found: Inventory, cluster: Cluster) -> list[Snapshot]:
    """Read the nodes of a cluster.

    Raises:
        HarehearseError: the cluster cannot be reached at all.
    """
    from pytest_harehearse.drift.of_cluster import snapshots
    from pytest_harehearse.rehearsal import reach

    with reach.scene(found, cluster) as scene:
        if scene is None:
            raise LabError(
                f"The lab of {cluster.id} is not up, so its nodes cannot be read: harehearse lab up {cluster.environment}"
            )
        return snapshots(scene.cluster, scene.manager, scene.channels)


def _before(found: Inventory, cluster: Cluster, against: str | None, store: Path) -> list[Snapshot] | None:
    """Return the snapshot that is asked for; None: none is, but a cluster or nothing."""
    from pytest_harehearse.drift import kept

    if against is None or against in found.clusters:
        return None
    if against != _LAST and not (store / "runs" / against).is_dir():
        names = ", ".join(found.clusters)
        raise ConfigError(
            f"--against {against}: no cluster of the inventory ({names}), no run in {store / 'runs'}, nor the word last."
        )
    taken = kept.latest(store, cluster.id, "" if against == _LAST else against)
    if taken is None:
        raise ConfigError(
            f"No snapshot of {cluster.id} was kept yet in {store / 'drift'}; this command keeps one: harehearse drift {cluster.id}"
        )
    return list(taken.nodes)


def _against(
    found: Inventory,
    cluster: Cluster,
    against: str | None,
    nodes: list[Snapshot],
    before: list[Snapshot] | None,
    store: Path,
) -> list[Part]:
    from pytest_harehearse.drift import kept
    from pytest_harehearse.drift.compare import Drift, between_clusters, over_time
    from pytest_harehearse.report.drift import Part

    if before is not None:
        return [Part(f"{node}: then and now", one) for node, one in over_time(before, nodes, cluster.drift)]
    name = against or cluster.twin
    if name is None:
        return []
    if name == cluster.id:
        raise ConfigError(f"--against {name}: that is the same cluster; hold it against what it was: --against last")
    title = f"{cluster.id} and {name}"
    if name not in found.clusters:
        return [Part(title, Drift((), 0, 0, {(name, "everything"): "it is not in the inventory"}, (cluster.id, name)))]
    try:
        other = read(found, found.clusters[name])
    except HarehearseError as error:
        return [Part(title, Drift((), 0, 0, {(name, "everything"): str(error)}, (cluster.id, name)))]
    kept.write(store, name, other)
    return [Part(title, between_clusters(other, nodes, cluster.drift))]
