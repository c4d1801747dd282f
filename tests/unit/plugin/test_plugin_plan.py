# SPDX-License-Identifier: MIT
"""``--harehearse-plan`` tells everything and touches nothing; ``needs`` says why a test is skipped."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

SCENARIOS = Path(__file__).parents[3] / "scenarios"


@pytest.fixture
def plan(embedded):
    """``plan()`` plans the project's tests."""

    def run(*arguments: str, **settings) -> pytest.RunResult:
        return embedded.runpytest_inprocess("--harehearse-plan", *arguments, **settings)

    return run


def told(result) -> str:
    lines = result.stdout.str().splitlines()
    begin = next(number for number, line in enumerate(lines) if "the plan, nothing was touched" in line)
    # A fingerprint is another one with every version.
    return "\n".join(
        re.sub(r"(playbook +)[0-9a-f]{12}\b", r"\1FINGERPRINT", line.rstrip()) for line in lines[begin + 1 : -1]
    )


HOSTS = """
[environments.lab]
kind = "lab"
provider = "lxd"
[environments.lab.clusters.web]
manager = "pacemaker"
nodes = ["web1", "web2"]
group = "web"
[[environments.lab.clusters.web.services]]
name = "page"
probe = "http"
url = "http://198.18.0.100/"
"""


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("test_*.py")), ids=lambda path: path.stem)
def test_the_plan_of_each_scenario(embedded, plan, snapshot, path):
    """What a user reads before the first real run."""
    if any(word in path.stem for word in ("drain", "power_off", "reboot", "in_place")):
        embedded.path.joinpath("harehearse.toml").write_text(HOSTS)
    if "sentinel" in path.stem:
        inventory = embedded.path / "harehearse.toml"
        inventory.write_text(inventory.read_text().replace("patroni", "sentinel"))
    embedded.path.joinpath(path.name).write_text(path.read_text())
    before, processes = sorted(embedded.path.iterdir()), children()
    result = plan(path.name)
    result.assert_outcomes(skipped=1)
    assert result.ret == 0
    assert told(result) == snapshot
    left = [name for name in sorted(embedded.path.iterdir()) if name.name != "__pycache__"]
    assert left == before
    assert children() == processes


def test_a_plan_whose_test_raises_ends_there(embedded, plan):
    """The model cannot know everything; what is known is told."""
    embedded.makepyfile("def test_failover(cluster):\n    cluster.switchover()\n    raise KeyError('later')\n")
    result = plan()
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*action * switchover n1 → n2*", "*the plan ends here: KeyError: 'later'"])


def test_a_plan_whose_test_skips_itself(embedded, plan):
    """That is no trouble to be told."""
    embedded.makepyfile("import pytest\ndef test_failover(cluster):\n    pytest.skip('not today')\n")
    result = plan()
    result.assert_outcomes(skipped=1)
    assert "the plan ends here" not in result.stdout.str()


def test_ctrl_c_in_a_plan(embedded, plan):
    """Ends it like any other run."""
    embedded.makepyfile("def test_failover(cluster): raise KeyboardInterrupt\n")
    assert plan(no_reraise_ctrlc=True).ret == pytest.ExitCode.INTERRUPTED


def test_an_unknown_node_in_a_plan(embedded, plan):
    """The model refuses it as the cluster would."""
    embedded.makepyfile("def test_failover(cluster): cluster.switchover(to='n9')\n")
    plan().stdout.fnmatch_lines(
        ["*the plan ends here: Refused: demo/orders: no switchover was asked for, because 'n9' is not a node of it*"]
    )


@pytest.mark.parametrize(
    ("needs", "reason"),
    [
        ("nodes=4", "needs 4 nodes: demo/orders has 3"),
        ("manager='pacemaker'", "needs manager pacemaker: demo/orders is run by patroni"),
        ("manager=['pacemaker', 'galera']", "needs manager pacemaker or galera: demo/orders is run by patroni"),
        ("fencing=True", "needs fencing: demo/orders has none"),
        (
            "capability='patching'",
            "needs patching: demo/orders can do dcs_loss, maintenance, node_freeze, process_hang, service_kill, stack_kill, switchover",
        ),
    ],
)
@pytest.mark.parametrize("option", [(), ("--harehearse-plan",)], ids=["run", "plan"])
def test_what_a_cluster_lacks_is_the_reason_to_skip(embedded, needs, reason, option):
    """In full, without opening the cluster: no lab is made for a test that will not run."""
    embedded.makepyfile(f"import pytest\n@pytest.mark.needs({needs})\ndef test_failover(cluster): assert False\n")
    result = embedded.runpytest("-v", "-rs", *option)
    result.assert_outcomes(skipped=1)
    assert f": {reason}\n" in result.stdout.str()
    assert not (embedded.path / ".harehearse").exists()


@pytest.mark.parametrize(
    "mark", ["skip(reason='not now')", "skipif(True, reason='not now')", "xfail(run=False, reason='not now')"]
)
def test_pytests_own_marks_come_first(embedded, mark):
    """A test that is skipped opens no cluster."""
    embedded.makepyfile(f"import pytest\n@pytest.mark.{mark}\ndef test_failover(cluster): assert False\n")
    result = embedded.runpytest()
    assert result.ret == 0
    assert not (embedded.path / ".harehearse").exists()


def test_setup_plan_touches_nothing(embedded):
    """pytest's own option shows fixtures and runs none."""
    embedded.makepyfile("def test_failover(cluster): assert False\n")
    result = embedded.runpytest("--setup-plan")
    assert result.ret == 0
    assert not (embedded.path / ".harehearse").exists()


def test_a_plan_tells_what_the_test_leaves_to_be_undone(embedded, plan):
    """As a real run would undo it at its end; also when the test broke off."""
    inventory = embedded.path / "harehearse.toml"
    inventory.write_text(
        inventory.read_text().replace("patroni", "pacemaker").replace("embedded", "lxd") + 'group = "web"\n'
    )
    embedded.makepyfile(
        "def test_drain(cluster): cluster.drain(cluster.active)\n"
        "def test_torn(cluster):\n    cluster.drain('n2')\n    raise KeyError('later')\n"
    )
    text = told(plan())
    assert "undrain    n1: let n1 run resources again" in text
    assert text.index("undrain    n2: let n2 run resources again") < text.index("the plan ends here: KeyError: 'later'")
