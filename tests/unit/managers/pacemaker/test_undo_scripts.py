# SPDX-License-Identifier: MIT
"""What lifts a drain and a maintenance on a node without us: run by a real shell against a crm_attribute of the test's."""

from __future__ import annotations

import subprocess

import pytest

from pytest_harehearse.managers.pacemaker.actions import drain_undo, maintenance_undo

#: Notes its arguments, prints the next line of "says" and ends with the next line of "ends".
TOOL = """#!/bin/sh
cd "$(dirname "$0")" || exit 99
echo "$*" >> told
sed -n 1p says; sed -i 1d says
code=$(sed -n 1p ends); sed -i 1d ends
exit "${code:-0}"
"""


@pytest.fixture
def tool(tmp_path):
    """Runs a script with that tool; returns its status, what it printed, and what the tool was told."""
    (tmp_path / "crm_attribute").write_text(TOOL)
    (tmp_path / "crm_attribute").chmod(0o700)

    def run(script, says=(), ends=()):
        for name, lines in (("told", ()), ("says", says), ("ends", ends)):
            (tmp_path / name).write_text("".join(f"{line}\n" for line in lines))
        done = subprocess.run(
            ["sh", "-c", script.text, "sh", *script.arguments], env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout, (tmp_path / "told").read_text().splitlines()

    return run


FOREVER = "--node web 1 --name standby --delete --lifetime forever"
REBOOT = "--node web 1 --name standby --delete --lifetime reboot"


@pytest.mark.parametrize(
    ("ends", "rc", "told"),
    [
        ((0, 0), 0, [FOREVER, REBOOT]),
        # There was none: in the status of two releases.
        ((6, 105), 0, [FOREVER, REBOOT]),
        # Its cluster manager does not run: somebody else's timer does it, or this one the next time.
        ((102,), 1, [FOREVER]),
        ((0, 102), 102, [FOREVER, REBOOT]),
    ],
)
def test_a_node_is_let_in_again(tool, ends, rc, told):
    """Both kinds of standby go, one that is not there is no failure, and any other status is one."""
    assert tool(drain_undo("web 1")[0], ends=ends) == (rc, "", told)


@pytest.mark.parametrize(
    ("says", "rc", "text"), [("off", 0, ""), ("on", 1, "web 1 is still in standby mode\n"), ("", 1, None)]
)
def test_only_the_clusters_word_proves_it(tool, says, rc, text):
    """No answer is no proof."""
    done, said, _ = tool(drain_undo("web 1")[1], says=[says])
    assert done == rc
    assert text is None or said == text


def test_a_maintenance_ends(tool):
    """It is switched off, and that is asked for."""
    undo, undone = maintenance_undo()
    assert tool(undo) == (0, "", ["--name maintenance-mode --update false"])
    assert tool(undo, ends=[102])[0] == 102
    assert tool(undone, says=["false"])[0] == 0
    assert tool(undone, says=["true"])[:2] == (1, "maintenance mode is still on\n")
    assert tool(undone, says=[""], ends=[102])[0] == 1
