# SPDX-License-Identifier: MIT
"""The tools that move a resource, as found on a node, and how each is told.

All make the same constraint with an end of its own, and all are told to remove it: what ``pcs resource move`` removes by
itself depends on its version (0.10.9 with ``--autodelete``, 0.11 always, and not when it cannot tell what would happen).
"""

from __future__ import annotations

from typing import Final

#: The first that is there is taken; ``with-constraint`` came with pcs 0.11.
FIND: Final = r"""
if command -v crm_resource >/dev/null 2>&1; then tool=crm_resource
elif command -v pcs >/dev/null 2>&1; then
  if pcs resource help move-with-constraint 2>/dev/null | grep -q move-with-constraint; then tool=pcs; else tool=pcs-0.10; fi
elif command -v crm >/dev/null 2>&1; then tool=crm
else tool=none
fi
printf '%s begin tool\n%s\n%s end tool 0\n' "$mark" "$tool" "$mark"
"""

#: ``$1`` resource, ``$2`` node, ``$3`` lifetime, ``$4`` --promoted, --master or nothing.
MOVE: Final = r"""
case $tool in
  crm_resource) kept move crm_resource --resource "$1" --move --node "$2" --lifetime "$3" ${4:+"$4"};;
  pcs) kept move pcs resource move-with-constraint "$1" "$2" "lifetime=$3" ${4:+"$4"};;
  pcs-0.10) kept move pcs resource move "$1" "$2" "lifetime=$3" ${4:+"$4"};;
  crm) kept move crm resource move "$1" "$2" "$3";;
  *) printf '%s begin move\nneither crm_resource nor pcs nor crm was found\n%s end move 127\n' "$mark" "$mark"; false;;
esac
"""

#: ``$1`` resource.
CLEAR: Final = r"""
case $tool in
  crm_resource) kept clear crm_resource --resource "$1" --clear;;
  pcs|pcs-0.10) kept clear pcs resource clear "$1";;
  crm) kept clear crm resource clear "$1";;
esac
"""

#: What is left of moves.
LEFT: Final = "section left cibadmin --query --scope constraints\n"


def promoted_option(version: str) -> str:
    """Return how a tool is told to move the promoted role, by Pacemaker's version, as 2.1.5-a3f44794f94."""
    major, _, rest = version.partition(".")
    minor = rest.partition(".")[0]
    old = major.isdigit() and minor.isdigit() and (int(major), int(minor)) < (2, 1)
    return "--master" if old else "--promoted"


def typed(resource: str, node: str, promoted: str = "") -> str:
    """Return the move as a person would type it."""
    words = ["crm_resource", "--resource", resource, "--move", "--node", node, *([promoted] if promoted else [])]
    return f"{' '.join(words)} && crm_resource --wait; crm_resource --resource {resource} --clear"
