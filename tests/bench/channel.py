# SPDX-License-Identifier: MIT
"""Bench *channel*: what does it cost to run something on a node? ``python -m tests.bench.channel``.

Against a real sshd on loopback, all in one run and in turns, so that whatever else the machine does meets each alike: the
round trip of ``true`` over a warm connection by our channels and by others, a question to a held shell, and 20 nodes at
once against one. The nodes are 20 connections to the one sshd: they share this machine's cores with us, as nodes do not.
"""

from __future__ import annotations

import argparse
import contextlib
import getpass
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.bench import copying, node, results
from tests.bench.others import remote
from tests.bench.procfs import cpu
from tests.bench.stats import Spread, quantile, spread
from tests.bench.table import markdown, ms, number

from pytest_harehearse.remote.base import Channel, Done, Outcome, Script
from pytest_harehearse.remote.held import HeldShell
from pytest_harehearse.remote.openssh import OpenSshChannel
from pytest_harehearse.remote.paramiko_channel import ParamikoChannel

#: Round trips of each; those of Ansible take a second each.
ROUNDS, SLOW_ROUNDS, POLLS = 100, 8, 1000
NODES, TOGETHER_ROUNDS = 20, 9
#: What a node does that is asked in parallel: nothing, or something of its own that takes this long (seconds).
WORK_S = 1.0
#: Must be reached: ours against OpenSSH's ControlMaster by hand; a poll (seconds); 20 nodes against one.
AGAINST_HAND, POLL_S, AGAINST_ONE = 1.2, 0.001, 2.0
_DEADLINE_S = 60.0
_TRUE = ["true"]

Ask = Callable[[], None]


def asked(outcome: Outcome) -> None:
    """Check that it ran."""
    if not (isinstance(outcome, Done) and outcome.rc == 0):
        raise RuntimeError(f"a command of the bench did not run: {outcome}")


def took(ask: Ask) -> float:
    """Return how long it took (seconds)."""
    begun = time.perf_counter()
    ask()
    return time.perf_counter() - begun


def paramiko(site: remote.Site, name: str) -> Channel:
    """Return our channel by paramiko."""
    return ParamikoChannel(
        name,
        site.host,
        port=site.port,
        user=site.user,
        keys=(site.key,),
        known_hosts=site.known_hosts,
        agent=False,
        config=None,
    )


def openssh(site: remote.Site, name: str) -> Channel:
    """Return our channel by the system's ssh."""
    return OpenSshChannel(name, site.host, port=site.port, user=site.user, options=("-F", str(site.config)))


def run_true(channel: Channel) -> Ask:
    """Return the question: run ``true``, as the user that the connection has."""
    return lambda: asked(channel.run(_TRUE, deadline=_DEADLINE_S, root=False))


def client_seconds(sshd: int) -> float:
    """Return the processor seconds of everything on our side of the connection."""
    return cpu(os.getpid()) - cpu(sshd)


@contextlib.contextmanager
def on_site() -> Iterator[tuple[remote.Site, int]]:
    """Run sshd; yields how it is reached, and its pid."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, node.sshd(Path(folder)) as (port, pid):
        yield remote.Site.make(Path(folder), port, getpass.getuser()), pid


def warm(site: remote.Site, rounds: int, slow: int) -> tuple[dict[str, Spread], dict[str, str]]:
    """Measure the warm round trip of each; returns them and why some were not measured."""
    found: dict[str, list[float]] = {}
    missing: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        asks: dict[str, Ask] = {}
        for name, make in (("ours, paramiko", paramiko), ("ours, openssh", openssh)):
            channel = make(site, "n1")
            stack.callback(channel.close)
            asks[name] = run_true(channel)
        for other in remote.OTHERS:
            reason = other.limitation()
            if reason is None:
                asks[other.name] = stack.enter_context(other.warm(site))
            else:
                missing[other.name] = reason
        for ask in asks.values():
            ask()
        for number_ in range(rounds):
            for name, ask in asks.items():
                if not name.startswith("Ansible") or number_ < slow:
                    found.setdefault(name, []).append(took(ask))
    return {name: spread(values) for name, values in found.items()}, missing


def polls(site: remote.Site, rounds: int) -> Spread:
    """Measure a question to a held shell."""
    channel = paramiko(site, "n1")
    with contextlib.closing(channel), HeldShell(channel, root=False) as shell:
        script = Script("true")
        asked(shell.run(script, _DEADLINE_S))
        return spread([took(lambda: asked(shell.run(script, _DEADLINE_S))) for _ in range(rounds)])


def together(asks: list[Ask], rounds: int, sshd: int) -> dict[str, float]:
    """Ask one node and all of them at once, in turns; returns medians (seconds) and our own processor time for one."""
    alone, all_, mine, theirs = [], [], 0.0, 0.0
    with ThreadPoolExecutor(len(asks)) as pool:

        def ask_all() -> None:
            for done in [pool.submit(ask) for ask in asks]:
                done.result()

        ask_all()
        for _ in range(rounds):
            alone.append(took(asks[0]))
            before, before_there = client_seconds(sshd), cpu(sshd)
            all_.append(took(ask_all))
            mine += client_seconds(sshd) - before
            theirs += cpu(sshd) - before_there
    one, every = quantile(sorted(alone), 0.5), quantile(sorted(all_), 0.5)
    each = rounds * len(asks)
    return {"one": one, "all": every, "factor": every / one, "client_cpu": mine / each, "sshd_cpu": theirs / each}


def parallel(site: remote.Site, rounds: int, sshd: int) -> dict[str, dict[str, float]]:
    """Measure 20 nodes at once against one, by each way to ask."""
    found: dict[str, dict[str, float]] = {}
    works = {"true": _TRUE, f"sleep {WORK_S:.0f}": ["sleep", str(WORK_S)]}
    for name, make in (("ours, paramiko", paramiko), ("ours, openssh", openssh)):
        with contextlib.ExitStack() as stack:
            channels = [make(site, f"n{number}") for number in range(NODES)]
            for channel in channels:
                stack.callback(channel.close)
                # One after the other: sshd takes only so many that have not logged in yet.
                run_true(channel)()
            for work, command in works.items():
                asks = [_asks(channel, command) for channel in channels]
                found[f"{name}: {work}"] = together(asks, rounds if work == "true" else max(2, rounds // 3), sshd)
            if make is paramiko:
                shells = [stack.enter_context(HeldShell(channel, root=False)) for channel in channels]
                for shell in shells:
                    asked(shell.run(Script("true"), _DEADLINE_S))
                found["held shell: true"] = together([_polls(shell, "true") for shell in shells], rounds * 5, sshd)
                work = f"sleep {WORK_S:.0f}"
                found[f"held shell: {work}"] = together(
                    [_polls(shell, work) for shell in shells], max(2, rounds // 3), sshd
                )
    with contextlib.ExitStack() as stack:
        asks = [stack.enter_context(remote.ControlMaster().warm(site)) for _ in range(NODES)]
        found["ControlMaster by hand: true"] = together(asks, rounds, sshd)
    return found


def _asks(channel: Channel, command: list[str]) -> Ask:
    return lambda: asked(channel.run(command, deadline=_DEADLINE_S, root=False))


def _polls(shell: HeldShell, text: str) -> Ask:
    return lambda: asked(shell.run(Script(text), _DEADLINE_S))


def verdict(what: str, value: float | None, limit: float, shown: Callable[[float], str]) -> str:
    """Return the sentence about a target."""
    if value is None:
        return f"{what} of at most {shown(limit)}: NOT measured"
    return f"{what} of at most {shown(limit)}: {'reached' if value <= limit else 'NOT reached'} ({shown(value)})"


def run(
    rounds: int = ROUNDS, *, slow: int = SLOW_ROUNDS, poll: int = POLLS, at_once: int = TOGETHER_ROUNDS
) -> results.Result:
    """Run all of it."""
    result = results.Result("channel")
    reason = copying.limitation()
    if reason is not None:
        result.notes.append(f"nothing was measured: {reason}")
        return result
    print(f"channel: {rounds} round trips of each, then {NODES} nodes at once", flush=True)
    with on_site() as (site, sshd):
        trips, missing = warm(site, rounds, slow)
        held = polls(site, poll)
        nodes = parallel(site, at_once, sshd)
    cores = len(os.sched_getaffinity(0))

    def least(found: dict[str, float]) -> float:
        return (found["client_cpu"] + found["sshd_cpu"]) * NODES / cores

    hand = trips[remote.ControlMaster.name]

    def factor(found: Spread) -> float | None:
        return None if found.p50 is None or hand.p50 is None else found.p50 / hand.p50

    rows = [
        [
            name,
            found.n,
            ms(found.p50),
            ms(found.p99 if found.n >= 100 else None),
            ms(found.worst),
            number(factor(found)),
        ]
        for name, found in [*trips.items(), ("ours, held shell (paramiko)", held)]
    ]
    result.tables = [
        ("Round trip of `true` over a warm connection to one sshd on loopback, in turns",
         markdown(["by", "n", "p50", "p99", "worst", "p50 / ControlMaster"], rows)),
        (f"{NODES} nodes at once against one; all nodes are this machine",
         markdown(["by: command", "one node", f"{NODES} nodes", "factor", "processor time here", "at the node", f"least on {cores} cores"],
                  [[name, ms(f["one"]), ms(f["all"]), number(f["factor"]), ms(f["client_cpu"]), ms(f["sshd_cpu"]), ms(least(f))] for name, f in nodes.items()])),
    ]  # fmt: skip
    for name in ("ours, paramiko", "ours, openssh"):
        result.notes.append(
            verdict(f"{name}, warm round trip against ControlMaster by hand", factor(trips[name]), AGAINST_HAND, number)
        )
    result.notes.append(verdict("polling over a held shell, p50", held.p50, POLL_S, ms))
    for name, found in nodes.items():
        if not name.startswith("ControlMaster"):
            result.notes.append(verdict(f"{name}, {NODES} nodes against one", found["factor"], AGAINST_ONE, number))
    result.notes.append(
        f"the nodes are this machine: what {NODES} sessions of sshd cost them runs on the same {cores} cores as we do. The last "
        f"column is the processor time of both sides over {cores} cores, below which {NODES} at once cannot come; where a "
        "node's command takes a while (`sleep`), the nodes are asked side by side"
    )
    result.notes += [f"{name}: not measured, {reason}" for name, reason in missing.items()]
    result.data = {
        "warm": {name: vars_of(found) for name, found in trips.items()},
        "held": vars_of(held),
        "parallel": nodes,
        "nodes": NODES,
        "not_measured": missing,
        "ssh": subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=False).stderr.strip(),
    }
    return result


def vars_of(found: Spread) -> dict[str, Any]:
    """Return a spread as plain data."""
    return {"n": found.n, "p50": found.p50, "p99": found.p99 if found.n >= 100 else None, "worst": found.worst}


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="round trips of each")
    parser.add_argument("--out", type=Path, default=Path("bench-results"))
    options = parser.parse_args()
    what = results.begin("tests.bench.channel")
    results.write(run(options.rounds), what, options.out)


if __name__ == "__main__":
    main()
