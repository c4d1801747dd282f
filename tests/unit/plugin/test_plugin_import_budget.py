# SPDX-License-Identifier: MIT
"""Every pytest run of the environment loads the plugin: it must cost next to nothing."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = {
    "allure", "allure_commons", "click", "hypothesis", "jinja2", "paramiko", "psycopg", "pydantic", "sqlalchemy",
    "sqlite3", "testinfra", "xdist", "asyncio", "tomllib", "ssl",
}  # fmt: skip
BUDGET_MS = 15.0
RUNS = 7

MEASURE = """
import json, sys, time
import pytest
before = set(sys.modules)
began = time.perf_counter()
import pytest_harehearse.plugin
took = time.perf_counter() - began
print(json.dumps([took * 1000, sorted(set(sys.modules) - before)]))
"""


def measured() -> tuple[float, list[str]]:
    run = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True, timeout=60)
    took, modules = json.loads(run.stdout)
    return took, modules


def test_the_plugin_loads_nothing_heavy():
    """Only its own edge to pytest and what the standard library needs for it."""
    modules = measured()[1]
    assert {name.partition(".")[0] for name in modules} & HEAVY == set()
    ours = {name for name in modules if name.startswith("pytest_harehearse")}
    assert ours == {
        "pytest_harehearse", "pytest_harehearse.errors", "pytest_harehearse.fixtures", "pytest_harehearse.items",
        "pytest_harehearse.options", "pytest_harehearse.plugin",
    }  # fmt: skip


def test_the_plugin_loads_quickly():
    """The best of several counts, for other programs share the machine."""
    best = 1e9
    for _ in range(RUNS):
        best = min(best, measured()[0])
        if best <= BUDGET_MS:
            return
    raise AssertionError(f"the plugin takes {best:.1f} ms to load, more than {BUDGET_MS:.0f} ms")


def test_a_plain_run_loads_nothing_of_a_rehearsal(pytester):
    """Nor does running tests that are none."""
    pytester.makepyfile(
        "import sys\ndef test_plain():\n"
        "    heavy = {'pydantic', 'jinja2', 'psycopg', 'click', 'sqlite3'} & set(sys.modules)\n"
        "    ours = [n for n in sys.modules if n.startswith('pytest_harehearse.') and n.count('.') > 1]\n"
        "    assert (heavy, ours) == (set(), [])\n"
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)
