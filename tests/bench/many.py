# SPDX-License-Identifier: MIT
"""Bench *many*: many clusters at once under xdist, against the slowest of them: ``python -m tests.bench.many`` (ten minutes).

Clusters in memory whose rehearsal is a scripted wait, embedded Valkey Sentinel ones that are really switched over, and the
clusters in memory again by workers behind two SSH gateways on loopback.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from tests.bench import node, processes, procfs, results
from tests.bench.table import markdown, number

COUNTS: Final = (1, 10, 100)
EMBEDDED: Final = (1, 10)
WAIT_S: Final = 60.0
#: Must be reached with a hundred clusters in memory: makespan by the slowest cluster, and memory of all processes.
BY_SLOWEST, MEMORY = 1.3, 4 << 30
RUN_S: Final = 1200.0
#: Looking at the memory of 200 processes takes time itself.
LOOK_S: Final = 15.0
IN_MEMORY, SENTINEL, GATEWAYS = "in memory", "embedded Sentinel", "in memory, two SSH gateways"
#: As the tests of the plugin have them.
STATIC = Path(__file__).resolve().parents[1] / "unit" / "plugin"
CONFTEST = """
import os, sys

sys.path.insert(0, {static!r})
os.environ["STATIC_LAB_LOCKS"] = {locks!r}
import static_lab

def pytest_configure(config):
    plugin = static_lab.Plugin(0)
    plugin.pytest_configure(serve=False)
    config.add_cleanup(plugin.pytest_unconfigure)
"""
WAITS = """
import time

def test_failover_waits(cluster):
    time.sleep({wait})
"""
MOVES = """
import time

def test_failover_moves(cluster):
    cluster.switchover(within="5min")
    time.sleep({wait})
"""


@dataclass(frozen=True, slots=True)
class Found:
    """What one run took: seconds, processor seconds, bytes."""

    what: str
    clusters: int
    passed: int
    makespan: float
    slowest: float
    conductor: float
    memory: int

    @property
    def ratio(self) -> float:
        """Makespan by the slowest cluster."""
        return self.makespan / self.slowest


def project(folder: Path, what: str, clusters: int, wait: float) -> None:
    """Write inventory, test and conftest."""
    embedded = what == SENTINEL
    provider, manager = ("embedded", "sentinel") if embedded else ("lxd", "patroni")
    head = f'[environments.lab]\nkind = "lab"\nprovider = "{provider}"\n'
    (folder / "harehearse.toml").write_text(head + "".join(
        f'[environments.lab.clusters.c{at}]\nmanager = "{manager}"\nnodes = ["c{at}a", "c{at}b"]\n' for at in range(clusters)
    ))  # fmt: skip
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_many.py").write_text((MOVES if embedded else WAITS).format(wait=wait))
    if not embedded:
        locks = folder / "locks"
        locks.mkdir()
        (folder / "conftest.py").write_text(CONFTEST.format(static=str(STATIC), locks=str(locks)))


@contextlib.contextmanager
def gateways(folder: Path, clusters: int) -> Iterator[tuple[list[str], list[int]]]:
    """Yield the options for workers behind two SSH servers, a half of the clusters each, and the servers' process ids."""
    options, servers = [f"--rsyncdir={folder}", "--dist=load"], []
    with contextlib.ExitStack() as stack:
        for count in (clusters - clusters // 2, clusters // 2):
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-many-sshd-")))
            port, pid = stack.enter_context(node.sshd(home))
            servers.append(pid)
            host = (home / "host.pub").read_text().split()
            (home / "known_hosts").write_text(f"[127.0.0.1]:{port} {host[0]} {host[1]}\n")
            config = home / "ssh_config"
            config.write_text(
                f"Host runner\n  HostName 127.0.0.1\n  Port {port}\n  IdentityFile {home / 'user'}\n  IdentitiesOnly yes\n"
                f"  UserKnownHostsFile {home / 'known_hosts'}\n  StrictHostKeyChecking yes\n"
            )
            if count:
                options.append(
                    f"--tx={count}*ssh=runner//ssh_config={config}//python={sys.executable}//chdir={home / 'there'}"
                )
            (home / "there").mkdir(mode=0o755)
        yield options, servers


def memory(pid: int) -> int:
    """Return what a process and all below it have in memory (bytes), what they share counted once."""
    total = 0
    for one in procfs.family(pid):
        try:
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        except OSError:
            # It ended meanwhile.
            continue
        total += sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))
    return total


def rehearse(what: str, clusters: int, wait: float) -> Found:
    """Run it as a user does.

    Raises:
        RuntimeError: pytest did not end with 0.
    """
    with tempfile.TemporaryDirectory(prefix="bench-many-") as made, contextlib.ExitStack() as stack:
        folder = Path(made) / "project"
        folder.mkdir()
        project(folder, what, clusters, wait)
        options, servers = ["-n", "auto" if clusters > len(os.sched_getaffinity(0)) else str(clusters)], []
        if what == GATEWAYS:
            options, servers = stack.enter_context(gateways(folder, clusters))
        command = [
            sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--harehearse-store={made}/store",
            f"--harehearse-config={folder / 'harehearse.toml'}", *options,
        ]  # fmt: skip
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
        begun = time.monotonic()
        with (Path(made) / "out").open("w+") as out:
            process = processes.spawn(command, cwd=folder, env=kept, stdout=out, stderr=subprocess.STDOUT)
            try:
                peak, conductor = _watched(process, servers, begun + RUN_S)
            finally:
                processes.end(process)
            took = time.monotonic() - begun
            out.seek(0)
            said = out.read()
        if process.returncode != 0:
            raise RuntimeError(f"{clusters} clusters {what}: pytest ended with {process.returncode}:\n{said[-4000:]}")
        [run] = Path(made, "store", "runs").iterdir()
        rehearsals = json.loads((run / "run.json").read_text())["rehearsals"]
        slowest = max(one["end"] - one["start"] for one in rehearsals)
        passed = sum(one["verdict"] == "passed" for one in rehearsals)
        return Found(what, clusters, passed, took, slowest, conductor, peak)


def _watched(process: subprocess.Popen[bytes], servers: Sequence[int], ends: float) -> tuple[int, float]:
    """Return the largest memory seen of it and the servers, and the processor seconds of the process alone."""
    peak, own = 0, 0.0
    while time.monotonic() < ends:
        with contextlib.suppress(OSError):
            own = procfs.alone(process.pid)
            peak = max(peak, sum(memory(pid) for pid in (process.pid, *servers)))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(LOOK_S)
            break
    return peak, own


def told(found: Sequence[Found], wait: float) -> results.Result:
    """Return the table and what was reached."""
    result = results.Result("many")
    rows = [
        [one.what, one.clusters, number(one.makespan, 1), number(one.slowest, 1), number(one.ratio, 2), f"{one.memory >> 20} MiB",
         f"{1000 * one.conductor / one.clusters:.0f} ms"]
        for one in found
    ]  # fmt: skip
    head = [
        "clusters",
        "how many",
        "makespan, s",
        "slowest, s",
        "ratio",
        "memory",
        "conductor's processor time by test",
    ]
    result.tables = [(f"Each cluster waits {wait:g} s", markdown(head, rows))]
    for one in found:
        if one.what == IN_MEMORY and one.clusters == max(COUNTS):
            for name, value, limit, said in (
                ("makespan by the slowest", one.ratio, BY_SLOWEST, f"{one.ratio:.2f} of at most {BY_SLOWEST}"),
                ("memory", one.memory, MEMORY, f"{one.memory / 2**30:.2f} of at most {MEMORY / 2**30:.0f} GiB"),
            ):
                result.notes.append(
                    f"{one.clusters} clusters, {name}: {said}: {'' if value <= limit else 'NOT '}reached"
                )
        if one.passed != one.clusters:
            result.notes.append(f"{one.what}, {one.clusters}: only {one.passed} passed, so its numbers are of no use")
    result.notes += [
        "makespan: from the start of pytest to its end, report and history written",
        "slowest: the longest rehearsal as the run's own report has it",
        "memory: the largest sum over all processes seen, what they share counted once (PSS)",
    ]  # fmt: skip
    result.data = {"wait": wait, "found": [asdict(one) for one in found]}
    return result


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wait", type=float, default=WAIT_S, help="seconds that each cluster waits")
    parser.add_argument("--clusters", type=int, nargs="*", default=COUNTS)
    parser.add_argument("--only", choices=[IN_MEMORY, SENTINEL, GATEWAYS])
    parser.add_argument("--out", type=Path, default=Path("bench-results"))
    options = parser.parse_args()
    what = results.begin("tests.bench.many")
    found = []
    for kind in [options.only] if options.only else [IN_MEMORY, GATEWAYS, SENTINEL]:
        for count in options.clusters:
            if kind != SENTINEL or count <= max(EMBEDDED):
                print(f"{count} clusters {kind}", flush=True)
                found.append(rehearse(kind, count, options.wait))
                print(found[-1], flush=True)
    results.write(told(found, options.wait), what, options.out)


if __name__ == "__main__":
    main()
