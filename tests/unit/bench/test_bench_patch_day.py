# SPDX-License-Identifier: MIT
"""The arithmetic of the bench of patch days: like is set beside like, and what is missing is not counted as nought."""

import pytest
from tests.bench.patch_day import TESTS, by_part, compared, felt_ratio, medians, told, turns

TOOK = {"drain n2": 1.0, "reboot n2": 5.0, "switchover n2": 2.0, "drain n1": 1.5, "reboot n1": 6.0, "gate A": 0.1}
FELT = {"standby_first": {"lower": 0.1, "upper": 0.2}, "in_place": {"lower": 6.0, "upper": 6.5}}


def test_a_node_is_known_by_its_turn():
    """After a switchover the other node is patched first: its step stands beside that of the first one then."""
    assert turns(TOOK) == ["n2", "n1"]
    again = {step.replace("n1", "x").replace("n2", "n1").replace("x", "n2"): took for step, took in TOOK.items()}
    assert by_part(again, turns(again)) == by_part(TOOK, turns(TOOK))
    assert by_part(TOOK, turns(TOOK))["reboot, node 2"] == 6.0
    assert sum(by_part(TOOK, turns(TOOK)).values()) == pytest.approx(sum(TOOK.values()))


def test_what_costs_most_stands_first():
    """A step that nobody does by hand is told as all its own."""
    rows = compared({"drain": 1.0, "reboot": 5.0}, {"drain": 1.25, "reboot": 4.5, "preflight": 3.0})
    assert rows == [
        ["preflight", "–", "3.00", "3.00"], ["drain", "1.00", "1.25", "0.25"], ["reboot", "5.00", "4.50", "-0.50"],
    ]  # fmt: skip
    assert medians([{"a": 1.0}, {"a": 9.0}, {"a": 2.0}]) == {"a": 2.0}


def test_the_bounds_of_a_ratio():
    """Each bound is the one that is surely on its side; without an upper bound there is none."""
    assert felt_ratio(FELT["standby_first"], FELT["in_place"]) == pytest.approx((30.0, 65.0))
    assert felt_ratio({"lower": 0.0, "upper": None}, FELT["in_place"]) == (None, None)


@pytest.mark.parametrize(("whole", "word"), [(13.0, "reached (1.30)"), (13.2, "NOT reached (1.32)")])
def test_what_was_wanted_is_said(whole, word):
    """The limit itself is reached, anything above is not, and in those words."""
    result = told("lab", [{"drain": 4.0, "reboot": 6.0}], [{"drain": 5.0, "reboot": 8.0}], [whole], [FELT])
    assert result.notes[0] == f"workflow by the sum of its bare steps, at most 1.3: {word}"
    assert "0.100 to 0.200" in result.tables[1][1]
    assert "30.0 to 65.0" in result.tables[1][1]


def test_its_rehearsals_can_be_compiled():
    """They are text here, and would break only on the lab."""
    compile(TESTS, "test_patch.py", "exec")
