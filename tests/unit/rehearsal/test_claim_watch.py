# SPDX-License-Identifier: MIT
"""Nodes asked by command whether they are active: what each answer proves, and files that are read like the meter's."""

from __future__ import annotations

import threading
import time

import pytest

from pytest_harehearse.probes.attempts import Outcome, read_attempts, read_tail
from pytest_harehearse.probes.dual import dual_limitation, found_dual
from pytest_harehearse.rehearsal import claim_watch as module
from pytest_harehearse.rehearsal.claim_watch import ClaimWatch, attempt_of
from pytest_harehearse.remote import held
from pytest_harehearse.remote.base import Done, Script, Unknown, Unreachable
from pytest_harehearse.remote.local import LocalChannel


@pytest.mark.parametrize(
    ("answer", "outcome", "error"),
    [
        (Done(0), Outcome.OK, ""),
        (Done(0, b"", b"a warning"), Outcome.OK, ""),
        (Done(1), Outcome.READ_ONLY, "says that it is not active"),
        (Done(2, b"", b"ip: not found"), Outcome.ERROR, "ip: not found"),
        (Done(127), Outcome.ERROR, "status 127"),
        (Unreachable("no route"), Outcome.UNREACHABLE, "no route"),
        (Unknown("no answer within 1 s"), Outcome.TIMEOUT, "no answer within 1 s"),
    ],
)
def test_what_an_answer_proves(answer, outcome, error):
    """Only "yes" is a yes and only "no" a no; all else is neither, and says why."""
    attempt = attempt_of(7, 1.0, 1.5, 2.0, answer)
    assert (attempt.outcome, attempt.error) == (outcome, error)
    assert (attempt.n, attempt.due, attempt.sent, attempt.done) == (7, 1.0, 1.5, 2.0)


class Shell:
    """Stands in for a held shell; a script's text says what it answers."""

    def __init__(self, channel, **_):
        self.channel = channel
        self.closed = False
        channel.shells.append(self)

    def run(self, script, deadline):
        self.channel.asked.append((script, deadline))
        return self.channel.answer()

    def close(self):
        self.closed = True


class Way:
    """A channel of which only the held shell is used."""

    def __init__(self, node, answer):
        self.node, self.url = node, f"ssh://{node}"
        self.answer = answer
        self.asked = []
        self.shells = []


@pytest.fixture
def watched(tmp_path, monkeypatch):
    """``watched({"n1": answer})`` is a watch that was started, ended with the test, and its channels."""
    monkeypatch.setattr(held, "HeldShell", Shell)
    monkeypatch.setattr(module, "EVERY_S", 0.01)
    made = []

    def make(answers):
        ways = {node: Way(node, answer) for node, answer in answers.items()}
        commands = {node: Script("is it here", (node,)) for node in ways}
        watch = ClaimWatch(commands, ways, tmp_path, "r-1.1.")
        made.append(watch)
        watch.start()
        return watch, ways

    yield make
    for watch in made:
        watch._over.set()
        for thread in watch._threads:
            thread.join(30)
            assert not thread.is_alive()


def asked_often(ways, times=5):
    """Wait until every node was asked so often."""
    deadline = time.monotonic() + 30
    while any(len(way.asked) < times for way in ways.values()):
        assert time.monotonic() < deadline, {node: len(way.asked) for node, way in ways.items()}
        time.sleep(0.005)


def test_its_files(watched, tmp_path):
    """One a node, complete, with a header that says by whom, whom and how often."""
    watch, ways = watched({"n1": lambda: Done(0), "n2": lambda: Done(1)})
    asked_often(ways)
    watch.stop()
    assert watch.files == {node: tmp_path / f"r-1.1.{node}.claim.jsonl" for node in ("n1", "n2")}
    for node, outcome in (("n1", Outcome.OK), ("n2", Outcome.READ_ONLY)):
        file = read_attempts(watch.files[node])
        assert file.complete
        assert file.ended is not None
        assert (file.header["name"], file.header["mode"], file.header["target"], file.header["every"]) == (
            f"{node}.claim", "claim", f"ssh://{node}", 0.01,
        )  # fmt: skip
        assert len(file.attempts) >= 5
        assert {one.outcome for one in file.attempts} == {outcome}
        assert [one.n for one in file.attempts] == list(range(1, len(file.attempts) + 1))
        assert all(one.due <= one.sent <= one.done <= file.ended for one in file.attempts)
        (shell,) = ways[node].shells
        assert shell.closed
        assert ways[node].asked[0] == (Script("is it here", (node,)), module.TIMEOUT_S)


def test_two_that_both_say_yes(watched):
    """Are found, with proof that they were active at once."""
    watch, ways = watched({"n1": lambda: Done(0), "n2": lambda: Done(0)})
    asked_often(ways)
    watch.stop()
    files = {node: read_attempts(path) for node, path in watch.files.items()}
    assert dual_limitation(files) is None
    dual = found_dual(files, {})
    assert [span.nodes for span in dual.spans] == [("n1", "n2")]
    assert 0 < dual.lower <= dual.upper


def test_one_yes_one_no_one_silent(watched):
    """Nobody was active beside another: silence says neither yes nor no."""
    watch, ways = watched({"n1": lambda: Done(0), "n2": lambda: Done(1), "n3": lambda: Unknown("frozen")})
    asked_often(ways)
    watch.stop()
    files = {node: read_attempts(path) for node, path in watch.files.items()}
    assert dual_limitation(files) is None
    assert found_dual(files, {}).spans == ()


def test_a_switchover_without_overlap(watched):
    """The old one says no before the new one says yes."""
    turn, gone = threading.Event(), threading.Event()

    def old():
        if not turn.is_set():
            return Done(0)
        gone.set()
        return Done(1)

    watch, ways = watched({"n1": old, "n2": lambda: Done(0 if gone.is_set() else 1)})
    asked_often(ways)
    turn.set()
    assert gone.wait(30)
    asked_often({"n2": ways["n2"]}, len(ways["n2"].asked) + 5)
    watch.stop()
    files = {node: read_attempts(path) for node, path in watch.files.items()}
    assert files["n2"].attempts[-1].outcome is Outcome.OK
    assert found_dual(files, {}).spans == ()


def test_each_attempt_is_on_file_at_once(watched):
    """A killed run has lost nothing but its last instant; a file without an end is no whole one."""
    watch, ways = watched({"n1": lambda: Done(0)})
    asked_often(ways)
    found = read_attempts(watch.files["n1"])
    assert len(found.attempts) >= 4
    assert not found.complete
    assert "did not end by itself" in dual_limitation({"n1": found})
    watch.stop()


def test_an_exception_in_a_thread_is_raised_at_the_end(watched):
    """The other nodes are asked on, and the file of the broken one is no evidence."""
    calls = iter([Done(0), Done(0)])

    def torn():
        answer = next(calls, None)
        if answer is None:
            raise RuntimeError("torn")
        return answer

    watch, ways = watched({"n1": torn, "n2": lambda: Done(1)})
    watch._threads[0].join(30)
    asked_often({"n2": ways["n2"]}, len(ways["n2"].asked) + 5)
    with pytest.raises(RuntimeError, match="torn"):
        watch.stop()
    assert all(shell.closed for way in ways.values() for shell in way.shells)
    files = {node: read_attempts(path) for node, path in watch.files.items()}
    assert [one.outcome for one in files["n1"].attempts] == [Outcome.OK, Outcome.OK, Outcome.MISCONFIGURED]
    assert files["n2"].complete
    assert dual_limitation(files) == "n1 cannot be asked: RuntimeError: torn"


def test_a_folder_that_is_gone(tmp_path, monkeypatch):
    """A file that cannot be written is no silence."""
    monkeypatch.setattr(held, "HeldShell", Shell)
    watch = ClaimWatch({"n1": Script("x")}, {"n1": Way("n1", lambda: Done(0))}, tmp_path / "gone", "r.")
    watch.start()
    with pytest.raises(FileNotFoundError):
        watch.stop()


def test_it_stops_within_its_deadline(watched, monkeypatch):
    """Also while a node hangs: then its file has no end, and nothing is known of it."""
    monkeypatch.setattr(module, "STOP_S", 0.2)
    release = threading.Event()
    watch, ways = watched({"n1": lambda: (release.wait(30), Done(0))[1]})
    asked_often(ways, 1)
    began = time.monotonic()
    watch.stop()
    assert time.monotonic() - began < 15
    assert "did not end by itself" in dual_limitation({"n1": read_attempts(watch.files["n1"])})
    release.set()


def test_a_watch_that_was_not_started_can_be_stopped(tmp_path):
    """The meter could not be started, so it never began; and without commands there is nothing to ask."""
    ClaimWatch({"n1": Script("x")}, {"n1": Way("n1", lambda: Done(0))}, tmp_path, "r.").stop()
    watch = ClaimWatch({}, {}, tmp_path, "r.")
    watch.start()
    watch.stop()
    assert watch.files == {}
    assert list(tmp_path.iterdir()) == []


def test_over_a_real_shell(tmp_path, monkeypatch):
    """The exit status of a script on this machine, asked over a held shell."""
    monkeypatch.setattr(module, "EVERY_S", 0.05)
    # A machine under load may take long to start a shell.
    monkeypatch.setattr(module, "TIMEOUT_S", 20.0)
    monkeypatch.setattr(module, "STOP_S", 60.0)
    here = tmp_path / "active"
    here.touch()
    commands = {
        node: Script('test -e "$1" || exit 1', (str(path),)) for node, path in (("n1", here), ("n2", tmp_path / "no"))
    }
    channels = {node: LocalChannel(node) for node in commands}
    watch = ClaimWatch(commands, channels, tmp_path, "r.")
    watch.start()
    try:
        deadline = time.monotonic() + 60
        while not all(path.exists() and len(read_tail(path)) > 2 for path in watch.files.values()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        watch.stop()
        for channel in channels.values():
            channel.close()
    found = {node: read_attempts(path) for node, path in watch.files.items()}
    assert {node: {one.outcome for one in file.attempts} for node, file in found.items()} == {
        "n1": {Outcome.OK}, "n2": {Outcome.READ_ONLY},
    }  # fmt: skip
