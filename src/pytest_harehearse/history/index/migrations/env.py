# SPDX-License-Identifier: MIT
"""Alembic's environment: migrations run on the connection, and in the transaction, of whoever opens the history."""

from __future__ import annotations

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table="harehearse_version",
    # SQLite can take a table back like any other change; Alembic assumes that it cannot.
    transactional_ddl=True,
    transaction_per_migration=False,
)
context.run_migrations()
