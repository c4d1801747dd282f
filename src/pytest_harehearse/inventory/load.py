# SPDX-License-Identifier: MIT
"""Find and read harehearse.toml."""

from __future__ import annotations

import dataclasses
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.inventory.interpolation import InterpolationError, expand
from pytest_harehearse.inventory.model import Inventory
from pytest_harehearse.inventory.secrets import secrets
from pytest_harehearse.inventory.wording import Loc, Problem, file_label

FILE_NAME: Final = "harehearse.toml"
_PLACE: Final = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")


def find(start: Path) -> Path | None:
    """Return the harehearse.toml in ``start`` or the nearest directory above it; None when there is none."""
    here = start.absolute()
    for folder in (here, *here.parents):
        candidate = folder / FILE_NAME
        if os.path.isfile(candidate):  # noqa: PTH113  # unlike Path.is_file, never raises for a closed directory
            return candidate
    return None


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Inventory:
    """Read an inventory.

    Args:
        path: the file.
        environ: where ``${NAME}`` is looked up.

    Raises:
        ConfigError: the file cannot be read, or is wrong; lists every fault of it.
    """
    # pydantic costs more to import than everything else here; only who reads a file pays for it.
    from pytest_harehearse.inventory.checks import check
    from pytest_harehearse.inventory.problems import lines, validate

    file = file_label(path)
    written = _parse(_read(path, file), file)
    unresolved: list[Problem] = []
    document: dict[str, Any] = _expanded(written, (), environ, unresolved)
    tables, found = validate(document, written)
    found += check(document, written)
    # What could not be interpolated has no value yet: nothing else can be said about it.
    unknown = {problem.loc for problem in unresolved}
    problems = unresolved + [problem for problem in found if problem.loc not in unknown]
    if tables is None or problems:
        raise ConfigError(lines(problems, written, file))
    return dataclasses.replace(tables.plain(path.absolute()), secrets=secrets(written, document, environ))


def _read(path: Path, file: str) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(
            f"{file}: there is no such file. Run 'harehearse init' to write one, or name another with --harehearse-config."
        ) from None
    except OSError as error:
        raise ConfigError(
            f"{file}: cannot be read: {error.strerror}. Make it readable, run 'harehearse init' to write a new one,"
            " or name another with --harehearse-config."
        ) from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{file}:{line}: is not UTF-8 text; save the file as UTF-8.") from None


def _parse(text: str, file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        place = _PLACE.search(message)
        reason = _PLACE.sub("", message)
        if place is None or place[1] is None:
            return _refuse(file, len(text.splitlines()) or 1, f"{reason}, at the end of the file")
        return _refuse(file, int(place[1]), f"{reason}, at column {place[2]}")
    except (ValueError, RecursionError):
        # Not syntax: Python's own limits on the digits of a number and the depth of nesting.
        raise ConfigError(f"{file}: cannot be read: a number is too long, or lists are nested too deeply.") from None


def _refuse(file: str, line: int, reason: str) -> dict[str, Any]:
    raise ConfigError(f"{file}:{line}: is not valid TOML: {reason}.") from None


def _expanded(value: Any, loc: Loc, environ: Mapping[str, str], unresolved: list[Problem]) -> Any:
    """Return the value with its texts interpolated; those that cannot be stay as written and become a problem."""
    if isinstance(value, dict):
        return {key: _expanded(entry, (*loc, key), environ, unresolved) for key, entry in value.items()}
    if isinstance(value, list):
        return [_expanded(entry, (*loc, index), environ, unresolved) for index, entry in enumerate(value)]
    if isinstance(value, str):
        try:
            return expand(value, environ)
        except InterpolationError as error:
            unresolved.append(Problem(loc, str(error)))
    return value
