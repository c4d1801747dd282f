# SPDX-License-Identifier: MIT
"""Fault plans being played: struck when they say, undone at the end, and nothing that went wrong is lost."""

from __future__ import annotations

import dataclasses
import threading
import time

import pytest

from pytest_harehearse.errors import ConfigError, HarehearseError, Indeterminate, Unsupported
from pytest_harehearse.events import ActionStarted
from pytest_harehearse.faults.base import Armed
from pytest_harehearse.faults.catalogue import Kind
from pytest_harehearse.rehearsal import faults as module
from pytest_harehearse.rehearsal import playing
from pytest_harehearse.rehearsal.cluster import Cluster
from pytest_harehearse.rehearsal.faults import Faults
from pytest_harehearse.rehearsal.plan import Plan, PlannedCluster
from pytest_harehearse.rehearsal.scene import scene_of
from pytest_harehearse.rehearsal.striking import Striker
from pytest_harehearse.safety.journal import Journal

LONG_S = 20.0


class Fake(Armed):
    """A fault that keeps what was done, and when; ``wrong`` is how its strike ends."""

    name = "node_freeze"
    undo_text = "thaw it"

    def __init__(self, target, done, wrong=None):
        self.target, self.done, self.wrong = target, done, wrong
        self.strike_text = f"freeze {target}"

    def limitation(self):
        return None

    def strike(self):
        self.done.append(("strike", self.target, time.monotonic(), threading.current_thread().name))
        return "frozen"

    def effect(self):
        if isinstance(self.wrong, BaseException):
            raise self.wrong
        return self.wrong

    def undo(self):
        self.done.append(("undo", self.target, time.monotonic(), threading.current_thread().name))

    def undone(self):
        return None


class Game:
    """The faults of lab/web, whose ``node_freeze`` only keeps what was done."""

    def __init__(self, faults, striker, recorder, events, journal, done, wrong):
        self.faults, self.striker, self.recorder, self.events = faults, striker, recorder, events
        self.journal, self.done, self.wrong = journal, done, wrong

    @property
    def what(self):
        return [one[:2] for one in self.done]

    def until(self, condition):
        """Wait for something; generously."""
        deadline = time.monotonic() + LONG_S
        while not condition():
            assert time.monotonic() < deadline, self.done
            time.sleep(0.005)


@pytest.fixture
def game(described, manager, recorder, events, tmp_path, monkeypatch):
    done, wrong = [], {}
    monkeypatch.setattr(Kind, "builder", property(lambda kind: lambda scene, node: Fake(node, done, wrong.get(node))))
    cluster = Cluster(described, manager)
    journal = Journal(tmp_path)
    striker = Striker(cluster.id, "run-1", journal, recorder)
    cluster.attend(recorder, striker)
    before = recorder.sink
    yield Game(Faults(scene_of(cluster, None), striker), striker, recorder, events, journal, done, wrong)
    assert recorder.sink is before
    assert journal.still_open() == []
    assert not [one for one in threading.enumerate() if one.name.startswith("harehearse plan")]


@pytest.fixture
def striker_of(manager, recorder, tmp_path):
    """``striker_of(described)`` returns the faults of a cluster that is described so."""

    def made(described):
        cluster = Cluster(described, manager)
        return Faults(scene_of(cluster, None), Striker(cluster.id, "run-1", Journal(tmp_path), recorder))

    return made


def freeze(node="n1", **more):
    return {"fault": "node_freeze", "node": node, **more}


def test_struck_at_once_and_undone_at_the_end(game):
    """In a thread of its own, while the test goes on."""
    with game.faults.play([freeze()]):
        game.until(lambda: game.what == [("strike", "n1")])
    assert game.what == [("strike", "n1"), ("undo", "n1")]
    assert game.done[0][3] == game.done[1][3] == "harehearse plan 1: node_freeze n1"


def test_two_at_once(game):
    """Neither waits for the other, and each has its own undo."""
    with game.faults.play([freeze("n1"), freeze("n2")]):
        game.until(lambda: len(game.done) == 2)
    assert sorted(game.what[:2]) == [("strike", "n1"), ("strike", "n2")]
    assert sorted(game.what[2:]) == [("undo", "n1"), ("undo", "n2")]


def test_after_an_action_and_some_time(game):
    """Not before it, and no earlier than the delay that was drawn and noted, counted from its event."""
    plan = [freeze(at={"after": "switchover", "plus": "50..150ms"}, **{"for": "1ms"})]
    with game.faults.play(plan, seed=7):
        time.sleep(0.05)
        assert game.done == []
        with game.recorder.action("switchover", "n1 → n2"):
            game.until(lambda: len(game.done) == 2)
    began = next(e.t for e in game.events if isinstance(e, ActionStarted) and e.name == "switchover")
    (noted,) = [e.text for e in game.events if type(e).__name__ == "Noted"]
    words = noted.split()
    assert words[:5] == ["fault", "plan,", "seed", "7:", "node_freeze"]
    assert 0.05 <= float(words[6]) <= 0.15
    assert game.done[0][2] - began >= float(words[6]) - 0.001
    assert noted.endswith("s after switchover, for 0.001 s")


def test_one_fault_after_another(game):
    """The second is struck once the first was; with it both are there at once."""
    with game.faults.play([freeze("n2", at={"after": "fault node_freeze"}), freeze("n1", at={"in": "30ms"})]):
        game.until(lambda: len(game.done) == 2)
    assert game.what[:2] == [("strike", "n1"), ("strike", "n2")]


@pytest.mark.parametrize(
    ("word", "nodes"),
    [("active", ["n1"]), ("standby", ["n2"]), ("all", ["n1", "n2"]), ("majority", ["n1", "n2"])],
)
def test_a_word_means_nodes_when_it_is_struck(game, word, nodes):
    """Each with a strike of its own, together, and noted."""
    game.faults.play_through([freeze(word, **{"for": "20ms"})])
    assert sorted(game.what[: len(nodes)]) == [("strike", node) for node in nodes]
    assert sorted(game.what[len(nodes) :]) == [("undo", node) for node in nodes]
    notes = [e.text for e in game.events if type(e).__name__ == "Noted"]
    assert notes[1:] == [f"fault plan: node_freeze {word} means {', '.join(nodes)} now"]
    assert notes[0].endswith(f": node_freeze {word} 0.000 s after the beginning, for 0.020 s")


def test_a_word_follows_the_cluster(game, manager, healthy_state):
    """Each time it is struck, the cluster is asked anew."""
    plan = [freeze("active", times=2, off="300ms", **{"for": "1ms"})]
    with game.faults.play(plan):
        game.until(lambda: len(game.done) == 2)
        manager.script = [healthy_state("n2")]
        game.until(lambda: len(game.done) == 4)
    assert game.what == [("strike", "n1"), ("undo", "n1"), ("strike", "n2"), ("undo", "n2")]


def test_the_same_seed_chooses_the_same_node(game):
    """Of those that are there."""
    for seed in (7, 7, 8, 9, 10, 11, 12):
        game.faults.play_through([freeze("one", **{"for": "1ms"})], seed=seed)
    struck = [node for what, node in game.what if what == "strike"]
    assert struck[0] == struck[1]
    assert set(struck) == {"n1", "n2"}


def test_two_words_at_once_do_not_choose_the_same_node(game):
    """Nor one that is lost."""
    for seed in range(5):
        del game.done[:]
        game.faults.play_through([freeze("one", **{"for": "50ms"}), freeze("one", **{"for": "50ms"})], seed=seed)
        assert sorted(game.what[:2]) == [("strike", "n1"), ("strike", "n2")]


def test_a_word_that_means_nothing_now(game, manager, healthy_state):
    """Strikes nothing, and the rehearsal is unknown."""
    manager.script = [healthy_state(None)]
    with pytest.raises(Indeterminate) as caught:
        game.faults.play_through([freeze("active", **{"for": "1ms"})])
    assert str(caught.value) == (
        "The fault plan did not strike node_freeze active, for when it was to, no node was active: n1 replica running "
        "timeline 1 lag 0 B; n2 replica running timeline 1 lag 0 B. So nothing is known of what it would have done."
    )
    assert game.done == []


def test_what_goes_wrong_on_one_node_of_a_word(game):
    """Is not lost, and the others are undone."""
    game.wrong["n2"] = "it still runs"
    with pytest.raises(Indeterminate, match=r"node_freeze on n2 did not take effect for certain: it still runs\."):
        game.faults.play_through([freeze("all", **{"for": "10ms"})])
    assert sorted(game.what) == [("strike", "n1"), ("strike", "n2"), ("undo", "n1"), ("undo", "n2")]


def test_no_word_strikes_several_nodes_of_a_production(described, striker_of):
    """The guard weighs one node at a time; nothing was touched."""
    faults = striker_of(dataclasses.replace(described, kind="production"))
    with pytest.raises(Unsupported) as caught, faults.play([freeze("all")]):
        raise AssertionError
    assert str(caught.value) == (
        "lab/web (PRODUCTION): node_freeze all would strike 2 nodes at once, and the guard weighs one at a time. Name one "
        "node, or rehearse this on a lab. Nothing was touched."
    )


def test_again_and_again(game):
    """Each time is a strike of its own in the journal and on the stream."""
    with game.faults.play([freeze(times=3, off="5ms", **{"for": "5ms"})]):
        game.until(lambda: len(game.done) == 6)
    assert game.what == [("strike", "n1"), ("undo", "n1")] * 3
    assert game.journal.path.read_text().count('"close"') == 3


def test_what_never_happened(game):
    """Is said: the fault was not struck, so nothing was learned."""
    with pytest.raises(Indeterminate) as caught, game.faults.play([freeze(at={"after": "switchover", "plus": "1s"})]):
        pass
    assert str(caught.value) == (
        "The fault plan ended before node_freeze n1 was struck: it waited for switchover, which did not happen. So nothing "
        "is known of what it would have done. Let the test go on for longer, or strike it earlier."
    )
    assert game.done == []


def test_what_came_too_late(game):
    """Is said as well."""
    late = r"it waited for its time, which was to be 1 min 00 s later\. So nothing"
    with pytest.raises(Indeterminate, match=late), game.faults.play([freeze(at={"in": "60s"})]):
        pass
    assert game.done == []


def test_cut_short(game):
    """Fewer strikes than planned are no full proof; what was struck is undone."""
    with pytest.raises(Indeterminate) as caught, game.faults.play([freeze(times=2, off="60s", **{"for": "1ms"})]):
        game.until(lambda: len(game.done) == 2)
    assert str(caught.value) == (
        "The fault plan ended after node_freeze n1 was struck 1 of 2 times. So less was tried than was planned. Let the "
        "test go on for longer, or plan fewer."
    )
    assert game.what == [("strike", "n1"), ("undo", "n1")]


def test_an_effect_that_is_not_proved(game):
    """Ends the rehearsal as unknown, at the end of the plan; the fault is undone."""
    game.wrong["n1"] = "it still runs"
    unproved = r"node_freeze on n1 did not take effect for certain: it still runs\."
    with pytest.raises(Indeterminate, match=unproved), game.faults.play([freeze()]):
        game.until(lambda: len(game.done) == 2)
    assert game.what == [("strike", "n1"), ("undo", "n1")]


def test_what_failed_comes_before_what_is_unknown(game):
    """And the other is told with it."""
    game.wrong.update(n1="unproved", n2=HarehearseError("the node burns"))
    with (
        pytest.raises(HarehearseError, match=r"^the node burns") as caught,
        game.faults.play([freeze("n1"), freeze("n2")]),
    ):
        game.until(lambda: len(game.done) == 4)
    assert caught.value.__notes__ == [
        "and in the same fault plan: node_freeze on n1 did not take effect for certain: unproved."
    ]


def test_the_error_of_the_test_comes_first(game):
    """All is undone all the same, and what went wrong in the plan is told with it."""
    plan = game.faults.play([freeze("n1"), freeze("n2", at={"after": "fence"})])
    with pytest.raises(ZeroDivisionError) as caught, plan:  # noqa: PT012 - the plan has to have begun
        game.until(lambda: game.done)
        raise ZeroDivisionError
    assert game.what == [("strike", "n1"), ("undo", "n1")]
    (note,) = caught.value.__notes__
    assert note.startswith("and in the fault plan: The fault plan ended before node_freeze n2 was struck")


def test_a_plan_that_is_wrong(game):
    """Touches nothing, and notes nothing."""
    with pytest.raises(ConfigError), game.faults.play([freeze(), freeze("n9")]):
        raise AssertionError
    assert (game.events, game.done) == ([], [])


def test_an_undo_that_hangs(game, monkeypatch):
    """Is waited for with a deadline, and told."""
    monkeypatch.setattr(playing, "UNDO_S", 0.1)
    free = threading.Event()
    monkeypatch.setattr(Fake, "undo", lambda self: (free.wait(LONG_S), self.done.append(("undo", self.target)))[0])
    with pytest.raises(Indeterminate) as caught, game.faults.play([freeze()]):
        game.until(lambda: game.done)
    assert str(caught.value) == (
        "harehearse plan 1: node_freeze n1 had not ended 100 ms after the fault plan: what it struck may not be undone. The "
        "node's own timer undoes it; look at the journal."
    )
    free.set()
    game.until(lambda: len(game.done) == 2 and game.journal.still_open() == [])
    game.until(lambda: threading.active_count() == 1 or not [
        one for one in threading.enumerate() if one.name.startswith("harehearse plan")
    ])  # fmt: skip


def test_taken_back_by_two_threads(game):
    """Whoever is first undoes it, once; the other finds nothing to do."""
    fault = Fake("n1", game.done)
    game.striker.strike(fault)
    together = threading.Barrier(4)

    def undo():
        together.wait(LONG_S)
        game.striker.undo_all()

    threads = [threading.Thread(target=undo) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(LONG_S)
    assert game.what == [("strike", "n1"), ("undo", "n1")]


def test_flapping(game, monkeypatch):
    """Struck and undone as often as was said, with the pauses that were said."""
    slept = []
    monkeypatch.setattr(module.time, "sleep", slept.append)
    game.faults.flap("node_freeze", "n2", times=3, on="2s", off="500ms")
    assert slept == [2.0, 0.5, 2.0, 0.5, 2.0]
    assert game.what == [("strike", "n2"), ("undo", "n2")] * 3


@pytest.mark.parametrize(
    ("arguments", "options", "text"),
    [
        (("node_freze", "n1"), {}, "there is no fault 'node_freze'. Did you mean 'node_freeze'?"),
        (("node_freeze",), {}, "node_freeze: missing a required argument: 'node'."),
        (("node_freeze", "n1"), {"on": 2}, '"for": 2 is not a duration'),
        (("node_freeze", "n1"), {"times": 0}, '"times" is a whole number from 1 to 1000, not 0.'),
    ],
)
def test_flapping_that_is_wrong(game, arguments, options, text):
    """Touches nothing."""
    with pytest.raises(ConfigError) as caught:
        game.faults.flap(*arguments, **({"times": 3, "on": "2s", "off": "1s"} | options))
    assert text in str(caught.value)
    assert game.done == []


def test_a_plan_only_tells(described, monkeypatch):
    """Planned, nothing waits and no thread is started: what waits for something is told after it."""
    monkeypatch.setattr(module.time, "sleep", lambda duration: pytest.fail("a plan waits for nothing"))
    plan = Plan(PlannedCluster(described), {})
    faults = Faults(scene_of(plan.cluster, None, planned=True), plan.cluster.striker)
    threads = threading.active_count()
    with faults.play([freeze(at={"after": "switchover", "plus": "0..2s"}), freeze("n2", **{"for": "3s"})]):
        plan.cluster.switchover()
        assert threading.active_count() == threads
    faults.flap("net_partition", "n1", times=3, on="2s", off="1s")
    told = [line for line in plan.lines if line.startswith("action")]
    assert [line.split(":")[0] for line in told] == [
        "action     fault node_freeze (at once, for 3.00 s) n2",
        told[1].split(":")[0],
        "action     fault node_freeze (0 s to 2.00 s after switchover, until the end) n1",
        "action     fault net_partition (at once, for 2.00 s, 3 times, 1.00 s apart) n1",
    ]
    assert told[1].startswith("action     switchover n1 → n2")


def test_a_fault_of_every_node(described):
    """Is built without one; a node that is named is checked, as an argument or by its name."""
    plan = Plan(PlannedCluster(described), {})
    faults = Faults(scene_of(plan.cluster, None, planned=True), plan.cluster.striker)
    assert faults.build("fence_fail").target == "n1, n2"
    assert faults.build("fence_fail", "n1").target == faults.build("fence_fail", node="n1").target == "n1"
    for wrong in ({"node": "n9"}, {}):
        with pytest.raises(Unsupported, match=r"^lab/web has no node 'n9'; its nodes are n1, n2\.$"):
            faults.build("fence_fail", *([] if wrong else ["n9"]), **wrong)
