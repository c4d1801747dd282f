# SPDX-License-Identifier: MIT
"""Hold nodes against each other, a cluster against its twin, or what is against what was. Pure.

Each fact is compared with what belongs to a node alone masked. An area that could not be read on a node is not known: it is
never taken for equal, nor for absent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pytest_harehearse.drift import own
from pytest_harehearse.drift.rules import (
    BETWEEN_SITES,
    BUILT_IN,
    ORDER,
    Policy,
    Rule,
    Severity,
    alike,
    of_site,
    rule_for,
)
from pytest_harehearse.drift.snapshot import Snapshot
from pytest_harehearse.inventory.model import DriftRule


class Verdict(StrEnum):
    """What a comparison came to."""

    NONE = "none"
    SOME = "some"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """A path whose values are not as its rule wants them."""

    path: str
    severity: Severity
    policy: Policy
    reason: str
    acts_on: tuple[str, ...]
    #: Where → the value there, masked; None: it is not there.
    values: Mapping[str, str | None]
    #: Where the value is another than that of most; empty: there is no majority.
    odd: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Drift:
    """What differs."""

    findings: tuple[Finding, ...]
    #: How many paths are alike, and how many may differ and do.
    equal: int
    allowed: int
    #: (where, area) → why nothing is known there.
    unknown: Mapping[tuple[str, str], str]
    #: What was held against each other, in words.
    sides: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Some, whatever else is not known; else unknown, if anything is not."""
        return Verdict.SOME if self.findings else Verdict.UNKNOWN if self.unknown or not self.sides else Verdict.NONE

    def told(self) -> str:
        """Return it in one line: "3 differ (1 forbidden: sysctl/…), 209 alike, 2 areas not known"."""
        if not self.sides and not self.unknown:
            return "there is nothing to hold against each other: not known"
        named = ", ".join(one.path for one in self.forbidden[:3]) + (" …" if len(self.forbidden) > 3 else "")
        worst = f" ({len(self.forbidden)} forbidden: {named})" if self.forbidden else ""
        blind = f", {len(self.unknown)} areas not known" if self.unknown else ""
        return f"{len(self.findings)} differ{worst}, {self.equal} alike{blind}"

    @property
    def forbidden(self) -> tuple[Finding, ...]:
        """Those that can break or lengthen a failover."""
        return tuple(one for one in self.findings if one.severity is Severity.FORBIDDEN)


def between_nodes(nodes: Sequence[Snapshot], rules: Sequence[DriftRule] = ()) -> Drift:
    """Hold the nodes of one cluster against each other.

    Args:
        nodes: two or more; fewer are held against nothing, which is not known.
        rules: the inventory's; they come before the built-in ones.
    """
    sides = {one.node: [one] for one in nodes}
    return _compare(sides if len(nodes) > 1 else {}, [*map(of_site, rules), *BUILT_IN])


def between_clusters(one: Sequence[Snapshot], other: Sequence[Snapshot], rules: Sequence[DriftRule] = ()) -> Drift:
    """Hold a cluster against another one, by name; what differs within a side is told with all its values."""
    sides = {found[0].cluster: list(found) for found in (one, other) if found}
    return _compare(sides if len(sides) > 1 else {}, [*map(of_site, rules), *BETWEEN_SITES], whole=True)


def over_time(
    then: Sequence[Snapshot], now: Sequence[Snapshot], rules: Sequence[DriftRule] = ()
) -> list[tuple[str, Drift]]:
    """Hold each node against itself as it was; one that is new or gone is not known."""
    before, after = {one.node: one for one in then}, {one.node: one for one in now}
    found = []
    for node in sorted({*before, *after}):
        if node in before and node in after:
            sides = {f"then, {before[node].at}": [before[node]], f"now, {after[node].at}": [after[node]]}
            found.append((node, _compare(sides, [*map(of_site, rules), *BUILT_IN])))
        else:
            why = "it was not there then" if node in after else "it is gone"
            found.append((node, Drift((), 0, 0, {(node, "everything"): why}, ("then", "now"))))
    return found


def _compare(sides: Mapping[str, Sequence[Snapshot]], rules: Sequence[Rule], *, whole: bool = False) -> Drift:
    facts = {
        where: [own.facts(node, own.of_all(nodes) if whole else None) for node in nodes]
        for where, nodes in sides.items()
    }
    unknown = {
        (node.node if len(nodes) == 1 else f"{where} {node.node}", area): why
        for where, nodes in sides.items()
        for node in nodes
        for area, why in node.problems.items()
    }
    blind = {area for nodes in sides.values() for node in nodes for area in _unread(node)}
    paths = sorted({path for nodes in facts.values() for node in nodes for path in node})
    findings: list[Finding] = []
    equal = allowed = 0
    for path in paths:
        if path.partition("/")[0] in blind:
            continue
        values = {where: _value([node.get(path) for node in nodes]) for where, nodes in facts.items()}
        if len(set(values.values())) <= 1:
            equal += 1
            continue
        rule = rule_for(path, rules)
        if alike(rule.policy, values.values()):
            allowed += rule.policy is not Policy.IGNORE
            continue
        findings.append(Finding(path, rule.severity, rule.policy, rule.reason, rule.acts_on, values, _odd(values)))
    findings.sort(key=lambda one: (ORDER.index(one.severity), one.path))
    return Drift(tuple(findings), equal, allowed, unknown, tuple(sides))


#: What Pacemaker's configuration is told as.
_OF_CIB = ("cib", "resource", "fence")


def _unread(node: Snapshot) -> list[str]:
    return [each for area in node.problems for each in (_OF_CIB if area == "cib" else (area,))]


def _value(values: Sequence[str | None]) -> str | None:
    """Return one value for the nodes of a side; all of them where they differ."""
    found = set(values)
    if len(found) == 1:
        return values[0]
    return " | ".join(sorted("absent" if value is None else value for value in found))


def _odd(values: Mapping[str, str | None]) -> tuple[str, ...]:
    (value, most), *rest = Counter(values.values()).most_common()
    if len(values) < 3 or (rest and rest[0][1] == most):
        return ()
    return tuple(where for where, each in values.items() if each != value)
