# SPDX-License-Identifier: MIT
"""A real SSH server that does not let us in, and every message says why and what to do."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest
import sshd as servers
from ssh_channels import Leftovers, channel_to, through

from pytest_harehearse.remote.base import Done, Unknown, Unreachable
from pytest_harehearse.remote.host_keys import key_of


@pytest.fixture(autouse=True)
def _leaves_nothing(_has_sshd):
    leftovers = Leftovers()
    yield
    assert leftovers.found() == []


def refusal(channel, deadline=20.0):
    """Return why a command was not sent."""
    outcome = channel.run(["true"], deadline=deadline)
    channel.close()
    assert isinstance(outcome, Unreachable)
    assert outcome.reason.startswith(channel.url)
    return outcome


def test_the_wrong_key(sshd, tmp_path):
    """A key that the host does not accept is named, with what to do; waiting would not help."""
    key = servers.new_key(tmp_path / "other")
    found = refusal(channel_to(sshd, keys=(key,)))
    assert found.refused
    assert f"offered: {key}" in found.reason
    assert "authorized_keys" in found.reason


def test_a_key_that_is_not_there(sshd, tmp_path):
    """A key file that is missing is said to be, instead of a plain refusal."""
    found = refusal(channel_to(sshd, keys=(tmp_path / "none",)))
    assert found.refused
    assert f"the key {tmp_path / 'none'} is not there" in found.reason


def test_an_encrypted_key(sshd, tmp_path):
    """Nobody is asked for a passphrase; the message says how to give the key to an agent."""
    key = servers.new_key(tmp_path / "locked", passphrase="secret-of-the-test")
    sshd.authorize(key)
    found = refusal(channel_to(sshd, keys=(key,)))
    assert found.refused
    assert f"ssh-add {key}" in found.reason


def test_an_encrypted_key_in_an_agent(sshd, tmp_path, monkeypatch):
    """The agent signs with what it holds, so the same key works."""
    if shutil.which("ssh-agent") is None or shutil.which("ssh-add") is None:
        pytest.skip("ssh-agent (Debian: openssh-client) is not installed")
    key = servers.new_key(tmp_path / "in-agent")
    sshd.authorize(key)
    path = tmp_path / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    try:
        ends = time.monotonic() + 20
        while not path.exists():
            assert time.monotonic() < ends
            time.sleep(0.02)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        subprocess.run(["ssh-add", "-q", str(key)], check=True, timeout=20, stdin=subprocess.DEVNULL)
        moved = key.rename(tmp_path / "elsewhere")
        channel = channel_to(sshd, keys=(), agent=True)
        assert isinstance(channel.run(["true"], deadline=20), Done)
        channel.close()
        assert moved.exists()
    finally:
        agent.terminate()
        agent.wait(20)


def test_a_certificate(sshd, tmp_path):
    """A certificate beside the key lets us in where the key alone does not."""
    key = servers.new_key(tmp_path / "signed")
    assert refusal(channel_to(sshd, keys=(key,))).refused
    sign = ["ssh-keygen", "-q", "-s", str(sshd.authority), "-I", "test", "-n", sshd.user, f"{key}.pub"]
    subprocess.run(sign, check=True, timeout=20, stdin=subprocess.DEVNULL)
    channel = channel_to(sshd, keys=(key,))
    assert isinstance(channel.run(["true"], deadline=20), Done)
    channel.close()


def test_an_unknown_host(sshd, tmp_path):
    """A host that is not known is refused before anything is said to it; the message has its fingerprint and the command."""
    known_hosts = tmp_path / "none"
    found = refusal(channel_to(sshd, known_hosts=known_hosts))
    assert found.refused
    assert key_of(sshd.pin).fingerprint in found.reason
    assert f"ssh-keyscan -t ed25519 -p {sshd.port} {sshd.host} >> {known_hosts}" in found.reason
    assert not known_hosts.exists()


def test_the_command_of_the_message_pins_the_host(sshd, tmp_path):
    """Who does what the message says is let in."""
    known_hosts = tmp_path / "known"
    found = refusal(channel_to(sshd, known_hosts=known_hosts))
    command = found.reason.split("pin it: `")[1].rstrip("`")
    subprocess.run(["/bin/sh", "-c", command], check=True, timeout=60, capture_output=True)
    channel = channel_to(sshd, known_hosts=known_hosts)
    assert isinstance(channel.run(["true"], deadline=20), Done)
    channel.close()


def test_a_changed_host_key(new_sshd):
    """Another key than the known one is refused, also on reconnecting, and the message forgets the old one first."""
    server = new_sshd()
    before = key_of(server.pin)
    channel = channel_to(server)
    assert isinstance(channel.run(["true"], deadline=20), Done)
    server.kill()
    server.new_host_key()
    server.start()
    found = refusal(channel)
    assert found.refused
    assert before.fingerprint in found.reason
    assert key_of(server.pin).fingerprint in found.reason
    assert f"ssh-keygen -f {server.known_hosts} -R '[{server.host}]:{server.port}'" in found.reason
    pinned = refusal(channel_to(server, known_hosts=None, pinned=before.line))
    assert pinned.refused
    assert key_of(server.pin).line in pinned.reason


def test_a_pinned_key_of_another_kind_than_usual(sshd, new_sshd):
    """The kind of key that is known is asked for, whatever the host would show by itself."""
    server = new_sshd(config="")
    server.kill()
    ecdsa = servers.new_key(server.folder / "ecdsa", kind="ecdsa")
    with (server.folder / "sshd.conf").open("a") as file:
        file.write(f"HostKey {ecdsa}\n")
    server.start()
    for line in (server.public(ecdsa), server.pin):
        channel = channel_to(server, known_hosts=None, pinned=line)
        assert isinstance(channel.run(["true"], deadline=20), Done)
        channel.close()


def test_nobody_listens(sshd):
    """A refused TCP connection is not sent, and may be worth waiting for."""
    port = servers.free_port()
    found = refusal(channel_to(sshd, port=port))
    assert not found.refused
    assert "Connection refused" in found.reason


def test_a_name_that_does_not_exist(sshd):
    """An unknown name is said to be one."""
    channel = channel_to(sshd)
    channel = type(channel)("web1", "no-such-host.invalid", config=None, agent=False)
    found = refusal(channel, deadline=30)
    assert "no-such-host.invalid" in found.reason


class Strange:
    """Accepts connections, and sends what it is told to, slowly."""

    def __init__(self, says, every):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._says, self._every = says, every
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        self._listener.settimeout(0.05)
        clients = []
        while not self._over.wait(self._every):
            with contextlib.suppress(TimeoutError):
                clients.append(self._listener.accept()[0])
            for client in clients:
                with contextlib.suppress(OSError):
                    client.sendall(self._says)
        for client in clients:
            client.close()

    def close(self):
        self._over.set()
        self._thread.join()
        self._listener.close()


@pytest.mark.parametrize(
    ("says", "seen"),
    [
        (b"", "did not say that it speaks SSH"),
        (b"x", "did not say that it speaks SSH"),
        (b"# wait\r\n", "did not say that it speaks SSH"),
        (b"SSH-2.0-Slow\r\n", "did not go on with the key exchange"),
    ],
    ids=["silent", "drips", "chatters", "stops after the banner"],
)
def test_a_slow_banner(sshd, says, seen):
    """A host that takes the connection and never gets to the point costs the deadline, not more, and nothing stays."""
    strange = Strange(says, 0.05)
    try:
        for deadline in (0.5, 1.5):
            begun = time.monotonic()
            found = refusal(through(sshd, strange.port), deadline)
            assert time.monotonic() - begun < deadline + 1
            assert not found.refused
            assert seen in found.reason
    finally:
        strange.close()


def test_something_else_listens(sshd):
    """A port that speaks another protocol is said to speak no SSH."""
    strange = Strange(b"HTTP/1.1 400 Bad Request\r\n" * 200, 0.05)
    try:
        found = refusal(through(sshd, strange.port, connect_timeout=3))
    finally:
        strange.close()
    assert "did not say that it speaks SSH" in found.reason


def test_a_host_that_runs_no_commands(new_sshd):
    """A login without a shell is told apart from a command that failed."""
    server = new_sshd(config="ForceCommand echo no commands for you; exit 1")
    found = refusal(channel_to(server))
    assert found.refused
    assert "runs no command of ours" in found.reason
    assert "no commands for you" in found.reason


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user here")
AS_NOBODY = 'ForceCommand setpriv --reuid 65534 --regid 65534 --clear-groups /bin/sh -c "$SSH_ORIGINAL_COMMAND"'


@pytest.fixture
def programs():
    """A folder that every user may enter, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@needs_root
def test_without_sudo(new_sshd, programs):
    """A user who is not root and has no sudo cannot run as root, which is said; as himself he can run."""
    for program in ("env", "id", "setpriv"):
        (programs / program).symlink_to(shutil.which(program))
    channel = channel_to(new_sshd(config=f"{AS_NOBODY}\nSetEnv PATH={programs} HOME=/nonexistent"))
    outcome = channel.run(["id", "-u"], deadline=20)
    assert isinstance(outcome, Unreachable)
    assert "sudo is not installed" in outcome.reason
    assert channel.run(["id", "-u"], deadline=20, root=False).out == "65534"
    channel.close()


@needs_root
def test_with_sudo(new_sshd, programs):
    """The command is run by sudo, which must not ask; a sudo that refuses is said to, and is no failed command."""
    sudo = programs / "sudo"
    sudo.write_text('#!/bin/sh\necho "by sudo: $*"\n')
    sudo.chmod(0o755)
    channel = channel_to(new_sshd(config=f"{AS_NOBODY}\nSetEnv PATH={programs}:/usr/bin:/bin HOME=/nonexistent"))
    assert channel.run(["id", "-u"], deadline=20).out == "by sudo: -n -- id -u"
    sudo.write_text("#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n")
    outcome = channel.run(["id", "-u"], deadline=20)
    channel.close()
    assert isinstance(outcome, Unreachable)
    assert outcome.refused
    assert "NOPASSWD" in outcome.reason


def test_by_a_jump_host(sshd, new_sshd, tmp_path):
    """A host behind another is reached through it, each with its own key checked."""
    inner = new_sshd()
    inner.authorize(sshd.key)
    known = tmp_path / "both"
    known.write_text(sshd.known_hosts.read_text() + inner.known_hosts.read_text())
    jump = f"{sshd.user}@{sshd.host}:{sshd.port}"
    channel = channel_to(inner, keys=(sshd.key,), known_hosts=known, jump=jump)
    outcome = channel.run(["echo", "hi"], deadline=30)
    assert isinstance(outcome, Done)
    assert outcome.out == "hi"
    channel.close()
    found = refusal(channel_to(inner, keys=(sshd.key,), jump=jump))
    assert found.refused
    assert f"the jump host {jump}" in found.reason
    inner.kill()
    found = refusal(channel_to(inner, keys=(sshd.key,), known_hosts=known, jump=jump))
    assert f"did not reach {inner.host}:{inner.port}" in found.reason
    assert not found.refused


def test_by_a_jump_host_that_dies(sshd, new_sshd, tmp_path):
    """A jump host that freezes in mid-command costs the deadline; one that dies is noticed at once."""
    outer = new_sshd()
    outer.authorize(sshd.key)
    known = tmp_path / "both"
    known.write_text(sshd.known_hosts.read_text() + outer.known_hosts.read_text())
    jump = f"{outer.user}@{outer.host}:{outer.port}"
    channel = channel_to(sshd, known_hosts=known, jump=jump)
    assert isinstance(channel.run(["true"], deadline=30), Done)
    outer.freeze()
    begun = time.monotonic()
    outcome = channel.run(["true"], deadline=1)
    assert time.monotonic() - begun < 2
    assert isinstance(outcome, Unreachable | Unknown)
    outer.thaw()
    threading.Timer(1, outer.kill).start()
    outcome = channel.run(["sleep", "60"], deadline=60)
    assert isinstance(outcome, Unknown)
    assert outcome.took < 30
    channel.close()


def test_by_a_proxy_command(sshd):
    """A program can be the connection; when it fails, it is named, and none of it stays."""
    relay = (
        "exec 3<>/dev/tcp/127.0.0.1/{port}; cat <&3 & cat >&3; wait"  # bash's own network device
    ).replace("{port}", "%p")
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    channel = channel_to(sshd, proxy_command=f"bash -c '{relay}'")
    assert channel.run(["echo", "hi"], deadline=30).out == "hi"
    channel.close()
    found = refusal(channel_to(sshd, proxy_command="echo no way to %h; exit 1"))
    assert "did not say that it speaks SSH" in found.reason


def test_the_ssh_configuration(sshd, tmp_path):
    """An alias of ~/.ssh/config with an Include brings host, port, user, key and known hosts."""
    (tmp_path / "more").write_text(f"IdentityFile {sshd.key}\nUserKnownHostsFile {sshd.known_hosts}\n")
    config = tmp_path / "config"
    config.write_text(f"Host web\n  HostName {sshd.host}\n  Port {sshd.port}\n  User {sshd.user}\n  Include more\n")
    channel_type = type(channel_to(sshd))
    channel = channel_type("web1", "web", config=config, agent=False)
    outcome = channel.run(["echo", "hi"], deadline=20)
    channel.close()
    assert isinstance(outcome, Done)
    assert outcome.out == "hi"
