# SPDX-License-Identifier: MIT
"""HTTP/1.1 requests as bytes: the probe's own GET, and what a user's callable asks to be sent."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.probes.kinds.urls import hide

_SAFE: Final = "/%:@!$&'()*+,;=~-._"
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
#: Their answers are framed in other ways.
_NO_WRITES: Final = frozenset({"CONNECT", "HEAD"})
#: What decides how the bytes are framed, and how long the connection lasts.
_OURS: Final = frozenset({"connection", "content-length", "expect", "host", "te", "transfer-encoding", "upgrade"})


def split(url: str) -> SplitResult:
    """Take an http URL apart.

    Raises:
        ConfigError: when it has no host or a wrong port.
    """
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for a port that is none
    except ValueError as error:
        raise ConfigError(f"the URL {hide(url)!r} cannot be read: {error}. Write http://HOST[:PORT]/PATH.") from error
    if not parts.hostname:
        raise ConfigError(f"the URL {hide(url)!r} lacks a host. Write http://HOST[:PORT]/PATH.")
    return parts


class Requests:
    """Makes the requests to one URL."""

    def __init__(self, parts: SplitResult, *, keep: bool) -> None:
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        self._own = urlsplit(parts._replace(netloc="h", scheme="http", fragment="").geturl())
        self._lines = [
            f"Host: {host}:{parts.port}" if parts.port else f"Host: {host}",
            "User-Agent: harehearse",
            "Accept: */*",
        ]
        if not keep:
            self._lines.append("Connection: close")
        self._login = ""
        if parts.username is not None:
            user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._login = f"Authorization: Basic {base64.b64encode(user.encode()).decode()}"

    def get(self) -> bytes:
        """Return the GET of the URL itself."""
        return self._bytes("GET", self._own, [*self._lines, self._login] if self._login else self._lines, b"")

    def write(self, method: str, path: str, headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
        """Return a request whose path is relative to the URL, or begins with a slash.

        Raises:
            ValueError: when it is none that can be sent.
        """
        if not _TOKEN.fullmatch(method) or method in _NO_WRITES:
            raise ValueError(f"{method!r} is no method that writes")
        given = urlsplit(path)
        if given.scheme or given.netloc:
            raise ValueError("its path names a host; only a path of the service's own URL is sent")
        more, named = [], set()
        for name, value in headers:
            if not _TOKEN.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a header")
            if name.lower() in _OURS:
                raise ValueError(f"the header {name} is set by the probe")
            if _CONTROL.search(value):
                raise ValueError(f"the header {name} has a line break or another control character")
            value.encode("latin-1")
            named.add(name.lower())
            more.append(f"{name}: {value}")
        lines = [line for line in self._lines if line.partition(":")[0].lower() not in named] + more
        if self._login and "authorization" not in named:
            lines.append(self._login)
        if body or method not in {"GET", "DELETE"}:
            lines.append(f"Content-Length: {len(body)}")
        return self._bytes(method, urlsplit(urljoin(self._own.geturl(), path)), lines, body)

    @staticmethod
    def _bytes(method: str, target: SplitResult, lines: list[str], body: bytes) -> bytes:
        path = quote(target.path or "/", safe=_SAFE)
        if target.query:
            path += "?" + quote(target.query, safe=f"{_SAFE}?")
        head = "\r\n".join([f"{method} {path} HTTP/1.1", *lines])
        return f"{head}\r\n\r\n".encode("latin-1", "replace") + body
