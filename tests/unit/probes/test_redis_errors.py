# SPDX-License-Identifier: MIT
"""What an error reply of Redis or Valkey proves; the texts are those of the servers."""

from __future__ import annotations

import pytest

from pytest_harehearse.probes.attempts import Outcome
from pytest_harehearse.probes.kinds.redis_errors import certain, of_greeting, of_text


@pytest.mark.parametrize(
    ("text", "outcome", "sure"),
    [
        ("READONLY You can't write against a read only replica.", Outcome.READ_ONLY, True),
        ("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", Outcome.STALE, True),
        ("LOADING Valkey is loading the dataset in memory", Outcome.REFUSED, True),
        ("BUSY Valkey is busy running a script. You can only call SCRIPT KILL.", Outcome.REFUSED, True),
        ("NOREPLICAS Not enough good replicas to write.", Outcome.REFUSED, True),
        ("TRYAGAIN Multiple keys request during rehashing of slot", Outcome.REFUSED, True),
        ("CLUSTERDOWN The cluster is down", Outcome.REFUSED, True),
        ("ERR max number of clients reached", Outcome.REFUSED, True),
        ("NOAUTH Authentication required.", Outcome.MISCONFIGURED, True),
        ("WRONGPASS invalid username-password pair or user is disabled.", Outcome.MISCONFIGURED, True),
        ("NOPERM User reader has no permissions to run the 'rpush' command", Outcome.MISCONFIGURED, True),
        ("DENIED Running in protected mode", Outcome.MISCONFIGURED, True),
        ("MISCONF Errors writing to the AOF file: No space left on device", Outcome.ERROR, True),
        ("OOM command not allowed when used memory > 'maxmemory'.", Outcome.ERROR, True),
        ("MOVED 3999 127.0.0.1:6381", Outcome.ERROR, True),
        ("WRONGTYPE Operation against a key holding the wrong kind of value", Outcome.ERROR, True),
        ("ERR unknown command 'RPUSH'", Outcome.ERROR, True),
        ("ERR upstream timeout", Outcome.ERROR, False),
        ("BUSYKEY Target key name already exists.", Outcome.ERROR, False),
        ("", Outcome.ERROR, False),
    ],
)
def test_what_an_error_proves(text, outcome, sure):
    """A write is certainly not made only where the server refused it before it began."""
    assert (of_text(text), certain(text)) == (outcome, sure)


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("ERR DB index is out of range", Outcome.MISCONFIGURED),
        ("ERR AUTH <password> called without any password configured for the default user.", Outcome.MISCONFIGURED),
        ("ERR max number of clients reached", Outcome.REFUSED),
        ("LOADING Redis is loading the dataset in memory", Outcome.REFUSED),
        ("OOM command not allowed", Outcome.ERROR),
    ],
)
def test_what_an_error_to_the_login_proves(text, outcome):
    """There, an unspecific one says that the URL is wrong."""
    assert of_greeting(text) is outcome
