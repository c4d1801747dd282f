# SPDX-License-Identifier: MIT
"""Loopback addresses and ports of a lab: chosen at random, checked to be free, never assumed."""

from __future__ import annotations

import random
import socket

from pytest_harehearse.errors import LabError

#: 127.0.x and 127.1.x are what people type by hand.
FIRST, LAST = 16, 250


def is_free(host: str, port: int) -> bool:
    """Return whether a server could listen there now."""
    with socket.socket() as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def choose(ports: dict[int, tuple[int, ...]], *, tries: int = 50, chance: random.Random | None = None) -> str:
    """Return a prefix ``127.a.b`` on which every wanted port is free.

    Args:
        ports: last byte of the address → ports wanted there.
        tries: how many prefixes are tried.
        chance: source of randomness.

    Raises:
        LabError: when none was found; names what was taken.
    """
    chance = chance or random.SystemRandom()
    taken: list[str] = []
    for _ in range(tries):
        prefix = f"127.{chance.randint(FIRST, LAST)}.{chance.randint(FIRST, LAST)}"
        busy = [
            f"{prefix}.{last}:{port}" for last, wanted in ports.items() for port in wanted
            if not is_free(f"{prefix}.{last}", port)
        ]  # fmt: skip
        if not busy:
            return prefix
        taken = busy
    raise LabError(
        f"No free loopback addresses for the lab after {tries} tries; taken or not allowed: {', '.join(taken[:6])}. "
        "A server that listens on 0.0.0.0 with the same port is in the way (ss -ltn shows it), or 127.0.0.0/8 is not "
        "usable on this system."
    )
