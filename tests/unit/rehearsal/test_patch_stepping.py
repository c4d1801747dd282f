# SPDX-License-Identifier: MIT
"""A person decides at the gates: what is shown, which answers there are, and what becomes of none."""

from __future__ import annotations

import pytest

from pytest_harehearse.probes.attempts import Attempt, Outcome, encode_attempt
from pytest_harehearse.rehearsal.patching.errors import GateRed
from pytest_harehearse.rehearsal.patching.soak import hurting
from pytest_harehearse.rehearsal.patching.stepping import Stepper
from pytest_harehearse.rehearsal.patching.steps import Step
from pytest_harehearse.rehearsal.patching.validation import Check
from unit.rehearsal.test_patching import PATCH, QUICK, hosts, journal, patched  # noqa: F401 - fixtures

GATE = Step("gate", "gate B: the patched node serves well", gate="B", way_back="switchover back to n1")
EVIDENCE = [
    Check("soak", "n2", ok=True, detail="active for 5.00 s without a break"),
    Check("backup", "", ok=None, detail="nobody answered"),
    Check("smoke", "n2", ok=False, detail=""),
]


class Person:
    """Says what it was told to say, in order; then nothing."""

    def __init__(self, *answers):
        self.answers, self.asked, self.shown = list(answers), [], []

    def ask(self, question):
        self.asked.append(question)
        if not self.answers:
            raise EOFError
        return self.answers.pop(0)

    def stepper(self, until=""):
        return Stepper(self.ask, self.shown.append, until)


@pytest.mark.parametrize(
    ("said", "answer"),
    [("g", "go"), ("GO", "go"), (" b ", "back"), ("back", "back"), ("s", "stop"), ("Stop", "stop")],
)
def test_the_answers(said, answer):
    """By letter or word, however it is written; the evidence and the way back are shown before."""
    person = Person(said)
    assert person.stepper()(GATE, EVIDENCE) == answer
    assert person.asked == ["gate B: [g]o on, go [b]ack, [s]top here? "]
    assert "".join(person.shown) == (
        "gate B: the patched node serves well\n"
        "  ✓ n2: soak: active for 5.00 s without a break\n"
        "  ? cluster: backup: nobody answered\n"
        "  ✗ n2: smoke\n"
        "  back: switchover back to n1"
    )


def test_what_is_no_answer_is_asked_again():
    """An empty line is no yes."""
    person = Person("", "yes", "g")
    assert person.stepper()(GATE, EVIDENCE) == "go"
    assert person.shown[1:] == ["'' is no answer; g, b or s is", "'yes' is no answer; g, b or s is"]


@pytest.mark.parametrize("answers", [(), ("",) * 9])
def test_no_answer_stops(answers):
    """At the end of the input, or after five that are none: nothing goes on that nobody wanted."""
    person = Person(*answers)
    assert person.stepper()(GATE, EVIDENCE) == "stop"
    assert len(person.asked) == (1 if not answers else 5)
    assert person.shown[-1] == "gate B: stopped, for there was no answer"


@pytest.mark.parametrize(("until", "answer"), [("A", "stop"), ("B", "go"), ("C", "go"), ("", "stop")])
def test_yes_up_to_a_gate(until, answer):
    """Without a terminal the gates after it stop the workflow."""
    shown = []
    assert Stepper(None, shown.append, until)(GATE, EVIDENCE) == answer
    said = f"gate B: GO by --yes-until {until}" if answer == "go" else "gate B: stopped, for nobody can be asked here"
    assert shown[-1] == said


def test_a_person_is_asked_after_the_last_yes():
    """Up to the gate nobody is asked, after it a person is."""
    person = Person("b")
    stepper = person.stepper("A")
    assert stepper(Step("gate", "gate A", gate="A"), EVIDENCE) == "go"
    assert person.asked == []
    assert stepper(GATE, EVIDENCE) == "back"


def test_a_long_soak_ends_with_the_first_real_interruption(patched):  # noqa: F811 - a fixture
    """Users do not wait for its end: gate B is red at once, and the service goes back."""
    looks = iter([{}, {"page": 0.4}, {"page": 1.5, "shop": 0.2}])
    cluster, patching = patched(hurt=lambda: next(looks))
    with pytest.raises(GateRed, match=r"gate B is NO-GO: soak of n2: after .* not served: page for 1\.50 s"):
        patching.standby_first(PATCH, prove_switchover=False, **{**QUICK, "soak": "5min"})
    assert cluster.active == "n1"
    assert next(looks, "asked no more") == "asked no more"


def test_how_long_a_service_hurts(tmp_path):
    """Of two watches of a service the one begun last counts; a file that is not there yet is no interruption."""
    path = tmp_path / "a.jsonl"
    assert hurting(lambda: [("page", path)])() == {}
    old, new = (tmp_path / f"{name}.jsonl" for name in ("old", "new"))
    for file, outcomes in ((old, (Outcome.REFUSED,) * 3), (new, (Outcome.OK, Outcome.REFUSED, Outcome.REFUSED))):
        attempts = [Attempt(n, float(n), float(n), n + 0.1, one) for n, one in enumerate(outcomes)]
        file.write_text('{"v":1}\n' + "".join(encode_attempt(one) + "\n" for one in attempts))
    assert hurting(lambda: [("page", old), ("page", new)])() == {"page": pytest.approx(0.9)}
