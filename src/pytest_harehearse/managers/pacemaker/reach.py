# SPDX-License-Identifier: MIT
"""Which node is asked, and how the three things that can come of it count."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from pytest_harehearse.clock import now
from pytest_harehearse.errors import Indeterminate
from pytest_harehearse.errors import Unreachable as NotReached
from pytest_harehearse.managers.pacemaker.crm_mon import Mon
from pytest_harehearse.managers.pacemaker.sections import NOT_FOUND, Said, split
from pytest_harehearse.managers.pacemaker.view import asking_mon, read_mon
from pytest_harehearse.remote.base import Channel, Done, Outcome, Script, Unknown

#: A question to one node, when others could be asked instead.
ASK_S: Final = 5.0
#: CRM_EX_DISCONNECT and a command that is not there: nothing was changed, and another node may do better.
ABSENT: Final = frozenset({102, NOT_FOUND})


class Nodes:
    """The nodes of one cluster by their channels."""

    def __init__(self, channels: Mapping[str, Channel]) -> None:
        self._channels = dict(channels)
        #: Node in the inventory → in the cluster, as far as learned.
        self.names: dict[str, str] = {}
        self._last: str | None = None
        #: Those that did not answer since another did; they are asked after the others.
        self._silent: set[str] = set()
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[str]:
        """Their names in the inventory."""
        return iter(self._channels)

    def name(self, node: str) -> str:
        """Return a node's name in the cluster."""
        return self.names.get(node, node)

    def all(self, asked: Mapping[str, Script], deadline: float) -> dict[str, Outcome]:
        """Ask every node its question, at once."""
        with ThreadPoolExecutor(max_workers=max(1, len(asked))) as pool:
            answers = {
                node: pool.submit(self._channels[node].run, script, deadline=deadline) for node, script in asked.items()
            }
            return {node: answer.result() for node, answer in answers.items()}

    def order(self, first: Iterable[str] = (), last: Iterable[str] = ()) -> list[str]:
        """Return the nodes in the order in which to ask them: the last that answered first, unless told otherwise."""
        first, last = list(first), set(last)
        with self._lock:
            tried = [*first, *([self._last] if self._last else []), *self._channels]
        known = [node for node in dict.fromkeys(tried) if node in self._channels]
        return sorted(known, key=lambda node: (node in last, node in self._silent))

    def _answered(self, node: str, *, well: bool) -> None:
        with self._lock:
            if well:
                self._last = node
                self._silent.discard(node)
            else:
                self._silent.add(node)

    def tell(
        self,
        script: Script,
        what: str,
        deadline: float,
        *,
        first: Iterable[str] = (),
        last: Iterable[str] = (),
        only: Iterable[str] | None = None,
        again: bool = False,
        probe: str = "",
    ) -> tuple[str, dict[str, Said], Done]:
        """Run a script on the first node that can be reached.

        Args:
            script: of sections.
            what: what it is for, in a few words.
            deadline: of the whole.
            first: nodes to be tried before others.
            last: nodes to be tried after all others.
            only: no other nodes than these.
            again: it may be sent to another node when one did not answer, for it reads only, or does no more twice than once.
            probe: the section that shows whether Pacemaker is there and runs; where it is not, the next node is asked.

        Raises:
            Unreachable: no node took it.
            Indeterminate: it was sent and not answered.
        """
        end = now() + deadline
        problems, unanswered = [], False
        allowed = None if only is None else set(only)
        for node in self.order(first, last):
            if allowed is not None and node not in allowed:
                continue
            left = end - now()
            if left <= 0:
                problems.append(f"{node}: not asked, for the time was over")
                break
            outcome = self._channels[node].run(script, deadline=min(left, ASK_S) if again else left)
            if isinstance(outcome, Done):
                said = split(script, outcome.stdout)
                if probe in said and said[probe].rc in ABSENT:
                    self._answered(node, well=False)
                    problems.append(f"{node}: ended with {said[probe].rc} ({said[probe].text})")
                    continue
                self._answered(node, well=True)
                return node, said, outcome
            self._answered(node, well=False)
            problems.append(f"{node}: {outcome.reason}")
            unanswered = unanswered or isinstance(outcome, Unknown)
            if unanswered and not again:
                raise Indeterminate(
                    f"{what} was sent to {node} and not answered ({outcome.reason}), so it may happen: unknown."
                )
        if unanswered:
            raise Indeterminate(f"{what}: no node answered in time ({'; '.join(problems)}): unknown.")
        raise NotReached(f"{what}: no node could be asked ({'; '.join(problems)}), so nothing was changed.")

    def mon(self, deadline: float = ASK_S) -> tuple[str, Mon] | str:
        """Return the cluster's state by a node that tells it, and that node; or why none does.

        One that has quorum is asked for; the word of one without is taken when there is no other.
        """
        end = now() + deadline
        problems = []
        second: tuple[str, Mon] | None = None
        order = self.order()
        for place, node in enumerate(order):
            left = end - now()
            if left <= 0:
                break
            # One that hangs must leave time for the others.
            share = left if place == len(order) - 1 else left / 2
            asked = asking_mon(share)
            outcome = self._channels[node].run(asked, deadline=share)
            mon = read_mon(split(asked, outcome.stdout), outcome) if isinstance(outcome, Done) else outcome.reason
            self._answered(node, well=not isinstance(mon, str))
            if isinstance(mon, str):
                problems.append(f"{node}: {mon}")
            elif mon.quorum is not False:
                return node, mon
            else:
                second = second or (node, mon)
        return second or "; ".join(problems) or "no node could be asked in time"
