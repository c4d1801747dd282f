# SPDX-License-Identifier: MIT
"""Secrets of the inventory and of the environment are in no byte that a run puts out, in whatever form."""

from __future__ import annotations

import base64
import json
import os
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_harehearse.remote.redact import Redactor

SERVICES = """
[[environments.lab.clusters.web.services]]
name = "database"
probe = "postgresql"
url = "postgresql://app:${{PLANTED_PASSWORD}}@127.0.0.1:{port}/shop"
every = "100ms"
[[environments.lab.clusters.web.services]]
name = "cache"
probe = "redis"
url = "redis://:${{PLANTED_PASSWORD}}@127.0.0.1:{port}/0"
every = "100ms"
[[environments.lab.clusters.web.services]]
name = "program"
probe = "command"
url = "command:false --password ${{PLANTED_PASSWORD}}"
every = "200ms"
"""
TESTS = '''
import os
import pytest

def test_watched(cluster, probes, rehearsal):
    """All of its services fail."""
    with probes.watch():
        cluster.switchover()
    rehearsal.note(f"the client said: password={os.environ['PLANTED_PASSWORD']} is wrong")

def test_an_error_that_tells(cluster, probes):
    """A client's error holds the URL that it was given."""
    url = f"postgresql://app:{os.environ['PLANTED_PASSWORD']}@127.0.0.1/shop"
    raise ConnectionError(f"could not connect to {url}")
'''
SECRET = "h0rse+Battery.Staple~9"


def forms(secret):
    """How a secret may stand in a file."""
    coded = [base64.b64encode(text.encode()).decode() for text in (secret, f":{secret}", f"app:{secret}")]
    return {
        secret,
        quote(secret, safe=""),
        quote(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret).replace("/", "\\/"),
        *coded,
    }


@pytest.fixture
def planted(static, monkeypatch):
    """The project of the in-memory lab, with services whose URLs hold a secret of the environment."""
    monkeypatch.setenv("PLANTED_PASSWORD", SECRET)
    file = static.path / "harehearse.toml"
    # Nobody listens on it: each attempt fails, and each failure is written down.
    file.write_text(file.read_text() + SERVICES.format(port=1))
    return static


def test_in_no_file_and_on_no_screen(planted):
    """The store, the terminal, JUnit's XML and Allure's results, byte by byte."""
    planted.makepyfile(TESTS)
    result = planted.runpytest_subprocess("-v", "--junitxml=out/junit.xml", "--alluredir=out/allure", timeout=170)
    said = result.stdout.str() + result.stderr.str()
    assert "test_watched" in said
    found = {}
    for folder in (".harehearse", "out"):
        for path in (planted.path / folder).rglob("*"):
            if path.is_file():
                found[str(path.relative_to(planted.path))] = path.read_bytes().decode("utf-8", "replace")
    assert len(found) > 10
    found["the screen"] = said
    leaks = {name: form for name, text in found.items() for form in forms(SECRET) if form in text}
    assert leaks == {}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="'\"`\\,;&|<>()[]{}"), min_size=6, max_size=24),
    st.sampled_from(
        [
            "postgresql://app:{}@db/shop", "password={}", "--password {}", "PGPASSWORD={}", "token: {}", "secret={}", "--token={}",
            "Authorization: Bearer {}",
        ]
    ),
)  # fmt: skip
def test_whatever_the_secret_it_is_blanked(secret, where):
    """In the places where commands and their answers carry one."""
    if "@" in secret or "/" in secret or ":" in secret or secret.startswith(("-", "*")) or "=" in secret:
        return
    blanked = Redactor()(where.format(secret) + " and more")
    assert secret not in blanked.replace("and more", "").replace(where.partition("{")[0], "") or secret in where
    assert os.environ.get("PLANTED_PASSWORD") is None
