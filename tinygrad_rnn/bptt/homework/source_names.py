"""Names that stand in the text of a function: of its parameters, and of what it returns."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from functools import partial
from typing import Any

from tinygrad_rnn.bptt.comparison.case import parameters_of
from tinygrad_rnn.bptt.homework.surroundings import plain


def positional(function: Callable[..., Any], partials: bool = False) -> list[str]:
    """Return the names of the parameters that are given by place, `self` left out.

    partials: those too that a `partial` gives.
    """
    while partials and isinstance(function, partial):
        function = function.func
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [name for name, p in parameters_of(function).items() if p.kind in kinds]


def required(function: Callable[..., Any]) -> list[str]:
    """Return the names of those that have no default value."""
    found = parameters_of(function)
    return [name for name in positional(function) if found[name].default is inspect.Parameter.empty]


def takes_any(function: Callable[..., Any]) -> bool:
    """Return whether a function takes any number of arguments, or Python does not know how many."""
    found = parameters_of(function)
    return not found or any(p.kind is p.VAR_POSITIONAL for p in found.values())


def returned(function: Callable[..., Any]) -> Any:
    """Return the names of what a function returns at its end: a list for a tuple; None where the text does not tell."""
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
        if isinstance(target, ast.Name) and isinstance(node.value, ast.Tuple | ast.List) and node.value.elts
    }
    return _named(returns[-1].value, known)


def unpacked(function: Callable[..., Any]) -> dict[str, list[str]]:
    """Return the names that a function gives to what a variable holds: params to W, U, b, for W, U, b = params."""
    found: dict[str, list[str]] = {}
    body = _body(function)
    for node in _own(body) if body else []:
        match node:
            case ast.Assign([ast.Tuple(parts)], ast.Name(name) | ast.Attribute(ast.Name(), name)):
                if all(isinstance(part, ast.Name) for part in parts):
                    found.setdefault(name, [part.id for part in parts if isinstance(part, ast.Name)])
    return found


def _named(node: ast.expr | None, known: dict[str, Any]) -> Any:
    """Return the name of what an expression is made of: dW of dW / T, dW.copy() and grads["dW"]; h of h[-1]."""
    while True:
        match node:
            case ast.Tuple(parts) | ast.List(parts):
                return [_named(part, {}) for part in parts]
            case ast.Name(name):
                return _named(known[name], {}) if name in known else name
            case ast.Subscript(_, ast.Constant(str() as key)):
                return key
            case ast.Subscript(value) | ast.Call(ast.Attribute(value, "copy" | "sum" | "mean" | "reshape"), []):
                node, known = value, {}
            case ast.Call(_, [argument, *_]):
                node, known = argument, {}
            case ast.BinOp(left, ast.Div() | ast.Mult(), right):
                node, known = (right if isinstance(left, ast.Constant) else left), {}
            case ast.Attribute(ast.Name(), name):
                return name
            case _:
                return None


def _body(function: Callable[..., Any]) -> ast.FunctionDef | None:
    """Return the text of a function, parsed; None where there is none, or another than its own."""
    inner = plain(function)
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(inner)))
    except (OSError, TypeError, SyntaxError):
        return None
    found = tree.body[0] if tree.body else None
    return found if isinstance(found, ast.FunctionDef) and found.name == getattr(inner, "__name__", "") else None


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
