# SPDX-License-Identifier: MIT
"""What an error number of MySQL or MariaDB proves."""

from __future__ import annotations

import pytest

from pytest_harehearse.probes.attempts import Outcome
from pytest_harehearse.probes.kinds.mysql_errors import certain, of_code

READ_ONLY_OPTION = "The MariaDB server is running with the --read-only option so it cannot execute this statement"


@pytest.mark.parametrize(
    ("code", "text", "outcome", "sure"),
    [
        (1290, READ_ONLY_OPTION, Outcome.READ_ONLY, True),
        (1290, READ_ONLY_OPTION.replace("--read-only", "--super-read-only"), Outcome.READ_ONLY, True),
        (1290, READ_ONLY_OPTION.replace("--read-only", "--secure-file-priv"), Outcome.ERROR, True),
        (1036, "Table 'harehearse_writes' is read only", Outcome.READ_ONLY, True),
        (1792, "Cannot execute statement in a READ ONLY transaction", Outcome.READ_ONLY, True),
        (1836, "Running in read-only mode", Outcome.READ_ONLY, True),
        (1044, "Access denied for user", Outcome.MISCONFIGURED, True),
        (1045, "Access denied for user", Outcome.MISCONFIGURED, True),
        (1049, "Unknown database", Outcome.MISCONFIGURED, True),
        (1146, "Table 'app.harehearse_writes' doesn't exist", Outcome.MISCONFIGURED, True),
        (1040, "Too many connections", Outcome.REFUSED, True),
        (1129, "Host is blocked because of many connection errors", Outcome.REFUSED, True),
        (1047, "WSREP has not yet prepared node for application use", Outcome.REFUSED, True),
        (1053, "Server shutdown in progress", Outcome.REFUSED, False),
        (1180, "Got error 5 during COMMIT", Outcome.ERROR, False),
        (1317, "Query execution was interrupted", Outcome.ERROR, False),
        (1205, "Lock wait timeout exceeded", Outcome.ERROR, True),
        (1213, "Deadlock found when trying to get lock", Outcome.ERROR, True),
        (1927, "Connection was killed", Outcome.RESET, False),
        (2006, "MySQL server has gone away", Outcome.RESET, False),
        (2013, "Lost connection to MySQL server during query", Outcome.RESET, False),
        (1105, "Unknown error", Outcome.ERROR, False),
        (0, "", Outcome.ERROR, False),
    ],
)
def test_what_an_error_proves(code, text, outcome, sure):
    """A write is certainly not made only where it was refused before it began, or rolled back as a whole."""
    assert (of_code(code, text), certain(code)) == (outcome, sure)
