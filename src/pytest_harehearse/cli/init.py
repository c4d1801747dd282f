# SPDX-License-Identifier: MIT
"""``harehearse init``: a commented inventory and a first rehearsal, or the weekly run; never over what is there."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Callable, Mapping
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Final

import click

from pytest_harehearse.cli import common, init_ci, init_matrix
from pytest_harehearse.cli.common import config_option, say
from pytest_harehearse.errors import ConfigError, HarehearseError

#: File to write → its template.
FILES: Final = {"harehearse.toml": "harehearse.toml", "test_failover_first.py": "test_failover_first.py.txt"}


def template(name: str) -> str:
    """Return the text of a template."""
    return (files("pytest_harehearse.cli") / "templates" / name).read_text(encoding="utf-8")


def write(
    directory: Path, names: Mapping[str, str] = FILES, divided: Callable[[str], str] = lambda text: text
) -> list[Path]:
    """Write every file; return their paths.

    Args:
        directory: where; made if it is not there.
        names: file to write → its template.
        divided: puts the jobs of several runners into a template.

    Raises:
        ConfigError: the directory's name cannot stand in a file.
        HarehearseError: one of them exists (then none was written), or cannot be written.
    """
    targets = [directory / name for name in names]
    if there := [path for path in targets if os.path.lexists(path)]:
        beside = next(
            (init_ci.BESIDE[path.name] for path in there if path.name in init_ci.BESIDE), "harehearse init DIR"
        )
        raise HarehearseError(
            f"{' and '.join(map(str, there))} {'exists' if len(there) == 1 else 'exist'}, and init never overwrites: "
            f"nothing was written. Choose another folder: {beside}"
        )
    texts = [divided(init_ci.fill(template(name), directory.resolve())) for name in names.values()]
    written: list[Path] = []
    made: list[Path] = []
    try:
        for path, text in zip(targets, texts, strict=True):
            made += [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
            path.parent.mkdir(parents=True, exist_ok=True)
            # "x": also nothing that came into being since the question above.
            with path.open("x", encoding="utf-8") as file:
                written.append(path)
                file.write(text)
    except OSError as error:
        for path in written:
            path.unlink(missing_ok=True)
        for folder in sorted(made, key=lambda one: len(one.parts), reverse=True):
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise HarehearseError(
            f"{error.filename or directory} cannot be written: {error.strerror or error}. Nothing was written."
        ) from error
    return written


@click.command()
@click.argument("directory", metavar="[DIR]", default=Path(), type=click.Path(path_type=Path))
@click.option(
    "--ci",
    "target",
    type=click.Choice(list(init_ci.TARGETS)),
    help="Write what rehearses every week there, instead: drift, rehearsals, comparison, gate.",
)
@click.option(
    "--matrix", "by", type=click.Choice(["site", "cluster"]),
    help="With --ci github or gitlab: a job for each site of the inventory, or for each cluster, and one report of all.",
)  # fmt: skip
@config_option
def command(directory: Path, target: str | None, by: init_matrix.By | None, config: Path | None) -> None:
    """Write a commented harehearse.toml and a first test into DIR (default: here).

    With --ci, write instead the files that do `harehearse weekly` by GitHub Actions, GitLab CI, Jenkins or a systemd timer.
    Never overwrites: if one of the files exists, nothing is written.

    \b
    Exit status: 0 written · 1 a file exists or cannot be written · 64 DIR is no folder
    """  # noqa: D301 - \b is click's
    if directory.exists() and not directory.is_dir():
        raise ConfigError(f"{directory} is not a folder; name one to write into, or none for this one.")
    chosen = init_ci.TARGETS[target] if target else None
    names = dict(chosen.files if chosen else FILES)
    divided: Callable[[str], str] = str
    if by is not None:
        if target not in init_matrix.TEMPLATES:
            raise ConfigError(f"--matrix {by}: only with --ci {' or --ci '.join(init_matrix.TEMPLATES)}")
        found = init_matrix.jobs(common.inventory(config), by)
        names = dict.fromkeys(names, init_matrix.TEMPLATES[target])
        divided = partial(init_matrix.fill, target, by=by, found=found)
    paths = write(directory, names, divided)
    for path in paths:
        say(f"wrote {path}")
    here = directory.resolve() == Path.cwd()
    say("Next:")
    following = chosen.next if chosen else ("harehearse doctor", f"pytest {paths[1].name}")
    for line in ([] if here else [f"cd {shlex.quote(str(directory))}"]) + list(following):
        say(f"  {line}")
    if chosen and not (directory / "harehearse.toml").exists():
        say("There is no harehearse.toml in this folder; write one: harehearse init")
