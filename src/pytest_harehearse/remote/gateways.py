# SPDX-License-Identifier: MIT
"""Whether an interpreter that execnet would start elsewhere can be used, asked beforehand: execnet itself waits for ever."""

from __future__ import annotations

import shlex
import subprocess
from typing import Any, Final

#: Seconds to connect, and to answer at all.
CONNECT_S: Final = 10
ANSWER_S: Final = 30
_ASK: Final = "import importlib.metadata as m; print(m.version('pytest-harehearse'))"
#: What ssh ends with when it could not connect.
_NO_CONNECTION: Final = 255


def limitation(spec: Any, version: str) -> str | None:
    """Return why an interpreter cannot be used, to be read after its name; None: it can.

    Args:
        spec: execnet's, of ``ssh`` or ``popen``.
        version: of this package here.
    """
    python = spec.python or "python"
    command = _by_ssh(spec, python) if spec.ssh else [*shlex.split(python), "-c", _ASK]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_S, check=False, errors="replace")
    except FileNotFoundError:
        return f"cannot be reached: {command[0]} is not installed here"
    except subprocess.TimeoutExpired:
        return f"does not answer within {ANSWER_S} s"
    last = (done.stderr.strip().splitlines() or ["no word why"])[-1].strip()
    if spec.ssh and done.returncode == _NO_CONNECTION:
        return f"does not answer: {last}"
    if done.returncode != 0:
        return f"has no pytest-harehearse for {python} there: {last}. Install {version} there, or name its Python: //python=PATH"
    there = done.stdout.strip()
    if there != version:
        return f"has pytest-harehearse {there}, and here is {version}; install the same version on both"
    return None


def _by_ssh(spec: Any, python: str) -> list[str]:
    return [
        "ssh", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_S}",
        *(["-F", str(spec.ssh_config)] if spec.ssh_config else []), *spec.ssh.split(),
        f"{python} -c {shlex.quote(_ASK)}",
    ]  # fmt: skip
