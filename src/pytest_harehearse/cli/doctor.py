# SPDX-License-Identifier: MIT
"""``harehearse doctor``: what this machine and the clusters lack, each with its fix; changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pytest_harehearse.cli import common, exits
from pytest_harehearse.cli.common import config_option, json_option, say, store_option
from pytest_harehearse.errors import ConfigError, HarehearseError

if TYPE_CHECKING:
    from pytest_harehearse.inventory.model import Inventory


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: what was found and, if it is wrong, how it is set right."""

    name: str
    ok: bool
    said: str
    fix: str | None = None
    #: Of a cluster or a node: lab or production.
    kind: str = ""

    @property
    def label(self) -> str:
        """Its name on the screen, with what it was looked at in: a production is never to be taken for a lab."""
        return f"{self.name} ({self.kind.upper() if self.kind != 'lab' else 'lab'})" if self.kind else self.name


@dataclass
class Patient:
    """What the checks know: the inventory if it loads, and the options."""

    inventory: Inventory | None
    problem: ConfigError | None
    config: Path | None = None
    store: Path | None = None
    words: tuple[str, ...] = ()
    embedded: bool = field(init=False)

    def __post_init__(self) -> None:
        self.embedded = self.inventory is None or any(
            environment.provider == "embedded" for environment in self.inventory.environments.values()
        )


def examine(patient: Patient) -> list[Check]:
    """Carry out every check; one that cannot be made is not passed."""
    from pytest_harehearse.cli import doctor_checks

    checks: list[Check] = []
    for name, check in doctor_checks.TABLE.items():
        checks += attempt(name, check, patient)
    return checks


def attempt(name: str, check: Callable[[Patient], list[Check]], patient: Patient) -> list[Check]:
    """Carry out one check; what it raises is what it found."""
    try:
        return check(patient)
    except (HarehearseError, OSError) as error:
        return [Check(name, ok=False, said=str(error), fix="remove the cause that is named here, then look again")]


def document(checks: list[Check]) -> dict[str, Any]:
    """Return the result as the JSON object that other programs rely on."""
    return {"schema": 1, "checks": [asdict(check) for check in checks]}


def lines(checks: list[Check]) -> list[str]:
    """Return the result for people."""
    width = max(len(check.label) for check in checks)
    text = []
    for check in checks:
        first, *rest = check.said.splitlines() or [""]
        text.append(f"{common.sign(check.ok)} {check.label.ljust(width)}  {first}")
        text += [f"  {'':{width}}  {line}" for line in rest]
        if check.fix:
            text.append(f"  {'':{width}}  fix: {check.fix}")
    wrong = sum(not check.ok for check in checks)
    text.append("all is well" if not wrong else f"{wrong} of {len(checks)} checks failed; each ✗ has its fix")
    return text


@click.command()
@click.argument("words", metavar="[CLUSTER]…", nargs=-1)
@config_option
@store_option
@json_option
def command(words: tuple[str, ...], config: Path | None, store: Path | None, as_json: bool) -> int:
    """Check what rehearsals need: reach, rights, clocks and tools, each ✓ or ✗ with the fix. Changes nothing.

    CLUSTER is ENV/NAME, or ENV for all of its clusters. Default: the default environment.

    \b
    Exit status: 0 all is well · 1 a check failed
    """  # noqa: D301 - \b is click's
    found, problem = None, None
    try:
        found = common.inventory(config)
    except ConfigError as error:
        problem = error
    if found is not None and words:
        common.clusters(found, words)
    with common.no_trace():
        checks = examine(Patient(found, problem, config, store, words))
    if as_json:
        click.echo(json.dumps(document(checks)))
    else:
        for line in lines(checks):
            say(line)
    return exits.OK if all(check.ok for check in checks) else exits.NO
