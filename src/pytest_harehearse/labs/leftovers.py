# SPDX-License-Identifier: MIT
"""Labs that nobody will come back to, because their parent was killed: found and removed, whatever kind they are."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from pytest_harehearse.labs import home as homes
from pytest_harehearse.labs.base import Say
from pytest_harehearse.safety.lock import Held


def sweep(own: Path, say: Say) -> None:
    """Remove the labs of other inventories whose parent was killed; ``own`` is the caller's, which is left alone.

    Raises:
        LabError: one could not be removed whole.
    """
    for home in homes.homes():
        if home == own or not homes.forsaken(home):
            continue
        # Held: somebody creates or removes it just now. Asked again once it is ours: it may be another by now.
        with contextlib.suppress(Held), homes.lock_of(home).acquire(within=0.0):
            if homes.forsaken(home):
                state = homes.read(home)
                whose = f"{state.environment} of {state.inventory}" if state else f"in {home}"
                say(f"removing the lab {whose}: its parent was killed")
                remove(home, say)


def remove(home: Path, say: Say) -> None:
    """Remove a lab by what it wrote about itself.

    Raises:
        LabError: something of it stays; names it.
    """
    state = homes.read(home)
    if state is not None and state.provider == "lxd":
        from pytest_harehearse.labs.lxd.lab import forget

        forget(state.site, say)
        shutil.rmtree(home)
        return
    from pytest_harehearse.labs.embedded import launch

    launch.remove(home)
