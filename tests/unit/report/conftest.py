# SPDX-License-Identifier: MIT
"""Golden files with an extension that shows what they are."""

import sys
from pathlib import Path

import pytest
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

sys.path.insert(0, str(Path(__file__).parent))


def _extension(suffix):
    class Extension(SingleFileSnapshotExtension):
        _write_mode = WriteMode.TEXT
        file_extension = suffix

    return Extension


@pytest.fixture
def golden(snapshot):
    """``golden("html") == text`` compares with, or with --snapshot-update writes, a file of that kind."""
    return lambda suffix: snapshot.use_extension(_extension(suffix))
