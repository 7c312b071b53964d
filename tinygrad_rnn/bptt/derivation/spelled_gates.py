"""Gates that are spelled out, also with the minus in each term: 1 / (1 + exp(-a - b)), whose net input is no line."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.tape.spelled_functions import recognised

OPPOSITE = -1.0
"""The factor that makes a net input of a sum with the other sign."""


def with_gates(tape: Tape, results: Iterable[Tensor]) -> Tape:
    """Return the tape with each sigmoid and each tanh as one line, and with the net input of each gate as a line.

    The tape itself is returned where a spelling runs through a state: its author reads the state there.
    """
    results = list(results)
    longer, nets = _with_net_inputs(tape, range(len(tape)))
    gates = {id(args[0]) for op, args, *_ in recognised(longer, results).lines() if op.name == "sigmoid"}
    wanted = {k for k, net in nets.items() if id(net) in gates}
    found = recognised(_with_net_inputs(tape, wanted)[0] if wanted else tape, results)
    return found if _states_in_use(tape) == _states_in_use(found) else tape


def _with_net_inputs(tape: Tape, wanted: Collection[int]) -> tuple[Tape, dict[int, Tensor]]:
    """Return the tape with net = -1 * u and exp(-net) in the place of the wanted lines exp(u), and each net by line."""
    lines = tape.lines()
    negated = {id(out) for op, _, _, out, _ in lines if op.name == "negative"}
    found, nets = Tape(), dict[int, Tensor]()
    for k, (op, args, kwargs, out, scope) in enumerate(lines):
        u = args[0] if op.name == "exp" and k in wanted else None
        if isinstance(u, Tensor) and id(u) not in negated:
            with Tape() as own:
                nets[k] = net = OPPOSITE * u
                args = (-net,)
            for line in own.lines():
                found.record((*line[:-1], scope))
        found.record((op, args, kwargs, out, scope))
    return found, nets


def _states_in_use(tape: Tape) -> set[int]:
    """Return the ids of the values that the step that makes them reads, and a later step as well."""
    scopes = {id(out): scope for _, _, _, out, scope in tape.lines()}
    own, later = set[int](), set[int]()
    for _, args, _, _, scope in tape.lines():
        for a in args:
            if id(a) in scopes:
                (own if scopes[id(a)] == scope else later).add(id(a))
    return own & later
