# SPDX-License-Identifier: MIT
"""prometheus-blackbox-exporter, scraped once a second as a Prometheus set to that would."""

from __future__ import annotations

import http.client
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from tests.bench import processes
from tests.bench.others.base import Heard, Other
from tests.bench.others.samples import Sample
from tests.bench.script import Episode

PROGRAM = "prometheus-blackbox-exporter"
CONFIG = "modules:\n  http_2xx:\n    prober: http\n    timeout: 900ms\n    http:\n      preferred_ip_protocol: ip4\n"


def success(metrics: str) -> bool | None:
    """Return what a scrape says of the probe; None when it says nothing."""
    for line in metrics.splitlines():
        if line.startswith("probe_success "):
            return float(line.split()[1]) == 1.0
    return None


class Blackbox(Other):
    """The exporter."""

    name = "blackbox_exporter, 1 s"
    how = "prometheus-blackbox-exporter, /probe scraped every 1 s, timeout 900 ms"
    period: ClassVar[float] = 1.0

    @classmethod
    def limitation(cls) -> str | None:
        """Return why it cannot run here."""
        return None if shutil.which(PROGRAM) else f"{PROGRAM} (Debian) is not installed"

    def start(self, url: str, folder: Path, script: Sequence[Episode], lasts: float) -> None:
        """Start the exporter and the scraping."""
        config = folder / "blackbox.yml"
        config.write_text(CONFIG)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        command = [PROGRAM, f"--config.file={config}", f"--web.listen-address=127.0.0.1:{self._port}"]
        self._process = processes.spawn(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._path = f"/probe?module=http_2xx&target={quote(url, safe='')}"
        self._samples: list[Sample] = []
        self._lost = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._scrape_on, daemon=True)
        ends = time.monotonic() + 10.0
        while self._scrape() is None:
            if time.monotonic() > ends:
                raise TimeoutError(f"{PROGRAM} did not answer within 10 s of its start")
            time.sleep(0.1)
        self._thread.start()

    def _scrape(self) -> bool | None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=3.0)
        try:
            connection.request("GET", self._path)
            return success(connection.getresponse().read().decode())
        except OSError:
            return None
        finally:
            connection.close()

    def _scrape_on(self) -> None:
        due = time.monotonic()
        while not self._over.wait(max(0.0, due - time.monotonic())):
            at, good = time.monotonic(), self._scrape()
            if good is None:
                self._lost += 1
            else:
                self._samples.append(Sample(at, good))
            due += self.period

    def stop(self) -> Heard:
        """End both."""
        self._over.set()
        self._thread.join(10.0)
        notes = [f"{self.name}: {self._lost} scrapes failed"] if self._lost else []
        return Heard(self._samples, processes.end(self._process), notes)

    def close(self) -> None:
        """End the exporter, if it runs still."""
        self._over.set()
        processes.end(self._process)
