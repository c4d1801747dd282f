# SPDX-License-Identifier: MIT
"""Whatever bytes a node prints: a state, never an exception, and never an active node without evidence."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded_pacemaker import ALL, MON, VIP, ScriptedChannel, addresses, cluster, healthy, recording, says

from pytest_harehearse.managers.pacemaker import PacemakerManager
from pytest_harehearse.managers.pacemaker.sections import script, split
from pytest_harehearse.managers.pacemaker.view import asking, read
from pytest_harehearse.managers.pacemaker.xml import instant, parse
from pytest_harehearse.remote.base import Done, Unknown, Unreachable

GROUP = recording("group.xml")
CONFIG = recording("group-config.xml")
SECTIONS = ("addresses", "time", "name", "mon", "quorum", "votes", "config", "controller")


@st.composite
def mangled(draw, original):
    """A recording with a stretch cut out, doubled or overwritten."""
    begin = draw(st.integers(0, len(original)))
    end = draw(st.integers(begin, min(len(original), begin + 400)))
    middle = draw(st.sampled_from([b"", original[begin:end] * 2]) | st.binary(max_size=40))
    return original[:begin] + middle + original[end:]


outputs = st.one_of(
    st.binary(max_size=300),
    mangled(GROUP),
    mangled(CONFIG),
    st.sampled_from([b"<crm_mon/>", b"<pacemaker-result/>", b"<a>" * 3000, b'<?xml version="1.0" encoding="utf-7"?><a/>',
                     b'<?xml version="1.0" encoding="nosuch"?><a/>', b"[" * 100_000, b'{"addr_info": 1}', b"9" * 11]),
)  # fmt: skip
sections = st.dictionaries(st.sampled_from(SECTIONS), st.tuples(st.sampled_from([0, 0, 0, 1, 102, 124, 127]), outputs))
outcomes = st.one_of(
    sections,
    st.builds(Done, st.integers(0, 255), st.binary(max_size=200), st.binary(max_size=50)),
    st.builds(Unreachable, st.text(max_size=20)),
    st.builds(Unknown, st.text(max_size=20)),
)


def state_of(said):
    """The state by these answers."""
    channels = {name: ScriptedChannel(name, (ALL, one), (MON, one)) for name, one in said.items()}
    return PacemakerManager(cluster(), channels)


@settings(max_examples=300, deadline=None)
@given(first=outcomes, second=outcomes)
def test_any_bytes_give_a_state(first, second):
    """Neither raises, nor is a node active that is not said to be so by itself, with the address there."""
    found = state_of({"web1": first, "web2": second})
    state = found.state()
    assert state.names == ("web1", "web2")
    assert isinstance(state.describe(), str)
    assert set(found.roles()) == {"web1", "web2"}
    if state.active is not None:
        said = {"web1": first, "web2": second}[state.active]
        assert isinstance(said, dict)
        assert b"<node name=" in said["mon"][1]
        assert state.pending is not None or state.member(state.active).witness_primary is True


@settings(max_examples=200, deadline=None)
@given(mon=mangled(GROUP), config=mangled(CONFIG))
def test_a_broken_answer_never_moves_the_active_node(mon, config):
    """Only the node that has the address can be active, however its words are mangled."""
    said = healthy()
    said["web1"]["mon"], said["web1"]["config"] = (0, mon), (0, config)
    said["web2"]["mon"] = (0, mon)
    state = state_of(said).state()
    # Where the mangled configuration has no address of the group any more there is none to look for.
    known = read(
        "web1", (asked := asking(1)), ScriptedChannel("web1", (ALL, said["web1"])).run(asked, deadline=1)
    ).config
    if known is not None and known.addresses.get("web-ip") == (VIP,):
        assert state.active in {None, "web1"}


@pytest.mark.parametrize(
    "evil",
    [
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><crm_mon>&b;</crm_mon>',
        b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><crm_mon>&b;</crm_mon>',
    ],
)
def test_entities_are_refused(evil):
    """No file of the runner is read and nothing is blown up by what a node prints."""
    assert "is no XML" in str(parse(evil))
    assert state_of(healthy() | {"web1": says("web1", evil, has=[VIP])}).state().active is None


def test_output_cannot_imitate_a_section():
    """The mark is new for each script, so a resource called like a section changes nothing."""
    asked = script("section mon x", 1)
    mark = asked.arguments[0].encode()
    said = split(asked, b"%s begin mon\n@@ begin config\nx\n\n%s end mon 0\n" % (mark, mark))
    assert (said["mon"].rc, said["mon"].data) == (0, b"@@ begin config\nx")
    assert set(said) == {"mon"}
    assert script("section mon x", 1).arguments[0] != asked.arguments[0]


def test_a_section_that_broke_off_is_left_out():
    """Half an answer is none."""
    asked = asking(1)
    mark = asked.arguments[0].encode()
    assert split(asked, b"%s begin mon\n<crm_mon>" % mark) == {}
    assert split(asked, b"%s begin mon\nx\n%s end quorum 0\n" % (mark, mark)) == {}


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2026-11-23 05:08:17Z", "2026-11-23T05:08:17+00:00"),
        ("2026-11-23 06:08:17.123456789 +01:00", "2026-11-23T05:08:17.123456+00:00"),
        ("2026-11-23 05:08:17", None),
        ("2026-99-23 05:08:17Z", None),
        (None, None),
    ],
)
def test_times_are_read_with_their_zone_and_parts_of_a_second(text, iso):
    """A time without a zone is no instant."""
    found = instant(text)
    assert (found.isoformat() if found else None) == iso


def test_addresses_are_compared_in_their_shortest_form():
    """An IPv6 address of a resource may be written otherwise than the node prints it."""
    config = CONFIG.replace(b'value="198.18.0.100"', b'value="2001:0DB8:0::0001/64"')
    said = healthy() | {"web1": says("web1", config=config, addresses=addresses("2001:db8::1"))}
    assert state_of(said).state().active == "web1"
