# SPDX-License-Identifier: MIT
"""``${NAME}`` and its escape."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.inventory.interpolation import InterpolationError, escape, expand, has_variable

TEXTS = st.text(st.sampled_from("$${}aZ_ ") | st.characters(exclude_categories=["Cs"]))
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)


@given(TEXTS)
def test_an_escaped_text_reads_back_as_it_was(text):
    """Whatever a secretless text holds, its escape expands to it and names no variable."""
    assert expand(escape(text), {}) == text
    assert not has_variable(escape(text))


@given(TEXTS, NAMES, TEXTS, TEXTS)
def test_a_variable_is_replaced_once_and_only_itself(before, name, content, after):
    """The content goes in verbatim, even when it looks like a variable."""
    # A '$' right before would make the escape of '${'.
    before = before.rstrip("$")
    assert expand(f"{escape(before)}${{{name}}}{escape(after)}", {name: content}) == f"{before}{content}{after}"


@given(TEXTS)
def test_any_text_expands_or_is_refused(text):
    """Nothing but InterpolationError comes out, and a text without variables needs no environment."""
    try:
        expand(text, {})
    except InterpolationError:
        assert has_variable(text)


def test_every_missing_variable_is_named_once():
    """One run of the command shows all that must be set."""
    with pytest.raises(InterpolationError) as caught:
        expand("${A}-${B}-${A}-${SET}", {"SET": ""})
    assert str(caught.value) == (
        " needs the environment variables A, B, which are not set; set them, or write $${ for a plain '${'."
    )


@pytest.mark.parametrize("text", ["${", "${}", "${A", "${A-B}", "${1}", "x ${A:-b} y"])
def test_what_is_no_name_is_refused(text):
    """Shell tricks are not silently taken as names."""
    with pytest.raises(InterpolationError) as caught:
        expand(text, {"A": "a"})
    assert str(caught.value) == " has a '${' without a variable's name; write ${NAME}, or $${ for a plain '${'."
