# SPDX-License-Identifier: MIT
"""A run's directory, written by the product's own writers."""

from __future__ import annotations

import pytest
from tests.common.run_files import attempts, happened, write


@pytest.fixture
def run_of(tmp_path):
    """Write a run: the events, and the attempts files of its services."""

    def make(stream=None, **how):
        return write(tmp_path / "store" / "runs" / "r-2026w47-01", happened() if stream is None else stream, **how)

    return make


@pytest.fixture
def stream():
    """The events of a whole run."""
    return happened()


@pytest.fixture
def asked():
    """The attempts of a service, by its mode."""
    return attempts


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory):
    """A whole run that no test changes."""
    return write(tmp_path_factory.mktemp("whole"), happened())
