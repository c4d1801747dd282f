# SPDX-License-Identifier: MIT
"""What an error reply of Redis or Valkey proves about the service. Pure.

The codes are those of the servers' source (``createSharedObjects`` in server.c, ``acceptCommonHandler`` in networking.c).
"""

from __future__ import annotations

from typing import Final

from pytest_harehearse.probes.attempts import Outcome

_CODES: Final = {
    "READONLY": Outcome.READ_ONLY,
    "MASTERDOWN": Outcome.STALE,
    "LOADING": Outcome.REFUSED,
    "BUSY": Outcome.REFUSED,
    "NOREPLICAS": Outcome.REFUSED,
    "TRYAGAIN": Outcome.REFUSED,
    "CLUSTERDOWN": Outcome.REFUSED,
    "NOAUTH": Outcome.MISCONFIGURED,
    "WRONGPASS": Outcome.MISCONFIGURED,
    "NOPERM": Outcome.MISCONFIGURED,
    "DENIED": Outcome.MISCONFIGURED,
}
#: Refused before anything was carried out; a bare ERR may come from a proxy that does not know either.
_CERTAIN: Final = frozenset({*_CODES, "MISCONF", "OOM", "MOVED", "ASK", "WRONGTYPE", "CROSSSLOT"})
_FULL: Final = "ERR max number of clients"


def of_text(text: str) -> Outcome:
    """Return what an error reply to a command proves."""
    if text.startswith(_FULL):
        return Outcome.REFUSED
    return _CODES.get(text.partition(" ")[0], Outcome.ERROR)


def of_greeting(text: str) -> Outcome:
    """Return what an error reply to the login or the choice of the database proves."""
    outcome = of_text(text)
    # "DB index is out of range", "AUTH called without any password configured": the URL is wrong.
    return Outcome.MISCONFIGURED if outcome is Outcome.ERROR and text.startswith("ERR ") else outcome


def certain(text: str) -> bool:
    """Tell whether a write that was answered so was certainly not made."""
    return text.partition(" ")[0] in _CERTAIN or text.startswith((_FULL, "ERR unknown command"))
