# SPDX-License-Identifier: MIT
"""``harehearse probe``: the meter by hand, what an engineer keeps open during a window."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Final, Literal

import click

from pytest_harehearse import units
from pytest_harehearse.cli import exits
from pytest_harehearse.clock import Anchor, anchor
from pytest_harehearse.errors import ConfigError, NotMeasured
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes import kinds
from pytest_harehearse.probes.attempts import Outcome
from pytest_harehearse.probes.interruption import Outage
from pytest_harehearse.probes.seen import Seen, ServiceSeen

SHORTEST_S: Final = 0.001


def _length(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """Return an option's duration in seconds."""
    if value is None:
        return None
    try:
        length = units.seconds(value)
    except units.DurationError as error:
        raise click.BadParameter(str(error), ctx, param) from error
    if length < SHORTEST_S:
        raise click.BadParameter(f"{value!r} is too short; the least is 1ms.", ctx, param)
    return length


def _spelling(kind: str) -> str:
    return f"{kind}:" if kind == "command" else f"{kind}://"


def service_of(url: str, name: str, every: float, timeout: float, *, held: bool = False) -> Service:
    """Return the service that a URL names.

    Raises:
        ConfigError: for a scheme that is no probe, a URL that its probe cannot use, or a session it cannot hold.
        NotMeasured: when this machine cannot ask it at all.
    """
    scheme, mark, _ = url.partition("://")
    if url.startswith("command:"):
        scheme, mark = "command", ":"
    if not mark:
        near = f"tcp://{url}" if ":" in url else f"http://{url}/"
        raise ConfigError(
            f"{kinds.hide(url)!r} is no URL: it lacks its kind. Did you mean {near!r}? "
            f"Valid are {', '.join(_spelling(known) for known in kinds.names())}."
        )
    session: Literal["new", "held"] = "held" if held else "new"
    service = Service(name, scheme.lower(), url, session=session, every=every, timeout=timeout)
    reason = kinds.limitation(service)
    if reason is not None:
        raise NotMeasured(f"{kinds.hide(url)} cannot be asked from this machine: {reason}")
    return service


@click.command()
@click.argument("urls", metavar="URL…", nargs=-1, required=True)
@click.option(
    "--every", callback=_length, metavar="DURATION", default="20ms", show_default=True, help="Ask each URL this often."
)
@click.option(
    "--timeout",
    callback=_length,
    metavar="DURATION",
    default="60ms",
    show_default=True,
    help="Deadline of one attempt.",
)
@click.option(
    "--for", "duration", callback=_length, metavar="DURATION", help="Measure this long; without it until Ctrl-C."
)
@click.option("--held", is_flag=True, help="Ask in one held session each, as an application's pool does.")
@click.option("--json", "as_json", is_flag=True, help="Write the result as one JSON object.")
def command(
    urls: tuple[str, ...], every: float, timeout: float, duration: float | None, held: bool, as_json: bool
) -> int:
    """Ask each URL on a fixed schedule and measure its interruptions.

    \b
    http://HOST[:PORT]/PATH   a GET answered with 200 to 399 (https too)
    tcp://HOST:PORT           a connection is accepted
    postgresql://USER:PASSWORD@HOST1:PORT,HOST2:PORT/DATABASE
                              a session answers SELECT 1; mysql:// and redis:// likewise
    icmp://HOST               an echo request is answered
    dns://SERVER/NAME         a name server answers for NAME
    command:'PROGRAM ARG…'    a program exits with 0

    Each attempt is a new session unless --held. Nothing is ever written to a service. An interruption is given as two
    bounds: at least, at most.

    \b
    Exit status: 0 never interrupted · 1 interrupted · 2 not soundly measured
    """  # noqa: D301 - \b is click's
    services = [service_of(url, f"url{number}", every, timeout, held=held) for number, url in enumerate(urls, start=1)]
    live = sys.stdout.isatty() and not as_json
    with tempfile.TemporaryDirectory(prefix="harehearse-probe-") as directory:
        clock = anchor()
        seen = _measure(services, Path(directory), duration, live=live)
        if as_json:
            click.echo(json.dumps(document(services, seen, clock), ensure_ascii=False))
        else:
            click.echo("\n".join(table(services, seen, clock)))
    return status(seen)


def _measure(services: list[Service], directory: Path, duration: float | None, *, live: bool) -> Seen:
    from pytest_harehearse.probes.meter import Meter

    with _interruptible() as stopped, Meter.start(services, directory, "", live=True, duration=duration) as meter:
        try:
            while not stopped() and not meter.wait(0.25) and not _hopeless(meter.latest):
                if live:
                    click.echo("\r\x1b[2K" + _line(services, meter.latest), nl=False)
        finally:
            if live:
                click.echo("\r\x1b[2K", nl=False)
    if meter.problem:
        click.echo(f"harehearse: {meter.problem}", err=True)
    return Seen.from_files(meter.files)


def _hopeless(latest: dict[str, dict[str, Any]]) -> bool:
    """Tell whether a probe can never answer as it is set up (a wrong password, say): going on would measure nothing."""
    return any(told["outcome"] == Outcome.MISCONFIGURED and not told["ok"] for told in latest.values())


@contextlib.contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Make Ctrl-C and SIGTERM end the measurement instead of the command; yields whether one came."""
    came = []

    def remember(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        came.append(number)

    before = {number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _line(services: list[Service], latest: dict[str, dict[str, Any]]) -> str:
    parts = []
    for service in services:
        told = latest.get(service.name)
        if told is None:
            parts.append(f"{kinds.hide(service.url)} …")
        elif told["interrupted"] is not None:
            parts.append(f"{kinds.hide(service.url)} ✗ {told['outcome']} for {units.show(told['interrupted'])}")
        else:
            parts.append(f"{kinds.hide(service.url)} ✓ {told['attempts']} attempts")
    return time.strftime("%H:%M:%S") + "  " + "   ".join(parts)


def status(seen: Seen) -> int:
    """Return the exit status: unsound wins, for whoever reads 1 relies on the numbers."""
    if not all(service.valid for service in seen.services.values()):
        return exits.UNKNOWN
    return exits.NO if any(s.measurement.interrupted for s in seen.services.values()) else exits.OK


def document(services: list[Service], seen: Seen, clock: Anchor) -> dict[str, Any]:
    """Return the result as the JSON object that other programs rely on."""
    return {
        "schema": 1,
        "services": [
            {
                "url": kinds.hide(service.url),
                "attempts": found.attempts,
                "valid": found.valid,
                "reason": found.reason,
                "interruptions": [_interruption(outage, clock) for outage in found.measurement.outages],
                "total_lower": _rounded(found.measurement.total_lower),
                "total_upper": _rounded(found.measurement.total_upper),
                "slow": {
                    "attempts": found.measurement.slow.attempts,
                    "lower": _rounded(found.measurement.slow.lower),
                    "upper": _rounded(found.measurement.slow.upper),
                },
            }
            for service in services
            for found in [seen[service.name]]
        ],
    }


def _interruption(outage: Outage, clock: Anchor) -> dict[str, Any]:
    return {
        "start": clock.iso(outage.start),
        "end": None if outage.end is None else clock.iso(outage.end),
        "lower": _rounded(outage.lower),
        "upper": _rounded(outage.upper),
        "open_start": outage.open_start,
        "open_end": outage.open_end,
        "errors": outage.errors,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def table(services: list[Service], seen: Seen, clock: Anchor) -> list[str]:
    """Return the result for people: one sentence a URL, and its interruptions."""
    lines: list[str] = []
    for service in services:
        found = seen[service.name]
        lines.append(f"{kinds.hide(service.url)}: {_verdict(found)}{_slow(found)}")
        if not found.measurement.outages:
            continue
        lines.append(f"  {'start':<12}  {'at least':>12}  {'at most':>12}  errors")
        for outage in found.measurement.outages:
            start = clock.at(outage.start).astimezone().strftime("%H:%M:%S.%f")[:-3]
            errors = ", ".join(f"{kind} {count}" for kind, count in outage.errors.items())
            edges = ["down from the beginning"] * outage.open_start + ["still down at the end"] * outage.open_end
            note = f" ({', '.join(edges)})" if edges else ""
            lines.append(
                f"  {start:<12}  {units.show(outage.lower):>12}  {units.show(outage.upper):>12}  {errors}{note}"
            )
    return lines


def _verdict(found: ServiceSeen) -> str:
    asked = f"{found.attempts} attempts"
    measurement = found.measurement
    if not found.valid:
        return f"not soundly measured ({asked}): {found.reason}"
    if not measurement.interrupted:
        return f"never interrupted ({asked})"
    times = len(measurement.outages)
    count = "once" if times == 1 else f"{times} times"
    if measurement.total_upper is None:
        return f"interrupted {count}, at least {units.show(measurement.total_lower)} ({asked})"
    return (
        f"interrupted {count}, {units.show(measurement.total_upper)} at most, "
        f"{units.show(measurement.total_lower)} at least ({asked})"
    )


def _slow(found: ServiceSeen) -> str:
    slow = found.measurement.slow
    if not found.valid or not slow.attempts:
        return ""
    return f"; slow {slow.attempts} times, {units.show(slow.upper)} at most"
