"""A derivative rule in words a person would write: `dz_f[t] = df[t] * (f[t] - f[t] * f[t])`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.diagnosis.model import CellModel
from tinygrad_rnn.bptt.diagnosis.rules import Called, Fixed, G, Made, Ref, Rule
from tinygrad_rnn.language.saying import Sentence, sentence
from tinygrad_rnn.tape.notation import ATOM, Text, bracketed, call_text

DEPTH = 4  # of an expression that is written out; what lies deeper is an ellipsis


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
    kind, index, _ = ref
    if param := _transposed_param(model, ref):
        return f"d{param}"
    if kind == "line":
        name = model.roles[index].name
        pieces = [role.name for role in model.roles if role.op.name == "getitem" and role.args[0] == ref]
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
    turned = _transposed_param(model, model.roles[r].args[slot])
    if turned and last and last.op.name == "matmul" and rule.result == Made(len(rule.instructions) - 1):
        left, right = (replace(rule, result=a) for a in last.args)
        return f"{_turned(rule_text(model, r, right))} @ {_turned(rule_text(model, r, left))}"
    return rule_text(model, r, rule)


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
    """Write an operation; arrays that are joined as [h; x]."""
    return (f"[{'; '.join(text for text, _ in args)}]", ATOM) if name == "concatenate" else call_text(name, args)


def _constant(value: Any) -> str:
    """Write a number, the identity matrix, or what an array is."""
    if np.ndim(value) == 0 and isinstance(value, int | float | np.ndarray):
        return f"{float(value):g}"
    array = np.asarray(value)
    square = array.ndim == 2 and array.shape[0] == array.shape[1]
    return "I" if square and np.array_equal(array, np.eye(len(array))) else f"array {array.shape}"


def _value(model: CellModel, ref: object, depth: int) -> Text:
    """Return the text, and the precedence of its outermost operation."""
    if not isinstance(ref, Ref):
        return _constant(ref.value if type(ref) is Fixed else ref), ATOM
    kind, index, shift = ref
    if kind == "param":
        return str(index), ATOM
    if kind == "line" and not model.roles[index].name:
        role = model.roles[index]
        if depth == 0:
            return "...", ATOM
        text, binds = _call(role.op.name, [_value(model, a, depth - 1) for a in role.args])
        return (f"({text})[t{shift:+d}]", ATOM) if shift else (text, binds)
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
