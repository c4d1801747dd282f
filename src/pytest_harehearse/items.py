# SPDX-License-Identifier: MIT
"""Between pytest's items and the rehearsal: the only place that translates one into the other."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from pytest_harehearse.errors import ConfigError, HarehearseError, Indeterminate

if TYPE_CHECKING:
    from pytest_harehearse.rehearsal.controller import Controller

_OUTCOME: pytest.StashKey[tuple[str, str | None]] = pytest.StashKey()
PLANNED = "planned only, nothing was touched"


def _marks(item: pytest.Item, name: str) -> list[tuple[tuple[Any, ...], Mapping[str, Any]]]:
    return [(mark.args, mark.kwargs) for mark in item.iter_markers(name)]


def check(items: Sequence[tuple[pytest.Item, str]], controller: Controller) -> list[str]:
    """Return what is wrong with the marks of the selected rehearsals; every fault once."""
    from pytest_harehearse.rehearsal import marks

    problems: dict[str, None] = {}
    for item, cluster in items:
        try:
            marks.limits(_marks(item, "rehearsal"))
            controller.unmet(cluster, _marks(item, "needs"))
        except ConfigError as error:
            problems[f"{_nodeid(item)}: {error}"] = None
    return list(problems)


def _nodeid(item: pytest.Item) -> str:
    """Return the item's id as it can be typed where pytest was started, wherever its rootdir is."""
    path = os.path.relpath(item.path, item.config.invocation_params.dir)
    return "::".join([path, *item.nodeid.split("::")[1:]])


def begin(item: pytest.Item, identity: str, controller: Controller) -> None:
    """Begin the item's rehearsal, or its plan; skip it when the cluster lacks what it needs."""
    from pytest_harehearse.rehearsal import marks

    reason = controller.unmet(identity, _marks(item, "needs"))
    if reason is not None:
        pytest.skip(reason)
    limits = marks.limits(_marks(item, "rehearsal"))
    function = getattr(item, "function", None)
    title = (getattr(function, "__doc__", None) or item.name).strip().splitlines()[0].rstrip(".")
    if controller.choice.plan:
        controller.plan(identity, _nodeid(item), title, limits)
        return
    session = controller.session
    session.begin(
        session.open(identity), nodeid=_nodeid(item), name=item.name, title=title, limits=limits,
        source=f"{_nodeid(item).partition('::')[0]}:{(item.reportinfo()[1] or 0) + 1}",
    )  # fmt: skip


def keep_error(item: pytest.Item, error: BaseException) -> None:
    """Remember how the rehearsal went, until its fixtures are torn down too."""
    if isinstance(error, pytest.skip.Exception):
        item.stash[_OUTCOME] = ("skipped", str(error))
    elif isinstance(error, Indeterminate):
        item.stash[_OUTCOME] = ("unknown", str(error))
    elif isinstance(error, KeyboardInterrupt):
        item.stash[_OUTCOME] = ("unknown", "stopped by the user")
    else:
        text = str(error) or type(error).__name__
        expected = isinstance(error, AssertionError | HarehearseError | pytest.fail.Exception)
        item.stash[_OUTCOME] = ("failed", text if expected else f"{type(error).__name__}: {text}")


def keep_passed(item: pytest.Item) -> None:
    """Remember that the test's body passed and every limit held."""
    item.stash[_OUTCOME] = ("passed", None)


def end(item: pytest.Item, controller: Controller) -> None:
    """End the item's rehearsal and record its outcome."""
    session = controller.began
    if session is not None:
        session.end(*item.stash.get(_OUTCOME, ("unknown", "the test did not begin")))


def end_plan(controller: Controller, error: BaseException | None) -> None:
    """End the item's plan; it is reported as skipped, for nothing was rehearsed."""
    if error is not None:
        controller.planned_up_to(f"{type(error).__name__}: {error}")
    pytest.skip(PLANNED)


def is_unknown(call: pytest.CallInfo[None]) -> bool:
    """Return whether the phase ended with the truth not established."""
    return call.excinfo is not None and isinstance(call.excinfo.value, Indeterminate)
