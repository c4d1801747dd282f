# SPDX-License-Identifier: MIT
"""What the real dnf and zypper make of a package patch: what they do, and what they take for done and is not."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from pytest_harehearse.errors import Refused
from pytest_harehearse.rehearsal.patching.patches import packages
from pytest_harehearse.remote.local import LocalChannel

BEFORE = ["hh-demo 1.0", "hh-other 1.0"]


def test_the_named_package_and_no_other(tool):
    """Upgraded from the repository; the dry run before changes nothing."""
    assert tool.limitation("hh-demo") is None
    assert tool.installed() == BEFORE
    tool.apply("hh-demo")
    assert tool.installed() == ["hh-demo 1.1", "hh-other 1.0"]
    # A second time there is nothing to do, which is done.
    tool.apply("hh-demo")


def test_security_updates_are_those_of_an_advisory(tool):
    """And no other update."""
    assert tool.limitation("security") is None
    tool.apply("security")
    assert tool.installed() == ["hh-demo 1.1", "hh-other 1.0"]


def test_a_package_that_nobody_has(tool):
    """Is refused before anything is patched, and when it is done all the same."""
    offers = "offers" if tool.tool == "dnf" else "has"
    assert tool.limitation("hh-none").startswith(f"n2: it cannot be installed: no repository there {offers} hh-none")
    with pytest.raises(Refused, match="failed on n2 with status"):
        tool.apply("hh-none")
    assert tool.installed() == BEFORE


def test_a_repository_that_is_gone(tool):
    """Its lists cannot be fetched: old ones must not be taken for today's."""
    shutil.rmtree(tool.repository)
    assert tool.limitation("hh-demo").startswith("n2: its package lists could not be fetched: ")


def test_the_versions_that_would_be_installed(tool):
    """The newest that a repository has."""
    assert tool.patch("hh-demo").candidates("n2", tool.channel) == {"hh-demo": "1.1-1"}


def test_what_is_excluded_from_dnf(dnf):
    """It would be taken for patched."""
    with (dnf.folder / "dnf.conf").open("a") as file:
        file.write("excludepkgs=hh-demo\n")
    assert dnf.limitation("hh-demo") == (
        "n2: it cannot be installed: no repository there offers hh-demo (gone, or excluded by excludepkgs)"
    )


def test_what_is_locked_for_zypper(zypper):
    """zypper itself ends well and does nothing; the command that lifts it stands beside the reason."""
    subprocess.run(["zypper", "-q", "-n", "addlock", "hh-demo"], check=True, capture_output=True, timeout=60)
    assert (
        zypper.limitation("hh-demo")
        == "n2: it cannot be installed: hh-demo is locked there (zypper removelock hh-demo)"
    )
    assert zypper.limitation("hh-other") is None


@pytest.mark.parametrize(("ends", "ok"), [(102, True), (103, True), (104, False), (106, False), (8, False)])
def test_how_zypper_says_that_it_is_done(tmp_path, monkeypatch, ends, ok):
    """102 and 103: a reboot or a restart is due; every other status is a failure."""
    (tmp_path / "zypper").write_text(f"#!/bin/sh\nexit {ends}\n")
    (tmp_path / "zypper").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    patch = packages("hh-demo", manager="zypper")
    if ok:
        assert patch.apply("n2", LocalChannel("n2")) == "done"
    else:
        with pytest.raises(Refused, match=f"failed on n2 with status {ends}"):
            patch.apply("n2", LocalChannel("n2"))


def test_zypper_patches_itself_first(tmp_path, monkeypatch):
    """It ends with 103 and is run again for the rest, once."""
    (tmp_path / "zypper").write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/said\n[ "$(wc -l < {tmp_path}/said)" -gt 1 ] || exit 103\n'
    )
    (tmp_path / "zypper").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    packages("security", manager="zypper").apply("n2", LocalChannel("n2"))
    assert (tmp_path / "said").read_text().splitlines() == ["-q -n patch --category security"] * 2
