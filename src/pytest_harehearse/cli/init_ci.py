# SPDX-License-Identifier: MIT
"""The files of ``harehearse init --ci``: the weekly run for GitHub, GitLab, Jenkins and systemd."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pytest_harehearse.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Target:
    """Where the weekly run is to be carried out: file to write → its template, and what is to be done next."""

    files: dict[str, str]
    next: tuple[str, ...]


TARGETS: Final = {
    "github": Target(
        {".github/workflows/weekly.yml": "weekly.github.yml"},
        ("git add .github/workflows/weekly.yml", "gh workflow run weekly.yml"),
    ),
    "gitlab": Target(
        {".gitlab-ci.yml": "weekly.gitlab-ci.yml"},
        ("git add .gitlab-ci.yml", "then, in GitLab: Build > Pipeline schedules > New schedule"),
    ),
    "jenkins": Target(
        {"Jenkinsfile": "weekly.Jenkinsfile"},
        ("git add Jenkinsfile", "then, in Jenkins: New Item > Pipeline > Pipeline script from SCM"),
    ),
    "systemd": Target(
        {"harehearse-weekly.service": "weekly.service", "harehearse-weekly.timer": "weekly.timer"},
        (
            "sudo cp harehearse-weekly.service harehearse-weekly.timer /etc/systemd/system/",
            "sudo systemctl daemon-reload",
            "sudo systemctl enable --now harehearse-weekly.timer",
        ),
    ),
}
#: What to do where a pipeline is there already.
BESIDE: Final = {
    ".gitlab-ci.yml": "harehearse init --ci gitlab ci, and in yours: include: ci/.gitlab-ci.yml",
    "Jenkinsfile": "harehearse init --ci jenkins ci, and give a Jenkins job of its own the script path ci/Jenkinsfile",
}


def fill(text: str, project: Path, python: str = sys.executable) -> str:
    """Return a template with the project's folder and the interpreter in it, as systemd reads them.

    Raises:
        ConfigError: one of them has a line break in its name.
    """
    for one in (str(project), python):
        if "\n" in one or "\r" in one:
            raise ConfigError(
                f"{one!r} has a line break in its name, which no unit of systemd can hold; choose another."
            )
    directory = str(project).replace("%", "%%")
    return text.replace("@PROJECT@", directory).replace("@PYTHON@", _word(python))


def _word(text: str) -> str:
    """Return a word of ``ExecStart``."""
    safe = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{safe}"' if shlex.quote(text) != text else safe
