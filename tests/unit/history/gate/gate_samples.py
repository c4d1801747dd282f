# SPDX-License-Identifier: MIT
"""Rehearsals of lab/web for production/web, an hour apart, all of them good."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

from pytest_harehearse.history.gate.rehearsed import Rehearsals
from pytest_harehearse.history.index.measured import Measured, PatchMeasured, ServiceMeasured
from pytest_harehearse.inventory.model import Cluster, Gates, Node, Service

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PARTS = {"scenario": "s", "steps": "t", "patch": "reboot", "inventory": "i", "version": "0.1.0"}
SWITCHOVER = "scenarios/test_switch.py::test_failover_planned_switchover"
PATCH_DAY = "scenarios/test_patch.py::test_failover_patch_standby_first"
NODES = (Node("web1"), Node("web2"))
PAGE = Service("page", "http", "http://198.18.0.100/")
LAB = Cluster("lab", "web", "lab", "pacemaker", NODES, provider="lxd", services=(PAGE,))
PRODUCTION = Cluster(
    "production", "web", "production", "pacemaker", NODES, services=(PAGE,), twin="lab/web",
    allow=("switchover", "patch"), windows=("Tue 01:00-03:00 UTC",), gates=Gates(interruption=5.0),
)  # fmt: skip


def service(upper=2.3, *, longest=None, mode="read", lost=None, valid=True, lower=None):
    return ServiceMeasured(
        "page", "http", mode, "new", valid, (upper or 1.0) * 0.9 if lower is None else lower, upper, 1, lost, 0.02,
        upper if longest is None else longest,
    )  # fmt: skip


def patch_day(**changes):
    return dataclasses.replace(
        PatchMeasured(
            "standby first", "reboot", "f1", PARTS, went_through=True, whole=40.0, prepatch=True, way_back=None
        ),
        **changes,
    )


def measured(number, *, scenario=SWITCHOVER, cluster=LAB, hours=None, services=(), **changes):
    """Return the rehearsal of this number: ``hours`` ago, by default 10 less the number."""
    at = NOW - timedelta(hours=10 - number if hours is None else hours)
    run = f"r-2026w48-{number:02d}"
    base = Measured(
        run, "r1", f"{scenario}[{cluster.id}]", scenario, cluster.id, cluster.kind, at, "passed", None, 30.0,
        tuple(services) or (service(),), dual=0.0, version="0.1.0", host="h", key=f"k{number}",
    )  # fmt: skip
    return dataclasses.replace(base, **changes)


def good():
    """Three switchovers, a patch day, and a way back."""
    return (
        measured(1),
        measured(2),
        measured(3),
        measured(4, scenario=PATCH_DAY, services=(service(6.9, longest=2.3),), patch_days=(patch_day(),)),
        measured(
            5, scenario="scenarios/test_back.py::test_failover_patch_rollback",
            patch_days=(patch_day(went_through=False, whole=None, prepatch=False, way_back=7.5),),
        ),
    )  # fmt: skip


def rehearsals(*found, cluster=PRODUCTION, source=LAB, now=NOW, damaged=None):
    return Rehearsals(
        cluster, source, now, tuple(sorted(found, key=lambda one: one.at)), damaged or {},
        "pytest scenarios --harehearse-cluster lab/web",
    )  # fmt: skip
