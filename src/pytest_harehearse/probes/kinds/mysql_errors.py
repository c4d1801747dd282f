# SPDX-License-Identifier: MIT
"""What an error number of MySQL or MariaDB proves about the service. Pure.

Numbers of the MySQL Error Message Reference (https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html)
and of MariaDB's (https://mariadb.com/kb/en/mariadb-error-code-reference/); below 3000 and from 1000 they agree.
"""

from __future__ import annotations

from typing import Final

from pytest_harehearse.probes.attempts import Outcome

_READ_ONLY: Final = {
    1036: "ER_OPEN_AS_READONLY",
    1792: "ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION",
    1836: "ER_READ_ONLY_MODE",
    1874: "ER_INNODB_READ_ONLY",
}
#: "running with the … option": only that of --read-only and --super-read-only is a word on the role.
_OPTION: Final = 1290
_MISCONFIGURED: Final = {
    1044: "ER_DBACCESS_DENIED_ERROR",
    1045: "ER_ACCESS_DENIED_ERROR",
    1046: "ER_NO_DB_ERROR",
    1049: "ER_BAD_DB_ERROR",
    1054: "ER_BAD_FIELD_ERROR",
    1130: "ER_HOST_NOT_PRIVILEGED",
    1142: "ER_TABLEACCESS_DENIED_ERROR",
    1143: "ER_COLUMNACCESS_DENIED_ERROR",
    1146: "ER_NO_SUCH_TABLE",
    1227: "ER_SPECIFIC_ACCESS_DENIED_ERROR",
    1251: "ER_NOT_SUPPORTED_AUTH_MODE",
    1698: "ER_ACCESS_DENIED_NO_PASSWORD_ERROR",
    1820: "ER_MUST_CHANGE_PASSWORD",
    1862: "ER_MUST_CHANGE_PASSWORD_LOGIN",
    2026: "CR_SSL_CONNECTION_ERROR",
    2059: "CR_AUTH_PLUGIN_CANNOT_LOAD",
    3118: "ER_ACCOUNT_HAS_BEEN_LOCKED (MySQL)",
    3159: "ER_SECURE_TRANSPORT_REQUIRED (MySQL)",
    4151: "ER_ACCOUNT_HAS_BEEN_LOCKED (MariaDB)",
}
_REFUSED: Final = {
    1040: "ER_CON_COUNT_ERROR",
    #: Once "unknown command"; Galera says with it that the node is not of the primary component.
    1047: "ER_UNKNOWN_COM_ERROR",
    1053: "ER_SERVER_SHUTDOWN",
    1129: "ER_HOST_IS_BLOCKED",
    1135: "ER_CANT_CREATE_THREAD",
    1203: "ER_TOO_MANY_USER_CONNECTIONS",
    1226: "ER_USER_LIMIT_REACHED",
}
_RESET: Final = {
    1152: "ER_ABORTING_CONNECTION",
    1184: "ER_NEW_ABORTING_CONNECTION",
    1927: "ER_CONNECTION_KILLED (MariaDB)",
    2006: "CR_SERVER_GONE_ERROR",
    2013: "CR_SERVER_LOST",
    4031: "ER_CLIENT_INTERACTION_TIMEOUT (MySQL)",
}
#: Refused before it began, or rolled back as a whole. Not 1053, 1180, 1317 and the like: the commit may be under way.
_CERTAIN: Final = frozenset(
    {*_READ_ONLY, *_MISCONFIGURED, _OPTION, 1040, 1047, 1062, 1114, 1129, 1135, 1203, 1205, 1213, 1226, 3101}
)


def of_code(code: int, text: str) -> Outcome:
    """Return what an error proves."""
    if code == _OPTION:
        return Outcome.READ_ONLY if "read-only" in text or "read_only" in text else Outcome.ERROR
    for outcome, codes in (
        (Outcome.READ_ONLY, _READ_ONLY),
        (Outcome.MISCONFIGURED, _MISCONFIGURED),
        (Outcome.REFUSED, _REFUSED),
        (Outcome.RESET, _RESET),
    ):
        if code in codes:
            return outcome
    return Outcome.ERROR


def certain(code: int) -> bool:
    """Tell whether a statement that ended with this error certainly did not commit."""
    return code in _CERTAIN
