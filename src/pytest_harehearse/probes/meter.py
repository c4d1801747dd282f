# SPDX-License-Identifier: MIT
"""The parent's side of the meter: starts it, stops it, and never leaves it behind."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import queue
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self

from pytest_harehearse.errors import HarehearseError
from pytest_harehearse.inventory.model import Service
from pytest_harehearse.probes import kinds

START_S: Final = 10.0
STOP_S: Final = 5.0


class Meter:
    """A running measurement of some services; use ``Meter.start``, then ``stop`` or a ``with`` block."""

    def __init__(
        self, process: subprocess.Popen[bytes], files: dict[str, Path], stderr: Path, writer: str, longest: float
    ) -> None:
        self.files = files
        #: The id under which numbered writes were made.
        self.writer = writer
        #: Why the measurement did not end by itself; None while it runs and when it did.
        self.problem: str | None = None
        #: What the meter said last when started with ``live=True``: per service outcome, attempts, interrupted.
        self.latest: dict[str, dict[str, Any]] = {}
        #: What the meter counted, by service; known once it has ended by itself.
        self.counts: dict[str, dict[str, int]] = {}
        self._process = process
        self._stderr = stderr
        self._longest = longest
        self._said: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._stopped = False
        self._reader = threading.Thread(target=self._read, name="harehearse-meter", daemon=True)
        self._reader.start()

    @classmethod
    def start(
        cls,
        services: Sequence[Service],
        directory: Path,
        prefix: str,
        *,
        seed: int | None = None,
        live: bool = False,
        duration: float | None = None,
    ) -> Meter:
        """Start measuring; returns when every service was asked once.

        Args:
            services: what to ask; each name once.
            directory: where the attempts files go, as ``{prefix}{service.name}.jsonl``.
            prefix: begins every file's name.
            seed: of the phase and the jitter; None: by chance.
            live: keep ``latest`` up to date.
            duration: seconds after which it ends by itself.

        Raises:
            ConfigError: for a kind or a URL that cannot be used.
            HarehearseError: when the meter did not start; says what it said.
        """
        _check(services)
        files = {service.name: directory / f"{prefix}{service.name}.jsonl" for service in services}
        writer = secrets.token_hex(8)
        spec = {
            "services": [{"service": dataclasses.asdict(s), "file": str(files[s.name])} for s in services],
            "seed": secrets.randbits(32) if seed is None else seed,
            "writer": writer,
            "live": live,
            "for": duration,
        }
        directory.mkdir(parents=True, exist_ok=True)
        stderr = directory / f"{prefix}meter.stderr"
        with stderr.open("wb") as errors:
            process = subprocess.Popen(
                # -P: what lies in the working directory must not stand in for a module.
                [sys.executable, "-P", "-m", "pytest_harehearse.probes.meter_process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                # A session of its own: Ctrl-C in the terminal is for the test, which then stops the meter.
                start_new_session=True,
            )
        meter = cls(process, files, stderr, writer, max((s.timeout for s in services), default=0.0))
        try:
            meter._begin(json.dumps(spec))
        except BaseException:
            meter._end_process()
            raise
        return meter

    def alive(self) -> bool:
        """Tell whether the meter still measures."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """Process id of the meter."""
        return self._process.pid

    def stop(self) -> None:
        """End the measurement: attempts under way get until their deadline. A second call does nothing."""
        if self._stopped:
            return
        self._stopped = True
        self._tell("stop\n")
        within = self._longest + STOP_S
        try:
            self._process.wait(within)
        except subprocess.TimeoutExpired:
            self.problem = f"the meter did not end within {within:.0f} s and was killed"
        except BaseException:
            self._end_process()
            raise
        self._end_process()
        if self.problem is None and self._process.returncode != 0:
            self.problem = f"the meter ended with {_ending(self._process.returncode)}{self._tail()}"
        with contextlib.suppress(OSError):
            if self._stderr.stat().st_size == 0:
                self._stderr.unlink()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until a meter started with ``duration`` has ended; tell whether it has."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _begin(self, spec: str) -> None:
        self._tell(spec + "\n", close=False)
        ends = time.monotonic() + START_S + self._longest
        while True:
            try:
                message = self._said.get(timeout=max(0.0, ends - time.monotonic()))
            except queue.Empty:
                raise HarehearseError(
                    f"The meter was not ready within {START_S + self._longest:.0f} s; nothing was measured{self._tail()}"
                ) from None
            if message is None:
                self._process.wait(START_S)
                raise HarehearseError(
                    f"The meter ended while starting, with {_ending(self._process.returncode)}; nothing was measured"
                    f"{self._tail()}"
                )
            if message.get("ready"):
                return

    def _tell(self, text: str, *, close: bool = True) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        # The meter may be gone already; its exit status tells.
        with contextlib.suppress(BrokenPipeError, ValueError):
            pipe.write(text.encode())
            pipe.flush()
        if close:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            for line in self._process.stdout:
                try:
                    message = json.loads(line)
                except ValueError:
                    continue
                if "live" in message:
                    self.latest = message["live"]
                elif "done" in message:
                    self.counts = message["done"]
                else:
                    self._said.put(message)
        self._said.put(None)

    def _end_process(self) -> None:
        """Make sure that the process is gone and nothing of it stays open."""
        self._stopped = True
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        with contextlib.suppress(BrokenPipeError):
            if self._process.stdin:
                self._process.stdin.close()
        self._reader.join(STOP_S)
        if self._process.stdout:
            self._process.stdout.close()

    def _tail(self) -> str:
        try:
            text = self._stderr.read_text(errors="replace").strip()
        except OSError:
            return ""
        lines = text.splitlines()[-5:]
        return ": " + " | ".join(line.strip() for line in lines) if lines else ""


def _check(services: Sequence[Service]) -> None:
    """Refuse here, in words, what the child could only die of."""
    seen = set()
    for service in services:
        if service.name in seen:
            raise HarehearseError(f"The service {service.name!r} is to be measured twice; give each its own name.")
        if os.sep in service.name or service.name.startswith("."):
            raise HarehearseError(
                f"The service name {service.name!r} cannot name a file; use letters, digits, - and _."
            )
        seen.add(service.name)
        kinds.make(service)


def _ending(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit status {code}"
