# SPDX-License-Identifier: MIT
"""The manager ``pacemaker`` of a cluster of two or more nodes; see :mod:`~pytest_harehearse.managers.pacemaker`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_harehearse.clock import now
from pytest_harehearse.errors import ConfigError, HarehearseError, Indeterminate, Refused
from pytest_harehearse.inventory.model import Cluster
from pytest_harehearse.managers.base import SWITCHOVER_WAYS, Recordings
from pytest_harehearse.managers.capabilities import Prediction
from pytest_harehearse.managers.pacemaker import actions, fencing, predict, switch, tools
from pytest_harehearse.managers.pacemaker.facts import PacemakerState
from pytest_harehearse.managers.pacemaker.fence_event import FenceEvent
from pytest_harehearse.managers.pacemaker.judge import believed, group_addresses, judge
from pytest_harehearse.managers.pacemaker.limitation import known_limitation, predicted_limitation
from pytest_harehearse.managers.pacemaker.reach import Nodes
from pytest_harehearse.managers.pacemaker.roles import roles
from pytest_harehearse.managers.pacemaker.view import View, asking, read
from pytest_harehearse.managers.state import ClusterState
from pytest_harehearse.remote.base import Channel, Script

#: Exits with 0 when the node has every address it is given, with 1 when it lacks one.
_HAS_ALL = """for wanted in "$@"; do
  found=$(ip -o address show to "$wanted") || exit 2
  [ -n "$found" ] || exit 1
done
"""


class PacemakerManager:
    """One cluster under Pacemaker and Corosync; ``cluster.group`` is what is switched over."""

    name = "pacemaker"
    switchover_ways: tuple[str, ...] = SWITCHOVER_WAYS["pacemaker"]

    def __init__(self, cluster: Cluster, channels: Mapping[str, Channel]) -> None:
        missing = [node.name for node in cluster.nodes if node.name not in channels]
        if missing:
            raise ConfigError(f"{cluster.id}: how {', '.join(missing)} is reached is not known; give it a url")
        self._id = cluster.id
        self._nodes = Nodes({node.name: channels[node.name] for node in cluster.nodes})
        self._channels = channels
        self._group = cluster.group
        #: The view of a node that told all; for what does not change.
        self._seen: View | None = None

    # -- what it says ----------------------------------------------------------------------------------------------

    def state(self, deadline: float = 3.0) -> PacemakerState:
        """Return what every node says of the cluster and of itself; see :class:`~..base.Manager`.

        Raises:
            ConfigError: the inventory names no group, and the cluster has none or several.
        """
        asked = {node: asking(deadline) for node in self._nodes}
        answers = self._nodes.all(asked, deadline)
        views = {node: read(node, asked[node], answers[node]) for node in self._nodes}
        self._seen = believed(views) or self._seen
        state = judge(views, self._named(views), self._nodes.names)
        if state.facts.by is not None:
            self._nodes.names = dict(state.facts.names)
        return state

    def roles(self, deadline: float = 1.0) -> dict[str, str]:
        """Return each node's role by the first node that tells; see :class:`~..base.Manager`."""
        return roles(self._nodes, self._group, deadline)

    def _named(self, views: Mapping[str, View]) -> str:
        best = believed(views)
        if self._group is None and best is not None and best.mon is not None and best.credible:
            groups = best.mon.groups
            if len(groups) != 1:
                there = f"the groups {', '.join(groups)}" if groups else "no group"
                raise ConfigError(
                    f"{self._id}: the inventory does not say what is switched over, and the cluster has {there}. "
                    'Name a group, or a primitive such as an address: group = "…"'
                )
            self._group = groups[0]
        return self._group or ""

    @property
    def group(self) -> str:
        """The resource that is switched over.

        Raises:
            ConfigError: it is not named and the cluster does not have just one group.
            Indeterminate: it is not named and no node could be asked.
        """
        if self._group is None:
            self.state()
        if self._group is None:
            raise Indeterminate(f"{self._id}: no node tells which group the cluster has; name it in the inventory")
        return self._group

    # -- the switchover --------------------------------------------------------------------------------------------

    def by(self, way: str) -> PacemakerManager:  # noqa: ARG002 - the protocol's
        """Return the same: it moves in one way only."""
        return self

    def choose_target(self, state: ClusterState) -> str | None:
        """Return the first standby that could take over."""
        return next(iter(state.standbys), None)

    def switchover_limitation(self, state: ClusterState, to: str | None) -> str | None:
        """Return why a switchover cannot be made now; the cluster's own scheduler is asked what would come of it."""
        known = self._known(state)
        target = to or self.choose_target(known)
        reason = known_limitation(known, to, target)
        if reason is not None or target is None:
            return reason
        try:
            moved, settled = self._predict_move(known, target, 10.0)
        except HarehearseError as error:
            return f"what would come of it cannot be predicted: {error}"
        return predicted_limitation(known.facts.group, self._nodes.name(target), moved, settled)

    def describe_switchover(self, leader: str, to: str) -> str:
        """Return the command as a person would type it."""
        return f"{tools.typed(self._group or 'GROUP', self._nodes.name(to))} ({leader} → {to})"

    def switchover(self, state: ClusterState, to: str, deadline: float) -> str:
        """Move the group and take the constraint away again; see :class:`~..base.Switchover`."""
        known = self._known(state)
        reason = known_limitation(known, to, to)
        if reason is not None or known.active is None:
            raise Refused(f"{self._id}: {reason or 'no node is active'}; nothing was changed")
        wanted = switch.Move(known.facts.group, self._nodes.name(to), self._promoted(known))
        return switch.move(self._nodes, wanted, [to], [known.active], deadline)

    def leftovers(self, deadline: float = 5.0) -> tuple[str, ...]:
        """Return the constraints that moves and bans left; see :class:`~..capabilities.Leftovers`."""
        return tuple(leftover.name for leftover in self.state(deadline).facts.leftovers)

    def remove_leftovers(self, deadline: float = 20.0) -> str:
        """Remove the constraints that a killed move left; see :class:`~..capabilities.Leftovers`."""
        return switch.remove(self._nodes, self.group, deadline)

    def _known(self, state: ClusterState) -> PacemakerState:
        return state if isinstance(state, PacemakerState) else self.state()

    @staticmethod
    def _promoted(state: PacemakerState) -> str:
        return tools.promoted_option(state.facts.version) if state.facts.promotable else ""

    # -- predictions -----------------------------------------------------------------------------------------------

    def predict_switchover(self, to: str, deadline: float = 10.0) -> Prediction:
        """Return where everything would run after a switchover, its constraint removed; see :class:`~..capabilities.Predict`."""
        moved, settled = self._predict_move(self.state(), to, deadline)
        return Prediction(settled.resources, (*moved.actions, *settled.actions))

    def predict_node_fail(self, node: str, deadline: float = 10.0) -> Prediction:
        """Return where everything would run after a node failed; see :class:`~..capabilities.Predict`."""
        return self._predict(predict.asking_fail(deadline, self._nodes.name(node)), deadline, "settled", last=node)[0]

    def predict_drain(self, node: str, deadline: float = 10.0) -> Prediction:
        """Return where everything would run after a node was drained."""
        return self._predict(predict.asking_standby(deadline, self._nodes.name(node)), deadline, "settled")[0]

    def _predict_move(self, state: PacemakerState, to: str, deadline: float) -> tuple[Prediction, ...]:
        asked = predict.asking_move(deadline, state.facts.group, self._nodes.name(to), self._promoted(state))
        return self._predict(asked, deadline, "moved", "settled")

    def _predict(
        self, asked: Script, deadline: float, *sections: str, last: str | None = None
    ) -> tuple[Prediction, ...]:
        _, said, _ = self._nodes.tell(
            asked, "Predicting", deadline, last=[last] if last else [], again=True, probe="copy"
        )
        return predict.read(said, *sections)

    # -- what else it does -----------------------------------------------------------------------------------------

    def drain(self, node: str, deadline: float = 120.0) -> str:
        """Set a node to standby and wait until it is empty; see :class:`~..capabilities.Drain`."""
        return actions.drain(self._nodes, self._member(node), self._group, deadline)

    def undrain(self, node: str, deadline: float = 120.0) -> str:
        """Take a node out of standby; see :class:`~..capabilities.Drain`."""
        return actions.undrain(self._nodes, self._member(node), deadline)

    def drain_undo(self, node: str) -> tuple[Script, Script]:
        """Return what undrains a node without us; see :class:`~..capabilities.UndoScripts`."""
        return actions.drain_undo(self._nodes.name(self._member(node)))

    def maintenance_undo(self) -> tuple[Script, Script]:
        """Return what ends the maintenance without us; see :class:`~..capabilities.UndoScripts`."""
        return actions.maintenance_undo()

    def maintenance(self, on: bool, deadline: float = 60.0) -> str:
        """Switch maintenance mode; see :class:`~..capabilities.Maintenance`."""
        return actions.maintenance(self._nodes, on, deadline)

    def cleanup(self, resource: str | None = None, deadline: float = 60.0) -> str:
        """Forget failed actions; see :class:`~..capabilities.Cleanup`."""
        return actions.cleanup(self._nodes, resource, deadline)

    def fence(self, node: str, action: str = "reboot", deadline: float = 120.0) -> str:
        """Fence a node by the cluster; see :class:`~..capabilities.Fence`."""
        return fencing.fence(self._nodes, self._member(node), action, deadline)

    def fencing_history(self, deadline: float = 10.0) -> Sequence[FenceEvent]:
        """Return every fencing that the cluster remembers; see :class:`~..capabilities.Fence`."""
        return fencing.history(self._nodes, deadline)

    def fencing_limitation(self, node: str) -> str | None:
        """Return why a node could not be fenced now; see :class:`~..capabilities.FencingLimits`."""
        state = self.state()
        return state.facts.unfenced(self._member(node))

    def _member(self, node: str) -> str:
        if node not in set(self._nodes):
            raise Refused(f"{self._id} has no node {node!r}; its nodes are {', '.join(self._nodes)}")
        return node

    # -- what it recorded ------------------------------------------------------------------------------------------

    def records(self, since: float, deadline: float = 20.0) -> Recordings:
        """Return what the nodes recorded; see :class:`~..base.Records`."""
        from pytest_harehearse.managers.pacemaker_records import collect

        end = now() + deadline
        told = self._nodes.mon(min(5.0, deadline / 2))
        parts = () if isinstance(told, str) else tuple(part.name for part in told[1].parts(self._group or ""))
        return collect(self._channels, parts, since, max(1.0, end - now()))

    # -- what it manages -------------------------------------------------------------------------------------------

    def units(self) -> tuple[str, ...]:
        """Return the systemd units that the cluster manages; see :class:`~..capabilities.ManagesUnits`."""
        view = self._told()
        return view.config.units if view is not None and view.config is not None else ()

    def claim_commands(self) -> dict[str, Script]:
        """Return how each node is asked whether it has the group's addresses; see :class:`~..base.ClaimsByCommand`."""
        wanted = self.addresses()
        return {node: Script(_HAS_ALL, wanted) for node in self._nodes} if wanted else {}

    def addresses(self) -> tuple[str, ...]:
        """Return the addresses that move with the group; see :class:`~..capabilities.OwnsAddresses`."""
        view = self._told()
        return tuple(sorted(group_addresses(view, self.group) or ())) if view is not None else ()

    def _told(self) -> View | None:
        if self._seen is None:
            self.state()
        return self._seen
