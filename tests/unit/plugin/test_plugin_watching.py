# SPDX-License-Identifier: MIT
"""What a watch asks beside its services, and what it refuses. The meter is real, the lab is not."""

from __future__ import annotations

import pytest

from pytest_harehearse.rehearsal import watching

ASKED = """
    import static_lab, pathlib

    static_lab.world.claims = pathlib.Path("claims")
    static_lab.world.claims.mkdir(exist_ok=True)
    static_lab.world.claims = static_lab.world.claims.resolve()
"""


def only(summary) -> dict:
    [rehearsal] = summary()["rehearsals"]
    return rehearsal


def words(result) -> str:
    """What was printed, without its line breaks."""
    return " ".join(result.stdout.str().split())


@pytest.mark.parametrize(("both", "outcome"), [(0.0, "passed"), (1.0, "failed")])
def test_two_actives_are_seen_and_judged(static, summary, both, outcome):
    """Each node is asked directly; that two said yes for a second breaks the limit, and stands in every report."""
    static.makepyfile(
        ASKED
        + f"""
    import pytest
    static_lab.world.both = {both}

    @pytest.mark.rehearsal(dual_active="0s")
    def test_failover(cluster, probes):
        with probes.watch() as seen:
            cluster.switchover()
        assert (seen.dual_active.total_seconds() > 0.5) == ({both} > 0)
        assert seen.dual_active.lower <= {both} + 0.2
    """
    )
    result = static.runpytest()
    result.assert_outcomes(**{outcome: 1})
    rehearsal = only(summary)
    [limit] = rehearsal["limits"]
    assert (limit["name"], limit["verdict"]) == ("two nodes active at once", outcome)
    assert bool(rehearsal["dual"]["spans"]) == bool(both)
    assert ("Two nodes were active at once (n1 and n2)" in words(result)) == bool(both)


def test_nodes_that_cannot_be_asked_leave_it_unknown(static):
    """Nought would be a guess."""
    static.makepyfile("""
        import pytest
        from pytest_harehearse import NotMeasured

        @pytest.mark.rehearsal(dual_active="0s")
        def test_failover(cluster, probes):
            with probes.watch() as seen:
                pass
            with pytest.raises(NotMeasured, match="this manager's nodes cannot be asked whether they are active"):
                seen.dual_active
    """)
    result = static.runpytest()
    assert result.ret == 1
    assert "two nodes active at once: unknown (limit 0 s), because this manager's nodes cannot be asked" in words(
        result
    )


def test_a_service_that_cannot_be_asked_from_here_is_skipped_with_the_reason(static, summary, monkeypatch):
    """A right that this machine lacks is no outage: the others are watched, and the reports say what was not."""
    monkeypatch.setattr(watching, "limitation", lambda s: "no right to send" if s.name == "ping" else None)
    with static.path.joinpath("harehearse.toml").open("a") as file:
        file.write("""[[environments.lab.clusters.web.services]]
name = "ping"
probe = "icmp"
url = "icmp://127.0.0.1"
""")
    static.makepyfile("""
        def test_failover(cluster, probes):
            with probes.watch() as seen:
                pass
            assert list(seen) == ["door"]
            assert seen.skipped == {"ping": "no right to send"}
    """)
    result = static.runpytest()
    result.assert_outcomes(passed=1)
    assert only(summary)["skipped"] == {"ping": "no right to send"}
    assert "? ping was not watched: no right to send" in words(result)


def test_a_probe_that_cannot_work_is_told_before_anything_is_done(static, summary):
    """A wrong password, a program that is not there: no interruption, and no reason to touch the cluster."""
    with static.path.joinpath("harehearse.toml").open("a") as file:
        file.write("""[[environments.lab.clusters.web.services]]
name = "check"
probe = "command"
url = "command:/nowhere/check_it"
every = "50ms"
timeout = "500ms"
""")
    static.makepyfile("""
        def test_failover(cluster, probes):
            with probes.watch():
                cluster.switchover()
    """)
    result = static.runpytest()
    assert result.ret == 1
    assert "The service 'check' of lab/web cannot be asked as it is described, which is no interruption:" in words(
        result
    )
    assert "Nothing was done to the cluster; correct it in harehearse.toml." in words(result)
    assert only(summary)["actions"] == []
