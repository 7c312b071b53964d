"""Derive: BPTT of any cell, written down from its tape, as formulas and as code.

>>> from tinygrad_rnn import bptt, nn
>>> derivation = bptt.derive(nn.rnn)
>>> print(derivation.lines()["dU"])
∂L/∂U = Σ_t δ_t h_{t-1}ᵀ
>>> derivation.lines_by_name()["dweight_hh"]
'∂L/∂U = Σ_t δ_t h_{t-1}ᵀ'
>>> [line.strip() for line in derivation.numpy().splitlines() if "dz =" in line]
['dz = dh * (1 - h**2)  # h = np.tanh(z)']
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from tinygrad_rnn.bptt.comparison.case import Gradients
from tinygrad_rnn.bptt.derivation.chains import chains
from tinygrad_rnn.bptt.derivation.checking import require_equal, require_right, run
from tinygrad_rnn.bptt.derivation.code import Code
from tinygrad_rnn.bptt.derivation.documents import STYLES, Document
from tinygrad_rnn.bptt.derivation.equations import Recurrence
from tinygrad_rnn.bptt.derivation.formatting import WIDTH
from tinygrad_rnn.bptt.derivation.formula_line import Partial
from tinygrad_rnn.bptt.derivation.formulas import Formulas
from tinygrad_rnn.bptt.derivation.numbers import Numbers
from tinygrad_rnn.bptt.derivation.one_example import has_matrices, needs_matrices, of_one_example
from tinygrad_rnn.bptt.derivation.printed_as import NOTATIONS, PrintedAs, layouts, nndl_names
from tinygrad_rnn.bptt.derivation.reading import Unwritable
from tinygrad_rnn.bptt.derivation.recurrence import recurrence
from tinygrad_rnn.bptt.derivation.symbols import Writer
from tinygrad_rnn.bptt.derivation.trace import Setting
from tinygrad_rnn.bptt.derivation.with_batch import with_batch
from tinygrad_rnn.bptt.derivation.worksheets import Worksheet, of_code, of_formulas
from tinygrad_rnn.bptt.diagnosis.problems import Example
from tinygrad_rnn.bptt.diagnosis.submission import LAYOUTS
from tinygrad_rnn.bptt.homework.own_cell import own_cell
from tinygrad_rnn.nn.parameters import Cell
from tinygrad_rnn.tape.steps import time_of


class Derivation:
    """BPTT of a cell, as formulas and as code. The code is run and compared with the tape before it is returned."""

    def __init__(self, setting: Setting, names: Mapping[str, str] | None, printed_as: PrintedAs) -> None:
        self._setting, self._printed_as = setting, printed_as
        self.recorded = setting.small()
        self.recurrence: Recurrence = recurrence(self.recorded, names)
        self._of_one: Recurrence | None = None  # with matrices: for one example, of which both printings are made
        if has_matrices(self.recurrence):
            with self._with_words():
                self._in_matrices()
        self._sources: dict[int, str] = {}

    @property
    def title(self) -> str:
        """The name of the cell."""
        return self.recurrence.title

    def _in_matrices(self) -> None:
        """Write the recurrence for one example; a cell with vectors as states may do without."""
        read, batch = self.recurrence, self.recorded.batch
        try:
            of_one = of_one_example(read, batch)
            self._of_one, self.recurrence = of_one, with_batch(of_one, read, batch)
        except Unwritable:
            if needs_matrices(read):
                raise

    @contextmanager
    def _with_words(self) -> Iterator[None]:
        """Refuse a cell whose matrices find no formula, in the place of an error from within.

        A cell that makes no matrices, or that has matrices as states, has none of its own fault.
        """
        try:
            yield
        except (IndexError, ValueError, ArithmeticError) as error:
            states = [s.shape for s in self.recorded.states.values()]
            of_steps = [out.shape for _, _, _, out, scope in self.recorded.tape.lines() if time_of(scope) is not None]
            beyond = next((shape for shape in of_steps if len(shape) > 2 and shape not in states), None)
            own = isinstance(error, ArithmeticError) and needs_matrices(self.recurrence)
            if beyond is None or own or str(error).startswith("derive:") != isinstance(error, ArithmeticError):
                raise
            raise Unwritable(
                f"derive: {self.title} makes an array {beyond} on its way, and there is no formula for what it "
                "does with it\nwrite products as outer products, S k and k^T S, or as np.einsum, and lay other entries "
                "side by side"
            ) from error

    def _source(self, width: int) -> str:
        if width not in self._sources:
            with self._with_words():
                source = Code(self.recurrence, width=width).source()
                require_right(run(source, self.title)["gradients"], self._setting, self.title)
            self._sources[width] = source
        return self._sources[width]

    def numpy(self, width: int = WIDTH) -> str:
        """Return a file of Python with `forward`, `backward` and `gradients`.

        `gradients(params, xs, state, dhs, dlast=None)` returns a dict of gradients by name. The file imports NumPy
        alone and is right for every T and batch size. A line has at most `width` characters.

        Raises ArithmeticError where the code and the tape differ.
        """
        return self._source(width)

    @cached_property
    def formulas(self) -> Formulas:
        """The formulas. Each is checked: its sides are the same numbers, and those of the tape."""
        with self._with_words():
            formulas = Formulas(self._of_one or self.recurrence, self._printed_as)
            require_equal(formulas, Numbers(self.recorded, formulas.rec), self.title)
        return formulas

    def lines(self, to: str = "text") -> dict[str, str]:
        """Return every formula by name, in "text", "latex" or "html" (MathML)."""
        writer = Writer(self.formulas, STYLES[_known(to)]())
        return {f.name: writer.formula(f) for f in self.formulas.all}

    def lines_by_name(self, to: str = "text") -> dict[str, str]:
        """Return the line of each value by its name, `h`, and that of its gradient by `dh`: for `draw.play(lines=...)`.

        A parameter has its name in the cell, `dweight_hh`. The lines of the initial state are left out: they speak of
        a single step.
        """
        writer, found = Writer(self.formulas, STYLES[_known(to)]()), {}
        theirs = {short: name for name, short in self.recurrence.params.items()}
        for f in self.formulas.all:
            if f.section not in ("forward", "errors", "gradients") or f.at in ("first", "t"):
                continue
            for left in f.left:
                gradient = isinstance(left, Partial)
                name = left.below.name if isinstance(left, Partial) else left.name
                found["d" * gradient + theirs.get(name, name)] = writer.formula(f)
        return found

    def chains(self, T: int, to: str = "text") -> dict[str, str]:
        """Return for each parameter and t = 1, ..., T the derivative of L_t by it, as the sum of its chains.

        Raises ValueError for too many chains, and for chains through arrays that are joined from parts.
        """
        writer = Writer(self.formulas, STYLES[_known(to)]())
        return {f.name: writer.formula(f) for f in chains(self.formulas, T)}

    def write(self, to: str = "markdown", *, steps: int = 0, entries: bool = False, reasons: bool = False) -> str:
        """Return the derivation as a document: "latex", "markdown", "html" or "text"; "numpy" is the code.

        steps: the number of first steps whose chains are added. entries: add to every formula the entries of
        `recorded.tape` that it came from. reasons: say under every formula why it holds.
        """
        if to == "numpy":
            return self.numpy()
        formulas = [*self.formulas.all, *(chains(self.formulas, steps) if steps else [])]
        writer = Writer(self.formulas, STYLES[_known(to)]())
        return Document(self.title, formulas, writer, to, entries=entries, reasons=reasons).text()

    def worksheet(self, to: str = "markdown", *, blanks: int | Sequence[str] = 3, seed: int = 0) -> Worksheet:
        """Return the derivation with some lines left blank, and the answers.

        blanks: the number of blanks, drawn with `seed`; or the names of lines, as in `lines()`: "dz", "dh/dz". With
        to="numpy" the worksheet is the file of `numpy()`, with the names of its lines: "dz", "dU", "dx", "dh_next".
        A blank that is run raises NotImplementedError with its name; `bptt.doctor` marks the finished worksheet.
        """
        if to == "numpy":
            return of_code(self.recurrence, self.numpy(), blanks, seed)
        return of_formulas(self.formulas, _known(to), blanks, seed)

    def __repr__(self) -> str:
        return f"<Derivation of {self.title}: print it for the formulas, .numpy() is the code>"

    def _document(self, to: str) -> Document:
        return Document(self.title, self.formulas.all, Writer(self.formulas, STYLES[to]()), to)

    def _repr_markdown_(self) -> str:
        return self._document("markdown").for_notebook()

    def _repr_latex_(self) -> str:
        return self._document("latex").for_mathjax()

    def __str__(self) -> str:
        return self.write("text")

    @cached_property
    def gradients(self) -> Callable[..., Gradients]:
        """The function `gradients` of the file of `numpy()`, in the form of `bptt.compare` and `bptt.doctor`."""
        found: Callable[..., Gradients] = run(self.numpy(), self.title)["gradients"]
        return found


def _known(to: str) -> str:
    if to not in STYLES:
        raise ValueError(f"derive: to={to!r}\ngive one of {', '.join(STYLES)}, or numpy")
    return to


def derive(
    cell: Any,
    *arguments: Any,
    example: Example | None = None,
    readout: Cell | None = None,
    loss: Cell | None = None,
    names: Mapping[str, str] | None = None,
    layout: str | Sequence[str] = "rows",
    bias: bool = True,
    first_step: int = 1,
    notation: str = "own",
) -> Derivation:
    """Write down BPTT of a cell from its tape.

    With arguments it takes what `examine` takes, `derive(net, inputs, targets)`: the cell is then the step of the
    loop over time, and the derivation begins at dL_t/dh_t. Else:

    cell: any `cell(params, x, *state)` of matrix products, arithmetic, elementwise functions, sums over an axis, and
    parts of arrays. Formulas use its author's names: of parameters, of states, of its local variables, and those
    given by `named`; c_tilde is written as c with a tilde above. Parameters of nn are W, U, b_ih and b_hh. `names`
    gives other names for parameters and local variables: {"Wax": "weight_ih", "c_tilde": "g"}.

    example(rng, T, B) -> params, xs (T, B, I), state: a problem of a length and a batch size. Cells of nn have their
    own, with biases unless bias=False. With layout="columns" it returns xs (I, B, T), and the cell takes x (I, B) and
    states (H, B), as for `doctor`.

    readout(params, h) -> y and loss(y, target) -> the loss of a step, summed over the batch. The derivation then begins
    at the loss, with example(rng, T, B) -> params, xs, state, targets. Without a readout the loss takes h. Without a
    loss the derivation begins at dL_t/dh_t.

    first_step: the number that formulas write for the first step: 1, as textbooks do, and the initial state is h_0; or
    0, as tapes and drawings do, and it is h_{-1}. Names of lines and of chains count from 1 in any case.

    layout has one word for the arrays of the cell, "rows" or "columns", or one for derivatives, or both, as
    "columns,denominator". With "numerator" dh/dz has a row for each entry of h; with "denominator" one for each entry
    of z, so that all local derivatives and step Jacobians are transposed.

    notation: "own", or "nndl" for that of NNDL, chapter 6: denominator layout, unless layout says another; error terms
    delta_{t,k} = dL_t/dz_k of each loss, and double sums of them; in cells of nn the candidates c~ and h~.

    Raises ValueError for another first step, for a cell whose steps differ, with the first difference, and for a cell
    without such formulas.
    """
    of_data, of_derivatives = layouts(layout)
    if arguments:
        if example or readout or loss or of_data != LAYOUTS[0]:
            raise ValueError(
                "derive: example, readout, loss and the layout of arrays are for a cell(params, x, *state)\n"
                "leave them out: code that is given with its arguments has its own"
            )
        cell, example, of_data = own_cell(cell, arguments)
    if notation not in NOTATIONS:
        raise ValueError(f"derive: notation {notation!r}\ngive one of {', '.join(NOTATIONS)}")
    if first_step not in (0, 1):
        raise ValueError(f"derive: first_step={first_step!r}\ngive 0 or 1")
    columns = of_data == "columns"
    if columns and example is None:
        raise ValueError(
            "derive: layout='columns' is for a cell of your own\ngive example(rng, T, B), or leave out layout"
        )
    if not callable(cell):
        raise TypeError(f"derive: the cell is a {type(cell).__name__}\ngive a function cell(params, x, *state)")
    if hasattr(cell, "num_layers"):
        raise TypeError(
            f"derive: {type(cell).__name__} is a layer, not a cell\n"
            "give its cell, nn.lstm for nn.LSTM: every layer and direction runs that cell over its input"
        )
    setting = Setting(cell, example, columns, bias, readout, loss)
    each_loss = notation == "nndl"
    denominator = of_derivatives == "denominator" or (each_loss and of_derivatives is None)
    names = {**(nndl_names(cell) if each_loss else {}), **(names or {})}
    return Derivation(setting, names, PrintedAs(first_step, denominator, each_loss))
