# SPDX-License-Identifier: MIT
"""``harehearse recover``: find and undo whatever killed rehearsals left on clusters, from any machine that reaches them."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from pytest_harehearse.cli import common, exits
from pytest_harehearse.cli.common import config_option, json_option, say, store_option

if TYPE_CHECKING:
    from pytest_harehearse.inventory.model import Cluster, Inventory
    from pytest_harehearse.rehearsal.recovery import Recovery

_EXIT: Final = {"clean": exits.OK, "not clean": exits.NO, "unknown": exits.UNKNOWN}


def outcome(found: Recovery, *, dry: bool = False) -> str:
    """Return clean, not clean or unknown; what a dry run found is there for certain."""
    return "not clean" if dry and found.findings else found.outcome


def lines(found: Recovery, *, dry: bool = False) -> list[str]:
    """Return what became of a cluster, as it is shown."""
    kind = found.kind.upper() if found.kind == "production" else found.kind
    if found.held is not None:
        return [f"✗ {found.cluster} ({kind}) is being rehearsed on by {found.held}; nothing was touched"]
    came = outcome(found, dry=dry)
    sign = {"clean": "✓", "not clean": "✗", "unknown": "?"}[came]
    count = sum(finding.done is True for finding in found.findings)
    told = {
        "clean": f"is clean; {count} undone" if count else "is clean: nothing was left",
        "not clean": f"is NOT clean: {len(found.findings)} to undo, nothing was touched" if dry else "is NOT clean",
        "unknown": "is not known to be clean",
    }[came]
    shown = [f"{sign} {found.cluster} ({kind}) {told}"]
    for finding in found.findings:
        shown.append(f"  {'·' if dry else common.sign(finding.done)} {finding.what}")
        shown.append(f"      {'by' if finding.done else 'by hand:'} {finding.undo}; {finding.detail}")
    shown += [f"  ? could not be asked: {text}" for text in found.unknown]
    shown += [f"  · left alone, not ours: {text}" for text in found.others]
    return shown


@click.command()
@click.argument("names", metavar="[CLUSTER | ENV]…", nargs=-1)
@click.option("--dry-run", is_flag=True, help="Only list; touch nothing.")
@click.option("--yes", is_flag=True, help="Do not ask before anything is undone on a production.")
@json_option
@store_option
@config_option
def command(
    names: tuple[str, ...], dry_run: bool, yes: bool, as_json: bool, store: Path | None, config: Path | None
) -> int:
    """Find and undo everything that a killed rehearsal left on the clusters named (default: of the default environment).

    From any machine that reaches the nodes, with or without the store of the run. What a rehearsal did lies on the nodes with its
    undo; that is run, proved and removed. Nothing that others made is touched, and nothing while a rehearsal is alive.

    \b
    Exit status: 0 clean, now or already · 1 not clean, or somebody rehearses on it · 2 something could not be asked
    """  # noqa: D301 - \b is click's
    found = common.inventory(config)
    chosen = common.clusters(found, names)
    kept = common.store_of(found, store)
    results = []
    with common.no_trace():
        for cluster in chosen:
            result, dry = _asked(found, cluster, kept, dry_run=dry_run, yes=yes)
            results.append((result, dry))
            if not as_json:
                for line in lines(result, dry=dry):
                    say(line)
    if as_json:
        click.echo(json.dumps(document(results), ensure_ascii=False))
    return max((_EXIT[outcome(result, dry=dry)] for result, dry in results), default=exits.OK, key=_badness)


def _badness(status: int) -> int:
    return {exits.OK: 0, exits.UNKNOWN: 1, exits.NO: 2}[status]


def _asked(found: Inventory, cluster: Cluster, store: Path, *, dry_run: bool, yes: bool) -> tuple[Recovery, bool]:
    """Recover a cluster; return what came of it, and whether nothing was touched.

    Where there is a person to ask, a production is only looked at before that person has agreed.
    """
    from pytest_harehearse.rehearsal.heal import heal

    ask = cluster.kind == "production" and not yes and not dry_run and sys.stdin.isatty()
    if not ask:
        return heal(found, cluster, store, dry_run=dry_run), dry_run
    look = heal(found, cluster, store, dry_run=True)
    if not look.findings:
        return look, True
    for line in lines(look, dry=True):
        say(line, err=True)
    if not click.confirm(f"{cluster.id} is PRODUCTION. Undo what rehearsals left there?", default=False, err=True):
        return look, True
    return heal(found, cluster, store, dry_run=False), False


def document(results: Sequence[tuple[Recovery, bool]]) -> dict[str, Any]:
    """Return the result as the JSON object that other programs rely on."""
    return {
        "schema": 1,
        "clusters": [
            {**dataclasses.asdict(result), "outcome": outcome(result, dry=dry), "dry_run": dry}
            for result, dry in results
        ],
    }
