# SPDX-License-Identifier: MIT
"""An LXD lab as a user meets it: up, looked at, logged in to, reset; the removal is asserted by the fixture."""

from __future__ import annotations

import json
import urllib.request

VIP = "http://198.18.0.100/"


def page():
    with urllib.request.urlopen(VIP, timeout=5) as answer:
        return answer.read().decode(), answer.headers["X-Served-By"]


def test_it_serves_and_says_so(web):
    """Up is up: users are served at the address in the inventory, by the node that the manager calls active."""
    text, by = page()
    assert text == f"served by {by}\n"
    assert by == web.manager.state().active
    said = web.labs.command("status", "lab")
    assert said.status == 0, said.out
    assert f"active {by}" in said.out
    status = json.loads(web.labs.command("lab", "status", "lab", "--json").out)
    assert (status["up"], status["holds"]) == (True, "web1 on, web2 on")
    again = web.labs.command("lab", "up", "lab")
    assert again.status == 0
    assert "lab was already up: 1 cluster, healthy" in again.out


def test_a_person_can_log_in(web):
    """``lab ssh`` is ssh: a command, its output, its exit status."""
    said = web.labs.command("lab", "ssh", "lab", "web2", "hostname; exit 3")
    assert (said.out, said.status) == ("web2\n", 3)
    wrong = web.labs.command("lab", "ssh", "lab", "web9", "true")
    assert wrong.status == 1
    assert "has no node 'web9'; it has web1, web2" in wrong.err


def test_a_second_lab_is_refused_while_the_network_is_taken(web):
    """Two labs would have the same addresses: said before anything is made, and nothing of the second stays."""
    said = web.labs.command("lab", "up", "lab3")
    assert said.status == 1
    assert "198.18.0.0/24, of which this machine has 198.18.0.1 on hh-" in said.err
    assert web.labs.command("lab", "status", "lab3").out.startswith("✗ lab3 is not up. Create it")
    assert page()[0].startswith("served by web")


def test_a_reset_undoes_whatever_was_done(web):
    """A broken lab is as new: the file is gone, the node is back, users are served."""
    web.run("web1", "touch", "/root/changed")
    web.run("web1", "systemctl", "disable", "pacemaker")
    web.lab.power_off("web2")
    web.reset()
    assert web.run("web1", "test", "-e", "/root/changed", ok=False).rc == 1
    assert web.manager.state().redundancy_limitation() is None
    assert page()[0].startswith("served by web")


def test_nothing_is_restricted_but_the_project(web):
    """The fencing certificate can fence nodes, and cannot read anything else of LXD."""
    site = web.lab._site(web.lab._state())
    trusted = site.api(project=False).get(f"certificates/{site.certificate}")
    assert (trusted["restricted"], trusted["projects"]) == (True, [site.project])
    script = (
        "import http.client, ssl, json; c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT); c.check_hostname = False; "
        "c.load_verify_locations('/etc/harehearse/lxd.crt'); "
        "c.load_cert_chain('/etc/harehearse/fence.crt', '/etc/harehearse/fence.key'); "
        f"h = http.client.HTTPSConnection('198.18.0.1', {site.port}, context=c, timeout=10); "
        "h.request('GET', '/1.0/instances?project=default'); print(h.getresponse().status)"
    )
    assert web.run("web1", "python3", "-c", script).out == "403"
