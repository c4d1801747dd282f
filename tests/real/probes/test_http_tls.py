# SPDX-License-Identifier: MIT
"""https with a throw-away CA: a certificate that is not accepted is a fault of the configuration, and no outage."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess

import pytest
from scripted_http import asked, descriptors, serving

from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.attempts import Outcome
from pytest_harehearse.probes.kinds import http, make

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the program openssl")


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """Return a folder with a CA, and certificates of it for 127.0.0.1 and for another host."""
    folder = tmp_path_factory.mktemp("ca")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl(*f"req -x509 -subj /CN=ca -days 2 -keyout ca.key -out ca.pem {' '.join(key)}".split())
    for name, subject in (("good", "IP:127.0.0.1"), ("other", "DNS:other.invalid")):
        (folder / f"{name}.ext").write_text(f"subjectAltName={subject}\n")
        openssl(*f"req -new -subj /CN={name} -keyout {name}.key -out {name}.csr {' '.join(key)}".split())
        openssl(
            *f"x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile {name}.ext "
            f"-out {name}.pem".split()
        )
    return folder


@pytest.fixture
def trusting(authority, monkeypatch):
    """Make the runner trust the CA."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
    http._tls.cache_clear()
    yield
    http._tls.cache_clear()


def context(authority, name: str) -> ssl.SSLContext:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(authority / f"{name}.pem", authority / f"{name}.key")
    return tls


def answers_of(tls: ssl.SSLContext | None, times: int = 1, **more):
    async def work():
        async with serving(tls=tls) as server:
            asking = make(Service("s", "https", f"https://127.0.0.1:{server.port}/", timeout=5.0, **more))
            answers = await asked(asking, times, 5)
            asking.close()
            return answers, server.connections

    before = descriptors()
    result = asyncio.run(work())
    assert descriptors() <= before
    return result


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize(("session", "connections"), [("new", 3), ("held", 1)])
def test_it_is_asked_within_tls(authority, session, connections):
    """With a certificate of a trusted CA, in both kinds of session."""
    answers, connected = answers_of(context(authority, "good"), 3, session=session)
    assert [(a.outcome, a.error) for a in answers] == [(Outcome.OK, "")] * 3
    assert connected == connections


@pytest.mark.usefixtures("trusting")
def test_a_certificate_for_another_host(authority):
    """Says so, and what to do."""
    answer = answers_of(context(authority, "other"))[0][0]
    assert answer.outcome is Outcome.MISCONFIGURED
    assert "IP address mismatch" in answer.error
    assert answer.error.endswith("use the name in the URL that the certificate is for")


def test_a_certificate_of_nobody_known(authority):
    """Says that its issuer is not trusted, and what to do."""
    answer = answers_of(context(authority, "good"))[0][0]
    assert answer.outcome is Outcome.MISCONFIGURED
    assert "the server's certificate is not accepted: unable to get local issuer certificate" in answer.error
    assert "SSL_CERT_FILE" in answer.error


def test_a_server_that_speaks_no_tls():
    """Is an error, not a fault of the certificate; nobody waits for the deadline."""

    async def work():
        async def serve(reader, writer):
            await reader.read(1)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            asking = make(Service("s", "https", f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"))
            answers = await asked(asking, 1, 5)
            await asyncio.sleep(0.02)
        return answers[0]

    answer = asyncio.run(work())
    assert answer.outcome in {Outcome.ERROR, Outcome.RESET}
    assert answer.error


def test_a_server_that_closes_within_the_handshake():
    """Is a reset: there was no service to speak to."""

    async def work():
        async def serve(reader, writer):
            await reader.read(5000)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            asking = make(Service("s", "https", f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"))
            answers = await asked(asking, 1, 5)
            await asyncio.sleep(0.02)
        return answers[0]

    answer = asyncio.run(work())
    assert (answer.outcome, answer.error) == (
        Outcome.RESET,
        "the server closed the connection within the TLS handshake",
    )


def test_a_handshake_that_hangs():
    """Ends at the deadline and leaves no socket."""

    async def work():
        quiet = asyncio.Event()

        async def serve(reader, writer):
            await quiet.wait()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            asking = make(Service("s", "https", f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"))
            answers = await asked(asking, 1, 0.1)
            quiet.set()
            await asyncio.sleep(0.02)
        return answers[0]

    before = descriptors()
    assert asyncio.run(work()).outcome is Outcome.TIMEOUT
    assert descriptors() <= before
