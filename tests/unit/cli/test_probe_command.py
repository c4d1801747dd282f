# SPDX-License-Identifier: MIT
"""The command `harehearse probe`: its usage, its JSON contract, its table, its exit status."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from pytest_harehearse.cli import exits, main, probe
from pytest_harehearse.cli.main import VERBS
from pytest_harehearse.clock import Anchor
from pytest_harehearse.errors import ConfigError, HarehearseError, Indeterminate, NotMeasured
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.attempts import Attempt, Outcome
from pytest_harehearse.probes.recorder import Recorder
from pytest_harehearse.probes.seen import Seen

URL = "http://u:secret@h/"
CLOCK = Anchor(wall=1_800_000_000.0, mono=0.0)


def seen(tmp_path: Path, letters: str) -> Seen:
    recorder = Recorder(tmp_path / "url1.jsonl", {"name": "url1", "every": 0.02, "timeout": 0.06})
    for n, letter in enumerate(letters):
        t = n * 0.02
        recorder.add(
            Attempt(
                n,
                t,
                t,
                t,
                Outcome.OK if letter == "u" else Outcome.REFUSED,
                error="Connection refused" * (letter == "d"),
            )
        )
    recorder.end(len(letters) * 0.02)
    return Seen.from_files({"url1": tmp_path / "url1.jsonl"})


def services() -> list[Service]:
    return [Service("url1", "http", URL)]


def test_the_json_contract(tmp_path):
    """Other programs rely on every key; the password is hidden."""
    assert probe.document(services(), seen(tmp_path, "uudduu"), CLOCK) == {
        "schema": 1,
        "services": [
            {
                "url": "http://u:***@h/",
                "attempts": 6,
                "valid": True,
                "reason": None,
                "interruptions": [
                    {
                        "start": "2027-01-15T08:00:00.020Z",
                        "end": "2027-01-15T08:00:00.080Z",
                        "lower": 0.02,
                        "upper": 0.06,
                        "open_start": False,
                        "open_end": False,
                        "errors": {"refused": 2},
                    }
                ],
                "total_lower": 0.02,
                "total_upper": 0.06,
                "slow": {"attempts": 0, "lower": 0.0, "upper": 0.0},
            }
        ],
    }


def test_the_json_of_an_open_interruption(tmp_path):
    """Not seen is null, never a number."""
    (service,) = probe.document(services(), seen(tmp_path, "uudd"), CLOCK)["services"]
    (interruption,) = service["interruptions"]
    assert (interruption["end"], interruption["upper"], interruption["open_end"]) == (None, None, True)
    assert service["total_upper"] is None


@pytest.mark.parametrize(
    ("letters", "status"), [("uuuu", exits.OK), ("uddu", exits.NO), ("uudd", exits.NO), ("dddd", exits.UNKNOWN)]
)
def test_the_exit_status(tmp_path, letters, status):
    """0 never interrupted, 1 interrupted, 2 not soundly measured."""
    assert probe.status(seen(tmp_path, letters)) == status


def test_the_table(tmp_path):
    """One sentence a URL, one line an interruption."""
    lines = probe.table(services(), seen(tmp_path, "uudduudd"), CLOCK)
    assert lines[0] == "http://u:***@h/: interrupted 2 times, at least 40 ms (8 attempts)"
    assert lines[1].split() == ["start", "at", "least", "at", "most", "errors"]
    assert lines[2].split()[1:] == ["20", "ms", "60", "ms", "refused", "2"]
    assert lines[3].split(maxsplit=3)[3] == "–  refused 2 (still down at the end)"


@pytest.mark.parametrize(
    ("letters", "verdict"),
    [
        ("uuuu", "never interrupted (4 attempts)"),
        ("uddu", "interrupted once, 60 ms at most, 20 ms at least (4 attempts)"),
        ("dd", "not soundly measured (2 attempts): it never answered (refused 2: Connection refused)"),
    ],
)
def test_the_verdict(tmp_path, letters, verdict):
    """In words."""
    assert probe.table(services(), seen(tmp_path, letters), CLOCK)[0] == f"http://u:***@h/: {verdict}"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["probe"], "Missing argument 'URL…'"),
        (["probe", "tcp://h:1", "--every", "20"], "'20' is not a duration; write a number and a unit"),
        (["probe", "tcp://h:1", "--every", "100us"], "'100us' is too short; the least is 1ms."),
        (
            ["probe", "htpp://h/"],
            (
                "'htpp' is not a kind of probe; valid are command, dns, http, https, icmp, mariadb, mysql, postgres, "
                "postgresql, redis, rediss, tcp. Did you mean 'http'?"
            ),
        ),
        (["probe", "h:5432"], "'h:5432' is no URL: it lacks its kind. Did you mean 'tcp://h:5432'?"),
        (["probe", "tcp://h"], "lacks a port"),
        (
            ["probe", "tcp://h:1", "--held"],
            "the service 'url1' has session = 'held', which tcp does not have; valid here: new.",
        ),
        (
            ["prob"],
            f"No such command 'prob'; there are {', '.join(VERBS)}. Did you mean 'probe'?",
        ),
        ([], "Usage: harehearse"),
    ],
)
def test_usage_errors_exit_64(arguments, text, capsys):
    """In a sentence on stderr, no traceback."""
    with pytest.raises(SystemExit) as caught:
        main.main(arguments)
    out, err = capsys.readouterr()
    assert (caught.value.code, out) == (exits.USAGE, "")
    assert text in err
    assert "Traceback" not in err


def test_the_help_loads_no_verb(capsys, monkeypatch):
    """It is fast, and lists every verb."""
    for module, _ in main.VERBS.values():
        monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(SystemExit) as caught:
        main.main(["--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert all(f"  {verb} " in out for verb in main.VERBS)
    assert not {module for module, _ in main.VERBS.values()} & set(sys.modules)


def test_the_help_of_probe_says_that_it_only_reads():
    """Nobody should fear for a production database."""
    out = CliRunner().invoke(probe.command, ["--help"]).output
    assert "Nothing is ever written to a service." in " ".join(out.split())
    assert "0 never interrupted · 1 interrupted · 2 not soundly measured" in out


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (ConfigError("wrong"), exits.USAGE, "harehearse: wrong\n"),
        (HarehearseError("no"), exits.NO, "harehearse: no\n"),
        (Indeterminate("perhaps"), exits.UNKNOWN, "harehearse: perhaps\n"),
        (NotMeasured("perhaps"), exits.UNKNOWN, "harehearse: perhaps\n"),
        (KeyboardInterrupt(), exits.INTERRUPTED, ""),
        (click.Abort(), exits.INTERRUPTED, ""),
        (click.UsageError("how"), exits.USAGE, "Error: how\n"),
    ],
)
def test_every_error_has_its_exit_status(error, status, text, capsys):
    """And a plain sentence on stderr."""

    def call() -> None:
        raise error

    assert main.run(call) == status
    assert capsys.readouterr() == ("", text)


@pytest.mark.parametrize(("value", "status"), [(None, 0), (2, 2), (0, 0)])
def test_a_verb_returns_its_status(value, status):
    """Nothing returned is success."""
    assert main.run(lambda: value) == status


def test_an_internal_error_names_the_file_with_the_details(tmp_path, monkeypatch, capsys):
    """Exit 70; the traceback is in the file, not on the screen."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert main.run(lambda: 1 / 0) == exits.INTERNAL
    (details,) = tmp_path.iterdir()
    assert capsys.readouterr().err == (
        f"harehearse: a fault of its own, not of your cluster; the details are in {details}\n"
    )
    assert "ZeroDivisionError" in details.read_text()
