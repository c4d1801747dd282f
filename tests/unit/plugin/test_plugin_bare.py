# SPDX-License-Identifier: MIT
"""A project that rehearses nothing notices nothing of the plugin."""

from __future__ import annotations

import pytest

#: Anything of ours in pytest's output but the plugin's name in its header.
OURS = ("harehearse:", "rehearsal", "clusters ", "lab/", "store ")


def files(pytester) -> list[str]:
    """What the run made, but for what pytester and Python themselves leave."""
    theirs = ("__pycache__", "runpytest", "stdout", "stderr")
    return sorted(path.name for path in pytester.path.iterdir() if not path.name.startswith(theirs))


def assert_not_disturbed(result) -> None:
    text = result.stdout.str() + result.stderr.str()
    lines = [
        line for line in text.splitlines() if not line.startswith(("plugins:", "running:", "     in:", "rootdir:"))
    ]
    assert [line for line in lines if any(word in line for word in OURS)] == []


@pytest.fixture
def broken(pytester):
    """A project whose inventory is broken, and which does not use it."""
    pytester.path.joinpath("harehearse.toml").write_text("this is = = not TOML")
    pytester.makepyfile("def test_plain(): pass\n")
    return pytester


def test_a_plain_run_neither_says_nor_makes_anything(broken):
    """The inventory is not even searched."""
    before = files(broken)
    result = broken.runpytest_subprocess()
    result.assert_outcomes(passed=1)
    assert_not_disturbed(result)
    assert files(broken) == before


def test_a_plain_run_with_workers_neither_says_nor_makes_anything(broken):
    """Nor do the workers of xdist."""
    before = files(broken)
    result = broken.runpytest_subprocess("-n2")
    result.assert_outcomes(passed=1)
    assert_not_disturbed(result)
    assert files(broken) == before


@pytest.mark.parametrize("option", ["--collect-only", "--fixtures", "--markers", "--help", "--setup-plan"])
def test_what_only_lists_searches_no_inventory(broken, option):
    """Help and lists work whatever the inventory says."""
    before = files(broken)
    assert broken.runpytest(option).ret == 0
    assert files(broken) == before


def test_the_marks_the_fixtures_and_the_options_are_listed(pytester):
    """Everything a user may type can be found with pytest alone."""
    pytester.runpytest("--markers").stdout.fnmatch_lines(
        ["*rehearsal(interruption=, lost_writes=, redundancy=, dual_active=)*"]
    )
    fixtures = pytester.runpytest("--fixtures").stdout.str()
    for name in ("cluster [session scope]", "probes", "faults", "rehearsal"):
        assert f"\n{name} -- " in fixtures
    assert "_harehearse_cluster_id" not in fixtures
    text = pytester.runpytest("--help").stdout.str()
    for name in ("config", "env", "cluster", "store", "plan", "keep-lab"):
        assert f"--harehearse-{name}" in text


@pytest.mark.parametrize("name", ["cluster", "probes"])
def test_a_fixture_of_the_project_by_our_name_is_the_projects(broken, name):
    """Its test is no rehearsal, and nothing of ours is loaded for it."""
    broken.makepyfile(
        f"import pytest\n@pytest.fixture\ndef {name}(): return 'mine'\ndef test_it({name}): assert {name} == 'mine'\n"
    )
    before = files(broken)
    result = broken.runpytest("-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*::test_it PASSED*"])
    assert_not_disturbed(result)
    assert files(broken) == before


def test_our_fixture_on_a_cluster_of_the_project_says_what_is_wrong(broken):
    """The two do not fit; a sentence instead of a KeyError."""
    broken.makepyfile(
        "import pytest\n@pytest.fixture\ndef cluster(): return 1\n"
        "@pytest.mark.parametrize('name', ['probes', 'faults', 'rehearsal'])\n"
        "def test_it(cluster, name, request): request.getfixturevalue(name)\n"
    )
    result = broken.runpytest()
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(
        ["The fixture 'faults' of pytest-harehearse needs its fixture 'cluster'; this project has one of its own*"]
    )
    assert "KeyError" not in result.stdout.str()


def test_a_fixture_that_wraps_ours_is_still_a_rehearsal(embedded):
    """``def cluster(cluster)`` extends it."""
    embedded.makeconftest("import pytest\n@pytest.fixture\ndef cluster(cluster): return cluster\n")
    embedded.makepyfile("def test_it(cluster): cluster.switchover()\n")
    result = embedded.runpytest("--harehearse-plan")
    result.stdout.fnmatch_lines(["*test_it[[]demo/orders[]]", "*action * switchover n1 → n2*"])
