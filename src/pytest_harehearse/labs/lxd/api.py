# SPDX-License-Identifier: MIT
"""LXD's REST API through pylxd, every request and every operation with a deadline."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

from pytest_harehearse.errors import LabError

#: Of one request, in seconds; operations are waited for apart.
REQUEST_S: Final = 60.0


def client(socket: Path, project: str | None = None) -> Any:
    """Return a pylxd client.

    Raises:
        LabError: pylxd is missing, nobody answers, or the user may not.
    """
    try:
        import pylxd
        from pylxd.exceptions import ClientConnectionFailed
    except ImportError as error:
        raise LabError("An LXD lab needs pylxd. Install it: pip install 'pytest-harehearse[lxd]'") from error
    try:
        return pylxd.Client(endpoint=str(socket), timeout=REQUEST_S, project=project)
    except PermissionError as error:
        raise denied(socket) from error
    except ClientConnectionFailed as error:
        if "ermission denied" in str(error):
            raise denied(socket) from error
        raise LabError(f"LXD does not answer on {socket}: {error}") from error


def denied(socket: Path) -> LabError:
    """Return the error for a socket that the user may not use."""
    return LabError(
        f"LXD runs here, but you may not use it ({socket}). Let an administrator add you to its group, which is as good "
        "as root (sudo adduser $USER lxd), log in anew, and try again."
    )


class Api:
    """One project of one LXD."""

    def __init__(self, socket: Path, project: str | None = None) -> None:
        self.socket = socket
        self.project = project
        self._client = client(socket, project)

    @property
    def server(self) -> dict[str, Any]:
        """What the server says of itself."""
        return dict(self._client.api.get().json()["metadata"])

    def _node(self, path: str) -> Any:
        node = self._client.api
        for part in filter(None, path.split("/")):
            node = node[part]
        return node

    def get(self, path: str, **params: Any) -> Any:
        """Return the metadata of a path; None when there is no such thing."""
        answer = self._asked(self._node(path).get, path, params=params, absent_ok=True)
        return None if answer is None else answer.json()["metadata"]

    def names(self, path: str) -> list[str]:
        """Return the names in a collection, as ``instances``."""
        return [str(url).split("?", 1)[0].rpartition("/")[2] for url in self.get(path) or []]

    def post(self, path: str, body: Any, within: float = REQUEST_S, **more: Any) -> Any:
        """Create something and wait until it is there; return what the answer or the operation carries."""
        return self._done(self._asked(self._node(path).post, path, json=body, **more), path, within)

    def put(self, path: str, body: Any, within: float = REQUEST_S) -> Any:
        """Replace something and wait until that is done."""
        return self._done(self._asked(self._node(path).put, path, json=body), path, within)

    def patch(self, path: str, body: Any, within: float = REQUEST_S) -> Any:
        """Change something and wait until that is done."""
        return self._done(self._asked(self._node(path).patch, path, json=body), path, within)

    def delete(self, path: str, within: float = REQUEST_S) -> bool:
        """Remove something and wait until it is gone; return False when it was not there."""
        answer = self._asked(self._node(path).delete, path, absent_ok=True)
        if answer is not None:
            self._done(answer, path, within)
        return answer is not None

    def upload(self, path: str, body: Any, headers: dict[str, str], within: float) -> Any:
        """Send bytes and wait until they are taken."""
        return self._done(self._asked(self._node(path).post, path, data=body, headers=headers), path, within)

    def write(
        self, instance: str, path: str, data: bytes, *, mode: int = 0o644, owner: tuple[int, int] = (0, 0)
    ) -> None:
        """Write a file in an instance, running or not."""
        headers = {
            "X-LXD-mode": f"{mode:04o}", "X-LXD-uid": str(owner[0]), "X-LXD-gid": str(owner[1]), "X-LXD-type": "file",
        }  # fmt: skip
        node = self._node(f"instances/{instance}/files")
        self._asked(node.post, f"{instance}:{path}", params={"path": path}, data=data, headers=headers)

    def state(self, instance: str) -> str:
        """Return Running, Stopped, Frozen, …; "missing" when there is no such instance."""
        found = self.get(f"instances/{instance}/state")
        return "missing" if found is None else str(found["status"])

    def change_state(self, instance: str, action: str, *, force: bool = False, within: float = 30.0) -> None:
        """Start, stop, restart, freeze or unfreeze an instance."""
        body = {"action": action, "force": force, "timeout": int(within)}
        self.put_when_free(f"instances/{instance}/state", body, within)

    def put_when_free(self, path: str, body: Any, within: float) -> None:
        """Replace something as soon as LXD lets go of it: right after an instance stopped it is still busy with it.

        Raises:
            LabError: it could not be done, or LXD was still busy at the deadline.
        """
        deadline = time.monotonic() + within
        while True:
            try:
                self.put(path, body, within=max(1.0, deadline - time.monotonic()))
            except LabError as error:
                busy = any(word in str(error).lower() for word in ("busy", "in use"))
                if not busy or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return

    def _asked(self, ask: Any, path: str, *, absent_ok: bool = False, **more: Any) -> Any:
        import requests
        from pylxd.exceptions import LXDAPIException, NotFound

        try:
            return ask(**more)
        except LXDAPIException as error:
            if absent_ok and isinstance(error, NotFound):
                return None
            raise LabError(f"LXD refused {path}: {error}") from error
        except requests.RequestException as error:
            raise LabError(f"LXD did not answer for {path}: {error}") from error

    def _done(self, response: Any, path: str, within: float) -> Any:
        answer = response.json()
        if answer.get("type") != "async":
            return answer.get("metadata")
        identity = str(answer["operation"]).split("?", 1)[0].rpartition("/")[2]
        deadline = time.monotonic() + within
        while True:
            left = deadline - time.monotonic()
            waited = self.get(f"operations/{identity}/wait", timeout=max(0, min(30, int(left))))
            if waited is None:
                raise LabError(f"LXD forgot its operation on {path}; whether it was done is not known.")
            if waited["status_code"] >= 400:
                raise LabError(f"LXD could not do {path}: {waited.get('err') or waited['status']}")
            if waited["status_code"] == 200:
                return waited.get("metadata")
            if left <= 0:
                raise LabError(f"LXD did not finish {path} within {within:.0f} s; seen last: {waited['status']}.")
