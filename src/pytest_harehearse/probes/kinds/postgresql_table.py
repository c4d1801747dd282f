# SPDX-License-Identifier: MIT
"""The table of numbered writes on a PostgreSQL service: made beforehand, read and cleared afterwards. Blocking."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import psycopg

from pytest_harehearse import units
from pytest_harehearse.errors import HarehearseError, Indeterminate
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.attempts import Outcome
from pytest_harehearse.probes.kinds import postgresql_errors as errors
from pytest_harehearse.probes.kinds.postgresql_hosts import Target, target
from pytest_harehearse.probes.kinds.urls import hide

_TABLE: Final = (
    "CREATE SCHEMA IF NOT EXISTS harehearse",
    "CREATE TABLE IF NOT EXISTS harehearse.writes (writer text, n bigint, at timestamptz DEFAULT clock_timestamp())",
)
#: Seconds that one host may take to let us in, and to answer a statement.
CONNECT_S: Final = 2
STATEMENT_S: Final = 10

Connection = psycopg.Connection[tuple[Any, ...]]


def _look(aim: Target, ends: float) -> tuple[list[tuple[str, Connection]], list[str]]:
    """Ask every host once; return those that take writes, open, and what the others said."""
    open_ones: list[tuple[str, Connection]] = []
    said = []
    for host in aim.hosts:
        statement = max(1, int(min(STATEMENT_S, ends - time.monotonic()) * 1000))
        try:
            conn: Connection = psycopg.connect(
                aim.conninfo(host), autocommit=True, connect_timeout=CONNECT_S, options=_options(aim, statement)
            )
        except psycopg.Error as error:
            said.append(f"{host.label}: {errors.short(str(error))}")
            continue
        try:
            row = conn.execute(
                "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on'"
            ).fetchone()
        except psycopg.Error as error:
            said.append(f"{host.label}: {errors.short(str(error))}")
            conn.close()
            continue
        if row is None or row[0]:
            said.append(f"{host.label}: read-only")
            conn.close()
        else:
            open_ones.append((host.label, conn))
    return open_ones, said


def _options(aim: Target, statement_ms: int) -> str:
    return f"{aim.common.get('options', '')} -c statement_timeout={statement_ms}".strip()


@contextlib.contextmanager
def _primary(service: Service, within: float) -> Iterator[Connection]:
    """Yield a connection to the one host that takes writes now; waits for it.

    Raises:
        Indeterminate: when none does in time, or more than one does.
    """
    aim = target(service)
    ends = time.monotonic() + within
    while True:
        found, said = _look(aim, ends)
        if (
            found
            or time.monotonic() + 0.2 >= ends
            or all(errors.of_text(text) is Outcome.MISCONFIGURED for text in said)
        ):
            break
        time.sleep(0.2)
    try:
        if not found:
            raise Indeterminate(
                f"no host of {hide(service.url)} takes writes, waited at most {units.show(within)} ({'; '.join(said)})"
            )
        if len(found) > 1:
            names = ", ".join(label for label, _ in found)
            raise Indeterminate(f"{len(found)} hosts of {hide(service.url)} take writes at once ({names})")
        yield found[0][1]
    finally:
        for _, conn in found:
            conn.close()


def _plain(error: psycopg.Error, service: Service) -> str:
    text = errors.short(str(error)) or type(error).__name__
    password = target(service).password
    return text.replace(password, "***") if password else text


def prepare(service: Service, within: float = 15.0) -> None:
    """Create the table of numbered writes unless it is there.

    Raises:
        HarehearseError: when it could not be; says why and what to do.
    """
    try:
        with _primary(service, within) as conn:
            for statement in _TABLE:
                # Two who create at the same instant: one gets a unique violation, and the table is there.
                with contextlib.suppress(psycopg.errors.UniqueViolation, psycopg.errors.DuplicateTable):
                    conn.execute(statement)
            conn.execute("SELECT 1 FROM harehearse.writes LIMIT 0")
    except (psycopg.Error, Indeterminate) as error:
        why = _plain(error, service) if isinstance(error, psycopg.Error) else str(error)
        raise HarehearseError(
            f"The table harehearse.writes for the numbered writes of {service.name!r} could not be made ready: {why}. "
            'The user of its URL must be let in and may CREATE in that database; or ask it with mode = "read".'
        ) from error


def take(service: Service, writer: str, within: float) -> Counter[int]:
    """Return how often each number of this writer is present, and delete this writer's rows.

    Raises:
        Indeterminate: when the numbers cannot be read, or it is not certain which host tells the truth.
    """
    try:
        with _primary(service, within) as conn:
            rows = conn.execute(
                "SELECT n, count(*) FROM harehearse.writes WHERE writer = %s GROUP BY n", (writer,)
            ).fetchall()
            present = Counter({int(n): int(count) for n, count in rows})
            # Rows that stay behind disturb nobody: a writer's id is never used again, and the numbers are sound.
            with contextlib.suppress(psycopg.Error):
                conn.execute("DELETE FROM harehearse.writes WHERE writer = %s", (writer,))
            return present
    except psycopg.Error as error:
        raise Indeterminate(_plain(error, service)) from error
