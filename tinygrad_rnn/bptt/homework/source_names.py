"""Names that stand in the text of a function: of its parameters, of what it returns, of the globals that it reads."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

from tinygrad_rnn.bptt.comparison.case import parameters_of

Names = "str | None | list[Names]"
"""The name of a value; a list for a tuple or list of values; None where it has none."""


def positional(function: Callable[..., Any]) -> list[str]:
    """Return the names of the parameters that are given by place, `self` left out."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [name for name, p in parameters_of(function).items() if p.kind in kinds]


def required(function: Callable[..., Any]) -> list[str]:
    """Return the names of those that have no default value."""
    found = parameters_of(function)
    return [name for name in positional(function) if found[name].default is inspect.Parameter.empty]


def returned(function: Callable[..., Any]) -> Any:
    """Return the names of what a function returns at its end, nested like it; None where the text does not tell."""
    body = _body(function)
    if body is None:
        return None
    returns = [node for node in _own(body) if isinstance(node, ast.Return) and node.value is not None]
    if not returns:
        return None
    known = {
        target.id: node.value
        for node in _own(body)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and isinstance(node.value, ast.Tuple | ast.List)
    }
    return _named(returns[-1].value, known)


def read_globals(function: Callable[..., Any]) -> list[str]:
    """Return the global names that a function reads, in the order in which it does."""
    while hasattr(function, "func"):
        function = function.func
    function = inspect.unwrap(getattr(function, "__func__", function))
    code, there = getattr(function, "__code__", None), getattr(function, "__globals__", {})
    return [name for name in code.co_names if name in there] if code else []


def _named(node: ast.expr | None, known: dict[str, Any]) -> Any:
    if isinstance(node, ast.Tuple | ast.List):
        return [_named(part, {}) for part in node.elts]
    if isinstance(node, ast.Name):
        return _named(known[node.id], {}) if node.id in known else node.id
    return node.attr if isinstance(node, ast.Attribute) else None


def _body(function: Callable[..., Any]) -> ast.FunctionDef | None:
    while hasattr(function, "func"):
        function = function.func
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    except (OSError, TypeError, SyntaxError):
        return None
    return next((node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)), None)


def _own(function: ast.FunctionDef) -> list[ast.AST]:
    """Return the statements of a function, without those of functions within it."""
    found: list[ast.AST] = []
    pending: list[ast.AST] = list(function.body)
    while pending:
        node = pending.pop(0)
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda):
            continue
        found.append(node)
        pending += list(ast.iter_child_nodes(node))
    return sorted(found, key=lambda node: getattr(node, "lineno", 0))
