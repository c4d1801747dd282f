# SPDX-License-Identifier: MIT
"""URLs as they may be shown: without their secrets."""

from __future__ import annotations

import re
from typing import Final

_SECRET_QUERY: Final = re.compile(r"(?i)([?&](?:\w*password|passwd|secret|\w*token|api_?key)=)[^&#]*")
_PLAIN: Final = re.compile(r"[\w.+/@:-]+")
_PORTS: Final = re.compile(r"[\d\],.:\[a-fA-F-]*")


def hide(url: str) -> str:
    """Return the URL with ``***`` for every password; whatever is shown, logged or stored goes through here."""
    if url.startswith("command:"):
        return _program(url)
    scheme, mark, rest = url.partition("://")
    if not mark:
        return url
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    userinfo, at, _ = authority.rpartition("@")
    if ":" in userinfo:
        # With "@" and "/" both in a password the first "@" is not its end; rather too little is shown than its rest.
        userinfo = rest.partition("?")[0].rpartition("@")[0]
    if not at:
        # An unescaped "/" or "#" in a password ends the authority too early; what follows the colon is then no port.
        _, colon, port = authority.partition(":")
        if colon and "@" in rest and not _PORTS.fullmatch(port):
            userinfo, at = rest.rpartition("@")[0], "@"
    if at:
        user, colon, _ = userinfo.partition(":")
        rest = (f"{user}:***" if colon else user) + rest[len(userinfo) :]
    return f"{scheme}://" + _SECRET_QUERY.sub(r"\1***", rest)


def _program(url: str) -> str:
    """Return a command without its arguments, any of which may be a secret."""
    words = url.removeprefix("command:").split(None, 1)
    # Only a plain word is surely the program: NAME=VALUE is none, and a quoted one may go on behind a space.
    shown = words[0] if words and _PLAIN.fullmatch(words[0]) else ""
    more = " …" if shown and len(words) > 1 else "…" if words and not shown else ""
    return f"command:{shown}{more}"
