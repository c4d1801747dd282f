# SPDX-License-Identifier: MIT
"""A fault plan as a test to be pasted into a file: the test's own body, with the plan in place of the fixture."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Sequence
from typing import Any, Final

FIXTURE: Final = "fault_plan"
#: Words for which lots are drawn.
_LOTS: Final = frozenset({"one", "minority", "majority"})
_USUAL: Final = """
def {name}(cluster, probes, faults):
    with probes.watch(settle="10s"):
        faults.play_through(PLAN{seed})
        cluster.until_redundant(within="5min")
"""


def pasted(plan: Sequence[dict[str, Any]], name: str, source: str = "", seed: int | None = None) -> str:
    """Return a test of a plan.

    Args:
        plan: plain data.
        name: of the test's function.
        source: of the test that drew the plan; where it cannot be used, the usual body stands in its place.
        seed: by which target words choose nodes; told only when a word of the plan needs it.
    """
    if not any(table.get("node") in _LOTS for table in plan):
        seed = None
    lines = ["PLAN = [", *(f"    {table!r}," for table in plan), "]"]
    test = (
        _own(source, name, seed) or _USUAL.format(name=name, seed=f", seed={seed}" if seed is not None else "").strip()
    )
    head = ["import pytest", ""] if "pytest." in test else []
    return "\n".join([*head, *lines, "", "", test]) + "\n"


def _own(source: str, name: str, seed: int | None) -> str:
    """Return the test's own text with the plan in it; empty: that cannot be told from its text."""
    try:
        [function] = ast.parse(textwrap.dedent(source)).body
    except (SyntaxError, ValueError):
        return ""
    if not isinstance(function, ast.FunctionDef):
        return ""
    arguments = [one.arg for one in function.args.args]
    if FIXTURE not in arguments or "self" in arguments:
        return ""
    function.name = name
    function.args.args = [one for one in function.args.args if one.arg != FIXTURE]
    function.decorator_list = [one for one in function.decorator_list if "mark.chance" not in ast.unparse(one)]
    _Plan(seed).visit(function)
    return ast.unparse(ast.fix_missing_locations(function))


class _Plan(ast.NodeTransformer):
    def __init__(self, seed: int | None) -> None:
        self._seed = seed

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name("PLAN", node.ctx) if node.id == FIXTURE else node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        played = isinstance(node.func, ast.Attribute) and node.func.attr in {"play", "play_through"}
        plain = [one for one in node.args if isinstance(one, ast.Name) and one.id == FIXTURE]
        if played and plain and self._seed is not None and not any(one.arg == "seed" for one in node.keywords):
            node.keywords.append(ast.keyword("seed", ast.Constant(self._seed)))
        return self.generic_visit(node)
