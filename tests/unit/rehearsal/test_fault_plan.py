# SPDX-License-Identifier: MIT
"""Fault plans as data: what they say, what is wrong with one (all at once), and what is drawn by a seed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.events import ActionFinished, ActionStarted, ActionStep, ClusterRecorded
from pytest_harehearse.rehearsal.fault_plan import Span, Watched, draw, read
from pytest_harehearse.rehearsal.targets import WORDS

NODES = ("n1", "n2", "n3")


def test_a_plan_that_says_everything():
    """Every key has its meaning."""
    (one,) = read(
        [
            {
                "fault": "net_partition", "node": "n1", "peers": ["n2"], "options": {"direction": "in"},
                "at": {"after": "switchover", "plus": "500ms..2s"}, "for": "1..3s", "times": 2, "off": "4s",
            }
        ],
        NODES,
    )  # fmt: skip
    assert (one.fault, one.nodes, one.options) == ("net_partition", ("n1", "n2"), {"direction": "in"})
    assert (one.after, one.plus, one.lasts, one.off, one.times) == (
        "switchover", Span(0.5, 2.0), Span(1.0, 3.0), Span(4.0, 4.0), 2,
    )  # fmt: skip
    assert one.what == "net_partition n1, n2"
    assert one.when == "500 ms to 2.00 s after switchover"
    assert one.how_long == "for 1.00 s to 3.00 s, 2 times, 4.00 s apart"


@pytest.mark.parametrize(
    ("at", "when"),
    [
        (None, "at once"),
        ({"in": "3s"}, "3.00 s after the beginning"),
        ({"after": "fault node_freeze"}, "0 s after fault node_freeze"),
        ({"after": "switchover ended", "plus": "1s"}, "1.00 s after switchover ended"),
        ({"after": "ClusterRecorded"}, "0 s after ClusterRecorded"),
        ({"after": "undo node_freeze"}, "0 s after undo node_freeze"),
    ],
)
def test_when_it_is_struck(at, when):
    """By the clock, or after something."""
    (one,) = read([{"fault": "node_freeze", "node": "n1"} | ({"at": at} if at is not None else {})], NODES)
    assert one.when == when
    assert one.how_long == "until the end"


def test_a_fault_of_every_node_needs_none():
    """As the fault itself."""
    (one,) = read([{"fault": "fence_fail"}], NODES)
    assert (one.nodes, one.what) == ((), "fence_fail")


@pytest.mark.parametrize("word", WORDS)
def test_a_word_instead_of_a_node(word):
    """Is told as it is written; a node that is called so is meant by its name."""
    (one,) = read([{"fault": "node_freeze", "node": word}], NODES)
    assert (one.word, one.nodes, one.what) == (word, (), f"node_freeze {word}")
    (one,) = read([{"fault": "node_freeze", "node": word}], (word, "n2"))
    assert (one.word, one.nodes, one.what) == ("", (word,), f"node_freeze {word}")


@pytest.mark.parametrize(
    ("table", "nodes", "text"),
    [
        ({"node": "actve"}, NODES, "there is no node 'actve'; there are n1, n2, n3. Did you mean the word 'active'?"),
        ({"node": "minority"}, ("n1", "n2"), "\"node\": a cluster of 2 has no minority; say 'one'."),
        ({"node": "standby"}, ("n1",), "\"node\": a cluster of 1 has no standby; say 'active'."),
        (
            {"node": "active", "peers": ["n2"]},
            NODES,
            "\"peers\" needs a node by its name: 'active' could be one of them.",
        ),
        (
            {"node": "n1", "peers": ["all"]},
            NODES,
            "there is no node 'all'; there are n1, n2, n3. Did you mean the word 'all'?",
        ),
    ],
)
def test_a_word_that_cannot_be_meant(table, nodes, text):
    """Is refused before anything is touched."""
    with pytest.raises(ConfigError) as caught:
        read([{"fault": "net_partition", **table}], nodes)
    assert list(caught.value.problems) == [f"fault plan, entry 1: {text}"]


def test_words_do_not_change_what_a_seed_draws_for_the_others():
    """Which nodes a word means is drawn apart, and the same in a part of the plan."""
    named = {"fault": "node_freeze", "node": "n1", "at": {"in": "1..9s"}, "for": "1..9s"}
    alone = draw(read([named, named], NODES), 5)
    word = draw(read([named, {**named, "node": "one"}], NODES), 5)
    assert [(one.plus, one.lasts) for one in word] == [(one.plus, one.lasts) for one in alone]
    [part] = draw(read([{**named, "node": "one"}], NODES), 5)
    assert part.lots(1).random() == word[1].lots(1).random() != word[1].lots(2).random()


def test_everything_wrong_is_told_at_once():
    """Each problem in a line of its own, with what was meant, and nothing is returned."""
    with pytest.raises(ConfigError) as caught:
        read(
            [
                {"fault": "net_partitoin", "node": "n1"},
                {"fault": "net_partition", "nodes": "n1"},
                {"fault": "net_partition", "node": "n9", "options": {"directon": "in"}, "at": {"after": "swichover"}},
                {"fault": "node_freeze", "node": "n1", "at": {"in": 3, "plus": "1s"}, "for": "3..1s", "times": 0},
                {"node": "n1", "at": "switchover", "off": "1s", "options": []},
                {"fault": "node_freeze", "node": "n1", "times": 2, "at": {}, "peers": "n2"},
                "net_partition n1",
            ],
            NODES,
        )
    assert list(caught.value.problems) == [
        "fault plan, entry 1: there is no fault 'net_partitoin'. Did you mean 'net_partition'?",
        "fault plan, entry 2: there is no key 'nodes'. Did you mean 'node'?",
        "fault plan, entry 2: net_partition: missing a required argument: 'node'.",
        "fault plan, entry 3: there is no node 'n9'; there are n1, n2, n3.",
        "fault plan, entry 3: there is no option of net_partition 'directon'. Did you mean 'direction'?",
        "fault plan, entry 3: there is no event to be \"after\" 'swichover'. Did you mean 'switchover'?",
        'fault plan, entry 4: "in" counts from the beginning, so it stands alone; with "after" it is "plus".',
        (
            "fault plan, entry 4: \"in\": 3 is not a duration; write a number and a unit, as in '200ms', '30s', '5min' "
            '(units: us, ms, s, min, h, d, w). Drawn between two: "0..2s".'
        ),
        "fault plan, entry 4: \"for\": '3..1s' ends before it begins.",
        'fault plan, entry 4: "times" is a whole number from 1 to 1000, not 0.',
        'fault plan, entry 5: it names no fault: "fault": "…".',
        'fault plan, entry 5: "options" is a table, as in {"direction": "in"}, not [].',
        (
            'fault plan, entry 5: "at" is a table, as in {"after": "switchover", "plus": "0..2s"} or {"in": "3s"}, not '
            "'switchover'."
        ),
        'fault plan, entry 5: "off" needs "times": how often it is struck.',
        "fault plan, entry 6: \"peers\" is a list of nodes, not 'n2'.",
        'fault plan, entry 6: "at" says neither "after" what nor "in" how long.',
        'fault plan, entry 6: "times" needs "for" and "off": how long it lasts each time, and how long it does not.',
        "fault plan, entry 7: 'net_partition n1' is no table.",
    ]


@pytest.mark.parametrize("plan", [{"fault": "node_freeze"}, "node_freeze n1", 3, None])
def test_what_is_no_plan(plan):
    """Is told how one looks."""
    with pytest.raises(ConfigError, match=r"^A fault plan is a list of tables, as in \["):
        read(plan, NODES)


def test_an_empty_plan():
    """Would prove nothing."""
    with pytest.raises(ConfigError, match=r"^The fault plan is empty, so it would strike nothing\.$"):
        read([], NODES)


def test_what_the_cluster_should_make_of_it():
    """Is an option of every fault; another word is told with the one that was meant."""
    (one,) = read([{"fault": "node_freeze", "node": "n1", "options": {"expect": "fenced"}}], NODES)
    assert one.options == {"expect": "fenced"}
    with pytest.raises(ConfigError) as caught:
        read([{"fault": "node_freeze", "node": "n1", "options": {"expect": "fence"}}], NODES)
    assert str(caught.value) == (
        "fault plan, entry 1: there is no outcome of node_freeze 'fence'. Did you mean 'fenced'?"
    )


def test_peers_without_a_node():
    """Are nobody's."""
    with pytest.raises(ConfigError, match='"peers" needs "node": who is cut off from them'):
        read([{"fault": "net_partition", "peers": ["n2"]}], NODES)


PLAN = [
    {"fault": "node_freeze", "node": "n1", "at": {"after": "switchover", "plus": "0..2s"}, "for": "1..2s"},
    {"fault": "net_partition", "node": "n2", "at": {"in": "0..9s"}, "times": 3, "for": "1s", "off": "10..20ms"},
]


@given(st.integers(0, 2**32 - 1))
def test_the_same_seed_draws_the_same(seed):
    """Within its bounds, every time."""
    tables = read(PLAN, NODES)
    one, two = draw(tables, seed)
    assert (one, two) == draw(tables, seed)
    assert 0 <= one.plus <= 2
    assert 0 <= two.plus <= 9
    assert 1 <= one.lasts[0] <= 2
    assert two.lasts == (1.0, 1.0, 1.0)
    assert len(two.off) == 2
    assert all(0.01 <= off <= 0.02 for off in two.off)


def test_what_was_drawn_in_words():
    """As the report has it; another seed draws another time."""
    tables = read(PLAN, NODES)
    assert [str(one) for one in draw(tables, 1)] == [str(one) for one in draw(tables, 1)]
    first, second = draw(tables, 1)
    assert str(first) == f"node_freeze n1 {first.plus:.3f} s after switchover, for {first.lasts[0]:.3f} s"
    assert str(second).startswith(
        f"net_partition n2 {second.plus:.3f} s after the beginning, for 1.000 s, 1.000 s, 1.000 s, "
    )
    assert first.plus != draw(tables, 2)[0].plus
    (always,) = draw(read([{"fault": "node_freeze", "node": "n1"}], NODES), 1)
    assert str(always) == "node_freeze n1 0.000 s after the beginning, until the end"


def test_what_an_event_stands_for():
    """An action as it begins and ends, a fault once it was struck, any other by its kind."""
    watched = Watched()

    def names(event):
        return watched.happened(event)

    assert names(ActionStarted(rehearsal="r", action="1", name="switchover")) == ("ActionStarted", "switchover")
    assert names(ActionStarted(rehearsal="r", action="2", name="fault node_freeze")) == ("ActionStarted",)
    assert names(ActionStep(rehearsal="r", action="2", step="armed")) == ("ActionStep",)
    assert names(ActionStep(rehearsal="r", action="2", step="struck")) == ("ActionStep", "fault node_freeze")
    assert names(ActionFinished(rehearsal="r", action="1", outcome="done")) == ("ActionFinished", "switchover ended")
    recorded = ClusterRecorded(rehearsal="r", node="n1", what="fenced", at=1.0, error=0.1)
    assert names(recorded) == ("ClusterRecorded",)
