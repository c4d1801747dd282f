# SPDX-License-Identifier: MIT
"""The last screen."""

import pytest
import samples

from pytest_harehearse.report import terminal, wording

EVERY = samples.every()
PATH = ".harehearse/runs/r-20261121-0340-7f3a/report.html"


def screen(name, **options):
    """The screen as text."""
    return "\n".join(text for text, _ in terminal.lines(EVERY[name], PATH, **options)) + "\n"


@pytest.mark.parametrize("name", EVERY)
def test_screen_is_golden(name, golden):
    """The screen looks as it was approved."""
    assert screen(name) == golden("txt")


@pytest.mark.parametrize(
    "options", [{"verbosity": -1}, {"verbosity": 1}, {"width": 80, "ascii_only": True}], ids=["q", "v", "ascii"]
)
def test_screen_with_options_is_golden(options, golden):
    """Quiet, verbose and plain screens look as they were approved."""
    assert screen("mixed", **options) == golden("txt")


def test_the_course_of_each_fault_is_told_verbosely(golden):
    """Each step with its instant, the interruption among them, what was expected and observed; what is missing, too."""
    assert screen("struck", verbosity=1) == golden("txt")


def test_the_steps_of_a_patch_day_are_told_verbosely(golden):
    """Each step with its instant and length, each gate with what is not green, and the way back."""
    assert screen("patched", verbosity=1) == golden("txt")


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("verbosity", [-1, 0, 1])
def test_screen_in_ascii_is_ascii(name, verbosity):
    """A log that takes only ASCII gets only ASCII."""
    assert screen(name, verbosity=verbosity, ascii_only=True).isascii()


@pytest.mark.parametrize("name", EVERY)
def test_screen_cannot_steer_the_terminal(name):
    """Escape sequences in names and notes do not reach the terminal, and no line hides another."""
    assert not any(ord(c) < 32 for text, _ in terminal.lines(EVERY[name], PATH, verbosity=1) for c in text)


@pytest.mark.parametrize("width", [60, 80, 100, 140])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_tables_keep_to_the_width(width, ascii_only):
    """Rows, heads and prose fit the terminal; only commands and paths may be longer, to be copied whole."""
    for text, _ in terminal.lines(EVERY["mixed"], PATH, width=width, ascii_only=ascii_only):
        assert len(text) <= width or "pytest " in text or "report " in text


@pytest.mark.parametrize("name", EVERY)
def test_screen_ends_with_next_command_and_file(name):
    """The last lines are what to type and what to open."""
    *_, again, report = terminal.lines(EVERY[name], PATH)
    assert again[0] == f"again    {EVERY[name].again}"
    assert report[0] == f"report   {PATH}"


def test_screen_tells_every_limit_that_was_not_kept():
    """Each broken or unjudged limit stands under its rehearsal, and so does the command that repeats it."""
    flat = " ".join(screen("mixed").split())
    for rehearsal in EVERY["mixed"].rehearsals:
        for limit in rehearsal.limits:
            assert (wording.limit_sentence(limit) in flat) is (limit.verdict != "passed")
        assert (rehearsal.again in flat) is (rehearsal.verdict != "passed" or rehearsal.title.startswith("The service"))


def test_screen_shows_the_upper_bound_or_says_why_not():
    """An interruption is its upper bound; an open one is at least its lower bound; an unsound one is unknown."""
    rows = {line.split()[0]: line for line in screen("mixed").splitlines() if line.startswith("  ") and "   " in line}
    assert "2.44 s" in screen("passed")
    assert "≥ 3.10 s" in rows["killed"]
    assert "unknown" in rows["planned_switchover"]


def test_markup_follows_the_verdict():
    """Colour repeats what the words say."""
    marks = {text.split()[-1]: markup for text, markup in terminal.lines(EVERY["mixed"], PATH) if text.startswith("  ")}
    assert marks["passed"] == {"green": True}
    assert marks["failed"] == {"red": True, "bold": True}
