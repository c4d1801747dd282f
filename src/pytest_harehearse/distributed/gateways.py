# SPDX-License-Identifier: MIT
"""Whether the machines of ``--tx ssh=…`` can be used, asked before xdist starts workers there: it would end the whole run."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pytest_harehearse.remote import gateways


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
        said = pool.map(lambda spec: gateways.limitation(spec, version), remote.values())
        return {number: why for number, why in zip(remote, said, strict=True) if why is not None}
