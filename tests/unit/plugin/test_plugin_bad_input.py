# SPDX-License-Identifier: MIT
"""Whatever a user can get wrong is said in a sentence, with exit status 4, before anything is touched."""

from __future__ import annotations

import pytest

TEST = "def test_failover(cluster): raise AssertionError('it was run')\n"
USAGE = pytest.ExitCode.USAGE_ERROR


@pytest.fixture
def refused(pytester):
    """``refused(option…)`` runs pytest, which must refuse, and returns what it said."""

    def run(*arguments: str) -> str:
        result = pytester.runpytest(*arguments)
        said = result.stdout.str() + result.stderr.str()
        assert result.ret == USAGE, said
        assert "Traceback" not in said
        assert "it was run" not in said
        assert not (pytester.path / ".harehearse").exists()
        errors = result.stderr.str().partition("ERROR: ")[2]
        return errors.rstrip("\n")

    return run


def test_no_inventory(pytester, refused):
    """Says where it was searched and how to get one."""
    pytester.makepyfile(TEST)
    assert refused() == (
        f"No harehearse.toml in {pytester.path} or above it, so there is no cluster to rehearse on. "
        "Write one: harehearse init. Or name one: --harehearse-config FILE"
    )


def test_an_inventory_that_does_not_exist(embedded, refused):
    """Named on the command line."""
    embedded.makepyfile(TEST)
    assert refused("--harehearse-config", "nowhere.toml") == (
        "nowhere.toml: there is no such file. Run 'harehearse init' to write one, or name another with "
        "--harehearse-config."
    )


def test_an_inventory_that_is_no_toml(embedded, refused):
    """Line and column."""
    embedded.makepyfile(TEST)
    embedded.path.joinpath("harehearse.toml").write_text("[environments\n")
    assert refused().startswith("harehearse.toml:1: is not valid TOML: ")


def test_all_faults_of_an_inventory_at_once(embedded, refused):
    """Not one a run."""
    embedded.makepyfile(TEST)
    embedded.path.joinpath("harehearse.toml").write_text(
        '[environments.demo]\nkind = "lob"\nprovider = "embeded"\n'
        '[environments.demo.clusters.orders]\nmanager = "patrony"\nnodes = ["n1", "n1"]\n'
    )
    lines = refused().splitlines()
    assert len(lines) == 4
    assert all(line.startswith("harehearse.toml: environments.demo") for line in lines)
    for hint in ("'lab'", "'embedded'", "'patroni'"):
        assert f"Did you mean {hint}?" in "\n".join(lines)


@pytest.mark.parametrize(
    ("option", "name", "noun", "meant"),
    [
        ("--harehearse-env", "dmo", "environment", "demo"),
        ("--harehearse-cluster", "demo/order", "cluster", "demo/orders"),
    ],
)
def test_an_unknown_name(embedded, refused, option, name, noun, meant):
    """Says which there are, and which was meant."""
    embedded.makepyfile(TEST)
    assert refused(option, name) == (
        f"{option} {name!r}: there is no such {noun}; valid are: {meant}. Did you mean {meant!r}?"
    )


def test_an_environment_without_clusters(embedded, refused):
    """There is nothing to rehearse on."""
    embedded.makepyfile(TEST)
    embedded.path.joinpath("harehearse.toml").write_text(
        '[environments.demo]\nkind = "lab"\nprovider = "embedded"\n[environments.demo.clusters]\n'
    )
    assert refused() == ("The selected environment has no cluster; see --harehearse-env and --harehearse-cluster.")


def test_a_provider_this_version_does_not_have(embedded, refused):
    """Before the first test, not as an error of every one."""
    embedded.makepyfile(TEST)
    embedded.path.joinpath("harehearse.toml").write_text(
        '[environments.lab]\nkind = "lab"\nprovider = "vagrant"\n'
        '[environments.lab.clusters.web]\nmanager = "pacemaker"\nnodes = ["a", "b"]\n'
    )
    assert refused() == (
        "harehearse.toml: environments.lab.provider is 'vagrant', which this version cannot create yet; it can: "
        "embedded, lxd, hosts."
    )


PRODUCTION = """
[environments.production]
kind = "production"
[environments.production.clusters.web]
manager = "patroni"
nodes = [{ name = "web1", url = "ssh://ops@198.51.100.1" }, { name = "web2", url = "ssh://ops@198.51.100.2" }]
"""


def test_production(embedded):
    """Is planned for and nothing else, unless it is armed; the reason names the options."""
    embedded.makepyfile("def test_failover(cluster): cluster.switchover()\n")
    embedded.path.joinpath("harehearse.toml").write_text(PRODUCTION)
    planned = embedded.runpytest("--harehearse-plan")
    assert planned.ret == 0
    planned.stdout.fnmatch_lines(
        ["harehearse: clusters production/web (PRODUCTION)", "*action * switchover web1 → web2*"]
    )


@pytest.mark.parametrize("store", ["taken", "taken/below"])
def test_a_store_that_cannot_be_written(embedded, refused, store):
    """A file stands where the folder should be."""
    embedded.makepyfile(TEST)
    embedded.path.joinpath("taken").write_text("")
    assert refused("--harehearse-store", store) == (
        f"The store {embedded.path / store} cannot be written (Not a directory), so nothing was started: what happens "
        "in a rehearsal must be kept. Choose another place: --harehearse-store DIR"
    )


@pytest.mark.parametrize(
    ("mark", "text"),
    [
        (
            "rehearsal(interuption='5s')",
            (
                "The mark rehearsal has no keyword 'interuption'. Did you mean 'interruption'? It has: interruption, "
                "lost_writes, redundancy, dual_active."
            ),
        ),
        (
            "needs(node=2)",
            "The mark needs has no keyword 'node'. Did you mean 'nodes'? It has: nodes, manager, fencing, capability.",
        ),
        ("needs(xyz=2)", "The mark needs has no keyword 'xyz'. It has: nodes, manager, fencing, capability."),
        (
            "rehearsal(interruption=5)",
            (
                "rehearsal(interruption=5): 5 is not a duration; write a number and a unit, as in '200ms', '30s', '5min' "
                "(units: us, ms, s, min, h, d, w)."
            ),
        ),
        (
            "rehearsal(redundancy='soon')",
            (
                "rehearsal(redundancy='soon'): 'soon' is not a duration; write a number and a unit, as in '200ms', '30s', "
                "'5min' (units: us, ms, s, min, h, d, w)."
            ),
        ),
        (
            "rehearsal(lost_writes='none')",
            "rehearsal(lost_writes='none'): a count of writes is wanted, as in lost_writes=0.",
        ),
        (
            "rehearsal('5s')",
            "The mark rehearsal takes keywords only (interruption=, lost_writes=, redundancy=, dual_active=), not '5s'.",
        ),
        ("needs(nodes='three')", "needs(nodes='three'): wanted is a number of nodes, as in nodes=3."),
        ("needs(nodes=True)", "needs(nodes=True): wanted is a number of nodes, as in nodes=3."),
        ("needs(fencing='yes')", "needs(fencing='yes'): wanted is True or False."),
        ("needs(manager=3)", "needs(manager=3): wanted is a name or a list of names, as in manager='patroni'."),
        (
            "needs(capability=[1])",
            "needs(capability=[1]): wanted is a name or a list of names, as in capability='switchover'.",
        ),
    ],
)
def test_a_mark_that_is_wrong(embedded, refused, mark, text):
    """The test, the mark, and what it takes."""
    file = embedded.makepyfile(f"import pytest\n@pytest.mark.{mark}\n{TEST}")
    assert refused() == f"{file.name}::test_failover[demo/orders]: {text}"


def test_every_wrong_mark_is_named(embedded, refused):
    """All at once."""
    embedded.makepyfile(
        "import pytest\n@pytest.mark.needs(a=1)\ndef test_one(cluster): pass\n"
        "@pytest.mark.rehearsal(b=1)\ndef test_two(cluster): pass\n"
    )
    said = refused()
    assert "::test_one[demo/orders]: The mark needs" in said
    assert "::test_two[demo/orders]: The mark rehearsal" in said


def test_deselected_rehearsals_do_not_disturb(embedded):
    """Whoever chooses other tests is not bothered with the inventory."""
    embedded.path.joinpath("harehearse.toml").write_text("broken")
    embedded.makepyfile("def test_failover(cluster): pass\ndef test_plain(): pass\n")
    result = embedded.runpytest("-k", "plain")
    result.assert_outcomes(passed=1, deselected=1)
    assert result.ret == 0
    result = embedded.runpytest("-k", "neither")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert "harehearse.toml" not in result.stderr.str()


def test_a_rehearsal_named_by_its_id_tells_the_inventorys_fault(embedded, refused):
    """Not that the test was not found, which is only the consequence."""
    embedded.path.joinpath("harehearse.toml").write_text("broken")
    file = embedded.makepyfile(TEST)
    assert refused(f"{file.name}::test_failover[demo/orders]").startswith("harehearse.toml:1: is not valid TOML")


def test_faults_under_xdist_are_said_once(embedded):
    """Workers cannot end the run; the controller says it."""
    embedded.path.joinpath("harehearse.toml").write_text("broken")
    embedded.makepyfile(TEST)
    result = embedded.runpytest_subprocess("-n2")
    assert result.ret == USAGE
    assert result.stderr.str().count("is not valid TOML") == 1
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
