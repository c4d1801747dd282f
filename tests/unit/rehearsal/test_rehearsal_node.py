# SPDX-License-Identifier: MIT
"""A node: what can be asked of it ends three ways, and a reboot is what a changed boot id proves."""

from __future__ import annotations

import re

import pytest

from pytest_harehearse.errors import DeadlineExceeded, HarehearseError, Indeterminate, Refused, Unsupported
from pytest_harehearse.errors import Unreachable as NotReached
from pytest_harehearse.rehearsal import node as module
from pytest_harehearse.rehearsal.node import Node
from pytest_harehearse.remote import clock_offset
from pytest_harehearse.remote.base import Channel, Done, Unknown, Unreachable

BOOT = ["cat", "/proc/sys/kernel/random/boot_id"]
REBOOT = ["systemctl", "reboot"]
OLD, NEW = Done(0, b"old-boot\n"), Done(0, b"new-boot\n")
GONE = Unreachable("nobody answers")


class Scripted:
    """A channel whose answers come from lists by command, the last one for ever."""

    url, node = "ssh://n1", "n1"

    def __init__(self, **answers):
        self.answers = {"boot": [OLD], "reboot": [Done(0)], **answers}
        self.asked = []

    def run(self, command, *, deadline, stdin=b"", root=True):
        assert deadline > 0
        command = list(command)
        self.asked.append((command, deadline, root))
        kind = "boot" if command == BOOT else "reboot" if command == REBOOT else "other"
        answers = self.answers[kind]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def stream(self, command, *, deadline, root=True):
        return GONE

    def put(self, data, path, *, deadline, mode=0o600, root=True):
        raise AssertionError

    def get(self, path, *, deadline, root=True):
        raise AssertionError

    def close(self):
        raise AssertionError


@pytest.fixture
def node(recorder, monkeypatch):
    """``node(reboot=[…])`` is n1 behind a scripted channel, polled without much patience."""
    monkeypatch.setattr(module, "POLL_S", 0.001)

    def make(**answers):
        channel = Scripted(**answers)
        assert isinstance(channel, Channel)
        return Node("n1", channel, lambda: recorder)

    return make


def told(events):
    (started, finished) = events
    return started.name, started.target, started.detail, finished.outcome, finished.detail


def test_what_it_is(node):
    """Its name, without what it is reached by."""
    assert str(node()) == "n1"
    assert repr(node()) == "Node(name='n1')"


def test_a_command_that_ended(node):
    """Whatever its exit status: what that means is the test's business."""
    one = node(other=[Done(3, b"out\n", b"err\n")])
    done = one.run("grep", "a b", "/etc/hosts", within="7s")
    assert (done.rc, done.out, done.err) == (3, "out", "err")
    assert one.channel.asked == [(["grep", "a b", "/etc/hosts"], 7.0, True)]


def test_a_command_that_was_not_sent(node):
    """Unreachable, with the command and the reason."""
    with pytest.raises(NotReached, match=r"^n1: 'uptime -p' was not run: nobody answers$"):
        node(other=[GONE]).run("uptime", "-p")


def test_a_command_whose_end_was_not_seen(node):
    """Unknown: neither done nor unreachable."""
    with pytest.raises(Indeterminate) as caught:
        node(other=[Unknown("cut off")]).run("uptime")
    assert str(caught.value) == "n1: whether 'uptime' ran to its end is not known: cut off"
    assert not isinstance(caught.value, NotReached)


def test_a_deadline_without_a_unit(node):
    """Nothing is sent."""
    one = node()
    with pytest.raises(ValueError, match="unit"):
        one.run("uptime", within="5")
    with pytest.raises(ValueError, match="unit"):
        one.reboot(within=5)
    assert one.channel.asked == []


def test_boot_id_and_kernel(node):
    """Read without root."""
    one = node(other=[Done(0, b"6.1.0-42-amd64\n")])
    assert (one.boot_id, one.kernel) == ("old-boot", "6.1.0-42-amd64")
    assert [(command, root) for command, _, root in one.channel.asked] == [(BOOT, False), (["uname", "-r"], False)]


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (Done(1, b"", b"no such file"), Indeterminate, "n1: uname -r ended with 1: no such file"),
        (GONE, NotReached, "n1: 'uname -r' was not run: nobody answers"),
        (Unknown("frozen"), Indeterminate, "n1: whether 'uname -r' ran to its end is not known: frozen"),
    ],
)
def test_a_kernel_that_is_not_told(node, answer, kind, text):
    """An error is never a value."""
    with pytest.raises(kind, match=f"^{re.escape(text)}$"):
        _ = node(other=[answer]).kernel


def test_the_clock(node, monkeypatch):
    """With its error; what could not be measured is unknown."""
    found = clock_offset.NodeClock("n1", 0.25, 0.001, 1.0, 2.0)
    monkeypatch.setattr(clock_offset, "measure", lambda channel, deadline: found)
    clock = node().clock()
    assert (clock.node, clock.offset, clock.error) == ("n1", 0.25, 0.001)
    monkeypatch.undo()
    with pytest.raises(Indeterminate) as caught:
        node().clock()
    assert str(caught.value) == (
        "The clock of n1 could not be measured: the clock of n1 could not be read: nobody answers."
    )


def test_a_reboot(node, events):
    """Away for a while, then another boot id."""
    one = node(boot=[OLD, OLD, GONE, GONE, Unknown("cut off"), NEW])
    took = one.reboot(within="1min")
    assert 0 <= took < 60
    name, target, command, outcome, detail = told(events)
    assert (name, target, command, outcome) == ("reboot", "n1", "systemctl reboot", "done")
    assert re.fullmatch(r"up again after .+, boot id new-boot", detail)
    assert [command for command, *_ in one.channel.asked].count(REBOOT) == 1
    assert next(root for command, _, root in one.channel.asked if command == REBOOT) is True


@pytest.mark.parametrize("answer", [Unknown("the connection was lost"), Done(0)])
def test_a_reboot_whose_answer_went_down_with_the_host(node, events, answer):
    """What the boot id says counts."""
    one = node(reboot=[answer], boot=[OLD, GONE, NEW])
    one.reboot(within="1min")
    assert told(events)[3] == "done"


def test_a_reboot_that_is_refused(node, events):
    """Nothing is waited for."""
    one = node(reboot=[Done(1, b"", b"Operation inhibited by apt")])
    with pytest.raises(Refused) as caught:
        one.reboot(within="1min")
    assert str(caught.value) == "n1 refused to reboot: Operation inhibited by apt (status 1)"
    assert told(events)[3] == "failed"
    assert [command for command, *_ in one.channel.asked] == [BOOT, REBOOT]


def test_a_reboot_of_a_host_that_does_not_answer(node, events):
    """Not even its boot id was told, so nothing was asked for, and nothing is recorded as done."""
    one = node(boot=[GONE])
    with pytest.raises(NotReached, match="was not run: nobody answers"):
        one.reboot()
    assert [command for command, *_ in one.channel.asked] == [BOOT]
    assert events == []


def test_a_reboot_that_could_not_be_asked_for(node, events):
    """It was there a moment ago: unknown, and not waited for."""
    one = node(reboot=[GONE])
    with pytest.raises(NotReached, match=r"^The reboot of n1 was not asked for: nobody answers$"):
        one.reboot()
    assert told(events)[3] == "unknown"


@pytest.mark.parametrize(
    ("answers", "last"),
    [
        ([OLD], "it answers with the same boot id"),
        ([Done(0, b"old-boot")], "it answers with the same boot id"),
        ([OLD, GONE], "nobody answers"),
        ([OLD, Unknown("no answer within 3 s")], "no answer within 3 s"),
        ([OLD, Done(0, b"\n")], "it did not tell its boot id (status 0)"),
        ([OLD, Done(1, b"", b"Input/output error")], "it did not tell its boot id (status 1): Input/output error"),
        ([OLD, Done(255)], "it did not tell its boot id (status 255)"),
    ],
)
@pytest.mark.parametrize("answer", [Done(0), Unknown("the connection was lost")])
def test_a_reboot_that_is_not_proved(node, events, answers, last, answer):
    """An answer without another boot id is no proof; the deadline says what was seen last."""
    with pytest.raises(DeadlineExceeded) as caught:
        node(reboot=[answer], boot=list(answers)).reboot(within="30ms")
    assert str(caught.value) == f"n1 did not boot within 30 ms; seen last: {last}."
    assert told(events)[3] == "failed"


def test_no_time_at_all(node):
    """Says that it was not asked."""
    with pytest.raises(DeadlineExceeded, match=r"seen last: not asked yet\.$"):
        node().until_booted("old-boot", within=0.0)


def test_each_question_to_a_booting_host_is_short(node):
    """Or one that hangs would eat the whole deadline."""
    one = node(boot=[GONE, NEW])
    assert one.until_booted("old-boot", within=60.0) == "boot id new-boot"
    assert all(deadline <= 3.0 and root is False for _, deadline, root in one.channel.asked)


def test_the_testinfra_host(node, monkeypatch):
    """Over the node's own channel."""
    from pytest_harehearse.remote import testinfra_host

    monkeypatch.setattr(testinfra_host, "host", lambda channel: ("host over", channel))
    one = node()
    assert one.host == ("host over", one.channel)


def test_a_node_that_is_no_host():
    """An embedded lab's: everything that would run there says so."""
    one = Node("n1")
    for ask in (
        lambda: one.host, lambda: one.run("true"), lambda: one.boot_id, lambda: one.kernel, one.clock, one.reboot
    ):  # fmt: skip
        with pytest.raises(Unsupported) as caught:
            ask()
        assert str(caught.value) == (
            "n1 is no host of its own, so nothing can be run there: its servers are processes here."
        )


def test_a_node_that_is_only_described():
    """It can be asked; what is done would be recorded nowhere, so it is not done."""
    channel = Scripted()
    with pytest.raises(Unsupported, match=r"^n1 is only described here; nothing can be done to it\.$"):
        Node("n1", channel).reboot()
    assert [command for command, *_ in channel.asked] == [BOOT]


def test_between_tests_nothing_is_rebooted(cluster):
    """There is no rehearsal to record it."""
    channel = Scripted()
    cluster.channels = {"n1": channel}
    cluster.attend(None)
    with pytest.raises(HarehearseError, match="was acted on outside a test"):
        cluster.nodes["n1"].reboot()
    assert REBOOT not in [command for command, *_ in channel.asked]
    assert cluster.nodes["n2"].channel is None
