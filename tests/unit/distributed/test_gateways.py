# SPDX-License-Identifier: MIT
"""Machines named by ``--tx ssh=…`` are asked before xdist starts workers there."""

import sys
from types import SimpleNamespace

import pytest

from pytest_harehearse.distributed import gateways
from pytest_harehearse.remote import gateways as asked


def spec(ssh, python=None):
    return SimpleNamespace(ssh=ssh, python=python, ssh_config="/etc/its/config")


@pytest.fixture
def answers(tmp_path, monkeypatch):
    """``ssh`` runs what the test says, and keeps how it was called."""

    def be(script):
        program = tmp_path / "ssh"
        program.write_text(
            f'#!{sys.executable}\nimport sys\nopen({str(tmp_path / "called")!r}, "w").write("\\n".join(sys.argv[1:]))\n{script}\n'
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        return tmp_path / "called"

    return be


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("print('ssh: no route', file=sys.stderr); sys.exit(255)",
         "does not answer: ssh: no route"),
        ("print('bash: py3: command not found', file=sys.stderr); sys.exit(127)",
         "has no pytest-harehearse for py3 there: bash: py3: command not found. Install 1.2.0 there, or name its Python: //python=PATH"),
        ("sys.exit(1)", "has no pytest-harehearse for py3 there: no word why. Install 1.2.0 there, or name its Python: //python=PATH"),
        ("print('1.1.0')", "has pytest-harehearse 1.1.0, and here is 1.2.0; install the same version on both"),
        ("print('1.2.0')", None),
        ("import time; time.sleep(60)", "does not answer within 1 s"),
    ],
)  # fmt: skip
def test_what_a_machine_answers(answers, monkeypatch, script, why):
    monkeypatch.setattr(asked, "ANSWER_S", 1 if "sleep" in script else 30)
    answers(script)
    assert gateways.limitations([spec("ops@paris", "py3")], "1.2.0") == ({0: why} if why else {})


def test_it_is_asked_as_execnet_will_call_it_but_never_for_a_password(answers):
    called = answers("print('1')")
    gateways.limitations([spec("-p 2222 ops@paris", "/opt/py3")], "1")
    words = called.read_text().split("\n")
    assert words[:-1] == [
        "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-F", "/etc/its/config", "-p", "2222", "ops@paris",
    ]  # fmt: skip
    assert words[-1].startswith("/opt/py3 -c '")


def test_this_machine_is_not_asked_and_each_other_is_known_by_its_place(answers):
    answers("sys.exit(255) if sys.argv[-2] == 'dead' else print('1')")
    assert list(gateways.limitations([spec(None), spec("dead"), spec("alive"), spec("dead")], "1")) == [1, 3]


def test_without_ssh_it_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gateways.limitations([spec("paris")], "1") == {0: "cannot be reached: ssh is not installed here"}
