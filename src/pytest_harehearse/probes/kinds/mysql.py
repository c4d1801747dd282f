# SPDX-License-Identifier: MIT
"""MySQL and MariaDB: reads by SELECT 1, writes by one numbered INSERT that commits by itself, claims by read_only."""

from __future__ import annotations

from typing import Final

from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.attempts import Outcome, Write
from pytest_harehearse.probes.kinds import mysql_errors as errors
from pytest_harehearse.probes.kinds.base import Answer
from pytest_harehearse.probes.kinds.hosts import Host
from pytest_harehearse.probes.kinds.mysql_client import Client, ServerError
from pytest_harehearse.probes.kinds.mysql_login import TABLE, login_of
from pytest_harehearse.probes.kinds.several import Asking, HostSession, SeveralHosts

READ: Final = "SELECT 1"
CLAIM: Final = "SELECT @@global.read_only"


def writable(value: object) -> bool:
    """Tell what @@global.read_only says; from MariaDB 12 on it is a word, no number."""
    return str(value).upper() in {"0", "OFF"}


class _Session(HostSession):
    """An open connection to one server."""

    def __init__(self, kind: Mysql, host: Host, client: Client) -> None:
        super().__init__(kind, host)
        self._mysql = kind
        self._client = client

    async def exchange(self, asking: Asking) -> Answer:
        """Ask, by the service's mode."""
        try:
            if self._mysql.writes:
                return await self._write(asking)
            asking.step(self.host, f"connected, no answer to {self._mysql.question}")
            row = await self._client.execute(self._mysql.question)
        except ServerError as error:
            text = str(error)
            return asking.ended(self.host, errors.of_code(error.code, text), text)
        if self._mysql.service.mode == "claim" and not (row and writable(row[0])):
            return asking.ended(self.host, Outcome.READ_ONLY, "has read_only set")
        return asking.ended(self.host, Outcome.OK)

    async def _write(self, asking: Asking) -> Answer:
        asking.step(self.host, "connected, waiting for its turn")
        async with asking.turn:
            if not asking.may_write():
                return asking.ended(self.host, Outcome.UNKNOWN, "not asked to write: another host has the write")
            asking.sending(self.host)
            try:
                await self._client.execute(self._mysql.insert(asking.n))
            except ServerError as error:
                asking.settle(Write.FAILED if errors.certain(error.code) else Write.UNKNOWN)
                raise
            asking.settle(Write.ACKED)
            return asking.ended(self.host, Outcome.OK)

    async def leave(self) -> None:
        """Say that we are done."""
        await self._client.leave()

    def close(self) -> None:
        """Close the socket."""
        self._client.close()


class Mysql(SeveralHosts):
    """Asks one MySQL or MariaDB service."""

    def __init__(self, service: Service, writer: str = "") -> None:
        self._login = login_of(service)
        super().__init__(service, writer, self._login.aim)
        self.question = CLAIM if service.mode == "claim" else READ

    def insert(self, n: int) -> str:
        """Return the statement of a numbered write; a writer's id is made by the meter and needs no escaping."""
        return f"INSERT INTO {TABLE} (writer, n) VALUES ('{self.writer}', {n})"  # noqa: S608

    async def open(self, host: Host, asking: Asking) -> HostSession:  # noqa: ARG002
        """Log in."""
        held = self.service.session == "held"
        client = await Client.open(
            host, self._login, writes=self.writes, user_timeout=self.service.user_timeout if held else None
        )
        return _Session(self, host, client)
