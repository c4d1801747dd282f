# SPDX-License-Identifier: MIT
"""Whether the window is open then, and long enough for the longest that a patch day took. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from pytest_harehearse.history.gate.decision import INVENTORY, Answer, Gate
from pytest_harehearse.history.gate.rehearsed import Rehearsals, runs
from pytest_harehearse.safety import windows
from pytest_harehearse.units import show

#: What the work may take longer than it ever did, as a factor: the way back must fit in, too.
MARGIN: Final = 1.5


def opening(texts: tuple[str, ...], when: str, now: datetime) -> windows.Span | None:
    """Return the opening that is asked for; None: there is none then.

    Args:
        texts: the windows of the inventory.
        when: "next", "now", an ISO 8601 time with its zone, or a window as the inventory writes it.
        now: aware.

    Raises:
        ValueError: ``when`` is none of these.
    """
    if when == "now":
        return windows.open_at(texts, now)
    if when == "next":
        return windows.open_at(texts, now) or windows.next_after(texts, now)
    try:
        at = datetime.fromisoformat(when)
    except ValueError:
        windows.parse(when)
        return windows.open_at((when,), now) or windows.next_after((when,), now)
    if at.tzinfo is None:
        raise ValueError(f"{when!r} names no time zone; write it as in '2026-11-24T01:00+01:00'")
    return windows.open_at(texts, at.astimezone(UTC))


def gate(known: Rehearsals, span: windows.Span | None, when: str) -> Gate:
    """Return whether there is time enough.

    Args:
        known: the rehearsals.
        span: the opening that the work is to be done in; None: there is none.
        when: what was asked for.
    """
    name, again = "the window is long enough", f"harehearse gate {known.cluster.id}"
    if span is None:
        coming = windows.next_after(known.cluster.windows, known.now)
        none = "the inventory has no window" if not known.cluster.windows else "no window is open then"
        return Gate(name, Answer.NO_GO, "shut", "open", f"{none}: {when}", INVENTORY,
                    remedy=f"the next one: {coming.told()}" if coming else "write a window into the inventory",
                    command=f"{again} --window next" if coming else again)  # fmt: skip
    left = (span.end - max(span.begin, known.now)).total_seconds()
    took = [(one, day.whole) for one in known.fresh for day in one.patch_days if day.whole is not None]
    if not took:
        return Gate(name, Answer.UNKNOWN, show(left), "the longest patch day", "no patch day that counts was gone through",
                    INVENTORY, remedy="rehearse the patch day", command=known.again)  # fmt: skip
    longest = max(seconds for _, seconds in took)
    needed = longest * MARGIN
    enough = left >= needed
    one = max(took, key=lambda pair: pair[1])[0]
    return Gate(
        name, Answer.GO if enough else Answer.NO_GO, show(left), f"≥ {show(needed)}",
        f"{span.told()}; the longest of {len(took)} patch days took {show(longest)} ({runs([one])}), and half of that again",
        INVENTORY, (known.now - one.at).total_seconds(),
        remedy="" if enough else "take a longer window, or begin at its beginning", command="" if enough else again,
    )  # fmt: skip
