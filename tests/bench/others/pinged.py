# SPDX-License-Identifier: MIT
"""Within a network namespace of its own: fping at loopback, and the script by which the kernel answers it or not.

Started by ``others.fping``. stdin: one JSON line with the steps, one with the beginning; it ends with stdin.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

SWITCH = Path("/proc/sys/net/ipv4/icmp_echo_ignore_all")


def _over(until: float) -> bool:
    """Wait until then; tell whether stdin ended before."""
    wait = until - time.monotonic()
    if wait <= 0:
        return False
    # The last bit is slept, for select counts in milliseconds.
    if select.select([0], [], [], max(0.0, wait - 0.002))[0]:
        return True
    time.sleep(max(0.0, until - time.monotonic()))
    return False


def main() -> None:
    """Ping, and switch by script."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with open(0, "rb", buffering=0, closefd=False) as told:
        spec = json.loads(told.readline())
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        edges = []
        with SWITCH.open("wb", buffering=0) as switch, Path(spec["file"]).open("wb") as out:
            switch.write(b"0")
            command = ["fping", "-l", "-D", "-o", "-p", "10", "127.0.0.1"]
            # In this session, and ended below: what has rights of its own cannot be told to die with its parent.
            fping = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
            try:
                print("ready", flush=True)
                line = told.readline()
                begin = json.loads(line)["go"] if line else 0.0
                for offset, value, label in spec["steps"] if line else ():
                    if _over(begin + offset):
                        break
                    before = time.monotonic()
                    switch.write(value.encode())
                    edges.append({"target": "fping", "label": label, "before": before, "after": time.monotonic()})
                while told.read(4096):
                    pass
            finally:
                fping.send_signal(signal.SIGINT)
                _, status, used = os.wait4(fping.pid, 0)
                fping.returncode = os.waitstatus_to_exitcode(status)
    said = {"edges": edges, "stalls": [], "decisions": {}, "cpu": used.ru_utime + used.ru_stime}
    Path(spec["truth"]).write_text(json.dumps(said))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
