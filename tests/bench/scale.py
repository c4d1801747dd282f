# SPDX-License-Identifier: MIT
"""Bench *scale*: how many services one meter carries, and what they cost: ``python -m tests.bench.scale``.

All services are http at 50 Hz against healthy scripted targets. The meter's processor time is that of its process alone
and its child (the control target); the scripted server's is reported apart.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench import procfs, results
from tests.bench.scripted import ScriptedServer
from tests.bench.stats import spread
from tests.bench.table import markdown, ms, number, percent

from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.attempts import Outcome
from pytest_harehearse.probes.meter import Meter
from pytest_harehearse.probes.seen import Seen

COUNTS = (1, 10, 50, 200)
EVERY_S, TIMEOUT_S = 0.02, 0.06
SETTLE_S = 1.0


def one(count: int, seconds: float) -> dict[str, Any]:
    """Measure with this many services for this long."""
    names = [f"s{number}" for number in range(count)]
    with tempfile.TemporaryDirectory(prefix="bench-scale-") as folder:  # noqa: SIM117 - the files outlast the server
        with ScriptedServer({name: [] for name in names}, Path(folder)) as server:
            services = [
                Service(name=name, probe="http", url=server.url(name), every=EVERY_S, timeout=TIMEOUT_S)
                for name in names
            ]
            with Meter.start(services, Path(folder), "", seed=1) as meter:
                time.sleep(SETTLE_S)
                steal = procfs.machine()[1]
                begun, mine, theirs = time.monotonic(), procfs.cpu(meter.pid), procfs.cpu(server.pid)
                time.sleep(seconds)
                ended = time.monotonic()
                mine, theirs = procfs.cpu(meter.pid) - mine, procfs.cpu(server.pid) - theirs
                memory, steal = procfs.rss(meter.pid), procfs.machine()[1] - steal
                meter.stop()
            seen = Seen.from_files(meter.files)
    took = ended - begun
    attempts = [a for name in seen for a in seen[name].samples() if begun <= a.due < ended]
    sent = [a for a in attempts if a.outcome is not Outcome.NOT_SENT]
    return {
        "services": count,
        "seconds": took,
        "wanted_per_s": count / EVERY_S,
        "sent_per_s": len(sent) / took,
        "not_sent": len(attempts) - len(sent),
        "failed": sum(a.outcome.down for a in sent),
        "unknown": sum(a.outcome is Outcome.UNKNOWN for a in sent),
        "lag": dataclasses.asdict(spread(a.sent - a.due for a in sent)),
        "answer": dataclasses.asdict(spread(a.done - a.sent for a in sent)),
        "stalls": len({stall for name in seen for stall in seen[name].file.stalls}),
        "valid": sum(seen[name].valid for name in seen),
        "meter_cores": mine / took,
        "meter_cpu_s_per_1000": 1000 * mine / max(1, len(sent)),
        "server_cores": theirs / took,
        "rss_mib": memory / 2**20,
        "steal_s": steal,
        "problem": meter.problem,
    }


def row(found: dict[str, Any]) -> list[object]:
    """Return the table's row."""
    lag = found["lag"]
    return [
        f"{found['services']} × {1 / EVERY_S:.0f} Hz",
        f"{found['wanted_per_s']:.0f}",
        f"{found['sent_per_s']:.0f}",
        found["not_sent"],
        ms(lag["p50"]),
        ms(lag["p99"]),
        ms(lag["worst"]),
        percent(found["meter_cores"]),
        f"{number(found['meter_cpu_s_per_1000'], 3)} s",
        percent(found["server_cores"]),
        f"{found['rss_mib']:.0f} MiB",
        found["failed"],
        f"{found['valid']} of {found['services']}",
    ]


HEAD = [
    "services",
    "wanted /s",
    "sent /s",
    "not sent",
    "lag p50",
    "lag p99",
    "lag worst",
    "meter, of a core",
    "per 1000",
    "server, of a core",
    "memory",
    "failed",
    "sound",
]


def run(seconds: float = 20.0, counts: Sequence[int] = COUNTS) -> results.Result:
    """Run all."""
    found = [one(count, seconds) for count in counts]
    table = markdown(HEAD, [row(each) for each in found])
    result = results.Result("scale", [(f"{seconds:.0f} s each, http, every service at 50 Hz", table)])
    result.notes.append("lag: sent − due. failed: attempts that failed though the service was healthy.")
    for each in found:
        if each["services"] == 50:
            kept = each["meter_cores"] <= 1.0 and each["not_sent"] == 0 and each["sent_per_s"] >= 2475
            result.notes.append(
                f"2 500 attempts/s on one core or less: {'reached' if kept else 'NOT reached'} "
                f"({each['sent_per_s']:.0f}/s, {percent(each['meter_cores'])} of a core, {each['not_sent']} not sent)"
            )
        if each["problem"]:
            result.notes.append(f"{each['services']} services: {each['problem']}")
        if each["steal_s"] > 0.01 * seconds:
            result.notes.append(f"{each['services']} services: {each['steal_s']:.2f} s were stolen by the host")
    result.data["rows"] = found
    return result


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long with each number of services")
    parser.add_argument("--services", type=int, nargs="+", default=list(COUNTS))
    parser.add_argument("--out", type=Path, default=Path("bench-results"))
    options = parser.parse_args()
    what = results.begin("tests.bench.scale")
    results.write(run(options.seconds, options.services), what, options.out)


if __name__ == "__main__":
    main()
