# SPDX-License-Identifier: MIT
"""Strategies for fault plans, and plans drawn from a seed.

Hypothesis draws and shrinks plans, which are plain data; it never drives a cluster: it would strike again whatever failed, to
make it smaller. A plan is drawn once, and played once by an ordinary test.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pytest_harehearse.chance.layout import Strike, laid_out, words
from pytest_harehearse.errors import ConfigError
from pytest_harehearse.faults.catalogue import CATALOGUE
from pytest_harehearse.rehearsal.targets import WORDS

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

Plan = list[dict[str, Any]]

#: Drawn for each plan that is wanted; Hypothesis begins with the simplest ones, which say little.
_EXAMPLES: Final = 40
GAP_S: Final = 20
LASTS_S: Final = 15


def fault_plans(
    nodes: Sequence[str], faults: Sequence[str], *, steps: int = 4, quorum_lost: bool = False,
    targets: Sequence[str] = (),
) -> SearchStrategy[Plan]:  # fmt: skip
    """Return a Hypothesis strategy for fault plans, as ``faults.play`` takes them; they shrink to fewer and simpler strikes.

    Args:
        nodes: of the cluster.
        faults: by their names in the catalogue.
        steps: no more strikes than this.
        quorum_lost: the quorum may be lost, too; otherwise no more than a minority is lost at once, one of two nodes.
        targets: nodes and target words to strike ("active", "minority"); empty: every node and every word. A word is drawn
            only for faults with which it cannot lose more than may be lost.

    Raises:
        ConfigError: a fault or a target is not known, nothing can be drawn, or Hypothesis is not installed.
    """
    try:
        from hypothesis import strategies as st
    except ImportError as error:
        raise ConfigError("Fault plans by chance need Hypothesis: pip install hypothesis") from error
    unknown = [fault for fault in faults if fault not in CATALOGUE]
    if unknown or not faults or not nodes:
        what = f"there is no fault {unknown[0]!r}" if unknown else "no fault or no node to draw from"
        raise ConfigError(f"Fault plans by chance: {what}. Faults are {', '.join(CATALOGUE)}.")
    if steps < 1:
        raise ConfigError(f"Fault plans by chance: steps={steps} would strike nothing.")
    wanted = tuple(targets) or (*nodes, *WORDS)
    for one in wanted:
        if one not in nodes and one not in WORDS:
            raise ConfigError(
                f"Fault plans by chance: there is no target {one!r}; there are {', '.join(nodes)}, and the words "
                f"{', '.join(WORDS)}."
            )
    pairs = [
        (fault, one)
        for fault in faults
        for one in wanted
        if one in nodes or one in words(fault, len(nodes), quorum_lost=quorum_lost)
    ]
    if not pairs:
        raise ConfigError(
            f"Fault plans by chance: {', '.join(wanted)} would always lose more of {len(nodes)} nodes than may be lost, or means "
            "none of them. Name others, or allow it: quorum_lost=True."
        )
    strike = st.builds(
        lambda gap, pair, lasts: Strike(gap, pair[0], pair[1], lasts),
        gap=st.integers(0, GAP_S), pair=st.sampled_from(pairs), lasts=st.integers(1, LASTS_S),
    )  # fmt: skip
    return st.lists(strike, min_size=1, max_size=steps).map(
        partial(laid_out, nodes=tuple(nodes), quorum_lost=quorum_lost)
    )


def sample(strategy: SearchStrategy[Plan], seed: str, count: int) -> list[Plan]:
    """Return so many different plans; the same for the same seed, strategy and version of Hypothesis.

    Raises:
        ConfigError: the strategy has not so many.
    """
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded

    found: list[Plan] = []

    @seeded(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8]))
    @settings(
        max_examples=count * _EXAMPLES, database=None, derandomize=False, deadline=None, phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(strategy)
    def draw(plan: Plan) -> None:
        if plan not in found:
            found.append(plan)

    draw()
    if len(found) < count:
        raise ConfigError(f"Fault plans by chance: {count} are wanted, and there are only {len(found)} different ones.")
    # The longer half: a plan of one strike is a test of its own already.
    found.sort(key=len)
    return random.Random(seed).sample(found[min(len(found) // 2, len(found) - count) :], count)  # noqa: S311 - no secret


def smallest(plan: Plan, fails: Any) -> Plan:
    """Return the smallest part of a plan that still fails: leave out any one more strike, and it does not (ddmin).

    A. Zeller, R. Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE TSE 28 (2), 2002. For models and labs:
    ``fails`` is called again and again.

    Args:
        plan: that fails.
        fails: takes a plan, and returns whether it fails.

    Raises:
        ConfigError: the plan does not fail.
    """
    if not fails(plan):
        raise ConfigError("The plan does not fail (any more), so there is nothing to make smaller.")
    pieces = 2
    while len(plan) >= 2:
        size = -(-len(plan) // pieces)
        for begin in range(0, len(plan), size):
            rest = plan[:begin] + plan[begin + size :]
            if rest and fails(rest):
                plan, pieces = rest, max(pieces - 1, 2)
                break
        else:
            if pieces >= len(plan):
                break
            pieces = min(pieces * 2, len(plan))
    return plan
