# SPDX-License-Identifier: MIT
"""``resource_fail``: Pacemaker is told that a resource failed, as a monitor would; it should restart it in place."""

from __future__ import annotations

from typing import Final

from pytest_harehearse.errors import Unsupported
from pytest_harehearse.faults.base import Expected, Fault, Scene
from pytest_harehearse.faults.on_node import OnNode, Scripts
from pytest_harehearse.units import seconds

#: $1 the resource, $2 the node by its name in the cluster (asked there). Failures are told by crm_mon, as XML.
_COMMON: Final = """PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin LC_ALL=C; export PATH LC_ALL
resource=$1
name=$(crm_node --name)
failed() { crm_mon --one-shot --output-as=xml | grep -E "<failure [^>]*op_key=\\"${resource}_[^>]*node=\\"$name\\"" > /dev/null; }
"""
_NEEDS: Final = f"""{_COMMON}
command -v crm_resource > /dev/null || {{ echo "Pacemaker's tools are not installed there" >&2; exit 1; }}
crm_resource --resource "$resource" --locate 2> /dev/null | grep -qw -- "$name" ||
  {{ echo "$resource does not run on $name" >&2; exit 1; }}
! failed || {{ echo "$resource has failed there already: clean that up first" >&2; exit 1; }}
"""
_FAIL: Final = f"""set -eu
{_COMMON}
crm_resource --fail --resource "$resource" --node "$name" 2>&1
echo "told the cluster that $resource failed on $name"
"""
_FAILED: Final = f"""{_COMMON}
for try in 1 2 3 4 5 6 7 8 9 10; do failed && exit 0; sleep 1; done
echo "the cluster shows no failure of $resource on $name"; exit 1
"""
_CLEAN: Final = f"""{_COMMON}
crm_resource --cleanup --resource "$resource" --node "$name" > /dev/null 2>&1 || {{ echo "the failure could not be cleaned up" >&2; exit 1; }}
"""
_CLEANED: Final = f"""{_COMMON}
for try in 1 2 3 4 5 6 7 8 9 10; do failed || exit 0; sleep 1; done
echo "the failure of $resource on $name is still shown"; exit 1
"""


def resource_fail(scene: Scene, node: str, *, resource: str | None = None, dead_man: str | None = None) -> Fault:
    """Tell the cluster that a resource failed on a node; it should restart it; the undo cleans up that failure.

    Args:
        scene: where; Pacemaker on hosts.
        node: where it runs.
        resource: its name in the cluster; default: the ``group`` of the inventory, if that is a single resource.
        dead_man: how long it outlives a runner that was killed.

    Raises:
        Unsupported: neither is named.
    """
    meant = resource or scene.cluster.group
    if not meant:
        raise Unsupported(f'{scene.cluster.id} names no group: name what is to fail, as in resource="vip".')
    return OnNode(
        "resource_fail", scene.channels, node, lambda: Scripts(_FAIL, _FAILED, _CLEAN, _CLEANED, (meant,)), needs=_NEEDS,
        strike_text=f"on {node}, crm_resource --fail --resource {meant}",
        undo_text=f"on {node}, crm_resource --cleanup --resource {meant}",
        dead_man=scene.dead_man if dead_man is None else seconds(dead_man), expected=Expected.IN_PLACE,
        strike_within=30.0,
    )  # fmt: skip
