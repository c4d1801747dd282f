# SPDX-License-Identifier: MIT
"""What is not alike: found between nodes, against the twin, and over time; what is not known is never taken for alike."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.drift.compare import Verdict, between_clusters, between_nodes, over_time
from pytest_harehearse.drift.rules import BETWEEN_SITES, BUILT_IN, Policy, Rule, Severity, alike, rule_for
from pytest_harehearse.drift.snapshot import Snapshot
from pytest_harehearse.history.phases import PHASES
from pytest_harehearse.inventory.model import DriftRule

TOKEN, SWAP, EDITOR = "corosync-conf/totem.token", "sysctl/vm.swappiness", "package/vim"


def node(name="web1", facts=None, problems=None, cluster="lab/web", own=None):
    return Snapshot(
        cluster,
        name,
        "2026-11-23T12:00:00+00:00",
        facts or {},
        problems or {},
        {name: "<node>"} if own is None else own,
    )


def test_alike_nodes_do_not_drift():
    """Counted, and none is told."""
    found = between_nodes([node("web1", {TOKEN: "3000"}), node("web2", {TOKEN: "3000"})])
    assert (found.verdict, found.equal, found.findings) == (Verdict.NONE, 1, ())


def test_a_difference_says_what_it_does_to_a_failover():
    """The worst first, each with its rule's reason and the phase it acts on."""
    found = between_nodes([node("web1", {TOKEN: "3000", EDITOR: "9.0"}), node("web2", {TOKEN: "1000", EDITOR: "9.1"})])
    token, editor = found.findings
    assert (token.path, token.severity, token.acts_on) == (TOKEN, Severity.FORBIDDEN, ("detect", "decide"))
    assert (
        token.reason
        == "a lost node is only missed after this time, and left out of the membership 1.2 times as long after that"
    )
    assert token.values == {"web1": "3000", "web2": "1000"}
    assert (editor.severity, found.forbidden, found.verdict) == (Severity.WATCH, (token,), Verdict.SOME)


def test_the_odd_one_out_is_named():
    """By the majority; between two there is none."""
    found = between_nodes([node(name, {SWAP: value}) for name, value in (("a", "60"), ("b", "10"), ("c", "60"))])
    assert found.findings[0].odd == ("b",)
    two = between_nodes([node("a", {SWAP: "60"}), node("b", {SWAP: "10"})])
    assert two.findings[0].odd == ()


def test_what_is_absent_is_a_difference():
    """Told as absent."""
    (found,) = between_nodes([node("a", {"unit//etc/systemd/system/x.service": "1"}), node("b")]).findings
    assert found.values == {"a": "1", "b": None}


def test_what_could_not_be_read_is_neither_alike_nor_absent():
    """The area is left out on all nodes, and told."""
    found = between_nodes([node("a", {SWAP: "60", EDITOR: "9"}), node("b", {EDITOR: "9"}, {"sysctl": "denied"})])
    assert found.findings == ()
    assert found.unknown == {("b", "sysctl"): "denied"}
    assert found.verdict is Verdict.UNKNOWN


def test_a_cluster_that_could_not_be_told_hides_its_resources():
    """One area is told as three."""
    found = between_nodes([node("a", {"resource/vip ip": "1"}), node("b", {}, {"cib": "no daemon"})])
    assert found.findings == ()


def test_one_node_alone_is_not_known():
    """Held against nothing."""
    assert between_nodes([node()]).verdict is Verdict.UNKNOWN
    assert between_nodes([]).verdict is Verdict.UNKNOWN


def test_what_belongs_to_one_node_is_no_difference():
    """Its name and addresses, wherever they stand."""
    a = node("web1", {"unit//etc/web1": "at 10.0.0.1"}, own={"web1": "<node>", "10.0.0.1": "<address>"})
    b = node("web2", {"unit//etc/web2": "at 10.0.0.2"}, own={"web2": "<node>", "10.0.0.2": "<address>"})
    assert between_nodes([a, b]).verdict is Verdict.NONE


def test_against_the_twin():
    """By the clusters' names; other addresses and members are no difference, another token is."""
    lab = [node(name, {TOKEN: "3000", "corosync-conf/nodelist.node.name": "web1; web2"}) for name in ("web1", "web2")]
    live = [
        node(name, {TOKEN: "10000", "corosync-conf/nodelist.node.name": "p1; p2"}, cluster="production/web")
        for name in ("p1", "p2")
    ]
    found = between_clusters(lab, live)
    assert [one.path for one in found.findings] == [TOKEN]
    assert found.findings[0].values == {"lab/web": "3000", "production/web": "10000"}
    assert found.sides == ("lab/web", "production/web")


def test_a_side_that_is_not_alike_in_itself():
    """All its values are told."""
    lab = [node("a", {SWAP: "60"}), node("b", {SWAP: "10"})]
    live = [node("p", {SWAP: "60"}, cluster="production/web")]
    (found,) = between_clusters(lab, live).findings
    assert found.values == {"lab/web": "10 | 60", "production/web": "60"}


def test_then_and_now():
    """Each node against itself; one that is new or gone is not known."""
    then = [node("a", {EDITOR: "9.0"}), node("b", {EDITOR: "9.0"})]
    now = [node("a", {EDITOR: "9.1"}), node("c", {EDITOR: "9.1"})]
    found = dict(over_time(then, now))
    assert [one.path for one in found["a"].findings] == [EDITOR]
    assert found["b"].unknown == {("b", "everything"): "it is gone"}
    assert found["c"].unknown == {("c", "everything"): "it was not there then"}


# -- rules -------------------------------------------------------------------------------------------------------------


def test_the_sites_own_rules_come_first():
    """With their reasons."""
    rule = DriftRule("sysctl/vm.*", "ignore", "note", "each node has its own memory")
    assert between_nodes([node("a", {SWAP: "1"}), node("b", {SWAP: "2"})], [rule]).verdict is Verdict.NONE
    strict = DriftRule("package/vim", "must_match", "forbidden", "we edit by macros")
    (found,) = between_nodes([node("a", {EDITOR: "1"}), node("b", {EDITOR: "2"})], [strict]).forbidden
    assert found.reason == "we edit by macros"


@pytest.mark.parametrize(
    ("policy", "values", "ok"),
    [
        (Policy.MUST_MATCH, ("1", "1"), True),
        (Policy.MUST_MATCH, ("1", None), False),
        (Policy.SAME_MINOR, ("3.1.4-1", "3.1.9-2"), True),
        (Policy.SAME_MINOR, ("1:3.1.4", "3.1"), True),
        (Policy.SAME_MINOR, ("3.1.4", "3.2.0"), False),
        (Policy.SAME_MINOR, ("3.1.4", None), False),
        (Policy.MAY_DIFFER, ("1", None), True),
        (Policy.IGNORE, ("1", "2"), True),
    ],
)
def test_policies(policy, values, ok):
    """What each of them allows."""
    assert alike(policy, values) is ok


@pytest.mark.parametrize("rules", [BUILT_IN, BETWEEN_SITES])
def test_every_rule_says_why_and_what_it_acts_on(rules):
    """In a sentence, and by phases that there are; none is hidden by one before it."""
    for rule in rules:
        assert len(rule.reason.split()) >= 3, rule
        assert set(rule.acts_on) <= set(PHASES.values()), rule
    paths = [rule.path for rule in BUILT_IN]
    assert len(paths) == len(set(paths))


@pytest.mark.parametrize(
    ("path", "severity"),
    [
        ("corosync-conf/totem.token", Severity.FORBIDDEN),
        ("corosync/runtime.config.totem.token", Severity.FORBIDDEN),
        ("fence/fence-web1 pcmk_delay_base", Severity.FORBIDDEN),
        ("resource/page start timeout", Severity.FORBIDDEN),
        ("postgresql/max_connections", Severity.FORBIDDEN),
        ("package/corosync", Severity.FORBIDDEN),
        ("package/vim", Severity.WATCH),
        ("sysctl/net.ipv4.tcp_retries2", Severity.FORBIDDEN),
        ("sysctl/kernel.pid_max", Severity.WATCH),
        ("something/new", Severity.NOTE),
    ],
)
def test_what_weighs_how_much(path, severity):
    """By what it does to a failover."""
    assert rule_for(path, BUILT_IN).severity is severity


# -- properties --------------------------------------------------------------------------------------------------------

FACTS = st.dictionaries(
    st.sampled_from([TOKEN, SWAP, EDITOR, "port/tcp 0.0.0.0:80", "kernel/release"]), st.sampled_from("123")
)
NODES = st.lists(FACTS, min_size=2, max_size=5).map(
    lambda found: [node(f"n{number}", facts) for number, facts in enumerate(found)]
)


@given(FACTS, st.integers(2, 5))
def test_copies_never_drift(facts, count):
    """However many."""
    found = between_nodes([node(f"n{number}", facts) for number in range(count)])
    assert (found.verdict, found.equal) == (Verdict.NONE, len(facts))


@given(NODES, st.randoms())
def test_the_order_of_nodes_does_not_matter(nodes, random):
    """The same findings with the same values."""
    mixed = list(nodes)
    random.shuffle(mixed)
    one, other = between_nodes(nodes), between_nodes(mixed)
    assert {f.path: dict(f.values) for f in one.findings} == {f.path: dict(f.values) for f in other.findings}
    assert (one.equal, one.allowed) == (other.equal, other.allowed)


@given(NODES)
def test_every_path_is_counted_once(nodes):
    """Alike, allowed to differ, or told."""
    found = between_nodes(nodes)
    assert found.equal + found.allowed + len(found.findings) == len({path for one in nodes for path in one.facts})


@given(NODES, NODES)
def test_sides_may_be_swapped(one, other):
    """The same paths differ."""
    other = [Snapshot("production/web", n.node, n.at, n.facts, n.problems, n.own) for n in other]
    forth, back = between_clusters(one, other), between_clusters(other, one)
    assert {f.path for f in forth.findings} == {f.path for f in back.findings}


@given(NODES)
def test_an_area_not_known_never_becomes_alike(nodes):
    """Nor does it count."""
    blind = [Snapshot(n.cluster, n.node, n.at, n.facts, {"sysctl": "denied"}, n.own) for n in nodes]
    found = between_nodes(blind)
    assert not [f for f in found.findings if f.path == SWAP]
    assert found.verdict is not Verdict.NONE
    assert isinstance(rule_for(SWAP, BUILT_IN), Rule)
