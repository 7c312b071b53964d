"""A derivative rule in words a person would write: `dz_f[t] = df[t] * (f[t] - f[t] * f[t])`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.diagnosis.model import CellModel
from tinygrad_rnn.bptt.diagnosis.rules import Called, Fixed, G, Made, Ref, Role, Rule
from tinygrad_rnn.language.saying import Sentence, sentence
from tinygrad_rnn.tape.notation import ATOM, Text, bracketed, call_text

DEPTH = 4  # of an expression that is written out; what lies deeper is an ellipsis


LARGER = {"maximum": "greater", "minimum": "less"}
"""What an operand is to the other where the result, and so the cotangent, is its own."""


VIEWS = ("getitem", "reshape", "expand_dims", "squeeze")
"""The operations that may give all entries of an array in another shape."""


def is_view(model: CellModel, r: int) -> bool:
    """Return whether line r, without a name, is the same entries in another shape: people write the array itself."""
    role = model.roles[r]
    if role.op.name not in VIEWS or role.name or not isinstance(role.args[0], Ref):
        return False
    of = model.likes[role.args[0]]
    return role.like.size == of.size and role.like.ndim != of.ndim


def value_text(model: CellModel, ref: object) -> str:
    """Write a value of the step: `h[t-1]`, `f[t]`, `weight_hh`; an unnamed one as the expression that made it."""
    return _value(model, ref, DEPTH)[0]


def factor_text(model: CellModel, ref: object) -> str:
    """Write a value of the step as a factor, or as a power's base: in brackets where it needs them."""
    return bracketed(_value(model, ref, DEPTH), ATOM)


def wrapped_text(name: str) -> Sentence:
    """Write the last state of a sequence where an index of -1 reads it."""
    return sentence("{state} (the last state: index -1)", state=f"{name}[T-1]")


def quantity(model: CellModel, ref: Ref) -> str:
    """Name the cotangent of a value: `dh`, `dz_f`, `dweight_hh`, `d(f * c)`."""
    ref = _same_cotangent(model, ref)
    if ref.kind == "line" and is_view(model, ref.index):
        return quantity(model, model.roles[ref.index].args[0])
    kind, index, _ = ref
    if param := _transposed_param(model, ref):
        return f"d{param}"
    if kind == "line":
        name = model.roles[index].name
        cuts = [role for role in model.roles if role.op.name == "getitem" and role.args[0] == ref]
        pieces = [role.name for role in cuts]
        if len(cuts) == 1 and cuts[0].name and cuts[0].like.size == model.roles[index].like.size:
            return f"d{cuts[0].name}"
        if not name and pieces and all(pieces):
            return f"d[{', '.join(map(str, pieces))}]"
        return f"d{name}" if name else f"d({value_text(model, ref).replace('[t]', '').replace('[t-1]', '')})"
    if kind == "state":
        return f"d{model.names[index]}"
    return f"d{index}" if kind == "param" else "dx"


def _same_cotangent(model: CellModel, ref: Ref) -> Ref:
    """Return the named value with the same cotangent: an unnamed summand has the cotangent of the sum."""
    while ref.kind == "line" and not model.roles[ref.index].name:
        readers = [(r, slot) for r, slot, target in model.edges() if target == ref]
        if len(readers) != 1:
            break
        rule = model.rule(*readers[0])
        if rule.instructions or rule.result != G or rule.place is not None:
            break
        ref = Ref("line", readers[0][0])
    return ref


def _transposed_param(model: CellModel, ref: object) -> str:
    """Return the parameter of which a line is the transpose: people speak of the parameter's gradient."""
    if isinstance(ref, Ref) and ref.kind == "line":
        role = model.roles[ref.index]
        if role.op.name == "transpose" and isinstance(role.args[0], Ref) and role.args[0].kind == "param":
            return str(role.args[0].index)
    return ""


def edge_text(model: CellModel, r: int, slot: int, rule: Rule) -> str:
    """Write the rule of an edge as people do: for W, where the cell reads its transpose."""
    last = rule.instructions[-1] if rule.instructions else None
    if model.roles[r].op.name in LARGER and rule == model.rule(r, slot):
        mine, other = (_value(model, a, DEPTH) for a in (model.roles[r].args[slot], model.roles[r].args[1 - slot]))
        where = call_text(LARGER[model.roles[r].op.name], [mine, other])
        return call_text("multiply", [(f"{quantity(model, Ref('line', r))}[t]", ATOM), where])[0]
    turned = _transposed_param(model, model.roles[r].args[slot])
    if turned and last and last.op.name == "matmul" and rule.result == Made(len(rule.instructions) - 1):
        left, right = (replace(rule, result=a) for a in last.args)
        return f"{_turned(rule_text(model, r, right))} @ {_turned(rule_text(model, r, left))}"
    return _of_outer(model, r, slot, rule) or rule_text(model, r, rule)


def _of_outer(model: CellModel, r: int, slot: int, rule: Rule) -> str:
    """Write the rule of a factor of an outer product a b^T as a product with a matrix; "" for any other rule."""
    target, made = model.roles[r].args[slot], rule.instructions
    turned = len(made) == 2 and made[0].op.name == "swapaxes" and type(made[0].args[0]) is Ref and made[0].args[0] == G
    if len(made) != 1 + turned or made[-1].op.name != "multiply" or rule.result != Made(len(made) - 1):
        return ""
    incoming = Made(0) if turned else G
    given, other = made[-1].args if made[-1].args[0] == incoming else made[-1].args[::-1]
    known = isinstance(other, Ref) and other.kind in ("line", "x", "state") and isinstance(target, Ref)
    if given != incoming or not known:
        return ""
    mine, theirs = model.likes[target].shape, model.likes[other._replace(shift=0)].shape
    cotangent, text = f"{quantity(model, Ref('line', r))}[t]", value_text(model, other)
    if not (_is_column(mine) and _is_row(theirs)) and not (_is_row(mine) and _is_column(theirs)):
        return ""
    return f"{cotangent} @ {text}" if _is_column(mine) != turned else f"{cotangent}.T @ {text}"


def _is_column(shape: tuple[int, ...]) -> bool:
    return len(shape) > 1 and shape[-1] == 1 and shape[-2] > 1


def _is_row(shape: tuple[int, ...]) -> bool:
    return len(shape) > 1 and shape[-2] == 1 and shape[-1] > 1


def _turned(text: str) -> str:
    if text.endswith(".T"):
        return text[:-2]
    return f"({text}).T" if " " in text and not text.startswith(("d[", "[")) else f"{text}.T"


def rule_text(model: CellModel, r: int, rule: Rule) -> str:
    """Write the rule of an edge of line r, as an expression in the cotangent of the line's result."""
    cotangent = f"{quantity(model, Ref('line', r))}[t]"
    texts: list[Text] = []

    def of(a: Any) -> Text:
        if type(a) is Made:
            return texts[a.number]
        if type(a) is Called:
            return call_text(a.op.name, [of(a.of)])
        if type(a) is Rule:
            text = rule_text(model, r, a)
            return text, (ATOM if text.startswith("[") else 1)
        return (cotangent, ATOM) if type(a) is Ref and a == G else _value(model, a, DEPTH)

    for op, args, _ in rule.instructions:
        texts.append(_call(op.name, [of(a) for a in args]))
    return of(rule.result)[0]


def _call(name: str, args: list[Text]) -> Text:
    """Write an operation; arrays that are joined as [h; x], another shape as the array, a matrix's transpose as S.T."""
    if name == "concatenate":
        return f"[{'; '.join(text for text, _ in args)}]", ATOM
    if name in VIEWS[1:]:
        return args[0]
    if name == "swapaxes" and [text for text, _ in args[1:]] in (["-1", "-2"], ["-2", "-1"]):
        return call_text("transpose", args[:1])
    return call_text(name, args)


def _moved(a: object, shift: int) -> object:
    """Return the reference to a value of another step; a parameter, or a constant, is the same there."""
    return a._replace(shift=a.shift + shift) if isinstance(a, Ref) and a.kind in ("line", "state", "x") else a


def _outer(model: CellModel, role: Role, args: list[Text]) -> Text | None:
    """Write the outer product of a column and a row of views as a @ b.T; None for anything else."""
    views = [isinstance(a, Ref) and a.kind == "line" and is_view(model, a.index) for a in role.args]
    if role.op.name != "multiply" or not all(views):
        return None
    (one, a), (two, b) = ((model.likes[ref].shape, text) for ref, text in zip(role.args, args, strict=True))
    if _is_row(one) and _is_column(two):
        a, b = b, a
    elif not (_is_column(one) and _is_row(two)):
        return None
    return call_text("matmul", [a, call_text("transpose", [b])])


def _constant(value: Any) -> str:
    """Write a number, the identity matrix, or what an array is."""
    if np.ndim(value) == 0 and isinstance(value, int | float | np.ndarray):
        return f"{float(value):g}"
    array = np.asarray(value)
    square = array.ndim == 2 and array.shape[0] == array.shape[1]
    return "I" if square and np.array_equal(array, np.eye(len(array))) else f"array{array.shape}"


def _value(model: CellModel, ref: object, depth: int) -> Text:
    """Return the text, and the precedence of its outermost operation."""
    if not isinstance(ref, Ref):
        return _constant(ref.value if type(ref) is Fixed else ref), ATOM
    kind, index, shift = ref
    if kind == "param":
        return str(index), ATOM
    if kind == "line" and not model.roles[index].name:
        role = model.roles[index]
        if is_view(model, index):
            return _value(model, _moved(role.args[0], shift), depth)
        if depth == 0:
            return "...", ATOM
        args = [_value(model, _moved(a, shift), depth - 1) for a in role.args]
        return _outer(model, role, args) or _call(role.op.name, args)
    if kind in ("near", "within"):
        return _value(model, Ref("line", index, shift), depth)
    if kind == "state":
        shift -= 1
    named = {
        "line": model.roles[index].name if kind == "line" else "",
        "state": model.names[index] if kind in ("state", "carry", "local") else "",
        "x": "x",
        "cotangent": quantity(model, Ref("line", index)) if kind == "cotangent" else "",
        "upstream": "dhs",
    }
    state = named["state"]
    name = named | {"carry": f"d{state}_next", "local": f"d{state}_of_this_step"}
    return f"{name[kind]}[t{shift:+d}]" if shift else f"{name[kind]}[t]", ATOM
