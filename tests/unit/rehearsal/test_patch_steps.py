# SPDX-License-Identifier: MIT
"""The order of a patch day: whatever the cluster's size, the original last, each node once, a way back beside each step."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.rehearsal.patching import patches, steps

NAMES = st.integers(2, 6).map(lambda count: [f"n{number}" for number in range(1, count + 1)])
PATCH = st.sampled_from([patches.reboot(), patches.command("patch-it"), patches.kernel("linux-image-amd64")])


def ids(found):
    return [step.id for step in found]


@given(NAMES, PATCH, st.booleans(), st.booleans(), st.booleans())
def test_standbys_first(names, patch, drains, prove, switchback):
    """Every standby is patched and validated before gate A; the original only after gate B, and then gate C."""
    active, *standbys = names
    found = ids(steps.standby_first(patch, active, standbys, drains=drains, prove=prove, switchback=switchback))
    for node in names:
        assert found.count(f"patch {node}") == 1
        order = [
            f"{step} {node}"
            for step in ("drain", "patch", "reboot", "undrain", "validate")
            if f"{step} {node}" in found
        ]
        assert [one for one in found if one in order] == order
        assert (f"drain {node}" in found) is drains
        assert (f"reboot {node}" in found) is patch.reboots
    for node in standbys:
        assert found.index(f"validate {node}") < found.index("gate A")
    assert found.index("gate A") < found.index(f"switchover {standbys[0]}") < found.index("gate B")
    assert found.index("gate B") < found.index(f"patch {active}") < found.index("gate C") < found.index("audit")
    assert (f"prove_switchover {standbys[0]}" in found) is prove
    assert (f"switchback {active}" in found) is switchback


@given(NAMES, PATCH, st.booleans())
def test_each_step_names_its_way_back(names, patch, drains):
    """Until gate B it is the original, not patched; after gate C it is said that none is cheap."""
    found = steps.standby_first(patch, names[0], names[1:], drains=drains, prove=True, switchback=False)
    assert all(step.way_back for step in found if step.name != "audit")
    assert len(set(ids(found))) == len(found)
    ways = {step.id: step.way_back for step in found}
    assert ways["gate B"] == "switchover back to n1, which is not patched yet"
    assert ways["gate C"] == "none that is cheap: undo the patch itself, standby first"


@given(NAMES.flatmap(st.permutations), st.integers(0, 5), st.booleans())
def test_in_an_order_of_ones_own(order, which, drains):
    """The node whose turn it is never serves: the service moves away before, to a patched node if there is one."""
    active = order[which % len(order)]
    found = steps.in_order(patches.reboot(), order, active, drains=drains)
    serves, patched = active, []
    for step in found:
        if step.name == "switchover":
            assert step.node != serves
            assert step.node in patched or not patched
            serves = step.node
        elif step.name in {"drain", "patch", "reboot"}:
            assert step.node != serves
            if step.name == "patch":
                patched.append(step.node)
    assert patched == list(order)


def test_in_place():
    """The manager looks away while the active node is patched and rebooted, and back before it is looked at."""
    found = ids(steps.in_place(patches.reboot(), "n1"))
    assert found == [
        "preflight n1", "maintenance_on", "patch n1", "reboot n1", "maintenance_off", "validate n1", "audit",
    ]  # fmt: skip


def test_a_node_that_is_no_host_is_restarted_and_it_is_said():
    """Nobody may take a restart of processes for a reboot."""
    found = steps.standby_first(
        patches.reboot(), "n1", ["n2"], drains=False, prove=False, switchback=False, hosts=False
    )
    (reboot,) = [step for step in found if step.id == "reboot n2"]
    assert reboot.command == "restart every process of n2 (it is no host of its own)"
    assert reboot.expected == "it runs again"


def test_words_one_by_one_or_in_a_list():
    """A command and packages take both; what is no text is refused where it is written, not on a node."""
    assert patches.command(["patch-it", "--now"]) == patches.command("patch-it", "--now")
    assert patches.packages(["nginx"]) == patches.packages("nginx")
    assert patches.packages(["security"]) == patches.packages("security")
    for wrong in ((), ([],), (["a", 1],), ("a", ["b"])):
        with pytest.raises(TypeError, match=r"command\(\) needs words, one by one or in a list, not "):
            patches.command(*wrong)
