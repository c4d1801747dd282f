# SPDX-License-Identifier: MIT
"""The scenarios that ship, on the two-node lab: all green, with the phases of the power-off in the report."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCENARIOS = Path(__file__).parents[2] / "scenarios"


#: A move is over for users a moment after the manager says so.
SOON_S = 5.0


def outside_switchovers(rehearsal):
    """Return interruptions that no switchover made: standby first must not cost users anything else."""
    moves = [action for action in rehearsal["actions"] if action["kind"] == "switchover"]
    assert len(moves) == 3
    outages = [outage for service in rehearsal["services"] for outage in service["outages"]]
    assert outages
    return [
        outage
        for outage in outages
        if not any(move["start"] <= outage["end"] and outage["start"] <= move["end"] + SOON_S for move in moves)
    ]


def test_the_scenarios_are_green_on_hosts(web, tmp_path):
    """Everything that a Pacemaker cluster of hosts can do passes; the power-off shows detection, fencing, address, answer."""
    store = tmp_path / "store"
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", str(SCENARIOS), "-p", "no:cacheprovider", "-c", "pytest.ini",
            "--harehearse-config", "harehearse.toml", "--harehearse-env", "lab", "--harehearse-store", str(store),
        ],
        cwd=web.labs.folder, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]
    assert "12 passed, 1 skipped" in done.stdout
    (run,) = (store / "runs").iterdir()
    summary = json.loads((run / "run.json").read_text())
    by_name = {one["name"].partition("[")[0]: one for one in summary["rehearsals"]}
    assert {one["verdict"] for one in by_name.values()} == {"passed"}
    power_off = by_name["test_failover_node_power_off"]
    named = [phase["name"] for attribution in power_off["phases"] for phase in attribution["phases"]]
    assert {"detect", "decide", "fence", "vip", "answer", "redundancy"} <= set(named)
    assert by_name["test_failover_reboot_standby"]["services"][0]["outages"] == []
    assert outside_switchovers(by_name["test_failover_patch_standby_first"]) == []
    page = (run / "report.html").read_text()
    assert "fence" in page
    assert "The same patch, standby first and in place" in page
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    started = [event for event in events if event["event"] == "CommandStarted"]
    finished = {event["command"] for event in events if event["event"] == "CommandFinished"}
    assert len(started) > 100
    assert {event["command"] for event in started} <= finished
    assert all(event["deadline"] > 0 for event in started)
    web.healthy()
