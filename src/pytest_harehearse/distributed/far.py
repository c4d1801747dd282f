# SPDX-License-Identifier: MIT
"""Runs of workers on other machines: each is whole where it was made, and is brought here to be a part of the one that is told."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path
from typing import Final

from pytest_harehearse.errors import HarehearseError
from pytest_harehearse.history.parts import FOLDER
from pytest_harehearse.streams import streams

#: More than this (bytes, packed) is not sent through xdist.
MOST: Final = 128 << 20
_ATTEMPTS: Final = "attempts"


def inventory_digest(path: Path) -> str:
    """Return by what two machines tell whether they read the same inventory."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def pack(run: Path) -> bytes:
    """Return what a run wrote, to be sent.

    Raises:
        HarehearseError: it is too much, or cannot be read; says where it lies.
    """
    packed = io.BytesIO()
    try:
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in [*streams(run), *sorted((run / _ATTEMPTS).iterdir())]:
                archive.write(path, path.relative_to(run))
    except OSError as error:
        raise HarehearseError(f"it cannot be read: {error}") from error
    if packed.tell() > MOST:
        raise HarehearseError(f"it has {packed.tell() >> 20} MiB, and at most {MOST >> 20} are sent")
    return packed.getvalue()


def unpack(data: bytes, run: Path, name: str) -> None:
    """Make what was sent a part of a run.

    Raises:
        HarehearseError: it is none, or cannot be written.
    """
    part = run / FOLDER / name
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            archive.extractall(part)
        (part / _ATTEMPTS).mkdir(exist_ok=True)
    except (OSError, zipfile.BadZipFile) as error:
        raise HarehearseError(f"What worker {name} sent cannot be kept in {part}: {error}") from error
