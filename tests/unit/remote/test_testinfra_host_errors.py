# SPDX-License-Identifier: MIT
"""testinfra over a channel: what was not answered is an error with node, command and deadline, never a result."""

# A fake has the names of the contract, whether it uses them or not.

from __future__ import annotations

import pytest

from pytest_harehearse import errors
from pytest_harehearse.remote.base import Done, Script, Unknown, Unreachable
from pytest_harehearse.remote.testinfra_host import host


class FakeChannel:
    url = "ssh://ops@n1"
    node = "n1"

    def __init__(self, outcome) -> None:
        self.outcome = outcome
        self.asked = []

    def run(self, command, *, deadline, stdin=b"", root=True):
        self.asked.append((command, deadline, root))
        return self.outcome


def test_a_command_goes_through_with_its_deadline_and_quoted_arguments():
    """Arguments are quoted into testinfra's line; the user is the channel's own."""
    channel = FakeChannel(Done(3, b"out\n", b"err\n"))
    result = host(channel, deadline=7.0).run("ls -l -- %s %s", "/;echo inject", "it's")
    assert (result.rc, result.stdout, result.stderr) == (3, "out\n", "err\n")
    assert channel.asked == [(Script("ls -l -- '/;echo inject' 'it'\"'\"'s'"), 7.0, False)]


@pytest.mark.parametrize(
    ("outcome", "error"),
    [(Unreachable("no route"), errors.Unreachable), (Unknown("connection lost"), errors.Indeterminate)],
)
@pytest.mark.parametrize(
    "ask",
    [
        lambda host: host.run("systemctl is-active nginx"),
        lambda host: host.file("/etc/hosts").exists,
        lambda host: host.service("nginx").is_running,
        lambda host: host.package("nginx").is_installed,
        lambda host: host.check_output("id"),
        lambda host: host.exists("id"),
    ],
)
def test_what_was_not_answered_is_an_error(outcome, error, ask):
    """A service whose host is off is neither running nor stopped: "not running" would be a lie that passes a test."""
    with pytest.raises(error) as caught:
        ask(host(FakeChannel(outcome), deadline=7.0))
    assert not isinstance(caught.value, AssertionError)
    text = str(caught.value)
    assert [part for part in ("n1", "`", "7.00 s", outcome.reason) if part not in text] == []


def test_sudo_never_asks_for_a_password():
    """host.sudo() as testinfra's modules use it, nested too."""
    channel = FakeChannel(Done(0))
    found = host(channel)
    with found.sudo():
        found.run("id -u")
        with found.sudo("www-data"):
            found.run("id -u")
    found.run("id -u")
    root, other, plain = (command.text for command, _, _ in channel.asked)
    assert "sudo -n -- /bin/sh -c 'id -u'" in root
    assert "sudo -n -u www-data" in other
    assert plain == "id -u"


def test_bytes_that_are_no_utf_8_break_nothing():
    """A file name from another decade, and no extra command to learn the encoding."""
    channel = FakeChannel(Done(0, b"\xff ok\n"))
    assert host(channel).run("ls").stdout == "\N{REPLACEMENT CHARACTER} ok\n"
    assert len(channel.asked) == 1


def test_a_host_says_whose_it_is():
    """In test ids and messages."""
    found = host(FakeChannel(Done(0)))
    assert found.backend.get_pytest_id() == "harehearse://n1"
    assert found.backend.get_hostname() == "n1"
