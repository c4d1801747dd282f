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
_DESELECTED: pytest.StashKey[bool] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("harehearse", "failover rehearsals")
    for option in options.PYTEST:
        name, settings = option.pytest()
        group.addoption(name, *option.also, dest=option.dest, **settings)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the hooks others may implement."""
    from pytest_harehearse import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marks and the fixtures, and what conducts xdist's workers where tests are distributed."""
    config.addinivalue_line("markers", options.REHEARSAL)
    config.addinivalue_line("markers", options.NEEDS)
    config.addinivalue_line("markers", options.CHANCE)
    config.pluginmanager.register(fixtures, "harehearse-fixtures")
    if not hasattr(config, "workerinput") and config.getoption("dist", "no") != "no":
        from pytest_harehearse.distributed.hooks import Conducting

        config.pluginmanager.register(Conducting(config, _controller), "harehearse-distributed")


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """With ``-n auto``: a worker for each cluster where there are more of them than processors; a rehearsal mostly waits."""
    from pytest_harehearse.distributed.workers import wanted

    return wanted(config, lambda: len(_controller(config).selected()))


def _controller(config: pytest.Config) -> Controller:
    if fixtures.KEY not in config.stash:
        from pytest_harehearse.rehearsal.controller import Choice, Controller
        from pytest_harehearse.report.live import sayer
        from pytest_harehearse.terminal import Terminal

        def path(option: options.Option) -> Path | None:
            value = config.getoption(option.dest)
            return config.invocation_params.dir / value if value else None

        worker = getattr(config, "workerinput", None)
        argv: list[str] = [str(argument) for argument in config.invocation_params.args]
        part = None
        if worker is not None and items.worker_problem(config) is None:
            part, argv = items.part(worker)

        choice = Choice(
            config=path(options.CONFIG),
            start=config.rootpath,
            environments=tuple(config.getoption(options.ENV.dest)),
            clusters=tuple(config.getoption(options.CLUSTER.dest)),
            store=path(options.STORE),
            plan=config.getoption(options.PLAN.dest),
            keep_lab=config.getoption(options.KEEP_LAB.dest),
            argv=tuple(argv),
            arm=config.getoption(options.ARM.dest),
            change=config.getoption(options.CHANGE.dest),
            step=config.getoption(options.STEP.dest),
            yes_until=config.getoption(options.YES_UNTIL.dest),
            resume=config.getoption(options.RESUME.dest),
            repeat=config.getoption(options.REPEAT.dest),
            seed=config.getoption(options.SEED.dest),
            replay=config.getoption(options.REPLAY.dest),
            shrink=config.getoption(options.SHRINK.dest),
            part=part,
        )
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        config.stash[fixtures.KEY] = Controller(choice, sayer(reporter), Terminal(config))
    return config.stash[fixtures.KEY]


def _identity(item: pytest.Item) -> str | None:
    """Return the cluster id of a rehearsal; None for every other test."""
    callspec = getattr(item, "callspec", None)
    found = callspec.params.get(fixtures.PARAMETER) if callspec is not None else None
    # A text and nothing more: it goes through xdist, too.
    return None if found is None else str(found)


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrise rehearsals over the selected clusters; first, so that the cluster's id leads the test's id."""
    if fixtures.PARAMETER not in metafunc.fixturenames:
        return
    try:
        controller = _controller(metafunc.config)
        items.replay(controller)
        turns = controller.turns()
        ids = [turn.shown for turn in turns]
    except ConfigError as error:
        # Said once, after collection, and only if a rehearsal is still selected then.
        metafunc.config.stash[_PROBLEM] = error
        ids = ["no cluster"]
        turns = items.no_turns()
    metafunc.parametrize(fixtures.PARAMETER, turns, ids=ids, indirect=True, scope="session")
    if fixtures.PLAN_NUMBER in metafunc.fixturenames:
        try:
            numbers = items.plan_numbers(metafunc.definition)
        except ConfigError as error:
            metafunc.config.stash[_PROBLEM] = error
            numbers = [1]
        ids = [f"plan{number}" for number in numbers]
        metafunc.parametrize(fixtures.PLAN_NUMBER, numbers, ids=ids, indirect=True)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave ordinary tests out of a plan: they would really run."""
    if config.getoption(options.PLAN.dest):
        ordinary = [item for item in items if _identity(item) is None]
        items[:] = [item for item in items if _identity(item) is not None]
        if ordinary:
            config.hook.pytest_deselected(items=ordinary)


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Remember that a rehearsal was left out on purpose."""
    for item in items:
        if _identity(item) is not None:
            item.config.stash[_DESELECTED] = True


def _problems(session: pytest.Session) -> str | None:
    """Return what is wrong with the inventory, the selection, the store or a mark; None: nothing, or no rehearsal."""
    config = session.config
    selected = [(item, identity) for item in session.items if (identity := _identity(item)) is not None]
    # With the inventory unread no cluster's id is known, so a test that is named by its id is not found.
    if _PROBLEM in config.stash and (selected or not (session.items or _DESELECTED in config.stash)):
        return str(config.stash[_PROBLEM])
    if not selected:
        return None
    if (problem := items.worker_problem(config, _controller(config))) is not None:
        return problem
    return "\n".join(items.check(selected, _controller(config), listed=config.getoption("collectonly"))) or None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse a wrong inventory, selection, store or mark before anything is touched."""
    problem = _problems(session)
    if problem is None:
        if session.config.getoption(options.SHRINK.dest):
            from pytest_harehearse.shrinking import Shrinking

            # After every other plugin, so that it goes on where they have all ended.
            session.config.pluginmanager.register(Shrinking(_controller, _identity), "harehearse-shrinking")
        return
    if hasattr(session.config, "workeroutput"):
        # A worker cannot end the run: it does nothing, and the controller says why.
        session.config.workeroutput["harehearse"] = problem
        session.items.clear()
        return
    raise pytest.UsageError(problem)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Say what an xdist worker refused."""
    problem = getattr(node, "workeroutput", {}).get("harehearse")
    if problem is not None:
        raise pytest.UsageError(problem)


def pytest_report_collectionfinish(config: pytest.Config, items: list[pytest.Item]) -> list[str]:
    """Say which clusters will be rehearsed on and where the run is kept; nothing when there is no rehearsal."""
    clusters = sorted({identity for item in items if (identity := _identity(item)) is not None})
    if not clusters or _PROBLEM in config.stash:
        return []
    from pytest_harehearse.report.live import header

    controller = _controller(config)
    real = any(controller.planned_only(name) is None for name in clusters)
    return header({name: controller.told(name) for name in clusters}, controller.store, plan=not real)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Open the cluster and begin the rehearsal: after pytest's own skip marks, before any fixture of the test."""
    identity = _identity(item)
    if identity is not None and not item.config.getoption("setupplan"):
        items.begin(item, identity, _controller(item.config))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Judge the limits after the test's body, whatever it asserted itself."""
    if (identity := _identity(item)) is None:
        return (yield)
    controller = _controller(item.config)
    planned = controller.planned_only(identity)
    try:
        result = yield
    except Exception as error:
        if planned is not None:
            items.end_plan(controller, planned, error)
        raise
    if planned is not None:
        items.end_plan(controller, planned, None)
    items.judge(item, controller)
    return result


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Watch for stop conditions while the test's own function runs, and no longer."""
    identity = _identity(pyfuncitem)
    if identity is None or _controller(pyfuncitem.config).planned_only(identity) is not None:
        return (yield)
    with items.body(pyfuncitem, _controller(pyfuncitem.config)):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """End the rehearsal once its fixtures are torn down: they may still act on the cluster."""
    if _identity(item) is None:
        return (yield)
    try:
        return (yield)
    except BaseException as error:
        items.keep_error(item, error)
        raise
    finally:
        items.end(item, _controller(item.config))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Carry what the terminal needs; plain values, so that it also arrives from an xdist worker."""
    report = yield
    identity = _identity(item)
    if identity is not None:
        report.harehearse = {  # type: ignore[attr-defined]
            "cluster": identity,
            "unknown": items.keep(item, call),
            "plan": items.plan(item, call, _controller(item.config)),
        }
        if (text := items.told(item, call)) is not None:
            report.longrepr = text
        items.blank(report, call, _controller(item.config))
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


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> Generator[None, object, object]:
    """Give everything back and write the reports, also when a fixture's end fails after Ctrl-C."""
    try:
        return (yield)
    finally:
        finished = None
        if hasattr(session.config, "workeroutput"):
            items.close_worker(session.config, int(exitstatus))
        elif fixtures.CONDUCTOR in session.config.stash:
            finished = session.config.stash[fixtures.CONDUCTOR].finish(int(exitstatus))
        elif fixtures.KEY in session.config.stash:
            from pytest_harehearse.report.session import finish

            finished = finish(session.config.stash[fixtures.KEY].began, int(exitstatus))
        if finished is not None:
            session.config.stash[_SUMMARY] = finished
            for summary, directory in finished.written:
                session.config.hook.pytest_harehearse_run_finished(summary=summary, directory=directory)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the plan, or the verdicts, numbers, reasons, next commands and files."""
    if fixtures.KEY not in config.stash:
        return
    from pytest_harehearse.report import live

    controller = config.stash[fixtures.KEY]
    plans = [live.shown_plan(*plan, controller.unasked(plan[2].cluster.id)) for plan in controller.plans]
    if fixtures.CONDUCTOR in config.stash:
        plans += config.stash[fixtures.CONDUCTOR].plans
    live.show_plans(terminalreporter, plans)
    if _SUMMARY in config.stash:
        live.show_finished(terminalreporter, config.stash[_SUMMARY], config.get_verbosity())
