# SPDX-License-Identifier: MIT
"""The command ``harehearse``: a table of verbs, each loaded when it is used, and what every error ends in."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from typing import Any, Final, cast

import click

from pytest_harehearse.cli import exits
from pytest_harehearse.errors import ConfigError, HarehearseError, Indeterminate
from pytest_harehearse.units import DurationError

#: Verb → the module whose ``command`` it is, and its line in the help.
VERBS: Final[dict[str, tuple[str, str]]] = {
    "init": ("pytest_harehearse.cli.init", "Write a commented harehearse.toml and a first test."),
    "doctor": ("pytest_harehearse.cli.doctor", "Check reach, rights and tools; change nothing."),
    "lab": ("pytest_harehearse.cli.lab", "Create, show and remove a lab."),
    "status": ("pytest_harehearse.cli.status", "Show what the clusters' managers say now."),
    "probe": ("pytest_harehearse.cli.probe", "Measure interruptions of URLs by hand."),
    "plan": ("pytest_harehearse.cli.plan", "Show what rehearsals would do; touch nothing."),
    "playbook": ("pytest_harehearse.cli.playbook", "Write the runbook of a rehearsal, with its measured times."),
    "recover": ("pytest_harehearse.cli.recover", "Undo whatever killed rehearsals left on clusters."),
    "drift": ("pytest_harehearse.cli.drift", "Find what is not alike: node to node, against the twin, now and then."),
    "history": ("pytest_harehearse.cli.history", "Show what was measured, and since which run it is another."),
    "compare": (
        "pytest_harehearse.cli.compare",
        "Hold two clusters or runs against each other: how much slower, and why.",
    ),
    "gate": ("pytest_harehearse.cli.gate", "Decide go or no-go before a window, from evidence; change nothing."),
    "weekly": ("pytest_harehearse.cli.weekly", "Drift, rehearsals, comparison and gate, for a timer or CI."),
    "report": ("pytest_harehearse.cli.report", "Write the report of runs anew."),
}


class Verbs(click.Group):
    """Knows its verbs by name and loads one only when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the verbs in the order of the table."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Load one verb."""
        if cmd_name not in VERBS:
            return None
        return cast("click.Command", importlib.import_module(VERBS[cmd_name][0]).command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest verb for one that is not known."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], VERBS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"No such command {args[0]!r}; there are {', '.join(VERBS)}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the table of verbs without loading any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in VERBS.items()])


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="pytest-harehearse", prog_name="harehearse")
def group() -> None:
    """Rehearse failovers before the window: set up labs, read, judge and heal.

    Rehearsals themselves are run by pytest.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command and exit."""
    sys.exit(run(lambda: group.main(arguments, prog_name="harehearse", standalone_mode=False)))


def run(call: Callable[[], Any]) -> int:
    """Return the exit status of a call; every error ends in a sentence, none in a traceback."""
    try:
        status = call()
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return exits.USAGE
    except click.ClickException as error:
        error.show()
        return exits.USAGE
    except (KeyboardInterrupt, click.Abort):
        return exits.INTERRUPTED
    except (ConfigError, DurationError) as error:
        return _say(error, exits.USAGE)
    except Indeterminate as error:
        return _say(error, exits.UNKNOWN)
    except HarehearseError as error:
        return _say(error, exits.NO)
    except BrokenPipeError:
        # The reader went away (``| head``): nothing more to say, and Python must not complain when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.OK
    except Exception as error:  # noqa: BLE001 - no traceback reaches a user
        return _internal(error)
    return status if isinstance(status, int) else exits.OK


def _say(error: Exception, status: int) -> int:
    click.echo(f"harehearse: {error}", err=True)
    return status


def _internal(error: Exception) -> int:
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="harehearse-", suffix=".txt", delete=False, encoding="utf-8"
        ) as file:
            traceback.print_exception(error, file=file)
        where = f"the details are in {file.name}"
    except OSError:
        where = f"the details could not be written; it was {type(error).__name__}: {error}"
    click.echo(f"harehearse: a fault of its own, not of your cluster; {where}", err=True)
    return exits.INTERNAL
