# SPDX-License-Identifier: MIT
"""Patroni's pause: told to a member, seen by all, started by hand; and every way in which it is not known."""

from __future__ import annotations

import pytest

from pytest_harehearse.errors import DeadlineExceeded, Indeterminate, Refused, Unreachable
from pytest_harehearse.managers import patroni_pause
from pytest_harehearse.managers.capabilities import Maintenance, StartsInMaintenance
from pytest_harehearse.managers.patroni import Patroni, PatroniNode
from pytest_harehearse.managers.patroni_rest import Answer

NODES = tuple(PatroniNode(name, name, 8008, "") for name in ("n1", "n2"))
NOBODY = Answer(None, problem="could not connect to n1:8008: Connection refused", refused=True)
SILENT = Answer(None, problem="no answer from n1:8008 within 5.0 s: timed out")


class Members:
    """Answers by (method, host, path); a list is answered from, in order, its last for ever."""

    def __init__(self, monkeypatch):
        self.answers, self.asked = {}, []
        monkeypatch.setattr(patroni_pause, "POLL_S", 0.001)
        monkeypatch.setattr(
            patroni_pause.rest, "get", lambda host, port, path, deadline: self.answer("GET", host, path)
        )
        for name in ("patch", "post"):
            monkeypatch.setattr(
                patroni_pause.rest, name,
                lambda host, port, path, body, auth, deadline, name=name: self.answer(name.upper(), host, path, body),
            )  # fmt: skip

    def answer(self, method, host, path, body=None):
        self.asked.append((method, host, path, body))
        found = self.answers[method, host, path]
        return (found.pop(0) if len(found) > 1 else found[0]) if isinstance(found, list) else found

    def pause(self, *states, host="n1"):
        self.answers["GET", host, "/patroni"] = [
            Answer(200, {"state": "running", **({"pause": True} if on else {})}) if on is not None else NOBODY
            for on in states
        ]


@pytest.fixture
def members(monkeypatch):
    made = Members(monkeypatch)
    made.answers["PATCH", "n1", "/config"] = made.answers["PATCH", "n2", "/config"] = Answer(200)
    made.pause(True)
    made.pause(True, host="n2")
    return made


@pytest.fixture
def manager():
    return Patroni(NODES, user="me", password="s3cret")


def test_it_is_what_patch_days_ask_for(manager):
    """By the protocols' own test."""
    assert isinstance(manager, Maintenance)
    assert isinstance(manager, StartsInMaintenance)


def test_on_once_every_member_has_seen_it(members, manager):
    """Told once; a member that works on without knowing would promote or demote."""
    members.pause(False, False, True, host="n2")
    assert manager.maintenance(on=True, deadline=5) == "Patroni is paused (PATCH /config to n1)"
    assert [one for one in members.asked if one[0] == "PATCH"] == [("PATCH", "n1", "/config", {"pause": True})]
    assert sum(one[1] == "n2" for one in members.asked) == 3


def test_off_takes_the_key_away(members, manager):
    """As Patroni's own command does; a member that does not answer is not waited for, if another has seen it."""
    members.pause(False)
    members.pause(None, host="n2")
    assert manager.maintenance(on=False, deadline=5) == "Patroni is resumed (PATCH /config to n1)"
    assert members.asked[0] == ("PATCH", "n1", "/config", {"pause": None})


def test_the_next_member_is_told_when_one_is_down(members, manager):
    """Nothing was sent to the first."""
    members.answers["PATCH", "n1", "/config"] = NOBODY
    assert manager.maintenance(on=True, deadline=5) == "Patroni is paused (PATCH /config to n2)"


def test_a_member_that_does_not_see_it(members, manager):
    """Named at the deadline."""
    members.pause(False, host="n2")
    with pytest.raises(
        DeadlineExceeded, match=r"Patroni was paused \(PATCH /config to n1\), but n2 had not seen it within 20 ms"
    ):
        manager.maintenance(on=True, deadline=0.02)


def test_no_member_is_left_to_see_it(members, manager):
    """Silence proves neither: unknown, not failed."""
    members.pause(None)
    members.pause(None, host="n2")
    with pytest.raises(Indeterminate) as error:
        manager.maintenance(on=True, deadline=0.02)
    assert str(error.value) == (
        "Patroni was paused (PATCH /config to n1), but whether any member has seen it is not known: none answered within "
        "20 ms."
    )


def test_settings_that_change_at_the_same_time(members, manager):
    """Told again, for it is no refusal; the next member is not asked meanwhile."""
    members.answers["PATCH", "n1", "/config"] = [Answer(409), Answer(409), Answer(200)]
    assert manager.maintenance(on=True, deadline=5) == "Patroni is paused (PATCH /config to n1)"
    assert [one[1] for one in members.asked if one[0] == "PATCH"] == ["n1", "n1", "n1"]


def test_settings_that_are_never_stored_for_certain(members, manager):
    """Patroni says the same of a store that was silent, so at the deadline nobody knows."""
    members.answers["PATCH", "n1", "/config"] = Answer(409, text="Conflict")
    with pytest.raises(Indeterminate) as error:
        manager.maintenance(on=False, deadline=0.02)
    assert str(error.value) == (
        "Whether Patroni was resumed is not known: n1 could not store it, or did not learn that it was stored: 409 Conflict."
    )


@pytest.mark.parametrize(
    ("answers", "kind", "said"),
    [
        ([Answer(401, text="no auth header received")], Refused, "Patroni was not paused: n1 says 401 no auth header received"),
        ([SILENT], Indeterminate, "Whether Patroni was paused is not known: n1: no answer from n1:8008 within 5.0 s: timed out."),
        ([NOBODY, Answer(503, text="no leader")], Unreachable,
         "Patroni was not paused, for no member took it: n1: could not connect to n1:8008: Connection refused; n2: 503 no leader."),
    ],
)  # fmt: skip
def test_what_is_no_pause(members, manager, answers, kind, said):
    """A no, silence after it was sent, and nobody at all."""
    for node, answer in zip(("n1", "n2"), answers, strict=False):
        members.answers["PATCH", node, "/config"] = answer
    with pytest.raises(kind) as error:
        manager.maintenance(on=True, deadline=5)
    assert str(error.value) == said


def test_started_once_its_patroni_answers(members, manager):
    """It may only just be starting itself."""
    members.answers["POST", "n1", "/restart"] = [
        NOBODY,
        Answer(503, text="restart failed"),
        Answer(200, text="restarted"),
    ]
    assert manager.start_in_maintenance("n1", 5) == "POST /restart to n1: restarted"


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (SILENT, Indeterminate, "Whether PostgreSQL of n1 was started is not known: no answer from n1"),
        (
            Answer(503, text="restart failed"),
            Refused,
            "PostgreSQL of n1 was not started within 20 ms: 503 restart failed",
        ),
    ],
)
def test_what_was_not_started(members, manager, answer, kind, said):
    """Unknown when it was sent and not answered; refused when it was answered with a no until the deadline."""
    members.answers["POST", "n1", "/restart"] = answer
    with pytest.raises(kind, match=said):
        manager.start_in_maintenance("n1", 0.02)
