# SPDX-License-Identifier: MIT
"""Bench *drift*: how long do 50 nodes of 3 000 facts take, and what does another tool take for its facts? ``python -m tests.bench.drift``.

Two questions, for here are not 50 machines. What the runner does for 50 nodes: each answers with what the real script printed on this
machine, filled up to 3 000 facts, over a channel that costs nothing; the answers are parsed and held against each other. And
what reading costs: the real script, over local channels, on this machine standing in for several hosts at once; beside it
Ansible's ``setup`` and ``package_facts`` for as many hosts with a local connection. There the machine does the nodes' work, too.
"""

from __future__ import annotations

import argparse
import base64
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench import results
from tests.bench.table import markdown, number

from pytest_harehearse.drift.collect import collect, script
from pytest_harehearse.drift.compare import between_nodes
from pytest_harehearse.remote.base import Done
from pytest_harehearse.remote.local import LocalChannel

NODES, FACTS = 50, 3000
#: Must be reached, in seconds.
LIMIT_S = 10.0
HOSTS = 8
WITHIN_S = 600.0


class Scripted:
    """A channel to a node that has answered already."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer

    def run(self, _command: object, *, deadline: float, stdin: bytes = b"", root: bool = True) -> Done:
        """Answer at once."""
        del deadline, stdin, root
        return Done(0, self.answer)


def answer(facts: int) -> bytes:
    """Return what the script prints on this machine, with its packages filled up to so many facts."""
    said = LocalChannel("here").run(script(), deadline=120)
    assert isinstance(said, Done), said
    (have,) = collect("bench/c", {"here": Scripted(said.stdout)})
    lines = said.stdout.decode().splitlines()
    for at, line in enumerate(lines):
        name, _, rest = line.partition("\t")
        if name == "package":
            text, _, complaint = rest.partition("\t")
            body = base64.b64decode(text).decode().rpartition("\n=")[0]
            body += "".join(f"\nfiller-{n}\t1.{n}" for n in range(max(0, facts - len(have.facts))))
            lines[at] = f"package\t{base64.b64encode(f'{body}{chr(10)}=0'.encode()).decode()}\t{complaint}"
    return ("\n".join(lines) + "\n").encode()


def runner(nodes: int, facts: int) -> tuple[float, float, int]:
    """Return how long parsing and comparing take for so many nodes, in seconds, and how many facts a node had."""
    said = answer(facts)
    began = time.monotonic()
    found = collect("bench/c", {f"n{n}": Scripted(said) for n in range(nodes)})
    read = time.monotonic()
    drift = between_nodes(found)
    assert drift.equal >= facts * 0.99, drift.equal
    return read - began, time.monotonic() - read, len(found[0].facts)


def ours(hosts: int) -> tuple[float, int]:
    """Return how long the real script takes for so many hosts at once, and how many facts a host has."""
    channels = {f"n{n}": LocalChannel(f"n{n}") for n in range(hosts)}
    began = time.monotonic()
    found = collect("bench/c", channels)
    return time.monotonic() - began, len(found[0].facts)


def ansible(hosts: int, folder: Path) -> float:
    """Return how long Ansible takes for its facts and packages of so many hosts, in seconds."""
    inventory = folder / "hosts"
    inventory.write_text(
        "".join(f"n{n} ansible_connection=local ansible_python_interpreter={sys.executable}\n" for n in range(hosts))
    )
    play = folder / "play.yml"
    play.write_text("- hosts: all\n  gather_facts: true\n  tasks:\n    - package_facts:\n")
    program = Path(sys.executable).with_name("ansible-playbook")
    environ = {
        **os.environ,
        "ANSIBLE_FORKS": str(hosts),
        "ANSIBLE_HOME": str(folder),
        "ANSIBLE_LOCALHOST_WARNING": "False",
    }
    began = time.monotonic()
    subprocess.run(
        [str(program), "-i", str(inventory), str(play)], check=True, capture_output=True, timeout=WITHIN_S, env=environ
    )
    return time.monotonic() - began


def run(nodes: int = NODES, facts: int = FACTS, hosts: int = HOSTS) -> results.Result:
    """Measure both."""
    parsed, compared, had = runner(nodes, facts)
    whole = parsed + compared
    first = markdown(
        ["the runner's work", "facts each", "parsed", "compared", "together"],
        [[f"{nodes} nodes", had, f"{number(parsed)} s", f"{number(compared)} s", f"{number(whole)} s"]],
    )
    took, own = ours(hosts)
    with tempfile.TemporaryDirectory(prefix="harehearse-bench-") as folder:
        theirs = ansible(hosts, Path(folder))
    second = markdown(
        [f"{hosts} hosts, all this machine", "took", "each"],
        [
            [f"harehearse drift ({own} facts each)", f"{number(took)} s", f"{number(took / hosts)} s"],
            ["Ansible setup and package_facts", f"{number(theirs)} s", f"{number(theirs / hosts)} s"],
        ],
    )
    reached = "reached" if whole <= LIMIT_S else "NOT reached"
    notes = [
        f"must be reached: {nodes} nodes of {facts} facts in {LIMIT_S:g} s by the runner; {reached}",
        "Ansible's facts are others: no sysctl, no unit files, nothing of a cluster, and it compares nothing",
    ]
    data = {"runner_s": whole, "hosts_s": took, "ansible_s": theirs, "limit_s": LIMIT_S}
    return results.Result("drift", [("50 nodes", first), ("Reading", second)], notes, data)


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("bench-results"))
    options = parser.parse_args()
    results.write(run(), results.begin("tests.bench.drift"), options.out)


if __name__ == "__main__":
    main()
