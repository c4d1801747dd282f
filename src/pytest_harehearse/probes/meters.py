# SPDX-License-Identifier: MIT
"""The meters of one watch: one here, and one at each vantage that a service is asked from."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.meter import Meter
from pytest_harehearse.probes.vantage import FarMeter


class Meters:
    """Started together, stopped together."""

    def __init__(self, meters: Sequence[Meter | FarMeter]) -> None:
        self._meters = meters
        self.files = {name: path for meter in meters for name, path in meter.files.items()}

    @classmethod
    def start(cls, here: Sequence[Service], services: Sequence[Service], directory: Path, prefix: str) -> Meters:
        """Start measuring; returns when every service was asked once, from wherever it is.

        Args:
            here: what is asked from this machine.
            services: those among them that are asked from elsewhere, too, each by its own vantage.
            directory: where the attempts files go, as ``{prefix}{service.name}.jsonl``.
            prefix: begins every file's name.

        Raises:
            ConfigError: for a kind or a URL that cannot be used.
            HarehearseError: a meter did not start, or a place cannot be used; none of them is left.
        """
        places: dict[tuple[str, str], list[Service]] = {}
        for service in services:
            if service.via:
                places.setdefault((service.vantage, service.via), []).append(service)
        with ExitStack() as started:
            meters: list[Meter | FarMeter] = []
            for (place, via), its in places.items():
                far = FarMeter.start(place, via, its, directory, prefix)
                started.callback(far.stop)
                meters.append(far)
            # Last, for it takes no time: all begin as nearly together as can be.
            if here or not places:
                near = Meter.start(here, directory, prefix)
                started.callback(near.stop)
                meters.append(near)
            started.pop_all()
        return cls(meters)

    def alive(self) -> bool:
        """Tell whether all of them still measure."""
        return all(meter.alive() for meter in self._meters)

    def stop(self) -> None:
        """End the measurement: attempts under way get until their deadline. A second call does nothing."""
        with ExitStack() as stopping:
            for meter in self._meters:
                stopping.callback(meter.stop)

    @property
    def problem(self) -> str | None:
        """Why one of them did not end by itself."""
        return "; ".join(meter.problem for meter in self._meters if meter.problem) or None
