"""An expression as Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tinygrad_rnn.bptt.derivation.expressions import Expr, Num, Op, Ref, is_negative, negative, transpose
from tinygrad_rnn.bptt.derivation.reading import Unwritable
from tinygrad_rnn.tape.notation import ATOM, BINDS, Text, bracketed, in_numpy, notation_of

SUM, TIMES, APPLIED = BINDS["+"], BINDS["*"], 3
Name = Callable[[Ref], str]


def python(x: Expr, name: Name) -> str:
    """Return an expression as one line of Python; `name` gives the name of a quantity.

    Raises Unwritable for an operation that has no line of NumPy.
    """
    return _text(x, name)[0]


def _text(x: Expr, name: Name) -> Text:
    if isinstance(x, Ref):
        return name(x), ATOM
    if isinstance(x, Num):
        return number(x.value), ATOM if x.value >= 0 else APPLIED
    return RULES.get(x.name, _operator_or_call)(x, name)


def row_index(x: Expr) -> Expr | None:
    """Return the index of the rows that are 1 there and 0 elsewhere, or None for any other matrix."""
    return x.args[0] if isinstance(x, Op) and x.name == "one_hot" and x.options[1] == ("axis", 1) else None


def _factor(x: Expr, name: Name) -> str:
    """Return an operand of `*`; brackets around a product of matrices show that it comes first."""
    text = _text(x, name)[0]
    return f"({text})" if isinstance(x, Op) and x.name == "matmul" else bracketed(_text(x, name), TIMES)


# ------------------------------------------------------------------------------------------------------- the rules


def _sum_of_terms(x: Op, name: Name) -> Text:
    """Write a sum; it begins with a term that is not negative, if there is one."""
    first = next((a for a in x.args if not is_negative(a)), x.args[0])
    rest = list(x.args)
    rest.remove(first)
    found = [bracketed(_text(first, name), SUM)]
    for a in rest:
        sign = "-" if is_negative(a) else "+"
        term = _text(negative(a) if is_negative(a) else a, name)
        found.append(f"{sign} {bracketed(term, SUM + (sign == '-'))}")
    return " ".join(found), SUM


def _product(x: Op, name: Name) -> Text:
    """Write a product, entry by entry."""
    return " * ".join(_factor(a, name) for a in x.args), TIMES


def _quotient(x: Op, name: Name) -> Text:
    """Write a quotient, entry by entry."""
    return f"{_factor(x.args[0], name)} / {bracketed(_text(x.args[1], name), APPLIED)}", TIMES


def _product_of_matrices(x: Op, name: Name) -> Text:
    """Write a product of matrices: a row or a column by its index, where one factor is 1 there and 0 elsewhere."""
    a, b = x.args
    if at := row_index(a):
        return f"{bracketed(_text(b, name), ATOM)}[{python(at, name)}]", ATOM
    if at := row_index(transpose(b)):
        return f"{bracketed(_text(a, name), ATOM)}[:, {python(at, name)}]", ATOM
    return " @ ".join(bracketed(_text(factor, name), APPLIED) for factor in x.args), TIMES


def _opposite(x: Op, name: Name) -> Text:
    """Write a minus sign."""
    return f"-{bracketed(_text(x.args[0], name), TIMES)}", TIMES


def _power(x: Op, name: Name) -> Text:
    """Write a power, without spaces where the base is a name."""
    base, exponent = x.args
    if isinstance(base, Op) and base.name == "size" and isinstance(exponent, Num):
        return f"{_text(base, name)[0]}**{number(exponent.value)}", APPLIED + 1
    tight = "**" if isinstance(base, Ref) and _text(base, name)[0].isidentifier() else " ** "
    return f"{bracketed(_text(base, name), ATOM)}{tight}{bracketed(_text(exponent, name), ATOM)}", APPLIED + 1


def _unchanged(x: Op, name: Name) -> Text:
    """Write an operation whose result is its argument."""
    return _text(x.args[0], name)


def _transpose(x: Op, name: Name) -> Text:
    """Write a transpose."""
    return f"{bracketed(_text(x.args[0], name), ATOM)}.T", ATOM


def _axes(x: Op, name: Name) -> Text:
    """Write axes in another order."""
    return f"{bracketed(_text(x.args[0], name), ATOM)}.transpose{dict(x.options)['axes']}", ATOM


def _size(x: Op, name: Name) -> Text:
    """Write the number of units."""
    return str(dict(x.options)["name"]), ATOM


def _einsum(x: Op, name: Name) -> Text:
    """Write a sum of products by its indices."""
    return f'np.einsum("{dict(x.options)["subscripts"]}", {", ".join(python(a, name) for a in x.args)})', ATOM


def _reduction(x: Op, name: Name) -> Text:
    """Write a sum or a mean over axes."""
    options = dict(x.options)
    axes = options["axis"]
    text = f"axis={axes[0] if len(axes) == 1 else axes}" if len(axes) < len(x.args[0].shape) else ""
    kept = "keepdims=True" if options.get("keepdims") else ""
    said = ", ".join(part for part in (text, kept) if part)
    return f"{bracketed(_text(x.args[0], name), ATOM)}.{x.name}({said})", ATOM


def _joining(x: Op, name: Name) -> Text:
    """Write arrays that are joined along an axis."""
    return _along(x, [f"[{', '.join(python(a, name) for a in x.args)}]"]), ATOM


def _split(x: Op, name: Name) -> Text:
    """Write the parts of an array along an axis."""
    return _along(x, [python(x.args[0], name), str(dict(x.options)["parts"])]), ATOM


def _along(x: Op, given: list[str]) -> str:
    axis = dict(x.options)["axis"]
    return f"np.{x.name}({', '.join([*given, *([f'axis={axis}'] if axis else [])])})"


def _part_of_an_array(x: Op, name: Name) -> Text:
    """Write an index."""
    return f"{bracketed(_text(x.args[0], name), ATOM)}[{', '.join(map(_part, dict(x.options)['index']))}]", ATOM


def _spread(x: Op, name: Name) -> Text:
    """Write an array that is broadcast to a shape."""
    shape = dict(x.options)["shape"]
    if x.args[0] == Num(0):
        return f"np.zeros_like({str(shape).removesuffix('.shape')})", ATOM
    return f"np.broadcast_to({python(x.args[0], name)}, {shape})", ATOM


def _shaped(x: Op, name: Name) -> Text:
    """Write the same entries in another shape."""
    shape = ", ".join(map(str, dict(x.options)["shape"]))
    return f"{bracketed(_text(x.args[0], name), ATOM)}.reshape({shape})", ATOM


def _operator_or_call(x: Op, name: Name) -> Text:
    """Write any other operation by its notation. Raise Unwritable where it has none."""
    sign = notation_of(x.name).sign
    if sign and not BINDS[sign]:
        return f" {sign} ".join(bracketed(_text(a, name), SUM) for a in x.args), 0
    function = in_numpy(x.name)
    if not function:
        raise Unwritable(
            f"derive: there is no line of NumPy for {x.name}\nwrite the cell with operations whose gradients have one: "
            "arithmetic, matrix products, elementwise functions, sums over an axis"
        )
    slope = [number(value) for key, value in x.options if key == "alpha"]
    return f"{function}({', '.join([*(python(a, name) for a in x.args), *slope])})", ATOM


RULES: Mapping[str, Callable[[Op, Name], Text]] = {
    "add": _sum_of_terms,
    "multiply": _product,
    "divide": _quotient,
    "matmul": _product_of_matrices,
    "negative": _opposite,
    "power": _power,
    "detach": _unchanged,
    "transpose": _transpose,
    "axes": _axes,
    "einsum": _einsum,
    "size": _size,
    "sum": _reduction,
    "mean": _reduction,
    "concatenate": _joining,
    "stack": _joining,
    "split": _split,
    "getitem": _part_of_an_array,
    "broadcast_to": _spread,
    "reshape": _shaped,
}
"""Operation -> how it is written as Python. `notation` has the signs and functions of all others."""


def _part(part: object) -> str:
    if isinstance(part, tuple):
        start, stop, step = ("" if end in (None, 0) else str(end) for end in part)
        start, stop = (f"{start} " if " " in start else start), (f" {stop}" if " " in stop else stop)
        if " " in start + stop:
            start, stop = start and f"{start.strip()} ", stop and f" {stop.strip()}"
        return f"{start}:{stop}" + (f":{step}" if step else "")
    return "None" if part is None else "..." if part is Ellipsis else str(part)


def number(value: float) -> str:
    """Return a number in the form that a person would write."""
    value = float(f"{value:.15g}")  # 3 * 0.1 is 0.3
    return repr(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
