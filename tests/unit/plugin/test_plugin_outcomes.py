# SPDX-License-Identifier: MIT
"""Each outcome of a rehearsal: pytest's word, the run's files, the last screen. The meter is real, the lab is not."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from pytest_harehearse.history.build import build
from pytest_harehearse.history.rundir import as_json
from pytest_harehearse.rehearsal import session


def only(summary) -> dict:
    [rehearsal] = summary()["rehearsals"]
    return rehearsal


def words(result) -> str:
    """What was printed, without its line breaks."""
    return " ".join(result.stdout.str().split())


def test_passed(static, summary, world):
    """The limit and the assertion hold; the numbers stand on the last screen; the lab is removed."""
    static.makepyfile('''
        import pytest

        @pytest.mark.rehearsal(interruption="5s", redundancy="10s")
        def test_failover(cluster, probes, rehearsal):
            """The service moves."""
            before = cluster.active
            with probes.watch() as seen:
                assert cluster.switchover() == "n2"
            rehearsal.note("moved")
            assert cluster.active != before
            assert seen.interruption <= "5s"
            assert 0.1 < seen["door"].interruption.lower < seen.interruption.upper
    ''')
    result = static.runpytest()
    result.assert_outcomes(passed=1)
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "harehearse: clusters lab/web (lab)",
            "harehearse: store .harehearse",
            "harehearse: the static lab is up",
            "harehearse: the static lab is down",
            "*= rehearsals =*",
            "✓ PASSED *",
            "lab/web (lab, patroni)*",
            "  test_failover[[]lab/web[]] *✓ passed",
            "report   .harehearse/runs/*/report.html",
        ]
    )
    rehearsal = only(summary)
    assert rehearsal["verdict"] == "passed"
    assert [limit["verdict"] for limit in rehearsal["limits"]] == ["passed", "passed"]
    [service] = rehearsal["services"]
    assert 0.1 < service["total_lower"] < service["total_upper"] < 5
    assert world.calls == ["up keep=False", "down"]
    [directory] = (static.path / ".harehearse" / "runs").iterdir()
    assert {"run.json", "events.jsonl", "attempts", "report.html", "report.md"} <= {p.name for p in directory.iterdir()}
    assert as_json(build(directory)).keys() == summary().keys()


def test_a_broken_assertion_is_explained_by_the_measurement(static, summary):
    """pytest shows what happened, not two numbers."""
    static.makepyfile("""
        def test_failover(cluster, probes):
            with probes.watch() as seen:
                cluster.switchover()
            assert seen.interruption <= "50ms"
    """)
    result = static.runpytest()
    result.assert_outcomes(failed=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            '>*assert seen.interruption <= "50ms"',
            "E *assert door was interrupted for * at most (at least *), * over the limit of 50 ms",
            "E *errors seen: refused *",
        ]
    )
    assert only(summary)["verdict"] == "failed"
    assert "over the limit of 50 ms" in only(summary)["reason"]


def test_a_broken_limit_fails_a_test_that_asserts_nothing(static, summary):
    """The mark judges; its text says all, without a traceback through the plugin."""
    static.makepyfile("""
        import pytest

        @pytest.mark.rehearsal(interruption="50ms")
        def test_failover(cluster, probes):
            with probes.watch():
                cluster.switchover()
    """)
    result = static.runpytest("--junitxml=junit.xml")
    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines(
        [r"interruption of door: \d+ ms \(at least \d+ ms\), limit 50 ms; 1 interruption in \d+ attempts; \d+ ms over"]
    )
    assert "session.py" not in result.stdout.str()
    assert only(summary)["verdict"] == "failed"
    assert "limit 50 ms" in only(summary)["reason"]
    [failure] = ET.parse(static.path / "junit.xml").getroot().iter("failure")
    assert "interruption of door" in failure.get("message")


def test_the_nearest_mark_wins(static, summary):
    """The module's limit is the default, the test's own counts."""
    static.makepyfile("""
        import pytest
        pytestmark = pytest.mark.rehearsal(interruption="1ms", redundancy="1min")

        @pytest.mark.rehearsal(interruption="5s")
        def test_failover(cluster, probes):
            with probes.watch():
                cluster.switchover()
    """)
    static.runpytest().assert_outcomes(passed=1)
    assert [limit["limit"] for limit in only(summary)["limits"]] == [5.0, 60.0]


def test_a_service_that_never_answered_is_unknown(static, summary):
    """Perhaps it is not there at all: nothing was measured."""
    static.makepyfile("""
        import pytest, static_lab
        from pytest_harehearse.rehearsal import watching

        @pytest.mark.rehearsal(interruption="5s")
        def test_failover(cluster, probes, monkeypatch):
            monkeypatch.setattr(watching, "LEAD_S", 0.3)
            static_lab.world.door.shut()
            with probes.watch(settle="300ms"):
                pass
    """)
    result = static.runpytest()
    assert result.ret == 1
    assert result.parseoutcomes() == {"unknown": 1}
    assert "unknown (limit 5.00 s), because it never answered (refused" in words(result)
    assert only(summary)["verdict"] == "unknown"


DOWN_AT_THE_END = """
    import pytest, static_lab, time

    @pytest.mark.rehearsal(interruption="1h")
    def test_failover(cluster, probes):
        with probes.watch(settle="300ms"):
            static_lab.world.door.shut()
            time.sleep({})
"""


@pytest.mark.parametrize(
    "before_the_end",
    [
        0.2,
        0.0,
    ],
)
def test_a_service_that_does_not_come_back_is_failed(static, summary, before_the_end):
    """It has no upper bound, so no limit is kept, however long it is."""
    static.makepyfile(DOWN_AT_THE_END.format(before_the_end))
    result = static.runpytest()
    result.assert_outcomes(failed=1)
    assert "its beginning or end was not seen, so it was at least" in words(result)
    assert only(summary)["services"][0]["total_upper"] is None


UNKNOWN = """
    import pytest, os, signal
    from pathlib import Path

    @pytest.mark.rehearsal(interruption="5s")
    def test_nothing_watched(cluster):
        cluster.switchover()

    @pytest.mark.rehearsal(interruption="5s")
    def test_meter_killed(cluster, probes):
        with probes.watch() as seen:
            pids = Path("/proc/self/task", str(os.getpid()), "children").read_text().split()
            [meter] = [int(p) for p in pids if b"meter_process" in Path("/proc", p, "cmdline").read_bytes()]
            os.kill(meter, signal.SIGKILL)

    def test_lost_writes_of_a_service_that_does_not_write(cluster, probes):
        with probes.watch() as seen:
            pass
        assert seen.lost_writes == []
"""


def test_what_was_not_measured_is_unknown(static, summary):
    """Neither passed nor failed; exit status 1, a failure in JUnit, and the reason on the last screen."""
    static.makepyfile(UNKNOWN)
    result = static.runpytest("-v", "--junitxml=junit.xml")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*::test_nothing_watched[[]lab/web[]] UNKNOWN*", "*= 1 passed, 2 unknown in *"])
    # Nothing of this cluster is written to, so nothing that was written can be lost.
    assert [r["verdict"] for r in summary()["rehearsals"]] == ["unknown", "unknown", "passed"]
    said = words(result)
    for reason in (
        "interruption: unknown (limit 5.00 s), because no service was watched, so it is not known",
        "interruption of door: unknown (limit 5.00 s), because",
    ):
        assert reason in said
    assert "? UNKNOWN" in said
    root = ET.parse(static.path / "junit.xml").getroot()
    assert len(list(root.iter("failure"))) == 2
    assert root.find("testsuite").get("failures") == "2"


def test_a_cluster_that_is_not_healthy_is_not_rehearsed_on(static, summary, monkeypatch, world):
    """Unknown, with what is the matter; the body is not run."""
    monkeypatch.setattr(session, "SETTLE_S", 0.1)
    static.makepyfile("""
        import pytest, static_lab

        @pytest.fixture(scope="session", autouse=True)
        def sick():
            pass

        def test_first(cluster):
            static_lab.world.healthy = False

        def test_failover(cluster):
            raise AssertionError("it was run")
    """)
    result = static.runpytest()
    assert result.ret == 1
    assert result.parseoutcomes() == {"passed": 1, "unknown": 1}
    said = words(result)
    assert "lab/web was not healthy before the rehearsal, so nothing was started: " in said
    assert "it was run" not in said
    assert [r["verdict"] for r in summary()["rehearsals"]] == ["passed", "unknown"]
    assert "was not healthy before the rehearsal" in summary()["rehearsals"][1]["reason"]


BODIES = """
    import pytest
    from pytest_harehearse import HarehearseError

    @pytest.fixture
    def bad_setup(cluster):
        raise RuntimeError("no fixture")

    @pytest.fixture
    def bad_teardown(cluster):
        yield
        raise RuntimeError("not put back")

    def test_error(cluster): raise ZeroDivisionError("by hand")
    def test_fail(cluster): pytest.fail("by the author")
    def test_exit(cluster): raise SystemExit(3)
    def test_silent(cluster): raise ValueError
    def test_ours(cluster): raise HarehearseError("said so")
    def test_setup(bad_setup): pass
    def test_teardown(bad_teardown): pass
    def test_both(bad_teardown): assert False, "first"
    def test_skipped(cluster): pytest.skip("not today")
    @pytest.mark.xfail(reason="known")
    def test_xfail(cluster): assert False, "known trouble"
"""


def test_every_way_a_test_can_end_is_recorded(static, summary):
    """Errors of the body, of fixtures and of their ends; what was skipped is no rehearsal."""
    static.makepyfile(BODIES)
    result = static.runpytest()
    result.assert_outcomes(failed=6, passed=1, errors=3, skipped=1, xfailed=1)
    found = {r["name"].partition("[")[0]: (r["verdict"], r["reason"].splitlines()[0]) for r in summary()["rehearsals"]}
    assert found == {
        "test_error": ("failed", "ZeroDivisionError: by hand"),
        "test_fail": ("failed", "by the author"),
        "test_exit": ("failed", "SystemExit: 3"),
        "test_silent": ("failed", "ValueError: ValueError"),
        "test_ours": ("failed", "said so"),
        "test_setup": ("failed", "RuntimeError: no fixture"),
        "test_teardown": ("failed", "RuntimeError: not put back"),
        "test_both": ("failed", "first"),
        "test_xfail": ("failed", "known trouble"),
    }


def test_a_fault_is_struck_undone_and_closed_in_the_journal(static, summary):
    """Also when the body fails in the midst of it."""
    static.makepyfile("""
        def test_failover(cluster, faults):
            with faults.stack_kill(cluster.active):
                cluster.until("n2 is active", lambda c: c.active == "n2", within="2s")
                assert False, "in the midst"
    """)
    static.runpytest().assert_outcomes(failed=1)
    assert only(summary)["verdict"] == "failed"
    journal = (static.path / ".harehearse" / "journal.jsonl").read_text()
    assert journal.count('"open"') == journal.count('"close"') == 1


def test_rehearsals_run_on_every_selected_cluster(static, summary):
    """The cluster's id leads the test's id."""
    toml = static.path / "harehearse.toml"
    toml.write_text(toml.read_text() + '[environments.lab.clusters.app]\nmanager = "patroni"\nnodes = ["a", "b"]\n')
    static.makepyfile(
        "import pytest\n@pytest.mark.parametrize('n', [1, 2])\ndef test_failover(cluster, n): assert cluster.name\n"
    )
    result = static.runpytest("-v")
    result.assert_outcomes(passed=4)
    names = [r["name"] for r in summary()["rehearsals"]]
    assert names == [f"test_failover[lab/{name}-{n}]" for name in ("app", "web") for n in (1, 2)]
    static.runpytest("--harehearse-cluster=lab/app", "-k", "1").assert_outcomes(passed=1, deselected=1)
    assert [r["cluster"] for r in summary(1)["rehearsals"]] == ["lab/app"]


def test_the_lab_that_does_not_start_is_tried_once(static, summary):
    """Each rehearsal fails with the lab's own sentence, and none is missing from the run."""
    static.makepyfile(
        "import static_lab\nstatic_lab.world.up_error = 'The lab has no room.'\n"
        "def test_one(cluster): pass\ndef test_two(cluster): pass\n"
    )
    result = static.runpytest()
    result.assert_outcomes(errors=2)
    said = result.stdout.str()
    assert "Traceback" not in said
    assert "session.py" not in said
    assert "is being rehearsed by" not in said
    assert [(r["verdict"], r["reason"]) for r in summary()["rehearsals"]] == [("failed", "The lab has no room.")] * 2


def test_a_fixture_for_several_tests_may_act_at_its_end(static, summary):
    """Its end is part of the last test, and is recorded with it."""
    static.makepyfile("""
        import pytest

        @pytest.fixture(scope="module")
        def moved(cluster):
            cluster.switchover(to="n2")
            yield
            cluster.switchover(to="n1")

        def test_one(moved): pass
        def test_two(moved): pass
    """)
    static.runpytest().assert_outcomes(passed=2)
    actions = [[a["label"] for a in r["actions"] if a["kind"] != "wait"] for r in summary()["rehearsals"]]
    assert actions == [["switchover n1 → n2"], ["switchover n2 → n1"]]


@pytest.mark.parametrize("option", ["-x", "-q", "-qq", "-v", "--tb=short", "-s", "--log-cli-level=INFO"])
def test_pytests_own_options(static, summary, option):
    """None of them breaks the end of a run."""
    static.makepyfile("def test_one(cluster): assert False\ndef test_two(cluster): pass\n")
    result = static.runpytest(option)
    assert result.ret == 1
    assert len(summary()["rehearsals"]) == (1 if option == "-x" else 2)
    assert "INTERNALERROR" not in result.stdout.str()


def test_without_a_terminal_the_files_are_written(static, summary):
    """``-p no:terminal``: nobody to tell, all the same."""
    static.makepyfile("def test_one(cluster): pass\n")
    assert static.runpytest("-p", "no:terminal").ret == 0
    assert only(summary)["verdict"] == "passed"


def test_the_hook_of_other_plugins(static):
    """``pytest_harehearse_run_finished`` gets the summary and the folder, once the reports are there."""
    with (static.path / "conftest.py").open("a") as file:
        file.write(
            "\ndef pytest_harehearse_run_finished(summary, directory):\n"
            "    assert (directory / 'report.html').is_file()\n"
            "    (directory / 'hook').write_text(summary.verdict)\n"
        )
    static.makepyfile("def test_one(cluster): pass\n")
    static.runpytest().assert_outcomes(passed=1)
    [told] = static.path.glob(".harehearse/runs/*/hook")
    assert told.read_text() == "passed"
