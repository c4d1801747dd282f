# SPDX-License-Identifier: MIT
"""A production that is not armed: nothing that changes anything is sent to it, by whatever a user can do or write."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys

import pytest
import read_only

from pytest_harehearse import fixtures
from pytest_harehearse.chance.drawn import Chance, drawn
from pytest_harehearse.cli import main
from pytest_harehearse.drift import areas
from pytest_harehearse.errors import HarehearseError
from pytest_harehearse.faults.catalogue import CATALOGUE
from pytest_harehearse.inventory.load import load
from pytest_harehearse.managers.pacemaker import PacemakerManager, actions, fencing, predict, tools
from pytest_harehearse.rehearsal.cluster import Cluster
from pytest_harehearse.rehearsal.drifting import Drifting
from pytest_harehearse.rehearsal.faults import Faults
from pytest_harehearse.rehearsal.guarding import Guard, NotAllowed
from pytest_harehearse.rehearsal.node import Node
from pytest_harehearse.rehearsal.patching.facade import Patching
from pytest_harehearse.rehearsal.recorder import Recorder
from pytest_harehearse.rehearsal.scene import scene_of
from pytest_harehearse.rehearsal.striking import Striker
from pytest_harehearse.remote import open as opener
from pytest_harehearse.remote.base import Script
from pytest_harehearse.safety.journal import Journal

INVENTORY = """
default_environment = "production"
[environments.production]
kind = "production"
[environments.production.clusters.web]
manager = "pacemaker"
group = "web"
allow = ["switchover", "patch", "fault"]
windows = ["Mon 00:00-23:59 UTC", "Tue 00:00-23:59 UTC", "Wed 00:00-23:59 UTC", "Thu 00:00-23:59 UTC",
           "Fri 00:00-23:59 UTC", "Sat 00:00-23:59 UTC", "Sun 00:00-23:59 UTC"]
nodes = [{ name = "web1", url = "ssh://root@192.0.2.1" }, { name = "web2", url = "ssh://root@192.0.2.2" }]
"""

#: Every method, as it is called by a test; a new one has to be written down here.
CLUSTER = {
    "attend": None,
    "cleanup": "cluster.cleanup()",
    "drain": "cluster.drain('web2', within='1s')",
    "fence": "cluster.fence('web2', within='1s')",
    "maintenance": "cluster.maintenance(within='1s').__enter__()",
    "set_aside": "cluster.set_aside('web2', within='1s')",
    "permit": None,
    "settle": "cluster.settle(0.1)",
    "state": "cluster.state()",
    "switchover": "cluster.switchover(within='1s')",
    "undrain": "cluster.undrain('web2')",
    "until": "cluster.until('it is', lambda c: True, within='1s')",
    "until_redundant": "cluster.until_redundant(within='1s')",
    "way_back": "cluster.way_back().__enter__()",
}
NODE = {
    "clock": "cluster.nodes['web2'].clock()",
    "reboot": "cluster.nodes['web2'].reboot(within='1s')",
    # What a test itself runs is its own; a plan has no nodes to run it on.
    "run": "cluster.nodes['web2'].run('touch', '/tmp/x')",
    "until_booted": "cluster.nodes['web2'].until_booted('boot-0', within=1.0)",
}
DRIFT = {"against": "drift.against('lab/web')", "between_nodes": "drift.between_nodes()"}
PATCHING = {
    "broken": None,
    "command": "patching.standby_first(patching.command(['true']))",
    "in_place": "patching.in_place(patching.reboot())",
    "kernel": "patching.standby_first(patching.kernel())",
    "nodes": "patching.nodes(['web2', 'web1'], patching.reboot())",
    "packages": "patching.standby_first(patching.packages('openssl'))",
    "reboot": "patching.standby_first(patching.reboot())",
    "rehearse_rollback": "patching.rehearse_rollback(patching.reboot())",
    "standby_first": "patching.standby_first(patching.reboot(), switchback=True)",
}
#: All else are the names of the catalogue. What only builds a fault strikes nothing.
FAULTS = {
    "build": None,
    "flap": "faults.flap('net_partition', cluster.standbys[0], times=1, on='100ms', off='100ms')",
    "play": "faults.play([{'fault': 'net_partition', 'node': 'web2', 'at': {'in': '0s'}, 'for': '100ms'}]).__enter__()",
    "play_through": "faults.play_through(fault_plan)",
}
#: Only in a plan: a real one would run them.
PLANNED_ONLY = {"run"}
#: Every verb, with the words that lead it to the production; None: it knows no cluster.
VERBS = {
    # History is read from the store.
    "compare": None,
    "doctor": ["doctor", "production/web"],
    "drift": ["drift", "production/web"],
    "gate": ["gate", "production/web"],
    "history": None,
    "init": None,
    "lab": ["lab", "status", "production"],
    "plan": ["plan", "test_web.py"],
    "playbook": ["playbook", "test_web.py"],
    "probe": None,
    "report": None,
    "status": ["status", "production"],
    # Other verbs and pytest, one after the other; see tests/unit/cli/test_cli_weekly.py.
    "weekly": None,
    # It takes back what was done, which is never refused.
    "recover": None,
}


def public(kind):
    """The methods of a class that a test can call."""
    return {name for name in dir(kind) if not name.startswith("_") and callable(getattr(kind, name))}


METHODS = {name: call for table in (CLUSTER, NODE) for name, call in table.items() if call}


def calls():
    """A call of every method, every fault and every patch day."""
    patches = {f"patching_{name}": call for name, call in PATCHING.items() if call}
    whole = {name: call for name, call in {**FAULTS, **DRIFT}.items() if call}
    return {**METHODS, **patches, **whole, **{name: struck(name) for name in CATALOGUE}}


#: What a fault must be told besides the node.
NEEDED = {"path": "'/srv'"}


def struck(name):
    """Every fault is struck alike: on a node, with what else it must be told; what that is, stands above."""
    builder = inspect.signature(CATALOGUE[name].builder).parameters.values()
    options = [
        f"{one.name}={NEEDED[one.name]}" for one in list(builder)[2:]
        if one.default is one.empty and one.kind not in {one.VAR_POSITIONAL, one.VAR_KEYWORD}
    ]  # fmt: skip
    return f"faults.{name}({', '.join(['cluster.standbys[0]', *options])}).__enter__()"


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A project whose only environment is a production."""
    (tmp_path / "harehearse.toml").write_text(INVENTORY)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def channels(monkeypatch):
    """What every channel of this process is from now on."""
    made = read_only.channels()
    monkeypatch.setattr(opener, "open_channel", lambda node, defaults=None: made[node.name])
    return made


def changing(channels):
    """What was sent that is not on the closed list."""
    return [command for command in read_only.sent(channels) if not read_only.read_only(command)]


# -- the list itself ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        actions._STANDBY_ON, actions._STANDBY_OFF, actions._MAINTENANCE, actions._CLEANUP, fencing._FENCE, tools.MOVE,
        tools.CLEAR, predict._COPY, "section mon crm_mon -1 -r --output-as=xml; reboot",
    ],
)  # fmt: skip
def test_what_changes_something_is_not_on_the_list(text):
    """Else the tests below would prove nothing."""
    assert not read_only.read_only(Script(text))


def test_nothing_is_forgotten():
    """Every method of a cluster, a node and the patching, and every verb, stands in a table here."""
    assert public(Cluster) == set(CLUSTER)
    assert public(Node) == set(NODE)
    assert public(Patching) == set(PATCHING)
    assert public(Faults) == set(FAULTS)
    assert public(Drifting) == set(DRIFT)
    assert set(main.VERBS) <= set(VERBS)


# -- looking -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words", [["status", "production"], ["status", "production", "--json"], ["doctor", "production/web"]]
)
def test_looking_at_it_only_reads(site, channels, capsys, words):
    """The verbs that ask it something send what is on the closed list, and find it healthy."""
    with pytest.raises(SystemExit):
        main.main(words)
    assert "web is redundant" in (said := capsys.readouterr().out) or '"redundant": true' in said
    assert read_only.sent(channels)
    assert changing(channels) == []


@pytest.mark.parametrize("verb", ["drift", "gate"])
def test_judging_it_only_reads(site, channels, capsys, verb):
    """What decides about a window reads every node, and sends nothing that is not on the closed list."""
    with pytest.raises(SystemExit) as ended:
        main.main(VERBS[verb])
    assert ended.value.code == 2, capsys.readouterr()
    assert any(command.text == areas.SCRIPT for command in read_only.sent(channels) if isinstance(command, Script))
    assert changing(channels) == []


@pytest.mark.parametrize("verb", ["up", "down", "reset"])
def test_it_is_no_lab(site, channels, capsys, verb):
    """It is neither made nor removed nor reset, and the sentence says so."""
    with pytest.raises(SystemExit) as ended:
        main.main(["lab", verb, "production"])
    assert ended.value.code != 0
    assert "production is production, not a lab" in capsys.readouterr().err
    assert read_only.sent(channels) == []


# -- acting, with the objects themselves -------------------------------------------------------------------------------


@pytest.fixture
def unarmed(site, channels, tmp_path):
    """The cluster, faults and striker as they would be, had somebody come by them without arming."""
    described = load(site / "harehearse.toml").clusters["production/web"]
    manager = PacemakerManager(described, channels)
    cluster = Cluster(described, manager, channels)
    recorder = Recorder(lambda event: None, "r", "production", live=False)
    guard = Guard(described, manager, None, patience=0.0)
    striker = Striker(described.id, "run-1", Journal(tmp_path / "store"), recorder, guard)
    guard.struck = striker.struck_now
    cluster.attend(recorder, striker, guard)
    faults = Faults(scene_of(cluster, None), striker)
    return {"cluster": cluster, "faults": faults, "fault_plan": drawn(described, Chance(), "w48", "test_x", 1)}


ACTING = {"cleanup", "drain", "fence", "maintenance", "set_aside", "switchover", "reboot", *CATALOGUE}


@pytest.mark.parametrize("name", sorted({*METHODS, *CATALOGUE} - PLANNED_ONLY))
def test_whatever_is_called_only_reads(unarmed, channels, tmp_path, name):
    """Each method of a cluster and of a node, each fault of the catalogue: what would act is refused."""
    try:
        eval(METHODS.get(name) or struck(name), unarmed)
    except HarehearseError as error:
        refused = error
    else:
        refused = None
    assert changing(channels) == []
    if name in ACTING:
        assert isinstance(refused, HarehearseError), refused
        if isinstance(refused, NotAllowed):
            assert "is production and not armed for this run" in str(refused)
    assert not (tmp_path / "store").exists()


# -- acting, in a run --------------------------------------------------------------------------------------------------

TRAP = """
import os
import pytest_harehearse.remote.open as opener

def opened(node, defaults=None):
    with open(os.environ["TRAP"], "a") as file:
        file.write(node.name)
    raise RuntimeError("a channel was opened")

opener.open_channel = opened
"""


def fixture_names():
    """Every fixture that a test can ask for."""
    return [
        name for name, value in vars(fixtures).items()
        if type(value).__name__ == "FixtureFunctionDefinition" and not name.startswith("_")
    ]  # fmt: skip


@pytest.fixture
def run(site):
    """Run a command in the project; whether a channel was opened is ``trapped``."""
    (site / "conftest.py").write_text(TRAP)
    asked = "cluster, probes, faults, fault_plan, patching, rehearsal, drift"
    assert set(asked.split(", ")) == set(fixture_names())
    tests = [f"@pytest.mark.chance(plans=1)\ndef test_{name}({asked}):\n    {call}\n" for name, call in calls().items()]
    tests.append(
        f"@pytest.mark.chance(plans=1)\ndef test_watch({asked}):\n    with probes.watch():\n        rehearsal.note('x')\n"
    )
    (site / "test_web.py").write_text("import pytest\n\n" + "\n".join(tests))
    trapped = site / "trapped"

    def run(*words):
        done = subprocess.run(
            [sys.executable, "-m", *words], cwd=site, capture_output=True, text=True, timeout=100, check=False,
            env={**os.environ, "TRAP": str(trapped), "PYTEST_ADDOPTS": "-p no:cacheprovider -p no:hypothesispytest -p no:syrupy"},
        )  # fmt: skip
        return done, len(tests)

    run.trapped = trapped
    return run


@pytest.mark.parametrize(
    "words", [["pytest"], ["pytest", "--harehearse-plan"], ["pytest_harehearse.cli", "plan", "test_web.py"]],
    ids=["pytest", "option", "verb"],
)  # fmt: skip
def test_no_run_opens_so_much_as_a_channel(run, site, words):
    """Every fixture, every method and every fault: all are planned, skipped, and nothing is kept or sent."""
    done, count = run(*words)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert not run.trapped.exists()
    assert not (site / ".harehearse").exists()
    assert done.stdout.count("cluster    production/web (PRODUCTION)") == count
    for name in CATALOGUE:
        assert f"test_{name}[production/web-" in done.stdout
    if words == ["pytest"]:
        assert f"{count} skipped" in done.stdout
        assert "harehearse: clusters production/web (PRODUCTION, not armed: planned only)" in done.stdout
        assert (
            "production/web is production and not armed, so it was only planned and nothing was touched. To rehearse on it, "
            "in its window: --harehearse-arm production --harehearse-change ID"
        ) in done.stdout


def test_the_trap_is_one(run):
    """Armed, the same run would open channels."""
    done, _ = run("pytest", "-k", "test_state", "--harehearse-arm", "production", "--harehearse-change", "CHG1")
    assert done.returncode != 0
    assert run.trapped.exists()


def test_a_playbook_opens_no_channel(run, site):
    """It is written from the plan of the test alone."""
    done, _ = run("pytest_harehearse.cli", "playbook", "test_web.py")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert "--harehearse-arm production --harehearse-change CHANGE --harehearse-step" in done.stdout
    assert not run.trapped.exists()
    assert not (site / ".harehearse").exists()
