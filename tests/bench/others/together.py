# SPDX-License-Identifier: MIT
"""All tools of the comparison beside one trial: who runs, with which script, and what a user reads of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.bench import truth
from tests.bench.others.base import Heard, Other
from tests.bench.others.blackbox import Blackbox
from tests.bench.others.curl import Curl
from tests.bench.others.fping import Fping
from tests.bench.others.k6 import K6
from tests.bench.others.samples import readings
from tests.bench.script import PLAIN, Episode, make
from tests.bench.scripted import ScriptedServer
from tests.bench.states import INTERVAL_S, TIMEOUT_S, State
from tests.bench.stats import Spread, spread

TOOLS: Final[tuple[type[Other], ...]] = (Fping, K6, Curl, Blackbox)
#: Left out for good, and why.
LEFT_OUT: Final = {"vegeta": "no package of Debian, PyPI or npm holds it"}
#: Between two interruptions (seconds): enough for a poll a second to see the service up in between.
GAP_S: Final = (2.3, 3.2)
#: Numbers of the tools' interruptions begin here, each tool at a multiple of it.
FIRST: Final = 100_000


@dataclass
class Row:
    """What a tool made of its interruptions."""

    name: str
    how: str
    reading: str
    errors: Spread
    #: Median of the errors by the way of reading that was not chosen.
    other: dict[str, float | None]
    missed: int
    discarded: int
    attempts: int
    cpu: float
    notes: list[str] = field(default_factory=list)


class Together:
    """Starts the tools beside a trial and judges them afterwards."""

    def __init__(self, lasts: float, *, seed: int) -> None:
        self.left_out = dict(LEFT_OUT)
        self._lasts = lasts
        self._tools: dict[str, Other] = {}
        self._scripts: dict[str, list[Episode]] = {}
        self._heard: dict[str, Heard] = {}
        for number, kind in enumerate(TOOLS, start=1):
            reason = kind.limitation()
            if reason is not None:
                self.left_out[kind.name] = reason
                continue
            key = kind.__name__.lower()
            shapes = PLAIN if kind.served else (State.BLACK_HOLE.value,)
            # More than fit; what does not is left out.
            counts = dict.fromkeys(shapes, 1 + round(lasts / 4 / len(shapes)))
            script = make([key], counts, seed=seed + number, gap=GAP_S, first=number * FIRST, until=lasts)
            if script:
                self._tools[key], self._scripts[key] = kind(), script
            else:
                self.left_out[kind.name] = "the run is too short for one of its interruptions"

    @property
    def scripts(self) -> Mapping[str, Sequence[Episode]]:
        """Scripts of the targets that the scripted server is to play for them."""
        return {key: script for key, script in self._scripts.items() if self._tools[key].served}

    @contextlib.contextmanager
    def beside(self, server: ScriptedServer, folder: Path) -> Iterator[None]:
        """Run them all."""
        try:
            for key, tool in self._tools.items():
                url = server.url(key) if tool.served else ""
                tool.start(url, folder, self._scripts[key], self._lasts)
            yield
            for key, tool in self._tools.items():
                self._heard[key] = tool.stop()
        finally:
            for tool in self._tools.values():
                with contextlib.suppress(AttributeError):  # not started
                    tool.close()

    def go(self, begin: float) -> None:
        """Begin the scripts of those that have a server of their own."""
        for tool in self._tools.values():
            tool.go(begin)

    def rows(self, said: dict[str, Any]) -> list[Row]:
        """Judge them, each by the way of reading that is better for it."""
        found = []
        for key, tool in self._tools.items():
            heard, script = self._heard[key], self._scripts[key]
            truths = truth.read(script, heard.said or said, interval=INTERVAL_S, timeout=TIMEOUT_S)
            ways = readings(heard.samples, truths, tool.period)
            errors = {way: spread(value - true.middle for true, value in pairs) for way, pairs in ways.items()}
            best = min(errors, key=lambda way: float("inf") if errors[way].p50 is None else errors[way].p50)
            found.append(
                Row(
                    tool.name,
                    tool.how,
                    best,
                    errors[best],
                    {way: each.p50 for way, each in errors.items() if way != best},
                    sum(value == 0.0 for _, value in ways[best]),
                    sum(t.uncertain is not None for t in truths),
                    len(heard.samples),
                    heard.cpu,
                    heard.notes,
                )
            )
        return found
