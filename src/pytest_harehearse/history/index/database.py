# SPDX-License-Identifier: MIT
"""Open the history's database: SQLite in the store, or PostgreSQL; bring its tables up to date."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import URL, Connection, Engine, make_url

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.history.index.errors import HistoryError

#: How long one writer waits for another one, in seconds.
WAIT_S: Final = 30
#: Any number that nobody else takes on the same server: whoever holds it makes or changes the tables.
_LOCK: Final = 7_203_114_250
_VERSIONS: Final = "harehearse_version"


class Database:
    """An open history.

    Args:
        url: ``postgresql://…``, or None for SQLite in ``file``.
        file: where SQLite keeps it.

    Raises:
        ConfigError: the URL is none, or of a database that is not supported.
        HistoryError: it cannot be opened, is damaged, or was made by a newer version.
    """

    def __init__(self, url: str | None, file: Path) -> None:
        self.sqlite = url is None
        self.where = str(file) if url is None else shown(url)
        self._engine = _sqlite(file) if url is None else _postgresql(url)
        try:
            with self.writing() as connection:
                self._migrate(connection)
        except HistoryError:
            self.close()
            raise

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection to read with.

        Raises:
            HistoryError: the database does not answer, or is damaged.
        """
        with self._told(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Yield a connection whose changes are kept together, or not at all.

        Raises:
            HistoryError: the database does not answer, is damaged, or cannot be written.
        """
        with (
            self._told(),
            self._engine.connect().execution_options(harehearse_writes=True) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.SQLAlchemyError as error:
            why = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            anew = " Make it anew from the runs: harehearse history rebuild" if self.sqlite else ""
            raise HistoryError(f"The history {self.where} cannot be used: {why}.{anew}") from error

    def _migrate(self, connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        script = ScriptDirectory.from_config(config)
        context = MigrationContext.configure(connection, opts={"version_table": _VERSIONS})
        found = context.get_current_revision()
        known = {revision.revision for revision in script.walk_revisions()}
        if found is not None and found not in known:
            raise HistoryError(
                f"The history {self.where} has tables of version {found}, which this pytest-harehearse does not know: a "
                "newer one made them. Nothing was changed in it; use that version, or name another history."
            )
        if found != script.get_current_head():
            command.upgrade(config, "head")


def shown(url: str) -> str:
    """Return a database's URL without its password."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except sa.exc.ArgumentError:
        return "the URL of history in the inventory"


def _sqlite(file: Path) -> Engine:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HistoryError(f"The history cannot be kept in {file.parent}: {error.strerror}") from error
    engine = sa.create_engine(
        URL.create("sqlite", database=str(file)), connect_args={"timeout": WAIT_S}, poolclass=sa.pool.NullPool
    )

    def connected(connection: Any, _: Any) -> None:
        # SQLAlchemy says when a transaction begins, not the driver: only so can a writer wait for its turn at once.
        connection.isolation_level = None
        for pragma in (f"busy_timeout={WAIT_S * 1000}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("harehearse_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    sa.event.listen(engine, "connect", connected)
    sa.event.listen(engine, "begin", begin)
    return engine


def _postgresql(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except sa.exc.ArgumentError as error:
        raise ConfigError("history: it must be a URL, as in 'postgresql://user@host/database'") from error
    if parsed.get_backend_name() not in {"postgresql", "postgres"}:
        raise ConfigError(
            f"history: {parsed.get_backend_name()!r} is not supported; it must be 'postgresql://user@host/database', or "
            "nothing for SQLite in the store"
        )
    return sa.create_engine(
        parsed.set(drivername="postgresql+psycopg"), connect_args={"connect_timeout": WAIT_S}, pool_pre_ping=True
    )
