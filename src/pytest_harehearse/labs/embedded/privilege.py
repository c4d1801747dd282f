# SPDX-License-Identifier: MIT
"""As whom the servers run: as ourselves, or, since PostgreSQL refuses root, as an unprivileged user."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_harehearse.errors import LabError
from pytest_harehearse.labs.embedded import drop


@dataclass(frozen=True, slots=True)
class Privilege:
    """How a server is started: words before its command, arguments for ``Popen``, and the owner of its folders."""

    prefix: tuple[str, ...] = ()
    popen: dict[str, Any] = field(default_factory=dict)
    owner: tuple[int, int] | None = None
    #: What the lab says about it; None when it runs as the user itself.
    note: str | None = None


def _runs(privilege: Privilege, commands: list[list[str]], cwd: Path) -> str | None:
    """Return why one of the commands cannot run this way; None when all can."""
    for command in commands:
        try:
            subprocess.run(
                [*privilege.prefix, *command],
                cwd=cwd, capture_output=True, check=True, timeout=20, **privilege.popen,
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError) as error:
            said = getattr(error, "stderr", b"") or b""
            return f"{error} {said.decode(errors='replace').strip()[-200:]}".strip()
    return None


def choose(postgres: Path, etcd: Path, cwd: Path) -> Privilege:
    """Return how to run the servers here; tried, not assumed.

    As root: user ``nobody``, where that user can reach Python and the servers; else a user namespace of its own.

    Raises:
        LabError: when root can do neither.
    """
    if os.geteuid() != 0:
        return Privilege()
    trial = [
        [sys.executable, "-c", "import patroni, psycopg"],
        [str(postgres / "postgres"), "--version"],
        [str(etcd), "--version"],
    ]
    reasons = []
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        reasons.append("there is no user nobody")
    else:
        as_nobody = Privilege(
            popen={"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []},
            owner=(nobody.pw_uid, nobody.pw_gid),
            note=f"running as root, which PostgreSQL refuses: the lab's servers run as nobody (uid {nobody.pw_uid})",
        )
        if (problem := _runs(as_nobody, trial, cwd)) is None:
            return as_nobody
        reasons.append(f"as nobody: {problem}")
    in_namespace = Privilege(
        prefix=(sys.executable, drop.__file__),
        note=f"running as root, which PostgreSQL refuses: the lab's servers run as uid {drop.NOBODY} in a user "
        "namespace of their own",
    )
    if (problem := _runs(in_namespace, trial, cwd)) is None:
        return in_namespace
    reasons.append(f"in a user namespace: {problem}")
    raise LabError(
        "PostgreSQL refuses to run as root, and no unprivileged user could be used here: " + "; ".join(reasons) + ". "
        "Run as an ordinary user, or put the virtual environment where user nobody can read it."
    )
