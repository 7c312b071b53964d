"""tinygrad_rnn: see and check backpropagation through time.

    import tinygrad_rnn as tg
    from tinygrad_rnn import bptt, draw, nn

- `Tensor(values, name)`: a value to differentiate or to feed; NumPy's functions and operators work on it.
- `with Tape() as tape:` records; `tape.gradient(loss, wrt)` and `tape.rewind(loss)` walk back; `tape.rerun(feed)`.
- `scope(t=3)`, `named("z", value)`: labels and names for tables, drawings and `tape.find`.
- `grad`, `value_and_grad`, `vjp`, `jvp`, `jacobian`, `hessian`, `hvp`: functions of functions, nested to any order.
- `compile(f)`: `value_and_grad(f)`, recorded once and compiled into a program as fast as NumPy written by an expert.
- `check_grads(f, args)`: are the derivatives of f right, of first and second order, backward and forward?
- `sigmoid`, `relu`, `softplus`, `elu`, `gelu`, `gelu_tanh`, `softmax`, `log_softmax`, `logsumexp`: NumPy lacks them;
  `set_at`, `add_at`: in the place of assignment; `stop_gradient`.
- `primitive(...)` adds an operation, `notation(...)` says how drawings, formulas and NumPy code write it.
- `speak("zh")`: reports, hints and labels in Chinese, from here on or in a `with` statement.
- `nn`: cells, `unroll`, losses, initial parameters. `bptt`: derivations by hand, the comparison, how a gradient flows.
  `draw`: the graph.
"""

import sys

import tinygrad_rnn.interrupted  # noqa: F401  # isort: split
from tinygrad_rnn import compiler
from tinygrad_rnn import compiler as replay  # a second name, for code that imports it
from tinygrad_rnn.compiler.compiled import compile
from tinygrad_rnn.core.recording import scope
from tinygrad_rnn.core.table import primitive
from tinygrad_rnn.core.tape import Entry, Step
from tinygrad_rnn.core.tensor import Tensor, named
from tinygrad_rnn.language.current import speak
from tinygrad_rnn.operations.activations import elu, gelu, gelu_tanh, log_softmax, softmax, softplus
from tinygrad_rnn.operations.basics import relu, sigmoid
from tinygrad_rnn.operations.comparisons import stop_gradient
from tinygrad_rnn.operations.indexing import add_at, set_at
from tinygrad_rnn.operations.reductions import logsumexp
from tinygrad_rnn.tape.full_tape import Tape
from tinygrad_rnn.tape.notation import notation
from tinygrad_rnn.transforms.check_grads import check_grads
from tinygrad_rnn.transforms.transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp

__version__ = "0.2.0"

sys.modules[f"{__name__}.replay"] = replay  # for `from tinygrad_rnn.replay import compile_tape`


def load_ipython_extension(shell: object = None) -> None:
    """Show dicts, tuples and lists of arrays as tables: `%load_ext tinygrad_rnn`. In a notebook the import does so."""
    from tinygrad_rnn.tape.notebook_trees import install

    install(shell)


def unload_ipython_extension(shell: object) -> None:
    """Show dicts, tuples and lists as IPython does: `%unload_ext tinygrad_rnn`."""
    from tinygrad_rnn.tape.notebook_trees import uninstall

    uninstall(shell)


load_ipython_extension()  # nothing happens outside of a notebook

__all__ = [
    "Entry",
    "Step",
    "Tape",
    "Tensor",
    "add_at",
    "check_grads",
    "compile",
    "compiler",
    "elu",
    "gelu",
    "gelu_tanh",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "log_softmax",
    "logsumexp",
    "named",
    "notation",
    "primitive",
    "relu",
    "replay",
    "scope",
    "set_at",
    "sigmoid",
    "softmax",
    "softplus",
    "speak",
    "stop_gradient",
    "value_and_grad",
    "vjp",
]
