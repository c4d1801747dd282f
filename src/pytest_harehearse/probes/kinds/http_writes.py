# SPDX-License-Identifier: MIT
"""Numbered writes over HTTP through a user's own two callables: one makes a request, one looks the numbers up.

The first only says what to send; the probe sends it, so that the times are the probe's. The second runs once, after the
rehearsal, and may take its time.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import operator
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Final, SupportsIndex, cast
from urllib.parse import unquote

from pytest_harehearse import units
from pytest_harehearse.errors import ConfigError, HarehearseError, Indeterminate
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.kinds.http_request import split

_HOW: Final = 'Write FILE.py:FUNCTION, as in write = "probes/shop.py:write" and lookup = "probes/shop.py:lookup".'

Write = Callable[[str, int], Any]
Lookup = Callable[[str, str], Iterable[int]]


@dataclass(frozen=True, slots=True)
class HttpWrite:
    """The request of one numbered write, as ``write(writer, n)`` returns it.

    Args:
        path: relative to the service's URL, or from its root when it begins with a slash; may have a query.
        method: POST unless said otherwise.
        headers: what goes with it; length, host and connection are the probe's.
        body: what is sent.
    """

    path: str = ""
    method: str = "POST"
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = field(default_factory=dict)
    body: bytes = b""

    def __post_init__(self) -> None:
        for name, kind in (("path", str), ("method", str), ("body", bytes)):
            if not isinstance(getattr(self, name), kind):
                raise TypeError(f"HttpWrite's {name} is {type(getattr(self, name)).__name__}, not {kind.__name__}")

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Return the headers one by one."""
        return tuple(self.headers.items() if isinstance(self.headers, Mapping) else self.headers)


#: File, its time and size → its module: both callables of one file share one.
_LOADED: dict[tuple[str, int, int], ModuleType] = {}


def write_of(service: Service) -> Write:
    """Return the callable that makes a request.

    Raises:
        ConfigError: when there is none; says which file and why.
    """
    return cast("Write", _function(service, "write", ("writer", "n")))


def lookup_of(service: Service) -> Lookup:
    """Return the callable that looks numbers up.

    Raises:
        ConfigError: when there is none; says which file and why.
    """
    return cast("Lookup", _function(service, "lookup", ("url", "writer")))


def prepare(service: Service, within: float = 15.0) -> None:  # noqa: ARG001 - the contract's
    """Check that both callables are there.

    Raises:
        ConfigError: when one is not.
    """
    write_of(service)
    lookup_of(service)


def take(service: Service, writer: str, within: float) -> Counter[int]:
    """Return how often the user's callable found each number. What it wrote stays there, unless the callable removes it.

    Raises:
        Indeterminate: when it failed, did not end in time, or returned something else than numbers.
    """
    lookup = lookup_of(service)
    found: list[int] = []
    failed: list[BaseException] = []

    def look() -> None:
        try:
            found.extend(lookup(service.url, writer))
        except BaseException as error:  # noqa: BLE001 - whatever it is, the numbers are not known
            failed.append(error)

    # A daemon: one that never ends must not keep the run from ending.
    thread = threading.Thread(target=look, name="harehearse-lookup", daemon=True)
    thread.start()
    thread.join(within)
    if thread.is_alive():
        raise Indeterminate(f"{service.lookup} did not return within {units.show(within)}")
    if failed:
        text = _masked(service, f"{type(failed[0]).__name__}: {failed[0]}".removesuffix(": "))
        raise Indeterminate(f"{service.lookup} failed with {text}") from failed[0]
    for number in found:
        if isinstance(number, bool) or not isinstance(number, SupportsIndex):
            raise Indeterminate(f"{service.lookup} returned {number!r} among its numbers; it must return whole numbers")
    return Counter(operator.index(number) for number in found)


def _masked(service: Service, text: str) -> str:
    password = split(service.url).password
    for secret in (password, unquote(password)) if password else ():
        text = text.replace(secret, "***")
    return text


def _function(service: Service, key: str, parameters: tuple[str, ...]) -> Callable[..., Any]:
    value: str | None = getattr(service, key)
    if value is None:
        raise ConfigError(
            f"the service {service.name!r} has mode = 'write' but no {key}: a write over http is your own request, and "
            f"only you know how to look it up. {_HOW}"
        )
    file, colon, name = value.rpartition(":")
    if not colon or not file.endswith(".py") or not name.isidentifier():
        raise ConfigError(f"the service {service.name!r} has {key} = {value!r}, which names no function. {_HOW}")
    function = getattr(_module(service, key, file), name, None)
    wanted = f"def {name}({', '.join(parameters)})"
    if not callable(function):
        raise ConfigError(
            f"the service {service.name!r}: {file} has no function {name!r} for its {key}; write {wanted}."
        )
    if inspect.iscoroutinefunction(function):
        raise ConfigError(f"the service {service.name!r}: {value} is async; write plain {wanted}.")
    try:
        inspect.signature(function).bind(*parameters)
    except TypeError as error:
        raise ConfigError(f"the service {service.name!r}: {value} does not fit ({error}); write {wanted}.") from error
    except ValueError:
        pass  # A callable of C does not tell what it takes; the first call will.
    return cast("Callable[..., Any]", function)


def _module(service: Service, key: str, file: str) -> ModuleType:
    path = Path(file)
    try:
        stat = path.stat()
        where = (str(path), stat.st_mtime_ns, stat.st_size)
        if where not in _LOADED:
            _LOADED[where] = _load(path)
        return _LOADED[where]
    except HarehearseError:
        raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        why = error.strerror if isinstance(error, OSError) and error.strerror else f"{type(error).__name__}: {error}"
        raise ConfigError(
            f"the service {service.name!r}: {file} cannot be loaded for its {key}: {why}. {_HOW}"
        ) from error


def _load(path: Path) -> ModuleType:
    name = f"_harehearse_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and pickles look their module up by name.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
