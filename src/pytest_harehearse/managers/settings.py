# SPDX-License-Identifier: MIT
"""What a node's servers are set to, for nodes that are no hosts: asked of the servers themselves, never a password."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from pytest_harehearse.managers import patroni_rest as rest
from pytest_harehearse.managers import valkey_ask

#: A setting of such a name is a secret or a place of one node's files: neither is told.
_LEFT_OUT: Final = re.compile(r"(?i)pass|secret|auth|key_file|private")
#: PostgreSQL: files, addresses and ports of a node, and what it computes by itself.
_OF_NODE: Final = re.compile(
    r"(?i)_directory$|_file$|_files$|^(port|listen_addresses|cluster_name|primary_conninfo|primary_slot_name|in_hot_standby|"
    r"transaction_|default_transaction_read_only|application_name|lc_|TimeZone|log_timezone|data_|huge_pages_status|"
    r"shared_memory_size|external_pid|unix_socket|event_source|num_os_semaphores|server_|statement_timeout|tcp_user_timeout)"
)
#: Valkey: the same.
_OF_SERVER: Final = re.compile(
    r"(?i)^(port|bind.*|dir|dbfilename|pidfile|logfile|unixsocket.*|replicaof|slaveof|.*-announce-.*|aclfile|"
    r"cluster-config-file|tls-.*file.*|maxmemory_human|oom-score.*|.*cpulist)$"
)
_QUESTION: Final = "SELECT name, setting || coalesce(' ' || unit, '') FROM pg_settings"


def of_all_nodes(name: str) -> bool:
    """Whether a setting of PostgreSQL is meant for every node alike: no file, address or port of one of them, no secret."""
    return not (_OF_NODE.search(name) or _LEFT_OUT.search(name))


Told = tuple[Mapping[str, str], Mapping[str, str]]


def of_patroni(host: str, port: int, conninfo: str, deadline: float) -> Told:
    """Return the facts of a node by path, and area → why it could not be read: Patroni's and PostgreSQL's."""
    facts: dict[str, str] = {}
    problems: dict[str, str] = {}
    answer = rest.get(host, port, "/config", deadline)
    if answer.status == 200:
        facts |= {f"patroni/{name}": value for name, value in _flat(answer.body) if not _LEFT_OUT.search(name)}
    else:
        problems["patroni"] = f"its REST API did not answer: {answer.problem or answer.status}"
    own = rest.get(host, port, "/patroni", deadline)
    version = own.body.get("patroni", {}).get("version") if isinstance(own.body.get("patroni"), dict) else None
    if version:
        facts["package/patroni"] = str(version)
    settings = _postgresql(conninfo, deadline)
    if isinstance(settings, str):
        problems["postgresql"] = settings
    else:
        facts |= settings
    return facts, problems


def _flat(value: Any, path: str = "") -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [pair for name in sorted(value) for pair in _flat(value[name], f"{path}.{name}" if path else str(name))]
    return [(path, str(value))]


def _postgresql(conninfo: str, deadline: float) -> dict[str, str] | str:
    import psycopg

    whole = max(2, round(deadline))  # libpq takes whole seconds, and 2 at least
    try:
        with psycopg.connect(
            conninfo, connect_timeout=whole, options=f"-c statement_timeout={round(deadline * 1000)}",
            tcp_user_timeout=round(deadline * 1000), application_name="harehearse drift", autocommit=True,
        ) as connection:  # fmt: skip
            rows = connection.execute(_QUESTION).fetchall()
    except psycopg.Error as error:
        return f"PostgreSQL did not answer: {(str(error).strip().splitlines() or [repr(error)])[0][:160]}"
    return {f"postgresql/{name}": value for name, value in rows if of_all_nodes(name)}


def of_valkey(place: valkey_ask.Place, password: str, deadline: float) -> Told:
    """Return the facts of a server by path, and area → why it could not be read."""
    answer = valkey_ask.ask(place, password, (("CONFIG", "GET", "*"), ("INFO", "server")), deadline)
    if answer.replies is None:
        return {}, {"valkey": f"it did not answer: {answer.problem}"}
    settings, server = answer.replies
    if isinstance(settings, valkey_ask.Error):
        return {}, {"valkey": f"it said no: {settings.text}"}
    words = [one.decode(errors="backslashreplace") if isinstance(one, bytes) else str(one) for one in _pairs(settings)]
    facts = {
        f"valkey/{name}": value
        for name, value in zip(words[::2], words[1::2], strict=False)
        if not (_OF_SERVER.search(name) or _LEFT_OUT.search(name))
    }
    text = server.decode(errors="replace") if isinstance(server, bytes) else str(server)
    version = re.search(r"(?:valkey|redis)_version:(\S+)", text)
    if version:
        facts["package/valkey"] = version[1]
    return facts, {}


def _pairs(settings: Any) -> list[Any]:
    return [word for pair in settings.items() for word in pair] if isinstance(settings, dict) else list(settings)
