# SPDX-License-Identifier: MIT
"""RESP2, what Redis and Valkey speak (https://redis.io/docs/latest/develop/reference/protocol-spec/). No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_CRLF: Final = b"\r\n"
#: The server's own bounds: ``proto-max-bulk-len``, and what its own replies may count.
_MOST_BYTES: Final = 512 * 1024 * 1024
_MOST_ITEMS: Final = 2**32
_LONGEST_LINE: Final = 64 * 1024
_DEEPEST: Final = 8


class NotRedis(Exception):
    """What came is no RESP2."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error reply; its text begins with a code in capitals."""

    text: str


Reply = bytes | int | list["Reply"] | Failure | None


def encode(*words: bytes | str | int) -> bytes:
    """Return a command as an array of bulk strings."""
    raw = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(raw) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in raw)


@dataclass(slots=True)
class _Open:
    """An array of which items are still to come."""

    items: list[Reply]
    left: int


_Scalar = bytes | int | Failure | _Open | None


class Replies:
    """Cuts what was received into replies, however it was chopped up on its way."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._at = 0
        self._arrays: list[_Open] = []

    def feed(self, data: bytes) -> None:
        """Take in what was received."""
        del self._data[: self._at]
        self._at = 0
        self._data += data

    def take(self) -> tuple[Reply] | None:
        """Return the next whole reply, alone in a tuple (it may be None); None while it is not complete.

        Raises:
            NotRedis: when it can be no reply.
        """
        while (scalar := self._scalar()) is not None:
            value = scalar[0]
            if isinstance(value, _Open) and value.left:
                if len(self._arrays) == _DEEPEST:
                    raise NotRedis("arrays within arrays, deeper than any reply goes")
                self._arrays.append(value)
                continue
            reply: Reply = value.items if isinstance(value, _Open) else value
            while self._arrays:
                array = self._arrays[-1]
                array.items.append(reply)
                array.left -= 1
                if array.left:
                    break
                reply = self._arrays.pop().items
            else:
                return (reply,)
        return None

    def _scalar(self) -> tuple[_Scalar] | None:
        line = self._line()
        if line is None:
            return None
        kind, text, after = line
        value: _Scalar
        if kind == "$":
            return self._string(text, after)
        if kind == "+":
            value = text
        elif kind == "-":
            value = Failure(text.decode(errors="replace"))
        elif kind == ":":
            value = _number(text, -(2**63), 2**63 - 1)
        else:
            count = _number(text, -1, _MOST_ITEMS)
            value = None if count < 0 else _Open([], count)
        self._at = after
        return (value,)

    def _line(self) -> tuple[str, bytes, int] | None:
        """Return the next line, whole, as its kind and its text, and where the one after it begins."""
        if self._at == len(self._data):
            return None
        kind = self._data[self._at]
        if kind not in b"+-:$*":
            raise NotRedis(f"it begins with {bytes(self._data[self._at : self._at + 20])!r}")
        end = self._data.find(_CRLF, self._at)
        if end >= 0:
            return chr(kind), bytes(self._data[self._at + 1 : end]), end + len(_CRLF)
        if len(self._data) - self._at > _LONGEST_LINE:
            raise NotRedis("a line without an end")
        return None

    def _string(self, text: bytes, start: int) -> tuple[bytes | None] | None:
        size = _number(text, -1, _MOST_BYTES)
        if size < 0:
            self._at = start
            return (None,)
        after = start + size + len(_CRLF)
        if len(self._data) < after:
            return None
        if self._data[start + size : after] != _CRLF:
            raise NotRedis("a string of another length than announced")
        self._at = after
        return (bytes(self._data[start : start + size]),)


def _number(line: bytes, least: int, most: int) -> int:
    digits = line[1:] if line[:1] in {b"-", b"+"} else line
    # Not int() alone, which takes spaces and underscores as well.
    if not (digits.isdigit() and len(digits) < 20 and least <= int(line) <= most):
        raise NotRedis(f"{line[:20]!r} where a number is expected")
    return int(line)
