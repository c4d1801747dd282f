# SPDX-License-Identifier: MIT
"""Real programs, run and ended with everything they began."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from scripted_http import descriptors

from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.attempts import Outcome
from pytest_harehearse.probes.kinds import make
from pytest_harehearse.probes.kinds.base import Answer, ask


def asked(command: str, within: float = 10.0, times: int = 1, mode: str = "read") -> list[Answer]:
    async def work() -> list[Answer]:
        kind = make(Service("c", "command", f"command:{command}", mode=mode, timeout=within))
        try:
            return list(await asyncio.gather(*(ask(kind, n, within) for n in range(times))))
        finally:
            kind.close()

    before, children = descriptors(), own_children()
    answers = asyncio.run(work())
    assert descriptors() <= before
    assert own_children() <= children
    return answers


def own_children() -> set[str]:
    """The children of this process, ended ones that nobody collected too; other tests may have some."""
    return {pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def dies(pid: int) -> bool:
    ends = time.monotonic() + 10
    while alive(pid) and time.monotonic() < ends:
        time.sleep(0.01)
    return not alive(pid)


@pytest.mark.parametrize(
    ("script", "outcome", "by", "text"),
    [
        ("exit 0", Outcome.OK, "", ""),
        ("echo harehearse-by: n1; echo fine", Outcome.OK, "n1", ""),
        ("echo; echo no quorum >&2; echo more; exit 2", Outcome.WRONG, "", "exit status 2: no quorum"),
        ("exit 3", Outcome.WRONG, "", "exit status 3"),
        ("exit 126", Outcome.MISCONFIGURED, "", "exit status 126, a program cannot be executed"),
        ("exit 127", Outcome.MISCONFIGURED, "", "exit status 127, a program was not found"),
        ("kill -TERM $$", Outcome.ERROR, "", "ended by signal 15"),
        ('test $LC_ALL = C && test -z "$(cat)" && test -n "$PATH"', Outcome.OK, "", ""),
        ("head -c 3000000 /dev/zero; exit 4", Outcome.WRONG, "", "exit status 4"),
        ("exec >&- 2>&-; sleep 0.05; exit 5", Outcome.WRONG, "", "exit status 5"),
    ],
)
def test_what_a_program_says(script, outcome, by, text):
    """By its exit status, with the first line of its output; it reads nothing and may write as much as it likes."""
    answer = asked(f"sh -c '{script}'")[0]
    assert (answer.outcome, answer.by) == (outcome, by)
    assert answer.error.rstrip(": ") == text


@pytest.mark.parametrize(
    ("status", "outcome"), [(0, Outcome.OK), (1, Outcome.READ_ONLY), (2, Outcome.ERROR), (127, Outcome.MISCONFIGURED)]
)
def test_a_claim(status, outcome):
    """0 is a yes and 1 a no; anything else is neither."""
    assert asked(f"sh -c 'exit {status}'", mode="claim")[0].outcome is outcome


def test_a_program_that_cannot_be_run(tmp_path):
    """Is a fault of the inventory and no outage."""
    plain = tmp_path / "plain"
    plain.write_text("echo")
    for program, text in (("nowhere-at-all", "No such file"), (plain, "Permission denied"), (tmp_path, "Permission")):
        answer = asked(str(program))[0]
        assert answer.outcome is Outcome.MISCONFIGURED
        assert text in answer.error
        assert "run directly, without a shell" in answer.error
    plain.chmod(0o755)
    assert "Exec format error" in asked(str(plain))[0].error


def test_the_deadline_ends_the_whole_group(tmp_path):
    """Also what the program began, and what ignores a polite signal."""
    file = tmp_path / "pids"
    script = tmp_path / "hang.sh"
    script.write_text(f"trap '' TERM\nsleep 300 &\necho $$ $! > {file}.new; mv {file}.new {file}\nwait\n")
    answer = asked(f"sh {script}", within=1.0)[0]
    assert (answer.outcome, answer.error) == (Outcome.TIMEOUT, "no answer within 1.00 s (sh still runs)")
    pids = [int(pid) for pid in file.read_text().split()]
    assert len(pids) == 2
    assert all(dies(pid) for pid in pids)


def test_what_a_program_leaves_behind_is_ended(tmp_path):
    """Or it would pile up with every attempt; the answer does not wait for it, though it holds the output open."""
    file = tmp_path / "pid"
    answer = asked(f"sh -c 'sleep 300 & echo $! > {file}'")[0]
    assert answer.outcome is Outcome.OK
    assert dies(int(file.read_text()))


def test_many_at_once():
    """Side by side, each with its own output."""
    answers = asked("sh -c 'echo harehearse-by: $$'", times=20)
    assert {a.outcome for a in answers} == {Outcome.OK}
    assert len({a.by for a in answers}) == 20


def test_many_that_hang():
    """Are all collected."""
    assert {a.outcome for a in asked("sleep 300", within=0.2, times=10)} == {Outcome.TIMEOUT}
