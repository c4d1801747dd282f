# SPDX-License-Identifier: MIT
"""The fault ``service_kill`` proves that what ran does not run any more, on hosts and in embedded labs."""

from __future__ import annotations

import re

import pytest

from pytest_harehearse.errors import Indeterminate
from pytest_harehearse.faults import process
from pytest_harehearse.faults.process import ProcessKill, UnitKill
from pytest_harehearse.labs.base import ServiceControl
from pytest_harehearse.remote.base import Done, Script, Unknown, Unreachable

RUNS, OTHER, STOPPED, KILLED = Done(0, b"4711\n"), Done(0, b"4712\n"), Done(3), Done(0)


class Host:
    """A channel to a host: ``main`` is what it says of the unit's main process, the last for ever; ``kill`` how that ends."""

    url, node = "ssh://n1", "n1"

    def __init__(self, *main, kill=KILLED):
        self.main, self.kill = list(main), kill
        self.commands = []

    def run(self, command, *, deadline, stdin=b"", root=True):
        assert deadline > 0
        if isinstance(command, Script):
            assert "MainPID" in command.text
            self.commands.append(("main", *command.arguments))
            return self.main.pop(0) if len(self.main) > 1 else self.main[0]
        self.commands.append(tuple(command))
        return self.kill


KILL = ("systemctl", "kill", "--signal=SIGKILL", "--kill-who=all", "--", "nginx")


def unit(*main, **more):
    host = Host(*main, **more)
    return host, UnitKill({"n1": host}, "n1", "nginx")


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(process, "DEATH_S", 0.05)


@pytest.mark.parametrize("after", [STOPPED, OTHER])
def test_a_unit(after):
    """Killed, and gone or restarted by the cluster; nothing is taken back, which is the cluster's task."""
    host, fault = unit(RUNS, RUNS, after)
    assert fault.limitation() is None
    assert fault.strike() == "killed process 4711 and its children"
    assert fault.effect() is None
    fault.undo()
    assert fault.undone() is None
    assert host.commands == [("main", "nginx"), ("main", "nginx"), KILL, ("main", "nginx")]


def test_a_process_that_dies_slowly(monkeypatch):
    """The kernel may need a moment to give back what it held."""
    monkeypatch.setattr(process, "DEATH_S", 30.0)
    _, fault = unit(RUNS, RUNS, RUNS, STOPPED)
    fault.strike()
    assert fault.effect() is None


def test_a_process_that_lives_on():
    """Is named; the wait for its death ends."""
    _, fault = unit(RUNS)
    fault.strike()
    assert fault.effect() == "process 4711 of nginx still runs"


def test_a_unit_that_ended_before_the_strike():
    """Nothing was killed, so nothing is proved."""
    _, fault = unit(STOPPED)
    assert fault.effect() == "nothing of nginx ran on n1"
    fault.strike()
    assert fault.effect() == "nothing of nginx ran on n1"


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (STOPPED, "nginx does not run on n1 under systemd"),
        (Done(1, b"", b"systemctl: not found"), "nginx does not run on n1 under systemd: systemctl: not found"),
        (Unreachable("no route"), "n1 could not be asked: no route"),
        (Unknown("frozen"), "n1 could not be asked: frozen"),
    ],
)
def test_what_cannot_be_killed(answer, text):
    """Is said before anything is touched."""
    host, fault = unit(answer)
    assert fault.limitation() == text
    assert KILL not in host.commands


def test_a_node_that_is_no_host():
    """Is said too."""
    assert UnitKill({}, "n1", "nginx").limitation() == "n1 is no host that commands can be run on"


@pytest.mark.parametrize(
    ("kill", "text"),
    [
        (Unreachable("no route"), "nginx was not killed: n1 could not be reached: no route"),
        (Unknown("cut off"), "Whether nginx was killed on n1 is not known: cut off"),
        (Done(1, b"", b"Access denied"), "Whether nginx was killed on n1 is not known: Access denied"),
    ],
)
def test_a_strike_that_is_not_known(kill, text):
    """Unknown, and no effect is claimed."""
    _, fault = unit(RUNS, kill=kill)
    with pytest.raises(Indeterminate, match=f"^{re.escape(text)}$"):
        fault.strike()
    assert fault.effect() == "nothing of nginx ran on n1"


@pytest.mark.parametrize("answer", [Unreachable("no route"), Unknown("no route"), Done(1, b"", b"no route")])
def test_an_effect_that_cannot_be_asked(answer):
    """Is not proved, and not disproved either."""
    _, fault = unit(RUNS, answer)
    fault.strike()
    with pytest.raises(Indeterminate, match=r"^n1 could not be asked for the processes of nginx: no route$"):
        fault.effect()


def test_the_words_of_a_unit():
    """What a person would do by hand."""
    fault = UnitKill({}, "n1", "nginx")
    assert (fault.name, fault.target) == ("service_kill", "n1")
    assert fault.strike_text == "SIGKILL every process of nginx on n1"
    assert fault.undo_text == ("none needed where the cluster restarts nginx on n1; else: systemctl start nginx")


class Lab:
    """An embedded lab whose node serves by two processes; the immortal ones outlive a kill."""

    def __init__(self):
        self.alive = [21, 22]
        self.immortal = []

    def service_processes(self, cluster, node):
        assert (cluster, node) == ("orders", "n1")
        return list(self.alive)

    def kill_service(self, cluster, node):
        killed, self.alive = self.alive, list(self.immortal)
        return killed


def test_processes():
    """Killed; what the manager starts in their place has other pids."""
    lab = Lab()
    assert isinstance(lab, ServiceControl)
    fault = ProcessKill(lab, "orders", "n1")
    assert fault.limitation() is None
    assert fault.effect() == "nothing was running on n1, so nothing was killed"
    assert fault.strike() == "killed 21, 22"
    lab.alive = [31]
    assert fault.effect() is None
    fault.undo()
    assert fault.undone() is None
    assert lab.alive == [31]


def test_a_survivor_is_named():
    """Also while others were restarted."""
    lab = Lab()
    lab.immortal = [22]
    fault = ProcessKill(lab, "orders", "n1")
    fault.strike()
    lab.alive = [22, 31]
    assert fault.effect() == "still alive on n1: pids [22]"


def test_nothing_to_kill():
    """No effect, and said beforehand."""
    lab = Lab()
    lab.alive = []
    fault = ProcessKill(lab, "orders", "n1")
    assert fault.limitation() == "nothing on n1 serves users that its cluster manager would restart"
    assert fault.strike() == "killed nothing"
    assert fault.effect() == "nothing was running on n1, so nothing was killed"


def test_an_environment_without_control():
    """Says what could be named instead."""
    fault = ProcessKill(object(), "orders", "n1")
    assert fault.limitation() == (
        'this environment gives no control over what serves users; name a systemd unit: unit="…"'
    )
    with pytest.raises(TypeError, match="gives no control"):
        fault.strike()


def test_the_words_of_processes():
    """What a person would do by hand."""
    fault = ProcessKill(None, "orders", "n1")
    assert (fault.name, fault.target) == ("service_kill", "n1")
    assert (fault.strike_text, fault.undo_text) == (
        "SIGKILL what serves users on n1", "none needed: the cluster manager of n1 restarts it"
    )  # fmt: skip
