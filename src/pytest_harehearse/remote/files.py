# SPDX-License-Identifier: MIT
"""Files over a channel that can only run commands: scripts that write one whole or not at all, and that read one."""

from __future__ import annotations

from typing import Final

from pytest_harehearse.remote.base import Done, Outcome, Script

# A connection that breaks off looks like the end of the input, so the length is checked before the file gets its name.
# PIPE is ignored: by it dash would die before its EXIT trap, and leave the temporary file behind.
_PUT: Final = """\
if [ -d "$1" ]; then echo "$1 is a folder" >&2; exit 1; fi
umask 077
new=$(mktemp -- "$(dirname -- "$1")/.harehearse.XXXXXXXX") || exit 1
trap 'rm -f -- "$new"' EXIT
trap 'exit 1' HUP INT TERM
trap '' PIPE
cat > "$new" || exit 1
if [ "$(wc -c < "$new")" -ne "$3" ]; then echo "only part of the $3 bytes arrived; $1 is as it was" >&2; exit 1; fi
chmod "$2" "$new" && mv -f -- "$new" "$1" || exit 1
"""
_GET: Final = """\
if [ -d "$1" ]; then echo "$1 is a folder" >&2; exit 1; fi
exec cat < "$1"
"""


def put(data: bytes, path: str, mode: int) -> Script:
    """Return the script that writes a file from its standard input.

    Raises:
        ValueError: when the path is not absolute; it would depend on where the user's home is.
    """
    return Script(_PUT, (_absolute(path), format(mode, "04o"), str(len(data))))


def get(path: str) -> Script:
    """Return the script that writes a file to its standard output.

    Raises:
        ValueError: when the path is not absolute.
    """
    return Script(_GET, (_absolute(path),))


def _absolute(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError(f"{path!r} is not an absolute path; write it from the root on, as in '/etc/hosts'")
    return path


def read(outcome: Outcome) -> Outcome:
    """Return the outcome of :func:`get`: whatever kept the file from being read has the status 1."""
    if isinstance(outcome, Done) and outcome.rc != 0:
        return Done(1, b"", outcome.stderr, outcome.took)
    return outcome
