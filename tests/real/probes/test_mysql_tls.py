# SPDX-License-Identifier: MIT
"""The kinds mysql and redis with TLS: who is trusted, and that nothing waits for a silent server's goodbye."""

from __future__ import annotations

import asyncio
import shutil
import signal
import ssl
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

pytest.importorskip("aiomysql", reason="needs the library aiomysql")

from mariadb_server import PASSWORD, MariadbServer

from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.attempts import Outcome, Write
from pytest_harehearse.probes.audit import audit
from pytest_harehearse.probes.kinds import make, mysql_login, prepare, redis
from pytest_harehearse.probes.kinds.base import ask

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the program openssl")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Path:
    """Return a folder with a certificate for 127.0.0.1 that is its own issuer."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-subj",
            "/CN=test",
            "-days",
            "2",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
            "key.pem",
            "-out",
            "cert.pem",
        ],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=60,
    )
    return folder


@pytest.fixture
def trusting(certificate, monkeypatch):
    """Make the runner trust it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    mysql_login._context.cache_clear()
    redis.tls_of.cache_clear()
    yield
    mysql_login._context.cache_clear()
    redis.tls_of.cache_clear()


@pytest.fixture
def server(tmp_path, certificate):
    """A MariaDB server that offers TLS."""
    secure = [f"--ssl-{name}={certificate / name}.pem" for name in ("cert", "key")]
    made = MariadbServer(tmp_path / "secure", *secure)
    yield made
    made.close()


def service(server: MariadbServer, **more) -> Service:
    url = f"mysql://app:{quote(PASSWORD)}@{server.address}/app?tls=true"
    return Service("s", "mysql", url, **{"timeout": 5.0, **more})


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.parametrize("session", ["new", "held"])
@pytest.mark.usefixtures("trusting")
def test_a_server_serves_with_tls(server, session):
    """Writes and their audit as well."""
    asking_for = service(server, session=session, mode="write")
    prepare(asking_for)

    async def work():
        kind = make(asking_for, "w")
        answers = [await ask(kind, n, 5.0) for n in range(2)]
        kind.close()
        await asyncio.sleep(0.05)
        return answers

    assert [(a.outcome, a.write) for a in asyncio.run(work())] == [(Outcome.OK, Write.ACKED)] * 2
    assert audit(asking_for, "w", [], deadline=10).unknown_present == 2


def test_a_certificate_that_is_not_trusted_is_no_outage(server):
    """It says what to do."""
    mysql_login._context.cache_clear()
    answer = asyncio.run(ask(make(service(server)), 0, 5.0))
    assert answer.outcome is Outcome.MISCONFIGURED
    assert "the server's certificate is not accepted" in answer.error


@pytest.mark.usefixtures("trusting")
def test_a_silent_server_holds_no_socket(server):
    """A TLS session is not taken leave of when it is cut off: that could take half a minute each."""

    async def work():
        kind = make(service(server, session="held"), "w")
        assert (await ask(kind, 0, 5.0)).outcome is Outcome.OK
        before = descriptors()
        server.signal(signal.SIGSTOP)
        new = make(service(server), "w")
        answers = [await ask(new, n, 0.1) for n in range(5)]
        await asyncio.sleep(0.05)
        now = descriptors()
        kind.close()
        await asyncio.sleep(0.05)
        return answers, before, now, descriptors()

    answers, before, now, last = asyncio.run(work())
    server.signal(signal.SIGCONT)
    assert [a.outcome for a in answers] == [Outcome.TIMEOUT] * 5
    assert (now, last) == (before, before - 1)


@pytest.mark.parametrize("trusted", [True, False])
def test_rediss_speaks_tls(certificate, request, trusted):
    """Trusted it serves; otherwise it is a fault of the configuration."""
    if trusted:
        request.getfixturevalue("trusting")
    redis.tls_of.cache_clear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")

    async def nil(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(100):
            writer.write(b"$-1\r\n")
        writer.close()

    async def work():
        listener = await asyncio.start_server(nil, "127.0.0.1", 0, ssl=context)
        url = f"rediss://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        answer = await ask(make(Service("s", "rediss", url, timeout=5.0)), 0, 5.0)
        listener.close()
        await asyncio.sleep(0.05)
        return answer

    answer = asyncio.run(work())
    assert answer.outcome is (Outcome.OK if trusted else Outcome.MISCONFIGURED)
    assert trusted or "the server's certificate is not accepted" in answer.error
