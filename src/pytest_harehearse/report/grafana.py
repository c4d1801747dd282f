# SPDX-License-Identifier: MIT
"""What was done in a run, as annotations of Grafana: each fault and switchover is a region on every dashboard."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from pytest_harehearse.clock import Anchor
from pytest_harehearse.errors import ConfigError
from pytest_harehearse.report.wording import plain, plural

if TYPE_CHECKING:
    from pytest_harehearse.history.summary import RunSummary

#: The environment variable with the token of a service account that may write annotations.
TOKEN: Final = "HAREHEARSE_GRAFANA_TOKEN"  # noqa: S105 - its name, not a token
#: Seconds for one request, and for all of a run.
EACH_S: Final = 10.0
ALL_S: Final = 60.0
_MOST_ANSWER: Final = 300


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of the annotations of a run; ``problem`` says why not all are there, None: all are."""

    sent: int
    of: int
    problem: str | None = None

    @property
    def sentence(self) -> str:
        """Return it in a line."""
        if self.problem is None:
            return f"{plural(self.sent, 'annotation')} in Grafana"
        return f"{self.sent} of {plural(self.of, 'annotation')} in Grafana; {self.problem}"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the token is for the address that was named, and for no other."""

    def redirect_request(self, *_: Any) -> None:
        """Say no."""


def regions(summary: RunSummary) -> list[dict[str, Any]]:
    """Return each fault and each switchover as Grafana takes it; times are Unix milliseconds."""
    return list(_regions(summary))


def _regions(summary: RunSummary) -> Iterator[dict[str, Any]]:
    for rehearsal in summary.rehearsals:
        clocks = summary.clocks(rehearsal)
        tags = ["harehearse", rehearsal.kind, rehearsal.cluster, rehearsal.verdict.value]
        where = f"{rehearsal.cluster}, {rehearsal.name}, run {summary.run}"
        # Faults that are still there, or a run that was killed, reach to the end of what is known.
        spans = [
            (
                "fault",
                fault.name,
                f"{fault.name} {fault.target}: {fault.outcome}, undo {fault.undone}",
                fault.start,
                fault.end,
            )
            for fault in rehearsal.faults
        ] + [
            ("switchover", "switchover", f"{span.label}: {span.outcome}", span.start, span.end)
            for span in rehearsal.actions
            if span.kind == "switchover"
        ]
        for kind, name, what, start, end in sorted(spans, key=lambda one: one[3]):
            yield {
                "time": _milliseconds(clocks, start),
                "timeEnd": _milliseconds(clocks, max(start, rehearsal.end if end is None else end)),
                "tags": [plain(tag) for tag in dict.fromkeys([*tags, kind, name])],
                "text": _text(what, where, ended=end is not None),
            }


def _milliseconds(clocks: Anchor, mono: float) -> int:
    return round((clocks.wall + mono - clocks.mono) * 1000)


def _text(what: str, where: str, *, ended: bool) -> str:
    """Return the text of an annotation; Grafana may show it as HTML."""
    words = f"{what} ({where})" if ended else f"{what}, its end is not known ({where})"
    return plain(words).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def address(url: str) -> str:
    """Return where annotations are sent to, given Grafana's own URL.

    Raises:
        ConfigError: it is none, or has a secret in it.
    """
    try:
        parts = urlsplit(url)
        valid = parts.scheme in {"http", "https"} and parts.hostname and (parts.port is None or parts.port)
    except ValueError:
        valid = False
    if not valid:
        raise ConfigError("--grafana: this is no URL of a Grafana; write it as https://grafana.example")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ConfigError(
            f"--grafana: no secret, query or fragment belongs into the URL; the token is taken from {TOKEN}"
        )
    return f"{url.rstrip('/')}/api/annotations"


def send(summary: RunSummary, url: str, token: str | None, *, each: float = EACH_S, together: float = ALL_S) -> Sent:
    """Send the annotations of a run; what goes wrong is returned, never raised, and never shows the token.

    Args:
        summary: of the run.
        url: of the Grafana, with its path if it has one.
        token: of a service account.
        each: seconds for one request.
        together: seconds for all of them.

    Raises:
        ConfigError: the URL is none.
    """
    target = address(url)
    found = regions(summary)
    if not token:
        return Sent(0, len(found), f"no token: set {TOKEN} to that of a service account that may write annotations")
    # What would break the header would also be shown by the error of it.
    if not token.isascii() or not token.isprintable() or " " in token:
        return Sent(0, len(found), f"{TOKEN} is no token: it has spaces, line breaks or letters that none has")
    opener = urllib.request.build_opener(_NoRedirect)
    deadline = time.monotonic() + together
    for count, one in enumerate(found):
        left = deadline - time.monotonic()
        if left <= 0:
            return Sent(count, len(found), f"the rest was not sent within {together:g} s")
        problem = _post(opener, target, token, one, min(each, left))
        if problem is not None:
            return Sent(count, len(found), problem.replace(token, "***"))
    return Sent(len(found), len(found))


def _post(
    opener: urllib.request.OpenerDirector, url: str, token: str, body: dict[str, Any], within: float
) -> str | None:
    """Send one; return why it is not there."""
    request = urllib.request.Request(  # noqa: S310 - http and https only, see address()
        url,
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Accept": "application/json"},
    )
    try:
        with opener.open(request, timeout=within) as answer:
            return None if answer.status == 200 else f"Grafana answered {answer.status}"
    except urllib.error.HTTPError as error:
        with error:
            return f"Grafana answered {error.code}{_said(error, token)}{_advice(error.code)}"
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        reason = getattr(error, "reason", None) or error
        why = (
            f"nothing answered within {within:g} s"
            if isinstance(reason, TimeoutError)
            else str(reason) or type(reason).__name__
        )
        return f"it could not be reached: {plain(why)}"


def _said(error: urllib.error.HTTPError, token: str) -> str:
    try:
        # Blanked before it is cut, so that no part of the token is left at the end.
        said = plain(error.read(65536).decode("utf-8", "replace").replace(token, "***"))[:_MOST_ANSWER]
    except (OSError, http.client.HTTPException):
        return ""
    return f": {said}" if said else ""


def _advice(code: int) -> str:
    if code in {401, 403}:
        return f" (the token in {TOKEN} must be of a service account that may write annotations)"
    return " (name the address that it redirects to)" if 300 <= code < 400 else ""
