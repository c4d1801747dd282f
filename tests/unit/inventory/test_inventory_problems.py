# SPDX-License-Identifier: MIT
"""Every message of a wrong inventory, word for word."""

import pytest

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.inventory.load import load

LAB = """
[environments.lab]
kind = "lab"
provider = "lxd"
[environments.lab.clusters.web]
manager = "pacemaker"
nodes = ["web1", "web2"]
"""
SERVICE = """
[[environments.lab.clusters.web.services]]
name = "page"
probe = "http"
url = "http://h/"
"""
DEMO = """
[environments.demo]
kind = "lab"
provider = "embedded"
[environments.demo.clusters.orders]
"""
WEB = "harehearse.toml: environments.lab.clusters.web"
ORDERS = "harehearse.toml: environments.demo.clusters.orders"
WRITE = "write a number and a unit, as in '200ms', '30s', '5min' (units: us, ms, s, min, h, d, w)."
CLUSTER = "Settings are: manager, nodes, group, services, twin, allow, windows, abort_after, dead_man, lease, contacts, notes, site, gates, drift, drift_files."
NAME = "it must be a name: a letter or digit, then letters, digits, '_', '.' or '-'."
WINDOW = "it must be a day, two times and a time zone, as in 'Tue 01:00-03:00 Europe/Berlin'."
ZONE = "it must end with a time zone of the IANA database, as in 'Europe/Berlin'."
MANAGERS = "pacemaker, patroni, sentinel, keepalived, galera, lifekeeper, wsfc"


@pytest.fixture
def problems(tmp_path, monkeypatch):
    """Return what is wrong with a text, as lines."""
    monkeypatch.chdir(tmp_path)

    def found(text, **environ):
        file = tmp_path / "harehearse.toml"
        file.write_text(text)
        with pytest.raises(ConfigError) as caught:
            load(file, environ)
        assert str(caught.value) == "\n".join(caught.value.problems)
        return list(caught.value.problems)

    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "harehearse.toml: environments is missing; the inventory needs: environments."),
        (
            "[environment.lab]",
            (
                "harehearse.toml: environment is not a setting of the inventory. Did you mean 'environments'?"
                " Settings are: default_environment, store, history, environments."
            ),
        ),
        (
            f"zzz = 1\n{LAB}",
            (
                "harehearse.toml: zzz is not a setting of the inventory."
                " Settings are: default_environment, store, history, environments."
            ),
        ),
        ("environments = 3", "harehearse.toml: environments is 3; it must be a table."),
        ("[environments]\nlab = []", "harehearse.toml: environments.lab is a list; it must be a table."),
        (f'store = ""\n{LAB}', "harehearse.toml: store is ''; it must not be empty."),
        (f"history = 3.5\n{LAB}", "harehearse.toml: history is 3.5; it must be a text in quotes."),
        (
            f'default_environment = "lba"\n{LAB}',
            "harehearse.toml: default_environment is 'lba'; valid are: lab. Did you mean 'lab'?",
        ),
    ],
)
def test_the_top_of_the_file(problems, text, expected):
    """Settings of the whole inventory."""
    assert problems(text) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '[environments.demo]\nkind = "lba"',
            "harehearse.toml: environments.demo.kind is 'lba'; valid are: lab, production. Did you mean 'lab'?",
        ),
        (
            '[environments.demo]\nkind = "LAB"\nprovider = "lxd"',
            "harehearse.toml: environments.demo.kind is 'LAB'; valid are: lab, production. Did you mean 'lab'?",
        ),
        ("[environments.demo]", "harehearse.toml: environments.demo.kind is missing; an environment needs: kind."),
        (
            '[environments.demo]\nkind = "lab"',
            "harehearse.toml: environments.demo.provider is missing. A lab needs one of: embedded, lxd, vagrant, hosts.",
        ),
        (
            '[environments.demo]\nkind = "lab"\nproviders = "lxd"',
            (
                "harehearse.toml: environments.demo.providers is not a setting of an environment."
                " Did you mean 'provider'? Settings are: kind, provider, site, vantages, clusters."
            ),
        ),
        (
            '[environments.demo]\nkind = "lab"\nprovider = "docker"',
            "harehearse.toml: environments.demo.provider is 'docker'; valid are: embedded, lxd, vagrant, hosts.",
        ),
        (
            '[environments.p]\nkind = "production"\nprovider = "lxd"',
            "harehearse.toml: environments.p.provider is not for a production, which is never created; remove it.",
        ),
        (
            '[environments."my lab"]\nkind = "production"',
            f"harehearse.toml: environments.\"my lab\" is named 'my lab'; {NAME}",
        ),
        (
            '[environments.demo]\nkind = "production"\ncluster = {}',
            (
                "harehearse.toml: environments.demo.cluster is not a setting of an environment. Did you mean 'clusters'?"
                " Settings are: kind, provider, site, vantages, clusters."
            ),
        ),
    ],
)
def test_an_environment(problems, text, expected):
    """Kinds, providers and names of environments."""
    assert problems(text) == [expected]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("servces = []", f"{WEB}.servces is not a setting of a cluster. Did you mean 'services'? {CLUSTER}"),
        ("group = 1", f"{WEB}.group is 1; it must be a text in quotes."),
        ("services = {}", f"{WEB}.services is a table; it must be a list in [ ]."),
        ("services = [1]", f"{WEB}.services[0] is 1; it must be a table."),
        ('allow = "patch"', f"{WEB}.allow is 'patch'; it must be a list in [ ]."),
        (
            'allow = ["patch", "faults"]',
            f"{WEB}.allow[1] is 'faults'; valid are: switchover, patch, fault. Did you mean 'fault'?",
        ),
        ('twin = "lab/web"', f"{WEB}.twin is 'lab/web'; there is none to name."),
        ('windows = ["Tue 1:00-03:00 UTC"]', f"{WEB}.windows[0] is 'Tue 1:00-03:00 UTC'; {WINDOW}"),
        ('windows = ["Xyz 01:00-03:00 UTC"]', f"{WEB}.windows[0] is 'Xyz 01:00-03:00 UTC'; {WINDOW}"),
        ('windows = ["Tue 01:00-24:00 UTC"]', f"{WEB}.windows[0] is 'Tue 01:00-24:00 UTC'; {WINDOW}"),
        (
            'windows = ["Tue 01:00-01:00 UTC"]',
            f"{WEB}.windows[0] is 'Tue 01:00-01:00 UTC'; it must not end at the time it begins.",
        ),
        (
            'windows = ["Tue 22:00-03:00 Europe/Berln"]',
            f"{WEB}.windows[0] is 'Tue 22:00-03:00 Europe/Berln'; {ZONE} Did you mean 'Europe/Berlin'?",
        ),
        ('windows = ["Tue 22:00-03:00 ../../x"]', f"{WEB}.windows[0] is 'Tue 22:00-03:00 ../../x'; {ZONE}"),
        (
            "gates = { rehersals = 3 }",
            (
                f"{WEB}.gates.rehersals is not a setting of the gates. Did you mean 'rehearsals'?"
                " Settings are: rehearsed_within, rehearsals, interruption, way_back_within, fenced_within, playbook,"
                " certificates, disk, backup, backup_within."
            ),
        ),
        ("gates = { disk = 0.1 }", f"{WEB}.gates.disk is 0.1; it must be a share, as in '10%'."),
        ('gates = { disk = "120%" }', f"{WEB}.gates.disk is '120%'; it must be a share, as in '10%'."),
        ("gates = { rehearsals = 0 }", f"{WEB}.gates.rehearsals is 0; it must be at least 1."),
        ("gates = { rehearsals = true }", f"{WEB}.gates.rehearsals is true; it must be a whole number."),
        (
            "gates = { rehearsed_within = 07:00:00 }",
            f"{WEB}.gates.rehearsed_within: 07:00:00 is not a duration; {WRITE}",
        ),
        ("gates = 1", f"{WEB}.gates is 1; it must be a table."),
    ],
)
def test_a_cluster(problems, lines, expected):
    """Settings of a cluster, its windows and its gates."""
    assert problems(LAB + lines) == [expected]


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ('"web1"', f"{WEB}.nodes is 'web1'; it must be a list in [ ]."),
        ("[]", f"{WEB}.nodes is empty; a cluster needs at least 1 node."),
        ('["web 1"]', f"{WEB}.nodes[0] is 'web 1'; {NAME}"),
        ('[{ name = "-" }]', f"{WEB}.nodes[0].name is '-'; {NAME}"),
        ("[7]", f"{WEB}.nodes[0] is 7; it must be a name, or a table of name and url."),
        ('[{ url = "ssh://h" }]', f"{WEB}.nodes[0].name is missing; a node needs: name."),
        (
            '[{ name = "a", uri = "ssh://h" }]',
            f"{WEB}.nodes[0].uri is not a setting of a node. Did you mean 'url'? Settings are: name, url.",
        ),
        (
            '["a", { name = "a" }]',
            f"{WEB}.nodes[1].name is 'a', as is environments.lab.clusters.web.nodes[0]; it must be unique in its cluster.",
        ),
    ],
)
def test_the_nodes(problems, nodes, expected):
    """Names and tables of nodes."""
    assert problems(LAB.replace('["web1", "web2"]', nodes)) == [expected]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ('every = "20"', f": '20' is not a duration; {WRITE}"),
        ("every = 20", f": 20 is not a duration; {WRITE}"),
        ('every = "999us"', " is '999us'; it must be at least 1ms."),
        ('timeout = "0s"', " is '0s'; it must be more than 0 s."),
        ('interruption = "-1s"', f": '-1s' is not a duration; {WRITE}"),
        ('interruption = "' + "9" * 400 + 'd"', f" is '{'9' * 80}…'; it is too long."),
        ('mode = "wirte"', " is 'wirte'; valid are: read, write. Did you mean 'write'?"),
        ("status = 200", " is 200; it must be a list in [ ]."),
        ('contains = ""', " is ''; it must not be empty."),
    ],
)
def test_a_setting_of_a_service(problems, lines, expected):
    """Durations, modes and what counts as served."""
    key = lines.split()[0]
    assert problems(LAB + SERVICE + lines) == [f"{WEB}.services[0].{key}{expected}"]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            'probe = "tcp"',
            [
                "name is missing; a service needs: name, probe, url.",
                "url is missing; a service needs: name, probe, url.",
            ],
        ),
        (
            'name = "a b"\nprobe = "htp"\nurl = "x"',
            [
                f"name is 'a b'; {NAME}",
                "probe is 'htp'; valid are: http, tcp, icmp, postgresql, redis, mysql, dns, command. Did you mean 'http'?",
            ],
        ),
        (
            'name = "a"\nprobe = "tcp"\nurl = " "\nstatus = [99, "x"]\ncontains = "ok"',
            [
                "url is ' '; it must not be empty.",
                "status is only for probe 'http', not 'tcp'.",
                "status[0] is 99; it must be an HTTP status, 100 to 599.",
                "status[1] is 'x'; it must be a whole number.",
                "contains is only for probe 'http', not 'tcp'.",
            ],
        ),
        (
            'name = "a"\nprobe = "dns"\nurl = "x"\nmode = "write"\nsession = "held"\nresponder = "X-Node"',
            [
                "mode is 'write', which probe 'dns' does not have; only http, mysql, postgresql, redis have.",
                "session is 'held', which probe 'dns' does not have; only http, mysql, postgresql, redis have.",
                "responder is only for probe 'http', not 'dns'.",
            ],
        ),
        (
            'name = "a"\nprobe = "http"\nurl = "x"\nmode = "write"\nwrite = "shop"',
            [
                "write is 'shop'; it must name a function in a file, as in 'probes/shop.py:write'.",
                'lookup is missing. Writing over http needs both: write and lookup = "FILE.py:FUNCTION".',
            ],
        ),
        (
            'name = "a"\nprobe = "http"\nurl = "x"\nlookup = "a.py:b"',
            ["lookup is only for mode 'write'."],
        ),
        (
            'name = "a"\nprobe = "http"\nurl = "x"\nslow = "60ms"\ntimeout = "60ms"',
            ["slow is '60ms'; it must be less than the timeout, or nothing is ever slow."],
        ),
        (
            'name = "a"\nprobe = "http"\nurl = "x"\nlayer = "top"\nuser_timeout = "0s"',
            [
                "layer is 'top'; valid are: network, transport, name, application, database.",
                "user_timeout is '0s'; it must be more than 0 s.",
            ],
        ),
    ],
)
def test_a_service(problems, lines, expected):
    """All faults of one service come together, in the order of the file."""
    text = f"{LAB}[[environments.lab.clusters.web.services]]\n{lines}"
    assert problems(text) == [f"{WEB}.services[0].{line}" for line in expected]


def test_two_services_of_one_name(problems):
    """Results are told by service, so a name stands for one."""
    assert problems(LAB + SERVICE + SERVICE) == [
        (
            f"{WEB}.services[1].name is 'page', as is environments.lab.clusters.web.services[0].name;"
            " it must be unique in its cluster."
        )
    ]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            'manager = "pacemaker"\nnodes = ["a"]',
            [
                f"{ORDERS}.manager is 'pacemaker'; the embedded lab runs only: patroni, sentinel.",
                f"{ORDERS}.nodes names 1; an embedded cluster needs at least 2, for a switchover needs a standby.",
            ],
        ),
        (
            'manager = "patrony"\nnodes = ["a", "b"]',
            [f"{ORDERS}.manager is 'patrony'; valid are: {MANAGERS}. Did you mean 'patroni'?"],
        ),
        (
            'manager = "patroni"\nnodes = ["a", { name = "b", url = "ssh://h" }]',
            [f"{ORDERS}.nodes[1].url is not for the embedded lab, which reaches its nodes itself."],
        ),
    ],
)
def test_an_embedded_cluster(problems, lines, expected):
    """What the embedded lab cannot do is told when the file is read."""
    assert problems(DEMO + lines) == expected


def test_a_misspelt_twin(problems):
    """The twin is another cluster of the inventory."""
    text = (
        LAB
        + '[environments.p]\nkind = "production"\n[environments.p.clusters.web]\nmanager = "pacemaker"\nnodes = ["a"]\n'
    )
    assert problems(text + 'twin = "lab/wep"') == [
        "harehearse.toml: environments.p.clusters.web.twin is 'lab/wep'; valid are: lab/web. Did you mean 'lab/web'?"
    ]


def test_everything_wrong_is_told_at_once_in_the_order_of_the_file(problems):
    """One look at the messages is enough to mend the file; a misspelt key is not also a missing one."""
    text = """
default_environment = "dmo"
[environments.demo]
provider = "embedded"
kind = "lba"
[environments.demo.clusters.orders]
mangaer = "patroni"
nodes = ["n1"]
[environments.lab]
kind = "lab"
[environments.lab.clusters.web]
nodes = ["w1"]
manager = 1
"""
    assert problems(text) == [
        "harehearse.toml: default_environment is 'dmo'; valid are: demo, lab. Did you mean 'demo'?",
        "harehearse.toml: environments.demo.kind is 'lba'; valid are: lab, production. Did you mean 'lab'?",
        f"{ORDERS}.mangaer is not a setting of a cluster. Did you mean 'manager'? {CLUSTER}",
        f"{ORDERS}.nodes names 1; an embedded cluster needs at least 2, for a switchover needs a standby.",
        f"{WEB}.manager is 1; valid are: {MANAGERS}.",
        "harehearse.toml: environments.lab.provider is missing. A lab needs one of: embedded, lxd, vagrant, hosts.",
    ]


def test_missing_variables_are_told_and_nothing_else_about_their_values(problems):
    """A value that is not there yet is not also called wrong."""
    text = LAB.replace('"pacemaker"', '"${MANAGER}"') + SERVICE.replace("http://h/", "http://u:${PW}@${HOST}/")
    assert problems(text + 'every = "${"') == [
        f"{WEB}.manager needs the environment variable MANAGER, which is not set; set it, or write $${{ for a plain '${{'.",
        (
            f"{WEB}.services[0].url needs the environment variables PW, HOST, which are not set; set them,"
            " or write $${ for a plain '${'."
        ),
        f"{WEB}.services[0].every has a '${{' without a variable's name; write ${{NAME}}, or $${{ for a plain '${{'.",
    ]


def test_the_content_of_a_variable_is_never_shown(problems):
    """A variable may hold a secret, wherever it was put by mistake."""
    text = (
        'default_environment = "${LAB}"\n'
        + LAB.replace('"pacemaker"', '"${LAB}"').replace('"web1"', '"${LAB}", "${LAB}"')
        + 'twin = "${LAB}"\nwindows = ["${LAB}"]'
        + SERVICE
        + 'every = "${LAB}"'
    )
    hidden = "'${LAB}' (the content of a variable is not shown)"
    found = problems(text, LAB="hunter 2")
    assert found == [
        f"harehearse.toml: default_environment is {hidden}; valid are: lab.",
        f"{WEB}.manager is {hidden}; valid are: {MANAGERS}.",
        f"{WEB}.nodes[0] is {hidden}; {NAME}",
        f"{WEB}.nodes[1] is {hidden}; {NAME}",
        f"{WEB}.nodes[1] is {hidden}, as is environments.lab.clusters.web.nodes[0]; it must be unique in its cluster.",
        f"{WEB}.twin is {hidden}; there is none to name.",
        f"{WEB}.windows[0] is {hidden}; {WINDOW}",
        f"{WEB}.services[0].every: {hidden} is not a duration; {WRITE}",
    ]


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("postgresql://u:hunter2@h/db", "postgresql://u:***@h/db"),
        ("redis://:hun@ter/2@h", "redis://:***@h"),
        ("http://h/?a=1&Password=hunter2&b=2", "http://h/?a=1&Password=***&b=2"),
        ("host=h password=hunter2 user=u", "host=h password=*** user=u"),
    ],
)
def test_passwords_are_masked_wherever_they_stand(problems, url, masked):
    """A password in a value or a key does not reach a terminal or a log."""
    assert problems(f'[environments."{url}"]\nkind = "{url}"') == [
        f"harehearse.toml: environments.\"{masked}\" is named '{masked}'; {NAME}",
        f"harehearse.toml: environments.\"{masked}\".kind is '{masked}'; valid are: lab, production.",
    ]
