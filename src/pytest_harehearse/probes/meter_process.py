# SPDX-License-Identifier: MIT
"""The meter as a process of its own: ``python -m pytest_harehearse.probes.meter_process``.

One JSON line on stdin says what to ask; then it measures until stdin says ``stop`` or ends (the parent died), SIGTERM
comes, or its time is over. On stdout, one JSON object a line: ``ready``, ``live`` (twice a second when asked for),
``done``. What the test does in its own process never moves a probe.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import platform
import random
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pytest_harehearse.clock import now
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes import control, priority
from pytest_harehearse.probes.attempts import Attempt, Outcome
from pytest_harehearse.probes.beat import beat
from pytest_harehearse.probes.kinds import hide, layer_of, make
from pytest_harehearse.probes.kinds.base import Kind, ask
from pytest_harehearse.probes.recorder import Recorder
from pytest_harehearse.probes.schedule import Schedule, most_at_once

BEAT_S: Final = 0.01
SHORTEST_BEAT_S: Final = 0.001
FLUSH_S: Final = 0.05
LIVE_S: Final = 0.5
#: A silence of the loop longer than this (seconds) is written down as a stall …
STALL_S: Final = 0.1
#: … or than this part of the shortest timeout: it could turn an answer into a timeout.
STALL_PART: Final = 1 / 3
#: A success that took longer than this part of its timeout was slow, unless the service says otherwise.
SLOW_PART: Final = 0.5


@dataclass(slots=True)
class Line:
    """One service, its probe, its schedule and its file."""

    service: Service
    kind: Kind
    schedule: Schedule
    recorder: Recorder
    #: A success that took longer than this (seconds) was slow.
    slow: float
    #: Attempts under way.
    running: int = 0
    #: Set once the first attempt has ended.
    asked: asyncio.Event = field(default_factory=asyncio.Event)


def service_of(data: dict[str, Any]) -> Service:
    """Make a service from what JSON left of it."""
    fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
    return Service(**fields)


class Measurer:
    """Asks all services until told to stop."""

    def __init__(self, spec: dict[str, Any], target: tuple[str, int]) -> None:
        self._control = target
        self._live: bool = bool(spec.get("live"))
        self._for: float | None = spec.get("for")
        seed = int(spec["seed"])
        dice = random.Random(seed)  # noqa: S311 - a phase, no secret
        self._lines = []
        services = [(service_of(entry["service"]), Path(entry["file"])) for entry in spec["services"]]
        # Each service its own, for the numbers of each begin at nought.
        writers = [
            f"{spec['writer']}-{index}" if service.mode == "write" else ""
            for index, (service, _) in enumerate(services)
        ]
        # Making a kind loads its libraries: done before the first attempt is due.
        its_kinds = [make(service, writer) for (service, _), writer in zip(services, writers, strict=True)]
        self._begin = now() + 0.02
        for (service, path), writer, kind in zip(services, writers, its_kinds, strict=True):
            # Each service at a phase of its own, so that they do not all ask at the same instant.
            begin, its_seed = self._begin + dice.uniform(0.0, service.every), dice.randrange(2**32)
            header = {
                "name": service.name,
                "probe": service.probe,
                "mode": service.mode,
                "session": service.session,
                "layer": layer_of(service),
                "vantage": platform.node(),
                "target": hide(service.url),
                "every": service.every,
                "timeout": service.timeout,
                "began": round(begin, 6),
                "writer": writer,
                "seed": seed,
            }
            schedule, slow = Schedule(begin, service.every, its_seed), service.slow or SLOW_PART * service.timeout
            header["slow"] = slow
            self._lines.append(Line(service, kind, schedule, Recorder(path, header), slow))
        shortest = min((line.service.timeout for line in self._lines), default=STALL_S)
        self._every_beat = min(BEAT_S, max(SHORTEST_BEAT_S, shortest / 6))
        self._within = min(control.LONGEST_S, max(control.SHORTEST_S, shortest))
        self._stall = min(STALL_S, max(2 * self._every_beat, shortest * STALL_PART))
        self._stop = asyncio.Event()
        self._input = b""
        self._said_ready = False
        self._parent = os.getppid()

    async def run(self) -> None:
        """Measure from the first attempt to the last one's end."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        loop.add_reader(0, self._read_input)
        if self._for is not None:
            loop.call_at(loop.time() + max(0.0, self._begin + self._for - now()), self._stop.set)
        # Whatever breaks here ends the measurement at once and without an end line: it is not sound.
        async with asyncio.TaskGroup() as group:
            helpers = [group.create_task(work()) for work in (self._watch_runner, self._write, self._say_ready)]
            helpers.append(group.create_task(control.watch(self._control, self._within, self._control_lost)))
            if self._live:
                helpers.append(group.create_task(self._tell()))
            async with asyncio.TaskGroup() as asking:
                for line in self._lines:
                    asking.create_task(self._ask_all(line, asking))
            self._ready()
            for task in helpers:
                task.cancel()
        ended = now()
        for line in self._lines:
            line.kind.close()
            line.recorder.end(ended)

    def done(self) -> dict[str, dict[str, int]]:
        """Return the counts of every service."""
        return {
            line.service.name: {"attempts": r.count, "not_sent": r.not_sent, "ok": r.ok}
            for line in self._lines
            for r in [line.recorder]
        }

    async def _ask_all(self, line: Line, group: asyncio.TaskGroup) -> None:
        """Send every attempt of one service when it is due; the group outlasts those still under way."""
        most = most_at_once(line.service.every, line.service.timeout)
        while not self._stop.is_set():
            n, due = line.schedule.next()
            if (wait := due - now()) > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._stop.wait()
            if self._stop.is_set():
                return
            if line.schedule.missed(due, now()) or line.running >= most:
                line.recorder.add(Attempt(n, due, due, due, Outcome.NOT_SENT))
                continue
            line.running += 1
            group.create_task(self._ask(line, n, due))

    @staticmethod
    async def _ask(line: Line, n: int, due: float) -> None:
        sent = now()
        answer = await ask(line.kind, n, line.service.timeout)
        done, outcome = now(), answer.outcome
        if outcome is Outcome.TIMEOUT:
            # The timer fires a little late; that there was no answer by the deadline is what is known.
            done = min(done, sent + line.service.timeout)
        if outcome is Outcome.OK and done - sent > line.slow:
            outcome = Outcome.SLOW
        line.recorder.add(Attempt(n, due, sent, done, outcome, answer.by, answer.error, answer.write))
        line.running -= 1
        line.asked.set()

    def _control_lost(self, start: float, end: float) -> None:
        for line in self._lines:
            line.recorder.tell({"control": [round(start, 6), round(end, 6)]})

    async def _watch_runner(self) -> None:
        """Write down what went wrong with the runner itself; end when the parent is gone."""
        async for told in beat(self._every_beat, self._stall):
            for line in self._lines if told else ():
                for what in told:
                    line.recorder.tell(what)
            if os.getppid() != self._parent:
                self._stop.set()

    async def _write(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            for line in self._lines:
                line.recorder.flush()

    async def _say_ready(self) -> None:
        """Say ready when every service was asked once: what starts from here on has a "before"."""
        for line in self._lines:
            await line.asked.wait()
        for line in self._lines:
            line.recorder.flush()
        self._ready()

    def _ready(self) -> None:
        if not self._said_ready:
            self._said_ready = True
            say({"ready": True})

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(LIVE_S)
            here = now()
            told = {}
            for line in self._lines:
                last = line.recorder.last
                told[line.service.name] = {
                    "outcome": last.outcome.value if last else None,
                    "error": last.error if last else "",
                    "attempts": line.recorder.count,
                    "ok": line.recorder.ok,
                    "interrupted": line.recorder.interrupted_for(here),
                }
            # A reader that does not read must not stop the meter: the line is dropped instead.
            with contextlib.suppress(BlockingIOError):
                say({"live": told})

    def _read_input(self) -> None:
        try:
            data = os.read(0, 4096)
        except BlockingIOError:
            return
        self._input += data
        if not data or b"stop" in self._input:
            asyncio.get_running_loop().remove_reader(0)
            self._stop.set()


def say(message: dict[str, Any]) -> None:
    """Write one line for the parent; a parent that is gone does not matter."""
    with contextlib.suppress(BrokenPipeError):
        os.write(1, (json.dumps(message) + "\n").encode())


def read_spec() -> dict[str, Any]:
    """Read the first line of stdin, and not a byte more."""
    data = b""
    while not data.endswith(b"\n"):
        part = os.read(0, 1)
        if not part:
            raise SystemExit("the meter was not told what to measure")
        data += part
    spec: dict[str, Any] = json.loads(data)
    return spec


def main() -> None:
    """Run one measurement."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    spec = read_spec()
    target = control.ControlTarget.start()
    # Not the control target: it stands for what else runs here.
    priority.prefer()
    os.set_blocking(0, False)
    os.set_blocking(1, False)

    async def measure() -> Measurer:
        gc.collect()
        gc.freeze()
        measurer = Measurer(spec, target.address)
        await measurer.run()
        return measurer

    loop = asyncio.new_event_loop()
    measurer = loop.run_until_complete(measure())
    target.stop()
    os.set_blocking(1, True)
    say({"done": measurer.done()})
    sys.stderr.flush()
    # Threads that still resolve a name would hold the process up for as long as the resolver likes.
    os._exit(0)


if __name__ == "__main__":
    main()
