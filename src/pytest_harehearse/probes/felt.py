# SPDX-License-Identifier: MIT
"""The number of the product: how long a service was interrupted, as the user compares and reads it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from pytest_harehearse import units
from pytest_harehearse.errors import NotMeasured
from pytest_harehearse.probes.interruption import Outage
from pytest_harehearse.probes.measurement import Measurement

Duration = str | timedelta


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Interruption:
    """Seconds that a service was not served: at least ``lower``, at most ``upper``.

    Compares with durations (``"5s"``, a ``timedelta``) by the upper bound. An interruption whose end or beginning was
    not seen has no upper bound: it is greater than every duration. What was not soundly measured does not compare at
    all: it raises :class:`~pytest_harehearse.errors.NotMeasured`.
    """

    service: str
    measurement: Measurement

    @property
    def lower(self) -> float:
        """At least this many seconds."""
        return self.measurement.total_lower

    @property
    def upper(self) -> float | None:
        """At most this many seconds; None when its beginning or its end was not seen."""
        return self.measurement.total_upper

    @property
    def seconds(self) -> float | None:
        """The upper bound, by which limits are judged."""
        return self.upper

    @property
    def point(self) -> float | None:
        """The best single number between the bounds; limits are never judged by it."""
        return self.measurement.point

    @property
    def outages(self) -> tuple[Outage, ...]:
        """Every single interruption, in order."""
        return self.measurement.outages

    @property
    def valid(self) -> bool:
        """True when the measurement is sound."""
        return self.measurement.valid

    @property
    def reason(self) -> str | None:
        """Why it is not sound; None when it is."""
        return self.measurement.reason

    def __le__(self, limit: Duration) -> bool:
        return self._by_upper() <= units.seconds(limit)

    def __lt__(self, limit: Duration) -> bool:
        return self._by_upper() < units.seconds(limit)

    def __ge__(self, limit: Duration) -> bool:
        return self._by_upper() >= units.seconds(limit)

    def __gt__(self, limit: Duration) -> bool:
        return self._by_upper() > units.seconds(limit)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Interruption):
            return (self.service, self.measurement) == (other.service, other.measurement)
        if isinstance(other, str | timedelta):
            return self._by_upper() == units.seconds(other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def _by_upper(self) -> float:
        if not self.valid:
            raise NotMeasured(f"The interruption of {self.service} is unknown: {self.reason}.")
        return float("inf") if self.upper is None else self.upper

    def __repr__(self) -> str:
        return f"<{self._sentence()}>"

    def _sentence(self) -> str:
        if not self.valid:
            return f"{self.service} was not soundly measured: {self.reason}"
        if not self.outages:
            return f"{self.service} was not interrupted"
        if self.upper is not None:
            return (
                f"{self.service} was interrupted for {units.show(self.upper)} at most "
                f"(at least {units.show(self.lower)})"
            )
        text = f"{self.service} was interrupted for at least {units.show(self.lower)}"
        open_start, open_end = self.outages[0].open_start, self.outages[-1].open_end
        if open_start and open_end:
            return f"{text}; it was down when the watch began and down when it ended"
        if open_end:
            return f"{text} and was still down when the watch ended"
        return f"{text} and was already down when the watch began"

    def explain(self, limit: Duration | None = None) -> list[str]:
        """Return what happened in sentences: the verdict first, then one line an interruption."""
        first = self._sentence()
        if limit is not None and self.valid:
            first += self._beside(units.seconds(limit))
        lines = [first]
        if len(self.outages) == 1:
            lines.append(f"errors seen: {_errors(self.outages[0])}")
        elif self.outages:
            lines += [
                f"interruption {number} of {len(self.outages)}: {_length(outage)}; errors seen: {_errors(outage)}"
                for number, outage in enumerate(self.outages, start=1)
            ]
        return lines

    def _beside(self, limit: float) -> str:
        shown = units.show(limit).replace(".00 s", " s")
        if self.upper is None:
            if self.lower > limit:
                return f", {units.show(self.lower - limit)} or more over the limit of {shown}"
            return f"; that it kept the limit of {shown} was not seen"
        if self.upper <= limit:
            return f", within the limit of {shown}"
        text = f", {units.show(self.upper - limit)} over the limit of {shown}"
        if self.lower <= limit:
            return f"{text} by the upper bound, which counts; the lower one is within it"
        return text


def _length(outage: Outage) -> str:
    if outage.upper is None:
        return f"at least {units.show(outage.lower)}"
    return f"{units.show(outage.upper)} at most (at least {units.show(outage.lower)})"


def _errors(outage: Outage) -> str:
    return ", ".join(f"{kind} {count}" for kind, count in outage.errors.items())
