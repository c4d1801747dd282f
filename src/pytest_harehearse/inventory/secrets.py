# SPDX-License-Identifier: MIT
"""What of an inventory is secret: passwords in its URLs, and variables of the environment that are named as secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from pytest_harehearse.inventory.interpolation import variables

#: A variable of such a name holds a secret; one that holds a host or a port does not.
_NAMED: Final = re.compile(r"(?i)pass|pwd|secret|token|key|cred|auth")
#: Shorter ones stand in ordinary words, too, and are protected by nobody's guess.
_SHORTEST: Final = 6


def secrets(written: Mapping[str, Any], expanded: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return what must never be shown, the longest first.

    Args:
        written: the document as it stands in the file.
        expanded: with its variables replaced.
        environ: where they were looked up.
    """
    found = {
        environ[name] for text in _texts(written) for name in variables(text) if _NAMED.search(name) and name in environ
    }
    for text in _texts(expanded):
        found |= set(_password(text))
    return tuple(sorted((one for one in found if len(one) >= _SHORTEST), key=lambda one: (-len(one), one)))


def _password(url: str) -> Iterator[str]:
    if "://" not in url:
        return
    try:
        password = urlsplit(url).password
    except ValueError:
        return
    if password:
        yield password
        yield unquote(password)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
