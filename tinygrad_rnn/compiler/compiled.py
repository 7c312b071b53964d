"""`compile(f)`: a function that is recorded for each shape of its arguments, and runs as a compiled program."""

from __future__ import annotations

import copy
import gc
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tinygrad_rnn.compiler.contents import contents
from tinygrad_rnn.compiler.cost import cost_table, measured
from tinygrad_rnn.compiler.determinism import Recording, require_same, require_same_extras
from tinygrad_rnn.compiler.pipeline import AFTER, BEFORE, PASSES, checked, improved
from tinygrad_rnn.compiler.program import Build, Program
from tinygrad_rnn.compiler.signature import collect, is_array, native
from tinygrad_rnn.core.counting import counted
from tinygrad_rnn.core.recording import current, where_text
from tinygrad_rnn.core.tensor import Tensor
from tinygrad_rnn.core.trees import flattened, mapped
from tinygrad_rnn.graph.differentiate import differentiated
from tinygrad_rnn.graph.graph import Array, Graph, forget
from tinygrad_rnn.graph.passed_over import passed_over
from tinygrad_rnn.graph.roll import roll
from tinygrad_rnn.language.saying import counts, say, template
from tinygrad_rnn.notebook.html_parts import box, faint, sentences
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.transforms.transforms import Argnums, Function, Run

KEPT = 16
"""The number of programs that a compiled function keeps: those used last."""

Key = tuple[Hashable, ...]
"""The key of a program among those of its function."""


def compile(f: Function, argnums: Argnums = 0, has_aux: bool = False, passes: Iterable[str] = PASSES) -> Compiled:
    """`value_and_grad(f, argnums, has_aux)`, compiled: the same arguments, the same answer.

    The first call with arguments of given shapes and dtypes runs f twice on a tape and makes a program of it, forward
    and backward; further calls run the program. The last 16 programs are kept. Constants of a program are the numbers,
    strings and all else that is no array among the arguments, and everything that f reads from elsewhere. Of an
    argument that is no array, tuple, list or dict, each call reads the contents, and other contents make another
    program. So arrays that change from call to call are arguments, in tuples, lists and dicts; `argnums` says which
    are differentiated.

    `passes`: those of `compiler.PASSES` that improve the program; with none, it makes the tape's calls in their order.

    Raises TypeError where f takes a value off the tape (`if h.sum() > 0`, `float(h)`), ValueError where two runs of f
    differ (random numbers drawn inside), RuntimeError while a tape is open: what a program does is not recorded.
    Not for two threads at a time.
    """
    return Compiled(f, argnums, has_aux, passes)


class Compiled:
    """A function and its programs."""

    def __init__(self, f: Function, argnums: Argnums, has_aux: bool, passes: Iterable[str]) -> None:
        self._f = f
        self._argnums = tuple(argnums) if isinstance(argnums, Iterable) else argnums
        self._has_aux = has_aux
        self._passes = checked(passes)
        self._programs: OrderedDict[Key, Program] = OrderedDict()
        self.__doc__ = getattr(f, "__doc__", None)
        self.__name__ = getattr(f, "__name__", "compiled")

    def __repr__(self) -> str:
        return f"<Compiled {self.__name__}: {counted(len(self._programs), 'program')}>"

    def _repr_html_(self) -> str:
        size = counts(len(self._programs), template("{n:,} program"), template("{n:,} programs"))
        title = say("Compiled {name}: {size}", name=self.__name__, size=size)
        if not self._programs:
            return box(title, sentences([say("The first call records the function and makes a program of it.")]))
        rows = [
            (say("program {k}", k=k), measured(program.layout)) for k, program in enumerate(self._programs.values())
        ]
        passes = ", ".join(name for name in PASSES if name in self._passes) or say("none")
        return box(title, cost_table(rows), faint(say("passes: {passes}", passes=passes)))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return (value, gradient), or ((value, anything), gradient) with `has_aux`."""
        if current()[0]:
            raise RuntimeError(
                f"compile: {self.__name__} was called while a tape is open, which would not see what it does"
                f"{where_text()}\ncall it outside of the tape, or value_and_grad(f) inside"
            )
        key, values = self._read(args, kwargs)
        found = self._programs.get(key)
        if found is None:
            found = self._made(key, args, kwargs)
        elif len(self._programs) > 1:
            self._programs.move_to_end(key)
        return found.answer(values)

    def __getstate__(self) -> dict[str, Any]:
        """Return all but the programs: a copy makes its own."""
        return self.__dict__ | {"_programs": OrderedDict()}

    def program(self, *args: Any, **kwargs: Any) -> Program:
        """Return the program for arguments like these."""
        key, _ = self._read(args, kwargs)
        return self._programs.get(key) or self._made(key, args, kwargs)

    def _read(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Key, list[Array]]:
        """Return the key of the program, and the arrays among the arguments."""
        key: list[Hashable] = []
        values: list[Array] = []
        try:
            for k, a in enumerate(args):
                collect(a, key, values, self._differentiated(k, len(args)))
            for name, a in kwargs.items():
                key.append(name)
                collect(a, key, values, False)
        except RecursionError:
            for given in (args, kwargs):
                flattened(given)  # raises where an argument holds itself
            raise
        return tuple(key), values

    def _differentiated(self, k: int, count: int) -> bool:
        argnums = self._argnums if isinstance(self._argnums, tuple) else (self._argnums,)
        return any(n in (k, k - count) for n in argnums)

    def _made(self, key: Key, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Program:
        with _without_collector():
            program = _compiled(self._f, args, kwargs, self._argnums, self._has_aux, self._passes)
        self._programs[key] = program
        while len(self._programs) > KEPT:
            self._programs.popitem(last=False)
        return program


@contextmanager
def _without_collector() -> Iterator[None]:
    """Stop the garbage collector: none of a tape's objects is garbage, and the search takes a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _compiled(
    f: Function,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    argnums: Argnums,
    has_aux: bool,
    passes: frozenset[str],
) -> Program:
    run, inputs = _recorded(f, args, kwargs, argnums, has_aux)
    again, other_inputs = _recorded(f, args, kwargs, argnums, has_aux)
    recordings = Recording(run.tape.lines(), inputs), Recording(again.tape.lines(), other_inputs)
    require_same(*recordings)
    named, others = flattened(run.raw_aux)[0], flattened(again.raw_aux)[0]
    require_same_extras(recordings[0], named, recordings[1], others)
    loss = run.loss()
    run.tape.seeds(loss)  # raises where it has no gradient
    extras = [y for _, y in named]
    followed = [y for y in extras if isinstance(y, Tensor)]
    left_out = passed_over(run.tape.lines(), loss, run.inputs)
    graph = roll(run.tape.lines(), inputs, [loss, *followed], left_out=left_out)
    places = {id(x): k for k, x in enumerate(inputs)}
    wrt = [places[id(x)] for x in run.inputs]
    build_value, build_aux, build_gradients = (
        _builder(t) for t in (run.out_tree, run.raw_aux, run.inputs_like(run.inputs))
    )
    known = [None if isinstance(y, Tensor) else (copy.deepcopy(y),) for y in extras]
    count = 1 + len(followed)

    def answer(results: list[Array]) -> Any:
        value, gradients = build_value(results[:1]), build_gradients(results[count:])
        if not has_aux:
            return value, gradients
        fresh = iter(results[1:count])
        found = [next(fresh) if k is None else copy.deepcopy(k[0]) for k in known]
        return (value, build_aux(found)), gradients

    return program_of(graph, wrt, passes, answer)


def program_of(
    rolled: Graph,
    wrt: Sequence[int],
    passes: frozenset[str],
    answer: Build,
    names: Sequence[Hashable] = (),
    fixed: Sequence[tuple[Hashable, Array]] = (),
) -> Program:
    """Return the program of a rolled tape. It keeps the graph and no array of the recording."""
    graph = _whole(rolled, wrt, passes)
    program = Program(graph, passes, answer, names, fixed, stage=lambda chosen: _whole(rolled, wrt, frozenset(chosen)))
    forget(rolled)
    forget(graph)
    return program


def _builder(tree: Any) -> Build:
    """Return a function that builds the same tree of other leaves, and keeps none of these."""
    if isinstance(tree, Tensor):
        return lambda leaves: leaves[0]
    if type(tree) is dict and not any(isinstance(branch, dict | tuple | list) for branch in tree.values()):
        names = list(tree)
        return lambda leaves: dict(zip(names, leaves, strict=True))
    return flattened(mapped(lambda leaf: None, tree))[1]


def _whole(graph: Graph, wrt: Sequence[int], passes: frozenset[str]) -> Graph:
    """Return a rolled tape with its gradients, after the passes."""
    graph = improved(graph, BEFORE, passes)
    graph = differentiated(graph, graph.results[0], [graph.inputs[k] for k in wrt])
    return improved(graph, AFTER, passes)


def _recorded(
    f: Function, args: tuple[Any, ...], kwargs: dict[str, Any], argnums: Argnums, has_aux: bool
) -> tuple[Run, list[Tensor]]:
    """Run f on a tape with Tensors for its array arguments; return these in the order of `Compiled._read`."""
    inputs: list[Tensor] = []

    def followed(path: str, value: Any) -> Any:
        if not is_array(value):
            return value
        name = path.rsplit("[", 1)[-1].rstrip("]").strip("'\"") or None
        named = value.name if isinstance(value, Tensor) else name if name and name.isidentifier() else None
        return Tensor(native(value.data if isinstance(value, Tensor) else value), named)

    def tree(given: Any) -> Any:
        leaves, rebuild = flattened(given)
        return rebuild([followed(path, leaf) for path, leaf in leaves])

    run = Run(
        "compile",
        _sealing(f, inputs, has_aux),
        tuple(tree(a) for a in args),
        tree(kwargs),
        argnums,
        has_aux,
        sealed=True,
    )
    return run, inputs


def _sealing(f: Function, inputs: list[Tensor], has_aux: bool) -> Function:
    """Return f on arguments whose values cannot leave the tape either."""

    def entered(x: Any) -> Any:
        if not isinstance(x, Tensor):
            return x
        inputs.append(x)
        tape = current()[0][0]
        assert isinstance(tape, Tape)
        tape.seal(x)
        return x

    def sealed(*args: Any, **kwargs: Any) -> Any:
        new = [mapped(entered, a) for a in args]  # in this order: inputs are counted
        found = f(*new, **mapped(entered, kwargs))
        if has_aux and isinstance(found, tuple) and len(found) == 2:
            for path, y in flattened(found[1])[0]:
                if not isinstance(y, Tensor):
                    _require_constant(path, y)
        return found

    return sealed


def _require_constant(path: str, y: object) -> None:
    """Raise TypeError for a result of f beside the loss that may hide a value of the tape."""
    try:
        if hasattr(type(y), "__next__"):
            raise TypeError
        contents(y)
        copy.deepcopy(y)
    except Exception as error:
        raise TypeError(
            f"compile: the function returns a {type(y).__name__} beside the loss, at [1]{path}, which may hold values "
            "that the program computes\nreturn Tensors in tuples, lists and dicts, and numbers or arrays beside them"
        ) from error
