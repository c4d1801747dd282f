# SPDX-License-Identifier: MIT
"""Ask one Patroni member over HTTP, with a deadline, and say which of three things happened."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import socket
import time
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """``status`` None: no answer. ``refused``: then the request certainly never reached a server."""

    status: int | None
    body: dict[str, Any] = field(default_factory=dict)
    text: str = ""
    problem: str = ""
    refused: bool = False


def get(host: str, port: int, path: str, deadline: float) -> Answer:
    """GET; see :func:`_ask`."""
    return _ask("GET", host, port, path, None, {}, deadline)


def post(host: str, port: int, path: str, body: dict[str, Any], auth: tuple[str, str], deadline: float) -> Answer:
    """POST JSON with basic authentication; see :func:`_ask`."""
    return _ask("POST", host, port, path, json.dumps(body), _headers(auth), deadline)


def patch(host: str, port: int, path: str, body: dict[str, Any], auth: tuple[str, str], deadline: float) -> Answer:
    """PATCH JSON with basic authentication; see :func:`_ask`."""
    return _ask("PATCH", host, port, path, json.dumps(body), _headers(auth), deadline)


def _headers(auth: tuple[str, str]) -> dict[str, str]:
    token = base64.b64encode(f"{auth[0]}:{auth[1]}".encode()).decode("ascii")
    return {"Content-Type": "application/json", "Authorization": f"Basic {token}"}


def _ask(
    method: str, host: str, port: int, path: str, body: str | None, headers: dict[str, str], deadline: float
) -> Answer:
    """Return the answer, or what became of the request. Patroni answers 503 with a body that counts, too."""
    began = time.monotonic()
    with contextlib.closing(http.client.HTTPConnection(host, port, timeout=deadline)) as connection:
        try:
            connection.connect()
        except OSError as error:
            return Answer(None, problem=f"could not connect to {host}:{port}: {_words(error)}", refused=True)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            text = response.read(1 << 20).decode(errors="replace")
            if response.length:
                return Answer(None, problem=f"no answer from {host}:{port}: it was cut")
        except (OSError, http.client.HTTPException) as error:
            waited = time.monotonic() - began
            return Answer(None, problem=f"no answer from {host}:{port} within {waited:.1f} s: {_words(error)}")
    return Answer(response.status, _json(text), text.strip()[:300])


def _json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _words(error: Exception) -> str:
    if isinstance(error, socket.timeout):
        return "timed out"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
