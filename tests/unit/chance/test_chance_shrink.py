# SPDX-License-Identifier: MIT
"""A failing plan made smaller by runs that are few, that may come to nothing known, and that only count when they fail alike."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.chance import shrink
from pytest_harehearse.chance.paste import pasted
from pytest_harehearse.chance.shrink import Came, Search


def plan_of(*numbers):
    return [{"fault": str(number)} for number in numbers]


def by(needed, otherwise=(), unknown=()):
    """A cluster that fails alike by these strikes together."""

    def rehearse(part):
        seen = {int(table["fault"]) for table in part}
        if seen & set(unknown):
            return Came.UNKNOWN
        if set(needed) <= seen:
            return Came.ALIKE
        return Came.OTHERWISE if seen & set(otherwise) else Came.PASSED

    return rehearse


def searched(plan, rehearse, most=100, **options):
    search = Search(plan, most, rehearse, **options)
    search.run()
    return search


def test_a_plan_is_made_as_small_as_it_fails_alike():
    search = searched(plan_of(1, 2, 3, 4, 5, 6), by({2, 5}, otherwise={6}))
    assert search.plan == plan_of(2, 5)
    assert search.why == ""
    assert search.runs == search.counts.total() == sum(search.counts.values())
    assert search.counts[Came.OTHERWISE] > 0


def test_one_strike_needs_no_further_run():
    search = searched(plan_of(1), lambda part: pytest.fail("nothing can be left out"))
    assert (search.plan, search.runs, search.why) == (plan_of(1), 0, "")


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=12), st.sets(st.integers(0, 9), min_size=1, max_size=4),
    st.integers(1, 40),
)  # fmt: skip
def test_no_more_runs_than_were_allowed_and_what_is_left_failed(values, needed, most):
    tried = []

    def rehearse(part):
        tried.append(part)
        return by(needed & set(values))(part)

    search = searched(plan_of(*values), rehearse, most)
    assert len(tried) == search.runs <= most
    assert len({repr(part) for part in tried}) == len(tried)
    assert search.plan == plan_of(*values) or search.plan in tried
    if not search.why:
        for number in range(len(search.plan)):
            part = search.plan[:number] + search.plan[number + 1 :]
            assert not part or part in tried


@pytest.mark.parametrize(("most", "said"), [(1, "the further run was used up"), (3, "the 3 further runs were used up")])
def test_a_bound_is_told(most, said):
    search = searched(plan_of(*range(8)), by({0, 7}), most)
    assert (search.why, search.runs) == (said, most)


def test_no_run_is_begun_too_late():
    times = iter([0.0, 10.0, shrink.LONGEST_S])
    search = searched(plan_of(1, 2, 3, 4), by({4}), clock=lambda: next(times))
    assert (search.why, search.runs) == ("no further run is begun after 1 h 00 min", 1)


def test_what_comes_to_nothing_known_is_no_failure_and_is_told():
    search = searched(plan_of(1, 2, 3), by({3}, unknown={1}))
    assert 3 in {int(table["fault"]) for table in search.plan}
    search = searched(plan_of(1, 2), lambda part: Came.UNKNOWN if part == plan_of(1) else Came.PASSED)
    assert (search.plan, search.why) == (plan_of(1, 2), "1 of the parts came to nothing known")


def test_a_cluster_of_which_nothing_is_known_twice_is_not_struck_any_more():
    search = searched(plan_of(1, 2, 3, 4, 5), lambda part: Came.UNKNOWN)
    assert (search.runs, search.why) == (2, "2 runs, one after the other, came to nothing known")


def test_whoever_stops_the_run_stops_this_too():
    search = searched(plan_of(1, 2), lambda part: Came.PASSED, stopped=lambda: "pytest stops: enough")
    assert (search.runs, search.why) == (0, "pytest stops: enough")


# -- as a test to be pasted ------------------------------------------------------------------------------------------

SOURCE = '''
    @pytest.mark.chance(plans=3)
    @pytest.mark.rehearsal(interruption="5s")
    def test_failover_x(cluster, fault_plan, faults):
        """What it is for."""
        faults.play_through(fault_plan)
        with faults.play(fault_plan, seed=4):
            assert len(fault_plan) < 3
'''


def test_a_test_of_ones_own_is_pasted_with_the_plan_in_it():
    plan = [{"fault": "stack_kill", "node": "n1", "for": "1s"}, {"fault": "stack_kill", "node": "one", "for": "1s"}]
    assert pasted(plan, "test_failover_x_smallest", SOURCE, 77) == (
        "import pytest\n"
        "\n"
        "PLAN = [\n"
        "    {'fault': 'stack_kill', 'node': 'n1', 'for': '1s'},\n"
        "    {'fault': 'stack_kill', 'node': 'one', 'for': '1s'},\n"
        "]\n"
        "\n"
        "\n"
        "@pytest.mark.rehearsal(interruption='5s')\n"
        "def test_failover_x_smallest(cluster, faults):\n"
        '    """What it is for."""\n'
        "    faults.play_through(PLAN, seed=77)\n"
        "    with faults.play(PLAN, seed=4):\n"
        "        assert len(PLAN) < 3\n"
    )


def test_no_seed_is_told_where_nothing_is_drawn_by_it():
    assert "seed=77" not in pasted([{"fault": "stack_kill", "node": "active"}], "t", SOURCE, 77)


@pytest.mark.parametrize(
    "source",
    [
        "",
        "def test_x(cluster",
        "class Test: pass",
        "def test_x(self, cluster, fault_plan): pass",
        "def test_x(cluster, plan_of_mine): pass",
        "async def test_x(cluster, fault_plan): pass",
    ],
)
def test_where_its_text_cannot_be_used_the_usual_body_stands(source):
    assert pasted([{"fault": "stack_kill", "node": "one"}], "test_failover_y", source, 5) == (
        "PLAN = [\n"
        "    {'fault': 'stack_kill', 'node': 'one'},\n"
        "]\n"
        "\n"
        "\n"
        "def test_failover_y(cluster, probes, faults):\n"
        '    with probes.watch(settle="10s"):\n'
        "        faults.play_through(PLAN, seed=5)\n"
        '        cluster.until_redundant(within="5min")\n'
    )
