# SPDX-License-Identifier: MIT
"""No password, key or token that a node tells becomes a fact, and the rest of the value stays."""

from __future__ import annotations

import base64

import pytest

from pytest_harehearse.drift.parse import parse

SECRET = "hunter2-planted"


def _answer(area: str, body: str, status: str = "0", complaint: str = "") -> str:
    said = base64.b64encode(f"{body}\n={status}".encode()).decode()
    return f"{area}\t{said}\t{base64.b64encode(complaint.encode()).decode()}\nend\t\t\n"


def _cib(name: str, value: str) -> str:
    return (
        '<cib><configuration><resources><primitive id="f" class="stonith" type="x"><instance_attributes id="a">'
        f'<nvpair id="n" name="{name}" value="{value}"/></instance_attributes></primitive></resources></configuration></cib>'
    )


@pytest.mark.parametrize(
    ("area", "body"),
    [
        ("kernel", f"command line\troot=/dev/vda password={SECRET} quiet\n"),
        ("mount", f"/mnt\t//files/x cifs rw,password={SECRET},vers=3\n"),
        ("corosync-conf", f"totem.key\t{SECRET}\n"),
        ("corosync", f"totem.key\t{SECRET}\n"),
        ("cib", _cib("passwd", SECRET)),
        ("cib", _cib("token", SECRET)),
        ("cib", _cib("api_token", SECRET)),
        ("cib", _cib("community", SECRET)),
        ("cib", _cib("options", f"--password={SECRET} --plain")),
    ],
)
def test_a_planted_secret_never_becomes_a_fact(area, body):
    """The fact is there, so that a missing parameter still shows, and its secret is not."""
    found = parse(_answer(area, body), {area: ""})
    assert found.facts
    assert not found.problems
    assert SECRET not in repr(found)


def test_what_stands_beside_a_secret_stays():
    """Only the secret goes: the other options of a mount are what drift is about."""
    found = parse(_answer("mount", f"/mnt\t//files/x cifs rw,password={SECRET},vers=3\n"), {"mount": ""})
    assert found.facts["mount//mnt"].startswith("//files/x cifs rw,password=")
    assert found.facts["mount//mnt"].endswith(",vers=3")


@pytest.mark.parametrize("area", ["corosync-conf", "corosync"])
def test_corosyncs_token_is_a_time_and_stays(area):
    """Corosync's token is milliseconds; blanking it would hide the drift that matters most to a failover."""
    assert parse(_answer(area, "totem.token\t3000\n"), {area: ""}).facts == {f"{area}/totem.token": "3000"}


def test_what_an_area_complains_of_tells_no_secret():
    """The reason why an area could not be read goes into reports as well."""
    found = parse(_answer("cib", "", "1", f"cannot log in with password={SECRET}"), {"cib": ""})
    assert "it ended with 1" in found.problems["cib"]
    assert SECRET not in repr(found)


def test_an_exit_status_of_any_length_is_no_error():
    """A node may send digits that Python refuses to turn into a number."""
    found = parse(_answer("kernel", "release\t6.1\n", "9" * 5000), {"kernel": ""})
    assert found.problems == {"kernel": "its answer was cut off"}
    assert not found.facts
