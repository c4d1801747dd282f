# SPDX-License-Identifier: MIT
"""What the real apt answers to the dry run of a package patch, on a folder that it takes for its root."""

from __future__ import annotations

import os
import shutil

import pytest

from pytest_harehearse.rehearsal.patching.patches import packages
from pytest_harehearse.remote.local import LocalChannel

pytestmark = [
    pytest.mark.skipif(shutil.which("apt-get") is None, reason="there is no apt here"),
    # Commands of a channel are root's, by sudo, which takes the environment away that leads apt into the folder.
    pytest.mark.skipif(os.geteuid() != 0, reason="apt can be led into a folder only without sudo"),
]

ENTRY = "Package: hh-demo\nVersion: {}\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n"


class Apt:
    """The folder: hh-demo 1.0 is installed, and a repository has 2.0."""

    def __init__(self, folder):
        self.repository, self.sources = folder / "repository", folder / "etc/apt/sources.list.d/x.list"
        self.status = folder / "var/lib/dpkg/status"
        for name in (
            "etc/apt/apt.conf.d",
            "etc/apt/preferences.d",
            "var/lib/apt/lists/partial",
            "var/cache/apt/archives/partial",
        ):
            (folder / name).mkdir(parents=True)
        for path in (self.repository / "Packages", self.sources, self.status):
            path.parent.mkdir(parents=True, exist_ok=True)
        (self.repository / "Packages").write_text(
            ENTRY.format("2.0") + f"Filename: ./x.deb\nSize: 1\nSHA256: {'0' * 64}\n\n"
        )
        self.sources.write_text(f"deb [trusted=yes] file:{self.repository} ./\n")
        self.installed("install ok installed")
        (folder / "conf").write_text(
            f'Dir "{folder}";\nDir::State::status "{self.status}";\nAPT::Sandbox::User "root";\n'
        )

    def installed(self, status):
        self.status.write_text(ENTRY.format("1.0") + f"Status: {status}\n\n")


@pytest.fixture
def apt(tmp_path, monkeypatch):
    made = Apt(tmp_path)
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "conf"))
    return made


def limitation(*names):
    return packages(*names, manager="apt").limitation("n2", LocalChannel("n2"))


def test_what_can_be_installed(apt):
    """By its name and by its version."""
    assert limitation("hh-demo") is None
    assert limitation("hh-demo=2.0") is None


def test_a_package_that_is_held(apt):
    """The command that lifts it stands beside the reason."""
    apt.installed("hold ok installed")
    assert limitation("hh-demo") == "n2: it cannot be installed: hh-demo is held there (apt-mark unhold hh-demo)"
    assert limitation("hh-demo=2.0") == "n2: it cannot be installed: hh-demo is held there (apt-mark unhold hh-demo)"


def test_a_repository_that_is_gone(apt):
    """Its lists cannot be fetched: old ones must not be taken for today's."""
    shutil.rmtree(apt.repository)
    assert limitation("hh-demo").startswith("n2: its package lists could not be fetched: E: ")


def test_a_repository_that_is_not_configured(apt):
    """A version that nobody offers cannot be installed."""
    apt.sources.unlink()
    assert limitation("hh-demo=2.0") == "n2: it cannot be installed: no repository there has hh-demo"
    assert limitation("hh-other").startswith("n2: it cannot be installed: E: ")


def test_an_installed_package_that_no_repository_has(apt):
    """Without a repository there is nothing newer to be found, which must not pass for patched."""
    apt.sources.unlink()
    assert limitation("hh-demo") == "n2: it cannot be installed: no repository there has hh-demo"


def test_the_versions_that_would_be_installed(apt):
    """The newest that a repository has, or the one that was named."""
    channel = LocalChannel("n2")
    assert limitation("hh-demo") is None
    assert packages("hh-demo", manager="apt").candidates("n2", channel) == {"hh-demo": "2.0"}
    assert packages("hh-demo=1.5", manager="apt").candidates("n2", channel) == {"hh-demo": "1.5"}
    assert packages("security", manager="apt").candidates("n2", channel) == {}
