# SPDX-License-Identifier: MIT
"""What a rehearsal carries out, named: a playbook's parts and the fingerprint by which a gate tells that it is the same one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

from pytest_harehearse.inventory.model import Cluster as Described
from pytest_harehearse.rehearsal.patching.patches import Patch
from pytest_harehearse.rehearsal.patching.steps import Step

#: What a fingerprint is made of, in the words in which a difference is told.
PARTS: Final = {
    "scenario": "the test's own text",
    "steps": "the order of the steps",
    "patch": "the patch",
    "inventory": "the cluster in the inventory",
    "version": "the version of pytest-harehearse",
}
_LENGTH: Final = 12


@dataclass(frozen=True, slots=True)
class Playbook:
    """The ordered, gated steps that a rehearsal carries out."""

    patch: str
    #: What the patch does, in words.
    does: str
    #: The node that serves at the beginning.
    original: str
    steps: tuple[Step, ...]
    #: Part → what it is at present, or a digest of it.
    parts: Mapping[str, str]

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits of SHA-256 over the parts."""
        return digest(dict(sorted(self.parts.items())))


def digest(value: object) -> str:
    """Return a short digest of plain values."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]


def playbook(patch: Patch, steps: Sequence[Step], original: str, *, scenario: str, described: Described) -> Playbook:
    """Return the playbook of a workflow.

    Args:
        patch: what is done to each node.
        steps: in their order.
        original: the node that serves at the beginning.
        scenario: a digest of the test's own text.
        described: the cluster as the inventory has it.
    """
    parts = {
        "scenario": scenario,
        "steps": digest(_roles(steps)),
        "patch": f"{patch.name}: {patch.describe()}",
        "inventory": digest(_lasting(described)),
        "version": version("pytest-harehearse"),
    }
    return Playbook(patch.name, patch.describe(), original, tuple(steps), parts)


def differing(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """Return, in words, which parts differ; nothing when it is the same playbook."""
    return [words for part, words in PARTS.items() if one.get(part) != other.get(part)]


def _roles(steps: Sequence[Step]) -> list[list[str]]:
    """Return the steps with their nodes numbered by turn: which of them serves today makes no other playbook."""
    turn: dict[str, str] = {}
    return [[step.name, step.gate, turn.setdefault(step.node, str(len(turn)))] for step in steps]


def _lasting(described: Described) -> dict[str, Any]:
    """Return what a playbook depends on: not where a lab happens to put it, nor what logs in, nor when it may be done."""
    services = [
        [service.name, service.probe, service.mode, service.session, service.every, service.timeout]
        for service in described.services
    ]
    return {
        "id": described.id,
        "kind": described.kind,
        "manager": described.manager,
        "provider": described.provider,
        "group": described.group,
        "nodes": [node.name for node in described.nodes],
        "services": services,
        "timers": [described.abort_after, described.dead_man, described.lease],
    }
