# SPDX-License-Identifier: MIT
"""The LXD that is there, or one of our own: what is told when neither can be had."""

from __future__ import annotations

import socket
import subprocess

import pytest

from pytest_harehearse.errors import LabError
from pytest_harehearse.labs.lxd import daemon


def listening(path):
    path.parent.mkdir(parents=True)
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()
    return server


def test_the_lxd_that_is_there_is_found(tmp_path, monkeypatch):
    """By LXD_DIR, as LXD's own tools find it; a socket that nobody listens on is none."""
    monkeypatch.setenv("LXD_DIR", str(tmp_path / "d"))
    assert daemon.existing() is None
    with listening(tmp_path / "d" / "unix.socket"):
        assert daemon.existing() == tmp_path / "d" / "unix.socket"
    assert daemon.existing() is None


def test_one_that_may_not_be_used_is_told(tmp_path, monkeypatch):
    """Not taken for none: a second LXD beside it would be the wrong answer."""
    monkeypatch.setenv("LXD_DIR", str(tmp_path))

    def refuse(self, address):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(daemon.sockets.socket, "connect", refuse, raising=False)
    with pytest.raises(LabError, match=r"LXD runs here, but you may not use it .*sudo adduser"):
        daemon.existing()


def test_without_root_nothing_is_started(monkeypatch):
    """Says both ways out."""
    monkeypatch.setattr(daemon.os, "geteuid", lambda: 1000)
    with pytest.raises(LabError, match=r"starting one needs root.*lxd init --minimal.*or create the lab as root"):
        daemon.require(print)


def test_what_is_missing_is_installed_and_said(monkeypatch):
    """As root on Debian, with the list of packages; they stay."""
    there, ran, said = set(), [], []
    monkeypatch.setattr(daemon.os, "geteuid", lambda: 0)
    monkeypatch.setattr(
        daemon.shutil, "which", lambda name, path=None: f"/bin/{name}" if name in {"apt-get", *there} else None
    )

    def run(command, **options):
        ran.append(command)
        if "install" in command:
            there.update(daemon.NEEDED)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(daemon.subprocess, "run", run)
    daemon.require(said.append)
    assert said == [
        "installing btrfs-progs, dnsmasq-base, lxd, mmdebstrap, nftables, zstd: they stay when the lab is removed"
    ]
    assert ran[1][-6:] == ["btrfs-progs", "dnsmasq-base", "lxd", "mmdebstrap", "nftables", "zstd"]
    ran.clear()
    daemon.require(said.append)
    assert (ran, len(said)) == ([], 1)


@pytest.mark.parametrize(
    ("apt", "result", "text"),
    [
        (False, None, "this machine has no apt-get to install them by"),
        (True, 100, "apt-get -q update ended with 100:\nno network"),
        (True, 0, "were installed, but their programs are not to be found"),
    ],
)
def test_an_installation_that_fails_is_told(monkeypatch, apt, result, text):
    """With what the installer said last."""
    monkeypatch.setattr(daemon.os, "geteuid", lambda: 0)
    monkeypatch.setattr(
        daemon.shutil, "which", lambda name, path=None: "/bin/apt-get" if apt and name == "apt-get" else None
    )
    monkeypatch.setattr(
        daemon.subprocess,
        "run",
        lambda command, **options: subprocess.CompletedProcess(command, result, "", "no network\n"),
    )
    with pytest.raises(LabError) as caught:
        daemon.require(print)
    assert text in str(caught.value)


def test_a_daemon_that_dies_is_told_with_its_log(tmp_path, monkeypatch):
    """Not waited for to the end, and what it said stands in the message."""
    program = tmp_path / "bin" / "lxd"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'Error: no room' >&2; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(daemon, "_program", lambda name: str(program))
    with pytest.raises(LabError, match="The LXD of the lab ended with 1:\nError: no room"):
        daemon.start(tmp_path / "own", print)
    daemon.end(tmp_path / "own")
    assert not (tmp_path / "own").exists()


def test_ending_what_is_not_there_does_nothing(tmp_path):
    """A second removal is no error."""
    daemon.end(tmp_path / "own" / "lab")
    assert not (tmp_path / "own").exists()
