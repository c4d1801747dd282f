# SPDX-License-Identifier: MIT
"""A worker of xdist that rehearses: it takes part in the run of the process that started it."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pytest_harehearse.distributed.far import inventory_digest, pack
from pytest_harehearse.errors import HarehearseError
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
    return None


def is_far(workerinput: Mapping[str, Any]) -> bool:
    """Return whether this worker is on another machine than the process that conducts it: its clocks are others."""
    ticket = workerinput.get("harehearse")
    return ticket is not None and ticket["boot"] != boot_id()


def inventory_problem(workerinput: Mapping[str, Any], inventory: Path) -> str | None:
    """Return why a far worker must not rehearse by this inventory; None: it is the one that conducts it, too."""
    if not is_far(workerinput) or workerinput["harehearse"]["inventory"] == inventory_digest(inventory):
        return None
    return (
        f"Worker {workerinput['workerid']} is on another machine, and its {inventory} is not the inventory that conducts it, so "
        "nothing was started: what is a lab here must be one there. Bring the same file there, by --rsyncdir, say."
    )


def part(workerinput: Mapping[str, Any]) -> Part | None:
    """Return the part that this worker takes; the labs it makes belong to whoever conducts it.

    None: it is far, and makes a run and labs of its own.
    """
    if is_far(workerinput):
        return None
    ticket = workerinput["harehearse"]
    home.make_for(home.Owner(ticket["pid"], ticket["started"]))
    return Part(workerinput["testrunuid"], workerinput["workerid"])


def run_of(workerinput: Mapping[str, Any], run: Path) -> bytes | str:
    """Return the run of a far worker, to be sent to the process that conducts it, or why it is not sent."""
    try:
        return pack(run)
    except HarehearseError as error:
        return (
            f"The run of worker {workerinput['workerid']} is not in this one: {error}. It lies on {socket.gethostname()} in "
            f"{run}; bring it here, and: harehearse report --merge DIR RUN RUN"
        )
