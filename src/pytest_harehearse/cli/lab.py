# SPDX-License-Identifier: MIT
"""``harehearse lab``: create a lab that stays, look at it, remove it whole."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

import click

from pytest_harehearse.cli import common, exits
from pytest_harehearse.cli.common import config_option, json_option, say, store_option
from pytest_harehearse.cli.status import Answer, ask, brief
from pytest_harehearse.errors import HarehearseError, LabError

if TYPE_CHECKING:
    from pytest_harehearse.inventory.model import Environment, Inventory
    from pytest_harehearse.labs.base import Lab, LabReport

#: A lab that was up already may just be settling after somebody's switchover.
SETTLE_S: Final = 10.0

_argument = click.argument("name", metavar="[ENV]", required=False)


@click.group()
def command() -> None:
    """Create a lab that stays, look at it, remove it whole.

    Rehearsals create and remove their labs by themselves; a lab that is up already they use and leave.
    """


def _lab(config: Path | None, name: str | None) -> tuple[Inventory, Environment, Lab]:
    from pytest_harehearse.labs.base import lab_of

    found = common.inventory(config)
    environment = common.environment(found, name)
    return found, environment, lab_of(found, environment)


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the verb as Ctrl-C does: with everything given back."""

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# -- up ------------------------------------------------------------------------------------------------------------


@command.command(short_help="Create a lab and leave it up.")
@_argument
@config_option
def up(name: str | None, config: Path | None) -> int:
    """Create the lab ENV (default: the default environment) and leave it up.

    \b
    Exit status: 0 it is up and healthy, now or already · 1 it is not, and if it was just made nothing is left of it
    """  # noqa: D301 - \b is click's
    found, environment, lab = _lab(config, name)
    began = time.monotonic()
    with common.no_trace(), _stoppable():
        made = lab.up(common.progress, keep=True)
    took = time.monotonic() - began
    answers = _settled(found, environment)
    say(up_sentence(environment, answers, made=made, took=took, report=lab.report()))
    extra = {"config": config}
    healthy = all(answer.redundant for answer in answers)
    if healthy:
        say(f"  look     {common.again('status', environment.name, **extra)}")
        say(f"  connect  {_connect(environment, lab, config)}")
    remove = common.again("lab", "down", environment.name, **extra)
    if lab.report().created_at is None:
        return exits.OK if healthy else exits.NO
    say(f"  remove   {remove}" if healthy else f"  make it anew: {remove}, then create it again")
    return exits.OK if healthy else exits.NO


def _connect(environment: Environment, lab: Lab, config: Path | None) -> str:
    """Return the command by which a person gets in."""
    from pytest_harehearse.labs.base import Shells

    if lab.report().created_at is None:
        return "as the inventory says"
    if isinstance(lab, Shells):
        node = next(node.name for cluster in environment.clusters.values() for node in cluster.nodes)
        # Before the names: what follows them is the command on the node.
        named = () if config is None else ("--config", str(config))
        return common.again("lab", "ssh", *named, environment.name, node)
    return common.again("lab", "status", environment.name, "--show-password", config=config)


def _settled(found: Inventory, environment: Environment) -> list[Answer]:
    deadline = time.monotonic() + SETTLE_S
    while True:
        answers = [ask(found, cluster) for cluster in environment.clusters.values()]
        if all(answer.redundant for answer in answers) or time.monotonic() > deadline:
            return answers
        time.sleep(0.2)


def up_sentence(environment: Environment, answers: list[Answer], *, made: bool, took: float, report: LabReport) -> str:
    """Return what ``lab up`` came to."""
    count = len(answers)
    clusters = f"{count} cluster{'' if count == 1 else 's'}"
    bad = [answer for answer in answers if not answer.redundant]
    health = "healthy" if not bad else "not healthy"
    since = f"{took:.1f} s" if made else f"since {report.created_at}" if report.created_at else report.home
    each = "; ".join(
        f"{answer.cluster.name}: {answer.reason}"
        if not answer.redundant or answer.state is None
        else f"{answer.cluster.name}: {brief(answer.state)}"
        for answer in bad or answers
    )
    return f"{environment.name} {'is' if made else 'was already'} up: {clusters}, {health}, {since}; {each}"


# -- down ----------------------------------------------------------------------------------------------------------


@command.command(short_help="Remove a lab whole.")
@_argument
@config_option
@store_option
def down(name: str | None, config: Path | None, store: Path | None) -> int:
    """Remove every process and file of the lab ENV, and of labs whose parent was killed.

    Refuses while a rehearsal runs on one of its clusters.

    \b
    Exit status: 0 removed, or there was none · 1 not removed; says why
    """  # noqa: D301 - \b is click's
    found, environment, lab = _lab(config, name)
    with common.no_trace(), _stoppable(), _held(found, environment):
        existed = lab.down(common.progress)
        closed = _close_faults(common.store_of(found, store), environment.name)
    say(f"{environment.name} is removed" if existed else f"{environment.name} is not up: there is nothing to remove")
    for text in closed:
        say(f"  closed in the journal: {text}")
    return exits.OK


@contextlib.contextmanager
def _held(found: Inventory, environment: Environment) -> Iterator[None]:
    """Hold every cluster of the lab against rehearsals, also those that only the lab still knows."""
    from pytest_harehearse.labs import home
    from pytest_harehearse.rehearsal.session import cluster_lock
    from pytest_harehearse.safety.lock import Held

    state = home.read(home.home_of(found.path, environment.name))
    names = sorted({*environment.clusters, *(state.clusters if state else ())})
    with contextlib.ExitStack() as locks:
        for name in names:
            identity = f"{environment.name}/{name}"
            lock = cluster_lock(found.path, identity, f"harehearse lab down (pid {os.getpid()})")
            try:
                locks.enter_context(lock.acquire(within=0.0))
            except Held as held:
                raise HarehearseError(
                    f"{identity} is being used by {held.holder or 'another process'}, so nothing was removed. Wait for "
                    "it to end, or stop it, then try again."
                ) from held
        yield


def _close_faults(store: Path, environment: str) -> list[str]:
    """Close the faults that are still open on the lab's clusters; return them in words."""
    from pytest_harehearse.safety.journal import Journal

    left = Journal(store).close_gone(environment)
    return [f"{entry.fault} {entry.target} on {entry.cluster}, of run {entry.run}: its lab is gone" for entry in left]


# -- reset ---------------------------------------------------------------------------------------------------------


@command.command(short_help="Bring a lab back to how it was made.")
@_argument
@config_option
@store_option
def reset(name: str | None, config: Path | None, store: Path | None) -> int:
    """Bring every node of the lab ENV back to how it was made, in seconds; only labs of hosts can.

    Refuses while a rehearsal runs on one of its clusters.

    \b
    Exit status: 0 it is as new and healthy · 1 it is not; says why
    """  # noqa: D301 - \b is click's
    from pytest_harehearse.labs.base import Resets

    found, environment, lab = _lab(config, name)
    if not isinstance(lab, Resets):
        anew = " and ".join(common.again("lab", verb, environment.name, config=config) for verb in ("down", "up"))
        raise LabError(f"{environment.name} is a lab by {environment.provider}, which is made anew instead: {anew}")
    began = time.monotonic()
    with common.no_trace(), _stoppable(), _held(found, environment):
        lab.reset(common.progress)
        closed = _close_faults(common.store_of(found, store), environment.name)
    say(f"{environment.name} is as new and healthy after {time.monotonic() - began:.1f} s")
    for text in closed:
        say(f"  closed in the journal: {text}")
    return exits.OK


# -- ssh -----------------------------------------------------------------------------------------------------------


@command.command(short_help="Open a shell on a node of a lab.", context_settings={"allow_interspersed_args": False})
@click.argument("name", metavar="ENV")
@click.argument("node", metavar="NODE")
@click.argument("words", metavar="[COMMAND]…", nargs=-1, type=click.UNPROCESSED)
@config_option
def ssh(name: str, node: str, words: tuple[str, ...], config: Path | None) -> int:
    """Open a shell on NODE of the lab ENV as root, or run COMMAND there; only labs of hosts have such nodes.

    \b
    Exit status: that of ssh
    """  # noqa: D301 - \b is click's
    from pytest_harehearse.labs.base import Shells

    _, environment, lab = _lab(config, name)
    if not isinstance(lab, Shells):
        raise LabError(
            f"The nodes of {environment.name} are processes on this machine, not hosts: there is nothing to log in to."
        )
    command = [*lab.ssh(node), *words]
    sys.stdout.flush()
    try:
        os.execvp(command[0], command)  # noqa: S606 - a list, no shell
    except FileNotFoundError as error:
        raise LabError("ssh is not installed. On Debian or Ubuntu: sudo apt-get install openssh-client") from error


# -- status --------------------------------------------------------------------------------------------------------


@command.command(short_help="Show what a lab is now.")
@_argument
@config_option
@json_option
@click.option("--show-password", is_flag=True, help="Show the URLs with the lab's own password, to connect by hand.")
def status(name: str | None, config: Path | None, as_json: bool, show_password: bool) -> int:
    """Show what the lab ENV is now: up or not, since when, where, and how to connect.

    \b
    Exit status: 0 up · 1 not up
    """  # noqa: D301 - \b is click's
    _, environment, lab = _lab(config, name)
    with common.no_trace():
        report = lab.report()
        urls = _urls(lab, environment, show_password=show_password) if report.up else {}
    if as_json:
        click.echo(json.dumps(document(report, urls)))
    else:
        for line in lines(report, urls, config):
            say(line)
    return exits.OK if report.up else exits.NO


def _urls(lab: Lab, environment: Environment, *, show_password: bool) -> dict[str, str]:
    """Return for each cluster the URL of its writable node."""
    from pytest_harehearse.probes.kinds import hide

    urls = {}
    for cluster in environment.clusters:
        try:
            services = lab.reach(cluster).cluster.services
        except LabError:
            # It went down since it was asked.
            continue
        url = next((f"{s.url}?target_session_attrs=read-write" for s in services if s.name == "write"), None)
        if url is not None:
            urls[cluster] = url if show_password else hide(url)
    return urls


def document(report: LabReport, urls: dict[str, str]) -> dict[str, Any]:
    """Return the result as the JSON object that other programs rely on."""
    return {
        "schema": 1,
        "environment": report.environment,
        "up": report.up,
        "exists": report.exists,
        "home": report.home,
        "processes": report.processes,
        "holds": report.holds,
        "created_at": report.created_at,
        "keep": report.keep,
        "up_s": report.up_s,
        "notes": list(report.notes),
        "urls": urls,
    }


def lines(report: LabReport, urls: dict[str, str], config: Path | None = None) -> list[str]:
    """Return the result for people."""
    remove = common.again("lab", "down", report.environment, config=config)
    if not report.exists:
        create = common.again("lab", "up", report.environment, config=config)
        return [f"✗ {report.environment} is not up. Create it: {create}"]
    if not report.up and report.created_at is None and report.keep:
        return [f"✗ {report.environment} is on hosts that are there already, and none answers: {report.holds}"]
    if not report.up:
        return [
            (
                f"✗ {report.environment} is not up, but something is left of it (or it is just being made): "
                f"{report.holds or f'{report.processes} processes'}, and files in {report.home}"
            ),
            f"  remove   {remove}",
        ]
    if report.created_at is None:
        return [f"✓ {report.environment} is on hosts that are there already: {report.holds}"]
    took = f", healthy after {report.up_s:.1f} s" if report.up_s is not None else ""
    stays = "until it is removed" if report.keep else "until the run that made it ends"
    return [
        f"✓ {report.environment} is up since {report.created_at}{took}; it stays {stays}",
        f"  home     {report.home}, {report.holds or f'{report.processes} processes'}",
        *(f"  note     {note}" for note in report.notes),
        *(f"  connect  {cluster}: psql '{url}'" for cluster, url in urls.items()),
        f"  remove   {remove}",
    ]
