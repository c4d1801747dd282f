# SPDX-License-Identifier: MIT
"""Which host keys are trusted, and what the sentence says when one is not."""

import base64
import hashlib
import hmac
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.remote.host_keys import HostKey, Trusted, key_of, known, known_name, objection, pinned


def key(kind="ssh-ed25519", rest=b"1"):
    return HostKey(kind, len(kind).to_bytes(4, "big") + kind.encode() + rest)


ONE, TWO, RSA = key(), key(rest=b"2"), key("ssh-rsa")


def asked(tmp_path, text, host="web1", port=22):
    file = tmp_path / "known_hosts"
    file.write_text(text)
    return known([file], known_name(host, port))


@given(st.binary(max_size=64))
def test_a_key_is_read_as_it_is_written(rest):
    """The line of a key is the key, with or without host names and a comment around it."""
    wanted = key(rest=rest)
    assert key_of(wanted.line) == wanted
    assert key_of(f"web1,10.0.0.1 {wanted.line} root@web1") == wanted


@pytest.mark.parametrize(
    "line", ["", "ssh-ed25519", "hello world", "ssh-ed25519 AAAA!", f"ssh-rsa {ONE.line.split()[1]}"]
)
def test_a_line_without_a_key_is_refused(line):
    """A cut or mixed-up line is an error with an example, and no key."""
    with pytest.raises(ValueError, match="host key"):
        key_of(line)


def test_the_fingerprint_is_that_of_ssh_keygen(tmp_path):
    """People compare it with what ssh-keygen shows, so it must look the same."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed")
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", path], check=True, stdin=subprocess.DEVNULL)
    found = key_of(path.with_suffix(".pub").read_text())
    shown = subprocess.run(["ssh-keygen", "-lf", path], check=True, capture_output=True, text=True).stdout
    assert found.fingerprint in shown.split()
    assert found.family == "ecdsa"


@pytest.mark.parametrize(
    ("names", "host", "port", "found"),
    [
        ("web1", "web1", 22, True),
        ("WEB1", "Web1", 22, True),
        ("db1,web1,10.0.0.1", "10.0.0.1", 22, True),
        ("web1", "web10", 22, False),
        ("web1", "web1", 2222, False),
        ("[web1]:2222", "web1", 2222, True),
        ("[web1]:2222", "web1", 22, False),
        ("web*", "web10", 22, True),
        ("web?", "web10", 22, False),
        ("*,!web1", "web1", 22, False),
        ("!web1,*", "web2", 22, True),
        ("w.b1", "web1", 22, False),
    ],
)
def test_names_of_a_line(tmp_path, names, host, port, found):
    """Names, ports, patterns and exceptions mean what they mean to ssh."""
    assert asked(tmp_path, f"{names} {ONE.line}\n", host, port).keys == ((ONE,) if found else ())


def test_hashed_names(tmp_path):
    """A hashed line is found by the name that it hides."""
    salt = b"salt of the test...."
    digest = hmac.new(salt, b"[web1]:2222", hashlib.sha1).digest()
    line = f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()} {ONE.line}\n"
    assert asked(tmp_path, line, "web1", 2222).keys == (ONE,)
    assert asked(tmp_path, line, "web2", 2222).keys == ()
    assert asked(tmp_path, f"|1|%%%|abc {ONE.line}\n").keys == ()


def test_comments_markers_and_broken_lines(tmp_path):
    """Revoked keys and authorities are no trusted keys; a line about the host that cannot be read is named."""
    text = f"# {ONE.line}\n\n@revoked web1 {TWO.line}\n@cert-authority * {RSA.line}\nweb1 ssh-ed25519 AAA\nweb1 {ONE.line}\n"
    found = asked(tmp_path, text)
    assert found == Trusted((ONE,), (TWO,), by_authority=True, unreadable=("known_hosts:5",))


def test_no_file(tmp_path):
    """A file that is not there knows nothing, and is no error."""
    assert known([tmp_path / "none"], "web1") == Trusted()


def said(shown, trusted, **more):
    reason = objection(shown, trusted, host="web1", port=more.pop("port", 22), **more)
    assert reason is not None
    return reason


def test_a_known_key_is_no_objection():
    """One of several known keys is enough."""
    assert objection(ONE, Trusted((RSA, ONE)), host="web1", port=22) is None
    assert objection(ONE, pinned(ONE.line), host="web1", port=22) is None


def test_a_revoked_key_is_refused_even_if_known():
    """Revoked wins over known."""
    assert "revoked" in said(ONE, Trusted((ONE,), (ONE,)))


def test_what_to_do_about_an_unknown_host(tmp_path):
    """The sentence has the fingerprint, where to compare it, and the command that pins it."""
    reason = said(ONE, Trusted())
    assert ONE.fingerprint in reason
    assert "/etc/ssh/ssh_host_ed25519_key.pub" in reason
    assert reason.endswith("`ssh-keyscan -t ed25519 web1 >> ~/.ssh/known_hosts`")
    reason = said(ONE, Trusted(), port=2222, file=tmp_path / "my hosts", by="ops@jump")
    assert reason.endswith(f"`ssh ops@jump ssh-keyscan -t ed25519 -p 2222 web1 >> '{tmp_path}/my hosts'`")


def test_what_to_do_about_a_changed_key():
    """A changed key is called one, and the old one has to go first."""
    reason = said(TWO, Trusted((ONE,)), port=2222)
    assert ONE.fingerprint in reason
    assert TWO.fingerprint in reason
    assert reason.index("ssh-keygen -R '[web1]:2222'") < reason.index("ssh-keyscan")


def test_what_to_do_about_another_pinned_key():
    """A pinned key does not stand in known_hosts, so the sentence gives the line to pin instead."""
    reason = said(TWO, pinned(ONE.line))
    assert TWO.line in reason
    assert "ssh-keyscan" not in reason


def test_what_else_is_known_is_said():
    """Another kind of key, an authority and a broken line all explain why a host seems to be unknown."""
    reason = said(ONE, Trusted((RSA,), by_authority=True, unreadable=("known_hosts:5",)))
    for part in ("is not known", RSA.fingerprint, "certificate authority", "known_hosts:5"):
        assert part in reason
