# SPDX-License-Identifier: MIT
"""aiomysql on the running loop: open, ask, close; its errors sorted into those of the system and those of the server."""

from __future__ import annotations

import importlib
import socket
import struct
from typing import Any, Final

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.probes.attempts import Outcome
from pytest_harehearse.probes.kinds import mysql_errors as errors
from pytest_harehearse.probes.kinds.hosts import Host
from pytest_harehearse.probes.kinds.mysql_login import Login
from pytest_harehearse.probes.kinds.several import Said

try:
    # Neither has type hints.
    _aiomysql: Any = importlib.import_module("aiomysql")
    pymysql: Any = importlib.import_module("pymysql")
except ImportError as missing:
    raise ConfigError(
        "probes of MySQL and MariaDB need the library aiomysql, which is not installed; "
        'install it with: pip install "pytest-harehearse[mysql]"'
    ) from missing

#: What the library raises where the server's words make no sense.
_NONSENSE: Final = (struct.error, ValueError, IndexError, AssertionError)
_NO_TLS: Final = "the server offers no TLS; set it up there, or take tls=true out of the URL"


class ServerError(Exception):
    """The server's own error to a statement."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def number_of(error: Exception) -> tuple[int, str]:
    """Return number and text of the library's error; 0 where there is none."""
    arguments = error.args
    if len(arguments) >= 2 and isinstance(arguments[0], int):
        return arguments[0], str(arguments[1])
    return 0, str(arguments[0] if arguments else error)


def _sorted(error: Exception) -> Exception:
    """Return what really happened: an error of the system, the server's own, or no MySQL at all."""
    cause = error.__cause__
    if isinstance(cause, EOFError):
        return EOFError("the server closed the connection")
    if isinstance(cause, OSError):
        return cause
    code, text = number_of(error)
    if code == 0:
        return Said(Outcome.WRONG, f"no answer of a MySQL server: {text}")
    return EOFError(text) if errors.of_code(code, text) is Outcome.RESET else ServerError(code, text)


def _telling(failures: list[OSError]) -> OSError:
    """Return the most telling error of several addresses: that somebody answered "refused" tells more than no route."""
    return next((error for error in failures if isinstance(error, ConnectionRefusedError)), failures[0])


class _Connection(_aiomysql.Connection):  # type: ignore[misc]
    """A connection that is closed at once, and never logs in in the clear where TLS is asked for.

    The library's own says goodbye in TLS first and waits for the answer; and it does without TLS if the server does.
    """

    async def open(self) -> None:
        """Log in."""
        await self._connect()

    def close(self) -> None:
        """Close the socket."""
        if self._writer is not None:
            self._writer.transport.abort()
        super().close()

    async def _request_authentication(self) -> None:
        if self._ssl_context is not None and not self.server_capabilities & pymysql.constants.CLIENT.SSL:
            raise pymysql.OperationalError(pymysql.constants.CR.CR_SSL_CONNECTION_ERROR, _NO_TLS)
        await super()._request_authentication()

    def give_up_after(self, seconds: float) -> None:
        """Set after how long without an acknowledgement the system gives the connection up."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, max(1, round(seconds * 1000)))


async def _connect(host: Host, login: Login, *, writes: bool) -> _Connection:
    """Log in at the first of the host's addresses that takes a connection."""
    failures: list[OSError] = []
    # The library proves a certificate against the very host it connects to.
    addresses = [host.place.host] if login.tls else [address[0] for _, address in await host.place.resolve()]
    for address in addresses:
        conn = _Connection(
            host=address,
            port=host.place.port,
            user=login.user,
            password=login.password,
            db=login.database,
            ssl=login.tls,
            # Each write is a transaction of its own; a read leaves the session as the server has it.
            autocommit=True if writes else None,
            program_name="harehearse",
        )
        try:
            await conn.open()
        except pymysql.Error as error:
            found = _sorted(error)
            if not isinstance(found, OSError):
                raise found from error
            failures.append(found)
        except BaseException:
            conn.close()
            raise
        else:
            return conn
    raise _telling(failures)


class Client:
    """One open session."""

    def __init__(self, conn: _Connection) -> None:
        self._conn = conn

    @classmethod
    async def open(cls, host: Host, login: Login, *, writes: bool, user_timeout: float | None) -> Client:
        """Log in.

        Raises:
            Said: when the server does not let us in, or is none.
            OSError, EOFError: when there is no session.
        """
        try:
            conn = await _connect(host, login, writes=writes)
        except ServerError as error:
            raise Said(errors.of_code(error.code, str(error)), str(error)) from error
        except OSError:
            # Before the next line: a certificate that is not accepted is a ValueError, too.
            raise
        except _NONSENSE as error:
            raise Said(Outcome.WRONG, f"no answer of a MySQL server: {error}") from error
        except RuntimeError as error:
            # PyMySQL without the library for it, asked to log in with a key.
            raise Said(Outcome.MISCONFIGURED, str(error)) from error
        if user_timeout is not None:
            conn.give_up_after(user_timeout)
        return cls(conn)

    async def execute(self, statement: str) -> tuple[Any, ...] | None:
        """Send one statement and return its first row, if it has rows.

        Raises:
            ServerError: the server's own error; the session goes on.
            Said, OSError, EOFError: there is no session any more.
        """
        try:
            cursor = await self._conn.cursor()
            await cursor.execute(statement)
            row: tuple[Any, ...] | None = await cursor.fetchone()
            # The server's init_connect may have switched autocommit off behind the library's back.
            if self._conn.get_transaction_status():
                await self._conn.commit()
        except pymysql.Error as error:
            raise _sorted(error) from error
        except _NONSENSE as error:
            raise Said(Outcome.WRONG, f"no answer of a MySQL server: {error}") from error
        return row

    async def leave(self) -> None:
        """Say that we are done, which else is a warning in the server's log for each attempt, and close.

        Does not wait: so few bytes always fit.
        """
        try:
            await self._conn.ensure_closed()
        except OSError:
            self.close()

    def close(self) -> None:
        """Close the socket; a second call does nothing."""
        self._conn.close()
