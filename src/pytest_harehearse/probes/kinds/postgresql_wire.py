# SPDX-License-Identifier: MIT
"""libpq on the running asyncio loop: open, ask, close.

psycopg's own AsyncConnection is not used here: when an attempt is cut off at its deadline it first asks the server to
cancel and waits up to ten seconds for it, and an open-loop meter needs the socket closed at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from psycopg import OperationalError, pq


async def _ready(fd: int, *, read: bool, write: bool) -> None:
    """Wait until the socket is ready; leaves nothing registered behind, also when cancelled."""
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not waiter.done():
            waiter.set_result(None)

    if read:
        loop.add_reader(fd, wake)
    if write:
        loop.add_writer(fd, wake)
    try:
        await waiter
    finally:
        if read:
            loop.remove_reader(fd)
        if write:
            loop.remove_writer(fd)


class WireError(Exception):
    """libpq gave up: connecting failed or the connection was lost; the text is libpq's."""


def _check(conn: pq.abc.PGconn, status: int) -> None:
    if conn.status == pq.ConnStatus.BAD or status == pq.PollingStatus.FAILED:
        raise WireError(conn.error_message.decode(errors="replace").strip())


async def open_session(conninfo: str) -> pq.abc.PGconn:
    """Open one new session; the socket is closed when this is cancelled.

    Raises:
        WireError: when it cannot be opened.
    """
    conn = pq.PGconn.connect_start(conninfo.encode())
    try:
        # libpq may go through several sockets (with TLS, without): the descriptor is asked for anew each time.
        status: int = pq.PollingStatus.WRITING
        while status != pq.PollingStatus.OK:
            _check(conn, status)
            await _ready(conn.socket, read=status == pq.PollingStatus.READING, write=status == pq.PollingStatus.WRITING)
            status = conn.connect_poll()
        conn.nonblocking = 1
    except BaseException:
        conn.finish()
        raise
    return conn


async def execute(conn: pq.abc.PGconn, sql: bytes, parameters: Sequence[bytes] = ()) -> pq.abc.PGresult:
    """Send one statement and return its result (an error of the server is a result too).

    Raises:
        WireError: when the connection was lost before the result came.
    """
    first: pq.abc.PGresult | None = None
    try:
        conn.send_query_params(sql, list(parameters))
        while conn.flush():
            await _ready(conn.socket, read=True, write=True)
            conn.consume_input()
        while True:
            while conn.is_busy():
                await _ready(conn.socket, read=True, write=False)
                conn.consume_input()
            result = conn.get_result()
            if result is None:
                break
            first = first or result
    except OperationalError as error:
        if first is None:
            raise WireError(str(error).strip()) from error
    if first is None:
        raise WireError(conn.error_message.decode(errors="replace").strip() or "the connection was lost")
    return first
