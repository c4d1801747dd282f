# SPDX-License-Identifier: MIT
"""``harehearse playbook``: a rehearsal written down as the runbook it is, with what its rehearsals measured.

pytest plans the test in a process of its own, where this module is a plugin too: it hands the planned steps over as JSON.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from pytest_harehearse.cli import common, exits
from pytest_harehearse.cli.common import config_option, say, store_option
from pytest_harehearse.cli.plan import arguments
from pytest_harehearse.errors import ConfigError

#: Where the plugin writes to, and which node serves.
_TO: Final = "HAREHEARSE_PLAYBOOK_TO"
_ACTIVE: Final = "HAREHEARSE_PLAYBOOK_ACTIVE"


def pytest_runtest_setup(item: Any) -> None:
    """Let the plan begin with the node that serves (a hook of pytest's, by its name)."""
    _controller(item.config).first = os.environ.get(_ACTIVE, "")


def pytest_sessionfinish(session: Any) -> None:
    """Hand the planned steps over (a hook of pytest's, by its name)."""
    controller = _controller(session.config)
    if controller is None or _TO not in os.environ:
        return
    found = [
        {
            "nodeid": nodeid,
            "title": title,
            "cluster": plan.cluster.id,
            "books": [{**dataclasses.asdict(book), "parts": dict(book.parts)} for book in plan.playbooks],
            "lines": plan.lines,
        }
        for nodeid, title, plan in controller.plans
    ]
    Path(os.environ[_TO]).write_text(json.dumps(found), encoding="utf-8")


def _controller(config: Any) -> Any:
    key = config.pluginmanager.get_plugin("harehearse-fixtures").KEY
    return config.stash.get(key, None)


def planned(
    test: str, config: Path | None, environments: tuple[str, ...], clusters: tuple[str, ...], active: str,
    folder: Path | None = None,
) -> Any:  # fmt: skip
    """Return the plans of a test as plain values, made by pytest in a process of its own.

    Args:
        test: as pytest takes it.
        config: the inventory; None: as pytest finds it.
        environments: for these only.
        clusters: for these only.
        active: the node that serves.
        folder: where pytest runs; None: here.

    Raises:
        ConfigError: pytest could not plan it; what it said stands on standard error.
    """
    with tempfile.TemporaryDirectory(prefix="harehearse-") as made:
        to = Path(made) / "plans.json"
        command = [*arguments((test,), config, environments, clusters)]
        command[command.index("--") : command.index("--")] = ["-p", __name__]
        environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", _TO: str(to), _ACTIVE: active}
        done = subprocess.run(command, check=False, env=environ, capture_output=True, text=True, cwd=folder)
        plans = json.loads(to.read_text(encoding="utf-8")) if to.is_file() else []
        if done.returncode or not plans:
            sys.stderr.write(done.stdout + done.stderr)
            raise ConfigError(f"{test} could not be planned, so there is no playbook; what pytest said stands above.")
        return plans


@click.command()
@click.argument("test", metavar="TEST")
@config_option
@store_option
@click.option("--env", "environments", multiple=True, metavar="NAME", help="For this environment; repeatable.")
@click.option("--cluster", "clusters", multiple=True, metavar="ENV/NAME", help="For this cluster only; repeatable.")
@click.option("--active", metavar="NODE", default="", help="The node that serves. Default: the first of the inventory.")
@click.option("--format", "form", type=click.Choice(["md", "html"]), default="md", show_default=True)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Write it there. Default: standard output.",
)  # fmt: skip
def command(
    test: str, config: Path | None, store: Path | None, environments: tuple[str, ...], clusters: tuple[str, ...],
    active: str, form: str, output: Path | None,
) -> int:  # fmt: skip
    """Write the runbook of a rehearsal: a TEST that carries out a patch day, as test_failover_x.py::test_….

    Preconditions, every step with the command to type by hand, what should come of it, who decides at the gates, the way
    back, and the times that its rehearsals measured. Nothing is touched and no server is asked.

    \b
    Exit status: 0 written · 64 a wrong option or inventory, or the test is no patch day
    """  # noqa: D301 - \b is click's
    from pytest_harehearse.history.playbooks import rehearsed
    from pytest_harehearse.rehearsal.patching.playbook import Playbook
    from pytest_harehearse.rehearsal.patching.steps import Step
    from pytest_harehearse.report import runbook

    found = common.inventory(config)
    texts = []
    for plan in planned(test, config, environments, clusters, active):
        described = found.clusters[plan["cluster"]]
        if active and active not in [node.name for node in described.nodes]:
            names = ", ".join(node.name for node in described.nodes)
            raise ConfigError(f"--active {active}: {described.id} has no such node; its nodes are {names}.")
        past, problems = rehearsed(common.store_of(found, store), plan["nodeid"])
        for one in plan["books"]:
            steps = tuple(Step(**step) for step in one["steps"])
            book = Playbook(one["patch"], one["does"], one["original"], steps, one["parts"])
            view = runbook.runbook(
                book, described, past, title=plan["title"], nodeid=plan["nodeid"], problems=problems,
                written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
                options=f" --harehearse-config {config}" if config else "",
            )  # fmt: skip
            texts.append(runbook.html(view) if form == "html" else runbook.markdown(view))
    if not texts:
        raise ConfigError(
            f"{test} carries out no patch day (patching.standby_first and the like), so it has no playbook. "
            f"What it would do: harehearse plan {test}"
        )
    if form == "html" and len(texts) > 1:
        raise ConfigError(f"{test} makes {len(texts)} playbooks, and a page holds one: choose by --cluster ENV/NAME.")
    text = "\n".join(texts)
    if output is None:
        say(text.rstrip("\n"))
    else:
        output.write_text(text, encoding="utf-8")
        say(f"written: {output}")
    return exits.OK
