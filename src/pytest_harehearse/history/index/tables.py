# SPDX-License-Identifier: MIT
"""The tables of the history. They are made by the migrations; this is what queries are written with."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, MetaData, Table, Text

metadata = MetaData()

runs = Table(
    "runs",
    metadata,
    Column("key", Text, primary_key=True),
    Column("run", Text, nullable=False),
    #: ISO 8601, UTC, of a fixed width: texts sort as times do, and are the same in every database.
    Column("at", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    #: The store it lies in, on ``host``.
    Column("store", Text, nullable=False),
    #: SHA-256 over the digests of its rehearsals: tells that one was changed, removed or added.
    Column("rehearsals_sha256", Text, nullable=False),
    #: Of ``run.json`` when it was indexed: SHA-256, bytes, and the file's time in nanoseconds.
    Column("sha256", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
)

rehearsals = Table(
    "rehearsals",
    metadata,
    Column("key", Text, ForeignKey("runs.key", ondelete="CASCADE"), primary_key=True),
    Column("rehearsal", Text, primary_key=True),
    Column("cluster", Text, nullable=False),
    Column("scenario", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    #: Upper bound of what users felt, in seconds; NULL: not known.
    Column("interruption", Float),
    #: Everything known of it, as JSON, and the SHA-256 of that.
    Column("document", Text, nullable=False),
    Column("sha256", Text, nullable=False),
)

Index("rehearsals_of_a_cluster", rehearsals.c.cluster, rehearsals.c.at)
