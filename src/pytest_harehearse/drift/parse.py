# SPDX-License-Identifier: MIT
"""From what the script printed to facts. Pure: whatever bytes a node sends, they become facts or a reason, never an error."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from pytest_harehearse.drift import cib
from pytest_harehearse.drift.noise import is_noise
from pytest_harehearse.managers import settings
from pytest_harehearse.remote.redact import Redactor

#: An area says so of a host that has nothing of the kind.
NOTHING: Final = 3
#: ``timeout`` says so.
_TOO_LONG: Final = 124
_END: Final = "end"
_STATUS: Final = re.compile(r"\n=(\d{1,3})\Z")
_WITHOUT_SECRETS: Final = Redactor()
#: Free text in which a password may stand; the other areas hold names, versions, numbers and digests.
_FREE_TEXT: Final = frozenset(
    {"kernel", "mount", "corosync-conf", "corosync", "cib", "patroni", "patroni-local", "postgresql", "etcd", "sentinel", "keepalived"}
)  # fmt: skip
#: Corosync's key may stand in its configuration itself.
_KEYS: Final = frozenset({"corosync-conf/totem.key", "corosync/totem.key"})


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a node's answer says; see ``snapshot.Snapshot``."""

    facts: dict[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    #: From area ``own``: kind → values, in the order told.
    own: dict[str, list[str]] = field(default_factory=dict)


def parse(text: str, areas: Mapping[str, str]) -> Parsed:
    """Return what the script printed.

    Args:
        text: its standard output.
        areas: those that were asked for; one that is missing in the answer is a problem.
    """
    found = Parsed()
    seen: set[str] = set()
    lines = text.splitlines()
    for line in lines:
        name, _, rest = line.partition("\t")
        if name not in areas or name in seen:
            continue
        seen.add(name)
        said, _, complaint = rest.partition("\t")
        problem = _area(name, said, found)
        if problem is not None:
            words = _decoded(complaint) or ""
            found.problems[name] = _WITHOUT_SECRETS(f"{problem}: {words.strip()}") if words.strip() else problem
    cut = "" if lines and lines[-1].startswith(f"{_END}\t") else "; the answer was cut off"
    for name in areas:
        if name not in seen:
            found.problems[name] = f"it was not told{cut}"
    return found


def _decoded(text: str) -> str | None:
    try:
        return base64.b64decode(text, validate=True).decode("utf-8", "backslashreplace")
    except (binascii.Error, ValueError):
        return None


def _area(name: str, said: str, found: Parsed) -> str | None:
    """Put what an area printed into ``found``; return why it could not be read."""
    text = _decoded(said)
    ended = _STATUS.search(text) if text is not None else None
    if text is None or ended is None:
        return "its answer was cut off"
    status, body = int(ended[1]), text[: ended.start()]
    if status == NOTHING:
        return None
    if status:
        return "it did not end in time" if status == _TOO_LONG else f"it ended with {status}"
    if name == "own":
        for kind, value in _pairs(body, {}).items():
            found.own.setdefault(kind, []).extend(value)
        return None
    reader = _READERS.get(name, _lines)
    try:
        facts = reader(name, body)
    except ValueError as error:
        return str(error)
    if name in _FREE_TEXT:
        facts = {path: cib.BLANK if path in _KEYS else _WITHOUT_SECRETS(value) for path, value in facts.items()}
    found.facts.update((path, value) for path, value in facts.items() if not is_noise(path))
    return None


def _pairs(body: str, into: dict[str, list[str]]) -> dict[str, list[str]]:
    for line in body.split("\n"):
        key, tab, value = line.partition("\t")
        if tab and key:
            into.setdefault(key.strip(), []).append(" ".join(value.split()))
    return into


def _lines(name: str, body: str) -> dict[str, str]:
    """Return ``NAME<TAB>VALUE`` lines; what is told more than once is told together, sorted."""
    return {f"{name}/{key}": "; ".join(sorted(set(values))) for key, values in _pairs(body, {}).items()}


def _cib(_: str, body: str) -> dict[str, str]:
    return cib.facts(body)


def _postgresql(name: str, body: str) -> dict[str, str]:
    found = _lines(name, body)
    return {path: value for path, value in found.items() if settings.of_all_nodes(path.partition("/")[2])}


_READERS: Final[dict[str, Callable[[str, str], dict[str, str]]]] = {"cib": _cib, "postgresql": _postgresql}
