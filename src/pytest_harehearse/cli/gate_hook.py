# SPDX-License-Identifier: MIT
"""Ask a project's own gates: pytest loads its conftest.py in a process of its own, where this module is a plugin too."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_harehearse.history.gate.decision import NOW, Answer, Gate

if TYPE_CHECKING:
    from pytest_harehearse.history.index.measured import Measured

#: Where the rehearsals stand and the gates are written to, the inventory, and the cluster.
_FROM, _TO, _CONFIG, _CLUSTER = (f"HAREHEARSE_GATE_{word}" for word in ("FROM", "TO", "CONFIG", "CLUSTER"))
#: How long a project's own gates may take together, in seconds.
WITHIN_S: Final = 60.0
_NAME: Final = "the project's own gates"


def pytest_sessionfinish(session: Any) -> None:
    """Ask the hook and hand over what it says (a hook of pytest's, by its name)."""
    if _TO not in os.environ:
        return
    from pytest_harehearse.history.index.codec import decode
    from pytest_harehearse.inventory.load import load

    cluster = load(Path(os.environ[_CONFIG])).clusters[os.environ[_CLUSTER]]
    lines = Path(os.environ[_FROM]).read_text(encoding="utf-8").splitlines()
    rehearsals = [decode(line) for line in lines]
    try:
        said = session.config.hook.pytest_harehearse_gate(cluster=cluster, rehearsals=rehearsals)
        plain = [plain_gate(one) for each in said for one in (each if isinstance(each, (list, tuple)) else [each])]
    except Exception as error:  # noqa: BLE001 - a gate that breaks is not known, whatever it broke by
        plain = [dataclasses.asdict(_unknown(f"{type(error).__name__}: {error}"))]
    Path(os.environ[_TO]).write_text(json.dumps(plain), encoding="utf-8")


def plain_gate(said: object) -> dict[str, Any]:
    """Return a gate of the project as plain values; one that breaks the contract as a gate that is not known."""
    if not isinstance(said, Gate):
        return dataclasses.asdict(_unknown(f"pytest_harehearse_gate returned {said!r}, which is no Gate"))
    wrong = [
        f"{name} is {value!r}, not a text"
        for name in ("name", "value", "limit", "evidence", "provenance", "remedy", "command")
        if not isinstance(value := getattr(said, name), str)
    ]
    answer: object = said.answer
    if not isinstance(answer, Answer):
        wrong.append(f"answer is {answer!r}, not an Answer")
    if wrong:
        return dataclasses.asdict(_unknown(f"{said.name!r} breaks the contract: {'; '.join(wrong)}"))
    return dataclasses.asdict(said)


def ask(cluster: str, config: Path, rehearsals: Sequence[Measured], within: float = WITHIN_S) -> tuple[Gate, ...]:
    """Return what a project's own gates say of a cluster; none where it has none.

    Args:
        cluster: ENVIRONMENT/CLUSTER.
        config: the inventory, in the project's folder.
        rehearsals: on the cluster and its twin.
        within: seconds until they are ended.
    """
    from pytest_harehearse.history.index.codec import encode

    with tempfile.TemporaryDirectory(prefix="harehearse-") as folder:
        known, to = Path(folder) / "rehearsals", Path(folder) / "gates.json"
        known.write_text("\n".join(map(encode, rehearsals)), encoding="utf-8")
        environ = {
            **os.environ, "PYTHONDONTWRITEBYTECODE": "1", _FROM: str(known), _TO: str(to), _CONFIG: str(config.resolve()),
            _CLUSTER: cluster,
        }  # fmt: skip
        # Nothing is collected: the folder is named so that its conftest.py is loaded.
        words = ["--collect-only", "-qq", "--no-header", "-p", "no:cacheprovider", "-p", "harehearse", "-p", __name__]
        command = [sys.executable, "-m", "pytest", *words, "--ignore-glob=*", "--", "."]
        try:
            done = subprocess.run(
                command, check=False, env=environ, capture_output=True, text=True, errors="replace", cwd=config.parent,
                timeout=within, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return (_unknown(f"they did not end within {within:g} s"),)
        if not to.is_file():
            said = (done.stdout + done.stderr).strip().splitlines()
            return (_unknown(f"pytest could not load the project: {said[-1] if said else f'exit {done.returncode}'}"),)
        plain = json.loads(to.read_text(encoding="utf-8"))
    return tuple(Gate(**{**one, "answer": Answer(one["answer"])}) for one in plain)


def _unknown(why: str) -> Gate:
    return Gate(_NAME, Answer.UNKNOWN, "not known", "all GO", why, NOW,
                remedy="mend pytest_harehearse_gate in the project's conftest.py")  # fmt: skip
