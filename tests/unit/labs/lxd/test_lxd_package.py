# SPDX-License-Identifier: MIT
"""The lab's own package: what apt and dpkg make of it is tested in the lab, here that it is well formed and stays the same."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import tarfile

import pytest

from pytest_harehearse.labs.lxd import image, package


def members(data):
    """The members of an ar archive, read back by the format's own rules."""
    assert data[:8] == b"!<arch>\n"
    found, at = {}, 8
    while at < len(data):
        header = data[at : at + 60]
        assert header[58:] == b"`\n"
        size = int(header[48:58])
        found[header[:16].decode().strip()] = data[at + 60 : at + 60 + size]
        at += 60 + size + size % 2
    return found


def files(part):
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(part))) as tar:
        return {entry.name: (entry.mode, tar.extractfile(entry).read().decode()) for entry in tar if entry.isfile()}


@pytest.mark.parametrize("version", package.versions())
def test_a_package_is_well_formed(version):
    """Three members in their order, a script that may be run, the service and nginx's snippet."""
    found = members(package.build(version))
    assert list(found) == ["debian-binary", "control.tar.gz", "data.tar.gz"]
    assert found["debian-binary"] == b"2.0\n"
    control = files(found["control.tar.gz"])
    assert f"Package: harehearse-demo\nVersion: {version}\n" in control["./control"][1]
    assert control["./postinst"][0] == 0o755
    data = files(found["data.tar.gz"])
    assert "./lib/systemd/system/harehearse-demo.service" in data
    assert "./etc/nginx/conf.d/harehearse-demo.conf" in data
    assert package.build(version) == package.build(version)


def test_each_kind_breaks_what_it_says():
    """And the good patch breaks nothing: its snippet is a comment."""
    snippet = {
        v: files(members(package.build(v))["data.tar.gz"])["./etc/nginx/conf.d/harehearse-demo.conf"][1]
        for v in package.versions()
    }
    assert {v for v, text in snippet.items() if not text.startswith("# harehearse-demo")} == {"1.5+start", "1.5+load"}
    scripts = {v: files(members(package.build(v))["control.tar.gz"])["./postinst"][1] for v in package.versions()}
    assert [v for v, text in scripts.items() if "exit 1" in text] == ["1.5+half"]
    assert [v for v, text in scripts.items() if "demo-stuck" in text] == ["1.5+reboot"]


def test_the_index_names_every_file_with_its_hash():
    """By which apt finds and trusts them; the good patch is the highest version, so that no broken one comes by itself."""
    found = package.repository()
    index = found.pop("Packages").decode()
    for name, data in found.items():
        assert f"Filename: ./{name}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n" in index
    versions = re.findall(r"Version: (.+)", index)
    assert versions == list(package.versions())
    assert max(float(version.partition("+")[0]) for version in versions) == float(package.GOOD)


def test_another_package_makes_another_image(monkeypatch):
    """The image is kept by the hash of all that is in it."""
    before = image.digest()
    monkeypatch.setattr(package, "_SERVICE", "[Unit]\nDescription={version}\n")
    assert image.digest() != before
