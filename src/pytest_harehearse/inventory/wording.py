# SPDX-License-Identifier: MIT
"""How a fault of the inventory is worded: its path, its value without secrets, the nearest valid word."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pytest_harehearse.inventory.interpolation import has_variable

#: Where something stands in the file: keys and list indices from the top.
Loc = tuple[str | int, ...]

_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
# Greedy up to the last '@', for a password may hold '@', '/' or ':' that somebody forgot to escape.
_PASSWORD_IN_AUTHORITY: Final = re.compile(r"(://[^:/@\s]*:).*@", re.DOTALL)
_PASSWORD_IN_QUERY: Final = re.compile(r"(?i)((?:password|passwd|pwd|token|secret|key)=)[^&\s]*")
_LONGEST: Final = 80


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault: where it stands, and the rest of the sentence that begins with its path."""

    loc: Loc
    text: str

    def line(self, file: str) -> str:
        """Return the whole sentence, beginning with the file."""
        return f"{file}: {dotted(self.loc)}{self.text}"


def file_label(path: Path) -> str:
    """Return the path as people would type it: relative when it lies below the working directory."""
    whole = path.absolute()
    here = Path.cwd()
    return str(whole.relative_to(here)) if whole.is_relative_to(here) else str(whole)


def dotted(loc: Loc) -> str:
    """Write a place as TOML does: ``environments.lab.clusters.web.services[0].every``."""
    text = ""
    for part in loc:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            key = part if _BARE_KEY.fullmatch(part) else f'"{mask(part)}"'
            text += f".{key}" if text else key
    return text


def follow(loc: Loc, written: object) -> tuple[Loc, object]:
    """Return the value at a place of the file, and the place as far as the file goes (a node may be a bare name)."""
    value: Any = written
    for depth, part in enumerate(loc):
        inner: Any = value
        if not isinstance(value, dict | list):
            return loc[:depth], value
        value = inner[part]
    return loc, value


def mask(text: str) -> str:
    """Replace every password in a URL or connection string by ``***``."""
    return _PASSWORD_IN_QUERY.sub(r"\1***", _PASSWORD_IN_AUTHORITY.sub(r"\1***@", text))


def shown(value: object) -> str:
    """Write a value of the file for a message, on one line, without secrets.

    Expects the value as it stands in the file: what a variable holds may be a secret and is not shown.
    """
    if isinstance(value, str):
        text = mask(value)
        quoted = repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")
        return f"{quoted} (the content of a variable is not shown)" if has_variable(value) else quoted
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a table"
    return str(value)


def nearest(word: object, valid: Iterable[str]) -> str | None:
    """Return the valid word that was probably meant, if one is near enough."""
    if not isinstance(word, str) or has_variable(word):
        return None
    spelled = {candidate.lower(): candidate for candidate in valid}
    found = difflib.get_close_matches(word.lower(), spelled, n=1)
    return spelled[found[0]] if found else None


def did_you_mean(word: object, valid: Iterable[str]) -> str:
    """Return `` Did you mean 'services'?``, or nothing when no valid word is near."""
    found = nearest(word, valid)
    return f" Did you mean {found!r}?" if found else ""


def choice(word: object, valid: Iterable[str]) -> str:
    """Return ``valid are: lab, production. Did you mean 'lab'?``."""
    words = list(valid)
    return f"valid are: {', '.join(words)}.{did_you_mean(word, words)}"
