# SPDX-License-Identifier: MIT
"""Reading a node: whatever it sends becomes facts or a reason; secrets and what it owns alone stay out."""

from __future__ import annotations

import base64
import json
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.drift import cib, kept, own
from pytest_harehearse.drift.areas import AREAS
from pytest_harehearse.drift.collect import collect, script
from pytest_harehearse.drift.noise import NOISE, is_noise
from pytest_harehearse.drift.parse import parse
from pytest_harehearse.drift.snapshot import Snapshot
from pytest_harehearse.errors import ConfigError
from pytest_harehearse.remote.base import Done, Unknown, Unreachable

SOME = {"kernel": "", "sysctl": ""}


def said(area, body, status=0, complaint=""):
    text = f"{body}\n={status}"
    return f"{area}\t{base64.b64encode(text.encode()).decode()}\t{base64.b64encode(complaint.encode()).decode()}\n"


END = "end\t\t\n"


def test_lines_become_facts():
    """By area and name; what is told twice is told together, whatever its order."""
    found = parse(
        said("kernel", "release\t6.1.0\nflag\tb\nflag\ta\n") + said("sysctl", "vm.swappiness\t60\n") + END, SOME
    )
    assert found.facts == {"kernel/release": "6.1.0", "kernel/flag": "a; b", "sysctl/vm.swappiness": "60"}
    assert found.problems == {}


def test_nothing_of_the_kind_is_no_problem():
    """A host without a tool has nothing to tell; one whose tool failed does not know."""
    found = parse(said("kernel", "", 3) + said("sysctl", "a\tb", 2, "permission denied\n") + END, SOME)
    assert found.facts == {}
    assert found.problems == {"sysctl": "it ended with 2: permission denied"}


def test_an_area_that_took_too_long():
    """Is not known."""
    assert parse(said("kernel", "", 124) + said("sysctl", "") + END, SOME).problems == {
        "kernel": "it did not end in time"
    }


def test_a_cut_off_answer_is_not_known():
    """Neither the area it was cut in nor those that would have followed are taken for empty."""
    whole = said("kernel", "release\t6.1.0") + said("sysctl", "a\tb") + END
    found = parse(whole[: len(said("kernel", "release\t6.1.0")) - 9], SOME)
    assert set(found.problems) == {"kernel", "sysctl"}
    assert found.problems["sysctl"] == "it was not told; the answer was cut off"


@given(
    st.text()
    | st.lists(st.builds(said, st.sampled_from([*SOME, "other"]), st.text(), st.integers(0, 300))).map("".join)
)
def test_whatever_a_node_sends_is_facts_or_a_reason(text):
    """Never an error; every area that was asked for is told or a problem."""
    found = parse(text, SOME)
    for area in SOME:
        told = any(path.startswith(f"{area}/") for path in found.facts)
        assert not (told and area in found.problems)
        if area not in text:
            assert area in found.problems


def test_counters_are_never_kept():
    """And each of them says why."""
    assert is_noise("sysctl/kernel.random.uuid")
    assert is_noise("sysctl/fs.inode-nr")
    assert not is_noise("sysctl/vm.swappiness")
    assert not is_noise("package/fs.inode-nr")
    assert all(NOISE.values())


CIB = """<cib><configuration>
<crm_config><cluster_property_set id="o"><nvpair id="1" name="stonith-timeout" value="60s"/>
<nvpair id="2" name="dc-version" value="2.1.5"/></cluster_property_set></crm_config>
<resources><group id="web"><primitive id="vip" class="ocf" provider="heartbeat" type="IPaddr2">
<instance_attributes id="i"><nvpair id="3" name="ip" value="198.18.0.100"/></instance_attributes>
<operations><op id="4" name="monitor" interval="5s" timeout="20s"/></operations></primitive></group>
<primitive id="f1" class="stonith" type="fence_ipmilan"><instance_attributes id="j">
<nvpair id="5" name="password" value="PLANTED"/><nvpair id="6" name="ip" value="10.0.0.9"/></instance_attributes></primitive></resources>
<constraints><rsc_location id="c1" rsc="web" node="web1" score="100"/></constraints>
</configuration></cib>"""


def test_pacemakers_configuration():
    """Properties, parameters, timeouts, fencing, constraints; a password is only told to be there."""
    found = cib.facts(CIB)
    assert found == {
        "cib/property stonith-timeout": "60s",
        "resource/vip agent": "ocf:heartbeat:IPaddr2",
        "resource/vip ip": "198.18.0.100",
        "resource/vip monitor timeout": "20s",
        "resource/vip monitor interval": "5s",
        "resource/web group of": "vip",
        "fence/f1 agent": "stonith:fence_ipmilan",
        "fence/f1 password": "***",
        "fence/f1 ip": "10.0.0.9",
        "cib/constraint rsc_location c1": "node=web1 rsc=web score=100",
    }
    assert "PLANTED" not in json.dumps(found)


@pytest.mark.parametrize("text", ["", "<cib", "<cib/>", '<!DOCTYPE x [<!ENTITY a "b">]><cib>&a;</cib>'])
def test_no_configuration_is_a_reason(text):
    """Also one that would make the parser do things."""
    with pytest.raises(ValueError, match="the cluster's configuration"):
        cib.facts(text)


# -- what is a node's own ----------------------------------------------------------------------------------------------


def test_own_values_are_words_and_never_parts():
    """Names, addresses, ids; in paths and values, as a whole word only."""
    words = own.words(
        "web1", {"host": ["web1", "web1.example.org", "localhost"], "address": ["10.0.0.1"], "machine": ["abcdef"]}
    )
    node = Snapshot(
        "lab/web",
        "web1",
        "",
        {"file//etc/web1.conf": "web1 web11 10.0.0.1 10.0.0.11 110.0.0.1 web1.example.org localhost"},
        {},
        words,
    )
    assert own.facts(node) == {"file//etc/<node>.conf": "<node> web11 <address> 10.0.0.11 110.0.0.1 <node> localhost"}


def test_what_all_nodes_tell_alike_is_left_alone():
    """The cluster's configuration names its nodes; a list of hosts does so but for the node's own line."""
    facts = {"cib/constraint x": "node=web1", "hosts/10.0.0.1": "web1", "hosts/127.0.1.1": "web1"}
    node = Snapshot("lab/web", "web1", "", facts, {}, {"web1": "<node>", "10.0.0.1": "<address>"})
    assert own.facts(node) == {"cib/constraint x": "node=web1", "hosts/10.0.0.1": "web1", "hosts/127.0.1.1": "<node>"}
    everyone = own.of_all([node, Snapshot("lab/web", "web2", "", {}, {}, {"web2": "<node>"})])
    assert own.facts(node, everyone)["cib/constraint x"] == "node=<node 1>"


@given(
    st.dictionaries(
        st.from_regex(r"[abc12]{1,3}(\.[abc12]{1,2})?", fullmatch=True),
        st.sampled_from(["<node>", "<address>"]),
        max_size=4,
    ),
    st.text("abc12. _/"),
)
def test_masking_once_is_masking_for_ever(words, text):
    """And nothing that is its own stays, as a whole word."""
    node = Snapshot("c", "n", "", {"unit/x": text}, {}, words)
    once = own.facts(node)["unit/x"]
    assert own.facts(Snapshot("c", "n", "", {"unit/x": once}, {}, words))["unit/x"] == once


# -- nodes -------------------------------------------------------------------------------------------------------------


class Way:
    """A channel that answers as it is told."""

    def __init__(self, answer):
        self.answer = answer

    def run(self, command, *, deadline, stdin=b"", root=True):
        return self.answer(command, deadline) if callable(self.answer) else self.answer


def test_one_dead_node_holds_nobody_up():
    """It is not known in every area; the others are read."""
    whole = Done(0, ("".join(said(area, "a\tb" if area != "cib" else CIB) for area in AREAS) + END).encode())
    found = collect(
        "lab/web",
        {
            "web1": Way(Unreachable("no route")),
            "web2": Way(whole),
            "web3": Way(Unknown("gone silent")),
            "web4": Way(Done(1, b"", b"no sh")),
        },
    )
    assert [one.node for one in found] == ["web1", "web2", "web3", "web4"]
    assert found[1].problems == {}
    assert found[0].problems["sysctl"] == "it could not be reached: no route"
    assert found[2].problems["sysctl"] == "it was asked and did not answer: gone silent"
    assert found[3].problems["package"] == "the script ended with 1: no sh"


def test_nodes_are_read_at_once():
    """All of them are asked before the first one has answered."""
    gate = threading.Barrier(3)

    def answer(command, deadline):
        gate.wait(20)
        return Unreachable("x")

    assert len(collect("c", {name: Way(answer) for name in "abc"})) == 3


def test_files_of_the_inventory_are_arguments():
    """Never a part of the script's text."""
    command = script(["/etc/my app.conf", "/etc/$(reboot)"])
    assert "reboot" not in command.text
    assert command.arguments[0] == "/etc/my app.conf\n/etc/$(reboot)"


# -- kept on disk ------------------------------------------------------------------------------------------------------

NODE = Snapshot(
    "lab/web",
    "web1",
    "2026-11-23T12:00:00+00:00",
    {"kernel/release": "6.1"},
    {"sysctl": "denied"},
    {"web1": "<node>"},
    1.5,
)


def test_a_snapshot_comes_back(tmp_path):
    """The latest, or that of a run."""
    kept.write(tmp_path, "lab/web", [NODE], run="r-1")
    time.sleep(0.001)
    kept.write(tmp_path, "lab/web", [])
    assert kept.latest(tmp_path, "lab/web").nodes == ()
    assert kept.latest(tmp_path, "lab/web", "r-1").nodes == (NODE,)
    assert kept.latest(tmp_path, "lab/other") is None
    with pytest.raises(
        ConfigError, match="No snapshot of lab/web was kept in the run 'r-2'; there are 2 of other times"
    ):
        kept.latest(tmp_path, "lab/web", "r-2")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text[:-20], "is damaged"),
        (lambda text: text.replace('"schema": 1', '"schema": 9'), "a newer pytest-harehearse wrote it"),
        (lambda text: "[]", "has schema None"),
        (lambda text: text.replace('"nodes"', '"knots"'), "lacks what one has"),
    ],
)
def test_a_damaged_snapshot_is_refused(tmp_path, change, told):
    """With what is wrong with it."""
    path = kept.write(tmp_path, "lab/web", [NODE])
    path.write_text(change(path.read_text()))
    with pytest.raises(kept.Damaged, match=told):
        kept.latest(tmp_path, "lab/web")
