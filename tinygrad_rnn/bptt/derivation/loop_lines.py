"""The lines of a loop: which of them no result reads, and what a value of one is a part of."""

from __future__ import annotations

from tinygrad_rnn.graph.graph import Loop, Value


def without_dead_lines(loop: Loop) -> list[str]:
    """Leave out lines of a loop that none of its results reads, and return the names of their values, "" for none."""
    wanted = {out.inner for out in loop.outs()} | {carry.after for carry in loop.carries}
    dead = []
    for node in reversed(loop.body):
        if node.out in wanted:
            wanted.update(node.reads())
        elif node.op.name != "positive":  # the cell was given each state so
            dead.append(node)
    loop.body = [node for node in loop.body if node.out in wanted]
    return list(dict.fromkeys(node.out.name or "" for node in reversed(dead)))


def of_this_step(v: Value, back: Loop) -> bool:
    """Return whether a cotangent that is handed on is that of a state of this step: with what arrives from step t+1.

    A cotangent that only its own state is handed is that of the step before.
    """
    nodes = {node.out: node for node in back.body}
    pending, terms = [v], set[Value]()
    while pending:
        a = pending.pop()
        terms.add(a)
        if a in nodes and nodes[a].op.name in ("add", "subtract"):
            pending += nodes[a].reads()
    arrived = any(carry.before in terms and carry.before.name == v.name for carry in back.carries)
    read = {a for node in back.body for a in node.reads()} | {o.inner for o in (*back.stacks, *back.sums)}
    return arrived and (v in read or {c.before.name for c in back.carries if c.after is v} != {v.name})


def whole_array(v: Value, loop: Loop) -> Value:
    """Return the array of which a value is a view."""
    nodes = {node.out: node for node in loop.body}
    while v in nodes and nodes[v].op.name == "getitem" and isinstance(nodes[v].args[0], Value):
        v = nodes[v].args[0]
    return v
