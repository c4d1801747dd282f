# SPDX-License-Identifier: MIT
"""URLs of one or several hosts: what they say, and what is wrong with those that cannot be used."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.kinds import make
from pytest_harehearse.probes.kinds.hosts import target
from pytest_harehearse.probes.kinds.redis import aim_of
from pytest_harehearse.probes.kinds.redis_resp import encode


def service(url: str, **more) -> Service:
    return Service("s", url.partition("://")[0], url, **more)


@pytest.mark.parametrize(
    ("url", "hosts", "greeting"),
    [
        ("redis://h", [("h", 6379)], ()),
        ("redis://h:1,[::1]:2,10.0.0.1/0", [("h", 1), ("::1", 2), ("10.0.0.1", 6379)], ()),
        ("redis://:geheim@h/2", [("h", 6379)], (encode("AUTH", "geheim"), encode("SELECT", 2))),
        ("rediss://u:p%40%2Fss@h", [("h", 6379)], (encode("AUTH", "u", "p@/ss"),)),
        ("redis://u@h", [("h", 6379)], (encode("AUTH", "u", ""),)),
        ("redis://u:@h", [("h", 6379)], (encode("AUTH", "u", ""),)),
    ],
)
def test_what_a_url_says(url, hosts, greeting):
    """Hosts with their ports, and what each session begins with."""
    aim, said = aim_of(service(url))
    assert [(host.place.host, host.place.port) for host in aim.hosts] == hosts
    assert said == greeting


@pytest.mark.parametrize(
    ("responders", "labels"),
    [((), ["a", "b"]), (("n1", "n2"), ["n1", "n2"]), (("n1",), ["a", "b"]), (("n", "n"), ["n:1", "n:2"])],
)
def test_how_hosts_are_called(responders, labels):
    """By the nodes' names when there is one for each, with the port where the names are alike."""
    aim, _ = aim_of(service("redis://a:1,b:2", responders=responders))
    assert [host.label for host in aim.hosts] == labels


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("redis://", "lacks a host"),
        ("redis://h,", "lacks a host"),
        ("redis://h:x", "has 'h:x' where a HOST:PORT is expected"),
        ("redis://::1", "has '::1' where a HOST:PORT is expected"),
        ("redis://h:0", "has the port 0"),
        ("redis://h:65536", "has the port 65536"),
        ("redis://h,h", "names a host twice"),
        ("redis://h/x", "has 'x' for a database, which is a number"),
        ("redis://h/1?ssl=true", r"has options \(ssl\); none is known"),
        ("redis://:ge%heim@h", "has a '%' that begins no %XX"),
        ("redis://:ge/heim@h", "has a '/' or '\\?' before an '@'"),
        ("redis://:ge?heim@h", "has a '/' or '\\?' before an '@'"),
        ("redis://u:x@y/heim@h", "has a '/' or '\\?' before an '@'"),
        ("redis://:ge#heim@h,:1", "has ':1' where a HOST:PORT is expected"),
    ],
)
def test_a_url_that_cannot_be_used(url, text):
    """The text says what is wrong and what to write, and never the password."""
    with pytest.raises(ConfigError, match=text) as caught:
        make(service(url))
    assert "heim" not in str(caught.value)
    assert str(caught.value).endswith("Write redis://USER:PASSWORD@HOST1:PORT,HOST2:PORT/DB; rediss:// for TLS.")


@given(st.text(min_size=1), st.text(min_size=1))
def test_any_password_can_be_written(user, password):
    """With %XX for what has a meaning in a URL."""
    from urllib.parse import quote

    aim = target(service(f"redis://{quote(user, safe='')}:{quote(password, safe='')}@h"), 1, "")
    assert (aim.user, aim.password, aim.secrets) == (user, password, (password,))
