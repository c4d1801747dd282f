# SPDX-License-Identifier: MIT
"""``harehearse gate``: the go or no-go before a window, from evidence; strictly read-only."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from pytest_harehearse.cli import common, exits
from pytest_harehearse.cli.common import config_option, say, store_option
from pytest_harehearse.errors import ConfigError, HarehearseError

if TYPE_CHECKING:
    from pytest_harehearse.drift.snapshot import Snapshot
    from pytest_harehearse.history.gate.decide import Asked, Playbook
    from pytest_harehearse.history.gate.decision import Answer, Decision, Gate
    from pytest_harehearse.history.gate.now import Now
    from pytest_harehearse.history.gate.rehearsed import Rehearsals
    from pytest_harehearse.history.index.errors import HistoryError
    from pytest_harehearse.inventory.model import Cluster, Inventory

#: Where rehearsals of planned work lie, unless the last one says otherwise.
_SCENARIOS: Final = "scenarios"


def now() -> datetime:
    """Return the time of day; a test puts another one here."""
    return datetime.now(UTC)


@click.command()
@click.argument("cluster", metavar="CLUSTER")
@click.option(
    "--window", "when", metavar="WHEN", default="",
    help="Also hold it against a window: next, now, 2026-11-24T01:00+01:00, or 'Tue 01:00-03:00 Europe/Berlin'.",
)  # fmt: skip
@click.option(
    "--format", "form", type=click.Choice(["text", "html", "md", "json"]), default="text", show_default=True,
    help="How it is written to standard output.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option(
    "--html", "page", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Also write the page."
)
@click.option(
    "--md", "ticket", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Also write Markdown."
)
@click.option(
    "--prometheus", "exposition", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Also write the answer, and the last of each scenario, for Prometheus' textfile collector.",
)  # fmt: skip
@config_option
@store_option
def command(
    cluster: str, when: str, form: str, as_json: bool, page: Path | None, ticket: Path | None, exposition: Path | None,
    config: Path | None, store: Path | None,
) -> int:  # fmt: skip
    """Decide go or no-go for CLUSTER from its rehearsals and from what it is now. Nothing is changed anywhere.

    GO only if every gate says GO. What is not known is UNKNOWN, and evidence expires. Each gate shows what was found, the
    limit, from where that is known and how old it is; and what would turn it to GO, with the command.

    \b
    Exit status: 0 GO · 1 NO-GO · 2 UNKNOWN · 64 a wrong option, inventory or cluster
    """  # noqa: D301 - \b is click's
    from pytest_harehearse.report import gate as report

    found = common.inventory(config)
    described = _cluster(found, cluster)
    place = common.store_of(found, store)
    decision = decide(found, described, place, when, config)
    if exposition is not None:
        _expose(found, described, decision, place, exposition)
    if page is not None:
        page.write_text(report.html(decision), encoding="utf-8")
    if ticket is not None:
        ticket.write_text(report.markdown(decision), encoding="utf-8")
    form = "json" if as_json else form
    if form == "json":
        click.echo(json.dumps(report.document(decision)))
    elif form == "html":
        click.echo(report.html(decision))
    elif form == "md":
        say(report.markdown(decision).rstrip("\n"))
    else:
        for line in report.lines(decision):
            say(line)
    return status(decision.answer)


def _expose(found: Inventory, cluster: Cluster, decision: Decision, store: Path, file: Path) -> None:
    """Write the answer and the rehearsals that it is about; without a history, the answer alone."""
    from pytest_harehearse.history.index.errors import HistoryError
    from pytest_harehearse.history.index.history import open_history
    from pytest_harehearse.report import prometheus

    names = [name for name in (cluster.twin, cluster.id) if name]
    try:
        with open_history(found, store) as history:
            rehearsals = [one for name in names for one in history.rehearsals(cluster=name)]
    except HistoryError:
        # The decision says so itself: it is UNKNOWN, and that is what is written.
        rehearsals = []
    prometheus.write(file, prometheus.render(rehearsals, {cluster.id: str(decision.answer)}))


def status(answer: Answer) -> int:
    """Return the exit status of an answer."""
    from pytest_harehearse.history.gate.decision import Answer as Known

    return {Known.GO: exits.OK, Known.NO_GO: exits.NO}.get(answer, exits.UNKNOWN)


def decide(found: Inventory, cluster: Cluster, store: Path, when: str, config: Path | None) -> Decision:
    """Gather what is known and take the decision.

    Raises:
        ConfigError: the window asked for is none, or ``history`` names no database.
    """
    from pytest_harehearse.history.gate import decide as gates
    from pytest_harehearse.history.gate.window import opening

    at = now()
    try:
        span = opening(cluster.windows, when, at) if when else None
    except ValueError as error:
        raise ConfigError(
            f"--window {when}: {error}. Or write: next, now, or a time with its zone as 2026-11-24T01:00+01:00"
        ) from None
    source = found.clusters.get(cluster.twin or "", cluster)
    again = shlex.join(
        [
            "pytest",
            _SCENARIOS,
            "--harehearse-cluster",
            source.id,
            *(["--harehearse-config", str(config)] if config else []),
        ]
    )
    asked = gates.Asked(found, cluster, at, when, span, again)
    rehearsals = _rehearsals(asked, store)
    read, drift = _read(found, cluster, store, at)
    return gates.decide(asked, rehearsals, read, drift=drift, plan=lambda known: _playbook(asked, known, config))


def _rehearsals(asked: Asked, store: Path) -> Rehearsals | HistoryError:
    from pytest_harehearse.history.gate.decide import known
    from pytest_harehearse.history.index.errors import HistoryError
    from pytest_harehearse.history.index.history import open_history

    try:
        with open_history(asked.inventory, store) as history:
            return known(asked, history)
    except HistoryError as error:
        return error


def _read(found: Inventory, cluster: Cluster, store: Path, at: datetime) -> tuple[Now | str, Iterable[Gate]]:
    """Return the cluster as it is and what drift says, or why it cannot be read."""
    from pytest_harehearse.history.gate import drifted
    from pytest_harehearse.history.gate.now import read
    from pytest_harehearse.rehearsal import reach
    from pytest_harehearse.safety.journal import Journal

    try:
        with reach.scene(found, cluster) as scene:
            if scene is None:
                return f"its lab is not up; create it: harehearse lab up {cluster.environment}", ()
            return read(scene, Journal(store)), drifted.gates(
                cluster, drifted.read(scene), _twin(found, cluster, store), at
            )
    except (HarehearseError, OSError) as error:
        return str(error), ()


def _twin(found: Inventory, cluster: Cluster, store: Path) -> list[Snapshot] | str | None:
    """Return the nodes of the twin as they are where its lab is up, else as they were when they were last read."""
    from pytest_harehearse.cli.drift import read
    from pytest_harehearse.history.gate.drifted import twin_of

    if cluster.twin in found.clusters:
        try:
            return read(found, found.clusters[cluster.twin])
        except HarehearseError:
            # Not up: what was kept of it counts, with its age.
            return twin_of(cluster, store)
    return twin_of(cluster, store)


def _playbook(asked: Asked, known: Rehearsals, config: Path | None) -> Playbook:
    """Return the playbook as it is now, and what the project's own gates say."""
    from pytest_harehearse.cli import gate_hook
    from pytest_harehearse.cli.playbook import planned
    from pytest_harehearse.history.gate.decide import Playbook

    cluster, folder = asked.cluster, asked.inventory.path.parent
    own = gate_hook.ask(cluster.id, asked.inventory.path, known.found)
    test = cluster.gates.playbook or next(
        (one.scenario for one in reversed(known.found) if any(day.went_through for day in one.patch_days)), None
    )
    if test is None:
        needed = cluster.kind == "production" and "patch" in cluster.allow
        return Playbook(
            None, "no patch day was ever gone through, and the inventory names no playbook" if needed else None, own
        )
    try:
        plans = planned(test, config and config.resolve(), (), (cluster.id,), "", folder)
    except ConfigError as error:
        return Playbook(None, str(error), own)
    books = [book for plan in plans for book in plan["books"]]
    if len(books) != 1:
        return Playbook(None, f"{test} carries out {len(books)} patch days, so it is not clear which is meant", own)
    return Playbook(books[0]["parts"], None, own)


def _cluster(found: Inventory, name: str) -> Cluster:
    """Return the cluster of this id.

    Raises:
        ConfigError: there is none.
    """
    from pytest_harehearse.inventory.wording import did_you_mean, file_label

    if name not in found.clusters:
        raise ConfigError(
            f"There is no cluster {name!r} in {file_label(found.path)}; there are {', '.join(found.clusters) or 'none'}."
            f"{did_you_mean(name, list(found.clusters))}"
        )
    return found.clusters[name]
