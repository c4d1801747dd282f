# SPDX-License-Identifier: MIT
"""``harehearse report``: the report of runs, made anew from what they wrote, also of runs that were killed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pytest_harehearse.cli import common, exits
from pytest_harehearse.cli.common import config_option, say, store_option
from pytest_harehearse.errors import ConfigError

if TYPE_CHECKING:
    from pytest_harehearse.history.summary import RunSummary


def _directory(name: str, config: Path | None, store: Path | None) -> Path:
    """Return a run's directory; the inventory is only read when it must say where runs are kept."""
    from pytest_harehearse.history.rundir import find
    from pytest_harehearse.inventory.load import find as find_inventory

    if (Path(name) / "events.jsonl").is_file():
        return Path(name)
    if store is None:
        if config is None and find_inventory(Path.cwd()) is None:
            store = Path(".harehearse")
        else:
            store = common.store_of(common.inventory(config), None)
    return find(store, name)


def sentence(summary: RunSummary) -> str:
    """Return a run's verdict in a line."""
    from pytest_harehearse.report import wording

    verdict = f"{wording.sign(summary.verdict)} {summary.verdict.value.upper()}"
    return wording.plain(f"{verdict}  {wording.headline(summary)}  {wording.why(summary)}")


def _show(summary: RunSummary, directory: Path, form: str) -> None:
    if form == "json":
        from pytest_harehearse.history.rundir import as_json

        click.echo(json.dumps(as_json(summary)))
    elif form == "md":
        say((directory / "report.md").read_text(encoding="utf-8").rstrip("\n"))
    else:
        from pytest_harehearse.report.live import shown

        say(sentence(summary))
        if summary.finished_at is None:
            say("  this run was never finished (killed, or still running); the report holds all it wrote until then")
        for problem in summary.problems:
            say(f"  ? not all of the run could be read: {problem}")
        say(f"  report  {shown(directory / 'report.html')}")


@click.command()
@click.argument("runs", metavar="RUN…", nargs=-1, required=True)
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "md", "json"]),
    default="html",
    show_default=True,
    help="html: say the verdict and where the page is; md, json: write that report to standard output.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@store_option
@config_option
def command(runs: tuple[str, ...], form: str, as_json: bool, store: Path | None, config: Path | None) -> int:
    """Write the reports of runs anew: report.html, report.md and run.json in each run's directory.

    RUN is the name of a run, its directory, or "latest". Also for a run that was killed: everything it wrote up to its
    last instant is in the report. JSON is one object a line, as in run.json.

    \b
    Exit status: 0 written, whatever the verdict · 1 a run is damaged · 64 there is no such run
    """  # noqa: D301 - \b is click's
    from pytest_harehearse.report.session import report

    damaged: list[str] = []
    missing: list[str] = []
    for name in runs:
        try:
            directory = _directory(name, config, store)
            summary = report(directory)
        except ConfigError as error:
            missing += error.problems
        except OSError as error:
            damaged.append(f"The report of {name} could not be written: {error}")
        except ValueError as error:
            damaged.append(f"The run {name} is damaged, so there is no report of it: {error}")
        else:
            _show(summary, directory, "json" if as_json else form)
    for problem in (*damaged, *dict.fromkeys(missing)):
        say(f"harehearse: {problem}", err=True)
    return exits.USAGE if missing else exits.NO if damaged else exits.OK
