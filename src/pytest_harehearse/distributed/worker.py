# SPDX-License-Identifier: MIT
"""A worker of xdist that rehearses: it takes part in the run of the process that started it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from pytest_harehearse.labs import home
from pytest_harehearse.rehearsal.session import Part
from pytest_harehearse.safety.lease import boot_id


def problem(workerinput: Mapping[str, Any]) -> str | None:
    """Return why this worker must not rehearse; None: it may."""
    ticket = workerinput.get("harehearse")
    mine, its = version("pytest-harehearse"), ticket["version"] if ticket else "none"
    if its != mine:
        return (
            f"Worker {workerinput['workerid']} has pytest-harehearse {mine}, and the process that conducts it {its}, so nothing was "
            "started: what one writes the other may not read. Install the same version on both."
        )
    if ticket is not None and ticket["boot"] != boot_id():
        return (
            f"Worker {workerinput['workerid']} is on another machine than the process that conducts it, and this version cannot put "
            "the clocks of two machines on one axis, so nothing was started. Run pytest on each of them for itself."
        )
    return None


def part(workerinput: Mapping[str, Any]) -> Part:
    """Return the part that this worker takes; the labs it makes belong to whoever conducts it."""
    ticket = workerinput["harehearse"]
    home.make_for(home.Owner(ticket["pid"], ticket["started"]))
    return Part(workerinput["testrunuid"], workerinput["workerid"])
