# SPDX-License-Identifier: MIT
"""``harehearse report``: the report of runs, made anew from what they wrote, also of runs that were killed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pytest_harehearse.cli import common, exits
from pytest_harehearse.cli.common import config_option, say, store_option
from pytest_harehearse.errors import ConfigError

if TYPE_CHECKING:
    from pytest_harehearse.history.summary import RunSummary
    from pytest_harehearse.inventory.model import Inventory


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


def _inventory(config: Path | None) -> Inventory | None:
    """Return the inventory, which says where the history is; None: there is none, or it is wrong, which is told."""
    from pytest_harehearse.inventory.load import find as find_inventory

    if config is None and find_inventory(Path.cwd()) is None:
        return None
    try:
        return common.inventory(config)
    except ConfigError as error:
        say(f"? The report shows the run alone, for the inventory cannot be read: {error.problems[0]}", err=True)
        return None


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


def _annotations(url: str | None) -> Callable[[RunSummary], None]:
    """Return what sends a run to Grafana and tells what came of it; that it fails does not fail the report.

    Raises:
        ConfigError: the URL is none.
    """
    if url is None:
        return lambda _: None
    from pytest_harehearse.report import grafana

    grafana.address(url)

    def annotate(summary: RunSummary) -> None:
        sent = grafana.send(summary, url, os.environ.get(grafana.TOKEN))
        say(f"{'?' if sent.problem else '✓'} {summary.run}: {sent.sentence}", err=True)

    return annotate


@click.command()
@click.argument("runs", metavar="RUN…", nargs=-1)
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "md", "json"]),
    default="html",
    show_default=True,
    help="html: say the verdict and where the page is; md, json: write that report to standard output.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option(
    "--merge", "target", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
    help="Make one report of all these runs in a new folder DIR: of several runners, say. The runs stay as they are.",
)  # fmt: skip
@click.option(
    "--grafana",
    metavar="URL",
    help="Send faults and switchovers to this Grafana as annotations; the token is $HAREHEARSE_GRAFANA_TOKEN.",
)
@click.option(
    "--sign", "key", is_flag=False, flag_value="", metavar="[KEYFILE]",
    help="Sign each run by an Ed25519 key; without a file, that of $HAREHEARSE_SIGNING_KEY.",
)  # fmt: skip
@click.option("--verify", is_flag=True, help="Write nothing; check that each run is as it was signed.")
@click.option(
    "--public-key", "public", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="With --verify: the key that is trusted.",
)  # fmt: skip
@click.option(
    "--new-key", "made", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Make a key for --sign, and its public half FILE.pub.",
)  # fmt: skip
@store_option
@config_option
def command(
    runs: tuple[str, ...], form: str, as_json: bool, target: Path | None, grafana: str | None, key: str | None, verify: bool,
    public: Path | None, made: Path | None, store: Path | None, config: Path | None,
) -> int:  # fmt: skip
    """Write the reports of runs anew: report.html, report.md and run.json in each run's directory.

    RUN is the name of a run, its directory, or "latest". Also for a run that was killed: everything it wrote up to its
    last instant is in the report. JSON is one object a line, as in run.json.

    \b
    Exit status: 0 written, whatever the verdict · 1 a run is damaged · 64 there is no such run
    With --verify: 0 as it was signed · 1 it was changed, or another key signed it · 2 it cannot be told
    """  # noqa: D301 - \b is click's
    from pytest_harehearse.cli import report_sign
    from pytest_harehearse.report.session import report

    if made is not None:
        return report_sign.new_key(made)
    if not runs:
        raise ConfigError("Which run? Name it, its directory, or latest: harehearse report latest")
    if verify:
        return report_sign.verify(runs, public, lambda name: _directory(name, config, store))
    annotate, attest = _annotations(grafana), report_sign.signer(key)
    inventory = _inventory(config)
    damaged: list[str] = []
    missing: list[str] = []
    if target is not None:
        from pytest_harehearse.cli.report_merge import merged

        damaged = merged(runs, target, lambda name: _directory(name, config, store))
        # It is no run of a store: each of its parts is in the history of its own runner.
        runs, inventory = (str(target),), None
    for name in runs:
        beside: list[str] = []
        try:
            directory = _directory(name, config, store)
            summary = report(directory, inventory, beside)
        except ConfigError as error:
            missing += error.problems
        except OSError as error:
            damaged.append(f"The report of {name} could not be written: {error}")
        except ValueError as error:
            damaged.append(f"The run {name} is damaged, so there is no report of it: {error}")
        else:
            _show(summary, directory, "json" if as_json else form)
            _say_all([f"  ? {problem}" for problem in beside])
            attest(directory)
            annotate(summary)
    _say_all([f"harehearse: {problem}" for problem in (*damaged, *dict.fromkeys(missing))])
    return exits.USAGE if missing else exits.NO if damaged else exits.OK


def _say_all(lines: list[str]) -> None:
    for line in lines:
        say(line, err=True)
