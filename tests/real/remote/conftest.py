# SPDX-License-Identifier: MIT
"""What tests of the channels need: a real sshd on loopback, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sshd as servers
from cutting_proxy import CuttingProxy


@pytest.fixture(scope="session")
def _has_sshd() -> None:
    reason = servers.limitation()
    if reason is not None:
        pytest.skip(f"no real SSH server here: {reason}")


@pytest.fixture(scope="session")
def sshd(_has_sshd: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Sshd]:
    """An sshd shared by the tests that leave it as it is."""
    server = servers.Sshd(tmp_path_factory.mktemp("sshd"))
    yield server
    server.kill()


@pytest.fixture
def new_sshd(_has_sshd: None, tmp_path: Path) -> Iterator[Callable[..., servers.Sshd]]:
    """Make an sshd of the test's own, which it may freeze, kill and change: ``new_sshd(config="MaxSessions 2")``."""
    made: list[servers.Sshd] = []

    def make(*, config: str = "") -> servers.Sshd:
        made.append(servers.Sshd(tmp_path / f"sshd{len(made)}", config=config))
        return made[-1]

    yield make
    for server in made:
        server.kill()


@pytest.fixture
def new_proxy() -> Iterator[Callable[[int], CuttingProxy]]:
    """Make a proxy to a port of loopback, which can cut its connections off."""
    made: list[CuttingProxy] = []

    def make(to: int) -> CuttingProxy:
        made.append(CuttingProxy(to))
        return made[-1]

    yield make
    for proxy in made:
        proxy.close()
