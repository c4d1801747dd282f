# SPDX-License-Identifier: MIT
"""Channel to an LXD instance by LXD's own API: no sshd, no key, no network of the instance is needed."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from pytest_harehearse.remote import files
from pytest_harehearse.remote.base import Command, Done, Outcome, Script, Unknown, Unreachable, argv
from pytest_harehearse.remote.framing import Framed
from pytest_harehearse.remote.lxd_exec import REQUEST_S, LxdExec, NotSent
from pytest_harehearse.remote.streams import ProcessStream
from pytest_harehearse.units import show

# Of its own, so that all that the command started can be ended with it; LXD's signals reach the first process only.
# In a shell of its own, for setsid leaves a shell that leads a group already, and nobody would wait for it.
_IN_A_SESSION: Final = 'command -v setsid > /dev/null || exec "$@"; (exec setsid "$@"); exit $?'
#: $1 is the process id of the command's shell, the others are names of signals.
_KILL: Final = 'of=$1; shift; for how in "$@"; do kill "-$how" "-$of" 2> /dev/null || kill "-$how" "$of"; done'
#: How long that may take (seconds).
_KILL_S: Final = 0.6
_FORBIDDEN: Final = frozenset({401, 403})
_NOT_THERE: Final = 404


class LxdChannel:
    """Runs in an LXD instance, as root.

    Args:
        node: the node's name in the inventory.
        instance: the instance's name.
        endpoint: path of LXD's socket; None: where pylxd looks for it (``LXD_DIR``, the snap, /var/lib/lxd).
        project: of LXD.
    """

    def __init__(
        self, node: str, instance: str, *, endpoint: str | Path | None = None, project: str = "default"
    ) -> None:
        self.node = node
        self.instance, self.project = instance, project
        self.endpoint = None if endpoint is None else str(endpoint)
        self.url = f"lxd://{'' if project == 'default' else f'{project}/'}{instance}"
        self._lock = threading.Lock()
        self._client: Any = None

    def _connected(self, timeout: float) -> Any:
        """Return the client of pylxd.

        Raises:
            NotSent: LXD is not there, or does not let us in.
        """
        with self._lock:
            if self._client is None:
                self._client = self._new_client(max(0.05, min(REQUEST_S, timeout)))
            return self._client

    def _new_client(self, timeout: float) -> Any:
        try:
            import pylxd
            from pylxd.exceptions import ClientConnectionFailed
            from requests import RequestException
        except ImportError as error:
            raise NotSent(
                f"{self.url}: this channel needs pylxd; install it: pip install 'pytest-harehearse[lxd]'", refused=True
            ) from error
        where = self.endpoint or "its usual socket"
        self._look(timeout)
        try:
            client = pylxd.Client(endpoint=self.endpoint, project=self.project, timeout=timeout)
        except (ClientConnectionFailed, RequestException, OSError) as error:
            denied = "ermission denied" in str(error)
            reason = self._no_rights(where) if denied else f"{self.url}: LXD does not answer on {where}: {error}"
            raise NotSent(reason, refused=denied) from error
        if not client.trusted:
            client.api.session.close()
            raise NotSent(self._no_rights(where), refused=True)
        return client

    def _look(self, timeout: float) -> None:
        """Knock at the socket; pylxd leaves its own open when nobody answers, and says less about why.

        Raises:
            NotSent: nobody listens there, or we may not.
        """
        if self.endpoint is None:
            return
        with socket.socket(socket.AF_UNIX) as knocking:
            knocking.settimeout(timeout)
            try:
                knocking.connect(self.endpoint)
            except PermissionError as error:
                raise NotSent(self._no_rights(self.endpoint), refused=True) from error
            except FileNotFoundError as error:
                raise NotSent(f"{self.url}: LXD is not running: no socket {self.endpoint}") from error
            except OSError as error:
                raise NotSent(f"{self.url}: LXD does not answer on {self.endpoint}: {error}") from error

    def _no_rights(self, where: str) -> str:
        return (
            f"{self.url}: LXD does not let this user in ({where}). Let an administrator add the user to the group lxd "
            "(as good as root): sudo adduser USER lxd, and log in anew"
        )

    def _ask(self, request: Callable[[float], Any], until: float) -> Any:
        """Make a request before the command can have been started.

        Raises:
            NotSent: it failed; says which of missing, stopped, no rights it is.
        """
        from pylxd.exceptions import LXDAPIException
        from requests import RequestException

        left = until - time.monotonic()
        if left <= 0:
            raise NotSent(f"{self.url}: not sent; no time was left")
        try:
            return request(min(REQUEST_S, left))
        except LXDAPIException as error:
            raise self._refusal(error) from error
        except (RequestException, OSError) as error:
            raise NotSent(f"{self.url}: LXD did not answer the request: {error}") from error

    def _refusal(self, error: Any) -> NotSent:
        status, words = error.response.status_code, str(error)
        if status == _NOT_THERE:
            return NotSent(
                f"{self.url}: there is no instance {self.instance!r} in LXD's project {self.project!r}; `lxc list "
                f"--project {self.project}` shows those that are there",
                refused=True,
            )
        if status in _FORBIDDEN:
            return NotSent(f"{self.url}: LXD does not allow it to this user: {words}", refused=True)
        state = self._state()
        if state not in {None, "Running"}:
            return NotSent(f"{self.url}: the instance is {str(state).lower()}, so nothing can run in it")
        return NotSent(f"{self.url}: LXD refused the command: {words}")

    def _state(self) -> str | None:
        """Return what LXD says of the instance; None when it does not say."""
        try:
            found = self._connected(0.5).api.instances[self.instance].state.get(timeout=0.5).json()
            return str(found["metadata"]["status"])
        except Exception:  # noqa: BLE001 - only words of a message depend on it
            return None

    def _start(self, framed: Framed, command: Command, until: float, **stdin: Any) -> LxdExec:
        client = self._connected(until - time.monotonic())
        return LxdExec(
            client,
            self.instance,
            argv(Script(_IN_A_SESSION, tuple(argv(framed.script(argv(command)))))),
            until,
            ask=self._ask,
            on_stdout=framed.out.feed,
            on_stderr=framed.err.feed,
            **stdin,
        )

    def run(self, command: Command, *, deadline: float, stdin: bytes = b"", root: bool = True) -> Outcome:  # noqa: ARG002 - always root
        """Run a command to its end; at the deadline it is killed, if the instance still does what it is told."""
        return self._once(command, deadline, stdin, kill_late=True)

    def _once(self, command: Command, deadline: float, stdin: bytes = b"", *, kill_late: bool = False) -> Outcome:
        begun = time.monotonic()
        out, err = bytearray(), bytearray()
        # LXD waits for all who hold the outputs, also for what the command left behind; the frame does not.
        framed = Framed(out.extend, err.extend)
        try:
            process = self._start(framed, command, begun + deadline, stdin=stdin)
        except NotSent as error:
            return self._unreachable(error, begun)
        except OSError as error:
            self.close()
            return Unknown(f"{self.url}: {error}", time.monotonic() - begun)
        in_time = False
        try:
            in_time = process.pump(begun + deadline, framed.has_ended)
        finally:
            process.close(kill=not framed.has_begun())
        took = time.monotonic() - begun
        if framed.rc is not None:
            return Done(framed.rc, bytes(out), bytes(err), took)
        framed.finish()
        if not in_time:
            is_killed = kill_late and self.kill(framed, "KILL")
            killed = "it was killed" if is_killed else "it could not be killed and may go on"
            self.close()
            reason = f"{self.url}: it had not ended after {show(deadline)}; {killed}"
            return Unknown(reason, took, bytes(out), bytes(err))
        return Unknown(self.lost(process), took, bytes(out), bytes(err))

    def kill(self, framed: Framed, *names: str) -> bool:
        """Send signals to a command and all that it started; False when that could not be done at once."""
        if framed.out.begun is None:
            return False
        outcome = self._once(Script(_KILL, (str(framed.out.begun), *names)), _KILL_S)
        return isinstance(outcome, Done) and outcome.rc == 0

    def lost(self, process: LxdExec) -> str:
        """Return the sentence about a command that is over and did not say so itself."""
        state = self._state()
        if state != "Running":
            return f"{self.url}: the instance {f'was {state.lower()}' if state else 'went away'} while the command ran"
        if process.rc is None:
            return f"{self.url}: {process.lost}"
        return (
            f"{self.url}: its shell was ended from outside (status {process.rc}), as by the power or the kernel, before it said "
            "how it ended"
        )

    def _unreachable(self, error: NotSent, begun: float) -> Unreachable:
        self.close()
        reason = str(error)
        text = reason if reason.startswith(self.url) else f"{self.url}: {reason}"
        return Unreachable(text, time.monotonic() - begun, refused=error.refused)

    def stream(self, command: Command, *, deadline: float, root: bool = True) -> ProcessStream | Unreachable | Unknown:  # noqa: ARG002 - always root
        """Start a command that runs on."""
        begun = time.monotonic()
        stream = _LxdStream(self)
        try:
            process = self._start(stream.framed, command, begun + deadline, keep_stdin=True)
        except NotSent as error:
            return self._unreachable(error, begun)
        except OSError as error:
            self.close()
            return Unknown(f"{self.url}: {error}", time.monotonic() - begun)
        in_time = False
        try:
            # From here on it is known which process to end.
            in_time = process.pump(begun + deadline, stream.framed.has_begun)
        finally:
            if not stream.framed.has_begun():
                process.close()
        if stream.framed.has_begun():
            stream.attach(process)
            return stream
        took = time.monotonic() - begun
        late = f"{self.url}: its beginning was not seen within {show(deadline)}"
        reason = self.lost(process) if in_time else late
        self.close()
        return Unknown(reason, took)

    def put(self, data: bytes, path: str, *, deadline: float, mode: int = 0o600, root: bool = True) -> Outcome:
        """Write a file whole or not at all.

        By a command and not by LXD's files API, which writes in place, and into an instance that is stopped, too.
        """
        return self.run(files.put(data, path, mode), deadline=deadline, stdin=data, root=root)

    def get(self, path: str, *, deadline: float, root: bool = True) -> Outcome:
        """Read a file."""
        return files.read(self.run(files.get(path), deadline=deadline, root=root))

    def close(self) -> None:
        """Give the connections back."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.api.session.close()


class _LxdStream(ProcessStream):
    """A stream of an instance."""

    def __init__(self, channel: LxdChannel) -> None:
        super().__init__()
        self._channel = channel
        self.framed = Framed(self.take_stdout, self.take_stderr)

    def _is_over(self) -> bool:
        return self.framed.has_ended()

    def _judge(self, process: Any, took: float) -> Outcome:
        if self.framed.rc is not None:
            return Done(self.framed.rc, b"", self.stderr, took)
        reason = f"{self._channel.url}: it was hung up" if self.is_closed else self._channel.lost(process)
        return Unknown(reason, took, b"", self.stderr)

    def _hang_up(self, process: Any) -> None:
        process.end_input()
        # A daemon that was started to outlive its terminal hands down that SIGHUP is ignored.
        self._channel.kill(self.framed, "HUP", "TERM")

    def _release(self, process: Any) -> None:
        if self.is_closed and not self.framed.has_ended():
            self._channel.kill(self.framed, "KILL")
        process.close(kill=not self.framed.has_ended())
        self.framed.finish()
