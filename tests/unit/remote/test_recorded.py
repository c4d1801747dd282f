# SPDX-License-Identifier: MIT
"""The recording channel: every command is a pair of events, without secrets, whatever comes of it."""

# A fake has the names of the contract, whether it uses them or not.

from __future__ import annotations

import threading

import pytest

from pytest_harehearse.events import CommandFinished, CommandStarted, decode, encode
from pytest_harehearse.remote.base import Channel, Done, Script, Unknown, Unreachable
from pytest_harehearse.remote.recorded import Recorded, wording
from pytest_harehearse.remote.redact import Redactor

REDACT = Redactor(["s3cret-pass"])


class FakeStream:
    def __init__(self, ends: Done | Unknown | None = None) -> None:
        self.ends = ends
        self.closed = 0

    def lines(self, deadline):
        yield "a line"

    def send(self, data, deadline):
        return True

    def outcome(self):
        return self.ends

    def close(self):
        self.closed += 1

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


class FakeChannel:
    url = "ssh://ops@n1"
    node = "n1"

    def __init__(self, outcome=None) -> None:
        self.outcome = Done(0, b"s3cret-pass\n", b"", 0.5) if outcome is None else outcome

    def run(self, command, *, deadline, stdin=b"", root=True):
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome

    stream = run

    def put(self, data, path, *, deadline, mode=0o600, root=True):
        return self.outcome

    def get(self, path, *, deadline, root=True):
        return self.outcome

    def close(self):
        self.outcome = "closed"


def recorded(outcome=None, **options):
    events = []
    return Recorded(FakeChannel(outcome), events.append, REDACT, **options), events


def test_is_a_channel():
    """It stands wherever a channel does."""
    channel, _ = recorded()
    assert isinstance(channel, Channel)
    assert (channel.node, channel.url) == ("n1", "ssh://ops@n1")


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Done(0, b"out", b"err", 0.5), ("done", 0.5, 0, "")),
        (Done(3, b"", b"first\nlast s3cret-pass\n", 0.5), ("done", 0.5, 3, "last ***")),
        (Unreachable("n1: no route, s3cret-pass", 0.1), ("unreachable", 0.1, None, "n1: no route, ***")),
        (Unknown("n1: lost", 2.0), ("unknown", 2.0, None, "n1: lost")),
    ],
)
def test_every_outcome_is_written_down_as_it_is(outcome, expected):
    """Three-way: done with its status, unreachable, unknown; and who asked gets what the channel said."""
    channel, events = recorded(outcome, rehearsal=lambda: "r7")
    assert channel.run(["id"], deadline=4.0) is outcome
    started, finished = events
    assert isinstance(started, CommandStarted)
    assert (started.node, started.what, started.deadline, started.rehearsal) == ("n1", "id", 4.0, "r7")
    assert isinstance(finished, CommandFinished)
    assert (finished.outcome, finished.took, finished.rc, finished.detail) == expected
    assert finished.command == started.command
    assert finished.rehearsal == "r7"
    assert decode(encode(finished)) == finished


def test_no_secret_and_no_data_is_written_down():
    """Not in arguments, scripts, paths, input, files or answers."""
    channel, events = recorded(Done(1, b"", b"no: s3cret-pass"))
    channel.run(["psql", "--password", "s3cret-pass"], deadline=1, stdin=b"INPUT-DATA")
    channel.run(Script("echo s3cret-pass | x\nINPUT-DATA", ("s3cret-pass",)), deadline=1, stdin=b"INPUT-DATA")
    channel.put(b"INPUT-DATA", "/etc/s3cret-pass", deadline=1)
    channel.get("/etc/s3cret-pass", deadline=1)
    text = "\n".join(map(encode, events))
    assert len(events) == 8
    assert "s3cret" not in text
    assert "INPUT-DATA" not in text
    assert "put" in text
    assert "10 bytes" in text


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (["echo", "a b", "$(x)"], "echo 'a b' '$(x)'"),
        (Script("\n  systemctl stop x\n"), "sh: systemctl stop x"),
        (Script("set -e\nrm -rf /tmp/x\n", ("one", "two words")), "sh: set -e … [one 'two words']"),
    ],
)
def test_a_command_is_shown_as_one_would_type_it(command, shown):
    """Arguments quoted; a script by its first line."""
    assert wording(command, REDACT) == shown


def test_a_long_command_is_cut_after_the_secrets_are_out():
    """Half a secret at the cut would still be one."""
    for length in range(270, 310):
        shown = wording(["echo", "x" * length, "s3cret-pass"], REDACT)
        assert len(shown) <= 300
        assert "s3c" not in shown


def test_ids_are_unique_over_threads_and_channels():
    """Many commands at once on many nodes write to one file; each end belongs to one start."""
    events = []
    channels = [Recorded(FakeChannel(), events.append, REDACT) for _ in range(4)]

    def work(channel):
        for _ in range(50):
            channel.run(["true"], deadline=1)

    threads = [threading.Thread(target=work, args=(channel,)) for channel in channels for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    started = [event.command for event in events if isinstance(event, CommandStarted)]
    finished = [event.command for event in events if isinstance(event, CommandFinished)]
    assert len(set(started)) == len(started) == 400
    assert sorted(finished) == sorted(started)


def test_a_call_that_breaks_is_unknown_and_still_breaks():
    """A fault of ours, or Ctrl-C in mid-command: the pair is complete, and nothing is swallowed."""
    channel, events = recorded(KeyboardInterrupt("s3cret-pass"))
    with pytest.raises(KeyboardInterrupt):
        channel.run(["id"], deadline=1)
    assert events[1].outcome == "unknown"
    assert events[1].detail == "KeyboardInterrupt: ***"


def test_an_event_that_cannot_be_kept_stops_the_command():
    """The disk is full: what cannot be written down is not done."""
    asked = []

    class Counting(FakeChannel):
        def run(self, command, *, deadline, stdin=b"", root=True):
            asked.append(command)
            return self.outcome

    def full(event):
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        Recorded(Counting(), full, REDACT).run(["id"], deadline=1)
    assert asked == []


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        (None, ("done", None, "ended by us")),
        (Done(4, b"", b"gone"), ("done", 4, "gone")),
        (Unknown("lost"), ("unknown", None, "lost")),
    ],
)
def test_a_stream_ends_once_in_the_record(ends, expected):
    """By its own end or by ours, and only once however often it is closed."""
    channel, events = recorded(FakeStream(ends))
    with channel.stream(["journalctl", "-f"], deadline=1) as stream:
        assert list(stream.lines(1)) == ["a line"]
        assert stream.send(b"INPUT-DATA", 1)
    stream.close()
    started, finished = events
    assert (finished.outcome, finished.rc, finished.detail) == expected
    assert finished.command == started.command


def test_a_stream_that_does_not_start_is_written_down():
    """Its pair is complete at once."""
    channel, events = recorded(Unreachable("off"))
    assert channel.stream(["x"], deadline=1) == Unreachable("off")
    assert [type(event) for event in events] == [CommandStarted, CommandFinished]
    assert events[1].outcome == "unreachable"
