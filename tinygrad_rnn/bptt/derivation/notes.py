"""What a derivation says in words: its headings, what its letters mean, and the note of each section.

The parts of a sentence may be quantities and derivatives: a document writes these in its style.
"""

from __future__ import annotations

from collections.abc import Iterable

from tinygrad_rnn.bptt.derivation.expressions import Op, walk
from tinygrad_rnn.bptt.derivation.formula_line import Partial
from tinygrad_rnn.bptt.derivation.formulas import Formulas
from tinygrad_rnn.bptt.derivation.linear_maps import is_map
from tinygrad_rnn.language.saying import Listed, Words, joined, listed, sentence

SpokenWords = Words | Listed


def in_order(sentences: Iterable[SpokenWords]) -> Listed:
    """Return sentences one after the other; in English a space stands between them."""
    return Listed(sentences, sentence(" "))


def and_last(parts: Iterable[object]) -> SpokenWords:
    """Return words with commas, and with "and" before the last."""
    *before, last = list(parts)
    return joined([listed(before), last]) if before else Listed([last], "")


def heading_of(section: str, formulas: Formulas) -> SpokenWords:
    """Return the heading of a section, with the steps that it is for."""
    first, last = formulas.first_step, "T" if formulas.first_step else "T-1"
    errors = sentence("Error terms, for t = {last}, ..., {first}", first=first, last=last)
    if formulas.printed_as.each_loss:
        errors = sentence("Error terms of the loss L_t, for k = t, ..., {first}", first=first)
    return {
        "forward": sentence("Forward pass, for t = {first}, ..., {last}", first=first, last=last),
        "slopes": sentence("Local derivatives, from the last line to the first"),
        "steps": sentence("From one step to the next"),
        "errors": errors,
        "gradients": sentence("Gradients"),
        "chains": sentence("Chains"),
    }[section]


def convention(formulas: Formulas) -> SpokenWords:
    """Return what the letters of a derivation mean, and its layout."""
    quantities = sentence("Each quantity is a column vector, for one example. L is the sum of the losses L_t.")
    if formulas.rec.matrices():
        quantities = sentence(
            "Each quantity is a number, a column vector or a matrix, for one example. L is the sum of the losses L_t."
        )
    if formulas.printed_as.each_loss:
        letters = sentence(
            "The letter d before a quantity stands for the derivative of L_t with respect to it; for a net input this "
            "derivative is delta. Its first index is the step of the loss, its last one that of the quantity."
        )
    else:
        letters = sentence(
            "The letter d before a quantity stands for the derivative of L with respect to it; for a net input this "
            "derivative is delta."
        )
    if formulas.printed_as.denominator:
        layout = sentence(
            "The derivative of a vector by a vector has a row for each entry of the vector below (denominator layout): "
            "a chain is read from left to right, from the earlier quantity to the loss."
        )
    else:
        layout = sentence(
            "The derivative of a vector by a vector has a row for each entry of the vector above (numerator layout)."
        )
    return in_order([quantities, letters, layout])


def notes(formulas: Formulas) -> dict[str, SpokenWords]:
    """Return the note of each section that has one."""
    after = "T+1" if formulas.first_step else "T"
    errors = sentence("Every term of step {after} is zero.", after=after)
    if formulas.printed_as.each_loss:
        errors = sentence("Every term of a step after t is zero: the loss of step t does not depend on it.")
    found: dict[str, list[SpokenWords]] = {
        "forward": _of_forward(formulas),
        "slopes": _of_slopes(formulas),
        "steps": _of_steps(formulas),
        "errors": [errors],
        "gradients": [sentence("Those of parameters are sums over time, and over the examples of a batch.")],
    }
    return {section: in_order(note) for section, note in found.items() if note}


def _of_forward(formulas: Formulas) -> list[SpokenWords]:
    left_out = formulas.rec.left_out
    names = [name for name in left_out if name]
    sentences: list[SpokenWords] = []
    if names:
        of_loss = sentence("Lines that do not reach the loss are left out: {names}.", names=listed(names))
        of_state = sentence("Lines that do not reach a state are left out: {names}.", names=listed(names))
        sentences.append(of_loss if formulas.rec.target else of_state)
    elif left_out:
        of_loss = sentence("Lines that do not reach the loss are left out.")
        of_state = sentence("Lines that do not reach a state are left out.")
        sentences.append(of_loss if formulas.rec.target else of_state)
    lines = [*formulas.rec.setup, *formulas.rec.forward]
    used = {part.name for e in lines for part in walk(e.right) if isinstance(part, Op)}
    if "one_hot" in used:
        sentences.append(sentence("x holds indices: e with an index is the column that is 1 there and 0 elsewhere."))
    back = {part.name for right in formulas.rec.coming_back() for part in walk(right) if isinstance(part, Op)}
    if "ones" in used | back:
        sentences.append(sentence("A 1 that multiplies a matrix or a vector is the column of ones that fits."))
    if "detach" in used:
        sentences.append(sentence("sg(v), for stop_gradient, is v with its path cut: its derivative is 0."))
    return sentences


def _of_slopes(formulas: Formulas) -> list[SpokenWords]:
    return [*_of_maps(formulas), *_of_one_line(formulas)]


def _of_maps(formulas: Formulas) -> list[SpokenWords]:
    found = next((f for f in formulas.section("slopes") if is_map(f.right[0])), None)
    if found is None:
        return []
    return [
        sentence(
            "A derivative of a matrix, or by one, such as {one}, is a linear map and no matrix: the arrow leads from a "
            "small change of the quantity below to what it makes of the quantity above.",
            one=found.left[0],
        )
    ]


def _of_one_line(formulas: Formulas) -> list[SpokenWords]:
    alone = [f.left[0] for f in formulas.section("slopes") if isinstance(f.left[0], Partial) and f.left[0].kind]
    if not alone:
        return []
    one = alone[0]
    whole = Partial(one.above, one.below)
    return [
        sentence(
            "{one} is through that line alone. In the next section, {whole} is through all lines of the step.",
            one=one,
            whole=whole,
        )
    ]


def _of_steps(formulas: Formulas) -> list[SpokenWords]:
    several = [sentence("In each block the other states of step t-1 are held.")]
    sentences: list[SpokenWords] = [*several] * (len(formulas.states) > 1)
    if any(
        isinstance(part, Op) and part.name == "rows" for f in formulas.section("steps") for part in walk(f.right[0])
    ):
        sentences.append(
            sentence("An index in brackets stands for the part of a matrix that makes the part of that name.")
        )
    left = [Partial(b.above, b.below) for b in formulas.blocks if isinstance(b.right, str)]
    if len(left) == 1:
        sentences.append(
            sentence("{block} has no short formula: bptt.step_jacobians gives the numbers.", block=left[0])
        )
    elif left:
        sentences.append(
            sentence("{blocks} have no short formula: bptt.step_jacobians gives the numbers.", blocks=and_last(left))
        )
    blocks = {(b.above.name, b.below.name): b for b in formulas.blocks}
    for s in formulas.states:
        for other in formulas.states:
            own, way = blocks[s.name, s.name], blocks[s.name, other.name]
            if own.right is not None and way.right is not None and formulas.depends(other, s):
                total = Partial(own.above, own.below, "total")
                sentences.append(
                    sentence(
                        "Over the unrolled net, the total derivative {total} also runs through {state}.",
                        total=total,
                        state=way.below,
                    )
                )
                return sentences
    return sentences
