# SPDX-License-Identifier: MIT
"""Every fault of a document at once, in the words of the reference and in the order of the file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from zoneinfo import available_timezones

from pydantic import ValidationError

from pytest_harehearse.inventory.schema import InventoryTable, ZoneError, table_at
from pytest_harehearse.inventory.wording import Loc, Problem, choice, did_you_mean, follow, nearest, shown
from pytest_harehearse.units import DurationError

_LAST: Final = 1 << 30
_EXPECTED: Final = {
    "string_type": "it must be a text in quotes",
    "int_type": "it must be a whole number",
    "list_type": "it must be a list in [ ]",
    "dict_type": "it must be a table",
    "model_type": "it must be a table",
}


def validate(document: dict[str, Any], written: dict[str, Any]) -> tuple[InventoryTable | None, list[Problem]]:
    """Return the tables of an interpolated document, or None and what the schema found.

    Args:
        document: what is validated.
        written: the same as it stands in the file; only its values are shown.
    """
    try:
        return InventoryTable.model_validate(document), []
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
    meant = {_meant(fault["loc"]) for fault in faults if fault["type"] == "extra_forbidden"}
    # A misspelt key is one fault, not also the lack of the key that was meant.
    return None, [
        _worded(fault, written) for fault in faults if fault["type"] != "missing" or fault["loc"] not in meant
    ]


def lines(problems: Iterable[Problem], written: dict[str, Any], file: str) -> list[str]:
    """Return the problems as lines, in the order of the file, each once."""
    ordered = sorted(problems, key=lambda problem: _position(problem.loc, written))
    return list(dict.fromkeys(problem.line(file) for problem in ordered))


def _meant(loc: Loc) -> Loc:
    *table, key = loc
    return (*table, nearest(key, table_at(tuple(table)).settings()) or "")


def _worded(fault: Mapping[str, Any], written: dict[str, Any]) -> Problem:
    loc: Loc = fault["loc"]
    kind: str = fault["type"]
    table = table_at(loc[:-1])
    if kind == "extra_forbidden":
        known = table.settings()
        hint = did_you_mean(loc[-1], known)
        return Problem(loc, f" is not a setting of {table.noun}.{hint} Settings are: {', '.join(known)}.")
    if kind == "missing":
        return Problem(loc, f" is missing; {table.noun} needs: {', '.join(table.required())}.")
    if loc[-1] == "[key]":
        return Problem(loc[:-1], f" is named {shown(loc[-2])}; {fault['ctx']['error']}.")
    loc, value = follow(loc, written)
    return Problem(loc, _about(value, kind, fault.get("ctx", {})))


def _about(value: object, kind: str, context: Mapping[str, Any]) -> str:
    """Say what is wrong with a value, beginning right after its path."""
    reason = context.get("error")
    if isinstance(reason, DurationError):
        # Its message begins with the value after interpolation; the part from the verb on is what is wanted.
        return f": {shown(value)}{str(reason)[str(reason).rindex(' is not a duration') :]}"
    if isinstance(reason, ZoneError) and isinstance(value, str):
        return f" is {shown(value)}; {reason}.{did_you_mean(value.split()[-1], available_timezones())}"
    if kind == "literal_error":
        valid = re.findall(r"'([^']*)'", context["expected"])
        return f" is {shown(value)}; {choice(value, valid)}"
    wanted = reason if reason is not None else _EXPECTED.get(kind, "this is not valid here")
    return f" is {shown(value)}; {wanted}."


def _position(loc: Loc, written: object) -> tuple[int, ...]:
    """Return where a place stands in the file, to sort by; what is missing comes last in its table."""
    position: list[int] = []
    value: Any = written
    for part in loc:
        if isinstance(value, dict) and part in value:
            position.append(list(value).index(part))
            value = value[part]
        elif isinstance(value, list) and isinstance(part, int):
            position.append(part)
            value = value[part]
        else:
            position.append(_LAST)
            break
    return tuple(position)
