# SPDX-License-Identifier: MIT
"""The switchover: why not, what is told to whom, and that no constraint stays whatever comes of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time

import pytest
from recorded_pacemaker import GONE, VIP, healthy, manager, recording, says

from pytest_harehearse.errors import Indeterminate, Refused, Unreachable
from pytest_harehearse.managers.pacemaker import switch
from pytest_harehearse.managers.pacemaker.sections import script, split
from pytest_harehearse.managers.pacemaker.tools import FIND, MOVE, promoted_option
from pytest_harehearse.managers.state import ClusterState
from pytest_harehearse.remote.base import Done, Unknown

NONE_LEFT = b"<constraints/>"
LEFT = re.search(rb"<constraints>.*</constraints>", recording("moving-config.xml"), re.DOTALL)[0]
MOVE_WORDS, REMOVE_WORDS, PREDICT_WORDS = "kept move", "section after", "section moved"


def predicts(name="predict-move.txt"):
    """Answers a prediction with a recorded one."""
    return (PREDICT_WORDS, lambda asked: Done(0, recording(name).replace(b"@@", asked.arguments[0].encode())))


def moves(**other):
    """Answers a move: agreed to, settled, and cleaned up."""
    said = {
        "tool": (0, b"crm_resource"), "move": (0, b""), "wait": (0, b""), "clear": (0, b"Removing constraint"),
        "left": (0, NONE_LEFT), "mon": (0, recording("group.xml").replace(b'name="web1" id="1" cached', b'name="web2" id="2" cached')),
    }  # fmt: skip
    said.update(other)
    return (MOVE_WORDS, {name: one for name, one in said.items() if one is not None})


def removes(after=NONE_LEFT, rc=0):
    """Answers the removal of constraints."""
    return (
        REMOVE_WORDS,
        {"left": (0, LEFT), "tool": (0, b"crm_resource"), "clear": (rc, b"said"), "after": (0, after)},
    )


def test_nothing_is_against_it_when_all_is_well():
    """The scheduler's own prediction agrees."""
    found = manager(healthy(), web1=[predicts()])
    state = found.state()
    assert found.switchover_limitation(state, None) is None
    assert found.switchover_limitation(state, "web2") is None
    assert found.choose_target(state) == "web2"


def test_a_state_of_another_kind_is_asked_again():
    """The protocol's plain state has no facts, so they are learned."""
    found = manager(healthy(), web1=[predicts()])
    assert found.switchover_limitation(ClusterState(found.state().members), "web2") is None


def test_it_would_move_back():
    """Recorded with a stickiness of 0 and a location preference: refused with the reason and the remedy."""
    found = manager(healthy(), web1=[predicts("predict-back.txt")])
    reason = found.switchover_limitation(found.state(), "web2")
    assert "web would not stay on web2" in str(reason)
    assert "expects it on web1" in str(reason)
    assert "resource-stickiness" in str(reason)


def test_it_would_not_get_there():
    """The prediction is of a move to web2, so a third node would not be reached."""
    said = healthy() | {"web3": says("web3", recording("group.xml").replace(b'name="web2"', b'name="web3"'))}
    said["web1"]["mon"] = (0, recording("group.xml").replace(
        b"</nodes>", b'<node name="web3" online="true"/></nodes>'))  # fmt: skip
    found = manager(said, web1=[predicts()])
    state = found.state()
    assert "would not get to web3" in str(found.switchover_limitation(state, "web3"))


@pytest.mark.parametrize(
    "broken", [{"copy": (1, b"no")}, {"copy": (0, b""), "told": (64, b"usage")}, {}, Unknown("cut off")]
)
def test_what_cannot_be_predicted_is_no_go(broken):
    """An error is never a success."""
    found = manager(healthy(), web1=[(PREDICT_WORDS, broken)], web2=[(PREDICT_WORDS, broken)])
    assert "cannot be predicted" in str(found.switchover_limitation(found.state(), "web2"))


@pytest.mark.parametrize(
    ("said", "to", "why"),
    [
        (healthy(), "web1", "web1 is the active node already"),
        (healthy(), "web9", "'web9' is not a node of it"),
        (healthy() | {"web2": GONE}, "web2", "web2 could not take over: web2 unreachable"),
        (healthy() | {"web2": GONE}, None, "no standby is ready"),
        ({"web1": says("web1"), "web2": says("web2")}, None, "no confirmed active node"),
        ({"web1": says("web1", "unfenced.xml"), "web2": says("web2", "unfenced.xml", has=[VIP])}, None, "fencing is disabled"),
        ({"web1": says("web1", "maintenance.xml"), "web2": says("web2", "maintenance.xml", has=[VIP])}, None, "maintenance"),
        ({"web1": says("web1", config="moving-config.xml", has=[VIP]), "web2": says("web2", config="moving-config.xml")},
         None, "left the constraint cli-prefer-web; remove it first: crm_resource --resource web --clear"),
        ({"web1": says("web1", "banned.xml", has=[VIP]), "web2": says("web2", "banned.xml")}, "web2", "web is banned from it"),
        ({"web1": says("web1", state="S_POLICY_ENGINE", has=[VIP]), "web2": says("web2")}, None, "a transition is going on"),
        ({"web1": says("web1", quorum=b"0", has=[VIP]), "web2": says("web2", quorum=b"0")}, None, "no quorum"),
        (healthy() | {"web1": says("web1", recording("group.xml").replace(b'managed="true" failed', b'managed="false" failed'),
                                   state="S_IDLE", has=[VIP])}, None, "unmanaged"),
    ],
)  # fmt: skip
def test_why_not(said, to, why):
    """Each reason by its words; the scheduler is not asked for what is known."""
    found = manager(said)
    assert why in str(found.switchover_limitation(found.state(), to))


def test_the_request_as_a_person_would_type_it():
    """With the removal of the constraint."""
    said = manager(healthy()).describe_switchover("web1", "web2")
    assert said == (
        "crm_resource --resource web --move --node web2 && crm_resource --wait; "
        "crm_resource --resource web --clear (web1 → web2)"
    )


def test_it_moves_by_the_target_and_says_by_which_tool():
    """The target survives the move; names reach the script as arguments; the constraint has an end of its own."""
    found = manager(healthy(), web2=[moves()])
    said = found.switchover(found.state(), "web2", 60.0)
    assert said == "moved by crm_resource on web2, its constraint removed; web runs on web2"
    (asked,) = [one for one in found.channels["web2"].asked if MOVE_WORDS in one.text]
    assert asked.arguments[2:5] == ("web", "web2", "PT600S")
    assert not [one for one in found.channels["web1"].asked if MOVE_WORDS in one.text]


def test_another_node_is_told_when_the_target_cannot_be():
    """Not sent is not sent: it may be sent elsewhere."""
    found = manager(healthy(), web2=[(MOVE_WORDS, GONE)], web1=[moves()])
    assert "on web1" in found.switchover(found.state(), "web2", 60.0)


def test_nobody_can_be_told():
    """Nothing was changed."""
    found = manager(healthy(), web2=[(MOVE_WORDS, GONE)], web1=[(MOVE_WORDS, GONE)])
    with pytest.raises(Unreachable, match="so nothing was changed"):
        found.switchover(found.state(), "web2", 60.0)


def test_the_cluster_refuses():
    """With its own words; the constraint is looked for all the same."""
    found = manager(healthy(), web2=[moves(move=(105, b"Node 'web2' not found"), wait=None)])
    with pytest.raises(Refused, match=r"refused to move web to web2: it ended with 105 \(Node 'web2' not found\)"):
        found.switchover(found.state(), "web2", 60.0)


def test_no_tool_is_there():
    """Said in those words, and nothing was changed."""
    found = manager(healthy(), web2=[moves(tool=(0, b"none"), move=(127, b"neither"), wait=None, clear=None)])
    with pytest.raises(Refused, match="neither"):
        found.switchover(found.state(), "web2", 60.0)


def test_no_answer_is_unknown_and_the_constraint_is_removed_by_another_way():
    """It may happen; what was made is taken away."""
    found = manager(healthy(), web2=[(MOVE_WORDS, Unknown("cut off"))], web1=[removes()])
    with pytest.raises(Indeterminate, match=r"may happen: unknown.*removed cli-prefer-web on web1") as caught:
        found.switchover(found.state(), "web2", 60.0)
    assert not isinstance(caught.value, Unreachable)


def test_what_does_not_settle_is_unknown():
    """The constraint is removed and it is said so."""
    found = manager(healthy(), web2=[moves(wait=(124, b"Timeout occurred"))])
    with pytest.raises(Indeterminate, match=r"did not settle within 54 s .*The constraint was removed"):
        found.switchover(found.state(), "web2", 60.0)


@pytest.mark.parametrize(
    "unclean", [{"clear": (1, b"busy")}, {"left": (0, LEFT)}, {"left": (1, b"")}, {"left": None}, {"clear": None}]
)
def test_a_constraint_that_stays_is_removed_once_more(unclean):
    """Verified by looking, not by the tool's word."""
    found = manager(healthy(), web2=[moves(**unclean), removes()], web1=[removes()])
    assert "its constraint removed" in found.switchover(found.state(), "web2", 60.0)
    asked = [one for channel in found.channels.values() for one in channel.asked if REMOVE_WORDS in one.text]
    assert len(asked) == 1


def test_a_constraint_that_cannot_be_removed_is_never_a_success(monkeypatch):
    """Unknown, with the command that removes it."""
    monkeypatch.setattr(switch, "_REMOVE_S", 1.0)
    found = manager(healthy(), web2=[moves(left=(0, LEFT)), removes(after=LEFT)], web1=[removes(after=LEFT)])
    with pytest.raises(Indeterminate, match="remove it: crm_resource --resource web --clear"):
        found.switchover(found.state(), "web2", 60.0)


def test_the_constraint_is_removed_as_soon_as_the_cluster_takes_changes_again():
    """A cluster that lost a node in the middle takes none until it is fenced, so it is tried again."""
    tries = []

    def later(_):
        tries.append(1)
        return Unknown("it had not ended after 5.00 s") if len(tries) < 3 else removes()[1]

    found = manager(
        healthy(), web2=[(MOVE_WORDS, Unknown("cut off")), (REMOVE_WORDS, GONE)], web1=[(REMOVE_WORDS, later)]
    )
    with pytest.raises(Indeterminate, match="removed cli-prefer-web on web1"):
        found.switchover(found.state(), "web2", 60.0)
    assert len(tries) == 3


def test_a_script_that_broke_off_is_unknown():
    """The node's shell was killed, say."""
    found = manager(healthy(), web2=[(MOVE_WORDS, Done(137)), removes()], web1=[removes()])
    with pytest.raises(Indeterminate, match="broke off on web2"):
        found.switchover(found.state(), "web2", 60.0)


@pytest.mark.parametrize("to", ["web1", "web9"])
def test_it_is_not_sent_to_where_it_cannot_go(to):
    """Also without the limitation having been asked for."""
    found = manager(healthy())
    with pytest.raises(Refused):
        found.switchover(found.state(), to, 10.0)


def test_leftovers_of_a_killed_run_are_removed():
    """And it is said what they were."""
    assert manager(healthy(), web1=[removes()]).remove_leftovers() == "removed cli-prefer-web on web1"


@pytest.mark.parametrize(
    ("version", "option"),
    [
        ("2.1.5-a3f44794f94", "--promoted"),
        ("2.0.5", "--master"),
        ("1.1.23", "--master"),
        ("3.0.0", "--promoted"),
        ("", "--promoted"),
    ],
)
def test_the_promoted_role_is_named_as_the_version_knows_it(version, option):
    """``--promoted`` came with 2.1; ``--master`` is gone in 3."""
    assert promoted_option(version) == option


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        (("crm_resource", "pcs"), "crm_resource --resource w b --move --node n;x --lifetime PT600S --promoted"),
        (("pcs",), "pcs resource move-with-constraint w b n;x lifetime=PT600S --promoted"),
        (("pcs-old",), "pcs resource move w b n;x lifetime=PT600S --promoted"),
        (("crm",), "crm resource move w b n;x PT600S"),
    ],
)
def test_every_tool_is_told_in_its_own_words(tmp_path, there, expected):
    """By a real shell with tools that write down what they are told; hostile names stay one argument."""
    for tool in there:
        helps = "echo" if tool == "pcs-old" else "echo move-with-constraint"
        program = tmp_path / tool.removesuffix("-old")
        program.write_text(
            f'#!/bin/sh\nif [ "$2" = help ]; then {helps}; exit; fi\necho "{program.name} $*"; echo "args=$#"\n'
        )
        program.chmod(0o755)
    for name in ("timeout", "grep", "sh"):
        (tmp_path / name).symlink_to(f"/usr/bin/{name}")
    asked = script(FIND + MOVE, 5, "w b", "n;x", "PT600S", "--promoted")
    asked = type(asked)(asked.text.replace("$PATH:/usr/local/sbin:/usr/sbin:/sbin", "$PATH"), asked.arguments)
    ended = subprocess.run(
        ["/bin/sh", "-c", asked.text, "harehearse", *asked.arguments],
        env={"PATH": str(tmp_path)}, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    said = split(asked, ended.stdout)
    assert said["move"].rc == 0, ended
    assert said["move"].data.decode().splitlines()[0] == expected


def test_the_constraint_is_removed_though_the_reader_is_gone(tmp_path):
    """By a real shell: its output's reader goes away in the middle of the move, and the removal is made all the same."""
    program = tmp_path / "crm_resource"
    program.write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/told\nexec sleep 0.3\n')
    program.chmod(0o755)
    asked = script(switch._SCRIPT, 5, "web", "web2", "PT600S", "", "1")
    process = subprocess.Popen(
        ["/bin/sh", "-c", asked.text, "harehearse", *asked.arguments],
        env={**os.environ, "PATH": f"{tmp_path}:/usr/bin:/bin"}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    end = time.monotonic() + 30
    while not (tmp_path / "told").exists() and time.monotonic() < end:
        time.sleep(0.01)
    process.stdout.close()
    process.send_signal(signal.SIGHUP)
    process.wait(60)
    told = (tmp_path / "told").read_text().splitlines()
    assert told[0].startswith("--resource web --move --node web2 --lifetime PT600S")
    assert told[-1] == "--resource web --clear"
