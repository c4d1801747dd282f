# SPDX-License-Identifier: MIT
"""Runs signed with Ed25519 (RFC 8032): whoever has the public key can tell that no file of a run was changed since.

``run.sig`` lies in the run's directory: JSON with the digest of every file that counts, the public key, and the signature over
the canonical form of all that. A key in the file proves nothing by itself: it is the reader who says which one to trust.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.history import parts
from pytest_harehearse.streams import streams

FILE: Final = "run.sig"
SCHEMA: Final = 1
ALGORITHM: Final = "Ed25519"
#: What counts, besides the events and the attempts. A report may be written anew, and must be signed anew then.
_COUNTS: Final = ("run.json", "report.html", "report.md")
_FINGERPRINT: Final = 16


@dataclass(frozen=True, slots=True)
class Checked:
    """What a signature came to; ``valid`` None: it cannot be told, for the reason."""

    valid: bool | None
    reason: str
    #: Of the key that signed; empty: none was read.
    fingerprint: str = ""
    #: Files that were changed, are gone, or were added, with what became of them.
    files: Mapping[str, str] | None = None


def digests(directory: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of a run that counts, by its path within the run.

    Raises:
        OSError: one cannot be read.
    """
    found = [path for path in (*(directory / name for name in _COUNTS), *streams(directory)) if path.is_file()]
    for folder in ("attempts", parts.FOLDER):
        found += sorted(path for path in (directory / folder).rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def new_key(file: Path) -> str:
    """Write a new private key, readable by its owner alone, and its public half beside it; return the fingerprint.

    Raises:
        ConfigError: one of the files is there already, or cannot be written.
    """
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    for path, data, mode in ((file, private, 0o600), (file.with_name(f"{file.name}.pub"), public, 0o644)):
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        except OSError as error:
            raise ConfigError(
                f"The key cannot be written to {path}: {error.strerror}. Nothing is overwritten; name another file."
            ) from error
        with os.fdopen(handle, "wb") as out:
            out.write(data)
    return fingerprint(key.public_key())


def fingerprint(key: Ed25519PublicKey) -> str:
    """Return what a key is called: the first hexadecimal digits of the SHA-256 of its raw bytes."""
    return hashlib.sha256(_raw(key)).hexdigest()[:_FINGERPRINT]


def private_key(data: bytes) -> Ed25519PrivateKey:
    """Return a private key from PEM, or from its 32 raw bytes in Base64.

    Raises:
        ConfigError: it is none; what was given is not shown.
    """
    try:
        if data.lstrip().startswith(b"-----"):
            key = serialization.load_pem_private_key(data, None)
        else:
            key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(data, validate=True))
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(
            "The signing key cannot be read: it must be an Ed25519 key in PEM without a password, or Base64."
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(
            "The signing key is of another kind; it must be an Ed25519 key. Make one: harehearse report --new-key FILE"
        )
    return key


def public_key(data: bytes) -> Ed25519PublicKey:
    """Return a public key from PEM.

    Raises:
        ConfigError: it is none.
    """
    try:
        key = serialization.load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError("The public key cannot be read: it must be an Ed25519 public key in PEM.") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError("The public key is of another kind; it must be an Ed25519 key.")
    return key


def sign(directory: Path, key: Ed25519PrivateKey) -> str:
    """Write ``run.sig`` of a run in one step; return the fingerprint of the key.

    Raises:
        OSError: a file cannot be read, or the signature not written.
    """
    public = key.public_key()
    signed = {
        "schema": SCHEMA,
        "algorithm": ALGORITHM,
        "public_key": base64.b64encode(_raw(public)).decode(),
        "run": directory.name,
        "files": digests(directory),
    }
    document = {**signed, "signature": base64.b64encode(key.sign(_canonical(signed))).decode()}
    temporary = directory / f"{FILE}.new"
    temporary.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    temporary.replace(directory / FILE)
    return fingerprint(public)


def verify(directory: Path, trusted: Ed25519PublicKey | None) -> Checked:
    """Return whether a run is as it was signed, by the key that the reader trusts.

    Args:
        directory: of the run.
        trusted: None: nobody vouches for a key, and so the best there is to tell is that it is not known who signed.
    """
    try:
        document: Any = json.loads((directory / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Checked(None, "it is not signed")
    except (OSError, ValueError) as error:
        return Checked(None, f"its signature cannot be read: {error}")
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != SCHEMA or document.get("algorithm") != ALGORITHM:
        return Checked(None, f"its signature has schema {schema!r}; this version reads {SCHEMA} with {ALGORITHM}")
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(document["public_key"], validate=True))
        signature = base64.b64decode(document["signature"], validate=True)
        files = {str(name): str(value) for name, value in document["files"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return Checked(False, f"its signature was changed: {error!r}")
    name = fingerprint(key)
    try:
        key.verify(signature, _canonical({word: value for word, value in document.items() if word != "signature"}))
    except InvalidSignature:
        return Checked(False, "its signature does not fit: it was changed", name)
    if document.get("run") != directory.name:
        return Checked(False, f"it was signed as the run {document.get('run')!r}", name)
    changed = _changed(files, digests(directory))
    if changed:
        return Checked(False, "; ".join(f"{path} {what}" for path, what in changed.items()), name, changed)
    if trusted is None:
        return Checked(
            None,
            f"every file is as it was signed, but nobody vouched for the key {name}: name it by --public-key",
            name,
        )
    if _raw(trusted) != _raw(key):
        return Checked(
            False, f"it was signed by the key {name}, and {fingerprint(trusted)} is the one that is trusted", name
        )
    return Checked(True, f"every file is as it was signed by the key {name}", name)


def _changed(signed: Mapping[str, str], found: Mapping[str, str]) -> dict[str, str]:
    changed = {path: "is gone" for path in signed if path not in found}
    changed |= {path: "was added" for path in found if path not in signed}
    changed |= {path: "was changed" for path, digest in found.items() if signed.get(path, digest) != digest}
    return dict(sorted(changed.items()))


def _canonical(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
