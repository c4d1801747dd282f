# SPDX-License-Identifier: MIT
"""Events come back from the stream as they were written, and a damaged stream is never half believed."""

from __future__ import annotations

import dataclasses
import json
import threading
import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse import events as e
from pytest_harehearse import streams
from pytest_harehearse.clock import Anchor, anchor, now

finite = st.floats(allow_nan=False, allow_infinity=False)
VALUES = {
    str: st.text(max_size=30),
    int: st.integers(),
    bool: st.booleans(),
    float: finite,
    str | None: st.none() | st.text(max_size=20),
    float | None: st.none() | finite,
    int | None: st.none() | st.integers(),
    list[str]: st.lists(st.text(max_size=10), max_size=3),
    list[int]: st.lists(st.integers(), max_size=3),
    dict[str, float]: st.dictionaries(st.text(max_size=8), finite, max_size=3),
    dict[str, str]: st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3),
    list[dict[str, str]]: st.lists(st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3), max_size=2),
    list[dict[str, typing.Any]]: st.lists(
        st.dictionaries(st.text(max_size=8), st.none() | finite | st.text(max_size=8), max_size=3), max_size=2
    ),
}


def built(kind):
    hints = typing.get_type_hints(kind)
    return st.builds(kind, **{f.name: VALUES[hints[f.name]] for f in dataclasses.fields(kind)})


any_event = st.sampled_from(list(e.KINDS.values())).flatmap(built)


def note(text, t=1.0):
    return e.Noted(t=t, rehearsal="r1", text=text)


def written(path, *happened):
    log = streams.EventLog(path)
    for event in happened:
        log.write(event)
    log.close()
    return path


@given(any_event)
def test_an_event_comes_back_as_it_was(event):
    """Every kind, whatever its values; one line each."""
    line = e.encode(event)
    assert "\n" not in line
    assert json.loads(line)["event"] == type(event).__name__
    assert e.decode(line) == event


@given(st.lists(any_event, max_size=5))
def test_a_stream_comes_back_as_it_was(tmp_path_factory, happened):
    """Through the file as well, in order."""
    path = written(tmp_path_factory.mktemp("stream") / "events.jsonl", *happened)
    assert list(streams.read_events(path)) == happened


def test_every_event_class_is_a_known_kind():
    """A kind that is written can be read."""
    # slots=True makes each class a second time, so that names are compared.
    assert set(e.KINDS) == {kind.__name__ for kind in e.Event.__subclasses__()}


def test_half_characters_are_kept(tmp_path):
    """An argument that is no UTF-8 reaches Python as a lone surrogate, which no UTF-8 file can hold as it stands."""
    path = written(tmp_path / "events.jsonl", note("caf\udce9 – é \U0001f407"))
    assert [x.text for x in streams.read_events(path)] == ["caf\udce9 – é \U0001f407"]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        "7",
        '"Noted"',
        "{}",
        '{"t": 1.0}',
        '{"event": "Noted", "rehearsal": "r", "text": "x"}',
        '{"event": "Noted", "t": 1.0}',
    ],
)
def test_what_is_no_event_is_refused(line):
    """Neither torn text nor an event without its time or its fields is taken for one."""
    with pytest.raises(ValueError):  # noqa: PT011 - json's own texts differ
        e.decode(line)


def test_a_kind_of_a_later_version_is_passed_over(tmp_path):
    """An old version reads a newer stream; unknown fields are left out."""
    path = tmp_path / "events.jsonl"
    path.write_text(
        '{"event": "Teleported", "t": 1.0, "to": "n2"}\n'
        '{"event": "Noted", "t": 2.0, "rehearsal": "r1", "text": "x", "mood": "fine"}\n'
    )
    assert list(streams.read_events(path)) == [note("x", 2.0)]


def test_a_torn_last_line_is_left_out(tmp_path):
    """Killed while writing, also within a character."""
    path = written(tmp_path / "events.jsonl", note("one"))
    with path.open("ab") as file:
        file.write(e.encode(note("zwölf")).encode()[:-4])
    assert list(streams.read_events(path)) == [note("one")]


@given(cut=st.integers(0, 400))
def test_a_stream_cut_anywhere_is_read_up_to_there(tmp_path_factory, cut):
    """Whatever byte a kill stopped at, a prefix of the events comes back."""
    happened = [note("één", 1.0), note("zwölf", 2.0), note("\U0001f407", 3.0)]
    path = written(tmp_path_factory.mktemp("cut") / "events.jsonl", *happened)
    path.write_bytes(path.read_bytes()[:cut])
    found = list(streams.read_events(path))
    assert found == happened[: len(found)]


def test_a_damaged_line_in_the_middle_is_an_error(tmp_path):
    """It names file and line; no number is computed from such a file."""
    path = written(tmp_path / "events.jsonl", note("one"), note("two"), note("three"))
    lines = path.read_text().splitlines()
    lines[1] = lines[1][:-5]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(ValueError, match=r"events\.jsonl:2: "):
        list(streams.read_events(path))


def test_a_damaged_last_line_that_was_ended_is_an_error(tmp_path):
    """A kill tears a line before its end, so this is no kill."""
    path = written(tmp_path / "events.jsonl", note("one"))
    with path.open("a") as file:
        file.write('{"event": "Not\n')
    with pytest.raises(ValueError, match=r"events\.jsonl:2: "):
        list(streams.read_events(path))


def test_an_event_after_the_end_is_an_error(tmp_path):
    """It must not pass unnoticed."""
    log = streams.EventLog(tmp_path / "events.jsonl")
    log.close()
    log.close()
    with pytest.raises(OSError, match="is closed; the event Noted came too late"):
        log.write(note("late"))


def test_each_event_is_readable_at_once(tmp_path):
    """A run killed right after it has lost nothing."""
    log = streams.EventLog(tmp_path / "events.jsonl")
    log.write(note("one"))
    assert list(streams.read_events(log.path)) == [note("one")]
    log.close()


def test_many_threads_write_whole_lines(tmp_path):
    """No line is torn by another, and each thread's order is kept."""
    log = streams.EventLog(tmp_path / "events.jsonl")
    gate = threading.Barrier(8)

    def scribble(writer):
        gate.wait(30)
        for number in range(100):
            log.write(e.Noted(rehearsal=f"w{writer}", text=str(number)))

    threads = [threading.Thread(target=scribble, args=(writer,)) for writer in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    log.close()
    found = list(streams.read_events(log.path))
    assert len(found) == 800
    for writer in range(8):
        assert [x.text for x in found if x.rehearsal == f"w{writer}"] == [str(n) for n in range(100)]


def test_the_anchor_names_instants():
    """Monotonic seconds become wall-clock time in UTC."""
    clocks = Anchor(wall=1_000_000_000.0, mono=50.0)
    assert clocks.iso(51.25) == "2001-09-09T01:46:41.250Z"
    assert clocks.iso(49.0) == "2001-09-09T01:46:39.000Z"


def test_the_clock_does_not_go_back():
    """Events take their time from it by themselves."""
    before, clocks = now(), anchor()
    assert before <= clocks.mono <= e.Noted(rehearsal="r", text="x").t <= now()
