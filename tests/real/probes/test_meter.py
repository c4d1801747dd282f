# SPDX-License-Identifier: MIT
"""The meter against real sockets: the truth within the bounds, and unknown where it is unknown."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from pytest_harehearse.errors import ConfigError, HarehearseError, NotMeasured
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.attempts import read_attempts
from pytest_harehearse.probes.meter import Meter
from pytest_harehearse.probes.seen import Seen, ServiceSeen


def http(url: str, name: str = "page", **more) -> Service:
    return Service(name, url.partition("://")[0], url, **more)


def of(meter: Meter, name: str = "page") -> ServiceSeen:
    seen = Seen.from_files(meter.files)[name]
    if seen.reason and ("stalled" in seen.reason or "control target" in seen.reason):
        raise Busy(seen.reason)
    return seen


class Busy(Exception):
    """The machine stalled the meter, which the meter rightly said: the test proves nothing."""


def calm(test):
    """Try a test again when the machine stalled meanwhile, three times in all."""

    @functools.wraps(test)
    def again(**arguments):
        for left in (2, 1, 0):
            try:
                return test(**arguments)
            except Busy:
                if not left:
                    raise
                arguments["server"].switch("ok")
        return None

    return again


@pytest.mark.parametrize(
    ("mode", "error"),
    [("refuse", "refused"), ("hang", "timeout"), ("unavailable", "wrong answer"), ("reset", "reset")],
)
@calm
def test_the_truth_lies_within_the_bounds(server, tmp_path, mode, error):
    """However the service fails: the server's own stamps lie within what was measured."""
    with Meter.start([http(server.url)], tmp_path, "a-") as meter:
        time.sleep(0.3)
        down_first, down_last = server.switch(mode)
        time.sleep(0.7)
        up_first, up_last = server.switch("ok")
        time.sleep(0.4)
    page = of(meter)
    assert meter.problem is None
    assert page.valid, page.reason
    interruption = page.interruption
    assert interruption.lower <= up_last - down_first
    assert interruption.upper >= up_first - down_last
    assert error in page.errors
    assert interruption <= "5s"


@calm
def test_a_tcp_service_and_an_http_service_side_by_side(server, tmp_path):
    """Each has its file, its phase and its interruption."""
    with Meter.start([http(server.url), http(server.tcp, "port")], tmp_path, "") as meter:
        time.sleep(0.2)
        server.switch("refuse")
        time.sleep(0.3)
        server.switch("ok")
        time.sleep(0.2)
    assert set(meter.files) == {"page", "port"}
    assert meter.counts["port"]["attempts"] == of(meter, "port").attempts
    for name in meter.files:
        found = of(meter, name)
        assert len(found.interruption.outages) == 1
        assert found.errors["refused"] > 5
    assert {a.by for a in of(meter).samples() if a.outcome.up} == {"web1"}


def test_what_must_be_in_the_page(server, tmp_path):
    """A page without the text, or of another status, is a wrong answer."""
    services = [
        http(server.url, "good", contains="hello"),
        http(server.url, "text", contains="goodbye"),
        http(server.url, "status", status=(201,)),
    ]
    with Meter.start(services, tmp_path, "") as meter:
        time.sleep(0.3)
    seen = Seen.from_files(meter.files)
    assert seen["good"].errors == {}
    assert seen["text"].samples()[0].error == "status 200 without 'goodbye'"
    assert seen["status"].samples()[0].error == "status 200"


def test_a_target_that_never_answers_is_unknown(tmp_path):
    """Not 0 s, not the length of the watch: unknown, with the reason."""
    with Meter.start([http("tcp://127.0.0.1:1")], tmp_path, "") as meter:
        time.sleep(0.2)
    page = Seen.from_files(meter.files)["page"]
    assert not page.valid
    assert page.reason.startswith("it never answered (refused ")
    with pytest.raises(NotMeasured, match="it never answered"):
        _ = page.interruption <= "5s"


def test_a_stopped_meter_is_unknown_and_no_interruption(server, tmp_path):
    """The runner itself stood still for 1.5 s on a healthy service."""
    with Meter.start([http(server.url)], tmp_path, "") as meter:
        time.sleep(0.3)
        os.kill(meter.pid, signal.SIGSTOP)
        time.sleep(1.5)
        os.kill(meter.pid, signal.SIGCONT)
        time.sleep(0.3)
    page = Seen.from_files(meter.files)["page"]
    assert not page.valid
    assert page.reason.startswith("the runner itself stalled for 1.")
    assert page.interruption.outages == ()
    assert page.measurement.not_sent >= 50
    gap = [a for a in page.samples() if a.outcome.value == "not sent"]
    assert all(a.sent == a.due == a.done for a in gap)


def test_the_schedule_does_not_wait_for_answers(server, tmp_path):
    """A hanging service is asked as often as a healthy one: no coordinated omission."""
    server.switch("hang")
    with Meter.start([http(server.url, timeout=0.3)], tmp_path, "", seed=7) as meter:
        time.sleep(1.0)
    samples = Seen.from_files(meter.files)["page"].samples()
    spans = [b.due - a.due for a, b in pairwise(samples)]
    assert all(0.84 * 0.02 - 1e-5 <= span <= 0.92 * 0.02 + 1e-5 for span in spans)
    assert len(samples) >= 40


def test_a_killed_meter_is_unknown(server, tmp_path):
    """SIGKILL: the problem is named, the file is readable, the result is unknown."""
    with Meter.start([http(server.url)], tmp_path, "") as meter:
        time.sleep(0.4)
        os.kill(meter.pid, signal.SIGKILL)
        time.sleep(0.1)
        assert not meter.alive()
    assert meter.problem == "the meter ended with signal 9"
    page = Seen.from_files(meter.files)["page"]
    assert page.reason == "the meter did not end by itself, so what came after its last attempt is unknown"
    assert page.attempts > 5


def test_a_meter_that_does_not_end_is_killed(server, tmp_path, monkeypatch):
    """Stopping is bounded and leaves no process."""
    monkeypatch.setattr("pytest_harehearse.probes.meter.STOP_S", 0.3)
    meter = Meter.start([http(server.url)], tmp_path, "")
    os.kill(meter.pid, signal.SIGSTOP)
    meter.stop()
    assert not meter.alive()
    assert meter.problem == "the meter did not end within 0 s and was killed"


def test_the_child_ends_when_its_parent_is_killed(server, tmp_path):
    """Nothing is left behind, and what was measured is complete and readable."""
    program = (
        "import sys, time; from pathlib import Path; from pytest_harehearse.inventory.model import Service; "
        "from pytest_harehearse.probes.meter import Meter; "
        "m = Meter.start([Service('page', 'http', sys.argv[1])], Path(sys.argv[2]), ''); print(m.pid, flush=True); "
        "time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, server.url, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as parent:
        child = int(parent.stdout.readline())
        time.sleep(0.3)
        parent.kill()
    ends = time.monotonic() + 10
    while time.monotonic() < ends and not read_attempts(tmp_path / "page.jsonl").complete:
        time.sleep(0.05)
    file = read_attempts(tmp_path / "page.jsonl")
    assert file.complete
    assert file.attempts
    while time.monotonic() < ends and os.path.exists(f"/proc/{child}"):  # noqa: PTH110
        with open(f"/proc/{child}/stat") as stat:  # noqa: PTH123
            if stat.read().rsplit(")", 1)[1].split()[0] == "Z":
                break
        time.sleep(0.05)
    else:
        assert not os.path.exists(f"/proc/{child}")  # noqa: PTH110


@calm
def test_ends_by_itself_after_its_time(server, tmp_path):
    """With a duration; the live line tells the state meanwhile."""
    with Meter.start([http(server.url)], tmp_path, "", live=True, duration=1.3) as meter:
        assert not meter.wait(0.7)
        assert meter.latest["page"]["outcome"] == "ok"
        assert meter.latest["page"]["interrupted"] is None
        assert meter.wait(10)
    assert meter.problem is None
    assert of(meter).attempts >= 60


def test_sigterm_ends_it_properly(server, tmp_path):
    """The end line is written; SIGINT in the terminal is not for the meter."""
    with Meter.start([http(server.url)], tmp_path, "") as meter:
        os.kill(meter.pid, signal.SIGINT)
        time.sleep(0.2)
        assert meter.alive()
        os.kill(meter.pid, signal.SIGTERM)
        assert meter.wait(5)
    assert meter.problem is None
    assert read_attempts(meter.files["page"]).complete


def test_the_header_and_no_secret(server, tmp_path):
    """Everything needed to read the file alone; the password stays with the process."""
    url = server.url.replace("//", "//user:geheim@")
    with Meter.start([http(url)], tmp_path, "r1-", seed=5) as meter:
        time.sleep(0.1)
    assert meter.files["page"] == tmp_path / "r1-page.jsonl"
    header = read_attempts(meter.files["page"]).header
    assert set(header) == {
        "name",
        "probe",
        "mode",
        "session",
        "layer",
        "vantage",
        "target",
        "every",
        "timeout",
        "slow",
        "began",
        "writer",
        "seed",
    }
    assert header["target"] == url.replace("geheim", "***")
    assert header["seed"] == 5
    assert not [path for path in tmp_path.iterdir() if b"geheim" in path.read_bytes()]
    assert [path.name for path in tmp_path.iterdir()] == ["r1-page.jsonl"]


def test_what_cannot_be_started_says_why(tmp_path, monkeypatch):
    """A wrong URL, a name twice, and a meter that dies while starting, with its last words."""
    with pytest.raises(ConfigError, match="lacks a port"):
        Meter.start([http("tcp://h")], tmp_path, "")
    with pytest.raises(HarehearseError, match="The service 'page' is to be measured twice"):
        Meter.start([http("tcp://h:1"), http("tcp://h:1")], tmp_path, "")
    with pytest.raises(HarehearseError, match=r"The service name '\.\./x' cannot name a file"):
        Meter.start([http("tcp://h:1", "../x")], tmp_path, "")
    (tmp_path / "page.jsonl").mkdir()
    with pytest.raises(
        HarehearseError, match=r"^The meter ended while starting, with exit status 1; .*IsADirectoryError"
    ):
        Meter.start([http("tcp://127.0.0.1:1")], tmp_path, "")


def test_probe_by_hand(server):
    """The command itself: JSON on stdout and the exit status; Ctrl-C ends with the result."""
    command = [sys.executable, "-P", "-c", "from pytest_harehearse.cli.main import main; main()", "probe"]
    done = subprocess.run(
        [*command, server.url, server.tcp, "--for", "400ms", "--json"], capture_output=True, text=True, check=False
    )
    result = json.loads(done.stdout)
    assert [service["url"] for service in result["services"]] == [server.url, server.tcp]
    if all(service["valid"] for service in result["services"]):
        assert done.returncode == 0
    never = subprocess.run(
        [*command, "tcp://127.0.0.1:1", "--for", "200ms"], capture_output=True, text=True, check=False
    )
    assert never.returncode == 2
    assert "not soundly measured" in never.stdout
    with subprocess.Popen([*command, server.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        time.sleep(1.5)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=10)
    assert (running.returncode in {0, 2}, err) == (True, "")
    assert out.startswith(f"{server.url}: ")


COMMAND = [sys.executable, "-P", "-c", "from pytest_harehearse.cli.main import main; main()", "probe"]


def family(pid: int) -> list[int]:
    """A process with its children and theirs."""
    children = [int(c) for t in Path(f"/proc/{pid}/task").iterdir() for c in (t / "children").read_text().split()]
    return [pid, *(one for child in children for one in family(child))]


def test_a_stopped_runner_is_unknown_and_no_interruption(server):
    """All of the runner stands still for 3 s in mid-measurement: the command, its meter and its control target."""
    with subprocess.Popen(
        [*COMMAND, server.url, "--for", "4s", "--json"], stdout=subprocess.PIPE, text=True
    ) as running:
        time.sleep(1.5)
        runner = family(running.pid)
        for pid in runner:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(3)
        for pid in runner:
            os.kill(pid, signal.SIGCONT)
        out, _ = running.communicate(timeout=20)
    assert len(runner) == 3
    [page] = json.loads(out)["services"]
    assert (running.returncode, page["valid"], page["interruptions"]) == (2, False, [])
    assert page["reason"].startswith("the runner itself stalled for 3.")


def test_a_wrong_password_ends_the_measurement_at_once(server):
    """It is a mistake in the URL and no outage; nobody waits ten minutes to be told."""
    server.switch("locked")
    done = subprocess.run(
        [*COMMAND, server.url.replace("//", "//ops:wrong@"), "--for", "10min"],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert done.returncode == 2
    assert (
        "the probe is misconfigured, which is no interruption: the server did not accept the user and pass"
        in done.stdout
    )
    assert "wrong" not in done.stdout + done.stderr


def test_a_name_that_cannot_be_resolved_is_unknown(tmp_path):
    """It may be misspelt: nothing is known of a service that was never reached."""
    with Meter.start([http("http://no-such-host.invalid/")], tmp_path, "", duration=0.5) as meter:
        meter.wait(20)
    page = Seen.from_files(meter.files)["page"]
    assert not page.valid
    assert page.reason.startswith("it never answered (")
    assert page.interruption.upper is None
