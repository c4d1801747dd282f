# SPDX-License-Identifier: MIT
"""The channel by the system's ssh, against a real sshd: three-way truth, deadlines, many at once, nothing left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_harehearse.remote.base import Channel, Done, Script, Unknown, Unreachable
from pytest_harehearse.remote.openssh import OpenSshChannel


@pytest.fixture
def connect(monkeypatch, tmp_path):
    """Make channels to a server; all are closed, and nothing may be left of them."""
    runtime = tmp_path / "run"
    runtime.mkdir()
    # As short as it may have to be for a socket.
    short = Path(f"/tmp/hh{os.getpid()}")
    short.symlink_to(runtime)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    made: list[OpenSshChannel] = []

    def make(server, *more: str, user: str | None = None, key: Path | None = None, **options) -> OpenSshChannel:
        told = (
            "-F",
            "none",
            f"-oIdentityFile={key or server.key}",
            "-oIdentitiesOnly=yes",
            f"-oUserKnownHostsFile={server.known_hosts}",
        )
        channel = OpenSshChannel(
            "n1", server.host, port=server.port, user=user or server.user, options=(*more, *told), **options
        )
        made.append(channel)
        return channel

    yield make
    for channel in made:
        channel.close()
    short.unlink()
    assert list(runtime.iterdir()) == []
    left = [pid for pid, line in processes().items() if f"ControlPath={short}" in line]
    assert left == []


def processes() -> dict[int, str]:
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
    return found


def until(what: Callable[[], bool], within: float = 20.0) -> bool:
    ends = time.monotonic() + within
    while not what():
        if time.monotonic() > ends:
            return False
        time.sleep(0.05)
    return True


def timed(ask: Callable[[], object]) -> tuple[object, float]:
    begun = time.monotonic()
    return ask(), time.monotonic() - begun


def masters(channel: OpenSshChannel) -> list[int]:
    return [master.process.pid for master in channel._connections._masters if master.process is not None]


def test_output_status_and_arguments_come_through_whole(sshd, connect):
    """Nothing is pasted; and a status of 255 is the command's own, not ssh's."""
    channel = connect(sshd)
    assert isinstance(channel, Channel)
    odd = "a b'c\"$(x)\n*~!"
    done = channel.run(Script('printf "%s" "$1"; printf "%s\\n\\n" "$2" >&2; exit 255', (odd, "e")), deadline=30)
    assert isinstance(done, Done)
    assert (done.rc, done.stdout.decode(), done.stderr) == (255, odd, b"e\n\n")
    missing = channel.run(["/nope/nope"], deadline=30)
    assert isinstance(missing, Done)
    assert missing.rc == 127


def test_much_on_both_outputs_and_input_does_not_lock(sshd, connect):
    """100 MB of standard error, and an echo of all input."""
    channel = connect(sshd)
    done = channel.run(Script("head -c 100000000 /dev/zero >&2; echo said"), deadline=120)
    assert isinstance(done, Done)
    assert (done.out, len(done.stderr)) == ("said", 100_000_000)
    data = os.urandom(1 << 20) * 4
    done = channel.run(["tee", "/dev/stderr"], deadline=120, stdin=data)
    assert isinstance(done, Done)
    assert done.stdout == done.stderr == data


def test_a_login_script_that_talks_is_not_the_command(new_sshd, connect, tmp_path):
    """Shells that print something for every command are common; it must not stand in an answer."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "noise").write_text("echo NOISE; echo NOISE >&2\n")
    server = new_sshd(config=f"SetEnv BASH_ENV={home}/noise ENV={home}/noise")
    done = connect(server).run(["echo", "said"], deadline=30)
    assert isinstance(done, Done)
    assert done.out == "said"


def test_a_child_that_keeps_the_output_open_is_not_waited_for(sshd, connect):
    """``nohup daemon &`` is how many a service is started."""
    done, took = timed(lambda: connect(sshd).run(Script("sleep 45 & echo $!"), deadline=40))
    assert isinstance(done, Done)
    assert took < 30
    os.kill(int(done.out), signal.SIGKILL)


def test_many_commands_at_once(sshd, connect):
    """More than one connection takes (MaxSessions is 10 by default): none is refused, none is mixed up."""
    channel = connect(sshd)
    found: dict[int, object] = {}

    def ask(number: int) -> None:
        found[number] = channel.run(Script('sleep 0.5; echo "$1"', (str(number),)), deadline=90)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(14)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert {number: getattr(done, "out", done) for number, done in found.items()} == {n: str(n) for n in range(14)}
    assert len(masters(channel)) <= 3


def test_a_server_that_allows_few_sessions(new_sshd, connect):
    """What one connection has no room for goes over another."""
    channel = connect(new_sshd(config="MaxSessions 2"))
    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.append(channel.run(Script("sleep 0.5; echo ok"), deadline=90)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert [getattr(done, "out", done) for done in found] == ["ok"] * 4


def test_a_server_that_allows_no_session_beside_the_first(new_sshd, connect):
    """Said as it is, and within the deadline."""
    outcome, took = timed(lambda: connect(new_sshd(config="MaxSessions 1")).run(["true"], deadline=20))
    assert isinstance(outcome, Unreachable)
    assert took < 22


def test_at_the_deadline_unknown_and_the_next_command_runs(sshd, connect):
    """The connection is given up and made anew."""
    channel = connect(sshd)
    assert isinstance(channel.run(["true"], deadline=30), Done)
    before = masters(channel)
    outcome, took = timed(lambda: channel.run(Script("echo begun; exec sleep 10"), deadline=1.5))
    assert isinstance(outcome, Unknown)
    assert outcome.stdout == b"begun\n"
    assert "1.50 s" in outcome.reason
    assert took < 4
    assert until(lambda: not set(before) & set(processes()))
    assert isinstance(channel.run(["true"], deadline=30), Done)
    assert masters(channel) != before


def test_one_deadline_does_not_cut_off_the_others(sshd, connect):
    """A retired connection lives until its last command has ended."""
    channel = connect(sshd)
    assert isinstance(channel.run(["true"], deadline=30), Done)
    found: list[object] = []
    slow = threading.Thread(target=lambda: found.append(channel.run(Script("sleep 3; echo ok"), deadline=60)))
    slow.start()
    time.sleep(0.5)
    assert isinstance(channel.run(["sleep", "10"], deadline=0.7), Unknown)
    slow.join(60)
    assert getattr(found[0], "out", found[0]) == "ok"


def test_a_frozen_host_is_unknown_for_what_was_sent_and_unreachable_for_what_was_not(new_sshd, connect):
    """The same host, the same silence: what decides is whether a command was on its way."""
    server = new_sshd()
    channel = connect(server)
    assert isinstance(channel.run(["true"], deadline=30), Done)
    freezer = threading.Timer(0.5, server.freeze)
    freezer.start()
    sent, took = timed(lambda: channel.run(["sleep", "20"], deadline=2.0))
    freezer.join()
    assert isinstance(sent, Unknown)
    assert took < 4
    not_sent, took = timed(lambda: channel.run(["true"], deadline=1.5))
    assert isinstance(not_sent, Unreachable)
    assert not not_sent.refused
    assert took < 4
    server.thaw()
    assert until(lambda: isinstance(channel.run(["true"], deadline=10), Done), 40)


def test_a_host_that_dies_in_mid_command_and_comes_back(new_sshd, connect):
    """Lost after it was sent is unknown; while it is down unreachable; then it is there again by itself."""
    server = new_sshd()
    channel = connect(server)
    assert isinstance(channel.run(["true"], deadline=30), Done)
    killer = threading.Timer(0.7, server.kill)
    killer.start()
    lost = channel.run(["sleep", "15"], deadline=30)
    killer.join()
    assert isinstance(lost, Unknown)
    assert "connection was lost while the command ran" in lost.reason
    down = channel.run(["true"], deadline=10)
    assert isinstance(down, Unreachable)
    assert "refused" in down.reason
    assert not down.refused
    server.start()
    assert isinstance(channel.run(["true"], deadline=30), Done)


def test_a_master_that_was_killed_is_replaced(sshd, connect):
    """Whoever ends our ssh: before anything was sent, nothing is lost."""
    channel = connect(sshd)
    for _ in range(3):
        assert isinstance(channel.run(["true"], deadline=30), Done)
        for pid in masters(channel):
            os.kill(pid, signal.SIGKILL)


def test_a_server_that_answers_slowly_is_waited_for_until_the_deadline(connect, sshd):
    """A banner that never comes is unreachable, not a hang."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:

        class Silent:
            host, port = "127.0.0.1", silent.getsockname()[1]
            user, key, known_hosts = sshd.user, sshd.key, sshd.known_hosts

        outcome, took = timed(lambda: connect(Silent).run(["true"], deadline=1.5))
    assert isinstance(outcome, Unreachable)
    assert "no connection within 1.50 s" in outcome.reason
    assert took < 4


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda server: server.known_hosts.write_text(""), "is not known"),
        (lambda server: server.new_host_key() or server.restart(), "not the one that is known"),
    ],
)
def test_a_host_key_that_is_unknown_or_changed_is_refused(new_sshd, connect, change, word):
    """Whatever the user's configuration says; with the command that pins it."""
    server = new_sshd()
    change(server)
    outcome = connect(server, "-oStrictHostKeyChecking=no").run(["true"], deadline=30)
    assert isinstance(outcome, Unreachable)
    assert outcome.refused
    assert word in outcome.reason
    assert f"ssh-keyscan -p {server.port} 127.0.0.1 >> ~/.ssh/known_hosts" in outcome.reason


def test_a_wrong_key_is_refused(sshd, connect):
    """It will not be right by waiting."""
    outcome = connect(sshd, key=sshd.folder / "host").run(["true"], deadline=30)
    assert isinstance(outcome, Unreachable)
    assert outcome.refused
    assert "accepts no key" in outcome.reason


def test_a_forced_command_is_not_taken_for_an_answer(new_sshd, connect):
    """It ends with 0 whatever is asked: nothing of it may look like success."""
    outcome = connect(new_sshd(config="ForceCommand echo ok")).run(["false"], deadline=30)
    assert isinstance(outcome, Unreachable)
    assert "forced command" in outcome.reason


def test_ssh_that_is_not_installed(sshd, connect, monkeypatch):
    """Said with the package that has it."""
    channel = connect(sshd)
    monkeypatch.setitem(channel._connections.environment, "PATH", "/nowhere")
    monkeypatch.setenv("PATH", "/nowhere")
    outcome = channel.run(["true"], deadline=30)
    assert isinstance(outcome, Unreachable)
    assert "openssh-client" in outcome.reason


def test_a_command_that_is_too_long_was_not_sent(sshd, connect):
    """The kernel's limit for one argument, said before anything happens; the connection stays."""
    channel = connect(sshd)
    outcome = channel.run(["echo", "x" * 3_000_000], deadline=30)
    assert isinstance(outcome, Unreachable)
    assert "not sent" in outcome.reason
    assert isinstance(channel.run(["true"], deadline=30), Done)


def test_files_whole_or_not_at_all(sshd, connect, tmp_path):
    """Also when the connection ends in the middle: the old file is as it was."""
    channel = connect(sshd)
    target = tmp_path / "a 'b'"
    data = os.urandom(300_000)
    assert getattr(channel.put(data, str(target), deadline=60, mode=0o640), "rc", None) == 0
    assert target.stat().st_mode & 0o777 == 0o640
    got = channel.get(str(target), deadline=60)
    assert isinstance(got, Done)
    assert got.stdout == data
    missing = channel.get("/nope", deadline=30)
    assert isinstance(missing, Done)
    assert (missing.rc, bool(missing.err)) == (1, True)
    from pytest_harehearse.remote import files

    # As if the connection had ended after half of it.
    half = channel.run(files.put(data, str(target), 0o600), deadline=60, stdin=b"half")
    assert isinstance(half, Done)
    assert half.rc == 1
    assert "only part" in half.err
    assert target.read_bytes() == data
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".hare")] == []


def test_a_full_disk_is_the_commands_own_failure(sshd, connect):
    """The file keeps its old content, and the reason is there."""
    done = connect(sshd).run(Script("cat > /dev/full"), deadline=30, stdin=b"x" * 100_000)
    assert isinstance(done, Done)
    assert done.rc != 0
    assert "No space left" in done.err


@pytest.mark.skipif(shutil.which("sudo") is not None, reason="sudo is installed here, and would not refuse")
def test_no_sudo_on_the_host_is_said_and_not_taken_for_an_answer(sshd, connect):
    """Where the user is not root: unreachable for good, with what to do; without root it runs."""
    channel = connect(sshd)
    assert isinstance(channel.run(["true"], deadline=30), Done)
    # The user of the test is root: as if it were another.
    channel._connections._masters[0].uid = 1000
    outcome = channel.run(["true"], deadline=30)
    assert isinstance(outcome, Unreachable)
    assert outcome.refused
    assert "sudo is not installed" in outcome.reason
    assert isinstance(channel.run(["true"], deadline=30, root=False), Done)
    with channel.stream(["true"], deadline=30) as stream:
        assert list(stream.lines(20)) == []
        assert isinstance(stream.outcome(), Unreachable)


def test_a_stream_and_its_end(sshd, connect):
    """Lines as they come, input, the status; the connection is used by others meanwhile."""
    channel = connect(sshd)
    script = Script('while read -r x; do echo "got $x"; [ "$x" = end ] && exit 255; done')
    with channel.stream(script, deadline=30) as stream:
        assert stream.send(b"1\n", 10)
        assert next(stream.lines(30)) == "got 1"
        assert isinstance(channel.run(["true"], deadline=30), Done)
        assert stream.outcome() is None
        assert stream.send(b"end\n", 10)
        assert list(stream.lines(30)) == ["got end"]
        ended = stream.outcome()
    assert isinstance(ended, Done)
    assert ended.rc == 255
    assert len(masters(channel)) == 1


def test_closing_a_stream_ends_the_command_on_the_host(sshd, connect):
    """sshd would leave it running; the connection stays in use."""
    channel = connect(sshd)
    with channel.stream(Script("echo $$; sleep 59 & echo $!; wait"), deadline=30) as stream:
        lines = stream.lines(30)
        pids = [int(next(lines)), int(next(lines))]
        before = masters(channel)
    assert until(lambda: not set(pids) & set(processes()))
    assert masters(channel) == before
    assert isinstance(stream.outcome(), Unknown | Done)


def test_a_stream_of_a_host_that_dies_ends_as_unknown(new_sshd, connect):
    """The lines stop, and it is said why; no hang."""
    server = new_sshd()
    channel = connect(server)
    with channel.stream(Script("echo one; exec sleep 20"), deadline=30) as stream:
        lines = stream.lines(40)
        assert next(lines) == "one"
        server.kill()
        assert list(lines) == []
        assert isinstance(stream.outcome(), Unknown)


def test_no_stream_of_a_host_that_is_down(new_sshd, connect):
    """Unreachable, as for a command."""
    server = new_sshd()
    server.kill()
    assert isinstance(connect(server).stream(["true"], deadline=10), Unreachable)


def test_empty_folders_of_killed_processes_are_swept(sshd, connect):
    """A killed process cannot remove its folder; the next one does. Those in use and those of today's sockets stay."""
    runtime = Path(os.environ["XDG_RUNTIME_DIR"])
    channel = connect(sshd)
    assert isinstance(channel.run(["true"], deadline=30), Done)
    mine = channel._connections._folder
    old, fresh, foreign = runtime / "hare-old", runtime / "hare-fresh", runtime / "another"
    for folder in (old, fresh, foreign):
        folder.mkdir()
    for folder in (old, foreign, mine):
        os.utime(folder, (1, 1))
    assert isinstance(connect(sshd).run(["true"], deadline=30), Done)
    assert not old.exists()
    assert fresh.exists()
    assert foreign.exists()
    assert isinstance(channel.run(["true"], deadline=30), Done)
    fresh.rmdir()
    foreign.rmdir()


def test_a_folder_that_somebody_removed_is_made_anew(sshd, connect):
    """A tidy machine empties its temporary folder; a rehearsal goes on."""
    channel = connect(sshd)
    assert isinstance(channel.run(["true"], deadline=30), Done)
    for pid in masters(channel):
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(channel._connections._folder)
    assert isinstance(channel.run(["true"], deadline=30), Done)


def test_nothing_is_left_when_the_process_is_killed(sshd, tmp_path):
    """SIGKILL runs no cleaning up: the master ends by itself, as its input does."""
    code = (
        "import sys, time\n"
        "from pytest_harehearse.remote.openssh import OpenSshChannel\n"
        "c = OpenSshChannel('n1', '127.0.0.1', port=int(sys.argv[1]), user=sys.argv[2], options=sys.argv[3:])\n"
        "print(c.run(['echo', 'up'], deadline=30).out, [m.process.pid for m in c._connections._masters], flush=True)\n"
        "time.sleep(60)\n"
    )
    told = [f"-oIdentityFile={sshd.key}", "-oIdentitiesOnly=yes", f"-oUserKnownHostsFile={sshd.known_hosts}"]
    runtime = Path(f"/tmp/hk{os.getpid()}")
    runtime.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(sshd.port), sshd.user, *told],
        stdout=subprocess.PIPE,
        env={**os.environ, "XDG_RUNTIME_DIR": str(runtime)},
    )
    try:
        assert process.stdout is not None
        said = process.stdout.readline().decode()
        assert said.startswith("up ["), said
        pid = int(said.strip("up []\n"))
        assert pid in processes()
        process.kill()
        assert until(lambda: "ssh" not in processes().get(pid, ""))
    finally:
        process.kill()
        process.wait(20)
        process.stdout.close()
        shutil.rmtree(runtime)
