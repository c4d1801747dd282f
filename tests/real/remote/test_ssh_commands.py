# SPDX-License-Identifier: MIT
"""Commands over a real SSH server: what they say, what they get, many at once, files, streams."""

import os
import stat
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from ssh_channels import Leftovers, channel_to

from pytest_harehearse.remote import paramiko_channel
from pytest_harehearse.remote.base import Channel, Done, Script, Unknown, Unreachable


@pytest.fixture
def channel(sshd):
    leftovers = Leftovers()
    found = channel_to(sshd)
    yield found
    found.close()
    assert leftovers.found() == []


def test_a_command_says_everything(channel):
    """Both outputs, the exit status and the duration come back as they were."""
    outcome = channel.run(Script("printf 'out\\n\\n'; printf 'err' >&2; exit 7"), deadline=20)
    assert isinstance(channel, Channel)
    assert isinstance(outcome, Done)
    assert (outcome.rc, outcome.stdout, outcome.stderr) == (7, b"out\n\n", b"err")
    assert 0 < outcome.took < 20


NASTY = [
    "",
    " ",
    "a b",
    "'",
    '"',
    "\\",
    "$HOME",
    "`id`",
    "$(id)",
    "a\nb",
    "-n",
    "--",
    "*",
    "~",
    "!!",
    "#",
    ";id",
    "é€😀",
    "\x01\x7f",
    "%s",
    "&&",
]


def test_arguments_arrive_as_they_are(channel):
    """No argument is split, expanded or run on its way through the shell of the host."""
    for command in (["printf", "%s\\0", *NASTY], Script('printf "%s\\0" "$@"', tuple(NASTY))):
        outcome = channel.run(command, deadline=20)
        assert isinstance(outcome, Done)
        assert outcome.stdout.decode().split("\0")[:-1] == NASTY


@settings(
    max_examples=25, deadline=None, phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(
    arguments=st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20), min_size=1, max_size=4
    )
)
def test_any_argument_arrives_as_it_is(channel, arguments):
    """Whatever text an argument holds, the program there gets the same bytes."""
    outcome = channel.run(["printf", "%s\\0", *arguments], deadline=20)
    assert isinstance(outcome, Done)
    assert outcome.stdout == b"".join(argument.encode() + b"\0" for argument in arguments)


def test_input_is_given_to_the_end(channel):
    """A command reads its whole input and then its end; one that gets none does not wait for it."""
    data = os.urandom(3_000_000)
    outcome = channel.run(["cat"], deadline=60, stdin=data)
    assert isinstance(outcome, Done)
    assert outcome.stdout == data
    assert channel.run(["cat"], deadline=20).stdout == b""


def test_input_that_nobody_reads_holds_nothing_up(channel):
    """A command that ends without reading its input has its own exit status."""
    outcome = channel.run(Script("exit 5"), deadline=30, stdin=bytes(8_000_000))
    assert isinstance(outcome, Done)
    assert outcome.rc == 5


def test_100_mb_of_errors_do_not_dead_lock(channel):
    """Both outputs are read together, so neither blocks the command while the other is awaited."""
    outcome = channel.run(Script("head -c 100000000 /dev/zero >&2; echo done; head -c 1000000 /dev/zero"), deadline=120)
    assert isinstance(outcome, Done)
    assert len(outcome.stderr) == 100_000_000
    assert outcome.stdout == b"done\n" + bytes(1_000_000)


def test_output_without_end_is_unknown(channel, monkeypatch):
    """More output than is kept ends as unknown, before the deadline, and the connection goes on."""
    monkeypatch.setattr(paramiko_channel, "MOST_OUTPUT", 4 << 20)
    outcome = channel.run(["cat", "/dev/zero"], deadline=60)
    assert isinstance(outcome, Unknown)
    assert "4 MiB" in outcome.reason
    assert outcome.took < 60
    assert isinstance(channel.run(["true"], deadline=20), Done)


def test_many_commands_at_once(channel, sshd):
    """30 threads share the channel, each gets its own answer; a host lets 10 sessions over one connection."""
    with ThreadPoolExecutor(30) as threads:
        found = list(
            threads.map(lambda n: channel.run(Script('sleep 0.3; echo "$1"', (str(n),)), deadline=60), range(30))
        )
    assert [outcome.out for outcome in found if isinstance(outcome, Done)] == [str(n) for n in range(30)]


def test_a_host_that_allows_few_sessions(new_sshd):
    """Where one connection takes two sessions only, more connections are made instead of a refusal."""
    server = new_sshd(config="MaxSessions 2")
    channel = channel_to(server)
    with ThreadPoolExecutor(8) as threads:
        found = list(
            threads.map(lambda n: channel.run(Script('sleep 0.3; echo "$1"', (str(n),)), deadline=60), range(8))
        )
    channel.close()
    assert [outcome.out for outcome in found if isinstance(outcome, Done)] == [str(n) for n in range(8)]


def test_one_slow_command_does_not_end_the_others(channel):
    """The deadline of one command is no reason to lose those beside it, nor their connection."""
    found = []
    thread = threading.Thread(target=lambda: found.append(channel.run(Script("sleep 2; echo late"), deadline=30)))
    thread.start()
    time.sleep(0.5)
    outcome = channel.run(["sleep", "30"], deadline=0.5)
    assert isinstance(outcome, Unknown)
    assert "had not ended after" in outcome.reason
    thread.join(30)
    assert isinstance(found[0], Done)
    assert found[0].out == "late"


def test_a_killed_command_is_no_success(channel):
    """A command that a signal ended has a shell's exit status for it; a killed shell around it is unknown at once."""
    outcome = channel.run(Script("kill -9 $$"), deadline=20)
    assert isinstance(outcome, Done)
    assert outcome.rc == 137
    outcome = channel.run(Script("kill -9 $PPID"), deadline=60)
    assert isinstance(outcome, Unknown)
    assert "was ended there" in outcome.reason
    assert outcome.took < 30


def test_what_runs_on_in_the_background_holds_nothing_up(channel):
    """A command is over when it is, even if it left something behind that holds its outputs open."""
    outcome = channel.run(Script("sleep 30 & echo $!"), deadline=20)
    assert isinstance(outcome, Done)
    assert outcome.took < 15
    assert isinstance(channel.run(["kill", outcome.out], deadline=20), Done)


def test_words_of_a_login_script_are_no_output(new_sshd):
    """What the user's shell says when it starts is not taken for the command's."""
    server = new_sshd()
    (server.folder / ".bashrc").write_text("echo Welcome to web1; echo really >&2\n")
    channel = channel_to(server)
    outcome = channel.run(["echo", "hi"], deadline=20)
    channel.close()
    assert isinstance(outcome, Done)
    assert (outcome.stdout, outcome.stderr) == (b"hi\n", b"")


def test_files_there_and_back(channel, tmp_path):
    """A file arrives whole, with its mode, and can be read again; nothing else stays in its folder."""
    data, path = os.urandom(2_000_000), tmp_path / "it's a file"
    assert isinstance(channel.put(data, str(path), deadline=60, mode=0o640), Done)
    assert path.read_bytes() == data
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    outcome = channel.get(str(path), deadline=60)
    assert isinstance(outcome, Done)
    assert outcome.stdout == data
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_a_file_that_cannot_be_read(channel, tmp_path):
    """A file that is not there is Done with status 1 and the reason, not an empty file."""
    outcome = channel.get(str(tmp_path / "none"), deadline=20)
    assert isinstance(outcome, Done)
    assert outcome.rc == 1
    assert "No such file" in outcome.err


@pytest.fixture
def tiny(tmp_path):
    folder = tmp_path / "tiny"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "harehearse-test", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"no tiny file system can be mounted here: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_the_old_file(channel, tiny):
    """What does not fit is an error with the host's own words; the file is the old one, and no half one is left."""
    (tiny / "hosts").write_bytes(b"old")
    outcome = channel.put(bytes(3_000_000), str(tiny / "hosts"), deadline=60)
    assert isinstance(outcome, Done)
    assert outcome.rc != 0
    assert "No space left" in outcome.err
    assert (tiny / "hosts").read_bytes() == b"old"
    assert [found.name for found in tiny.iterdir()] == ["hosts"]


def test_a_stream_gives_lines_as_they_come(channel):
    """Questions and answers go over one command that runs on; its end comes with its exit status."""
    with channel.stream(Script('while read -r line; do echo "got $line"; done; exit 4'), deadline=20) as stream:
        for number in range(5):
            assert stream.send(f"{number}\n".encode(), 10)
            assert next(stream.lines(10)) == f"got {number}"
        assert stream.outcome() is None
        assert list(stream.lines(0.2)) == []
        stream.session.end_input()
        assert list(stream.lines(20)) == []
        outcome = stream.outcome()
    assert isinstance(outcome, Done)
    assert outcome.rc == 4


def test_a_closed_stream_ends_its_command(channel, tmp_path):
    """Hanging up ends a command that reads no input, on the host, not only here."""
    with channel.stream(Script("echo $$; exec sleep 300"), deadline=20) as stream:
        pid = int(next(stream.lines(20)))
        assert Path(f"/proc/{pid}").exists()
    ends = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < ends, "the command runs on"
        time.sleep(0.05)
    assert isinstance(stream.outcome(), Unknown)


def test_streams_beside_commands(channel):
    """Twelve commands that run on take a second connection, and do not keep others from running."""
    streams = [channel.stream(["cat"], deadline=20) for _ in range(12)]
    assert not [stream for stream in streams if isinstance(stream, Unreachable | Unknown)]
    assert channel.run(["echo", "hi"], deadline=20).out == "hi"
    for number, stream in enumerate(streams):
        assert stream.send(b"%d\n" % number, 10)
    assert [next(stream.lines(10)) for stream in streams] == [str(number) for number in range(12)]
    for stream in streams:
        stream.close()


def test_closed_and_used_again(channel):
    """A closed channel makes a new connection when it is asked."""
    assert channel.run(["true"], deadline=20).rc == 0
    channel.close()
    channel.close()
    assert channel.run(["true"], deadline=20).rc == 0


def test_forgotten_channels_leave_nothing(sshd):
    """A channel that nobody closed gives its threads and sockets back when it is collected."""
    leftovers = Leftovers()
    channel = channel_to(sshd)
    assert channel.run(["true"], deadline=20).rc == 0
    del channel
    assert leftovers.found() == []
