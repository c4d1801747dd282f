# SPDX-License-Identifier: MIT
"""The local channel: real programs, and its deadline whatever they do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pytest_harehearse.remote.base import Channel, Done, Script, Stream, Unknown, Unreachable
from pytest_harehearse.remote.local import LocalChannel


@pytest.fixture
def local():
    return LocalChannel("here")


def gone(pid: int, within: float = 5.0) -> bool:
    ends = time.monotonic() + within
    while time.monotonic() < ends:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state in "ZX":
            return True
        time.sleep(0.02)
    return False


def test_is_a_channel(local):
    """It keeps the contract's names."""
    assert isinstance(local, Channel)
    assert local.url == "local://"


def test_output_status_and_arguments_come_through_whole(local):
    """Nothing is pasted: spaces, quotes and dollars arrive as they are."""
    odd = "a b'c\"$(x)\n*"
    done = local.run(Script('printf "%s" "$1"; printf "%s" "$2" >&2; exit 7', (odd, "e")), deadline=20, root=False)
    assert isinstance(done, Done)
    assert (done.rc, done.stdout.decode(), done.stderr) == (7, odd, b"e")


def test_much_output_on_both_and_input_at_once_does_not_lock(local):
    """Each pipe is full at some time while the program waits at the other."""
    data = os.urandom(1 << 20) * 8
    done = local.run(Script("tee /dev/stderr"), deadline=60, stdin=data, root=False)
    assert isinstance(done, Done)
    assert done.stdout == done.stderr == data


def test_input_that_nobody_reads_is_no_error(local):
    """The command's own status says whether it wanted its input."""
    done = local.run(["true"], deadline=20, stdin=b"x" * 10_000_000, root=False)
    assert isinstance(done, Done)
    assert done.rc == 0


def test_a_child_that_keeps_the_output_open_is_not_waited_for(local):
    """A daemon that a command starts often does; it lives on, and the command is done."""
    begun = time.monotonic()
    done = local.run(Script("sleep 60 & echo $!"), deadline=30, root=False)
    assert isinstance(done, Done)
    assert time.monotonic() - begun < 15
    os.kill(int(done.out), signal.SIGKILL)


@pytest.mark.parametrize("script", ["sleep 60 & echo $!; wait", "trap '' TERM HUP; sleep 60 & echo $!; wait"])
def test_at_the_deadline_all_of_it_is_killed_and_unknown(local, script):
    """Also the grandchild, also one that ignores signals; what was said until then is kept."""
    begun = time.monotonic()
    unknown = local.run(Script(script), deadline=1.0, root=False)
    assert isinstance(unknown, Unknown)
    assert time.monotonic() - begun < 10
    assert "1.00 s" in unknown.reason
    assert gone(int(unknown.stdout))


def test_a_program_that_is_not_there_is_as_in_a_shell(local, tmp_path):
    """127 and 126, as every other channel has it."""
    (tmp_path / "data").write_text("x")
    for path, rc in (("/nope/nope", 127), (str(tmp_path / "data"), 126)):
        done = local.run([path], deadline=20, root=False)
        assert isinstance(done, Done)
        assert done.rc == rc
        assert path in done.err


def test_what_cannot_be_started_was_not_sent(local):
    """An argument that no program can get."""
    assert isinstance(local.run(["echo", "a\0b"], deadline=5, root=False), Unreachable)
    assert isinstance(local.stream(["echo", "a\0b"], deadline=5, root=False), Unreachable)


def test_a_killed_program_has_the_status_of_a_shell(local):
    """128 and the signal's number."""
    done = local.run(Script("kill -9 $$"), deadline=20, root=False)
    assert isinstance(done, Done)
    assert done.rc == 137


def test_files_whole_or_not_at_all(local, tmp_path):
    """Written under another name first; the mode is as asked; odd names and a folder in the way."""
    path = str(tmp_path / "a 'b' -c")
    data = os.urandom(100_000)
    assert local.put(data, path, deadline=20, mode=0o640, root=False) == Done(0, took=pytest.approx(0, abs=20))
    assert Path(path).stat().st_mode & 0o777 == 0o640
    got = local.get(path, deadline=20, root=False)
    assert isinstance(got, Done)
    assert (got.rc, got.stdout) == (0, data)
    for bad in (str(tmp_path), str(tmp_path / "none" / "x")):
        done = local.put(b"x", bad, deadline=20, root=False)
        assert isinstance(done, Done)
        assert done.rc == 1
        assert done.err
    for bad in (str(tmp_path), str(tmp_path / "none")):
        done = local.get(bad, deadline=20, root=False)
        assert isinstance(done, Done)
        assert done.rc == 1
        assert done.err
    assert [entry.name for entry in tmp_path.iterdir()] == ["a 'b' -c"]
    with pytest.raises(ValueError, match="absolute"):
        local.put(b"x", "relative", deadline=1)


def test_a_stream_gives_lines_takes_input_and_says_how_it_ended(local):
    """Lines come when they are there; the end is told apart from silence."""
    with local.stream(
        Script('while read -r x; do echo "got $x"; done; echo rest; exit 3'), deadline=20, root=False
    ) as stream:
        reader: Stream = stream
        assert reader.send(b"1\n2\n", 5)
        lines = reader.lines(20)
        assert [next(lines), next(lines)] == ["got 1", "got 2"]
        assert list(reader.lines(0.2)) == []
        assert reader.outcome() is None
        stream._process.end_input()
        assert list(reader.lines(20)) == ["rest"]
        ended = reader.outcome()
    assert isinstance(ended, Done)
    assert ended.rc == 3
    assert not reader.send(b"x", 0.1)


def test_an_unfinished_last_line_and_bad_bytes_come_through(local):
    """What a dying program says last is often the point."""
    with local.stream(Script(r"printf 'a\n\377b'"), deadline=20, root=False) as stream:
        assert list(stream.lines(20)) == ["a", "\N{REPLACEMENT CHARACTER}b"]


def test_closing_a_stream_ends_the_command(local):
    """By hanging up, or by force; also while another thread reads."""
    for script in ("echo $$; exec sleep 60", "trap '' HUP; echo $$; while :; do sleep 0.1; done"):
        stream = local.stream(Script(script), deadline=20, root=False)
        pid = int(next(stream.lines(20)))
        got: list[str] = []
        reader = threading.Thread(target=lambda stream=stream, got=got: got.extend(stream.lines(50)))
        reader.start()
        stream.close()
        stream.close()
        reader.join(20)
        assert not reader.is_alive()
        assert gone(pid)
        assert isinstance(stream.outcome(), Done)


def test_sending_to_one_that_does_not_read_gives_up(local):
    """A full pipe is no hang."""
    with local.stream(["sleep", "60"], deadline=20, root=False) as stream:
        assert not stream.send(b"x" * 1_000_000, 0.3)


@pytest.mark.parametrize(
    ("sudo", "expected"),
    [
        ('[ "$1 $2" = "-n --" ] && shift 2 && AS=root exec "$@"', Done),
        ("echo 'sudo: a password is required' >&2; exit 1", Unreachable),
        ("echo 'ops is not in the sudoers file.' >&2; exit 1", Unreachable),
        (None, Unreachable),
    ],
)
def test_root_by_sudo_where_the_user_is_not(local, tmp_path, monkeypatch, sudo, expected):
    """A refusal of sudo is no answer of the command; and what needs no root does not go through sudo."""
    program = tmp_path / "sudo"
    if sudo is not None:
        program.write_text(f"#!/bin/sh\n{sudo}\n")
        program.chmod(0o755)
    for name in ("env", "sh"):
        (tmp_path / name).symlink_to(f"/bin/{name}" if name == "sh" else "/usr/bin/env")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    outcome = local.run(Script('echo "$AS"; exit 1'), deadline=20)
    assert isinstance(outcome, expected), outcome
    if isinstance(outcome, Done):
        assert (outcome.rc, outcome.out) == (1, "root")
    else:
        assert outcome.refused
    plain = local.run(Script('echo "$AS"'), deadline=20, root=False)
    assert isinstance(plain, Done)
    assert plain.out == ""


#: In a process of its own: other tests' children and descriptors come and go in this one.
_MANY = """
import os
from pytest_harehearse.remote.local import LocalChannel

local = LocalChannel("here")
local.run(["true"], deadline=20, root=False)
before = sorted(os.listdir("/proc/self/fd"))
for _ in range(20):
    local.run(["true"], deadline=20, root=False)
    local.run(["sleep", "60"], deadline=0.01, root=False)
    with local.stream(["sleep", "60"], deadline=20, root=False):
        pass
after = sorted(os.listdir("/proc/self/fd"))
assert after == before, (before, after)
try:
    print("left:", os.waitpid(-1, os.WNOHANG))
except ChildProcessError:
    print("none left")
"""


def test_leaves_no_descriptor_and_no_process():
    """A rehearsal asks thousands of times."""
    done = subprocess.run([sys.executable, "-c", _MANY], capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.returncode) == ("none left\n", 0), done.stderr
