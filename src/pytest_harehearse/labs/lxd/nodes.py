# SPDX-License-Identifier: MIT
"""The instances of a lab: created from the image, given their files, snapshotted, started."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from pytest_harehearse.errors import LabError
from pytest_harehearse.labs.lxd import image as images
from pytest_harehearse.labs.lxd.api import Api
from pytest_harehearse.labs.lxd.node_files import File

#: The state that a reset goes back to: everything written, never yet started.
SNAPSHOT: Final = "provisioned"
ALIAS: Final = "node"


def each(names: Iterable[str], do: Callable[[str], None]) -> None:
    """Do something for every node at once; raises what went wrong first."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        for future in [pool.submit(do, name) for name in names]:
            future.result()


def import_image(api: Api, image: Path, within: float = 300.0) -> None:
    """Bring the image into the project, under :data:`ALIAS`."""
    boundary = "harehearse-image"
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="metadata"; filename="metadata.tar"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    middle = (
        f'\r\n--{boundary}\r\nContent-Disposition: form-data; name="rootfs"; filename="root.tar.zst"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    body = head + images.metadata() + middle + image.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
    made = api.upload("images", body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}, within)
    api.post("images/aliases", {"name": ALIAS, "target": made["fingerprint"]})


def create(api: Api, node: str, files: dict[str, File]) -> None:
    """Create an instance, write its files and keep that state as a snapshot; it is not started."""
    api.post("instances", {
        "name": node, "type": "container", "source": {"type": "image", "alias": ALIAS},
        "config": {"boot.autostart": "false"},
    }, within=120)  # fmt: skip
    owners = {"root": (0, 0), "hacluster": images.HACLUSTER}
    for path, file in files.items():
        api.write(node, path, file.data, mode=file.mode, owner=owners[file.owner])
    api.post(f"instances/{node}/snapshots", {"name": SNAPSHOT, "stateful": False}, within=60)


def restore(api: Api, node: str) -> None:
    """Bring an instance back to its snapshot; it is stopped then.

    Raises:
        LabError: it could not be stopped or restored.
    """
    if api.state(node) == "missing":
        raise LabError(
            f"The instance {node} is gone, so the lab cannot be reset. Make it anew: harehearse lab down, then up."
        )
    if api.state(node) != "Stopped":
        api.change_state(node, "stop", force=True)
    api.put_when_free(f"instances/{node}", {"restore": SNAPSHOT}, within=60)
