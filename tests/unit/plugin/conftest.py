# SPDX-License-Identifier: MIT
"""Projects to run pytest in, in this process or in one of its own."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
import static_lab

# Loaded once: pytester forgets what is first imported inside a run.
from pytest_harehearse.history.index import history as history
from pytest_harehearse.inventory import problems as problems
from pytest_harehearse.labs import home
from pytest_harehearse.probes.kinds import tcp as tcp
from pytest_harehearse.rehearsal import controller as controller
from pytest_harehearse.report import live as live

HERE = Path(__file__).parent

EMBEDDED = """
[environments.demo]
kind = "lab"
provider = "embedded"
[environments.demo.clusters.orders]
manager = "patroni"
nodes = ["n1", "n2", "n3"]
"""

STATIC = """
[environments.lab]
kind = "lab"
provider = "lxd"
[environments.lab.clusters.web]
manager = "patroni"
nodes = ["n1", "n2"]
[[environments.lab.clusters.web.services]]
name = "door"
probe = "tcp"
url = "tcp://127.0.0.1:{port}"
"""

CONFTEST = """
import static_lab

def pytest_configure(config):
    if hasattr(config, "workerinput"):
        return
    plugin = static_lab.Plugin({port})
    plugin.pytest_configure()
    config.add_cleanup(plugin.pytest_unconfigure)
"""


@pytest.fixture(autouse=True)
def _locks_of_its_own(tmp_path_factory, monkeypatch):
    """Locks of runs in this process lie apart from those of real labs."""
    folder = tmp_path_factory.mktemp("base")
    monkeypatch.setattr(home, "base", lambda: folder)
    monkeypatch.setenv("STATIC_LAB_LOCKS", str(folder))


@pytest.fixture(autouse=True)
def _inner_options(pytester, monkeypatch):
    """Runs inside load no plugin that only the tests outside need."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:cacheprovider -p no:hypothesispytest -p no:syrupy")


@pytest.fixture
def embedded(pytester):
    """A project on the embedded lab, which none of these tests may start."""
    pytester.path.joinpath("harehearse.toml").write_text(EMBEDDED)
    return pytester


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@pytest.fixture
def static(pytester, monkeypatch):
    """A project on the lab in memory, with one TCP service."""
    port = free_port()
    pytester.path.joinpath("harehearse.toml").write_text(STATIC.format(port=port))
    pytester.makeconftest(CONFTEST.format(port=port))
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    return pytester


@pytest.fixture
def world():
    """The lab in memory."""
    return static_lab.world


@pytest.fixture
def summary(pytester):
    """``summary()`` returns the run.json of the project's only run."""

    def read(number: int = 0) -> dict:
        runs = sorted((pytester.path / ".harehearse" / "runs").iterdir())
        return json.loads((runs[number] / "run.json").read_text())

    return read
