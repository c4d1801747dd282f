# SPDX-License-Identifier: MIT
"""The held shell over a shell of this machine: what scripts say, how they are kept apart, what is lost."""

import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_harehearse.remote.base import Done, Script, Unknown, Unreachable
from pytest_harehearse.remote.held import HeldShell
from pytest_harehearse.remote.local import LocalChannel


@pytest.fixture(scope="module")
def held():
    with HeldShell(LocalChannel("here"), root=False) as shell:
        yield shell


def asked(held, text, *arguments, deadline=20):
    outcome = held.run(Script(text, arguments), deadline)
    assert isinstance(outcome, Done)
    return outcome


@pytest.mark.parametrize(
    ("text", "rc", "out", "err"),
    [
        ("true", 0, b"", b""),
        ("echo out; echo err >&2; exit 3", 3, b"out\n", b"err"),
        ("printf out; printf err >&2; false", 1, b"out", b"err"),
        ("printf '\\n\\n'", 0, b"\n\n", b""),
        ("printf ' a\\r\\n b '", 0, b" a\r\n b ", b""),
        ("echo begun; echo over; echo 0", 0, b"begun\nover\n0\n", b""),
        ("cat; read -r line; echo $?", 0, b"1\n", b""),
        ("echo a >&2; echo b; echo c >&2; echo d", 0, b"b\nd\n", b"a\nc"),
        ("set -eu; echo $none", 2, b"", None),
        ("no-such-program-of-the-test", 127, b"", None),
        ("echo 'unterminated", 2, b"", None),
        ("exec true", 0, b"", b""),
        ("trap 'echo bye' EXIT; exit 4", 4, b"bye\n", b""),
        ("(kill -TERM $$) & wait; :", None, None, None),
    ],
)
def test_what_a_script_says(text, rc, out, err):
    """Both outputs and the exit status come exactly; a script that ends the shell itself is unknown."""
    with HeldShell(LocalChannel("here"), root=False) as held:
        outcome = held.run(Script(text), 20)
        if rc is None:
            assert isinstance(outcome, Unknown)
            assert "ended with status" in outcome.reason
            return
        assert isinstance(outcome, Done)
        assert (outcome.rc, outcome.stdout) == (rc, out)
        assert outcome.stderr == err if err is not None else outcome.stderr
        assert asked(held, "echo next").out == "next"


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arguments=st.lists(TEXT, max_size=4))
def test_any_argument_arrives(held, arguments):
    """Arguments reach the script as they are, and come back as they are."""
    outcome = asked(held, 'for one; do printf "<%s>" "$one"; done', *arguments)
    assert outcome.stdout == "".join(f"<{argument}>" for argument in arguments).encode()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TEXT)
def test_any_text_is_a_script_of_its_own(held, text):
    """Whatever a script is, even nonsense, the next one finds the shell as it was."""
    # A comment, so that nothing is run that a random text might name.
    held.run(Script("'" + text.replace("'", "") + "\n\n)(;;"), 20)
    assert asked(held, "echo next").out == "next"


def test_nothing_of_a_script_stays(held):
    """Variables, folders, functions and options are those of the shell, not of the script before."""
    asked(held, "cd /; one=1; set -f; umask 077; harehearse() { :; }; exec 3>&-")
    before = asked(held, "echo / /*; echo ${one-none}").out
    assert before.endswith("none")
    assert "/*" not in before


def test_a_nul_is_refused(held):
    """No shell takes one, so it is an error of the caller."""
    for script in (Script("echo \0"), Script("echo", ("\0",))):
        with pytest.raises(ValueError, match="NUL"):
            held.run(script, 20)


def test_a_deadline_gives_the_shell_up():
    """What runs too long is unknown, with what it said; its late answer is never another's."""
    with HeldShell(LocalChannel("here"), root=False) as held:
        first = asked(held, "echo $$").out
        begun = time.monotonic()
        outcome = held.run(Script("echo so far; sleep 30; echo late"), 0.5)
        assert time.monotonic() - begun < 1.5
        assert isinstance(outcome, Unknown)
        assert outcome.stdout == b"so far"
        assert asked(held, "echo next").out == "next"
        assert asked(held, "echo $$").out != first


def test_a_busy_shell_is_not_asked():
    """Who does not get his turn within his deadline has sent nothing."""
    with HeldShell(LocalChannel("here"), root=False) as held:
        asked(held, "true")
        thread = threading.Thread(target=lambda: asked(held, "sleep 1.5"))
        thread.start()
        time.sleep(0.3)
        outcome = held.run(Script("true"), 0.2)
        thread.join()
    assert isinstance(outcome, Unreachable)
    assert "busy" in outcome.reason


def test_a_channel_that_is_not_there():
    """Why the shell could not be started is handed on; nothing was sent."""

    class Gone(LocalChannel):
        def stream(self, *_, **__):
            return Unreachable("nobody there", refused=True)

    with HeldShell(Gone("here")) as held:
        outcome = held.run(Script("true"), 5)
    assert isinstance(outcome, Unreachable)
    assert outcome.reason == "nobody there"
    assert outcome.refused


def test_closed_and_asked_again():
    """A closed shell starts again when it is asked."""
    held = HeldShell(LocalChannel("here"), root=False)
    assert asked(held, "echo 1").out == "1"
    held.close()
    held.close()
    assert asked(held, "echo 2").out == "2"
    held.close()
