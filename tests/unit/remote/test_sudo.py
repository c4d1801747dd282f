# SPDX-License-Identifier: MIT
"""sudo: what it says when it refuses is told apart from what a command says."""

from __future__ import annotations

import pytest

from pytest_harehearse.remote import sudo
from pytest_harehearse.remote.base import Done, Unknown, Unreachable


def refused(stderr: str, rc: int = 1) -> Done:
    return Done(rc, b"", stderr.encode())


@pytest.mark.parametrize(
    ("said", "word"),
    [
        (refused("sudo: a password is required\n"), "NOPASSWD"),
        (
            refused("sudo: unable to resolve host n1: Name or service not known\nsudo: a password is required\n"),
            "NOPASSWD",
        ),
        (refused("sudo: a terminal is required to read the password; either use -S\n"), "NOPASSWD"),
        (refused("ops is not in the sudoers file.  This incident will be reported.\n"), "NOPASSWD"),
        (refused("ops is not in the sudoers file.\n"), "NOPASSWD"),
        (refused("Sorry, user ops is not allowed to execute '/bin/id' as root on n1.\n"), "NOPASSWD"),
        (refused("Sorry, user ops may not run sudo on n1.\n"), "NOPASSWD"),
        (refused("sudo: sorry, you must have a tty to run sudo\n"), "requiretty"),
        (refused("env: ‘sudo’: No such file or directory\n", 127), "install"),
        (refused("bash: line 1: sudo: command not found\n", 127), "install"),
        (refused("sh: 1: sudo: not found\n", 127), "install"),
    ],
)
def test_a_refusal_says_what_to_do(said, word):
    """Each way sudo refuses is known, with the line to add."""
    reason = sudo.problem(said)
    assert reason is not None
    assert word in reason


@pytest.mark.parametrize(
    "said",
    [
        Done(0, b"", b"sudo: a password is required\n"),
        Done(1, b"some output", b"sudo: a password is required\n"),
        Done(2, b"", b"sudo: a password is required\n"),
        refused("grep: sudo: a password is required: no\n"),
        refused("sudo: frobnicate: command not found\n"),
        refused(""),
        Unknown("lost"),
        Unreachable("off"),
    ],
)
def test_what_a_command_says_is_its_own(said):
    """A command that ran, failed or is not there is no fault of sudo."""
    assert sudo.problem(said) is None


def test_a_refusal_is_no_answer_of_the_command():
    """grep's status 1 means "not there"; sudo's means that grep was not asked."""
    judged = sudo.judged(refused("sudo: a password is required\n"), "ssh://ops@n1")
    assert isinstance(judged, Unreachable)
    assert judged.refused
    assert "ssh://ops@n1" in judged.reason
    asked_itself = refused("sudo: a password is required\n")
    assert sudo.judged(asked_itself, "ssh://ops@n1", by_sudo=False) is asked_itself


def test_never_asks():
    """Nobody is there to type a password; and the command cannot be taken for an option of sudo."""
    line = sudo.as_root(["-l"])
    assert line[-3:] == ["-n", "--", "-l"]
