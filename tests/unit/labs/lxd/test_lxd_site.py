# SPDX-License-Identifier: MIT
"""What is made in an LXD, and that nothing else is touched; LXD is a stand-in that only remembers here."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pytest_harehearse.errors import LabError
from pytest_harehearse.labs.lxd import daemon, keys, site
from pytest_harehearse.labs.lxd.site import Site

NAME = "lab-12ab34cd"


class Server:
    """Collections of names, and every request that changes something."""

    def __init__(self, address=":8443"):
        self.there = {"storage-pools": ["default"], "networks": [], "projects": ["default"], "certificates": ["theirs"],
                      "instances": ["web1"], "images": ["abc"]}  # fmt: skip
        self.server = {"config": {"core.https_address": address}}
        self.changed = []

    def names(self, path):
        return list(self.there[path])

    def get(self, path, **params):
        return {"devices": {"root": {"pool": "default"}}}

    def post(self, path, body, within=0, **more):
        self.changed.append(("post", path, body.get("name")))
        self.there.setdefault(path, []).append(body.get("name"))

    def put(self, path, body, within=0):
        self.changed.append(("put", path, None))

    def patch(self, path, body, within=0):
        self.changed.append(("patch", path or "server", None))

    def delete(self, path, within=0):
        self.changed.append(("delete", path, None))
        return True

    def change_state(self, instance, action, *, force=False, within=0):
        self.changed.append((action, instance, None))


@pytest.fixture
def server(monkeypatch):
    found = Server()
    monkeypatch.setattr(site, "Api", lambda socket, project=None: found)
    monkeypatch.setattr(daemon, "existing", lambda: daemon.Path("/run/theirs/unix.socket"))
    monkeypatch.setattr(daemon, "answering", lambda path: True)
    monkeypatch.setattr(site, "address_taken", lambda: None)
    return found


def test_in_an_lxd_that_is_there_only_our_own_is_made(server):
    """A project, a bridge, a restricted certificate; no pool, no setting of the server."""
    certificate, _ = keys.certificate("lab")
    ours = Site.choose(NAME, keys.fingerprint(certificate))
    assert (ours.own, ours.project, ours.bridge) == (None, f"harehearse-{NAME}", "hh-12ab34cd")
    ours.prepare(certificate, print)
    assert server.changed == [
        ("post", "networks", "hh-12ab34cd"),
        ("post", "projects", f"harehearse-{NAME}"),
        ("post", "certificates", f"harehearse-{NAME}"),
        ("put", "profiles/default", None),
    ]


def test_only_our_own_is_removed(server):
    """Nobody else's project, certificate or network."""
    ours = Site("/run/theirs/unix.socket", None, f"harehearse-{NAME}", "hh-12ab34cd", "ours")
    server.there["projects"].append(ours.project)
    server.there["certificates"].append("ours")
    ours.remove(print)
    assert [path for verb, path, _ in server.changed if verb == "delete"] == [
        "instances/web1", "images/abc", f"projects/{ours.project}", "certificates/ours", "networks/hh-12ab34cd",
    ]  # fmt: skip


def test_a_second_removal_finds_nothing(server):
    """Without the project, nothing of it is looked for; the rest is gone already."""
    Site("/run/theirs/unix.socket", None, f"harehearse-{NAME}", "hh-12ab34cd", "ours").remove(print)
    assert [path for verb, path, _ in server.changed] == ["networks/hh-12ab34cd"]


def test_an_lxd_that_does_not_answer_is_no_removal(server, monkeypatch):
    """What could not be looked at is not called removed."""
    monkeypatch.setattr(daemon, "answering", lambda path: False)
    with pytest.raises(LabError, match=r"does not answer on /run/theirs/unix.socket"):
        Site("/run/theirs/unix.socket", None, "p", "b", "c").remove(print)


@pytest.mark.parametrize(
    ("address", "said"),
    [("", "does not listen on the network"), ("127.0.0.1:8443", "listens on 127.0.0.1:8443 only")],
)
def test_fencing_must_reach_it(server, address, said):
    """Its configuration is not ours to change: the command that would is told."""
    server.server["config"]["core.https_address"] = address
    with pytest.raises(LabError, match=said) as caught:
        Site.choose(NAME, "fp")
    assert "sudo lxc config set core.https_address :8443" in str(caught.value)
    assert server.changed == []


def test_an_lxd_without_a_pool_is_told(server):
    """It was installed and never initialised."""
    server.there["storage-pools"] = []
    certificate, _ = keys.certificate("lab")
    with pytest.raises(LabError, match="sudo lxd init --minimal"):
        Site.choose(NAME, "fp").prepare(certificate, print)


def test_a_network_that_is_taken_is_not_taken_twice(server, monkeypatch):
    """Another lab, or somebody's interface: named, and nothing is made."""
    monkeypatch.setattr(site, "address_taken", lambda: "198.18.0.1 on hh-other")
    certificate, _ = keys.certificate("lab")
    with pytest.raises(LabError, match=r"of which this machine has 198.18.0.1 on hh-other already"):
        Site.choose(NAME, "fp").prepare(certificate, print)
    assert server.changed == []


@pytest.fixture
def dead(tmp_path, monkeypatch):
    """The folder of an own LXD and the home of its lab, of which nothing runs any more."""
    own, homes = tmp_path / "own", tmp_path / "homes"
    (own / NAME / "database").mkdir(parents=True)
    (homes / NAME).mkdir(parents=True)
    monkeypatch.setattr(daemon, "OWN", own)
    monkeypatch.setattr(daemon, "answering", lambda path: False)
    monkeypatch.setattr(site.homes, "base", lambda: homes)
    monkeypatch.setattr(site.Site, "remove", lambda self, say: site.shutil.rmtree(self.own))
    return own / NAME, homes / NAME


def test_a_lab_of_which_nothing_runs_any_more_is_removed(dead):
    """A restarted machine must not be without an LXD lab for ever."""
    said = []
    site.remove_dead(said.append)
    assert not any(folder.exists() for folder in dead)
    assert said == [f"removing {dead[0]}: a lab of which nothing runs any more"]


def test_a_lab_of_which_anything_runs_stays(dead):
    """A process that works in its folder, or that only names it, is enough."""
    started = [
        subprocess.Popen(["sleep", "60"], cwd=dead[0]),
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", f"{dead[0]}/containers"]),
    ]
    try:
        for process in started:
            site.remove_dead(pytest.fail)
            assert all(folder.exists() for folder in dead)
            process.kill()
            process.wait(10)
    finally:
        for process in started:
            process.kill()
            process.wait(10)
