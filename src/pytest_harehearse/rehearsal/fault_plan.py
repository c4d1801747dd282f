# SPDX-License-Identifier: MIT
"""Fault plans: which faults are struck when, as plain data; read whole, so that everything wrong with one is told at once.

A plan is a list of tables::

    [{"fault": "net_partition", "node": "n2", "options": {"direction": "in"},
      "at": {"after": "switchover", "plus": "0..2s"}, "for": "5s"}]

``at`` is left out (at once), or ``{"in": "3s"}``, or ``{"after": …, "plus": …}``. After what: an action by its name as it
begins ("switchover", "fence", "undo net_partition"), ``"fault NAME"`` once that was struck, ``"… ended"`` when the action
ended, or a kind of event ("ClusterRecorded"). A duration ``"0..2s"`` is drawn between the two. ``node`` is a name, or a word of
:mod:`~.targets` ("active", "minority"), which means nodes when it is struck.
"""

from __future__ import annotations

import difflib
import inspect
import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.events import KINDS, ActionFinished, ActionStarted, ActionStep, Event
from pytest_harehearse.faults.base import Expected
from pytest_harehearse.faults.catalogue import CATALOGUE
from pytest_harehearse.rehearsal.targets import WORDS, limitation
from pytest_harehearse.units import DurationError, seconds, show

_KEYS: Final = ("fault", "node", "peers", "options", "at", "for", "times", "off")
_AT: Final = ("in", "after", "plus")
#: What is done to a cluster beside faults, by its name on the stream.
ACTIONS: Final = (
    "switchover", "fence", "cleanup", "reboot", "drain", "patch", "restart", "start", "set aside", "undrain", "maintenance on", "maintenance off",
)  # fmt: skip
#: An option of every fault: see ``Faults.build``.
_EXPECT: Final = "expect"
_RANGE: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Zµ]*)\s*\.\.\s*(\d+(?:\.\d+)?)\s*([a-zA-Zµ]+)\s*")
_MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class Span:
    """A duration in seconds, drawn between two."""

    least: float
    most: float

    def __str__(self) -> str:
        return show(self.least) if self.least == self.most else f"{show(self.least)} to {show(self.most)}"

    def draw(self, lots: random.Random) -> float:
        """Return one of them."""
        return self.least if self.least == self.most else lots.uniform(self.least, self.most)


NOW: Final = Span(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Planned:
    """One table of a plan."""

    fault: str
    nodes: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    #: Empty: counted from the beginning.
    after: str = ""
    plus: Span = NOW
    #: None: until the plan ends.
    lasts: Span | None = None
    times: int = 1
    off: Span = NOW
    #: Which nodes is decided by it when they are struck; empty: those of ``nodes``.
    word: str = ""

    @property
    def what(self) -> str:
        """What is struck where."""
        return f"{self.fault} {self.word or ', '.join(self.nodes)}".strip()

    def on(self, node: str) -> Planned:
        """Return the same on this node."""
        return replace(self, nodes=(node,), word="")

    @property
    def when(self) -> str:
        """When, as it was planned."""
        begin = f"after {self.after}" if self.after else "after the beginning"
        return f"{self.plus} {begin}" if self.after or self.plus != NOW else "at once"

    @property
    def how_long(self) -> str:
        """For how long, and how often."""
        long = "until the end" if self.lasts is None else f"for {self.lasts}"
        return f"{long}, {self.times} times, {self.off} apart" if self.times > 1 else long


@dataclass(frozen=True, slots=True)
class Drawn:
    """A table with its lots drawn: seconds until it is struck, and for each time how long it lasts and what follows."""

    planned: Planned
    plus: float
    #: None: until the plan ends.
    lasts: tuple[float | None, ...]
    off: tuple[float, ...]
    #: By which nodes are chosen for a word: the same in a part of the plan.
    pick: str = ""

    def lots(self, number: int) -> random.Random:
        """Return what chooses the nodes of a word the first, second, … time."""
        return random.Random(f"{self.pick} {number}")  # noqa: S311 - to be repeated, not to be secret

    def __str__(self) -> str:
        planned = self.planned
        begin = f"after {planned.after}" if planned.after else "after the beginning"
        on = (
            "until the end"
            if self.lasts == (None,)
            else "for " + ", ".join(f"{one:.3f} s" for one in self.lasts if one)
        )
        apart = f", with {', '.join(f'{one:.3f} s' for one in self.off)} between" if self.off else ""
        return f"{planned.what} {self.plus:.3f} s {begin}, {on}{apart}"


def read(plan: object, nodes: Iterable[str]) -> tuple[Planned, ...]:
    """Return the tables of a plan.

    Raises:
        ConfigError: everything that is wrong with it.
    """
    problems: list[str] = []
    known = tuple(nodes)
    if isinstance(plan, str | bytes | Mapping) or not isinstance(plan, Iterable):
        raise ConfigError('A fault plan is a list of tables, as in [{"fault": "net_partition", "node": "n1"}].')
    tables = list(plan)
    if not tables:
        problems.append("The fault plan is empty, so it would strike nothing.")
    found = []
    for number, table in enumerate(tables, start=1):
        said: list[str] = []
        one = _table(table, known, said)
        problems += [f"fault plan, entry {number}: {text}" for text in said]
        if one is not None and not said:
            found.append(one)
    if problems:
        raise ConfigError(problems)
    return tuple(found)


def draw(plan: Iterable[Planned], seed: int) -> tuple[Drawn, ...]:
    """Draw every lot of a plan at once, so that a seed always gives the same, whatever happens meanwhile."""
    lots = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    return tuple(
        Drawn(
            one,
            one.plus.draw(lots),
            tuple(None if one.lasts is None else one.lasts.draw(lots) for _ in range(one.times)),
            tuple(one.off.draw(lots) for _ in range(one.times - 1)),
            f"{seed} {one.what} {one.after} {one.plus} {one.lasts}",
        )
        for one in plan
    )


class Watched:
    """Tells from the events whether something that a plan waits for has just happened."""

    def __init__(self) -> None:
        #: Action → the name it began with.
        self._names: dict[str, str] = {}

    def happened(self, event: Event) -> tuple[str, ...]:
        """Return the names by which a plan may wait for this event."""
        said = [type(event).__name__]
        if isinstance(event, ActionStarted):
            self._names[event.action] = event.name
            # A fault is there once it was struck, not when that is begun.
            said += [] if event.name.startswith("fault ") else [event.name]
        elif isinstance(event, ActionStep) and event.step == "struck":
            said.append(self._names.get(event.action, ""))
        elif isinstance(event, ActionFinished):
            said.append(f"{self._names.pop(event.action, '')} ended")
        return tuple(said)


# -- one table -----------------------------------------------------------------------------------------------------


def _table(table: object, nodes: tuple[str, ...], problems: list[str]) -> Planned | None:
    if not isinstance(table, Mapping):
        problems.append(f"{table!r} is no table.")
        return None
    _unknown(table, _KEYS, "key", problems)
    fault = table.get("fault")
    if not isinstance(fault, str) or fault not in CATALOGUE:
        problems.append(
            _strange("fault", fault, CATALOGUE) if fault is not None else 'it names no fault: "fault": "…".'
        )
        fault = None
    word, chosen = _nodes(table, nodes, problems)
    options = table.get("options", {})
    if not isinstance(options, Mapping) or not all(isinstance(key, str) for key in options):
        problems.append(f'"options" is a table, as in {{"direction": "in"}}, not {options!r}.')
        options = {}
    if fault is not None:
        _fits(fault, chosen, options, problems)
    after, plus = _at(table.get("at"), problems)
    lasts = _span(table["for"], '"for"', problems) if "for" in table else None
    times = table.get("times", 1)
    if isinstance(times, bool) or not isinstance(times, int) or not 1 <= times <= _MOST:
        problems.append(f'"times" is a whole number from 1 to {_MOST}, not {times!r}.')
        times = 1
    off = _span(table["off"], '"off"', problems) if "off" in table else NOW
    if times > 1 and (lasts is None or "off" not in table):
        problems.append('"times" needs "for" and "off": how long it lasts each time, and how long it does not.')
    if times == 1 and "off" in table:
        problems.append('"off" needs "times": how often it is struck.')
    return Planned(fault or "", () if word else chosen, dict(options), after, plus, lasts, times, off, word)


def _nodes(table: Mapping[Any, Any], nodes: tuple[str, ...], problems: list[str]) -> tuple[str, tuple[str, ...]]:
    """Return the target word, if it is one, and what the fault is given as nodes."""
    peers = table.get("peers", [])
    if isinstance(peers, str) or not isinstance(peers, Iterable):
        problems.append(f'"peers" is a list of nodes, not {peers!r}.')
        peers = []
    # A node of the cluster fixture stands for its name.
    chosen = tuple(str(one) for one in ([table["node"]] if "node" in table else []) + list(peers))
    word = chosen[0] if "node" in table and chosen[0] in WORDS and chosen[0] not in nodes else ""
    for one in dict.fromkeys(chosen[1:] if word else chosen):
        if one in nodes:
            continue
        close = difflib.get_close_matches(one, WORDS, 1)
        hint = f" Did you mean the word {close[0]!r}?" if close else ""
        problems.append(f"there is no node {one!r}; there are {', '.join(nodes)}.{hint}")
    if peers and "node" not in table:
        problems.append('"peers" needs "node": who is cut off from them.')
    if word and (reason := limitation(word, len(nodes))) is not None:
        problems.append(f'"node": {reason}.')
    if word and peers:
        problems.append(f'"peers" needs a node by its name: {word!r} could be one of them.')
    return word, chosen


def _fits(fault: str, nodes: tuple[str, ...], options: Mapping[str, Any], problems: list[str]) -> None:
    """Check that the fault takes what it is given."""
    signature = inspect.signature(CATALOGUE[fault].builder)
    named = {name: one for name, one in signature.parameters.items() if one.kind is one.KEYWORD_ONLY}
    problems += [
        _strange(f"option of {fault}", key, [*named, _EXPECT]) for key in options if key not in {*named, _EXPECT}
    ]
    if _EXPECT in options and options[_EXPECT] not in list(Expected):
        problems.append(_strange(f"outcome of {fault}", options[_EXPECT], Expected))
    try:
        signature.bind(None, *nodes, **{key: value for key, value in options.items() if key in named})
    except TypeError as error:
        problems.append(f"{fault}: {error}.")


def _at(at: object, problems: list[str]) -> tuple[str, Span]:
    if at is None:
        return "", NOW
    if not isinstance(at, Mapping):
        problems.append(
            f'"at" is a table, as in {{"after": "switchover", "plus": "0..2s"}} or {{"in": "3s"}}, not {at!r}.'
        )
        return "", NOW
    _unknown(at, _AT, 'key of "at"', problems)
    if "in" in at:
        if "after" in at or "plus" in at:
            problems.append('"in" counts from the beginning, so it stands alone; with "after" it is "plus".')
        return "", _span(at["in"], '"in"', problems)
    after = at.get("after")
    if after is None:
        problems.append('"at" says neither "after" what nor "in" how long.')
        return "", NOW
    if not isinstance(after, str) or not _known(after):
        faults = [f"fault {name}" for name in CATALOGUE]
        problems.append(_strange('event to be "after"', after, [*ACTIONS, *faults, *KINDS]))
        return "", NOW
    return after, _span(at["plus"], '"plus"', problems) if "plus" in at else NOW


def _known(after: str) -> bool:
    name = after.removesuffix(" ended")
    word, _, rest = name.partition(" ")
    return after in KINDS or name in ACTIONS or (word in {"fault", "undo"} and rest in CATALOGUE)


def _span(value: object, key: str, problems: list[str]) -> Span:
    """Return a duration, or one to be drawn."""
    try:
        if isinstance(value, str) and (found := _RANGE.fullmatch(value)):
            # The unit is said once, or with each.
            least, most = seconds(f"{found[1]}{found[2] or found[4]}"), seconds(f"{found[3]}{found[4]}")
            if least > most:
                problems.append(f"{key}: {value!r} ends before it begins.")
            return Span(least, max(least, most))
        one = seconds(value)  # type: ignore[arg-type]  # what is no duration is refused there
    except DurationError as error:
        problems.append(f'{key}: {error} Drawn between two: "0..2s".')
        return NOW
    return Span(one, one)


def _unknown(table: Mapping[Any, Any], known: tuple[str, ...], what: str, problems: list[str]) -> None:
    problems += [_strange(what, key, known) for key in table if key not in known]


def _strange(what: str, value: object, known: Iterable[str]) -> str:
    names = [str(one) for one in known]
    close = difflib.get_close_matches(str(value), names, 1)
    hint = f"Did you mean {close[0]!r}?" if close else f"There are {', '.join(names) or 'none'}."
    return f"there is no {what} {value!r}. {hint}"
