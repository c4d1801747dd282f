# SPDX-License-Identifier: MIT
"""What runs at a vantage point: a meter of its own there, whose attempts are sent on as they are written.

Told by :mod:`~.vantage` over an execnet channel: ``clock`` (answered with this machine's monotonic seconds), the services to
measure as JSON, ``stop``. When the channel ends, because the other side is gone or says so, everything here ends, too.
"""

from __future__ import annotations

import json
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from pytest_harehearse.clock import now
from pytest_harehearse.errors import HarehearseError
from pytest_harehearse.probes.meter import Meter
from pytest_harehearse.probes.meter_process import service_of

#: Seconds between two looks at what the meter wrote.
EVERY_S: Final = 0.05


def serve(channel: Any) -> None:
    """Do as told until the channel ends."""
    with ExitStack() as stack:
        end: End | None = None
        while True:
            try:
                asked = channel.receive()
            except EOFError:
                return
            if asked == "clock":
                channel.send(["clock", now()])
            elif asked == "stop" and end is not None:
                end.stop()
                channel.send(["ended", end.problem])
            else:
                try:
                    end = End(json.loads(asked), channel)
                except HarehearseError as error:
                    channel.send(["failed", str(error)])
                    return
                stack.callback(end.stop)
                channel.send(["ready", None])


class End:
    """A meter, and who sends on what it writes."""

    def __init__(self, services: list[dict[str, Any]], channel: Any) -> None:
        self._channel = channel
        # Whoever has a file open needs no name of it: nothing stays here, also after SIGKILL.
        with tempfile.TemporaryDirectory(prefix="harehearse-vantage-") as folder:
            self._meter = Meter.start([service_of(service) for service in services], Path(folder), "")
            self._files = {name: path.open("rb") for name, path in self._meter.files.items()}
        #: What was read of a line that is not whole yet.
        self._torn = dict.fromkeys(self._files, b"")
        self._over = threading.Event()
        # The meter was ready: a first answer of every service goes ahead of that word.
        self._send()
        self._sender = threading.Thread(target=self._send_on, name="harehearse-vantage", daemon=True)
        self._sender.start()

    @property
    def problem(self) -> str | None:
        """Why the measurement did not end by itself."""
        return self._meter.problem

    def stop(self) -> None:
        """End the meter, and send what it wrote last. A second call does nothing."""
        self._meter.stop()
        self._over.set()
        self._sender.join()
        for file in self._files.values():
            file.close()

    def _send_on(self) -> None:
        over = False
        while not over:
            over = self._over.wait(EVERY_S)
            try:
                self._send()
            except OSError:
                # Nobody is there any more.
                return

    def _send(self) -> None:
        for name, file in self._files.items():
            whole, newline, self._torn[name] = (self._torn[name] + file.read()).rpartition(b"\n")
            if newline:
                self._channel.send(["lines", name, whole.decode()])
