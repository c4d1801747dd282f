# SPDX-License-Identifier: MIT
"""HTTP/1 answers, read from whatever hands over their bytes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

BODY_LIMIT: Final = 1024 * 1024
HEAD_LIMIT: Final = 64 * 1024
_LINE_LIMIT: Final = 8 * 1024
_TRAILERS: Final = 100
#: Statuses that never have a body.
_BODILESS: Final = frozenset({204, 205, 304})


class NotHttp(Exception):
    """What answered does not speak HTTP."""


class BrokenOff(EOFError):
    """The server closed the connection within its answer."""

    def __init__(self) -> None:
        super().__init__("the server closed the connection within its answer")


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers (names in lower case) of an answer."""

    status: int
    headers: dict[str, str]
    #: Whether the server keeps the connection open for another request.
    keeps: bool = True


@dataclass(frozen=True, slots=True)
class Body:
    """A body, at most its first MiB."""

    data: bytes
    #: True when it was read to its end and another answer can follow; False when it ended with the connection.
    bounded: bool


def parse_head(raw: bytes) -> Head:
    """Read an answer's status line and headers.

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
    wishes = {wish.strip() for wish in headers.get("connection", "").lower().split(",")}
    keeps = "keep-alive" in wishes if version == "HTTP/1.0" else "close" not in wishes
    return Head(int(code), headers, keeps)


class Source:
    """What a connection has brought and was not read yet."""

    def __init__(self, more: Callable[[], Awaitable[bytes]]) -> None:
        self._more = more
        self._buffer = bytearray()

    def __len__(self) -> int:
        return len(self._buffer)

    async def fill(self) -> bool:
        """Wait for more; tell whether there is any."""
        data = await self._more()
        self._buffer += data
        return bool(data)

    def take(self, size: int) -> bytes:
        """Return the next bytes, at most as many as are there."""
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def startswith(self, prefix: bytes) -> bool:
        """Tell whether what is there begins like this, as far as it goes."""
        return self._buffer.startswith(prefix[: len(self._buffer)])

    async def until(self, mark: bytes, limit: int, what: str) -> bytes:
        """Return everything up to and including the mark.

        Raises:
            BrokenOff: when the connection ends first.
            NotHttp: when it is longer than the limit.
        """
        seen = 0
        while (at := self._buffer.find(mark, seen)) < 0:
            if len(self._buffer) > limit:
                raise NotHttp(f"the answer has more than {limit // 1024} KiB of {what}")
            seen = max(0, len(self._buffer) - len(mark) + 1)
            if not await self.fill():
                raise BrokenOff
        return self.take(at + len(mark))

    async def exactly(self, size: int) -> bytes:
        """Return that many bytes.

        Raises:
            BrokenOff: when the connection ends first.
        """
        while len(self._buffer) < size:
            if not await self.fill():
                raise BrokenOff
        return self.take(size)


async def read_head(source: Source) -> Head:
    """Read up to the end of the headers, past interim (1xx) answers.

    Raises:
        EOFError: when the connection ends before or within it.
        NotHttp: when it is something else.
    """
    while True:
        if not len(source) and not await source.fill():
            raise EOFError("the server closed the connection without an answer")
        # Seen from its first bytes, for who speaks something else may never end its first line.
        if not source.startswith(b"HTTP/"):
            raise NotHttp(f"the answer is not HTTP: {source.take(60)!r}")
        raw = await source.until(b"\r\n\r\n", HEAD_LIMIT, "headers")
        head = parse_head(raw)
        if head.status >= 200 or head.status == 101:
            return head


async def read_body(source: Source, head: Head) -> Body:
    """Read the body.

    Raises:
        BrokenOff: when the connection ends within it.
        NotHttp: when its length cannot be understood.
    """
    if head.status in _BODILESS or head.status == 101:
        return Body(b"", bounded=head.status != 101)
    if "chunked" in head.headers.get("transfer-encoding", "").lower():
        return await _chunks(source)
    length = head.headers.get("content-length")
    if length is not None:
        if not length.isascii() or not length.isdecimal():
            raise NotHttp(f"the answer is not HTTP: its length is {length[:60]!r}")
        # Digits without end are no number that Python would read.
        size = int(length) if len(length) < 20 else BODY_LIMIT + 1
        return Body(await source.exactly(min(size, BODY_LIMIT)), bounded=size <= BODY_LIMIT)
    while len(source) < BODY_LIMIT and await source.fill():
        pass
    return Body(source.take(BODY_LIMIT), bounded=False)


async def _chunks(source: Source) -> Body:
    body = bytearray()
    while True:
        line = await source.until(b"\n", _LINE_LIMIT, "a chunk's first line")
        try:
            size = int(line.split(b";")[0].strip(), 16)
        except ValueError as error:
            raise NotHttp("the answer is not HTTP: a chunk without its size") from error
        if size < 0:
            raise NotHttp("the answer is not HTTP: a chunk of negative size")
        if size == 0:
            for _ in range(_TRAILERS):
                if not (await source.until(b"\n", _LINE_LIMIT, "a trailer")).strip():
                    return Body(bytes(body), bounded=True)
            raise NotHttp(f"the answer has more than {_TRAILERS} trailers")
        if len(body) + size > BODY_LIMIT:
            body += await source.exactly(BODY_LIMIT - len(body))
            return Body(bytes(body), bounded=False)
        body += await source.exactly(size)
        if (await source.until(b"\n", _LINE_LIMIT, "a chunk")).strip():
            raise NotHttp("the answer is not HTTP: a chunk longer than its size")
