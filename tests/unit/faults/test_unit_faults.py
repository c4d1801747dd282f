# SPDX-License-Identifier: MIT
"""Faults of units, of the cluster manager and of whole hosts: what they say, and where they cannot be done."""

from __future__ import annotations

import pytest

from pytest_harehearse.errors import Unsupported
from pytest_harehearse.faults import process_hang as hangs
from pytest_harehearse.faults import reset, resource, stack, stacks, units
from pytest_harehearse.faults.base import Expected, Scene
from pytest_harehearse.inventory.model import Cluster, Node
from pytest_harehearse.remote.base import Done, Script, Unknown


class Manager:
    """Manages units; forgets failures."""

    name = "pacemaker"

    def __init__(self, *managed):
        self.managed, self.forgot = managed, 0

    def units(self):
        return self.managed

    def cleanup(self, resource=None, deadline=60.0):
        self.forgot += 1
        return ""


class Host:
    """Answers a script by the first of ``said`` whose words stand in it."""

    node = "n1"

    def __init__(self, *said, boots=("a",)):
        self.said, self.boots, self.ran = said, list(boots), []

    def run(self, command, **options):
        if not isinstance(command, Script):
            return Done(0, (self.boots.pop(0) if len(self.boots) > 1 else self.boots[0]).encode())
        self.ran.append(command)
        return next((answer for words, answer in self.said if words in command.text), Done(0))


def scene(manager=None, channel=None, provider="hosts", **more):
    cluster = Cluster("lab", "web", "lab", "pacemaker", (Node("n1"), Node("n2")), provider=provider)
    return Scene(cluster, manager or Manager("nginx"), {} if channel is None else {"n1": channel}, **more)


@pytest.mark.parametrize(
    ("fault", "strike", "undo", "expected"),
    [
        (hangs.process_hang(scene(), "n1"), "on n1, stop every process of nginx where it is (SIGSTOP)",
         "on n1, let exactly those go on (SIGCONT): sh /run/harehearse/processhang", Expected.ON_PEER),
        (hangs.process_hang(scene(), "n1", pattern="^nginx: worker"),
         "on n1, stop every process that matches '^nginx: worker' where it is (SIGSTOP)",
         "on n1, let exactly those go on (SIGCONT): sh /run/harehearse/processhang", Expected.ON_PEER),
        (units.process_crash_loop(scene(), "n1", unit="cron", every="1s", times=2),
         "on n1, SIGKILL every process of cron every 1.00 s, 2 times",
         "on n1, end the loop; systemctl start cron: sh /run/harehearse/processcrash", Expected.ON_PEER),
        (units.process_stop(scene(), "n1"), "on n1, systemctl stop nginx, behind the cluster's back",
         "none needed: the cluster starts nginx again: sh /run/harehearse/processstop", Expected.IN_PLACE),
        (units.process_stop(scene(), "n1", unit="cron"), "on n1, systemctl stop cron, behind the cluster's back",
         "on n1, systemctl start cron: sh /run/harehearse/processstop", Expected.IN_PLACE),
        (units.process_crash_loop(scene(), "n1", every="500ms", times=3),
         "on n1, SIGKILL every process of nginx every 500 ms, 3 times",
         "on n1, end the loop; let the cluster forget the failures: sh /run/harehearse/processcrash", Expected.ON_PEER),
        (stacks.stack_hang(scene(), "n1"), "on n1, stop every process of corosync where it is (SIGSTOP)",
         "on n1, let exactly those go on (SIGCONT): sh /run/harehearse/stackhang", Expected.FENCED),
        (stack.stack_kill(scene(), "n1", part="pacemaker"), "on n1, SIGKILL every process of pacemaker",
         "on n1, start corosync and pacemaker, unless its reboot did: sh /run/harehearse/stackkill", Expected.FENCED),
        (resource.resource_fail(scene(), "n1", resource="vip"), "on n1, crm_resource --fail --resource vip",
         "on n1, crm_resource --cleanup --resource vip: sh /run/harehearse/resourcefail", Expected.IN_PLACE),
        (reset.node_reset(scene(), "n1"), "on n1, reset at once, nothing is synced (echo b > /proc/sysrq-trigger)",
         "none needed: the node starts by itself", Expected.FENCED),
        (reset.node_panic(scene(), "n1"), "on n1, let the kernel panic (echo c > /proc/sysrq-trigger)",
         "none needed: the node starts by itself", Expected.FENCED),
        (reset.fence_request(scene(), "n1"), "let the cluster fence n1: it is rebooted by its peers",
         "none needed: the node starts by itself", Expected.FENCED),
    ],
)  # fmt: skip
def test_what_a_person_reads(fault, strike, undo, expected):
    """The strike and the undo in words that could be followed by hand."""
    assert fault.strike_text == strike
    assert fault.undo_text.startswith(undo)
    assert fault.expected is expected


def test_which_unit_is_meant():
    """The one that the cluster manages; none or several have to be named; a plan cannot ask."""
    assert units.unit_of(scene(), None) == "nginx"
    assert units.unit_of(scene(Manager()), "cron") == "cron"
    assert units.unit_of(scene(Manager(), planned=True), None) == "the unit that serves"
    with pytest.raises(Unsupported, match=r'lab/web manages no systemd unit: name what is meant, as in unit="nginx"\.'):
        hangs.process_hang(scene(Manager()), "n1")
    with pytest.raises(Unsupported, match=r"lab/web manages nginx, php-fpm: name what is meant"):
        hangs.process_hang(scene(Manager("nginx", "php-fpm")), "n1")
    with pytest.raises(Unsupported, match=r'lab/web names no group: name what is to fail, as in resource="vip"\.'):
        resource.resource_fail(scene(), "n1")
    with pytest.raises(Unsupported, match=r"stack_kill has no part 'sbd'; there are corosync and pacemaker\."):
        stack.stack_kill(scene(), "n1", part="sbd")


def test_where_it_cannot_be_done():
    """No host, no unit that runs, no kernel of its own, no fencing: said before anything is touched."""
    assert hangs.process_hang(scene(), "n1").limitation() == "n1 is no host that commands can be run on"
    silent = Host(("does not run there", Done(1, b"", b"nginx does not run there")))
    assert hangs.process_hang(scene(channel=silent), "n1").limitation() == "n1: nginx does not run there"
    assert reset.node_panic(scene(), "n1").limitation() == "n1 is no host that commands can be run on"
    guest = Host(("uid_map", Done(1, b"", b"its kernel belongs to its host")))
    assert reset.node_reset(scene(channel=guest), "n1").limitation() == "n1: its kernel belongs to its host"
    assert reset.fence_request(scene(channel=Host()), "n1").limitation() == "its manager has no fencing"


def test_a_trigger_without_an_answer_is_unknown():
    """It may have reset."""
    from pytest_harehearse.errors import Indeterminate

    host = Host(("sysrq-trigger) <", Unknown("the connection was lost")))
    with pytest.raises(
        Indeterminate, match=r"Whether node_reset was struck on n1 is not known: the connection was lost"
    ):
        reset.node_reset(scene(channel=host), "n1").strike()


def test_a_reset_is_proved_by_the_boot_id(monkeypatch):
    """The same one is no reset; another one is, and is its undo too."""
    monkeypatch.setattr(reset, "ASK_S", 0.3)
    monkeypatch.setattr(reset, "BOOT_S", 0.3)
    fault = reset.node_reset(scene(channel=Host(boots=("a",))), "n1")
    assert fault.limitation() is None
    assert fault.effect() == "n1 still answers with the same boot id"
    assert fault.undone() == "n1 never started anew"
    fault = reset.node_reset(scene(channel=Host(boots=("a", "a", "b"))), "n1")
    assert fault.limitation() is None
    assert fault.effect() is None
    assert fault.undone() is None
    assert fault.dead_man is None


def test_a_pattern_instead_of_a_unit():
    """Not with a unit, not an empty one, and not in a lab whose nodes are no hosts."""
    for options in ({"unit": "nginx", "pattern": "x"}, {"pattern": ""}):
        with pytest.raises(
            Unsupported, match=r'takes a unit or a pattern that is not empty, as in pattern="\^nginx: worker"'
        ):
            hangs.process_hang(scene(), "n1", **options)
    with pytest.raises(
        Unsupported, match="takes a pattern on hosts only; in an embedded lab it stops what serves users"
    ):
        hangs.process_hang(scene(provider="embedded"), "n1", pattern="x")
    nothing = Host(("no process there matches", Done(1, b"", b"no process there matches x\n")))
    fault = hangs.process_hang(scene(channel=nothing), "n1", pattern="x")
    assert fault.limitation() == "n1: no process there matches x"
    assert nothing.ran[-1].arguments[:2] == ("x", "pattern")
