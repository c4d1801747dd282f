# SPDX-License-Identifier: MIT
"""How much a pressure may take is decided before anything is touched; that ours did not live to its end is told."""

from __future__ import annotations

import pytest

from pytest_harehearse.faults import pressure_scripts as sh
from pytest_harehearse.faults.base import Expected, Scene
from pytest_harehearse.faults.dead_man import about
from pytest_harehearse.faults.pressure import cpu_pressure, memory_pressure
from pytest_harehearse.faults.sizes import SizeError
from pytest_harehearse.remote.base import Done, Unknown, Unreachable

ALIVE = Done(0)


class Node:
    """Says how much memory it has (KiB, as its kernel does), and what of ours lives."""

    url, node = "ssh://n1", "n1"

    def __init__(self, *memory, live=ALIVE):
        self.memory = Done(0, "\n".join(map(str, memory)).encode())
        self.live = live
        self.seen = []

    def run(self, command, *, deadline, stdin=b"", root=True):
        self.seen.append(command)
        if command.text == sh.FREE:
            return self.memory
        return self.live if command.text == sh.LIVE else Done(0)


def scene(node):
    return Scene(None, None, {"n1": node}, dead_man=600.0)


def taken(node, **options):
    """How many bytes would be taken."""
    fault = memory_pressure(scene(node), "n1", **options)
    assert fault.limitation() is None
    return int(fault._arguments[0])


GIB = 2**20  # in KiB


def test_what_is_taken():
    """A size as it is; a share of what can be taken, of which something is kept for the node itself."""
    assert taken(Node(4 * GIB, 2 * GIB), size="256MiB") == 256 * 2**20
    most = 2 * 2**30 - int(4 * 2**30 * 0.05)
    assert taken(Node(4 * GIB, 2 * GIB), share="50%") == most // 2
    assert taken(Node(4 * GIB, 2 * GIB)) == int(most * 0.8)
    # A small node keeps 64 MiB, and the limit of a container counts where it is less than the machine's memory.
    assert taken(Node(GIB // 2, GIB // 4), share="100%") == 192 * 2**20
    assert taken(Node(64 * GIB, 60 * GIB, GIB * 4), share="100%") == 4 * 2**30 - int(64 * 2**30 * 0.05)


def test_more_than_is_free():
    """Is refused, unless it is said that it is meant."""
    node = Node(GIB, GIB // 4)
    assert memory_pressure(scene(node), "n1", size="256MiB").limitation() == (
        "256 MiB is more than the 192 MiB that can be taken on n1 without its kernel killing processes (256 MiB are free, "
        "64 MiB of them are kept); to do it all the same, say beyond=True"
    )
    assert taken(node, size="256MiB", beyond=True) == 256 * 2**20
    assert not [command for command in node.seen if sh.MEMORY_STRIKE in command.text]


@pytest.mark.parametrize("free", [GIB // 32, 0, -5])
def test_a_node_that_has_nothing_left(free):
    """Nothing is taken of nothing."""
    assert memory_pressure(scene(Node(GIB, free)), "n1").limitation() == (
        "less than 16 MiB of memory would be taken on n1, which presses nobody"
    )


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (Unreachable("no route"), "no route"),
        (Done(1, b"", b"no /proc"), "no /proc"),
        (Done(0, b"4711"), "4711"),
        (Done(0, b"12 kB of 13"), "12 kB of 13"),
    ],
)
def test_a_node_that_does_not_tell(answer, text):
    """Nothing is taken on a guess."""
    node = Node()
    node.memory = answer
    said = memory_pressure(scene(node), "n1").limitation()
    assert said == f"how much memory is free on n1 could not be read: {text}"


def test_both_are_one_too_many():
    """And so is a number of workers that is none; nothing is asked."""
    with pytest.raises(ValueError, match=r"^memory_pressure takes either a size or a share, not both\.$"):
        memory_pressure(Scene(None, None), "n1", size="1GiB", share="10%")
    for workers in (0, -1, 257):
        with pytest.raises(ValueError, match=rf"^cpu_pressure takes 1 to 256 workers, not {workers}\.$"):
            cpu_pressure(Scene(None, None), "n1", workers=workers)
    with pytest.raises(SizeError, match="'80' is not a share"):
        memory_pressure(Scene(None, None), "n1", share="80")
    with pytest.raises(SizeError, match="256 is not a size"):
        memory_pressure(Scene(None, None), "n1", size=256)


@pytest.mark.parametrize(
    ("build", "options", "text"),
    [
        (memory_pressure, {}, "on n1, hold 80% of what is free of memory by processes of our own"),
        (memory_pressure, {"size": "1GiB"}, "on n1, hold 1 GiB of memory by processes of our own"),
        (cpu_pressure, {}, "on n1, let one process a processor of our own turn in circles"),
        (cpu_pressure, {"workers": 3}, "on n1, let 3 processes of our own turn in circles"),
    ],
)
def test_their_words(build, options, text):
    """A plan that has no channels builds them."""
    fault = build(Scene(None, None, planned=True), "n1", dead_man="20s", **options)
    assert fault.strike_text == text
    assert fault.undo_text == f"on n1, end these processes: sh /run/harehearse/{fault.id}/undo.sh"
    assert (fault.expected, fault.dead_man) == (Expected.DEGRADED, 20.0)
    assert fault.limitation() == "n1 is no host that commands can be run on"


@pytest.mark.parametrize(
    ("live", "early"),
    [
        (Done(0), None),
        (Done(1, b"its process 12 ended by itself or was killed"),
         "on n1 its process 12 ended by itself or was killed"),
        # What is not known is not claimed: the undo says by itself when it cannot be reached.
        (Unknown("frozen"), None),
    ],
)  # fmt: skip
def test_what_did_not_live_to_the_end(live, early):
    """Is why what was seen proves little; asked once, before they are ended."""
    node = Node(GIB, GIB, live=live)
    fault = cpu_pressure(scene(node), "n1")
    fault.arm(about(run="r", cluster="c", fault=fault.name, target="n1", strike="", undo=""))
    fault.undo()
    assert fault.ended_early is None
    fault.strike()
    fault.undo()
    fault.undo()
    assert fault.ended_early == early
    assert [command.text for command in node.seen].count(sh.LIVE) == 1
    fault.disarm()


def test_the_scripts_paste_nothing():
    """What they are about reaches them as arguments; the same text serves every fault of its kind."""
    first, second = (cpu_pressure(scene(Node(GIB, GIB)), "n1", workers=workers) for workers in (3, 4))
    assert first._arguments == ("3", "", "/run", "/run/harehearse", first.id)
    assert second._arguments == ("4", "", "/run", "/run/harehearse", second.id)
    for part in ("strike", "effect", "undo", "undone"):
        assert getattr(first._scripts, part) == getattr(second._scripts, part)
