# SPDX-License-Identifier: MIT
"""What ssh says when it cannot connect, and what to do about it. Pure functions."""

from __future__ import annotations

import shlex
from typing import Final

from pytest_harehearse.remote.base import Unreachable

_WRONG_KEY: Final = ("Permission denied", "Too many authentication failures", "No supported authentication methods")
_UNABLE: Final = (
    "Unable to negotiate",
    "no matching",
    "Bad configuration option",
    "terminating, ",
    "no argument after",
)


def pinning(host: str, port: int | None, *, changed: bool) -> str:
    """Return the sentence with the commands that pin a host's key."""
    where = [*(["-p", str(port)] if port not in {None, 22} else []), host]
    scan = shlex.join(["ssh-keyscan", *where])
    first = ""
    if changed:
        entry = host if port in {None, 22} else f"[{host}]:{port}"
        first = f"forget the old key by `{shlex.join(['ssh-keygen', '-R', entry])}`, "
    return (
        f"compare the fingerprints of `{scan} | ssh-keygen -lf -` with those on the host's own console "
        f"(`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`), {first}then pin it: `{scan} >> ~/.ssh/known_hosts`"
    )


def refusal(host: str, port: int | None, url: str, words: str, took: float) -> Unreachable:
    """Return the outcome for what ssh said when it ended without a connection."""
    if "REMOTE HOST IDENTIFICATION HAS CHANGED" in words or "has changed and you have requested strict" in words:
        text = (
            f"{url}: the host key is not the one that is known: the host was reinstalled, or it is another host. If it "
            f"was reinstalled, {pinning(host, port, changed=True)}"
        )
        return Unreachable(text, took, refused=True)
    if "Host key verification failed" in words or "host key is known for" in words:
        text = f"{url}: the host key is not known, so it may be any host. To trust it, {pinning(host, port, changed=False)}"
        return Unreachable(text, took, refused=True)
    if any(sign in words for sign in _WRONG_KEY):
        text = (
            f"{url}: the host accepts no key of ours (ssh said: {words}). Put the public key into the user's "
            f"authorized_keys there, or name the user and the key; `{_try(host, port)}` shows which keys are tried"
        )
        return Unreachable(text, took, refused=True)
    if any(sign in words for sign in _UNABLE):
        return Unreachable(f"{url}: ssh and the host do not go together: {words}", took, refused=True)
    if not words:
        text = (
            f"{url}: the host let us in and ended the session without running a command (a forced command, or a user "
            f"without a shell?); `{_try(host, port)}` shows it"
        )
        return Unreachable(text, took, refused=True)
    return Unreachable(f"{url}: no connection; ssh said: {words}", took)


def _try(host: str, port: int | None) -> str:
    return shlex.join(["ssh", "-v", *(["-p", str(port)] if port is not None else []), host, "true"])
