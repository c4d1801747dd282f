# SPDX-License-Identifier: MIT
"""pytest hooks only.

Loaded by every pytest run of its environment, so it imports nothing heavy and says nothing until a rehearsal is
collected.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_harehearse import fixtures, items, options
from pytest_harehearse.errors import ConfigError

if TYPE_CHECKING:
    from pytest_harehearse.rehearsal.controller import Controller
    from pytest_harehearse.report.session import Finished

_SUMMARY: pytest.StashKey[Finished] = pytest.StashKey()
_PROBLEM: pytest.StashKey[ConfigError] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("harehearse", "failover rehearsals")
    for option in options.PYTEST:
        name, settings = option.pytest()
        group.addoption(name, dest=option.dest, **settings)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the hooks others may implement."""
    from pytest_harehearse import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marks and the fixtures."""
    config.addinivalue_line(
        "markers", "rehearsal(interruption=, lost_writes=, redundancy=): limits this rehearsal is judged by."
    )
    config.addinivalue_line(
        "markers", "needs(nodes=, manager=, fencing=, capability=): skip, with the reason, on a cluster without it."
    )
    config.pluginmanager.register(fixtures, "harehearse-fixtures")


def _controller(config: pytest.Config) -> Controller:
    if fixtures.KEY not in config.stash:
        from pytest_harehearse.rehearsal.controller import Choice, Controller
        from pytest_harehearse.report.live import sayer

        def path(option: options.Option) -> Path | None:
            value = config.getoption(option.dest)
            return config.invocation_params.dir / value if value else None

        choice = Choice(
            config=path(options.CONFIG),
            start=config.rootpath,
            environments=tuple(config.getoption(options.ENV.dest)),
            clusters=tuple(config.getoption(options.CLUSTER.dest)),
            store=path(options.STORE),
            plan=config.getoption(options.PLAN.dest),
            keep_lab=config.getoption(options.KEEP_LAB.dest),
            argv=tuple(str(argument) for argument in config.invocation_params.args),
        )
        config.stash[fixtures.KEY] = Controller(choice, sayer(config.pluginmanager.get_plugin("terminalreporter")))
    return config.stash[fixtures.KEY]


def _identity(item: pytest.Item) -> str | None:
    """Return the cluster id of a rehearsal; None for every other test."""
    callspec = getattr(item, "callspec", None)
    return callspec.params.get(fixtures.PARAMETER) if callspec is not None else None


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrise rehearsals over the selected clusters; first, so that the cluster's id leads the test's id."""
    if fixtures.PARAMETER not in metafunc.fixturenames:
        return
    try:
        ids = [described.id for described in _controller(metafunc.config).selected()]
    except ConfigError as error:
        # Said once, after collection, and only if a rehearsal is still selected then.
        metafunc.config.stash[_PROBLEM] = error
        ids = ["no cluster"]
    metafunc.parametrize(fixtures.PARAMETER, ids, ids=ids, indirect=True, scope="session")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave ordinary tests out of a plan: they would really run."""
    if config.getoption(options.PLAN.dest):
        ordinary = [item for item in items if _identity(item) is None]
        items[:] = [item for item in items if _identity(item) is not None]
        if ordinary:
            config.hook.pytest_deselected(items=ordinary)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse a wrong inventory, selection or mark before anything is touched."""
    selected = [(item, identity) for item in session.items if (identity := _identity(item)) is not None]
    if not selected:
        return
    if _PROBLEM in session.config.stash:
        raise pytest.UsageError(str(session.config.stash[_PROBLEM]))
    if problems := items.check(selected, _controller(session.config)):
        raise pytest.UsageError("\n".join(problems))


def pytest_report_collectionfinish(config: pytest.Config, items: list[pytest.Item]) -> list[str]:
    """Say which clusters will be rehearsed on and where the run is kept; nothing when there is no rehearsal."""
    clusters = sorted({identity for item in items if (identity := _identity(item)) is not None})
    if not clusters or _PROBLEM in config.stash:
        return []
    from pytest_harehearse.report.live import header

    controller = _controller(config)
    kinds = {name: controller.inventory.clusters[name].kind for name in clusters}
    return header(kinds, controller.store, plan=controller.choice.plan)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Remember how the rehearsal's setup went."""
    try:
        return (yield)
    except BaseException as error:
        if _identity(item) is not None:
            items.keep_error(item, error)
        raise


@pytest.hookimpl(specname="pytest_runtest_setup")
def pytest_runtest_setup_rehearsal(item: pytest.Item) -> None:
    """Open the cluster and begin the rehearsal before any fixture of the test.

    No wrapper: what it raises must come after other plugins' wrappers began, or their teardown fails; and after the
    marks ``skip`` and ``skipif`` were asked.
    """
    identity = _identity(item)
    if identity is not None:
        items.begin(item, identity, _controller(item.config))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Judge the limits after the test's body, whatever it asserted itself."""
    if _identity(item) is None:
        return (yield)
    controller = _controller(item.config)
    try:
        result = yield
        if not controller.choice.plan:
            controller.session.judge()
    except BaseException as error:
        if controller.choice.plan and isinstance(error, Exception):
            items.end_plan(controller, error)
        items.keep_error(item, error)
        raise
    if controller.choice.plan:
        items.end_plan(controller, None)
    items.keep_passed(item)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """End the rehearsal once its fixtures are torn down: they may still act on the cluster."""
    try:
        return (yield)
    finally:
        if _identity(item) is not None:
            items.end(item, _controller(item.config))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Carry what the terminal needs; plain values, so that it also arrives from an xdist worker."""
    report = yield
    identity = _identity(item)
    if identity is not None:
        report.harehearse = {"cluster": identity, "unknown": items.is_unknown(call)}  # type: ignore[attr-defined]
    return report


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    """Count an unknown outcome as what it is; the exit status stays that of a failure."""
    if getattr(report, "harehearse", {}).get("unknown"):
        return "unknown", "?", ("UNKNOWN", {"yellow": True})
    return None


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Explain ``assert seen.interruption <= "5s"`` by the measurement."""
    explain = getattr(left, "explain", None)
    return explain(right) if op in {"<", "<="} and type(left).__name__ == "Interruption" and explain else None


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Give everything back and write the reports."""
    if fixtures.KEY in session.config.stash:
        from pytest_harehearse.report.session import finish

        controller = session.config.stash[fixtures.KEY]
        session.config.stash[_SUMMARY] = finish(controller.began, int(exitstatus))
        for summary, directory in session.config.stash[_SUMMARY].written:
            session.config.hook.pytest_harehearse_run_finished(summary=summary, directory=directory)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the plan, or the verdicts, numbers, reasons, next commands and files."""
    if fixtures.KEY not in config.stash:
        return
    from pytest_harehearse.report import live

    controller = config.stash[fixtures.KEY]
    live.show_plans(terminalreporter, controller.plans)
    if _SUMMARY in config.stash:
        live.show_finished(terminalreporter, config.stash[_SUMMARY], config.get_verbosity())
