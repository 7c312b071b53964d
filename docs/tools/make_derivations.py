"""Write the derivations of the exercises, read off the tape: a page for each in `derivations/` and `zh/derivations/`.

    python docs/tools/make_derivations.py

The tests do the same, and fail where a page differs.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_rnn import bptt
from tinygrad_rnn.bptt.derivation.chains import chains
from tinygrad_rnn.bptt.derivation.documents import Document
from tinygrad_rnn.bptt.derivation.styles import Latex
from tinygrad_rnn.bptt.derivation.symbols import Writer
from tinygrad_rnn.language.current import speaking
from tinygrad_rnn.operations.basics import sigmoid

DOCS = Path(__file__).parents[1]

# Columns, as the textbook has them: x (I, B), h (H, B).


def simple_rnn(params: Any, x: Any, h: Any) -> Any:
    """z_t = U h_{t-1} + W x_t + b, h_t = tanh(z_t)."""
    z = params["U"] @ h + params["W"] @ x + params["b"]
    return np.tanh(z)


def residual(params: Any, x: Any, h: Any) -> Any:
    """h_t = h_{t-1} + g(z_t)."""
    z = params["U"] @ h + params["W"] @ x + params["b"]
    g = np.tanh(z)
    return h + g


def lstm(params: Any, x: Any, h: Any, c: Any) -> Any:
    """Three gates and a candidate c_tilde, each with matrices of its own."""
    i = sigmoid(params["W_i"] @ x + params["U_i"] @ h + params["b_i"])
    f = sigmoid(params["W_f"] @ x + params["U_f"] @ h + params["b_f"])
    o = sigmoid(params["W_o"] @ x + params["U_o"] @ h + params["b_o"])
    c_tilde = np.tanh(params["W_c"] @ x + params["U_c"] @ h + params["b_c"])
    c = f * c + i * c_tilde
    return o * np.tanh(c), c


def gru(params: Any, x: Any, h: Any) -> Any:
    """Compute the next state, with the reset gate r before the matrix; z is the update gate, h_tilde the candidate."""
    z = sigmoid(params["W_z"] @ x + params["U_z"] @ h + params["b_z"])
    r = sigmoid(params["W_r"] @ x + params["U_r"] @ h + params["b_r"])
    s = r * h
    h_tilde = np.tanh(params["W_h"] @ x + params["U_h"] @ s + params["b_h"])
    return z * h + (1 - z) * h_tilde


def example(shapes: dict[str, tuple[int, int]], states: int) -> Callable[..., Any]:
    """Return the function that makes problems of three inputs and four units."""

    def make(rng: np.random.Generator, T: int, B: int) -> Any:
        params = {name: rng.normal(0, 0.5, shape) for name, shape in shapes.items()}
        return params, rng.standard_normal((3, B, T)), tuple(rng.standard_normal((4, B)) for _ in range(states))

    return make


SIMPLE = {"U": (4, 4), "W": (4, 3), "b": (4, 1)}


def of_gates(gates: str) -> dict[str, tuple[int, int]]:
    """Return the shapes of the parameters of cells with a net input for each gate."""
    return {f"{k}_{gate}": s for gate in gates for k, s in (("W", (4, 3)), ("U", (4, 4)), ("b", (4, 1)))}


@dataclass(frozen=True)
class Exercise:
    """An exercise: its cell, the shapes of its parameters, its states, the parameters whose chains are written out.

    titles, intros: by language.
    """

    cell: Callable[..., Any]
    shapes: dict[str, tuple[int, int]]
    states: int
    chains: tuple[str, ...]
    titles: dict[str, str]
    intros: dict[str, str]


EXERCISES = {
    "exercise-01.md": Exercise(
        simple_rnn,
        SIMPLE,
        1,
        ("U",),
        {"en": "Exercise 1: BPTT of the simple RNN", "zh": "第 1 题：简单循环网络的 BPTT"},
        {
            "en": "*Exercise 6-1P.* The error term (6.36), the gradient of U (6.39), and for T = 1, 2, 3 every chain.",
            "zh": "*习题 6-1P。* 误差项的递推式 (6.36)、U 的梯度 (6.39)，以及 T = 1, 2, 3 时的每一条链式乘积。",
        },
    ),
    "exercise-02.md": Exercise(
        simple_rnn,
        SIMPLE,
        1,
        ("W", "b"),
        {"en": "Exercise 2: the gradients of W and b", "zh": "第 2 题：W 和 b 的梯度"},
        {
            "en": "*Exercise 6-2.* (6.40) and (6.41): the error terms are those of exercise 1; W stands before x_t, "
            "and U before h_{t-1}.",
            "zh": "*习题 6-2。* 推导 (6.40) 和 (6.41)：误差项与第 1 题相同；与 W 相乘的是 x_t，与 U 相乘的是 h_{t-1}。",
        },
    ),
    "exercise-04.md": Exercise(
        residual,
        SIMPLE,
        1,
        ("U",),
        {"en": "Exercise 4: the residual update", "zh": "第 4 题：残差形式的状态更新"},
        {
            "en": "*Exercise 6-3.* The update (6.50): ∂h_t/∂h_{t-1} has the identity in it. The cotangent passes "
            "unchanged, and a term is added.",
            "zh": "*习题 6-3。* 状态更新 (6.50)：∂h_t/∂h_{t-1} 中含有单位矩阵，余切原样通过，再加上一项。",
        },
    ),
    "exercise-06.md": Exercise(
        lstm,
        of_gates("ifoc"),
        2,
        (),
        {"en": "Exercise 6: the gradients of the LSTM", "zh": "第 6 题：LSTM 的梯度"},
        {
            "en": "*Exercise 6-4 and the additional exercise 6-2P.* The cell (6.51) to (6.56). On the direct path from "
            "c_t to c_{t-1} stands f_t alone: no matrix and no tanh'.",
            "zh": "*习题 6-4 和附加题 6-2P。* 循环单元 (6.51) 至 (6.56)。"
            "从 c_t 直接到 c_{t-1} 的路径上只有 f_t：没有矩阵，也没有 tanh'。",
        },
    ),
    "exercise-07.md": Exercise(
        gru,
        of_gates("zrh"),
        1,
        (),
        {"en": "Exercise 7: the gradients of the GRU", "zh": "第 7 题：GRU 的梯度"},
        {
            "en": "*Exercise 6-5.* The cell (6.65) to (6.69). The reset gate stands before the matrix: its gradient "
            "comes back through U_h.",
            "zh": "*习题 6-5。* 循环单元 (6.65) 至 (6.69)。重置门在矩阵之前：它的梯度经过 U_h 传回来。",
        },
    ),
}
WORDS = {
    "en": {
        "reader": "*For students who have tried it themselves. 10 minutes.*",
        "cell": "The tape writes the derivation from this cell, whose examples are column vectors. Letters and layout "
        "are those of [NNDL, chapter 6](../nndl.md); under each line stands why it holds.",
        "chains": "The chains of the first three steps",
        "numpy": "The derivation as NumPy",
        "one walk": "One walk back is enough for all losses: it computes "
        "$\\delta_{k} = \\sum_{t=k}^{T} \\delta_{t,k}$. The code was run and compared with the tape.",
    },
    "zh": {
        "reader": "*读者：自己推导过一遍的学生。需要 10 分钟。*",
        "cell": "磁带根据下面的循环单元写出推导，其中每个样本是一个列向量。"
        "字母和布局与 [NNDL 第 6 章](../nndl.md)一致；每一行下面写着它成立的理由。",
        "chains": "前三个时刻的链式乘积",
        "numpy": "写成 NumPy 的推导",
        "one walk": "反向走一遍就够所有损失使用：它计算的是 $\\delta_{k} = \\sum_{t=k}^{T} \\delta_{t,k}$。"
        "这段代码运行过，并与磁带的结果比较过。",
    },
}


def page(name: str, language: str) -> str:
    """Return one page: the cell, its derivation with reasons, the chains where there are few, and the code."""
    exercise, words = EXERCISES[name], WORDS[language]
    derivation = _derived(name)
    formulas = derivation.formulas
    writer = Writer(formulas, Latex())
    source = inspect.getsource(exercise.cell).replace(": Any", "").replace(" -> Any", "")
    blocks = [
        f"# {exercise.titles[language]}",
        words["reader"],
        exercise.intros[language],
        words["cell"],
        f"```python\n{_head(exercise.cell)}{source}```",
    ]
    with speaking(language):
        document = Document("", formulas.all, writer, "markdown", reasons=True)
        for heading, note, inside in document.sections():
            blocks += [f"## {heading}", *([note] if note else [])]
            for f in inside:
                blocks += document.lines_in_markdown(f)
    if exercise.chains:
        blocks += [f"## {words['chains']}"]
        found = [f for f in chains(formulas, 3) if f.left[0].below.name in exercise.chains]
        blocks += [f"$$\n{writer.formula(f)}\n$$" for f in found]
    blocks += [f"## {words['numpy']}", words["one walk"], f"```python\n{derivation.numpy()}```"]
    return "\n\n".join(blocks) + "\n"


@functools.cache
def _derived(name: str) -> bptt.Derivation:
    exercise = EXERCISES[name]
    make = example(exercise.shapes, exercise.states)
    return bptt.derive(exercise.cell, example=make, layout="columns", notation="nndl")


def _head(cell: Callable[..., Any]) -> str:
    uses_sigmoid = "sigmoid" in inspect.getsource(cell)
    return "import numpy as np\n" + ("from tinygrad_rnn import sigmoid\n" if uses_sigmoid else "") + "\n\n"


FOLDERS = {"derivations": "en", "zh/derivations": "zh"}
PAGES = {
    f"{folder}/{name}": lambda name=name, language=language: page(name, language)
    for folder, language in FOLDERS.items()
    for name in EXERCISES
}

if __name__ == "__main__":
    for name, write in PAGES.items():
        (DOCS / name).parent.mkdir(exist_ok=True)
        (DOCS / name).write_text(write(), encoding="utf-8", newline="\n")
