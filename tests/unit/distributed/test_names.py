# SPDX-License-Identifier: MIT
"""Which cluster a test is of, by its node id."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.distributed.names import fitting, together

CLUSTERS = ["lab/web", "lab/web-2", "prod/web"]


@pytest.mark.parametrize(
    ("nodeid", "found"),
    [
        ("t.py::test[lab/web]", ["lab/web"]),
        ("t.py::test[lab/web-3-x]", ["lab/web"]),
        ("t.py::Class::test[prod/web]", ["prod/web"]),
        ("t.py::test[lab/web-2]", ["lab/web-2", "lab/web"]),
        ("t[lab/web].py::test", []),
        ("t[lab/web].py::test[prod/web-a::b]", ["prod/web"]),
        ("t.py::test[lab/web2]", []),
        ("t.py::test[x-lab/web]", []),
        ("t.py::test", []),
        ("t.py", []),
    ],
)
def test_the_cluster_leads_the_brackets(nodeid, found):
    assert fitting(nodeid, CLUSTERS) == found


def test_clusters_that_cannot_be_told_apart_stay_together():
    nodeids = ["t.py::a[lab/web]", "t.py::a[lab/web-2]", "t.py::b[lab/web]", "t.py::b[prod/web]", "t.py::c"]
    assert together(nodeids, CLUSTERS) == {
        "lab/web-2": ["t.py::a[lab/web]", "t.py::a[lab/web-2]", "t.py::b[lab/web]"],
        "prod/web": ["t.py::b[prod/web]"],
    }


names = st.from_regex(r"[a-c]{1,2}(-[a-c]{1,2})?", fullmatch=True).map("lab/{}".format)


@given(st.lists(names, min_size=1, max_size=5, unique=True), st.data())
def test_no_cluster_is_ever_in_two_places(clusters, data):
    nodeids, of = [], {}
    for number in range(data.draw(st.integers(1, 10))):
        cluster = data.draw(st.sampled_from(clusters))
        more = data.draw(st.sampled_from(["", "-a", "-b-c", "-1"]))
        nodeids.append(f"t.py::t{number}[{cluster}{more}]")
        of[nodeids[-1]] = cluster
    found = together(nodeids, clusters)
    assert sorted(item for items in found.values() for item in items) == sorted(nodeids)
    for cluster in clusters:
        assert len({name for name, items in found.items() for item in items if of[item] == cluster}) <= 1
