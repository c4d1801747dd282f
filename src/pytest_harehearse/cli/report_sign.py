# SPDX-License-Identifier: MIT
"""``harehearse report --sign``, ``--verify`` and ``--new-key``."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from pytest_harehearse.cli import exits
from pytest_harehearse.cli.common import say, sign
from pytest_harehearse.errors import ConfigError

#: Holds the private key, where no file is named.
KEY: Final = "HAREHEARSE_SIGNING_KEY"


def new_key(file: Path) -> int:
    """Write a new key and say what it is called."""
    from pytest_harehearse.report import sign as signing

    name = signing.new_key(file)
    say(f"written: {file} (keep it secret) and {file}.pub (give it to whoever verifies); fingerprint {name}")
    return exits.OK


def signer(file: str | None) -> Callable[[Path], None]:
    """Return what signs a run, by the key of a file or of the environment; nothing without either asked for.

    Args:
        file: of the key; empty: the key stands in ``HAREHEARSE_SIGNING_KEY``; None: nothing is signed.

    Raises:
        ConfigError: there is no key, or it cannot be used.
    """
    if file is None:
        return lambda _: None
    from pytest_harehearse.report import sign as signing

    if file:
        data = _read(Path(file), "signing key")
    elif KEY in os.environ:
        data = os.environ[KEY].encode()
    else:
        raise ConfigError(
            f"--sign needs a key: name its file, or put it into ${KEY}. Make one: harehearse report --new-key FILE"
        )
    key = signing.private_key(data)

    def act(directory: Path) -> None:
        say(f"  signed by the key {signing.sign(directory, key)}", err=True)

    return act


def verify(runs: Sequence[str], public: Path | None, directory: Callable[[str], Path]) -> int:
    """Check the signatures of runs; return the exit status: what is wrong weighs more than what cannot be told."""
    from pytest_harehearse.report import sign as signing
    from pytest_harehearse.report.wording import plain

    trusted = signing.public_key(_read(public, "public key")) if public is not None else None
    answers: list[bool | None] = []
    for name in runs:
        place = directory(name)
        found = signing.verify(place, trusted)
        answers.append(found.valid)
        say(f"{sign(found.valid)} {place.name}: {plain(found.reason)}")
    return exits.NO if False in answers else exits.UNKNOWN if None in answers else exits.OK


def _read(file: Path, what: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"The {what} {file} cannot be read: {error.strerror}") from error
