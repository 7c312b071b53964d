"""A graph, run the slow and obvious way: each call as the engine makes it, loops as Python loops."""

import numpy as np

from tinygrad_rnn.graph.graph import Graph, Node, Value


def interpreted(graph: Graph, values):
    """The results of the graph for the values of its inputs."""
    known = dict(zip(graph.inputs, values, strict=True))
    for item in graph.items:
        if isinstance(item, Node):
            _call(item, known)
        else:
            _loop(item, known)
    return [np.asarray(_known(v, known)) for v in graph.results]


def _known(a, known):
    if not isinstance(a, Value):
        return a
    return known.get(a, a.constant)


def _call(node, known):
    out = node.op.function(*[_known(a, known) for a in node.args], **node.kwargs)
    assert np.shape(out) == node.out.shape, (node.op.name, np.shape(out), node.out.shape)
    assert np.asarray(out).dtype == node.out.dtype, (node.op.name, np.asarray(out).dtype, node.out.dtype)
    known[node.out] = out


def _loop(loop, known):
    for node in loop.prelude:
        _call(node, known)
    places = range(loop.length) if loop.direction > 0 else reversed(range(loop.length))
    stacks = {out: [None] * loop.length for out in loop.stacks}
    sums = dict.fromkeys(loop.sums, 0)
    carried = [_known(c.init, known) for c in loop.carries]
    for k in places:
        step = dict(known)
        step |= {row.inner: _known(row.outer, known)[row.offset + k] for row in loop.rows}
        step |= {c.before: value for c, value in zip(loop.carries, carried, strict=True)}
        for node in loop.body:
            _call(node, step)
        carried = [_known(c.after, step) for c in loop.carries]
        for out in loop.stacks:
            stacks[out][k] = _known(out.inner, step)
        for out in loop.sums:
            sums[out] = sums[out] + _known(out.inner, step)
    for out in loop.stacks:
        known[out.outer] = np.stack(stacks[out])
    for out in loop.lasts:
        known[out.outer] = _known(out.inner, step)
    for out in loop.sums:
        known[out.outer] = sums[out]
