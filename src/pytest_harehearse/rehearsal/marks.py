# SPDX-License-Identifier: MIT
"""What the marks ``rehearsal(...)`` and ``needs(...)`` may say, and what they mean. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.units import DurationError, seconds

_LIMITS: Final = ("interruption", "lost_writes", "redundancy", "dual_active")
_NEEDS: Final = ("nodes", "manager", "fencing", "capability")


def _check(mark: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], known: tuple[str, ...]) -> None:
    if args:
        raise ConfigError(
            f"The mark {mark} takes keywords only ({', '.join(f'{k}=' for k in known)}), not {args[0]!r}."
        )
    for name in kwargs:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ConfigError(f"The mark {mark} has no keyword {name!r}.{hint} It has: {', '.join(known)}.")


def limits(marks: Iterable[tuple[tuple[Any, ...], Mapping[str, Any]]]) -> dict[str, float]:
    """Return the limits of a test: seconds, or a count for ``lost_writes``; the mark nearest to the test wins.

    Args:
        marks: (args, kwargs) of every ``rehearsal`` mark, the nearest first.

    Raises:
        ConfigError: an unknown keyword, or a value that is no duration or count.
    """
    found: dict[str, float] = {}
    for args, kwargs in marks:
        _check("rehearsal", args, kwargs, _LIMITS)
        for name, value in kwargs.items():
            found.setdefault(name, _limit(name, value))
    return found


def _limit(name: str, value: Any) -> float:
    if name == "lost_writes":
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ConfigError(f"rehearsal(lost_writes={value!r}): a count of writes is wanted, as in lost_writes=0.")
        return float(value)
    try:
        return seconds(value)
    except DurationError as error:
        raise ConfigError(f"rehearsal({name}={value!r}): {error}") from error


def unmet(
    marks: Iterable[tuple[tuple[Any, ...], Mapping[str, Any]]],
    *,
    cluster: str,
    nodes: int,
    manager: str,
    fencing: bool,
    capabilities: Iterable[str],
) -> str | None:
    """Return why the cluster does not have what a test needs; None when it has.

    Raises:
        ConfigError: an unknown keyword, or a value of the wrong kind.
    """
    offered = sorted(capabilities)
    for args, kwargs in marks:
        _check("needs", args, kwargs, _NEEDS)
        for name, value in kwargs.items():
            _need(name, value)
        if kwargs.get("nodes", 0) > nodes:
            return f"needs {kwargs['nodes']} nodes: {cluster} has {nodes}"
        if "manager" in kwargs and manager not in _words(kwargs["manager"]):
            return f"needs manager {' or '.join(_words(kwargs['manager']))}: {cluster} is run by {manager}"
        if kwargs.get("fencing") and not fencing:
            return f"needs fencing: {cluster} has none"
        for capability in _words(kwargs.get("capability", ())):
            if capability not in offered:
                return f"needs {capability}: {cluster} can do {', '.join(offered) or 'nothing of the kind'}"
    return None


def _need(name: str, value: Any) -> None:
    match name:
        case "nodes":
            fits, wanted = isinstance(value, int) and not isinstance(value, bool), "a number of nodes, as in nodes=3"
        case "fencing":
            fits, wanted = isinstance(value, bool), "True or False"
        case _:
            example = "patroni" if name == "manager" else "switchover"
            texts = [value] if isinstance(value, str) else value
            fits = isinstance(texts, list | tuple) and all(isinstance(text, str) for text in texts)
            wanted = f"a name or a list of names, as in {name}={example!r}"
    if not fits:
        raise ConfigError(f"needs({name}={value!r}): wanted is {wanted}.")


def _words(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
