# SPDX-License-Identifier: MIT
"""http and https: one request, the right status and, when asked for, the right text.

No pool, no redirect, no retry, no proxy from the environment: it measures what it says.
"""

from __future__ import annotations

import functools
import ssl
from typing import Final
from urllib.parse import unquote

from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes.attempts import Outcome, Write
from pytest_harehearse.probes.kinds import http_writes
from pytest_harehearse.probes.kinds.base import Answer, Session, SessionKind, Trace
from pytest_harehearse.probes.kinds.http_message import Body, Head, NotHttp, Source, read_body, read_head
from pytest_harehearse.probes.kinds.http_request import Requests, split
from pytest_harehearse.probes.kinds.wire import Place, Wire, dial

#: Headers by which a load balancer or an application names who answered.
_NAMES: Final = ("x-served-by", "x-backend-server", "x-upstream", "x-hostname", "x-node")
#: OpenSSL's numbers for a certificate that is not for this host, and one that is not valid at this time.
_OTHER_NAME: Final = frozenset({62, 63, 64})
_NOT_NOW: Final = {9: "check the clocks of both sides", 10: "renew the certificate"}


@functools.cache
def _tls() -> ssl.SSLContext:
    """Return one context for all services: reading the trusted certificates takes long."""
    return ssl.create_default_context()


class _Session(Session):
    """An open connection that takes one request after the other."""

    def __init__(self, kind: Http, wire: Wire) -> None:
        self._kind = kind
        self._wire = wire
        self._source = Source(wire.more)

    async def ask(self, n: int, trace: Trace) -> Answer:
        """Send one more request."""
        request = self._kind.request(n, trace)
        return request if isinstance(request, Answer) else await self.exchange(request, trace)

    async def exchange(self, request: bytes, trace: Trace) -> Answer:
        """Send a request and judge its answer."""
        kind = self._kind
        if kind.writes:
            trace.write = Write.UNKNOWN
        trace.step = "connected, no answer to the request"
        try:
            await self._wire.send(request)
            head = await read_head(self._source)
            trace.by = kind.responder(head)
            body = None
            if kind.reads_body:
                trace.step = f"status {head.status}, the body is not complete"
                body = await read_body(self._source, head)
        except NotHttp as error:
            self.alive = False
            return Answer(Outcome.WRONG, trace.by, str(error), trace.write)
        # What came beyond the answer belongs to no request of ours.
        self.alive = head.keeps and body is not None and body.bounded and not len(self._source)
        return kind.judge(head, body, trace)

    def close(self) -> None:
        """Close the connection."""
        self._wire.close()


class Http(SessionKind):
    """Asks one URL."""

    modes = ("read", "write", "claim")

    def __init__(self, service: Service, writer: str = "") -> None:
        super().__init__(service, writer)
        parts = split(service.url)
        self._tls = _tls() if parts.scheme == "https" else None
        self._place = Place.of(parts.hostname or "", parts.port or (443 if self._tls else 80))
        self._held = service.session == "held"
        self._requests = Requests(parts, keep=self._held)
        self._get = self._requests.get()
        self._contains = service.contains.encode() if service.contains else None
        self._names = (service.responder.lower(),) if service.responder else _NAMES
        self._login = parts.username is not None
        self.writes = service.mode == "write"
        if self.writes:
            http_writes.prepare(service)
        self._write = http_writes.write_of(service) if self.writes else None
        #: An acknowledgement counts when it is complete, and a held session goes on only after the whole answer.
        self.reads_body = self._held or self.writes or self._contains is not None
        if parts.password:
            self.secrets = (parts.password, unquote(parts.password))

    async def begin(self, n: int, trace: Trace) -> tuple[Answer, Session | None]:
        """Connect and ask once."""
        if self.writes:
            trace.write = Write.FAILED
        request = self.request(n, trace)
        if isinstance(request, Answer):
            return request, None
        trace.step = "connecting"
        try:
            wire = await dial(
                self._place,
                within=self.service.timeout,
                tls=self._tls,
                user_timeout=self.service.user_timeout if self._held else None,
            )
        except ssl.SSLCertVerificationError as error:
            return Answer(Outcome.MISCONFIGURED, "", _about_certificate(error), trace.write), None
        session, keep = _Session(self, wire), False
        try:
            answer = await session.exchange(request, trace)
            keep = self._held and session.alive
        finally:
            if not keep:
                session.close()
        return answer, session if keep else None

    def request(self, n: int, trace: Trace) -> bytes | Answer:
        """Return the request of an attempt, or why there is none."""
        if self._write is None:
            return self._get
        trace.write, trace.step = Write.FAILED, "making the request"
        try:
            made = self._write(self.writer, n)
            if not isinstance(made, http_writes.HttpWrite):
                raise TypeError(f"it returned {type(made).__name__}, not HttpWrite")  # noqa: TRY301
            return self._requests.write(made.method, made.path, made.pairs(), made.body)
        except Exception as error:  # noqa: BLE001 - whatever a user's function does
            text = f"{self.service.write} made no request for number {n}: {type(error).__name__}: {error}"
            return Answer(Outcome.MISCONFIGURED, "", text, Write.FAILED)

    def responder(self, head: Head) -> str:
        """Return who the answer says it is from."""
        return next((head.headers[name] for name in self._names if name in head.headers), "")

    def judge(self, head: Head, body: Body | None, trace: Trace) -> Answer:
        """Return what a whole answer proves."""
        served = self._served(head.status)
        if self.writes:
            trace.write = self._fate(head.status, served=served)
        if not served and (problem := self._refused_login(head.status)):
            return Answer(Outcome.MISCONFIGURED, trace.by, problem, trace.write)
        text = "" if served else f"status {head.status}"
        if served and self._contains is not None and body is not None and self._contains not in body.data:
            served, text = False, f"status {head.status} without {self.service.contains!r}"
            if trace.write is Write.ACKED:
                trace.write = Write.UNKNOWN
        if served:
            return Answer(Outcome.OK, trace.by, "", trace.write)
        no = Outcome.READ_ONLY if self.service.mode == "claim" else Outcome.WRONG
        return Answer(no, trace.by, text, trace.write)

    def _served(self, status: int) -> bool:
        if self.service.status:
            return status in self.service.status
        return 200 <= status < (300 if self.service.mode == "claim" else 400)

    @staticmethod
    def _fate(status: int, *, served: bool) -> Write:
        if served and 200 <= status < 300:
            return Write.ACKED
        # 408: the server gave up waiting; whether it had taken the write by then, it does not say.
        return Write.FAILED if 400 <= status < 500 and status != 408 else Write.UNKNOWN

    def _refused_login(self, status: int) -> str | None:
        if status == 407:
            return "a proxy asks for a login (status 407); name the service's own address in the URL"
        if status in {401, 403} and self._login:
            return f"the server did not accept the user and password of the URL (status {status}); correct them there"
        if status == 401:
            return "the server asks for a login, the URL has none (status 401); write it as USER:PASSWORD@HOST"
        return None


def _about_certificate(error: ssl.SSLCertVerificationError) -> str:
    """Say what is wrong with a certificate, and what to do."""
    code, text = error.verify_code, str(error.verify_message).rstrip(".")
    if code in _OTHER_NAME:
        what = "use the name in the URL that the certificate is for"
    else:
        what = _NOT_NOW.get(code, "trust its issuer on this machine, in the system's store or by SSL_CERT_FILE")
    return f"the server's certificate is not accepted: {text}; {what}"
