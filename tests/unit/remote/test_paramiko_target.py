# SPDX-License-Identifier: MIT
"""What the ssh configuration makes of a host, without any connection."""

from pathlib import Path

import pytest

from pytest_harehearse.remote.host_keys import HostKey
from pytest_harehearse.remote.paramiko_target import Asked, resolve
from pytest_harehearse.remote.paramiko_wire import ConnectError

KEY = HostKey("ssh-ed25519", b"\0\0\0\x0bssh-ed255191")


@pytest.fixture
def configured(tmp_path, monkeypatch):
    """Resolve with a configuration, in an empty home."""
    monkeypatch.setenv("HOME", str(tmp_path))

    def make(text, **asked):
        (tmp_path / "config").write_text(text)
        return resolve(Asked(**({"host": "web", "config": tmp_path / "config"} | asked)))

    return make


def test_without_a_configuration(monkeypatch, tmp_path):
    """Name, port 22, our own user, and the keys where keys usually lie."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOGNAME", "ops")
    for config in (None, tmp_path / "none"):
        found = resolve(Asked("web1", config=config))
        assert found.where == "ops@web1:22"
        assert found.usual_keys[0] == tmp_path / ".ssh/id_ed25519"


def test_an_alias(configured):
    """The configuration says what the caller did not; what the caller said wins."""
    text = "Host web\n HostName 10.0.0.1\n Port 2222\n User ops\n IdentityFile ~/key\nHost *\n User other\n"
    found = configured(text)
    assert found.where == "ops@10.0.0.1:2222"
    assert found.keys == (Path("~/key").expanduser(),)
    assert found.usual_keys == ()
    found = configured(text, user="root", port=22, keys=(Path("/k"),))
    assert (found.where, found.keys) == ("root@10.0.0.1:22", (Path("/k"),))


def test_includes(configured, tmp_path):
    """Included files count, by pattern, relative or from the home, where the line stands."""
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/1").write_text("User first\n")
    (tmp_path / "parts/2").write_text("User second\nPort 2\n")
    found = configured("Host web\n  Include parts/* none\n  Port 3\n")
    assert found.where == "first@web:2"
    assert configured("Include ~/parts/2\n").where == "second@web:2"


def test_a_configuration_that_includes_itself(configured):
    """It ends with a sentence instead of an endless read."""
    with pytest.raises(ConnectError, match="include itself"):
        configured("Include config\n")


@pytest.mark.parametrize("text", ["nonsense\n", "Host web\n Port many\n", "Match exec\n"])
def test_a_broken_configuration(configured, text):
    """It is refused with the reason, and not passed over."""
    with pytest.raises(ConnectError) as found:
        configured(text)
    assert found.value.refused


def test_known_hosts_files(configured, tmp_path):
    """The files of the configuration are looked into, by the alias if it sets one; the caller's file is the only one."""
    (tmp_path / "one").write_text(f"web1.example {KEY.line}\n")
    text = f"Host web\n HostName 10.0.0.1\n HostKeyAlias web1.example\n UserKnownHostsFile {tmp_path}/none {tmp_path}/one\n"
    found = configured(text)
    assert found.trusted.keys == (KEY,)
    assert found.known_hosts == tmp_path / "none"
    found = configured(text, known_hosts=tmp_path / "other")
    assert found.trusted.keys == ()
    assert found.known_hosts == tmp_path / "other"
    assert configured(text, pinned=KEY.line).trusted.is_pinned


def test_a_proxy_command(configured):
    """The tokens stand for where the connection goes in the end; none is pasted that a shell would act on."""
    text = "Host web\n HostName 10.0.0.1\n User ops\n ProxyCommand nc -x proxy %h %p # 100%% %r\n"
    assert configured(text, port=2222).proxy_command == "nc -x proxy 10.0.0.1 2222 # 100% ops"
    assert configured("Host web\n ProxyCommand none\n").proxy_command is None
    with pytest.raises(ConnectError, match="%k"):
        configured("ProxyCommand nc %k\n")


@pytest.mark.parametrize("name", ["web;id", "web$(id)", "-oProxyCommand=id", "web 1", "", "web\n1"])
def test_names_that_a_shell_would_act_on(name):
    """They are refused before they get anywhere."""
    with pytest.raises(ConnectError, match="is no host name"):
        resolve(Asked(name))
    with pytest.raises(ConnectError, match="is no user name"):
        resolve(Asked("web", user=name or ";"))


def test_jump_hosts(configured):
    """The last of the list is next to the host; each is looked up in the configuration, too."""
    found = configured("Host web\n ProxyJump a@one:1,two\nHost two\n HostName 10.0.0.2\n User b\n", keys=(Path("/k"),))
    assert found.jump is not None
    assert found.jump.where == "b@10.0.0.2:22"
    assert found.jump.keys == (Path("/k"),)
    assert found.jump.jump is not None
    assert found.jump.jump.where == "a@one:1"
    assert found.jump.jump.jump is None
    assert configured("Host web\n ProxyJump none\n").jump is None
    found = configured("Host web\n ProxyJump one\n", jump="ops@[::1]:2222")
    assert found.jump is not None
    assert found.jump.where == "ops@::1:2222"


def test_a_proxy_command_of_the_caller_replaces_a_jump_of_the_configuration(configured):
    """What the caller says about the way is the whole way."""
    found = configured("Host web\n ProxyJump one\n", proxy_command="nc %h %p")
    assert found.jump is None
    assert found.proxy_command == "nc web 22"


@pytest.mark.parametrize("jump", ["ops@:22", "one:port", "one:99999", "a,,b"])
def test_a_broken_jump_host(configured, jump):
    """It is refused with an example."""
    with pytest.raises(ConnectError):
        configured("", jump=jump)


def test_jump_hosts_in_a_circle(configured):
    """Hosts that lead to each other are noticed."""
    with pytest.raises(ConnectError, match="jump hosts"):
        configured("Host web\n ProxyJump two\nHost two\n ProxyJump web\n")


def test_a_pinned_key_that_is_none(configured):
    """A pinned line without a key is refused with an example, and does not mean that any key will do."""
    with pytest.raises(ConnectError, match="ssh-ed25519 AAAA"):
        configured("", pinned="hello")
