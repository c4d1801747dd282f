# SPDX-License-Identifier: MIT
"""The image: built once for a recipe, kept, and told when it cannot be built; the builder is a stand-in here."""

from __future__ import annotations

import io
import json
import tarfile

import pytest

from pytest_harehearse.errors import LabError
from pytest_harehearse.labs.lxd import image


@pytest.fixture
def builder(tmp_path, monkeypatch):
    """A stand-in for mmdebstrap whose behaviour a test writes."""
    monkeypatch.setattr(image, "cache", lambda: tmp_path / "cache")
    monkeypatch.setattr(image, "_roomy", lambda: False)
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def write(text):
        (folder / "mmdebstrap").write_text(f"#!/bin/sh\nfor target; do :; done\n{text}\n")
        (folder / "mmdebstrap").chmod(0o755)
        return tmp_path / "cache"

    return write


def test_it_is_built_once(builder):
    """The second lab takes what the first one built; its steps are told."""
    cache = builder('echo "I: extracting archives..." >&2; echo built > "$target"')
    said = []
    path = image.image(said.append)
    assert path.read_text() == "built\n"
    assert said[0].startswith("building the image of the nodes from Debian bookworm's packages")
    assert "  extracting archives" in said
    builder("exit 1")
    assert image.image(said.append) == path
    assert [entry.name for entry in cache.iterdir()] == [f"node-{image.digest()}.tar.zst"]


def test_another_recipe_is_another_image(builder, monkeypatch):
    """And the image of the recipe before is not kept."""
    cache = builder('echo built > "$target"')
    first = image.image(print)
    monkeypatch.setattr(image, "PACKAGES", ("systemd",))
    second = image.image(print)
    assert first != second
    assert [entry for entry in cache.iterdir() if entry.suffix == ".zst"] == [second]


def test_without_a_network_it_says_so_and_leaves_nothing(builder):
    """What the builder said last stands in the message; no half-built image is taken for one."""
    cache = builder('echo half > "$target"; echo "E: Unable to fetch some archives" >&2; exit 25')
    with pytest.raises(LabError) as caught:
        image.image(print)
    assert "mmdebstrap ended with 25" in str(caught.value)
    assert "It needs Debian's package archive" in str(caught.value)
    assert str(caught.value).endswith("E: Unable to fetch some archives")
    assert image.built() is None
    assert list(cache.iterdir()) == []


def test_without_room_nothing_is_begun(builder, monkeypatch):
    """Said before a byte is fetched."""
    builder("exit 99")
    monkeypatch.setattr(image.shutil, "disk_usage", lambda folder: type("U", (), {"free": 1000 * 2**20})())
    with pytest.raises(LabError, match=r"needs 2500 MiB in .*, of which 1000 MiB are free"):
        image.image(print)


def test_without_the_builder_it_names_the_package(tmp_path, monkeypatch):
    """With the command that installs it."""
    monkeypatch.setattr(image, "cache", lambda: tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabError, match="sudo apt-get install mmdebstrap"):
        image.image(print)


def test_a_build_without_end_is_ended(builder, monkeypatch):
    """At its deadline, with every process of it."""
    cache = builder("sleep 60")
    monkeypatch.setattr(image, "BUILD_S", 0.5)
    with pytest.raises(LabError, match="The image was not built within"):
        image.image(print)
    assert list(cache.iterdir()) == []


def test_lxd_gets_the_metadata_it_wants():
    """A tar of metadata.yaml; JSON is YAML, and an image without a date is refused by LXD."""
    with tarfile.open(fileobj=io.BytesIO(image.metadata())) as tar:
        found = json.loads(tar.extractfile("metadata.yaml").read())
    assert found["creation_date"] > 0
    assert found["architecture"]
