# SPDX-License-Identifier: MIT
"""Which host keys are trusted: known_hosts or one pinned key. Pure; whatever is not known is refused, with what to do."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import itertools
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final

_KIND: Final = re.compile(r"(?:ssh|ecdsa|sk)-[\w.@-]+")
_HASHED: Final = re.compile(r"\|1\|([^|]+)\|([^|]+)")
_SSH_PORT: Final = 22


@dataclass(frozen=True, slots=True)
class HostKey:
    """A public host key."""

    kind: str
    blob: bytes = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """As ``ssh-keygen -l`` shows it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    @property
    def line(self) -> str:
        """As a ``.pub`` file holds it."""
        return f"{self.kind} {base64.b64encode(self.blob).decode()}"

    @property
    def family(self) -> str:
        """The name by which ssh-keygen and ssh-keyscan know the kind: ed25519, ecdsa, rsa."""
        return "ecdsa" if self.kind.startswith("ecdsa-") else self.kind.removeprefix("ssh-")

    def __str__(self) -> str:
        return f"{self.kind} {self.fingerprint}"


@dataclass(frozen=True, slots=True)
class Trusted:
    """What is known about one host."""

    keys: tuple[HostKey, ...] = ()
    revoked: tuple[HostKey, ...] = ()
    #: Certificate authorities are known for it, which this transport cannot check.
    by_authority: bool = False
    #: Lines that cannot be read: "known_hosts:7".
    unreadable: tuple[str, ...] = ()
    is_pinned: bool = False


def key_of(words: str) -> HostKey:
    """Return the key of a line such as ``ssh-ed25519 AAAA… comment``, or of one that starts with host names.

    Raises:
        ValueError: no key stands there; the message shows how one is written.
    """
    parts = words.split()
    for kind, data in itertools.pairwise(parts):
        if _KIND.fullmatch(kind):
            return _key(kind, data)
    raise ValueError(
        f"{words[:60]!r} is not a host key; write it as 'ssh-ed25519 AAAA…' (a line of the host's .pub file)"
    )


def _key(kind: str, data: str) -> HostKey:
    try:
        blob = base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise ValueError(
            f"the {kind} host key is not valid base64 ({error}); copy the whole line of the .pub file"
        ) from None
    # A key names its kind within, too; a cut or mixed-up line shows itself there.
    length = int.from_bytes(blob[:4], "big")
    if blob[4 : 4 + length] != kind.encode():
        raise ValueError(f"the host key says it is {kind}, and its data does not; copy the whole line of the .pub file")
    return HostKey(kind, blob)


def pinned(line: str) -> Trusted:
    """Return trust in this one key.

    Raises:
        ValueError: the line holds no key.
    """
    return Trusted((key_of(line),), is_pinned=True)


def known_name(host: str, port: int) -> str:
    """Return the name by which known_hosts knows a host."""
    return host.lower() if port == _SSH_PORT else f"[{host.lower()}]:{port}"


def known(files: Iterable[Path], name: str) -> Trusted:
    """Return what the files say about a host; a file that is not there says nothing.

    Raises:
        OSError: a file is there and cannot be read.
    """
    keys: list[HostKey] = []
    revoked: list[HostKey] = []
    unreadable: list[str] = []
    by_authority = False
    for file in files:
        try:
            text = file.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            marker = words.pop(0) if words[0].startswith("@") else ""
            if len(words) < 3 or not _names(words[0], name):
                continue
            try:
                key = _key(words[1], words[2])
            except ValueError:
                unreadable.append(f"{file.name}:{number}")
                continue
            if marker == "@revoked":
                revoked.append(key)
            elif marker == "@cert-authority":
                by_authority = True
            elif not marker:
                keys.append(key)
    return Trusted(tuple(keys), tuple(revoked), by_authority, tuple(unreadable))


def _names(patterns: str, name: str) -> bool:
    found = False
    for pattern in patterns.split(","):
        hashed = _HASHED.fullmatch(pattern)
        if hashed is not None:
            found |= _is_hash_of(hashed[1], hashed[2], name)
        elif pattern.startswith("!"):
            if _glob(pattern[1:].lower()).fullmatch(name):
                return False
        else:
            found |= _glob(pattern.lower()).fullmatch(name) is not None
    return found


@lru_cache(maxsize=256)
def _glob(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."))


def _is_hash_of(salt: str, digest: str, name: str) -> bool:
    try:
        key, wanted = base64.b64decode(salt), base64.b64decode(digest)
    except binascii.Error:
        return False
    # SHA-1 is what the format prescribes; it hides names here and proves nothing.
    return hmac.compare_digest(hmac.new(key, name.encode(), hashlib.sha1).digest(), wanted)


def objection(
    shown: HostKey, trusted: Trusted, *, host: str, port: int, file: Path | None = None, by: str | None = None
) -> str | None:
    """Return why a host that shows this key must not be trusted, and what to do; None when it is the right one.

    Args:
        shown: the key of the host.
        trusted: what is known about it.
        host: where to ask for its key again.
        port: its port.
        file: the known_hosts file to add it to.
        by: the host from which it can be reached, when it cannot be from here.
    """
    if shown in trusted.revoked:
        return f"its host key {shown} is marked as revoked in known_hosts: whoever has it may not be the host"
    if shown in trusted.keys:
        return None
    console = f"`ssh-keygen -lf /etc/ssh/ssh_host_{shown.family}_key.pub` on the host's own console"
    others = " and ".join(str(key) for key in trusted.keys)
    if trusted.is_pinned:
        return (
            f"its host key is {shown}, and the pinned one is {others}: the host was reinstalled, or it is another host. If "
            f"it was reinstalled, compare the fingerprint with {console}, then pin '{shown.line}' instead"
        )
    pin = f"`{_pin(shown, host, port, file, by)}`"
    if any(key.kind == shown.kind for key in trusted.keys):
        forget = shlex.join(["ssh-keygen", *_file(file), "-R", known_name(host, port)])
        return (
            f"its host key is {shown}, and the known one is {others}: the host was reinstalled, or it is another host. If "
            f"it was reinstalled, compare the fingerprint with {console}, forget the old key by `{forget}`, then pin the new "
            f"one: {pin}"
        )
    notes = [f"known are only {others}"] if trusted.keys else []
    if trusted.by_authority:
        notes.append("it is known by a certificate authority, which only the OpenSSH channel checks")
    if trusted.unreadable:
        notes.append(f"a line about it cannot be read: {', '.join(trusted.unreadable)}")
    rest = f" ({'; '.join(notes)})" if notes else ""
    return (
        f"its host key {shown} is not known{rest}, so it may be any host. Compare the "
        f"fingerprint with {console}; when they are equal, pin it: {pin}"
    )


def _file(file: Path | None) -> list[str]:
    return [] if file is None else ["-f", str(file)]


def _pin(shown: HostKey, host: str, port: int, file: Path | None, by: str | None) -> str:
    ask = ["ssh-keyscan", "-t", shown.family, *([] if port == _SSH_PORT else ["-p", str(port)]), host]
    words = shlex.join(["ssh", by, *ask] if by else ask)
    return f"{words} >> {'~/.ssh/known_hosts' if file is None else shlex.quote(str(file))}"
