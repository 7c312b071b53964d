"""The page of a cell: its sizes, picture, formulas, step Jacobian, gradient over time, and backward in NumPy."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from tinygrad_rnn.bptt.atlas.cell_entry import FLOAT64, CellEntry
from tinygrad_rnn.bptt.atlas.entry_pictures import cell_picture, curve_picture, pattern_picture, pattern_text
from tinygrad_rnn.bptt.atlas.linearity import Linear
from tinygrad_rnn.bptt.atlas.page_blocks import Block, Code, Grid, Heading, Image, Lines, Words
from tinygrad_rnn.bptt.atlas.published import PUBLISHED
from tinygrad_rnn.bptt.atlas.symbolic_sizes import USUAL, Size, shape_text
from tinygrad_rnn.bptt.derivation.documents import STYLES, Document
from tinygrad_rnn.bptt.derivation.symbols import Writer
from tinygrad_rnn.nn.time_loop import state_names

READER = "*For anyone who looks up a cell. To look things up.*"
I, H = USUAL
MINUS = "\N{MINUS SIGN}"


def rounded(log10: float) -> str:
    """Write log10 of a norm with one digit after the point, which no machine changes."""
    text = f"{log10:.1f}"
    return "0.0" if text == "-0.0" else text


def page_of(entry: CellEntry, to: str) -> list[Block]:
    """Return the page of a cell in "markdown", "html" or "text"."""
    facts = entry.facts
    at = f" There: {facts.at}." if facts.at else ""
    blocks: list[Block] = [Heading(1, facts.title)]
    if to == "markdown":
        blocks.append(Words(READER, ready=True))
    arguments = ", ".join(("params", "x", *state_names(facts.cell)))
    call = f"nn.rnn({arguments}, nonlinearity='relu')" if entry.name == "irnn" else f"nn.{entry.name}({arguments})"
    return [
        *blocks,
        Words(f"{facts.says} `{call}`; initial parameters: `nn.init.{entry.name}`."),
        Words(f"Source: {facts.paper}{at}"),
        *_sizes(entry),
        Heading(2, "Picture"),
        Image(f"{entry.name}-cell", f"{facts.title}: one step", cell_picture(facts)),
        *_formulas(entry, to),
        *_jacobian(entry, to),
        *_gradient(entry),
        *_code(entry),
    ]


def _sizes(entry: CellEntry) -> Iterator[Block]:
    cost = entry.cost
    sizes: list[tuple[str, Size]] = [
        ("parameters", entry.parameter_count),
        ("entries of the state", entry.state_size),
        ("multiply-adds of matrix products, a step", cost.products),
        ("other operations, a step", cost.others),
        ("of these from the old state to the new one: multiply-adds", cost.waiting_products),
        ("of these from the old state to the new one: others", cost.waiting_others),
    ]
    rows = [(name, str(size), f"{size.usual:,}") for name, size in sizes]
    rows.insert(2, ("bytes of the state in float64", "", f"{FLOAT64 * entry.state_size.usual:,}"))
    yield Heading(2, "Sizes and cost")
    yield Words(
        "I is the number of inputs, H the number of hidden units. Costs are those of one example, counted off the "
        "tape; only what leads from the old state to the new one must wait for the step before."
        + (f" {entry.facts.h_means}" if entry.facts.h_means else "")
    )
    yield Grid(("", "formula", f"I = {I}, H = {H}"), rows, right=(2,))
    letters = entry.derivation.recurrence.params if entry.derivation else {}
    names = [(f"`{name}`", letters.get(name, ""), shape_text(shape)) for name, shape in entry.parameters.items()]
    yield Grid(("parameter", "in the formulas", "shape"), names)
    yield Grid(("state", "shape"), [(f"`{name}`", shape_text(shape)) for name, shape in entry.states.items()])
    yield Words(_linear(entry))


def _linear(entry: CellEntry) -> str:
    if entry.linear is Linear.SCAN:
        return (
            "The new state is linear in the old one, entry by entry. So `nn.scan` computes what `nn.unroll` computes, "
            "in log2 T rounds."
        )
    if entry.linear is Linear.MIXED:
        return (
            "The new state is linear in the old one, but its entries mix. A scan would need products of whole "
            f"matrices: `nn.scan` refuses it ({entry.no_scan})."
        )
    return f"The new state is not linear in the old one. It cannot run as a scan: {entry.no_scan}."


def _formulas(entry: CellEntry, to: str) -> Iterator[Block]:
    yield Heading(2, "Formulas")
    if entry.derivation is None:
        yield Words(
            f"`derive` does not write down this cell: {entry.refusal}. So its error terms are not on this page. "
            "The forward pass, as the cell's docstring has it:"
        )
        yield Code(f"{inspect.cleandoc(entry.facts.cell.__doc__ or '')}\n", "text")
        return
    for key, heading, note, lines in _sections(entry, to):
        if key in ("forward", "errors", "gradients"):
            yield Heading(3, heading)
            if note:
                yield Words(note, ready=True)
            yield Lines(lines)


def _sections(entry: CellEntry, to: str) -> Iterator[tuple[str, str, str, list[str]]]:
    """Yield the name, heading, note and formulas of each section of the derivation."""
    if entry.derivation is not None:
        formulas = entry.derivation.formulas
        document = Document("", formulas.all, Writer(formulas, STYLES[to]()), to)
        for heading, note, inside in document.sections():
            if inside:
                yield inside[0].section, heading, note, [document.line(f) for f in inside]


def _jacobian(entry: CellEntry, to: str) -> Iterator[Block]:
    yield Heading(2, "The Jacobian of a step")
    for key, _, note, lines in _sections(entry, to):
        if key == "steps":
            if note:
                yield Words(note, ready=True)
            yield Lines(lines)
    several = len(entry.states) > 1
    pattern, letters = entry.pattern, ", ".join(entry.states)
    share = f"{pattern.entries.sum()} of {pattern.entries.size}"
    title = f"{entry.facts.title}: the entries of the step Jacobian that are not zero"
    yield Words(
        f"The whole state is s = ({letters}). "
        * several
        + f"Which entries of `ds_t/ds_{{t-1}}` are not zero, at I = 3 and H = 4: {share}. A row is an entry of the new "
        "state, a column an entry of the old one."
    )
    picture = pattern_picture(pattern, title)
    yield Image(f"{entry.name}-jacobian", title, picture, pattern_text(pattern))
    yield Words(
        f"At the initial parameters the spectral norm of this Jacobian is {entry.spectral_norm:.2f} (I = 10, H = 16, "
        "from the fourth step of a random sequence to the fifth)."
    )


def _gradient(entry: CellEntry) -> Iterator[Block]:
    yield Heading(2, "How a gradient fares over 200 steps")
    alt = f"{entry.facts.title}: the norm of the gradient of the state over 200 steps"
    output = next(iter(entry.states))
    yield Words(
        f"The loss reads the last {output} alone, and its gradient there has the norm 1. The curve is `|dL/ds_k|` of "
        "the whole state, 0 to 200 steps back, at the initial parameters "
        f"(I = {I}, H = {H}, 4 sequences of normal inputs)."
    )
    yield Image(f"{entry.name}-gradient", alt, curve_picture(entry.curve))
    marks = [(str(distance), rounded(value)) for distance, value in entry.marks.items()]
    yield Grid(("steps back", "log10 of the norm of dL/ds_k"), marks, right=(0, 1))


def _code(entry: CellEntry) -> Iterator[Block]:
    yield Heading(2, "The backward in NumPy")
    if entry.derivation is None:
        yield Words(f"`derive` does not write it: {entry.refusal}.")
    else:
        yield Words(
            "`bptt.derive` wrote this file and compared it with the tape, for several lengths and batch sizes. "
            f"`tinygrad-rnn atlas {entry.name}` prints this page."
        )
        yield Code(entry.derivation.numpy(), "python")
    yield Words(
        "The gradients of the tape agree with a complex step, or with differences where an operation is not analytic, "
        "by each parameter, input and initial state. Each size is counted at nine pairs of I and H, and its formula "
        "gives each of them."
    )
    yield Words(
        "Outputs, last states and all gradients agree to 1e-12 with code that others published, run in float64 at "
        f"T = 1, 2, 3 and 7 with one and three sequences: {PUBLISHED[entry.name]}"
    )
