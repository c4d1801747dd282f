# SPDX-License-Identifier: MIT
"""Commands as they are written, and what their output says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.kinds import hide, make
from pytest_harehearse.probes.kinds.command import arguments, read_output


def test_words():
    """As a shell would take them apart, and no more than that."""
    assert arguments("command:/bin/check -H 'the host' $HOME *") == ["/bin/check", "-H", "the host", "$HOME", "*"]


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("command:", "the command 'command:' lacks its program"),
        ("command:''", "lacks its program"),
        ("command:check 'geheim", "the command 'command:check …' cannot be read: No closing quotation"),
        ("command://check geheim", "is no command"),
        ("check geheim", "is no command"),
        ("command:PASSWORD=geheim check", "the command 'command:…' begins with a variable"),
        ("command:check geheim\0", "has a zero byte in it"),
    ],
)
def test_what_is_no_command(url, text):
    """Says what is wrong and how it is written, without the arguments."""
    with pytest.raises(ConfigError) as caught:
        make(Service("c", "command", url))
    assert text in str(caught.value)
    assert "geheim" not in str(caught.value).replace("'check geheim'", "")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("command:/usr/lib/check --password geheim", "command:/usr/lib/check …"),
        ("command:check", "command:check"),
        ("command: check ", "command:check"),
        ("command:", "command:"),
        ("command:'check geheim'", "command:…"),
        ("command:PASSWORD=geheim check", "command:…"),
        ("command:check http://u:geheim@h/", "command:check …"),
    ],
)
def test_what_is_shown(url, shown):
    """The program alone: any argument may be a secret."""
    assert hide(url) == shown


@given(st.text(min_size=1).map(lambda s: f"Geheim{s}"), st.sampled_from(["", "'", '"', "X="]))
def test_no_argument_is_ever_shown(argument, before):
    """However it is written."""
    assert "Geheim" not in hide(f"command:check {before}{argument}")
    if before:
        assert "Geheim" not in hide(f"command:{before}{argument}")


@pytest.mark.parametrize(
    ("output", "by", "first"),
    [
        (b"", "", ""),
        (b"\n  \nWARN: lag\nmore", "", "WARN: lag"),
        (b"harehearse-by: n1\nok", "n1", "ok"),
        (b"ok\nharehearse-by:n1 \nharehearse-by: n2", "n1", "ok"),
        (b"\x1b[31mred\xff\n", "", "[31mred\ufffd"),
        (b"x" * 500, "", "x" * 200),
    ],
)
def test_the_output(output, by, first):
    """Who answered, and the first line that says something; nothing that moves a terminal's cursor."""
    assert read_output(output) == (by, first)


@given(st.binary(max_size=200))
def test_no_output_surprises(output):
    """Any bytes are read."""
    by, first = read_output(output)
    assert (by + first).isprintable()
