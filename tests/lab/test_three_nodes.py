# SPDX-License-Identifier: MIT
"""The three-node lab, whose server runs everywhere: what only three nodes can show."""

from __future__ import annotations

import pytest

from pytest_harehearse.errors import Refused


def test_a_switchover_between_three(shop):
    """To the node that was asked for, and nothing stays."""
    state = shop.manager.state()
    assert len(state.standbys) == 2
    target = state.standbys[-1]
    shop.manager.switchover(state, target, 60.0)
    assert shop.until(lambda seen: seen.active == target).active == target
    assert "cli-" not in shop.run("shop1", "cibadmin", "--query", "--scope=constraints").out
    shop.healthy()


def test_a_target_that_cannot_take_over_is_refused(shop):
    """The reason names it, and nothing is changed."""
    state = shop.manager.state()
    target = state.standbys[0]
    shop.manager.drain(target)
    try:
        seen = shop.manager.state()
        assert target in shop.manager.switchover_limitation(seen, target)
        with pytest.raises(Refused):
            shop.manager.switchover(seen, target, 10.0)
        assert shop.manager.state().active == state.active
    finally:
        shop.manager.undrain(target)
    shop.healthy()


def test_without_quorum_nobody_serves_and_nothing_is_done(shop):
    """Two of three lose their network to each other: the one left alone stops, as it must; a switchover is refused."""
    alone = shop.manager.state().active
    others = [node for node in shop.nodes if node != alone]
    for node in others:
        shop.lab.freeze(node)
    try:
        seen = shop.until(lambda state: state.active is None, within=60)
        assert "quorum" in seen.describe()
        assert "quorum" in shop.manager.switchover_limitation(seen, None)
    finally:
        for node in others:
            shop.lab.thaw(node)
    shop.reset()
    assert shop.manager.state().redundancy_limitation() is None
