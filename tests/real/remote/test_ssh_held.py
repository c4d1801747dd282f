# SPDX-License-Identifier: MIT
"""The held shell over a real SSH server: exact answers, quick ones, and what happens when it is lost."""

import threading
import time

import pytest
from ssh_channels import Leftovers, channel_to, through

from pytest_harehearse.remote.base import Done, Script, Unknown, Unreachable
from pytest_harehearse.remote.held import HeldShell


@pytest.fixture
def channel(sshd):
    leftovers = Leftovers()
    found = channel_to(sshd)
    yield found
    found.close()
    assert leftovers.found() == []


@pytest.fixture
def held(channel):
    with HeldShell(channel) as shell:
        yield shell


def test_many_questions_over_one_shell(held):
    """All are answered by the same shell, each with its own answer."""
    pid = held.run(Script("echo $$"), 20).out
    for number in range(200):
        outcome = held.run(Script('echo "$1"', (str(number),)), 20)
        assert isinstance(outcome, Done)
        assert outcome.out == str(number)
    assert held.run(Script("echo $$"), 20).out == pid


def test_one_question_at_a_time(held):
    """Ten threads ask at once, and nobody gets another's answer."""
    found = {}

    def ask(number):
        for turn in range(20):
            found[number, turn] = held.run(Script('echo "$1"', (f"{number} {turn}",)), 60).out

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert found == {(number, turn): f"{number} {turn}" for number in range(10) for turn in range(20)}


def test_a_vanished_host_is_unknown_and_comes_back(sshd, new_proxy):
    """A question without an answer is unknown at its deadline; the next one starts a shell anew."""
    leftovers = Leftovers()
    proxy = new_proxy(sshd.port)
    channel = through(sshd, proxy.port)
    held = HeldShell(channel)
    assert isinstance(held.run(Script("true"), 20), Done)
    proxy.cut_off()
    begun = time.monotonic()
    assert isinstance(held.run(Script("true"), 1), Unknown)
    assert time.monotonic() - begun < 2
    outcome = held.run(Script("true"), 1)
    assert isinstance(outcome, Unreachable)
    assert "no connection within" in outcome.reason
    proxy.heal()
    assert isinstance(held.run(Script("true"), 20), Done)
    proxy.reset()
    time.sleep(0.3)
    # It is noticed before anything is sent, so the question is asked of a new shell.
    assert isinstance(held.run(Script("true"), 20), Done)
    held.close()
    channel.close()
    proxy.close()
    assert leftovers.found() == []


def test_a_large_answer(held):
    """An answer of some megabytes, as a cluster's state in XML can be, arrives exactly."""
    outcome = held.run(Script('seq 1 "$1"', ("500000",)), 60)
    assert isinstance(outcome, Done)
    assert outcome.stdout == b"".join(b"%d\n" % number for number in range(1, 500_001))
