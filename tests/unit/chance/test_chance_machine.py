# SPDX-License-Identifier: MIT
"""The state machine for rules of one's own: on a model, on a lab (here one in memory), never on a production."""

import subprocess
import sys
from contextlib import contextmanager

import pytest
from hypothesis.stateful import invariant, rule

from pytest_harehearse.chance.layout import spare
from pytest_harehearse.chance.machine import ClusterMachine, Lab, Model, run_machine
from pytest_harehearse.errors import ConfigError, Indeterminate, Refused, Unsupported
from pytest_harehearse.inventory.model import Cluster as Described
from pytest_harehearse.inventory.model import Node
from pytest_harehearse.rehearsal.cluster import Cluster
from pytest_harehearse.rehearsal.plan import ModelManager


class Ruled(ClusterMachine):
    """With a rule and an invariant of its own."""

    strikes = ("stack_kill", "net_degrade")

    @rule()
    def mine(self):
        self.steps.append("mine")

    @invariant()
    def the_quorum_is_kept(self):
        lost = self.subject.manager.lost
        assert len(lost) <= spare(len(self.subject.state().names))


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_on_a_model_no_more_is_lost_than_may_be(count):
    run_machine(Ruled, Model([f"n{number}" for number in range(1, count + 1)]), steps=20, examples=50)


def test_every_rule_is_drawn():
    seen = set()

    class Kept(Ruled):
        def teardown(self):
            seen.update(step.partition(" ")[0] for step in self.steps)
            super().teardown()

    run_machine(Kept, Model(), steps=20)
    assert seen == {"strike", "heal", "switchover", "wait", "mine"}


class Forgetful(Model):
    """Breaks when it is switched over after a node was lost."""

    def begin(self):
        super().begin()
        self.was_lost = self.broken = False

    def strike(self, fault, node):
        super().strike(fault, node)
        self.was_lost = True

    def switchover(self):
        super().switchover()
        self.broken = self.was_lost


class Whole(ClusterMachine):
    @invariant()
    def it_is_whole(self):
        assert not self.subject.broken, "; ".join(self.steps)


def test_what_a_model_breaks_by_is_found_and_made_small():
    with pytest.raises(AssertionError) as found:
        run_machine(Whole, Forgetful(), steps=20)
    steps = str(found.value).partition("\n")[0].split("; ")
    assert [step.partition(" ")[0] for step in steps] == ["strike", "heal", "switchover"]


# -- a lab -----------------------------------------------------------------------------------------------------------


class InMemory(Cluster):
    """A cluster whose manager is a model."""

    def __init__(self, kind="lab"):
        described = Described("lab", "web", kind, "patroni", tuple(Node(name) for name in ("n1", "n2", "n3")))
        super().__init__(described, ModelManager(described))
        self.begun = 0
        self.refused = False

    def until_redundant(self, *, within):
        self.begun += 1
        assert self.state().redundancy_limitation() is None

    def switchover(self):
        if self.refused:
            raise Refused("not now")
        self.manager.switchover(self.state(), self.standbys[0], 60.0)
        return self.active


class Struck:
    """Faults of it, that keep what was done."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.done = []
        self.wrong = None

    @contextmanager
    def stack_kill(self, node):
        self.done.append(("strike", node))
        if self.wrong is not None:
            raise self.wrong
        self.cluster.manager.lose(node)
        yield
        self.done.append(("undo", node))
        self.cluster.manager.lost.discard(node)
        self.cluster.manager.settle()


@pytest.fixture
def cluster():
    return InMemory()


@pytest.fixture
def faults(cluster, monkeypatch):
    monkeypatch.setattr("pytest_harehearse.chance.subjects.time.sleep", lambda seconds: None)
    monkeypatch.setattr(Lab, "wait", lambda self, seconds: None)
    return Struck(cluster)


class Plain(ClusterMachine):
    """Only what is there."""


def test_on_a_lab_everything_is_undone_and_the_seed_gives_the_same_again(cluster, faults):
    run_machine(Plain, cluster, faults, steps=12, examples=3, seed="2026w48")
    # Of each the simplest one is left, and those that strike nothing do not count.
    assert cluster.begun >= 3 * 2
    first = list(faults.done)
    strikes = [node for what, node in first if what == "strike"]
    assert strikes
    assert sorted(strikes) == sorted(node for what, node in first if what == "undo")
    assert cluster.manager.lost == set()
    runs = []
    for seed in ("2026w48", "2026w49"):
        again = InMemory()
        struck = Struck(again)
        run_machine(Plain, again, struck, steps=12, examples=3, seed=seed)
        runs.append(struck.done)
    assert runs[0] == first != runs[1]


@pytest.mark.parametrize("error", [AssertionError("two are active"), Indeterminate("nobody knows")])
def test_after_the_first_failure_a_lab_is_not_touched_any_more(cluster, faults, error):
    """Hypothesis would strike again to see whether it fails again; unknown stays unknown."""

    class Failing(ClusterMachine):
        @invariant()
        def never_two(self):
            if [what for what, _ in faults.done].count("strike") == 2:
                begun.append(cluster.begun)
                raise error

    begun = []
    with pytest.raises(type(error), match=str(error)) as found:
        run_machine(Failing, cluster, faults, steps=30, seed="s")
    assert found.value is error
    assert [what for what, _ in faults.done].count("strike") == 2
    assert cluster.manager.lost == set()
    assert begun == [cluster.begun]
    [note] = [text for text in error.__notes__ if text.startswith("Failing, ")]
    assert note.startswith("Failing, what was done before: ")
    assert note.count("strike stack_kill on ") == 2
    assert note.endswith(". Drawn from 's'.")


def test_a_fault_that_cannot_be_struck_ends_it(cluster, faults):
    faults.wrong = Unsupported("it cannot be done here")
    with pytest.raises(Unsupported, match="it cannot be done here"):
        run_machine(Plain, cluster, faults, steps=30, seed="s")
    assert len(faults.done) == 1


def test_sequences_that_strike_nothing_are_not_taken_for_a_proof(cluster, faults):
    class Never(ClusterMachine):
        targets = ("majority",)

    with pytest.raises(Indeterminate) as unknown:
        run_machine(Never, cluster, faults, steps=7, examples=2, seed="s")
    assert str(unknown.value) == (
        "Never struck something in 0 of 10 sequences, where 2 had to. Allow more than 7 steps, or other strikes and targets."
    )
    assert faults.done == []


def test_a_machine_without_strikes_is_run_as_often_as_was_asked(cluster, faults):
    ended = []

    class Calm(ClusterMachine):
        strikes = ()

        def teardown(self):
            ended.append(self.steps)
            super().teardown()

    run_machine(Calm, cluster, faults, steps=7, examples=2, seed="s")
    assert len([steps for steps in ended if steps]) == 2
    assert faults.done == []


def test_a_switchover_that_is_refused_is_an_answer(cluster, faults):
    cluster.refused = True
    run_machine(Plain, cluster, faults, steps=30, seed="s")


def test_a_lab_that_is_not_whole_is_not_struck(cluster, faults):
    cluster.manager.lost.add("n2")
    with pytest.raises(AssertionError):
        run_machine(Plain, cluster, faults)
    assert faults.done == []


def test_never_on_a_production(faults):
    with pytest.raises(Unsupported) as refused:
        run_machine(Plain, InMemory("production"), faults)
    assert str(refused.value) == (
        "lab/web (PRODUCTION): a state machine strikes what nobody has planned, so it is never run there, armed or not. Run it "
        "on a lab, or on a model: run_machine(…, Model(['n1', 'n2', 'n3'])). Nothing was touched."
    )
    assert faults.done == []


class Unknown(ClusterMachine):
    strikes = ("stack_kil",)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda on, faults: run_machine(Unknown, on, faults),
            "Unknown.strikes: there is no fault 'stack_kil'; there are ",
        ),
        (
            lambda on, faults: run_machine(Plain, on, faults, steps=0),
            "run_machine(Plain, steps=0, examples=None) would do ",
        ),
        (lambda on, faults: run_machine(Plain, on, faults, examples=0), "examples=0) would do nothing."),
        (
            lambda on, faults: run_machine(Plain, on),
            "run_machine(Plain, cluster, faults): on a cluster it needs the faults",
        ),
        (lambda on, faults: Plain(), "Plain is run by run_machine(Plain, cluster, faults)."),
        (lambda on, faults: Model([]), "A model of a cluster needs a node: Model(['n1', 'n2', 'n3'])."),
    ],
)
def test_what_cannot_be_meant_is_refused(cluster, faults, call, said):
    with pytest.raises(ConfigError) as refused:
        call(cluster, faults)
    assert said in str(refused.value)
    assert faults.done == []


def test_without_hypothesis_it_says_what_to_install():
    script = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "from pytest_harehearse.errors import ConfigError\n"
        "try:\n    import pytest_harehearse.chance.machine\nexcept ConfigError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "A state machine needs Hypothesis: pip install hypothesis\n"
