# SPDX-License-Identifier: MIT
"""``${NAME}`` takes an environment variable; ``$${`` stands for a plain ``${``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_TOKEN: Final = re.compile(r"(?P<escaped>\$\$\{)|\$\{(?P<inner>[^}]*)(?P<end>\}?)")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class InterpolationError(ValueError):
    """A text cannot be interpolated; the message goes on after the path of the text."""


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Return the text with every variable replaced by its content, which is not expanded again.

    Raises:
        InterpolationError: a variable is not set, or ``${`` is not followed by a name and ``}``.
    """
    missing: dict[str, None] = {}

    def content(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "${"
        name = match["inner"]
        if not match["end"] or not _NAME.fullmatch(name):
            raise InterpolationError(" has a '${' without a variable's name; write ${NAME}, or $${ for a plain '${'.")
        if name not in environ:
            missing[name] = None
        return environ.get(name, "")

    expanded = _TOKEN.sub(content, text)
    if missing:
        several = len(missing) > 1
        raise InterpolationError(
            f" needs the environment variable{'s' * several} {', '.join(missing)},"
            f" which {'are' if several else 'is'} not set; set {'them' if several else 'it'},"
            " or write $${ for a plain '${'."
        )
    return expanded


def escape(text: str) -> str:
    """Return the text as it must be written so that :func:`expand` gives it back unchanged."""
    return text.replace("${", "$${")


def has_variable(text: str) -> bool:
    """Say whether the text takes its content, or a part of it, from the environment."""
    return any(not match["escaped"] for match in _TOKEN.finditer(text))


def variables(text: str) -> list[str]:
    """Return the names of the variables that the text takes content from."""
    return [match["inner"] for match in _TOKEN.finditer(text) if not match["escaped"]]
