# SPDX-License-Identifier: MIT
"""The second witness: PostgreSQL's own word on whether it is primary, on which timeline, and how far it has come."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

_QUESTION = """
SELECT pg_is_in_recovery(),
       CASE WHEN pg_is_in_recovery()
            THEN (SELECT received_tli FROM pg_stat_wal_receiver)
            ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int
       END,
       (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END - '0/0'::pg_lsn)::bigint
"""


@dataclass(frozen=True, slots=True)
class Testimony:
    """What a server says of itself; None: it did not answer."""

    primary: bool | None
    timeline: int | None = None
    #: Bytes of write-ahead log: a primary's written, a standby's replayed.
    position: int | None = None
    problem: str | None = None


def ask(conninfo: str, deadline: float) -> Testimony:
    """Ask one server within ``deadline`` seconds; never raises for a server that does not answer."""
    import psycopg

    whole = max(2, round(deadline))  # libpq takes whole seconds, and 2 at least
    try:
        with psycopg.connect(
            conninfo,
            connect_timeout=whole,
            options=f"-c statement_timeout={round(deadline * 1000)}",
            tcp_user_timeout=round(deadline * 1000),
            application_name="harehearse witness",
            autocommit=True,
        ) as connection:
            row = connection.execute(_QUESTION).fetchone()
    except psycopg.Error as error:
        return Testimony(None, problem=str(error).strip().splitlines()[0][:160] if str(error).strip() else repr(error))
    if row is None:
        return Testimony(None, problem="no row came back")
    recovering, timeline, position = row
    return Testimony(not recovering, timeline, position)


def url_of(conninfo: str) -> str:
    """Return a connection string of keywords as a URL."""
    from psycopg.conninfo import conninfo_to_dict

    words = {name: str(value) for name, value in conninfo_to_dict(conninfo).items()}
    who = ":".join(quote(words[name], safe="") for name in ("user", "password") if name in words)
    host = words.get("host", "localhost")
    where = f"[{host}]" if ":" in host else host
    database = quote(words.get("dbname", ""), safe="")
    return f"postgresql://{who}{'@' if who else ''}{where}:{words.get('port', '5432')}/{database}"
