# SPDX-License-Identifier: MIT
"""The channel of a node by its URL: ``ssh://ops@n1:2222?key=id``, ``openssh://n1``, ``lxd://lab/n1``, ``local://``, ``n1``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.inventory.model import Node
from pytest_harehearse.inventory.wording import choice
from pytest_harehearse.remote.base import Channel
from pytest_harehearse.units import DurationError, seconds

_SECRET: Final = ("password", "passwd", "passphrase", "secret", "token")
_YES: Final = {"yes": True, "true": True, "no": False, "false": False}
_EXAMPLE: Final = "ssh://ops@n1.example:22?key=keys/id_ed25519"


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds where a URL says nothing. Relative paths are below ``folder``, the inventory's own."""

    folder: Path = Path()
    user: str | None = None
    keys: tuple[Path, ...] = ()
    known_hosts: Path | None = None
    connect_timeout: float = 5.0
    lxd_endpoint: Path | None = None
    lxd_project: str = "default"


@dataclass(frozen=True, slots=True)
class _Url:
    """A node's URL in its parts, checked as far as all kinds have them in common."""

    node: str
    kind: str
    user: str | None
    host: str
    port: int | None
    path: str
    options: Mapping[str, tuple[str, ...]]

    def wrong(self, problem: str) -> ConfigError:
        """Return the error about this URL, which is never shown whole."""
        return ConfigError(f"node {self.node!r}: its URL ({self.kind}://…) {problem}")

    def one(self, name: str) -> str | None:
        """Return the value of an option that may stand once."""
        values = self.options.get(name, ())
        if len(values) > 1:
            raise self.wrong(f"has {name}= {len(values)} times; write it once")
        return values[0] if values else None

    def duration(self, name: str, default: float) -> float:
        """Return a duration with a unit."""
        value = self.one(name)
        try:
            return default if value is None else seconds(value)
        except DurationError as error:
            raise self.wrong(f"has {name}={value!r}: {error}") from error

    def flag(self, name: str, *, default: bool) -> bool:
        """Return yes or no."""
        value = self.one(name)
        if value is None:
            return default
        if value.lower() not in _YES:
            raise self.wrong(f"has {name}={value!r}; write yes or no")
        return _YES[value.lower()]

    def without(self, *parts: str) -> None:
        """Check that parts are empty that mean nothing in this kind of URL."""
        for part in parts:
            if getattr(self, part):
                raise self.wrong(f"has a {part}, which means nothing there; leave it out")

    def needs_host(self) -> None:
        """Check that it names a host."""
        if not self.host:
            raise self.wrong(f"names no host; write it as in {_EXAMPLE!r}")
        if self.host.startswith("-"):
            # ssh would take it for an option.
            raise self.wrong(f"has the host {self.host!r}; a host's name does not begin with a hyphen")


def _file(value: str, folder: Path) -> Path:
    path = Path(value).expanduser()
    return path if path.is_absolute() else folder / path


def _by_paramiko(url: _Url, defaults: Defaults) -> Channel:
    from pytest_harehearse.remote.paramiko_channel import ParamikoChannel

    url.needs_host()
    url.without("path")
    if url.one("jump") and url.one("proxy"):
        raise url.wrong("has both jump= and proxy=; one way leads to a host, so write one of them")
    known_hosts = url.one("known_hosts")
    keys = url.options.get("key", ())
    # Where it says none, the user's own is read, as ssh does.
    config = {} if (file := url.one("config")) is None else {"config": _file(file, defaults.folder)}
    return ParamikoChannel(
        url.node,
        url.host,
        port=url.port,
        user=url.user or defaults.user,
        keys=tuple(_file(key, defaults.folder) for key in keys) or defaults.keys,
        known_hosts=defaults.known_hosts if known_hosts is None else _file(known_hosts, defaults.folder),
        pinned=url.one("pin"),
        agent=url.flag("agent", default=True),
        jump=url.one("jump"),
        proxy_command=url.one("proxy"),
        connect_timeout=url.duration("timeout", defaults.connect_timeout),
        **config,
    )


def _by_openssh(url: _Url, defaults: Defaults) -> Channel:
    from pytest_harehearse.remote.openssh import OpenSshChannel

    url.needs_host()
    url.without("path")
    options: list[str] = []
    if (config := url.one("config")) is not None:
        options += ["-F", str(_file(config, defaults.folder))]
    keys = [_file(key, defaults.folder) for key in url.options.get("key", ())] or list(defaults.keys)
    options += [f"-oIdentityFile={_word(key)}" for key in keys]
    if keys:
        options.append("-oIdentitiesOnly=yes")
    known_hosts = url.one("known_hosts")
    known = defaults.known_hosts if known_hosts is None else _file(known_hosts, defaults.folder)
    if known is not None:
        options.append(f"-oUserKnownHostsFile={_word(known)}")
    if (jump := url.one("jump")) is not None:
        options.append(f"-oProxyJump={jump}")
    for option in url.options.get("option", ()):
        name, equals, value = option.partition("=")
        if not (name.isalnum() and equals and value):
            raise url.wrong(f"has option={option!r}; write it as in 'option=GSSAPIAuthentication%3Dyes'")
        options.append(f"-o{option}")
    return OpenSshChannel(
        url.node,
        url.host,
        port=url.port,
        user=url.user or defaults.user,
        options=options,
        connect_timeout=url.duration("timeout", defaults.connect_timeout),
    )


def _word(path: Path) -> str:
    """Return a path as ssh's configuration wants it: quoted, and without meaning in its per cent signs."""
    return f'"{str(path).replace("%", "%%")}"'


def _local(url: _Url, _: Defaults) -> Channel:
    from pytest_harehearse.remote.local import LocalChannel

    if url.host not in {"", "localhost"}:
        raise url.wrong(
            f"names the host {url.host!r}, but local:// is this machine; for another one write ssh://{url.host}"
        )
    url.without("user", "port", "path")
    return LocalChannel(url.node)


def _lxd(url: _Url, defaults: Defaults) -> Channel:
    from pytest_harehearse.remote.lxd import LxdChannel

    url.without("user", "port")
    *project, instance = [part for part in (url.host, *url.path.split("/")) if part] or [""]
    if not instance or len(project) > 1:
        raise url.wrong("is written lxd://INSTANCE or lxd://PROJECT/INSTANCE")
    endpoint = url.one("endpoint")
    return LxdChannel(
        url.node,
        instance,
        endpoint=defaults.lxd_endpoint if endpoint is None else _file(endpoint, defaults.folder),
        project=project[0] if project else defaults.lxd_project,
    )


_SSH: Final = ("key", "known_hosts", "pin", "jump", "proxy", "agent", "config", "timeout")
_KINDS: Final[dict[str, tuple[Callable[[_Url, Defaults], Channel], tuple[str, ...]]]] = {
    "ssh": (_by_paramiko, _SSH),
    "paramiko": (_by_paramiko, _SSH),
    "openssh": (_by_openssh, ("key", "known_hosts", "jump", "config", "option", "timeout")),
    "local": (_local, ()),
    "lxd": (_lxd, ("endpoint",)),
}


def _options(node: str, kind: str, query: str, valid: Iterable[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if any(word in name.lower() for word in _SECRET):
            raise _no_secrets(node, kind, f"{name}=")
        if name not in valid:
            words = list(valid)
            rest = choice(name, words) if words else "it takes none."
            raise ConfigError(f"node {node!r}: its URL ({kind}://…) has the unknown option {name!r}; {rest}")
        if not value:
            raise ConfigError(f"node {node!r}: its URL ({kind}://…) has {name}= without a value")
        found[name] = (*found.get(name, ()), value)
    return found


def _no_secrets(node: str, kind: str, what: str) -> ConfigError:
    return ConfigError(
        f"node {node!r}: its URL ({kind}://…) holds a secret ({what}); it would end in process lists, logs and reports. "
        "Use a key (key=FILE), an agent or, with openssh://, what your site has"
    )


def _read(node: Node) -> _Url:
    text = (node.url or "").strip()
    if not text:
        raise ConfigError(
            f"node {node.name!r} has no URL, so it is not known how to reach it; write one, as in {_EXAMPLE!r} "
            f"(also: {', '.join(kind for kind in _KINDS if kind != 'ssh')})"
        )
    if "://" not in text:
        # Several colons without brackets can only be an IPv6 address.
        text = f"ssh://{f'[{text}]' if text.count(':') > 1 and '[' not in text and '@' not in text else text}"
    kind = text.partition("://")[0].lower()
    if kind not in _KINDS:
        raise ConfigError(f"node {node.name!r}: {kind}:// is no way to reach a node; {choice(kind, _KINDS)}")
    try:
        parts = urlsplit(text)
        port, host, password = parts.port, parts.hostname, parts.password
    except ValueError:
        # Python's own words repeat what it took for a port: half a password, when that holds a slash.
        raise ConfigError(
            f"node {node.name!r}: its URL ({kind}://…) cannot be read; write it as in {_EXAMPLE!r}, a port from 1 to 65535, "
            "an IPv6 address in brackets, and no password"
        ) from None
    if password is not None:
        raise _no_secrets(node.name, kind, "a password before the @")
    if parts.fragment:
        raise ConfigError(f"node {node.name!r}: its URL ({kind}://…) has a '#'; write %23 where one is meant")
    if port == 0:
        raise ConfigError(f"node {node.name!r}: its URL ({kind}://…) has the port 0; ports are 1 to 65535")
    # The case of a name is kept: for LXD and the ssh configuration it matters.
    spelled = parts.netloc.rpartition("@")[2].removeprefix("[")[: len(host or "")]
    return _Url(
        node.name,
        kind,
        None if parts.username is None else unquote(parts.username),
        unquote(spelled),
        port,
        unquote(parts.path).strip("/"),
        _options(node.name, kind, parts.query, _KINDS[kind][1]),
    )


def open_channel(node: Node, defaults: Defaults | None = None) -> Channel:
    """Return the channel of a node; nothing is connected yet.

    Args:
        node: with its URL, see the module.
        defaults: what holds where the URL says nothing.

    Raises:
        ConfigError: the URL says nothing that could be done; names what is valid.
    """
    url = _read(node)
    return _KINDS[url.kind][0](url, defaults or Defaults())
