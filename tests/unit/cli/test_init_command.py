# SPDX-License-Identifier: MIT
"""``harehearse init``: what it writes can be used at once, and it never overwrites."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_harehearse.cli import exits, init
from pytest_harehearse.inventory.load import load


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_help_is_golden(harehearse, snapshot):
    """Read it as a user does."""
    assert harehearse("init", "--help").out == snapshot


def test_it_writes_here_and_says_what_is_next(tmp_path, monkeypatch, harehearse):
    """Two files, two commands."""
    monkeypatch.chdir(tmp_path)
    said = harehearse("init")
    assert said == (
        exits.OK,
        "wrote harehearse.toml\nwrote test_failover_first.py\nNext:\n  harehearse doctor\n  pytest test_failover_first.py\n",
        "",
    )
    assert names(tmp_path) == ["harehearse.toml", "test_failover_first.py"]


def test_it_makes_a_folder_and_says_to_go_there(tmp_path, harehearse):
    """Also one with a space, quoted to be typed."""
    said = harehearse("init", tmp_path / "a b" / "c")
    assert f"  cd '{tmp_path}/a b/c'\n  harehearse doctor\n" in said.out
    assert (tmp_path / "a b/c/harehearse.toml").is_file()


def test_what_it_writes_loads(project):
    """The inventory is right as it stands."""
    inventory = load(project / "harehearse.toml")
    assert list(inventory.clusters) == ["demo/orders"]
    assert inventory.default_environment == "demo"


def test_its_examples_load_too(everything):
    """Whoever takes the comment signs away gets a lab and a production."""
    inventory = load(everything / "harehearse.toml")
    assert list(inventory.clusters) == ["demo/orders", "lab/web", "production/web"]
    assert inventory.clusters["production/web"].twin == "lab/web"


def test_the_first_test_is_short():
    """Twenty lines are read; more are not."""
    text = init.template("test_failover_first.py.txt")
    assert len(text.splitlines()) <= 20
    compile(text, "test_failover_first.py", "exec")


@pytest.mark.parametrize("there", [["harehearse.toml"], ["test_failover_first.py"], list(init.FILES)])
def test_it_never_overwrites(tmp_path, harehearse, there):
    """One file that exists keeps the other from being written."""
    for name in there:
        (tmp_path / name).write_text("mine")
    said = harehearse("init", tmp_path)
    listed = " and ".join(str(tmp_path / name) for name in there)
    verb = "exists" if len(there) == 1 else "exist"
    assert (said.status, said.out) == (exits.NO, "")
    assert f"harehearse: {listed} {verb}, and init never overwrites: nothing was written." in said.err
    assert names(tmp_path) == sorted(there)
    assert all((tmp_path / name).read_text() == "mine" for name in there)


def test_a_dangling_link_counts_as_a_file(tmp_path, harehearse):
    """Nothing is written through it."""
    (tmp_path / "harehearse.toml").symlink_to(tmp_path / "nowhere")
    assert harehearse("init", tmp_path).status == exits.NO
    assert not (tmp_path / "nowhere").exists()


def test_a_file_is_no_folder(tmp_path, harehearse):
    """Wrong usage, in a sentence."""
    (tmp_path / "f").touch()
    said = harehearse("init", tmp_path / "f")
    assert said.status == exits.USAGE
    assert said.err == f"harehearse: {tmp_path}/f is not a folder; name one to write into, or none for this one.\n"


def test_what_cannot_be_written_is_undone(tmp_path, harehearse, monkeypatch):
    """Half a project is worse than none."""
    really_open = Path.open

    def full(path, *arguments, **options):
        if path.name == "test_failover_first.py":
            raise OSError(28, "No space left on device", str(path))
        return really_open(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", full)
    said = harehearse("init", tmp_path)
    assert said.status == exits.NO
    assert said.err == (
        f"harehearse: {tmp_path}/test_failover_first.py cannot be written: No space left on device. "
        "Nothing was written.\n"
    )
    assert not names(tmp_path)
