# SPDX-License-Identifier: MIT
"""When Pacemaker's nodes did what, from their own journals and the fencing history, on the runner's clock.

Every node that answers is asked, for the one that failed may have lost its journal. A time is mapped by the node's clock
offset and is as uncertain as that.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final

from defusedxml import ElementTree, common

from pytest_harehearse.managers.base import Clock, Record, Recordings
from pytest_harehearse.managers.pacemaker_messages import (
    Entry,
    Meaning,
    address_of,
    entries,
    held_back,
    identifiers,
    meaning,
)
from pytest_harehearse.remote.base import Channel, Command, Done, Script
from pytest_harehearse.remote.clock_offset import NodeClock, measure
from pytest_harehearse.units import show

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

#: Journals have microseconds; what a process does between doing a thing and saying so takes longer.
_STAMP_S: Final = 0.001
#: A wall clock set by less than this is a clock that is disciplined, not one that was set.
_SET_S: Final = 0.002
#: A node that is down must not use up the time of all.
_CONTACT_S: Final = 6.0
#: One thing is often said by two daemons or twice by one, within this time.
_SAME_S: Final = 2.0
#: Fencing history without parts of a second: it happened within that second.
_COMPLETED: Final = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(\.\d+)? ?(Z|[+-]\d\d:?\d\d)")
_HISTORY: Final = ("stonith_admin", "--history", "*", "--output-as=xml")
_ADDRESSES: Final = ("cibadmin", "--query", "--local", "--xpath", "//primitive[starts-with(@type,'IPaddr')]")
_FIELDS: Final = "--output-fields=MESSAGE,SYSLOG_IDENTIFIER,_SOURCE_REALTIME_TIMESTAMP,_BOOT_ID"
_FIRST: Final = Script("journalctl --quiet --no-pager --output=json --output-fields=_BOOT_ID | head -n 1")


@dataclass(slots=True)
class _Node:
    """What one node answered."""

    name: str
    clock: NodeClock | None = None
    entries: list[Entry] = field(default_factory=list)
    history: list[Record] = field(default_factory=list)
    addresses: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)


class _Asked:
    """One node's channel with the time that is left; a question without an answer is a problem of that node."""

    def __init__(self, channel: Channel, until: float, problems: list[str]) -> None:
        self.channel = channel
        self._until = until
        self._problems = problems

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return max(0.05, self._until - time.monotonic())

    def ask(self, command: Command, what: str) -> str | None:
        """Return what a command printed; None, and a problem noted, when it did not come to a good end."""
        outcome = self.channel.run(command, deadline=self.left)
        if isinstance(outcome, Done) and outcome.rc == 0:
            return outcome.out
        if isinstance(outcome, Done):
            said = (outcome.err or outcome.out).strip().partition("\n")[0][:200]
            why = f"status {outcome.rc}, {said or 'nothing said'}"
        else:
            why = outcome.reason
        self._problems.append(f"{what} of {self.channel.node} could not be read: {why}")
        return None


def collect(channels: Mapping[str, Channel], resources: Sequence[str], since: float, deadline: float) -> Recordings:
    """Return what the nodes recorded of these resources since an instant (monotonic seconds of the runner).

    Args:
        channels: by node; those without an answer are a problem in the result, the others are read.
        resources: the names of the group's members, or of what else makes the service.
        since: what was recorded before it is left out, as far as the clocks can tell.
        deadline: seconds for all together; every call ends at most a second later.
    """
    if not channels:
        return Recordings(problems=("no node could be asked what it recorded, for none has a channel",))
    until = time.monotonic() + deadline
    wanted = tuple(dict.fromkeys(name.partition(":")[0] for name in resources))
    with ThreadPoolExecutor(max_workers=min(16, len(channels)), thread_name_prefix="harehearse records") as pool:
        nodes = list(pool.map(lambda item: _read(item[0], item[1], wanted, since, until), channels.items()))
    addresses = {name for node in nodes for name in node.addresses}
    records = [record for node in nodes for record in _records(node, wanted, addresses, since)]
    records += _unheard([record for node in nodes for record in node.history], records, since)
    problems = [problem for node in nodes for problem in node.problems]
    if not wanted:
        problems.append("which resources make the service is not known, so none of their starts and stops is told")
    return Recordings(
        tuple(sorted(set(records), key=lambda r: (r.at, r.node, r.what, r.text))),
        tuple(Clock(n.clock.node, n.clock.offset, n.clock.error) for n in nodes if n.clock is not None),
        tuple(dict.fromkeys(problems)),
    )


def _read(name: str, channel: Channel, resources: Sequence[str], since: float, until: float) -> _Node:
    node = _Node(name)
    asked = _Asked(channel, until, node.problems)
    clock = measure(channel, min(_CONTACT_S, asked.left))
    if isinstance(clock, str):
        node.problems.append(f"what {name} recorded is not known: {clock}")
        return node
    node.clock = clock
    begin = clock.wall(since) - clock.error_at(since)
    _read_journal(node, asked, resources, begin)
    if history := asked.ask(_HISTORY, "the fencing history"):
        node.history = _fenced(node, clock, history)
    # Without an answer here, an address is known by what its agent says in the journal.
    outcome = channel.run(_ADDRESSES, deadline=asked.left)
    if isinstance(outcome, Done) and outcome.rc == 0:
        node.addresses = {str(found.get("id")) for found in _parsed(outcome.out, "primitive")}
    return node


def _read_journal(node: _Node, asked: _Asked, resources: Sequence[str], begin: float) -> None:
    matches = [f"SYSLOG_IDENTIFIER={name}" for name in identifiers(resources)]
    text = asked.ask(
        ["journalctl", "--quiet", "--no-pager", "--output=json", _FIELDS, f"--since=@{math.floor(begin)}", *matches],
        "the journal",
    )
    if text is None:
        return
    node.entries = list(entries(text.splitlines()))
    node.addresses |= {name for entry in node.entries if (name := address_of(entry)) is not None}
    node.problems += [f"{node.name}: {said}" for entry in node.entries if (said := held_back(entry)) is not None]
    first = asked.ask(_FIRST, "the beginning of the journal")
    oldest = _beginning(first or "")
    if oldest is None:
        if first is not None:
            node.problems.append(f"the journal of {node.name} is empty, or we may not read it")
    elif oldest > begin:
        late = show(oldest - begin)
        node.problems.append(
            f"the journal of {node.name} begins only {late} after the rehearsal did (it was started anew and keeps its "
            "journal in memory, or old entries were removed), so what it recorded before is lost"
        )


def _beginning(line: str) -> float | None:
    found = re.search(r'"__REALTIME_TIMESTAMP"\s*:\s*"(\d+)"', line)
    return int(found[1]) / 1e6 if found else None


def _records(node: _Node, resources: Sequence[str], addresses: set[str], since: float) -> list[Record]:
    clock = node.clock
    if clock is None:
        return []
    latest = {entry.boot: entry for entry in node.entries if entry.steady is not None}
    found: list[Record] = []
    for entry in node.entries:
        meant = meaning(entry, resources)
        if meant is None:
            continue
        at = clock.monotonic(entry.stamp)
        error = clock.error_at(at) + _STAMP_S + _set_meanwhile(entry, latest.get(entry.boot))
        record = Record(node.name, _what(meant, addresses), at, error, meant.text)
        if at + error >= since and not _said(record, found):
            found.append(record)
    return found


def _said(record: Record, found: Sequence[Record]) -> bool:
    return any((r.what, r.text) == (record.what, record.text) and abs(r.at - record.at) < _SAME_S for r in found)


def _what(meant: Meaning, addresses: set[str]) -> str:
    """An address that was started is the VIP at its new place."""
    return "vip" if meant.what == "started" and meant.resource.partition(":")[0] in addresses else meant.what


def _set_meanwhile(entry: Entry, last: Entry | None) -> float:
    """Return by how much the node's wall clock was set between an entry and the last one of that boot."""
    if entry.steady is None or last is None or last.steady is None:
        return 0.0
    step = abs((last.stamp - last.steady) - (entry.stamp - entry.steady))
    return step if step > _SET_S else 0.0


def _parsed(text: str, tag: str) -> list[Element]:
    """Return the elements of a name in the answer of a tool; none when it is no XML."""
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, common.DefusedXmlException):
        return []
    return list(root.iter(tag))


def _fenced(node: _Node, clock: NodeClock, text: str) -> list[Record]:
    found = []
    for event in _parsed(text, "fence_event"):
        done = _COMPLETED.search(event.get("completed", ""))
        if event.get("status") != "success" or event.get("action") not in {"reboot", "off"} or done is None:
            continue
        zone = "+0000" if done[3] == "Z" else done[3].replace(":", "")
        stamp = datetime.strptime(done[1] + zone, "%Y-%m-%d %H:%M:%S%z").timestamp()
        # A whole second says no more than which second it was.
        stamp, coarse = (stamp + float(done[2]), _STAMP_S) if done[2] else (stamp + 0.5, 0.5)
        at = clock.monotonic(stamp)
        words = f"{event.get('action')} of {event.get('target')} by {event.get('delegate') or 'an unknown node'}"
        found.append(Record(node.name, "fenced", at, clock.error_at(at) + coarse, words))
    return found


def _unheard(history: Sequence[Record], heard: Sequence[Record], since: float) -> list[Record]:
    """Return fencing that only the history knows; where a journal has it, the journal is the sharper one."""
    found: list[Record] = []
    for record in sorted(history, key=lambda r: (r.error, r.at)):
        known = any(
            other.what == "fenced"
            and other.text == record.text
            and abs(other.at - record.at) <= other.error + record.error
            for other in (*heard, *found)
        )
        if not known and record.at + record.error >= since:
            found.append(record)
    return found
