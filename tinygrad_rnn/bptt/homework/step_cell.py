"""One step of a recorded loop as a cell, with the person's own names."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from tinygrad_rnn.bptt.derivation.naming import SUMMED
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.graph.graph import Carry, Node, Value
from tinygrad_rnn.tape.notation import is_function


class StepCell:
    """One step of a recorded loop, run again on other values: cell(params, x, *state)."""

    __name__ = "step"

    def __init__(
        self, nodes: list[Node], params: Mapping[str, Value], xs: list[Value], carries: Mapping[str, Carry]
    ) -> None:
        self._nodes, self._params, self._xs, self._carries = nodes, params, xs, carries
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        self.__signature__ = inspect.Signature([inspect.Parameter(n, kind) for n in ("params", "x", *carries)])

    def __call__(self, params: Mapping[str, Any], x: Any, *state: Any) -> tuple[Any, ...]:
        """Return the next states."""
        known: dict[Value, Any] = {value: params[name] for name, value in self._params.items()}
        known |= {carry.before: s for carry, s in zip(self._carries.values(), state, strict=True)}
        known |= dict.fromkeys(self._xs, x)
        for node in self._nodes:
            arguments = [_known(a, known) for a in node.args]
            known[node.out] = self.made(node, arguments)
            if isinstance(known[node.out], Tensor) and node.out.name:
                known[node.out].name = node.out.name
        return tuple(known[carry.after] for carry in self._carries.values())

    def made(self, node: Node, arguments: list[Any]) -> Any:
        """Return what a call makes of its arguments."""
        return node.op(*arguments, **node.kwargs)

    @property
    def multiplies_from_the_left(self) -> bool:
        """Whether its matrices stand before what changes with the step, W @ x, so that vectors are columns."""
        moving = {*self._xs, *(carry.before for carry in self._carries.values())}
        for node in self._nodes:
            changes = [isinstance(a, Value) and a in moving for a in node.args]
            if any(changes):
                moving.add(node.out)
            if node.op.name == "matmul" and any(changes):
                return not changes[0]
        return False


def state_names(carries: list[Carry], first: str = "h") -> list[str]:
    """Return a name for each state: the person's own, without `before` or `next`; `first` where there is none."""
    names: list[str] = []
    for k, carry in enumerate(carries):
        name = (carry.after.name or carry.before.name or "").strip("_")
        for ending in ("_next", "_new", "_prev", "_t", "_cur"):
            name = name.removesuffix(ending)
        name = name if name.isidentifier() and name not in (*names, "x", "params") else f"s{k}" if k else first
        names.append(name if name not in names else f"s{k}")
    return names


def name_net_inputs(body: list[Node], taken: set[str]) -> None:
    """Name what has no name and goes into a nonlinear function: z, or z_f for that of f where there are several."""
    makers = {node.out: node for node in body}
    nonlinear = [
        node
        for node in body
        if is_function(node.op.name) and node.args[0] in makers and makers[node.args[0]].op.name in SUMMED
    ]
    for node in nonlinear:
        name = "z" if len(nonlinear) == 1 else f"z_{node.out.name}"
        if node.args[0].name is None and (node.out.name or name == "z") and name not in taken:
            node.args[0].name = name


def _known(argument: Any, known: Mapping[Value, Any]) -> Any:
    if isinstance(argument, Value):
        return known.get(argument, argument.constant)
    return argument
