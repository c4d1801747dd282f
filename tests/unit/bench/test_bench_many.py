# SPDX-License-Identifier: MIT
"""The bench of many clusters says what was not reached, and that a run which failed proves nothing."""

import tomllib

import pytest
from tests.bench import many


def found(**changes):
    usual = {
        "what": many.IN_MEMORY,
        "clusters": 100,
        "passed": 100,
        "makespan": 75.0,
        "slowest": 60.0,
        "conductor": 2.0,
        "memory": 1 << 31,
    }
    return many.Found(**{**usual, **changes})  # fmt: skip


def test_both_were_reached():
    result = many.told([found(what=many.SENTINEL, clusters=1, passed=1), found()], 60.0)
    assert result.notes[:2] == [
        "100 clusters, makespan by the slowest: 1.25 of at most 1.3: reached",
        "100 clusters, memory: 2.00 of at most 4 GiB: reached",
    ]
    [(title, table)] = result.tables
    assert title == "Each cluster waits 60 s"
    assert [cell.strip() for cell in table.splitlines()[-1].split("|")[1:-1]] == [
        "in memory", "100", "75.0", "60.0", "1.25", "2048 MiB", "20 ms",
    ]  # fmt: skip


def test_neither_was():
    result = many.told([found(makespan=79.0, memory=5 << 30, passed=99)], 60.0)
    assert result.notes[:3] == [
        "100 clusters, makespan by the slowest: 1.32 of at most 1.3: NOT reached",
        "100 clusters, memory: 5.00 of at most 4 GiB: NOT reached",
        "in memory, 100: only 99 passed, so its numbers are of no use",
    ]


@pytest.mark.parametrize("what", [many.IN_MEMORY, many.SENTINEL])
def test_what_is_rehearsed(tmp_path, what):
    many.project(tmp_path, what, 3, 7.5)
    inventory = tomllib.loads((tmp_path / "harehearse.toml").read_text())
    assert list(inventory["environments"]["lab"]["clusters"]) == ["c0", "c1", "c2"]
    test = (tmp_path / "test_many.py").read_text()
    compile(test, "test", "exec")
    assert "time.sleep(7.5)" in test
    assert ("switchover" in test) is (what == many.SENTINEL)
