# SPDX-License-Identifier: MIT
"""The checks of ``harehearse doctor``; each returns what it found and leaves nothing behind."""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_harehearse.cli import common
from pytest_harehearse.cli.doctor import Check, Patient, attempt
from pytest_harehearse.cli.doctor_lxd import lxd

if TYPE_CHECKING:
    from pytest_harehearse.inventory.model import Cluster

OLDEST_PYTHON: Final = (3, 11)
LEAST_SPACE: Final = 500_000_000
COARSEST_CLOCK_S: Final = 0.001


def _python(patient: Patient) -> list[Check]:  # noqa: ARG001
    ok = sys.version_info[:2] >= OLDEST_PYTHON
    return [Check("python", ok, platform.python_version(), None if ok else "use Python 3.11 or newer")]


def _system(patient: Patient) -> list[Check]:  # noqa: ARG001
    from pytest_harehearse.labs import processes

    lacking = []
    if not hasattr(os, "pidfd_open"):
        lacking.append("pidfd_open")
    else:
        try:
            os.close(os.pidfd_open(os.getpid()))
        except OSError as error:
            lacking.append(f"pidfd_open ({error.strerror})")
    if processes.started(os.getpid()) is None:
        lacking.append("/proc")
    kernel = f"{platform.system()} {platform.release()}"
    if lacking:
        return [
            Check(
                "system", ok=False, said=f"{kernel} lacks {' and '.join(lacking)}, by which a lab's processes are ended",
                fix="use Linux 5.3 or newer with /proc mounted",
            )
        ]  # fmt: skip
    return [Check("system", ok=True, said=f"{kernel}, with pidfd and /proc")]


def _clock(patient: Patient) -> list[Check]:  # noqa: ARG001
    clock = time.get_clock_info("monotonic")
    began = time.monotonic()
    time.sleep(0.002)
    ok = clock.monotonic and clock.resolution <= COARSEST_CLOCK_S and time.monotonic() > began
    said = f"monotonic, resolution {clock.resolution * 1e9:.0f} ns"
    return [Check("clock", ok, said, None if ok else "measure on another machine: interruptions could not be timed")]


def _inventory(patient: Patient) -> list[Check]:
    if patient.inventory is None:
        fix = (
            "harehearse init" if patient.config is None and "init" in str(patient.problem) else "correct the inventory"
        )
        return [Check("inventory", ok=False, said=str(patient.problem), fix=fix)]
    from pytest_harehearse.inventory.wording import file_label

    names = ", ".join(patient.inventory.clusters) or "no cluster"
    return [Check("inventory", ok=True, said=f"{file_label(patient.inventory.path)}: {names}")]


def _store(patient: Patient) -> list[Check]:
    from pytest_harehearse.report.live import shown

    if patient.inventory is not None:
        store = common.store_of(patient.inventory, patient.store)
    else:
        store = patient.store or Path(".harehearse")
    place = store.absolute()
    while not os.path.lexists(place):
        place = place.parent
    try:
        # Linux gives a file without a name: nothing is left, whatever happens.
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"harehearse")
    except OSError as error:
        said = f"{store}: {place} cannot be written to: {error.strerror or error}"
        return [Check("store", ok=False, said=said, fix="make it writable, or choose another place: --store DIR")]
    can = "is writable" if place == store.absolute() else "does not exist yet and can be made"
    return [Check("store", ok=True, said=f"{shown(store)} {can}")]


def _disk(patient: Patient) -> list[Check]:
    if not patient.embedded:
        return []
    from pytest_harehearse.labs import home

    base = home.base()
    free = shutil.disk_usage(base).free
    ok = free >= LEAST_SPACE
    said = f"{free / 1e9:.1f} GB free where labs live ({base})"
    return [Check("disk", ok, said, None if ok else f"free space there: a lab needs {LEAST_SPACE / 1e6:.0f} MB")]


#: Manager → what its embedded clusters run.
_SERVERS: Final = {"patroni": "PostgreSQL, etcd, Patroni", "sentinel": "Valkey"}


def _managers(patient: Patient) -> list[str]:
    """Return the managers of the embedded clusters, in the order of :data:`_SERVERS`; without any, Patroni."""
    environments = patient.inventory.environments.values() if patient.inventory else ()
    used = {c.manager for e in environments if e.provider == "embedded" for c in e.clusters.values()}
    return [manager for manager in _SERVERS if manager in used] or ["patroni"]


def _wheels(patient: Patient) -> list[Check]:
    if not patient.embedded:
        return []
    from pytest_harehearse.labs.embedded.wheels import INSTALL, missing

    managers = _managers(patient)
    if lacking := missing(managers):
        return [Check("wheels", ok=False, said=f"missing for the embedded lab: {', '.join(lacking)}", fix=INSTALL)]
    servers = ", ".join(_SERVERS[manager] for manager in managers)
    return [Check("wheels", ok=True, said=f"installed: {servers}")]


def _user(patient: Patient) -> list[Check]:
    from pytest_harehearse.labs.embedded.privilege import choose
    from pytest_harehearse.labs.embedded.wheels import binaries, missing

    if not patient.embedded:
        return []
    managers = _managers(patient)
    if "patroni" not in managers:
        return [Check("user", ok=True, said=f"the lab's servers run as you (uid {os.geteuid()})")]
    if missing(managers):
        return [Check("user", ok=False, said="not tried: the wheels are missing", fix="install the wheels first")]
    programs = binaries()
    with tempfile.TemporaryDirectory(prefix="harehearse-doctor-", dir=_lab_base()) as folder:
        # As a lab's home: others may pass through.
        Path(folder).chmod(0o711)
        privilege = choose(programs.postgres, programs.etcd, Path(folder))
    return [Check("user", ok=True, said=privilege.note or f"the lab's servers run as you (uid {os.geteuid()})")]


def _lab_base() -> Path:
    from pytest_harehearse.labs import home

    return home.base().parent


def _loopback(patient: Patient) -> list[Check]:
    if not patient.embedded:
        return []
    from pytest_harehearse.labs.embedded import addresses
    from pytest_harehearse.labs.embedded.stack import stack_class

    nodes = max(
        (
            sum(len(cluster.nodes) for cluster in environment.clusters.values())
            for environment in (patient.inventory.environments.values() if patient.inventory else ())
            if environment.provider == "embedded"
        ),
        default=3,
    )
    stacks = [stack_class(manager)(Path(), ()) for manager in _managers(patient)]
    helpers = [tuple(ports.values()) for stack in stacks for ports in stack.helpers()]
    own = tuple(port for stack in stacks for port in stack.node().values())
    wanted = {1 + number: ports for number, ports in enumerate(helpers)}
    wanted |= {11 + number: own for number in range(nodes)}
    prefix = addresses.choose(wanted)
    return [Check("loopback", ok=True, said=f"addresses of the lab are free, as {prefix}.1 to {prefix}.{10 + nodes}")]


def _leftovers(patient: Patient) -> list[Check]:  # noqa: ARG001
    from pytest_harehearse.labs import home, processes

    found = []
    for place in home.homes():
        state = home.read(place)
        if _busy(place.parent / f"{place.name}.lock") or (state is not None and not state.abandoned):
            continue
        alive = f"{len(processes.below(place))} processes and files in {place}"
        if state is not None:
            said = f"the lab {state.environment} of {state.inventory} was left by a killed parent: {alive}"
            fix = common.again("lab", "down", state.environment, config=Path(state.inventory))
        else:
            said = f"a lab was killed while being made: {alive}"
            fix = "harehearse lab down in the project that it belongs to; its name begins with the environment's"
        found.append(Check("leftovers", ok=False, said=said, fix=fix))
    return found or [Check("leftovers", ok=True, said="no lab was left behind by a killed parent")]


def _busy(lock: Path) -> bool:
    """Return whether somebody makes or removes a lab now; only looks."""
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _clusters(patient: Patient) -> list[Check]:
    if patient.inventory is None:
        return [
            Check(word, ok=False, said="not looked at: the inventory is wrong", fix="correct the inventory first")
            for word in patient.words
        ]
    checks: list[Check] = []
    for cluster in common.clusters(patient.inventory, patient.words):
        found = attempt(cluster.id, lambda patient, one=cluster: _cluster(patient, one), patient)  # type: ignore[misc]
        checks += [replace(check, kind=cluster.kind) for check in found]
    return checks


def _cluster(patient: Patient, cluster: Cluster) -> list[Check]:
    from pytest_harehearse.cli.doctor_hosts import hosts

    found = patient.inventory
    if found is not None and cluster.provider in {None, "hosts"}:
        return hosts(patient, cluster)
    return [_in_lab(patient, cluster)]


def _in_lab(patient: Patient, cluster: Cluster) -> Check:
    from pytest_harehearse.cli.status import ask, sentence
    from pytest_harehearse.labs.base import PROVIDERS, lab_of

    found = patient.inventory
    if found is None or cluster.provider not in PROVIDERS:
        what = f"a lab by {cluster.provider}" if cluster.provider else cluster.kind
        fix = f"rehearse in a lab by {', '.join(PROVIDERS)}"
        return Check(cluster.id, ok=False, said=f"{what}, which this version cannot reach yet", fix=fix)
    report = lab_of(found, found.environments[cluster.environment]).report()
    remove = common.again("lab", "down", cluster.environment, config=patient.config)
    if not report.exists:
        return Check(cluster.id, ok=True, said="its lab is not up; a rehearsal creates it")
    if not report.up:
        said = "its lab is not up, but something is left of it (or it is just being made)"
        return Check(cluster.id, ok=False, said=said, fix=remove)
    answer = ask(found, cluster, config=patient.config)
    ok = answer.redundant is True
    return Check(cluster.id, ok, sentence(answer), None if ok else f"wait for it, or make the lab anew: {remove}")


#: Name → check, in the order of the screen.
TABLE: Final[dict[str, Callable[[Patient], list[Check]]]] = {
    "python": _python,
    "system": _system,
    "clock": _clock,
    "inventory": _inventory,
    "store": _store,
    "disk": _disk,
    "wheels": _wheels,
    "user": _user,
    "loopback": _loopback,
    "lxd": lxd,
    "leftovers": _leftovers,
    "clusters": _clusters,
}
