# SPDX-License-Identifier: MIT
"""The undo is on disk before the strike, and what was not undone is found again."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.errors import Indeterminate
from pytest_harehearse.safety.journal import Journal


def opened(journal, cluster="demo/orders", target="n1"):
    return journal.open(
        run="r-1", cluster=cluster, fault="stack_kill", target=target, undo=f"start the manager of {target} – again"
    )


def test_an_entry_is_open_until_it_is_closed(tmp_path):
    """As whoever comes next reads it."""
    journal = Journal(tmp_path / "store")
    assert journal.still_open() == []
    first, second = opened(journal), opened(journal, target="n2")
    assert Journal(tmp_path / "store").still_open() == [first, second]
    journal.close(first, "undone")
    assert Journal(tmp_path / "store").still_open() == [second]
    journal.close(second, "undone")
    assert journal.still_open() == []
    assert (first.pid, first.undo) == (os.getpid(), "start the manager of n1 – again")


def test_open_entries_of_one_cluster(tmp_path):
    """Another cluster's are not its business."""
    journal = Journal(tmp_path)
    mine, other = opened(journal), opened(journal, cluster="demo/pay")
    assert journal.still_open("demo/orders") == [mine]
    assert journal.still_open("demo/pay") == [other]
    assert journal.still_open("demo/none") == []


def test_the_entry_is_synced_before_it_is_returned(tmp_path, monkeypatch):
    """The file, and the folder that names it."""
    synced = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(str(Path(f"/proc/self/fd/{fd}").readlink())), real(fd)))
    journal = Journal(tmp_path)
    entry = opened(journal)
    assert synced == [str(journal.path), str(tmp_path)]
    journal.close(entry, "undone")
    assert synced[2:] == [str(journal.path)]


def test_an_entry_that_cannot_be_written_raises(tmp_path, monkeypatch):
    """Then nothing may be struck."""
    (tmp_path / "store").write_text("a file where the folder should be")
    with pytest.raises(OSError, match="store"):
        opened(Journal(tmp_path / "store"))
    monkeypatch.setattr(os, "write", lambda _fd, data: len(data) // 2)
    with pytest.raises(OSError, match="only a part of the entry could be written"):
        opened(Journal(tmp_path))


def test_others_cannot_read_it(tmp_path):
    """It names machines and commands."""
    journal = Journal(tmp_path)
    opened(journal)
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600


def test_a_torn_entry_is_passed_over(tmp_path):
    """The strike it announces was never made; what comes after it stands on a line of its own."""
    journal = Journal(tmp_path)
    first = opened(journal)
    with journal.path.open("a") as file:
        file.write('{"open": {"id": "r-1/stack_kill/n2/1", "run"')
    second = opened(journal, target="n3")
    assert journal.still_open() == [first, second]
    journal.close(second, "undone")
    assert journal.still_open() == [first]


def test_a_torn_closing_leaves_the_entry_open(tmp_path):
    """Not proved is not undone."""
    journal = Journal(tmp_path)
    entry = opened(journal)
    whole = journal.path.read_bytes()
    journal.close(entry, "undone")
    journal.path.write_bytes(journal.path.read_bytes()[: len(whole) + 20])
    assert journal.still_open() == [entry]


@given(cut=st.integers(0, 600))
def test_a_journal_cut_anywhere_is_read(tmp_path_factory, cut):
    """Whatever byte a kill stopped at."""
    journal = Journal(tmp_path_factory.mktemp("journal"))
    entries = [opened(journal), opened(journal, target="n2")]
    journal.path.write_bytes(journal.path.read_bytes()[:cut])
    found = journal.still_open()
    assert found == entries[: len(found)]


@pytest.mark.parametrize(
    "line", ["[1]", "3", "null", "{}", '{"open": 4}', '{"open": {"id": "x"}}', '{"close": ["x"]}'],
)  # fmt: skip
def test_a_foreign_line_is_told_and_hides_nothing(tmp_path, line):
    """It is named by its number, with what to do; the entries beside it are still found."""
    journal = Journal(tmp_path)
    first = opened(journal)
    with journal.path.open("a") as file:
        file.write(f"{line}\n")
    second = opened(journal, target="n2")
    assert journal.still_open() == [first, second]
    (told,) = journal.strange()
    assert told == (
        f"line 3 of {journal.path} is no entry that this version can read, so what it tells of is not known to be undone; "
        "look at it, and remove the line once you know that it is"
    )


def test_an_entry_with_a_text_that_is_none_is_strange(tmp_path):
    """Its cluster would be compared with names, and never be found."""
    journal = Journal(tmp_path)
    opened(journal)
    journal.path.write_text(journal.path.read_text().replace('"demo/orders"', "7"))
    assert journal.still_open() == []
    assert len(journal.strange()) == 1


def test_an_entry_of_a_newer_version_is_read(tmp_path):
    """What it tells more is passed over; that it is open is not."""
    journal = Journal(tmp_path)
    entry = opened(journal)
    journal.path.write_text(journal.path.read_text().replace('"owner"', '"lease": "x", "owner"'))
    assert journal.still_open() == [entry]
    assert journal.strange() == []


def test_bytes_that_are_no_text_hide_nothing(tmp_path):
    """A torn block of a disk, say."""
    journal = Journal(tmp_path)
    first = opened(journal)
    with journal.path.open("ab") as file:
        file.write(b"\xff\xfe\x00\n")
    assert journal.still_open() == [first]


@pytest.mark.parametrize("ask", [Journal.still_open, Journal.strange])
@pytest.mark.parametrize("store", ["a folder for the file", "a file for the store"])
def test_a_journal_that_cannot_be_read_is_unknown(tmp_path, store, ask):
    """Never the same as one without open entries."""
    journal = Journal(tmp_path / "store")
    if store == "a folder for the file":
        journal.path.mkdir(parents=True)
    else:
        journal.path.parent.write_text("")
    with pytest.raises(Indeterminate) as caught:
        ask(journal)
    said = str(caught.value)
    assert said.startswith(f"The undo journal {journal.path} cannot be read (")
    assert said.endswith("so whether a fault is still open is not known. Make it readable, or name another store.")
