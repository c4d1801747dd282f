# SPDX-License-Identifier: MIT
"""http and https: a new connection, one GET, the right status and, when asked for, the right text.

No pool, no redirect, no retry, no proxy from the environment: it measures what it says.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, quote, unquote, urlsplit

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.attempts import Outcome
from pytest_harehearse.probes.kinds.base import Answer, Kind, Trace, connect
from pytest_harehearse.probes.kinds.urls import hide

BODY_LIMIT: Final = 1024 * 1024
HEAD_LIMIT: Final = 64 * 1024
#: Response headers by which a load balancer or an application names who answered.
_NAMES: Final = ("x-served-by", "x-backend-server", "x-upstream", "x-hostname", "x-node")


class NotHttp(Exception):
    """What answered does not speak HTTP."""


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers (names in lower case) of a response."""

    status: int
    headers: dict[str, str]


def parse_head(raw: bytes) -> Head:
    """Read a response's status line and headers.

    Raises:
        NotHttp: when it is something else.
    """
    first, *rest = raw.decode("latin-1").replace("\r\n", "\n").split("\n")
    version, _, tail = first.partition(" ")
    code = tail[:3]
    # isdecimal alone would let other alphabets' digits through, which latin-1 does not hold.
    if not version.startswith("HTTP/1.") or len(code) < 3 or not code.isdecimal() or tail[3:4] not in {"", " "}:
        raise NotHttp(f"the answer is not HTTP: {first[:60]!r}")
    headers = {}
    for line in rest:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return Head(int(code), headers)


async def read_head(reader: asyncio.StreamReader) -> Head:
    """Read up to the end of the headers, past interim (1xx) responses."""
    while True:
        try:
            raw = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError as error:
            raise NotHttp(f"the answer has more than {HEAD_LIMIT // 1024} KiB of headers") from error
        except asyncio.IncompleteReadError as error:
            if not error.partial:
                raise EOFError("the server closed the connection without an answer") from error
            if not error.partial.startswith(b"HTTP/"):
                raise NotHttp(f"the answer is not HTTP: {error.partial[:60]!r}") from error
            raise EOFError("the server closed the connection within its answer") from error
        head = parse_head(raw)
        if head.status >= 200 or head.status == 101:
            return head


async def read_body(reader: asyncio.StreamReader, head: Head) -> bytes:
    """Read the body, at most its first MiB."""
    if "chunked" in head.headers.get("transfer-encoding", "").lower():
        body = b""
        while len(body) < BODY_LIMIT:
            try:
                size = int((await reader.readuntil(b"\n")).split(b";")[0].strip() or b"0", 16)
            except ValueError as error:
                raise NotHttp("the answer is not HTTP: a chunk without its size") from error
            if size <= 0:
                return body
            body += await reader.readexactly(min(size, BODY_LIMIT - len(body)))
            await reader.readuntil(b"\n") if len(body) < BODY_LIMIT else None
        return body
    length = head.headers.get("content-length", "")
    if length.isdecimal():
        return await reader.readexactly(min(int(length), BODY_LIMIT))
    body = b""
    while len(body) < BODY_LIMIT and (part := await reader.read(BODY_LIMIT - len(body))):
        body += part
    return body


class Http(Kind):
    """GETs the URL in a new session."""

    def __init__(self, service: Service, writer: str = "") -> None:
        super().__init__(service, writer)
        parts = split(service.url)
        self._host = parts.hostname or ""
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        self._request = _request(parts)
        self._contains = service.contains.encode() if service.contains else None
        if parts.password:
            self.secrets = (parts.password, unquote(parts.password))

    async def attempt(self, n: int, trace: Trace) -> Answer:  # noqa: ARG002
        """Ask once."""
        reader, writer = await connect(self._host, self._port, within=self.service.timeout, tls=self._tls)
        try:
            trace.step = "connected, no answer to the request"
            writer.write(self._request)
            head = await read_head(reader)
            trace.by = next((head.headers[name] for name in _NAMES if name in head.headers), "")
            if not self._served(head.status):
                return Answer(Outcome.WRONG, trace.by, f"status {head.status}")
            if self._contains is not None:
                trace.step = f"status {head.status}, the body is not complete"
                if self._contains not in await read_body(reader, head):
                    return Answer(Outcome.WRONG, trace.by, f"status {head.status} without {self.service.contains!r}")
        except NotHttp as error:
            return Answer(Outcome.WRONG, trace.by, str(error))
        except asyncio.IncompleteReadError:
            return Answer(Outcome.RESET, trace.by, "the server closed the connection within its answer")
        else:
            return Answer(Outcome.OK, trace.by)
        finally:
            writer.close()

    def _served(self, status: int) -> bool:
        return status in self.service.status if self.service.status else 200 <= status < 400


def _request(parts: SplitResult) -> bytes:
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    if parts.query:
        target += "?" + quote(parts.query, safe="/?%:@!$&'()*+,;=~-._")
    lines = [
        f"GET {target} HTTP/1.1",
        f"Host: {host}:{parts.port}" if parts.port else f"Host: {host}",
        "User-Agent: harehearse",
        "Accept: */*",
        "Connection: close",
    ]
    if parts.username is not None:
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        lines.append(f"Authorization: Basic {base64.b64encode(user.encode()).decode()}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


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
