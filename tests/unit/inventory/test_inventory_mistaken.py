# SPDX-License-Identifier: MIT
"""A lab whose nodes are those of a production is a mistake that is found before anything is done."""

from __future__ import annotations

import pytest

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.inventory.load import load
from pytest_harehearse.inventory.mistaken import _place

BOTH = """
[environments.prod]
kind = "production"
[environments.prod.clusters.web]
manager = "pacemaker"
nodes = [{{ name = "web1", url = "{production}" }}, {{ name = "web2", url = "ssh://web2.example" }}]
[environments.stage]
kind = "{kind}"
{provider}
[environments.stage.clusters.web]
manager = "pacemaker"
nodes = [{{ name = "web1", url = "{lab}" }}]
"""


@pytest.fixture
def problems(tmp_path):
    """Load an inventory of two environments; return what is wrong with it."""

    def read(production, lab, kind="lab"):
        provider = 'provider = "hosts"' if kind == "lab" else ""
        path = tmp_path / "harehearse.toml"
        path.write_text(BOTH.format(production=production, lab=lab, kind=kind, provider=provider))
        try:
            load(path)
        except ConfigError as error:
            return list(error.problems)
        return []

    return read


def test_both_are_named(problems, monkeypatch, tmp_path):
    """And what would come of it; a URL may hold a user's name, so it is not shown."""
    monkeypatch.chdir(tmp_path)
    assert problems("ssh://ops@web1.example", "ssh://ops@web1.example") == [
        (
            "harehearse.toml: environments.stage.clusters.web.nodes[0].url leads where "
            "environments.prod.clusters.web.nodes[0].url does: stage/web is a lab and prod/web is production, and what is done "
            "to the one would be done to the other. Name another host, or remove one of them."
        )
    ]


@pytest.mark.parametrize(
    "lab",
    [
        "web1.example", "ssh://root@web1.example", "ssh://WEB1.example:22", "paramiko://web1.example", "openssh://web1.example",
        "ssh://web1.example?key=other", "web1.example.",
    ],
)  # fmt: skip
def test_the_same_host_by_another_spelling(problems, lab):
    """Another user, another key, another way of writing it lead to the same host."""
    assert len(problems("ssh://ops@web1.example", lab)) == 1


@pytest.mark.parametrize(
    "lab",
    [
        "ssh://web3.example",
        "ssh://web1.example:2222",
        "ssh://web1.example?jump=bastion",
        "lxd://web1.example",
        "local://",
    ],
)
def test_another_host(problems, lab):
    """Another port, another way in, and another kind of way may lead elsewhere."""
    assert problems("ssh://ops@web1.example", lab) == []


def test_two_productions_may_share_their_hosts(problems):
    """Both are guarded."""
    assert problems("ssh://web1.example", "ssh://web1.example", kind="production") == []


def test_the_machine_itself(problems):
    """``local://`` is one machine, however often it is written."""
    assert len(problems("local://", "local://localhost")) == 1


@pytest.mark.parametrize("url", ["ssh://[::1", "ssh://web1:99999", "ssh://", ""])
def test_what_cannot_be_read_is_told_elsewhere(url):
    """It leads nowhere that is known."""
    assert _place(url) is None
