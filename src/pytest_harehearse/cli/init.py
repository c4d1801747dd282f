# SPDX-License-Identifier: MIT
"""``harehearse init``: a commented inventory and a first rehearsal, never over what is there."""

from __future__ import annotations

import os
import shlex
from importlib.resources import files
from pathlib import Path
from typing import Final

import click

from pytest_harehearse.cli.common import say
from pytest_harehearse.errors import ConfigError, HarehearseError

#: File to write → its template.
FILES: Final = {"harehearse.toml": "harehearse.toml", "test_failover_first.py": "test_failover_first.py.txt"}


def template(name: str) -> str:
    """Return the text of a template."""
    return (files("pytest_harehearse.cli") / "templates" / name).read_text(encoding="utf-8")


def write(directory: Path) -> list[Path]:
    """Write every file; return their paths.

    Raises:
        HarehearseError: one of them exists (then none was written), or cannot be written.
    """
    targets = [directory / name for name in FILES]
    if there := [path for path in targets if os.path.lexists(path)]:
        raise HarehearseError(
            f"{' and '.join(map(str, there))} {'exists' if len(there) == 1 else 'exist'}, and init never overwrites: "
            "nothing was written. Choose another folder: harehearse init DIR"
        )
    written: list[Path] = []
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for path, name in zip(targets, FILES.values(), strict=True):
            # "x": also nothing that came into being since the question above.
            with path.open("x", encoding="utf-8") as file:
                written.append(path)
                file.write(template(name))
    except OSError as error:
        for path in written:
            path.unlink(missing_ok=True)
        raise HarehearseError(
            f"{error.filename or directory} cannot be written: {error.strerror or error}. Nothing was written."
        ) from error
    return written


@click.command()
@click.argument("directory", metavar="[DIR]", default=Path(), type=click.Path(path_type=Path))
def command(directory: Path) -> None:
    """Write a commented harehearse.toml and a first test into DIR (default: here).

    Never overwrites: if one of the two files exists, nothing is written.

    \b
    Exit status: 0 written · 1 a file exists or cannot be written · 64 DIR is no folder
    """  # noqa: D301 - \b is click's
    if directory.exists() and not directory.is_dir():
        raise ConfigError(f"{directory} is not a folder; name one to write into, or none for this one.")
    paths = write(directory)
    for path in paths:
        say(f"wrote {path}")
    here = directory.resolve() == Path.cwd()
    say("Next:")
    for line in ([] if here else [f"cd {shlex.quote(str(directory))}"]) + [
        "harehearse doctor",
        f"pytest {paths[1].name}",
    ]:
        say(f"  {line}")
