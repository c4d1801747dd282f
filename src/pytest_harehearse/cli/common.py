# SPDX-License-Identifier: MIT
"""What several verbs share: options, the inventory, names of clusters, and text that every terminal can show."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from pytest_harehearse.errors import ConfigError

if TYPE_CHECKING:
    from pytest_harehearse.inventory.model import Cluster, Environment, Inventory

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The inventory. Default: harehearse.toml, found upward from here.",
)
store_option = click.option(
    "--store",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where runs are kept. Default: .harehearse beside the inventory.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Write the result as one JSON object.")

_PLAINER: Final = str.maketrans(
    {"✓": "+", "✗": "x", "·": "-", "–": "-", "≤": "<=", "≥": ">=", "…": "...", "→": "->", "µ": "u", "×": "x"}
    | {"Δ": "diff", "−": "-", "±": "+-"}
    | {bar: str(height) for height, bar in enumerate("▁▂▃▄▅▆▇█", 1)}
)


def fitting(text: str, encoding: str | None = None) -> str:
    """Return the text in the letters that standard output can show."""
    encoding = encoding or getattr(sys.stdout, "encoding", None) or "ascii"
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return text.translate(_PLAINER).encode("ascii", "backslashreplace").decode()
    return text


def say(text: str, *, err: bool = False) -> None:
    """Write a line of text at once, in letters that the terminal can show."""
    click.echo(fitting(text), err=err)


def sign(ok: bool | None) -> str:
    """Return ✓, ✗, or ? for what is not known."""
    return "?" if ok is None else "✓" if ok else "✗"


def progress(text: str) -> None:
    """Say what a lab does, indented under the verb; on standard error, so that ``--json`` stays pure."""
    say(f"  {text}", err=True)


def table(rows: list[tuple[str, ...]], indent: int = 2) -> list[str]:
    """Return rows as lines with aligned columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    return [
        " " * indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def inventory(config: Path | None) -> Inventory:
    """Return the inventory that was named, or the one found from here.

    Raises:
        ConfigError: there is none, or it is wrong.
    """
    from pytest_harehearse.inventory.load import find, load

    path = config or find(Path.cwd())
    if path is None:
        raise ConfigError(
            f"No harehearse.toml in {Path.cwd()} or above it. Write one: harehearse init. Or name one: --config FILE"
        )
    try:
        return load(path)
    except ConfigError as error:
        # The loader words its advice for pytest, whose option has the longer name.
        raise ConfigError([text.replace("--harehearse-config", "--config") for text in error.problems]) from None


def store_of(found: Inventory, store: Path | None) -> Path:
    """Return where runs are kept."""
    return store or found.store_path


def environment(found: Inventory, name: str | None) -> Environment:
    """Return an environment by its name, or the default one.

    Raises:
        ConfigError: there is no such environment, or none was named and none is the default.
    """
    from pytest_harehearse.inventory.wording import did_you_mean, file_label

    known = found.environments
    names = ", ".join(known) or "none"
    if name is None:
        name = found.default_environment or (next(iter(known)) if len(known) == 1 else None)
    if name is None:
        raise ConfigError(
            f"Which environment? {file_label(found.path)} has no default_environment; its environments: {names}."
        )
    if name not in known:
        hint = did_you_mean(name, known) or did_you_mean(name.partition("/")[0], known)
        raise ConfigError(
            f"There is no environment {name!r} in {file_label(found.path)}; its environments: {names}.{hint}"
        )
    return known[name]


def clusters(found: Inventory, words: tuple[str, ...]) -> list[Cluster]:
    """Return the clusters that ENV/NAME and ENV words name; without any, those of the default environment, or all.

    Raises:
        ConfigError: a word names nothing; says which words would.
    """
    from pytest_harehearse.inventory.wording import did_you_mean, file_label

    known = found.clusters
    default = found.default_environment
    wanted = words or ((default,) if default else tuple(found.environments))
    valid = [*known, *found.environments]
    if wrong := [word for word in wanted if word not in valid]:
        raise ConfigError(
            [
                f"There is no cluster or environment {word!r} in {file_label(found.path)}; "
                f"there are {', '.join(valid) or 'none'}.{did_you_mean(word, valid)}"
                for word in wrong
            ]
        )
    chosen = [one for one in known.values() if one.id in wanted or one.environment in wanted]
    if not chosen:
        raise ConfigError(f"{file_label(found.path)}: {', '.join(wanted) or 'the inventory'} has no cluster.")
    return chosen


def place(cluster: Cluster) -> str:
    """Return what a cluster stands in: "lab by embedded", or PRODUCTION, which is never to be taken for one."""
    return f"{cluster.kind} by {cluster.provider}" if cluster.kind == "lab" else cluster.kind.upper()


def again(*words: str, config: Path | None = None) -> str:
    """Return a command to type here, with the ``--config`` that this one was given."""
    return shlex.join(["harehearse", *words, *(["--config", str(config)] if config else [])])


@contextlib.contextmanager
def no_trace() -> Iterator[None]:
    """Remove the folder of all labs at the end if it is empty: looking for a lab makes it."""
    from pytest_harehearse.labs import home

    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            home.base().rmdir()
