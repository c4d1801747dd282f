# SPDX-License-Identifier: MIT
"""An LXD that runs already: used, and left as it was, to the last setting."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from pytest_harehearse.labs.lxd import daemon, image
from pytest_harehearse.labs.lxd.api import Api


@pytest.fixture
def theirs(labs):
    """Somebody's LXD with a pool and nothing else, in a folder short enough for its sockets."""
    labs.down()
    image.image(print)
    daemon.require(print)
    folder = Path(tempfile.mkdtemp(prefix="theirs-", dir="/tmp"))
    try:
        server = Api(daemon.start(folder, print))
        server.post("storage-pools", {"name": "theirs", "driver": "dir", "config": {}})
        yield folder, server
        server.delete("storage-pools/theirs")
    finally:
        daemon.end(folder)


def everything(server):
    """All that could have been changed."""
    kinds = ("projects", "networks", "storage-pools", "certificates", "images", "instances", "profiles")
    return {kind: sorted(server.names(kind)) for kind in kinds} | {"config": server.server["config"]}


def test_it_is_used_and_left_as_it_was(labs, theirs):
    """First refused, since fencing could not reach it; then used; afterwards nothing of ours is there."""
    folder, server = theirs
    refused = labs.command("lab", "up", "lab", LXD_DIR=str(folder))
    assert refused.status == 1
    assert "does not listen on the network" in refused.err
    assert "sudo lxc config set core.https_address :8443" in refused.err
    server.patch("", {"config": {"core.https_address": ":8443"}})
    before = everything(server)
    assert len(before["projects"]) == 1
    up = labs.command("lab", "up", "lab", within=300, LXD_DIR=str(folder))
    assert up.status == 0, up.err
    assert "in the LXD that was there, project harehearse-lab-" in labs.command("lab", "status", "lab").out
    assert len(everything(server)["projects"]) == 2
    down = labs.command("lab", "down", "lab")
    assert down.status == 0, down.err
    assert everything(server) == before
