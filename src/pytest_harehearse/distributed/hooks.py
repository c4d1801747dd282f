# SPDX-License-Identifier: MIT
"""Hooks of the process that conducts xdist's workers; registered only there."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.fixtures import CONDUCTOR

if TYPE_CHECKING:
    from xdist.scheduler import Scheduling
    from xdist.workermanage import WorkerController

    from pytest_harehearse.distributed.conductor import Conductor, NotRun
    from pytest_harehearse.distributed.queue import Lost, Queue, Unit
    from pytest_harehearse.rehearsal.controller import Controller

#: What is handed to a worker, under this name.
TICKET: Final = "harehearse"
#: Node ids that may be of rehearsals.
_LIKE: Final = re.compile(r"::.*\[[^\]/]+/")
#: Seconds that workers are given to undo what they struck when the run is stopped; xdist itself gives ten.
UNDO_S: Final = 120


class Conducting:
    """A plugin of its own."""

    def __init__(self, config: pytest.Config, controller: Callable[[pytest.Config], Controller]) -> None:
        self._config = config
        self._controller = controller
        #: Gateways that cannot be used, in sentences.
        self._unusable: list[str] = []
        #: False: the run of a worker on another machine is not here.
        self._whole = True

    def _conductor(self) -> Conductor:
        if CONDUCTOR not in self._config.stash:
            from pytest_harehearse.distributed.conductor import Conductor
            from pytest_harehearse.report.live import sayer

            controller = self._controller(self._config)
            distributing: Any = self._config.pluginmanager.get_plugin("dsession")
            manager = distributing.nodemanager
            # Workers are given the time to undo what they struck, should the run be stopped.
            manager.EXIT_TIMEOUT = UNDO_S
            say = sayer(self._config.pluginmanager.get_plugin("terminalreporter"))
            self._config.stash[CONDUCTOR] = Conductor(
                controller, manager.testrunuid, self._config.getoption("dist"), say, problems=list(self._unusable)
            )
        made: Conductor = self._config.stash[CONDUCTOR]
        return made

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_setupnodes(self, config: pytest.Config, specs: list[Any]) -> None:
        """Leave out machines that cannot be used, and start many workers fast; without an inventory xdist is left alone.

        Raises:
            pytest.UsageError: none is left.
        """
        from pytest_harehearse.distributed import warm

        forked = warm.possible(specs)
        if not forked and not any(spec.ssh for spec in specs):
            return
        try:
            _ = self._controller(config).inventory
        except ConfigError:
            return
        self._leave_out(config, specs)
        if forked:
            server = warm.Warm()
            config.add_cleanup(server.end)
            server.take(forked)

    def _leave_out(self, config: pytest.Config, specs: list[Any]) -> None:
        from importlib.metadata import version

        from pytest_harehearse.distributed.gateways import limitations
        from pytest_harehearse.report.live import sayer

        unusable = limitations(specs, version("pytest-harehearse"))
        # xdist has the workers in the order of the options, and counts them by these.
        typed = _each(config.option.tx)
        self._unusable = [f"The gateway {typed[number]} {why}." for number, why in unusable.items()]
        if len(unusable) == len(specs):
            raise pytest.UsageError("\n".join([*self._unusable, "No other was named, so nothing was started."]))
        say = sayer(config.pluginmanager.get_plugin("terminalreporter"))
        for line in self._unusable:
            say(line)
        config.option.tx = [spec for number, spec in enumerate(typed) if number not in unusable]
        specs[:] = [spec for number, spec in enumerate(specs) if number not in unusable]

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """A run that lacked a machine, or what one wrote, is no success, whatever the others came to."""
        if (self._unusable or not self._whole) and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        return (yield)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: WorkerController) -> None:
        """Tell a worker whose labs it makes, and which version conducts it."""
        from importlib.metadata import version

        from pytest_harehearse.labs.home import Owner
        from pytest_harehearse.safety.lease import boot_id

        me = Owner.me()
        node.workerinput[TICKET] = {
            "version": version("pytest-harehearse"), "boot": boot_id(), "pid": me.pid, "started": me.started,
            "inventory": self._inventory_digest(),
            "argv": [str(argument) for argument in self._config.invocation_params.args],
        }  # fmt: skip

    def _inventory_digest(self) -> str:
        from pytest_harehearse.distributed.far import inventory_digest

        try:
            return inventory_digest(self._controller(self._config).inventory.path)
        except ConfigError:
            # The workers find the same, and say it.
            return ""

    @pytest.hookimpl(optionalhook=True, wrapper=True)
    def pytest_xdist_make_scheduler(
        self, config: pytest.Config, log: Any
    ) -> Generator[None, Scheduling | None, Scheduling | None]:
        """Keep each cluster's tests on one worker; a run without rehearsals keeps the scheduler of its mode."""
        from pytest_harehearse.distributed.scheduler import ClusterScheduling

        chosen = yield
        return None if chosen is None else ClusterScheduling(chosen, config, _Late(self._conductor), log)

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str, report: pytest.TestReport) -> None:
        """Heal the cluster that a worker died on, and count the tests that are not run there any more."""
        if CONDUCTOR not in self._config.stash or (came := self._config.stash[CONDUCTOR].crashed(crashitem)) is None:
            return
        died, rest = came
        report.longrepr = f"{report.longrepr}\n{died.reason}"
        report.harehearse = {"cluster": died.cluster, "unknown": True}  # type: ignore[attr-defined]
        for one in rest:
            self._count(one)

    def _count(self, one: NotRun) -> None:
        file = one.nodeid.partition("::")[0]
        report = pytest.TestReport(
            nodeid=one.nodeid, location=(file, None, one.nodeid), keywords={}, outcome="failed", longrepr=one.reason,
            when="setup",
        )  # fmt: skip
        report.harehearse = {"cluster": one.cluster, "unknown": True}  # type: ignore[attr-defined]
        self._config.hook.pytest_runtest_logreport(report=report)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: WorkerController) -> None:
        """Take the run of a worker on another machine, and what one could not give back."""
        output = getattr(node, "workeroutput", {})
        if (run := output.get("harehearse_part")) is not None:
            self._whole &= self._conductor().bring(node.gateway.id, run)
        if problems := output.get("harehearse_problems"):
            self._conductor().problems.extend(problems)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Count what no worker ran; not after Ctrl-C and not after ``-x``, where pytest itself says that it stopped."""
        try:
            result = yield
        except ConfigError as error:
            raise pytest.UsageError(str(error)) from error
        if CONDUCTOR in self._config.stash:
            for one in self._config.stash[CONDUCTOR].left_over():
                self._count(one)
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the plan that a worker made."""
        plan = getattr(report, TICKET, {}).get("plan")
        if plan is not None:
            from pytest_harehearse.report.live import Shown

            self._conductor().plans.append(Shown(**plan))


def _each(tx: Sequence[str]) -> list[str]:
    """Return every gateway once, as ``3*popen`` means three."""
    found: list[str] = []
    for text in tx:
        count, star, spec = text.partition("*")
        found += [spec] * int(count) if star and count.isdigit() else [text]
    return found


class _Late:
    """Makes the conductor when the tests are known: a run without any rehearsal has none."""

    def __init__(self, make: Callable[[], Conductor]) -> None:
        self._make = make

    def units(self, nodeids: Sequence[str]) -> list[Unit]:
        """Return what each worker may be given; nothing is imported for tests of which none can be of a cluster."""
        return self._make().units(nodeids) if any(_LIKE.search(nodeid) for nodeid in nodeids) else []

    def begin(self, nodeids: Sequence[str], queue: Queue, workers: int) -> None:
        """Make ready before the first test."""
        self._make().begin(nodeids, queue, workers)

    def lost(self, lost: Lost, worker: str) -> None:
        """Take note of tests whose worker died."""
        self._make().lost(lost, worker)

    def stranded(self, units: Sequence[Unit]) -> None:
        """Take note of tests that no worker may run."""
        self._make().stranded(units)
