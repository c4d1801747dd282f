# SPDX-License-Identifier: MIT
"""Echo requests that really go out: on loopback, and in a small network of namespaces."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.attempts import Outcome
from pytest_harehearse.probes.kinds import make
from pytest_harehearse.probes.kinds.base import Kind, ask
from pytest_harehearse.probes.kinds.icmp_socket import Echoes


def kind(url: str) -> Kind:
    made = make(Service("vip", "icmp", url))
    if reason := made.limitation():
        pytest.skip(reason)
    return made


@pytest.mark.parametrize(
    ("url", "by"), [("icmp://127.0.0.1", "127.0.0.1"), ("icmp://[::1]", "::1"), ("icmp://127.0.0.9/", "127.0.0.9")]
)
def test_attempts_side_by_side(url, by):
    """Share one socket, and each gets its own reply."""

    async def work():
        asking = kind(url)
        answers = await asyncio.gather(*(ask(asking, n, 5) for n in range(50)))
        echoes = next(iter(asking._echoes.values()))
        left = dict(echoes._asked)
        asking.close()
        return answers, left

    answers, left = asyncio.run(work())
    assert {(a.outcome, a.by) for a in answers} == {(Outcome.OK, by)}
    assert left == {}


def test_a_name_that_nobody_knows():
    """Is unreachable, with the resolver's own words."""
    answer = asyncio.run(ask(kind("icmp://nowhere.invalid"), 0, 10))
    assert answer.outcome is Outcome.UNREACHABLE


def test_a_reply_to_somebody_else():
    """Counts for nobody here: number and payload must be the attempt's own."""

    async def work():
        kind("icmp://127.0.0.1")
        echoes = Echoes(socket.AF_INET)
        echoes._nonce = b"another!"
        taken = []
        take = echoes._take
        echoes._take = lambda packet, sender: taken.append((packet, sender))
        waiting = asyncio.ensure_future(echoes.ask(("127.0.0.1", 0)))
        async with asyncio.timeout(5):
            while not taken:  # noqa: ASYNC110 - a stand-in for a method tells nobody
                await asyncio.sleep(0.001)
        packet, sender = taken[0]
        take(packet[:-1] + b"?", sender)
        await asyncio.sleep(0)
        before = waiting.done()
        take(packet, sender)
        try:
            return before, await waiting
        finally:
            echoes.close()

    assert asyncio.run(work()) == (False, "127.0.0.1")


@pytest.fixture(scope="module", params=["0 0", ""], ids=["unprivileged", "raw"])
def network(request):
    """Answers from a network of its own, by URL, over an unprivileged socket and over a raw one."""
    script = Path(__file__).with_name("icmp_network.py")
    command = ["unshare", "--user", "--map-root-user", "--net", sys.executable, str(script), request.param]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    except FileNotFoundError:
        pytest.skip("needs the program unshare")
    if done.returncode:
        pytest.skip(f"no network of its own may be made here: {done.stderr.strip().splitlines()[-1:]}")
    found = {line["url"]: line for line in map(json.loads, done.stdout.splitlines())}
    return not request.param, found


@pytest.mark.parametrize(
    ("url", "outcome", "by", "text"),
    [
        ("icmp://10.9.0.2", "ok", "10.9.0.2", ""),
        ("icmp://10.8.0.1", "unreachable", "", "No route to host"),
        ("icmp://10.7.0.1", "unreachable", "", "No route to host"),
        ("icmp://10.9.0.77", "timeout", "", "no answer within 500 ms (echo request sent, no reply)"),
        ("icmp://[::1]", "ok", "::1", ""),
    ],
)
def test_what_the_network_says(network, url, outcome, by, text):
    """A router's "no way there" is told from silence, and reaches the attempt that it is about."""
    raw, found = network
    assert found[url] == {"url": url, "limitation": None, "raw": [raw], "answers": [[outcome, by, text]]}
