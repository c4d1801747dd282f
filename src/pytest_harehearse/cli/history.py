# SPDX-License-Identifier: MIT
"""``harehearse history``: what was measured, scenario by scenario, and since which run it is another; the index anew."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pytest_harehearse.cli import common, exits
from pytest_harehearse.cli.common import config_option, json_option, say, store_option
from pytest_harehearse.errors import ConfigError

if TYPE_CHECKING:
    from pytest_harehearse.history.index.runs import Synced
    from pytest_harehearse.inventory.model import Inventory


class Words(click.Group):
    """Shows the history of what is named, unless that is one of its own words."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read ``harehearse history lab/web`` as ``harehearse history show lab/web``."""
        if not set(args) & {*self.commands, "--help", "-h"}:
            args.insert(0, "show")
        return super().parse_args(ctx, args)


@click.group(cls=Words, context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Show what the rehearsals of clusters measured, and since which run it is slower or faster.

    Without one of the commands below, `harehearse history [CLUSTER…]` shows; its options: harehearse history show --help
    """


@command.command()
@click.argument("clusters", metavar="[CLUSTER…]", nargs=-1)
@click.option("--since", metavar="DURATION", help="Only rehearsals of this time, as 90d. Default: all.")
@click.option("--last", type=click.IntRange(1), default=12, show_default=True, help="Hold the latest against so many.")
@click.option(
    "--prometheus", "exposition", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Also write the last of each scenario for Prometheus' textfile collector; harehearse gate writes its answer, too.",
)  # fmt: skip
@json_option
@config_option
@store_option
def show(
    clusters: tuple[str, ...], since: str | None, last: int, exposition: Path | None, as_json: bool, config: Path | None,
    store: Path | None,
) -> int:  # fmt: skip
    """Show each scenario's last rehearsal against those before it, and since which run it is another.

    \b
    Exit status: 0 shown · 2 the history cannot be read · 64 a wrong option, inventory or cluster
    """  # noqa: D301 - \b is click's
    from pytest_harehearse.history.index.history import History
    from pytest_harehearse.history.series import by_scenario
    from pytest_harehearse.report import history as report
    from pytest_harehearse.report import prometheus
    from pytest_harehearse.units import seconds

    found = common.inventory(config)
    place = common.store_of(found, store)
    begin = None if since is None else datetime.now(UTC) - timedelta(seconds=seconds(since))
    with History(place, found.history) as history:
        problems = history.sync().problems
        known = history.clusters()
        wanted = _wanted(clusters, known, found)
        rehearsals = [one for name in wanted for one in history.rehearsals(cluster=name, since=begin)]
        where = history.where
    if exposition is not None:
        prometheus.write(exposition, prometheus.render(rehearsals))
    series = by_scenario(rehearsals, last)
    if as_json:
        click.echo(json.dumps(report.document(series, problems, where)))
        return exits.OK
    for line in report.lines(series, problems, last):
        say(line)
    if not series:
        say(f"Nothing was rehearsed {'in that time ' if since else ''}on {', '.join(wanted) or 'any cluster'} yet.")
    return exits.OK


def _wanted(words: tuple[str, ...], known: list[str], found: Inventory) -> list[str]:
    """Return the clusters that ENV/NAME and ENV words name, of the history or the inventory.

    Raises:
        ConfigError: a word names nothing.
    """
    from pytest_harehearse.inventory.wording import did_you_mean

    every = sorted({*known, *found.clusters})
    if not words:
        return [name for name in every if name in known]
    wrong = [word for word in words if word not in every and word not in found.environments]
    if wrong:
        raise ConfigError(
            [
                f"There is no cluster {word!r} in the inventory or in the history; there are {', '.join(every) or 'none'}."
                f"{did_you_mean(word, every)}"
                for word in wrong
            ]
        )
    return [name for name in every if name in words or name.partition("/")[0] in words]


@command.command()
@config_option
@store_option
def rebuild(config: Path | None, store: Path | None) -> int:
    """Make the index anew from the run directories; in PostgreSQL, put those of this store in anew.

    \b
    Exit status: 0 every finished run is in it · 1 some are not, and why · 2 it cannot be written
    """  # noqa: D301 - \b is click's
    from pytest_harehearse.history.index.history import rebuild as make

    found = common.inventory(config)
    synced = make(common.store_of(found, store), found.history)
    return _told(synced)


def _told(synced: Synced) -> int:
    from pytest_harehearse.report.wording import plain, plural

    say(f"{plural(len(synced.added), 'run')} in the history")
    for run, why in synced.problems.items():
        say(f"? {plain(run)} is not in it: {plain(why)}")
    return exits.NO if synced.problems else exits.OK


@command.command()
@click.option("--older-than", required=True, metavar="DURATION", help="Remove runs that began longer ago, as 400d.")
@click.option(
    "--keep", type=click.IntRange(1), default=12, show_default=True,
    help="Of each scenario on each cluster, so many of the latest rehearsals stay whatever their age.",
)  # fmt: skip
@config_option
@store_option
def prune(older_than: str, keep: int, config: Path | None, store: Path | None) -> int:
    """Remove old runs of this store: their directories, with reports and attempts, and their rows.

    \b
    Exit status: 0 done, also when there was nothing to remove · 2 the history cannot be read
    """  # noqa: D301 - \b is click's
    from pytest_harehearse.history.index.history import open_history
    from pytest_harehearse.report.wording import plural
    from pytest_harehearse.units import seconds

    found = common.inventory(config)
    before = datetime.now(UTC) - timedelta(seconds=seconds(older_than))
    with open_history(found, common.store_of(found, store)) as history:
        gone = history.prune(before, keep)
    say(f"{plural(len(gone), 'run')} removed{': ' + ', '.join(gone) if gone else ''}")
    return exits.OK
