# SPDX-License-Identifier: MIT
"""Attempts come back from their file as they were written, also from one whose meter was killed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.probes.attempts import (
    Attempt,
    Outcome,
    Write,
    decode_attempt,
    encode_attempt,
    read_attempts,
    read_tail,
)
from pytest_harehearse.probes.recorder import Recorder

times = st.integers(0, 10**13).map(lambda microseconds: round(microseconds / 1e6, 6))
attempts = st.builds(
    Attempt,
    n=st.integers(0, 10**9),
    due=times,
    sent=times,
    done=times,
    outcome=st.sampled_from(list(Outcome)),
    by=st.text(max_size=20),
    error=st.text(max_size=60),
    write=st.none() | st.sampled_from(list(Write)),
)
HEADER = {"name": "page", "every": 0.02}


@given(attempts)
def test_an_attempt_comes_back_as_it_was(attempt):
    """One line holds it all, whatever text a server sends."""
    line = encode_attempt(attempt)
    assert "\n" not in line
    assert decode_attempt(json.loads(line)) == attempt


@pytest.mark.parametrize(
    "row", [[], [1, 2], [1, 0, 0, 0, "nonsense", "", "", None], ["x", 0, 0, 0, "ok", "", "", None]]
)
def test_what_is_no_attempt_is_refused(row):
    """A damaged row is never half believed."""
    with pytest.raises(ValueError, match="not an attempt"):
        decode_attempt(row)


def written(tmp_path, *, end=True):
    recorder = Recorder(tmp_path / "a.jsonl", HEADER)
    recorder.add(Attempt(1, 1.0, 1.0, 1.5, Outcome.TIMEOUT))
    recorder.add(Attempt(0, 0.5, 0.5, 0.6, Outcome.OK, "n1"))
    recorder.tell({"stall": [1.1, 1.3]})
    if end:
        recorder.end(2.0)
    else:
        recorder.flush()
    return tmp_path / "a.jsonl"


def test_a_whole_file(tmp_path):
    """Header, attempts in the order sent, stalls and the end."""
    file = read_attempts(written(tmp_path))
    assert file.header == HEADER
    assert [a.n for a in file.attempts] == [0, 1]
    assert (file.stalls, file.ended, file.complete) == (((1.1, 1.3),), 2.0, True)


def test_what_is_said_of_the_runner(tmp_path):
    """Lost control targets, sleep and notes are kept apart from stalls."""
    recorder = Recorder(tmp_path / "a.jsonl", HEADER)
    for line in ({"control": [1.0, 1.2]}, {"suspended": 2.5}, {"suspended": 1.0}, {"note": "the clock was set"}):
        recorder.tell(line)
    recorder.end(2.0)
    file = read_attempts(tmp_path / "a.jsonl")
    assert (file.stalls, file.control, file.suspended) == ((), ((1.0, 1.2),), 3.5)
    assert file.notes == ("the clock was set",)


@given(st.integers(0, 40), st.integers(60, 600))
def test_the_tail_of_a_file_that_is_still_written(tmp_path_factory, count, size):
    """The last attempts, in the order sent, wherever reading begins and whatever is half written."""
    path = tmp_path_factory.mktemp("tail") / "a.jsonl"
    recorder = Recorder(path, HEADER)
    for n in range(count):
        recorder.add(Attempt(n, n, n, n + 0.5, Outcome.OK, "n1"))
    recorder.flush()
    with path.open("a") as file:
        file.write("[99,99.0,")
    found = read_tail(path, size)
    assert [a.n for a in found] == list(range(count))[count - len(found) :]
    assert len(found) >= min(count, size // 40 - 2)


def test_a_torn_last_line_is_left_out(tmp_path):
    """Killed while writing: all but the last line counts, and the file is not complete."""
    path = written(tmp_path, end=False)
    with path.open("a") as file:
        file.write('[2,2.0,2.0,2.1,"o')
    found = read_attempts(path)
    assert [a.n for a in found.attempts] == [0, 1]
    assert (found.complete, found.ended) == (False, 1.5)


@given(cut=st.integers(0, 400))
def test_a_file_cut_anywhere_is_read_or_says_that_nothing_was_measured(tmp_path_factory, cut):
    """Whatever byte a kill stopped at."""
    whole = written(tmp_path_factory.mktemp("cut"))
    path = whole.with_name("cut.jsonl")
    path.write_bytes(whole.read_bytes()[:cut])
    if b"\n" not in path.read_bytes() and cut < len(json.dumps(HEADER)):
        with pytest.raises(ValueError, match="the meter did not begin to measure"):
            read_attempts(path)
    else:
        assert read_attempts(path).header == HEADER


def test_a_damaged_line_in_the_middle_is_an_error(tmp_path):
    """A number from a damaged file cannot be trusted."""
    path = written(tmp_path)
    lines = path.read_text().splitlines()
    lines[1] = lines[1][:-5]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(ValueError, match=r"a\.jsonl:2: "):
        read_attempts(path)


def test_the_live_line_knows_since_when_it_fails(tmp_path):
    """From the first failure after the last success, whatever order attempts end in."""
    recorder = Recorder(tmp_path / "a.jsonl", HEADER)
    recorder.add(Attempt(0, 0, 0, 0.1, Outcome.OK))
    recorder.add(Attempt(2, 2, 2, 2.1, Outcome.REFUSED))
    recorder.add(Attempt(1, 1, 1, 2.2, Outcome.OK))
    assert recorder.interrupted_for(5) == 3
    recorder.add(Attempt(3, 3, 3, 3.1, Outcome.OK))
    assert recorder.interrupted_for(5) is None
    assert (recorder.count, recorder.ok, recorder.last.n) == (4, 3, 3)
    recorder.end(4)
