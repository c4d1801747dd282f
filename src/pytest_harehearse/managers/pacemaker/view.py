# SPDX-License-Identifier: MIT
"""What one node says of the cluster and of itself."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from pytest_harehearse.managers.pacemaker import cib, crm_mon
from pytest_harehearse.managers.pacemaker.sections import NOT_FOUND, TOO_LONG, Said, script, split
from pytest_harehearse.managers.pacemaker.xml import parse
from pytest_harehearse.remote.base import Done, Outcome, Script

if TYPE_CHECKING:
    from pytest_harehearse.managers.pacemaker.cib import Config
    from pytest_harehearse.managers.pacemaker.crm_mon import Mon

#: CRM_EX_DISCONNECT and what older ones return: the cluster does not run on this node.
_NOT_RUNNING: Final = frozenset({7, 102})
MON: Final = "section mon crm_mon -1 -r --output-as=xml"
#: The addresses first: a node whose cluster hangs can still tell them.
_ALL: Final = f"""
section addresses ip -j addr
section time date -u +%s
section name crm_node -n 2>&1
{MON}
case $? in 124|127) exit 0;; esac
section quorum crm_node -q 2>&1
section votes corosync-quorumtool -s 2>&1
section config cibadmin --query --scope configuration
section controller crmadmin -S "$(timeout "$limit" crm_node -n 2>/dev/null)" --output-as=xml 2>&1
"""
_QUORATE: Final = re.compile(r"^Quorate:\s+(Yes|No)\b", re.MULTILINE)
_STATE: Final = re.compile(r"\bS_[A-Z_]+\b")
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,255}")


@dataclass(frozen=True, slots=True)
class View:
    """What one node said; None means not said, never "no"."""

    #: In the inventory.
    node: str
    #: In the cluster; None: not learned.
    name: str | None = None
    #: Why its channel brought no answer.
    unreachable: str | None = None
    #: Why Pacemaker there says nothing.
    problem: str | None = None
    #: Pacemaker's word there was that it does not run.
    stopped: bool = False
    mon: Mon | None = None
    config: Config | None = None
    quorate: bool | None = None
    #: What the controller there is doing, as S_IDLE.
    controller: str | None = None
    addresses: frozenset[str] | None = None
    time: datetime | None = None

    @property
    def credible(self) -> bool:
        """It speaks for a partition that has quorum."""
        return self.mon is not None and self.quorate is True


def asking(limit: float) -> Script:
    """Return the script that asks a node for everything."""
    return script(_ALL, limit)


def asking_mon(limit: float) -> Script:
    """Return the script that asks for the cluster's state only."""
    return script(MON, limit)


def read(node: str, asked: Script, outcome: Outcome) -> View:
    """Return what the answer to :func:`asking` or :func:`asking_mon` says."""
    if not isinstance(outcome, Done):
        return View(node, unreachable=outcome.reason)
    said = split(asked, outcome.stdout)
    view = View(
        node, name=_name(said.get("name")), addresses=_addresses(said.get("addresses")), time=_time(said.get("time"))
    )
    mon = read_mon(said, outcome)
    if isinstance(mon, str):
        return replace(view, problem=mon, stopped=_stopped(said))
    config = cib.read(said["config"].data) if "config" in said else "it was not asked"
    return replace(
        view,
        mon=mon,
        config=None if isinstance(config, str) else config,
        quorate=_quorate(mon, said),
        controller=_controller(said.get("controller")),
    )


def read_mon(said: Mapping[str, Said], outcome: Done) -> Mon | str:
    """Return the section ``mon``, or why Pacemaker said nothing."""
    answer = said.get("mon")
    if answer is None:
        return f"it did not answer in full: rc {outcome.rc}, {_short(outcome.err) or 'nothing on stderr'}"
    if answer.rc == NOT_FOUND:
        return "Pacemaker is not installed there: the command crm_mon was not found"
    if answer.rc == TOO_LONG and not answer.data.strip():
        return "Pacemaker hangs there: crm_mon did not end in time"
    mon = crm_mon.read(answer.data)
    code = answer.rc or (mon.code if not isinstance(mon, str) else 0)
    message = (mon.message if not isinstance(mon, str) else "") or _short(outcome.err) or answer.text[:160]
    if code in _NOT_RUNNING:
        return f"Pacemaker is not running there: crm_mon ended with {code} ({message.partition(':')[0]})"
    if code:
        return f"crm_mon there ended with {code} ({message})"
    if isinstance(mon, str):
        return f"crm_mon there cannot be understood: {mon}"
    return mon


def _stopped(said: Mapping[str, Said]) -> bool:
    answer = said.get("mon")
    if answer is None:
        return False
    mon = crm_mon.read(answer.data)
    return answer.rc in _NOT_RUNNING or (not isinstance(mon, str) and mon.code in _NOT_RUNNING)


def _short(text: str) -> str:
    return " ".join(text.split())[:160]


def _name(said: Said | None) -> str | None:
    if said is None or said.rc:
        return None
    word = said.text
    return word if _NAME.fullmatch(word) else None


def _time(said: Said | None) -> datetime | None:
    if said is None or said.rc or not re.fullmatch(r"[0-9]{1,11}", said.text):
        return None
    return datetime.fromtimestamp(int(said.text), UTC)


def _addresses(said: Said | None) -> frozenset[str] | None:
    if said is None or said.rc:
        return None
    try:
        links = json.loads(said.data)
        texts = [info["local"] for link in links for info in link.get("addr_info", ()) if "local" in info]
        return frozenset(str(ipaddress.ip_address(text)) for text in texts)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _quorate(mon: Mon, said: Mapping[str, Said]) -> bool | None:
    """Return whether the node has quorum: no, where any of those that say so says no."""
    words = [mon.quorum]
    answer = said.get("quorum")
    if answer is not None and answer.rc == 0 and answer.text in {"0", "1"}:
        words.append(answer.text == "1")
    votes = said.get("votes")
    # Its exit status is no success without quorum, so only the words count.
    found = None if votes is None else _QUORATE.search(votes.data.decode(errors="replace"))
    if found is not None:
        words.append(found[1] == "Yes")
    known = [word for word in words if word is not None]
    return all(known) if known else None


def _controller(said: Said | None) -> str | None:
    if said is None:
        return None
    root = parse(said.data)
    if not isinstance(root, str):
        state = root.find("crmd")
        return None if state is None else state.get("state")
    # Before Pacemaker 2.1 it had no XML: "Status of crmd@web1: S_IDLE (ok)".
    found = _STATE.search(said.text)
    return found[0] if found else None
