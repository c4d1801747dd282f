# SPDX-License-Identifier: MIT
"""A service asked from another place: over real SSH, and by an interpreter that is another process here."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from tests.real.remote import sshd as servers

from pytest_harehearse.errors import HarehearseError
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.attempts import read_attempts
from pytest_harehearse.probes.meters import Meters
from pytest_harehearse.probes.seen import Seen
from pytest_harehearse.probes.vantage import FarMeter
from pytest_harehearse.remote import gateways

POPEN = f"popen//python={sys.executable}"


def page(url, place="", via="", **more):
    return Service(f"page@{place}" if place else "page", "http", url, vantage=place, via=via, **more)


@pytest.fixture
def ssh(tmp_path):
    """How a real SSH server on loopback is named to execnet."""
    reason = servers.limitation()
    if reason is not None:
        pytest.skip(f"no real SSH server here: {reason}")
    server = servers.Sshd(tmp_path / "sshd")
    config = tmp_path / "ssh_config"
    config.write_text(
        f"Host branch\n  HostName 127.0.0.1\n  Port {server.port}\n  User {server.user}\n  IdentityFile {server.key}\n"
        f"  IdentitiesOnly yes\n  UserKnownHostsFile {server.known_hosts}\n  StrictHostKeyChecking yes\n"
        f"  HostKeyAlias [127.0.0.1]:{server.port}\n"
    )
    try:
        yield f"ssh=branch//ssh_config={config}//python={sys.executable}"
    finally:
        server.kill()


def left():
    return sorted(path.name for path in Path("/tmp").glob("harehearse-vantage-*"))


def test_the_truth_lies_within_the_bounds_from_there_and_from_here(server, ssh, tmp_path):
    before = left()
    services = [page(server.url), page(server.url, "branch", ssh)]
    meters = Meters.start(services[:1], services, tmp_path / "run", "a-")
    try:
        time.sleep(0.3)
        down_first, down_last = server.switch("refuse")
        time.sleep(0.7)
        up_first, up_last = server.switch("ok")
        time.sleep(0.4)
        assert meters.alive()
    finally:
        meters.stop()
    assert meters.problem is None
    seen = Seen.from_files(meters.files)
    assert set(seen) == {"page", "page@branch"}
    for one in seen.services.values():
        assert one.valid, one.reason
        assert one.interruption.lower <= up_last - down_first
        assert one.interruption.upper >= up_first - down_last
    far = read_attempts(meters.files["page@branch"])
    assert far.header["from"] == "branch"
    [note] = far.notes
    words = note.partition(" ± ")
    assert words[0] == "asked from branch; its clock is known within"
    error = float(words[2].removesuffix(" ms")) / 1000
    assert 0 <= error < 1
    # The same machine's clock: what came back is where it was, within what is said.
    [outage] = seen["page@branch"].measurement.outages
    assert down_first - error - 0.1 <= outage.start <= up_last
    assert left() == before


def test_a_place_that_is_lost_makes_it_unknown(server, tmp_path):
    meter = FarMeter.start("branch", POPEN, [page(server.url, "branch", POPEN)], tmp_path, "a-")
    [gateway] = meter._group
    os.kill(gateway._io.popen.pid, signal.SIGKILL)
    ends = time.monotonic() + 30
    while meter.alive():
        assert time.monotonic() < ends
        time.sleep(0.05)
    meter.stop()
    assert meter.problem == "the vantage branch was lost: the connection ended"
    seen = Seen.from_files(meter.files)["page@branch"]
    assert not seen.valid
    assert "did not end by itself" in seen.reason
    assert left() == []


def test_a_meter_that_is_killed_there_makes_it_unknown(server, tmp_path):
    meter = FarMeter.start("branch", POPEN, [page(server.url, "branch", POPEN)], tmp_path, "a-")
    try:
        [gateway] = meter._group
        process, *_ = [pid for pid in servers.children(gateway._io.popen.pid) if "meter_process" in command_of(pid)]
        os.kill(process, signal.SIGKILL)
    finally:
        meter.stop()
    assert meter.problem == "the meter ended with signal 9"
    assert not Seen.from_files(meter.files)["page@branch"].valid


def command_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def test_what_goes_wrong_there_is_told_before_anything_is_done(tmp_path):
    service = Service("page@branch", "gopher", "gopher://x/", vantage="branch", via=POPEN)
    with pytest.raises(HarehearseError, match=r"^The vantage branch cannot be used: .*gopher"):
        FarMeter.start("branch", POPEN, [service], tmp_path, "a-")
    assert left() == []


@pytest.mark.parametrize(
    ("via", "why"),
    [
        ("popen//python=/no/such/python", "it cannot be reached: /no/such/python is not installed here"),
        ("popen//python=sh", "it has no pytest-harehearse for sh there"),
        (
            "ssh=-F/dev/null -p1 127.0.0.1",
            "it does not answer: ssh: connect to host 127.0.0.1 port 1: Connection refused",
        ),
    ],
)
def test_a_place_that_cannot_be_used(server, tmp_path, via, why):
    """Neither it nor any other is left."""
    services = [page(server.url), page(server.url, "branch", via)]
    with pytest.raises(HarehearseError) as refused:
        Meters.start(services[:1], services, tmp_path, "a-")
    assert str(refused.value).startswith(f"The vantage branch cannot be used: {why}")
    assert str(refused.value).endswith("Nothing was measured from there.")


def test_an_interpreter_that_never_starts(monkeypatch, server, tmp_path):
    monkeypatch.setattr(gateways, "limitation", lambda *_: None)
    monkeypatch.setattr(gateways, "ANSWER_S", 0.5)
    via = f"popen//python={sys.executable} -c 'import time; time.sleep(20)'"
    with pytest.raises(HarehearseError, match=r"its interpreter did not start within 0\.5 s"):
        FarMeter.start("branch", via, [page(server.url, "branch", via)], tmp_path, "a-")
