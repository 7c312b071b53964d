"""The page of a cell: its sizes, picture, formulas, step Jacobian, gradient over time, and backward in NumPy."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from tinygrad_rnn.bptt.atlas.cell_entry import CellEntry
from tinygrad_rnn.bptt.atlas.entry_pictures import cell_picture, curve_picture, pattern_picture, pattern_text
from tinygrad_rnn.bptt.atlas.linearity import Linear
from tinygrad_rnn.bptt.atlas.page_blocks import Block, Code, Grid, Heading, Image, Lines, Words
from tinygrad_rnn.bptt.atlas.published import PUBLISHED
from tinygrad_rnn.bptt.atlas.symbolic_sizes import USUAL, Size, shape_text
from tinygrad_rnn.bptt.derivation.documents import STYLES, Document
from tinygrad_rnn.bptt.derivation.expressions import Ref
from tinygrad_rnn.bptt.derivation.symbols import Writer
from tinygrad_rnn.language.saying import after_each_other, listed, say, sentence
from tinygrad_rnn.nn.time_loop import state_names

I, H = USUAL


def rounded(log10: float) -> str:
    """Write log10 of a norm with one digit after the point, which no machine changes."""
    text = f"{log10:.1f}"
    return "0.0" if text == "-0.0" else text


def page_of(entry: CellEntry, to: str) -> list[Block]:
    """Return the page of a cell in "markdown", "html" or "text", in the language that is spoken."""
    title = str(entry.facts.title)
    blocks: list[Block] = [Heading(1, title)]
    if to == "markdown":
        blocks.append(Words(say("*For anyone who looks up a cell. To look things up.*"), ready=True))
    return [
        *blocks,
        *_source(entry),
        *_sizes(entry, to),
        *_picture(entry, title),
        *_formulas(entry, to),
        *_jacobian(entry, to, title),
        *_gradient(entry, title),
        *_code(entry),
    ]


def _source(entry: CellEntry) -> Iterator[Block]:
    facts = entry.facts
    arguments = ", ".join(("params", "x", *state_names(facts.cell)))
    call = f"nn.rnn({arguments}, nonlinearity='relu')" if entry.name == "irnn" else f"nn.{entry.name}({arguments})"
    initial = sentence("`{call}`; initial parameters: `nn.init.{name}`.", call=call, name=entry.name)
    yield Words(str(after_each_other([facts.says, initial])))
    source = sentence("Source: {paper}", paper=str(facts.paper))
    there = [sentence("There: {at}.", at=facts.at)] if facts.at else []
    book = [sentence("In NNDL: {equations}.", equations=facts.nndl)] if facts.nndl else []
    yield Words(str(after_each_other([source, *there, *book])))
    yield Words(say("What differs from the paper: {differs}", differs=facts.differs))


def _sizes(entry: CellEntry, to: str) -> Iterator[Block]:
    cost = entry.cost
    sizes: list[tuple[str, Size]] = [
        (say("parameters"), entry.parameter_count),
        (say("entries of the state"), entry.state_size),
        (say("bytes of the state in float64"), entry.state_bytes),
        (say("multiply-adds of matrix products, a step"), cost.products),
        (say("other operations, a step"), cost.others),
        (say("of these from the old state to the new one: multiply-adds"), cost.waiting_products),
        (say("of these from the old state to the new one: others"), cost.waiting_others),
    ]
    yield Heading(2, say("Sizes and cost"))
    meaning = sentence(
        "I is the number of inputs, H the number of hidden units. Costs are those of one example, counted off the "
        "tape; only what leads from the old state to the new one must wait for the step before."
    )
    yield Words(str(after_each_other([meaning, *[entry.facts.h_means] * bool(entry.facts.h_means)])))
    rows = [(name, str(size), f"{size.usual:,}") for name, size in sizes]
    yield Grid(("", say("formula"), f"I = {I}, H = {H}"), rows, right=(2,))
    letters = _letters(entry, to)
    names = [(f"`{name}`", letters.get(name, ""), shape_text(shape)) for name, shape in entry.parameters.items()]
    yield Grid((say("parameter"), say("in the formulas"), say("shape")), names, ready=(1,))
    states = [(f"`{name}`", shape_text(shape)) for name, shape in entry.states.items()]
    yield Grid((say("state"), say("shape")), states)
    yield Words(_linear(entry))


def _letters(entry: CellEntry, to: str) -> dict[str, str]:
    """Return what stands for each parameter in the formulas."""
    if entry.derivation is None:
        return {}
    writer = Writer(entry.derivation.formulas, STYLES[to]())
    around = {"markdown": "${}$", "html": "<math>{}</math>", "text": "{}"}[to]
    params = entry.derivation.recurrence.params
    return {name: around.format(writer.ref(Ref(letter, None))) for name, letter in params.items()}


def _linear(entry: CellEntry) -> str:
    if entry.linear is Linear.SCAN:
        return say(
            "The new state is linear in the old one, entry by entry. So `nn.scan` computes what `nn.unroll` computes, "
            "in log2 T rounds."
        )
    if entry.linear is Linear.MIXED:
        return say(
            "The new state is linear in the old one, but its entries mix. A scan would need products of whole "
            "matrices: `nn.scan` refuses the cell."
        )
    return say("The new state is not linear in the old one. So the steps cannot run as a scan.")


def _picture(entry: CellEntry, title: str) -> Iterator[Block]:
    drawn = cell_picture(entry.facts, entry.states)
    yield Heading(2, say("Picture"))
    yield Words(
        say(
            "One step, from below: x at the bottom, a box for each gate and each named value with its shape, for 2 "
            "examples at I = 3 and H = 4. States are blue, and so are the arrows to the next step."
        )
    )
    yield Image(f"{entry.name}-cell", say("{title}: one step", title=title), drawn.svg, drawn.text)


def _formulas(entry: CellEntry, to: str) -> Iterator[Block]:
    yield Heading(2, say("Formulas"))
    if entry.derivation is None:
        yield Words(
            say(
                "`derive` does not write down this cell: {refusal}. So its error terms are not on this page. The "
                "forward pass, as the cell's docstring has it:",
                refusal=entry.refusal,
            )
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


def _jacobian(entry: CellEntry, to: str, title: str) -> Iterator[Block]:
    yield Heading(2, say("The Jacobian of a step"))
    for key, _, note, lines in _sections(entry, to):
        if key == "steps":
            if note:
                yield Words(note, ready=True)
            yield Lines(lines)
    pattern = entry.pattern
    share = sentence(
        "At I = 3 and H = 4, {full} of the {all} entries of `ds_t/ds_{{t-1}}` are not zero. A row is an entry of the "
        "new state, a column an entry of the old one.",
        full=int(pattern.entries.sum()),
        all=pattern.entries.size,
    )
    whole = sentence("The whole state is s = ({letters}).", letters=", ".join(entry.states))
    yield Words(str(after_each_other([*[whole] * (len(entry.states) > 1), share])))
    alt = say("{title}: the entries of the step Jacobian that are not zero", title=title)
    yield Image(f"{entry.name}-jacobian", alt, pattern_picture(pattern, alt), pattern_text(pattern))
    yield Words(
        say(
            "The spectral norm of this Jacobian is the largest factor by which one step back can multiply the norm of "
            "a gradient. At the initial parameters it is {norm} (I = 10, H = 16, from the fourth step of a random "
            "sequence to the fifth).",
            norm=f"{entry.spectral_norm:.2f}",
        )
    )
    if len(entry.states) > 1:
        yield Words(say("The norms of its blocks, a row for each new state, a column for each old one:"))
        names = [f"`{name}`" for name in entry.states]
        rows = [(name, *_norms(entry, new)) for name, new in zip(names, entry.states, strict=True)]
        yield Grid(("", *names), rows, right=range(1, len(names) + 1))


def _norms(entry: CellEntry, new: str) -> Iterator[str]:
    for old in entry.states:
        norm = entry.block_norms[new, old]
        yield f"{norm:.2f}" if norm else "0"


def _gradient(entry: CellEntry, title: str) -> Iterator[Block]:
    yield Heading(2, say("How a gradient fares over 200 steps"))
    output = next(iter(entry.states))
    terms = [f"`d{name}_k`" for name in entry.states]
    together = sentence(", the norm of {terms} together", terms=listed(terms)) if len(terms) > 1 else ""
    yield Words(
        say(
            "The loss reads the last {output} alone, and its gradient there has the norm 1. The curve is "
            "`|dL/ds_k|`{together}: 0 to 200 steps back, at the initial parameters, for I = {I}, H = {H} and 4 "
            "sequences of normal inputs.",
            output=output,
            together=together,
            I=I,
            H=H,
        )
    )
    alt = say("{title}: the norm of the gradient of the state over 200 steps", title=title)
    yield Image(f"{entry.name}-gradient", alt, curve_picture(entry.curve))
    marks = [(str(distance), rounded(value)) for distance, value in entry.marks.items()]
    yield Grid((say("steps back"), say("log10 of the norm of dL/ds_k")), marks, right=(0, 1))
    yield Words(str(entry.kept.words()))


def _code(entry: CellEntry) -> Iterator[Block]:
    yield Heading(2, say("The backward in NumPy"))
    if entry.derivation is None:
        yield Words(say("`derive` does not write it: {refusal}.", refusal=entry.refusal))
    else:
        yield Words(
            say(
                "`bptt.derive` wrote this file and compared it with the tape, for several lengths and batch sizes. "
                "`tinygrad-rnn atlas {name}` prints this page.",
                name=entry.name,
            )
        )
        yield Code(entry.code, "python")
    yield Words(
        say(
            "The gradients of the tape agree with a complex step, or with differences where an operation is not "
            "analytic, by each parameter, input and initial state. So does the Jacobian, and so does the curve at 10 "
            "steps back. Each size is counted at nine pairs of I and H, and its formula gives each of them."
        )
    )
    yield Words(
        say(
            "Outputs, last states and all gradients agree to 1e-12 with code that others published, run in float64 at "
            "T = 1, 2, 3 and 7 with one and three sequences: {published}",
            published=PUBLISHED[entry.name].words(),
        )
    )
