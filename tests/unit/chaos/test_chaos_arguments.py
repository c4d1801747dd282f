# SPDX-License-Identifier: MIT
"""What ``python -m tests.chaos`` plays."""

import pytest
from tests.chaos.__main__ import arguments


def test_nothing_named_is_everything():
    assert arguments([]).where == ["valkey", "patroni", "lxd"]


def test_only_what_is_named():
    options = arguments(["lxd", "--rounds", "3"])
    assert (options.where, options.rounds) == (["lxd"], 3)


def test_an_unknown_one_is_named(capsys):
    with pytest.raises(SystemExit, match="2"):
        arguments(["lxc"])
    assert "no environment 'lxc': one of valkey, patroni, lxd" in capsys.readouterr().err
