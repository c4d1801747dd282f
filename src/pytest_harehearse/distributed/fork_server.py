# SPDX-License-Identifier: MIT
"""Forks workers from an interpreter that has pytest and its plugins imported already.

Run by its text, with three words: the number of the listening socket, its folder, which is removed at the end, and the modules
to import. Only the standard library is imported before pytest is: it warns of plugins that it can rewrite no more.
"""

import ast
import atexit
import contextlib
import gc
import importlib
import inspect
import json
import os
import selectors
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn

#: What ends a run reaches each worker by itself; the server ends after the last of them.
_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Seconds that whoever connected is waited for.
_PATIENCE_S = 10


class Wanted(NamedTuple):
    """A worker to be: standard input, output and error of the process that stands for it, its folder and its environment."""

    files: Sequence[int]
    options: Sequence[str]
    folder: str
    environment: dict[str, str]


class Child(NamedTuple):
    """A worker that was forked, and the process that stands for it."""

    pid: int
    handle: int
    stand_in: socket.socket


def warm(modules: Sequence[str]) -> None:
    """Import pytest, every plugin that is installed, and what else a worker needs; no project's code."""
    import pytest

    class Importer:
        """Takes the place of the tests: pytest has imported its plugins, and rewrites what they import later."""

        @pytest.hookimpl(tryfirst=True)
        def pytest_cmdline_main(self) -> int:
            """Import the rest."""
            for name in modules:
                importlib.import_module(name)
            return 0

    # Whatever is added to every run is not meant for this one: it may start workers itself.
    added = os.environ.pop("PYTEST_ADDOPTS", None)
    with tempfile.TemporaryDirectory() as empty:
        status = pytest.main(["-c", os.devnull, "--rootdir", empty], plugins=[Importer()])
    if status != pytest.ExitCode.OK:
        # Workers are interpreters of their own then, and say themselves what is wrong.
        sys.exit(status)
    if added is not None:
        os.environ["PYTEST_ADDOPTS"] = added
    gc.collect()
    # Whatever is here now is never looked through again: pages stay shared with the workers.
    gc.freeze()


class Server:
    """Forks a worker for each connection, until the run is over and the last of them is gone."""

    def __init__(self, listener: socket.socket) -> None:
        self._selector = selectors.DefaultSelector()
        self._listener = listener
        self._children: dict[int, Child] = {}
        self._selector.register(listener, selectors.EVENT_READ, self._accept)
        # It is closed when whoever started this is gone.
        self._selector.register(0, selectors.EVENT_READ, self._end)
        self._over = False

    def until_forked(self) -> Wanted | None:
        """Return in each worker, with what it was asked for; None: in the server, at its end."""
        while not self._over or self._children:
            for key, _ in self._selector.select():
                if (wanted := key.data()) is not None:
                    return wanted  # type: ignore[no-any-return]
        return None

    def _accept(self) -> Wanted | None:
        stand_in, _ = self._listener.accept()
        stand_in.settimeout(_PATIENCE_S)
        files: list[int] = []
        try:
            size, files, _, _ = socket.recv_fds(stand_in, 8, 3)
            said = stand_in.recv(int.from_bytes(size), socket.MSG_WAITALL)
            wanted = Wanted(files, **json.loads(said))
        except (OSError, ValueError):
            # It is gone; whoever started it sees that.
            for one in files:
                os.close(one)
            stand_in.close()
            return None
        pid = os.fork()
        if not pid:
            self._leave()
            stand_in.close()
            return wanted
        for one in files:
            os.close(one)
        with contextlib.suppress(OSError):
            stand_in.send(b"+")
        child = Child(pid, os.pidfd_open(pid), stand_in)
        self._children[pid] = child
        self._selector.register(child.handle, selectors.EVENT_READ, lambda: self._gone(child))
        self._selector.register(stand_in, selectors.EVENT_READ, lambda: self._kill(child))
        return None

    def _leave(self) -> None:
        """Close in the worker what is the server's: others would wait for its end."""
        self._selector.close()
        self._listener.close()
        for child in self._children.values():
            os.close(child.handle)
            child.stand_in.close()

    def _gone(self, child: Child) -> None:
        _, status = os.waitpid(child.pid, 0)
        self._selector.unregister(child.handle)
        os.close(child.handle)
        if child.stand_in.fileno() >= 0:
            self._selector.unregister(child.stand_in)
            # Whoever stood for it may be gone as well.
            with contextlib.suppress(OSError):
                child.stand_in.send(str(os.waitstatus_to_exitcode(status) & 0xFF).encode())
            child.stand_in.close()
        del self._children[child.pid]

    def _kill(self, child: Child) -> None:
        """Whoever kills the process that stands for a worker means the worker."""
        if child.pid not in self._children:
            # It ended at the same instant.
            return
        self._selector.unregister(child.stand_in)
        child.stand_in.close()
        signal.pidfd_send_signal(child.handle, signal.SIGKILL)

    def _end(self) -> None:
        self._over = True
        self._selector.unregister(0)
        self._selector.unregister(self._listener)
        self._listener.close()


def become(wanted: Wanted, known: dict[str, Any]) -> None:
    """Be the interpreter that was asked for: run what is read, as ``python OPTIONS -c "exec(eval(input()))"`` does."""
    for number, file in enumerate(wanted.files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(wanted.folder)
    os.environ.clear()
    os.environ.update(wanted.environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for one in _IGNORED[1:]:
        signal.signal(one, signal.SIG_DFL)
    sys.dont_write_bytecode = sys.dont_write_bytecode or "-B" in wanted.options
    sys.argv = ["-c"]
    space = vars(sys.modules["__main__"])
    source = ast.literal_eval(sys.stdin.readline())
    for begin, code in known.items():
        if source.startswith(begin):
            # Compiled once for all of them.
            exec(code, space)  # noqa: S102 - xdist's own code, as it comes from whoever started this
            source = source.removeprefix(begin)
    exec(source, space)  # noqa: S102


def _leave(work: Callable[[], None]) -> NoReturn:
    """Work, and end as an interpreter ends, without taking it apart: that would copy every page shared with the others."""
    status = 0
    try:
        work()
    except SystemExit as asked:
        status = asked.code if isinstance(asked.code, int) else int(asked.code is not None)
    except BaseException:  # noqa: BLE001 - told as an interpreter tells it
        sys.excepthook(*sys.exc_info())
        status = 1
    # As multiprocessing's own forked processes end.
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001
    atexit._run_exitfuncs()  # noqa: SLF001
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def main() -> None:
    """Serve; in a worker, work."""
    for one in _IGNORED:
        signal.signal(one, signal.SIG_IGN)
    listener = socket.socket(fileno=int(sys.argv[1]))
    folder = sys.argv[2]
    warm(sys.argv[3].split(","))
    from execnet import gateway_base

    source = inspect.getsource(gateway_base)
    known = {source: compile(source, "<string>", "exec")}
    wanted = Server(listener).until_forked()
    if wanted is not None:
        _leave(lambda: become(wanted, known))
    else:
        # Also after whoever made it was killed.
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
