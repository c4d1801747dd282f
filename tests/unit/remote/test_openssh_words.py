# SPDX-License-Identifier: MIT
"""What ssh says when it cannot connect: whether waiting helps, and the commands that do."""

from __future__ import annotations

import pytest

from pytest_harehearse.remote.openssh_words import refusal

CHANGED = (
    "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @ IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY! Offending "
    "ED25519 key in known_hosts:1 Host key for n1 has changed and you have requested strict checking. Host key verification "
    "failed."
)
UNKNOWN = "No ED25519 host key is known for n1 and you have requested strict checking. Host key verification failed."


@pytest.mark.parametrize(
    ("words", "refused", "parts"),
    [
        (UNKNOWN, True, ["is not known", "ssh-keyscan -p 2222 n1 >> ~/.ssh/known_hosts", "ssh-keygen -lf"]),
        (CHANGED, True, ["not the one that is known", "ssh-keygen -R '[n1]:2222'", "ssh-keyscan -p 2222 n1 >>"]),
        ("root@n1: Permission denied (publickey).", True, ["accepts no key", "ssh -v -p 2222 n1 true"]),
        ("Received disconnect: Too many authentication failures", True, ["accepts no key"]),
        ("Unable to negotiate with n1 port 22: no matching host key type found.", True, ["do not go together"]),
        ("", True, ["forced command"]),
        ("ssh: connect to host n1 port 2222: Connection refused", False, ["Connection refused"]),
        ("ssh: Could not resolve hostname n1: Name or service not known", False, ["resolve"]),
        ("kex_exchange_identification: Connection closed by remote host", False, ["closed by remote host"]),
    ],
)
def test_says_what_to_do_and_whether_waiting_helps(words, refused, parts):
    """A host that boots is waited for; a key that is wrong is not."""
    outcome = refusal("n1", 2222, "openssh://ops@n1:2222", words, 0.1)
    assert outcome.refused is refused
    assert outcome.reason.startswith("openssh://ops@n1:2222: ")
    assert [part for part in parts if part not in outcome.reason] == []
