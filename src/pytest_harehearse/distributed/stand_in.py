# SPDX-License-Identifier: MIT
"""Stands for a worker that was forked: xdist starts this, waits for it, and kills it.

Run as a script, with the server's socket and then what an interpreter is given. Where there is no server any more it becomes
the interpreter that was asked for.
"""

import json
import os
import signal
import socket
import sys


def forked(server: socket.socket, path: str, options: list[str]) -> bool:
    """Return whether the server made a worker with our standard files."""
    try:
        server.connect(path)
        said = json.dumps({"options": options, "folder": os.getcwd(), "environment": dict(os.environ)}).encode()  # noqa: PTH109 - pathlib takes as long as all the rest
        socket.send_fds(server, [len(said).to_bytes(8)], [0, 1, 2])
        server.sendall(said)
        return server.recv(1) == b"+"
    except OSError:
        return False


def main() -> int:
    """Hand the standard files to the server, and end as the worker ends."""
    path, *options = sys.argv[1:]
    with socket.socket(socket.AF_UNIX) as server:
        if not forked(server, path, options):
            os.execv(sys.executable, [sys.executable, *options])  # noqa: S606
        # The worker gets the same from the terminal, and has to undo what it struck before it ends.
        for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(one, signal.SIG_IGN)
        nothing = os.open(os.devnull, os.O_RDWR)
        # Whoever reads from the worker must see its end.
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        said = server.recv(16)
    return int(said) if said else 1


if __name__ == "__main__":
    sys.exit(main())
