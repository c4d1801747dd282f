# SPDX-License-Identifier: MIT
"""A right file becomes plain data; a file that cannot be read says where and what to do."""

import subprocess
import sys
from dataclasses import replace

import pytest

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.inventory.load import find, load
from pytest_harehearse.inventory.model import Cluster, Gates, Node, Service

REFERENCE = """
default_environment = "demo"

[environments.demo]
kind = "lab"
provider = "embedded"

[environments.demo.clusters.orders]
manager = "patroni"
nodes = ["n1", "n2", "n3"]

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
every = "25ms"
timeout = "70ms"
interruption = "5s"

[environments.production]
kind = "production"

[environments.production.clusters.web]
manager = "pacemaker"
twin = "lab/web"
group = "web"
allow = ["switchover", "patch"]
windows = ["Tue 01:00-03:00 Europe/Berlin"]
nodes = [
  { name = "web1", url = "ssh://ops@10.1.0.11" },
  { name = "web2", url = "ssh://ops@10.1.0.12" },
]
[environments.production.clusters.web.gates]
rehearsed_within = "7d"
rehearsals = 3
interruption = "5s"
"""

SERVICE = """
[environments.lab]
kind = "lab"
provider = "vagrant"
[environments.lab.clusters.db]
manager = "galera"
nodes = ["a"]
[[environments.lab.clusters.db.services]]
name = "main"
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A path for the inventory, in the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "harehearse.toml"


def service(file, lines, environ=None):
    """Load the one service made of these lines."""
    file.write_text(SERVICE + lines)
    return load(file, environ or {}).clusters["lab/db"].services[0]


def test_the_reference_file_becomes_plain_data(file):
    """Every setting of the reference arrives, durations as seconds."""
    file.write_text(REFERENCE)
    inventory = load(file, {})
    assert inventory.path == file
    assert inventory.default_environment == "demo"
    assert (inventory.store, inventory.history) == (None, None)
    assert inventory.clusters == {
        "demo/orders": Cluster(
            "demo", "orders", "lab", "patroni", (Node("n1"), Node("n2"), Node("n3")), provider="embedded"
        ),
        "lab/web": Cluster(
            environment="lab",
            name="web",
            kind="lab",
            manager="pacemaker",
            nodes=(Node("web1"), Node("web2")),
            provider="lxd",
            group="web",
            services=(Service("page", "http", "http://198.18.0.100/", every=0.025, timeout=0.07, interruption=5.0),),
        ),
        "production/web": Cluster(
            environment="production",
            name="web",
            kind="production",
            manager="pacemaker",
            nodes=(Node("web1", "ssh://ops@10.1.0.11"), Node("web2", "ssh://ops@10.1.0.12")),
            group="web",
            twin="lab/web",
            allow=("switchover", "patch"),
            windows=("Tue 01:00-03:00 Europe/Berlin",),
            gates=Gates(rehearsed_within=604800.0, rehearsals=3, interruption=5.0),
        ),
    }


@pytest.mark.parametrize(
    ("probe", "pace"),
    [("http", (0.02, 0.06)), ("tcp", (0.02, 0.06)), ("postgresql", (0.05, 0.5)), ("mysql", (0.05, 0.5))],
)
def test_the_pace_follows_the_probe(file, probe, pace):
    """A probe that logs in is slower than one that only connects, unless the file says otherwise."""
    loaded = service(file, f'probe = "{probe}"\nurl = "x"')
    assert (loaded.every, loaded.timeout) == pace
    slower = service(file, f'probe = "{probe}"\nurl = "x"\nevery = "1s"\ntimeout = "2s"')
    assert slower == replace(loaded, every=1.0, timeout=2.0)


def test_timers_and_the_longest_interruption_arrive(file):
    """In seconds; without them a minute, and no limit."""
    text = '[environments.a]\nkind = "lab"\nprovider = "embedded"\n[environments.a.clusters.b]\nmanager = "patroni"\nnodes = ["n", "m"]\n'
    file.write_text(text)
    plain = load(file).clusters["a/b"]
    assert (plain.abort_after, plain.dead_man, plain.lease) == (None, 60.0, 60.0)
    file.write_text(text + 'abort_after = "2min"\ndead_man = "5s"\nlease = "90s"\n')
    told = load(file).clusters["a/b"]
    assert (told.abort_after, told.dead_man, told.lease) == (120.0, 5.0, 90.0)


def test_a_timer_that_is_too_short_is_refused(file):
    """It counts whole seconds, so one second is none."""
    text = '[environments.a]\nkind = "lab"\nprovider = "embedded"\n[environments.a.clusters.b]\nmanager = "patroni"\nnodes = ["n", "m"]\n'
    file.write_text(text + 'dead_man = "1s"\n')
    with pytest.raises(ConfigError, match="is '1s'; it must be at least 2s: it counts in whole seconds"):
        load(file)


def test_http_settings_arrive(file):
    """Statuses, text, responder's header, mode and the user's two callables are those of the file."""
    loaded = service(
        file,
        'probe = "http"\nurl = "x"\nstatus = [200, 503]\ncontains = "ok"\nmode = "write"\nresponder = "X-Node"\n'
        'write = "probes/shop.py:put"\nlookup = "/srv/shop.py:numbers"',
    )
    assert (loaded.status, loaded.contains, loaded.mode, loaded.responder) == ((200, 503), "ok", "write", "X-Node")
    # Files are found from the inventory's folder, wherever the command is called.
    assert (loaded.write, loaded.lookup) == (f"{file.parent}/probes/shop.py:put", "/srv/shop.py:numbers")


def test_session_settings_arrive(file):
    """A held session, its limit for slow answers, TCP_USER_TIMEOUT and its layer."""
    loaded = service(
        file,
        'probe = "redis"\nurl = "x"\nsession = "held"\nslow = "5ms"\nuser_timeout = "3s"\nlayer = "application"',
    )
    assert (loaded.session, loaded.slow, loaded.user_timeout, loaded.layer) == ("held", 0.005, 3.0, "application")


def test_variables_are_taken_from_the_environment(file):
    """Secrets come from outside, and an escaped one stays plain text."""
    loaded = service(
        file, 'probe = "mysql"\nurl = "mysql://u:${PW}@h/$${db}"\nevery = "${EVERY}"', {"PW": "${x}", "EVERY": "1s"}
    )
    assert (loaded.url, loaded.every) == ("mysql://u:${x}@h/${db}", 1.0)


def test_secrets_are_not_in_the_repr(file):
    """Assertion introspection prints reprs; no URL is in one."""
    file.write_text(
        'history = "postgresql://u:hunter2@h/db"\n' + SERVICE + 'probe = "mysql"\nurl = "mysql://u:hunter2@h"'
    )
    inventory = load(file, {})
    assert inventory.history == "postgresql://u:hunter2@h/db"
    assert "hunter2" not in repr(inventory)


def test_a_byte_order_mark_and_windows_line_ends_are_fine(file):
    """Editors on Windows write both."""
    file.write_bytes(b"\xef\xbb\xbf" + REFERENCE.replace("\n", "\r\n").encode())
    assert list(load(file, {}).clusters) == ["demo/orders", "lab/web", "production/web"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b'a = "x"\nb 1\n',
            "harehearse.toml:2: is not valid TOML: Expected '=' after a key in a key/value pair, at column 3.",
        ),
        (b"a = 1\nb = [\n", "harehearse.toml:2: is not valid TOML: Invalid value, at the end of the file."),
        (b"a = 1\n# \xff\n", "harehearse.toml:2: is not UTF-8 text; save the file as UTF-8."),
    ],
)
def test_a_broken_file_says_the_line(file, content, message):
    """Editors jump to file:line."""
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(file, {})
    assert str(caught.value) == message


@pytest.mark.parametrize("content", ["a = " + "9" * 5000, "a = " + "[" * 5000])
def test_a_file_beyond_the_limits_of_the_reader_is_refused(file, content):
    """Even an absurd file ends in a sentence."""
    file.write_text(content)
    with pytest.raises(ConfigError) as caught:
        load(file, {})
    assert str(caught.value) == "harehearse.toml: cannot be read: a number is too long, or lists are nested too deeply."


def test_a_missing_file_says_how_to_write_one(file):
    """The first thing a newcomer meets names the command that helps."""
    with pytest.raises(ConfigError) as caught:
        load(file, {})
    assert str(caught.value) == (
        "harehearse.toml: there is no such file. Run 'harehearse init' to write one,"
        " or name another with --harehearse-config."
    )


def test_a_directory_in_place_of_the_file_is_told(file):
    """What cannot be read says why, and no traceback appears."""
    file.mkdir()
    with pytest.raises(ConfigError) as caught:
        load(file, {})
    assert str(caught.value) == (
        "harehearse.toml: cannot be read: Is a directory. Make it readable, run 'harehearse init' to write a new one,"
        " or name another with --harehearse-config."
    )


def test_a_file_elsewhere_is_named_in_full(file, monkeypatch):
    """A name alone would be looked for in the wrong directory."""
    (file.parent / "elsewhere").mkdir()
    monkeypatch.chdir(file.parent / "elsewhere")
    with pytest.raises(ConfigError) as caught:
        load(file, {})
    assert str(caught.value).startswith(f"{file}: there is no such file.")


def test_the_nearest_file_upward_is_found(tmp_path):
    """A directory of that name is passed over."""
    deep = tmp_path / "a" / "b"
    (deep / "harehearse.toml").mkdir(parents=True)
    assert find(deep) is None
    (tmp_path / "harehearse.toml").touch()
    assert find(deep) == tmp_path / "harehearse.toml"
    (tmp_path / "a" / "harehearse.toml").touch()
    assert find(deep) == tmp_path / "a" / "harehearse.toml"


def test_importing_the_inventory_does_not_load_pydantic():
    """A plain pytest in a project without rehearsals must not become slower."""
    modules = ", ".join(f"pytest_harehearse.inventory.{name}" for name in ("load", "model", "select", "wording"))
    code = f"import sys, {modules}; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
