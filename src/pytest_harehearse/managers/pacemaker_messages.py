# SPDX-License-Identifier: MIT
"""What corosync and Pacemaker say of a failover in the journal, and what each message means. Pure.

Only messages that have kept their words since Pacemaker 2.0 and corosync 3.0 are read (2.1.5 and 3.1.7 were looked at),
and only for when something happened: what the cluster's state is, is never taken from here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

#: The processes of a cluster that are read, as they call themselves in the journal.
SPEAKERS: Final = ("corosync", "pacemaker-controld", "pacemaker-fenced")
#: Agents of an address; they name themselves "IPaddr2(RESOURCE)".
ADDRESS_AGENTS: Final = ("IPaddr2", "IPaddr")
#: journald holds messages back that come too fast, and says so under this name.
JOURNAL: Final = "systemd-journald"

_OPERATIONS: Final = {
    "start": ("starting", "started"),
    "promote": ("starting", "started"),
    "stop": ("stopping", "stopped"),
    "demote": ("stopping", "stopped"),
}
_VERBS: Final = "|".join(_OPERATIONS)
_LOST_TOKEN: Final = re.compile(r"A processor failed, forming new configuration")
_LEFT: Final = re.compile(r"A new membership \([^)]*\) was formed\. Members.*? left: ([\d ]+)")
_LOST_NODE: Final = re.compile(r"Node (\S+) state is now lost")
_ASKED_FENCING: Final = re.compile(r"Requesting fencing \((\w+)\) (?:of|targeting) node (\S+)")
_WANTED_FENCING: Final = re.compile(r"Client \S+ wants to fence \((\w+)\) '?([^\s']+)'? (?:using|with)")
_FENCED: Final = re.compile(r"Operation '(reboot|off)' targeting (\S+) by (\S+) for .*: OK\b")
_TERMINATED: Final = re.compile(r"Peer (\S+) was terminated \((\w+)\) by (\S+)")
_BEGAN: Final = re.compile(rf"Requesting local execution of ({_VERBS}) operation for (\S+) on (\S+)")
_INITIATED: Final = re.compile(rf"Initiating (?:{_VERBS}) operation (\S+)_({_VERBS})_0 (?:locally )?on (\S+)")
_RESULT: Final = re.compile(rf"Result of ({_VERBS}|monitor) operation for (\S+) on (\S+): (.+?)\s*(?:\||$)")
_OK: Final = re.compile(r"ok\b|0 \(ok\)|promoted\b|8 \(")
_ARP: Final = re.compile(r"\b(?:send_arp|arping|ipoibarping|send_ua)\b")
_AGENT: Final = re.compile(rf"(?:{'|'.join(ADDRESS_AGENTS)})\((.+)\)")
_HELD_BACK: Final = re.compile(r"Suppressed (\d+) messages from ((?:corosync|pacemaker)\S*)")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a journal; ``stamp`` is the node's wall clock when it was said, ``boot`` which boot said it."""

    speaker: str
    message: str
    stamp: float
    #: The node's clock that nobody sets, at the same instant: by it a wall clock that was set meanwhile is noticed.
    steady: float | None = None
    boot: str = ""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an entry says: one of the words of ``managers.base.Record.what``, of which resource, in few words."""

    what: str
    text: str
    resource: str = ""


def identifiers(resources: Collection[str]) -> Iterator[str]:
    """Yield the names under which the journal has what is wanted."""
    yield from SPEAKERS
    yield JOURNAL
    for resource in resources:
        yield from (f"{agent}({resource})" for agent in ADDRESS_AGENTS)


def entries(lines: Sequence[str]) -> Iterator[Entry]:
    """Yield the entries of ``journalctl --output=json``; a line that is none (torn, no text) is left out."""
    for line in lines:
        try:
            data = json.loads(line)
        except ValueError:
            continue
        entry = _entry(data) if isinstance(data, dict) else None
        if entry is not None:
            yield entry


def _entry(data: dict[str, Any]) -> Entry | None:
    try:
        # When the sender handed it over, where the journal knows; else when the journal received it.
        stamp = int(data.get("_SOURCE_REALTIME_TIMESTAMP") or data["__REALTIME_TIMESTAMP"]) / 1e6
        received = int(data["__REALTIME_TIMESTAMP"]) / 1e6
        steady = int(data["__MONOTONIC_TIMESTAMP"]) / 1e6 if "__MONOTONIC_TIMESTAMP" in data else None
    except (KeyError, TypeError, ValueError):
        return None
    if steady is not None:
        steady += stamp - received
    message = data.get("MESSAGE")
    if isinstance(message, list):
        try:
            message = bytes(message).decode(errors="replace")
        except (TypeError, ValueError):
            return None
    if not isinstance(message, str):
        return None
    return Entry(str(data.get("SYSLOG_IDENTIFIER", "")), message, stamp, steady, str(data.get("_BOOT_ID", "")))


def held_back(entry: Entry) -> str | None:
    """Return what the journal says it dropped of the cluster's messages."""
    found = _HELD_BACK.search(entry.message) if entry.speaker == JOURNAL else None
    return f"its journal dropped {found[1]} messages of {found[2]}" if found else None


def address_of(entry: Entry) -> str | None:
    """Return the resource of an address whose agent speaks here."""
    found = _AGENT.fullmatch(entry.speaker)
    return found[1] if found else None


def meaning(entry: Entry, resources: Collection[str]) -> Meaning | None:
    """Return what an entry means for these resources; None when it says nothing of a failover."""
    if address_of(entry) is not None:
        return _of_agent(entry, resources)
    if entry.speaker == "corosync":
        return _of_corosync(entry.message)
    if entry.speaker == "pacemaker-fenced":
        return _of_fencer(entry.message)
    if entry.speaker == "pacemaker-controld":
        return _of_controller(entry.message, resources)
    return None


def _of_agent(entry: Entry, resources: Collection[str]) -> Meaning | None:
    resource = address_of(entry) or ""
    if _base(resource) not in resources or not _ARP.search(entry.message) or "ERROR" in entry.message:
        return None
    return Meaning("vip", f"{resource} announced on the network", resource)


def _of_corosync(message: str) -> Meaning | None:
    if _LOST_TOKEN.search(message):
        return Meaning("detected", "token lost")
    left = _LEFT.search(message)
    return Meaning("detected", f"membership without node {', '.join(left[1].split())}") if left else None


def _of_fencer(message: str) -> Meaning | None:
    if wanted := _WANTED_FENCING.search(message):
        return Meaning("fencing", f"{wanted[1]} of {wanted[2]} asked for")
    if done := _FENCED.search(message):
        return Meaning("fenced", f"{done[1]} of {done[2]} by {done[3]}", done[2])
    return None


def _of_controller(message: str, resources: Collection[str]) -> Meaning | None:
    if lost := _LOST_NODE.search(message):
        return Meaning("detected", f"{lost[1]} is lost")
    if asked := _ASKED_FENCING.search(message):
        return Meaning("fencing", f"{asked[1]} of {asked[2]} asked for")
    if gone := _TERMINATED.search(message):
        return Meaning("fenced", f"{gone[2]} of {gone[1]} by {gone[3]}", gone[1])
    if began := _BEGAN.search(message):
        return _operation(began[1], began[2], began[3], resources)
    if initiated := _INITIATED.search(message):
        return _operation(initiated[2], initiated[1], initiated[3], resources)
    if result := _RESULT.search(message):
        return _outcome(result[1], result[2], result[3], result[4], resources)
    return None


def _operation(verb: str, resource: str, node: str, resources: Collection[str]) -> Meaning | None:
    if _base(resource) not in resources:
        return None
    return Meaning(_OPERATIONS[verb][0], f"{verb} of {resource} on {node} begun", resource)


def _outcome(verb: str, resource: str, node: str, said: str, resources: Collection[str]) -> Meaning | None:
    if _base(resource) not in resources:
        return None
    if _OK.match(said):
        return None if verb == "monitor" else Meaning(_OPERATIONS[verb][1], f"{verb} of {resource} on {node}", resource)
    if said == "Cancelled":
        return None
    what = "detected" if verb == "monitor" else "failed"
    return Meaning(what, f"{verb} of {resource} on {node}: {said}", resource)


def _base(resource: str) -> str:
    """Return a resource's name without the number of its instance."""
    return resource.partition(":")[0]
