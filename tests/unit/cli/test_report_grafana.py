# SPDX-License-Identifier: MIT
"""``harehearse report --grafana``: what goes wrong there is told, and never fails the report."""

from __future__ import annotations

import socket

import pytest

from pytest_harehearse.cli import exits
from pytest_harehearse.rehearsal.run import start
from pytest_harehearse.report import grafana


@pytest.fixture
def finished(project):
    """A run that ended, without a rehearsal."""
    run = start(project / ".harehearse", ["scenarios"])
    run.finish(0)
    return run


def test_a_run_without_anything_done_needs_no_annotation(finished, harehearse, monkeypatch):
    """Nothing is sent; it is told on standard error, so that --json stays pure."""
    monkeypatch.setenv(grafana.TOKEN, "secret-token")
    said = harehearse("report", finished.id, "--grafana", "http://127.0.0.1:9", "--json")
    assert (said.status, said.err) == (exits.OK, f"✓ {finished.id}: 0 annotations in Grafana\n")
    assert said.out.startswith("{")


def test_one_that_is_not_there_does_not_fail_the_report(finished, harehearse, monkeypatch):
    """Told with the reason; the token is not shown."""
    monkeypatch.setenv(grafana.TOKEN, "secret-token")
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(grafana, "regions", lambda _: [{"text": "one"}])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        said = harehearse("report", finished.id, "--grafana", f"http://127.0.0.1:{free.getsockname()[1]}")
    assert said.status == exits.OK
    assert said.err.startswith(f"? {finished.id}: 0 of 1 annotation in Grafana; it could not be reached: ")
    assert "secret-token" not in said.out + said.err


def test_without_a_token(finished, harehearse, monkeypatch):
    """It is said where it is taken from."""
    monkeypatch.delenv(grafana.TOKEN, raising=False)
    said = harehearse("report", finished.id, "--grafana", "http://127.0.0.1:9")
    assert said.status == exits.OK
    assert "no token: set HAREHEARSE_GRAFANA_TOKEN" in said.err


def test_what_is_no_url_is_wrong_usage(finished, harehearse):
    """Before any report is written."""
    said = harehearse("report", finished.id, "--grafana", "grafana.example")
    assert said.status == exits.USAGE
    assert said.err == "harehearse: --grafana: this is no URL of a Grafana; write it as https://grafana.example\n"
    assert not (finished.directory / "report.html").exists()
