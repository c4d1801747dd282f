# SPDX-License-Identifier: MIT
"""Where labs of this machine and user live, and what each wrote about itself.

A lab's home is short (a Unix socket's path may have 107 bytes) and follows from the inventory and the environment's
name alone, so that any later command finds it, also after its parent was killed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from pytest_harehearse.errors import LabError
from pytest_harehearse.labs import processes
from pytest_harehearse.safety.lock import FileLock, Held

SCHEMA: Final = 2


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that created the lab: pid, and its start in ticks since boot, since pids come back."""

    pid: int
    started: int

    @classmethod
    def me(cls) -> Owner:
        """This process, or the one that it makes labs for."""
        return _made_for[-1] if _made_for else cls(os.getpid(), processes.started(os.getpid()) or 0)

    @property
    def alive(self) -> bool:
        """Whether that very process still lives."""
        return processes.started(self.pid) == self.started


#: For whom this process makes labs, when not for itself: a worker of xdist dies alone, and others go on with its lab.
_made_for: list[Owner] = []


def make_for(owner: Owner | None) -> None:
    """Let every lab that this process makes from now on belong to another process; None: to itself again."""
    _made_for[:] = [] if owner is None else [owner]


@dataclass(frozen=True, slots=True)
class NodePlace:
    """Where a node's servers listen."""

    address: str
    #: Server → port.
    ports: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LabState:
    """What ``lab.json`` says."""

    environment: str
    inventory: str
    created_at: str
    owner: Owner
    #: True: made by ``lab up`` or kept on purpose; it outlives its owner.
    keep: bool
    #: "starting" until every cluster was healthy once, then "up".
    phase: str
    #: cluster → node → place.
    clusters: dict[str, dict[str, NodePlace]]
    secrets: dict[str, str] = field(repr=False)
    #: Addresses of the etcd members; none without a Patroni cluster.
    etcd: tuple[str, ...] = ()
    #: Cluster → addresses of its sentinels.
    sentinels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    up_s: float | None = None
    #: Which kind of lab it is, and what only that kind has to know to find and to remove it.
    provider: str = "embedded"
    site: dict[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA

    @property
    def abandoned(self) -> bool:
        """True when nobody will come back to it."""
        return not self.owner.alive and (not self.keep or self.phase != "up")


def base() -> Path:
    """Return the folder of all labs of this user, made if need be.

    Raises:
        LabError: when somebody else owns it, or it cannot be made.
    """
    shared = Path("/tmp")  # noqa: S108 - ownership is checked below; TMPDIR may be too long for a socket, or change
    root = (shared if os.access(shared, os.W_OK) else Path(tempfile.gettempdir())) / f"harehearse-{os.geteuid()}"
    try:
        root.mkdir(mode=0o711, exist_ok=True)
        found = root.lstat()
    except OSError as error:
        raise LabError(f"Labs live in {root}, which cannot be made: {error.strerror or error}.") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise LabError(f"Labs live in {root}, but that is not a folder of yours. Remove it, or ask its owner to.")
    return root


def home_of(inventory: Path, environment: str) -> Path:
    """Return the home of an environment's lab, whether it exists or not."""
    digest = hashlib.sha256(f"{inventory.resolve()}\n{environment}".encode()).hexdigest()[:8]
    return base() / f"{re.sub(r'[^A-Za-z0-9_-]', '_', environment)[:24]}-{digest}"


def save(home: Path, state: LabState) -> None:
    """Write ``lab.json``, readable by its owner only, in one step."""
    temporary = home / "lab.json.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(state), file, indent=1)
    temporary.replace(home / "lab.json")


def read(home: Path) -> LabState | None:
    """Return what a lab wrote about itself; None when it wrote nothing readable (killed while being made)."""
    try:
        data: dict[str, Any] = json.loads((home / "lab.json").read_text(encoding="utf-8"))
        return LabState(
            **{
                **data,
                "owner": Owner(**data["owner"]),
                "etcd": tuple(data["etcd"]),
                "sentinels": {cluster: tuple(addresses) for cluster, addresses in data["sentinels"].items()},
                "notes": tuple(data["notes"]),
                "clusters": {
                    cluster: {node: NodePlace(**place) for node, place in nodes.items()}
                    for cluster, nodes in data["clusters"].items()
                },
            }
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def forsaken(home: Path) -> bool:
    """Return whether nobody will come back to it; a half-made one without ``lab.json`` counts, unless it is locked."""
    state = read(home)
    return state.abandoned if state is not None else home.exists() and not (home / "lab.json").exists()


def lock_of(home: Path) -> FileLock:
    """Return the lock under which a lab is created and removed."""
    return FileLock(home.with_name(f"{home.name}.lock"), f"pid {os.getpid()}")


def homes() -> list[Path]:
    """Return the homes of all labs of this user, also of half-made ones."""
    return sorted(path for path in base().iterdir() if path.is_dir())


def tidy() -> None:
    """Remove the locks whose holder was killed, and the folder of all labs once it is empty."""
    root = base()
    for path in root.glob("*.lock"):
        with contextlib.suppress(Held):
            FileLock(path, "tidying").acquire(within=0.0).release()
    # Not empty: another lab lives there, or is just being made.
    with contextlib.suppress(OSError):
        root.rmdir()
