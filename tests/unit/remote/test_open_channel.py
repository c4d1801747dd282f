# SPDX-License-Identifier: MIT
"""A node's URL and the channel it means; what is wrong is named, with what is valid, and never with a secret."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.inventory.model import Node
from pytest_harehearse.remote import open as opening
from pytest_harehearse.remote.base import Channel
from pytest_harehearse.remote.local import LocalChannel
from pytest_harehearse.remote.lxd import LxdChannel
from pytest_harehearse.remote.open import Defaults, open_channel
from pytest_harehearse.remote.openssh import OpenSshChannel

FOLDER = Path("/inventory")


def opened(url: str | None, **defaults):
    return open_channel(Node("n1", url), Defaults(folder=FOLDER, **defaults))


@pytest.fixture
def paramiko(monkeypatch):
    """What the paramiko transport would be made with."""
    name = "pytest_harehearse.remote.paramiko_channel"

    class Made:
        def __init__(self, node, host, **options):
            self.node, self.host, self.options = node, host, options

    module = types.ModuleType(name)
    module.ParamikoChannel = Made
    monkeypatch.setitem(sys.modules, name, module)
    return Made


@pytest.mark.parametrize(
    ("url", "host", "port", "user"),
    [
        ("n1.example", "n1.example", None, None),
        ("ops@n1", "n1", None, "ops"),
        ("n1:2222", "n1", 2222, None),
        ("ssh://ops@n1:2222", "n1", 2222, "ops"),
        ("paramiko://n1/", "n1", None, None),
        ("ssh://[fe80::1]:2222", "fe80::1", 2222, None),
        ("[::1]:2222", "::1", 2222, None),
        ("fe80::1", "fe80::1", None, None),
        ("ssh://d%40min@n1", "n1", None, "d@min"),
        ("SSH://Web1", "Web1", None, None),
    ],
)
def test_a_bare_host_and_ssh_mean_paramiko(paramiko, url, host, port, user):
    """Every way of writing user, host and port."""
    made = opened(url)
    assert isinstance(made, paramiko)
    assert (made.node, made.host, made.options["user"], made.options.get("port")) == ("n1", host, user, port)


def test_options_of_ssh(paramiko):
    """Paths are relative to the inventory's folder; keys may be several."""
    made = opened(
        "ssh://n1?key=a&key=/b&known_hosts=kh&pin=ssh-ed25519%20AAAA&jump=ops@gate:2200&agent=no&timeout=1500ms"
    )
    assert made.options["keys"] == (FOLDER / "a", Path("/b"))
    assert made.options["known_hosts"] == FOLDER / "kh"
    assert made.options["pinned"] == "ssh-ed25519 AAAA"
    assert made.options["jump"] == "ops@gate:2200"
    assert made.options["agent"] is False
    assert made.options["connect_timeout"] == 1.5


def test_defaults_hold_where_the_url_says_nothing(paramiko):
    """A lab knows its keys; a URL has the last word."""
    known = Path("/lab/known_hosts")
    made = opened("n1", user="root", keys=(Path("/lab/id"),), known_hosts=known)
    assert (made.options["user"], made.options["keys"], made.options["known_hosts"]) == (
        "root",
        (Path("/lab/id"),),
        known,
    )
    assert opened("ops@n1?key=x", user="root", keys=(Path("/lab/id"),)).options["keys"] == (FOLDER / "x",)


def test_what_the_transport_takes():
    """The options here are those that the paramiko transport really has."""
    made = open_channel(Node("n1", "ssh://ops@n1?key=a&agent=no&jump=gate&config=c"), Defaults(folder=FOLDER))
    assert isinstance(made, Channel)
    assert made.url.startswith("ssh://ops@n1")
    made.close()


def test_openssh():
    """What the system's ssh is told; nothing that weakens the check of host keys gets through."""
    channel = opened("openssh://ops@n1:2222?key=a%20b&known_hosts=100%25&jump=gate&option=GSSAPIAuthentication%3Dyes")
    assert isinstance(channel, OpenSshChannel)
    assert channel.url == "openssh://ops@n1:2222"
    target = channel._connections._target
    assert target.options == (
        f'-oIdentityFile="{FOLDER}/a b"', "-oIdentitiesOnly=yes", f'-oUserKnownHostsFile="{FOLDER}/100%%"',
        "-oProxyJump=gate", "-oGSSAPIAuthentication=yes",
    )  # fmt: skip
    line = opened("openssh://n1?option=StrictHostKeyChecking%3Dno")._connections._target.arguments(Path("/s"), 5.0)
    assert line.index("-oStrictHostKeyChecking=yes") < line.index("-oStrictHostKeyChecking=no")


def test_local_and_lxd():
    """This machine, and instances with and without a project."""
    assert isinstance(opened("local://"), LocalChannel)
    assert isinstance(opened("local://localhost"), LocalChannel)
    instance = opened("lxd://Web1", lxd_endpoint=Path("/s"), lxd_project="lab")
    assert isinstance(instance, LxdChannel)
    assert (instance.instance, instance.project, instance.endpoint) == ("Web1", "lab", "/s")
    instance = opened("lxd://lab2/web1?endpoint=unix.socket", lxd_project="lab")
    assert (instance.instance, instance.project, instance.endpoint) == ("web1", "lab2", "/inventory/unix.socket")


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        (None, ["has no URL", "ssh://ops@"]),
        ("sssh://n1", ["sssh://", "valid are: ssh, paramiko, openssh, local, lxd", "Did you mean 'ssh'?"]),
        ("telnet://n1", ["telnet://", "valid are"]),
        ("ssh://n1?known_host=x", ["'known_host'", "Did you mean 'known_hosts'?"]),
        ("openssh://n1?agent=no", ["'agent'", "valid are: key"]),
        ("local://?key=x", ["'key'", "takes none"]),
        ("local://n2", ["this machine", "ssh://n2"]),
        ("ssh://", ["names no host"]),
        ("ssh://-oProxyCommand=x", ["hyphen"]),
        ("openssh://-oProxyCommand=x", ["hyphen"]),
        ("ssh://n1:0", ["port 0"]),
        ("ssh://n1:99999", ["cannot be read"]),
        ("ssh://[::1", ["cannot be read"]),
        ("ssh://n1/path", ["has a path"]),
        ("ssh://n1#x", ["%23"]),
        ("ssh://n1?key=", ["without a value"]),
        ("ssh://n1?timeout=5", ["timeout='5'", "'30s'"]),
        ("ssh://n1?agent=maybe", ["yes or no"]),
        ("ssh://n1?pin=a&pin=b", ["2 times"]),
        ("ssh://n1?jump=a&proxy=b", ["both"]),
        ("openssh://n1?option=nonsense", ["option='nonsense'"]),
        ("lxd://", ["lxd://INSTANCE"]),
        ("lxd://a/b/c", ["lxd://INSTANCE"]),
        ("lxd://root@a", ["has a user"]),
    ],
)
def test_what_is_wrong_is_named_with_what_is_valid(paramiko, url, parts):
    """A typo is found when the inventory is read, not when the window opens."""
    with pytest.raises(ConfigError) as caught:
        opened(url)
    text = str(caught.value)
    assert "'n1'" in text
    assert [part for part in parts if part not in text] == []


@pytest.mark.parametrize(
    "url", ["ssh://ops:hunter2@n1", "ssh://n1?password=hunter2", "openssh://n1?PassPhrase=hunter2", "ssh://:hunter2@n1"]
)
def test_secrets_in_a_url_are_refused_with_the_reason(url):
    """They would end in process lists and reports; the message itself does not repeat them."""
    with pytest.raises(ConfigError, match="holds a secret") as caught:
        opened(url)
    assert "hunter2" not in str(caught.value)


def test_half_a_password_is_not_shown():
    """Where a password holds a slash, a part of it looks like a port."""
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        opened("ssh://ops:hunter2/x@n1")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_nothing_is_connected_by_opening():
    """Forty nodes are opened for a plan that touches two of them; nothing is started."""
    channel = opened("openssh://n1")
    assert channel._connections._masters == []
    assert opening.Defaults().connect_timeout == 5.0
