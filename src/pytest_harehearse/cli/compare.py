# SPDX-License-Identifier: MIT
"""``harehearse compare``: two clusters or runs side by side, how much slower one is, where, and what explains it."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pytest_harehearse.cli import common, exits
from pytest_harehearse.cli.common import config_option, say, store_option
from pytest_harehearse.errors import ConfigError

if TYPE_CHECKING:
    from pytest_harehearse.history.compare import Comparison
    from pytest_harehearse.history.index.history import History
    from pytest_harehearse.history.index.measured import Measured
    from pytest_harehearse.inventory.model import Inventory


@click.command()
@click.argument("one", metavar="A")
@click.argument("other", metavar="B")
@click.option("--since", metavar="DURATION", help="Of clusters: only rehearsals of this time, as 90d. Default: all.")
@click.option("--scenario", metavar="TEXT", default="", help="Only scenarios with this in their names.")
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
    one: str, other: str, since: str | None, scenario: str, form: str, as_json: bool, page: Path | None,
    config: Path | None, store: Path | None,
) -> int:  # fmt: skip
    """Hold what was measured on A against B: two clusters (lab/web production/web) or two runs.

    For each scenario and service both distributions, how many times slower B is, with an interval, where the time went,
    and which settings explain it: those that drift found different and that act on the phase that deviates most.

    \b
    Exit status: 0 alike · 1 different · 2 not known, as with too few rehearsals · 64 a wrong option, inventory, cluster or run
    """  # noqa: D301 - \b is click's
    from pytest_harehearse.history.compare import compare
    from pytest_harehearse.history.explained import explained
    from pytest_harehearse.history.index.history import open_history
    from pytest_harehearse.report import compare as report
    from pytest_harehearse.units import seconds

    found = common.inventory(config)
    place = common.store_of(found, store)
    begin = None if since is None else datetime.now(UTC) - timedelta(seconds=seconds(since))
    if one == other:
        raise ConfigError(f"A and B are both {one!r}; name two clusters (lab/web production/web), or two runs.")
    with open_history(found, place) as history:
        (left, right), notes = _sides(found, history, (one, other), begin)
    rows, about = explained(found, place, one, other)
    left, right = ([m for m in side if scenario in m.scenario] for side in (left, right))
    comparison = compare(left, right, (one, other), rows)
    note = " · ".join([*notes, *([about] if about else [])])
    if page is not None:
        page.write_text(report.html(comparison, note), encoding="utf-8")
    form = "json" if as_json else form
    if form == "json":
        click.echo(json.dumps(report.document(comparison) | {"note": note}))
    elif form == "html":
        click.echo(report.html(comparison, note))
    elif form == "md":
        say(report.markdown(comparison, note).rstrip("\n"))
    else:
        for line in report.lines(comparison, note):
            say(line)
    return status(comparison)


def status(found: Comparison) -> int:
    """Return the exit status of a comparison."""
    from pytest_harehearse.history.compare import Answer

    return {Answer.ALIKE: exits.OK, Answer.UNKNOWN: exits.UNKNOWN}.get(found.answer, exits.NO)


def _sides(
    found: Inventory, history: History, names: tuple[str, str], begin: datetime | None
) -> tuple[list[list[Measured]], list[str]]:
    """Return the rehearsals of both sides, each in one of them only, and what is to be said of them.

    Raises:
        ConfigError: a name is neither a cluster nor a run, or two runs have no cluster in common and are of several.
    """
    sides = [_side(found, history, name, begin) for name in names]
    notes = []
    for name, side in zip(names, sides, strict=True):
        hosts = sorted({m.host for m in side}) if "/" not in name else []
        if len({m.key for m in side}) > 1 and hosts:
            notes.append(f"{name} is a run of {' and one of '.join(hosts)}; both are counted")
    runs, clusters = ([name for name in names if ("/" in name) is kind] for kind in (False, True))
    if len(runs) == 1:
        which = names.index(runs[0])
        mine = [m for m in sides[which] if m.cluster == clusters[0]]
        keys = {m.key for m in mine}
        sides[which] = mine or sides[which]
        sides[1 - which] = [m for m in sides[1 - which] if m.key not in keys]
        if keys:
            notes.append(f"{clusters[0]} without {runs[0]}")
    of = [{m.cluster for m in side} for side in sides]
    if runs and max(map(len, of)) > 1:
        if len(runs) == 1 or not of[0] & of[1]:
            told = "; ".join(f"{name}: {', '.join(sorted(each))}" for name, each in zip(names, of, strict=True))
            raise ConfigError(
                f"A run of several clusters cannot be held against another cluster as a whole ({told}). "
                "Compare the clusters: harehearse compare ENV/NAME ENV/NAME"
            )
        # Each cluster against itself; a scenario's name then tells of which one it is.
        sides = [
            [
                dataclasses.replace(m, scenario=f"{m.scenario} on {m.cluster}")
                for m in side
                if m.cluster in of[0] & of[1]
            ]
            for side in sides
        ]
    changed = history.damaged(sorted({m.key for side in sides for m in side}), files=False)
    if changed:
        notes.append(f"left out, for they prove nothing: {'; '.join(f'{run}: {why}' for run, why in changed.items())}")
    return [[m for m in side if m.run not in changed] for side in sides], notes


def _side(found: Inventory, history: History, name: str, begin: datetime | None) -> list[Measured]:
    """Return the rehearsals of a cluster, or those of a run.

    Raises:
        ConfigError: it is neither.
    """
    if "/" in name:
        known = sorted({*found.clusters, *history.clusters()})
        if name in known:
            return history.rehearsals(cluster=name, since=begin)
        raise ConfigError(
            f"There is no cluster {name!r} in the inventory or in the history; there are {', '.join(known) or 'none'}."
        )
    rehearsals = history.rehearsals(run=name)
    if not rehearsals:
        raise ConfigError(
            f"{name!r} is no run in the history with a rehearsal in it, and no cluster (ENVIRONMENT/CLUSTER)."
        )
    return rehearsals
