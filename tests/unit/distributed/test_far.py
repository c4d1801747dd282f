# SPDX-License-Identifier: MIT
"""What a run wrote elsewhere arrives as it was, or it is said why not."""

import pytest
from tests.common.run_files import happened, write

from pytest_harehearse.distributed import far
from pytest_harehearse.errors import HarehearseError
from pytest_harehearse.history.build import build


def test_a_run_arrives_as_it_was(tmp_path):
    there = write(tmp_path / "there" / "r-1", happened("r-1"))
    (there / "events-gw0.jsonl").write_text("")
    (there / "report.html").write_text("made anew here")
    here = write(tmp_path / "r-2", happened("r-2"))
    far.unpack(far.pack(there), here, "gw7")
    part = here / "parts" / "gw7"
    assert {path.relative_to(part).as_posix(): path.read_bytes() for path in part.rglob("*") if path.is_file()} == {
        path.relative_to(there).as_posix(): path.read_bytes() for path in there.rglob("*.jsonl")
    }
    assert [one.runner for one in build(here).rehearsals] == ["", "run r-1 on h"]


def test_a_run_without_attempts_arrives(tmp_path):
    there = write(tmp_path / "there" / "r-1", happened("r-1")[:1], files=())
    here = write(tmp_path / "r-2", happened("r-2"))
    far.unpack(far.pack(there), here, "gw7")
    assert (here / "parts" / "gw7" / "attempts").is_dir()


def test_too_much_is_not_sent(tmp_path, monkeypatch):
    there = write(tmp_path / "there" / "r-1", happened("r-1"))
    monkeypatch.setattr(far, "MOST", 100)
    with pytest.raises(HarehearseError, match=r"^it has 0 MiB, and at most 0 are sent$"):
        far.pack(there)


def test_what_cannot_be_read_is_said(tmp_path):
    with pytest.raises(HarehearseError, match=r"^it cannot be read: .*No such file"):
        far.pack(tmp_path / "none")


def test_what_is_no_run_is_not_kept(tmp_path):
    with pytest.raises(
        HarehearseError, match=r"^What worker gw7 sent cannot be kept in .*parts/gw7: File is not a zip file$"
    ):
        far.unpack(b"nonsense", tmp_path, "gw7")
