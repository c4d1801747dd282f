# SPDX-License-Identifier: MIT
"""One trial of the meter: a script is played, the meter measures, each interruption is judged."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench import judge, procfs, truth
from tests.bench.script import Episode, steps
from tests.bench.scripted import ScriptedServer
from tests.bench.states import INTERVAL_S, SLOW_S, TIMEOUT_S
from tests.bench.stats import spread

from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.attempts import Outcome
from pytest_harehearse.probes.meter import Meter
from pytest_harehearse.probes.seen import Seen

#: Measured before the first switch and after the last one.
LEAD_S = 1.5
TAIL_S = 3.0


@dataclass
class Trial:
    """What came of it."""

    verdicts: list[judge.Verdict]
    phantoms: int
    phantoms_unsettled: int
    lag: dict[str, Any]
    attempts: int
    not_sent: int
    unknown_attempts: int
    stalls: list[tuple[float, float]]
    meter_cpu: float
    server_cpu: float
    server_priority: str
    server_stalls: list[Sequence[float]]
    took: float
    steal: float
    busy: float
    problem: str | None
    said: dict[str, Any]

    @property
    def discarded(self) -> Counter[str]:
        """Interruptions whose truth is not certain, by reason."""
        return Counter(v.truth.uncertain for v in self.verdicts if v.truth.uncertain)

    @property
    def unknown(self) -> Counter[str]:
        """Interruptions that the meter itself calls unknown, by reason without its numbers."""
        reasons = (v.unknown for v in self.verdicts if v.unknown and not v.truth.uncertain)
        return Counter(re.sub(r"\d[\d.]*", "…", reason) for reason in reasons)


def services(server: ScriptedServer, targets: Sequence[str]) -> list[Service]:
    """Return the scripted targets as the meter's services."""
    return [
        Service(name, "http", server.url(name), every=INTERVAL_S, timeout=TIMEOUT_S, slow=SLOW_S) for name in targets
    ]


def play(
    script: Sequence[Episode],
    folder: Path,
    *,
    others: Mapping[str, Sequence[Episode]] | None = None,
    beside: Callable[[ScriptedServer], contextlib.AbstractContextManager[object]] | None = None,
    go: Callable[[float], None] | None = None,
    wait: Callable[[ScriptedServer, float], None] | None = None,
) -> Trial:
    """Play a script and judge what the meter says.

    Args:
        script: of the meter's own targets.
        folder: for what is written meanwhile.
        others: scripts of targets that the meter does not ask.
        beside: what else runs during the trial.
        go: told when the script begins (monotonic).
        wait: waits for the script's end, in another way than by sleeping.
    """
    targets = sorted({episode.target for episode in script})
    everything = [*script, *(episode for each in (others or {}).values() for episode in each)]
    lasts = max(episode.end for episode in everything)
    plan = {**{name: [] for name in (*targets, *(others or {}))}, **steps(everything)}
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(ScriptedServer(plan, folder))
        meter = stack.enter_context(Meter.start(services(server, targets), folder, "", seed=1))
        ended = stack.enter_context(contextlib.ExitStack())
        if beside is not None:
            ended.enter_context(beside(server))
        cpu, busy, steal, begun = procfs.cpu(meter.pid), *procfs.machine(), time.monotonic()
        begin = time.monotonic() + LEAD_S
        server.go(begin)
        if go is not None:
            go(begin)
        if wait is None:
            server.finished(LEAD_S + lasts + 30.0)
        else:
            wait(server, LEAD_S + lasts + 30.0)
        time.sleep(TAIL_S)
        cpu = procfs.cpu(meter.pid) - cpu
        busy, steal = (after - before for after, before in zip(procfs.machine(), (busy, steal), strict=True))
        took = time.monotonic() - begun
        meter.stop()
        # What runs beside is ended here, before the server.
        ended.close()
        said = server.truth()
    seen = Seen.from_files(meter.files)
    truths = truth.read(script, said, interval=INTERVAL_S, timeout=TIMEOUT_S)
    return _judge(seen, truths, said, cpu=cpu, took=took, steal=steal, busy=busy, begun=begun, problem=meter.problem)


def _judge(
    seen: Seen, truths: Sequence[truth.Truth], said: dict[str, Any], *, begun: float, cpu: float, **rest: Any
) -> Trial:
    verdicts: list[judge.Verdict] = []
    found = unsettled = 0
    for name in seen:
        its = [t for t in truths if t.target == name]
        verdicts += judge.judge_target(its, seen[name].file)
        for start, end in judge.phantoms(its, seen[name].file):
            found += 1
            unsettled += any(a < (end or start) + TIMEOUT_S and start < b for a, b in said["stalls"])
    attempts = [a for name in seen for a in seen[name].samples()]
    sent = [a for a in attempts if a.outcome is not Outcome.NOT_SENT]
    return Trial(
        verdicts=verdicts,
        phantoms=found,
        phantoms_unsettled=unsettled,
        lag=dataclasses.asdict(spread(a.sent - a.due for a in sent)),
        attempts=sum(a.due >= begun for a in sent),
        not_sent=len(attempts) - len(sent),
        unknown_attempts=sum(a.outcome is Outcome.UNKNOWN for a in sent),
        stalls=sorted({stall for name in seen for stall in seen[name].file.stalls}),
        meter_cpu=cpu,
        server_cpu=said["cpu"],
        server_priority=said["priority"],
        server_stalls=said["stalls"],
        said=said,
        **rest,
    )
