# SPDX-License-Identifier: MIT
"""Hosts that lose their power, freeze, reboot or hang up in any phase: every call ends in time, says what is known of it,
and leaves no thread and no socket behind.
"""

import contextlib
import threading
import time

import pytest
from ssh_channels import Leftovers, channel_to, through

from pytest_harehearse.remote.base import Done, Script, Unknown, Unreachable


@pytest.fixture(autouse=True)
def _leaves_nothing(_has_sshd):
    leftovers = Leftovers()
    yield
    assert leftovers.found() == []


@contextlib.contextmanager
def in_time(deadline):
    """Whatever happens within ends within the deadline and a second."""
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun <= deadline + 1


def later(seconds, do):
    """Do something while a command runs."""
    timer = threading.Timer(seconds, do)
    timer.start()
    return timer


def test_a_power_off_in_mid_command_50_times(sshd, new_proxy, tmp_path):
    """Fifty times the host vanishes without a word while a command runs: unknown, at the deadline, and then all is well."""
    proxy = new_proxy(sshd.port)
    channel = through(sshd, proxy.port)
    leftovers = Leftovers()
    unknown = 0
    for number in range(50):
        assert isinstance(channel.run(["true"], deadline=20), Done)
        began = tmp_path / str(number)

        def cut_off_once_it_runs(began=began):
            ends = time.monotonic() + 0.3
            while not began.exists() and time.monotonic() < ends:
                time.sleep(0.005)
            proxy.cut_off()

        thread = threading.Thread(target=cut_off_once_it_runs)
        thread.start()
        with in_time(0.3):
            outcome = channel.run(
                Script('touch "$1"; while :; do echo on; sleep 0.01; done', (str(began),)), deadline=0.3
            )
        thread.join()
        proxy.heal()
        # On a busy machine a command may come too late to be sent, which is then said.
        assert isinstance(outcome, Unknown) or not began.exists()
        unknown += isinstance(outcome, Unknown)
    assert unknown >= 25
    channel.close()
    assert leftovers.found(1.5) == []


def test_a_power_off_while_a_file_is_written(sshd, new_proxy, tmp_path):
    """A transfer that is cut off is unknown in time, although more waits to be sent than the network takes; no half file."""
    proxy = new_proxy(sshd.port)
    channel = through(sshd, proxy.port)
    assert isinstance(channel.run(["true"], deadline=20), Done)
    proxy.cut_off()
    with in_time(2):
        outcome = channel.put(bytes(50_000_000), str(tmp_path / "large"), deadline=2)
    channel.close()
    proxy.heal()
    assert isinstance(outcome, Unreachable | Unknown)
    assert not (tmp_path / "large").exists()


def test_a_transfer_cut_off_in_the_middle_leaves_no_half_file(sshd, new_proxy, tmp_path):
    """What had arrived until then is thrown away on the host, and the file that was there stays."""
    proxy = new_proxy(sshd.port)
    channel = through(sshd, proxy.port)
    path = tmp_path / "large"
    path.write_bytes(b"old")
    assert isinstance(channel.run(["true"], deadline=20), Done)
    # Whether it is in the middle cannot be told beforehand; that it is not over can.
    timer = later(0.15, proxy.cut_off)
    with in_time(2):
        outcome = channel.put(bytes(250_000_000), str(path), deadline=2)
    timer.join()
    channel.close()
    assert isinstance(outcome, Unknown)
    proxy.heal()
    ends = time.monotonic() + 20
    while [found.name for found in tmp_path.iterdir() if found.name.startswith(".harehearse")]:
        assert time.monotonic() < ends, "the half file stays"
        time.sleep(0.05)
    assert path.read_bytes() == b"old"


def test_a_host_frozen_before_the_connection(new_sshd):
    """A frozen host takes the TCP connection and says nothing: not sent, in time; thawed, it works."""
    server = new_sshd()
    channel = channel_to(server)
    server.freeze()
    with in_time(1):
        outcome = channel.run(["true"], deadline=1)
    assert isinstance(outcome, Unreachable)
    assert not outcome.refused
    assert "did not say that it speaks SSH" in outcome.reason
    server.thaw()
    assert isinstance(channel.run(["true"], deadline=20), Done)
    channel.close()


def test_a_host_frozen_while_idle(new_sshd, tmp_path):
    """A connection whose host froze is not taken for a working one: the command was not sent, and is never run later."""
    server = new_sshd()
    channel = channel_to(server)
    assert isinstance(channel.run(["true"], deadline=20), Done)
    server.freeze()
    with in_time(1):
        outcome = channel.run(["touch", str(tmp_path / "ran")], deadline=1)
    assert isinstance(outcome, Unreachable)
    assert not outcome.refused
    server.thaw()
    assert isinstance(channel.run(["true"], deadline=20), Done)
    channel.close()
    assert not (tmp_path / "ran").exists()


def test_a_host_frozen_in_mid_command(new_sshd):
    """What had come until then is kept, the outcome is unknown, and after the thaw there is a new connection."""
    server = new_sshd()
    channel = channel_to(server)
    assert isinstance(channel.run(["true"], deadline=20), Done)
    timer = later(0.5, server.freeze)
    with in_time(1.5):
        outcome = channel.run(Script("echo begun; sleep 60"), deadline=1.5)
    timer.join()
    assert isinstance(outcome, Unknown)
    assert outcome.stdout == b"begun\n"
    assert "it had begun" in outcome.reason
    server.thaw()
    assert isinstance(channel.run(["true"], deadline=20), Done)
    channel.close()


def test_a_host_frozen_for_a_moment(new_sshd):
    """A freeze that is shorter than the deadline is no reason to give up."""
    server = new_sshd()
    channel = channel_to(server)
    assert isinstance(channel.run(["true"], deadline=20), Done)
    timers = [later(0.3, server.freeze), later(1.0, server.thaw)]
    outcome = channel.run(Script("sleep 0.6; echo done"), deadline=30)
    for timer in timers:
        timer.join()
    channel.close()
    assert isinstance(outcome, Done)
    assert outcome.out == "done"


def test_a_frozen_host_and_many_commands(new_sshd):
    """Thirty commands on a host that freezes end in time, all of them, and none as done."""
    server = new_sshd()
    channel = channel_to(server)
    assert isinstance(channel.run(["true"], deadline=20), Done)
    timer = later(0.5, server.freeze)
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(channel.run(["sleep", "60"], deadline=2))) for _ in range(30)
    ]
    with in_time(2.5):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    timer.join()
    server.thaw()
    channel.close()
    assert len(found) == 30
    assert all(isinstance(outcome, Unknown | Unreachable) for outcome in found)


def test_a_reset_in_mid_command(sshd, new_proxy):
    """A connection that is reset is unknown at once, not at the deadline."""
    proxy = new_proxy(sshd.port)
    channel = through(sshd, proxy.port)
    assert isinstance(channel.run(["true"], deadline=20), Done)
    timer = later(0.5, proxy.reset)
    outcome = channel.run(Script("echo begun; sleep 60"), deadline=60)
    timer.join()
    assert isinstance(outcome, Unknown)
    assert outcome.took < 30
    assert outcome.stdout == b"begun\n"
    assert "the connection ended while the command ran" in outcome.reason
    assert isinstance(channel.run(["true"], deadline=20), Done)
    channel.close()


def test_a_server_killed_and_started_again(new_sshd):
    """The next command after a reboot goes over a new connection, and none is sent twice."""
    server = new_sshd()
    channel = channel_to(server)
    assert isinstance(channel.run(["true"], deadline=20), Done)
    timer = later(0.5, server.kill)
    outcome = channel.run(["sleep", "60"], deadline=60)
    timer.join()
    assert isinstance(outcome, Unknown)
    assert outcome.took < 30
    outcome = channel.run(["true"], deadline=5)
    assert isinstance(outcome, Unreachable)
    assert not outcome.refused
    server.start()
    assert isinstance(channel.run(["true"], deadline=20), Done)
    server.restart()
    assert isinstance(channel.run(["true"], deadline=20), Done)
    channel.close()


def test_a_connection_that_died_unnoticed(sshd, new_proxy):
    """A connection that dies between two commands costs a new one, not the command."""
    proxy = new_proxy(sshd.port)
    channel = through(sshd, proxy.port)
    for _ in range(10):
        assert isinstance(channel.run(["true"], deadline=20), Done)
        proxy.reset()
    assert proxy.accepted == 10
    channel.close()


def test_a_stream_that_is_cut_off(sshd, new_proxy):
    """Reading, writing and closing a stream end in time when its host has vanished; a reset ends it at once."""
    proxy = new_proxy(sshd.port)
    channel = through(sshd, proxy.port)
    stream = channel.stream(["cat"], deadline=20)
    proxy.cut_off()
    with in_time(0.5):
        stream.send(b"hi\n", 0.5)
    with in_time(0.5):
        assert list(stream.lines(0.5)) == []
    with in_time(1):
        # Far more than the network between them takes.
        assert not stream.send(bytes(50_000_000), 1)
    with in_time(0):
        stream.close()
    channel.close()
    proxy.heal()
    stream = channel.stream(["cat"], deadline=20)
    timer = later(0.3, proxy.reset)
    begun = time.monotonic()
    assert list(stream.lines(60)) == []
    assert time.monotonic() - begun < 30
    timer.join()
    assert isinstance(stream.outcome(), Unknown)
    channel.close()


def test_closing_while_commands_run(new_sshd):
    """Who closes the channel of a frozen host does not wait, and the command that ran ends as unknown."""
    server = new_sshd()
    channel = channel_to(server)
    assert isinstance(channel.run(["true"], deadline=20), Done)
    found = []
    thread = threading.Thread(target=lambda: found.append(channel.run(["sleep", "60"], deadline=60)))
    thread.start()
    time.sleep(0.5)
    server.freeze()
    with in_time(0):
        channel.close()
    thread.join(20)
    server.thaw()
    assert isinstance(found[0], Unknown)


def test_a_deadline_that_has_passed(sshd):
    """No time means not sent, not an endless wait."""
    channel = channel_to(sshd)
    for _ in range(2):
        for deadline in (0.0, -1.0, 0.000001):
            with in_time(0):
                outcome = channel.run(["true"], deadline=deadline)
            assert isinstance(outcome, Unreachable)
        assert isinstance(channel.run(["true"], deadline=20), Done)
    channel.close()
