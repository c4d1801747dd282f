# SPDX-License-Identifier: MIT
"""Patroni's maintenance mode: ``PATCH /config {"pause": true}``, seen by every member, and what it leaves to a person.

As in Patroni's documentation, "Pause/Resume mode for the cluster": paused, it neither promotes, demotes, starts nor stops
PostgreSQL; a primary that was stopped is started by ``POST /restart``.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

from pytest_harehearse.clock import now
from pytest_harehearse.errors import DeadlineExceeded, Indeterminate, Refused, Unreachable
from pytest_harehearse.managers import patroni_rest as rest
from pytest_harehearse.units import show

POLL_S: Final = 0.2
#: One request; the rest of a deadline is for the effect.
ASK_S: Final = 5.0
#: What a member says when the store of its settings did not take them: another change came first, or the store was silent.
CONFLICT: Final = 409


class Member(Protocol):
    """Where a member's REST API is."""

    @property
    def name(self) -> str:
        """Of the node."""
        ...

    @property
    def host(self) -> str:
        """Its address."""
        ...

    @property
    def rest_port(self) -> int:
        """Its port."""
        ...


def switch(members: Sequence[Member], auth: tuple[str, str], on: bool, deadline: float) -> str:
    """Pause or resume, and wait until every member that answers has seen it.

    Raises:
        Refused: no member took it.
        Unreachable: no member answers; nothing was changed.
        Indeterminate: it was sent and not answered, or nobody tells whether it was seen.
        DeadlineExceeded: a member had not seen it in time.
    """
    end, word = now() + deadline, "paused" if on else "resumed"
    said = _tell(members, auth, {"pause": True if on else None}, word, end)
    while True:
        seen = paused(members, min(ASK_S, deadline))
        late = [name for name, state in seen.items() if state is not None and state is not on]
        if not late and any(state is on for state in seen.values()):
            return f"Patroni is {word} ({said})"
        if now() >= end:
            if not late:
                raise Indeterminate(
                    f"Patroni was {word} ({said}), but whether any member has seen it is not known: none answered within "
                    f"{show(deadline)}."
                )
            raise DeadlineExceeded(
                f"Patroni was {word} ({said}), but {', '.join(late)} had not seen it within {show(deadline)}."
            )
        time.sleep(POLL_S)


def _tell(members: Sequence[Member], auth: tuple[str, str], body: dict[str, object], word: str, end: float) -> str:
    """Tell the first member that takes it; return who that was."""
    problems = []
    for member in members:
        while (answer := rest.patch(member.host, member.rest_port, "/config", body, auth, ASK_S)).status == CONFLICT:
            # Settings were changed at the same time, or were not stored for certain; told twice, it is the same.
            if now() >= end:
                raise Indeterminate(
                    f"Whether Patroni was {word} is not known: {member.name} could not store it, or did not learn that it "
                    f"was stored: {answer.status} {answer.text}."
                )
            time.sleep(POLL_S)
        if answer.status == 200:
            return f"PATCH /config to {member.name}"
        if answer.status is None and not answer.refused:
            raise Indeterminate(f"Whether Patroni was {word} is not known: {member.name}: {answer.problem}.")
        if answer.status is not None and 400 <= answer.status < 500:
            raise Refused(f"Patroni was not {word}: {member.name} says {answer.status} {answer.text}")
        problems.append(f"{member.name}: {answer.problem or f'{answer.status} {answer.text}'}")
    raise Unreachable(f"Patroni was not {word}, for no member took it: {'; '.join(problems)}.")


def paused(members: Sequence[Member], deadline: float) -> dict[str, bool | None]:
    """Return whether each member works in pause by its own word; None: it does not answer."""
    with ThreadPoolExecutor(max_workers=max(1, len(members))) as pool:
        answers = list(pool.map(lambda one: rest.get(one.host, one.rest_port, "/patroni", deadline), members))
    return {
        member.name: None if answer.status is None or not answer.body else answer.body.get("pause") is True
        for member, answer in zip(members, answers, strict=True)
    }


def start(member: Member, auth: tuple[str, str], deadline: float) -> str:
    """Start a member's PostgreSQL that the pause leaves stopped; its Patroni may only just be starting itself.

    Raises:
        Refused: it could not be started.
        Indeterminate: it was not answered in time.
    """
    end = now() + deadline
    while True:
        answer = rest.post(member.host, member.rest_port, "/restart", {}, auth, max(1.0, end - now()))
        if answer.status == 200:
            return f"POST /restart to {member.name}: {answer.text}"
        if answer.status is None and not answer.refused:
            raise Indeterminate(f"Whether PostgreSQL of {member.name} was started is not known: {answer.problem}.")
        said = answer.problem or f"{answer.status} {answer.text}"
        if now() >= end:
            raise Refused(f"PostgreSQL of {member.name} was not started within {show(deadline)}: {said}")
        time.sleep(POLL_S)
