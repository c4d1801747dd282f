# SPDX-License-Identifier: MIT
"""testinfra's modules over our channels to a real host: what they say is what the machine itself says."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_harehearse import errors
from pytest_harehearse.remote.local import LocalChannel
from pytest_harehearse.remote.openssh import OpenSshChannel
from pytest_harehearse.remote.paramiko_channel import ParamikoChannel
from pytest_harehearse.remote.testinfra_host import host


def by_openssh(server):
    options = (
        "-F",
        "none",
        f"-oIdentityFile={server.key}",
        "-oIdentitiesOnly=yes",
        f"-oUserKnownHostsFile={server.known_hosts}",
    )
    return OpenSshChannel("n1", server.host, port=server.port, user=server.user, options=options)


def by_paramiko(server):
    return ParamikoChannel(
        "n1",
        server.host,
        port=server.port,
        user=server.user,
        keys=(server.key,),
        known_hosts=server.known_hosts,
        agent=False,
    )


@pytest.fixture(scope="module", params=["local", "openssh", "paramiko"])
def here(request):
    """This machine as testinfra's host, by each transport."""
    if request.param == "local":
        channel = LocalChannel("n1")
    else:
        server = request.getfixturevalue("sshd")
        channel = {"openssh": by_openssh, "paramiko": by_paramiko}[request.param](server)
    yield host(channel)
    channel.close()


def test_file(here, tmp_path):
    """Content, size, mode, owner, kind; odd names."""
    path = tmp_path / "a 'b' $c"
    path.write_text("ünï\n")
    path.chmod(0o640)
    (tmp_path / "link").symlink_to(path)
    file = here.file(str(path))
    assert file.exists
    assert file.is_file
    assert not file.is_directory
    assert file.content_string == "ünï\n"
    assert file.content == path.read_bytes()
    assert file.contains("n")
    assert file.size == path.stat().st_size
    assert file.mode == 0o640
    assert file.user == pwd.getpwuid(os.getuid()).pw_name
    assert here.file(str(tmp_path / "link")).linked_to == str(path)
    assert not here.file(str(tmp_path / "none")).exists
    assert "link" in here.file(str(tmp_path)).listdir()


def test_package(here):
    """Of this machine's own package manager."""
    if not Path("/usr/bin/dpkg-query").exists():
        pytest.skip("no Debian")
    package = here.package("dpkg")
    assert package.is_installed
    assert package.version == subprocess.check_output(["dpkg-query", "-Wf", "${Version}", "dpkg"], text=True)
    assert not here.package("no-such-package").is_installed


def test_service(here):
    """No such service is neither there nor running, and no error."""
    service = here.service("no-such-service")
    assert not service.is_running


def test_process(here):
    """Found by its arguments; the frame around our commands does not spoil ``ps``."""
    marked = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "testinfra-marked"])
    try:
        found = [process for process in here.process.filter() if "testinfra-marked" in process.args]
        assert marked.pid in [process.pid for process in found]
        assert here.process.get(pid=marked.pid).ppid == os.getpid()
    finally:
        marked.kill()
        marked.wait(20)


def test_interface(here):
    """The loopback has its address."""
    if not here.exists("ip"):
        pytest.skip("no iproute2 here")
    interface = here.interface("lo")
    assert interface.exists
    assert "127.0.0.1" in interface.addresses
    assert not here.interface("none9").exists


def test_sysctl(here):
    """A number is a number."""
    if not here.exists("sysctl"):
        pytest.skip("no sysctl here")
    assert here.sysctl("kernel.pid_max") == int(Path("/proc/sys/kernel/pid_max").read_text())


def test_systeminfo(here):
    """As the machine itself says."""
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    assert here.system_info.type == "linux"
    assert here.system_info.distribution == release["ID"].strip('"')
    assert here.system_info.arch == os.uname().machine


def test_user(here):
    """The user of the channel, and one who is not there."""
    me = pwd.getpwuid(os.getuid())
    assert here.user().name == me.pw_name
    assert here.user(me.pw_name).uid == me.pw_uid
    assert here.user(me.pw_name).home == me.pw_dir
    assert here.user("root").exists
    assert not here.user("no-such-user").exists


def test_socket_and_addr(here):
    """Modules that parse more."""
    if not (here.exists("ss") or here.exists("netstat")):
        pytest.skip("neither ss nor netstat here")
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert here.socket(f"tcp://127.0.0.1:{server.getsockname()[1]}").is_listening


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_sudo_to_another_user_and_back(here):
    """By sudo, or by runuser where there is none."""
    assert here.check_output("id -u") == "0"
    with here.sudo("nobody"):
        assert here.check_output("id -un") == "nobody"
        assert here.user().name == "nobody"
    with here.sudo():
        assert here.check_output("id -u") == "0"
    assert here.user().name == "root"


@pytest.mark.parametrize("by", [by_openssh, by_paramiko])
def test_a_host_that_is_down_is_an_error_and_not_an_absent_file(new_sshd, by):
    """The difference between "nothing there" and "nobody there"."""
    server = new_sshd()
    server.kill()
    channel = by(server)
    try:
        with pytest.raises(errors.Unreachable, match="n1"):
            assert host(channel, deadline=5.0).file("/etc/hosts").exists
    finally:
        channel.close()


@pytest.mark.parametrize("by", [by_openssh, by_paramiko])
def test_a_host_that_freezes_is_an_error_in_time(new_sshd, by):
    """testinfra itself would wait for ever."""
    server = new_sshd()
    channel = by(server)
    try:
        found = host(channel, deadline=2.0)
        assert found.file("/etc/hosts").exists
        server.freeze()
        with pytest.raises(errors.Indeterminate, match=r"2\.00 s"):
            found.file("/etc/hosts").exists  # noqa: B018
        server.thaw()
    finally:
        channel.close()
