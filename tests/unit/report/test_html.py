# SPDX-License-Identifier: MIT
"""The report page."""

import re
from dataclasses import replace

import pytest
import samples
from page import Page

from pytest_harehearse.history.summary import Verdict
from pytest_harehearse.report import html, wording

EVERY = samples.every()
each = pytest.mark.parametrize("name", EVERY)


@pytest.mark.parametrize("name", ["mixed", "weird", "patched"])
def test_page_is_golden(name, golden):
    """The page looks as it was approved."""
    assert html.render(EVERY[name]) == golden("html")


@each
def test_page_is_well_formed(name):
    """Every tag is closed, in order."""
    assert Page(html.render(EVERY[name])).faults == []


@each
def test_page_needs_nothing_from_elsewhere(name):
    """No reference leaves the run directory, by attribute or by style; there is no script."""
    text = html.render(EVERY[name])
    page = Page(text)
    assert [r for r in page.references if not r.startswith(("#", "./"))] == []
    assert "http://" not in text
    assert "https://" not in text
    assert "src=" not in text
    assert "@import" not in text
    assert set(re.findall(r"url\((.)", text)) <= {"#"}
    assert "script" not in page.tags
    assert [a for a in page.attributes if a[1].startswith("on")] == []


@each
def test_page_ids_are_unique_and_links_arrive(name):
    """No id comes twice, and every link within the page has a target."""
    page = Page(html.render(EVERY[name]))
    assert len(page.ids) == len(set(page.ids))
    assert {r[1:] for r in page.references if r.startswith("#")} <= set(page.ids)
    assert {r.id for r in EVERY[name].rehearsals} <= set(page.ids)


def test_page_with_the_same_rehearsal_twice_has_unique_ids():
    """Two rehearsals with one id still get a section and marks of their own."""
    page = Page(html.render(samples.run(samples.switchover(), samples.switchover())))
    assert len(page.ids) == len(set(page.ids))


def test_page_shows_hostile_text_as_text():
    """Text of tests, nodes and notes is never markup, and control characters do not reach the page."""
    text = html.render(EVERY["weird"])
    page = Page(text)
    assert "<script" not in text
    assert "<script>alert('x')</script>" in page.text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", text)


def test_page_with_hostile_file_names_links_into_the_run():
    """A probe's file cannot make a link that leads elsewhere."""
    service = samples.service(file="javascript:alert(1)")
    page = Page(html.render(samples.run(samples.switchover(services=(service,)))))
    assert "./javascript%3Aalert%281%29" in page.references


@each
def test_page_shows_every_limit_and_reason(name):
    """Each limit that was not kept stands on the page with its number, and each reason."""
    text = Page(html.render(EVERY[name])).text
    for rehearsal in EVERY[name].rehearsals:
        assert " ".join(wording.plain(rehearsal.reason or "").split()) in text
        for limit in rehearsal.limits:
            for part in (limit.name, wording.measured(limit), wording.limit_text(limit), limit.evidence):
                assert " ".join(wording.plain(part).split()) in text


@each
def test_page_title_carries_the_verdict(name):
    """Tab and mail subject say how it ended."""
    title = re.search("<title>(.*?)</title>", html.render(EVERY[name]))[1]
    assert EVERY[name].verdict.value.upper() in title
    assert wording.sign(EVERY[name].verdict) in title


def test_page_never_shows_zero_for_what_is_unknown():
    """A service that was not soundly measured is unknown, with the reason, and no number of it is shown as proved."""
    text = Page(html.render(samples.run(samples.unknown()))).text
    assert "? UNKNOWN" in text
    assert "2.20" not in text
    assert "not interrupted" not in text


def test_page_of_fifty_rehearsals_stays_small():
    """Fifty busy rehearsals stay below 1 MB with a timeline each."""
    many = tuple(
        replace(samples.failed() if i % 3 else samples.switchover(), id=f"r{i}", verdict=list(Verdict)[i % 4])
        for i in range(50)
    )
    text = html.render(samples.run(*many))
    assert len(text.encode()) < 1_000_000
    assert text.count("<svg") == 50


def test_page_out_of_room_draws_the_worst_first(monkeypatch):
    """When not all timelines fit, those that failed are drawn, and the page says what is missing."""
    run = samples.run(samples.switchover(), samples.failed())
    monkeypatch.setattr(html, "PAGE_LIMIT", len(html.render(run).encode()) - 2_000)
    text = html.render(run)
    assert len(text.encode()) <= html.PAGE_LIMIT
    assert text.count("<svg") == 1
    assert "Timeline of The primary loses power" in text
    assert "Not drawn" in text


def test_page_marks_production():
    """What ran on production is told at a glance."""
    assert 'class="kind production">production<' in html.render(EVERY["unknown"])


def test_page_prints_light_and_has_both_themes():
    """Dark colours are for screens only, so that dark-mode users print light."""
    text = html.render(EVERY["passed"])
    assert "@media screen and (prefers-color-scheme: dark)" in text
    assert "@media print" in text
