# SPDX-License-Identifier: MIT
"""Whether the machines of ``--tx ssh=…`` can be used, asked before xdist starts workers there: it would end the whole run."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

#: Seconds to connect, and to answer at all.
CONNECT_S: Final = 10
ANSWER_S: Final = 30
_ASK: Final = "import importlib.metadata as m; print(m.version('pytest-harehearse'))"
#: What ssh ends with when it could not connect.
_NO_CONNECTION: Final = 255


def limitations(specs: Sequence[Any], version: str) -> dict[int, str]:
    """Return the gateways that cannot be used, by their places among all, and why; those on this machine are not asked.

    Args:
        specs: execnet's.
        version: of this package here.
    """
    remote = {number: spec for number, spec in enumerate(specs) if spec.ssh}
    if not remote:
        return {}
    with ThreadPoolExecutor(len(remote)) as pool:
        said = pool.map(lambda spec: _limitation(spec, version), remote.values())
        return {number: why for number, why in zip(remote, said, strict=True) if why is not None}


def _limitation(spec: Any, version: str) -> str | None:
    python = spec.python or "python"
    command = [
        "ssh", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_S}",
        *(["-F", str(spec.ssh_config)] if spec.ssh_config else []), *spec.ssh.split(),
        f"{python} -c {shlex.quote(_ASK)}",
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_S, check=False, errors="replace")
    except FileNotFoundError:
        return "ssh is not installed here"
    except subprocess.TimeoutExpired:
        return f"does not answer within {ANSWER_S} s"
    last = (done.stderr.strip().splitlines() or ["no word why"])[-1].strip()
    if done.returncode == _NO_CONNECTION:
        return f"does not answer: {last}"
    if done.returncode != 0:
        return f"has no pytest-harehearse for {python} there: {last}. Install {version} there, or name its Python: //python=PATH"
    there = done.stdout.strip()
    if there != version:
        return f"has pytest-harehearse {there}, and here is {version}; install the same version on both"
    return None
