# SPDX-License-Identifier: MIT
"""The redactor: no known secret comes out, whatever goes in; what looks like a secret goes, what does not stays."""

from __future__ import annotations

import base64
import json
import shlex
import urllib.parse

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_harehearse.remote.redact import Redactor

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
SECRET = TEXT.filter(bool)
WRAPPED = {
    "plain": lambda s: s,
    "shell": shlex.quote,
    "shell in shell": lambda s: shlex.quote("x=" + shlex.quote(s)),
    "url": lambda s: urllib.parse.quote(s, safe=""),
    "form": urllib.parse.quote_plus,
    "json": json.dumps,
    "json, as it is": lambda s: json.dumps(s, ensure_ascii=False),
    "repr": repr,
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "urlsafe base64": lambda s: base64.urlsafe_b64encode(s.encode()).decode(),
    "hex": lambda s: s.encode().hex(),
}


@given(secrets=st.lists(SECRET, max_size=4), parts=st.lists(TEXT, max_size=6), data=st.data())
@example(secrets=["*"], parts=["a*b"], data=None)
@example(secrets=["***", "a***"], parts=["aaa***"], data=None)
@example(secrets=["AB", "x***y"], parts=["xABy"], data=None)
@example(secrets=["token=***"], parts=["token=abc"], data=None)
def test_no_known_secret_in_any_output(secrets, parts, data):
    """Whatever the text is made of, also of pieces of secrets that come together when one between them goes."""
    if data is not None and secrets:
        for secret in data.draw(st.lists(st.sampled_from(secrets), max_size=4)):
            parts.insert(data.draw(st.integers(0, len(parts))), secret)
            parts.insert(data.draw(st.integers(0, len(parts))), secret[: len(secret) // 2])
    shown = Redactor(secrets)("".join(parts))
    assert not [secret for secret in secrets if secret in shown]


@given(secret=SECRET, before=TEXT, after=TEXT, how=st.sampled_from(sorted(WRAPPED)))
def test_no_spelling_of_a_secret_in_any_output(secret, before, after, how):
    """Quoted for a shell, escaped for JSON or a URL, in base64: it is still the secret."""
    spelled = WRAPPED[how](secret)
    shown = Redactor([secret])(before + spelled + after)
    assert secret not in shown
    assert spelled not in shown


@given(secret=st.text(st.characters(exclude_categories=["Cs"]), min_size=12), user=TEXT, after=TEXT)
def test_no_secret_within_longer_base64(secret, user, after):
    """``Authorization: Basic`` holds user and password in one; the part that is the password's alone is taken out."""
    data = secret.encode()
    whole = base64.b64encode(user.encode() + data + after.encode()).decode()
    start = len(user.encode())
    inner = whole[(start * 8 + 5) // 6 : (start + len(data)) * 8 // 6]
    assert inner not in Redactor([secret])(whole)


@given(TEXT)
def test_is_the_same_twice(text):
    """A text that was redacted already is not changed again."""
    redact = Redactor(["s3cret"])
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "PGPASSWORD=hunter2 psql -h db",
        "env 'PGPASSWORD=hunter2 two' psql",
        "env 'PGPASSWORD=it'\"'\"'s hunter2' psql",
        'export DB_PASSWORD="hunter2"; x',
        "tool --password hunter2 --host db",
        "tool --password=hunter2 db",
        "tool --password 'hunter2 two' db",
        "mysql -u root -phunter2 db",
        "redis-cli -h db -a hunter2 ping",
        "sshpass -p hunter2 ssh n1",
        "curl -H 'Authorization: Bearer hunter2' http://n1/",
        "Authorization: Basic hunter2==",
        "psql postgresql://app:hunter2@db/app",
        "psql postgresql://app:hun@hunter2@db/app",
        '{"password": "hunter2", "user": "app"}',
        "{'api_key': 'hunter2'}",
        "X-Auth-Token: hunter2",
        "tool --token hunter2",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n-----END OPENSSH PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nhunter2\nhunter2",
    ],
)
def test_what_looks_like_a_secret_goes(text):
    """Also what nobody told us is one; the words around it stay."""
    shown = Redactor()(text)
    assert "hunter2" not in shown
    assert shown[:3] == text[:3]


@pytest.mark.parametrize(
    "text",
    [
        "corosync-cfgtool -s",
        "totem { token: 1000 }",
        "token=3000ms",
        "--token 5000",
        "crm_resource --move -r web --node web2",
        "ssh://ops@n1:22",
        "the password is required",
        "systemctl restart nginx",
    ],
)
def test_what_does_not_look_like_one_stays(text):
    """A report that is blank where it matters is of no use: corosync's token is a time."""
    assert Redactor(["s3cret"])(text) == text


def test_a_password_of_digits_is_one():
    """Only a token may be a time."""
    assert Redactor()("PGPASSWORD=123456 psql --password 123456") == "PGPASSWORD=*** psql --password ***"


def test_every_line_of_a_key_is_a_secret():
    """An event holds the first line of a script only; that must not be the first line of a key."""
    key = "-----BEGIN KEY-----\nAAAAB3NzaC1yc2E\nQyNTUxOQAAACBF\n-----END KEY-----\n"
    assert "QyNTUxOQAAACBF" not in Redactor([key])("echo QyNTUxOQAAACBF")


def test_empty_secrets_are_none():
    """A variable that is not set does not blank everything."""
    assert Redactor(["", ""])("as it was") == "as it was"
