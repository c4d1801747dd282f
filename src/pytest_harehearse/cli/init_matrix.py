# SPDX-License-Identifier: MIT
"""The weekly run on several runners: which clusters each has, and the files of ``harehearse init --ci … --matrix``."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from pytest_harehearse.errors import ConfigError

if TYPE_CHECKING:
    from pytest_harehearse.inventory.model import Inventory

By = Literal["site", "cluster"]
#: The templates of those that have a matrix.
TEMPLATES: Final = {"github": "weekly.matrix.github.yml", "gitlab": "weekly.matrix.gitlab-ci.yml"}
_ELSEWHERE: Final = "anywhere"


@dataclass(frozen=True, slots=True)
class Job:
    """What one runner does."""

    name: str
    clusters: tuple[str, ...]
    #: The label of the runner; empty: any.
    site: str = ""


def jobs(found: Inventory, by: By) -> list[Job]:
    """Return the jobs of a week: the clusters that ``harehearse weekly`` takes, by where they are or each for itself.

    Raises:
        ConfigError: there is none, or no site is named.
    """
    from pytest_harehearse.cli import common, weekly_plan

    chosen = weekly_plan.usual(found) or common.clusters(found, ())
    if by == "cluster":
        return [Job(_name(one.id), (one.id,), one.site) for one in chosen]
    if not any(one.site for one in chosen):
        raise ConfigError(
            f"No cluster of {', '.join(one.id for one in chosen)} says where it is. Name it in the inventory "
            '(site = "paris", of a cluster or of a whole environment), or divide them by cluster: --matrix cluster'
        )
    sites: dict[str, list[str]] = {}
    for one in chosen:
        sites.setdefault(one.site, []).append(one.id)
    return [Job(_name(site) or _ELSEWHERE, tuple(names), site) for site, names in sites.items()]


def _name(text: str) -> str:
    """Return a text as it may stand in the name of an artifact."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", text)


def fill(target: str, text: str, by: By, found: Sequence[Job]) -> str:
    """Return a template with the jobs in it."""
    github = target == "github"
    include = _github(found) if github else _gitlab(found)
    where = "from/weekly-{}/weekly-runs" if github else "from/{}"
    tags = "  # A runner at the site, by its tag.\n  tags: [$SITE]\n" if any(job.site for job in found) else ""
    return (
        text.replace("@INCLUDE@", "\n".join(include))
        .replace("@NAMES@", ", ".join(json.dumps(job.name) for job in found))
        .replace("@FROM@", " ".join(where.format(job.name) for job in found))
        .replace("@TAGS@\n", tags).replace("@TAGS@", tags)
        .replace("@BY@", by)
    )  # fmt: skip


def _github(found: Sequence[Job]) -> list[str]:
    lines = []
    for job in found:
        runner = f"[self-hosted, {json.dumps(job.site)}]" if job.site else "ubuntu-latest"
        lines += [
            f"          - name: {json.dumps(job.name)}",
            f"            clusters: {json.dumps(' '.join(job.clusters))}",
            f"            runner: {runner}",
        ]
    return lines


def _gitlab(found: Sequence[Job]) -> list[str]:
    lines = []
    sites = any(job.site for job in found)
    for job in found:
        lines += [f"      - NAME: {json.dumps(job.name)}", f"        CLUSTERS: {json.dumps(' '.join(job.clusters))}"]
        lines += [f"        SITE: {json.dumps(job.site or _ELSEWHERE)}"] if sites else []
    return lines
