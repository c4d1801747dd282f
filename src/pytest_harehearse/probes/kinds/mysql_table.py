# SPDX-License-Identifier: MIT
"""The table of numbered writes on a MySQL or MariaDB service: made beforehand, read and cleared afterwards. Blocking."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from pytest_harehearse import units
from pytest_harehearse.errors import HarehearseError, Indeterminate
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.attempts import Outcome
from pytest_harehearse.probes.kinds import mysql_errors as errors
from pytest_harehearse.probes.kinds.hosts import Host
from pytest_harehearse.probes.kinds.mysql import CLAIM, writable
from pytest_harehearse.probes.kinds.mysql_client import number_of, pymysql
from pytest_harehearse.probes.kinds.mysql_login import TABLE, Login, login_of
from pytest_harehearse.probes.kinds.urls import hide

_CREATE: Final = (
    f"CREATE TABLE IF NOT EXISTS {TABLE} (id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, "
    "writer varchar(64) NOT NULL, n bigint NOT NULL, at timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), "
    "KEY (writer, n)) ENGINE=InnoDB"
)
_THERE: Final = f"SELECT 1 FROM {TABLE} LIMIT 0"  # noqa: S608 - a constant
_READ: Final = f"SELECT n, COUNT(*) FROM {TABLE} WHERE writer = %s GROUP BY n"  # noqa: S608 - a constant
_CLEAR: Final = f"DELETE FROM {TABLE} WHERE writer = %s"  # noqa: S608 - a constant
#: Whoever has one of these writes in spite of read_only.
_MIGHTY: Final = (
    "SELECT DISTINCT PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES "
    "WHERE PRIVILEGE_TYPE IN ('SUPER', 'READ_ONLY ADMIN', 'READ ONLY ADMIN', 'CONNECTION_ADMIN')"
)
#: Seconds that one host may take to let us in, and to answer a statement.
CONNECT_S: Final = 2
ANSWER_S: Final = 10
_AGAIN_S: Final = 0.2


def _rows(conn: Any, statement: str, *values: str) -> list[tuple[Any, ...]]:
    with conn.cursor() as cursor:
        cursor.execute(statement, values or None)
        return list(cursor.fetchall())


def _connect(login: Login, host: Host, ends: float) -> Any:
    left = max(0.1, ends - time.monotonic())
    return pymysql.connect(
        host=host.place.host,
        port=host.place.port,
        user=login.user,
        password=login.password,
        database=login.database,
        autocommit=True,
        connect_timeout=min(CONNECT_S, left),
        read_timeout=min(ANSWER_S, left),
        write_timeout=min(ANSWER_S, left),
        program_name="harehearse",
        **({"ssl": login.tls} if login.tls else {"ssl_disabled": True}),
    )


def _about(error: Exception, login: Login) -> str:
    text = number_of(error)[1]
    for secret in login.aim.secrets:
        text = text.replace(secret, "***")
    return text


Open = list[tuple[str, Any]]


def _look(login: Login, ends: float) -> tuple[Open, dict[str, str], bool]:
    """Ask every host once; return those that take writes, open, what the others said, and if all were set up wrongly."""
    takers: Open = []
    said: dict[str, str] = {}
    wrong = 0
    for host in login.aim.hosts:
        conn = None
        try:
            conn = _connect(login, host, ends)
            if writable(_rows(conn, CLAIM)[0][0]):
                takers.append((host.label, conn))
                continue
            said[host.label] = "read-only"
        except (pymysql.Error, RuntimeError, OSError) as error:
            said[host.label] = _about(error, login)
            code = number_of(error)[0]
            # RuntimeError: PyMySQL lacks the library for this login.
            wrong += isinstance(error, RuntimeError) or errors.of_code(code, "") is Outcome.MISCONFIGURED
        if conn is not None:
            conn.close()
    return takers, said, wrong == len(login.aim.hosts)


@contextlib.contextmanager
def _takers(login: Login, service: Service, within: float) -> Iterator[Open]:
    """Yield sessions on all hosts that take writes now; waits for one.

    Raises:
        Indeterminate: when none does in time.
    """
    ends = time.monotonic() + within
    while True:
        found, said, hopeless = _look(login, ends)
        if found or hopeless or time.monotonic() + _AGAIN_S >= ends:
            break
        time.sleep(_AGAIN_S)
    try:
        if not found:
            told = "; ".join(f"{label}: {text}" for label, text in said.items())
            raise Indeterminate(
                f"no host of {hide(service.url)} takes writes, waited at most {units.show(within)} ({told})"
            )
        yield found
    finally:
        for _, conn in found:
            with contextlib.suppress(pymysql.Error):
                conn.close()


def prepare(service: Service, within: float = 15.0) -> None:
    """Create the table of numbered writes unless it is there.

    Raises:
        HarehearseError: when it could not be; says why and what to do.
    """
    login = login_of(service)
    try:
        with _takers(login, service, within) as takers:
            conn = takers[0][1]
            try:
                _rows(conn, _THERE)
            except pymysql.ProgrammingError:
                _rows(conn, _CREATE)
                _rows(conn, _THERE)
            mighty = ", ".join(str(row[0]) for row in _rows(conn, _MIGHTY))
    except (pymysql.Error, Indeterminate) as error:
        raise HarehearseError(
            f"The table {TABLE} for the numbered writes of {service.name!r} could not be made ready: "
            f"{_about(error, login)}. The user of its URL must be let in and may CREATE, INSERT, SELECT and DELETE in "
            'that database; or ask it with mode = "read".'
        ) from error
    if mighty and len(login.aim.hosts) > 1:
        raise HarehearseError(
            f"The user {login.user!r} of {service.name!r} has the privilege {mighty}: it may write on a host that is "
            "read-only, and such a write would be acknowledged and lost. Name a user without it in the URL."
        )


def _numbers(conn: Any, writer: str) -> Counter[int]:
    return Counter({int(n): int(count) for n, count in _rows(conn, _READ, writer)})


def take(service: Service, writer: str, within: float) -> Counter[int]:
    """Return how often each number of this writer is present, and delete this writer's rows.

    Of a cluster in which every node takes writes (Galera), all must have the same numbers; they are waited for.

    Raises:
        Indeterminate: when the numbers cannot be read, or the hosts that take writes do not agree on them.
    """
    login = login_of(service)
    ends = time.monotonic() + within
    try:
        while True:
            with _takers(login, service, max(0.0, ends - time.monotonic())) as takers:
                found = [_numbers(conn, writer) for _, conn in takers]
                if all(numbers == found[0] for numbers in found):
                    # Rows that stay behind disturb nobody: a writer's id is never used again.
                    with contextlib.suppress(pymysql.Error):
                        _rows(takers[0][1], _CLEAR, writer)
                    return found[0]
                told = ", ".join(
                    f"{label} {numbers.total()}" for (label, _), numbers in zip(takers, found, strict=True)
                )
            if time.monotonic() + _AGAIN_S >= ends:
                raise Indeterminate(
                    f"{len(found)} hosts of {hide(service.url)} take writes and do not hold the same ones, waited at "
                    f"most {units.show(within)} (numbers held: {told})"
                )
            time.sleep(_AGAIN_S)
    except pymysql.Error as error:
        raise Indeterminate(_about(error, login)) from error
