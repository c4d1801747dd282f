# SPDX-License-Identifier: MIT
"""What Pacemaker's nodes recorded, from real journals of a power-off, a planned move and a killed process."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.managers import pacemaker_records
from pytest_harehearse.managers.pacemaker_messages import Entry, entries, held_back, meaning
from pytest_harehearse.managers.pacemaker_records import collect
from pytest_harehearse.remote.base import Done, Unknown, Unreachable, argv
from pytest_harehearse.remote.clock_offset import NodeClock

RECORDED = Path(__file__).parent / "recorded"
RESOURCES = ("web-ip", "web-nginx")
#: web1 lost power, web2 saw it in the 30 s after this (wall clock).
POWER_OFF = 1795410728.0
#: The service was moved from web2 to web1 after this, and its process killed there after that.
MOVE, KILL = 1795410791.0, 1795410802.0
ADDRESS = '<primitive id="web-ip" class="ocf" provider="heartbeat" type="IPaddr2"/>'
NO_HISTORY = '<pacemaker-result><status code="0" message="OK"/></pacemaker-result>'


def history(completed="2026-11-23 05:12:15Z", status="success", **more):
    event = {"action": "reboot", "target": "web1", "status": status, "delegate": "web2", "completed": completed, **more}
    words = " ".join(f'{key}="{value}"' for key, value in event.items())
    return f'<pacemaker-result><list name="Fencing history"><fence_event {words}/></list></pacemaker-result>'


class Node:
    """A node that answers as web1 or web2 of the lab did; ``broken`` replaces the answer to a program."""

    def __init__(self, name, journal=None, **broken):
        self.node, self.url = name, f"test://{name}"
        self.lines = (RECORDED / f"pacemaker-{name}.jsonl").read_text().splitlines() if journal is None else journal
        self.broken = broken

    def run(self, command, **_):
        words = argv(command)
        program = "first" if words[0] == "/bin/sh" else words[0]
        if program in self.broken:
            found = self.broken[program]
            return found if not isinstance(found, str) else Done(0, found.encode())
        if program == "first":
            return Done(0, self.lines[0].encode() if self.lines else b"")
        if program == "journalctl":
            return Done(0, "\n".join(self.since(words)).encode())
        return Done(0, (ADDRESS if program == "cibadmin" else NO_HISTORY).encode())

    def since(self, words):
        """What journalctl would print: only those speakers, only since then."""
        begin = next(float(word.partition("@")[2]) for word in words if word.startswith("--since=@"))
        wanted = {word.partition("=")[2] for word in words if word.startswith("SYSLOG_IDENTIFIER=")}
        for line in self.lines:
            data = json.loads(line)
            if data["SYSLOG_IDENTIFIER"] in wanted and int(data["__REALTIME_TIMESTAMP"]) / 1e6 >= begin:
                yield line


@pytest.fixture
def clock(monkeypatch):
    """Every node's wall clock is the runner's monotonic one, give or take 2 ms, or what is asked for by name."""
    known = {}

    def measure(channel, deadline):
        found = known.get(channel.node, (0.0, 0.002))
        if isinstance(found, str):
            return found
        return NodeClock(channel.node, *found, found[0], POWER_OFF)

    monkeypatch.setattr(pacemaker_records, "measure", measure)
    return known


def both(**broken):
    return {"web1": Node("web1", **broken), "web2": Node("web2", **broken)}


def told(found, since, until):
    return [(r.node, r.what, r.text) for r in found.records if since <= r.at < until]


def test_a_power_off_as_the_survivor_recorded_it(clock):
    """Noticed, agreed, fenced, the address moved and announced, the service started."""
    found = collect(both(), RESOURCES, POWER_OFF, 10.0)
    assert told(found, POWER_OFF, POWER_OFF + 10.5) == [
        ("web2", "detected", "token lost"),
        ("web2", "detected", "membership without node 1"),
        ("web2", "detected", "web1 is lost"),
        ("web2", "fencing", "reboot of web1 asked for"),
        ("web2", "fenced", "reboot of web1 by web2"),
        ("web2", "starting", "start of web-ip on web2 begun"),
        ("web2", "vip", "web-ip announced on the network"),
        ("web2", "vip", "start of web-ip on web2"),
        ("web2", "starting", "start of web-nginx on web2 begun"),
        ("web2", "started", "start of web-nginx on web2"),
    ]
    at = {r.what: r.at - POWER_OFF for r in reversed(found.records) if r.at < POWER_OFF + 10.5}
    assert at["detected"] == pytest.approx(2.767, abs=0.001)
    assert at["fencing"] == pytest.approx(7.616, abs=0.001)
    assert at["fenced"] == pytest.approx(7.708, abs=0.001)
    assert at["vip"] == pytest.approx(7.792, abs=0.001)
    assert [(c.node, c.offset, c.error) for c in found.clocks] == [("web1", 0.0, 0.002), ("web2", 0.0, 0.002)]


def test_a_planned_move_as_both_recorded_it(clock):
    """Stopped at the old place, started at the new one; nothing was lost or fenced."""
    found = told(collect(both(), RESOURCES, MOVE, 10.0), MOVE, MOVE + 8)
    assert {what for _, what, _ in found} == {"stopping", "stopped", "starting", "started", "vip"}
    assert [text for node, what, text in found if what == "stopped"] == [
        "stop of web-nginx on web2",
        "stop of web-ip on web2",
    ]
    assert ("web1", "started", "start of web-nginx on web1") in found


def test_a_killed_process_as_its_node_recorded_it(clock):
    """The monitor noticed; it was stopped and started in its place."""
    found = told(collect(both(), RESOURCES, KILL, 10.0), KILL, KILL + 12)
    assert [(node, what) for node, what, _ in found if node == "web1"] == [
        ("web1", "detected"),
        ("web1", "stopping"),
        ("web1", "stopped"),
        ("web1", "starting"),
        ("web1", "started"),
    ]
    assert found[0][2] == "monitor of web-nginx on web1: not running (failed)"


def test_resources_of_others_are_left_out(clock):
    """Another group's moves, and the fencing devices' own starts, are not ours."""
    found = collect(both(), ("db",), POWER_OFF, 10.0)
    assert {r.what for r in found.records} == {"detected", "fencing", "fenced"}


def test_without_the_names_of_the_resources_that_is_told(clock):
    """Detection and fencing are the cluster's; starts and stops are somebody's."""
    found = collect({"web2": Node("web2")}, (), POWER_OFF, 10.0)
    assert {r.what for r in found.records} == {"detected", "fencing", "fenced"}
    assert found.problems[-1] == (
        "which resources make the service is not known, so none of their starts and stops is told"
    )


def test_a_time_is_mapped_by_the_offset_of_its_node(clock):
    """A clock that is 5 s ahead moves its records back; its error is theirs."""
    plain = collect({"web2": Node("web2")}, RESOURCES, POWER_OFF, 10.0)
    clock["web2"] = (5.0, 0.25)
    moved = collect({"web2": Node("web2")}, RESOURCES, POWER_OFF - 5.0, 10.0)
    for one, other in zip(plain.records, moved.records, strict=True):
        assert other.at == pytest.approx(one.at - 5.0)
        assert other.error == pytest.approx(one.error + 0.248, abs=0.002)


def test_a_clock_that_was_set_meanwhile_makes_times_uncertain(clock):
    """By as much as it was set: what came before is no longer comparable with what is measured now."""
    lines = []
    for line in Node("web2").lines:
        data = json.loads(line)
        if int(data["__REALTIME_TIMESTAMP"]) / 1e6 > POWER_OFF + 7:
            data["__REALTIME_TIMESTAMP"] = str(int(data["__REALTIME_TIMESTAMP"]) + 3_000_000)
            data.pop("_SOURCE_REALTIME_TIMESTAMP", None)
        lines.append(json.dumps(data))
    found = collect({"web2": Node("web2", lines)}, RESOURCES, POWER_OFF, 10.0)
    before, after = found.records[0], found.records[-1]
    assert before.error == pytest.approx(3.0, abs=0.05)
    assert after.error < 0.1


def test_a_lost_journal_is_told_and_the_others_are_used(clock):
    """A node that was power-cycled and keeps its journal in memory begins anew."""
    fresh = [line for line in Node("web1").lines if json.loads(line)["__REALTIME_TIMESTAMP"] > "1795410736"]
    found = collect({"web1": Node("web1", fresh), "web2": Node("web2")}, RESOURCES, POWER_OFF - 30, 10.0)
    assert "the journal of web1 begins only 38.49 s after the rehearsal did" in found.problems[0]
    assert "so what it recorded before is lost" in found.problems[0]
    assert ("web2", "fenced") in {(r.node, r.what) for r in found.records}


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Unreachable("nobody answered"), "nobody answered"),
        (Unknown("the deadline passed"), "the deadline passed"),
        (Done(1, b"", b"Failed to open: Permission denied\nmore"), "status 1, Failed to open: Permission denied"),
        (Done(1), "status 1, nothing said"),
    ],
)
def test_a_journal_that_cannot_be_read_is_told(clock, outcome, reason):
    """With why; the other node's records are there."""
    found = collect({"web1": Node("web1", journalctl=outcome), "web2": Node("web2")}, RESOURCES, POWER_OFF, 10.0)
    assert f"the journal of web1 could not be read: {reason}" in found.problems
    assert {r.node for r in found.records} == {"web2"}


def test_an_empty_journal_is_told(clock):
    """No entry at all: nothing to read, or no right to."""
    found = collect({"web1": Node("web1", [])}, RESOURCES, POWER_OFF, 10.0)
    assert found.problems == ("the journal of web1 is empty, or we may not read it",)


def test_a_node_without_a_clock_gives_no_times(clock):
    """Its records could not be put anywhere."""
    clock["web2"] = "the clock of web2 could not be read: cut off"
    found = collect({"web2": Node("web2")}, RESOURCES, POWER_OFF, 10.0)
    assert (found.records, found.clocks) == ((), ())
    assert found.problems == ("what web2 recorded is not known: the clock of web2 could not be read: cut off",)


def test_no_channel_at_all_is_told():
    """Then nothing is known, and that is said."""
    assert collect({}, RESOURCES, 0.0, 1.0).problems == (
        "no node could be asked what it recorded, for none has a channel",
    )


def test_the_fencing_history_fills_in_where_no_journal_tells(clock):
    """To the second, and as uncertain as that."""
    node = Node("web2", [line for line in Node("web2").lines if "Operation" not in line and "Peer" not in line],
                stonith_admin=history())  # fmt: skip
    found = [r for r in collect({"web2": node}, RESOURCES, POWER_OFF, 10.0).records if r.what == "fenced"]
    assert [(r.node, r.text) for r in found] == [("web2", "reboot of web1 by web2")]
    assert found[0].at - found[0].error <= POWER_OFF + 7.708 <= found[0].at + found[0].error
    assert found[0].error >= 0.5


def test_the_fencing_history_says_nothing_twice(clock):
    """Where the journal has it, that is the sharper one."""
    nodes = both(stonith_admin=history())
    found = [r for r in collect(nodes, RESOURCES, POWER_OFF, 10.0).records if r.what == "fenced"]
    assert len(found) == 1
    assert found[0].error < 0.01


@pytest.mark.parametrize(
    "text",
    [
        history(status="failed"),
        history(status="pending", completed=""),
        history(action="monitor"),
        history(completed="yesterday"),
        history(completed="2026-11-23 04:12:15Z"),
        "no XML at all",
        '<!DOCTYPE x [<!ENTITY y "z">]><x>&y;</x>',
    ],
)
def test_history_that_proves_no_fencing_now_is_left_out(clock, text):
    """Failed, still going on, of another kind, without a time, of before, or unreadable."""
    quiet = Node("web2", Node("web2").lines[:1], stonith_admin=text)
    assert collect({"web2": quiet}, RESOURCES, POWER_OFF, 10.0).records == ()


@pytest.mark.parametrize("completed", ["2026-11-23 06:12:15.708000 +01:00", "2026-11-23 05:12:15.708Z"])
def test_history_of_newer_versions_has_parts_of_a_second(clock, completed):
    """And other zones."""
    quiet = Node("web2", Node("web2").lines[:1], stonith_admin=history(completed))
    (found,) = collect({"web2": quiet}, RESOURCES, POWER_OFF, 10.0).records
    assert found.at == pytest.approx(POWER_OFF + 7.708)
    assert found.error < 0.01


def test_an_address_is_known_without_its_agents_words(clock):
    """Where the agent does not log to the journal, the configuration says what is an address."""
    lines = [line for line in Node("web2").lines if "IPaddr2" not in line]
    found = collect({"web2": Node("web2", lines)}, RESOURCES, POWER_OFF, 10.0)
    assert [(r.what, r.text) for r in found.records if r.what == "vip"] == [("vip", "start of web-ip on web2")]


def test_all_ends_at_the_deadline(clock):
    """Every question gets what is left of the time, not the whole of it again."""
    given_to = []

    class Slow(Node):
        def run(self, command, *, deadline, **how):
            given_to.append(deadline)
            return super().run(command, deadline=deadline, **how)

    began = time.monotonic()
    collect({"web2": Slow("web2")}, RESOURCES, POWER_OFF, 3.0)
    assert max(given_to) <= 3.0
    assert given_to == sorted(given_to, reverse=True)
    assert time.monotonic() - began < 30


# -- messages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("speaker", "message", "what", "text"),
    [
        ("corosync", " [TOTEM ] A processor failed, forming new configuration.", "detected", "token lost"),
        ("corosync", " [TOTEM ] A new membership (2.16) was formed. Members joined: 3 left: 1 2", "detected",
         "membership without node 1, 2"),
        ("corosync", " [TOTEM ] A new membership (2.16) was formed. Members joined: 1", None, None),
        ("corosync", " [TOTEM ] Token has not been received in 2250 ms", None, None),
        ("pacemaker-controld", " notice: Requesting fencing (off) targeting node web1", "fencing", "off of web1 asked for"),
        ("pacemaker-controld", " notice: Requesting fencing (reboot) of node web1", "fencing",
         "reboot of web1 asked for"),
        ("pacemaker-fenced", " notice: Client stonith_admin.2 wants to fence (reboot) 'web1' with device '(any)'",
         "fencing", "reboot of web1 asked for"),
        ("pacemaker-fenced", " error: Operation 'reboot' targeting web1 by web2 for c.1@web2: Error occurred (No such device)",
         None, None),
        ("pacemaker-fenced", " notice: Operation 'reboot' [22] targeting web1 using fence-web1 returned 0", None, None),
        ("pacemaker-fenced", " notice: Operation 'on' targeting web1 by web2 for c.1@web2: OK (complete)", None, None),
        ("pacemaker-fenced", " notice: Operation 'off' targeting web1 by web2 for c.1@web2 (merged): OK (complete)",
         "fenced", "off of web1 by web2"),
        ("pacemaker-controld", " notice: Peer web1 was not terminated (reboot) by web2 on behalf of c.1: Timer expired",
         None, None),
        ("pacemaker-controld", " notice: Result of start operation for web-ip on web2: 0 (ok)", "started",
         "start of web-ip on web2"),
        ("pacemaker-controld", " error: Result of start operation for web-ip on web2: Timed Out after 20s", "failed",
         "start of web-ip on web2: Timed Out after 20s"),
        ("pacemaker-controld", " notice: Result of start operation for web-nginx:1 on web2: ok", "started",
         "start of web-nginx:1 on web2"),
        ("pacemaker-controld", " notice: Result of monitor operation for web-ip on web2: ok", None, None),
        ("pacemaker-controld", " notice: Result of probe operation for web-ip on web2: not running", None, None),
        ("pacemaker-controld", " notice: Result of promote operation for web-ip on web2: ok", "started",
         "promote of web-ip on web2"),
        ("pacemaker-controld", " notice: Initiating demote operation web-ip_demote_0 on web1", "stopping",
         "demote of web-ip on web1 begun"),
        ("pacemaker-controld", " notice: Result of stop operation for mail on web2: ok", None, None),
        ("IPaddr2(web-ip)", "INFO: /usr/libexec/heartbeat/send_arp  -i 200 -r 5 eth0 198.18.0.100 auto", "vip",
         "web-ip announced on the network"),
        ("IPaddr2(web-ip)", "ERROR: Could not send gratuitous arps: rc=1", None, None),
        ("IPaddr2(other)", "INFO: /usr/libexec/heartbeat/send_arp  -i 200 -r 5 eth0 198.18.0.9 auto", None, None),
        ("sshd", "A processor failed, forming new configuration", None, None),
    ],
)  # fmt: skip
def test_a_message_means_one_thing_or_nothing(speaker, message, what, text):
    """Versions say it differently; failures and other resources are never taken for a success of ours."""
    found = meaning(Entry(speaker, message, 0.0), RESOURCES)
    assert (found.what, found.text) == (what, text) if what else found is None


def test_dropped_messages_are_told(clock):
    """journald limits how many a service may log; then phases may be missing."""
    entry = Entry("systemd-journald", "Suppressed 114 messages from pacemaker.service", 0.0)
    assert held_back(entry) == "its journal dropped 114 messages of pacemaker.service"
    assert held_back(Entry("systemd-journald", "Suppressed 114 messages from nginx.service", 0.0)) is None


def test_an_entry_may_be_bytes_or_nothing():
    """Text that is no UTF-8 comes as numbers, text that is too long not at all; a torn line is passed over."""
    time_ = '"__REALTIME_TIMESTAMP":"1000000"'
    lines = [
        f'{{{time_},"MESSAGE":[104,105,255],"SYSLOG_IDENTIFIER":"corosync"}}',
        f'{{{time_},"MESSAGE":null}}',
        '{"MESSAGE":"no time"}',
        f'{{{time_},"MESS',
        f'{{{time_},"MESSAGE":"later","_SOURCE_REALTIME_TIMESTAMP":"900000","__MONOTONIC_TIMESTAMP":"50000000"}}',
    ]
    first, last = entries(lines)
    assert (first.speaker, first.message, first.stamp) == ("corosync", "hi\ufffd", 1.0)
    assert (last.stamp, last.steady) == (0.9, pytest.approx(49.9))


@given(st.lists(st.text() | st.from_regex(r"\{.*\}", fullmatch=True), max_size=5))
def test_any_journal_can_be_read(lines):
    """Whatever a node prints, it is no error of ours."""
    for entry in entries(lines):
        assert meaning(entry, RESOURCES) is None or entry.message
