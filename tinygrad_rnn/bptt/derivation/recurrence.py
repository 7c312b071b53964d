"""The recurrence, forward and back, read off a tape as equations in the names of its author."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from tinygrad_rnn.bptt.derivation.equations import UPSTREAM, Equation, Recurrence, X, following
from tinygrad_rnn.bptt.derivation.expressions import Expr, Num, Op, Ref, is_cheap, rebuilt, refs, walk
from tinygrad_rnn.bptt.derivation.loop_lines import of_this_step, whole_array, without_dead_lines
from tinygrad_rnn.bptt.derivation.naming import Names, name_values, parts_of, short
from tinygrad_rnn.bptt.derivation.reading import Find, Unwritable, read
from tinygrad_rnn.bptt.derivation.repeated import made_once
from tinygrad_rnn.bptt.derivation.tidying import tidied
from tinygrad_rnn.bptt.derivation.trace import OF_STEP, Recorded
from tinygrad_rnn.graph.differentiate import differentiated
from tinygrad_rnn.graph.graph import Carry, Graph, Loop, Node, Value
from tinygrad_rnn.graph.outside_values import Places
from tinygrad_rnn.graph.roll import roll
from tinygrad_rnn.nn.time_loop import cell_name
from tinygrad_rnn.tape.by_place import between
from tinygrad_rnn.tape.steps import likeness, time_of


def recurrence(recorded: Recorded, names: Mapping[str, str] | None = None) -> Recurrence:
    """Return the recurrence of a recorded cell. `names` gives the cell's name of a parameter or value by its new name.

    Raises ValueError for a cell whose steps differ, with the first difference, and for a cell without a formula.
    """
    return _Reading(recorded, dict(names or {})).made()


class _Reading:
    def __init__(self, recorded: Recorded, names: dict[str, str]) -> None:
        self.recorded = recorded
        given = {ours: theirs for theirs, ours in names.items()}
        inside = {v.name for _, _, _, v, scope in recorded.tape.lines() if v.name and time_of(scope) is not None}
        values = sorted(inside - {OF_STEP, *recorded.states, *recorded.params})
        if unknown := set(given) - set(recorded.params) - set(values):
            raise ValueError(
                f"derive: names has {sorted(unknown)}, but the cell has no such parameters\n"
                f"its parameters are {', '.join(recorded.params)}; its other names are {', '.join(values) or '(none)'}"
            )
        self.renamed = {theirs: ours for theirs, ours in given.items() if theirs not in recorded.params}
        taken = Names(())
        display = taken.of_states(recorded.states, recorded.params)
        states = tuple(display.values())
        chosen = {key: taken.take(given.get(key) or short(key, p.shape)) for key, p in recorded.params.items()}
        self.names = taken
        keys = {name: key for key, name in display.items()}
        self.rec = Recurrence(_title(recorded.cell), recorded.columns, chosen, states, {}, keys)
        self.rec.indices = recorded.xs.dtype.kind in "iub"
        self.rec.target = taken.take(recorded.target) if recorded.target else ""
        self.defined: dict[Expr, Ref] = {}
        self.kept: dict[Expr, Ref] = {}  # of these, values with a name only for the walk back
        self.places: Places = {}

    def made(self) -> Recurrence:
        graph, by_author = made_once(self._graph(), set())
        (loop,) = graph.loops()
        carried = self._carried(graph, loop)
        after = {c.after: state for state, c in carried.items()}
        for key, v in zip(self.recorded.params, graph.inputs, strict=False):
            v.name = self.rec.params[key]
        for node in loop.body:
            node.out.name = self.renamed.get(node.out.name or "", node.out.name)
        invented = name_values(loop, after, self.names)
        graph, by_us = made_once(graph, invented)
        self.instead = {v: by_us.get(first, first) for v, first in by_author.items()} | by_us
        wrt = graph.inputs[: len(self.recorded.params) + 1 + len(self.rec.states)]
        whole = differentiated(graph, graph.results[0], wrt)
        ahead, *back = whole.loops()
        if len(back) != 1:
            raise Unwritable(
                f"derive: no gradient comes back through the steps of {self.rec.title}\n"
                "give a cell whose states depend on x, on the state before, or on its parameters"
            )
        self._forward(whole, ahead, carried, invented, back[0])
        self._backward(whole, ahead, back[0], carried)
        self._entries()
        return tidied(self.rec)

    def _entries(self) -> None:
        """Find where each named value stands on the tape, by step: its first call, and the calls that repeat it."""
        first: dict[str, dict[int, int]] = {}
        repeats: dict[str, dict[int, list[int]]] = {}
        for number, (_, _, _, out, _) in enumerate(self.recorded.tape.lines()):
            if id(out) not in self.places:
                continue
            _, v, step = self.places[id(out)]
            known = self.known.get(self.instead.get(v, v))
            if not isinstance(known, Ref) or known.step != 0 or known.name == X:
                continue
            if v in self.instead:
                repeats.setdefault(known.name, {}).setdefault(step, []).append(number)
            else:
                first.setdefault(known.name, {}).setdefault(step, number)
        self.rec.entries = {name: [at[k] for k in sorted(at)] for name, at in first.items()}
        self.rec.repeats = {name: [at[k] for k in sorted(at)] for name, at in repeats.items()}

    # ------------------------------------------------------------------------------------------------ the graph

    def _graph(self) -> Graph:
        """Return the tape rolled up by time: one loop, whose steps read x, the states and the parameters."""
        r = self.recorded
        self._require_examples_apart()
        inputs = [*r.params.values(), r.xs, *r.states.values(), r.per_step, *r.dlast.values()]
        graph = roll(r.tape.lines(), inputs, [r.loss], self.places)
        loops = graph.loops()
        if len(loops) != 1 or loops[0].length != len(r.xs) or any(row.offset for row in loops[0].rows):
            found = likeness(r.tape)  # the first step reads the initial state, and so always differs
            later = {t: words for t, words in found.differences.items() if t}
            words = next((f"step {t}: {words}" for t, words in (later or found.differences).items()), "")
            raise Unwritable(
                f"derive: the steps of {self.rec.title} are not alike{': ' * bool(words)}{words}\n"
                "give a cell with the same operations at every step, which reads nothing older than the step before"
            )
        loop = loops[0]
        for row in loop.rows:
            if row.outer not in (graph.inputs[len(r.params)], graph.inputs[-1 - len(r.dlast)]):
                raise Unwritable(
                    f"derive: the steps of {self.rec.title} read {row.outer.name or 'a value'} that differs "
                    "from step to step\nonly x may differ: give the value as a part of x"
                )
        self.rec.left_out = without_dead_lines(loop)
        return graph

    def _require_examples_apart(self) -> None:
        """Raise ValueError where a line between states has no axis of the batch, and what it reads has."""
        r, lines = self.recorded, self.recorded.tape.lines()
        made = [out for _, _, _, out, scope in lines if out.name in r.states and time_of(scope) is not None]
        for (op, args, _, out, _), on_path in between(lines, [*r.states.values(), r.xs], made):
            if r.batch not in out.shape and any(r.batch in args[k].shape for k in on_path):
                raise Unwritable(
                    f"derive: {self.rec.title} joins the examples of a batch by {op.name}, and a derivation is of one "
                    "example\nreduce axes of units alone; bptt.flow and draw take such a cell, as batch normalization"
                )

    def _carried(self, graph: Graph, loop: Loop) -> dict[str, Carry]:
        """Return the carry of each state."""
        begin = len(self.recorded.params) + 1
        found = {}
        for state, v in zip(self.rec.states, graph.inputs[begin:], strict=False):
            found[state] = next(c for c in loop.carries if c.init is v)
        return found

    # ------------------------------------------------------------------------------------------------- forward

    def _forward(self, graph: Graph, loop: Loop, carried: dict[str, Carry], invented: set[Value], back: Loop) -> None:
        rec, shapes = self.rec, self.rec.shapes
        known: dict[Value, Expr] = {}
        for key, v in zip(self.recorded.params, graph.inputs, strict=False):
            known[v] = Ref(rec.params[key], None, v.shape)
            shapes[rec.params[key]] = v.shape
        known |= self._rows(graph, loop)
        shapes |= {ref.name: ref.shape for ref in known.values() if isinstance(ref, Ref) and ref.step == 0}
        shapes.setdefault(X, self.recorded.xs.shape[1:])
        for state, carry in carried.items():
            shapes[state] = self.recorded.states[rec.keys[state]].shape
            known[carry.before] = Ref(state, -1, carry.before.shape)
        after = {carry.after: state for state, carry in carried.items()}
        stacked = {out.outer: out.inner for out in loop.stacks}
        needed = {stacked[row.outer] for row in back.rows if row.outer in stacked}
        needed |= {whole_array(v, loop) for v in needed}
        splits = parts_of(loop.body)
        part_of = {node.out: key for key, nodes in splits.items() for node in nodes}
        for node in loop.body:
            if node.out in known:
                continue
            if node.out in part_of and known.get(part_of[node.out][0]) is not None:
                base, axis = part_of[node.out]
                self._split(base, axis, splits[base, axis], known)
                continue
            right = read(node, lambda v: self._known(v, known), self.recorded.batch)
            name = after.get(node.out) or node.out.name
            within = any(isinstance(part, Ref) and part.step is not None for part in walk(right))
            late = node.out in needed and not name and within and not is_cheap(right) and right not in self.defined
            if late:
                name = node.out.name = self.names.take(_made_up(right))
                invented.add(node.out)
            turned = not within and isinstance(right, Op) and right.name == "transpose"
            if not name or turned or (isinstance(right, Ref) and node.out not in after):
                known[node.out] = self.kept.get(right, right)
                continue
            target = Ref(name, 0 if within or node.out in after else None, node.out.shape)
            shapes[name] = node.out.shape
            where = rec.forward if target.step == 0 else rec.setup
            where.append(Equation((target,), right, node.out in invented))
            if late:
                self.kept[right] = target
            if not is_cheap(right):  # 1 - g * g stays as it is where h is g * g: 1 - h would be hard to follow
                self.defined.setdefault(right, target)
            known[node.out] = target
        self.known = known

    def _rows(self, graph: Graph, loop: Loop) -> dict[Value, Expr]:
        """Return the quantities x and target that the steps of a loop read."""
        named = {graph.inputs[len(self.recorded.params)]: X}
        if self.rec.target:
            named[graph.inputs[-1 - len(self.recorded.dlast)]] = self.rec.target
        return {row.inner: Ref(named[row.outer], 0, row.inner.shape) for row in loop.rows if row.outer in named}

    def _split(self, base: Value, axis: int, nodes: list[Node], known: dict[Value, Expr]) -> None:
        """Add the equation of the parts of an array, all at once."""
        whole = known[base]
        step = 0 if any(isinstance(part, Ref) and part.step is not None for part in walk(whole)) else None
        targets = tuple(Ref(str(node.out.name), step, node.out.shape) for node in nodes)
        for node, target in zip(nodes, targets, strict=True):
            known[node.out] = target
            self.rec.shapes[target.name] = target.shape
            self.defined[read(node, lambda v: self._known(v, known), self.recorded.batch)] = target
        right = Op("split", (whole,), (("parts", len(nodes)), ("axis", axis)), whole.shape)
        (self.rec.forward if step == 0 else self.rec.setup).append(Equation(targets, right))

    def _known(self, v: Value, known: Mapping[Value, Expr]) -> Expr:
        if v in known:
            return known[v]
        if v.constant is not None and v.constant.size and np.all(v.constant == v.constant.flat[0]):
            return Num(v.constant.flat[0].item(), ())
        raise Unwritable(
            f"derive: {self.rec.title} reads an array {v.shape} that is neither x, a state nor a parameter\n"
            "give it among the parameters"
        )

    # ------------------------------------------------------------------------------------------------ backward

    def _backward(self, graph: Graph, ahead: Loop, back: Loop, carried: dict[str, Carry]) -> None:
        rec, r = self.rec, self.recorded
        outside = self._outside(graph, back)
        known: dict[Value, Expr] = self.known | self._rows(graph, back)
        stacked = {out.outer: out.inner for out in ahead.stacks}
        for row in back.rows:
            if row.outer in stacked:
                known[row.inner] = self.known[stacked[row.outer]]
            elif row.inner not in known:
                found = outside(row.outer)
                if found not in (Ref(UPSTREAM, None), Num(1)):
                    raise Unwritable(
                        f"derive: in {rec.title}, the walk back reads a value that is computed outside of the steps\n"
                        "compute it in the cell"
                    )
                known[row.inner] = found if isinstance(found, Num) else Ref(UPSTREAM, 0, row.inner.shape)
        handed_by: dict[str, Carry] = {}
        for carry in back.carries:
            state = next(s for s, c in carried.items() if f"d{s}" == carry.before.name)
            handed_by[state] = carry
            known[carry.before] = Ref(following(state), 0, carry.before.shape)
            rec.shapes[following(state)] = carry.before.shape
        count: dict[Value, int] = {}
        for v in [a for node in back.body for a in node.reads()] + [o.inner for o in back.outs()]:
            count[v] = count.get(v, 0) + 1
        handed = {carry.after for carry in back.carries}
        outside_names = {X, *rec.params.values(), *(t.name for equation in rec.setup for t in equation.targets)}
        for node in back.body:
            right = read(node, lambda v: self._known(v, known), r.batch)
            right = rebuilt(right, self.defined.get)
            name = node.out.name
            inside = [part for part in refs(right) if part.name in rec.cotangents or part.name in (UPSTREAM,)]
            inside += [part for part in refs(right) if part.name in {following(s) for s in rec.states}]
            of_result = name is not None and name[1:] in outside_names
            handed_on = node.out in handed and not any(p.name == UPSTREAM for p in inside)
            handed_on = handed_on and not of_this_step(node.out, back)
            complete = name is not None and name[1:] in rec.shapes
            if isinstance(right, Ref | Num) or not (inside or complete) or of_result or handed_on:
                known[node.out] = right
                continue
            of_batch = r.batch in node.out.shape
            once = count.get(node.out, 0) < 2 or _is_of_a_name(right, "transpose") or _is_of_a_name(right, "negative")
            if name is None and (once or not of_batch):
                known[node.out] = right
                continue
            invented = name is None or name in rec.shapes
            if name is None or name in rec.shapes:
                name = self.names.cotangent()
            target = Ref(name, 0, node.out.shape)
            rec.shapes[name] = node.out.shape
            rec.cotangents[name] = name[1:]
            rec.backward.append(Equation((target,), right, invented))
            self.defined[right] = target
            known[node.out] = target
        for state in rec.states:
            carry_back = handed_by.get(state)
            rec.handed[state] = None if carry_back is None else self._known(carry_back.after, known)
        results = dict(zip([*r.params, "x", *rec.states], graph.results[1:], strict=True))
        sums = {out.outer: out.inner for out in back.sums}
        stacks = {out.outer: out.inner for out in back.stacks}
        for key in r.params:
            v = results[key]
            if v not in sums and v.constant is None:
                raise Unwritable(f"derive: {rec.title} reads {key} outside of its steps\nread it in the cell alone")
            rec.terms[key] = _some(self._known(sums[v], known)) if v in sums else None
        rec.dx = _some(self._known(stacks[results["x"]], known)) if results["x"] in stacks else None

    def _outside(self, graph: Graph, back: Loop) -> Find:
        """Return a function that gives a Value outside of time as an expression of the upstream gradients."""
        r = self.recorded
        known: dict[Value, Expr] = {}
        for name, v in zip([UPSTREAM, *r.dlast], graph.inputs[-1 - len(r.dlast) :], strict=True):
            known[v] = Ref(name, None, v.shape)
        nodes = {node.out: node for node in graph.items if isinstance(node, Node)}

        def find(v: Value) -> Expr:
            if v in known:
                return known[v]
            if v in nodes:
                return read(nodes[v], find, r.batch)
            return self._known(v, {})

        return find


def _title(cell: Callable[..., object]) -> str:
    """Return the name of a cell; for an object that of its class, so that the name is the same in every run."""
    named = hasattr(getattr(cell, "func", cell), "__name__")
    return cell_name(cell) if named else type(cell).__name__


def _some(x: Expr) -> Expr | None:
    return None if x == Num(0) else x


def _made_up(right: Expr) -> str:
    """Return a name for a value that has none: `tanh_c` for tanh(c_t)."""
    if isinstance(right, Op) and len(right.args) == 1 and isinstance(right.args[0], Ref):
        return f"{right.name}_{right.args[0].name}"
    return "a"


def _is_of_a_name(right: Expr, operation: str) -> bool:
    return isinstance(right, Op) and right.name == operation and isinstance(right.args[0], Ref)
