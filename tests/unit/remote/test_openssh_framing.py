# SPDX-License-Identifier: MIT
"""The frame around a command: its output and status come through whole, however the bytes are cut; noise does not."""

from __future__ import annotations

import subprocess

from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.remote.base import argv
from pytest_harehearse.remote.framing import Frame, Framed, new_mark

BYTES = st.binary(max_size=200)


def fed(frame: Frame, data: bytes, cuts: list[int]) -> None:
    places = sorted({cut % (len(data) + 1) for cut in cuts})
    for start, end in zip([0, *places], [*places, len(data)], strict=True):
        frame.feed(data[start:end])


@given(noise=BYTES, output=BYTES, after=BYTES, rc=st.integers(0, 255), cuts=st.lists(st.integers(0, 1000), max_size=12))
def test_output_comes_through_whole_however_it_is_cut(noise, output, after, rc, cuts):
    """What a login script says before, and whoever is still writing after, is not the command's."""
    got = bytearray()
    frame = Frame("MARK-1f:", got.extend)
    fed(frame, noise + b"MARK-1f:77\n" + output + b"MARK-1f:%d\n" % rc + after, cuts)
    assert (bytes(got), frame.begun, frame.ended) == (output, 77, rc)


@given(output=BYTES, cuts=st.lists(st.integers(0, 1000), max_size=12), cut=st.integers(0, 12))
def test_a_connection_that_breaks_off_leaves_no_status(output, cuts, cut):
    """Not even when it breaks within the last mark; what came until then is kept."""
    got = bytearray()
    frame = Frame("MARK-1f:", got.extend)
    fed(frame, b"MARK-1f:77\n" + output + b"MARK-1f:0\n"[: min(cut, 9)], cuts)
    frame.finish()
    assert frame.ended is None
    assert bytes(got).startswith(output)


def test_lines_are_not_held_back():
    """A stream shows a line when it is there: only what may belong to a mark waits for the rest."""
    got = bytearray()
    frame = Frame("MARK-1f:", got.extend)
    frame.feed(b"MARK-1f:77\na line\n")
    assert bytes(got) == b"a line\n"
    frame.feed(b"a line MA")
    assert bytes(got) == b"a line\na line "
    frame.feed(b"Y be\n")
    assert bytes(got) == b"a line\na line MAY be\n"


def test_a_command_that_shows_processes_does_not_show_the_mark():
    """``ps`` prints the arguments of the very shell that prints the marks; the marks do not stand in them."""
    out, err = bytearray(), bytearray()
    framed = Framed(out.extend, err.extend)
    arguments = argv(framed.script(["/bin/sh", "-c", 'tr "\\0" "\\n" < /proc/$PPID/cmdline; echo e >&2; exit 255']))
    done = subprocess.run(arguments, capture_output=True, timeout=30, check=False)
    framed.out.feed(done.stdout)
    framed.err.feed(done.stderr)
    assert framed.rc == 255
    assert b"/proc/$PPID/cmdline" in out
    assert bytes(err) == b"e\n"


def test_marks_differ():
    """Nobody can know the mark of the next command from an earlier one."""
    assert len({new_mark() for _ in range(50)}) == 50
