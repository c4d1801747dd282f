# SPDX-License-Identifier: MIT
"""Labs whose parent was killed are removed, of whatever kind; all others are left alone."""

from __future__ import annotations

import pytest

from pytest_harehearse.errors import LabError
from pytest_harehearse.labs import home as homes
from pytest_harehearse.labs import leftovers
from pytest_harehearse.labs.embedded import launch
from pytest_harehearse.labs.home import LabState, NodePlace, Owner
from pytest_harehearse.labs.lxd import lab as lxd_lab

DEAD = Owner(1, 1)


@pytest.fixture(autouse=True)
def base(tmp_path, monkeypatch):
    """Labs of this test alone."""
    folder = tmp_path / "labs"
    folder.mkdir()
    monkeypatch.setattr(homes, "base", lambda: folder)
    return folder


@pytest.fixture
def removed(monkeypatch):
    """What was removed, by kind; an embedded lab's folder really goes."""
    found = []

    def remove(home):
        found.append(("embedded", home.name))
        for path in home.iterdir():
            path.unlink()
        home.rmdir()

    monkeypatch.setattr(launch, "remove", remove)
    monkeypatch.setattr(lxd_lab, "forget", lambda site, say: found.append(("lxd", site["project"])))
    return found


@pytest.fixture
def left(base):
    """``left("demo-1", …)`` is a lab's home as a killed parent leaves it."""

    def make(name, **changes):
        place = base / name
        place.mkdir()
        values = {
            "environment": name.partition("-")[0], "inventory": "/p/harehearse.toml",
            "created_at": "2026-11-01T00:00:00+00:00", "owner": DEAD, "keep": False, "phase": "up",
            "clusters": {"orders": {"n1": NodePlace("127.16.16.11")}}, "secrets": {},
        }  # fmt: skip
        homes.save(place, LabState(**{**values, **changes}))
        return place

    return make


def test_every_kind_is_removed(base, removed, left):
    """By what it wrote about itself; whose it was is said."""
    said = []
    left("demo-1")
    lxd = left("lab-2", provider="lxd", site={"project": "harehearse-lab-2"})
    (base / "half-3").mkdir()
    leftovers.sweep(base / "mine", said.append)
    assert sorted(removed) == [("embedded", "demo-1"), ("embedded", "half-3"), ("lxd", "harehearse-lab-2")]
    assert not lxd.exists()
    assert list(base.iterdir()) == []
    assert said == [
        "removing the lab demo of /p/harehearse.toml: its parent was killed",
        f"removing the lab in {base / 'half-3'}: its parent was killed",
        "removing the lab lab of /p/harehearse.toml: its parent was killed",
    ]


@pytest.mark.parametrize("changes", [{"owner": Owner.me()}, {"keep": True}])
def test_labs_in_use_stay(base, removed, left, changes):
    """Their parent lives, or they were kept on purpose."""
    place = left("demo-1", **changes)
    leftovers.sweep(base / "mine", pytest.fail)
    assert removed == []
    assert place.exists()


def test_a_lab_kept_on_purpose_that_was_never_up(base, removed, left):
    """Nobody will finish it."""
    left("demo-1", keep=True, phase="starting")
    leftovers.sweep(base / "mine", lambda _: None)
    assert removed == [("embedded", "demo-1")]


def test_the_callers_own_is_left_alone(base, removed, left):
    """Whoever sweeps holds it, and looks at it himself."""
    place = left("demo-1")
    leftovers.sweep(place, pytest.fail)
    assert removed == []
    assert place.exists()


def test_a_lab_that_is_just_being_made_stays(base, removed):
    """Its maker holds the lock."""
    place = base / "half-1"
    place.mkdir()
    with homes.lock_of(place).acquire(within=1.0):
        leftovers.sweep(base / "mine", pytest.fail)
    assert removed == []
    assert place.exists()


def test_a_lab_that_was_taken_over_meanwhile_stays(base, removed, left, monkeypatch):
    """Asked again once the lock is ours: it may be another by now."""
    left("demo-1")
    answers = iter([True, False])
    monkeypatch.setattr(homes, "forsaken", lambda home: next(answers))
    leftovers.sweep(base / "mine", pytest.fail)
    assert removed == []
    assert next(answers, None) is None


def test_nothing_is_there(base, removed):
    """Nothing is done."""
    leftovers.sweep(base / "mine", pytest.fail)
    assert removed == []


def test_an_lxd_lab_that_cannot_be_removed(base, left, monkeypatch):
    """Keeps what it wrote about itself, so that the next one finds it again."""

    def refuse(site, say):
        raise LabError("the bridge is in use")

    monkeypatch.setattr(lxd_lab, "forget", refuse)
    place = left("lab-2", provider="lxd", site={"project": "p"})
    with pytest.raises(LabError, match="the bridge is in use"):
        leftovers.sweep(base / "mine", lambda _: None)
    assert homes.read(place) is not None
    assert [path.name for path in base.iterdir()] == ["lab-2"]
