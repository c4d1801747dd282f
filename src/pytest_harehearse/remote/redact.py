# SPDX-License-Identifier: MIT
"""Text without secrets: those we know, however they are written, and what looks like one by the word before it."""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Final
from urllib.parse import quote, quote_plus

#: What stands for a secret is one of these, repeated: one that no secret consists of.
_MARKERS: Final = "*•■▒…"
_LINE: Final = 6

_WORDS: Final = r"passw(?:or)?d|passphrase|_pwd|redis(?:cli)?_auth|sshpass|secret|credentials?|(?:api|access|private|secret)[_-]?key"
#: Corosync's ``token: 1000`` is a time, and one that matters here.
_NAMES: Final = (
    (rf"[\w.-]*(?:{_WORDS})", ""),
    (r"[\w.-]*token", r"(?!['\"]?\d{1,7}(?:ms|s)?['\"]?(?:[\s,;}]|$))"),
)
_VALUE: Final = r"""(?:(?:'[^']*'(?:"'"')?)+|"(?:\\.|[^"\\])*"|[^\s'"&;,]+)"""

#: The first group is kept, and so is the last where there is one; the rest is the secret.
_PATTERNS: Final = (
    *(
        re.compile(pattern, re.IGNORECASE)
        for name, but in _NAMES
        for pattern in (
            # An argument that was quoted whole: 'PGPASSWORD=it is secret'.
            rf"""((?:^|[\s=(])'(?:--?)?{name}=){but}((?:[^']|'"'"')+)(')""",
            rf"(\b{name}[\"']?\s*=\s*){but}{_VALUE}",
            rf"(\b{name}[\"']?:\s*){but}{_VALUE}",
            rf"((?:^|\s)--?{name}\s+)(?!-){but}{_VALUE}",
        )
    ),
    re.compile(rf"(\bsshpass\s+-p\s*){_VALUE}"),
    re.compile(rf"(\b(?:redis|valkey)-cli\b[^|;\n]*\s-a\s+){_VALUE}"),
    re.compile(rf"(\b(?:mysql|mysqladmin|mariadb|mariadb-admin|mysqldump)\b[^|;\n]*\s-p)(?=\S){_VALUE}"),
    re.compile(r"((?:proxy-)?authorization['\"]?\s*[:=]\s*)[^'\"\n]+", re.IGNORECASE),
    re.compile(r"(://[^:/@\s'\"]*:)[^\s'\"]*(@)"),
    re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
)


def _in_base64(data: bytes) -> Iterator[str]:
    """Yield what a secret looks like in base64 on its own and within something longer, as ``user:password``."""
    for encode in (base64.standard_b64encode, base64.urlsafe_b64encode):
        whole = encode(data).decode()
        yield whole
        yield whole.rstrip("=")
        for before in range(3):
            # Only what no neighbour's bits are part of is the same everywhere.
            text = encode(b"\0" * before + data).decode().rstrip("=")
            inner = text[(before * 8 + 5) // 6 : (before + len(data)) * 8 // 6]
            if len(inner) >= _LINE:
                yield inner


def _spellings(secret: str) -> Iterator[str]:
    """Yield every way in which a secret may be written."""
    yield secret
    yield shlex.quote(secret)
    yield secret.replace("'", "'\"'\"'")
    yield secret.replace("'", "'\\''")
    # Quoted once more, within a line for another shell.
    yield shlex.quote(shlex.quote(secret))[1:-1]
    data = secret.encode(errors="surrogatepass")
    for written in (quote(data, safe=""), quote(data), quote_plus(data)):
        yield written
        yield re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), written)
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield json.dumps(secret)[1:-1].replace("/", "\\/")
    yield repr(secret)[1:-1]
    yield repr(data)[2:-1]
    yield data.hex()
    yield from _in_base64(data)


def _forms(secret: str) -> Iterator[str]:
    yield from _spellings(secret)
    # A key of several lines is cut at its ends, and a part of it is one too many.
    for line in secret.splitlines():
        if len(line) >= _LINE and line != secret and not line.startswith("-----"):
            yield from _spellings(line)


class Redactor:
    """Removes secrets from text; whatever goes in, none of the known ones comes out."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets if secret for form in _forms(secret) if form}
        self._sign = next(
            sign
            for sign in chain(_MARKERS, map(chr, range(0xE000, 0xF8FF)))
            if not any(set(form) == {sign} for form in forms)
        )
        #: What stands for a secret.
        self.marker = self._sign * 3
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._known = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def __call__(self, text: str) -> str:
        """Return the text without secrets."""
        text = self._without_known(text)
        for pattern in _PATTERNS:
            text = pattern.sub(self._blank, text)
        return self._without_known(text)

    def known(self, text: str) -> str:
        """Return the text without the secrets that are known; what only looks like one stays."""
        return self._without_known(text)

    def _without_known(self, text: str) -> str:
        if self._known is None:
            return text
        # What is left may come together as another secret. Each round takes away characters that are not the
        # marker's, for no form consists of that alone; so it ends.
        while self._known.search(text):
            text = self._known.sub(self.marker, text)
        return text

    def _blank(self, found: re.Match[str]) -> str:
        groups = found.groups()
        return f"{groups[0]}{self.marker}{groups[-1] if len(groups) > 1 else ''}"


def known_only(secrets: Iterable[str]) -> Callable[[str], str] | None:
    """Return what takes known secrets out of a text; None: none are known."""
    found = tuple(secrets)
    return Redactor(found).known if found else None
