# SPDX-License-Identifier: MIT
"""Every report tells production from a lab, and for which change it was armed and by whom."""

from __future__ import annotations

from dataclasses import replace

import pytest
from samples import every

from pytest_harehearse.report import html, markdown, terminal, wording


@pytest.fixture
def armed():
    """A run on a production, armed for a change with letters that mean something in markup."""
    run = every()["unknown"]
    clusters = tuple(replace(one, kind="production", change="CHG<1>", armed_by="ops@desk") for one in run.clusters)
    return replace(run, clusters=clusters)


def test_the_page(armed):
    """In the table of clusters, with its markup escaped."""
    page = html.render(armed)
    assert "armed for change CHG&lt;1&gt; by ops@desk" in page
    assert 'class="kind production">production<' in page


def test_the_ticket(armed):
    """In the line of the cluster at its end."""
    text = markdown.render(armed)
    assert "armed for change CHG&lt;1&gt; by ops\\@desk" in text
    assert "**PRODUCTION**" in text


def test_the_terminal(armed):
    """Beside the cluster's name."""
    text = "\n".join(line for line, _ in terminal.lines(armed, "report.html", verbosity=0, ascii_only=False))
    assert "(PRODUCTION, patroni, armed for change CHG<1> by ops@desk)" in text


def test_what_was_not_armed_says_nothing_of_it():
    """A lab's report is as before."""
    run = every()["passed"]
    assert [wording.armed(cluster) for cluster in run.clusters] == [""] * len(run.clusters)
    assert "armed" not in markdown.render(run)
