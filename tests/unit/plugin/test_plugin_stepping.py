# SPDX-License-Identifier: MIT
"""A patch day step by step, as options: what is refused before anything is touched, and who is asked at a terminal."""

from __future__ import annotations

import os
import pty

import pytest

TEST = "def test_failover(cluster): raise AssertionError('it was run')\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--harehearse-step"],
         "--harehearse-step needs a terminal to ask at. Without one, name the last gate that may be passed: --yes-until A; the "  # noqa: ISC004
         "run stops at the next, and --harehearse-resume goes on."),
        (["--yes-until", "B"],
         "--yes-until goes with --harehearse-step: without it every gate that is green is passed."),
        (["--harehearse-step", "--harehearse-yes-until", "D"], "--yes-until D: there is no such gate; there are A, B, C."),
    ],
)  # fmt: skip
def test_what_cannot_be_decided_so(embedded, options, said):
    """Refused with a sentence, before anything is touched; pytester's standard input is no terminal."""
    embedded.makepyfile(TEST)
    result = embedded.runpytest_subprocess(*options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.stderr.str().partition("ERROR: ")[2].strip() == said
    assert not (embedded.path / ".harehearse").exists()


def test_a_run_that_there_is_not(embedded):
    """Named with those there are."""
    embedded.makepyfile(TEST)
    result = embedded.runpytest("--harehearse-resume", "r-9")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "There is no run 'r-9' in" in result.stderr.str()
    assert "Runs there: none." in result.stderr.str()


def test_a_plan_asks_nobody(embedded):
    """It touches nothing, so nothing is to be decided."""
    embedded.makepyfile("def test_failover(cluster, patching): patching.standby_first(patching.reboot())\n")
    result = embedded.runpytest("--harehearse-plan", "--harehearse-step")
    assert result.ret == 0
    result.stdout.re_match_lines(
        [r"\s*playbook   [0-9a-f]{12} · nothing is installed; the node is rebooted as after a patch"]
    )


ASKS = """
import os
from pytest_harehearse.terminal import Terminal

def test_ask(pytestconfig):
    print("captured")
    terminal = Terminal(pytestconfig)
    assert terminal.is_there()
    terminal.say("the evidence")
    assert terminal.ask("go on? ") == "g"
    os.write(1, b"captured too")
"""


@pytest.mark.parametrize("option", ["--capture=fd", "--capture=sys", "-s"])
def test_whoever_sits_before_the_run_is_asked(pytester, option):
    """However pytest captures: the question and the evidence are seen, the answer arrives, and the test's output is captured."""
    pytester.makepyfile(ASKS)
    controller, terminal = pty.openpty()
    try:
        os.write(controller, b"g\n")
        done = pytester.popen(
            ["python", "-m", "pytest", "-q", "-p", "no:cacheprovider", option],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
        )
        os.close(terminal)
        status = done.wait(timeout=60)
        said = b""
        try:
            while chunk := os.read(controller, 65536):
                said += chunk
        except OSError:
            # A pseudo-terminal without a writer ends so.
            pass
    finally:
        os.close(controller)
    assert status == 0, said
    assert b"the evidence" in said
    assert b"go on? " in said
    assert (b"captured too" in said) is (option != "--capture=fd")
