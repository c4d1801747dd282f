# SPDX-License-Identifier: MIT
"""How old the last good backup is, by the user's own program on this machine."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from pytest_harehearse.history.gate.decision import NOW, Answer, Gate
from pytest_harehearse.inventory.model import Cluster

#: How long the program may take, in seconds.
WITHIN_S: Final = 60.0
_NAME: Final = "a backup is there"


def gate(cluster: Cluster, now: datetime, folder: Path, within: float = WITHIN_S) -> Gate | None:
    """Run the program and judge what it prints; None: the inventory names none.

    It prints when the last good backup was made: an ISO 8601 time with its zone, or seconds since then. Whatever else it
    prints, or an exit status other than 0, is not known: a backup that cannot be told is none to rely on.

    Args:
        cluster: as the inventory has it.
        now: aware.
        folder: the inventory's, in which the program runs.
        within: seconds until it is ended.
    """
    words = cluster.gates.backup
    if not words:
        return None
    limit = f"≤ {cluster.gates.backup_within / 3600:.3g} h old"
    try:
        said = subprocess.run(
            words, check=False, capture_output=True, text=True, errors="replace", timeout=within, cwd=folder,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return _unknown(cluster, limit, f"{words[0]} did not end within {within:g} s")
    except OSError as error:
        return _unknown(cluster, limit, f"{words[0]} could not be run: {error.strerror}")
    if said.returncode != 0:
        return _unknown(
            cluster, limit, f"{words[0]} ended with {said.returncode}: {said.stderr.strip()[-200:] or 'no reason'}"
        )
    text = said.stdout.strip()
    made = _instant(text, now)
    if made is None:
        return _unknown(cluster, limit, f"{words[0]} printed {text[:80]!r}, neither a time with its zone nor seconds")
    age = (now - made).total_seconds()
    if age < 0:
        return _unknown(cluster, limit, f"{words[0]} says {made:%Y-%m-%d %H:%M:%S} UTC, which is yet to come")
    told = f"the last good one: {made:%Y-%m-%d %H:%M:%S} UTC, says {words[0]}"
    if age > cluster.gates.backup_within:
        return Gate(_NAME, Answer.NO_GO, f"{age / 3600:.1f} h old", limit, told, NOW, age,
                    remedy="make a backup", command=f"harehearse gate {cluster.id}")  # fmt: skip
    return Gate(_NAME, Answer.GO, f"{age / 3600:.1f} h old", limit, told, NOW, age)


def _instant(text: str, now: datetime) -> datetime | None:
    try:
        if text.replace(".", "", 1).isdecimal():
            return now - timedelta(seconds=float(text))
        made = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        return None
    return made.astimezone(UTC) if made.tzinfo is not None else None


def _unknown(cluster: Cluster, limit: str, why: str) -> Gate:
    return Gate(_NAME, Answer.UNKNOWN, "not known", limit, why, NOW,
                remedy="let the program tell it", command=f"harehearse gate {cluster.id}")  # fmt: skip
