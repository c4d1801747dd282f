# SPDX-License-Identifier: MIT
"""A repository of two versions of a package, and the real dnf and zypper led into a folder that they take for their root."""

from __future__ import annotations

import os
import shutil
import subprocess
import textwrap

import pytest

from pytest_harehearse.rehearsal.patching.patches import packages
from pytest_harehearse.remote.local import LocalChannel

NEEDED = ("dnf", "zypper", "rpm", "rpmbuild", "createrepo_c", "modifyrepo_c")
SPEC = """
Name: {name}
Version: %{{v}}
Release: 1
Summary: x
License: MIT
BuildArch: noarch
%description
x
%files
"""
ADVISORY = """<updates><update from="x" status="stable" type="security" version="1"><id>HH-1</id><title>x</title>
<severity>Important</severity><issued date="2026-01-01 00:00:00"/><description>x</description><pkglist><collection short="x">
<name>x</name><package name="hh-demo" version="1.1" release="1" epoch="0" arch="noarch" src="hh-demo-1.1-1.src.rpm">
<filename>hh-demo-1.1-1.noarch.rpm</filename></package></collection></pkglist></update></updates>
"""


def pytest_collection_modifyitems(items):
    """Without the tools there is nothing to test; what must not be skipped, CI counts."""
    missing = [tool for tool in NEEDED if shutil.which(tool) is None]
    why = f"{', '.join(missing)} not installed" if missing else None
    if os.geteuid() != 0:
        why = "package tools can be led into a folder only without sudo"
    for item in items:
        if why and item.path.parent.name == "patching":
            item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """A repository with 1.0 and 1.1 of hh-demo and hh-other; an advisory marks the first one's 1.1 as a security update."""
    folder = tmp_path_factory.mktemp("rpm")
    repository = folder / "repository"
    repository.mkdir()
    for name in ("hh-demo", "hh-other"):
        spec = folder / f"{name}.spec"
        spec.write_text(SPEC.format(name=name))
        for version in ("1.0", "1.1"):
            run(
                "rpmbuild",
                "--quiet",
                "-bb",
                "--define",
                f"v {version}",
                "--define",
                f"_topdir {folder / 'top'}",
                str(spec),
            )
    for path in (folder / "top").rglob("*.rpm"):
        shutil.copy(path, repository)
    run("createrepo_c", "-q", str(repository))
    advisory = folder / "updateinfo.xml"
    advisory.write_text(ADVISORY)
    run("modifyrepo_c", str(advisory), str(repository / "repodata"))
    return repository


def run(*words):
    subprocess.run(words, check=True, capture_output=True, text=True, timeout=120)


class Root:
    """A folder that a package tool takes for its root, and a repository of its own."""

    def __init__(self, tool, folder, repository):
        self.tool, self.folder, self.root = tool, folder, folder / "root"
        self.repository = folder / "repository"
        shutil.copytree(repository, self.repository)
        self.channel = LocalChannel("n2")

    def installed(self):
        """Name and version of every package in it."""
        said = subprocess.run(
            ["/usr/bin/rpm", "--root", str(self.root), "-qa", "--qf", "%{NAME} %{VERSION}\n"], check=True, capture_output=True,
            text=True, timeout=60,
        )  # fmt: skip
        return sorted(said.stdout.splitlines())

    def patch(self, *names):
        return packages(*names, manager=self.tool)

    def limitation(self, *names):
        return self.patch(*names).limitation("n2", self.channel)

    def apply(self, *names):
        return self.patch(*names).apply("n2", self.channel)


def program(folder, name, text):
    """Put a program first on the path."""
    path = folder / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(textwrap.dedent(text))
    path.chmod(0o755)


@pytest.fixture
def dnf(tmp_path, monkeypatch, built):
    """dnf with a root of its own, in which hh-demo and hh-other 1.0 are installed."""
    made = Root("dnf", tmp_path, built)
    (tmp_path / "repos.d").mkdir()
    (tmp_path / "repos.d/hh.repo").write_text(
        f"[hh]\nname=hh\nbaseurl=file://{made.repository}\nenabled=1\ngpgcheck=0\nmetadata_expire=0\n"
    )
    settings = {name: tmp_path / name for name in ("cachedir", "persistdir", "logdir", "varsdir")}
    (tmp_path / "dnf.conf").write_text(
        f"[main]\ngpgcheck=0\nplugins=0\nreposdir={tmp_path / 'repos.d'}\n"
        + "".join(f"{name}={path}\n" for name, path in settings.items())
    )
    program(
        tmp_path, "dnf",
        f'#!/bin/sh\nexec /usr/bin/dnf -c {tmp_path / "dnf.conf"} --installroot={made.root} --releasever=1 "$@"\n',
    )  # fmt: skip
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    run("dnf", "-q", "-y", "install", "hh-demo-1.0", "hh-other-1.0")
    return made


@pytest.fixture
def zypper(tmp_path, monkeypatch, built):
    """zypper, the same."""
    made = Root("zypper", tmp_path, built)
    repositories = made.root / "etc/zypp/repos.d"
    repositories.mkdir(parents=True)
    (repositories / "hh.repo").write_text(
        f"[hh]\nname=hh\nenabled=1\nautorefresh=0\nbaseurl=dir://{made.repository}\ntype=rpm-md\ngpgcheck=0\n"
    )
    program(tmp_path, "zypper", f'#!/bin/sh\nexec /usr/bin/zypper --root {made.root} --no-gpg-checks "$@"\n')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    run("zypper", "-q", "-n", "refresh")
    run("zypper", "-q", "-n", "install", "hh-demo=1.0", "hh-other=1.0")
    return made


@pytest.fixture(params=["dnf", "zypper"])
def tool(request):
    """Each of them in turn."""
    return request.getfixturevalue(request.param)
