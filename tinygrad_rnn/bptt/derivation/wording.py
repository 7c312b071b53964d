"""An expression as Python."""

from __future__ import annotations

from collections.abc import Callable

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
    if x.name == "add":
        return " ".join(_terms(x, name)), SUM
    if x.name == "multiply":
        return " * ".join(_factor(a, name) for a in x.args), TIMES
    if x.name == "divide":
        return f"{_factor(x.args[0], name)} / {bracketed(_text(x.args[1], name), APPLIED)}", TIMES
    if x.name == "matmul" and (at := row_index(x.args[0])):
        return f"{bracketed(_text(x.args[1], name), ATOM)}[{python(at, name)}]", ATOM
    if x.name == "matmul" and (at := row_index(transpose(x.args[1]))):
        return f"{bracketed(_text(x.args[0], name), ATOM)}[:, {python(at, name)}]", ATOM
    if x.name == "matmul":
        return " @ ".join(bracketed(_text(a, name), APPLIED) for a in x.args), TIMES
    if x.name == "negative":
        return f"-{bracketed(_text(x.args[0], name), TIMES)}", TIMES
    if x.name == "power":
        base, exponent = x.args
        tight = "**" if isinstance(base, Ref) and _text(base, name)[0].isidentifier() else " ** "
        return f"{bracketed(_text(base, name), ATOM)}{tight}{bracketed(_text(exponent, name), ATOM)}", APPLIED + 1
    if x.name == "detach":
        return _text(x.args[0], name)
    if x.name == "transpose":
        return f"{bracketed(_text(x.args[0], name), ATOM)}.T", ATOM
    sign = notation_of(x.name).sign
    if sign and not BINDS[sign]:
        return f" {sign} ".join(bracketed(_text(a, name), SUM) for a in x.args), 0
    return _call(x, name), ATOM


def row_index(x: Expr) -> Expr | None:
    """Return the index of the rows that are 1 there and 0 elsewhere, or None for any other matrix."""
    return x.args[0] if isinstance(x, Op) and x.name == "one_hot" and x.options[1] == ("axis", 1) else None


def _factor(x: Expr, name: Name) -> str:
    """Return an operand of `*`; brackets around a product of matrices show that it comes first."""
    text = _text(x, name)[0]
    return f"({text})" if isinstance(x, Op) and x.name == "matmul" else bracketed(_text(x, name), TIMES)


def _terms(x: Op, name: Name) -> list[str]:
    first = next((a for a in x.args if not is_negative(a)), x.args[0])
    rest = list(x.args)
    rest.remove(first)
    found = [_text(first, name)[0]]
    for a in rest:
        sign = "-" if is_negative(a) else "+"
        term = _text(negative(a) if is_negative(a) else a, name)
        found.append(f"{sign} {bracketed(term, SUM + (sign == '-'))}")
    return found


def _call(x: Op, name: Name) -> str:
    options = dict(x.options)
    first = _text(x.args[0], name)
    if x.name in ("sum", "mean"):
        axes = options["axis"]
        text = f"axis={axes[0] if len(axes) == 1 else axes}" if len(axes) < len(x.args[0].shape) else ""
        kept = "keepdims=True" if options.get("keepdims") else ""
        return f"{bracketed(first, ATOM)}.{x.name}({', '.join(part for part in (text, kept) if part)})"
    if x.name in ("concatenate", "stack", "split"):
        parts = f"[{', '.join(python(a, name) for a in x.args)}]" if x.name != "split" else first[0]
        more = [str(options["parts"])] if x.name == "split" else []
        axis = [f"axis={options['axis']}"] if options["axis"] else []
        return f"np.{x.name}({', '.join([parts, *more, *axis])})"
    if x.name == "getitem":
        return f"{bracketed(first, ATOM)}[{', '.join(map(_part, options['index']))}]"
    if x.name == "broadcast_to" and x.args[0] == Num(0):
        return f"np.zeros_like({str(options['shape']).removesuffix('.shape')})"
    if x.name == "broadcast_to":
        return f"np.broadcast_to({first[0]}, {options['shape']})"
    if x.name == "reshape":
        return f"{bracketed(first, ATOM)}.reshape({', '.join(map(str, options['shape']))})"
    if function := in_numpy(x.name):
        more = [f"{number(options['alpha'])}"] if "alpha" in options else []
        return f"{function}({', '.join([*(_text(a, name)[0] for a in x.args), *more])})"
    raise Unwritable(
        f"derive: there is no line of NumPy for {x.name}\nwrite the cell with operations whose gradients have one: "
        "arithmetic, matrix products, elementwise functions, sums over an axis"
    )


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
