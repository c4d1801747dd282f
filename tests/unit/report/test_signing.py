# SPDX-License-Identifier: MIT
"""Signed runs: any changed byte is found, and a key that nobody vouched for proves nothing."""

from __future__ import annotations

import base64
import json
import os
import shutil
import stat

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.common.run_files import happened, write

from pytest_harehearse.cli import exits, main
from pytest_harehearse.cli.report_sign import KEY
from pytest_harehearse.errors import ConfigError
from pytest_harehearse.report import sign
from pytest_harehearse.report.session import report


@pytest.fixture(scope="session")
def original(tmp_path_factory):
    """A run with all of its files."""
    directory = write(tmp_path_factory.mktemp("signed") / "runs" / "r-2026w47-01", happened())
    report(directory)
    return directory


@pytest.fixture
def run(original, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(original, tmp_path / "runs" / original.name)


MINE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))


def test_as_it_was_signed(run):
    """By the key that is trusted, named by its fingerprint."""
    name = sign.sign(run, MINE)
    found = sign.verify(run, MINE.public_key())
    assert (found.valid, found.fingerprint) == (True, name)
    assert found.reason == f"every file is as it was signed by the key {name}"
    signed = json.loads((run / "run.sig").read_text())["files"]
    assert {"run.json", "events.jsonl", "report.html", "report.md"} < signed.keys()
    assert sum(path.startswith("attempts/") for path in signed) == 2


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_any_flipped_byte_is_found(run, data):
    """In any file that counts, and in the signature itself."""
    sign.sign(run, MINE)
    paths = [*sorted(sign.digests(run)), "run.sig"]
    path = run / data.draw(st.sampled_from(paths))
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    path.write_bytes(whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :])
    try:
        found = sign.verify(run, MINE.public_key())
        # Blanks of the signature's own file say nothing, so that changing one changes nothing.
        same = path.name == "run.sig" and _same(path.read_bytes(), whole)
        assert found.valid is not True or same
    finally:
        path.write_bytes(whole)


def _same(one, other):
    try:
        return json.loads(one) == json.loads(other)
    except ValueError:
        return False


def test_what_became_of_each_file(run):
    """Changed, gone, or added, by its name."""
    sign.sign(run, MINE)
    (run / "report.md").write_text("better")
    (run / "report.html").unlink()
    (run / "attempts" / "more.jsonl").write_text("{}")
    found = sign.verify(run, MINE.public_key())
    assert found.valid is False
    assert found.reason == "attempts/more.jsonl was added; report.html is gone; report.md was changed"


def test_a_key_that_nobody_vouched_for(run):
    """Whoever changes a run can sign it anew: only the reader's key tells."""
    name = sign.sign(run, OTHER)
    assert sign.verify(run, None).valid is None
    assert f"nobody vouched for the key {name}" in sign.verify(run, None).reason
    found = sign.verify(run, MINE.public_key())
    assert found.valid is False
    assert found.reason.startswith(f"it was signed by the key {name}, and ")


def test_another_run_s_signature(run):
    """Files under another name are another run."""
    sign.sign(run, MINE)
    moved = run.rename(run.with_name("r-2026w47-99"))
    assert sign.verify(moved, MINE.public_key()).reason == "it was signed as the run 'r-2026w47-01'"


@pytest.mark.parametrize(
    ("text", "told"),
    [(None, "it is not signed"), ("{", "its signature cannot be read"), ("[]", "its signature has schema None"),
     ('{"schema": 9, "algorithm": "Ed25519"}', "its signature has schema 9; this version reads 1")],
)  # fmt: skip
def test_what_cannot_be_told(run, text, told):
    """Not signed, cut off, or of a newer version: not known, and never valid."""
    if text is not None:
        (run / "run.sig").write_text(text)
    found = sign.verify(run, MINE.public_key())
    assert found.valid is None
    assert told in found.reason


def test_keys(tmp_path):
    """A new one is readable by its owner alone and never overwritten; PEM and Base64 are read, and nothing else."""
    name = sign.new_key(tmp_path / "key")
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    key = sign.private_key((tmp_path / "key").read_bytes())
    assert (
        sign.fingerprint(key.public_key())
        == name
        == sign.fingerprint(sign.public_key((tmp_path / "key.pub").read_bytes()))
    )
    raw = base64.b64encode(bytes(range(32)))
    assert sign.fingerprint(sign.private_key(raw).public_key()) == sign.fingerprint(MINE.public_key())
    with pytest.raises(ConfigError, match="Nothing is overwritten"):
        sign.new_key(tmp_path / "key")
    for wrong in (b"PLANTED", b"-----BEGIN PRIVATE KEY-----\nPLANTED\n-----END PRIVATE KEY-----\n", b""):
        with pytest.raises(ConfigError, match="The signing key cannot be read") as caught:
            sign.private_key(wrong)
        assert "PLANTED" not in str(caught.value)
    with pytest.raises(ConfigError, match="The public key cannot be read"):
        sign.public_key(b"x")


# -- the command -------------------------------------------------------------------------------------------------------


@pytest.fixture
def harehearse(capsys):
    """Run the command; return its exit status and what it said."""

    def command(*words):
        with pytest.raises(SystemExit) as caught:
            main.main([str(word) for word in words])
        out, err = capsys.readouterr()
        return caught.value.code, out, err

    return command


def test_sign_and_verify(harehearse, run, tmp_path, monkeypatch):
    """By a key in a file, and by one in the environment, which is never shown."""
    monkeypatch.chdir(tmp_path)
    assert harehearse("report", "--new-key", tmp_path / "key")[0] == exits.OK
    status, _, err = harehearse("report", run, "--sign", tmp_path / "key")
    assert status == exits.OK
    assert "  signed by the key " in err
    assert harehearse("report", run, "--verify", "--public-key", tmp_path / "key.pub")[0] == exits.OK
    assert harehearse("report", run, "--verify")[0] == exits.UNKNOWN
    (run / "report.md").write_text("better")
    status, out, _ = harehearse("report", run, "--verify", "--public-key", tmp_path / "key.pub")
    assert (status, out) == (exits.NO, "✗ r-2026w47-01: report.md was changed\n")
    monkeypatch.setitem(os.environ, KEY, (tmp_path / "key").read_text())
    status, out, err = harehearse("report", run, "--sign")
    assert status == exits.OK
    assert "PRIVATE" not in out + err
    assert harehearse("report", run, "--verify", "--public-key", tmp_path / "key.pub")[0] == exits.OK


def test_nothing_to_sign_with(harehearse, run, tmp_path, monkeypatch):
    """With the ways to give a key; a run must be named."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(KEY, raising=False)
    status, _, err = harehearse("report", run, "--sign")
    assert status == exits.USAGE
    assert "--sign needs a key: name its file, or put it into $HAREHEARSE_SIGNING_KEY" in err
    assert harehearse("report", run, "--sign", tmp_path / "none")[0] == exits.USAGE
    status, _, err = harehearse("report")
    assert status == exits.USAGE
    assert "Which run? Name it, its directory, or latest" in err
