# SPDX-License-Identifier: MIT
"""What is not alike, shown: differences first, notes folded, what is not known told, nothing of a node obeyed."""

from __future__ import annotations

import json

from pytest_harehearse.drift.compare import between_nodes
from pytest_harehearse.drift.snapshot import Snapshot
from pytest_harehearse.inventory.model import Cluster, Node
from pytest_harehearse.report import drift as report
from pytest_harehearse.report.drift import Part

CLUSTER = Cluster("lab", "web", "lab", "pacemaker", (Node("web1"), Node("web2"), Node("web3")))
FACTS = {
    "corosync-conf/totem.token": ("1000", "1000", "3000"),
    "package/nginx": ("1.22.1-9", "1.22.1-9", None),
    "sysctl/vm.swappiness": ("60", "60", "10"),
    "group/wheel": ("10 ops", "10", "10 ops"),
    "kernel/release": ("6.1", "6.1", "6.1"),
    "port/tcp 0.0.0.0:80": ("listening", None, None),
}


def nodes(facts=None, problems=None):
    found = facts or FACTS
    return [
        Snapshot(
            "lab/web", name, "2026-11-23T12:00:00+00:00", {path: each[at] for path, each in found.items() if each[at] is not None},
            (problems or {}).get(name, {}), {name: "<node>"},
        )
        for at, name in enumerate(("web1", "web2", "web3"))
    ]  # fmt: skip


def parts(**how):
    return [Part("lab/web: node to node", between_nodes(nodes(**how)))]


def test_the_screen_is_golden(snapshot):
    """The worst first, nodes with the same value together, why it matters; notes are counted."""
    found = parts(problems={"web2": {"cib": "it ended with 102: Could not connect"}})
    assert "\n".join(report.lines(found)) == snapshot
    assert "\n".join(report.lines(found, everything=True)) == snapshot


def test_markdown_is_golden(snapshot):
    """As in a job's summary."""
    assert report.markdown(CLUSTER, parts(), everything=True) == snapshot


def test_the_page_is_whole():
    """One file; each difference a row, with what it acts on."""
    page = report.html(CLUSTER, parts(problems={"web2": {"cib": "no daemon"}}))
    assert page.count('<td class="sign"') == 3
    assert (
        "a lost node is only missed after this time, and left out of the membership 1.2 times as long after that"
        in page
    )
    assert "cib of web2: no daemon" in page
    assert "1 note more" in page
    assert "http" not in page.replace("http-equiv", "")


def test_json_is_a_contract():
    """Every finding, whatever its severity."""
    (part,) = report.document(CLUSTER, parts())["parts"]
    assert (part["verdict"], part["equal"], part["may_differ"]) == ("some", 1, 1)
    assert [one["path"] for one in part["findings"]] == [
        "corosync-conf/totem.token", "sysctl/vm.swappiness", "package/nginx", "group/wheel",
    ]  # fmt: skip
    assert part["findings"][0]["values"] == {"web1": "1000", "web2": "1000", "web3": "3000"}
    assert part["findings"][0]["odd"] == ["web3"]
    json.dumps(part)


def test_nothing_differs():
    """In one line."""
    assert report.lines(parts(facts={"kernel/release": ("6.1", "6.1", "6.1")})) == [
        "✓ lab/web: node to node: 0 differ, 1 alike"
    ]


def test_what_nodes_say_is_shown_and_never_obeyed():
    """In every form; 200 rows of it are still one page below 1 MB."""
    evil = "<img src=x onerror=alert(1)>\x1b[2J|`id`"
    found = parts(facts={f"sysctl/{evil}{n}": (evil, "1", evil * 20) for n in range(200)})
    page, ticket, screen = report.html(CLUSTER, found), report.markdown(CLUSTER, found), "\n".join(report.lines(found))
    assert "<img src=x" not in page + ticket
    assert "\x1b" not in page + ticket + screen
    assert len(page) < 1_000_000
    assert page.count('<td class="sign"') == 200
