# SPDX-License-Identifier: MIT
"""What the bench asks of each tool."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from tests.bench.others.samples import Sample
from tests.bench.script import Episode


@dataclass
class Heard:
    """What a tool said in a run."""

    samples: list[Sample]
    #: Processor seconds of the tool and of what it starts.
    cpu: float
    notes: list[str] = field(default_factory=list)
    #: What was true, where the tool has a server of its own.
    said: dict[str, Any] | None = None


class Other(ABC):
    """A tool that asks one target."""

    name: ClassVar[str]
    #: How it was run.
    how: ClassVar[str]
    #: Seconds between its asks.
    period: ClassVar[float]
    #: False: it has a target of its own that the scripted server does not play.
    served: ClassVar[bool] = True

    @classmethod
    @abstractmethod
    def limitation(cls) -> str | None:
        """Return why it cannot run here; None when it can."""

    @abstractmethod
    def start(self, url: str, folder: Path, script: Sequence[Episode], lasts: float) -> None:
        """Start to ask; ``lasts``: it is needed for at most so many seconds."""

    def go(self, begin: float) -> None:  # noqa: B027 - most are asked by the scripted server's clock
        """Begin its own script at this instant (monotonic)."""

    @abstractmethod
    def stop(self) -> Heard:
        """End it and return what it said. Never called twice."""

    def close(self) -> None:  # noqa: B027 - most have ended with stop
        """Make sure that nothing of it is left."""


def wall_offset() -> float:
    """Return what to add to the wall clock to get the monotonic one."""
    return time.monotonic() - time.time()
