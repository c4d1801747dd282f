# SPDX-License-Identifier: MIT
"""Bench *phantom*: is a healthy service ever called interrupted? ``python -m tests.bench.phantom --for 60min``.

Ten http services and one tcp, healthy throughout, at 20 Hz, while every core is loaded in bursts. Every interruption
found is a phantom. What the meter itself calls unknown is counted minute by minute.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench import processes, procfs, results
from tests.bench.judge import cut
from tests.bench.scripted import ScriptedServer
from tests.bench.stats import spread
from tests.bench.table import markdown, ms, percent

from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.measurement import measure_file
from pytest_harehearse.probes.meter import Meter
from pytest_harehearse.probes.seen import Seen
from pytest_harehearse.units import seconds, show

HTTP, EVERY_S, TIMEOUT_S = 10, 0.05, 0.15
PART = 0.7
SAMPLE_S = 5.0
#: Resident memory is compared between here (seconds; a tenth of a shorter run) and the end.
EARLY_S = 60.0


def _watch(meter: Meter, length: float) -> list[tuple[float, int]]:
    """Wait; return the meter's memory at each sample: (seconds since the beginning, bytes)."""
    begun, memory = time.monotonic(), []
    while (since := time.monotonic() - begun) < length:
        if not meter.alive():
            raise RuntimeError(f"the meter ended by itself after {since:.0f} s")
        memory.append((since, procfs.rss(meter.pid)))
        time.sleep(min(SAMPLE_S, max(0.05, length - since)))
    return [*memory, (length, procfs.rss(meter.pid))]


def _service(found: Any) -> dict[str, Any]:
    """Return what one service's file says, whole and by the minute."""
    file, whole = found.file, found.measurement
    begin = float(file.header["began"])
    minutes = [
        measure_file(cut(file, at, at + 60.0))
        for at in (begin + 60.0 * n for n in range(int(((file.ended or begin) - begin) // 60)))
    ] or [whole]
    return {
        "attempts": whole.attempts,
        "not_sent": whole.not_sent,
        "phantoms": [(o.start, o.end, o.errors) for o in whole.outages],
        "failed": sum(a.outcome.down for a in file.attempts),
        "unknown_attempts": sum(a.outcome.value == "unknown" for a in file.attempts),
        "slow": found.slow,
        "reason": whole.reason,
        "unknown_s": sum(b - a for a, b in whole.unknown),
        "minutes": len(minutes),
        "unsound_minutes": sum(not minute.valid for minute in minutes),
        "lag": [a.sent - a.due for a in file.attempts if a.outcome.value != "not sent"],
        "stalls": file.stalls,
        "control": file.control,
    }


def run(length: float, part: float = PART) -> results.Result:
    """Measure for this long under a load of this part of all cores."""
    names = [f"http{n}" for n in range(HTTP)] + ["tcp"]
    with tempfile.TemporaryDirectory(prefix="bench-phantom-") as folder:
        with ScriptedServer({name: [] for name in names}, Path(folder)) as server:
            load = processes.module("load", str(part), stdin=subprocess.PIPE)
            try:
                services = [
                    Service(n, "http", server.url(n), every=EVERY_S, timeout=TIMEOUT_S) for n in names if n != "tcp"
                ]
                services.append(
                    Service("tcp", "tcp", f"tcp://127.0.0.1:{server.ports['tcp']}", every=EVERY_S, timeout=TIMEOUT_S)
                )
                with Meter.start(services, Path(folder), "") as meter:
                    busy, steal, cpu = *procfs.machine(), procfs.cpu(meter.pid)
                    memory = _watch(meter, length)
                    cpu = procfs.cpu(meter.pid) - cpu
                    busy, steal = (b - a for b, a in zip(procfs.machine(), (busy, steal), strict=True))
                    meter.stop()
            finally:
                processes.end(load)
                assert load.stdin is not None
                load.stdin.close()
            said = server.truth()
        seen = Seen.from_files(meter.files)
    found = {name: _service(seen[name]) for name in seen}
    return _result(found, length, memory, said, cpu=cpu, busy=busy, steal=steal, problem=meter.problem)


def _result(
    found: dict[str, dict[str, Any]], length: float, memory: list[tuple[float, int]], said: dict[str, Any], **rest: Any
) -> results.Result:
    early_at = min(EARLY_S, length / 10)
    early = next(size for at, size in memory if at >= early_at)
    late, most = memory[-1][1], max(size for _, size in memory)
    lag = spread(late for one in found.values() for late in one.pop("lag"))
    # All services of a meter share its loop, so each stall is counted once.
    stalls = {tuple(span) for one in found.values() for span in one["stalls"]}
    control = {tuple(span) for one in found.values() for span in one["control"]}
    phantoms = [span for one in found.values() for span in one["phantoms"]]
    hit = sum(any(a < (end or start) and start < b for a, b in said["stalls"]) for start, end, _ in phantoms)
    total = {
        key: sum(one[key] for one in found.values())
        for key in ("attempts", "not_sent", "failed", "minutes", "unsound_minutes")
    }
    mib = 2**20
    rows = [
        ["measured", show(length)],
        ["services", f"{len(found)} at {1 / EVERY_S:.0f} Hz, timeout {ms(TIMEOUT_S)}"],
        ["cores busy, stolen by the host", f"{rest['busy'] / length:.2f}, {rest['steal']:.1f} s"],
        ["attempts", total["attempts"]],
        ["phantom interruptions", len(phantoms)],
        ["… of them beside a stall of the scripted server", hit],
        ["failed attempts, set aside or phantom", total["failed"]],
        ["not sent", total["not_sent"]],
        ["stalls of the meter", f"{len(stalls)}, {sum(b - a for a, b in stalls):.2f} s"],
        ["control target lost", f"{len(control)}, {sum(b - a for a, b in control):.2f} s"],
        ["service minutes called unknown", f"{total['unsound_minutes']} of {total['minutes']}"],
        ["services called unknown over the whole time", sum(one["reason"] is not None for one in found.values())],
        ["lag p50, p99, worst", f"{ms(lag.p50)}, {ms(lag.p99)}, {ms(lag.worst)}"],
        ["meter, of a core", percent(rest["cpu"] / length)],
        [f"memory after {early_at:.0f} s, at the end, at most", f"{early / mib:.1f}, {late / mib:.1f}, {most / mib:.1f} MiB"],
        ["priority of the scripted server", said["priority"]],
        ["stalls of the scripted server over 5 ms, longest", f"{len(said['stalls'])}, {ms(max((b - a for a, b in said['stalls']), default=0.0))}"],
    ]  # fmt: skip
    result = results.Result("phantom", [("A healthy service on a busy machine", markdown(["", "found"], rows))])
    result.notes.append(f"zero phantom interruptions: {'reached' if not phantoms else 'NOT reached'}")
    result.notes += [f"phantom: {name}: {errors}" for name, one in found.items() for _, _, errors in one["phantoms"]][
        :20
    ]
    result.notes += sorted({f"unknown: {one['reason']}" for one in found.values() if one["reason"]})
    if rest["problem"]:
        result.notes.append(f"the meter: {rest['problem']}")
    for one in found.values():
        del one["stalls"], one["control"]
    result.data = {"services": found, "memory": memory[:: max(1, len(memory) // 200)], "stalls": sorted(stalls),
                   "control": sorted(control), **rest}  # fmt: skip
    return result


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--for", dest="length", type=seconds, default="60min", help="such as 90s or 60min")
    parser.add_argument("--load", type=float, default=PART, help="part of every core that is loaded, 0.05 to 1")
    parser.add_argument("--out", type=Path, default=Path("bench-results"))
    options = parser.parse_args()
    if not 0.05 <= options.load <= 1.0:
        parser.error("--load lies between 0.05 and 1")
    what = results.begin("tests.bench.phantom")
    results.write(run(options.length, options.load), what, options.out)


if __name__ == "__main__":
    main()
