# SPDX-License-Identifier: MIT
"""Where services are asked from: each place is a service of its own, and one that is not named is told."""

import pytest

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.inventory.load import load

HEAD = """
[environments.lab]
kind = "lab"
provider = "hosts"
vantages = {{ {vantages} }}
[environments.lab.clusters.web]
manager = "pacemaker"
nodes = ["web1"]
[[environments.lab.clusters.web.services]]
name = "page"
probe = "http"
url = "http://192.0.2.1/"
interruption = "5s"
{more}
"""
BRANCH = 'branch = "ssh=ops@branch//python=/opt/x/bin/python", office = "popen"'


@pytest.fixture
def services(tmp_path):
    def read(more="", vantages=BRANCH):
        path = tmp_path / "harehearse.toml"
        path.write_text(HEAD.format(vantages=vantages, more=more))
        return load(path).clusters["lab/web"].services

    return read


def test_it_is_asked_from_here_unless_told(services):
    [page] = services()
    assert (page.name, page.vantage, page.via) == ("page", "", "")


def test_each_place_is_a_service_of_its_own(services):
    found = services('vantages = ["here", "branch", "office"]')
    assert [(one.name, one.vantage, one.via) for one in found] == [
        ("page", "", ""),
        ("page@branch", "branch", "ssh=ops@branch//python=/opt/x/bin/python"),
        ("page@office", "office", "popen"),
    ]
    assert {(one.url, one.interruption, one.every) for one in found} == {("http://192.0.2.1/", 5.0, 0.02)}


def test_it_may_be_asked_from_elsewhere_alone(services):
    assert [one.name for one in services('vantages = ["office"]')] == ["page@office"]


@pytest.mark.parametrize(
    ("more", "vantages", "expected"),
    [
        ('vantages = ["brunch"]', BRANCH,
         "services[0].vantages[0] is 'brunch'; valid are: here, branch, office. Did you mean 'branch'?"),
        ('vantages = ["branch"]', "", "services[0].vantages[0] is 'branch'; valid are: here."),
        ('vantages = ["branch", "branch"]', BRANCH, "services[0].vantages[1] is 'branch' once more."),
        ('mode = "write"\nwrite = "a.py:f"\nlookup = "a.py:g"\nvantages = ["here", "branch"]', BRANCH,
         "services[0].vantages[1] is 'branch'; a function in a file is called here only."),
        ("", 'here = "popen"', "vantages.here cannot be named: it is always there, the machine that pytest runs on."),
        ("", 'branch = "socket=1.2.3.4:5"',
         "vantages.branch is 'socket=1.2.3.4:5'; it must begin as a gateway of execnet does: ssh=[USER@]HOST, or popen."),
        ("", 'branch = "branch"',
         "vantages.branch is 'branch'; it must begin as a gateway of execnet does: ssh=[USER@]HOST, or popen."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(services, more, vantages, expected):
    with pytest.raises(ConfigError) as refused:
        services(more, vantages)
    [problem] = refused.value.problems
    assert problem.replace("environments.lab.clusters.web.", "").endswith(f" {expected}") or problem.endswith(
        f" environments.lab.{expected}"
    )
