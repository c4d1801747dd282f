# SPDX-License-Identifier: MIT
"""What of an inventory nobody may read in a report."""

from __future__ import annotations

import json

from pytest_harehearse.events import Noted, encode
from pytest_harehearse.inventory.load import load
from pytest_harehearse.remote.redact import known_only

FILE = """
history = "postgresql://team:${HISTORY_PASSWORD}@db/harehearse"
[environments.lab]
kind = "lab"
provider = "hosts"
[environments.lab.clusters.web]
manager = "pacemaker"
nodes = [{ name = "web1", url = "ssh://ops@${HOST_OF_WEB1}" }, { name = "web2", url = "ssh://ops@10.1.0.12" }]
group = "web"
[[environments.lab.clusters.web.services]]
name = "sql"
probe = "postgresql"
url = "postgresql://app:in%20the%20file@10.1.0.10/shop"
"""
ENVIRON = {"HISTORY_PASSWORD": "hunter2-of-history", "HOST_OF_WEB1": "web1.example.org"}


def test_passwords_and_variables_named_as_secrets(tmp_path):
    """Both spellings of a password in a URL; a host from the environment is none."""
    path = tmp_path / "harehearse.toml"
    path.write_text(FILE)
    found = load(path, ENVIRON)
    assert set(found.secrets) == {"hunter2-of-history", "in%20the%20file", "in the file"}
    assert "hunter2" not in repr(found)


def test_events_are_written_without_them():
    """In every text of an event, at any depth; the rest stays as it is."""
    clean = known_only(["hunter2-of-history"])
    line = encode(Noted(t=1.0, rehearsal="r1", text='he said "hunter2-of-history"'), clean)
    assert json.loads(line)["text"] == 'he said "***"'
    assert known_only([]) is None
