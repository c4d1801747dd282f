# SPDX-License-Identifier: MIT
"""JUnit's XML carries each rehearsal's numbers, where CI systems show them."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from pytest_harehearse.report.junit import UNKNOWN

TESTS = """
import pytest

def test_failover(cluster, probes):
    with probes.watch():
        cluster.switchover()

@pytest.mark.rehearsal(interruption="1ms")
def test_too_slow(cluster, probes):
    with probes.watch():
        cluster.switchover()

def test_ordinary():
    pass
"""


def properties(path):
    cases = ET.parse(path).getroot().iter("testcase")
    return {
        case.get("name"): {one.get("name"): one.get("value") for one in case.iter("property")} for case in cases
    }  # fmt: skip


def test_each_test_case_has_its_own_numbers(static):
    """Seconds with both bounds, the verdict, and where the page is; an ordinary test has none."""
    static.makepyfile(TESTS)
    static.runpytest("--junitxml=out.xml")
    found = properties(static.path / "out.xml")
    good, slow = found["test_failover[lab/web]"], found["test_too_slow[lab/web]"]
    assert found["test_ordinary"] == {}
    assert (good["harehearse.verdict"], slow["harehearse.verdict"]) == ("passed", "failed")
    assert (good["harehearse.cluster"], good["harehearse.kind"], good["harehearse.service"]) == (
        "lab/web",
        "lab",
        "door",
    )
    lower, upper = (float(good[f"harehearse.interruption_{end}_s"]) for end in ("lower", "upper"))
    assert 0.1 < lower < upper < 5
    page, _, anchor = good["harehearse.report"].partition("#")
    assert page.endswith(f"{good['harehearse.run']}/report.html")
    assert f'id="{anchor}"' in (static.path / page).read_text()


def test_what_is_not_known_is_never_a_number(static, world):
    """A service that is down to the end has no upper bound."""
    static.makepyfile(
        """
        import static_lab

        def test_down(cluster, probes):
            with probes.watch():
                static_lab.world.door.shut()
                import time
                time.sleep(0.5)
        """
    )
    static.runpytest("--junitxml=out.xml")
    (found,) = properties(static.path / "out.xml").values()
    assert found["harehearse.interruption_upper_s"] == UNKNOWN
