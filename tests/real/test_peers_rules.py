# SPDX-License-Identifier: MIT
"""What other tools leave behind or take away too much of, for real: on this machine, in a network of the test's own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from pytest_harehearse.faults.partition import partition
from pytest_harehearse.remote.base import Done
from pytest_harehearse.remote.local import LocalChannel

THEIRS = """
table inet firewall {
  chain input { type filter hook input priority 0; policy accept; tcp dport 4444 counter drop; }
}
table ip harehearse_of_somebody_else {
  chain output { type filter hook output priority 0; policy accept; ip daddr 10.9.9.9 counter drop; }
}
"""


class InNetwork(LocalChannel):
    """This machine, with a network of its own."""

    def __init__(self, node, pid):
        super().__init__(node)
        self._enter = ["nsenter", f"--net=/proc/{pid}/ns/net"]

    def _arguments(self, command, root):
        arguments, by_sudo = super()._arguments(command, root)
        return [*self._enter, *arguments], by_sudo


class Peer:
    """A node that is only an address."""

    node = "n2"

    def run(self, command, **options):
        return Done(0, json.dumps([{"addr_info": [{"local": "10.9.9.2"}]}]).encode())


@pytest.fixture
def network():
    """A network namespace that goes with the process that holds it."""
    if os.geteuid() != 0 or shutil.which("nft") is None:
        pytest.skip("a network of its own needs root, and nft")
    held = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "ip link set lo up; echo ready; exec sleep 300"], stdout=subprocess.PIPE
    )
    try:
        assert held.stdout.readline() == b"ready\n"
        yield InNetwork("n1", held.pid)
    finally:
        held.kill()
        held.wait(timeout=10)
        held.stdout.close()


def tables(channel):
    said = channel.run(["nft", "list", "ruleset"], deadline=20)
    assert said.rc == 0, said.err
    return said.out


def test_jepsen_1_4_only_our_own_rules_are_removed(network):
    """Jepsen heals by ``iptables -F``, roachtest too: every rule of the host goes; its firewall is open after the test."""
    assert network.run(["nft", "-f", "-"], deadline=20, stdin=THEIRS.encode()).rc == 0
    before = tables(network)
    fault = partition({"n1": network, "n2": Peer()}, "n1", ["n2"], dead_man=30)
    assert fault.limitation() is None
    fault.arm(about(fault))
    try:
        fault.strike()
        assert tables(network) != before
    finally:
        fault.undo()
    assert fault.undone() is None
    fault.disarm()
    assert tables(network) == before


def test_jepsen_1_4_two_at_once_do_not_wait_for_a_lock(network):
    """jepsen#63: two at once meet at the xtables lock; the undo of the one does not undo the other."""
    first = partition({"n1": network, "n2": Peer()}, "n1", ["n2"], dead_man=30)
    second = partition({"n1": network, "n2": Peer()}, "n1", ["n2"], direction="in", dead_man=30)
    for fault in (first, second):
        assert fault.limitation() is None
        fault.arm(about(fault))
    try:
        first.strike()
        second.strike()
        first.undo()
        assert first.undone() is None
        assert second.undone() is not None
    finally:
        for fault in (first, second):
            fault.undo()
            fault.disarm()
    assert tables(network) == ""


def about(fault):
    from pytest_harehearse.faults import dead_man

    return dead_man.about(
        run="r", cluster="lab/web", fault=fault.name, target="n1", strike=fault.strike_text, undo=fault.undo_text
    )


KILLED = """
    import os, signal, sys
    from pytest_harehearse.faults.dead_man import DeadMan, Place, about
    from pytest_harehearse.remote.base import Script
    from pytest_harehearse.remote.local import LocalChannel

    folder, victim = sys.argv[1:]
    place = Place("here", LocalChannel("here"), folder, as_root=False)
    undo = Script('kill -CONT "$1"', (victim,))
    undone = Script('! grep -q "^State:.T" "/proc/$1/status"', (victim,))
    timer = DeadMan("hang1", lambda: (place,), undo, undone, seconds=3)
    timer.arm(about(run="r", cluster="lab/web", fault="process_hang", target="n1", strike="stop it", undo="let it go on"))
    os.kill(int(victim), signal.SIGSTOP)
    print("struck", flush=True)
    signal.pause()
"""


def process_state(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_jepsen_1_4_what_a_killed_runner_stopped_goes_on(tmp_path):
    """A killed JVM heals nothing, and a process stays SIGSTOPped: here the timer on the node lets it go on."""
    victim = subprocess.Popen(["sleep", "300"])
    runner = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path / "undo"), str(victim.pid)],
        stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        assert runner.stdout.readline() == b"struck\n"
        deadline = time.monotonic() + 60
        # A process that waits for a processor stops once it gets one: a busy machine shows it running until then.
        while process_state(victim.pid) != "T":
            assert time.monotonic() < deadline, process_state(victim.pid)
            time.sleep(0.01)
        os.killpg(runner.pid, signal.SIGKILL)
        while process_state(victim.pid) == "T" or (tmp_path / "undo" / "hang1").exists():
            assert time.monotonic() < deadline, list((tmp_path / "undo").rglob("*"))
            time.sleep(0.1)
    finally:
        os.kill(victim.pid, signal.SIGCONT)
        for process in (runner, victim):
            process.kill()
            process.wait(timeout=10)
        runner.stdout.close()


def test_cts_1_2_nobody_is_asked(tmp_path):
    """CTS asks on the terminal whether to go on; no command of ours reads from there."""
    said = LocalChannel("here").run(["sh", "-c", "read -r answer || echo nobody asked"], deadline=20, root=False)
    assert said.out == "nobody asked"
