# SPDX-License-Identifier: MIT
"""``harehearse plan``: what rehearsals would do, without touching anything.

pytest collects the rehearsals and runs them against a model, in a process of its own, where this module is a plugin
too: it leaves out every test that is no rehearsal, for such a test would really run.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from pytest_harehearse.cli import exits
from pytest_harehearse.cli.common import config_option
from pytest_harehearse.errors import ConfigError

#: pytest's exit statuses: wrong usage, and nothing collected.
_PYTEST_USAGE, _PYTEST_NOTHING = 4, 5


def pytest_collection_modifyitems(config: Any, items: list[Any]) -> None:
    """Leave out what is no rehearsal (a hook of pytest's, by its name)."""
    # Asked of pytest, for nothing of the command may import it.
    parameter = config.pluginmanager.get_plugin("harehearse-fixtures").PARAMETER
    ours = [item for item in items if parameter in getattr(getattr(item, "callspec", None), "params", {})]
    if others := [item for item in items if item not in ours]:
        config.hook.pytest_deselected(items=others)
        items[:] = ours


def pytest_report_teststatus(report: Any, config: Any) -> tuple[str, str, str] | None:
    """Say nothing of a planned rehearsal but its plan (a hook of pytest's, by its name)."""
    planned = config.pluginmanager.get_plugin("harehearse").items.PLANNED
    reason = report.longrepr[2] if report.skipped and isinstance(report.longrepr, tuple) else ""
    return ("planned", "", "") if planned in reason else None


def arguments(
    paths: tuple[str, ...], config: Path | None, environments: tuple[str, ...], clusters: tuple[str, ...]
) -> list[str]:
    """Return the command that plans."""
    options = [
        "--harehearse-plan",
        "-qq",
        "--no-header",
        "-rs",
        "-p",
        "no:cacheprovider",
        "-p",
        "harehearse",
        "-p",
        __name__,
    ]
    if importlib.util.find_spec("xdist") and not os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
        # A project may ask for workers in its addopts; the plans would stay in them.
        options.append("-n0")
    if sys.stdout.isatty():
        options.append("--color=yes")
    if config is not None:
        options.append(f"--harehearse-config={config}")
    options += [f"--harehearse-env={name}" for name in environments]
    options += [f"--harehearse-cluster={name}" for name in clusters]
    return [sys.executable, "-m", "pytest", *options, "--", *paths]


@click.command()
@click.argument("paths", metavar="PATH…", nargs=-1, required=True)
@config_option
@click.option("--env", "environments", multiple=True, metavar="NAME", help="Plan for this environment; repeatable.")
@click.option(
    "--cluster", "clusters", multiple=True, metavar="ENV/NAME", help="Plan for this cluster only; repeatable."
)
def command(
    paths: tuple[str, ...], config: Path | None, environments: tuple[str, ...], clusters: tuple[str, ...]
) -> int:
    """Show what the rehearsals under PATH would do, without touching anything.

    PATH is a file, a folder or a test (test_failover_first.py::test_…), as for pytest. Every rehearsal runs against a
    model of its cluster: no lab is created, no server asked. Tests that are no rehearsals are left out.

    \b
    Exit status: 0 planned · 1 a test file is wrong · 64 a wrong option or inventory, or no rehearsal found
    """  # noqa: D301 - \b is click's
    sys.stdout.flush()
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    status = subprocess.run(arguments(paths, config, environments, clusters), check=False, env=environ).returncode
    if status == _PYTEST_NOTHING:
        raise ConfigError(
            f"No rehearsal found in {', '.join(paths)}: no test there uses the fixture 'cluster'. "
            "Write a first one: harehearse init"
        )
    if status == _PYTEST_USAGE:
        return exits.USAGE
    return exits.OK if status == 0 else exits.NO
