# SPDX-License-Identifier: MIT
"""Failover rehearsals as pytest tests.

The public names, loaded when used: pytest imports this package in every run of its environment.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pytest_harehearse.errors import ConfigError as ConfigError
    from pytest_harehearse.errors import DeadlineExceeded as DeadlineExceeded
    from pytest_harehearse.errors import HarehearseError as HarehearseError
    from pytest_harehearse.errors import Indeterminate as Indeterminate
    from pytest_harehearse.errors import LimitExceeded as LimitExceeded
    from pytest_harehearse.errors import NotMeasured as NotMeasured
    from pytest_harehearse.errors import NotSettled as NotSettled
    from pytest_harehearse.errors import Refused as Refused
    from pytest_harehearse.errors import Unsupported as Unsupported
    from pytest_harehearse.history.gate.decision import Answer as Answer
    from pytest_harehearse.history.gate.decision import Gate as Gate
    from pytest_harehearse.probes.dual import DualActive as DualActive
    from pytest_harehearse.probes.felt import Interruption as Interruption
    from pytest_harehearse.probes.kinds.http_writes import HttpWrite as HttpWrite
    from pytest_harehearse.probes.seen import Seen as Seen
    from pytest_harehearse.rehearsal.cluster import Cluster as Cluster
    from pytest_harehearse.rehearsal.faults import Faults as Faults
    from pytest_harehearse.rehearsal.session import Rehearsal as Rehearsal
    from pytest_harehearse.rehearsal.watching import Probes as Probes

#: Public name → the module it lives in; for annotations in tests (``cluster: Cluster``) and for ``pytest.raises``.
_HOME: Final = {
    **dict.fromkeys(
        (
            "ConfigError", "DeadlineExceeded", "HarehearseError", "Indeterminate", "LimitExceeded", "NotMeasured",
            "NotSettled", "Refused", "Unsupported",
        ),
        "errors",
    ),
    "Answer": "history.gate.decision",
    "Cluster": "rehearsal.cluster",
    "DualActive": "probes.dual",
    "Faults": "rehearsal.faults",
    "Gate": "history.gate.decision",
    "HttpWrite": "probes.kinds.http_writes",
    "Interruption": "probes.felt",
    "Probes": "rehearsal.watching",
    "Rehearsal": "rehearsal.session",
    "Seen": "probes.seen",
}  # fmt: skip

__all__ = sorted(_HOME)  # noqa: PLE0605 - one list of names, above


def __getattr__(name: str) -> Any:
    """Load a public name from where it lives."""
    if name == "__version__":
        from importlib.metadata import version

        return version("pytest-harehearse")
    if name not in _HOME:
        raise AttributeError(f"module 'pytest_harehearse' has no attribute {name!r}")
    return getattr(import_module(f"pytest_harehearse.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    """List the public names without loading them."""
    return [*__all__, "__version__"]
