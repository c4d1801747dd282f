# SPDX-License-Identifier: MIT
"""Several commands by one script, each answer between marks that no output can imitate."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass
from typing import Final

from pytest_harehearse.remote.base import Script

#: ``section NAME COMMAND…`` prints the command's output as it comes; ``kept NAME COMMAND…`` only when the command has
#: ended, so that a lost connection cannot end the command in the middle of what it does.
_PRELUDE: Final = r"""
mark=$1 limit=$2; shift 2
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin LC_ALL=C; export PATH LC_ALL
section() {
  name=$1; shift
  printf '%s begin %s\n' "$mark" "$name"
  timeout "$limit" "$@"; code=$?
  printf '\n%s end %s %s\n' "$mark" "$name" "$code"
  return "$code"
}
kept() {
  name=$1; shift
  said=$(timeout "$limit" "$@" 2>&1); code=$?
  printf '%s begin %s\n%s\n%s end %s %s\n' "$mark" "$name" "$said" "$mark" "$name" "$code"
  return "$code"
}
"""

#: What ``timeout`` and a shell return for a command that ran too long, and for one that is not there.
TOO_LONG: Final = 124
NOT_FOUND: Final = 127


@dataclass(frozen=True, slots=True)
class Said:
    """How one command ended and what it printed."""

    rc: int
    data: bytes

    @property
    def text(self) -> str:
        """What it printed, on one line and not too long."""
        return " ".join(self.data.decode(errors="replace").split())[:400]


def script(body: str, limit: float, *arguments: str) -> Script:
    """Return a script of sections; ``arguments`` are ``$1`` … in ``body``, ``limit`` is for each command, in seconds (whole ones)."""
    return Script(_PRELUDE + body, (secrets.token_hex(8), str(max(1, math.ceil(limit))), *arguments))


def split(asked: Script, stdout: bytes) -> dict[str, Said]:
    """Return section → what was said; a section whose end did not come is left out."""
    mark = asked.arguments[0].encode()
    found: dict[str, Said] = {}
    name, lines = None, []
    for line in stdout.split(b"\n"):
        words = line.split(b" ")
        if words[0] != mark:
            lines.append(line)
        elif len(words) == 3 and words[1] == b"begin":
            name, lines = words[2], []
        elif len(words) == 4 and words[1] == b"end" and words[2] == name and words[3].isdigit():
            found[words[2].decode(errors="replace")] = Said(int(words[3][:4]), b"\n".join(lines).removesuffix(b"\n"))
            name = None
    return found
