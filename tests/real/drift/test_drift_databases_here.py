# SPDX-License-Identifier: MIT
"""PostgreSQL, Patroni and etcd that run are read by the real script; files of Sentinel and keepalived, key by key."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from pytest_harehearse.drift.areas import AREAS, SCRIPT
from pytest_harehearse.drift.collect import collect
from pytest_harehearse.drift.compare import between_nodes
from pytest_harehearse.drift.parse import parse
from pytest_harehearse.drift.snapshot import Snapshot
from pytest_harehearse.inventory.load import load
from pytest_harehearse.labs.base import lab_of
from pytest_harehearse.remote.base import Done, Script
from pytest_harehearse.remote.local import LocalChannel

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="reading a host is root's")

INVENTORY = """
[environments.trial]
kind = "lab"
provider = "embedded"
[environments.trial.clusters.orders]
manager = "patroni"
nodes = ["n1", "n2"]
"""
PLANTED = "hunter2-planted"


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A cluster of PostgreSQL, Patroni and etcd on this machine."""
    (tmp_path / "harehearse.toml").write_text(INVENTORY)
    inventory = load(tmp_path / "harehearse.toml")
    lab = lab_of(inventory, inventory.environments["trial"])
    # Its servers are root's here, who is no role of theirs; on a host the owner's name is one.
    monkeypatch.setenv("PGUSER", "postgres")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    lab.up(lambda _: None, keep=False)
    try:
        yield lab
    finally:
        lab.down(lambda _: None)


def test_what_runs_is_told_as_it_was_told_to_run(lab):
    """Dynamic settings by the store, local ones by the file, PostgreSQL's by itself, etcd's by its process."""
    named = [str(path) for path in sorted(lab.home.rglob("patroni.yml"))]
    assert len(named) == 2
    (found,) = collect("lab/here", {"here": LocalChannel("here")}, named)
    assert {"patroni", "patroni-local", "postgresql", "etcd"}.isdisjoint(found.problems), found.problems
    assert found.facts["patroni/loop_wait"] == "1"
    assert found.facts["patroni/postgresql.parameters.max_connections"] == "100"
    assert found.facts["patroni-local/scope"] == "orders"
    assert found.facts["postgresql/max_connections"] == "100"
    assert found.facts["postgresql/wal_level"] == "replica"
    assert {path for path in found.facts if path.startswith("etcd/")} == {"etcd/unsafe-no-fsync"}
    # What belongs to one node, and what opens doors, is not told.
    assert not {"postgresql/port", "postgresql/listen_addresses", "postgresql/data_directory"} & set(found.facts)
    told = [path for path in found.facts if path.startswith(("patroni", "postgresql", "etcd"))]
    assert not any("pass" in path or "authentication" in path for path in told)


def test_a_server_that_does_not_let_us_in_is_not_known(lab, monkeypatch):
    """Not the same as a host without one."""
    monkeypatch.setenv("PGUSER", "nobody-of-that-name")
    (found,) = collect("lab/here", {"here": LocalChannel("here")})
    assert "does not exist" in found.problems["postgresql"]
    assert not any(path.startswith("postgresql/") for path in found.facts)


def told(area, replaced=(), files=""):
    """Run the lines of one area here, with a path of theirs led elsewhere; return its facts."""
    text = AREAS[area]
    for there, here in replaced:
        assert there in text
        text = text.replace(there, str(here))
    done = LocalChannel("here").run(Script(f"files=$1; {text}", (files,)), deadline=20)
    assert isinstance(done, Done)
    assert done.rc == 0, done.err
    return dict(line.split("\t", 1) for line in done.out.splitlines())


KEEPALIVED = f"""! the pair
global_defs {{
  router_id lb1
}}
vrrp_instance VI_1 {{
    state BACKUP
    interface eth0    # the only one
    priority 100
    advert_int 1
    authentication {{
        auth_type PASS
        auth_pass {PLANTED}
    }}
    virtual_ipaddress {{
        198.18.0.100/24 dev eth0
    }}
}}
"""


def test_keepalived_is_told_key_by_key(tmp_path):
    """Without its password; the timer that decides how soon a master is missed has a path of its own."""
    (tmp_path / "keepalived.conf").write_text(KEEPALIVED)
    facts = told("keepalived", [("/etc/keepalived/keepalived.conf", tmp_path / "keepalived.conf")])
    assert facts == {
        "global_defs.router_id": "lb1",
        "vrrp_instance VI_1.state": "BACKUP",
        "vrrp_instance VI_1.interface": "eth0",
        "vrrp_instance VI_1.priority": "100",
        "vrrp_instance VI_1.advert_int": "1",
        "vrrp_instance VI_1.virtual_ipaddress.198.18.0.100/24": "dev eth0",
    }


def test_priorities_differ_by_nature_and_timers_must_not(tmp_path):
    """A pair that is as it should be has no drift; one whose timers differ has."""
    facts = {}
    for node, text in {
        "lb1": KEEPALIVED,
        "lb2": KEEPALIVED.replace("priority 100", "priority 90").replace("lb1", "lb2"),
        "lb3": KEEPALIVED.replace("advert_int 1", "advert_int 3").replace("lb1", "lb3"),
    }.items():
        (tmp_path / node).write_text(text)
        pairs = told("keepalived", [("/etc/keepalived/keepalived.conf", tmp_path / node)])
        facts[node] = Snapshot("lab/web", node, "", {f"keepalived/{key}": value for key, value in pairs.items()}, {}, {node: "<node>"})  # fmt: skip
    assert between_nodes([facts["lb1"], facts["lb2"]]).findings == ()
    (finding,) = between_nodes([facts["lb1"], facts["lb3"]]).findings
    assert (finding.path, finding.severity) == ("keepalived/vrrp_instance VI_1.advert_int", "forbidden")


def test_sentinel_is_told_without_what_it_writes_by_itself(tmp_path):
    """Its password, its id and what it learnt of others are no settings."""
    conf = tmp_path / "sentinel.conf"
    conf.write_text(
        "port 26379\nsentinel monitor shop 198.18.0.2 6379 2\nsentinel down-after-milliseconds shop 5000\n"
        f"sentinel auth-pass shop {PLANTED}\nsentinel myid 0123456789\nsentinel known-replica shop 198.18.0.3 6379\n"
        "sentinel failover-timeout shop 60000\nsentinel config-epoch shop 3\n"
    )
    assert told("sentinel", files=str(conf)) == {
        "down-after-milliseconds shop": "5000",
        "failover-timeout shop": "60000",
    }


def test_patroni_by_its_file(tmp_path):
    """Nested keys, lists, quotes and comments; nothing below a key that sounds like a secret, nothing of the very first start."""
    conf = tmp_path / "patroni-main.yml"
    conf.write_text(f"""
scope: orders
restapi:
  listen: 0.0.0.0:8008
  authentication:
    username: u
    password: {PLANTED}
etcd3:
  hosts:
  - 198.18.0.2:2379   # the first
  - 198.18.0.3:2379
bootstrap:
  dcs:
    ttl: 30
postgresql:
  data_dir: "/var/lib/pg"
  authentication: {{replication: {{password: {PLANTED}}}}}
  pg_hba:
    - host all all 0.0.0.0/0 md5
tags:
    nofailover: false
""")
    done = LocalChannel("here").run(Script(f"files=$1; {AREAS['patroni-local']}", (str(conf),)), deadline=20)
    assert isinstance(done, Done)
    assert done.out.split("\n") == [
        "scope\torders",
        "restapi.listen\t0.0.0.0:8008",
        "etcd3.hosts[]\t198.18.0.2:2379",
        "etcd3.hosts[]\t198.18.0.3:2379",
        "postgresql.data_dir\t/var/lib/pg",
        "postgresql.pg_hba[]\thost all all 0.0.0.0/0 md5",
        "tags.nofailover\tfalse",
    ]


def test_each_member_of_corosync_has_its_own_path(tmp_path):
    """Two members whose numbers are swapped are not the same."""
    conf = tmp_path / "corosync.conf"
    conf.write_text(
        "totem {\n  token: 3000\n  interface {\n    linknumber: 0\n  }\n  interface {\n    linknumber: 1\n  }\n}\n"
        "nodelist {\n  node {\n    name: a\n    nodeid: 1\n  }\n  node {\n    name: b\n    nodeid: 2\n  }\n}\n"
    )
    assert told("corosync-conf", [("/etc/corosync/corosync.conf", conf)]) == {
        "totem.token": "3000",
        "totem.interface.0.linknumber": "0",
        "totem.interface.1.linknumber": "1",
        "nodelist.node.0.name": "a",
        "nodelist.node.0.nodeid": "1",
        "nodelist.node.1.name": "b",
        "nodelist.node.1.nodeid": "2",
    }


def test_ports_without_ss_are_those_of_ss():
    """Read of the kernel's own tables, in the same words."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("::1", 0), family=socket.AF_INET6) as six:
        facts = told("port", [("command -v ss ", "command -v no-such-tool ")])
        assert facts[f"tcp 127.0.0.1:{one.getsockname()[1]}"] == "listening"
        assert facts[f"tcp [::1]:{six.getsockname()[1]}"] == "listening"
        assert facts == told("port")


def test_a_unit_among_those_of_packages_is_told_when_no_package_brought_it():
    """Units are read wherever systemd reads them; those that are as their package brought them are told by its version."""
    here = Path("/usr/lib/systemd/system") if Path("/usr/lib/systemd/system").is_dir() else Path("/lib/systemd/system")
    before = parse(_answer("unit"), {"unit": ""})
    here.mkdir(parents=True, exist_ok=True)
    planted = here / "harehearse-planted-by-a-test.service"
    planted.write_text("[Service]\n")
    try:
        after = parse(_answer("unit"), {"unit": ""})
    finally:
        planted.unlink()
    assert set(after.facts) - set(before.facts) == {f"unit/{planted}"}
    assert len(before.facts) < 20


def _answer(area):
    done = LocalChannel("here").run(Script(SCRIPT, ("", "20", area, AREAS[area])), deadline=30)
    assert isinstance(done, Done)
    return done.out
