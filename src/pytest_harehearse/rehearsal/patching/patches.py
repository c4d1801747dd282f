# SPDX-License-Identifier: MIT
"""What is done to a node on patch day: a reboot, packages, a kernel, a command of the user's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Literal, Protocol, runtime_checkable

from pytest_harehearse.errors import DeadlineExceeded, Indeterminate, Refused, Unreachable
from pytest_harehearse.remote import base
from pytest_harehearse.remote.base import Channel, Script
from pytest_harehearse.units import seconds, show

Tool = Literal["apt", "dnf", "zypper"]
ASK_S: Final = 30.0

#: Prints the package tool of the host; 1: none that is known.
_TOOL: Final = "for t in apt-get dnf zypper; do command -v $t > /dev/null && { echo $t; exit 0; }; done; exit 1\n"
_TOOLS: Final[dict[str, Tool]] = {"apt-get": "apt", "dnf": "dnf", "zypper": "zypper"}

#: $1 the tool, the rest names of packages; none: security updates. Exits with 0 when each could be installed or upgraded.
_PROBE: Final = """tool=$1; shift
case $tool in
apt)
  [ $# -gt 0 ] || { command -v unattended-upgrade > /dev/null || { echo "unattended-upgrade is not installed there" >&2; exit 1; }; exit 0; }
  held=$(apt-mark showhold)
  for name do
    name=${name%%=*}
    echo "$held" | grep -qx -- "$name" && { echo "$name is held there (apt-mark unhold $name)" >&2; exit 1; }
    # What is installed is the newest to apt when nobody offers it any more: that would pass for patched.
    LC_ALL=C apt-cache policy "$name" | grep -q '^ *Installed: [^(]' || continue
    [ -n "$(apt-cache madison "$name" 2> /dev/null)" ] || { echo "no repository there has $name" >&2; exit 1; }
  done
  LC_ALL=C apt-get -q -y --no-install-recommends -s install -- "$@" > /dev/null ;;
dnf)
  for name do
    # What is installed already is listed, too, whoever offers it: only what a repository has can be a patch.
    found=$(LC_ALL=C dnf -q repoquery -- "$name") || exit 1
    [ -n "$found" ] || { echo "no repository there offers $name (gone, or excluded by excludepkgs)" >&2; exit 1; }
  done ;;
zypper)
  # zypper itself takes a package that is locked or that nobody has for done.
  locks=$(LC_ALL=C zypper -q -n locks) || exit 1
  for name do
    name=${name%%[=<>]*}
    echo "$locks" | awk -F'|' -v n="$name" '{gsub(/ /, "", $2); if ($2 == n) found = 1} END {exit !found}' \
      && { echo "$name is locked there (zypper removelock $name)" >&2; exit 1; }
    LC_ALL=C zypper -q -n info -- "$name" | grep '^Repository *:' | grep -qv '@System' \
      || { echo "no repository there has $name" >&2; exit 1; }
  done ;;
esac
"""
_REFRESH: Final = """case $1 in
apt) LC_ALL=C apt-get -q update ;;
dnf) LC_ALL=C dnf -q -y makecache ;;
zypper) LC_ALL=C zypper -q -n refresh ;;
esac
"""
#: $1 the tool, the rest names: prints each with the version that would be installed; nothing where the tool does not tell it.
_CANDIDATES: Final = """tool=$1; shift
export LC_ALL=C
for name do
  case $tool:$name in
  dnf:*) dnf -q repoquery --latest-limit=1 --qf '%{name} %{version}-%{release}' -- "$name" || exit 1 ;;
  *:*=*) echo "${name%%=*} ${name#*=}" ;;
  apt:*) echo "$name $(apt-cache policy "$name" | sed -n 's/^ *Candidate: //p')" ;;
  zypper:*) echo "$name $(zypper -q -n info -- "$name" | sed -n 's/^Version *: //p')" ;;
  esac
done
"""
_INSTALL: Final = """tool=$1; shift
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
case $tool in
apt)
  if [ $# -eq 0 ]; then unattended-upgrade -v
  else apt-get -q -y -o Dpkg::Options::=--force-confold --no-install-recommends install -- "$@"; fi ;;
dnf) if [ $# -eq 0 ]; then dnf -q -y upgrade --security; else dnf -q -y install -- "$@" && dnf -q -y upgrade -- "$@"; fi ;;
zypper)
  if [ $# -eq 0 ]; then
    zypper -q -n patch --category security; ended=$?
    # zypper patches itself first, and asks to be run again for the rest.
    [ $ended -ne 103 ] || { zypper -q -n patch --category security; ended=$?; }
  else zypper -q -n install -- "$@"; ended=$?; fi
  # Done, and a reboot or a restart of services is due: the workflow sees to that.
  case $ended in 102 | 103) exit 0 ;; *) exit $ended ;; esac ;;
esac
"""


class Patch(Protocol):
    """Something that is done to one node at a time."""

    @property
    def name(self) -> str:
        """As in reports: "reboot", "packages openssl"."""
        ...

    @property
    def reboots(self) -> bool:
        """Whether the node is rebooted afterwards, proved by its boot id."""
        ...

    @property
    def changes(self) -> frozenset[str] | None:
        """Names of packages that may change; None: any may."""
        ...

    @property
    def kernel(self) -> bool:
        """Whether another kernel is expected to run afterwards."""
        ...

    @property
    def lab_only(self) -> bool:
        """Whether it is meant to break something, and so never for production."""
        ...

    def describe(self) -> str:
        """Return what is done, so that a person could do it by hand."""
        ...

    def limitation(self, node: str, channel: Channel | None) -> str | None:
        """Return why it cannot be done on a node; None when it can. Changes nothing but a package tool's own lists."""
        ...

    def apply(self, node: str, channel: Channel | None) -> str:
        """Do it, without the reboot; return what was done.

        Raises:
            Refused: it failed, and says how.
            Indeterminate: whether it was done is not known.
        """
        ...


@runtime_checkable
class TellsVersions(Protocol):
    """A patch that knows beforehand what will be installed."""

    def candidates(self, node: str, channel: Channel | None) -> dict[str, str]:
        """Return package → version on a node; nothing where that cannot be told."""
        ...


@dataclass(frozen=True)
class Reboot:
    """Nothing is installed: the reboot that a patch would end with."""

    name: str = "reboot"
    reboots: bool = True
    changes: frozenset[str] | None = frozenset()
    kernel: bool = False
    lab_only: bool = False

    def describe(self) -> str:
        """Return nothing but the reboot."""
        return "nothing is installed; the node is rebooted as after a patch"

    def limitation(self, node: str, channel: Channel | None) -> str | None:  # noqa: ARG002 - the protocol's
        """None: whether it can be rebooted is asked when it is."""
        return None

    def apply(self, node: str, channel: Channel | None) -> str:  # noqa: ARG002 - the protocol's
        """Do nothing."""
        return "nothing to install"


@dataclass(frozen=True)
class Command:
    """A command of the user's: what their own patching is done by."""

    argv: tuple[str, ...]
    within: float = 1800.0
    reboots: bool = False
    changes: frozenset[str] | None = None
    kernel: bool = False
    lab_only: bool = False
    name: str = field(default="command", init=False)

    def describe(self) -> str:
        """Return the command."""
        return base.quoted(self.argv)

    def limitation(self, node: str, channel: Channel | None) -> str | None:
        """A host that commands can be run on, with the program."""
        if channel is None:
            return f"{node} is no host that commands can be run on"
        asked = channel.run(Script('command -v -- "$1" > /dev/null', (self.argv[0],)), deadline=ASK_S)
        if isinstance(asked, base.Done):
            return None if asked.rc == 0 else f"{node} has no program {self.argv[0]!r}"
        return f"{node} could not be asked: {asked.reason}"

    def apply(self, node: str, channel: Channel | None) -> str:
        """Run it."""
        return _run(node, channel, self.argv, self.within, "the patch command")


@dataclass(frozen=True)
class Packages:
    """Packages by their names, or all security updates, from the repositories that the node has."""

    names: tuple[str, ...]
    tool: Tool | None = None
    within: float = 1800.0
    reboots: bool = False
    kernel: bool = False
    refresh: bool = True
    #: Meant to break something.
    lab_only: bool = False

    @property
    def name(self) -> str:
        """As in reports."""
        return f"packages {' '.join(self.names)}" if self.names else "security updates"

    @property
    def changes(self) -> frozenset[str] | None:
        """Only these; which packages a security update brings is not known beforehand."""
        return frozenset(name.partition("=")[0] for name in self.names) if self.names else None

    def describe(self) -> str:
        """Return what is installed."""
        what = " ".join(self.names) if self.names else "all security updates"
        return f"{self.tool or 'the package tool of the node'}: install {what}"

    def limitation(self, node: str, channel: Channel | None) -> str | None:
        """The tool is there, and every package can be installed, which it tells without doing it."""
        if channel is None:
            return f"{node} is no host that packages can be installed on"
        tool = self._tool(node, channel)
        if tool not in _TOOLS.values():
            return tool
        for script, what in (
            *([(_REFRESH, "its package lists could not be fetched")] if self.refresh else []),
            (_PROBE, "it cannot be installed"),
        ):
            asked = channel.run(Script(script, (tool, *self.names)), deadline=300)
            if not isinstance(asked, base.Done):
                return f"{node} could not be asked: {asked.reason}"
            if asked.rc != 0:
                return f"{node}: {what}: {_error(asked.err, asked.out)}"
        return None

    def candidates(self, node: str, channel: Channel | None) -> dict[str, str]:
        """Return the version that each package would have afterwards; nothing where the tool does not tell it.

        Raises:
            Indeterminate: the node could not be asked.
        """
        if channel is None or not self.names:
            return {}
        asked = channel.run(Script(_CANDIDATES, (self._tool(node, channel), *self.names)), deadline=ASK_S)
        if not isinstance(asked, base.Done) or asked.rc != 0:
            why = _error(asked.err, asked.out) if isinstance(asked, base.Done) else asked.reason
            raise Indeterminate(f"Which versions {node} would install is not known: {why}")
        return dict(line.partition(" ")[::2] for line in asked.out.splitlines() if line.strip())

    def _tool(self, node: str, channel: Channel) -> str:
        if self.tool is not None:
            return self.tool
        asked = channel.run(Script(_TOOL), deadline=ASK_S)
        if not isinstance(asked, base.Done):
            return f"{node} could not be asked: {asked.reason}"
        return _TOOLS.get(asked.out.strip(), f"{node} has none of {', '.join(_TOOLS)}")

    def apply(self, node: str, channel: Channel | None) -> str:
        """Install them."""
        tool = self._tool(node, channel) if channel is not None else ""
        return _run(node, channel, Script(_INSTALL, (tool, *self.names)), self.within, self.describe())


def _run(node: str, channel: Channel | None, command: base.Command, within: float, what: str) -> str:
    if channel is None:
        raise Refused(f"{node} is no host that commands can be run on; nothing was done.")
    done = channel.run(command, deadline=within)
    if isinstance(done, base.Unreachable):
        raise Unreachable(f"{what} was not begun on {node}: {done.reason}")
    if isinstance(done, base.Unknown):
        if done.took >= within:
            raise DeadlineExceeded(f"{what} on {node} had not ended after {show(within)}; it may go on there.")
        raise Indeterminate(f"Whether {what} was done on {node} is not known: {done.reason}")
    if done.rc != 0:
        raise Refused(f"{what} failed on {node} with status {done.rc}: {_last(done.err, done.out)}")
    return _last(done.out) or "done"


def _last(*texts: str) -> str:
    """Return the last line of the first text that has any, without its full stop."""
    for text in texts:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if lines:
            return lines[-1][:300].rstrip(".")
    return ""


def _error(*texts: str) -> str:
    """Return the first line that names an error as apt does, else the last line."""
    errors = [line.strip() for text in texts for line in text.splitlines() if line.startswith("E: ")]
    return errors[0][:300].rstrip(".") if errors else _last(*texts)


def reboot() -> Patch:
    """Return the patch that installs nothing: the reboot that a real one would end with."""
    return Reboot()


def _listed(given: tuple[str | Sequence[str], ...], what: str) -> tuple[str, ...]:
    """Return words given one by one, or all in one list.

    Raises:
        TypeError: there are none, or they are no texts.
    """
    words = given[0] if len(given) == 1 and isinstance(given[0], (list, tuple)) else given
    if not words or not all(isinstance(word, str) and word for word in words):
        raise TypeError(f"{what} needs words, one by one or in a list, not {', '.join(map(repr, given)) or 'nothing'}")
    return tuple(str(word) for word in words)


def command(*argv: str | Sequence[str], within: str | timedelta = "30min", reboots: bool = False) -> Patch:
    """Return the patch that a command of the user's makes.

    Args:
        argv: program and arguments, one by one or in a list; run as root on each node.
        within: its deadline.
        reboots: whether the node is rebooted afterwards.

    Raises:
        TypeError: there is no program, or a word is no text.
    """
    return Command(_listed(argv, "command()"), seconds(within), reboots)


def packages(
    *names: str | Sequence[str], manager: Tool | None = None, within: str | timedelta = "30min", reboots: bool = False
) -> Patch:
    """Return the patch that installs packages.

    Args:
        names: of packages, as ``openssl`` or, with apt, ``openssl=3.0.15-1``; or ``"security"``: all security updates.
        manager: apt, dnf or zypper; default: what each node has.
        within: the deadline of the installation on one node.
        reboots: whether the node is rebooted afterwards.
    """
    if not names:
        raise TypeError('packages() needs names, or "security"')
    listed = _listed(names, "packages()")
    return Packages(() if listed == ("security",) else listed, manager, seconds(within), reboots)


def broken(kind: str) -> Patch:
    """Return a patch of the LXD lab's own package that breaks something, to rehearse what a gate is for.

    Args:
        kind: "start": it installs well, and nginx does not start any more; "load": nginx answers one by one, and refuses a
            crowd, which shows once the node serves; "reboot": the node does not come back from its reboot; "half": it cannot
            be set up, and stays half installed.

    Raises:
        TypeError: there is no such kind.
    """
    from pytest_harehearse.labs.lxd.package import BROKEN, NAME

    if kind not in BROKEN:
        raise TypeError(f"broken({kind!r}): there is no such patch; there are {', '.join(BROKEN)}")
    return Packages((f"{NAME}={BROKEN[kind]}",), "apt", 300.0, reboots=kind == "reboot", lab_only=True)


def kernel(name: str, *, manager: Tool | None = None, within: str | timedelta = "30min") -> Patch:
    """Return the patch that installs a kernel's package and reboots into it.

    Args:
        name: of the package, as ``linux-image-amd64`` or ``kernel``.
        manager: apt, dnf or zypper; default: what each node has.
        within: the deadline of the installation on one node.
    """
    return Packages((name,), manager, seconds(within), reboots=True, kernel=True)
