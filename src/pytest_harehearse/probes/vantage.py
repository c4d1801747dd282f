# SPDX-License-Identifier: MIT
"""Services asked from another place: a meter there, reached by execnet, whose attempts come onto our axis as they are made.

The other machine's monotonic clock is read by round trips before and after: it said its time somewhere between question and
answer, so the middle of a round trip is right within half of it. The narrowest of several counts (Cristian's algorithm,
Distributed Computing 3, 1989). How long an interruption lasted is measured by that machine alone, and not touched by this.
"""

from __future__ import annotations

import dataclasses
import json
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from pytest_harehearse.clock import now
from pytest_harehearse.errors import HarehearseError, NotMeasured
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.meter import START_S, STOP_S
from pytest_harehearse.remote import gateways

#: Round trips; the first wakes what sleeps.
TRIPS: Final = 9
#: Seconds for one.
TRIP_S: Final = 5.0
_END: Final = "from pytest_harehearse.probes.vantage_end import serve\nserve(channel)\n"
_MARKS: Final = ("stall", "control")


@dataclass(frozen=True, slots=True)
class Offset:
    """That machine's monotonic clock minus ours, in seconds, true within ± ``error``."""

    seconds: float
    error: float

    def through(self, later: Offset) -> float:
        """Return how far the first can be off at any time until the later one was taken, as clocks drift one way."""
        return max(self.error, abs(later.seconds - self.seconds) + later.error)


def shifted(line: str, by: float, **more: str) -> str:
    """Return a line of an attempts file with its times moved back.

    Args:
        line: as that machine wrote it.
        by: seconds.
        more: what a header says besides.

    Raises:
        ValueError: it is no line of such a file.
    """
    value = json.loads(line)
    if isinstance(value, list):
        value[1:4] = [round(t - by, 6) for t in value[1:4]]
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for key in _MARKS:
        if key in value:
            value[key] = [round(t - by, 6) for t in value[key]]
    for key in ("began", "end"):
        if key in value:
            value[key] = round(value[key] - by, 6)
    return json.dumps({**value, **more} if "began" in value else value, ensure_ascii=False)


class FarMeter:
    """A running measurement from another place; as :class:`~.meter.Meter`."""

    def __init__(self, place: str, group: Any, files: dict[str, Path], longest: float) -> None:
        self.place = place
        self.files = files
        #: Why the measurement did not end by itself; None while it runs and when it did.
        self.problem: str | None = None
        self._group = group
        self._longest = longest
        self._channel: Any = None
        self._said: queue.Queue[list[Any] | None] = queue.Queue()
        self._written = {name: path.open("w", encoding="utf-8") for name, path in files.items()}
        #: The last lines, until the clock was read once more.
        self._ends: dict[str, str] = {}
        self._gone = threading.Event()
        self._offset = Offset(0.0, 0.0)
        self._stopped = False

    @classmethod
    def start(cls, place: str, spec: str, services: Sequence[Service], directory: Path, prefix: str) -> FarMeter:
        """Start measuring; returns when every service was asked once from there.

        Args:
            place: what the vantage is called.
            spec: how its interpreter is reached, as execnet has it.
            services: what to ask; each name once.
            directory: where the attempts files go, as ``{prefix}{service.name}.jsonl``.
            prefix: begins every file's name.

        Raises:
            NotMeasured: the place cannot be used, or its meter did not start; says why.
        """
        try:
            import execnet
        except ModuleNotFoundError:
            raise _unusable(place, "execnet is not installed here: pip install 'pytest-harehearse[vantage]'") from None
        parsed = execnet.XSpec(spec)
        reason = gateways.limitation(parsed, version("pytest-harehearse"))
        if reason is not None:
            raise _unusable(place, f"it {reason}")
        if parsed.ssh:
            # A connection that is cut ends by itself, and asks nobody for a password.
            parsed.ssh = f"-o BatchMode=yes -o ServerAliveInterval=2 -o ServerAliveCountMax=3 {parsed.ssh}"
        directory.mkdir(parents=True, exist_ok=True)
        files = {service.name: directory / f"{prefix}{service.name}.jsonl" for service in services}
        meter = cls(place, execnet.Group(), files, max((s.timeout for s in services), default=0.0))
        try:
            meter._begin(parsed, services)
        except BaseException:
            meter._end()
            raise
        return meter

    def alive(self) -> bool:
        """Tell whether it still measures, as far as is known here."""
        return not self._gone.is_set() and not self._stopped

    def stop(self) -> None:
        """End the measurement: attempts under way get until their deadline. A second call does nothing."""
        if self._stopped:
            return
        self._stopped = True
        try:
            self._finish()
        finally:
            self._end()

    def _begin(self, spec: Any, services: Sequence[Service]) -> None:
        try:
            gateway = _within(gateways.ANSWER_S, lambda: self._group.makegateway(spec))
        except (OSError, EOFError) as error:
            raise _unusable(self.place, f"its interpreter did not start: {error!r}") from error
        if gateway is None:
            raise _unusable(self.place, f"its interpreter did not start within {gateways.ANSWER_S} s")
        self._channel = gateway.remote_exec(_END)
        self._channel.setcallback(self._take, endmarker=None)
        self._offset = self._clock()
        told = [dataclasses.asdict(dataclasses.replace(service, via="")) for service in services]
        self._channel.send(json.dumps(told))
        said = self._next(START_S + self._longest + TRIP_S)
        if said is None or said[0] != "ready":
            raise _unusable(self.place, said[1] if said is not None else self._why())

    def _finish(self) -> None:
        try:
            if not self._gone.is_set():
                self._channel.send("stop")
            said = self._next(self._longest + STOP_S + TRIP_S)
            if said is None:
                self.problem = f"the vantage {self.place} was lost: {self._why()}"
                return
            self.problem = said[1]
            error = self._offset.through(self._clock())
        except (HarehearseError, OSError) as lost:
            self.problem = str(lost)
            return
        note = json.dumps({"note": f"asked from {self.place}; its clock is known within ± {1000 * error:.2f} ms"})
        for name, end in self._ends.items():
            self._written[name].write(f"{note}\n{end}\n")

    def _clock(self) -> Offset:
        best: Offset | None = None
        for _ in range(TRIPS):
            asked = now()
            self._channel.send("clock")
            said = self._next(TRIP_S)
            if said is None or said[0] != "clock":
                raise _unusable(self.place, self._why())
            _, theirs, answered = said
            offset = Offset(theirs - (asked + answered) / 2, (answered - asked) / 2)
            if best is None or offset.error < best.error:
                best = offset
        assert best is not None
        return best

    def _take(self, said: list[Any] | None) -> None:
        """Take what comes, in a thread of execnet's."""
        if said is None:
            self._gone.set()
            self._said.put(None)
        elif said[0] == "lines":
            for line in said[2].splitlines():
                moved = shifted(line, self._offset.seconds, **{"from": self.place})
                if moved.startswith('{"end"'):
                    self._ends[said[1]] = moved
                else:
                    self._written[said[1]].write(moved + "\n")
            self._written[said[1]].flush()
        elif said[0] == "clock":
            self._said.put([*said, now()])
        else:
            self._said.put(said)

    def _next(self, within: float) -> list[Any] | None:
        try:
            return self._said.get(timeout=within)
        except queue.Empty:
            return None

    def _why(self) -> str:
        """Return what is known of the silence."""
        if not self._gone.is_set():
            return "it does not answer any more"
        try:
            self._channel.waitclose(TRIP_S)
        except self._channel.RemoteError as error:
            return str(error).strip().splitlines()[-1]
        except (OSError, EOFError):
            return "the connection ended"
        return "the other side ended"

    def _end(self) -> None:
        self._stopped = True
        self._group.terminate(STOP_S)
        for file in self._written.values():
            file.close()


def _unusable(place: str, why: str) -> NotMeasured:
    return NotMeasured(f"The vantage {place} cannot be used: {why}. Nothing was measured from there.")


def _within(deadline: float, work: Callable[[], Any]) -> Any:
    """Return what work returns, or None when it does not within so many seconds; what it raises is raised."""
    done: queue.Queue[tuple[Any, Exception | None]] = queue.Queue()

    def run() -> None:
        try:
            done.put((work(), None))
        except Exception as error:  # noqa: BLE001 - raised by whoever waits
            done.put((None, error))

    threading.Thread(target=run, name="harehearse-gateway", daemon=True).start()
    try:
        found, error = done.get(timeout=deadline)
    except queue.Empty:
        return None
    if error is not None:
        raise error
    return found
