# SPDX-License-Identifier: MIT
"""MariaDB servers from the system's package, each with a folder of its own; made and up in about a second."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from server_process import ServerProcess, free_port

_SHARE = Path("/usr/share/mysql")
#: What a data folder needs for users with passwords; mariadb-install-db makes more, and needs more packages.
_SYSTEM = ("mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql")
_FIRST = "CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket = NULL;\nSET @skip_auth_anonymous = 1;\n"
_SMALL = ("--innodb-buffer-pool-size=16M", "--innodb-log-file-size=4M", "--innodb-flush-log-at-trx-commit=0")
PASSWORD = "geh@im ü"


def program() -> str:
    found = shutil.which("mariadbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None or not all((_SHARE / name).is_file() for name in _SYSTEM):
        pytest.skip("needs mariadbd (Debian: mariadb-server-core)")
    return found


class MariadbServer(ServerProcess):
    """One server with the database app and the user app; ``do`` sends it a statement as root, past the probe."""

    def __init__(self, folder: Path, *options: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        data, port = folder / "data", free_port()
        data.mkdir()
        # The temporary tables of two servers that begin at the same time have the same names.
        own_tmp = folder / "tmp"
        own_tmp.mkdir()
        base = [program(), "--no-defaults", f"--datadir={data}", f"--tmpdir={own_tmp}", *_SMALL]
        if os.geteuid() == 0:
            base.append("--user=root")
        script = _FIRST + "".join((_SHARE / name).read_text() for name in _SYSTEM)
        done = subprocess.run(
            [*base, "--bootstrap"],
            input=script.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            cwd=folder,
            check=False,
        )
        assert done.returncode == 0, done.stdout.decode(errors="replace")
        # The path of a Unix socket may not be long; none but loopback is used here.
        own = [f"--port={port}", "--bind-address=127.0.0.1", "--socket=s", f"--pid-file={data}/pid"]
        self.error_log = folder / "log"
        super().__init__(
            [*base, *own, "--skip-name-resolve", *(options or ("--skip-ssl",))], self.error_log, self._answers_now, port
        )
        self.do("CREATE DATABASE app")
        self.do("CREATE USER app@'%%' IDENTIFIED BY %s", PASSWORD)
        self.do("GRANT ALL ON app.* TO app@'%%'")

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def do(self, statement: str, *values: str) -> tuple:
        import pymysql

        with (
            pymysql.connect(
                host="127.0.0.1", port=self.port, user="root", autocommit=True, ssl_disabled=True, read_timeout=10
            ) as conn,
            conn.cursor() as cursor,
        ):
            cursor.execute(statement, values)
            return tuple(cursor.fetchall())

    def _answers_now(self) -> bool:
        import pymysql

        try:
            return self.do("SELECT 1") == ((1,),)
        except pymysql.Error:
            return False
