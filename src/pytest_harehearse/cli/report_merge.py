# SPDX-License-Identifier: MIT
"""``harehearse report --merge DIR RUN…``: one report of the runs of several runners."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pytest_harehearse.cli.common import say
from pytest_harehearse.errors import ConfigError


def merged(runs: Sequence[str], target: Path, directory: Callable[[str], Path]) -> list[str]:
    """Put the runs into a new directory; return which of them are not in the report, and why.

    Args:
        runs: as they were named.
        target: the directory.
        directory: finds a run by its name; raises ConfigError.

    Raises:
        ConfigError: not one of them is there, one cannot be read, or the directory holds something; nothing was written.
    """
    from pytest_harehearse.history.merge import merge
    from pytest_harehearse.report.wording import plural

    found: list[Path] = []
    missing: dict[str, str] = {}
    for name in runs:
        try:
            found.append(directory(name))
        except ConfigError as error:
            missing[name] = " ".join(error.problems)
    if not found:
        raise ConfigError(list(dict.fromkeys(missing.values())))
    try:
        done = merge(found, target, missing)
    except OSError as error:
        raise ConfigError(f"The runs could not be merged into {target}: {error}") from error
    for run in done.twice:
        say(f"  · {run} is there already, taken once", err=True)
    say(f"{plural(len(done.parts), 'run')} merged into {target}: {', '.join(done.parts)}", err=True)
    return [*done.damaged, *(f"{name} is not in the report: {why}" for name, why in missing.items())]
