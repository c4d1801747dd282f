# SPDX-License-Identifier: MIT
"""The report for tickets, and how reports come to disk."""

import stat

import pytest
import samples

from pytest_harehearse.report import html, markdown, wording
from pytest_harehearse.report.write import write

EVERY = samples.every()


@pytest.mark.parametrize("name", EVERY)
def test_markdown_is_golden(name, golden):
    """The text looks as it was approved."""
    assert markdown.render(EVERY[name]) == golden("md")


def test_markdown_shows_hostile_text_as_text():
    """Names and notes are neither HTML nor markup, and do not break a table."""
    text = markdown.render(EVERY["weird"])
    outside, fenced = "", False
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif not fenced:
            outside += line + "\n"
    assert "<script" not in outside
    assert "\x1b" not in text
    rows = [line for line in outside.splitlines() if line.startswith("| ✗")]
    assert rows
    assert {row.replace("\\|", "").count("|") for row in rows} <= {5, 6}


def test_markdown_fences_are_longer_than_what_they_hold():
    """A command with backticks stays one block."""
    text = markdown.render(samples.run(samples.failed(again="pytest '```'")))
    assert "````console\npytest '```'\n````" in text


def test_markdown_shows_every_limit():
    """Each limit stands in the text with what was measured."""
    text = markdown.render(EVERY["mixed"])
    for rehearsal in EVERY["mixed"].rehearsals:
        for limit in rehearsal.limits:
            assert f"| {limit.name} | {wording.measured(limit)} | {wording.limit_text(limit)} |" in text


def test_write_leaves_page_and_text_and_nothing_else(tmp_path):
    """Both files are there, readable, and no temporary one."""
    path = write(EVERY["passed"], tmp_path / "run")
    assert path == tmp_path / "run" / "report.html"
    assert sorted(p.name for p in path.parent.iterdir()) == ["report.html", "report.md"]
    assert path.read_text(encoding="utf-8") == html.render(EVERY["passed"])
    assert stat.S_IMODE(path.stat().st_mode) & 0o444


def test_write_keeps_the_old_page_when_it_fails(tmp_path, monkeypatch):
    """A page that cannot be made leaves the one of before whole."""
    path = write(EVERY["passed"], tmp_path)
    before = path.read_bytes()

    def full(*_, **__):
        raise OSError("no space left")

    monkeypatch.setattr("os.fdopen", full)
    with pytest.raises(OSError, match="no space"):
        write(EVERY["failed"], tmp_path)
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.html", "report.md"]


def test_write_takes_text_that_is_no_text(tmp_path):
    """A lone surrogate, as from an undecodable file name, does not lose the report."""
    assert write(samples.run(samples.switchover(notes=("a\udcffb",), title="t\udcff")), tmp_path).stat().st_size
