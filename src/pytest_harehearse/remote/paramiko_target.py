# SPDX-License-Identifier: MIT
"""Whom to connect to and how, after the user's ssh configuration was asked. No connection is made here."""

from __future__ import annotations

import getpass
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from pathlib import Path
from typing import Any, Final

import paramiko

from pytest_harehearse.remote.host_keys import Trusted, known, known_name, pinned
from pytest_harehearse.remote.paramiko_wire import ConnectError

_USUAL_KEYS: Final = ("id_ed25519", "id_ecdsa", "id_rsa")
_SYSTEM_KNOWN_HOSTS: Final = Path("/etc/ssh/ssh_known_hosts")
#: They end up in a proxy command, which a shell reads: nothing that a shell would act on.
_NAME: Final = re.compile(r"[A-Za-z0-9_.:%@][A-Za-z0-9_.:%@+-]*")
_TOKEN: Final = re.compile(r"%(.)")
_MOST_JUMPS: Final = 8
_DEEPEST_INCLUDE: Final = 16


@dataclass(frozen=True, slots=True)
class Asked:
    """What the caller said; None is left to the configuration."""

    host: str
    port: int | None = None
    user: str | None = None
    keys: tuple[Path, ...] = ()
    known_hosts: Path | None = None
    pinned: str | None = None
    agent: bool = True
    #: ``user@host:port``; several with commas, the one nearest to us first.
    jump: str | None = None
    proxy_command: str | None = None
    #: The ssh configuration to read; None: none.
    config: Path | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Everything a connection needs to know."""

    host: str
    port: int
    user: str
    #: Keys that were named: they come first, and each must be there.
    keys: tuple[Path, ...]
    #: Keys where keys usually lie, when none was named.
    usual_keys: tuple[Path, ...]
    agent: bool
    trusted: Trusted
    #: The known_hosts file to add its key to; None: the user's.
    known_hosts: Path | None
    jump: Target | None = None
    proxy_command: str | None = None

    @property
    def where(self) -> str:
        """For a sentence: ``ops@web1:22``."""
        return f"{self.user}@{self.host}:{self.port}"

    @property
    def first_by(self) -> str | None:
        """The host from which it can be reached, when it cannot be from here."""
        return None if self.jump is None else f"{self.jump.user}@{self.jump.host}"


@dataclass(frozen=True, slots=True)
class _Options:
    """What the configuration says about a host."""

    words: dict[str, str] = dataclass_field(default_factory=dict)
    keys: tuple[Path, ...] = ()


class _Config(paramiko.SSHConfig):
    """Leaves the tokens of proxy settings alone: they stand for what the caller said, not only for what the file says."""

    TOKENS_BY_CONFIG_KEY = {  # noqa: RUF012 – as the base class has it
        key: tokens
        for key, tokens in paramiko.SSHConfig.TOKENS_BY_CONFIG_KEY.items()
        if key not in {"proxycommand", "proxyjump"}
    }


def resolve(asked: Asked, *, jumps: int = 0) -> Target:
    """Return the target.

    Raises:
        ConnectError: the configuration cannot be read, or says something that cannot be used.
    """
    options = _options(asked)
    host = _checked(options.words.get("hostname", asked.host), "host")
    user = _checked(asked.user or options.words.get("user") or getpass.getuser(), "user")
    port = asked.port or _port(options.words.get("port", "22"))
    named = asked.keys or options.keys
    command, jump = asked.proxy_command, asked.jump
    if command is None and jump is None:
        command, jump = options.words.get("proxycommand"), options.words.get("proxyjump")
    via = None
    if jump and jump.lower() != "none":
        via, command = _jump(asked, _expanded(jump, host, port, user), jumps), None
    own_file = asked.known_hosts is not None or "userknownhostsfile" in options.words
    files = _known_hosts(asked, options)
    return Target(
        host=host,
        port=port,
        user=user,
        keys=tuple(dict.fromkeys(named)),
        usual_keys=() if named else tuple(Path.home() / ".ssh" / name for name in _USUAL_KEYS),
        agent=asked.agent,
        trusted=_trusted(asked, files, options.words.get("hostkeyalias") or known_name(host, port)),
        known_hosts=files[0] if own_file and files else None,
        jump=via,
        proxy_command=_expanded(command, host, port, user) if command else None,
    )


def _options(asked: Asked) -> _Options:
    if asked.config is None or not asked.config.exists():
        return _Options()
    try:
        found: dict[str, Any] = dict(_Config.from_file(_lines(asked.config, 0)).lookup(asked.host))
    except (OSError, ValueError, ImportError, paramiko.SSHException) as error:
        raise ConnectError(f"the ssh configuration {asked.config} cannot be used: {error}", refused=True) from None
    keys = tuple(_path(name) for name in found.pop("identityfile", ()))
    return _Options({key: value for key, value in found.items() if isinstance(value, str)}, keys)


def _lines(file: Path, depth: int) -> Iterator[str]:
    """Yield the lines of a configuration; paramiko passes over ``Include``, so it is followed here."""
    if depth > _DEEPEST_INCLUDE:
        raise ValueError(f"{file} is included from too deep; does it include itself?")
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        word, _, rest = line.strip().replace("=", " ", 1).partition(" ")
        if word.lower() != "include":
            yield line
            continue
        for pattern in shlex.split(rest):
            path = _path(pattern)
            folder = Path("/") if path.is_absolute() else file.parent
            for found in sorted(folder.glob(str(path).lstrip("/"))):
                yield from _lines(found, depth + 1)


def _path(name: str) -> Path:
    return Path(name).expanduser()


def _checked(name: str, what: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise ConnectError(f"{name!r} is no {what} name; letters, digits and . _ - : are", refused=True)
    return name


def _port(word: str) -> int:
    if not word.isdecimal() or not 0 < int(word) < 65536:
        raise ConnectError(f"{word!r} is no port; write a number from 1 to 65535", refused=True)
    return int(word)


def _known_hosts(asked: Asked, options: _Options) -> tuple[Path, ...]:
    if asked.known_hosts is not None:
        return (asked.known_hosts,)
    said = options.words.get("userknownhostsfile")
    if said is not None:
        return tuple(_path(name) for name in shlex.split(said) if name.lower() != "none")
    return (Path.home() / ".ssh" / "known_hosts", _SYSTEM_KNOWN_HOSTS)


def _trusted(asked: Asked, files: tuple[Path, ...], name: str) -> Trusted:
    try:
        return known(files, name) if asked.pinned is None else pinned(asked.pinned)
    except (OSError, ValueError) as error:
        raise ConnectError(f"what is known of its host key cannot be used: {error}", refused=True) from None


def _expanded(text: str, host: str, port: int, user: str) -> str:
    values = {"h": host, "p": str(port), "r": user, "n": host, "%": "%"}

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise ConnectError(
                f"{match[0]} in the proxy setting {text!r} is not known here; use %h, %p, %r", refused=True
            )
        return values[match[1]]

    return _TOKEN.sub(value, text)


def _jump(asked: Asked, spec: str, jumps: int) -> Target:
    """Return the last jump host of a list; the earlier ones lead to it."""
    if jumps >= _MOST_JUMPS:
        raise ConnectError(f"more than {_MOST_JUMPS} jump hosts; does one lead back to itself?", refused=True)
    *earlier, last = [part.strip() for part in spec.split(",")]
    user, _, place = last.removeprefix("ssh://").rpartition("@")
    match = re.fullmatch(r"(\[[^\]]+\]|[^:]+)(?::(\d+))?", place)
    if match is None:
        raise ConnectError(f"{last!r} is no jump host; write it as user@host:port", refused=True)
    wanted = Asked(
        host=match[1].strip("[]"),
        port=_port(match[2]) if match[2] else None,
        user=user or None,
        keys=asked.keys,
        known_hosts=asked.known_hosts,
        agent=asked.agent,
        jump=",".join(earlier) or None,
        config=asked.config,
    )
    return resolve(wanted, jumps=jumps + 1)
