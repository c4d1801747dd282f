# SPDX-License-Identifier: MIT
"""What a finished watch tells, and what it refuses to tell."""

from __future__ import annotations

import dataclasses

import pytest

from pytest_harehearse.errors import HarehearseError, NotMeasured
from pytest_harehearse.probes.attempts import Attempt, Outcome, Write
from pytest_harehearse.probes.audit import Audit
from pytest_harehearse.probes.recorder import Recorder
from pytest_harehearse.probes.seen import Seen

AUDIT = Audit(acked=3, failed=0, unknown=0, lost=(2,), unknown_present=0, duplicates=0, largest_hole_s=0.1)


@pytest.fixture
def file(tmp_path):
    """Write one service's attempts file from a word of letters: u up, s slow, d down, n not sent."""

    def write(name, letters, *, mode="read", end=True):
        path = tmp_path / f"{name}.jsonl"
        recorder = Recorder(path, {"name": name, "mode": mode, "every": 0.02, "timeout": 0.06})
        outcomes = {"u": Outcome.OK, "s": Outcome.SLOW, "d": Outcome.REFUSED, "n": Outcome.NOT_SENT}
        for n, letter in enumerate(letters):
            t = n * 0.02
            fate = Write.ACKED if mode == "write" and letter == "u" else None
            recorder.add(Attempt(n, t, t, t + (0.05 if letter == "s" else 0.001), outcomes[letter], write=fate))
        if end:
            recorder.end(len(letters) * 0.02)
        else:
            recorder.flush()
        return path

    return write


def test_a_service(file):
    """Its interruption, attempts, errors, slow answers and soundness."""
    seen = Seen.from_files({"page": file("page", "uusuudduu")})
    page = seen["page"]
    assert (page.attempts, page.errors, page.slow, page.valid, page.reason) == (9, {"refused": 2}, 1, True, None)
    assert page.interruption <= "70ms"
    assert page.interruption.lower == pytest.approx(0.019)
    assert list(seen) == ["page"]
    assert len(seen) == 1
    assert "page" in seen
    assert repr(seen) == "<Seen: page was interrupted for 61 ms at most (at least 19 ms)>"


@pytest.mark.parametrize(
    ("services", "worst"),
    [
        ({"a": "uuuu", "b": "uduu"}, "b"),
        ({"a": "uddddu", "b": "uudd"}, "b"),
        ({"a": "uudd", "b": "dddd", "c": "uuuu"}, "b"),
        ({"a": "uddu", "b": "udddu"}, "b"),
    ],
)
def test_the_worst_service_stands_for_all(file, services, worst):
    """Unsound first, then without end, then the longest."""
    seen = Seen.from_files({name: file(name, letters) for name, letters in services.items()})
    assert seen.interruption.service == worst


def test_an_open_watch_tells_nothing():
    """Reading a result inside the with block is a mistake, and it says where to read it."""
    for read in (lambda s: s.interruption, lambda s: s["page"], lambda s: s.lost_writes, list):
        with pytest.raises(
            HarehearseError, match=r"^The watch is still open, so nothing is known yet; read its results"
        ):
            read(Seen())
    assert repr(Seen()) == "<Seen: the watch is still open>"


def test_an_unknown_name_lists_the_known(file):
    """A KeyError with a sentence."""
    seen = Seen.from_files({"page": file("page", "uu"), "write": file("write", "uu")})
    with pytest.raises(KeyError) as caught:
        seen["pages"]
    assert str(caught.value) == "This watch has no service 'pages'; it has page, write. Did you mean 'page'?"
    assert isinstance(caught.value, HarehearseError)


def test_no_service_is_no_number():
    """An empty watch is unknown, never nought."""
    with pytest.raises(NotMeasured, match="No service was watched"):
        _ = Seen.from_files({}).interruption


def test_lost_writes(file):
    """The lost numbers of the audit, of all services that write."""
    seen = Seen.from_files({"page": file("page", "uuu"), "write": file("write", "uuu", mode="write")}, {"write": AUDIT})
    assert seen.lost_writes == [2]
    none = dataclasses.replace(AUDIT, lost=())
    assert Seen.from_files({"write": file("write", "uuu", mode="write")}, {"write": none}).lost_writes == []


def test_lost_writes_that_nobody_looked_up_are_unknown(file):
    """No audit, a failed audit, a killed meter, a service only read, no service that writes: all unknown."""
    write = file("write", "uuu", mode="write")
    with pytest.raises(
        NotMeasured, match=r"Lost writes of write are unknown: its writes were not looked up afterwards\."
    ):
        _ = Seen.from_files({"write": write}).lost_writes
    failed = dataclasses.replace(AUDIT, problem="no host takes writes")
    with pytest.raises(NotMeasured, match=r"Lost writes of write are unknown: no host takes writes\."):
        _ = Seen.from_files({"write": write}, {"write": failed}).lost_writes
    killed = file("write", "uuu", mode="write", end=False)
    with pytest.raises(NotMeasured, match="the meter did not end by itself"):
        _ = Seen.from_files({"write": killed}, {"write": AUDIT}).lost_writes
    page = Seen.from_files({"page": file("page", "uuu")})
    with pytest.raises(NotMeasured, match=r"it is only read"):
        _ = page["page"].lost_writes
    with pytest.raises(NotMeasured, match=r"^Lost writes are unknown: no service of this watch writes\.$"):
        _ = page.lost_writes


def test_a_file_that_cannot_be_read_is_unknown(tmp_path):
    """A damaged or missing file is no measurement."""
    with pytest.raises(NotMeasured, match="What was measured of page cannot be read: "):
        Seen.from_files({"page": tmp_path / "none.jsonl"})


def test_a_cluster_that_is_not_written_to_loses_no_writes(file):
    """That is known; what a service of its own lost is still asked of that service."""
    seen = Seen(writes=False)
    with pytest.raises(HarehearseError, match="The watch is still open"):
        _ = seen.lost_writes
    seen.settle({"page": file("page", "uuu")})
    assert seen.lost_writes == []
    with pytest.raises(NotMeasured, match="it is only read"):
        _ = seen["page"].lost_writes
    nothing = Seen(writes=False)
    nothing.settle({})
    assert nothing.lost_writes == []


def test_a_service_that_writes_counts_whatever_was_said(file):
    """Numbered writes that were lost are never hidden."""
    seen = Seen(writes=False)
    seen.settle({"write": file("write", "uuu", mode="write")}, {"write": AUDIT})
    assert seen.lost_writes == [2]
    seen.settle({"write": file("write", "uuu", mode="write")})
    with pytest.raises(NotMeasured, match="its writes were not looked up afterwards"):
        _ = seen.lost_writes
