# SPDX-License-Identifier: MIT
"""The last rehearsals and gates in the text format of Prometheus, for the node exporter's textfile collector.

What is not known is ``NaN``, never 0 and never absent; an interruption that had not ended is ``+Inf``. So alerts are
written as "not good" instead of "bad": ``harehearse_gate_go != 1`` is also true of ``NaN``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from pytest_harehearse.history.index.measured import Measured, ServiceMeasured
from pytest_harehearse.report.wording import plain
from pytest_harehearse.report.write import replace

#: Family → what stands behind HELP. All are gauges.
FAMILIES: Final = {
    "harehearse_last_rehearsal_timestamp_seconds": "When the scenario was last rehearsed on the cluster (Unix time).",
    "harehearse_rehearsal_passed": "Whether the last rehearsal passed: 1 passed, 0 failed, NaN not known.",
    "harehearse_rehearsal_duration_seconds": "How long the last rehearsal took.",
    "harehearse_interruption_lower_seconds": "How long the service was interrupted, at least; NaN not soundly measured.",
    "harehearse_interruption_upper_seconds": (
        "How long the service was interrupted, at most; +Inf still at the end, NaN not soundly measured."
    ),
    "harehearse_lost_writes": "Acknowledged writes that were lost; NaN not audited, or not soundly.",
    "harehearse_gate_go": "Whether the gate of the cluster says GO: 1 GO, 0 NO-GO, NaN UNKNOWN.",
}
_PASSED: Final = {"passed": 1.0, "failed": 0.0}
_GO: Final = {"GO": 1.0, "NO-GO": 0.0}

#: A sample: (label, value) pairs in their order, and the number.
_Labels = tuple[tuple[str, str], ...]


def render(rehearsals: Iterable[Measured], gates: Mapping[str, str] | None = None) -> str:
    """Return the exposition of the last rehearsal of each scenario on each cluster, and of the gates.

    Args:
        rehearsals: in any order.
        gates: cluster → GO, NO-GO or UNKNOWN; anything else counts as not known.
    """
    last: dict[tuple[str, str], Measured] = {}
    for one in sorted(rehearsals, key=lambda one: one.at):
        last[plain(one.cluster), plain(one.scenario)] = one
    found: dict[str, dict[_Labels, float]] = {name: {} for name in FAMILIES}
    for (cluster, scenario), one in last.items():
        labels = (("cluster", cluster), ("scenario", scenario))
        found["harehearse_last_rehearsal_timestamp_seconds"][labels] = one.at.timestamp()
        found["harehearse_rehearsal_passed"][labels] = _PASSED.get(one.verdict, math.nan)
        found["harehearse_rehearsal_duration_seconds"][labels] = one.duration
        for name, services in _by_name(one.services).items():
            of_service = (*labels, ("service", name))
            found["harehearse_interruption_lower_seconds"][of_service] = _worst(
                [each.lower if each.valid else math.nan for each in services]
            )
            found["harehearse_interruption_upper_seconds"][of_service] = _worst([_upper(each) for each in services])
            writes = [math.nan if each.lost is None else each.lost for each in services if each.mode == "write"]
            if writes:
                found["harehearse_lost_writes"][of_service] = _worst(writes)
    for cluster, answer in (gates or {}).items():
        found["harehearse_gate_go"][(("cluster", plain(cluster)),)] = _GO.get(answer, math.nan)
    return "".join(_family(name, samples) for name, samples in found.items() if samples)


def write(path: Path, text: str) -> None:
    """Write the exposition so that the collector reads the old one or the new one, never half of one.

    The collector reads files named ``*.prom``.

    Raises:
        OSError: it cannot be written; the file of before, if any, is then still whole.
    """
    replace(path, text)


def _by_name(services: Sequence[ServiceMeasured]) -> dict[str, list[ServiceMeasured]]:
    found: dict[str, list[ServiceMeasured]] = {}
    for one in services:
        found.setdefault(plain(one.name), []).append(one)
    return found


def _upper(service: ServiceMeasured) -> float:
    if not service.valid:
        return math.nan
    return math.inf if service.upper is None else service.upper


def _worst(values: Sequence[float]) -> float:
    """Return the largest; NaN when any is not known."""
    return math.nan if any(map(math.isnan, values)) else max(values)


def _family(name: str, samples: Mapping[_Labels, float]) -> str:
    help_text = FAMILIES[name].replace("\\", "\\\\")
    lines = [f"# HELP {name} {help_text}", f"# TYPE {name} gauge"]
    for labels, value in sorted(samples.items(), key=lambda item: item[0]):
        inside = ",".join(f'{label}="{_escape(text)}"' for label, text in labels)
        lines.append(f"{name}{{{inside}}} {_number(value)}")
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    """Return the value of a label."""
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(float(value))
